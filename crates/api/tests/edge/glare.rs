//! Two call each other at once, and the later request has the lower id: what rang under the other id stops on every device, whatever way
//! the device listens.

use axum::body::Body;
use serde_json::{Value, json};

use crate::server::{Server, request, token};
use crate::signalling::Raw;
use crate::socket::Socket;

const HIGH: &str = "ffffffff-0000-4000-8000-000000000005";
const LOW: &str = "00000000-0000-4000-8000-000000000002";

async fn call(server: &Server, id: &str, from: &str, device: &str, to: &str) -> Value {
    let request = request("POST", "/api/calls/initiate")
        .header("authorization", format!("Bearer {}", token(from)))
        .header("stoa-device", device)
        .header("content-type", "application/json");
    let body = json!({"callId": id, "targetUserId": to}).to_string();
    let answer = server.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

/// The next event of one of these names, told of a call.
async fn next(socket: &mut Socket, names: &[&str]) -> (String, Value) {
    loop {
        let (name, data) = socket.event().await;
        if names.contains(&name.as_str()) {
            return (name, data);
        }
    }
}

async fn mesh(server: &Server, user: &str, device: &str) -> Socket {
    let auth = json!({"token": token(user), "deviceId": device});
    Socket::dial_namespace(server, "/webrtc", auth, &[]).await.unwrap()
}

#[tokio::test]
async fn what_rang_under_the_name_that_is_gone_stops_on_every_device() {
    let server = Server::start().await;
    let mut main = Vec::new();
    let mut meshes = Vec::new();
    for device in ["phone", "tablet", "watch"] {
        main.push((device, Socket::of(&server, "bob", device).await));
        meshes.push((device, mesh(&server, "bob", device).await));
    }
    let mut alice = Socket::of(&server, "alice", "phone").await;
    let mut her_watch = Socket::of(&server, "alice", "watch").await;
    call(&server, HIGH, "alice", "phone", "bob").await;
    for (_, socket) in &mut main {
        assert_eq!(next(socket, &["call:incoming"]).await.1["callId"], HIGH);
    }
    for (_, socket) in &mut meshes {
        assert_eq!(next(socket, &["call.incoming"]).await.1["callId"], HIGH);
    }
    let met = call(&server, LOW, "bob", "phone", "alice").await;
    assert_eq!((&met["callId"], &met["call"]["status"]), (&json!(LOW), &json!("connecting")), "{met}");

    let stops = ["call:answered-elsewhere", "call:cancelled", "call:merged"];
    for (device, socket) in &mut main {
        let (name, data) = next(socket, &stops).await;
        let expected = if *device == "phone" { "call:cancelled" } else { "call:answered-elsewhere" };
        assert_eq!((name.as_str(), &data["callId"]), (expected, &json!(HIGH)), "{device}: {data}");
        let (name, data) = next(socket, &stops).await;
        let names = (&data["callId"], &data["mergedCallId"]);
        assert_eq!((name.as_str(), names), ("call:merged", (&json!(LOW), &json!(HIGH))), "{device}: {data}");
    }
    for (device, socket) in &mut meshes {
        let (name, data) = next(socket, &["call.answered-elsewhere", "call.cancelled"]).await;
        let expected = if *device == "phone" { "call.cancelled" } else { "call.answered-elsewhere" };
        assert_eq!((name.as_str(), &data["callId"]), (expected, &json!(HIGH)), "{device}: {data}");
    }
    // Hers rang for nothing: they hear of the call that both are in.
    for socket in [&mut alice, &mut her_watch] {
        assert_eq!(next(socket, &["call:incoming", "call:merged"]).await.0, "call:merged");
    }
}

/// A mesh socket is told when a ring is over, however it came to be.
#[tokio::test]
async fn a_mesh_socket_stops_ringing() {
    let server = Server::start().await;
    let mut phone = mesh(&server, "bob", "phone").await;
    for (end, told) in [("cancel", "call.cancelled"), ("accept", "call.answered-elsewhere")] {
        let id = server.ring("alice", "bob").await;
        assert_eq!(next(&mut phone, &["call.incoming"]).await.1["callId"], id.as_str());
        let who = if end == "cancel" { "alice" } else { "bob" };
        server.ask("POST", &format!("/api/calls/{id}/{end}"), &token(who), None).await;
        let (_, data) = next(&mut phone, &[told]).await;
        assert_eq!(data, json!({"event": told, "callId": id}));
    }
}

/// Whoever signals for the call that is gone signals for the one that is left, by the connection they have.
#[tokio::test]
async fn signalling_goes_on_in_the_call_that_is_left() {
    let server = Server::start().await;
    call(&server, HIGH, "alice", "phone", "bob").await;
    let mut alice = Raw::dial(&server, HIGH, &token("alice")).await.unwrap();
    alice.send(json!({"type": "offer", "offer": {"type": "offer", "sdp": "hers"}})).await;
    // Answered, so that what was said before has been taken.
    alice.send(json!({"type": "text", "message": "anybody?"})).await;
    assert_eq!(alice.next().await.unwrap()["code"], "invalid_state");
    call(&server, LOW, "bob", "phone", "alice").await;
    let mut bob = Raw::dial(&server, LOW, &token("bob")).await.unwrap();
    assert_eq!(alice.next().await.unwrap(), json!({"type": "peer_joined", "user_id": "bob"}));
    assert_eq!(bob.next().await.unwrap(), json!({"type": "peer_joined", "user_id": "alice"}));
    let offer = json!({"type": "offer", "offer": {"type": "offer", "sdp": "his"}});
    bob.send(offer.clone()).await;
    assert_eq!(alice.next().await.unwrap(), offer, "he called, in the call that is left");
    let answer = json!({"type": "answer", "answer": {"type": "answer", "sdp": "v=0"}});
    alice.send(answer.clone()).await;
    assert_eq!(bob.next().await.unwrap(), answer, "hers is not told: it was for the call that is gone");
    server.ask("POST", &format!("/api/calls/{HIGH}/end"), &token("alice"), None).await;
    for socket in [&mut alice, &mut bob] {
        assert_eq!(socket.next().await.unwrap()["code"], "call_over");
        assert_eq!(socket.next().await, Err(1000));
    }
}
