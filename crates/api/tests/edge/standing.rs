//! Open connections end with what let them in, and stay with a fresh token.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use auth::{UserClaims, UserVerifier, mint_user};
use futures_util::StreamExt as _;
use model::Permission;
use serde_json::{Value, json};

use crate::server::{SECRET, Server, admin, claims, now, token};
use crate::sign_in::{cookie, page};
use crate::signalling::Raw;
use crate::socket::Socket;

/// A token that has expired and is taken, for the sake of clocks that differ, for some seconds more.
fn about_to_end(user: &str) -> String {
    let expires = now() + Duration::from_secs(6) - Duration::from_secs(auth::LEEWAY_SECONDS);
    mint_user(SECRET, &UserClaims { expires, ..claims(user) }, now())
}

async fn of_token(server: &Server, namespace: &str, token: &str) -> Socket {
    Socket::dial_namespace(server, namespace, json!({"token": token}), &[]).await.unwrap()
}

/// Waits until the server puts a socket out: that it is told why, and then DISCONNECT.
async fn put_out(socket: &mut Socket, namespace: &str) {
    let disconnect = if namespace.is_empty() { "41".to_owned() } else { format!("41{namespace},") };
    let mut refused = None;
    let out = async {
        while let Some(Ok(frame)) = socket.frames.next().await {
            let Ok(text) = frame.to_text() else { continue };
            if text == disconnect {
                return;
            }
            if text.contains("\"refused\"") {
                refused = Some(text.to_owned());
            }
        }
        panic!("the transport closed first");
    };
    tokio::time::timeout(Duration::from_secs(30), out).await.expect("put out");
    assert!(refused.expect("told why").contains("\"unauthorized\""));
}

async fn event(socket: &mut Socket, wanted: &str) -> Value {
    loop {
        let (name, data) = socket.event().await;
        if name == wanted {
            return data;
        }
    }
}

/// The next message of this type.
async fn said(socket: &mut Raw, wanted: &str) -> Value {
    loop {
        let message = socket.next().await.unwrap();
        if message["type"] == wanted {
            return message;
        }
    }
}

#[tokio::test]
async fn an_expired_token_ends_its_sockets_and_a_fresh_one_keeps_them() {
    let server = Server::start().await;
    for namespace in ["", "/webrtc"] {
        let old = about_to_end("bob");
        let mut kept = of_token(&server, namespace, &old).await;
        let mut left = of_token(&server, namespace, &old).await;
        for socket in [&mut kept, &mut left] {
            let told = event(socket, "auth:expiring").await;
            assert!(told["expiresAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{told}");
        }
        let fresh = kept.ask("auth:refresh", json!({"token": token("bob")})).await;
        assert_eq!(fresh["ok"], true, "{fresh}");
        put_out(&mut left, namespace).await;
        let answer = kept.ask("auth:refresh", json!({"token": token("bob")})).await;
        assert_eq!(answer["ok"], true, "the other one's time is over, this one's is not: {answer}");
        let refused =
            Socket::dial_namespace(&server, namespace, json!({"token": old}), &[]).await.err().expect("refused");
        assert_eq!(refused["message"], "unauthorized");
        if namespace.is_empty() {
            let id = server.ring("alice", "bob").await;
            assert_eq!(event(&mut kept, "call:incoming").await["callId"], id.as_str());
        }
    }
}

#[tokio::test]
async fn a_socket_takes_its_own_users_tokens_and_what_they_permit() {
    let server = Server::start().await;
    let id = server.ring("alice", "bob").await;
    let mut bob = Socket::dial(&server, json!({"token": token("bob")}), &[]).await.unwrap();
    let asked = bob.ask("auth:refresh", json!({"token": token("eve")})).await;
    assert_eq!((&asked["ok"], &asked["error"]["code"]), (&json!(false), &json!("forbidden")), "{asked}");
    let asked = bob.ask("auth:refresh", json!({"token": "nonsense"})).await;
    assert_eq!(asked["error"]["code"], "unauthorized", "{asked}");
    let less = UserClaims { permissions: vec![Permission::CallsCreate], ..claims("bob") };
    let asked = bob.ask("auth:refresh", json!({"token": mint_user(SECRET, &less, now())})).await;
    assert_eq!(asked["ok"], true, "{asked}");
    let asked = bob.ask("call:accept", json!({"callId": id})).await;
    assert_eq!(asked["error"]["code"], "forbidden", "{asked}");
}

#[tokio::test]
async fn the_raw_socket_ends_with_its_token_and_takes_a_fresh_one() {
    let server = Server::start().await;
    let id = server.ring("alice", "bob").await;
    let mut left = Raw::dial(&server, &id, &about_to_end("alice")).await.unwrap();
    let mut kept = Raw::dial(&server, &id, &about_to_end("bob")).await.unwrap();
    for socket in [&mut left, &mut kept] {
        let told = said(socket, "auth_expiring").await;
        assert!(told["expires_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{told}");
    }
    kept.send(json!({"type": "auth_refresh", "token": token("eve")})).await;
    assert_eq!(said(&mut kept, "error").await["code"], "forbidden");
    kept.send(json!({"type": "auth_refresh", "token": token("bob")})).await;
    said(&mut kept, "auth_refreshed").await;
    assert_eq!(said(&mut left, "error").await["code"], "unauthorized");
    assert_eq!(left.next().await, Err(1008));
    said(&mut kept, "peer_left").await;
    kept.send(json!({"type": "text", "message": "alone"})).await;
    assert_eq!(said(&mut kept, "error").await["code"], "invalid_state", "it is still there");
}

#[tokio::test]
async fn signing_out_ends_the_sockets_of_that_session() {
    let server = Server::start().await;
    let wish = json!({"username": "ada", "password": "correct horse"});
    let first = page(&server, "POST", "/api/session/sign-up", "", wish.clone()).await;
    let second = page(&server, "POST", "/api/session/sign-in", "", wish).await;
    let user = first.json()["user"]["id"].as_str().unwrap().to_owned();
    let mut sockets = Vec::new();
    for signed_in in [&first, &second] {
        let cookie = cookie(signed_in);
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
        sockets.push(Socket::dial(&server, json!({}), &headers).await.unwrap());
    }
    let id = server.ring("alice", &user).await;
    let headers = [("cookie", cookie(&first)), ("sec-fetch-site", "same-origin".to_owned())];
    let mut raw = Raw::dial_with(&server, &id, "", &headers).await.unwrap();
    let out = page(&server, "POST", "/api/session/sign-out", &cookie(&first), json!(null)).await;
    assert_eq!(out.status, 200);
    put_out(&mut sockets[0], "").await;
    assert_eq!(raw.next().await.unwrap()["code"], "unauthorized");
    assert_eq!(raw.next().await, Err(1008));
    let answer = sockets[1].ask("presence:get", json!({"userIds": []})).await;
    assert_eq!(answer["ok"], true, "the other session goes on");
}

#[tokio::test]
async fn erasing_a_user_ends_their_sockets_and_takes_them_out_of_the_room() {
    let server = Server::start().await;
    let id = server.ring("alice", "bob").await;
    server.ask("POST", &format!("/api/calls/{id}/accept"), &token("bob"), None).await;
    let mut main = of_token(&server, "", &token("bob")).await;
    let mut mesh = of_token(&server, "/webrtc", &token("bob")).await;
    let mut raw = Raw::dial(&server, &id, &token("bob")).await.unwrap();
    let erased = server.ask("DELETE", "/api/users/bob", &admin("root"), None).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    put_out(&mut main, "").await;
    put_out(&mut mesh, "/webrtc").await;
    while raw.next().await.is_ok() {}
    let removed = async {
        while !server.plane.has_removed(&id, "bob") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), removed).await.expect("out of the room");
}

/// The host app has taken a key out of its set.
#[tokio::test]
async fn a_key_that_is_taken_out_of_use_ends_the_sockets_that_came_with_it() {
    let mut users: Option<Arc<ArcSwap<UserVerifier>>> = None;
    let server = Server::with(|config| users = Some(Arc::clone(&config.users))).await;
    let mut old = of_token(&server, "", &token("bob")).await;
    let mut renewed = of_token(&server, "", &token("bob")).await;
    let next: &[u8] = b"what the host app signs with from now on";
    let both = token("bob");
    assert_eq!(renewed.ask("auth:refresh", json!({"token": both})).await["ok"], true);
    users.unwrap().store(Arc::new(UserVerifier::new().with_secret(next)));
    let fresh = mint_user(next, &claims("bob"), now());
    assert_eq!(renewed.ask("auth:refresh", json!({"token": fresh})).await["ok"], true);
    put_out(&mut old, "").await;
    assert_eq!(renewed.ask("auth:refresh", json!({"token": fresh})).await["ok"], true);
}
