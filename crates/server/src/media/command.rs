//! What a worker can be asked to do, and the handle for asking it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use control::{ConnectError, SignalFrame};
use livekit::{
    CascadeId, CascadeMessage, ConnectionId, Join, RoomAnswer, RoomOptions, RoomRefusal, RoomRequest, ShardMessage,
    SignalRequest, proto,
};
use model::{RecordingId, RecordingSpec, RoomName};
use tokio::sync::{mpsc, oneshot};

use super::tcp::Accepted;
use crate::bridge::Outlet;

/// Commands that may wait for a worker; askers wait beyond.
pub const COMMANDS: usize = 4_096;

/// A room of a worker, for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoomKey {
    /// Its place.
    pub slot: usize,
    /// Which of the rooms that have had the place.
    pub generation: u64,
}

/// One input of a worker.
#[derive(Debug)]
pub enum Command {
    /// Open a room where there is none.
    Open {
        /// Its name.
        room: RoomName,
        /// 0: no limit.
        max_participants: usize,
    },
    /// Delete a room.
    Close {
        /// Its name.
        room: RoomName,
    },
    /// Put a participant out.
    Remove {
        /// The room.
        room: RoomName,
        /// Identity of the participant.
        identity: String,
    },
    /// Something about a recording.
    Record {
        /// The room.
        room: RoomName,
        /// What.
        act: RecordAct,
    },
    /// Ask a room what a backend wants to know or have done.
    Ask(Box<Ask>),
    /// Where a room is on its worker.
    Locate {
        /// Its name.
        room: RoomName,
        /// Open it where there is none.
        create: bool,
        /// The result.
        reply: oneshot::Sender<Result<RoomKey, AskRefused>>,
    },
    /// One end of a cascade is to be set up.
    OpenCascade(Box<OpenCascade>),
    /// What rooms say to rooms of this worker.
    Parcels(Vec<Parcel>),
    /// The rooms as LiveKit describes them.
    Describe(oneshot::Sender<Vec<proto::Room>>),
    /// Connect a client.
    Connect(Box<Connect>),
    /// A message of a client.
    Signal {
        /// The client's room.
        room: RoomKey,
        /// The client's WebSocket.
        connection: ConnectionId,
        /// The message.
        message: Box<SignalRequest>,
    },
    /// A client's WebSocket is gone.
    Disconnected {
        /// The client's room.
        room: RoomKey,
        /// The client's WebSocket.
        connection: ConnectionId,
    },
    /// A TCP connection whose first frame names a peer of this worker.
    Tcp(Box<Accepted>),
    /// Names of the rooms, with the participants in each.
    Rooms(oneshot::Sender<Vec<(RoomName, usize)>>),
    /// Tell everyone and stop.
    Stop(oneshot::Sender<()>),
}

/// What is wanted of a recording.
#[derive(Debug, Clone)]
pub enum RecordAct {
    /// Begin it, or go on with it; of one that runs, change whom it takes in.
    Start(RecordingSpec),
    /// Take nothing in for now.
    Pause(RecordingId),
    /// Take in again.
    Resume(RecordingId),
    /// End it.
    Stop(RecordingId),
}

/// A client that wants in.
#[derive(Debug)]
pub struct Connect {
    /// The room it wants into.
    pub room: RoomName,
    /// The client's token and what it can do.
    pub join: Join,
    /// Where the room is at home, if this worker is to have another shard of it. `None`: at this worker.
    pub home: Option<Address>,
    /// Open the room so where there is none.
    pub create: Option<RoomOptions>,
    /// To its WebSocket.
    pub responses: mpsc::Sender<SignalFrame>,
    /// The result.
    pub reply: oneshot::Sender<Result<(RoomKey, ConnectionId), ConnectRefused>>,
}

/// A request to a room.
#[derive(Debug)]
pub struct Ask {
    /// The room that is asked.
    pub room: RoomName,
    /// The request.
    pub request: RoomRequest,
    /// Open the room where there is none.
    pub create: bool,
    /// The result. Dropped unanswered: the room failed or closed meanwhile.
    pub reply: oneshot::Sender<Result<RoomAnswer, AskRefused>>,
}

/// One end of a cascade.
#[derive(Debug)]
pub struct OpenCascade {
    /// The room of this end.
    pub room: RoomKey,
    /// The cascade, unique in the server.
    pub cascade: CascadeId,
    /// The other end.
    pub other: Address,
    /// Identity of the participant.
    pub identity: String,
    /// It takes no place in a room.
    pub is_dependent: bool,
    /// It comes from this end.
    pub is_source: bool,
    /// The result.
    pub reply: oneshot::Sender<Result<(), RoomRefusal>>,
}

/// A room, wherever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    /// Its worker.
    pub worker: usize,
    /// Where it is there.
    pub room: RoomKey,
}

/// Something for a room of another worker.
#[derive(Debug)]
pub enum Parcel {
    /// From another room.
    Cascaded(Cascaded),
    /// From another shard of the same room.
    Sharded(Sharded),
}

/// What one shard of a room says to another.
#[derive(Debug)]
pub struct Sharded {
    /// Where the room is at home.
    pub home: Address,
    /// The worker of the shard that says it.
    pub from: usize,
    /// What it says.
    pub message: ShardMessage,
}

/// What one room says to another.
#[derive(Debug)]
pub struct Cascaded {
    /// To this room.
    pub room: RoomKey,
    /// Of this cascade.
    pub cascade: CascadeId,
    /// What it says.
    pub message: CascadeMessage,
}

/// Why a request was not carried out.
#[derive(Debug, PartialEq, Eq)]
pub enum AskRefused {
    /// The room lives on another worker: look it up again.
    Elsewhere,
    /// Refused.
    Refused(RoomRefusal),
}

/// Why a client was not connected.
#[derive(Debug, PartialEq, Eq)]
pub enum ConnectRefused {
    /// The room is at home here, but the client is to be connected to this worker.
    Shard(usize, Address),
    /// The room lives on another worker: look it up again.
    Elsewhere,
    /// Refused.
    Refused(ConnectError),
}

/// What a worker publishes of itself, for placement and metrics. Written by the worker alone.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Rooms open, shards of rooms that are at home elsewhere included.
    pub rooms: AtomicU64,
    /// Participants in them.
    pub participants: AtomicU64,
    /// Signalling connections.
    pub connections: AtomicU64,
    /// TCP connections for media.
    pub tcp_connections: AtomicU64,
    /// UDP datagrams in.
    pub datagrams_in: AtomicU64,
    /// UDP bytes in.
    pub bytes_in: AtomicU64,
    /// Receiving system calls.
    pub receives: AtomicU64,
    /// UDP datagrams out.
    pub datagrams_out: AtomicU64,
    /// UDP bytes out.
    pub bytes_out: AtomicU64,
    /// Sending system calls.
    pub sends: AtomicU64,
    /// Datagrams the kernel or a slow TCP reader did not take.
    pub refused: AtomicU64,
    /// Datagrams for no peer.
    pub unrouted: AtomicU64,
    /// RTP packets in.
    pub rtp_in: AtomicU64,
    /// RTP packets forwarded.
    pub rtp_out: AtomicU64,
    /// RTP packets dropped before forwarding.
    pub rtp_dropped: AtomicU64,
    /// Keyframe requests to publishers.
    pub keyframe_requests: AtomicU64,
    /// Rooms ended by a panic.
    pub panics: AtomicU64,
    /// Time spent working, in µs.
    pub busy_micros: AtomicU64,
}

/// Asks one worker.
#[derive(Debug, Clone)]
pub struct WorkerHandle {
    commands: mpsc::Sender<Command>,
    waker: Arc<mio::Waker>,
    gauges: Arc<Gauges>,
    relayed: Outlet,
}

/// The worker has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl WorkerHandle {
    /// A handle over a worker's ends.
    pub fn new(commands: mpsc::Sender<Command>, waker: Arc<mio::Waker>, gauges: Arc<Gauges>, relayed: Outlet) -> Self {
        Self { commands, waker, gauges, relayed }
    }

    /// The way for what relays in this process pass on.
    pub fn relayed(&self) -> &Outlet {
        &self.relayed
    }

    /// Hands a command over; waits where too many wait already.
    pub async fn send(&self, command: Command) -> Result<(), Stopped> {
        self.commands.send(command).await.map_err(|_| Stopped)?;
        self.waker.wake().map_err(|_| Stopped)
    }

    /// Hands a command over if there is room for it; gives it back otherwise.
    pub fn try_send(&self, command: Command) -> Result<(), Command> {
        match self.commands.try_send(command) {
            Ok(()) => {
                let _ = self.waker.wake();
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(command)) => Err(command),
            // It has stopped, and its rooms with it.
            Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// What the worker says of itself.
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// How much it has to do, to compare with another's.
    pub fn load(&self) -> (u64, u64) {
        (self.connections(), self.gauges.rooms.load(Ordering::Relaxed))
    }

    /// How many clients are connected to it.
    pub fn connections(&self) -> u64 {
        self.gauges.connections.load(Ordering::Relaxed)
    }
}
