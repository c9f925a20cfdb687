//! What is said and done when the store's or the journal's files are in trouble, and what becomes of records that the store refuses.

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control::{Cause, Disk, Part, Replay, Store};
use model::{CallStatus, ErrorCode};
use sqlx::{ConnectOptions, Connection, Executor};
use support::{House, put_into_journal, wait_for_lock};

async fn told(house: &House, part: Part, cause: Cause) {
    let told = async |house: &House| {
        house.handle.troubles().iter().any(|trouble| trouble.part == part && trouble.cause == cause)
    };
    house.until(&format!("{part:?} {cause:?} is told"), told).await;
}

async fn well(house: &House) {
    house.until("all is well", async |house| house.handle.troubles().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_moved_away_takes_nothing_until_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    let first = house.call("alice", "bob").await;
    house.handle.history(support::history_of("alice")).await.unwrap();
    let (there, away) = (directory.path().join("stoa.db"), directory.path().join("away.db"));
    fs::rename(&there, &away).unwrap();
    // Nothing is on its way to it, and still it is noticed.
    told(&house, Part::Store, Cause::Replaced).await;
    let patch = control::UserPatch { name: Some("Alice".to_owned()), ..control::UserPatch::default() };
    let refused = house.handle.upsert_user(&support::user("alice"), patch.clone()).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unavailable);
    // Nor is another one in its place taken for it.
    fs::write(&there, "").unwrap();
    let refused = house.handle.upsert_user(&support::user("alice"), patch.clone()).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unavailable);
    assert_eq!(fs::metadata(&there).unwrap().len(), 0);
    let second = house.call("carol", "dave").await;
    fs::rename(&away, &there).unwrap();
    well(&house).await;
    house.handle.upsert_user(&support::user("alice"), patch).await.unwrap();
    for call in [first, second] {
        let stored = async |house: &House| house.store.call(call.id).await.unwrap().is_some();
        house.until("it is stored", stored).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_folder_that_was_moved_away_is_told_and_new_calls_are_refused_until_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    house.connect("bob").await;
    let call = house.call("alice", "bob").await;
    let (there, away) = (directory.path().join("journal"), directory.path().join("away"));
    fs::rename(&there, &away).unwrap();
    let refused = house.handle.initiate(support::request("carol", "dave")).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unavailable);
    told(&house, Part::Journal, Cause::Replaced).await;
    house.handle.accept(call.id, &support::user("bob"), &model::DeviceId::unnamed()).await.unwrap();
    fs::rename(&away, &there).unwrap();
    well(&house).await;
    house.call("carol", "dave").await;
    let accepted =
        async |house: &House| house.store.events(call.id).await.unwrap().iter().any(|event| event.event == "accepted");
    house.until("what happened meanwhile is stored", accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_told_and_nothing_is_put_aside() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    let call = house.call("alice", "bob").await;
    house.handle.history(support::history_of("alice")).await.unwrap();
    let before = house.applied().await;
    // A table that is not there is a fault of the schema, not of the record.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.path().join("stoa.db"));
    let mut other = options.connect().await.unwrap();
    other.execute("ALTER TABLE call_events RENAME TO gone").await.unwrap();
    house.handle.cancel(call.id, &support::user("alice")).await.unwrap();
    told(&house, Part::Store, Cause::Fault).await;
    house.call("carol", "dave").await;
    assert_eq!(house.applied().await, before);
    other.execute("ALTER TABLE gone RENAME TO call_events").await.unwrap();
    other.close().await.unwrap();
    well(&house).await;
    assert_eq!(house.store.events(call.id).await.unwrap().last().unwrap().event, "ended");
    assert!(!directory.path().join("journal/refused.jsonl").exists());
}

/// The disk is full for whatever is put aside.
#[derive(Default)]
struct NoRoomAside(std::sync::atomic::AtomicBool);

impl Disk for NoRoomAside {
    fn append(&self, path: &Path) -> std::io::Result<fs::File> {
        if self.0.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        control::LocalDisk.append(path)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_aside_is_gone_past_by_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(NoRoomAside::default());
    let house = House::open_on(directory.path(), Arc::clone(&disk) as _).await;
    let call = house.call("alice", "bob").await;
    house.handle.history(support::history_of("alice")).await.unwrap();
    let before = house.applied().await;
    disk.0.store(true, std::sync::atomic::Ordering::SeqCst);
    // A rule of the schema that no end of a call keeps.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.path().join("stoa.db"));
    let mut other = options.connect().await.unwrap();
    other
        .execute("CREATE TRIGGER no BEFORE INSERT ON call_events WHEN NEW.event = 'ended' BEGIN SELECT RAISE(ABORT, 'no'); END")
        .await
        .unwrap();
    house.handle.cancel(call.id, &support::user("alice")).await.unwrap();
    told(&house, Part::Store, Cause::Full).await;
    let next = house.call("carol", "dave").await;
    assert_eq!(house.applied().await, before);

    disk.0.store(false, std::sync::atomic::Ordering::SeqCst);
    well(&house).await;
    assert!(house.store.call(next.id).await.unwrap().is_some());
    let aside = directory.path().join("journal/refused.jsonl");
    let text = fs::read_to_string(&aside).unwrap();
    assert_eq!(text.lines().filter(|line| !line.is_empty()).count(), 1, "{text}");
    assert!(text.contains("\"reason\""), "{text}");

    let folder = directory.path().join("journal");
    let mut heard = Vec::new();
    let again = control::replay_refused(&folder, &house.store, |so_far| heard.push(so_far)).await.unwrap();
    assert_eq!(again, Replay { found: 1, refused: 1, ..Replay::default() });
    assert_eq!(heard, [again]);
    assert!(fs::read_to_string(&aside).unwrap().contains(&call.id.to_string()), "it stays");
    other.execute("DROP TRIGGER no").await.unwrap();
    let taken = control::replay_refused(&folder, &house.store, |_| {}).await.unwrap();
    assert_eq!(taken, Replay { found: 1, taken: 1, ..Replay::default() });
    assert!(!aside.exists());
    assert_eq!(house.store.call(call.id).await.unwrap().unwrap().status, CallStatus::Cancelled);
    let events: Vec<String> = house.store.events(call.id).await.unwrap().into_iter().map(|event| event.event).collect();
    assert_eq!(events, ["initiated", "ended"]);
    assert_eq!(control::replay_refused(&folder, &house.store, |_| {}).await.unwrap(), Replay::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_on_a_refused_record_is_whole_even_if_only_the_next_start_stores_it() {
    let directory = tempfile::tempdir().unwrap();
    let bob = support::user("bob");
    let call = {
        // Nothing is stored until someone reads.
        let house = House::open_with(directory.path(), |settings| settings.linger = Duration::from_secs(3_600)).await;
        house.connect("bob").await;
        let call = house.call("alice", "bob").await;
        house.handle.accept(call.id, &bob, &model::DeviceId::unnamed()).await.unwrap();
        house.handle.hold(call.id, &bob, true).await.unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.path().join("stoa.db"));
        let mut other = options.connect().await.unwrap();
        other
            .execute("CREATE TRIGGER no BEFORE INSERT ON call_events WHEN NEW.event = 'held' BEGIN SELECT RAISE(ABORT, 'no'); END")
            .await
            .unwrap();
        other.close().await.unwrap();
        house.handle.history(support::history_of("alice")).await.unwrap();
        assert!(directory.path().join("journal/refused.jsonl").exists());
        assert!(!house.store.call(call.id).await.unwrap().unwrap().participant(&bob).unwrap().is_on_hold);
        house.handle.set_media_state(call.id, &bob, Some(true), None, None, None).await.unwrap();
        call
    };
    wait_for_lock(directory.path()).await;
    let house = House::open(directory.path()).await;
    let back = house.handle.call(call.id, &bob).await.unwrap();
    let part = back.participant(&bob).unwrap();
    assert!(part.is_on_hold && part.is_muted, "{part:?}");
    let events: Vec<String> = house.store.events(call.id).await.unwrap().into_iter().map(|event| event.event).collect();
    assert!(events.contains(&"media_state_changed".to_owned()) && !events.contains(&"held".to_owned()), "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_is_put_aside_once_whatever_comes_between_and_replayed_behind_what_came_since() {
    let directory = tempfile::tempdir().unwrap();
    let call = {
        let house = House::open(directory.path()).await;
        let call = house.call("alice", "bob").await;
        house.handle.shutdown().await;
        call
    };
    wait_for_lock(directory.path()).await;
    // The newest state of the call is good; one before it, and the very last record, are not.
    let bad = call::CallSnapshot { status: CallStatus::Ended, ..call.clone() };
    let good = call::CallSnapshot { metadata: serde_json::json!("newest"), ..call.clone() };
    put_into_journal(directory.path(), &[(1_000, &bad), (1_001, &good), (1_002, &bad)]);
    for start in 0..3 {
        let house = House::open(directory.path()).await;
        assert!(house.applied().await >= 1_002, "start {start}");
        house.handle.shutdown().await;
        drop(house);
        wait_for_lock(directory.path()).await;
    }
    let aside = directory.path().join("journal/refused.jsonl");
    let lines: Vec<String> =
        fs::read_to_string(&aside).unwrap().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "no start meets it again: {lines:#?}");
    // By the time of the replay what was wrong with the first is mended, and it came twice; a torn line is in between.
    let mended = lines[0].replacen("\"ended\"", "\"ringing\"", 1);
    fs::write(&aside, format!("{mended}\n{}\n{mended}\n", &lines[1][..40])).unwrap();
    let store = store::open(directory.path().join("stoa.db")).await.unwrap();
    let done = control::replay_refused(&directory.path().join("journal"), &store, |_| {}).await.unwrap();
    assert_eq!(done, Replay { found: 1, taken: 1, unreadable: 1, ..Replay::default() });
    let newest = store.call(call.id).await.unwrap().unwrap();
    assert_eq!(newest.metadata, good.metadata, "what is known since is not undone");
    assert!(store.events(call.id).await.unwrap().iter().any(|event| event.id == 1_000));
    assert_eq!(fs::read_to_string(&aside).unwrap().trim(), &lines[1][..40], "what cannot be read stays");
}
