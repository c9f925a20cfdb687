//! What a stranger sends: refused, always in the same form, and nothing else learned.

use axum::body::{Body, Bytes};
use serde_json::{Value, json};

use crate::server::{SECRET, Server, claims, now, request, token};

fn base64_url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Tokens that do not hold, by what is wrong with them.
pub fn bad_tokens() -> Vec<(&'static str, String)> {
    let mut expired = claims("alice");
    expired.expires = now() - std::time::Duration::from_secs(3600);
    let good = token("alice");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let body = signed.split_once('.').unwrap().1;
    let none = base64_url(br#"{"alg":"none","typ":"JWT"}"#);
    let admin = base64_url(br#"{"sub":"root","permissions":["admin"],"exp":9999999999}"#);
    let head = good.split('.').next().unwrap();
    vec![
        ("expired", auth::mint_user(SECRET, &expired, now())),
        ("forged", format!("{head}.{admin}.{signature}")),
        ("none", format!("{none}.{body}.")),
        ("none, signed", format!("{none}.{body}.{signature}")),
        ("wrong key", auth::mint_user(b"another secret", &claims("alice"), now())),
        ("no token", "nonsense".to_owned()),
    ]
}

#[tokio::test]
async fn bad_tokens_all_get_the_same_answer_unless_they_are_signed() {
    let server = Server::start().await;
    let id = server.ring("alice", "bob").await;
    let mut seen = Vec::new();
    for (what, token) in bad_tokens() {
        if what == "expired" {
            let refusal = server.get("/api/calls", &token).await.json();
            assert_eq!(
                refusal["error"]["details"]["claim"], "exp",
                "whoever has the key hears what is wrong: {refusal}"
            );
            continue;
        }
        for path in ["/api/calls", "/api/users", "/api/ice-servers", &format!("/api/calls/{id}")] {
            let answer = server.get(path, &token).await;
            let mut headers: Vec<String> =
                answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            // Ours, and how often this address has asked.
            headers.retain(|header| !header.starts_with("x-request-id") && !header.starts_with("ratelimit"));
            seen.push((answer.status.as_u16(), answer.text, headers));
        }
    }
    let without = server.send(request("GET", "/api/calls").body(Body::empty()).unwrap()).await;
    assert_eq!(without.text, seen[0].1);
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert_eq!(seen[0].0, 401);
    assert_eq!(seen[0].1, r#"{"error":{"code":"unauthorized","message":"sign in, or send a valid bearer token"}}"#);
}

#[tokio::test]
async fn a_foreign_call_is_an_unknown_call() {
    let server = Server::start().await;
    let foreign = server.ring("alice", "bob").await;
    let unknown = "0192d3b4-0000-7000-8000-00000000ffff";
    let eve = token("eve");
    let mut seen = Vec::new();
    for id in [foreign.as_str(), unknown] {
        for (method, path, body) in [
            ("GET", "", None),
            ("GET", "/events", None),
            ("POST", "/accept", None),
            ("POST", "/join", None),
            ("POST", "/decline", None),
            ("POST", "/cancel", None),
            ("POST", "/leave", None),
            ("POST", "/end", Some(json!({}))),
            ("POST", "/invite", Some(json!({"userIds": ["x"]}))),
            ("PATCH", "/media", Some(json!({"isMuted": true}))),
        ] {
            let answer = server.ask(method, &format!("/api/calls/{id}{path}"), &eve, body).await;
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
            seen.push(answer.text);
        }
    }
    seen.dedup();
    assert_eq!(seen, [r#"{"error":{"code":"call_not_found","message":"no such call"}}"#]);
    assert_eq!(server.get("/api/calls", &eve).await.json()["calls"], json!([]));
}

#[tokio::test]
async fn a_body_has_at_most_64_kib() {
    let server = Server::start().await;
    let long = json!({"targetUserId": "bob", "metadata": {"x": "y".repeat(64 * 1024)}}).to_string();
    fn headers(path: &str) -> axum::http::request::Builder {
        request("POST", path)
            .header("authorization", format!("Bearer {}", token("alice")))
            .header("content-type", "application/json")
    }
    let said = headers("/api/calls").header("content-length", long.len()).body(Body::from(long.clone())).unwrap();
    let answer = server.send(said).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "body_too_large"));

    // In pieces, without saying how long it will be.
    let id = server.ring("alice", "bob").await;
    for path in ["/api/calls".to_owned(), format!("/api/calls/{id}/decline")] {
        let pieces: Vec<Result<Bytes, std::io::Error>> =
            long.as_bytes().chunks(1000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let answer = server.send(headers(&path).body(body).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (413, "body_too_large"), "{path}");
    }
    let empty =
        headers(&format!("/api/calls/{id}/leave")).header("content-length", 70_000).body(Body::empty()).unwrap();
    assert_eq!(server.send(empty).await.status, 413);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_in_one_form() {
    let server = Server::start().await;
    let alice = token("alice");
    let id = server.ring("alice", "bob").await;
    for (method, path, body, status, code) in [
        ("GET", "/api/nothing".to_owned(), None, 404, "not_found"),
        ("GET", "/api".to_owned(), None, 404, "not_found"),
        ("DELETE", "/api/calls".to_owned(), None, 405, "method_not_allowed"),
        ("PUT", format!("/api/calls/{id}/accept"), None, 405, "method_not_allowed"),
        ("GET", "/api/calls/7".to_owned(), None, 400, "invalid_id"),
        ("GET", format!("/api/calls/{}", id.replace('-', "")), None, 400, "invalid_id"),
        ("GET", format!("/api/users/{}", "x".repeat(129)), None, 400, "invalid_id"),
        ("GET", "/api/users/a%00b".to_owned(), None, 400, "invalid_id"),
        ("GET", "/api/calls?limit=0".to_owned(), None, 400, "invalid_request"),
        ("GET", "/api/calls?limit=many".to_owned(), None, 400, "invalid_request"),
        ("GET", "/api/calls?status=flying".to_owned(), None, 400, "invalid_request"),
        ("GET", "/api/calls?before=7".to_owned(), None, 400, "invalid_id"),
        ("POST", "/api/calls".to_owned(), Some(json!({})), 400, "invalid_request"),
        ("POST", "/api/calls".to_owned(), Some(json!({"targetUserId": 7})), 400, "invalid_request"),
        ("POST", "/api/calls".to_owned(), Some(json!([])), 400, "invalid_request"),
        ("POST", format!("/api/calls/{id}/decline"), Some(json!({"reason": "bored"})), 400, "invalid_request"),
        ("POST", format!("/api/calls/{id}/invite"), Some(json!({"userIds": []})), 400, "invalid_request"),
        ("PATCH", format!("/api/calls/{id}/media"), Some(json!({"videoQuality": "8k"})), 400, "invalid_request"),
        ("POST", "/nowhere".to_owned(), None, 404, "not_found"),
    ] {
        let answer = server.ask(method, &path, &alice, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{method} {path}: {}",
            answer.text
        );
    }
    for (kind, body, status) in [("text/plain", "{}", 415), ("application/json", "{\"targetUserId\":", 400)] {
        let request = request("POST", "/api/calls")
            .header("authorization", format!("Bearer {alice}"))
            .header("content-type", kind);
        assert_eq!(server.send(request.body(Body::from(body)).unwrap()).await.status.as_u16(), status);
    }
    let details = server.post("/api/calls", &alice, json!({"targetUserId": "bob", "ringTimeout": 1})).await.json();
    insta::assert_json_snapshot!("refusal", details);
}

#[tokio::test]
async fn a_user_who_asks_too_often_is_told_when_to_come_back() {
    let server = Server::with(|config| config.limits.request_burst = 20).await;
    let mut refused: Option<Value> = None;
    for _ in 0..60 {
        let answer = server.get("/api/ice-servers", &token("alice")).await;
        if answer.status == 429 {
            assert_eq!(answer.header("retry-after"), "1");
            refused = Some(answer.json());
            break;
        }
    }
    assert_eq!(refused.expect("60 requests at once are too many")["error"]["code"], "rate_limited");
    assert_eq!(server.get("/api/ice-servers", &token("bob")).await.status, 200, "others are unharmed");
}
