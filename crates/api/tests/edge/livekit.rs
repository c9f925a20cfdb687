//! LiveKit's signalling endpoints: who is let in, and what a connection may do.

use std::time::{Duration, Instant};

use auth::{LiveKitClaims, LiveKitKey, VideoGrant, mint_livekit};
use axum::body::Body;
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol as proto;
use prost::Message as _;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::server::{Answer, Server, dev_key, now, request, token};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn access(key: &LiveKitKey, identity: &str, room: &str, change: impl FnOnce(&mut LiveKitClaims)) -> String {
    let exp = now().as_millis() as u64 / 1000 + 600;
    let video = VideoGrant { room_join: true, room: room.into(), ..VideoGrant::default() };
    let mut claims = LiveKitClaims { sub: identity.into(), exp, video, ..LiveKitClaims::default() };
    change(&mut claims);
    mint_livekit(key, &claims)
}

/// Tokens that do not get in: the status and the words of the refusal. Whoever has the key hears what is wrong, as LiveKit says it.
fn bad_tokens() -> Vec<(String, u16, &'static str)> {
    const STRANGER: &str = "invalid authorization token";
    let seconds = now().as_millis() as u64 / 1000;
    let guessed = LiveKitKey { key: "devkey".into(), secret: model::Secret::new("guess".into()) };
    let token_of = |change: fn(&mut LiveKitClaims)| access(&dev_key(), "bob", "lobby", change);
    vec![
        (token_of(|claims| claims.exp = 1), 401, "invalid token: token is expired (exp): "),
        (
            access(&dev_key(), "bob", "lobby", |claims| claims.nbf = seconds + 300),
            401,
            "invalid token: token not valid yet (nbf): ",
        ),
        (token_of(|claims| claims.video.room_join = false), 401, "permissions denied: the grant video.roomJoin"),
        (access(&dev_key(), "", "lobby", |_| {}), 400, "identity cannot be empty"),
        (
            access(&dev_key(), &"x".repeat(257), "lobby", |_| {}),
            400,
            "participant identity length exceeds limits: max length 256",
        ),
        (access(&dev_key(), "bob", "", |_| {}), 400, "no room name"),
        (token_of(|claims| claims.room_preset = "big".into()), 400, "unknown room preset: this server has none"),
        (configured(json!({"agents": [{"agentName": "a"}]})), 400, "agents of a room are not supported"),
        (configured(json!({"egress": {"tracks": {"filepath": "x"}}})), 400, "egress of a room is not supported"),
        (configured(json!({"emptyTimeout": 8 * 86_400})), 400, "a timeout is longer than a week"),
        (configured(json!({"maxParticipants": "many"})), 400, "the room's configuration cannot be read"),
        (access(&dev_key(), "bob", &"x".repeat(257), |_| {}), 400, "room name length exceeds limits: max length 256"),
        (access(&guessed, "bob", "lobby", |_| {}), 401, STRANGER),
        (access(&guessed, "bob", "lobby", |claims| claims.exp = 1), 401, STRANGER),
        (access(&LiveKitKey { key: "stranger".into(), ..dev_key() }, "bob", "lobby", |_| {}), 401, STRANGER),
        (token("bob"), 401, STRANGER),
        ("nonsense".into(), 401, STRANGER),
    ]
}

/// A token that says how its room is to be.
fn configured(config: serde_json::Value) -> String {
    access(&dev_key(), "bob", "lobby", |claims| claims.room_config = config.as_object().cloned())
}

async fn validate(server: &Server, path: &str, token: &str) -> Answer {
    server
        .send(
            request("GET", &format!("{path}?access_token={token}"))
                .header("origin", "https://any.test")
                .body(Body::empty())
                .unwrap(),
        )
        .await
}

async fn open(server: &Server, path: &str, token: &str) -> Result<Client, (u16, String)> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let url = format!("ws://{}{path}{separator}access_token={token}", server.address);
    match connect_async(url).await {
        Ok((client, _)) => Ok(client),
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            Err((response.status().as_u16(), String::from_utf8_lossy(&body).into_owned()))
        }
        Err(other) => panic!("{other}"),
    }
}

fn join_request() -> String {
    use base64::Engine as _;
    let request = proto::JoinRequest { client_info: Some(proto::ClientInfo::default()), ..Default::default() };
    let wrapped = proto::WrappedJoinRequest { compression: 0, join_request: request.encode_to_vec() };
    base64::engine::general_purpose::URL_SAFE.encode(wrapped.encode_to_vec())
}

fn ping() -> Message {
    let request = proto::SignalRequest { message: Some(proto::signal_request::Message::Ping(1)) };
    Message::Binary(request.encode_to_vec().into())
}

/// Reads on until the server closes.
async fn closed(client: &mut Client) -> Option<CloseFrame> {
    let reading = async {
        loop {
            match client.next().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(15), reading).await.expect("closed in time")
}

#[tokio::test]
async fn bad_tokens_are_refused_by_upgrade_and_validate() {
    let server = Server::start().await;
    for (token, status, words) in bad_tokens() {
        let exact = words == "invalid authorization token";
        let said = |found: u16, text: &str| {
            assert_eq!(found, status, "{words}: {text}");
            assert!(text.starts_with(words) && (!exact || text == words), "{words}: {text}");
        };
        for path in ["/rtc/validate", "/rtc/v1/validate"] {
            let answer = validate(&server, path, &token).await;
            said(answer.status.as_u16(), &answer.text);
            assert_eq!(answer.header("access-control-allow-origin"), "*");
        }
        for path in ["/rtc".to_owned(), format!("/rtc/v1?join_request={}", join_request())] {
            let (found, text) = open(&server, &path, &token).await.unwrap_err();
            said(found, &text);
        }
    }
}

#[tokio::test]
async fn a_good_token_is_let_in_by_query_or_header() {
    let server = Server::start().await;
    let good = access(&dev_key(), "bob", "lobby", |_| {});
    for path in ["/rtc/validate", "/rtc/v1/validate", "//rtc/validate", "/rtc//v1/validate"] {
        let answer = validate(&server, path, &good).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text.as_str(), answer.header("access-control-allow-origin")),
            (200, "success", "*"),
            "{path}"
        );
    }
    let header = request("GET", "/rtc/validate").header("authorization", format!("Bearer {good}"));
    assert_eq!(server.send(header.body(Body::empty()).unwrap()).await.status, 200);

    for (path, primary) in [
        ("/rtc".to_owned(), true),
        ("//rtc".to_owned(), true),
        (format!("/rtc/v1?join_request={}", join_request()), false),
        // As LiveKit's Go SDK does.
        (format!("/rtc?join_request={}", join_request()), false),
    ] {
        let mut client = open(&server, &path, &good).await.unwrap();
        let Some(Ok(Message::Binary(first))) = client.next().await else { panic!("{path}: no first message") };
        let response = proto::SignalResponse::decode(&*first).unwrap();
        let Some(proto::signal_response::Message::Join(join)) = response.message else { panic!("{path}: no join") };
        assert_eq!(join.subscriber_primary, primary, "{path}");
    }
}

#[tokio::test]
async fn a_room_that_nobody_may_make_does_not_exist() {
    let server = Server::with(|config| config.auto_create_rooms = false).await;
    let good = access(&dev_key(), "bob", "lobby", |_| {});
    let answer = validate(&server, "/rtc/validate", &good).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (404, "requested room does not exist"));
    assert_eq!(open(&server, "/rtc", &good).await.unwrap_err(), (404, "requested room does not exist".into()));
    let maker = access(&dev_key(), "bob", "lobby", |claims| claims.video.room_create = true);
    assert_eq!(validate(&server, "/rtc/validate", &maker).await.status, 200);
}

#[tokio::test]
async fn a_token_says_how_the_room_is_that_it_opens() {
    let server = Server::start().await;
    let wanted = json!({"maxParticipants": 1, "departureTimeout": 2, "emptyTimeout": 60, "metadata": "mm"});
    let token = configured(wanted);
    for path in ["/rtc/validate", "/rtc/v1/validate"] {
        assert_eq!(validate(&server, path, &token).await.text, "success", "{path}");
    }
    drop(open(&server, "/rtc", &token).await.unwrap());
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let options = livekit::RoomOptions {
        empty_timeout: seconds(60),
        departure_timeout: seconds(2),
        max_participants: Some(1),
        metadata: Some("mm".into()),
        ..Default::default()
    };
    assert_eq!(server.plane.opened("lobby"), Some(options));
}

#[tokio::test]
async fn what_a_token_may_not_ask_of_a_room_a_backend_may_not_either() {
    let server = Server::start().await;
    let maker = access(&dev_key(), "backend", "", |claims| claims.video.room_create = true);
    for (body, refusal) in [
        (json!({"agents": [{"agentName": "a"}]}), (501, "unimplemented", "agents of a room are not supported")),
        (json!({"egress": {}}), (501, "unimplemented", "egress of a room is not supported")),
        (json!({"roomPreset": "big"}), (400, "invalid_argument", "unknown room preset: this server has none")),
        (json!({"emptyTimeout": 8 * 86_400}), (400, "invalid_argument", "a timeout is longer than a week")),
    ] {
        let mut body = body;
        body["name"] = "lobby".into();
        let answer = server.post("/twirp/livekit.RoomService/CreateRoom", &maker, body).await;
        let said = answer.json();
        let found = (answer.status.as_u16(), said["code"].as_str().unwrap(), said["msg"].as_str().unwrap());
        assert_eq!(found, refusal);
    }
}

#[tokio::test]
async fn a_calls_room_is_for_its_call() {
    let server = Server::start().await;
    let initiated = server.post("/api/calls", &token("alice"), json!({"targetUserId": "bob"})).await.json();
    let (id, pass) = (initiated["callId"].as_str().unwrap(), initiated["token"].as_str().unwrap());
    let mut client = open(&server, "/rtc", pass).await.unwrap();
    assert!(matches!(client.next().await, Some(Ok(Message::Binary(_)))));
    // A token that an API key signed is no way around the call.
    let stranger = access(&dev_key(), "eve", id, |_| {});
    assert_eq!(open(&server, "/rtc", &stranger).await.unwrap_err(), (403, "not allowed to join this room".into()));
    assert_eq!(validate(&server, "/rtc/v1/validate", &stranger).await.status, 403);

    server.ask("POST", &format!("/api/calls/{id}/cancel"), &token("alice"), None).await;
    assert_eq!(open(&server, "/rtc", pass).await.unwrap_err().0, 403, "a call that is over lets nobody in");
}

#[tokio::test]
async fn join_requests_that_cannot_be_read_are_refused() {
    use base64::Engine as _;
    let server = Server::start().await;
    let good = access(&dev_key(), "bob", "lobby", |_| {});
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut gzip, &vec![0; 2 * 1024 * 1024]).unwrap();
    let bomb = proto::WrappedJoinRequest { compression: 1, join_request: gzip.finish().unwrap() };
    let bomb = base64::engine::general_purpose::URL_SAFE.encode(bomb.encode_to_vec());
    assert_eq!(open(&server, "/rtc/v1", &good).await.unwrap_err().0, 400);
    for path in ["/rtc", "/rtc/v1"] {
        for unreadable in ["%25", &bomb] {
            let asked = format!("{path}?join_request={unreadable}");
            assert_eq!(open(&server, &asked, &good).await.unwrap_err().0, 400, "{asked:.60}");
            let uri = format!("{path}/validate?access_token={good}&join_request={unreadable}");
            let asked = request("GET", &uri).body(Body::empty()).unwrap();
            assert_eq!(server.send(asked).await.status, 400, "{path}/validate");
        }
        let uri = format!("{path}/validate?access_token={good}&join_request={}", join_request());
        assert_eq!(server.send(request("GET", &uri).body(Body::empty()).unwrap()).await.status, 200, "{path}/validate");
    }
}

#[tokio::test]
async fn text_is_answered_by_text() {
    let server = Server::start().await;
    let mut client = open(&server, "/rtc", &access(&dev_key(), "bob", "lobby", |_| {})).await.unwrap();
    assert!(matches!(client.next().await, Some(Ok(Message::Binary(_)))));
    client.send(Message::Text(r#"{"ping":"1"}"#.into())).await.unwrap();
    // What the room had to say before it, and the server's own pings, may come in between.
    loop {
        match client.next().await {
            Some(Ok(Message::Text(answer))) if answer.contains("pong") => break,
            Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_))) => {}
            other => panic!("no pong in text: {other:?}"),
        }
    }
    let leave = proto::SignalRequest { message: Some(proto::signal_request::Message::Leave(Default::default())) };
    client.send(Message::Binary(leave.encode_to_vec().into())).await.unwrap();
    assert_eq!(closed(&mut client).await.unwrap().reason.as_str(), "left");
}

#[tokio::test]
async fn a_frame_has_at_most_one_mib() {
    let server = Server::start().await;
    let mut other = open(&server, "/rtc", &access(&dev_key(), "ann", "lobby", |_| {})).await.unwrap();
    let mut client = open(&server, "/rtc", &access(&dev_key(), "bob", "lobby", |_| {})).await.unwrap();
    client.send(Message::Binary(vec![0; 1024 * 1024 + 1].into())).await.unwrap();
    let frame = closed(&mut client).await.expect("with a reason");
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1009, "a frame must not exceed 1 MiB"));
    still_works(&mut other).await;
}

#[tokio::test]
async fn what_is_no_message_closes_the_connection() {
    let server = Server::start().await;
    for frame in [Message::Binary(vec![0xff; 9].into()), Message::Text("{".into())] {
        let mut client = open(&server, "/rtc", &access(&dev_key(), "bob", "lobby", |_| {})).await.unwrap();
        client.send(frame).await.unwrap();
        let frame = closed(&mut client).await.expect("with a reason");
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1007, "not a signal message"));
    }
}

#[tokio::test]
async fn a_flood_is_slowed_then_closed_and_others_are_unharmed() {
    let server = Server::start().await;
    let mut other = open(&server, "/rtc", &access(&dev_key(), "ann", "lobby", |_| {})).await.unwrap();
    let client = open(&server, "/rtc", &access(&dev_key(), "flood", "lobby", |_| {})).await.unwrap();
    let (mut to_server, mut from_server) = client.split();
    let started = Instant::now();
    let flood = tokio::spawn(async move { while to_server.send(ping()).await.is_ok() {} });
    let reading = async {
        loop {
            match from_server.next().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    let half_way = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let heard = server.plane.heard_of("flood");
        assert!((500..=720).contains(&heard), "slowed to the rate after its burst: {heard}");
        still_works(&mut other).await;
    };
    let (frame, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(15), reading), half_way);
    let frame = frame.expect("closed in time");
    assert!(started.elapsed() >= Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(server.plane.heard_of("flood") <= 800, "{}", server.plane.heard_of("flood"));
    if let Some(frame) = frame {
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1008, "too many signal messages"));
    }
    flood.abort();
    still_works(&mut other).await;
}

async fn still_works(client: &mut Client) {
    client.send(ping()).await.unwrap();
    let answered = async {
        while let Some(Ok(message)) = client.next().await {
            if let Message::Binary(bytes) = message
                && let Some(proto::signal_response::Message::Pong(_)) =
                    proto::SignalResponse::decode(&*bytes).unwrap().message
            {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(Duration::from_secs(2), answered).await.expect("in time"));
}
