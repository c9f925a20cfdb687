//! Every stable code, provoked; and the guide's table of them, checked.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use axum::body::Body;
use model::{ErrorCode, RecordingPolicy};
use serde_json::{Value, json};

use crate::server::{Answer, Server, admin, recorder, request, token};

/// What was refused, by its code.
#[derive(Default)]
struct Provoked(BTreeSet<String>);

impl Provoked {
    fn is(&mut self, answer: &Answer, code: ErrorCode) {
        assert_eq!((answer.code().as_str(), answer.status.as_u16()), (code.as_str(), code.status()), "{}", answer.text);
        assert!(answer.json()["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
        self.0.insert(code.as_str().to_owned());
    }
}

/// Codes that another test provokes, and why it is not here.
const ELSEWHERE: &[(ErrorCode, &str)] = &[
    (ErrorCode::NoCommonMedia, "in_call::where_devices_have_nothing_in_common_there_is_no_call"),
    (ErrorCode::LinkExpired, "recordings::a_link_opens_one_file_for_a_while"),
    (ErrorCode::LinkInvalid, "recordings::a_link_opens_one_file_for_a_while"),
    (ErrorCode::RangeNotSatisfiable, "recordings::ranges_are_what_the_file_has_there"),
    (ErrorCode::RecordingNotFound, "recordings::to_everyone_else_it_does_not_exist"),
    (ErrorCode::RecordingNotReady, "recordings::tracks_can_be_had_where_nothing_was_composed"),
    (ErrorCode::RecordingOnHold, "recordings::a_hold_is_the_administrators_and_keeps_everything"),
    (ErrorCode::RecordingQuota, "recordings::an_upload_that_is_not_allowed_leaves_nothing"),
    (ErrorCode::StorageFull, "recordings::an_upload_that_is_not_allowed_leaves_nothing"),
];

#[tokio::test]
async fn every_code_can_be_provoked() {
    let mut seen = Provoked::default();
    of_form(&mut seen).await;
    of_rights(&mut seen).await;
    of_calls(&mut seen).await;
    of_settings(&mut seen).await;
    of_recordings(&mut seen).await;
    of_faults(&mut seen).await;
    let left: Vec<&str> = ErrorCode::ALL
        .iter()
        .filter(|code| !ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == *code))
        .map(|code| code.as_str())
        .filter(|code| !seen.0.contains(*code))
        .collect();
    assert!(left.is_empty(), "never provoked: {left:?}");
}

async fn of_form(seen: &mut Provoked) {
    let server = Server::start().await;
    let ann = token("ann");
    seen.is(&server.post("/api/calls", &ann, json!({})).await, ErrorCode::InvalidRequest);
    seen.is(&server.get("/api/calls/7", &ann).await, ErrorCode::InvalidId);
    seen.is(&server.get("/api/nothing", &ann).await, ErrorCode::NotFound);
    seen.is(&server.ask("PUT", "/api/calls", &ann, None).await, ErrorCode::MethodNotAllowed);
    let long =
        server.post("/api/calls", &ann, json!({"targetUserId": "b", "metadata": {"x": "y".repeat(70_000)}})).await;
    seen.is(&long, ErrorCode::BodyTooLarge);
    seen.is(&crate::transport::late(&server, "/api/calls", &ann).await, ErrorCode::RequestTimeout);
    let text = request("POST", "/api/calls").header("authorization", format!("Bearer {ann}"));
    let text = text.header("content-type", "text/plain").body(Body::from("{}")).unwrap();
    seen.is(&server.send(text).await, ErrorCode::UnsupportedMediaType);
}

async fn of_rights(seen: &mut Provoked) {
    let server = Server::start().await;
    seen.is(&server.get("/api/calls", "nonsense").await, ErrorCode::Unauthorized);
    seen.is(&server.get("/api/admin/audit", &token("ann")).await, ErrorCode::Forbidden);
    let sign_in = json!({"username": "nobody", "password": "long enough"});
    seen.is(&page(&server, "/api/session/sign-in", sign_in).await, ErrorCode::InvalidCredentials);
    let account = json!({"username": "ann", "password": "long enough"});
    assert_eq!(page(&server, "/api/session/sign-up", account.clone()).await.status, 201);
    seen.is(&page(&server, "/api/session/sign-up", account).await, ErrorCode::NameTaken);
    let foreign = request("POST", "/api/session/guest").header("origin", "http://evil.test");
    let foreign = foreign.header("content-type", "application/json").body(Body::from("{\"name\": \"x\"}")).unwrap();
    seen.is(&server.send(foreign).await, ErrorCode::CsrfRejected);
    seen.is(&server.get("/api/users/nobody", &token("ann")).await, ErrorCode::UserNotFound);
    seen.is(&server.get("/api/channels/none", &token("ann")).await, ErrorCode::ChannelNotFound);
    for _ in 0..100 {
        server.post("/api/ice-servers", &admin("root"), json!({"urls": ["stun:a"]})).await;
    }
    let one_more = server.post("/api/ice-servers", &admin("root"), json!({"urls": ["stun:a"]})).await;
    seen.is(&one_more, ErrorCode::TooMany);
}

async fn page(server: &Server, path: &str, body: Value) -> Answer {
    let request = request("POST", path).header("content-type", "application/json");
    server.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn of_calls(seen: &mut Provoked) {
    let server = Server::with_settings(|settings| settings.call.max_participants = 3, |_| {}).await;
    let (ann, bob) = (token("ann"), token("bob"));
    let unknown = "/api/calls/0192d3b4-0000-7000-8000-00000000ffff";
    seen.is(&server.get(unknown, &ann).await, ErrorCode::CallNotFound);

    let id = server.ring("ann", "bob").await;
    let accept = async |device: &str| {
        let request = request("POST", &format!("/api/calls/{id}/accept"))
            .header("authorization", format!("Bearer {bob}"))
            .header("stoa-device", device);
        server.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(accept("phone").await.status, 200);
    seen.is(&accept("desk").await, ErrorCode::AnsweredElsewhere);
    let nobody = server.ask("DELETE", &format!("/api/calls/{id}/participants/nobody"), &ann, None).await;
    seen.is(&nobody, ErrorCode::ParticipantNotFound);
    seen.is(&server.ask("POST", &format!("/api/calls/{id}/cancel"), &ann, None).await, ErrorCode::InvalidState);
    let another = server.post("/api/calls", &ann, json!({"targetUserId": "carol"})).await;
    seen.is(&another, ErrorCode::AlreadyInCall);
    server.ask("POST", &format!("/api/calls/{id}/end"), &ann, None).await;
    seen.is(&accept("phone").await, ErrorCode::CallOver);
    let reused = server.post("/api/calls", &ann, json!({"callId": id, "targetUserId": "carol"})).await;
    seen.is(&reused, ErrorCode::CallIdConflict);

    server.post("/api/channels", &ann, json!({"id": "team", "name": "Team", "members": ["bob", "carol"]})).await;
    let running = server.post("/api/calls", &ann, json!({"channelId": "team"})).await;
    assert_eq!(running.status, 201, "{}", running.text);
    let second = server.post("/api/calls", &bob, json!({"channelId": "team"})).await;
    seen.is(&second, ErrorCode::ChannelCallActive);
    assert_eq!(second.json()["error"]["details"]["callId"], running.json()["callId"]);
    let crowd = server.post("/api/calls", &token("dave"), json!({"targetUserIds": ["x", "y", "z"]})).await;
    seen.is(&crowd, ErrorCode::CallFull);
}

async fn of_settings(seen: &mut Provoked) {
    let server = Server::with_settings(
        |settings| {
            settings.call.video_calls = false;
            settings.strict_users = true;
        },
        |config| config.limits.request_burst = 3,
    )
    .await;
    server.post("/api/users", &admin("root"), json!({"id": "bob", "name": "Bob"})).await;
    let video = server.post("/api/calls", &token("ann"), json!({"targetUserId": "bob", "type": "video"})).await;
    seen.is(&video, ErrorCode::FeatureDisabled);
    let stranger = server.post("/api/calls", &token("ann"), json!({"targetUserId": "nobody"})).await;
    seen.is(&stranger, ErrorCode::UserNotFound);
    for _ in 0..10 {
        let answer = server.get("/api/session", &token("ann")).await;
        if answer.status == 429 {
            seen.is(&answer, ErrorCode::RateLimited);
            return;
        }
    }
    panic!("ten at once are too many for a burst of three");
}

async fn of_recordings(seen: &mut Provoked) {
    let talk = async |server: &Server| {
        let call = server.post("/api/calls", &recorder("ann"), json!({"targetUserId": "bob"})).await;
        let id = call.json()["callId"].as_str().unwrap().to_owned();
        server.post(&format!("/api/calls/{id}/accept"), &token("bob"), json!({})).await;
        format!("/api/calls/{id}/recording")
    };
    let off = Server::with_call(|call| {
        call.call_recording = true;
        call.recording_policy = RecordingPolicy::Off;
    });
    let off = off.await;
    let path = talk(&off).await;
    seen.is(&off.post(&format!("{path}/start"), &recorder("ann"), json!({})).await, ErrorCode::RecordingOff);

    let announced = Server::with_call(|call| {
        call.call_recording = true;
        call.recording_policy = RecordingPolicy::Announce;
    });
    let server = announced.await;
    let path = talk(&server).await;
    seen.is(&server.post(&format!("{path}/stop"), &recorder("ann"), json!({})).await, ErrorCode::NotRecording);
    let started = server.post(&format!("{path}/start"), &recorder("ann"), json!({})).await;
    assert_eq!(started.status, 200, "{}", started.text);
    let again = server.post(&format!("{path}/start"), &recorder("ann"), json!({})).await;
    seen.is(&again, ErrorCode::AlreadyRecording);
    let consent = server.post(&format!("{path}/consent"), &token("bob"), json!({"given": true})).await;
    seen.is(&consent, ErrorCode::ConsentNotAsked);
}

async fn of_faults(seen: &mut Provoked) {
    let server = Server::start().await;
    server.plane.broken.store(true, Ordering::Relaxed);
    let fault = server.get("/api/debug/connections", &admin("root")).await;
    seen.is(&fault, ErrorCode::Internal);
    assert!(!fault.text.contains("on purpose"), "what failed is for the log: {}", fault.text);
    server.handle.shutdown().await;
    let stopping = server.post("/api/calls", &token("ann"), json!({"targetUserId": "bob"})).await;
    seen.is(&stopping, ErrorCode::Unavailable);
    assert!(!stopping.header("retry-after").is_empty());
}

#[test]
fn the_guide_lists_every_code_with_its_status() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/API.md")).unwrap();
    let errors = guide.split("## Errors").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let listed: BTreeSet<(String, u16)> = errors
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
            let code = cells.next()?.strip_suffix('`')?;
            Some((code.to_owned(), cells.next()?.parse().ok()?))
        })
        .collect();
    let known = ErrorCode::ALL.iter().map(|code| (code.as_str().to_owned(), code.status())).collect();
    assert_eq!(listed, known, "docs/API.md lists other codes than there are");
}
