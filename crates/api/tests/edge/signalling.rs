//! Peer-to-peer signalling: the main namespace, `/webrtc`, and the raw WebSocket. Outsiders relay nothing and learn nothing.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::server::{Server, admin, token};
use crate::socket::Socket;

async fn accept(server: &Server, id: &str, who: &str) {
    let answer = server.ask("POST", &format!("/api/calls/{id}/accept"), &token(who), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// The next of these events, others passed over.
async fn next_of(socket: &mut Socket, wanted: &str) -> Value {
    loop {
        let (event, data) = socket.event().await;
        if event == wanted {
            return data;
        }
    }
}

/// What came before an answer to a question asked now.
async fn nothing_came(socket: &mut Socket, prefix: &str) {
    let answer = socket.ask("presence:get", json!({"userIds": []})).await;
    assert_eq!(answer["ok"], true);
    while let Some((event, data)) = socket.early.pop_front() {
        assert!(!event.starts_with(prefix), "{event}: {data}");
    }
}

#[tokio::test]
async fn offers_answers_and_candidates_go_to_the_addressed_participant_in_order() {
    let server = Server::start().await;
    let mut alice = Socket::of(&server, "alice", "laptop").await;
    let mut bob = Socket::of(&server, "bob", "phone").await;
    let id = server.ring("alice", "bob").await;
    // One who is being rung hears an offer already.
    let sdp = json!({"type": "offer", "sdp": "v=0"});
    let offer = json!({"callId": id, "to": "bob", "from": "carol", "offer": sdp});
    assert_eq!(alice.ask("call:offer", offer).await, json!({"ok": true}));
    let heard = next_of(&mut bob, "call:offer").await;
    assert_eq!((&heard["from"], &heard["callId"], &heard["offer"]), (&json!("alice"), &json!(id), &sdp));
    accept(&server, &id, "bob").await;
    bob.ask("call:answer", json!({"callId": id, "answer": {"type": "answer", "sdp": "v=0"}})).await;
    assert_eq!(next_of(&mut alice, "call:answer").await["from"], "bob");
    for n in 0..100 {
        let event = json!(["call:ice-candidate", {"callId": id, "candidate": n}]);
        alice.frames.send(Message::Text(format!("42{event}").into())).await.unwrap();
    }
    for n in 0..100 {
        assert_eq!(next_of(&mut bob, "call:ice-candidate").await["candidate"], n);
    }
}

#[tokio::test]
async fn outsiders_relay_nothing_in_the_main_namespace() {
    let server = Server::start().await;
    let mut bob = Socket::of(&server, "bob", "phone").await;
    let mut eve = Socket::of(&server, "eve", "x").await;
    let id = server.ring("alice", "bob").await;
    let unknown = "0192d3b4-0000-7000-8000-00000000ffff";
    let foreign = eve.ask("call:offer", json!({"callId": id, "to": "bob", "offer": {}})).await;
    let none = eve.ask("call:offer", json!({"callId": unknown, "to": "bob", "offer": {}})).await;
    assert_eq!((&foreign["error"]["code"], &foreign), (&json!("call_not_found"), &none));
    let mut alice = Socket::of(&server, "alice", "laptop").await;
    for to in ["eve", "nobody", "alice"] {
        let refused = alice.ask("call:offer", json!({"callId": id, "to": to, "offer": {}})).await;
        assert_eq!(refused["error"]["code"], "not_found", "{to}");
    }
    for (data, code) in [
        (json!("x"), "invalid_request"),
        (json!({}), "invalid_id"),
        (json!({"callId": id, "to": 7}), "invalid_request"),
        (json!({"callId": id, "to": ""}), "invalid_id"),
    ] {
        assert_eq!(alice.ask("call:answer", data.clone()).await["error"]["code"], code, "{data}");
    }
    nothing_came(&mut bob, "call:offer").await;
    nothing_came(&mut eve, "call:").await;
    server.post(&format!("/api/calls/{id}/end"), &token("alice"), json!({})).await;
    let over = alice.ask("call:offer", json!({"callId": id, "to": "bob"})).await;
    assert_eq!(over["error"]["code"], "call_over");
}

/// One `/webrtc` socket, with its own id.
async fn mesh(server: &Server, who: &str) -> (Socket, String) {
    let mut socket = Socket::dial_namespace(server, "/webrtc", json!({"token": token(who)}), &[]).await.unwrap();
    let id = socket.id.take().expect("connect tells the id");
    (socket, id)
}

async fn start_bare(server: &Server, from: &str, to: &[&str]) -> String {
    let body = json!({"channelId": "team", "callType": "video", "participants": to});
    let answer = server.post("/calls", &token(from), body).await.json();
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn a_mesh_of_three_sockets() {
    let server = Server::start().await;
    let (mut alice, alice_id) = mesh(&server, "alice").await;
    let (mut bob, bob_id) = mesh(&server, "bob").await;
    let (mut carol, carol_id) = mesh(&server, "carol").await;
    let id = start_bare(&server, "alice", &["bob", "carol"]).await;
    let incoming = bob.expect("call.incoming").await;
    let expected = json!({"event": "call.incoming", "callId": id, "callType": "video", "initiator": "alice"});
    assert_eq!(incoming, expected);

    assert_eq!(alice.ask("call.join", json!({"callId": id, "userId": "forged"})).await, json!({"ok": true}));
    assert_eq!(alice.expect("call.participants").await, json!({"participants": []}));
    // By one who is being rung it is accept.
    assert_eq!(bob.ask("call.join", json!({"callId": id, "userId": "alice"})).await["ok"], true);
    let there = bob.expect("call.participants").await;
    assert_eq!(there, json!({"participants": [{"socketId": alice_id, "userId": "alice"}]}));
    assert_eq!(alice.expect("participant.joined").await, json!({"socketId": bob_id, "userId": "bob"}));
    carol.ask("call.join", json!({"callId": id})).await;
    let call = server.get(&format!("/calls/{id}"), &token("carol")).await.json();
    assert_eq!(call["status"], "active");

    alice.ask("call.offer", json!({"to": bob_id, "offer": {"type": "offer", "sdp": "x"}})).await;
    bob.expect("participant.joined").await;
    let offer = bob.expect("call.offer").await;
    assert_eq!(offer, json!({"from": alice_id, "offer": {"type": "offer", "sdp": "x"}}));
    bob.ask("call.answer", json!({"to": alice_id, "answer": {"sdp": "y"}})).await;
    alice.expect("participant.joined").await;
    assert_eq!(alice.expect("call.answer").await["from"], bob_id.as_str());
    bob.ask("call.ice-candidate", json!({"to": alice_id, "candidate": {"candidate": "c"}})).await;
    assert_eq!(alice.expect("call.ice-candidate").await["candidate"], json!({"candidate": "c"}));

    bob.ask("call.mute", json!({"callId": id, "isMuted": true})).await;
    let muted = alice.expect("participant.muted").await;
    assert_eq!(muted, json!({"socketId": bob_id, "userId": "bob", "isMuted": true}));
    bob.ask("call.video-toggle", json!({"callId": id, "isVideoEnabled": false})).await;
    assert_eq!(alice.expect("participant.video-toggled").await["isVideoEnabled"], false);
    // From elsewhere, too.
    server.ask("PATCH", &format!("/api/calls/{id}/media"), &token("bob"), Some(json!({"isMuted": false}))).await;
    assert_eq!(alice.expect("participant.muted").await["isMuted"], false);

    // A lost socket is told at once.
    drop(carol);
    assert_eq!(alice.expect("participant.left").await, json!({"socketId": carol_id, "userId": "carol"}));
    bob.ask("call.leave", json!({"callId": id})).await;
    assert_eq!(alice.expect("participant.left").await, json!({"socketId": bob_id, "userId": "bob"}));
    let call = server.get(&format!("/api/calls/{id}"), &token("alice")).await.json();
    assert_eq!(call["call"]["participants"][1]["status"], "left");
}

#[tokio::test]
async fn outsiders_relay_nothing_in_the_mesh() {
    let server = Server::start().await;
    let (mut alice, alice_id) = mesh(&server, "alice").await;
    let (mut bob, _) = mesh(&server, "bob").await;
    let (mut eve, eve_id) = mesh(&server, "eve").await;
    let (mut mallory, mallory_id) = mesh(&server, "mallory").await;
    let id = start_bare(&server, "alice", &["bob"]).await;
    let other = start_bare(&server, "eve", &["mallory"]).await;
    for (socket, call) in [(&mut alice, &id), (&mut bob, &id), (&mut eve, &other), (&mut mallory, &other)] {
        assert_eq!(socket.ask("call.join", json!({"callId": call})).await["ok"], true);
    }
    let foreign = eve.ask("call.join", json!({"callId": id, "userId": "bob"})).await;
    let unknown = eve.ask("call.join", json!({"callId": "0192d3b4-0000-7000-8000-00000000ffff"})).await;
    assert_eq!((&foreign["error"]["code"], &foreign), (&json!("call_not_found"), &unknown));
    // A socket of another call and one that does not exist look the same.
    let foreign = eve.ask("call.offer", json!({"to": alice_id, "offer": {"sdp": "x"}})).await;
    let unknown = eve.ask("call.offer", json!({"to": "nobody", "offer": {"sdp": "x"}})).await;
    assert_eq!((&foreign["error"]["code"], &foreign), (&json!("not_found"), &unknown));
    for event in ["call.mute", "call.video-toggle", "call.leave"] {
        let data = json!({"callId": id, "isMuted": true, "isVideoEnabled": false});
        assert_eq!(eve.ask(event, data).await["error"]["code"], "call_not_found", "{event}");
    }
    assert_eq!(eve.ask("call.offer", json!({"to": mallory_id, "offer": {"sdp": "mine"}})).await["ok"], true);
    loop {
        let (event, data) = mallory.event().await;
        if event == "call.offer" {
            assert_eq!(data, json!({"from": eve_id, "offer": {"sdp": "mine"}}));
            break;
        }
    }
    // Nothing of it reached Alice; Bob's own offer is the next she hears.
    bob.ask("call.offer", json!({"to": alice_id, "offer": {"sdp": "bob"}})).await;
    alice.expect("call.participants").await;
    alice.expect("participant.joined").await;
    assert_eq!(alice.expect("call.offer").await["offer"], json!({"sdp": "bob"}));
    // One who was put out speaks no more.
    server.ask("POST", &format!("/calls/{id}/leave"), &token("bob"), None).await;
    alice.expect("participant.left").await;
    assert_eq!(bob.ask("call.offer", json!({"to": alice_id, "offer": {}})).await["ok"], false);
}

/// None of the events has attachments; a message that announces many is not waited for.
#[tokio::test]
async fn a_message_has_at_most_ten_attachments() {
    let server = Server::start().await;
    let mut alice = Socket::of(&server, "alice", "laptop").await;
    let id = server.ring("alice", "bob").await;
    let holders: Vec<Value> = (0..11).map(|num| json!({"_placeholder": true, "num": num})).collect();
    let event = format!("4511-{}", json!(["call:offer", {"callId": id, "offer": holders}]));
    alice.frames.send(Message::Text(event.into())).await.unwrap();
    let closed = async {
        while let Some(Ok(frame)) = alice.frames.next().await {
            if frame.is_close() || frame.to_text().is_ok_and(|text| text == "41") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("cut off");
}

pub struct Raw(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Raw {
    pub async fn dial(server: &Server, call: &str, token: &str) -> Result<Self, u16> {
        Self::dial_with(server, call, token, &[]).await
    }

    /// The same; with headers of one's own and no token where there are any.
    pub async fn dial_with(
        server: &Server,
        call: &str,
        token: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Self, u16> {
        let query = if headers.is_empty() { format!("?token={token}") } else { String::new() };
        let url = format!("ws://{}/ws/webrtc/{call}{query}", server.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    /// The next message, or the close frame's code.
    pub async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let frame = tokio::time::timeout(Duration::from_secs(15), self.0.next()).await.expect("in time");
            match frame {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }
}

#[tokio::test]
async fn the_raw_socket_relays_between_the_two_of_a_call() {
    let server = Server::start().await;
    let id = server.ring("alice", "bob").await;
    accept(&server, &id, "bob").await;
    let mut alice = Raw::dial(&server, &id, &token("alice")).await.unwrap();
    // Sent before the other is there: kept.
    let offer = json!({"type": "offer", "offer": {"type": "offer", "sdp": "v=0\r\no=..."}});
    let candidate =
        json!({"type": "ice_candidate", "candidate": {"candidate": "c", "sdpMLineIndex": 0, "sdpMid": "0"}});
    alice.send(offer.clone()).await;
    alice.send(candidate.clone()).await;
    alice.send(json!({"type": "text", "message": "too early"})).await;
    assert_eq!(alice.next().await.unwrap()["code"], "invalid_state");
    let mut bob = Raw::dial(&server, &id, &token("bob")).await.unwrap();
    assert_eq!(bob.next().await.unwrap(), json!({"type": "peer_joined", "user_id": "alice"}));
    assert_eq!(bob.next().await.unwrap(), offer);
    assert_eq!(bob.next().await.unwrap(), candidate);
    assert_eq!(alice.next().await.unwrap(), json!({"type": "peer_joined", "user_id": "bob"}));
    for message in [
        json!({"type": "answer", "answer": {"type": "answer", "sdp": "v=0"}}),
        json!({"type": "text", "message": "Hello!", "timestamp": "2026-01-21T10:30:00Z"}),
        json!({"type": "connection_state", "state": "connected"}),
    ] {
        bob.send(message.clone()).await;
        assert_eq!(alice.next().await.unwrap(), message);
    }
    let state = server.get(&format!("/ws/webrtc/connection-state/{id}"), &admin("root")).await.json();
    assert_eq!((&state["connection_state"], &state["ice_candidates_count"]), (&json!("connected"), &json!(1)));
    let all = server.get("/ws/webrtc/active-connections", &admin("root")).await.json();
    assert_eq!((&all["total_calls"], &all["connections"][&id]["call_id"]), (&json!(1), &json!(id)));
    bob.0.close(None).await.unwrap();
    assert_eq!(alice.next().await.unwrap(), json!({"type": "peer_left", "user_id": "bob"}));
    server.post(&format!("/api/calls/{id}/end"), &token("bob"), json!({})).await;
    assert_eq!(alice.next().await.unwrap()["code"], "call_over");
    assert_eq!(alice.next().await, Err(1000));
}

#[tokio::test]
async fn the_raw_socket_is_refused_before_the_upgrade() {
    let server = Server::start().await;
    let id = server.ring("alice", "bob").await;
    for bad in ["", "nonsense"] {
        assert_eq!(Raw::dial(&server, &id, bad).await.err(), Some(401));
    }
    assert_eq!(Raw::dial(&server, &id, &token("eve")).await.err(), Some(404));
    assert_eq!(Raw::dial(&server, "0192d3b4-0000-7000-8000-00000000ffff", &token("eve")).await.err(), Some(404));
    assert_eq!(Raw::dial(&server, "7", &token("alice")).await.err(), Some(400));
    server.post(&format!("/api/calls/{id}/end"), &token("alice"), json!({})).await;
    assert_eq!(Raw::dial(&server, &id, &token("alice")).await.err(), Some(409));
}

#[tokio::test]
async fn a_malformed_message_is_answered_and_only_size_and_rate_close() {
    let server = Server::with(|config| {
        config.limits.signal_burst = 10;
        config.limits.signals_a_second = 1;
        config.limits.signal_patience = Duration::from_millis(10);
    })
    .await;
    let id = server.ring("alice", "bob").await;
    let mut alice = Raw::dial(&server, &id, &token("alice")).await.unwrap();
    for text in ["{", r#"{"type":"fly"}"#, r#"{"type":"offer","offer":1}"#] {
        alice.0.send(Message::Text(text.into())).await.unwrap();
        let error = alice.next().await.unwrap();
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("invalid_request")), "{text}");
    }
    alice.0.send(Message::Binary(vec![1, 2].into())).await.unwrap();
    assert_eq!(alice.next().await.unwrap()["code"], "invalid_request");
    for _ in 0..20 {
        _ = alice.0.send(Message::Text("{".into())).await;
    }
    let closed = loop {
        if let Err(code) = alice.next().await {
            break code;
        }
    };
    assert_eq!(closed, 1008);
    let mut again = Raw::dial(&server, &id, &token("alice")).await.unwrap();
    _ = again.0.send(Message::Text("x".repeat(65 * 1024).into())).await;
    assert_eq!(again.next().await, Err(1009));
}

/// A client whose WebSocket compresses.
async fn deflating(server: &Server, call: &str, who: &str) -> yawc::TcpWebSocket {
    let url = format!("ws://{}/ws/webrtc/{call}?token={}", server.address, token(who));
    let options = yawc::Options::default().with_balanced_compression().with_limits(1 << 20, 1 << 20);
    yawc::WebSocket::connect(url.parse().unwrap()).with_options(options).await.unwrap()
}

async fn heard(socket: &mut yawc::TcpWebSocket) -> Result<Value, u16> {
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(15), socket.next_frame()).await.expect("in time");
        let Ok(frame) = frame else { return Err(1006) };
        match frame.opcode() {
            yawc::OpCode::Text => return Ok(serde_json::from_str(frame.as_str()).unwrap()),
            yawc::OpCode::Close => return Err(frame.close_code().map_or(1005, u16::from)),
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_is_compressed_is_relayed_and_bounded_by_what_it_inflates_to() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::start().await;
    // A call of its own: this connection may take its seat late, and would put out whoever has it by then.
    let id = server.ring("carol", "dave").await;
    let mut raw = TcpStream::connect(server.address).await.unwrap();
    let upgrade = format!(
        "GET /ws/webrtc/{id}?token={} HTTP/1.1\r\nHost: stoa\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
        token("carol")
    );
    raw.write_all(upgrade.as_bytes()).await.unwrap();
    let mut head = vec![0; 1024];
    let length = raw.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..length]).to_lowercase();
    assert!(head.contains("sec-websocket-extensions: permessage-deflate"), "{head}");
    drop(raw);

    let id = server.ring("alice", "bob").await;
    let (mut alice, mut bob) = (deflating(&server, &id, "alice").await, deflating(&server, &id, "bob").await);
    assert_eq!(heard(&mut alice).await.unwrap()["type"], "peer_joined");
    assert_eq!(heard(&mut bob).await.unwrap()["type"], "peer_joined");
    // Compresses to some hundred bytes, and is within what may be sent.
    let offer = json!({"type": "offer", "offer": {"type": "offer", "sdp": "a=candidate\r\n".repeat(4_000)}});
    for _ in 0..3 {
        alice.send(yawc::Frame::text(offer.to_string())).await.unwrap();
        assert_eq!(heard(&mut bob).await.unwrap(), offer);
    }
    for size in [65 * 1024, 512 * 1024] {
        let mut one = deflating(&server, &id, "alice").await;
        one.send(yawc::Frame::text("x".repeat(size))).await.unwrap();
        let closed = loop {
            if let Err(code) = heard(&mut one).await {
                break code;
            }
        };
        assert_eq!(closed, 1009, "{size}");
    }
}

/// Never answers a ping, as a peer whose network is gone.
#[tokio::test]
async fn a_silent_peer_is_dropped_after_thirty_seconds() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::start().await;
    // Rings longer than the test takes: the end of the call would close both.
    let body = json!({"targetUserId": "bob", "ringTimeout": 120});
    let started = server.post("/api/calls/initiate", &token("alice"), body).await.json();
    let id = started["callId"].as_str().unwrap().to_owned();
    let mut alice = Raw::dial(&server, &id, &token("alice")).await.unwrap();
    let mut bob = TcpStream::connect(server.address).await.unwrap();
    let upgrade = format!(
        "GET /ws/webrtc/{id}?token={} HTTP/1.1\r\nHost: stoa\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        token("bob")
    );
    let began = std::time::Instant::now();
    bob.write_all(upgrade.as_bytes()).await.unwrap();
    assert_eq!(alice.next().await.unwrap()["type"], "peer_joined");
    let left = async {
        // Alice answers pings by reading.
        while let Some(Ok(frame)) = alice.0.next().await {
            if frame.to_text().is_ok_and(|text| text.contains("peer_left")) {
                return;
            }
        }
        panic!("Alice was dropped, too");
    };
    tokio::time::timeout(Duration::from_secs(60), left).await.expect("in time");
    assert!((30..45).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(10), bob.read_to_end(&mut rest)).await.expect("closed").ok();
}

#[tokio::test]
async fn a_newer_connection_of_the_same_device_replaces_the_older() {
    let server = Server::start().await;
    let id = server.ring("alice", "bob").await;
    let mut first = Raw::dial(&server, &id, &token("alice")).await.unwrap();
    let mut second = Raw::dial(&server, &id, &token("alice")).await.unwrap();
    assert_eq!(first.next().await, Err(4001));
    let mut bob = Raw::dial(&server, &id, &token("bob")).await.unwrap();
    assert_eq!(second.next().await.unwrap()["type"], "peer_joined");
    assert_eq!(bob.next().await.unwrap()["user_id"], "alice");
}
