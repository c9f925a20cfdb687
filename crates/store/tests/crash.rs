//! The process dies without a word. What it had acknowledged is there afterwards.

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use control::Store;
use model::{CallId, CallStatus, DeviceId, EndReason, ParticipantStatus};
use sqlx::{ConnectOptions, Executor};
use support::{House, put_into_journal, user, wait_for_lock};

const FOLDER: &str = "STOA_TEST_CRASH_FOLDER";

/// Run by the tests below in a process of its own, to be killed: makes calls and prints each one that was acknowledged.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other half of a test"]
async fn makes_calls_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let house = House::open(Path::new(&folder)).await;
    house.connect("bob").await;
    loop {
        let call = house.call("alice", "bob").await;
        println!("\nringing {}", call.id);
        house.handle.accept(call.id, &user("bob"), &DeviceId::unnamed()).await.unwrap();
        println!("\nconnecting {}", call.id);
        house.handle.end(call.id, &user("bob"), None).await.unwrap();
        println!("\nended {}", call.id);
    }
}

fn spawn(folder: &Path) -> (std::process::Child, impl Iterator<Item = (CallStatus, CallId)>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "makes_calls_until_it_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let acknowledged = lines.map_while(Result::ok).filter_map(|line| {
        let (status, id) = line.split_once(' ')?;
        Some((status.parse().ok()?, id.parse().ok()?))
    });
    (child, acknowledged)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill_with_the_store_away() {
    let directory = tempfile::tempdir().unwrap();
    let (mut child, mut acknowledged) = spawn(directory.path());
    let mut known: Vec<(CallStatus, CallId)> = acknowledged.by_ref().take(30).collect();
    // From here on nothing reaches the store: it is the journal alone that keeps it.
    let file = directory.path().join("stoa.db");
    let mut other = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&file)
        .busy_timeout(std::time::Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    known.extend(acknowledged.by_ref().take(120));
    child.kill().unwrap();
    child.wait().unwrap();
    // What it still said before it died counts too.
    known.extend(acknowledged);
    drop(other);

    let house = House::open(directory.path()).await;
    let mut last = std::collections::BTreeMap::new();
    for (status, id) in &known {
        last.insert(*id, *status);
    }
    assert!(last.len() >= 50, "{}", last.len());
    for (id, status) in last {
        let found = house.store.call(id).await.unwrap().unwrap_or_else(|| panic!("{id} is lost"));
        // It may have gone further than was said; never less far.
        assert!(found.status >= status, "{id}: {} was acknowledged, {} is stored", status, found.status);
        let events = house.store.events(id).await.unwrap();
        assert_eq!(events[0].event, "initiated");
        assert!(events.is_sorted_by(|a, b| a.id < b.id));
    }
    assert!(house.media.asked().iter().all(|act| act.starts_with("open") || act.starts_with("close")));
}

#[tokio::test]
async fn a_running_call_waits_for_its_participants_and_then_fails() {
    let directory = tempfile::tempdir().unwrap();
    let short = |settings: &mut control::Settings| {
        settings.call.reconnect_window = std::time::Duration::from_millis(600);
    };
    let call = {
        let house = House::open(directory.path()).await;
        house.connect("bob").await;
        let call = house.call("alice", "bob").await;
        house.handle.accept(call.id, &user("bob"), &DeviceId::unnamed()).await.unwrap();
        house.in_room(call.id, "alice").await;
        house.in_room(call.id, "bob").await;
        let connected = async |house: &House| {
            house.handle.call(call.id, &user("bob")).await.unwrap().status == CallStatus::Connected
        };
        house.until("connected", connected).await;
        call
        // Dropped, not shut down.
    };
    wait_for_lock(directory.path()).await;
    let house = House::open_with(directory.path(), short).await;
    let back = house.handle.call(call.id, &user("alice")).await.unwrap();
    assert_eq!(back.status, CallStatus::Connected);
    assert!(back.participants.iter().all(|part| part.status == ParticipantStatus::Disconnected), "{back:?}");
    let opened = format!("open {} 100", call.id);
    house.until("its room is open again", async |house| house.media.asked().contains(&opened)).await;
    let over = async |house: &House| house.handle.call(call.id, &user("alice")).await.unwrap().status.is_over();
    house.until("given up", over).await;
    let over = house.handle.call(call.id, &user("alice")).await.unwrap();
    assert_eq!((over.status, over.end_reason), (CallStatus::Failed, Some(EndReason::ServerFailure)));
    let seen = house.store.events(call.id).await.unwrap();
    let ran_until = seen.iter().rev().find(|event| !["restored", "ended"].contains(&event.event.as_str())).unwrap().at;
    assert_eq!(over.ended_at, Some(ran_until), "it counts as over at the last moment it is known to have run");
}

#[tokio::test]
async fn a_torn_journal_does_not_keep_the_server_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    let call = {
        let house = House::open(directory.path()).await;
        let call = house.call("alice", "bob").await;
        house.handle.shutdown().await;
        call
    };
    wait_for_lock(directory.path()).await;
    let mut segments: Vec<_> = std::fs::read_dir(directory.path().join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "journal"))
        .collect();
    segments.sort();
    let mut file = std::fs::OpenOptions::new().append(true).open(segments.last().unwrap()).unwrap();
    std::io::Write::write_all(&mut file, b"0badc0de {\"sequence\":99,\"record\":{\"at\":17").unwrap();
    let house = House::open(directory.path()).await;
    assert_eq!(house.handle.call(call.id, &user("bob")).await.unwrap().id, call.id);
    let ended = house.handle.cancel(call.id, &user("alice")).await.unwrap();
    let stored = async |house: &House| house.store.call(call.id).await.unwrap() == Some(ended.clone());
    house.until("the end is stored", stored).await;
}

#[tokio::test]
async fn a_record_that_the_store_never_takes_is_put_aside_and_holds_up_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let calls = {
        let house = House::open(directory.path()).await;
        let calls = [house.call("alice", "bob").await, house.call("carol", "dave").await];
        house.handle.shutdown().await;
        calls
    };
    wait_for_lock(directory.path()).await;
    // Two records of which the schema refuses the first: a call that is over without an end.
    let bad = call::CallSnapshot { status: CallStatus::Ended, ..calls[0].clone() };
    let good = call::CallSnapshot { metadata: serde_json::json!("later"), ..calls[1].clone() };
    put_into_journal(directory.path(), &[(1_000, &bad), (1_001, &good)]);

    let house = House::open(directory.path()).await;
    assert_eq!(house.store.call(good.id).await.unwrap().unwrap().metadata, good.metadata);
    let aside = std::fs::read_to_string(directory.path().join("journal/refused.jsonl")).unwrap();
    assert_eq!(aside.lines().filter(|line| !line.is_empty()).count(), 1);
    assert!(aside.contains(&bad.id.to_string()));
    let next = house.call("erin", "frank").await;
    house.handle.history(support::history_of("erin")).await.unwrap();
    assert_eq!(house.store.call(next.id).await.unwrap(), Some(next));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_transitions() {
    const CALLERS: usize = 100;
    const TRANSITIONS: usize = 10_000;
    let directory = tempfile::tempdir().unwrap();
    let house = std::sync::Arc::new(House::open(directory.path()).await);
    house.connect("bob").await;
    let started = Instant::now();
    let callers = (0..CALLERS).map(|n| {
        let house = std::sync::Arc::clone(&house);
        tokio::spawn(async move {
            let caller = format!("caller {n}");
            // Two records to make it ring or not, one each for a toggle, one or two for its end.
            let call = house.call(&caller, &format!("callee {n}")).await;
            for toggle in 0..TRANSITIONS / CALLERS {
                let muted = Some(toggle % 2 == 0);
                house.handle.set_media_state(call.id, &user(&caller), muted, None, None, None).await.unwrap();
            }
            house.handle.cancel(call.id, &user(&caller)).await.unwrap();
            call.id
        })
    });
    let mut calls = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        calls.push(caller.await.unwrap());
    }
    let acknowledged = started.elapsed();
    house.handle.shutdown().await;
    let stored = started.elapsed();
    let applied = house.applied().await;
    println!(
        "{applied} transitions: durable and answered in {acknowledged:?} ({:.0}/s), in the store in {stored:?} ({:.0}/s)",
        applied as f64 / acknowledged.as_secs_f64(),
        applied as f64 / stored.as_secs_f64(),
    );
    assert!(applied >= TRANSITIONS as u64);
    for id in calls {
        assert_eq!(house.store.call(id).await.unwrap().unwrap().status, CallStatus::Cancelled);
    }
}
