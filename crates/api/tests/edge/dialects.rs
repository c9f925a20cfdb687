//! Calls under the paths and in the shapes of other backends.

use serde_json::{Value, json};

use crate::server::{Server, admin, token};

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

async fn post(server: &Server, path: &str, who: &str, body: Value) -> (u16, Value) {
    let answer = server.post(path, &token(who), body).await;
    (answer.status.as_u16(), answer.json())
}

async fn get(server: &Server, path: &str, who: &str) -> (u16, Value) {
    let answer = server.get(path, &token(who)).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn acts_that_name_the_call_in_their_body() {
    let server = Server::start().await;
    let id = server.ring("alice", "bob").await;
    let (status, accepted) = post(&server, "/api/calls/accept", "bob", json!({"callId": id})).await;
    assert_eq!((status, keys(&accepted)), (200, vec!["participant", "success"]), "{accepted}");
    assert_eq!((&accepted["participant"]["call_id"], &accepted["participant"]["user_id"]), (&json!(id), &json!("bob")));
    let (status, ended) =
        post(&server, "/api/calls/end", "alice", json!({"callId": id, "duration": 120, "reason": "completed"})).await;
    assert_eq!((status, &ended["success"], &ended["call"]["status"]), (200, &json!(true), &json!("ended")));

    let id = server.ring("alice", "bob").await;
    let (status, declined) = post(&server, "/api/calls/decline", "bob", json!({"callId": id, "reason": "busy"})).await;
    assert_eq!((status, &declined["call"]["status"]), (200, &json!("busy")));
}

#[tokio::test]
async fn acts_under_other_verbs() {
    let server = Server::with(|config| {
        config.ice_servers = vec![
            api::IceServer { urls: vec!["stun:a:1".into()], username: None, credential: None },
            api::IceServer {
                urls: vec!["turn:a:2".into(), "turns:a:3".into()],
                username: Some("u".into()),
                credential: Some("c".into()),
            },
        ]
    })
    .await;
    let id = server.ring("alice", "bob").await;
    let (status, answered) = post(&server, &format!("/api/calls/{id}/answer"), "bob", json!({})).await;
    assert_eq!((status, &answered["participant"]["userId"]), (200, &json!("bob")));
    assert!(answered["token"].is_string());
    post(&server, &format!("/api/calls/{id}/end"), "bob", json!({})).await;
    let id = server.ring("alice", "bob").await;
    let (status, rejected) = post(&server, &format!("/api/calls/{id}/reject"), "bob", json!({})).await;
    assert_eq!((status, &rejected["call"]["status"]), (200, &json!("declined")));
    let (status, turn) = get(&server, "/api/calls/turn-credentials", "bob").await;
    assert_eq!(status, 200);
    assert_eq!((&turn["username"], &turn["credential"]), (&json!("u"), &json!("c")));
    assert_eq!(turn["urls"], json!(["turn:a:2", "turns:a:3"]));
    for path in ["/webrtc/ice-servers", "/api/webrtc/ice-servers"] {
        let (status, servers) = get(&server, path, "bob").await;
        let expected = json!([
            {"urls": "stun:a:1"},
            {"urls": "turn:a:2", "username": "u", "credential": "c"},
            {"urls": "turns:a:3", "username": "u", "credential": "c"},
        ]);
        assert_eq!((status, servers), (200, expected), "{path}");
    }
}

#[tokio::test]
async fn bare_calls() {
    let server = Server::start().await;
    let body = json!({"channelId": "team", "callType": "audio", "participants": ["bob", "carol"]});
    let (status, call) = post(&server, "/calls", "alice", body).await;
    let fields = ["callType", "channelId", "duration", "endedAt", "id", "metadata", "startedAt", "startedBy", "status"];
    assert_eq!((status, keys(&call)), (201, fields.to_vec()), "{call}");
    assert_eq!((&call["status"], &call["callType"]), (&json!("ringing"), &json!("audio")));
    assert_eq!((&call["startedBy"], &call["channelId"]), (&json!("alice"), &json!("team")));
    let id = call["id"].as_str().unwrap();
    let (status, joined) = post(&server, &format!("/calls/{id}/join"), "bob", json!({})).await;
    assert_eq!((status, &joined["status"], keys(&joined)), (200, &json!("active"), fields.to_vec()));
    let (_, one) = get(&server, &format!("/calls/{id}"), "carol").await;
    assert_eq!(one["participants"].as_array().unwrap().len(), 3);
    assert_eq!(one["participants"][1]["user"]["id"], "bob");
    let (status, _) = post(&server, &format!("/calls/{id}/leave"), "bob", json!({})).await;
    assert_eq!(status, 200);
    let (status, ended) = post(&server, &format!("/calls/{id}/end"), "alice", json!({})).await;
    assert_eq!((status, &ended["status"]), (200, &json!("ended")));
    assert!(ended["endedAt"].is_string() && ended["duration"].is_u64(), "{ended}");

    let (_, list) = get(&server, "/channels/team/calls?limit=5&status=ENDED", "bob").await;
    assert_eq!(list.as_array().expect("a bare array")[0]["id"], id);
    let (_, none) = get(&server, "/channels/team/calls?status=ringing", "bob").await;
    assert_eq!(none["error"]["code"], "channel_not_found", "no channel of his, no call: nothing is told");
    let (status, foreign) = get(&server, "/channels/team/calls", "eve").await;
    let (_, unknown) = get(&server, "/channels/none/calls", "eve").await;
    assert_eq!((status, &foreign), (404, &unknown));
}

#[tokio::test]
async fn records_in_snake_case() {
    let server = Server::start().await;
    assert_eq!(get(&server, "/calls/active", "bob").await, (200, Value::Null));
    let (status, pending) = post(&server, "/calls/initiate", "alice", json!({"target_user_id": "bob"})).await;
    assert_eq!((status, &pending["status"], &pending["callee_id"]), (201, &json!("pending"), &json!("bob")));
    let id = pending["id"].as_str().unwrap();
    let (_, active) = get(&server, "/calls/active", "bob").await;
    assert_eq!((&active["id"], &active["caller_id"]), (&json!(id), &json!("alice")));
    let (status, ongoing) = post(&server, &format!("/calls/accept/{id}"), "bob", json!({})).await;
    assert_eq!((status, &ongoing["status"]), (200, &json!("ongoing")));
    for path in ["/ws/webrtc/active-connections".to_owned(), format!("/ws/webrtc/connection-state/{id}")] {
        let (status, refused) = get(&server, &path, "alice").await;
        assert_eq!((status, &refused["error"]["code"]), (403, &json!("forbidden")), "{path}");
    }
    let all = server.get("/ws/webrtc/active-connections", &admin("root")).await.json();
    assert_eq!(all, json!({"total_calls": 0, "connections": {}}));
}

#[tokio::test]
async fn outsiders_learn_nothing_in_any_style() {
    let server = Server::start().await;
    let id = server.ring("alice", "bob").await;
    let unknown = "0192d3b4-0000-7000-8000-00000000ffff";
    for (method, path, body) in [
        ("POST", "/api/calls/accept", json!({"callId": "ID"})),
        ("POST", "/api/calls/decline", json!({"callId": "ID", "reason": "declined"})),
        ("POST", "/api/calls/end", json!({"callId": "ID"})),
        ("POST", "/api/calls/ID/answer", json!({})),
        ("POST", "/api/calls/ID/reject", json!({})),
        ("POST", "/calls/ID/join", json!({})),
        ("POST", "/calls/ID/leave", json!({})),
        ("POST", "/calls/ID/end", json!({})),
        ("GET", "/calls/ID", json!({})),
        ("POST", "/calls/accept/ID", json!({})),
        ("GET", "/ws/webrtc/ID", json!({})),
    ] {
        let ask = async |id: &str| {
            let body: Value = serde_json::from_str(&body.to_string().replace("ID", id)).unwrap();
            let body = (method == "POST").then_some(body);
            server.ask(method, &path.replace("ID", id), &token("eve"), body).await
        };
        let (foreign, none) = (ask(&id).await, ask(unknown).await);
        assert_eq!((foreign.status.as_u16(), foreign.code()), (404, "call_not_found".to_owned()), "{method} {path}");
        assert_eq!(foreign.text, none.text, "{method} {path}");
        assert_eq!(ask("7").await.code(), "invalid_id", "{method} {path}");
    }
}
