//! A room as its worker holds it: the core, the WebSockets of its clients, who waits for its answers, and when it wants to
//! be woken.
//!
//! A panic of a room stops here, in [`guarded`], and nowhere else: the worker takes the room away and goes on with the
//! others.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use control::{Measured, MediaNotice, MediaNoticeKind, SignalFrame};
use livekit::{CascadeId, ConnectionId, RequestId, Room, RoomAnswer, RoomEvent, RoomRefusal};
use model::RoomName;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::{mpsc, oneshot};

use super::command::{Address, AskRefused, RoomKey};
use super::recording::Recorders;

/// A room on its worker.
pub struct Hosted {
    /// Its name.
    pub name: RoomName,
    /// Which room of its place this is.
    pub key: RoomKey,
    /// Where the room is at home: here, unless it is a shard.
    pub home: Address,
    /// The room is at home elsewhere.
    pub is_shard: bool,
    /// The workers that have had another shard of the room.
    pub shards: BTreeSet<usize>,
    /// The core.
    pub room: Room,
    /// Where its clients listen.
    pub links: Links,
    /// Whom the control plane believes to be in it.
    pub members: FxHashSet<String>,
    /// Who waits for the answer to a request.
    pub asked: Asked,
    /// The other ends of its cascades.
    pub cascades: FxHashMap<CascadeId, Address>,
    /// Who writes down what its recordings are told.
    pub recorders: Recorders,
    /// When the core wants to be woken.
    pub deadline: Option<Instant>,
    /// The earliest reminder in the worker's heap.
    pub reminded: Option<Instant>,
    /// Fed since it was last settled.
    pub dirty: bool,
    /// To be taken away once settled.
    pub over: bool,
    /// It panicked: to be buried.
    pub panicked: Option<Panicked>,
}

/// A room panicked, with this: nothing in it may be touched any more.
#[derive(Debug)]
pub struct Panicked(pub Box<dyn Any + Send>);

impl Hosted {
    /// A room that has just been made.
    pub fn new(now: Instant, name: RoomName, key: RoomKey, room: Room, home: Address) -> Self {
        Self {
            name,
            key,
            home,
            is_shard: false,
            shards: BTreeSet::new(),
            room,
            links: Links::default(),
            members: FxHashSet::default(),
            asked: Asked::default(),
            cascades: FxHashMap::default(),
            recorders: Recorders::new(now),
            deadline: None,
            reminded: None,
            dirty: false,
            over: false,
            panicked: None,
        }
    }

    /// What the control plane hears about a room's event; `None`: nothing.
    pub fn notice(&mut self, event: RoomEvent) -> Option<MediaNotice> {
        let (identity, kind) = match event {
            RoomEvent::Joined { identity, device, is_dependent } => {
                self.members.insert(identity.clone());
                (identity, MediaNoticeKind::Joined { device, is_dependent })
            }
            RoomEvent::Connected { identity } => (identity, MediaNoticeKind::Connected),
            RoomEvent::Left { identity, clean } => {
                self.members.remove(&identity);
                (identity, MediaNoticeKind::Left { clean })
            }
            RoomEvent::MediaState { identity, is_muted, is_video_enabled, is_screen_sharing } => {
                (identity, MediaNoticeKind::MediaState { is_muted, is_video_enabled, is_screen_sharing })
            }
            RoomEvent::Measured { identity, stats } => {
                let sfu::PeerStats { rtt, loss_up, loss_down, estimate, .. } = stats;
                (identity, MediaNoticeKind::Measured(Measured { rtt, loss_up, loss_down, estimate }))
            }
            RoomEvent::Empty => {
                self.over = true;
                return None;
            }
        };
        Some(MediaNotice { room: self.name.clone(), identity, kind })
    }

    /// What the control plane is told when the room is lost with everyone in it.
    pub fn everyone_lost(&mut self) -> Vec<MediaNotice> {
        let room = &self.name;
        let kind = MediaNoticeKind::Left { clean: false };
        let lost = |identity| MediaNotice { room: room.clone(), identity, kind: kind.clone() };
        self.members.drain().map(lost).collect()
    }
}

/// Runs a room's code; a panic in it is caught here, and logged by the panic hook.
pub fn guarded<T>(act: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(act)).map_err(Panicked)
}

/// Who waits for answers of a room.
#[derive(Debug, Default)]
pub struct Asked {
    last: u64,
    waiting: FxHashMap<RequestId, oneshot::Sender<Result<RoomAnswer, AskRefused>>>,
}

impl Asked {
    /// Somebody asks.
    pub fn wait(&mut self, reply: oneshot::Sender<Result<RoomAnswer, AskRefused>>) -> RequestId {
        self.last += 1;
        self.waiting.insert(RequestId(self.last), reply);
        RequestId(self.last)
    }

    /// The room answers. Whoever asked may have gone.
    pub fn answer(&mut self, id: RequestId, answer: Result<RoomAnswer, RoomRefusal>) {
        if let Some(reply) = self.waiting.remove(&id) {
            let _ = reply.send(answer.map_err(AskRefused::Refused));
        }
    }
}

/// The WebSockets of a room's clients.
#[derive(Debug, Default)]
pub struct Links {
    open: FxHashMap<ConnectionId, mpsc::Sender<SignalFrame>>,
    lost: Vec<ConnectionId>,
}

impl Links {
    /// A client listens.
    pub fn open(&mut self, connection: ConnectionId, responses: mpsc::Sender<SignalFrame>) {
        self.open.insert(connection, responses);
    }

    /// A client no longer listens; `false`: it was not known to.
    pub fn close(&mut self, connection: ConnectionId) -> bool {
        self.open.remove(&connection).is_some()
    }

    /// Sends to a client. One that does not keep up is cut off, and the room is to be told.
    pub fn send(&mut self, connection: ConnectionId, frame: SignalFrame) {
        let Some(responses) = self.open.get(&connection) else { return };
        let closes = matches!(frame, SignalFrame::Close(_));
        match responses.try_send(frame) {
            Ok(()) if closes => {
                self.open.remove(&connection);
            }
            Ok(()) => {}
            Err(_) => {
                self.open.remove(&connection);
                self.lost.push(connection);
            }
        }
    }

    /// Those cut off since the last time.
    pub fn take_lost(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.lost)
    }

    /// Closes all with a reason.
    pub fn close_all(&mut self, reason: &'static str) {
        for (_, responses) in self.open.drain() {
            // One that does not keep up learns by the closed channel.
            let _ = responses.try_send(SignalFrame::Close(reason));
        }
    }

    /// How many listen.
    pub fn len(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_does_not_keep_up_is_cut_off_and_reported_once() {
        let mut links = Links::default();
        let (responses, mut receiver) = mpsc::channel(2);
        links.open(ConnectionId(1), responses);
        for _ in 0..4 {
            links.send(ConnectionId(1), SignalFrame::Close("x"));
        }
        assert!(links.take_lost().is_empty(), "a close is the last frame");
        assert!(matches!(receiver.try_recv(), Ok(SignalFrame::Close("x"))));
        assert!(receiver.try_recv().is_err());

        let (responses, _receiver) = mpsc::channel(1);
        links.open(ConnectionId(2), responses);
        let message = || SignalFrame::Message(Box::default());
        (0..3).for_each(|_| links.send(ConnectionId(2), message()));
        assert_eq!(links.take_lost(), [ConnectionId(2)]);
        assert_eq!(links.len(), 0);
    }
}
