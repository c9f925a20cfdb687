//! What administrators and host apps do: ICE servers, API keys, the audit log, what runs.

use axum::body::Body;
use serde_json::{Value, json};

use crate::server::{Answer, Server, admin, request, token};
use crate::socket::Socket;

async fn with_key(server: &Server, method: &str, path: &str, key: &str, user: Option<&str>, body: Value) -> Answer {
    let mut request = request(method, path).header("authorization", format!("Bearer {key}"));
    if let Some(user) = user {
        request = request.header("stoa-user", user);
    }
    if body.is_null() {
        return server.send(request.body(Body::empty()).unwrap()).await;
    }
    let request = request.header("content-type", "application/json");
    server.send(request.body(Body::from(body.to_string())).unwrap()).await
}

async fn key(server: &Server, scopes: &[&str]) -> (String, String) {
    let body = json!({"name": "the host app", "scopes": scopes});
    let made = server.post("/api/admin/api-keys", &admin("root"), body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    (made["key"].as_str().unwrap().to_owned(), made["apiKey"]["id"].as_str().unwrap().to_owned())
}

fn secret() -> model::Secret<String> {
    model::Secret::new("north by northwest".to_owned())
}

#[tokio::test]
async fn ice_servers_come_from_the_store_with_credentials_that_expire() {
    let server = Server::with(|config| config.turn.secret = Some(secret())).await;
    let root = admin("root");
    let add = async |body: Value| {
        let made = server.post("/api/ice-servers", &root, body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.json()["server"]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        server.get("/api/ice-servers", &token("ann")).await.json(),
        json!({"iceServers": []}),
        "no third party's"
    );
    add(json!({"urls": ["stun:public.test"], "isPublic": true, "priority": 1})).await;
    let turn = add(json!({"urls": ["turn:turn.test:3478?transport=udp"], "priority": 2})).await;
    add(json!({"urls": ["turn:old.test"], "username": "u", "credential": "p", "region": "eu", "priority": 3})).await;
    add(json!({"urls": ["turn:off.test"], "isActive": false})).await;

    let servers = server.get("/api/ice-servers", &token("ann")).await.json()["iceServers"].clone();
    assert_eq!(servers[0], json!({"urls": ["stun:public.test"]}));
    assert_eq!(servers[2], json!({"urls": ["turn:old.test"], "username": "u", "credential": "p"}));
    assert_eq!(servers.as_array().unwrap().len(), 3, "{servers}");
    let username = servers[1]["username"].as_str().unwrap();
    let (expires, user) = username.split_once(':').unwrap();
    let left = expires.parse::<i64>().unwrap() * 1_000 - crate::server::now().as_millis();
    assert_eq!(user, "ann");
    assert!((43_100_000..=43_200_000).contains(&left), "{left}");
    let made =
        turn::credentials::Credentials::mint(&secret(), &model::UserId::new("ann").unwrap(), expires.parse().unwrap());
    assert_eq!(servers[1]["credential"], made.password.reveal().as_str());

    let near = server.get("/api/ice-servers?region=eu", &token("ann")).await.json();
    assert_eq!(near["iceServers"][0]["urls"][0], "turn:old.test", "{near}");
    let stranger = server.send(request("GET", "/api/ice-servers").body(Body::empty()).unwrap()).await;
    assert_eq!(stranger.json(), json!({"iceServers": [{"urls": ["stun:public.test"]}]}));

    // The same list, and the same credentials, in a call's answers.
    let call = server.post("/api/calls", &token("ann"), json!({"targetUserId": "bob"})).await.json();
    assert_eq!(call["iceServers"], servers);

    let patched =
        server.ask("PATCH", &format!("/api/ice-servers/{turn}"), &root, Some(json!({"isActive": false}))).await;
    assert_eq!((patched.status.as_u16(), &patched.json()["server"]["auth"]), (200, &json!("expiring")));
    let listed = server.get("/api/admin/ice-servers", &root).await;
    assert_eq!(listed.json()["servers"].as_array().unwrap().len(), 4);
    assert!(!listed.text.contains("\"p\""), "a credential is never shown: {}", listed.text);
    assert_eq!(server.get("/api/ice-servers", &token("ann")).await.json()["iceServers"].as_array().unwrap().len(), 2);
    let path = format!("/api/ice-servers/{turn}");
    assert_eq!(server.ask("DELETE", &path, &root, None).await.status, 200);
    for method in ["DELETE", "GET"] {
        assert_eq!(server.ask(method, &path, &root, None).await.code(), "not_found");
    }
}

#[tokio::test]
async fn the_media_ports_can_be_tried_by_who_is_signed_in() {
    let server = Server::with(|config| {
        let addresses = ["192.0.2.7", "2001:db8::7"].map(|ip| ip.parse().unwrap()).to_vec();
        config.media_ports = api::MediaPorts { addresses, udp: vec![7882, 7883], tcp: Some(7881) };
        let (username, credential) = (Some("1:ann".to_owned()), Some("secret".to_owned()));
        config.ice_servers = vec![api::IceServer { urls: vec!["turn:turn.test".to_owned()], username, credential }];
    })
    .await;
    let check = server.get("/api/connection-check", &token("ann")).await.json();
    let stun = |port: u16| {
        let urls = [format!("stun:192.0.2.7:{port}"), format!("stun:[2001:db8::7]:{port}")];
        json!({"transport": "udp", "port": port, "server": {"urls": urls}})
    };
    let urls = ["turn:192.0.2.7:7881?transport=tcp", "turn:[2001:db8::7]:7881?transport=tcp"];
    let tcp = json!({"transport": "tcp", "port": 7881, "server": {"urls": urls, "username": "1:ann", "credential": "secret"}});
    assert_eq!(check["media"], json!([stun(7882), stun(7883), tcp]));
    assert_eq!(check["iceServers"], server.get("/api/ice-servers", &token("ann")).await.json()["iceServers"]);
    let stranger = server.send(request("GET", "/api/connection-check").body(Body::empty()).unwrap()).await;
    assert_eq!(stranger.json(), json!({"iceServers": [], "media": []}));
}

#[tokio::test]
async fn ice_servers_that_are_none_are_refused() {
    let server = Server::start().await;
    for body in [
        json!({"urls": []}),
        json!({"urls": ["http://x"]}),
        json!({"urls": ["stun:a", "turn:b"]}),
        json!({"urls": ["turn:a"]}),
        json!({"urls": ["turn:a"], "auth": "static"}),
        json!({"urls": ["stun:a"], "auth": "expiring"}),
        json!({"urls": ["stun:a"], "priority": -1}),
        json!({"urls": vec!["stun:a"; 9]}),
    ] {
        let refused = server.post("/api/ice-servers", &admin("root"), body.clone()).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "invalid_request"), "{body}");
    }
    for (method, path) in [
        ("POST", "/api/ice-servers"),
        ("GET", "/api/admin/ice-servers"),
        ("GET", "/api/admin/api-keys"),
        ("GET", "/api/admin/audit"),
        ("GET", "/api/debug/connections"),
    ] {
        let body = (method == "POST").then(|| json!({"urls": ["stun:a"]}));
        assert_eq!(server.ask(method, path, &token("ann"), body).await.code(), "forbidden", "{path}");
    }
    for _ in 0..100 {
        let made = server.post("/api/ice-servers", &admin("root"), json!({"urls": ["stun:a"]})).await;
        assert_eq!(made.status, 201);
    }
    let refused = server.post("/api/ice-servers", &admin("root"), json!({"urls": ["stun:a"]})).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "too_many"));
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_name_and_no_more() {
    let server = Server::start().await;
    let (users, users_id) = key(&server, &["users"]).await;
    let pushed = with_key(&server, "POST", "/api/users", &users, None, json!({"id": "ann", "name": "Ann"})).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text);
    for path in ["/api/channels", "/api/admin/audit", "/api/calls", "/api/debug/connections"] {
        let refused = with_key(&server, "GET", path, &users, Some("ann"), Value::Null).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "forbidden"), "{path}");
    }

    let (calls, _) = key(&server, &["calls", "channels"]).await;
    let nobody = with_key(&server, "POST", "/api/calls", &calls, None, json!({"targetUserId": "bob"})).await;
    assert_eq!((nobody.status.as_u16(), nobody.code().as_str()), (400, "invalid_request"));
    let call = with_key(&server, "POST", "/api/calls", &calls, Some("ann"), json!({"targetUserId": "bob"})).await;
    assert_eq!((call.status.as_u16(), &call.json()["call"]["initiatorId"]), (201, &json!("ann")), "{}", call.text);
    let body = json!({"id": "team", "name": "Team", "members": ["ann", "bob"]});
    assert_eq!(with_key(&server, "POST", "/api/channels", &calls, None, body).await.status, 201);
    assert_eq!(with_key(&server, "GET", "/api/users", &calls, None, Value::Null).await.code(), "forbidden");
    let other =
        with_key(&server, "POST", "/api/calls", &calls, Some("api-key:x"), json!({"targetUserId": "bob"})).await;
    assert_eq!(other.code(), "invalid_request", "a key is no user");

    let listed = server.get("/api/admin/api-keys", &admin("root")).await;
    assert!(!listed.text.contains(&users), "a key is shown once");
    let shown = listed.json()["apiKeys"].as_array().unwrap().iter().find(|key| key["id"] == users_id.as_str()).cloned();
    assert!(shown.unwrap()["lastUsedAt"].is_string());

    let revoked = server.ask("DELETE", &format!("/api/admin/api-keys/{users_id}"), &admin("root"), None).await;
    assert_eq!(revoked.status, 200);
    assert_eq!(with_key(&server, "GET", "/api/users", &users, None, Value::Null).await.code(), "unauthorized");
    assert_eq!(with_key(&server, "GET", "/api/users", "stoa_nonsense", None, Value::Null).await.code(), "unauthorized");
}

#[tokio::test]
async fn no_token_speaks_for_a_key() {
    let server = Server::start().await;
    assert_eq!(
        server.get("/api/users", &token("api-key:0192d3b4-0000-7000-8000-000000000001")).await.code(),
        "unauthorized"
    );
}

#[tokio::test]
async fn turn_credentials_are_revoked_by_administrators_where_there_is_a_turn_server() {
    let server = Server::start().await;
    let path = "/api/users/ann/turn-credentials";
    assert_eq!(server.ask("DELETE", path, &token("ann"), None).await.code(), "forbidden");
    let (channels, _) = key(&server, &["channels"]).await;
    assert_eq!(with_key(&server, "DELETE", path, &channels, None, Value::Null).await.code(), "forbidden");
    assert_eq!(server.ask("DELETE", path, &admin("root"), None).await.code(), "not_found", "it is off");
    let (users, _) = key(&server, &["users"]).await;
    assert_eq!(with_key(&server, "DELETE", path, &users, None, Value::Null).await.code(), "not_found");
    let log = server.get("/api/admin/audit?action=turn_credentials.revoked", &admin("root")).await.json();
    assert_eq!(log["entries"], json!([]), "what was not done is not written down");
}

#[tokio::test]
async fn keys_are_made_of_sense() {
    let server = Server::start().await;
    for body in [
        json!({"name": "", "scopes": ["users"]}),
        json!({"name": "x", "scopes": []}),
        json!({"name": "x", "scopes": ["everything"]}),
        json!({"name": "x", "scopes": ["users"], "expiresInDays": 0}),
        json!({"name": "x".repeat(121), "scopes": ["users"]}),
    ] {
        let refused = server.post("/api/admin/api-keys", &admin("root"), body.clone()).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "invalid_request"), "{body}");
    }
    let path = "/api/admin/api-keys/0192d3b4-0000-7000-8000-00000000ffff";
    assert_eq!(server.ask("DELETE", path, &admin("root"), None).await.code(), "not_found");
    assert_eq!(server.ask("DELETE", "/api/admin/api-keys/7", &admin("root"), None).await.code(), "invalid_id");
}

#[tokio::test]
async fn administrators_acts_are_written_down() {
    let server = Server::start().await;
    let root = admin("root");
    let (users, id) = key(&server, &["users"]).await;
    with_key(&server, "POST", "/api/users", &users, None, json!({"id": "ann", "name": "Ann"})).await;
    server.post("/api/channels", &root, json!({"id": "team", "name": "Team"})).await;
    server.ask("DELETE", "/api/channels/team", &root, None).await;
    let log = server.get("/api/admin/audit", &root).await.json();
    let acts: Vec<(&str, &str, &str)> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (entry["actor"].as_str().unwrap(), entry["action"].as_str().unwrap(), entry["target"].as_str().unwrap())
        })
        .collect();
    let actor = format!("api-key:{id}");
    let wanted = [
        ("root", "channel.deleted", "team"),
        ("root", "channel.pushed", "team"),
        (actor.as_str(), "user.pushed", "ann"),
        ("root", "api_key.created", id.as_str()),
    ];
    assert_eq!(acts, wanted);
    assert!(!log.to_string().contains(&users), "no secret is written down");
    let first = server.get("/api/admin/audit?limit=1", &root).await.json();
    let next = first["next"].as_str().unwrap();
    let second = server.get(&format!("/api/admin/audit?limit=1&before={next}"), &root).await.json();
    assert_eq!(second["entries"][0]["action"], "channel.pushed");
    let by_key = server.get(&format!("/api/admin/audit?actor={actor}"), &root).await.json();
    assert_eq!((by_key["entries"].as_array().unwrap().len(), &by_key["next"]), (1, &Value::Null));
    assert_eq!(server.get("/api/admin/audit?before=x", &root).await.code(), "invalid_request");
}

#[tokio::test]
async fn what_administrators_do_to_calls_is_written_down() {
    let server = Server::start().await;
    let root = admin("root");
    let call = server.post("/api/calls", &token("ann"), json!({"targetUserIds": ["bob", "carol"]})).await.json();
    let path = format!("/api/calls/{}", call["callId"].as_str().unwrap());
    for who in ["bob", "carol"] {
        server.ask("POST", &format!("{path}/accept"), &token(who), None).await;
    }
    // The host's own acts are no one's business.
    assert_eq!(server.post(&format!("{path}/participants/bob/mute"), &token("ann"), json!({})).await.status, 200);
    let acts = [
        ("POST", "/participants/bob/mute", "call.muted"),
        ("DELETE", "/participants/bob/mute", "call.mute_lifted"),
        ("POST", "/mute-all", "call.all_muted"),
        ("DELETE", "/mute-all", "call.all_mutes_lifted"),
        ("DELETE", "/participants/bob", "call.participant_removed"),
    ];
    for (method, act, _) in acts {
        let body = (method == "POST").then(|| json!({"hard": true}));
        assert_eq!(server.ask(method, &format!("{path}{act}"), &root, body).await.status, 200, "{method} {act}");
    }
    let mut socket = Socket::dial(&server, json!({"token": root}), &[]).await.unwrap();
    assert_eq!(socket.ask("call:mute", json!({"callId": call["callId"], "userId": "carol"})).await["ok"], true);
    let log = server.get("/api/admin/audit", &root).await.json();
    let entries = log["entries"].as_array().unwrap();
    let written: Vec<&str> = entries.iter().rev().map(|entry| entry["action"].as_str().unwrap()).collect();
    let wanted: Vec<&str> = acts.iter().map(|(_, _, action)| *action).chain(["call.muted"]).collect();
    assert_eq!(written, wanted);
    assert!(entries.iter().all(|entry| entry["actor"] == "root" && entry["target"] == call["callId"]));
    assert_eq!(entries[1]["details"], json!({"userId": "bob"}));
}

#[tokio::test]
async fn what_runs_is_shown_to_administrators() {
    let server = Server::start().await;
    let id = server.ring("ann", "bob").await;
    let all = server.get("/api/debug/connections", &admin("root")).await.json();
    assert_eq!((&all["activeCalls"], &all["calls"][0]["call"]["id"]), (&json!(1), &json!(id)));
    let one = server.get(&format!("/api/debug/connections/{id}"), &admin("root")).await;
    assert_eq!(one.json()["sockets"], json!([{"userId": "ann", "sockets": 0}, {"userId": "bob", "sockets": 0}]));
    server.ask("POST", &format!("/api/calls/{id}/end"), &token("ann"), None).await;
    let over = server.get(&format!("/api/debug/connections/{id}"), &admin("root")).await;
    assert_eq!((over.status.as_u16(), over.code().as_str()), (404, "call_not_found"));
}

#[tokio::test]
async fn limits_are_told_on_every_answer() {
    let server = Server::with(|config| {
        config.limits.request_burst = 3;
        config.limits.requests_a_second = 1;
    })
    .await;
    for left in ["2", "1", "0"] {
        let answer = server.get("/api/calls", &token("ann")).await;
        assert_eq!(answer.status, 200);
        assert_eq!((answer.header("ratelimit-limit"), answer.header("ratelimit-remaining")), ("3", left));
        assert_eq!(answer.header("ratelimit-policy"), "\"user\";q=3;w=3");
        assert!(answer.header("ratelimit").starts_with(&format!("\"user\";r={left};t=")));
    }
    let refused = server.get("/api/calls", &token("ann")).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "rate_limited"));
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    assert_eq!(refused.header("retry-after"), refused.header("ratelimit-reset"));
    assert_eq!(server.get("/api/calls", &token("bob")).await.status, 200, "others are unharmed");
}

#[tokio::test]
async fn an_address_has_a_limit_too() {
    let server = Server::with(|config| {
        config.limits.address_request_burst = 3;
        config.limits.address_requests_a_second = 1;
        config.trust_forwarded = true;
    })
    .await;
    let ask = async |address: &str| {
        let request = request("GET", "/api/session").header("x-forwarded-for", address);
        server.send(request.body(Body::empty()).unwrap()).await
    };
    for _ in 0..3 {
        assert_eq!(ask("198.51.100.1").await.status, 200);
    }
    let refused = ask("198.51.100.1").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "rate_limited"));
    assert_eq!(ask("198.51.100.2").await.header("ratelimit-policy"), "\"address\";q=3;w=3");
    // However it asks: for a room, for a socket, for what other backends had.
    for path in ["/rtc?access_token=x", "/rtc/validate", "/ws/webrtc/7", "/calls/active"] {
        let request = request("GET", path).header("x-forwarded-for", "198.51.100.1");
        let refused = server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (429, "rate_limited"), "{path}");
        assert!(!refused.header("retry-after").is_empty() && !refused.header("ratelimit-reset").is_empty());
    }
    for namespace in ["", "/webrtc"] {
        let auth = json!({"token": token("ann")});
        let refused = Socket::dial_namespace(&server, namespace, auth, &[("x-forwarded-for", "198.51.100.1")]).await;
        assert_eq!(refused.err().expect("refused")["message"], "rate_limited", "{namespace}");
    }
}
