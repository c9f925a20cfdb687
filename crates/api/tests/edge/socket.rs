//! The Socket.IO namespace, spoken frame by frame.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::server::{Server, scrubbed, token};

pub struct Socket {
    pub frames: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_ack: u32,
    /// Events that came while an acknowledgement was awaited.
    pub early: std::collections::VecDeque<(String, Value)>,
    namespace: String,
    /// What the server calls the socket.
    pub id: Option<String>,
}

impl Socket {
    pub async fn dial(server: &Server, auth: Value, headers: &[(&'static str, &str)]) -> Result<Self, Value> {
        Self::dial_namespace(server, "", auth, headers).await
    }

    pub async fn dial_namespace(
        server: &Server,
        namespace: &str,
        auth: Value,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, Value> {
        let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", server.address);
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (frames, _) = connect_async(request).await.unwrap();
        let namespace = if namespace.is_empty() { String::new() } else { format!("{namespace},") };
        let mut socket = Self { frames, next_ack: 0, early: Default::default(), namespace, id: None };
        assert!(socket.text().await.starts_with("0{"), "engine.io opens");
        let connect = format!("40{}{auth}", socket.namespace);
        socket.frames.send(Message::Text(connect.into())).await.unwrap();
        let answer = socket.text().await.replacen(&socket.namespace, "", 1);
        match answer.split_at(2) {
            ("40", connected) => {
                let connected: Value = serde_json::from_str(connected).unwrap();
                socket.id = connected["sid"].as_str().map(str::to_owned);
                Ok(socket)
            }
            ("44", refusal) => Err(serde_json::from_str(refusal).unwrap()),
            _ => panic!("{answer}"),
        }
    }

    pub async fn of(server: &Server, user: &str, device: &str) -> Self {
        let mut socket = Self::dial(server, json!({"token": token(user), "deviceId": device}), &[]).await.unwrap();
        assert_eq!(socket.event().await.0, "presence:state");
        socket
    }

    pub async fn text(&mut self) -> String {
        loop {
            let frame = tokio::time::timeout(Duration::from_secs(15), self.frames.next()).await.expect("in time");
            match frame.expect("open").expect("no error") {
                Message::Text(text) if text.as_str() == "2" => {
                    self.frames.send(Message::Text("3".into())).await.unwrap()
                }
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Close(_) => panic!("closed"),
                _ => {}
            }
        }
    }

    /// The next event, with its data.
    pub async fn event(&mut self) -> (String, Value) {
        if let Some(event) = self.early.pop_front() {
            return event;
        }
        let text = self.text().await;
        self.parse(&text).unwrap_or_else(|| panic!("no event: {text}"))
    }

    /// The next event of this name; presence in between is passed over.
    pub async fn expect(&mut self, name: &str) -> Value {
        loop {
            let (event, data) = self.event().await;
            if event == name {
                return data;
            }
            assert!(event.starts_with("presence:"), "{event} came before {name}: {data}");
        }
    }

    /// Sends an event and waits for its acknowledgement.
    pub async fn ask(&mut self, event: &str, data: Value) -> Value {
        let id = self.next_ack;
        self.next_ack += 1;
        self.frames
            .send(Message::Text(format!("42{}{id}{}", self.namespace, json!([event, data])).into()))
            .await
            .unwrap();
        let wanted = format!("43{}{id}[", self.namespace);
        loop {
            let text = self.text().await;
            if let Some(answer) = text.strip_prefix(&wanted) {
                return serde_json::from_str::<Vec<Value>>(&format!("[{answer}")).unwrap().remove(0);
            }
            let event = self.parse(&text);
            self.early.extend(event);
        }
    }

    fn parse(&self, text: &str) -> Option<(String, Value)> {
        let event = text.strip_prefix("42")?.strip_prefix(&self.namespace)?;
        let (name, data): (String, Value) = serde_json::from_str(event).ok()?;
        Some((name, data))
    }
}

#[tokio::test]
async fn a_call_rings_on_every_device_and_stops_on_the_others() {
    let server = Server::start().await;
    let mut alice = Socket::of(&server, "alice", "laptop").await;
    let mut phone = Socket::of(&server, "bob", "phone").await;
    let mut tablet = Socket::of(&server, "bob", "tablet").await;
    let id = server.ring("alice", "bob").await;

    for device in [&mut phone, &mut tablet] {
        let incoming = device.expect("call:incoming").await;
        assert_eq!(incoming["callId"], id.as_str());
        assert_eq!(incoming["caller"]["name"], "alice of the tests");
    }
    let accepted = phone.ask("call:accept", json!({"callId": id})).await;
    assert_eq!((&accepted["ok"], &accepted["participant"]["deviceId"]), (&json!(true), &json!("phone")), "{accepted}");
    assert_eq!(accepted["livekitUrl"], format!("ws://{}", server.address));
    assert_eq!(tablet.expect("call:answered-elsewhere").await["deviceId"], "phone");
    assert_eq!(alice.expect("call:accepted").await["userId"], "bob");
    let joined = alice.expect("call:participant-joined").await;
    assert_eq!((&joined["userId"], &joined["participant"]["name"]), (&json!("bob"), &json!("bob of the tests")));

    let late = tablet.ask("call:accept", json!({"callId": id})).await;
    assert_eq!((&late["ok"], &late["error"]["code"]), (&json!(false), &json!("answered_elsewhere")));

    let ended = alice.ask("call:end", json!({"callId": id})).await;
    assert_eq!((&ended["ok"], &ended["call"]["status"]), (&json!(true), &json!("ended")), "{ended}");
    let told = loop {
        let (event, data) = phone.event().await;
        if event == "call:ended" {
            break data;
        }
    };
    assert_eq!((&told["endedBy"], &told["reason"]), (&json!("alice"), &json!("completed")));
    insta::assert_json_snapshot!("call_ended", scrubbed(told));
}

#[tokio::test]
async fn a_device_that_connects_while_it_rings_is_told_at_once() {
    let server = Server::start().await;
    let id = server.ring("alice", "bob").await;
    let mut bob = Socket::dial(&server, json!({"token": token("bob")}), &[]).await.unwrap();
    let mut names = Vec::new();
    while names.len() < 2 {
        let (event, data) = bob.event().await;
        if event == "call:incoming" {
            assert_eq!(data["callId"], id.as_str());
        }
        if !event.starts_with("presence:changed") {
            names.push(event);
        }
    }
    names.sort();
    assert_eq!(names, ["call:incoming", "presence:state"]);
    let declined = bob.ask("call:decline", json!({"callId": id, "reason": "busy"})).await;
    assert_eq!((&declined["ok"], &declined["call"]["status"]), (&json!(true), &json!("busy")), "{declined}");
}

#[tokio::test]
async fn presence_comes_and_goes() {
    let server = Server::start().await;
    let mut alice = Socket::of(&server, "alice", "laptop").await;
    let bob = Socket::of(&server, "bob", "phone").await;
    let came = alice.expect("presence:changed").await;
    assert_eq!((&came["userId"], &came["presence"]), (&json!("bob"), &json!("online")));
    let asked = alice.ask("presence:get", json!({"userIds": ["bob", "nobody"]})).await;
    assert_eq!(asked["users"], json!({"bob": "online", "nobody": "offline"}));
    drop(bob);
    let went = alice.expect("presence:changed").await;
    assert_eq!((&went["userId"], &went["presence"]), (&json!("bob"), &json!("offline")));
}

#[tokio::test]
async fn bad_credentials_are_refused_with_a_code() {
    let server = Server::start().await;
    for (_, token) in crate::bad_input::bad_tokens() {
        let refused = Socket::dial(&server, json!({"token": token}), &[]).await.err().expect("refused");
        assert_eq!(refused["message"], "unauthorized");
    }
    let nobody = Socket::dial(&server, json!({}), &[]).await.err().expect("refused");
    assert_eq!(nobody["message"], "unauthorized");
    let odd = Socket::dial(&server, json!({"token": token("a"), "deviceId": ""}), &[]).await.err().expect("refused");
    assert_eq!(odd["message"], "invalid_id");
}

#[tokio::test]
async fn a_cookie_opens_a_socket_of_our_own_page_only() {
    let server = Server::start().await;
    let guest = crate::server::request("POST", "/api/session/guest").header("content-type", "application/json");
    let guest = server.send(guest.body(json!({"name": "Gast"}).to_string().into()).unwrap()).await;
    let cookie = guest.header("set-cookie").split(';').next().unwrap().to_owned();
    let own = format!("http://{}", server.address);
    assert!(Socket::dial(&server, json!({}), &[("cookie", &cookie), ("origin", &own)]).await.is_ok());
    let foreign = Socket::dial(&server, json!({}), &[("cookie", &cookie), ("origin", "http://evil.test")]).await;
    assert_eq!(foreign.err().expect("refused")["message"], "unauthorized");
}

#[tokio::test]
async fn what_is_not_understood_is_answered() {
    let server = Server::start().await;
    let mut alice = Socket::of(&server, "alice", "laptop").await;
    for (event, data, code) in [
        ("call:accept", json!({"callId": "7"}), "invalid_id"),
        ("call:accept", json!({}), "invalid_request"),
        ("call:accept", json!("x"), "invalid_request"),
        ("call:leave", json!({"callId": "0192d3b4-0000-7000-8000-00000000ffff"}), "call_not_found"),
        ("call:fly", json!({}), "invalid_request"),
        ("presence:get", json!({"userIds": vec!["x"; 501]}), "invalid_request"),
    ] {
        let answer = alice.ask(event, data).await;
        assert_eq!((&answer["ok"], answer["error"]["code"].as_str()), (&json!(false), Some(code)), "{event}");
    }
}

#[tokio::test]
async fn one_device_too_many_is_told_why() {
    let server = Server::start().await;
    let mut held = Vec::new();
    for number in 0..20 {
        let mut socket = Socket::of(&server, "alice", &format!("device-{number}")).await;
        assert_eq!(socket.ask("presence:get", json!({"userIds": []})).await["ok"], true, "{number}");
        held.push(socket);
    }
    let auth = json!({"token": token("alice"), "deviceId": "device-20"});
    let mut last = Socket::dial(&server, auth, &[]).await.unwrap();
    let (event, data) = last.event().await;
    assert_eq!((event.as_str(), &data["error"]["code"]), ("refused", &json!("invalid_state")), "{data}");
    assert_eq!(last.text().await, "41", "and then cut off");
}

#[tokio::test]
async fn too_many_events_are_refused_then_cut_off() {
    let server = Server::with(|config| config.limits.event_burst = 10).await;
    let mut alice = Socket::of(&server, "alice", "laptop").await;
    let mut refused = 0;
    for _ in 0..30 {
        let answer = alice.ask("presence:get", json!({"userIds": []})).await;
        refused += u32::from(answer["error"]["code"] == "rate_limited");
    }
    assert!(refused > 0);
    for id in 1000..1600 {
        let event = format!("42{id}[\"presence:get\",{{\"userIds\":[]}}]");
        if alice.frames.send(Message::Text(event.into())).await.is_err() {
            break;
        }
    }
    let cut = async {
        while let Some(Ok(frame)) = alice.frames.next().await {
            if frame.to_text().is_ok_and(|text| text == "41") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), cut).await.expect("cut off");
}

#[tokio::test]
async fn a_message_has_at_most_64_kib() {
    let server = Server::start().await;
    let mut alice = Socket::of(&server, "alice", "laptop").await;
    let long = format!("42{}", json!(["presence:get", {"userIds": ["x".repeat(65 * 1024)]}]));
    _ = alice.frames.send(Message::Text(long.into())).await;
    let closed = async {
        while let Some(Ok(frame)) = alice.frames.next().await {
            if frame.is_close() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.expect("closed");
    let mut again = Socket::of(&server, "alice", "laptop").await;
    assert_eq!(again.ask("presence:get", json!({"userIds": []})).await["ok"], true);
}

#[tokio::test]
async fn channels_are_told_to_their_members() {
    let server = Server::start().await;
    let mut bob = Socket::of(&server, "bob", "phone").await;
    let made = server.post("/api/channels", &token("alice"), json!({"name": "Team", "members": ["bob"]})).await.json();
    let told = bob.expect("channel:changed").await;
    assert_eq!(
        (&told["channel"]["id"], &told["channel"]["members"]),
        (&made["channel"]["id"], &json!(["alice", "bob"]))
    );
    server
        .ask("DELETE", &format!("/api/channels/{}", made["channel"]["id"].as_str().unwrap()), &token("alice"), None)
        .await;
    assert_eq!(bob.expect("channel:deleted").await["channelId"], made["channel"]["id"]);
}

/// Long polling, for clients whose proxies know no WebSocket.
#[tokio::test]
async fn polling_works_too() {
    let server = Server::start().await;
    let poll = async |method: &str, query: &str, body: &str| {
        let request = crate::server::request(method, &format!("/socket.io/?EIO=4&transport=polling{query}"));
        server.send(request.header("content-type", "text/plain").body(body.to_owned().into()).unwrap()).await
    };
    let open = poll("GET", "", "").await;
    let open: Value = serde_json::from_str(open.text.strip_prefix('0').expect("opens")).unwrap();
    let sid = format!("&sid={}", open["sid"].as_str().unwrap());
    assert_eq!(open["maxPayload"], 64 * 1024);
    let sent = poll("POST", &sid, &format!("40{}", json!({"token": token("alice")}))).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let mut joined = poll("GET", &sid, "").await;
    if joined.text == "2" {
        poll("POST", &sid, "3").await;
        joined = poll("GET", &sid, "").await;
    }
    assert!(joined.text.starts_with("40{"), "{}", joined.text);
}

/// As Engine.IO's reference server says them: clients compare the code as a number.
#[tokio::test]
async fn engine_io_refuses_with_numbers() {
    let server = Server::start().await;
    let unknown = "sid=AAAAAAAAAAAAAAAA";
    for (method, query, code, message) in [
        ("GET", "?EIO=4&transport=pigeon".to_owned(), 0, "Transport unknown"),
        ("GET", "?EIO=4".to_owned(), 0, "Transport unknown"),
        ("GET", String::new(), 0, "Transport unknown"),
        ("GET", format!("?EIO=4&transport=polling&{unknown}"), 1, "Session ID unknown"),
        ("POST", format!("?EIO=4&transport=polling&{unknown}"), 1, "Session ID unknown"),
        ("GET", "?EIO=4&transport=polling&sid=none".to_owned(), 1, "Session ID unknown"),
        ("POST", "?EIO=4&transport=polling".to_owned(), 2, "Bad handshake method"),
        ("DELETE", "?EIO=4&transport=polling".to_owned(), 2, "Bad handshake method"),
        ("DELETE", format!("?EIO=4&transport=polling&{unknown}"), 3, "Bad request"),
        ("GET", "?EIO=3&transport=polling".to_owned(), 5, "Unsupported protocol version"),
    ] {
        let request = crate::server::request(method, &format!("/socket.io/{query}"));
        let answer = server.send(request.body(String::new().into()).unwrap()).await;
        assert_eq!(answer.status, 400, "{method} {query}: {}", answer.text);
        assert_eq!(answer.json(), json!({"code": code, "message": message}), "{method} {query}");
        assert_eq!(answer.header("content-type"), "application/json", "{method} {query}");
    }
}
