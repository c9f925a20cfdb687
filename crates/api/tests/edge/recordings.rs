//! Recordings over HTTP: who sees them, how their files are had, links, uploads, and their end. The media is ffmpeg's.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use axum::body::Body;
use control::{Recording, RecordingOrigin, RecordingSettings};
use model::{
    CallId, ChannelId, Permission, RecordingFormat, RecordingId, RecordingPolicy, RecordingStatus, RoomName, UserId,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::server::{Answer, SECRET, Server, admin, claims, now, request, token};

/// A token that may record, too.
fn recorder(user: &str) -> String {
    let permissions = vec![Permission::CallsCreate, Permission::CallsJoin, Permission::CallsRecord];
    auth::mint_user(SECRET, &auth::UserClaims { permissions, ..claims(user) }, now())
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// A call that two have had.
async fn past_call(server: &Server, from: &str, to: &str) -> CallId {
    let id = server.ring(from, to).await;
    assert_eq!(server.ask("POST", &format!("/api/calls/{id}/accept"), &token(to), None).await.status, 200);
    assert_eq!(server.ask("POST", &format!("/api/calls/{id}/end"), &token(from), None).await.status, 200);
    id.parse().unwrap()
}

fn recording(call: CallId, by: &str, channel: Option<&str>) -> Recording {
    Recording {
        id: RecordingId(Uuid::now_v7()),
        call: Some(call),
        channel: channel.map(|id| ChannelId::new(id).unwrap()),
        room: RoomName::from(call),
        origin: RecordingOrigin::Server,
        status: RecordingStatus::Starting,
        started_by: Some(user(by)),
        started_at: now(),
        ended_at: None,
        duration_ms: None,
        size_bytes: 0,
        layout: None,
        resolution: None,
        audio_only: false,
        format: RecordingFormat::Mp4,
        policy: RecordingPolicy::Announce,
        progress: None,
        retention_days: None,
        expires_at: None,
        legal_hold: false,
        error: None,
        deleted_at: None,
    }
}

fn ffmpeg(arguments: &[&str], to: &Path) {
    let sources = ["-f", "lavfi", "-i", "testsrc=d=2:s=320x240:r=15", "-f", "lavfi", "-i", "sine=d=2"];
    let made = Command::new("ffmpeg").args(["-v", "error"]).args(sources).args(arguments).arg(to).output();
    let made = made.expect("ffmpeg: scripts/setup-test installs it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// The folder that the recorder leaves of a call in which one publishes camera and microphone; the camera's file.
fn record(server: &Server, id: RecordingId, call: CallId, who: &str) -> Vec<u8> {
    let folder = server.recordings.folder(id);
    std::fs::create_dir_all(folder.join("tracks")).unwrap();
    let manifest = json!({"version": 1, "id": id, "room": call, "started_at": now().0});
    std::fs::write(folder.join("recording.json"), manifest.to_string()).unwrap();
    let events = [
        json!({"at": 0, "type": "started", "wall_ms": now().0}),
        json!({"at": 1, "type": "joined", "participant": "PA_1", "identity": who, "name": who, "kind": "standard"}),
        json!({"at": 2, "type": "track", "track": "TR_v", "participant": "PA_1", "kind": "video", "source": "camera", "codec": "h264"}),
        json!({"at": 2, "type": "track", "track": "TR_a", "participant": "PA_1", "kind": "audio", "source": "microphone", "codec": "opus"}),
        json!({"at": 3, "type": "part", "track": "TR_v", "file": "tracks/TR_v-1.mp4", "width": 320, "height": 240}),
        json!({"at": 2_000, "type": "stopped"}),
    ];
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(folder.join("events.jsonl"), lines).unwrap();
    let fragmented = ["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4"];
    let video = folder.join("tracks/TR_v-1.mp4");
    ffmpeg(&[&["-map", "0:v", "-c:v", "libx264", "-g", "15"][..], &fragmented].concat(), &video);
    ffmpeg(&[&["-map", "1:a", "-c:a", "libopus"][..], &fragmented].concat(), &folder.join("tracks/TR_a-1.mp4"));
    std::fs::read(video).unwrap()
}

/// Waits until a recording is there as it should be.
async fn until(server: &Server, id: &str, status: &str) -> Value {
    for _ in 0..1_000 {
        let answer = server.get(&format!("/api/recordings/{id}"), &admin("root")).await;
        if answer.status == 200 && answer.json()["recording"]["status"] == status {
            return answer.json()["recording"].clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{id} never became {status}");
}

/// A recording of a past call, in storage: its id and the bytes of its video track.
async fn kept(server: &Server, from: &str, to: &str, channel: Option<&str>) -> (String, Vec<u8>) {
    let call = past_call(server, from, to).await;
    let new = recording(call, from, channel);
    server.recordings.begin(new.clone()).await.unwrap();
    let bytes = record(server, new.id, call, from);
    server.recordings.stopped(new.id, now(), Some(2_000), bytes.len() as u64).await.unwrap();
    until(server, &new.id.to_string(), "completed").await;
    (new.id.to_string(), bytes)
}

/// The video track of a recording, as the list has it.
async fn video(server: &Server, id: &str, token: &str) -> Value {
    let tracks = server.get(&format!("/api/recordings/{id}/tracks"), token).await;
    assert_eq!(tracks.status, 200, "{}", tracks.text);
    let tracks = tracks.json()["tracks"].as_array().unwrap().clone();
    tracks.into_iter().find(|track| track["kind"] == "video").unwrap()
}

async fn fetch(
    server: &Server,
    method: &str,
    path: &str,
    token: Option<&str>,
    fields: &[(&str, &str)],
) -> (Answer, Vec<u8>) {
    use tower::ServiceExt as _;
    let mut request = request(method, path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = server.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (Answer { status: parts.status, headers: parts.headers, text }, bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn tracks_can_be_had_where_nothing_was_composed() {
    let server = Server::with_recordings(|_| {}, |_| {}).await;
    let (id, bytes) = kept(&server, "ann", "bob", None).await;
    let known = server.get(&format!("/api/recordings/{id}"), &token("bob")).await.json()["recording"].clone();
    assert_eq!(
        (&known["startedBy"], &known["durationSeconds"], &known["policy"]),
        (&json!("ann"), &json!(2), &json!("announce"))
    );
    assert_eq!((&known["isComposed"], &known["fileUrl"], &known["error"]), (&json!(false), &Value::Null, &Value::Null));
    let file = server.get(&format!("/api/recordings/{id}/file"), &token("bob")).await;
    assert_eq!((file.status.as_u16(), file.code()), (409, "recording_not_ready".to_owned()));
    let track = video(&server, &id, &token("bob")).await;
    assert_eq!((&track["trackSid"], &track["userId"], &track["width"]), (&json!("TR_v"), &json!("ann"), &json!(320)));
    assert_eq!((&track["source"], &track["codec"]), (&json!("camera"), &json!("h264")));
    let path = format!("/api/recordings/{id}/tracks/{}", track["id"].as_str().unwrap());
    let (answer, got) = fetch(&server, "GET", &path, Some(&token("bob")), &[]).await;
    assert!(answer.status == 200 && got == bytes);
    assert_eq!((answer.header("content-type"), answer.header("accept-ranges")), ("video/mp4", "bytes"));
    assert_eq!(answer.header("etag"), format!("\"{}\"", track["sha256"].as_str().unwrap()));
    let lists = [
        format!("/api/calls/{}/recordings", known["callId"].as_str().unwrap()),
        "/api/recordings?query=BOB".to_owned(),
    ];
    for list in lists {
        let listed = server.get(&list, &token("ann")).await;
        assert_eq!(listed.json()["recordings"][0]["id"], id.as_str(), "{list}: {}", listed.text);
    }
    // What storage gives is sealed in storage.
    let stored = server.data().join("storage/recordings").join(&id).join(track["id"].as_str().unwrap());
    assert!(std::fs::read(stored).unwrap().starts_with(b"age-encryption.org/v1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_what_the_file_has_there() {
    let server = Server::with_recordings(|_| {}, |_| {}).await;
    let (id, bytes) = kept(&server, "ann", "bob", None).await;
    let track = video(&server, &id, &token("ann")).await;
    let path = format!("/api/recordings/{id}/tracks/{}", track["id"].as_str().unwrap());
    let ann = token("ann");
    let size = bytes.len();
    let etag = format!("\"{}\"", track["sha256"].as_str().unwrap());
    let ask = async |method: &str, fields: &[(&str, &str)]| fetch(&server, method, &path, Some(&ann), fields).await;
    for (field, from, to) in [
        ("bytes=0-0".to_owned(), 0, 1),
        ("bytes=100-299".to_owned(), 100, 300),
        (format!("bytes={}-", size - 5), size - 5, size),
        ("bytes=-7".to_owned(), size - 7, size),
        (format!("bytes=1-{}", size * 2), 1, size),
    ] {
        let (answer, got) = ask("GET", &[("range", &field)]).await;
        assert_eq!(answer.status, 206, "{field}");
        assert_eq!(answer.header("content-range"), format!("bytes {from}-{}/{size}", to - 1));
        assert_eq!(answer.header("content-length"), (to - from).to_string());
        assert!(got == bytes[from..to], "{field}");
        let (head, none) = ask("HEAD", &[("range", &field)]).await;
        assert_eq!(
            (head.status.as_u16(), head.header("content-length"), none.len()),
            (206, answer.header("content-length"), 0)
        );
    }
    let (beyond, _) = ask("GET", &[("range", &format!("bytes={size}-"))]).await;
    assert_eq!((beyond.status.as_u16(), beyond.code()), (416, "range_not_satisfiable".to_owned()));
    assert_eq!(beyond.header("content-range"), format!("bytes */{size}"));
    for field in ["bytes=0-1,3-4", "bytes=9-1", "lines=1-2"] {
        let (whole, got) = ask("GET", &[("range", field)]).await;
        assert!(whole.status == 200 && got == bytes, "{field}");
    }
    let (same, _) = ask("GET", &[("range", "bytes=0-9"), ("if-range", &etag)]).await;
    let (other, _) = ask("GET", &[("range", "bytes=0-9"), ("if-range", "\"another\"")]).await;
    let (dated, _) = ask("GET", &[("range", "bytes=0-9"), ("if-range", "Mon, 30 Nov 2026 19:00:00 GMT")]).await;
    assert_eq!((same.status.as_u16(), other.status.as_u16(), dated.status.as_u16()), (206, 200, 200));
    let (unchanged, none) = ask("GET", &[("if-none-match", &format!("\"x\", W/{etag}"))]).await;
    assert_eq!((unchanged.status.as_u16(), none.len()), (304, 0));
    let (head, none) = ask("HEAD", &[]).await;
    assert_eq!((head.status.as_u16(), head.header("content-length"), none.len()), (200, size.to_string().as_str(), 0));
    let wrong = server.get(&format!("/api/recordings/{id}/tracks/{}", Uuid::new_v4()), &ann).await;
    assert_eq!(wrong.code(), "recording_not_found");
    for odd in ["..%2f..%2fsecrets.json", "a%00b", &"x".repeat(300), "%C3%BC"] {
        let refused = server.get(&format!("/api/recordings/{id}/tracks/{odd}"), &ann).await;
        assert_eq!(refused.code(), "invalid_id", "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_one_file_for_a_while() {
    let server = Server::with_recordings(|_| {}, |config| config.recording_link_ttl = Duration::from_secs(60)).await;
    let (id, bytes) = kept(&server, "ann", "bob", None).await;
    let track = video(&server, &id, &token("ann")).await;
    let link = track["fileUrl"].as_str().unwrap();
    let path = link.strip_prefix("http://stoa.test").unwrap_or_else(|| panic!("{link}"));
    let (answer, got) = fetch(&server, "GET", path, None, &[]).await;
    assert!(answer.status == 200 && got == bytes);
    // ffprobe seeks in it, over a real connection.
    let url = format!("http://{}{path}", server.address);
    let probe = ["-v", "error", "-show_entries", "stream=codec_name,width", "-of", "csv=p=0", url.as_str()];
    let probed = tokio::task::spawn_blocking({
        let probe: Vec<String> = probe.iter().map(ToString::to_string).collect();
        move || Command::new("ffprobe").args(probe).output().unwrap()
    });
    let probed = probed.await.unwrap();
    assert_eq!(
        String::from_utf8_lossy(&probed.stdout).trim(),
        "h264,320",
        "{}",
        String::from_utf8_lossy(&probed.stderr)
    );
    let code = async |path: &str| {
        let (answer, _) = fetch(&server, "GET", path, None, &[]).await;
        (answer.status.as_u16(), answer.code())
    };
    let forged = (403, "link_invalid".to_owned());
    let (bare, query) = path.split_once('?').unwrap();
    let changed = query.replace("signature=", "signature=A");
    let expires: i64 = query.split(['=', '&']).nth(1).unwrap().parse().unwrap();
    let longer = query.replace(&expires.to_string(), &(expires + 1).to_string());
    assert_eq!(code(&format!("{bare}?{changed}")).await, forged);
    assert_eq!(code(&format!("{bare}?{longer}")).await, forged);
    assert_eq!(code(&format!("{bare}?signature={}", query.split_once("signature=").unwrap().1)).await, forged);
    assert_eq!(code(&format!("/api/recordings/{id}/file?{query}")).await, forged, "of another file");
    assert_eq!(code(bare).await, (401, "unauthorized".to_owned()));
    // One that was good a minute ago.
    let key = auth::LinkKey::derive(b"own secret");
    let stale = key.sign(bare, model::Timestamp(now().0 - 1_000));
    assert_eq!(code(&format!("{bare}?{stale}")).await, (403, "link_expired".to_owned()));
    // A link outlives no recording.
    server.ask("DELETE", &format!("/api/recordings/{id}"), &token("ann"), None).await;
    assert_eq!(code(path).await, (404, "recording_not_found".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn to_everyone_else_it_does_not_exist() {
    let server = Server::with_recordings(|_| {}, |_| {}).await;
    let body = json!({"id": "team", "name": "Team", "members": ["bob", "carol"]});
    server.post("/api/channels", &token("ann"), body).await;
    let (id, _) = kept(&server, "ann", "bob", Some("team")).await;
    let track = video(&server, &id, &token("ann")).await["id"].as_str().unwrap().to_owned();
    for eve in [token("eve"), recorder("carol")] {
        for (method, path) in [
            ("GET", format!("/api/recordings/{id}")),
            ("GET", format!("/api/recordings/{id}/file")),
            ("GET", format!("/api/recordings/{id}/tracks")),
            ("GET", format!("/api/recordings/{id}/tracks/{track}")),
            ("HEAD", format!("/api/recordings/{id}/tracks/{track}")),
            ("DELETE", format!("/api/recordings/{id}")),
        ] {
            let refused = server.ask(method, &path, &eve, None).await;
            assert_eq!(refused.status, 404, "{method} {path}");
            assert!(method == "HEAD" || refused.code() == "recording_not_found", "{}", refused.text);
        }
        let patch =
            server.ask("PATCH", &format!("/api/recordings/{id}"), &eve, Some(json!({"retentionDays": 1}))).await;
        assert_eq!(patch.code(), "recording_not_found");
        assert_eq!(server.get("/api/recordings", &eve).await.json()["recordings"], json!([]));
    }
    let none = server.get(&format!("/api/recordings/{}", Uuid::now_v7()), &token("eve")).await;
    assert_eq!(none.code(), "recording_not_found", "as one that never was");
    // Bob took part, but did not start it.
    assert_eq!(server.ask("DELETE", &format!("/api/recordings/{id}"), &token("bob"), None).await.code(), "forbidden");

    let members = |settings: &mut RecordingSettings| settings.channel_members = true;
    let server = Server::with_recordings(members, |_| {}).await;
    server.post("/api/channels", &token("ann"), json!({"id": "team", "name": "Team", "members": ["carol"]})).await;
    let (id, _) = kept(&server, "ann", "bob", Some("team")).await;
    assert_eq!(server.get(&format!("/api/recordings/{id}"), &token("carol")).await.status, 200);
    assert_eq!(server.get(&format!("/api/recordings/{id}"), &token("eve")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_the_administrators_and_keeps_everything() {
    let server = Server::with_recordings(|settings| settings.retention_days = Some(90), |_| {}).await;
    let (id, _) = kept(&server, "ann", "bob", None).await;
    let path = format!("/api/recordings/{id}");
    let (ann, root) = (token("ann"), admin("root"));
    let patch = async |token: &str, body: Value| server.ask("PATCH", &path, token, Some(body)).await;
    assert_eq!(patch(&ann, json!({"legalHold": true})).await.code(), "forbidden");
    assert_eq!(patch(&ann, json!({"retentionDays": 0})).await.code(), "invalid_request");
    assert_eq!(patch(&ann, json!({"retention": 1})).await.code(), "invalid_request");
    let own = patch(&ann, json!({"retentionDays": 7})).await.json()["recording"].clone();
    assert_eq!(own["retentionDays"], 7);
    let servers = patch(&ann, json!({"retentionDays": null})).await.json()["recording"].clone();
    assert!(
        servers["retentionDays"].is_null() && servers["expiresAt"].as_str() > own["expiresAt"].as_str(),
        "{servers}"
    );
    assert_eq!(patch(&root, json!({"legalHold": true})).await.json()["recording"]["legalHold"], true);
    assert_eq!(server.ask("DELETE", &path, &ann, None).await.code(), "recording_on_hold");
    assert_eq!(patch(&root, json!({"legalHold": false})).await.status, 200);
    let gone = server.ask("DELETE", &path, &ann, None).await;
    assert_eq!((gone.status.as_u16(), &gone.json()["pendingFiles"]), (200, &json!(0)), "{}", gone.text);
    assert_eq!(std::fs::read_dir(server.data().join("storage/recordings")).unwrap().count(), 0);
    let audit = server.get("/api/admin/audit", &root).await;
    assert!(audit.text.contains("recording.deleted") && audit.text.contains("recording.changed"), "{}", audit.text);

    let settings = "/api/channels/team/recording-settings";
    server.post("/api/channels", &ann, json!({"id": "team", "name": "Team", "members": []})).await;
    let body = json!({"retentionDays": 5, "maxBytes": 1_000});
    assert_eq!(server.ask("PUT", settings, &ann, Some(body.clone())).await.code(), "forbidden");
    assert_eq!(server.ask("PUT", settings, &root, Some(body.clone())).await.json(), body);
    assert_eq!(server.get(settings, &root).await.json(), body);
    let nowhere = server.ask("PUT", "/api/channels/none/recording-settings", &root, Some(body)).await;
    assert_eq!(nowhere.code(), "channel_not_found");
}

async fn upload(server: &Server, path: &str, token: &str, name: &str, file: &[u8]) -> Answer {
    let mut body = b"--xyz\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n--xyz\r\n".to_vec();
    body.extend(format!("Content-Disposition: form-data; name=\"recording\"; filename=\"{name}\"\r\n").bytes());
    body.extend(b"Content-Type: video/webm\r\n\r\n");
    body.extend(file);
    body.extend(b"\r\n--xyz--\r\n");
    let request = request("POST", path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-length", body.len())
        .header("content-type", "multipart/form-data; boundary=xyz");
    server.send(request.body(Body::from(body)).unwrap()).await
}

/// Such a file; noise makes it large.
fn webm(length: &str, filter: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("call.webm");
    ffmpeg(&["-t", length, "-vf", filter, "-c:v", "libvpx", "-b:v", "1M", "-c:a", "libopus", "-f", "webm"], &file);
    std::fs::read(file).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_recorded_becomes_a_recording_of_the_call() {
    let server = Server::with_recordings(|_| {}, |_| {}).await;
    let call = past_call(&server, "ann", "bob").await;
    let bytes = webm("2", "noise=alls=60:allf=t");
    assert!(bytes.len() > 64 << 10, "longer than any other body may be");
    for (path, name) in [
        (format!("/calls/{call}/recording"), format!("call-{call}.webm")),
        (format!("/api/calls/{call}/recording"), format!("../../../{}ü.webm", "a".repeat(300))),
    ] {
        let answer = upload(&server, &path, &recorder("bob"), &name, &bytes).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let new = answer.json()["recording"].clone();
        assert_eq!(
            (&new["startedBy"], &new["format"], &new["resolution"]),
            (&json!("bob"), &json!("webm"), &json!("320x240"))
        );
        let id = new["id"].as_str().unwrap().to_owned();
        let known = until(&server, &id, "completed").await;
        assert_eq!((&known["fileSizeBytes"], &known["isComposed"]), (&json!(bytes.len()), &json!(false)));
        let link = known["fileUrl"].as_str().unwrap().strip_prefix("http://stoa.test").unwrap().to_owned();
        let (file, got) = fetch(&server, "GET", &link, None, &[("range", "bytes=0-")]).await;
        assert!(file.status == 206 && got == bytes);
        assert_eq!(file.header("content-type"), "video/webm");
        assert_eq!(file.header("content-disposition"), format!("inline; filename=\"{id}.webm\""));
    }
    let listed = server.get(&format!("/api/calls/{call}/recordings"), &token("ann")).await;
    assert_eq!(listed.json()["recordings"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_not_allowed_leaves_nothing() {
    let small = |settings: &mut RecordingSettings| {
        settings.most_upload = 100_000;
        settings.most_user_bytes = Some(50_000);
    };
    let server = Server::with_recordings(small, |_| {}).await;
    let call = past_call(&server, "ann", "bob").await;
    let path = format!("/api/calls/{call}/recording");
    let bytes = webm("0.3", "null");
    assert!(bytes.len() < 100_000, "{}", bytes.len());
    assert_eq!(upload(&server, &path, &token("bob"), "a", &bytes).await.code(), "forbidden", "without calls:record");
    assert_eq!(upload(&server, &path, &recorder("eve"), "a", &bytes).await.code(), "call_not_found");
    assert_eq!(upload(&server, &path, &recorder("bob"), "a", b"<html>").await.code(), "unsupported_media_type");
    let fake = b"\0\0\0\x20ftypisom, and then nothing of the kind";
    assert_eq!(upload(&server, &path, &recorder("bob"), "a", fake).await.code(), "unsupported_media_type");
    assert_eq!(upload(&server, &path, &recorder("bob"), "a", b"").await.code(), "invalid_request");
    assert_eq!(upload(&server, &path, &recorder("bob"), "a", &[7; 120_000]).await.code(), "body_too_large");
    let json = server.post(&path, &recorder("bob"), json!({})).await;
    assert_eq!(json.code(), "unsupported_media_type");
    let torn = request("POST", &path)
        .header("authorization", format!("Bearer {}", recorder("bob")))
        .header("content-type", "multipart/form-data; boundary=xyz")
        .body(Body::from("--xyz\r\nContent-Disposition: form-data; name=\"recording\"; filename=\"a\"\r\n\r\nhalf"));
    assert_eq!(server.send(torn.unwrap()).await.code(), "invalid_request");
    assert_eq!(std::fs::read_dir(server.data().join("recordings")).unwrap().count(), 0, "nothing is left of them");
    assert_eq!(server.get("/api/recordings", &token("bob")).await.json()["recordings"], json!([]));

    // Bob has used up what he may.
    let full = recording(call, "bob", None);
    server.recordings.begin(full.clone()).await.unwrap();
    server.recordings.stopped(full.id, now(), None, 60_000).await.unwrap();
    until(&server, &full.id.to_string(), "failed").await;
    assert_eq!(upload(&server, &path, &recorder("bob"), "a", &bytes).await.code(), "recording_quota");
    let disk = Server::with_recordings(|settings| settings.disk_reserve = u64::MAX, |_| {}).await;
    let call = past_call(&disk, "ann", "bob").await;
    let refused = upload(&disk, &format!("/api/calls/{call}/recording"), &recorder("bob"), "a", &bytes).await;
    assert_eq!((refused.code(), refused.header("retry-after")), ("storage_full".to_owned(), "60"));
    let off = Server::start().await;
    let call = past_call(&off, "ann", "bob").await;
    let refused = upload(&off, &format!("/api/calls/{call}/recording"), &recorder("bob"), "a", &bytes).await;
    assert_eq!(refused.code(), "feature_disabled");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_and_paged() {
    let server = Server::with_recordings(|_| {}, |_| {}).await;
    let call = past_call(&server, "ann", "bob").await;
    let mut ids = Vec::new();
    for at in [1_000, 2_000, 3_000] {
        let new = Recording { started_at: model::Timestamp(at), ..recording(call, "ann", None) };
        server.recordings.begin(new.clone()).await.unwrap();
        ids.push(new.id.to_string());
    }
    let ann = token("ann");
    let first = server.get("/api/recordings?limit=2", &ann).await.json();
    let of = |page: &Value| -> Vec<String> {
        page["recordings"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of(&first), [ids[2].clone(), ids[1].clone()]);
    let second = server.get(&format!("/api/recordings?before={}", first["next"].as_str().unwrap()), &ann).await.json();
    assert_eq!((of(&second), &second["next"]), (vec![ids[0].clone()], &Value::Null));
    let some = server
        .get("/api/recordings?from=1970-01-01T00:00:02Z&to=1970-01-01T00:00:03Z&status=starting,paused", &ann)
        .await;
    assert_eq!(of(&some.json()), [ids[1].clone()]);
    for wrong in ["limit=0", "limit=101", "status=odd", "from=yesterday", &format!("query={}", "x".repeat(101))] {
        assert_eq!(server.get(&format!("/api/recordings?{wrong}"), &ann).await.code(), "invalid_request", "{wrong}");
    }
    for wrong in ["callId=7", "before=7", "channelId=", "userId="] {
        assert_eq!(server.get(&format!("/api/recordings?{wrong}"), &ann).await.code(), "invalid_id", "{wrong}");
    }
}
