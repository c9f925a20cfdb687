//! The database is locked by another process: users whom it does not know are served by what their tokens say.

use std::time::{Duration, Instant};

use auth::UserClaims;
use model::ChannelId;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};

use crate::server::{SECRET, Server, claims, now};

#[tokio::test]
async fn a_token_is_enough_to_serve_its_user() {
    let server = Server::start().await;
    let file = SqliteConnectOptions::new().filename(server.data.path().join("stoa.db"));
    let mut other = file.connect().await.unwrap();
    other.execute("BEGIN EXCLUSIVE").await.unwrap();

    let team = ChannelId::new("team").unwrap();
    let token =
        |user: &str| auth::mint_user(SECRET, &UserClaims { channels: vec![team.clone()], ..claims(user) }, now());
    let (alice, bob) = (token("alice"), token("bob"));
    let began = Instant::now();
    for _ in 0..5 {
        for (name, token) in [("alice", &alice), ("bob", &bob)] {
            let session = server.get("/api/session", token).await.json();
            assert_eq!(session["user"]["name"], format!("{name} of the tests"));
        }
    }
    let call = server.post("/api/calls/initiate", &alice, json!({"channelId": "team"})).await;
    assert_eq!(call.status, 201, "{}", call.text);
    let rung = server.get("/api/calls/active", &bob).await.json();
    let names: Vec<&str> =
        rung["calls"][0]["participants"].as_array().unwrap().iter().filter_map(|part| part["name"].as_str()).collect();
    assert_eq!(names, ["alice of the tests", "bob of the tests"]);
    // A request that waits for the lock takes a second at least, and there were twelve.
    assert!(began.elapsed() < Duration::from_secs(4), "somebody waited for the database: {:?}", began.elapsed());

    other.execute("ROLLBACK").await.unwrap();
    let known = "SELECT (SELECT COUNT(*) FROM users WHERE name LIKE '% of the tests') + (SELECT COUNT(*) FROM channel_members \
                 WHERE channel_id = 'team')";
    let kept = async {
        while sqlx::query_scalar::<_, i64>(known).fetch_one(&mut other).await.unwrap() != 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), kept).await.expect("the store is told once it listens");
}
