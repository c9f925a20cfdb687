//! The server: what comes in, what goes out, and when.
//!
//! Requests are in [`requests`], authentication in [`auth`], the packet path in [`relay`].

mod auth;
mod relay;
mod requests;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::UserId;

use crate::accounts::Accounts;
use crate::allocation::Socket;
use crate::config::{Config, ConfigError};
use crate::forward::Forward;
use crate::hash::Seed;
use crate::message::{Message, TransactionId};
use crate::metrics::{Drop, Metrics};
use crate::nonce::Nonces;
use crate::policy::Policy;
use crate::table::Table;
use crate::timers::{Timer, Timers};
use crate::{AllocationId, FiveTuple};

/// One thing to carry out, in the order of what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// An answer to a client.
    ToClient {
        /// The client to send it to.
        client: FiveTuple,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// Bind a UDP socket here (this port, whatever local address is behind the announced one) and hand what arrives to
    /// [`Server::handle_peer`]. Where that fails, say so with [`Server::handle_relay_failed`].
    OpenRelay {
        /// The relayed address.
        relayed: SocketAddr,
    },
    /// Close that socket. Comes once for each [`Output::OpenRelay`], whether or not the socket could be had.
    CloseRelay {
        /// The relayed address.
        relayed: SocketAddr,
    },
    /// An allocation was made.
    Allocated {
        /// ID of the allocation.
        allocation: AllocationId,
        /// The user whom it is for.
        user: UserId,
        /// The client's and the server's address, and the transport between them.
        client: FiveTuple,
        /// The address that its peers see.
        relayed: SocketAddr,
    },
    /// An allocation is gone.
    Ended {
        /// ID of the allocation.
        allocation: AllocationId,
        /// The user whose it was.
        user: UserId,
        /// The 5-tuple that it was made over; a stream may be closed after [`Ended::Revoked`].
        client: FiveTuple,
        /// Why it is gone.
        reason: Ended,
    },
    /// Nothing more until then; call [`Server::handle_timeout`] at that time or hand in what comes first.
    Timeout(Instant),
    /// Nothing more and no timer runs.
    Idle,
}

/// Why an allocation is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Not refreshed in time.
    Expired,
    /// The client gave it back.
    Released,
    /// The client's stream was closed.
    Disconnected,
    /// The user was revoked.
    Revoked,
}

/// A STUN and TURN server without sockets. See the crate for how to drive it.
pub struct Server {
    config: Config,
    policy: Policy,
    nonces: Nonces,
    accounts: Arc<Accounts>,
    /// Users whose credentials are refused up to an expiry.
    revoked: BTreeMap<UserId, u64>,
    table: Table,
    timers: Timers,
    outputs: VecDeque<Output>,
    metrics: Metrics,
    rng: fastrand::Rng,
    /// Which second since the Unix epoch it was at which instant.
    wall: (Instant, u64),
}

impl Server {
    /// A server that starts now, which is `unix` in seconds since the Unix epoch, and has its accounts for itself.
    pub fn new(config: Config, now: Instant, unix: u64) -> Result<Self, ConfigError> {
        let accounts = Accounts::new(now, &config.limits, config.seed);
        Self::sharing(config, Arc::new(accounts), now, unix)
    }

    /// A server that keeps accounts with others of this process. What they limit together is in the accounts: the limits
    /// in `config` then hold for one allocation.
    pub fn sharing(config: Config, accounts: Arc<Accounts>, now: Instant, unix: u64) -> Result<Self, ConfigError> {
        let policy = config.validate()?;
        let mut rng = fastrand::Rng::with_seed(config.seed);
        let seed = Seed(rng.u64(..));
        Ok(Self {
            nonces: Nonces::new(config.nonce_key.clone(), now, config.nonce_lifetime),
            accounts,
            revoked: BTreeMap::new(),
            table: Table::new(seed, &config.relay),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            metrics: Metrics::default(),
            rng,
            wall: (now, unix),
            policy,
            config,
        })
    }

    /// A datagram or a frame of a stream from a client. What it carries for a peer is not copied: the answer says where
    /// it goes.
    pub fn handle_client(&mut self, now: Instant, client: FiveTuple, bytes: &[u8]) -> Option<Forward> {
        match bytes.first() {
            Some(0x40..=0x7F) => self.channel_data(now, &client, bytes),
            Some(0x00..=0x03) => match Message::parse(bytes) {
                Ok(message) => self.message(now, client, &message),
                Err(_) => self.dropped(Drop::Malformed),
            },
            Some(_) | None => self.dropped(Drop::Malformed),
        }
    }

    /// A payload that a peer sent to a relayed address: from a relay socket, or from a media worker in memory.
    pub fn handle_peer(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
    ) -> Option<Forward> {
        self.forward_to_client(now, relayed, peer, 0..payload.len())
    }

    /// A client's stream is closed; what was allocated over it goes too.
    pub fn handle_disconnect(&mut self, now: Instant, client: FiveTuple) {
        if let Some(id) = self.table.by_client(&client) {
            self.end(now, id, Ended::Disconnected);
        }
    }

    /// The relay socket could not be bound, or broke. Peers in this process are still reached, and the port is not given to
    /// others for ten minutes.
    pub fn handle_relay_failed(&mut self, relayed: SocketAddr) {
        let allocation = self.table.by_relayed(relayed).and_then(|id| self.table.get_mut(id));
        if let Some(allocation) = allocation.filter(|allocation| allocation.socket == Socket::Open) {
            allocation.socket = Socket::Failed;
            self.outputs.push_back(Output::CloseRelay { relayed });
        }
    }

    /// Sets the wall clock right: now it is `unix`, in seconds since the Unix epoch.
    pub fn handle_wall_clock(&mut self, now: Instant, unix: u64) {
        self.wall = (now, unix);
    }

    /// Time has come for what [`Output::Timeout`] announced.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Allocation(id) => self.allocation_due(now, id),
                Timer::Bindings(id) => self.bindings_due(now, id),
                Timer::User(user) => self.forget_user(now, &user, true),
            }
        }
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        self.timers.next().map_or(Output::Idle, Output::Timeout)
    }

    /// Takes a user's allocations away, and refuses Allocate with credentials that expire up to `until` (seconds since
    /// the Unix epoch): with now and the longest life of credentials, those that are out are all refused and those
    /// minted later are not.
    pub fn revoke(&mut self, now: Instant, user: &UserId, until: u64) {
        let unix = self.unix(now);
        self.revoked.retain(|_, until| *until >= unix);
        let entry = self.revoked.entry(user.clone()).or_insert(until);
        *entry = until.max(*entry);
        let whose = |id: &AllocationId| self.table.get(*id).is_some_and(|allocation| allocation.quota.user() == user);
        for id in self.table.ids().filter(whose).collect::<Vec<_>>() {
            self.end(now, id, Ended::Revoked);
        }
    }

    /// From now on credentials are minted with `current`; those of the secret before it are good until they expire, and
    /// what is allocated stays.
    pub fn rotate_secret(&mut self, current: model::Secret<String>) {
        let previous = std::mem::replace(&mut self.config.secrets.current, current);
        self.config.secrets.previous = Some(previous);
    }

    /// What was counted.
    pub fn metrics(&self) -> Metrics {
        let (allocations, users) = (self.table.len() as u64, self.accounts.users() as u64);
        Metrics { allocations, users, ..self.metrics.clone() }
    }

    /// Ports of a family that no allocation holds: real ones, virtual ones.
    pub fn free_ports(&self, family: crate::message::Family) -> (usize, usize) {
        self.table.free_ports(family)
    }

    /// Permissions and channels of an allocation.
    pub fn bindings(&self, allocation: AllocationId) -> Option<(usize, usize)> {
        self.table.get(allocation).map(crate::allocation::Allocation::bindings)
    }

    /// Timers that run; a bound for tests, as they are not to pile up.
    pub fn timers(&self) -> usize {
        self.timers.len()
    }

    fn allocation_due(&mut self, now: Instant, id: AllocationId) {
        let Some(allocation) = self.table.get(id) else { return };
        if allocation.expires > now {
            self.timers.set(next_look(now, allocation.expires), Timer::Allocation(id));
        } else {
            self.end(now, id, Ended::Expired);
        }
    }

    fn bindings_due(&mut self, now: Instant, id: AllocationId) {
        let Some(allocation) = self.table.get_mut(id) else { return };
        let next = allocation.drop_expired(now);
        allocation.bindings_timer = next.is_some();
        if let Some(next) = next {
            self.timers.set(next, Timer::Bindings(id));
        }
    }

    fn forget_user(&mut self, now: Instant, user: &UserId, came: bool) {
        if let Some(again) = self.accounts.forget(now, user, came) {
            self.timers.set(again, Timer::User(Box::new(user.clone())));
        }
    }

    /// The one way in which an allocation goes.
    fn end(&mut self, now: Instant, id: AllocationId, reason: Ended) {
        let Some(allocation) = self.table.remove(now, id) else { return };
        self.timers.ended(|id| self.table.get(id).is_some());
        if allocation.socket == Socket::Open {
            self.outputs.push_back(Output::CloseRelay { relayed: allocation.relayed });
        }
        let (user, client) = (allocation.quota.user().clone(), allocation.client);
        // Its quota is free from here on.
        drop(allocation);
        self.forget_user(now, &user, false);
        self.outputs.push_back(Output::Ended { allocation: id, user, client, reason });
    }

    fn unix(&self, now: Instant) -> u64 {
        let (at, unix) = self.wall;
        unix.saturating_add(now.saturating_duration_since(at).as_secs())
    }

    fn dropped(&mut self, reason: Drop) -> Option<Forward> {
        self.metrics.count_drop(reason);
        None
    }

    fn transaction(&mut self) -> TransactionId {
        let mut id = [0; 12];
        self.rng.fill(&mut id);
        TransactionId(id)
    }
}

/// When to look at an allocation next. A refresh gives at least 600 s from then on, so it can never bring the end before
/// this, and one timer an allocation is enough.
fn next_look(now: Instant, expires: Instant) -> Instant {
    expires.min(now + DEFAULT_LIFETIME)
}

/// RFC 8656 §3.2.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);

/// What a client gets that asks for `requested` seconds, or for nothing in particular (RFC 8656 §7.2).
fn lifetime(requested: Option<u32>, longest: Duration) -> Duration {
    let requested = requested.map_or(DEFAULT_LIFETIME, |seconds| Duration::from_secs(seconds.into()));
    requested.min(longest).max(DEFAULT_LIFETIME)
}
