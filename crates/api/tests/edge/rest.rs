//! Calls, users and channels over REST.

use auth::UserClaims;
use model::ChannelId;
use serde_json::{Value, json};

use crate::server::{SECRET, Server, admin, claims, now, scrubbed, token};

#[tokio::test]
async fn a_call_from_start_to_history() {
    let server = Server::start().await;
    let (alice, bob) = (token("alice"), token("bob"));
    server.get("/api/calls/active", &bob).await;

    let body = json!({"targetUserId": "bob", "type": "audio", "metadata": {"topic": "lunch"}});
    let initiated = server.post("/api/calls/initiate", &alice, body).await;
    assert_eq!(initiated.status, 201, "{}", initiated.text);
    insta::assert_json_snapshot!("initiated", scrubbed(initiated.json()));
    let id = initiated.json()["callId"].as_str().unwrap().to_owned();

    let active = server.get("/api/calls/active", &bob).await.json();
    assert_eq!(active["calls"][0]["id"], id.as_str());

    let accepted = server.ask("POST", &format!("/api/calls/{id}/accept"), &bob, None).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text);
    insta::assert_json_snapshot!("accepted", scrubbed(accepted.json()));

    let media = server.ask("PATCH", &format!("/api/calls/{id}/media"), &bob, Some(json!({"isMuted": true}))).await;
    assert_eq!(media.status, 200, "{}", media.text);
    assert_eq!(part(&media.json()["call"], "bob")["isMuted"], true);

    let joined = server.ask("POST", &format!("/api/calls/{id}/join"), &alice, None).await;
    assert_eq!((joined.status.as_u16(), joined.json()["callType"].as_str()), (200, Some("audio")));

    let ended = server.post(&format!("/api/calls/{id}/end"), &alice, json!({"reason": "done", "duration": 7})).await;
    assert_eq!(ended.status, 200, "{}", ended.text);
    assert_eq!((&ended.json()["call"]["status"], &ended.json()["call"]["endedBy"]), (&json!("ended"), &json!("alice")));

    for who in [&alice, &bob] {
        let history = server.get("/api/calls?limit=5", who).await.json();
        assert_eq!((&history["calls"][0]["id"], &history["next"]), (&json!(id), &Value::Null));
        assert_eq!(history["calls"][0]["type"], "audio");
        assert_eq!(history["calls"][0]["metadata"], json!({"topic": "lunch"}));
    }
    let events = server.get(&format!("/api/calls/{id}/events"), &bob).await.json();
    let names: Vec<&str> = events["events"].as_array().unwrap().iter().filter_map(|e| e["event"].as_str()).collect();
    assert_eq!(names.first(), Some(&"initiated"), "{names:?}");
    assert!(names.len() >= 3, "{names:?}");
    let again = server.ask("POST", &format!("/api/calls/{id}/accept"), &bob, None).await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (409, "call_over"));
}

fn part<'a>(call: &'a Value, user: &str) -> &'a Value {
    call["participants"].as_array().unwrap().iter().find(|part| part["userId"] == user).expect("has a part")
}

#[tokio::test]
async fn the_pass_is_for_this_call_user_and_device() {
    let server = Server::with(|config| config.public_url = Some("https://calls.test/".into())).await;
    let id = server.ring("alice", "bob").await;
    let request = crate::server::request("POST", &format!("/api/calls/{id}/accept"))
        .header("authorization", format!("Bearer {}", token("bob")))
        .header("stoa-device", "phone")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = server.send(request).await.json();
    assert_eq!(answer["livekitUrl"], "wss://calls.test");
    assert_eq!(answer["participant"]["deviceId"], "phone");
    let keys =
        auth::LiveKitKeys::new(auth::LiveKitKey { key: "own".into(), secret: model::Secret::new("own secret".into()) });
    let pass = keys.verify(now(), answer["token"].as_str().unwrap()).unwrap();
    assert_eq!((pass.sub.as_str(), pass.name.as_str(), pass.device()), ("bob", "bob of the tests", Some("phone")));
    assert_eq!(pass.video.room, id);
}

#[tokio::test]
async fn the_same_call_id_gives_the_same_call() {
    let server = Server::start().await;
    let id = "0192d3b4-0000-7000-8000-00000000abcd";
    let body = json!({"callId": id, "targetUserId": "bob"});
    let first = server.post("/api/calls", &token("alice"), body.clone()).await;
    let again = server.post("/api/calls/initiate", &token("alice"), body).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201), "{}", again.text);
    assert_eq!(first.json()["call"]["createdAt"], again.json()["call"]["createdAt"]);
    let other = server.post("/api/calls", &token("alice"), json!({"callId": id, "targetUserId": "carol"})).await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (409, "call_id_conflict"));
}

#[tokio::test]
async fn permissions_are_asked_for() {
    let server = Server::start().await;
    let nothing = auth::mint_user(SECRET, &UserClaims { permissions: vec![], ..claims("mute") }, now());
    let refused = server.post("/api/calls", &nothing, json!({"targetUserId": "bob"})).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "forbidden"));
    let id = server.ring("alice", "mute").await;
    let refused = server.ask("POST", &format!("/api/calls/{id}/accept"), &nothing, None).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (403, "forbidden"));
    let refused = server.post("/api/users", &token("alice"), json!({"id": "bob", "name": "Bob"})).await;
    assert_eq!(refused.code(), "forbidden");
}

#[tokio::test]
async fn a_host_app_pushes_users_and_channels() {
    let server = Server::start().await;
    let host = admin("host");
    for (id, name) in [("u1", "Ada"), ("u2", "Alan"), ("u3", "Grace")] {
        let made = server.post("/api/users", &host, json!({"id": id, "name": name})).await;
        assert_eq!((made.status.as_u16(), made.json()["user"]["name"].as_str()), (200, Some(name)), "{}", made.text);
    }
    let found = server.get("/api/users?query=al", &token("u1")).await.json();
    assert_eq!(found["users"].as_array().unwrap().iter().map(|u| &u["id"]).collect::<Vec<_>>(), ["u2"]);
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.get(&format!("/api/users?limit=2{after}"), &token("u1")).await.json();
        seen.extend(page["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    seen.sort();
    seen.dedup();
    assert!(["u1", "u2", "u3"].iter().all(|id| seen.iter().any(|seen| seen == id)), "{seen:?}");
    assert_eq!(server.get("/api/users/nobody", &token("u1")).await.code(), "user_not_found");

    let pushed =
        server.post("/api/channels", &host, json!({"id": "math", "name": "Math", "members": ["u1", "u2"]})).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text);
    insta::assert_json_snapshot!("channel", scrubbed(pushed.json()));
    assert_eq!(server.get("/api/channels/math", &token("u3")).await.code(), "channel_not_found");
    assert_eq!(server.get("/api/channels/math", &token("u1")).await.json()["channel"]["name"], "Math");
}

#[tokio::test]
async fn members_change_their_channel_and_nobody_else() {
    let server = Server::start().await;
    let (alice, bob, eve) = (token("alice"), token("bob"), token("eve"));
    let made = server.post("/api/channels", &alice, json!({"name": " Team ", "members": ["bob"]})).await.json();
    let id = made["channel"]["id"].as_str().unwrap().to_owned();
    assert_eq!((&made["channel"]["name"], &made["channel"]["members"]), (&json!("Team"), &json!(["alice", "bob"])));

    let path = format!("/api/channels/{id}");
    for (method, path, body) in [
        ("GET", path.clone(), None),
        ("PATCH", path.clone(), Some(json!({"name": "Mine"}))),
        ("DELETE", path.clone(), None),
        ("PUT", format!("{path}/members/eve"), None),
        ("DELETE", format!("{path}/members/bob"), None),
    ] {
        let foreign = server.ask(method, &path, &eve, body.clone()).await;
        let unknown = server.ask(method, &path.replace(&id, "no-such"), &eve, body).await;
        assert_eq!((foreign.status.as_u16(), &foreign.text), (404, &unknown.text), "{method} {path}");
    }
    let takeover = server.post("/api/channels", &eve, json!({"id": id, "name": "Mine"})).await;
    assert_eq!(takeover.code(), "channel_not_found");

    let added = server.ask("PUT", &format!("{path}/members/carol"), &bob, None).await.json();
    assert_eq!(added["channel"]["members"], json!(["alice", "bob", "carol"]));
    let renamed = server.ask("PATCH", &path, &bob, Some(json!({"name": "Crew"}))).await.json();
    assert_eq!(
        (&renamed["channel"]["name"], renamed["channel"]["members"].as_array().unwrap().len()),
        (&json!("Crew"), 3)
    );
    let left = server.ask("DELETE", &format!("{path}/members/bob"), &bob, None).await;
    assert_eq!(left.json()["channel"]["members"], json!(["alice", "carol"]));
    assert_eq!(server.get(&path, &bob).await.code(), "channel_not_found");
    assert_eq!(server.ask("DELETE", &path, &alice, None).await.status, 200);
    assert_eq!(server.get("/api/channels", &alice).await.json()["channels"], json!([]));
}

#[tokio::test]
async fn a_token_carries_channels() {
    let server = Server::start().await;
    let with = |user: &str| {
        let channels = vec![ChannelId::new("guild").unwrap()];
        auth::mint_user(SECRET, &UserClaims { channels, ..claims(user) }, now())
    };
    server.get("/api/channels", &with("ann")).await;
    let seen = server.get("/api/channels", &with("ben")).await.json();
    assert_eq!(seen["channels"][0]["members"], json!(["ann", "ben"]), "{seen}");
    let ring = server.post("/api/calls", &with("ann"), json!({"channelId": "guild"})).await.json();
    assert_eq!((&ring["call"]["kind"], &ring["participants"]), (&json!("group"), &json!(2)));
    let second = server.post("/api/calls", &with("ben"), json!({"channelId": "guild"})).await;
    assert_eq!(
        (second.code().as_str(), &second.json()["error"]["details"]["callId"]),
        ("channel_call_active", &ring["callId"])
    );
}

#[tokio::test]
async fn names_follow_the_token() {
    let server = Server::start().await;
    server.get("/api/session", &token("zoe")).await;
    let renamed = auth::mint_user(SECRET, &UserClaims { name: Some("Zoë".into()), ..claims("zoe") }, now());
    let session = server.get("/api/session", &renamed).await.json();
    assert_eq!(session["user"]["name"], "Zoë");
    insta::assert_json_snapshot!("session", scrubbed(session));
}
