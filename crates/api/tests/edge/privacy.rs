//! One user's data, out and gone.

use serde_json::{Value, json};

use crate::server::{Server, admin, token};

fn users_of(call: &Value) -> Vec<&str> {
    call["participants"].as_array().unwrap().iter().map(|part| part["userId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn all_that_is_held_of_a_user_is_one_document() {
    let server = Server::start().await;
    let id = server.ring("ann", "bob").await;
    server.ask("POST", &format!("/api/calls/{id}/accept"), &token("bob"), None).await;
    server.ask("POST", &format!("/api/calls/{id}/end"), &token("ann"), None).await;
    server.ring("ann", "carol").await;
    server.post("/api/channels", &token("ann"), json!({"id": "team", "name": "Team", "members": ["bob"]})).await;
    let export = server.get("/api/users/ann/export", &token("ann")).await;
    assert_eq!(export.status, 200, "{}", export.text);
    assert!(export.header("content-disposition").contains("attachment"));
    let export = export.json();
    assert_eq!((&export["user"]["id"], &export["username"]), (&json!("ann"), &Value::Null));
    assert_eq!(export["calls"].as_array().unwrap().len(), 2);
    assert_eq!(export["calls"][0]["id"], id.as_str());
    assert_eq!(export["records"]["channels"][0]["channelId"], "team");
    assert!(export["records"]["events"].as_array().unwrap().len() >= 2, "{export}");

    assert_eq!(server.get("/api/users/ann/export", &token("bob")).await.code(), "forbidden");
    assert_eq!(server.get("/api/users/nobody/export", &admin("root")).await.code(), "user_not_found");
    assert_eq!(server.get("/api/users/ann/export", &admin("root")).await.status, 200);
}

#[tokio::test]
async fn an_erased_user_leaves_an_alias_in_the_calls_of_others() {
    let server = Server::start().await;
    let (ann, bob) = (token("ann"), token("bob"));
    let body = json!({"targetUserId": "bob", "metadata": {"diary": "of ann"}});
    let past = server.post("/api/calls", &ann, body).await.json()["callId"].as_str().unwrap().to_owned();
    server.ask("POST", &format!("/api/calls/{past}/accept"), &bob, None).await;
    server.ask("POST", &format!("/api/calls/{past}/end"), &ann, None).await;
    server.post("/api/channels", &ann, json!({"id": "team", "name": "Team", "members": ["bob"]})).await;
    // A group call that goes on without her.
    let body = json!({"targetUserIds": ["bob", "carol"]});
    let running = server.post("/api/calls", &ann, body).await.json()["callId"].as_str().unwrap().to_owned();
    for who in ["bob", "carol"] {
        let joined = server.ask("POST", &format!("/api/calls/{running}/accept"), &token(who), None).await;
        assert_eq!(joined.status, 200, "{}", joined.text);
    }
    assert_eq!(server.ask("DELETE", "/api/users/ann", &bob, None).await.code(), "forbidden");
    let erased = server.ask("DELETE", "/api/users/ann", &admin("root"), None).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    let alias = erased.json()["alias"].as_str().unwrap().to_owned();
    assert_eq!(erased.json()["keptCalls"], 2, "{}", erased.text);

    let seen = server.get(&format!("/api/calls/{past}"), &bob).await.json();
    assert_eq!(users_of(&seen["call"]), [alias.as_str(), "bob"]);
    assert_eq!((&seen["call"]["initiatorId"], &seen["call"]["metadata"]), (&json!(alias), &json!({})));
    assert_eq!(seen["call"]["participants"][0]["name"], "Erased user");
    let events = server.get(&format!("/api/calls/{past}/events"), &bob).await;
    assert!(!events.text.contains("\"ann\""), "{}", events.text);
    assert_eq!(server.get("/api/channels/team", &bob).await.json()["channel"]["members"], json!(["bob"]));
    assert_eq!(server.get("/api/users/ann", &bob).await.code(), "user_not_found");

    // What the call still writes does not bring her back.
    server.ask("POST", &format!("/api/calls/{running}/leave"), &token("carol"), None).await;
    server.ask("POST", &format!("/api/calls/{running}/end"), &bob, None).await;
    let history = server.get("/api/calls", &bob).await;
    let ended = history.json()["calls"].as_array().unwrap().iter().find(|call| call["id"] == running.as_str()).cloned();
    assert_eq!(users_of(&ended.unwrap()), [alias.as_str(), "bob", "carol"]);
    assert_eq!(server.get("/api/users/ann", &bob).await.code(), "user_not_found");
    let audit = server.get("/api/admin/audit", &admin("root")).await;
    assert!(!audit.text.contains("\"ann\"") && audit.text.contains(&alias), "{}", audit.text);
    assert_eq!(server.ask("DELETE", "/api/users/nobody", &admin("root"), None).await.code(), "user_not_found");
}

#[tokio::test]
async fn calls_of_erased_users_alone_are_gone() {
    let server = Server::start().await;
    let id = server.ring("ann", "bob").await;
    server.ask("POST", &format!("/api/calls/{id}/cancel"), &token("ann"), None).await;
    let first = server.ask("DELETE", "/api/users/ann", &token("ann"), None).await.json();
    assert_eq!((&first["keptCalls"], &first["droppedCalls"]), (&json!(1), &json!(0)), "one may erase oneself");
    let second = server.ask("DELETE", "/api/users/bob", &token("bob"), None).await.json();
    assert_eq!((&second["keptCalls"], &second["droppedCalls"]), (&json!(0), &json!(1)));
}
