//! A media worker that does nothing more: its calls' rooms wait for it, and nobody else does.

mod support;

use std::time::{Duration, Instant};

use call::CallSnapshot;
use model::{CallStatus, DeviceId, RoomName};
use support::{House, user};

/// Less than a lane waits for one act of a worker that is stuck, and far more than all that follows takes.
const AT_ONCE: Duration = Duration::from_secs(4);

/// A call that the next worker in turn gets.
async fn call(house: &mut House, n: usize) -> CallSnapshot {
    let (caller, callee) = (format!("caller {n}"), format!("callee {n}"));
    house.connect(&caller).await;
    house.connect(&callee).await;
    let call = house.call(&caller, &callee).await;
    house.next_for(&callee, "Incoming").await;
    call
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_up_neither_answers_nor_rings_and_does_in_order_what_it_missed_when_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut house = House::open_with_workers(directory.path(), 2).await;
    house.media.stick(Some(0));
    let begun = Instant::now();
    let mut calls = Vec::new();
    for n in 0..8 {
        let made = call(&mut house, n).await;
        let is_open = !house.media.asked_of(made.id).is_empty();
        assert_eq!(is_open, n % 2 == 1, "call {n}: the rooms of the worker that is well are open before the answer");
        let callee = user(&format!("callee {n}"));
        let admitted = house.handle.admit(&RoomName::from(made.id), callee.as_str()).await;
        assert_eq!(admitted, Ok(true), "who joins a room that is not open opens it");
        house.handle.accept(made.id, &callee, &DeviceId::unnamed()).await.unwrap();
        house.next_for(&format!("caller {n}"), "Accepted").await;
        calls.push(made);
    }
    for on in [true, false, true] {
        house.handle.hold(calls[0].id, &user("caller 0"), on).await.unwrap();
    }
    for made in &calls[2..] {
        let ended = house.handle.end(made.id, &made.initiator, None).await.unwrap();
        assert_eq!(ended.status, CallStatus::Ended);
    }
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    let closed = format!("close {}", calls[7].id);
    house.until("the other worker closes its rooms", async |house| house.media.asked().contains(&closed)).await;
    assert!(house.media.asked_of(calls[0].id).is_empty());

    house.media.stick(None);
    let last = format!("close {}", calls[6].id);
    house.until("what was missed is done", async |house| house.media.asked().contains(&last)).await;
    let held = async |house: &House| house.media.asked_of(calls[0].id).len() == 2;
    house.until("in the call that runs, too", held).await;
    assert_eq!(house.media.asked_of(calls[0].id), ["open  100", "hold caller 0 true in "]);
    for made in [&calls[2], &calls[4], &calls[6]] {
        assert_eq!(house.media.asked_of(made.id), ["close "], "a room whose call is over need not be opened");
    }
}
