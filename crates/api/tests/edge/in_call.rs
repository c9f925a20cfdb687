//! Acts within a call, by REST and by socket, and each refusal they have.

use serde_json::{Value, json};

use crate::server::{Server, admin, token};
use crate::socket::Socket;

/// A device that says what it can do.
async fn device(server: &Server, user: &str, says: Value) -> Socket {
    let mut auth = json!({"token": token(user), "deviceId": user});
    auth.as_object_mut().unwrap().extend(says.as_object().unwrap().clone());
    let mut socket = Socket::dial(server, auth, &[]).await.unwrap();
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

async fn act(server: &Server, user: &str, id: &str, what: &str, body: Option<Value>) -> (u16, String, Value) {
    let (method, path) = what.split_once(' ').unwrap();
    let answer = server.ask(method, &format!("/api/calls/{id}/{path}"), &token(user), body).await;
    let status = answer.status.as_u16();
    let code = if status < 400 { String::new() } else { answer.code() };
    (status, code, answer.json())
}

async fn refused(server: &Server, user: &str, id: &str, what: &str, body: Option<Value>) -> String {
    let (status, code, _) = act(server, user, id, what, body).await;
    format!("{status} {code}")
}

/// Alice calls Bob, who takes it: over their named devices where they have one.
async fn talk(server: &Server, alice: &mut Socket, bob: &mut Socket) -> String {
    let request = crate::server::request("POST", "/api/calls/initiate")
        .header("authorization", format!("Bearer {}", token("alice")))
        .header("content-type", "application/json")
        .header("stoa-device", "alice")
        .body(json!({"targetUserId": "bob"}).to_string().into())
        .unwrap();
    let id = server.send(request).await.json()["callId"].as_str().unwrap().to_owned();
    let taken = bob.ask("call:accept", json!({"callId": id})).await;
    assert_eq!(taken["ok"], true, "{taken}");
    until(alice, "call:participant-joined").await;
    id
}

#[tokio::test]
async fn a_side_is_held_by_rest_and_resumed_by_socket() {
    let server = Server::start().await;
    let mut alice = device(&server, "alice", json!({})).await;
    let mut bob = device(&server, "bob", json!({})).await;
    let id = talk(&server, &mut alice, &mut bob).await;
    let (status, _, answer) = act(&server, "alice", &id, "POST hold", None).await;
    assert_eq!((status, &answer["call"]["participants"][0]["isOnHold"]), (200, &json!(true)));
    let held = until(&mut bob, "call:held").await;
    assert_eq!((&held["callId"], &held["userId"], &held["by"]), (&json!(id), &json!("alice"), &json!("alice")));
    assert!(held["at"].is_string());
    assert_eq!(alice.ask("call:resume", json!({"callId": id})).await["ok"], true);
    assert_eq!(until(&mut bob, "call:resumed").await["userId"], "alice");
    assert_eq!(refused(&server, "carol", &id, "POST hold", None).await, "404 call_not_found");
    act(&server, "alice", &id, "POST end", None).await;
    assert_eq!(refused(&server, "alice", &id, "POST resume", None).await, "409 call_over");
}

#[tokio::test]
async fn a_call_is_handed_over() {
    let server = Server::start().await;
    let mut alice = device(&server, "alice", json!({})).await;
    let mut bob = device(&server, "bob", json!({})).await;
    let mut carol = device(&server, "carol", json!({})).await;
    let id = talk(&server, &mut alice, &mut bob).await;
    assert_eq!(refused(&server, "bob", &id, "POST transfer/complete", None).await, "409 invalid_state");
    let nowhere = Some(json!({"targetUserId": ""}));
    assert_eq!(refused(&server, "bob", &id, "POST transfer", nowhere).await, "400 invalid_id");
    let odd = Some(json!({"targetUserId": "carol", "mode": "sideways"}));
    assert_eq!(refused(&server, "bob", &id, "POST transfer", odd).await, "400 invalid_request");
    let attended = json!({"targetUserId": "carol", "mode": "attended"});
    let (status, _, answer) = act(&server, "bob", &id, "POST transfer", Some(attended)).await;
    assert_eq!((status, &answer["call"]["transfer"]["targetUserId"]), (200, &json!("carol")), "{answer}");
    assert_eq!(until(&mut alice, "call:transfer-started").await["mode"], "attended");
    assert_eq!(until(&mut alice, "call:held").await["by"], "bob");
    until(&mut carol, "call:incoming").await;
    assert_eq!(refused(&server, "alice", &id, "POST transfer/cancel", None).await, "403 forbidden");
    act(&server, "bob", &id, "POST transfer/cancel", None).await;
    until(&mut carol, "call:cancelled").await;
    let failed = until(&mut bob, "call:transfer-failed").await;
    assert_eq!((&failed["reason"], &failed["targetUserId"]), (&json!("cancelled"), &json!("carol")));

    let asked = bob.ask("call:transfer", json!({"callId": id, "targetUserId": "carol"})).await;
    assert_eq!((&asked["ok"], &asked["call"]["transfer"]["mode"]), (&json!(true), &json!("blind")), "{asked}");
    until(&mut carol, "call:incoming").await;
    assert_eq!(carol.ask("call:accept", json!({"callId": id})).await["ok"], true);
    for socket in [&mut alice, &mut bob, &mut carol] {
        let done = until(socket, "call:transferred").await;
        assert_eq!((&done["userId"], &done["targetUserId"]), (&json!("bob"), &json!("carol")));
    }
    let events = server.get(&format!("/api/calls/{id}/events"), &token("alice")).await.json();
    let names: Vec<&str> = events["events"].as_array().unwrap().iter().filter_map(|e| e["event"].as_str()).collect();
    assert!(names.contains(&"transfer_started") && names.contains(&"transferred"), "{names:?}");
}

#[tokio::test]
async fn the_host_mutes_and_removes() {
    let server = Server::start().await;
    let mut alice = device(&server, "alice", json!({})).await;
    let mut bob = device(&server, "bob", json!({})).await;
    let id = talk(&server, &mut alice, &mut bob).await;
    assert_eq!(refused(&server, "bob", &id, "POST participants/alice/mute", None).await, "403 forbidden");
    assert_eq!(
        refused(&server, "alice", &id, "POST participants/nobody/mute", None).await,
        "404 participant_not_found"
    );
    assert_eq!(refused(&server, "carol", &id, "POST mute-all", None).await, "404 call_not_found");
    let hard = Some(json!({"hard": true}));
    let (status, _, answer) = act(&server, "alice", &id, "POST participants/bob/mute", hard).await;
    assert_eq!((status, &answer["call"]["participants"][1]["isHardMuted"]), (200, &json!(true)), "{answer}");
    let muted = until(&mut bob, "call:muted").await;
    assert_eq!((&muted["hard"], &muted["muted"], &muted["by"]), (&json!(true), &json!(true), &json!("alice")));
    let open = Some(json!({"isMuted": false}));
    assert_eq!(refused(&server, "bob", &id, "PATCH media", open.clone()).await, "403 forbidden");
    act(&server, "alice", &id, "DELETE mute-all", None).await;
    assert_eq!(until(&mut bob, "call:muted").await["muted"], false);
    assert_eq!(act(&server, "bob", &id, "PATCH media", open).await.0, 200);
    let all = alice.ask("call:mute", json!({"callId": id, "userId": "bob"})).await;
    assert_eq!(all["ok"], true, "{all}");

    let invited = act(&server, "alice", &id, "POST invite", Some(json!({"userIds": ["carol", "dave"]}))).await;
    assert_eq!((invited.0, &invited.2["call"]["kind"]), (200, &json!("group")));
    assert_eq!(act(&server, "carol", &id, "POST join", None).await.0, 200);
    assert_eq!(act(&server, "alice", &id, "DELETE participants/carol", None).await.0, 200);
    let left = loop {
        let left = until(&mut bob, "call:participant-left").await;
        if left["userId"] == "carol" {
            break left;
        }
    };
    assert_eq!(left["reason"], "removed");
    assert_eq!(refused(&server, "carol", &id, "POST join", None).await, "403 forbidden");
    // An administrator need not be in the call.
    let path = format!("/api/calls/{id}/participants/bob");
    assert_eq!(server.ask("DELETE", &path, &admin("root"), None).await.status.as_u16(), 200);
}

#[tokio::test]
async fn peer_to_peer_falls_back_to_the_room_with_a_token_for_each() {
    let server = Server::start().await;
    let both = json!({"media": ["p2p", "sfu"]});
    let mut alice = device(&server, "alice", both.clone()).await;
    let mut bob = device(&server, "bob", both).await;
    let id = talk(&server, &mut alice, &mut bob).await;
    let call = server.get(&format!("/api/calls/{id}"), &token("alice")).await.json();
    assert_eq!((&call["call"]["topology"], &call["call"]["status"]), (&json!("p2p"), &json!("connected")));
    let failed = bob.ask("call:media-failed", json!({"callId": id, "reason": "ice"})).await;
    assert_eq!((&failed["ok"], &failed["call"]["topology"]), (&json!(true), &json!("sfu")), "{failed}");
    for (socket, name) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        let changed = until(socket, "call:topology-changed").await;
        assert_eq!((&changed["topology"], &changed["reason"]), (&json!("sfu"), &json!("media_failed")));
        assert_eq!(changed["livekitUrl"], format!("ws://{}", server.address));
        assert_eq!(changed["roomName"], json!(id));
        let keys = auth::LiveKitKeys::new(crate::server::dev_key());
        let own = auth::LiveKitKeys::new(auth::LiveKitKey {
            key: "own".into(),
            secret: model::Secret::new("own secret".into()),
        });
        let text = changed["token"].as_str().unwrap();
        let pass = own.verify(crate::server::now(), text).or_else(|_| keys.verify(crate::server::now(), text)).unwrap();
        assert_eq!(pass.sub, name);
    }
    // Once more changes nothing.
    assert_eq!(act(&server, "alice", &id, "POST media-failed", None).await.0, 200);
}

#[tokio::test]
async fn where_devices_have_nothing_in_common_there_is_no_call() {
    let server = Server::start().await;
    let _alice = device(&server, "alice", json!({"media": ["p2p"]})).await;
    let _bob = device(&server, "bob", json!({"media": ["sfu"]})).await;
    let request = crate::server::request("POST", "/api/calls/initiate")
        .header("authorization", format!("Bearer {}", token("alice")))
        .header("content-type", "application/json")
        .header("stoa-device", "alice")
        .body(json!({"targetUserId": "bob"}).to_string().into())
        .unwrap();
    let refused = server.send(request).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "no_common_media"));
}

#[tokio::test]
async fn a_second_call_knocks() {
    let server = Server::start().await;
    let waits = json!({"callWaiting": true});
    let mut alice = device(&server, "alice", waits.clone()).await;
    let mut bob = device(&server, "bob", waits).await;
    let id = talk(&server, &mut alice, &mut bob).await;
    let second = server.ring("carol", "bob").await;
    let waiting = until(&mut bob, "call:waiting").await;
    assert_eq!((&waiting["callId"], &waiting["activeCallId"]), (&json!(second), &json!(id)));
    assert_eq!(bob.ask("call:accept", json!({"callId": second})).await["ok"], true);
    assert_eq!(until(&mut alice, "call:held").await["userId"], "bob");
    // And where it is switched off while connected, the next one finds busy.
    assert_eq!(alice.ask("device:set", json!({"callWaiting": false})).await["ok"], true);
    let third = server.ring("dave", "alice").await;
    let call = server.get(&format!("/api/calls/{third}"), &token("dave")).await.json();
    assert_eq!(call["call"]["status"], "busy");
}

#[tokio::test]
async fn two_calls_that_meet_are_one() {
    let server = Server::start().await;
    let mut alice = device(&server, "alice", json!({})).await;
    let (low, high) = ("0192d3b4-0000-7000-8000-000000000001", "0192d3b4-0000-7000-8000-000000000002");
    let call = |id: &str, to: &str| json!({"callId": id, "targetUserId": to});
    let first = server.post("/api/calls/initiate", &token("alice"), call(high, "bob")).await;
    assert_eq!(first.json()["callId"], high);
    let second = server.post("/api/calls/initiate", &token("bob"), call(low, "alice")).await;
    assert_eq!(second.json()["callId"], low, "{}", second.text);
    let merged = until(&mut alice, "call:merged").await;
    assert_eq!((&merged["callId"], &merged["mergedCallId"]), (&json!(low), &json!(high)));
    assert_eq!(merged["call"]["status"], "connecting");
    // The other id names it everywhere.
    let seen = server.get(&format!("/api/calls/{high}"), &token("bob")).await.json();
    assert_eq!((&seen["call"]["id"], &seen["call"]["status"]), (&json!(low), &json!("connecting")));
    let again = server.post("/api/calls/initiate", &token("alice"), call(high, "bob")).await;
    assert_eq!(again.json()["callId"], low);
    assert_eq!(act(&server, "alice", high, "POST hold", None).await.0, 200);
    assert_eq!(act(&server, "alice", high, "POST end", None).await.2["call"]["id"], low);
    let history = server.get("/api/calls", &token("alice")).await.json();
    assert_eq!(history["calls"].as_array().unwrap().len(), 1, "{history}");
}

#[tokio::test]
async fn one_call_a_channel_and_its_id_is_told() {
    let server = Server::start().await;
    let team = json!({"id": "team", "name": "Team", "members": ["bob", "carol"]});
    server.post("/api/channels", &token("alice"), team).await;
    let first = server.post("/api/calls/initiate", &token("alice"), json!({"channelId": "team"})).await;
    let id = first.json()["callId"].clone();
    let second = server.post("/api/calls/initiate", &token("bob"), json!({"channelId": "team"})).await;
    assert_eq!((second.status.as_u16(), second.code().as_str()), (409, "channel_call_active"));
    assert_eq!(second.json()["error"]["details"]["callId"], id);
    let third = server.post("/api/calls/initiate", &token("alice"), json!({"targetUserId": "dave"})).await;
    assert_eq!((third.status.as_u16(), third.code().as_str()), (409, "already_in_call"));
    let path = format!("/api/calls/{}/join", id.as_str().unwrap());
    assert_eq!(server.ask("POST", &path, &token("carol"), None).await.status.as_u16(), 200);
}

#[tokio::test]
async fn quality_is_taken_told_and_kept() {
    let server = Server::start().await;
    let mut alice = device(&server, "alice", json!({})).await;
    let mut bob = device(&server, "bob", json!({})).await;
    let id = talk(&server, &mut alice, &mut bob).await;
    for (reports, code) in [
        (json!([]), "400 invalid_request"),
        (json!(vec![json!({}); 61]), "400 invalid_request"),
        (json!([{"packetLoss": 101.0}]), "400 invalid_request"),
        (json!([{"jitterMs": -1.0}]), "400 invalid_request"),
        (json!([{"audioCodec": "x".repeat(65)}]), "400 invalid_request"),
    ] {
        let body = Some(json!({"reports": reports}));
        assert_eq!(refused(&server, "bob", &id, "POST quality", body.clone()).await, code, "{body:?}");
    }
    let reports = json!({"reports": [
        {"packetLoss": 1.0, "jitterMs": 10.0, "roundTripMs": 100.0, "audioCodec": "opus"},
        {"packetLoss": 3.0, "jitterMs": 30.0, "roundTripMs": 300.0, "bitrateUp": 1_000_000},
    ]});
    assert_eq!(act(&server, "bob", &id, "POST quality", Some(reports)).await.0, 200);
    let told = until(&mut alice, "call:quality").await;
    assert_eq!((&told["userId"], &told["band"], &told["packetLoss"]), (&json!("bob"), &json!("fair"), &json!(3.0)));
    let poor = bob.ask("call:quality", json!({"callId": id, "reports": [{"packetLoss": 50.0}]})).await;
    assert_eq!(poor["ok"], true, "{poor}");
    act(&server, "alice", &id, "POST end", None).await;
    let (_, _, quality) = act(&server, "alice", &id, "GET quality", None).await;
    assert_eq!(quality["participants"][0]["packetLoss"], 18.0, "{quality}");
    assert_eq!(quality["participants"][0]["jitterMs"], 20.0);
    let raw = quality["reports"].as_array().unwrap();
    assert_eq!((raw.len(), &raw[0]["band"], &raw[2]["band"]), (3, &json!("good"), &json!("poor")), "{quality}");
    let late = Some(json!({"reports": [{"packetLoss": 0.0}]}));
    assert_eq!(refused(&server, "bob", &id, "POST quality", late).await, "409 call_over");
    assert_eq!(refused(&server, "carol", &id, "GET quality", None).await, "404 call_not_found");
}

#[tokio::test]
async fn a_full_call_takes_nobody_more() {
    let server = Server::with_call(|call| call.max_participants = 2).await;
    let mut alice = device(&server, "alice", json!({})).await;
    let mut bob = device(&server, "bob", json!({})).await;
    let id = talk(&server, &mut alice, &mut bob).await;
    let invite = Some(json!({"userIds": ["carol"]}));
    assert_eq!(refused(&server, "alice", &id, "POST invite", invite).await, "409 call_full");
    let handed = Some(json!({"targetUserId": "carol", "mode": "attended"}));
    assert_eq!(refused(&server, "alice", &id, "POST transfer", handed).await, "409 call_full");
}

#[tokio::test]
async fn who_is_rung_in_is_told_to_those_who_are_there() {
    let server = Server::start().await;
    let mut alice = device(&server, "alice", json!({})).await;
    let mut bob = device(&server, "bob", json!({})).await;
    let mut carol = device(&server, "carol", json!({})).await;
    let id = talk(&server, &mut alice, &mut bob).await;
    let (status, _, answer) =
        act(&server, "bob", &id, "POST invite", Some(json!({"userIds": ["carol", "dave"]}))).await;
    assert_eq!((status, &answer["call"]["kind"]), (200, &json!("group")));
    for socket in [&mut alice, &mut bob] {
        for user in ["carol", "dave"] {
            let invited = until(socket, "call:participant-invited").await;
            assert_eq!(
                (&invited["callId"], &invited["userId"], &invited["by"]),
                (&json!(id), &json!(user), &json!("bob"))
            );
            let participant = &invited["participant"];
            assert_eq!((&participant["userId"], &participant["callId"]), (&json!(user), &json!(id)));
            assert!(["invited", "ringing"].contains(&participant["status"].as_str().unwrap()), "{participant}");
        }
    }
    // One who is rung hears the ring and nothing of the others'.
    let first = loop {
        let (event, _) = carol.event().await;
        if event.starts_with("call:") {
            break event;
        }
    };
    assert_eq!(first, "call:incoming");
    let events = server.get(&format!("/api/calls/{id}/events"), &token("alice")).await.json();
    let invited = events["events"].as_array().unwrap().iter().find(|event| event["event"] == "invited").cloned();
    let invited = invited.expect("in the log");
    assert_eq!(
        (&invited["userId"], &invited["payload"]),
        (&json!("bob"), &json!({"users": ["carol", "dave"]})),
        "{invited}"
    );
    let eve = Some(json!({"userIds": ["mallory"]}));
    assert_eq!(refused(&server, "eve", &id, "POST invite", eve).await, "404 call_not_found");
}

#[tokio::test]
async fn ten_seconds_of_a_poor_line_are_told_once() {
    let server = Server::start().await;
    let mut alice = device(&server, "alice", json!({})).await;
    let mut bob = device(&server, "bob", json!({})).await;
    let id = talk(&server, &mut alice, &mut bob).await;
    let began = std::time::Instant::now();
    let poor = || json!({"callId": id, "reports": [{"packetLoss": 50.0, "roundTripMs": 40.0}]});
    for second in 0..13 {
        assert_eq!(bob.ask("call:quality", poor()).await["ok"], true);
        if second < 12 {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }
    let told = async {
        let mut alerts = Vec::new();
        let mut bands = 0;
        while bands < 13 {
            match alice.event().await {
                (event, data) if event == "call:quality" => {
                    assert_eq!((&data["userId"], &data["band"]), (&json!("bob"), &json!("poor")));
                    bands += 1;
                }
                (event, data) if event == "call:quality-alert" => alerts.push(data),
                _ => {}
            }
        }
        alerts
    };
    let alerts = told.await;
    assert!(began.elapsed().as_secs() >= 10);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!((&alerts[0]["userId"], &alerts[0]["band"]), (&json!("bob"), &json!("poor")));
    let at = |name: &str| alerts[0][name].as_str().unwrap()[17..19].parse::<u64>().unwrap();
    assert!((10..=11).contains(&((at("at") + 60 - at("since")) % 60)), "{alerts:?}");
    let events = server.get(&format!("/api/calls/{id}/events"), &token("alice")).await.json();
    assert!(events["events"].as_array().unwrap().iter().any(|event| event["event"] == "quality_alert"));
}
