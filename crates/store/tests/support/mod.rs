//! A control plane on a real SQLite file, with a media side that only writes down what it is asked.

#![allow(dead_code)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use call::{CallSnapshot, InitiateCall, Target};
use control::{
    ConnectError, Control, Disk, Handle, HistoryQuery, LocalDisk, MediaNotice, MediaNoticeKind, MediaPlane, Notice,
    Settings, SignalLink, Store,
};
use livekit::{RoomAnswer, RoomRefusal, RoomRequest};
use model::{CallId, CallMedia, ChannelId, DeviceId, NodeId, RecordingSpec, RoomName, UserId};
use store::SqliteStore;
use tokio::sync::{broadcast, mpsc, watch};

/// Workers that write down what they were asked, in order, and rooms are given to in turn. One of them can be stuck.
pub struct Recorder {
    asked: Mutex<Vec<String>>,
    workers: usize,
    placed: Mutex<HashMap<RoomName, usize>>,
    stuck: watch::Sender<Option<usize>>,
}

impl Recorder {
    fn of(workers: usize) -> Self {
        Self { asked: Mutex::default(), workers, placed: Mutex::default(), stuck: watch::Sender::new(None) }
    }
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
    /// What was asked of one room.
    pub fn asked_of(&self, call: CallId) -> Vec<String> {
        let room = call.to_string();
        self.asked().into_iter().filter(|what| what.contains(&room)).map(|what| what.replace(&room, "")).collect()
    }
    /// Which worker does nothing more.
    pub fn stick(&self, worker: Option<usize>) {
        self.stuck.send_replace(worker);
    }
    async fn note(&self, room: &RoomName, what: String) {
        let worker = self.worker_of(room);
        self.stuck.subscribe().wait_for(|stuck| stuck.is_none() || *stuck != worker).await.unwrap();
        self.asked.lock().unwrap().push(what);
    }
}

#[async_trait::async_trait]
impl MediaPlane for Recorder {
    fn worker_count(&self) -> usize {
        self.workers
    }
    fn worker_of(&self, room: &RoomName) -> Option<usize> {
        self.placed.lock().unwrap().get(room).copied()
    }
    fn place(&self, room: &RoomName) -> usize {
        let mut placed = self.placed.lock().unwrap();
        let next = placed.len() % self.workers;
        *placed.entry(room.clone()).or_insert(next)
    }
    async fn open_room(&self, room: RoomName, max_participants: usize) {
        // Slow enough that an answer which did not wait for the room would be seen.
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.note(&room, format!("open {room} {max_participants}")).await;
    }
    async fn close_room(&self, room: &RoomName) {
        self.note(room, format!("close {room}")).await;
    }
    async fn remove_participant(&self, room: &RoomName, identity: &str) {
        self.note(room, format!("remove {identity} from {room}")).await;
    }
    async fn ask(&self, room: &RoomName, request: RoomRequest) -> Result<RoomAnswer, RoomRefusal> {
        if let RoomRequest::MarkRecorded(on) = request {
            self.note(room, format!("mark {room} {on}")).await;
        } else if let RoomRequest::Hold { identity, on } = request {
            self.note(room, format!("hold {identity} {on} in {room}")).await;
        }
        Err(RoomRefusal::RoomNotFound)
    }
    fn records(&self) -> bool {
        true
    }
    async fn start_recording(&self, room: &RoomName, spec: RecordingSpec) {
        self.note(room, format!("record {} in {room} {:?}", spec.id, spec.who)).await;
    }
    async fn connect(
        &self,
        _: RoomName,
        _: livekit::Join,
        _: Option<livekit::RoomOptions>,
    ) -> Result<SignalLink, ConnectError> {
        Err(ConnectError::Unavailable)
    }
    async fn rooms(&self) -> Vec<(RoomName, usize)> {
        Vec::new()
    }
}

/// A running control plane.
pub struct House {
    pub handle: Handle,
    pub store: SqliteStore,
    pub media: Arc<Recorder>,
    pub rooms: mpsc::Sender<MediaNotice>,
    pub notices: broadcast::Receiver<Arc<Notice>>,
    /// Of the last notice, those who have yet to take it.
    untaken: Vec<(UserId, Arc<Notice>)>,
}

impl House {
    pub async fn open(directory: &Path) -> House {
        Self::open_with(directory, |_| {}).await
    }

    pub async fn open_with(directory: &Path, change: impl FnOnce(&mut Settings)) -> House {
        Self::start(directory, Arc::new(LocalDisk), 1, change).await
    }

    /// With so many media workers.
    pub async fn open_with_workers(directory: &Path, workers: usize) -> House {
        Self::start(directory, Arc::new(LocalDisk), workers, |_| {}).await
    }

    /// With its journal on this disk.
    pub async fn open_on(directory: &Path, disk: Arc<dyn Disk>) -> House {
        Self::start(directory, disk, 1, |_| {}).await
    }

    async fn start(directory: &Path, disk: Arc<dyn Disk>, workers: usize, change: impl FnOnce(&mut Settings)) -> House {
        let store = store::open(directory.join("stoa.db")).await.unwrap();
        let media = Arc::new(Recorder::of(workers));
        let (rooms, room_notices) = mpsc::channel(64);
        let mut settings = Settings {
            journal_dir: directory.join("journal"),
            call: call::Config::default(),
            strict_users: false,
            keep_quality: std::time::Duration::from_secs(2_592_000),
            linger: control::LINGER,
            seed: fastrand_seed(),
        };
        change(&mut settings);
        let plane: Arc<dyn MediaPlane> = Arc::clone(&media) as _;
        let handle = Control::start_on(disk, settings, Arc::new(store.clone()), plane, room_notices).await.unwrap();
        let notices = handle.notices();
        House { handle, store, media, rooms, notices, untaken: Vec::new() }
    }

    /// The next event of this name for this user; others are passed over.
    pub async fn next_for(&mut self, who: &str, name: &str) -> Arc<Notice> {
        let wait = async {
            loop {
                while !self.untaken.is_empty() {
                    let (user, notice) = self.untaken.remove(0);
                    if user.as_str() == who && format!("{:?}", notice.body).contains(name) {
                        return notice;
                    }
                }
                let notice = self.notices.recv().await.unwrap();
                self.untaken = notice.users.iter().map(|user| (user.clone(), Arc::clone(&notice))).collect();
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(5), wait).await;
        found.unwrap_or_else(|_| panic!("no {name} for {who}"))
    }

    /// How far the store has followed the journal.
    pub async fn applied(&self) -> u64 {
        self.store.applied(self.handle.node()).await.unwrap()
    }

    pub async fn connect(&self, who: &str) {
        self.handle.device_connected(&user(who), &DeviceId::unnamed()).await.unwrap();
    }

    pub async fn call(&self, caller: &str, callee: &str) -> CallSnapshot {
        self.handle.initiate(request(caller, callee)).await.unwrap()
    }

    /// Says what the media side would.
    pub async fn room(&self, call: CallId, who: &str, kind: MediaNoticeKind) {
        let notice = MediaNotice { room: RoomName::from(call), identity: who.to_owned(), kind };
        self.rooms.send(notice).await.unwrap();
    }

    pub async fn in_room(&self, call: CallId, who: &str) {
        self.room(call, who, MediaNoticeKind::Joined { device: None, is_dependent: false }).await;
        self.room(call, who, MediaNoticeKind::Connected).await;
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&House) -> bool) {
        for _ in 0..1_500 {
            if holds(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never came true: {what}");
    }
}

fn fastrand_seed() -> u64 {
    uuid::Uuid::new_v4().as_u128() as u64
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub fn channel(name: &str) -> ChannelId {
    ChannelId::new(name).unwrap()
}

pub fn request(caller: &str, callee: &str) -> InitiateCall {
    InitiateCall {
        id: None,
        caller: user(caller),
        device: DeviceId::unnamed(),
        target: Target::Users { users: vec![user(callee)], channel: None, one_to_one: true },
        media: CallMedia::Video,
        ring_timeout: None,
        metadata: serde_json::json!({ "why": "lunch" }),
    }
}

pub fn history_of(who: &str) -> HistoryQuery {
    HistoryQuery { user: user(who), statuses: Vec::new(), channel: None, with: None, before: None, limit: 50 }
}

/// The journal's lock goes with its thread, a moment after the last handle.
pub async fn wait_for_lock(folder: &Path) {
    let path = folder.join("journal/lock");
    for _ in 0..500 {
        if std::fs::File::open(&path).unwrap().try_lock().is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the journal stays locked");
}

/// The node of a store that has no journal.
pub const NODE: NodeId = NodeId(uuid::Uuid::from_u128(7));

/// Writes calls into a segment of its own, each with its sequence, as records of an event `x`. In the first format, as an earlier version
/// would.
pub fn put_into_journal(folder: &Path, calls: &[(u64, &CallSnapshot)]) {
    let line = |(sequence, call): &(u64, &CallSnapshot)| {
        let (at, payload) = (call.created_at, serde_json::Value::Null);
        let record = call::Record { at, event: "x".to_owned(), user: None, payload, call: (*call).clone() };
        let json = serde_json::json!({ "sequence": sequence, "record": record }).to_string();
        format!("{:08x} {json}\n", crc32(json.as_bytes()))
    };
    let lines: String = calls.iter().map(line).collect();
    std::fs::write(folder.join("journal/000000000900.journal"), format!("stoa journal 1\n{lines}")).unwrap();
}

/// As in IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
