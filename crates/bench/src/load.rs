//! The participants: each a client on its own socket, driven by a few threads.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket as StdUdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use client::{Client, ClientConfig, ClientEvent, Output, VideoConfig};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};
use tokio::sync::mpsc;

use crate::Options;
use crate::report::Totals;
use crate::signal::{FromServer, Inbox, carry};
use crate::turn_load::allocation::{self, Allocation};

const WAKER: Token = Token(usize::MAX);
const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// How often a thread publishes its counters.
const PUBLISH: Duration = Duration::from_millis(20);
/// What the kernel holds for a participant.
const RECEIVE_BUFFER: usize = 1 << 20;
const TOKEN_LIFE: Duration = Duration::from_secs(6 * 3600);

/// Where the load goes and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    url: String,
    local: IpAddr,
    /// Tells the rooms of this run from those of another.
    run: u64,
}

impl Plan {
    /// Finds the local address that reaches the server.
    pub(crate) fn new(options: &Options) -> anyhow::Result<Self> {
        let url = options.url.trim_end_matches('/').replacen("http", "ws", 1);
        let rest =
            url.split_once("://").map(|(_, rest)| rest).context("--url must be a URL such as ws://127.0.0.1:7880")?;
        let authority = rest.split('/').next().unwrap_or(rest);
        let with_port =
            if authority.rsplit_once(':').is_some() { authority.to_owned() } else { format!("{authority}:80") };
        let server =
            with_port.to_socket_addrs().context("--url does not resolve")?.next().context("--url does not resolve")?;
        let probe = StdUdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        probe.connect(server)?;
        let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        Ok(Self { url, local: probe.local_addr()?.ip(), run })
    }

    fn token(&self, options: &Options, room: usize, identity: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let key =
            auth::LiveKitKey { key: options.api_key.clone(), secret: model::Secret::new(options.api_secret.clone()) };
        let claims = auth::LiveKitClaims {
            sub: identity.to_owned(),
            nbf: now.as_secs(),
            exp: (now + TOKEN_LIFE).as_secs(),
            video: auth::VideoGrant {
                room_join: true,
                room: format!("bench-{}-{room}", self.run),
                ..auth::VideoGrant::default()
            },
            ..auth::LiveKitClaims::default()
        };
        auth::mint_livekit(&key, &claims)
    }
}

/// What a load thread publishes.
#[derive(Debug, Default)]
struct Shared {
    connected: AtomicU64,
    failed: AtomicU64,
    published: AtomicU64,
    received: AtomicU64,
    bytes: AtomicU64,
    keyframe_requests: AtomicU64,
    sampling: AtomicBool,
    stopping: AtomicBool,
    latencies: Mutex<Vec<u32>>,
}

/// All participants.
pub(crate) struct Fleet {
    threads: Vec<Launched>,
}

/// A load thread, from outside.
struct Launched {
    shared: Arc<Shared>,
    waker: Arc<Waker>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Fleet {
    /// Starts the threads; the participants join one after the other.
    pub(crate) fn launch(options: &Options, plan: &Plan, signalling: &tokio::runtime::Handle) -> anyhow::Result<Self> {
        let epoch = Instant::now();
        let mut threads = Vec::new();
        for index in 0..options.threads {
            let poll = Poll::new()?;
            let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
            let shared = Arc::new(Shared::default());
            let (sender, from_server) = crossbeam_channel::unbounded();
            let thread = Thread {
                poll,
                from_server,
                inbox: Inbox { sender, waker: Arc::clone(&waker) },
                signalling: signalling.clone(),
                participants: Vec::new(),
                timers: BinaryHeap::new(),
                shared: Arc::clone(&shared),
                epoch,
                published: epoch,
                failed: 0,
            };
            let rooms: Vec<usize> = (0..options.rooms).filter(|room| room % options.threads == index).collect();
            let (options, plan) = (options.clone(), plan.clone());
            let spawned = std::thread::Builder::new().name(format!("load-{index}"));
            let thread = spawned.spawn(move || thread.run(&options, &plan, &rooms))?;
            threads.push(Launched { shared, waker, thread });
        }
        Ok(Self { threads })
    }

    /// Sums over all participants, as last published.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for Launched { shared, .. } in &self.threads {
            totals.connected += shared.connected.load(Relaxed) as usize;
            totals.failed += shared.failed.load(Relaxed) as usize;
            totals.published += shared.published.load(Relaxed);
            totals.received += shared.received.load(Relaxed);
            totals.bytes += shared.bytes.load(Relaxed);
            totals.keyframe_requests += shared.keyframe_requests.load(Relaxed);
        }
        totals
    }

    /// From now on latencies are kept.
    pub(crate) fn start_latencies(&self) {
        self.threads.iter().for_each(|launched| launched.shared.sampling.store(true, Relaxed));
    }

    /// Everyone leaves. Gives the latencies.
    pub(crate) fn stop(self) -> anyhow::Result<Vec<u32>> {
        let mut latencies = Vec::new();
        for Launched { shared, waker, .. } in &self.threads {
            shared.stopping.store(true, Relaxed);
            waker.wake()?;
        }
        for Launched { shared, thread, .. } in self.threads {
            thread.join().map_err(|_| anyhow::anyhow!("a load thread panicked"))??;
            latencies.append(&mut shared.latencies.lock().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(latencies)
    }
}

/// One load thread.
struct Thread {
    poll: Poll,
    from_server: crossbeam_channel::Receiver<FromServer>,
    inbox: Inbox,
    signalling: tokio::runtime::Handle,
    participants: Vec<Participant>,
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    shared: Arc<Shared>,
    epoch: Instant,
    published: Instant,
    failed: u64,
}

struct Participant {
    client: Client,
    socket: UdpSocket,
    to_server: Option<mpsc::UnboundedSender<Vec<u8>>>,
    deadline: Instant,
    publishes: bool,
    alive: bool,
    relay: Option<Relay>,
}

/// The way through a TURN server, to one media port.
struct Relay {
    allocation: Allocation,
    peer: SocketAddr,
}

impl Relay {
    const CHANNEL: u16 = 0x4000;

    /// Waits for the allocation and the channel.
    fn open(options: &Options, plan: &Plan, user: &str) -> anyhow::Result<Option<Self>> {
        let (Some(address), Some(secret), Some(peer)) = (options.turn, &options.turn_secret, options.turn_peer) else {
            return Ok(None);
        };
        let socket = allocation::socket(SocketAddr::new(plan.local, 0), address, RECEIVE_BUFFER)?;
        let allocation = Allocation::make(&model::Secret::new(secret.clone()), user, socket)?;
        allocation.bind(Self::CHANNEL, peer)?;
        Ok(Some(Self { allocation, peer }))
    }

    /// ChannelData around a datagram to the media port; nothing else is reached.
    fn wrap(&self, transmit: &client::Transmit) -> Option<Vec<u8>> {
        let length = u16::try_from(transmit.contents.len()).ok().filter(|_| transmit.destination == self.peer)?;
        Some([&Self::CHANNEL.to_be_bytes()[..], &length.to_be_bytes(), &transmit.contents].concat())
    }

    fn unwrap(bytes: &[u8]) -> Option<&[u8]> {
        let (channel, payload) = turn::channel_data::parse(bytes)?;
        (channel == Self::CHANNEL).then_some(&bytes[payload])
    }
}

impl Thread {
    fn run(mut self, options: &Options, plan: &Plan, rooms: &[usize]) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(4_096);
        let people = 1 + options.subscribers;
        let pause = Duration::from_secs(1) * options.threads as u32 / options.join_rate.max(1);
        let mut next_join = Instant::now();
        while !self.shared.stopping.load(Relaxed) {
            let now = Instant::now();
            while self.participants.len() < rooms.len() * people && next_join <= now {
                next_join += pause;
                let at = self.participants.len();
                self.join(now, options, plan, rooms[at / people], at % people)?;
            }
            let sleep = self.timers.peek().map_or(LONGEST_SLEEP, |Reverse((at, _))| at.saturating_duration_since(now));
            let joining = self.participants.len() < rooms.len() * people;
            let sleep = if joining { sleep.min(next_join.saturating_duration_since(now)) } else { sleep };
            if let Err(error) = self.poll.poll(&mut events, Some(sleep.min(LONGEST_SLEEP)))
                && error.kind() != io::ErrorKind::Interrupted
            {
                return Err(error.into());
            }
            let now = Instant::now();
            for event in &events {
                if event.token() != WAKER {
                    self.receive(event.token().0);
                }
            }
            while let Ok(message) = self.from_server.try_recv() {
                self.take_message(message);
            }
            self.wake_due(now);
            if now.saturating_duration_since(self.published) > PUBLISH {
                self.publish(now);
            }
        }
        self.leave();
        Ok(())
    }

    fn join(&mut self, now: Instant, options: &Options, plan: &Plan, room: usize, place: usize) -> anyhow::Result<()> {
        let index = self.participants.len();
        let relay = Relay::open(options, plan, &format!("bench-{room}-{place}"))?;
        let socket = match &relay {
            Some(relay) => relay.allocation.socket.try_clone()?.into(),
            None => {
                let socket = socket2::Socket::new(
                    socket2::Domain::for_address(SocketAddr::new(plan.local, 0)),
                    socket2::Type::DGRAM,
                    Some(socket2::Protocol::UDP),
                )?;
                let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
                socket.bind(&SocketAddr::new(plan.local, 0).into())?;
                socket
            }
        };
        socket.set_nonblocking(true)?;
        let mut socket = UdpSocket::from_std(socket.into());
        self.poll.registry().register(&mut socket, Token(index), Interest::READABLE)?;

        let publishes = place == 0;
        let mut config = ClientConfig::new(match &relay {
            Some(relay) => relay.allocation.relayed,
            None => socket.local_addr()?,
        });
        // As LiveKit's own clients start, whatever they come to need.
        config.receivers = (3, 3);
        config.auto_subscribe = !publishes;
        config.seed = plan.run ^ (room * 1_000 + place) as u64;
        config.epoch = Some(self.epoch);
        let mut client = Client::new(now, config);
        if publishes {
            let camera = VideoConfig {
                fps: options.fps,
                packets: options.packets,
                keyframe_factor: 1,
                payload: options.payload,
                ..VideoConfig::default()
            };
            client.publish_camera("camera", camera);
        }
        let token = plan.token(options, room, &format!("{room}-{place}"));
        let url = format!("{}{}&access_token={token}", plan.url, client.join_path());
        let (to_server, outgoing) = mpsc::unbounded_channel();
        self.signalling.spawn(carry(index, url, outgoing, self.inbox.clone()));
        self.participants.push(Participant {
            client,
            socket,
            to_server: Some(to_server),
            deadline: now + LONGEST_SLEEP,
            publishes,
            alive: true,
            relay,
        });
        Ok(())
    }

    fn take_message(&mut self, message: FromServer) {
        match message {
            FromServer::Signal(index, bytes) => {
                if self.participants[index].client.handle_signal(&bytes).is_err() {
                    self.fail(index);
                }
                self.drain(index);
            }
            FromServer::Gone(index) => self.fail(index),
        }
    }

    fn receive(&mut self, index: usize) {
        let mut buffer = [0; 2_048];
        let participant = &mut self.participants[index];
        loop {
            match participant.socket.recv_from(&mut buffer) {
                Ok((length, source)) => {
                    let (source, contents) = match &participant.relay {
                        None => (source, &buffer[..length]),
                        Some(relay) => match Relay::unwrap(&buffer[..length]) {
                            Some(contents) => (relay.peer, contents),
                            None => continue,
                        },
                    };
                    if participant.client.handle_datagram(Instant::now(), source, contents).is_err() {
                        self.fail(index);
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        self.drain(index);
    }

    fn wake_due(&mut self, now: Instant) {
        while let Some(Reverse((at, index))) = self.timers.peek().copied() {
            if at > now {
                return;
            }
            self.timers.pop();
            let participant = &mut self.participants[index];
            // Another reminder may have come since.
            if participant.deadline <= now && participant.alive {
                if participant.client.handle_timeout(now).is_err() {
                    self.fail(index);
                }
                self.drain(index);
            }
        }
    }

    /// Carries out what a client wants.
    fn drain(&mut self, index: usize) {
        let participant = &mut self.participants[index];
        loop {
            match participant.client.poll_output() {
                Output::Signal(bytes) => {
                    if let Some(to_server) = &participant.to_server {
                        let _ = to_server.send(bytes);
                    }
                }
                Output::Transmit(transmit) => {
                    // What the kernel does not take is lost, as anywhere.
                    let _ = match &participant.relay {
                        None => participant.socket.send_to(&transmit.contents, transmit.destination),
                        Some(relay) => relay.wrap(&transmit).map_or(Ok(0), |bytes| participant.socket.send(&bytes)),
                    };
                }
                Output::Event(ClientEvent::Disconnected | ClientEvent::Left(_)) => {
                    if participant.alive {
                        participant.alive = false;
                        self.failed += 1;
                    }
                }
                Output::Event(_) => {}
                Output::Timeout(at) => {
                    if at != participant.deadline {
                        participant.deadline = at;
                        self.timers.push(Reverse((at, index)));
                    }
                    return;
                }
            }
        }
    }

    fn fail(&mut self, index: usize) {
        let participant = &mut self.participants[index];
        if participant.alive {
            participant.alive = false;
            participant.to_server = None;
            self.failed += 1;
        }
    }

    fn publish(&mut self, now: Instant) {
        self.published = now;
        let (mut connected, mut published, mut received, mut bytes, mut keyframes) = (0, 0, 0, 0, 0);
        let mut latencies: Vec<u32> = Vec::new();
        for participant in &mut self.participants {
            let counts = participant.client.received();
            connected += u64::from(participant.client.is_connected());
            if participant.publishes {
                published += counts.sent_packets;
                keyframes += counts.keyframe_requests;
            } else {
                received += counts.video_packets;
                bytes += counts.bytes;
                latencies.append(&mut participant.client.take_latencies());
            }
        }
        let shared = &self.shared;
        shared.connected.store(connected, Relaxed);
        shared.failed.store(self.failed, Relaxed);
        shared.published.store(published, Relaxed);
        shared.received.store(received, Relaxed);
        shared.bytes.store(bytes, Relaxed);
        shared.keyframe_requests.store(keyframes, Relaxed);
        if shared.sampling.load(Relaxed) {
            shared.latencies.lock().unwrap_or_else(PoisonError::into_inner).append(&mut latencies);
        }
    }

    fn leave(&mut self) {
        for index in 0..self.participants.len() {
            if self.participants[index].alive {
                self.participants[index].client.leave();
                self.participants[index].alive = false;
                self.drain(index);
            }
            self.participants[index].to_server = None;
            if let Some(relay) = &self.participants[index].relay {
                relay.allocation.release();
            }
        }
    }
}
