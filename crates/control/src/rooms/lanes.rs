//! What the switchboard wants of rooms, on its way to the media workers: one lane for each worker.
//!
//! Handing an act over never waits. A worker that does not answer holds up its own lane and nobody else's, and within the lane its rooms
//! take turns, so that one bad room does not hold up the worker's others. What a worker did not do in time stays and is
//! tried again: in a room, everything is done in the order in which it was wanted, however long that takes.
//!
//! Acts say how a room is to be, so doing one twice does no harm, and a later one makes some earlier ones needless. That
//! bounds what can wait for a room; [`LANE`] bounds what can wait for a worker.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use call::{Answer, RoomAct};
use model::{CallId, RoomName};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use super::perform;
use crate::handle::ControlError;
use crate::log_throttle::LogThrottle;
use crate::media::{MediaPlane, RecordingNotice};
use crate::switchboard_thread::Reply;

/// Acts that may wait for one worker: a few megabytes, and more than a server's calls want of a worker within minutes.
const LANE: usize = 16_384;
/// From here on, an act is given up if nothing is lost with it: a room that is not open is opened by whoever joins it, and the call
/// itself keeps a hard mute. The other half is for those who have to leave, holds, and the ends of calls.
const SPARE: usize = LANE / 2;
/// How long a worker may take over one act before the next room in its lane has its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an answer waits for its room. Usually a room is open within a millisecond, and a backend that asks for it right after the
/// answer finds it. With a worker that is stuck, the answer goes out all the same: joining opens the room, too.
const OPENING: Duration = Duration::from_millis(250);

/// Refused recordings that may wait to be heard; a lane waits where there are more.
const REFUSED: usize = 64;

/// The lanes of all workers.
pub(crate) struct Rooms {
    media: Arc<dyn MediaPlane>,
    lanes: Vec<Arc<Lane>>,
    runtime: tokio::runtime::Handle,
}

impl Rooms {
    /// Starts a lane for each worker. They end when this is gone and they are empty. Also gives what the media side refuses to record.
    pub(crate) fn start(media: Arc<dyn MediaPlane>) -> (Arc<Self>, mpsc::Receiver<RecordingNotice>) {
        let (refused, refusals) = mpsc::channel(REFUSED);
        let lanes: Vec<Arc<Lane>> = (0..media.worker_count().max(1)).map(|_| Arc::default()).collect();
        for (worker, lane) in lanes.iter().enumerate() {
            tokio::spawn(run(worker, Arc::clone(lane), Arc::clone(&media), refused.clone()));
        }
        (Arc::new(Self { media, lanes, runtime: tokio::runtime::Handle::current() }), refusals)
    }

    /// Takes an act to be carried out after what was wanted of its room before.
    pub(crate) fn carry_out(&self, act: RoomAct) {
        let room = RoomName::from(call_of(&act));
        let worker = match &act {
            // Where the room is gone, the media side says that it cannot be recorded.
            RoomAct::Open { .. } | RoomAct::Record { .. } => Some(self.media.place(&room)),
            // The call core mutes for as long as it takes, and there is nothing in the room to lift.
            RoomAct::LiftMute { .. } => None,
            RoomAct::Remove { .. }
            | RoomAct::Mute { .. }
            | RoomAct::Hold { .. }
            | RoomAct::PauseRecording { .. }
            | RoomAct::ResumeRecording { .. }
            | RoomAct::StopRecording { .. }
            | RoomAct::MarkRecorded { .. }
            | RoomAct::Close { .. } => self.media.worker_of(&room),
        };
        // A room that nobody has is closed, and empty.
        if let Some(lane) = worker.and_then(|worker| self.lanes.get(worker)) {
            lane.push(act);
        }
    }

    /// Answers when the room is as the call wants it, or soon.
    pub(crate) fn answer(&self, call: CallId, reply: Reply, answer: Result<Answer, ControlError>) {
        let lane = self.media.worker_of(&RoomName::from(call)).and_then(|worker| self.lanes.get(worker));
        match lane.and_then(|lane| lane.when_idle(call)) {
            None => drop(reply.send(answer)),
            Some(idle) => drop(self.runtime.spawn(async move {
                drop(timeout(OPENING, idle).await);
                drop(reply.send(answer));
            })),
        }
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        for lane in &self.lanes {
            lane.queue().closed = true;
            lane.more.notify_one();
        }
    }
}

/// What waits for one worker.
#[derive(Default)]
struct Lane {
    queue: Mutex<Queue>,
    more: Notify,
}

#[derive(Default)]
struct Queue {
    /// Rooms with something to do, in the order of their turns. The one that has its turn is not among them.
    turns: VecDeque<CallId>,
    rooms: HashMap<CallId, Waiting>,
    /// Acts in all rooms, the one that is being carried out included.
    acts: usize,
    /// The last act was not carried out in time.
    stuck: bool,
    given_up: LogThrottle,
    closed: bool,
}

/// What waits in one room.
#[derive(Default)]
struct Waiting {
    acts: VecDeque<RoomAct>,
    /// Dropped when all is done.
    idle: Vec<oneshot::Sender<()>>,
}

impl Lane {
    fn push(&self, act: RoomAct) {
        let mut queue = self.queue();
        let call = call_of(&act);
        let needless = queue.rooms.get_mut(&call).map_or(0, |waiting| {
            let before = waiting.acts.len();
            waiting.acts.retain(|earlier| !makes_needless(&act, earlier));
            before - waiting.acts.len()
        });
        queue.acts -= needless;
        let most = if is_spare(&act) { SPARE } else { LANE };
        if needless == 0 && queue.acts >= most {
            let waiting = queue.acts;
            if queue.given_up.due() {
                tracing::error!(
                    ?act,
                    waiting,
                    "gave up what a call wants of its room: too much waits for the media worker"
                );
            }
            return;
        }
        queue.acts += 1;
        if !queue.rooms.contains_key(&call) {
            queue.turns.push_back(call);
        }
        queue.rooms.entry(call).or_default().acts.push_back(act);
        drop(queue);
        self.more.notify_one();
    }

    /// Ends when all that waits in a room now is done. `None`: nothing does, or it may take long.
    fn when_idle(&self, call: CallId) -> Option<oneshot::Receiver<()>> {
        let mut queue = self.queue();
        if queue.stuck {
            return None;
        }
        let (tell, idle) = oneshot::channel();
        queue.rooms.get_mut(&call)?.idle.push(tell);
        Some(idle)
    }

    /// The next act, which is to be followed by [`Lane::done`]; `None`: there are no more, and there will be none.
    async fn next(&self) -> Option<RoomAct> {
        loop {
            {
                let mut queue = self.queue();
                if let Some(call) = queue.turns.pop_front() {
                    let waiting = queue.rooms.get_mut(&call).expect("a room that has turns has acts");
                    return Some(waiting.acts.pop_front().expect("a room that has turns has acts"));
                }
                if queue.closed {
                    return None;
                }
            }
            self.more.notified().await;
        }
    }

    /// The act was carried out, or has to be tried again when its room has its next turn. False: nobody cares any more.
    fn done(&self, act: RoomAct, in_time: bool) -> bool {
        let mut queue = self.queue();
        let call = call_of(&act);
        let waiting = queue.rooms.get_mut(&call).expect("a room stays while it has its turn");
        let again = !in_time && !waiting.acts.iter().any(|later| makes_needless(later, &act));
        if again {
            waiting.acts.push_front(act);
        }
        let is_empty = waiting.acts.is_empty();
        if is_empty {
            queue.rooms.remove(&call);
        } else {
            queue.turns.push_back(call);
        }
        queue.acts -= usize::from(!again);
        queue.stuck = !in_time;
        in_time || !queue.closed
    }

    /// Plain data: a panic elsewhere cannot have left it half changed.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries out what comes along a lane.
async fn run(worker: usize, lane: Arc<Lane>, media: Arc<dyn MediaPlane>, refused: mpsc::Sender<RecordingNotice>) {
    let mut log = LogThrottle::default();
    while let Some(act) = lane.next().await {
        let done = timeout(PATIENCE, perform(&*media, &act)).await;
        let in_time = done.is_ok();
        if let Ok(Some(failed)) = done {
            // The listener is gone only where the server stops.
            drop(refused.send(failed).await);
        }
        if in_time {
            if log.reset() {
                tracing::info!(worker, "the media worker does what calls want of its rooms again");
            }
        } else if log.due() {
            let waiting = lane.queue().acts;
            tracing::warn!(
                worker,
                ?act,
                waiting,
                "a media worker does not do what calls want of its rooms; it is tried again"
            );
        }
        if !lane.done(act, in_time) {
            return;
        }
    }
}

/// Whether an act that waits need not be carried out any more, because a later one follows it.
fn makes_needless(later: &RoomAct, earlier: &RoomAct) -> bool {
    match (later, earlier) {
        // Who is put out is told that, and not that the room is gone.
        // And a recording is finished before its room goes.
        (RoomAct::Close { .. }, earlier) => {
            !matches!(earlier, RoomAct::Remove { .. } | RoomAct::Record { .. } | RoomAct::StopRecording { .. })
        }
        (RoomAct::Open { .. }, RoomAct::Open { .. }) => true,
        (RoomAct::Remove { user, .. }, RoomAct::Remove { user: same, .. } | RoomAct::Mute { user: same, .. }) => {
            user == same
        }
        (RoomAct::Mute { user, .. }, RoomAct::Mute { user: same, .. }) => user == same,
        (RoomAct::Hold { user, .. }, RoomAct::Hold { user: same, .. }) => user == same,
        (
            RoomAct::StopRecording { id, .. },
            RoomAct::PauseRecording { id: same, .. } | RoomAct::ResumeRecording { id: same, .. },
        ) => id == same,
        (
            RoomAct::PauseRecording { id, .. } | RoomAct::ResumeRecording { id, .. },
            RoomAct::PauseRecording { id: same, .. } | RoomAct::ResumeRecording { id: same, .. },
        ) => id == same,
        (RoomAct::MarkRecorded { .. }, RoomAct::MarkRecorded { .. }) => true,
        (
            RoomAct::Open { .. }
            | RoomAct::Record { .. }
            | RoomAct::PauseRecording { .. }
            | RoomAct::ResumeRecording { .. }
            | RoomAct::StopRecording { .. }
            | RoomAct::MarkRecorded { .. }
            | RoomAct::Remove { .. }
            | RoomAct::Mute { .. }
            | RoomAct::LiftMute { .. }
            | RoomAct::Hold { .. },
            _,
        ) => false,
    }
}

/// Whether nothing is lost with an act that is given up.
fn is_spare(act: &RoomAct) -> bool {
    match act {
        RoomAct::Open { .. } | RoomAct::Mute { .. } | RoomAct::LiftMute { .. } => true,
        RoomAct::Remove { .. }
        | RoomAct::Hold { .. }
        | RoomAct::Record { .. }
        | RoomAct::PauseRecording { .. }
        | RoomAct::ResumeRecording { .. }
        | RoomAct::StopRecording { .. }
        | RoomAct::MarkRecorded { .. }
        | RoomAct::Close { .. } => false,
    }
}

fn call_of(act: &RoomAct) -> CallId {
    match act {
        RoomAct::Open { call, .. }
        | RoomAct::Remove { call, .. }
        | RoomAct::Mute { call, .. }
        | RoomAct::LiftMute { call, .. }
        | RoomAct::Hold { call, .. }
        | RoomAct::Record { call, .. }
        | RoomAct::PauseRecording { call, .. }
        | RoomAct::ResumeRecording { call, .. }
        | RoomAct::StopRecording { call, .. }
        | RoomAct::MarkRecorded { call, .. }
        | RoomAct::Close { call } => *call,
    }
}

#[cfg(test)]
pub(crate) mod tests;
