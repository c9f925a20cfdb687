//! Recording a call, as its people see it: who may, who is asked, what everyone is shown.

use model::RecordingPolicy;
use serde_json::{Value, json};

use crate::server::{Server, admin, recorder, token};
use crate::socket::Socket;

async fn server(policy: RecordingPolicy) -> Server {
    Server::with_call(|call| {
        call.call_recording = true;
        call.recording_policy = policy;
    })
    .await
}

async fn device(server: &Server, user: &str, token: String) -> Socket {
    let mut socket = Socket::dial(server, json!({"token": token, "deviceId": user}), &[]).await.unwrap();
    loop {
        if socket.event().await.0 == "presence:state" {
            return socket;
        }
    }
}

/// The next event of this name, whatever comes before.
async fn until(socket: &mut Socket, name: &str) -> Value {
    loop {
        let (event, data) = socket.event().await;
        if event == name {
            return data;
        }
    }
}

/// Ann, who may record, calls Bob, who takes it.
async fn talk(server: &Server, bob: &mut Socket) -> String {
    let request = crate::server::request("POST", "/api/calls/initiate")
        .header("authorization", format!("Bearer {}", recorder("ann")))
        .header("content-type", "application/json")
        .header("stoa-device", "ann")
        .body(json!({"targetUserIds": ["bob"]}).to_string().into())
        .unwrap();
    let id = server.send(request).await.json()["callId"].as_str().unwrap().to_owned();
    assert_eq!(bob.ask("call:accept", json!({"callId": id})).await["ok"], true);
    id
}

fn consents(call: &Value) -> Vec<&Value> {
    call["participants"].as_array().unwrap().iter().map(|part| &part["recordingConsentGiven"]).collect()
}

#[tokio::test]
async fn everyone_is_asked_shown_the_mark_and_recorded_only_with_consent() {
    let server = server(RecordingPolicy::Ask).await;
    let mut ann = device(&server, "ann", recorder("ann")).await;
    let mut bob = device(&server, "bob", token("bob")).await;
    let mut carol = device(&server, "carol", token("carol")).await;
    let id = talk(&server, &mut bob).await;
    let options = json!({"callId": id, "layoutType": "speaker", "resolution": "1080p", "retentionDays": 30});
    let started = ann.ask("recording:start", options).await;
    assert_eq!(started["ok"], true, "{started}");
    let asked = until(&mut bob, "recording:asked").await;
    assert_eq!((&asked["callId"], &asked["recording"]["policy"]), (&json!(id), &json!("ask")));
    for socket in [&mut ann, &mut bob] {
        let mark = until(socket, "recording:started").await;
        assert_eq!(
            (&mark["recording"]["status"], &mark["recording"]["startedBy"]),
            (&json!("recording"), &json!("ann"))
        );
        assert_eq!(mark["recording"]["id"], asked["recording"]["id"]);
    }
    assert!(server.plane.takes_in("ann") && !server.plane.takes_in("bob"));

    assert_eq!(bob.ask("recording:consent", json!({"callId": id, "given": true})).await["ok"], true);
    let said = until(&mut ann, "recording:consent").await;
    assert_eq!((&said["userId"], &said["given"]), (&json!("bob"), &json!(true)));

    let invited = server.post(&format!("/api/calls/{id}/invite"), &token("ann"), json!({"userIds": ["carol"]})).await;
    assert_eq!(invited.status, 200, "{}", invited.text);
    until(&mut carol, "call:incoming").await;
    let late = carol.ask("call:accept", json!({"callId": id})).await;
    assert_eq!(
        (&late["call"]["isRecorded"], &late["call"]["recording"]["status"]),
        (&json!(true), &json!("recording"))
    );
    assert_eq!(consents(&late["call"]), [&json!(true), &json!(true), &Value::Null]);
    until(&mut carol, "recording:asked").await;
    assert!(server.plane.takes_in("bob") && !server.plane.takes_in("carol"));
    let path = format!("/api/calls/{id}/recording/consent");
    let declined = server.post(&path, &token("carol"), json!({"given": false})).await.json();
    assert_eq!(consents(&declined["call"]), [&json!(true), &json!(true), &json!(false)]);
    until(&mut bob, "recording:consent").await;

    let stopped = server.post(&format!("/api/calls/{id}/recording/stop"), &recorder("ann"), json!({})).await.json();
    assert_eq!((&stopped["call"]["isRecorded"], &stopped["call"]["recording"]), (&json!(true), &Value::Null));
    for socket in [&mut ann, &mut bob, &mut carol] {
        assert_eq!(until(socket, "recording:stopped").await["by"], "ann");
    }
    let events = server.get(&format!("/api/calls/{id}/events"), &token("ann")).await.json();
    let events: Vec<&str> =
        events["events"].as_array().unwrap().iter().filter_map(|one| one["event"].as_str()).collect();
    let events: Vec<&str> = events.into_iter().filter(|event| event.starts_with("recording_")).collect();
    assert_eq!(
        events,
        ["recording_requested", "recording_started", "recording_consent", "recording_consent", "recording_stopped"]
    );
}

#[tokio::test]
async fn who_may_not_record_is_refused() {
    let server = server(RecordingPolicy::Announce).await;
    let mut bob = device(&server, "bob", token("bob")).await;
    let id = talk(&server, &mut bob).await;
    let start = format!("/api/calls/{id}/recording/start");
    let refused = async |token: String, body: Value| {
        let answer = server.post(&start, &token, body).await;
        format!("{} {}", answer.status.as_u16(), answer.code())
    };
    assert_eq!(refused(token("bob"), json!({})).await, "403 forbidden", "in the call, without the permission");
    assert_eq!(refused(recorder("carol"), json!({})).await, "404 call_not_found", "the permission, not in the call");
    for odd in [
        json!({"layoutType": "sideways"}),
        json!({"resolution": "8k"}),
        json!({"format": "gif"}),
        json!({"retentionDays": 0}),
        json!({"retention_days": 3_651}),
    ] {
        assert_eq!(refused(recorder("ann"), odd.clone()).await, "400 invalid_request", "{odd}");
    }
    let socket = bob.ask("recording:start", json!({"callId": id})).await;
    assert_eq!(socket["error"]["code"], "forbidden");
    let by_backend = server.post(&start, &admin("backend"), json!({"audio_only": true})).await.json();
    assert_eq!(by_backend["call"]["recording"]["audioOnly"], true, "{by_backend}");
    until(&mut bob, "recording:started").await;
    let pause = bob.ask("recording:pause", json!({"callId": id})).await;
    assert_eq!(pause["error"]["code"], "forbidden");
    let paused = server.post(&format!("/api/calls/{id}/recording/pause"), &recorder("ann"), json!({})).await.json();
    assert_eq!(paused["call"]["recording"]["status"], "paused", "{paused}");
    assert_eq!(until(&mut bob, "recording:paused").await["by"], "ann");
    let resumed = server.post(&format!("/api/calls/{id}/recording/resume"), &recorder("ann"), json!({})).await.json();
    assert_eq!(resumed["call"]["recording"]["status"], "recording", "{resumed}");
    until(&mut bob, "recording:resumed").await;
}

#[tokio::test]
async fn a_recording_may_not_be_started_over_and_over() {
    let server = server(RecordingPolicy::Announce).await;
    let mut bob = device(&server, "bob", token("bob")).await;
    let id = talk(&server, &mut bob).await;
    for _ in 0..5 {
        for act in ["start", "stop"] {
            let answer = server.post(&format!("/api/calls/{id}/recording/{act}"), &recorder("ann"), json!({})).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    }
    let again = server.post(&format!("/api/calls/{id}/recording/start"), &recorder("ann"), json!({})).await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (429, "rate_limited"));
    assert_eq!(again.header("retry-after"), "60");
}

#[tokio::test]
async fn where_the_media_side_does_not_record_everyone_is_told() {
    let server = Server::with_settings(
        |settings| {
            settings.call.call_recording = true;
            settings.call.recording_policy = RecordingPolicy::Announce;
        },
        |_| {},
    );
    let server = server.await;
    server.plane.refuse_recordings();
    let mut bob = device(&server, "bob", token("bob")).await;
    let id = talk(&server, &mut bob).await;
    server.post(&format!("/api/calls/{id}/recording/start"), &recorder("ann"), json!({})).await;
    let failed = until(&mut bob, "recording:failed").await;
    assert_eq!((&failed["error"]["code"], &failed["recording"]["status"]), (&json!("unsupported"), &json!("failed")));
    let call = server.get(&format!("/api/calls/{id}"), &token("bob")).await.json();
    assert_eq!((&call["call"]["status"], &call["call"]["recording"]), (&json!("connecting"), &Value::Null));
    assert_eq!(call["call"]["isRecorded"], false, "nothing of it was");
}
