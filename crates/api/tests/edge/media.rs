//! Stands where the media workers stand: says yes to a join and hands on what the client sends. The real ones are in
//! another crate, and tested there with real peers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

use control::{
    ConnectError, MediaPlane, RecordingNotice, RecordingNoticeKind, SignalFrame, SignalLink, SignalRequestFrame,
};
use livekit::{Join, RoomOptions, SignalRequest};
use livekit_protocol as proto;
use model::{RecordingId, RecordingSpec, RoomName, Timestamp};
use tokio::sync::mpsc;

#[derive(Default)]
pub struct Plane {
    open: Mutex<Vec<RoomName>>,
    heard: Mutex<Vec<(String, SignalRequest)>>,
    removed: Mutex<Vec<(RoomName, String)>>,
    /// How rooms were to be that a client's join opened.
    opened: Mutex<Vec<(RoomName, RoomOptions)>>,
    /// Where news of recordings goes; nothing is recorded without.
    pub recordings: OnceLock<mpsc::Sender<RecordingNotice>>,
    refuses: AtomicBool,
    recorded: Mutex<Option<RecordingSpec>>,
    /// Asked for its rooms it panics, as a fault of ours would.
    pub broken: AtomicBool,
}

impl Plane {
    /// How many messages a client's connection has handed on.
    pub fn heard_of(&self, identity: &str) -> usize {
        self.heard.lock().unwrap().iter().filter(|(who, _)| who == identity).count()
    }

    /// How a room was to be when a client opened it.
    pub fn opened(&self, room: &str) -> Option<RoomOptions> {
        let opened = self.opened.lock().unwrap();
        opened.iter().find(|(name, _)| name.as_str() == room).map(|(_, options)| options.clone())
    }

    /// Whether a client was put out of a room.
    pub fn has_removed(&self, room: &str, identity: &str) -> bool {
        self.removed.lock().unwrap().iter().any(|(from, who)| from.as_str() == room && who == identity)
    }
}

impl Plane {
    /// Records nothing from now on.
    pub fn refuse_recordings(&self) {
        self.refuses.store(true, Ordering::Relaxed);
    }

    /// Whether the recording takes this user in.
    pub fn takes_in(&self, user: &str) -> bool {
        self.recorded.lock().unwrap().as_ref().is_some_and(|spec| spec.who.takes_in(user))
    }

    async fn say(&self, room: &RoomName, recording: RecordingId, kind: RecordingNoticeKind) {
        let notice = RecordingNotice { room: room.clone(), recording, kind };
        self.recordings.get().expect("it records").send(notice).await.unwrap();
    }
}

pub struct Shared(pub std::sync::Arc<Plane>);

#[async_trait::async_trait]
impl MediaPlane for Shared {
    async fn open_room(&self, room: RoomName, _max_participants: usize) {
        self.0.open.lock().unwrap().push(room);
    }
    async fn close_room(&self, room: &RoomName) {
        self.0.open.lock().unwrap().retain(|open| open != room);
    }
    async fn remove_participant(&self, room: &RoomName, identity: &str) {
        self.0.removed.lock().unwrap().push((room.clone(), identity.to_owned()));
    }
    async fn connect(
        &self,
        room: RoomName,
        join: Join,
        create: Option<RoomOptions>,
    ) -> Result<SignalLink, ConnectError> {
        if create.is_none() && !self.0.open.lock().unwrap().contains(&room) {
            return Err(ConnectError::RoomNotFound);
        }
        if let Some(options) = create {
            self.0.opened.lock().unwrap().push((room.clone(), options));
        }
        let (requests, mut from_client) = mpsc::channel(16);
        let (to_client, responses) = mpsc::channel(16);
        let plane = self.0.clone();
        let identity = join.claims.sub.clone();
        let one_pc = join.client.single_peer_connection;
        tokio::spawn(async move {
            let joined = proto::JoinResponse { subscriber_primary: !one_pc, ..Default::default() };
            let message = proto::SignalResponse { message: Some(proto::signal_response::Message::Join(joined)) };
            _ = to_client.send(SignalFrame::Message(Box::new(message))).await;
            while let Some(SignalRequestFrame::Message(message)) = from_client.recv().await {
                if let Some(proto::signal_request::Message::Leave(_)) = message.message {
                    _ = to_client.send(SignalFrame::Close("left")).await;
                    return;
                }
                let pong = proto::signal_response::Message::Pong(1);
                _ = to_client.send(SignalFrame::Message(Box::new(proto::SignalResponse { message: Some(pong) }))).await;
                plane.heard.lock().unwrap().push((identity.clone(), *message));
            }
        });
        Ok(SignalLink { requests, responses })
    }
    fn records(&self) -> bool {
        !self.0.refuses.load(Ordering::Relaxed)
    }
    async fn start_recording(&self, room: &RoomName, spec: RecordingSpec) {
        let is_new = self.0.recorded.lock().unwrap().replace(spec.clone()).is_none_or(|before| before.id != spec.id);
        if is_new {
            self.0.say(room, spec.id, RecordingNoticeKind::Began { at: Timestamp(1) }).await;
        }
    }
    async fn stop_recording(&self, room: &RoomName, recording: RecordingId) {
        let stopped = RecordingNoticeKind::Stopped { at: Timestamp(1), duration_ms: 1, size_bytes: 1 };
        self.0.say(room, recording, stopped).await;
    }
    async fn rooms(&self) -> Vec<(RoomName, usize)> {
        assert!(!self.0.broken.load(Ordering::Relaxed), "broken on purpose");
        self.0.open.lock().unwrap().iter().map(|room| (room.clone(), 0)).collect()
    }
}
