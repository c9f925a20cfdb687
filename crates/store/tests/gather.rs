//! Records gather before they are written together: here for an hour, so that no test below passes by just waiting.

mod support;

use std::path::Path;
use std::time::Duration;

use control::Store;
use model::{CallStatus, DeviceId};
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};
use support::{House, history_of, user};

async fn house(folder: &Path) -> House {
    let house = House::open_with(folder, |settings| settings.linger = Duration::from_secs(3_600)).await;
    house.connect("alice").await;
    house.connect("bob").await;
    house
}

/// Counts transactions that take records, from outside.
struct Transactions(SqliteConnection);

impl Transactions {
    async fn of(folder: &Path) -> Self {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("stoa.db"));
        let mut connection = options.connect().await.unwrap();
        connection.execute("CREATE TABLE transactions (applied INTEGER NOT NULL)").await.unwrap();
        let note = "CREATE TRIGGER note AFTER UPDATE ON journal_position BEGIN \
            INSERT INTO transactions VALUES (new.applied); END";
        connection.execute(note).await.unwrap();
        Self(connection)
    }

    async fn count(&mut self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM transactions").fetch_one(&mut self.0).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_come_one_after_another_are_one_transaction_and_a_reader_ends_the_wait() {
    let directory = tempfile::tempdir().unwrap();
    let house = house(directory.path()).await;
    let mut transactions = Transactions::of(directory.path()).await;
    let call = house.call("alice", "bob").await;
    house.handle.accept(call.id, &user("bob"), &DeviceId::unnamed()).await.unwrap();
    let mut toggled = 0;
    for round in 1..=3 {
        for _ in 0..20 {
            let muted = Some(toggled % 2 == 0);
            house.handle.set_media_state(call.id, &user("bob"), muted, None, None, None).await.unwrap();
            toggled += 1;
        }
        assert_eq!(transactions.count().await, round - 1, "nobody waits for them");
        let events = house.handle.events(call.id, &user("alice")).await.unwrap();
        let seen = events.iter().filter(|event| event.event == "media_state_changed").count();
        assert_eq!(seen, toggled, "whoever asks sees all of them");
        assert_eq!(transactions.count().await, round, "they were written together");
    }
    house.handle.end(call.id, &user("alice"), None).await.unwrap();
    let page = house.handle.history(history_of("bob")).await.unwrap();
    assert_eq!(page.calls[0].status, CallStatus::Ended);
    transactions.0.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_no_more_records() {
    let directory = tempfile::tempdir().unwrap();
    let house = house(directory.path()).await;
    let call = house.call("alice", "bob").await;
    assert_eq!(house.store.call(call.id).await.unwrap(), None);
    let cancelled = house.handle.cancel(call.id, &user("alice")).await.unwrap();
    house.handle.shutdown().await;
    assert_eq!(house.store.call(call.id).await.unwrap(), Some(cancelled));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gathered_when_everyone_was_gone_is_the_next_starts() {
    let directory = tempfile::tempdir().unwrap();
    let House { handle, store, rooms, notices, media, .. } = house(directory.path()).await;
    let call = handle.initiate(support::request("alice", "bob")).await.unwrap();
    drop((handle, rooms, notices, media));
    support::wait_for_lock(directory.path()).await;
    let again = House::open(directory.path()).await;
    assert_eq!(store.call(call.id).await.unwrap().map(|call| call.id), Some(call.id));
    assert_eq!(again.handle.active_calls(&user("bob")).await[0].id, call.id);
}
