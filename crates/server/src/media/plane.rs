//! The media plane as the control plane sees it: finds or chooses the worker of a room, and asks it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use control::{ConnectError, MediaPlane, SignalLink, SignalRequestFrame};
use livekit::{CascadeId, ConnectionId, Join, RoomAnswer, RoomOptions, RoomRefusal, RoomRequest, proto};
use model::{RecordingId, RecordingSpec, RoomName};
use tokio::sync::{mpsc, oneshot};

use super::command::{
    Address, Ask, AskRefused, Command, Connect, ConnectRefused, OpenCascade, RecordAct, RoomKey, WorkerHandle,
};
use super::directory::Directory;

/// Messages to a client that may wait for its WebSocket; one that lets more wait is cut off.
const RESPONSES: usize = 1_024;
/// Messages of a client that may wait for its room.
const REQUESTS: usize = 64;
/// How often a room is looked up again when it moves while it is being entered.
const LOOKUPS: usize = 4;
/// How long workers may take to tell everyone that the server stops.
const STOP: Duration = Duration::from_secs(2);

/// The workers of this server.
pub struct Plane {
    workers: Arc<[WorkerHandle]>,
    directory: Arc<Directory>,
    stopping: AtomicBool,
    /// Recordings can be made.
    records: bool,
    /// Numbers cascades.
    cascades: AtomicU64,
}

impl Plane {
    /// Over running workers.
    pub fn new(workers: Arc<[WorkerHandle]>, directory: Arc<Directory>, records: bool) -> Self {
        Self { workers, directory, stopping: AtomicBool::new(false), records, cascades: AtomicU64::new(1) }
    }

    /// The workers.
    pub fn workers(&self) -> &Arc<[WorkerHandle]> {
        &self.workers
    }

    /// Tells every client that the server stops, and stops the workers.
    pub async fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let all = self.workers.iter().map(|worker| async move {
            let (reply, stopped) = oneshot::channel();
            if worker.send(Command::Stop(reply)).await.is_ok() {
                let _ = stopped.await;
            }
        });
        if tokio::time::timeout(STOP, futures_util::future::join_all(all)).await.is_err() {
            tracing::warn!("a media worker did not stop in time");
        }
    }

    fn least_loaded(&self) -> usize {
        let loads = self.workers.iter().enumerate();
        loads.min_by_key(|(_, worker)| worker.load()).map_or(0, |(index, _)| index)
    }

    async fn request(&self, room: &RoomName, request: RoomRequest, create: bool) -> Result<RoomAnswer, RoomRefusal> {
        for _ in 0..LOOKUPS {
            if self.stopping.load(Ordering::Relaxed) {
                break;
            }
            let index = match self.directory.find(room) {
                Some(index) => index,
                None if create => self.directory.place(room, || self.least_loaded()),
                None => return Err(RoomRefusal::RoomNotFound),
            };
            let (reply, answer) = oneshot::channel();
            let ask = Ask { room: room.clone(), request: request.clone(), create, reply };
            if self.workers[index].send(Command::Ask(Box::new(ask))).await.is_err() {
                break;
            }
            match answer.await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(AskRefused::Elsewhere)) => {}
                Ok(Err(AskRefused::Refused(refusal))) => return Err(refusal),
                Err(_) => break,
            }
        }
        Err(RoomRefusal::Unavailable)
    }

    async fn locate(&self, room: &RoomName, create: bool) -> Result<Address, RoomRefusal> {
        for _ in 0..LOOKUPS {
            let index = match self.directory.find(room) {
                Some(index) => index,
                None if create => self.directory.place(room, || self.least_loaded()),
                None => return Err(RoomRefusal::RoomNotFound),
            };
            let (reply, answer) = oneshot::channel();
            let locate = Command::Locate { room: room.clone(), create, reply };
            if self.workers[index].send(locate).await.is_err() {
                break;
            }
            match answer.await {
                Ok(Ok(room)) => return Ok(Address { worker: index, room }),
                Ok(Err(AskRefused::Elsewhere)) => {}
                Ok(Err(AskRefused::Refused(refusal))) => return Err(refusal),
                Err(_) => break,
            }
        }
        Err(RoomRefusal::Unavailable)
    }

    async fn open_cascade(
        &self,
        at: Address,
        cascade: CascadeId,
        other: Address,
        participant: &proto::ParticipantInfo,
        is_source: bool,
    ) -> Result<(), RoomRefusal> {
        let (reply, answer) = oneshot::channel();
        let open = OpenCascade {
            room: at.room,
            cascade,
            other,
            identity: participant.identity.clone(),
            is_dependent: livekit::is_dependent(participant),
            is_source,
            reply,
        };
        let sent = self.workers[at.worker].send(Command::OpenCascade(Box::new(open))).await;
        sent.map_err(|_| RoomRefusal::Unavailable)?;
        answer.await.map_err(|_| RoomRefusal::Unavailable)?
    }

    async fn record(&self, room: &RoomName, act: RecordAct) {
        // Where no worker has the room, any of them says so.
        if let Some(worker) = self.handle_of(room).or(self.workers.first()) {
            let _ = worker.send(Command::Record { room: room.clone(), act }).await;
        }
    }

    fn handle_of(&self, room: &RoomName) -> Option<&WorkerHandle> {
        self.workers.get(self.directory.find(room)?)
    }
}

#[async_trait]
impl MediaPlane for Plane {
    fn worker_count(&self) -> usize {
        self.workers.len()
    }

    fn worker_of(&self, room: &RoomName) -> Option<usize> {
        self.directory.find(room)
    }

    fn place(&self, room: &RoomName) -> usize {
        self.directory.place(room, || self.least_loaded())
    }

    async fn open_room(&self, room: RoomName, max_participants: usize) {
        if self.stopping.load(Ordering::Relaxed) {
            return;
        }
        let index = self.place(&room);
        let _ = self.workers[index].send(Command::Open { room, max_participants }).await;
    }

    async fn close_room(&self, room: &RoomName) {
        if let Some(worker) = self.handle_of(room) {
            let _ = worker.send(Command::Close { room: room.clone() }).await;
        }
    }

    async fn remove_participant(&self, room: &RoomName, identity: &str) {
        if let Some(worker) = self.handle_of(room) {
            let _ = worker.send(Command::Remove { room: room.clone(), identity: identity.to_owned() }).await;
        }
    }

    fn records(&self) -> bool {
        self.records
    }

    async fn start_recording(&self, room: &RoomName, spec: RecordingSpec) {
        self.record(room, RecordAct::Start(spec)).await;
    }

    async fn pause_recording(&self, room: &RoomName, id: RecordingId) {
        self.record(room, RecordAct::Pause(id)).await;
    }

    async fn resume_recording(&self, room: &RoomName, id: RecordingId) {
        self.record(room, RecordAct::Resume(id)).await;
    }

    async fn stop_recording(&self, room: &RoomName, id: RecordingId) {
        self.record(room, RecordAct::Stop(id)).await;
    }

    async fn connect(
        &self,
        room: RoomName,
        join: Join,
        create: Option<RoomOptions>,
    ) -> Result<SignalLink, ConnectError> {
        let mut shard = None;
        for _ in 0..LOOKUPS {
            if self.stopping.load(Ordering::Relaxed) {
                break;
            }
            let (index, home) = match (shard.take(), self.directory.find(&room)) {
                (Some((worker, home)), _) => (worker, Some(home)),
                (None, Some(index)) => (index, None),
                (None, None) if create.is_some() => (self.directory.place(&room, || self.least_loaded()), None),
                (None, None) => return Err(ConnectError::RoomNotFound),
            };
            let worker = &self.workers[index];
            let (responses, from_room) = mpsc::channel(RESPONSES);
            let (reply, answer) = oneshot::channel();
            let (room, join, create) = (room.clone(), join.clone(), create.clone());
            let connect = Connect { room, join, home, create, responses, reply };
            if worker.send(Command::Connect(Box::new(connect))).await.is_err() {
                break;
            }
            match answer.await {
                Ok(Ok((key, connection))) => {
                    let (requests, to_room) = mpsc::channel(REQUESTS);
                    tokio::spawn(pump(to_room, worker.clone(), key, connection));
                    return Ok(SignalLink { requests, responses: from_room });
                }
                Ok(Err(ConnectRefused::Elsewhere)) => {}
                Ok(Err(ConnectRefused::Shard(worker, home))) => shard = Some((worker, home)),
                Ok(Err(ConnectRefused::Refused(error))) => return Err(error),
                Err(_) => break,
            }
        }
        Err(ConnectError::Unavailable)
    }

    async fn rooms(&self) -> Vec<(RoomName, usize)> {
        let mut rooms = Vec::new();
        for worker in self.workers.iter() {
            let (reply, answer) = oneshot::channel();
            if worker.send(Command::Rooms(reply)).await.is_ok() {
                rooms.extend(answer.await.unwrap_or_default());
            }
        }
        rooms.sort_by(|(a, _), (b, _)| a.cmp(b));
        rooms
    }

    async fn configure_room(&self, room: RoomName, options: RoomOptions) -> Result<proto::Room, RoomRefusal> {
        match self.request(&room, RoomRequest::Configure(options), true).await? {
            RoomAnswer::Room(room) => Ok(*room),
            _ => Err(RoomRefusal::Unavailable),
        }
    }

    async fn ask(&self, room: &RoomName, request: RoomRequest) -> Result<RoomAnswer, RoomRefusal> {
        self.request(room, request, false).await
    }

    async fn forward_participant(&self, from: &RoomName, identity: &str, to: &RoomName) -> Result<(), RoomRefusal> {
        let cascade = CascadeId(self.cascades.fetch_add(1, Ordering::Relaxed));
        // First whether there is anyone to show: nothing is opened for nobody.
        let shown = RoomRequest::Participant { identity: identity.to_owned() };
        let RoomAnswer::Participant(shown) = self.request(from, shown, false).await? else {
            return Err(RoomRefusal::Unavailable);
        };
        let source = self.locate(from, false).await?;
        let destination = self.locate(to, true).await?;
        self.open_cascade(destination, cascade, source, &shown, false).await?;
        self.open_cascade(source, cascade, destination, &shown, true).await
    }

    async fn describe_rooms(&self, names: Option<&[RoomName]>) -> Vec<proto::Room> {
        let mut rooms = Vec::new();
        for worker in self.workers.iter() {
            let (reply, answer) = oneshot::channel();
            if worker.send(Command::Describe(reply)).await.is_ok() {
                rooms.extend(answer.await.unwrap_or_default());
            }
        }
        rooms.retain(|room| names.is_none_or(|names| names.iter().any(|name| name.as_str() == room.name)));
        rooms.sort_by(|a, b| a.name.cmp(&b.name));
        rooms
    }
}

/// Carries a client's messages to its room until its WebSocket is gone.
async fn pump(
    mut requests: mpsc::Receiver<SignalRequestFrame>,
    worker: WorkerHandle,
    room: RoomKey,
    connection: ConnectionId,
) {
    while let Some(SignalRequestFrame::Message(message)) = requests.recv().await {
        if worker.send(Command::Signal { room, connection, message }).await.is_err() {
            return;
        }
    }
    let _ = worker.send(Command::Disconnected { room, connection }).await;
}
