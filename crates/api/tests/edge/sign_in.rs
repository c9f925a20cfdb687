//! Sessions of the web app: accounts, guests, the admin link, cookies and what a foreign page may not do with them.

use std::sync::Mutex;

use axum::body::Body;
use serde_json::{Value, json};

use crate::server::{Answer, Server, request, token};

pub async fn page(server: &Server, method: &str, path: &str, cookie: &str, body: Value) -> Answer {
    let request = request(method, path)
        .header("sec-fetch-site", "same-origin")
        .header("cookie", cookie)
        .header("content-type", "application/json");
    server.send(request.body(Body::from(body.to_string())).unwrap()).await
}

pub fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_account_signs_up_in_and_out() {
    let server = Server::start().await;
    let wish = json!({"username": "Ada@Example.org", "password": "correct horse", "name": "Ada"});
    let up = page(&server, "POST", "/api/session/sign-up", "", wish.clone()).await;
    assert_eq!(up.status, 201, "{}", up.text);
    let set = up.header("set-cookie");
    for part in ["stoa_session=", "Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=2592000"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"), "plain HTTP: {set}");
    let taken = page(
        &server,
        "POST",
        "/api/session/sign-up",
        "",
        json!({"username": "ada@example.ORG", "password": "another one"}),
    )
    .await;
    assert_eq!((taken.status.as_u16(), taken.code().as_str()), (409, "name_taken"));

    let held = page(&server, "GET", "/api/session", &cookie(&up), json!(null)).await.json();
    assert_eq!((&held["user"]["name"], &held["permissions"]), (&json!("Ada"), &json!(["calls:create", "calls:join"])));
    assert!(held["user"]["id"].as_str().unwrap().starts_with("user-"), "{held}");

    let wrong = page(
        &server,
        "POST",
        "/api/session/sign-in",
        "",
        json!({"username": "ada@example.org", "password": "wrong horse"}),
    )
    .await;
    let absent =
        page(&server, "POST", "/api/session/sign-in", "", json!({"username": "nobody", "password": "wrong horse"}))
            .await;
    assert_eq!((wrong.status.as_u16(), wrong.code().as_str()), (401, "invalid_credentials"));
    assert_eq!(wrong.text, absent.text, "a name that has no account looks the same");
    let again = page(
        &server,
        "POST",
        "/api/session/sign-in",
        "",
        json!({"username": " ADA@example.org ", "password": "correct horse"}),
    )
    .await;
    assert_eq!((again.status.as_u16(), &again.json()["user"]["id"]), (200, &held["user"]["id"]));

    let out = page(&server, "POST", "/api/session/sign-out", &cookie(&again), json!(null)).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    let gone = page(&server, "GET", "/api/calls", &cookie(&again), json!(null)).await;
    assert_eq!(gone.code(), "unauthorized");
    let other = page(&server, "GET", "/api/calls", &cookie(&up), json!(null)).await;
    assert_eq!(other.status, 200, "the other session goes on");
}

#[tokio::test]
async fn accounts_have_bounds() {
    let server = Server::start().await;
    for (username, password) in
        [("a", "long enough"), ("two words", "long enough"), ("fine", "short"), ("fine", &"x".repeat(257))]
    {
        let refused =
            page(&server, "POST", "/api/session/sign-up", "", json!({"username": username, "password": password}))
                .await;
        assert_eq!(refused.code(), "invalid_request", "{username}");
    }
    let closed = Server::with(|config| config.sign_up = false).await;
    let refused =
        page(&closed, "POST", "/api/session/sign-up", "", json!({"username": "fine", "password": "long enough"})).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "feature_disabled"));
    assert_eq!(page(&closed, "GET", "/api/session", "", json!(null)).await.json()["signUp"], false);
}

#[tokio::test]
async fn guests_are_for_dev() {
    let server = Server::start().await;
    let guest = page(&server, "POST", "/api/session/guest", "", json!({"name": " Gast "})).await;
    assert_eq!(guest.status, 201, "{}", guest.text);
    let user = &guest.json()["user"];
    assert!(user["id"].as_str().unwrap().starts_with("guest-"));
    assert_eq!((&user["name"], &user["isGuest"]), (&json!("Gast"), &json!(true)));
    let call = page(&server, "POST", "/api/calls", &cookie(&guest), json!({"targetUserId": "bob"})).await;
    assert_eq!(call.status, 201, "{}", call.text);

    let strict = Server::with(|config| config.dev = false).await;
    let refused = page(&strict, "POST", "/api/session/guest", "", json!({"name": "Gast"})).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "feature_disabled"));
}

struct Codes(Mutex<Option<&'static str>>);

impl api::AdminCodes for Codes {
    fn redeem(&self, code: &str, _: model::Timestamp) -> bool {
        self.0.lock().unwrap().take_if(|good| *good == code).is_some()
    }
}

#[tokio::test]
async fn names_that_cannot_be_told_apart_are_refused() {
    let server = Server::start().await;
    let sign_up = async |username: &str, name: Option<&str>| {
        let wish = json!({"username": username, "password": "correct horse", "name": name});
        let answer = page(&server, "POST", "/api/session/sign-up", "", wish).await;
        if answer.status == 201 { "made".to_owned() } else { answer.code() }
    };
    for (username, name, outcome) in [
        ("paypal", None, "made"),
        ("paypal", None, "name_taken"),
        ("PayPal", None, "name_taken"),
        ("paypa1", None, "name_taken"),
        ("pаypаl", None, "invalid_request"),
        ("ｐａｙｐａｌ", None, "invalid_request"),
        ("pay\u{200b}pal", None, "invalid_request"),
        ("burn", None, "made"),
        ("bum", None, "name_taken"),
        ("admin", None, "name_taken"),
        ("adrnin", None, "name_taken"),
        ("mallory", Some("Administrator"), "name_taken"),
        ("mallory", Some("Аdministrаtоr"), "name_taken"),
        ("mallory", Some("\u{200b}"), "invalid_request"),
        ("mallory", Some("Mallory"), "made"),
    ] {
        assert_eq!(sign_up(username, name).await, outcome, "{username} {name:?}");
    }
    // An input method's full-width letters are no other account.
    let wish = json!({"username": "ｐａｙｐａｌ", "password": "correct horse"});
    assert_eq!(page(&server, "POST", "/api/session/sign-in", "", wish).await.status, 200);
}

#[tokio::test]
async fn a_guest_has_a_name_that_can_be_seen_and_is_nobodys_in_charge() {
    let server = Server::start().await;
    for (name, outcome) in [
        ("\u{200b}", "invalid_request"),
        (" \u{2060}\u{3164} ", "invalid_request"),
        ("Administrator", "name_taken"),
        ("Admin", "name_taken"),
        ("Αdmin", "name_taken"),
        ("exe\u{202e}gnp.nimda", "exegnp.nimda"),
        ("Ann\u{200d}\0\n Lee", "Ann Lee"),
    ] {
        let guest = page(&server, "POST", "/api/session/guest", "", json!({"name": name})).await;
        let seen =
            if guest.status == 201 { guest.json()["user"]["name"].as_str().unwrap().to_owned() } else { guest.code() };
        assert_eq!(seen, outcome, "{name:?}");
    }
}

#[tokio::test]
async fn a_guest_rings_as_a_guest() {
    let server = Server::start().await;
    let guest = page(&server, "POST", "/api/session/guest", "", json!({"name": "Gast"})).await;
    let call = page(&server, "POST", "/api/calls", &cookie(&guest), json!({"targetUserId": "bob"})).await.json();
    let of = |call: &Value| -> Vec<(String, bool)> {
        let parts = call["participants"].as_array().unwrap().iter();
        parts.map(|part| (part["name"].as_str().unwrap().to_owned(), part["isGuest"].as_bool().unwrap())).collect()
    };
    let (gast, bob) = (("Gast".to_owned(), true), ("bob of the tests".to_owned(), false));
    let id = call["callId"].as_str().unwrap();
    let seen = server.get(&format!("/api/calls/{id}"), &token("bob")).await.json();
    assert_eq!(of(&seen["call"]), [gast, bob]);
    let bare = server.get(&format!("/calls/{id}"), &token("bob")).await.json();
    assert_eq!(bare["participants"][0]["user"]["isGuest"], true, "{bare}");
}

#[tokio::test]
async fn the_admin_link_makes_an_administrator() {
    let server = Server::with(|config| {
        config.admin_codes = Some(std::sync::Arc::new(Codes(Mutex::new(Some("open sesame")))));
        config.public_url = Some("https://calls.test".into());
    })
    .await;
    let wrong = page(&server, "POST", "/api/session/admin", "", json!({"code": "open"})).await;
    assert_eq!(wrong.status, 401);
    let right = page(&server, "POST", "/api/session/admin", "", json!({"code": "open sesame"})).await;
    assert_eq!(right.status, 200, "{}", right.text);
    assert!(right.header("set-cookie").contains("; Secure"));
    let again = page(&server, "POST", "/api/session/admin", "", json!({"code": "open sesame"})).await;
    assert_eq!(again.status, 401, "a code is good once");
    let made = page(&server, "POST", "/api/users", &cookie(&right), json!({"id": "x", "name": "X"})).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let debug = page(&server, "GET", "/api/debug/connections", &cookie(&right), json!(null)).await;
    assert_eq!(debug.status, 200);
    assert_eq!(server.get("/api/debug/connections", &token("alice")).await.code(), "forbidden");
}

#[tokio::test]
async fn a_cookie_needs_proof_that_our_page_sent_it() {
    let server = Server::start().await;
    let guest = page(&server, "POST", "/api/session/guest", "", json!({"name": "Gast"})).await;
    for (headers, allowed) in [
        (vec![], false),
        (vec![("sec-fetch-site", "same-origin")], true),
        (vec![("sec-fetch-site", "cross-site")], false),
        (vec![("sec-fetch-site", "same-site"), ("origin", "http://stoa.test")], false),
        (vec![("origin", "http://stoa.test")], true),
        (vec![("origin", "http://evil.test")], false),
    ] {
        let mut request = request("POST", "/api/channels")
            .header("cookie", cookie(&guest))
            .header("content-type", "application/json");
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let answer = server.send(request.body(Body::from(json!({"name": "c"}).to_string())).unwrap()).await;
        assert_eq!(answer.status.as_u16(), if allowed { 201 } else { 403 }, "{headers:?} {}", answer.text);
        if !allowed {
            assert_eq!(answer.code(), "csrf_rejected");
        }
    }
    let foreign = request("POST", "/api/session/guest")
        .header("origin", "http://evil.test")
        .header("content-type", "application/json")
        .body(Body::from(json!({"name": "x"}).to_string()))
        .unwrap();
    assert_eq!(server.send(foreign).await.code(), "csrf_rejected", "nobody is signed in from another site");
}

#[tokio::test]
async fn attempts_are_counted_by_address() {
    let server = Server::with(|config| {
        config.limits.sign_in_burst = 3;
        config.trust_forwarded = true;
    })
    .await;
    let attempt = async |address: &str| {
        let request = request("POST", "/api/session/sign-in")
            .header("x-forwarded-for", format!("203.0.113.9, {address}"))
            .header("content-type", "application/json");
        server.send(request.body(Body::from(json!({"username": "a?", "password": "b"}).to_string())).unwrap()).await
    };
    for _ in 0..3 {
        assert_eq!(attempt("198.51.100.1").await.status, 401);
    }
    let refused = attempt("198.51.100.1").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "rate_limited"));
    assert!((1..=7).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(attempt("198.51.100.2").await.status, 401, "others are unharmed");
}
