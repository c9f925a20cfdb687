//! The port to the media side: the workers behind it live in `server`.

use async_trait::async_trait;
use livekit::proto;
use livekit::{Join, RoomAnswer, RoomOptions, RoomRefusal, RoomRequest, SignalRequest, SignalResponse};
use model::{RecordingId, RecordingSpec, RoomName, Timestamp};
use tokio::sync::mpsc;

/// What the control plane and the LiveKit endpoint ask of the media workers.
#[async_trait]
pub trait MediaPlane: Send + Sync + 'static {
    /// How many workers there are, each with rooms of its own. One that is stuck holds up what is wanted of its rooms, and of no others.
    fn worker_count(&self) -> usize {
        1
    }
    /// The worker that has this room; `None`: none has. Does not wait.
    fn worker_of(&self, room: &RoomName) -> Option<usize> {
        let _ = room;
        Some(0)
    }
    /// The same; where none has it, one is chosen, and has it from here on. Does not wait.
    fn place(&self, room: &RoomName) -> usize {
        let _ = room;
        0
    }
    /// Opens a room. Does nothing if it is already open.
    async fn open_room(&self, room: RoomName, max_participants: usize);
    /// Deletes a room: everyone in it is told (Leave DISCONNECT, ROOM_DELETED).
    async fn close_room(&self, room: &RoomName);
    /// Removes one participant (Leave DISCONNECT, PARTICIPANT_REMOVED).
    async fn remove_participant(&self, room: &RoomName, identity: &str);
    /// Connects a LiveKit client. `create`: open the room with these options if it does not exist; an existing room stays as it is.
    async fn connect(
        &self,
        room: RoomName,
        join: Join,
        create: Option<RoomOptions>,
    ) -> Result<SignalLink, ConnectError>;
    /// Names of the open rooms, with the number of participants in each.
    async fn rooms(&self) -> Vec<(RoomName, usize)>;
    /// Opens a room if it does not exist, configures it, and describes it.
    async fn configure_room(&self, room: RoomName, options: RoomOptions) -> Result<proto::Room, RoomRefusal> {
        let _ = (room, options);
        Err(RoomRefusal::Unavailable)
    }
    /// Asks a room that is open.
    async fn ask(&self, room: &RoomName, request: RoomRequest) -> Result<RoomAnswer, RoomRefusal> {
        let _ = (room, request);
        Err(RoomRefusal::RoomNotFound)
    }
    /// Forwards a participant of one room to another, which is opened if it does not exist.
    async fn forward_participant(&self, from: &RoomName, identity: &str, to: &RoomName) -> Result<(), RoomRefusal> {
        let _ = (from, identity, to);
        Err(RoomRefusal::Unavailable)
    }
    /// Whether it records at all. Otherwise a recording that is started fails, and the call is told.
    fn records(&self) -> bool {
        false
    }
    /// Records a room from now on. How it goes is said by [`RecordingNotice`]s. An ID whose folder is there is gone on with; of one that
    /// runs, `spec` says whom it takes in from here on.
    async fn start_recording(&self, room: &RoomName, spec: RecordingSpec) {
        let _ = (room, spec);
    }
    /// Takes nothing into a recording from here on. One that is not there is no fault, here and below.
    async fn pause_recording(&self, room: &RoomName, id: RecordingId) {
        let _ = (room, id);
    }
    /// Takes media into a recording again.
    async fn resume_recording(&self, room: &RoomName, id: RecordingId) {
        let _ = (room, id);
    }
    /// Ends a recording: [`RecordingNoticeKind::Stopped`] says when it is complete.
    async fn stop_recording(&self, room: &RoomName, id: RecordingId) {
        let _ = (room, id);
    }
    /// The open rooms, or only the named ones.
    async fn describe_rooms(&self, names: Option<&[RoomName]>) -> Vec<proto::Room> {
        let _ = names;
        Vec::new()
    }
}

/// One LiveKit signalling connection, as its WebSocket holds it. Dropping it tells the room that the socket is gone.
#[derive(Debug)]
pub struct SignalLink {
    /// To the room; bounded.
    pub requests: mpsc::Sender<SignalRequestFrame>,
    /// From the room; bounded. `SignalFrame::Close` is the last.
    pub responses: mpsc::Receiver<SignalFrame>,
}

/// A frame to the room.
#[derive(Debug)]
pub enum SignalRequestFrame {
    /// What the client sent, decoded.
    Message(Box<SignalRequest>),
}

/// A frame from the room.
#[derive(Debug)]
pub enum SignalFrame {
    /// A message to send to the client.
    Message(Box<SignalResponse>),
    /// Close the WebSocket with this reason.
    Close(&'static str),
}

/// Why a LiveKit client was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// No such room, and none may be made.
    #[error("requested room does not exist")]
    RoomNotFound,
    /// Refused (removed, declined, call over, no right).
    #[error("not allowed")]
    NotAllowed,
    /// The room has as many participants as it may have.
    #[error("the room is full")]
    RoomFull,
    /// The workers are stopping or overloaded.
    #[error("no media worker can handle this")]
    Unavailable,
}

/// News of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingNotice {
    /// The room that is recorded.
    pub room: RoomName,
    /// The recording it is about.
    pub recording: RecordingId,
    /// What happened to it.
    pub kind: RecordingNoticeKind,
}

/// What happened to a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordingNoticeKind {
    /// Media is being written.
    Began {
        /// Since when.
        at: Timestamp,
    },
    /// Its folder is complete and on the disk.
    Stopped {
        /// Since when.
        at: Timestamp,
        /// How long it is, in milliseconds.
        duration_ms: u64,
        /// How much was written.
        size_bytes: u64,
    },
    /// It could not be made, or could not go on. The call goes on.
    Failed {
        /// A stable code.
        code: &'static str,
        /// In plain words, for the log.
        message: String,
    },
}

/// What the media workers say, for [`crate::Control::start`].
#[derive(Debug)]
pub struct MediaNotices {
    /// Of who is in rooms.
    pub rooms: mpsc::Receiver<MediaNotice>,
    /// Of recordings.
    pub recordings: mpsc::Receiver<RecordingNotice>,
}

impl From<mpsc::Receiver<MediaNotice>> for MediaNotices {
    /// Of a media side that does not record.
    fn from(rooms: mpsc::Receiver<MediaNotice>) -> Self {
        Self { rooms, recordings: mpsc::channel(1).1 }
    }
}

/// Something happened in a room.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaNotice {
    /// The room it happened in.
    pub room: RoomName,
    /// Identity of the participant it is about; in a call's room, the user's ID.
    pub identity: String,
    /// What happened.
    pub kind: MediaNoticeKind,
}

/// The state of a participant's connection, as the media side measures it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measured {
    /// Round trip to the client; `None`: not measured yet.
    pub rtt: Option<std::time::Duration>,
    /// Share of the client's packets that were recently lost, 0.0 to 1.0; `None`: not measured.
    pub loss_up: Option<f32>,
    /// Share of the packets to the client that were recently lost, 0.0 to 1.0; `None`: not measured.
    pub loss_down: Option<f32>,
    /// The estimated bandwidth of the path to the client; `None`: not estimated yet.
    pub estimate: Option<model::Bitrate>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaNoticeKind {
    /// Signalling is up; `device` is the token's `stoa.device` attribute.
    Joined {
        /// The device that the token names; `None` where it names none.
        device: Option<String>,
        /// Whether they are there for the others, as agents and recorders are.
        is_dependent: bool,
    },
    /// ICE and DTLS are up.
    Connected,
    /// They are out of the room.
    Left {
        /// Whether they left on purpose (or the server replaced them) rather than losing the connection.
        clean: bool,
    },
    /// The state of the participant's connection, every few seconds.
    Measured(Measured),
    /// Media state seen by the room: microphone muted or absent, camera on, screen shared.
    MediaState {
        /// No live microphone track.
        is_muted: bool,
        /// A live camera track.
        is_video_enabled: bool,
        /// A live screen track.
        is_screen_sharing: bool,
    },
}
