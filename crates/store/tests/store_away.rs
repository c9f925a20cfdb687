//! The database is locked by another process in the middle of a call. A file of its own: it counts what is logged.

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use control::{HistoryQuery, Store};
use model::{CallStatus, DeviceId};
use sqlx::{ConnectOptions, Connection, Executor};
use support::{House, user};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines(&self, with: &str) -> usize {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(with)).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_call_goes_on_and_its_events_are_written_when_the_store_is_back() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let directory = tempfile::tempdir().unwrap();
    let mut house = House::open(directory.path()).await;
    house.connect("alice").await;
    house.connect("bob").await;
    let call = house.call("alice", "bob").await;
    house.handle.events(call.id, &user("alice")).await.unwrap();
    let before = house.applied().await;

    let file = directory.path().join("stoa.db");
    let mut other = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    let started = Instant::now();
    house.handle.accept(call.id, &user("bob"), &DeviceId::unnamed()).await.unwrap();
    house.next_for("alice", "Accepted").await;
    house.in_room(call.id, "alice").await;
    house.in_room(call.id, "bob").await;
    for muted in 0..20 {
        let muted = Some(muted % 2 == 0);
        house.handle.set_media_state(call.id, &user("bob"), muted, None, None, None).await.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(1), "nobody waited for the store: {:?}", started.elapsed());
    // Long enough for several attempts.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let second = house.call("carol", "dave").await;
    let ended = house.handle.end(call.id, &user("alice"), None).await.unwrap();
    assert_eq!(ended.status, CallStatus::Ended);
    assert_eq!(house.applied().await, before, "nothing could be written");
    assert_eq!(log.lines("cannot write to the store"), 1, "said once a minute");
    // Reading still works, and does not wait for what cannot come.
    let asked = Instant::now();
    assert_eq!(house.handle.call(call.id, &user("bob")).await.unwrap(), ended);
    house.handle.events(call.id, &user("bob")).await.unwrap();
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());

    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    let written = async |house: &House| house.store.call(call.id).await.unwrap() == Some(ended.clone());
    house.until("the call is in the store", written).await;
    assert_eq!(log.lines("the store works again"), 1);
    let events = house.handle.events(call.id, &user("bob")).await.unwrap();
    let toggles = events.iter().filter(|event| event.event == "media_state_changed");
    let muted: Vec<bool> = toggles.map(|event| event.payload["isMuted"].as_bool().unwrap()).collect();
    assert_eq!(muted, (0..20).map(|n| n % 2 == 0).collect::<Vec<_>>(), "all of them, in order, once");
    assert!(events.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(events.last().unwrap().event, "ended");
    let page =
        HistoryQuery { user: user("dave"), statuses: Vec::new(), channel: None, with: None, before: None, limit: 10 };
    assert_eq!(house.handle.history(page).await.unwrap().calls, [second], "a call that began meanwhile is there too");
}
