//! The real program, killed while it puts a recording into storage, and started again.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Server, ask, ports, printed, refused, serve, stoa};

/// Long enough that it is not in storage in a blink.
const SIZE: usize = 256 << 20;
const ID: &str = "0192d3b4-0000-7000-8000-000000000001";
const CALL: &str = "0192d3b4-0000-7000-8000-00000000000a";

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(120), "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Where the program keeps its data, in the folder that it runs in.
fn data(folder: &Path) -> std::path::PathBuf {
    folder.join("data")
}

/// What the recorder leaves of a long call.
fn record(folder: &Path) {
    let recording = data(folder).join("recordings").join(ID);
    fs::create_dir_all(recording.join("tracks")).expect("writable");
    let manifest = json!({"version": 1, "id": ID, "room": CALL, "started_at": 1_800_000_000_000_u64});
    fs::write(recording.join("recording.json"), manifest.to_string()).expect("writable");
    fs::write(recording.join("events.jsonl"), "{\"at\":90000,\"type\":\"stopped\"}\n").expect("writable");
    let mut state = 1_u32;
    let block: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(1 << 20)
    .collect();
    fs::write(recording.join("tracks/TR_a-1.mp4"), block.repeat(SIZE >> 20)).expect("room on the disk");
}

fn keys(folder: &Path) -> String {
    let path = folder.join("keys");
    let made = Command::new("age-keygen").output();
    let text = match made {
        Ok(made) => String::from_utf8(made.stdout).expect("text"),
        // Any key will do.
        Err(_) => "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6\n".to_owned(),
    };
    fs::write(&path, text).expect("writable");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
    path.to_str().expect("text").to_owned()
}

#[test]
fn a_kill_in_the_middle_of_storing_loses_nothing_and_is_gone_on_with() {
    let dir = tempfile::tempdir().expect("a folder");
    let base = ports(7);
    let keys = keys(dir.path());
    let start = || {
        let mut command = serve(dir.path(), base);
        command.env("STOA_STORAGE_KEY_FILE", &keys);
        Server::start(command).0
    };
    record(dir.path());
    let storage = data(dir.path()).join("storage");
    let source = data(dir.path()).join("recordings").join(ID);
    let incoming = || {
        let entries = fs::read_dir(storage.join("incoming")).ok()?;
        entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).max()
    };
    let note = || {
        let entries = fs::read_dir(&source).ok()?.flatten();
        let mut notes = entries.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "upload"));
        notes.next().and_then(|note| fs::read_to_string(note.path()).ok())
    };
    // Killed twice, further along each time.
    let mut uploads = Vec::new();
    for far in [1, 12] {
        let server = start();
        until("it is on its way", || incoming().is_some_and(|bytes| bytes >= far * (8 << 20)) && note().is_some());
        server.kill();
        assert!(source.join("tracks/TR_a-1.mp4").exists(), "nothing is removed before all of it is in storage");
        let note: Value = serde_json::from_str(&note().expect("there")).expect("whole, whenever the kill came");
        uploads.push(note["upload"].clone());
    }
    assert_eq!(uploads[0], uploads[1], "the second run went on with the first one's upload");
    let server = start();
    until("its folder is gone", || !source.exists());
    let admin = printed(dir.path(), &["token", "user", "--id", "root", "--permission", "admin"]);
    let bearer = format!("Bearer {admin}");
    let answer = ask(base, "GET", &format!("/api/recordings/{ID}"), &[("Authorization", bearer.as_str())], "");
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON");
    assert_eq!(body["recording"]["status"], "completed", "{answer}");
    assert!(body["recording"]["fileSizeBytes"].as_u64().expect("a size") > SIZE as u64);
    assert_eq!(incoming(), None, "nothing half-done is left");
    let objects = fs::read_dir(storage.join("recordings").join(ID)).expect("there").count();
    assert_eq!(objects, 3);
    for path in [&storage, &storage.join("recordings").join(ID)] {
        assert_eq!(fs::metadata(path).expect("there").permissions().mode() & 0o777, 0o700);
    }
    let doctor = stoa(dir.path()).arg("doctor").env("STOA_STORAGE_KEY_FILE", &keys).output().expect("the binary");
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("ok    recordings can be kept in the folder data/storage, encrypted"), "{said}");
    let log = server.log();
    assert!(log.contains("a recording is in storage") && !log.contains("AGE-SECRET"), "{log}");
}

/// A line of half a megabit a second needs longer for a file than any other body may take.
#[test]
fn an_upload_that_keeps_coming_is_given_the_time_that_it_needs() {
    let dir = tempfile::tempdir().expect("a folder");
    let base = ports(9);
    let mut command = serve(dir.path(), base);
    command.env("STOA_LIMITS_BODY_TIMEOUT", "1s").env("STOA_FEATURES_CALL_RECORDING", "true");
    let (_server, _) = Server::start(command);
    let token = |user: &str| {
        let permissions = ["calls:create", "calls:join", "calls:record"].map(|permission| ["--permission", permission]);
        let arguments = [&["token", "user", "--id", user][..], permissions.as_flattened()].concat();
        format!("Bearer {}", printed(dir.path(), &arguments))
    };
    let (ann, bob) = (token("ann"), token("bob"));
    let post = |path: &str, bearer: &str, body: &str| {
        let headers = [("Authorization", bearer), ("Content-Type", "application/json")];
        let answer = ask(base, "POST", path, &headers, body);
        let body = answer.split_once("\r\n\r\n").expect("a body").1.to_owned();
        serde_json::from_str::<Value>(&body).unwrap_or_else(|_| panic!("{answer}"))
    };
    let call =
        post("/api/calls/initiate", &ann, "{\"targetUserId\": \"bob\"}")["callId"].as_str().expect("a call").to_owned();
    post(&format!("/api/calls/{call}/accept"), &bob, "{}");
    let piece = [b'x'; 64 << 10];
    let start = "--b\r\nContent-Disposition: form-data; name=\"recording\"; filename=\"a\"\r\n\r\n";
    let end = "\r\n--b--\r\n";
    let length = start.len() + 8 * piece.len() + end.len();
    let mut stream = TcpStream::connect(("127.0.0.1", base)).expect("listening");
    let head = format!(
        "POST /calls/{call}/recording HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {bob}\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n{start}"
    );
    stream.write_all(head.as_bytes()).expect("open");
    let begun = Instant::now();
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(&piece).expect("it is still wanted");
    }
    stream.write_all(end.as_bytes()).expect("it is still wanted");
    assert!(begun.elapsed() > Duration::from_secs(2));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    // All of it has come in: only then can the server tell that it is no recording.
    assert!(answer.starts_with("HTTP/1.1 415") && answer.contains("must be WebM or MP4"), "{answer}");
}

#[test]
fn settings_that_cannot_be_used_are_one_line_that_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a folder");
    let with = |name: &str, value: &str| {
        let output = serve(dir.path(), ports(8)).env(name, value).output().expect("the binary");
        refused(&output)
    };
    assert!(with("STOA_STORAGE_KEY_FILE", "nowhere").contains("check storage.key_file"));
    assert!(with("STOA_STORAGE_FOLDER", "/proc/nowhere").contains("check storage.folder"));
    assert!(with("STOA_STORAGE_S3_BUCKET", "calls").contains("needs storage.s3_access_key as well"));
    assert!(with("STOA_RECORDING_LINK_TTL", "30d").contains("must be a duration from 60s to 604800s"));
}
