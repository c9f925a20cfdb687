//! What a request is held to before anybody looks at what it asks for, and what its answer says of the connection.

use axum::body::{Body, Bytes};
use axum::http::Version;
use serde_json::json;

use crate::server::{Answer, Server, dev_key, request, token};

/// A request whose body begins and does not come in time.
pub async fn late(server: &Server, path: &str, token: &str) -> Answer {
    let begun = Ok(Bytes::from_static(b"{\"targetUserId\""));
    let frames = [begun, Err(std::io::Error::from(std::io::ErrorKind::TimedOut))];
    let request = request("POST", path).header("authorization", format!("Bearer {token}"));
    let request = request.header("content-type", "application/json");
    server.send(request.body(Body::from_stream(futures_util::stream::iter(frames))).unwrap()).await
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_told_so_by_every_reader() {
    let server = Server::start().await;
    let (ann, call) = (token("ann"), "018f0000-0000-7000-8000-000000000000");
    // One that must have a body, one that may have one.
    for path in ["/api/calls".to_owned(), format!("/api/calls/{call}/decline")] {
        let answer = late(&server, &path, &ann).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (408, "request_timeout"), "{path}");
    }
    let claims = auth::LiveKitClaims {
        iss: dev_key().key,
        exp: 4_000_000_000,
        video: auth::VideoGrant { room_list: true, ..auth::VideoGrant::default() },
        ..auth::LiveKitClaims::default()
    };
    let token = auth::mint_livekit(&dev_key(), &claims);
    let answer = late(&server, "/twirp/livekit.RoomService/ListRooms", &token).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (408, &json!("deadline_exceeded")));
}

async fn asked(server: &Server, host: &[&str], forwarded: Option<&str>) -> Answer {
    let mut asked = axum::http::Request::builder().method("POST").uri("/api/calls");
    for host in host {
        asked = asked.header("host", *host);
    }
    if let Some(forwarded) = forwarded {
        asked = asked.header("x-forwarded-host", forwarded);
    }
    let asked = asked.header("authorization", format!("Bearer {}", token("ann")));
    let body = json!({"targetUserId": "bob"}).to_string();
    server.send(asked.header("content-type", "application/json").body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_host_comes_back_in_urls_only_where_it_is_one() {
    let server = Server::start().await;
    let good = asked(&server, &["calls.test:7880"], Some("evil.example/x")).await;
    assert_eq!(good.json()["livekitUrl"], "ws://calls.test:7880", "{}", good.text);
    for host in [&["evil.example/x?y="][..], &["a@evil.example"], &["a b"], &[""], &[], &["a.test", "b.test"]] {
        let refused = asked(&server, host, None).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "invalid_request"), "{host:?}");
        assert_eq!(refused.json()["error"]["details"]["field"], "Host");
        assert_eq!(refused.header("x-content-type-options"), "nosniff", "like every answer");
    }
    let behind = Server::with(|config| config.trust_forwarded = true).await;
    let good = asked(&behind, &["127.0.0.1:7880"], Some("calls.test")).await;
    assert_eq!(good.json()["livekitUrl"], "ws://calls.test", "{}", good.text);
    let refused = asked(&behind, &["127.0.0.1:7880"], Some("evil.example/x?y=")).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["error"]["details"]["field"]),
        (400, &json!("X-Forwarded-Host"))
    );
}

#[tokio::test]
async fn http_1_0_and_2_name_their_host_otherwise() {
    let server = Server::start().await;
    let ask = |version, uri| axum::http::Request::builder().version(version).uri(uri).body(Body::empty()).unwrap();
    assert_eq!(server.send(ask(Version::HTTP_10, "/healthz")).await.status, 200);
    assert_eq!(server.send(ask(Version::HTTP_2, "https://calls.test/healthz")).await.status, 200);
    assert_eq!(server.send(ask(Version::HTTP_2, "https://a@calls.test/healthz")).await.status, 400);
    assert_eq!(server.send(ask(Version::HTTP_11, "/healthz")).await.status, 400);
}

#[tokio::test]
async fn browsers_are_kept_to_https_where_its_certificate_is_real() {
    let told = async |server: &Server, over_tls| {
        let mut asked = request("GET", "/healthz").body(Body::empty()).unwrap();
        if over_tls {
            asked.extensions_mut().insert(api::OverTls);
        }
        server.send(asked).await.header("strict-transport-security").to_owned()
    };
    let real = Server::with(|config| config.hsts = true).await;
    assert_eq!(told(&real, true).await, "max-age=31536000");
    assert_eq!(told(&real, false).await, "", "not over an answer in clear");
    assert_eq!(told(&Server::start().await, true).await, "", "its certificate is its own");
}
