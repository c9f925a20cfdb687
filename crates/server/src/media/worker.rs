//! A worker: one thread that owns its sockets and rooms, and drives them.
//!
//! The loop: wait → commands → receive → feed rooms → wake rooms that are due → settle every room touched (flush it,
//! carry out what it wants) → send. Nothing waits to fill a batch, nothing is shared with another thread but the command
//! channel and published counters.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use control::{ConnectError, MediaNotice, SignalFrame};
use livekit::{CascadeMessage, ConnectionId, Output, Room, RoomOptions, RoomRefusal, RoomRequest};
use mio::{Events, Interest, Poll, Token};
use model::RoomName;
use rustc_hash::FxHashMap;
use sfu::{Datagram, Transmit, Transport};
use slab::Slab;
use tokio::sync::{mpsc, oneshot};

use super::RoomDefaults;
use super::addresses::Addresses;
use super::command::{
    Address, Ask, AskRefused, Command, Connect, ConnectRefused, Gauges, Parcel, RoomKey, Sharded, WorkerHandle,
};
use super::directory::Directory;
use super::hosted::{Hosted, Panicked, guarded};
use super::notices::NoticeOutbox;
use super::outbox::Outbox;
use super::parcels::ParcelOutboxes;
use super::recording::Recordings;
use super::routes::{Route, Routes, Slot, ufrag_prefix};
use super::socket::{Inbox, UdpPort, UdpPorts};
use super::tcp::{Accepted, TcpConnections};
use super::timers::Timers;
use crate::bridge::{Inlet, RelayLanes};
use counters::add;

mod cascades;
mod shards;

/// The waker's token; the sockets' follow, then those of TCP connections.
pub const WAKER: Token = Token(0);
const UDP_V4: Token = Token(1);
const UDP_V6: Token = Token(2);
const FIRST_TCP: usize = 16;

/// Receiving system calls a round and socket: more would make the rooms wait.
const RECEIVES_A_ROUND: usize = 2;
/// Commands a round.
const COMMANDS_A_ROUND: usize = 256;
/// Parcels from relays a round.
const PARCELS_A_ROUND: usize = 32;
/// How often counters are published and idle connections looked for.
const PUBLISH: Duration = Duration::from_millis(250);
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How long what a stopping worker says may take to leave its sockets.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// What a worker is made of.
pub struct Parts {
    /// Which of the workers.
    pub index: usize,
    /// Its poll, with the waker registered.
    pub poll: Poll,
    /// Its sockets.
    pub ports: UdpPorts,
    /// TCP port announced, if any.
    pub tcp_port: Option<u16>,
    /// Addresses announced.
    pub addresses: Addresses,
    /// How rooms are set up.
    pub defaults: RoomDefaults,
    /// What it is asked.
    pub commands: mpsc::Receiver<Command>,
    /// What it tells.
    pub notices: mpsc::Sender<MediaNotice>,
    /// Where rooms are.
    pub directory: Arc<Directory>,
    /// Where recordings go.
    pub recordings: Option<Recordings>,
    /// What it publishes.
    pub gauges: Arc<Gauges>,
    /// Where datagrams of relays in this process come in.
    pub inlet: Inlet,
    /// The ways to those relays.
    pub relays: RelayLanes,
    /// All workers, once they are there.
    pub workers: Arc<OnceLock<Arc<[WorkerHandle]>>>,
    /// A panic in a room ends the worker instead of the room alone.
    pub rethrow_panics: bool,
}

/// One worker.
pub struct Worker {
    index: usize,
    poll: Poll,
    commands: mpsc::Receiver<Command>,
    rooms: Slab<Hosted>,
    /// Shards here of rooms that are at home elsewhere, by where that is.
    shards: FxHashMap<Address, Slot>,
    dirty: Vec<Slot>,
    timers: Timers,
    io: Io,
    notices: NoticeOutbox,
    parcels: ParcelOutboxes,
    recordings: Option<Recordings>,
    defaults: RoomDefaults,
    directory: Arc<Directory>,
    gauges: Arc<Gauges>,
    retired: sfu::RoomStats,
    generation: u64,
    connection: u64,
    published: Instant,
    busy: Duration,
    panics: u64,
    rethrow_panics: bool,
    stopping: Option<oneshot::Sender<()>>,
}

/// The socket side, apart so that it can be lent while a room is.
struct Io {
    ports: UdpPorts,
    readable: [bool; 2],
    inbox: Option<Inbox>,
    outbox: Outbox,
    tcp: TcpConnections,
    routes: Routes,
    addresses: Addresses,
    udp_port: u16,
    unrouted: u64,
    inlet: Inlet,
    relays: RelayLanes,
}

impl Worker {
    /// Registers the sockets.
    pub fn new(mut parts: Parts) -> io::Result<Self> {
        let registry = parts.poll.registry();
        registry.register(parts.ports.v4.source(), UDP_V4, Interest::READABLE)?;
        if let Some(v6) = &mut parts.ports.v6 {
            registry.register(v6.source(), UDP_V6, Interest::READABLE)?;
        }
        let udp_port = parts.ports.v4.port()?;
        let mut defaults = parts.defaults;
        defaults.candidates = parts.addresses.candidates(udp_port, parts.tcp_port, parts.ports.v6.is_some());
        defaults.ufrag_prefix = ufrag_prefix(parts.index);
        let io = Io {
            ports: parts.ports,
            readable: [true; 2],
            inbox: Some(Inbox::default()),
            outbox: Outbox::default(),
            tcp: TcpConnections::default(),
            routes: Routes::default(),
            addresses: parts.addresses,
            udp_port,
            unrouted: 0,
            inlet: parts.inlet,
            relays: parts.relays,
        };
        Ok(Self {
            index: parts.index,
            poll: parts.poll,
            commands: parts.commands,
            rooms: Slab::new(),
            shards: FxHashMap::default(),
            dirty: Vec::new(),
            timers: Timers::default(),
            io,
            notices: NoticeOutbox { sender: parts.notices, waiting: VecDeque::new(), hooks: defaults.hooks.clone() },
            parcels: ParcelOutboxes::new(parts.workers),
            recordings: parts.recordings,
            defaults,
            directory: parts.directory,
            gauges: parts.gauges,
            retired: sfu::RoomStats::default(),
            generation: 0,
            connection: 0,
            published: Instant::now(),
            busy: Duration::ZERO,
            panics: 0,
            rethrow_panics: parts.rethrow_panics,
            stopping: None,
        })
    }

    /// Runs until it is told to stop, or nobody can tell it anything any more.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        loop {
            if let Err(error) = self.poll.poll(&mut events, Some(self.sleep_for(Instant::now())))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(worker = self.index, %error, "failed to wait for packets");
                return;
            }
            let now = Instant::now();
            let open = self.round(now, &events);
            self.busy += now.elapsed();
            if let Some(stopped) = self.stopping.take() {
                self.say_last_words(&mut events);
                let _ = stopped.send(());
                return;
            }
            if !open {
                return;
            }
        }
    }

    /// One turn of the loop; `false`: nobody can ask for anything any more.
    fn round(&mut self, now: Instant, events: &Events) -> bool {
        let open = self.take_commands(now);
        for event in events {
            self.take_event(now, event);
        }
        self.receive(now);
        self.receive_relayed(now);
        self.wake_due(now);
        self.settle_dirty(now);
        self.io.outbox.flush(&mut self.io.ports);
        self.io.relays.flush();
        self.io.tcp.write_queued(self.poll.registry());
        self.notices.flush();
        self.parcels.flush();
        if now.saturating_duration_since(self.published) >= PUBLISH {
            self.publish(now);
        }
        open
    }

    fn sleep_for(&self, now: Instant) -> Duration {
        if self.io.readable[0] || (self.io.readable[1] && self.io.ports.v6.is_some()) || !self.commands.is_empty() {
            return Duration::ZERO;
        }
        if !self.io.inlet.is_empty() {
            return Duration::ZERO;
        }
        let longest = if self.notices.waiting.is_empty() && !self.parcels.any_waiting() {
            LONGEST_SLEEP
        } else {
            Duration::from_millis(20)
        };
        self.timers.next().map_or(longest, |at| at.saturating_duration_since(now).min(longest))
    }

    fn take_event(&mut self, now: Instant, event: &mio::event::Event) {
        match event.token() {
            WAKER => {}
            UDP_V4 => self.io.readable[0] = true,
            UDP_V6 => self.io.readable[1] = true,
            Token(token) => {
                let key = token - FIRST_TCP;
                let write = !event.is_writable() || self.io.tcp.writable(key);
                if !(write && self.read_tcp(now, key)) {
                    self.io.tcp.close(self.poll.registry(), key);
                }
            }
        }
    }

    fn receive(&mut self, now: Instant) {
        let Some(mut inbox) = self.io.inbox.take() else { return };
        for family in 0..2 {
            for _ in 0..RECEIVES_A_ROUND {
                if !self.io.readable[family] {
                    break;
                }
                match self.io.receive_into(&mut inbox, family) {
                    Ok(all) => {
                        self.io.readable[family] = !all;
                        self.feed(now, &inbox);
                    }
                    Err(error) => {
                        self.io.readable[family] = false;
                        if error.kind() != io::ErrorKind::WouldBlock {
                            tracing::debug!(worker = self.index, %error, "failed to receive packets");
                        }
                    }
                }
            }
        }
        self.io.inbox = Some(inbox);
    }

    fn feed(&mut self, now: Instant, inbox: &Inbox) {
        for received in inbox.datagrams() {
            let Some(route) = self.io.routes.route(received.source, received.contents) else {
                self.io.unrouted += 1;
                self.io.answer_stranger(received.local, received.source, received.contents);
                continue;
            };
            let local = received.local.unwrap_or_else(|| received.source.ip());
            let datagram = Datagram {
                transport: Transport::Udp,
                source: received.source,
                destination: SocketAddr::new(self.io.addresses.announced_for(local), self.io.udp_port),
                contents: received.contents,
            };
            feed_room(&mut self.rooms, &mut self.dirty, now, route, datagram);
        }
    }

    /// What relays in this process pass on, as if it had come from the relayed address.
    fn receive_relayed(&mut self, now: Instant) {
        for _ in 0..PARCELS_A_ROUND {
            let Some(parcel) = self.io.inlet.take() else { return };
            for (source, destination, contents) in parcel.datagrams() {
                let Some(route) = self.io.routes.route(source, contents) else {
                    self.io.unrouted += 1;
                    continue;
                };
                let datagram = Datagram { transport: Transport::Udp, source, destination, contents };
                feed_room(&mut self.rooms, &mut self.dirty, now, route, datagram);
            }
        }
    }

    fn read_tcp(&mut self, now: Instant, key: usize) -> bool {
        let Self { io, rooms, dirty, .. } = self;
        io.tcp.read(key, now, |frame| {
            let (source, destination, contents) = (frame.source, frame.destination, frame.contents);
            let datagram = Datagram { transport: Transport::Tcp, source, destination, contents };
            feed_room(rooms, dirty, now, frame.route, datagram);
        })
    }

    fn wake_due(&mut self, now: Instant) {
        while let Some(slot) = self.timers.pop_due(now) {
            let Some(hosted) = self.rooms.get_mut(slot) else { continue };
            hosted.reminded = None;
            match hosted.deadline {
                Some(at) if at <= now => {
                    hosted.deadline = None;
                    touch(hosted, &mut self.dirty, |room| room.handle_timeout(now));
                }
                Some(at) => {
                    hosted.reminded = Some(at);
                    self.timers.push(at, slot);
                }
                None => {}
            }
        }
    }

    /// Flushes every room touched and carries out what it wants.
    fn settle_dirty(&mut self, now: Instant) {
        while let Some(slot) = self.dirty.pop() {
            let Some(hosted) = self.rooms.get_mut(slot) else { continue };
            hosted.dirty = false;
            let settled = match hosted.over {
                true => Ok(None),
                false => {
                    settle(hosted, self.index, &mut self.io, &mut self.notices, &mut self.parcels, &self.poll, now)
                }
            };
            match settled {
                Ok(Some(at)) => remind(hosted, &mut self.timers, at),
                Ok(None) => {}
                Err(panicked) => self.bury(slot, panicked),
            }
            let Some(hosted) = self.rooms.get_mut(slot) else { continue };
            let lost = hosted.links.take_lost();
            for connection in lost {
                touch(hosted, &mut self.dirty, |room| room.handle_disconnect(now, connection));
            }
            if hosted.over && !hosted.dirty {
                self.remove(slot);
            }
        }
    }

    /// A room panicked: its clients are cut off and may come back to a new one.
    fn bury(&mut self, slot: Slot, panicked: Panicked) {
        self.contain(panicked);
        let Some(hosted) = self.rooms.get_mut(slot) else { return };
        tracing::error!(room = %hosted.name, worker = self.index, "closed a room after a fault in it; its clients will reconnect");
        hosted.links.close_all("the room failed");
        let lost = hosted.everyone_lost();
        self.notices.waiting.extend(lost);
        // What a panic left half done may panic again when dropped.
        let removed = self.take_out(slot);
        let _ = guarded(move || drop(removed));
    }

    /// A room's panic has been caught, and goes no further unless tests are to notice.
    fn contain(&mut self, Panicked(panic): Panicked) {
        if self.rethrow_panics {
            resume_unwind(panic);
        }
        self.panics += 1;
    }

    fn remove(&mut self, slot: Slot) {
        if let Some(mut hosted) = self.take_out(slot) {
            hosted.links.close_all("the room is closed");
            self.notices.waiting.extend(hosted.everyone_lost());
            if let Ok(stats) = guarded(|| hosted.room.stats()) {
                add(&mut self.retired, &stats);
            }
        }
    }

    fn take_out(&mut self, slot: Slot) -> Option<Hosted> {
        let mut hosted = self.rooms.try_remove(slot)?;
        for (cascade, other) in hosted.cascades.drain() {
            self.parcels.push(other, cascade, CascadeMessage::End);
        }
        let _ = guarded(|| hosted.recorders.end(Instant::now(), true));
        self.io.routes.close_room(slot);
        self.io.tcp.close_room(self.poll.registry(), slot);
        if !hosted.is_shard {
            self.directory.release(&hosted.name, self.index);
        }
        self.leave_shards(&hosted);
        Some(hosted)
    }

    fn take_commands(&mut self, now: Instant) -> bool {
        for _ in 0..COMMANDS_A_ROUND {
            match self.commands.try_recv() {
                Ok(command) => self.take_command(now, command),
                Err(mpsc::error::TryRecvError::Empty) => return true,
                Err(mpsc::error::TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    fn take_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Open { room, max_participants } => {
                let most = (max_participants > 0).then_some(max_participants);
                let options = RoomOptions { max_participants: most, ..RoomOptions::default() };
                if self.find(&room).is_none() && self.open(now, room, options).is_none() {
                    tracing::debug!("another worker owns the room");
                }
            }
            Command::Close { room } => match self.find(&room) {
                Some(slot) => {
                    self.touch(slot, |room| room.close(now));
                    self.settle_dirty(now);
                    if self.rooms.contains(slot) {
                        self.remove(slot);
                    }
                }
                None => self.directory.release(&room, self.index),
            },
            Command::Remove { room, identity } => {
                if let Some(slot) = self.find(&room) {
                    self.touch(slot, |room| {
                        room.remove_participant(now, &identity);
                    });
                }
            }
            Command::Record { room, act } => self.record(now, &room, act),
            Command::Ask(ask) => self.ask(now, *ask),
            Command::Locate { room, create, reply } => {
                let found = self.slot_of(now, room, create.then(RoomOptions::default)).map(|slot| self.rooms[slot].key);
                let _ = reply.send(found);
            }
            Command::OpenCascade(open) => self.open_cascade(now, *open),
            Command::Parcels(parcels) => {
                for parcel in parcels {
                    match parcel {
                        Parcel::Cascaded(cascaded) => self.take_cascaded(now, cascaded),
                        Parcel::Sharded(sharded) => self.take_sharded(now, sharded),
                    }
                }
            }
            Command::Describe(reply) => {
                let mut described = Vec::new();
                for (_, hosted) in self.rooms.iter_mut().filter(|(_, hosted)| !hosted.over && !hosted.is_shard) {
                    touch(hosted, &mut self.dirty, |room| described.push(room.describe()));
                }
                let _ = reply.send(described);
            }
            Command::Connect(connect) => self.connect(now, *connect),
            Command::Signal { room, connection, message } => {
                self.touch_key(room, |room| room.handle_signal(now, connection, *message));
            }
            Command::Disconnected { room, connection } => {
                let known = self.rooms.get_mut(room.slot).is_some_and(|h| h.key == room && h.links.close(connection));
                if known {
                    self.touch_key(room, |room| room.handle_disconnect(now, connection));
                }
            }
            Command::Tcp(accepted) => self.take_tcp(now, *accepted),
            Command::Rooms(reply) => {
                let rooms = self.rooms.iter().filter(|(_, hosted)| !hosted.is_shard);
                let rooms = rooms.map(|(_, hosted)| (hosted.name.clone(), hosted.members.len())).collect();
                let _ = reply.send(rooms);
            }
            Command::Stop(reply) => self.stop(now, reply),
        }
    }

    fn find(&self, room: &RoomName) -> Option<Slot> {
        // Rooms are found by name only when one opens, closes or is entered.
        self.rooms.iter().find(|(_, hosted)| hosted.name == *room && !hosted.is_shard).map(|(slot, _)| slot)
    }

    fn open(&mut self, now: Instant, name: RoomName, options: RoomOptions) -> Option<Slot> {
        if !self.directory.claim(&name, self.index) {
            return None;
        }
        let init = self.defaults.init(now, &name, options);
        let room = match guarded(|| Room::new(now, init)) {
            Ok(room) => room,
            Err(panicked) => {
                self.directory.release(&name, self.index);
                self.contain(panicked);
                return None;
            }
        };
        Some(self.host(now, name, room, None))
    }

    fn connect(&mut self, now: Instant, connect: Connect) {
        let Connect { room: name, join, home, create, responses, reply } = connect;
        let found = match (self.find(&name), create) {
            _ if home.is_some() => self.shard_at(now, name, home),
            (Some(slot), _) => Ok(slot),
            (None, Some(options)) => self.open(now, name, options).ok_or(ConnectRefused::Elsewhere),
            (None, None) => {
                self.directory.release(&name, self.index);
                Err(ConnectRefused::Refused(ConnectError::RoomNotFound))
            }
        };
        let slot = match found {
            Ok(slot) => slot,
            Err(refused) => {
                let _ = reply.send(Err(refused));
                return;
            }
        };
        if let Some((worker, home)) = self.elsewhere(slot, &join) {
            let _ = reply.send(Err(ConnectRefused::Shard(worker, home)));
            return;
        }
        self.connection += 1;
        let connection = ConnectionId(self.connection);
        let hosted = &mut self.rooms[slot];
        let key = hosted.key;
        hosted.links.open(connection, responses);
        if reply.send(Ok((key, connection))).is_err() {
            // The client went away while it waited.
            hosted.links.close(connection);
            return;
        }
        self.touch(slot, |room| room.handle_connect(now, connection, join));
    }

    fn ask(&mut self, now: Instant, ask: Ask) {
        let Ask { room: name, request, create, reply } = ask;
        let closes = matches!(request, RoomRequest::Close { .. });
        let options = match &request {
            RoomRequest::Configure(options) => options.clone(),
            _ => RoomOptions::default(),
        };
        let slot = match self.slot_of(now, name, create.then_some(options)) {
            Ok(slot) => slot,
            Err(refused) => return drop(reply.send(Err(refused))),
        };
        let id = self.rooms[slot].asked.wait(reply);
        self.touch(slot, |room| room.handle_request(now, id, request));
        if closes {
            self.settle_dirty(now);
            if self.rooms.contains(slot) {
                self.remove(slot);
            }
        }
    }

    fn slot_of(&mut self, now: Instant, name: RoomName, create: Option<RoomOptions>) -> Result<Slot, AskRefused> {
        match (self.find(&name), create) {
            (Some(slot), _) => Ok(slot),
            (None, Some(options)) => self.open(now, name, options).ok_or(AskRefused::Elsewhere),
            (None, None) => {
                self.directory.release(&name, self.index);
                Err(AskRefused::Refused(RoomRefusal::RoomNotFound))
            }
        }
    }

    fn take_tcp(&mut self, now: Instant, accepted: Accepted) {
        let Some(route) = self.io.routes.by_ufrag(&accepted.ufrag) else { return };
        match self.io.tcp.add(self.poll.registry(), FIRST_TCP, accepted, route, now) {
            Ok(key) => {
                // The first frame is in its buffer already: no event will tell of it.
                if !self.read_tcp(now, key) {
                    self.io.tcp.close(self.poll.registry(), key);
                }
            }
            Err(error) => tracing::warn!(worker = self.index, %error, "cannot take over a TCP connection"),
        }
    }

    fn stop(&mut self, now: Instant, reply: oneshot::Sender<()>) {
        self.settle_dirty(now);
        self.notices.flush();
        let before = self.notices.waiting.len();
        let slots: Vec<Slot> = self.rooms.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.rooms[slot].recorders.end(now, false);
            self.touch(slot, |room| room.shut_down(now));
        }
        self.settle_dirty(now);
        self.parcels.clear();
        // That they go now is no event of a call: it goes on after the restart.
        self.notices.waiting.truncate(before);
        for (_, hosted) in &mut self.rooms {
            hosted.links.close_all("the server is stopping");
        }
        self.stopping = Some(reply);
    }

    fn say_last_words(&mut self, events: &mut Events) {
        let until = Instant::now() + LAST_WORDS;
        self.io.outbox.flush(&mut self.io.ports);
        self.io.relays.flush();
        self.io.tcp.write_queued(self.poll.registry());
        while self.io.tcp.any_waiting() && Instant::now() < until {
            let _ = self.poll.poll(events, Some(Duration::from_millis(20)));
            self.io.tcp.write_all();
        }
    }

    fn touch_key(&mut self, key: RoomKey, act: impl FnOnce(&mut Room)) {
        if self.rooms.get(key.slot).is_some_and(|hosted| hosted.key == key) {
            self.touch(key.slot, act);
        }
    }

    fn touch(&mut self, slot: Slot, act: impl FnOnce(&mut Room)) {
        if let Some(hosted) = self.rooms.get_mut(slot) {
            touch(hosted, &mut self.dirty, act);
        }
    }
}

/// Acts on a room and marks it. One that panics is marked too: settling it will find out by its flag.
fn touch(hosted: &mut Hosted, dirty: &mut Vec<Slot>, act: impl FnOnce(&mut Room)) {
    if hosted.panicked.is_none() {
        hosted.panicked = guarded(|| act(&mut hosted.room)).err();
    }
    if !hosted.dirty {
        hosted.dirty = true;
        dirty.push(hosted.key.slot);
    }
}

fn feed_room(rooms: &mut Slab<Hosted>, dirty: &mut Vec<Slot>, now: Instant, route: Route, datagram: Datagram<'_>) {
    if let Some(hosted) = rooms.get_mut(route.slot) {
        touch(hosted, dirty, |room| room.handle_datagram(now, route.peer, datagram));
    }
}

fn remind(hosted: &mut Hosted, timers: &mut Timers, at: Instant) {
    hosted.deadline = Some(at);
    if hosted.reminded.is_none_or(|reminded| at < reminded) {
        hosted.reminded = Some(at);
        timers.push(at, hosted.key.slot);
    }
}

/// Flushes a room and carries out its outputs; says when it wants to be woken.
fn settle(
    hosted: &mut Hosted,
    own: usize,
    io: &mut Io,
    notices: &mut NoticeOutbox,
    parcels: &mut ParcelOutboxes,
    poll: &Poll,
    now: Instant,
) -> Result<Option<Instant>, Panicked> {
    if let Some(panicked) = hosted.panicked.take() {
        return Err(panicked);
    }
    guarded(|| hosted.room.flush(now))?;
    guarded(|| {
        loop {
            match hosted.room.poll_output() {
                Output::Transmit(transmit) => io.transmit(&transmit),
                Output::Timeout(at) => {
                    let Some(due) = hosted.run_recorders(now) else { continue };
                    return Some(at.min(due));
                }
                Output::Recorded(id, message) => hosted.recorders.tell(now, id, message),
                Output::Signal(connection, message) => hosted.links.send(connection, SignalFrame::Message(message)),
                Output::Close(connection, reason) => hosted.links.send(connection, SignalFrame::Close(reason)),
                Output::PeerOpened(peer, ufrag) => io.routes.open(Route { slot: hosted.key.slot, peer }, &ufrag),
                Output::PeerClosed(peer) => {
                    io.routes.close(hosted.key.slot, peer);
                    io.tcp.close_peer(poll.registry(), hosted.key.slot, peer);
                }
                Output::Event(event) => notices.waiting.extend(hosted.notice(event)),
                Output::Cascade(cascade, message) => {
                    let over = matches!(message, CascadeMessage::End);
                    if let Some(other) = hosted.cascades.get(&cascade).copied() {
                        parcels.push(other, cascade, message);
                    }
                    if over {
                        hosted.cascades.remove(&cascade);
                    }
                }
                Output::Shard(to, message) => {
                    let sharded = Sharded { home: hosted.home, from: own, message };
                    parcels.push_sharded(to.0 as usize, sharded);
                }
                Output::Answer(id, answer) => hosted.asked.answer(id, answer),
                Output::Hook(event) => notices.hook(event),
            }
        }
    })
}

impl Io {
    fn receive_into(&mut self, inbox: &mut Inbox, family: usize) -> io::Result<bool> {
        let socket: Option<&UdpPort> = if family == 0 { Some(&self.ports.v4) } else { self.ports.v6.as_ref() };
        match socket {
            Some(socket) => inbox.receive(socket, &mut self.ports.counts),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Whoever asks a media port for its address finds out that it is reached: `/doctor` does.
    fn answer_stranger(&mut self, local: Option<IpAddr>, source: SocketAddr, datagram: &[u8]) {
        if let Some(answer) = turn::binding::answer(datagram, source) {
            self.outbox.push(&mut self.ports, local, source, &answer);
        }
    }

    fn transmit(&mut self, transmit: &Transmit) {
        match transmit.transport {
            Transport::Udp => {
                if let Some(lane) = self.relays.lane(transmit.destination) {
                    lane.push(transmit.source, transmit.destination, &transmit.contents);
                    return;
                }
                let source = self.addresses.source_for(transmit.source.ip());
                self.outbox.push(&mut self.ports, source, transmit.destination, &transmit.contents);
            }
            Transport::Tcp => self.tcp.send(transmit.destination, &transmit.contents),
        }
    }
}

mod counters;
mod recording;
#[cfg(test)]
mod tests;
