//! A TURN worker: one thread that owns a `turn::Server`, its UDP sockets and its relay sockets, and drives them.
//!
//! The loop is that of a media worker: wait → commands → receive → timers → send. Streams are read and written by tasks of
//! their own ([`super::stream`]), which hand whole frames over and take whole frames back.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use model::{Secret, UserId};
use rustc_hash::FxHashMap;
use slab::Slab;
use tokio::sync::mpsc;
use turn::{Ended, FiveTuple, Forward, Output, Server, Transport};

use super::stream::{ClientStream, StreamState};
use crate::bridge::{Inlet, Lane, RelayLanes};
use crate::media::{Addresses, Batch, Carrier, Inbox, Outbox, RelayPort, UdpPort, UdpPorts};

/// The waker's token; sockets follow.
pub const WAKER: Token = Token(0);
const UDP_V4: Token = Token(1);
const UDP_V6: Token = Token(2);
const FIRST_RELAY: usize = 16;

/// Commands that may wait for a worker; whoever has more waits.
pub const COMMANDS: usize = 4_096;
const COMMANDS_A_ROUND: usize = 1_024;
const RECEIVES_A_ROUND: usize = 4;
const PARCELS_A_ROUND: usize = 32;
const PUBLISH: Duration = Duration::from_millis(250);
const WALL_CLOCK: Duration = Duration::from_secs(60);
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
const ZEROS: [u8; turn::TAILROOM] = [0; turn::TAILROOM];

/// One input of a worker.
#[derive(Debug)]
pub enum Command {
    /// A stream was opened.
    Opened(ClientStream),
    /// Whole frames of a stream, one after the other.
    Frames(FiveTuple, Vec<u8>),
    /// A stream is closed, unless its place was taken by another.
    Closed(FiveTuple, Arc<StreamState>),
    /// Credentials are minted with another secret from now on.
    Rotate(Secret<String>),
    /// A user's allocations go, and credentials that expire up to then (seconds since the Unix epoch) are refused.
    Revoke(UserId, u64),
    /// End the thread.
    Stop,
}

/// Asks one worker.
#[derive(Debug, Clone)]
pub struct ShardHandle {
    commands: mpsc::Sender<Command>,
    waker: Arc<mio::Waker>,
    published: Arc<Mutex<Published>>,
}

/// What a worker says of itself.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// What its core counted.
    pub core: turn::Metrics,
    /// Streams that are open now.
    pub streams: u64,
    /// Relay sockets that are open now.
    pub relay_sockets: u64,
    /// Datagrams and frames that a socket, a ring or a slow reader did not take.
    pub refused: u64,
}

impl ShardHandle {
    /// A handle over a worker's ends.
    pub fn new(commands: mpsc::Sender<Command>, waker: Arc<mio::Waker>, published: Arc<Mutex<Published>>) -> Self {
        Self { commands, waker, published }
    }

    /// Hands a command over; waits where too many wait already. `false`: the worker has stopped.
    pub async fn send(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok() && self.waker.wake().is_ok()
    }

    /// What the worker last said of itself.
    pub fn published(&self) -> Published {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a worker is made of.
pub struct Parts {
    /// Which of the workers.
    pub index: usize,
    /// Its poll, with the waker registered.
    pub poll: Poll,
    /// Its core.
    pub core: Server,
    /// Its sockets, if it has any.
    pub udp: UdpPorts,
    /// The port of these.
    pub port: u16,
    /// What is asked of it.
    pub commands: mpsc::Receiver<Command>,
    /// What it says of itself.
    pub published: Arc<Mutex<Published>>,
    /// Where media workers and other TURN workers hand datagrams over.
    pub inlet: Inlet,
    /// The ways to media workers, by port.
    pub media: Vec<(u16, Lane)>,
    /// The ways to the relayed addresses of other workers.
    pub siblings: RelayLanes,
    /// Which local address is behind an announced one.
    pub addresses: Addresses,
}

struct Relay {
    relayed: SocketAddr,
    port: RelayPort,
    readable: bool,
}

/// Where the outbox goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Via {
    Clients,
    Relay(usize),
}

/// One worker.
///
/// Polling is edge-triggered: a socket is readable from an event on until it was found empty.
pub struct Shard {
    index: usize,
    poll: Poll,
    core: Server,
    commands: mpsc::Receiver<Command>,
    published: Arc<Mutex<Published>>,
    io: Io,
    readable: [bool; 2],
    inbox: Option<Inbox>,
    publish_at: Instant,
    wall_clock_at: Instant,
    timeout: Option<Instant>,
    stopping: bool,
}

/// The sockets, apart so that they can be lent beside the core.
struct Io {
    udp: UdpPorts,
    port: u16,
    relays: Slab<Relay>,
    /// Relays that are readable; some may be closed since.
    ready: VecDeque<usize>,
    by_relayed: FxHashMap<SocketAddr, usize>,
    streams: FxHashMap<FiveTuple, ClientStream>,
    touched: Vec<FiveTuple>,
    inlet: Inlet,
    media: Vec<(u16, Lane)>,
    siblings: RelayLanes,
    addresses: Addresses,
    outbox: Outbox,
    via: Via,
    refused: u64,
}

impl Shard {
    /// Registers the sockets.
    pub fn new(mut parts: Parts) -> io::Result<Self> {
        let registry = parts.poll.registry();
        registry.register(parts.udp.v4.source(), UDP_V4, Interest::READABLE)?;
        if let Some(v6) = &mut parts.udp.v6 {
            registry.register(v6.source(), UDP_V6, Interest::READABLE)?;
        }
        let now = Instant::now();
        Ok(Self {
            index: parts.index,
            poll: parts.poll,
            core: parts.core,
            commands: parts.commands,
            published: parts.published,
            io: Io {
                udp: parts.udp,
                port: parts.port,
                relays: Slab::new(),
                ready: VecDeque::new(),
                by_relayed: FxHashMap::default(),
                streams: FxHashMap::default(),
                touched: Vec::new(),
                inlet: parts.inlet,
                media: parts.media,
                siblings: parts.siblings,
                addresses: parts.addresses,
                outbox: Outbox::default(),
                via: Via::Clients,
                refused: 0,
            },
            readable: [true; 2],
            inbox: Some(Inbox::default()),
            publish_at: now,
            wall_clock_at: now + WALL_CLOCK,
            timeout: None,
            stopping: false,
        })
    }

    /// Runs until it is told to stop, or nobody can tell it anything any more.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        while !self.stopping {
            if let Err(error) = self.poll.poll(&mut events, Some(self.sleep_for(Instant::now())))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(worker = self.index, %error, "failed to wait for TURN packets");
                return;
            }
            let now = Instant::now();
            for event in &events {
                match event.token() {
                    WAKER => {}
                    UDP_V4 => self.readable[0] = true,
                    UDP_V6 => self.readable[1] = true,
                    Token(token) => self.io.is_readable(token - FIRST_RELAY),
                }
            }
            self.round(now);
        }
    }

    fn round(&mut self, now: Instant) {
        self.take_commands(now);
        self.receive(now);
        self.receive_passed(now);
        self.core.handle_timeout(now);
        self.drain();
        self.io.flush();
        if now >= self.publish_at {
            self.publish_at = now + PUBLISH;
            self.publish();
        }
        if now >= self.wall_clock_at {
            self.wall_clock_at = now + WALL_CLOCK;
            self.core.handle_wall_clock(now, unix());
        }
    }

    fn sleep_for(&self, now: Instant) -> Duration {
        let socket_waits = self.readable[0] || (self.readable[1] && self.io.udp.v6.is_some());
        if socket_waits || !self.io.ready.is_empty() || !self.commands.is_empty() || !self.io.inlet.is_empty() {
            return Duration::ZERO;
        }
        self.timeout.map_or(LONGEST_SLEEP, |at| at.saturating_duration_since(now).min(LONGEST_SLEEP))
    }

    fn take_commands(&mut self, now: Instant) {
        for _ in 0..COMMANDS_A_ROUND {
            match self.commands.try_recv() {
                Ok(command) => self.take_command(now, command),
                Err(mpsc::error::TryRecvError::Empty) => return,
                Err(mpsc::error::TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
            }
        }
    }

    fn take_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Opened(stream) => {
                // The client has closed the stream before it, and nobody has noticed yet.
                if self.io.streams.contains_key(&stream.tuple()) {
                    self.core.handle_disconnect(now, stream.tuple());
                }
                self.io.streams.insert(stream.tuple(), stream);
            }
            Command::Frames(client, bytes) => self.take_frames(now, client, &bytes),
            Command::Closed(client, state) => {
                if self.io.streams.get(&client).is_none_or(|stream| stream.is_of(&state)) {
                    self.io.streams.remove(&client);
                    self.core.handle_disconnect(now, client);
                }
            }
            Command::Rotate(secret) => self.core.rotate_secret(secret),
            Command::Revoke(user, until) => self.core.revoke(now, &user, until),
            Command::Stop => self.stopping = true,
        }
    }

    fn take_frames(&mut self, now: Instant, client: FiveTuple, mut bytes: &[u8]) {
        // The stream's task has cut them already.
        while let Ok(Some(length)) = turn::framing::frame_length(bytes) {
            let Some((frame, rest)) = bytes.split_at_checked(length) else { return };
            if let Some(forward) = self.core.handle_client(now, client, frame) {
                self.io.forward(forward, frame, false);
            }
            self.drain();
            bytes = rest;
        }
    }

    fn receive(&mut self, now: Instant) {
        let Some(mut inbox) = self.inbox.take() else { return };
        for family in 0..2 {
            for _ in 0..RECEIVES_A_ROUND {
                if !self.readable[family] || !self.receive_from(now, family, &mut inbox) {
                    break;
                }
            }
        }
        // Those that are still readable come to the end of the list.
        for _ in 0..self.io.ready.len() {
            let Some(key) = self.io.ready.pop_front() else { break };
            self.receive_relay(now, key, &mut inbox);
        }
        self.inbox = Some(inbox);
    }

    fn receive_from(&mut self, now: Instant, family: usize, inbox: &mut Inbox) -> bool {
        let socket = if family == 0 { Some(&self.io.udp.v4) } else { self.io.udp.v6.as_ref() };
        let received = match socket {
            Some(socket) => inbox.receive(socket, &mut self.io.udp.counts),
            None => Err(io::ErrorKind::WouldBlock.into()),
        };
        match received {
            Ok(all) => self.readable[family] = !all,
            Err(error) => {
                self.readable[family] = false;
                if error.kind() != io::ErrorKind::WouldBlock {
                    tracing::debug!(worker = self.index, %error, "failed to receive packets");
                }
                return false;
            }
        }
        let single = inbox.is_single();
        for datagram in inbox.datagrams() {
            let local = datagram.local.unwrap_or_else(|| datagram.source.ip());
            let server = SocketAddr::new(local, self.io.port);
            let client = FiveTuple { client: datagram.source, server, transport: Transport::Udp };
            if let Some(forward) = self.core.handle_client(now, client, datagram.contents) {
                self.io.forward(forward, datagram.contents, single);
            } else {
                self.drain();
            }
        }
        true
    }

    fn receive_relay(&mut self, now: Instant, key: usize, inbox: &mut Inbox) {
        for _ in 0..RECEIVES_A_ROUND {
            let Some(relay) = self.io.relays.get_mut(key).filter(|relay| relay.readable) else { return };
            match inbox.receive(&relay.port.socket, &mut relay.port.counts) {
                Ok(all) => relay.readable = !all,
                Err(_) => {
                    relay.readable = false;
                    return;
                }
            }
            let relayed = relay.relayed;
            for datagram in inbox.datagrams() {
                let peer = SocketAddr::new(datagram.source.ip(), datagram.source.port());
                if let Some(forward) = self.core.handle_peer(now, relayed, peer, datagram.contents) {
                    self.io.forward(forward, datagram.contents, false);
                }
            }
        }
        if self.io.relays.get(key).is_some_and(|relay| relay.readable) {
            self.io.ready.push_back(key);
        }
    }

    fn receive_passed(&mut self, now: Instant) {
        for _ in 0..PARCELS_A_ROUND {
            let Some(parcel) = self.io.inlet.take() else { return };
            for (peer, relayed, payload) in parcel.datagrams() {
                if let Some(forward) = self.core.handle_peer(now, relayed, peer, payload) {
                    self.io.forward(forward, payload, false);
                }
            }
        }
    }

    /// Carries out what the core wants.
    fn drain(&mut self) {
        loop {
            match self.core.poll_output() {
                Output::ToClient { client, bytes } => self.io.answer(client, [&bytes, &[], &[]]),
                Output::OpenRelay { relayed } => {
                    if let Err(error) = self.io.open_relay(&self.poll, relayed) {
                        tracing::warn!(%relayed, %error, "cannot open a relay port; see turn.relay_ports");
                        self.core.handle_relay_failed(relayed);
                    }
                }
                Output::CloseRelay { relayed } => self.io.close_relay(&self.poll, relayed),
                Output::Allocated { user, client, relayed, .. } => {
                    tracing::debug!(%user, transport = ?client.transport, %relayed, "made a TURN allocation");
                    if let Some(stream) = self.io.streams.get(&client) {
                        stream.set_allocated(true);
                    }
                }
                Output::Ended { user, client, reason, .. } => self.ended(&user, client, reason),
                Output::Timeout(at) => {
                    self.timeout = Some(at);
                    return;
                }
                Output::Idle => {
                    self.timeout = None;
                    return;
                }
            }
        }
    }

    fn ended(&mut self, user: &UserId, client: FiveTuple, reason: Ended) {
        tracing::debug!(%user, transport = ?client.transport, ?reason, "a TURN allocation ended");
        match reason {
            Ended::Expired | Ended::Released => {
                if let Some(stream) = self.io.streams.get(&client) {
                    stream.set_allocated(false);
                }
            }
            // Its task ends when nothing leads to it any more.
            Ended::Revoked => drop(self.io.streams.remove(&client)),
            Ended::Disconnected => {}
        }
    }

    fn publish(&self) {
        let relays = self.io.relays.iter().map(|(_, relay)| relay.port.counts.refused).sum::<u64>();
        let lanes = self.io.media.iter().map(|(_, lane)| lane.dropped()).sum::<u64>() + self.io.siblings.dropped();
        let published = Published {
            core: self.core.metrics(),
            streams: self.io.streams.len() as u64,
            relay_sockets: self.io.relays.len() as u64,
            refused: self.io.refused + self.io.udp.counts.refused + relays + lanes,
        };
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = published;
    }
}

impl Io {
    /// Sends a payload on. `bytes` are those that the ranges are of. What came `single` has nothing to be grouped with, and
    /// needs no copy where it goes on as it is.
    fn forward(&mut self, forward: Forward, bytes: &[u8], single: bool) {
        match forward {
            Forward::Client { client, head, payload, padding } => {
                self.answer(client, [head.as_slice(), &bytes[payload], &ZEROS[..padding]]);
            }
            Forward::Peer { relayed, peer, payload } => {
                let Some(key) = self.by_relayed.get(&relayed).copied() else { return };
                if single {
                    self.flush_outbox();
                    if let Some(relay) = self.relays.get_mut(key) {
                        relay.port.carry(Batch::single(peer, &bytes[payload]));
                    }
                } else {
                    self.send_via(Via::Relay(key), None, peer, [&bytes[payload]]);
                }
            }
            Forward::Local { relayed, peer, payload, .. } => self.pass_on(relayed, peer, &bytes[payload]),
        }
    }

    fn pass_on(&mut self, relayed: SocketAddr, peer: SocketAddr, payload: &[u8]) {
        if let Some((_, lane)) = self.media.iter_mut().find(|(port, _)| *port == peer.port()) {
            lane.push(relayed, peer, payload);
        } else if let Some(lane) = self.siblings.lane(peer) {
            lane.push(relayed, peer, payload);
        }
    }

    fn answer(&mut self, client: FiveTuple, parts: [&[u8]; 3]) {
        match client.transport {
            Transport::Udp => self.send_via(Via::Clients, Some(client.server.ip()), client.client, parts),
            Transport::Tcp | Transport::Tls => {
                let Some(stream) = self.streams.get_mut(&client) else { return };
                if stream.is_idle() {
                    self.touched.push(client);
                }
                if !stream.push(parts) {
                    self.refused += 1;
                }
            }
        }
    }

    fn send_via<const N: usize>(&mut self, via: Via, source: Option<IpAddr>, to: SocketAddr, parts: [&[u8]; N]) {
        if via != self.via {
            self.flush_outbox();
            self.via = via;
        }
        match via {
            Via::Clients => self.outbox.push_parts(&mut self.udp, source, to, parts),
            Via::Relay(key) => {
                if let Some(relay) = self.relays.get_mut(key) {
                    self.outbox.push_parts(&mut relay.port, source, to, parts);
                }
            }
        }
    }

    fn flush_outbox(&mut self) {
        match self.via {
            Via::Clients => self.outbox.flush(&mut self.udp),
            Via::Relay(key) => {
                if let Some(relay) = self.relays.get_mut(key) {
                    self.outbox.flush(&mut relay.port);
                }
            }
        }
    }

    fn flush(&mut self) {
        self.flush_outbox();
        for (_, lane) in &mut self.media {
            lane.flush();
        }
        self.siblings.flush();
        for client in std::mem::take(&mut self.touched) {
            if let Some(stream) = self.streams.get_mut(&client)
                && !stream.flush()
            {
                self.refused += 1;
            }
        }
    }

    fn is_readable(&mut self, key: usize) {
        if let Some(relay) = self.relays.get_mut(key).filter(|relay| !relay.readable) {
            relay.readable = true;
            self.ready.push_back(key);
        }
    }

    fn open_relay(&mut self, poll: &Poll, relayed: SocketAddr) -> io::Result<()> {
        let any = || if relayed.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0u16; 8]) };
        let local = self.addresses.source_for(relayed.ip()).unwrap_or_else(any);
        let mut socket = UdpPort::bind_at(SocketAddr::new(local, relayed.port()), false)?;
        let entry = self.relays.vacant_entry();
        let key = entry.key();
        poll.registry().register(socket.source(), Token(FIRST_RELAY + key), Interest::READABLE)?;
        entry.insert(Relay { relayed, port: RelayPort { socket, counts: Default::default() }, readable: false });
        self.by_relayed.insert(relayed, key);
        Ok(())
    }

    fn close_relay(&mut self, poll: &Poll, relayed: SocketAddr) {
        let Some(key) = self.by_relayed.remove(&relayed) else { return };
        if self.via == Via::Relay(key) {
            self.flush_outbox();
            self.via = Via::Clients;
        }
        if let Some(mut relay) = self.relays.try_remove(key) {
            let _ = poll.registry().deregister(relay.port.socket.source());
            self.refused += relay.port.counts.refused;
        }
    }
}

/// Seconds since the Unix epoch.
pub fn unix() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)
}
