//! The built-in STUN and TURN server: its workers, its listeners, its secret, and what clients are told about it.
//!
//! Owns every TURN socket. The crate `turn` implements the protocol. Whatever is relayed to a media worker of this
//! process goes there in memory ([`crate::bridge`]).

mod door;
mod handout;
pub mod metrics;
pub mod probe;
mod revoked;
pub mod secret;
mod settings;
mod shard;
mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::{IceClient, IceServer};
use arc_swap::ArcSwap;
use axum_server::tls_rustls::RustlsConfig;
use model::UserId;
use tokio::sync::mpsc;

pub use door::{ALPN, Door, IceTcp, Inside, Rewound, tuple};
pub use handout::Handout;
pub use secret::TurnSecrets;
pub use settings::TurnSettings;
pub use shard::{Published, unix};

use crate::admission::Admission;
use crate::bridge::{Inlet, Lane, RelayLanes, Relays};
use crate::failure::Failure;
use crate::media::{Addresses, PortError, UdpPort, UdpPorts, WorkerHandle, listen};
use revoked::Revoked;
use settings::Common;
use shard::{COMMANDS, Command, Parts, Shard, ShardHandle, WAKER};

/// How often it is looked whether the secret was rotated.
const WATCH: Duration = Duration::from_secs(2);

/// Bound but idle.
pub struct TurnSockets {
    udp: Vec<UdpPorts>,
    tcp: Vec<TcpListener>,
    tls: Vec<TcpListener>,
    rings: Vec<Ring>,
}

struct Ring {
    poll: mio::Poll,
    waker: Arc<mio::Waker>,
    inlet: Inlet,
    outlet: crate::bridge::Outlet,
}

/// What the server around it gives.
pub struct Around<'a> {
    /// Where everything is kept.
    pub data_dir: &'a Path,
    /// The media ports.
    pub udp_ports: &'a [u16],
    /// The announced ICE-TCP port.
    pub tcp_port: Option<u16>,
    /// Announced addresses.
    pub addresses: &'a Addresses,
    /// All addresses of this machine.
    pub own: &'a [IpAddr],
    /// The name in URLs; none: the one that a client asked.
    pub host: Option<String>,
    /// The https port, which leads here, too.
    pub https_port: Option<u16>,
    /// Who may have a connection over TCP or TLS.
    pub admission: Admission,
    /// Whether clients trust the certificate: they are not sent to one that they refuse.
    pub trusted: bool,
}

impl TurnSettings {
    /// Binds every port, so that a start fails before anything runs.
    pub fn bind(&self, v6: bool) -> Result<TurnSockets, PortError> {
        let failed = |protocol: &'static str, port: u16| move |error: io::Error| PortError { protocol, port, error };
        let mut udp = Vec::new();
        let any = |v6: bool| if v6 { IpAddr::from([0u16; 8]) } else { IpAddr::from([0; 4]) };
        let shared = self.workers > 1;
        if shared {
            // Shared ports do not tell when another program has them, too.
            UdpPort::bind(false, self.port).map_err(failed("TURN UDP", self.port))?;
        }
        for _ in 0..self.workers {
            let bind = |v6: bool| UdpPort::bind_at(SocketAddr::new(any(v6), self.port), shared);
            let v4 = bind(false).map_err(failed("TURN UDP", self.port))?;
            // A host without IPv6 does without.
            udp.push(UdpPorts { v4, v6: if v6 { bind(true).ok() } else { None }, counts: Default::default() });
        }
        let streams = |protocol: &'static str, port: u16| -> Result<Vec<TcpListener>, PortError> {
            let first = listen(SocketAddr::new(any(false), port)).map_err(failed(protocol, port))?;
            let second = if v6 { listen(SocketAddr::new(any(true), port)).ok() } else { None };
            Ok([first].into_iter().chain(second).collect())
        };
        let tcp = streams("TURN TCP", self.port)?;
        let tls = self.tls_port.map_or(Ok(Vec::new()), |port| streams("TURN TLS", port))?;
        let ring = |_| -> io::Result<Ring> {
            let poll = mio::Poll::new()?;
            let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER)?);
            let (inlet, outlet) = Inlet::new(Arc::clone(&waker));
            Ok(Ring { poll, waker, inlet, outlet })
        };
        let rings = (0..self.workers).map(ring).collect::<io::Result<_>>().map_err(failed("TURN UDP", self.port))?;
        Ok(TurnSockets { udp, tcp, tls, rings })
    }
}

impl TurnSockets {
    /// Takes ports of ICE-TCP, on which TURN is spoken, too, from now on.
    pub fn share(&mut self, ice_tcp: Vec<TcpListener>) {
        self.tcp.extend(ice_tcp);
    }
}

impl TurnSettings {
    /// Which addresses media workers reach through these sockets, in memory.
    pub fn relays(&self, sockets: &TurnSockets, around: &Around<'_>) -> Relays {
        let secrets = TurnSecrets::given(model::Secret::new(String::new()));
        let common = self.common(around, &secrets);
        let (v4, v6) = common.relay_addresses();
        let addresses = v4.map(IpAddr::V4).into_iter().chain(v6.map(IpAddr::V6)).collect();
        let ranges = self.all_ports(&common);
        let shards = ranges.into_iter().map(|(index, ports)| (ports, sockets.rings[index].outlet.clone()));
        Relays { addresses, shards: shards.collect() }
    }

    /// All relayed ports, virtual and real, with the worker that has them.
    fn all_ports(&self, common: &Common<'_>) -> Vec<(usize, std::ops::RangeInclusive<u16>)> {
        let real = self.relay_ports.as_ref().map(|ports| settings::split(ports, self.workers)).unwrap_or_default();
        common.virtual_ports().into_iter().enumerate().chain(real.into_iter().enumerate()).collect()
    }

    fn common<'a>(&'a self, around: &'a Around<'a>, secrets: &'a TurnSecrets) -> Common<'a> {
        Common { settings: self, udp_ports: around.udp_ports, addresses: around.addresses, own: around.own, secrets }
    }

    /// Starts the workers and accepts.
    pub fn start(
        self,
        sockets: TurnSockets,
        around: &Around<'_>,
        media: &Arc<[WorkerHandle]>,
        tls: Option<&RustlsConfig>,
    ) -> Result<TurnPlane, Failure> {
        let secrets = match &self.secret {
            Some(secret) => TurnSecrets::given(secret.clone()),
            None => TurnSecrets::read_or_make(around.data_dir)?,
        };
        let common = self.common(around, &secrets);
        let revoked = Revoked::read(around.data_dir, unix())?;
        let relays = self.relays(&sockets, around);
        let ranges = common.virtual_ports();
        // A user's clients come to any worker, so what a user may have is counted over all.
        let accounts = Arc::new(turn::Accounts::new(Instant::now(), &self.limits, rand::random()));
        let mut shards = Vec::new();
        for (index, (udp, ring)) in sockets.udp.into_iter().zip(sockets.rings).enumerate() {
            let config = common.config(index, &ranges);
            let accounts = Arc::clone(&accounts);
            let mut core = turn::Server::sharing(config, accounts, Instant::now(), unix()).map_err(Failure::setup)?;
            revoked.iter().for_each(|(user, until)| core.revoke(Instant::now(), user, until));
            let (sender, commands) = mpsc::channel(COMMANDS);
            let published = Arc::new(Mutex::new(Published::default()));
            shards.push(ShardHandle::new(sender, ring.waker, Arc::clone(&published)));
            let lanes = media.iter().zip(around.udp_ports);
            let parts = Parts {
                index,
                poll: ring.poll,
                core,
                udp,
                port: self.port,
                commands,
                published,
                inlet: ring.inlet,
                media: lanes.map(|(worker, port)| (*port, Lane::new(worker.relayed().clone()))).collect(),
                siblings: RelayLanes::new(&relays),
                addresses: around.addresses.clone(),
            };
            let shard = Shard::new(parts).map_err(Failure::fault)?;
            let thread = std::thread::Builder::new().name(format!("turn-{index}"));
            thread.spawn(move || shard.run()).map_err(Failure::fault)?;
        }
        let shards: Arc<[ShardHandle]> = shards.into();
        let ice_tcp = around.tcp_port.map(|port| IceTcp {
            port,
            addresses: around.addresses.clone(),
            workers: Arc::clone(media),
        });
        let door = Door::new(Arc::clone(&shards), ice_tcp, around.admission.clone());
        for listener in sockets.tcp.into_iter().chain(sockets.tls) {
            let listener = tokio::net::TcpListener::from_std(listener).map_err(Failure::fault)?;
            tokio::spawn(door.clone().serve(listener, tls.cloned()));
        }
        let (v4, v6) = common.relay_addresses();
        let usable = around.addresses.announced().iter().find(|ip| !ip.is_loopback()).copied();
        let handout = Handout {
            secret: Arc::new(ArcSwap::from_pointee(secrets.current.clone())),
            ttl: self.credential_ttl,
            host: around.host.clone(),
            address: usable,
            port: self.port,
            tls_ports: around.https_port.into_iter().chain(self.tls_port).filter(|_| around.trusted).collect(),
        };
        tracing::info!(port = self.port, tls_port = ?self.tls_port, ?v4, ?v6, workers = self.workers, "TURN is on");
        if self.secret.is_none() {
            tokio::spawn(watch(around.data_dir.to_owned(), secrets, handout.clone(), Arc::clone(&shards)));
        }
        Ok(TurnPlane { shards, door, handout, revoked: Arc::new(Mutex::new(revoked)) })
    }
}

/// The running TURN server.
#[derive(Clone)]
pub struct TurnPlane {
    shards: Arc<[ShardHandle]>,
    door: Door,
    handout: Handout,
    revoked: Arc<Mutex<Revoked>>,
}

impl TurnPlane {
    /// Where streams that came in elsewhere are brought.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// What each worker says of itself.
    pub fn published(&self) -> Vec<Published> {
        self.shards.iter().map(ShardHandle::published).collect()
    }

    /// Stops the workers.
    pub async fn stop(&self) {
        for shard in self.shards.iter() {
            shard.send(Command::Stop).await;
        }
    }
}

impl api::BuiltInTurn for TurnPlane {
    fn servers(&self, client: &IceClient<'_>) -> Vec<IceServer> {
        self.handout.servers(client)
    }

    fn revoke(&self, user: &UserId) -> io::Result<()> {
        let (shards, revoked, now) = (Arc::clone(&self.shards), user.clone(), unix());
        let until = now + self.handout.ttl.as_secs();
        tokio::spawn(async move {
            for shard in shards.iter() {
                shard.send(Command::Revoke(revoked.clone(), until)).await;
            }
        });
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner).add(user, until, now)
    }
}

/// Notices a rotation by another process and carries it out.
async fn watch(data_dir: PathBuf, mut known: TurnSecrets, handout: Handout, shards: Arc<[ShardHandle]>) {
    let mut ticks = tokio::time::interval(WATCH);
    loop {
        ticks.tick().await;
        let found = match TurnSecrets::read(&data_dir) {
            Ok(Some(found)) if found.current != known.current => found,
            Ok(_) | Err(_) => continue,
        };
        for shard in shards.iter() {
            shard.send(Command::Rotate(found.current.clone())).await;
        }
        handout.secret.store(Arc::new(found.current.clone()));
        tracing::info!("rotated the TURN secret; credentials made with the old one work until they expire");
        known = found;
    }
}
