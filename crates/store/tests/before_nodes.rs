//! What an earlier version left is taken over: its database, its journal, and the records it had set aside. See
//! `fixtures/before_nodes`.

mod support;

use std::path::Path;

use control::{Replay, Store};
use model::{CallId, CallStatus, NodeId, ParticipantStatus};
use sqlx::{ConnectOptions, Connection, Executor};
use store::SqliteStore;
use support::{House, user, wait_for_lock};

const ENDED: &str = "01a22d3c-dded-70d5-8e08-60b8a0698400";
const RUNNING: &str = "01a22d3c-de0b-7258-819a-6e43d7d9cfe8";
const RINGING: &str = "01a22d3c-e01c-7859-87bf-fa91912f2d4f";
/// The last sequence of its journal, and the one that the database refused.
const LAST: i64 = 15;
const REFUSED: i64 = 8;

fn id(text: &str) -> CallId {
    text.parse().unwrap()
}

async fn left_by_an_earlier_version() -> tempfile::TempDir {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/before_nodes");
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("journal")).unwrap();
    for file in ["000000000001.journal", "refused.jsonl"] {
        let name = Path::new("journal").join(file);
        std::fs::copy(fixture.join(&name), directory.path().join(name)).unwrap();
    }
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(directory.path().join("stoa.db"))
        .create_if_missing(true)
        .foreign_keys(false);
    let mut database = options.connect().await.unwrap();
    let dump = std::fs::read_to_string(fixture.join("stoa.sql")).unwrap();
    database.execute(sqlx::AssertSqlSafe(dump)).await.unwrap();
    database.close().await.unwrap();
    directory
}

/// A call's events, up to where the earlier version came.
async fn events(store: &SqliteStore, call: &str) -> Vec<(i64, String)> {
    let events = store.events(id(call)).await.unwrap();
    events.into_iter().filter(|event| event.id <= LAST).map(|event| (event.id, event.event)).collect()
}

fn named(events: &[(i64, &str)]) -> Vec<(i64, String)> {
    events.iter().map(|(id, event)| (*id, (*event).to_owned())).collect()
}

#[tokio::test]
async fn its_calls_are_there_with_what_only_its_journal_had_and_it_goes_on_from_there() {
    let directory = left_by_an_earlier_version().await;
    let house = House::open(directory.path()).await;
    let node = house.handle.node();
    let muted = "media_state_changed";
    let ended = [(1, "initiated"), (2, "accepted"), (3, muted), (4, muted), (5, "ended")];
    assert_eq!(events(&house.store, ENDED).await, named(&ended));
    let refused = [(6, "initiated"), (7, "accepted"), (9, "resumed"), (10, "accepted")];
    let rest = [(11, muted), (12, muted), (13, muted), (14, "participant_left")];
    assert_eq!(events(&house.store, RUNNING).await, named(&[&refused[..], &rest[..]].concat()));
    assert_eq!(events(&house.store, RINGING).await, named(&[(15, "initiated")]));
    let first = house.store.call(id(ENDED)).await.unwrap().unwrap();
    assert_eq!((first.status, &first.metadata["topic"]), (CallStatus::Ended, &serde_json::json!("lunch")));
    let running = house.handle.call(id(RUNNING), &user("carol")).await.unwrap();
    assert_eq!(running.participant(&user("dave")).unwrap().status, ParticipantStatus::Left);
    assert!(running.participant(&user("erin")).unwrap().is_muted);

    let call = house.call("henry", "iris").await;
    house.handle.cancel(call.id, &user("henry")).await.unwrap();
    house.handle.shutdown().await;
    let new = house.store.events(call.id).await.unwrap();
    assert!(new[0].id > LAST, "{new:?}");
    drop(house);
    wait_for_lock(directory.path()).await;

    let folder = directory.path().join("journal");
    let house = House::open(directory.path()).await;
    assert_eq!(house.handle.node(), node);
    assert_eq!(house.store.events(call.id).await.unwrap(), new, "each once");
    let done = control::replay_refused(&folder, &house.store, |_| {}).await.unwrap();
    assert_eq!(done, Replay { found: 1, taken: 1, ..Replay::default() });
    let held = events(&house.store, RUNNING).await;
    assert_eq!(held[2], (REFUSED, "held".to_owned()), "in its place: {held:?}");
}

#[tokio::test]
async fn what_it_had_set_aside_can_be_replayed_before_the_first_start() {
    let directory = left_by_an_earlier_version().await;
    let store = store::open(directory.path().join("stoa.db")).await.unwrap();
    let folder = directory.path().join("journal");
    let done = control::replay_refused(&folder, &store, |_| {}).await.unwrap();
    assert_eq!(done, Replay { found: 1, taken: 1, ..Replay::default() });
    store.close().await;
    let house = House::open(directory.path()).await;
    assert_ne!(house.handle.node(), NodeId::UNNAMED);
    let ids: Vec<i64> = events(&house.store, RUNNING).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, (6..=14).collect::<Vec<_>>(), "each once");
}
