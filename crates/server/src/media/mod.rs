//! The media workers: threads, sockets, and the rooms on them.
//!
//! Owns every media socket. Knows what a datagram is for (`routes`), not what is in it: that is `livekit`'s and `sfu`'s.

mod addresses;
mod command;
mod directory;
mod hosted;
mod notices;
mod options;
mod outbox;
mod parcels;
mod plane;
mod recording;
mod routes;
mod socket;
mod tcp;
pub(crate) mod tcp_listener;
mod timers;
mod worker;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use control::MediaNotice;
use model::{Bitrate, RoomName, Timestamp};
use tokio::sync::mpsc;

use crate::admission::Admission;
use crate::bridge::{Inlet, RelayLanes, Relays};

pub use addresses::{Addresses, announce_by_default, interface_addresses};
pub use command::{Gauges, WorkerHandle};
pub(crate) use outbox::{Batch, Carrier, Outbox};
pub use plane::Plane;
pub use recording::Recordings;
pub(crate) use socket::{Inbox, RelayPort};
pub use socket::{UdpPort, UdpPorts, WANTED_BUFFER};

/// How the media side is set up, validated.
#[derive(Debug, Clone)]
pub struct MediaSettings {
    /// One UDP port a worker; as many workers.
    pub udp_ports: Vec<u16>,
    /// ICE over TCP.
    pub tcp_port: Option<u16>,
    /// Addresses announced.
    pub addresses: Addresses,
    /// How rooms are set up.
    pub defaults: RoomDefaults,
    /// Where recordings go; none: nowhere, and none is made.
    pub recordings: Option<Recordings>,
    /// Who may have a connection until its first frame has come.
    pub admission: Admission,
    /// A panic in a room ends its worker instead of the room alone: for tests, which are to notice.
    pub rethrow_panics: bool,
}

/// How every room of a server is set up.
#[derive(Debug, Clone)]
pub struct RoomDefaults {
    /// For rooms opened by a client; 0: no limit.
    pub max_participants: usize,
    /// How long a room lives with nobody in it.
    pub empty_timeout: Duration,
    /// How long a lost participant may take to resume.
    pub departure_timeout: Duration,
    /// What a subscriber is believed to take before anything was measured.
    pub initial_bitrate: Bitrate,
    /// Set by each worker.
    pub candidates: Vec<sfu::LocalCandidate>,
    /// Set by each worker.
    pub ufrag_prefix: String,
    /// Signs the fresh tokens of connected clients.
    pub token_key: Option<auth::LiveKitKey>,
    /// Where the operator's backend is told what happens; none: nowhere.
    pub hooks: Option<mpsc::Sender<Box<livekit::proto::WebhookEvent>>>,
    /// A worker with so many clients or more leaves new ones of its rooms to a worker that has less than half of that; `None`: a
    /// room stays on one worker.
    pub spread_from: Option<u64>,
    /// The IP addresses of this host.
    pub local: Arc<[std::net::IpAddr]>,
}

impl RoomDefaults {
    fn init(&self, now: Instant, name: &RoomName, options: livekit::RoomOptions) -> livekit::RoomInit {
        livekit::RoomInit {
            name: name.as_str().to_owned(),
            options,
            max_participants: self.max_participants,
            empty_timeout: self.empty_timeout,
            departure_timeout: self.departure_timeout,
            ufrag_prefix: self.ufrag_prefix.clone(),
            candidates: self.candidates.clone(),
            media: sfu::RoomConfig {
                seed: rand::random(),
                initial_bitrate: self.initial_bitrate,
                bandwidth_estimation: true,
                opened: now,
                local: Arc::clone(&self.local),
            },
            seed: rand::random(),
            token_key: self.token_key.clone(),
            hooks: self.hooks.is_some(),
            opened: (now, Timestamp(jiff::Timestamp::now().as_millisecond())),
        }
    }
}

/// Bound but idle: the ports are ours, nothing runs yet.
pub struct MediaSockets {
    udp: Vec<UdpPorts>,
    tcp: Vec<TcpListener>,
}

impl MediaSockets {
    /// Gives its TCP ports away to who tells more than ICE-TCP apart on them.
    pub fn take_tcp(&mut self) -> Vec<TcpListener> {
        std::mem::take(&mut self.tcp)
    }
}

/// A port could not be had.
#[derive(Debug, thiserror::Error)]
#[error("{protocol} port {port}: {error}")]
pub struct PortError {
    /// UDP or TCP.
    pub protocol: &'static str,
    /// Which.
    pub port: u16,
    /// Why.
    pub error: io::Error,
}

impl MediaSettings {
    /// Binds every port, so that a start fails before anything runs.
    pub fn bind(&self) -> Result<MediaSockets, PortError> {
        let mut udp = Vec::new();
        for port in &self.udp_ports {
            let ports = UdpPorts::bind(*port, self.addresses.any_v6());
            udp.push(ports.map_err(|error| PortError { protocol: "UDP", port: *port, error })?);
        }
        let mut tcp = Vec::new();
        if let Some(port) = self.tcp_port {
            let v4 = listen(SocketAddr::from(([0, 0, 0, 0], port)));
            tcp.push(v4.map_err(|error| PortError { protocol: "TCP", port, error })?);
            if self.addresses.any_v6() {
                tcp.extend(listen(SocketAddr::from(([0u16; 8], port))).ok());
            }
        }
        Ok(MediaSockets { udp, tcp })
    }

    /// Starts the workers. What they send to the addresses of `relays` stays in this process.
    pub fn start(
        self,
        sockets: MediaSockets,
        notices: mpsc::Sender<MediaNotice>,
        relays: &Relays,
    ) -> io::Result<Arc<Plane>> {
        let directory = Arc::new(directory::Directory::default());
        let mut handles = Vec::new();
        let everyone = Arc::new(OnceLock::new());
        for (index, ports) in sockets.udp.into_iter().enumerate() {
            let poll = mio::Poll::new()?;
            let waker = Arc::new(mio::Waker::new(poll.registry(), worker::WAKER)?);
            let (sender, commands) = mpsc::channel(command::COMMANDS);
            let gauges = Arc::new(Gauges::default());
            let (inlet, outlet) = Inlet::new(Arc::clone(&waker));
            handles.push(WorkerHandle::new(sender, waker, Arc::clone(&gauges), outlet));
            let worker = worker::Worker::new(worker::Parts {
                index,
                poll,
                ports,
                tcp_port: self.tcp_port,
                addresses: self.addresses.clone(),
                defaults: self.defaults.clone(),
                commands,
                notices: notices.clone(),
                recordings: self.recordings.clone(),
                directory: Arc::clone(&directory),
                gauges,
                inlet,
                relays: RelayLanes::new(relays),
                rethrow_panics: self.rethrow_panics,
                workers: Arc::clone(&everyone),
            })?;
            std::thread::Builder::new().name(format!("media-{index}")).spawn(move || worker.run())?;
        }
        let workers: Arc<[WorkerHandle]> = handles.into();
        everyone.get_or_init(|| Arc::clone(&workers));
        for listener in sockets.tcp {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(tcp_listener::run(
                listener,
                self.admission.clone(),
                self.addresses.clone(),
                Arc::clone(&workers),
            ));
        }
        Ok(Arc::new(Plane::new(workers, directory, self.recordings.is_some())))
    }
}

/// Listens on one address of one family.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
