use livekit::{Join, RoomOptions};
use model::UserId;

use super::*;
use crate::media::{ConnectError, SignalLink};

/// A media side that writes down which rooms it was to open.
#[derive(Default)]
pub(crate) struct Opened(pub(crate) Mutex<Vec<RoomName>>);

#[async_trait::async_trait]
impl MediaPlane for Opened {
    async fn open_room(&self, room: RoomName, _: usize) {
        self.0.lock().unwrap().push(room);
    }
    async fn close_room(&self, _: &RoomName) {}
    async fn remove_participant(&self, _: &RoomName, _: &str) {}
    async fn connect(&self, _: RoomName, _: Join, _: Option<RoomOptions>) -> Result<SignalLink, ConnectError> {
        Err(ConnectError::Unavailable)
    }
    async fn rooms(&self) -> Vec<(RoomName, usize)> {
        Vec::new()
    }
}

fn call(n: u128) -> CallId {
    CallId(uuid::Uuid::from_u128(n))
}

fn user(n: usize) -> UserId {
    UserId::new(format!("user {n}")).unwrap()
}

fn open(n: u128) -> RoomAct {
    RoomAct::Open { call: call(n), max_participants: 9 }
}

fn hold(n: u128, who: usize, on: bool) -> RoomAct {
    RoomAct::Hold { call: call(n), user: user(who), on }
}

fn remove(n: u128, who: usize) -> RoomAct {
    RoomAct::Remove { call: call(n), user: user(who) }
}

fn mute(n: u128, who: usize) -> RoomAct {
    RoomAct::Mute { call: call(n), user: user(who), hard: false }
}

fn close(n: u128) -> RoomAct {
    RoomAct::Close { call: call(n) }
}

/// Carries out what waits, all of it in time.
async fn drain(lane: &Lane) -> Vec<RoomAct> {
    lane.queue().closed = true;
    let mut done = Vec::new();
    while let Some(act) = lane.next().await {
        done.push(act.clone());
        lane.done(act, true);
    }
    let queue = lane.queue();
    assert_eq!((queue.acts, queue.rooms.len()), (0, 0));
    done
}

#[tokio::test]
async fn what_was_not_done_in_time_is_tried_again_before_what_came_later_and_the_other_rooms_have_their_turns() {
    let lane = Lane::default();
    for act in [open(1), remove(1, 1), open(2)] {
        lane.push(act);
    }
    let first = lane.next().await.unwrap();
    assert_eq!(first, open(1));
    lane.push(hold(1, 2, true));
    assert!(lane.done(first, false));
    assert_eq!(drain(&lane).await, [open(2), open(1), remove(1, 1), hold(1, 2, true)]);
}

#[tokio::test]
async fn of_acts_that_undo_each_other_the_last_one_is_carried_out() {
    let lane = Lane::default();
    for act in [open(1), hold(1, 1, true), mute(1, 2), hold(1, 2, true), hold(1, 1, false), mute(1, 2), remove(1, 2)] {
        lane.push(act);
    }
    let first = lane.next().await.unwrap();
    lane.done(first, true);
    assert_eq!(drain(&lane).await, [hold(1, 2, true), hold(1, 1, false), remove(1, 2)]);

    let lane = Lane::default();
    lane.push(hold(1, 1, true));
    let first = lane.next().await.unwrap();
    lane.push(hold(1, 1, false));
    assert!(lane.done(first, false));
    assert_eq!(drain(&lane).await, [hold(1, 1, false)], "what is tried again would undo what came since");
}

#[tokio::test]
async fn a_call_that_is_over_leaves_no_more_than_its_end_and_whom_it_put_out() {
    let lane = Lane::default();
    let late = {
        lane.push(open(1));
        lane.next().await.unwrap()
    };
    for who in 0..50 {
        lane.push(hold(1, who, true));
        lane.push(mute(1, who));
    }
    lane.push(remove(1, 7));
    lane.push(close(1));
    assert!(lane.done(late, false));
    assert_eq!(lane.queue().acts, 2);
    assert_eq!(drain(&lane).await, [remove(1, 7), close(1)]);
}

#[tokio::test]
async fn what_waits_for_a_worker_is_bounded_and_ends_of_calls_come_last_to_be_given_up() {
    let lane = Lane::default();
    lane.push(open(0));
    let stuck = lane.next().await.unwrap();
    for n in 1..100_000 {
        lane.push(open(n));
    }
    assert_eq!(lane.queue().acts, SPARE);
    for n in 1..100_000 {
        lane.push(close(n));
    }
    {
        let queue = lane.queue();
        assert_eq!((queue.acts, queue.rooms.len()), (LANE, LANE));
        assert!(queue.turns.capacity() <= 2 * LANE);
    }
    lane.done(stuck, true);
    let done = drain(&lane).await;
    let closed = (1..LANE as u128).map(close).collect::<Vec<_>>();
    assert_eq!(done, closed, "in the order in which they were wanted");
}

#[tokio::test]
async fn nobody_waits_for_a_room_of_a_worker_that_is_known_to_be_stuck() {
    let lane = Lane::default();
    assert!(lane.when_idle(call(1)).is_none(), "nothing waits there");
    lane.push(open(1));
    let mut idle = lane.when_idle(call(1)).unwrap();
    let act = lane.next().await.unwrap();
    assert_eq!(idle.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    lane.done(act, true);
    assert_eq!(idle.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    lane.push(open(2));
    let act = lane.next().await.unwrap();
    lane.done(act, false);
    assert!(lane.when_idle(call(2)).is_none());
}
