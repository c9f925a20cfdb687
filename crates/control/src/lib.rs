//! The use cases of the control plane. Owns the call thread, the directory of rooms, the mapping between calls and
//! rooms, the [`Store`] and [`MediaPlane`] ports, the journal, and who is told what.
//!
//! The only place that knows both a call and its room. Opens no socket: the web belongs to `api`, the packets to
//! `server`.

mod admin;
mod clock;
mod credentials;
mod directory;
mod disk;
mod follow;
mod handle;
mod in_call;
mod journal;
mod log_throttle;
mod measure;
mod media;
mod notice;
mod privacy;
mod recording;
mod recordings;
mod refused;
mod rooms;
mod roster;
mod server_quality;
mod start;
mod store;
mod store_writer;
mod switchboard_thread;
mod trouble;

pub use admin::{
    AdminStore, ApiKey, AuditEntry, AuditQuery, AuditRecord, Erased, IceAuth, IceServerEntry, IssuedTurn, UserRecords,
};
pub use directory::{Account, Channel, Member, NewChannel, User, UserPatch};
pub use disk::{Disk, LocalDisk};
pub use handle::{ControlError, Handle, Joined, LINGER, Settings};
pub use in_call::Acting;
pub use measure::{QualitySample, QualitySource};
pub use media::{
    ConnectError, Measured, MediaNotice, MediaNoticeKind, MediaNotices, MediaPlane, RecordingNotice,
    RecordingNoticeKind, SignalFrame, SignalLink, SignalRequestFrame,
};
pub use notice::{Notice, NoticeBody, PresenceChange};
pub use recordings::{
    ChannelRecordingRules, Compose, Composed, Doomed, FileKind, Recording, RecordingChange, RecordingEvent,
    RecordingEventKind, RecordingFile, RecordingOrigin, RecordingPage, RecordingQuery, RecordingRefusal,
    RecordingSettings, RecordingStore, Recordings, StopRecorder, TrackInfo, Upload, UsageOf, Viewer,
};
pub use refused::{Replay, ReplayError, replay as replay_refused};
pub use start::Control;
pub use store::{CallPage, HistoryQuery, Outage, Remedy, Store, StoreError, StoredEvent};
pub use trouble::{Cause, Part, Trouble};
