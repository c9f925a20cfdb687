//! One allocation (RFC 8656 §3.2): its permissions, its channels, and how long each lasts.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::FiveTuple;
use crate::accounts::QuotaSlot;
use crate::message::{Family, Key, TransactionId};
use crate::policy::Route;

/// RFC 8656 §9.
pub(crate) const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// RFC 8656 §12.
pub(crate) const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// Where packets of peers elsewhere arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Socket {
    /// The port exists in memory only.
    Virtual,
    /// Not needed so far.
    Unopened,
    /// Asked for.
    Open,
    /// The system refused it.
    Failed,
}

/// One allocation.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) generation: u32,
    pub(crate) client: FiveTuple,
    pub(crate) relayed: SocketAddr,
    pub(crate) socket: Socket,
    pub(crate) username: Box<str>,
    pub(crate) quota: QuotaSlot,
    /// Stays though the secret be rotated.
    pub(crate) key: Key,
    /// Of the Allocate that made it, to know a retransmission.
    pub(crate) transaction: TransactionId,
    pub(crate) expires: Instant,
    /// No more than some dozens, as the channels: looking through them reads less memory than a map would.
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
    /// Whether a timer for permissions and channels runs.
    pub(crate) bindings_timer: bool,
}

#[derive(Debug, Clone, Copy)]
struct Permission {
    ip: IpAddr,
    expires: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    /// How the policy has it reached. It never changes while a server runs, and this is the very address and port.
    route: Route,
    expires: Instant,
}

/// What a new allocation is made of.
pub(crate) struct NewAllocation {
    pub(crate) client: FiveTuple,
    pub(crate) relayed: SocketAddr,
    pub(crate) socket: Socket,
    pub(crate) username: Box<str>,
    pub(crate) quota: QuotaSlot,
    pub(crate) key: Key,
    pub(crate) transaction: TransactionId,
    pub(crate) expires: Instant,
}

/// Why a channel is not bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BindError {
    /// The channel or the peer is bound otherwise.
    Conflict,
    /// The allocation has as many as it may.
    Full,
}

impl Allocation {
    pub(crate) fn new(generation: u32, new: NewAllocation) -> Self {
        let NewAllocation { client, relayed, socket, username, quota, key, transaction, expires } = new;
        Self {
            generation,
            client,
            relayed,
            socket,
            username,
            quota,
            key,
            transaction,
            expires,
            permissions: Vec::new(),
            channels: Vec::new(),
            bindings_timer: false,
        }
    }

    pub(crate) fn family(&self) -> Family {
        Family::of(self.relayed.ip())
    }

    /// Whether the address may send to the client and be sent to.
    pub(crate) fn permits(&self, now: Instant, ip: IpAddr) -> bool {
        self.permissions.iter().any(|permission| permission.ip == ip && permission.expires > now)
    }

    /// The peer behind a channel, and how it is reached.
    pub(crate) fn peer_of(&self, now: Instant, number: u16) -> Option<(SocketAddr, Route)> {
        let channel = self.channels.iter().find(|channel| channel.number == number && channel.expires > now)?;
        Some((channel.peer, channel.route))
    }

    /// The channel of a peer.
    pub(crate) fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let channel = self.channels.iter().find(|channel| channel.peer == peer && channel.expires > now)?;
        Some(channel.number)
    }

    /// Permits all these addresses again, or none of them if that would be too many.
    pub(crate) fn permit(&mut self, now: Instant, ips: &[IpAddr], most: usize) -> bool {
        self.drop_expired(now);
        let before = self.permissions.len();
        let expires = now + PERMISSION_LIFETIME;
        for ip in ips {
            if !self.permissions.iter().any(|permission| permission.ip == *ip) {
                self.permissions.push(Permission { ip: *ip, expires });
            }
        }
        if self.permissions.len() > most {
            self.permissions.truncate(before);
            return false;
        }
        for permission in &mut self.permissions {
            if ips.contains(&permission.ip) {
                permission.expires = expires;
            }
        }
        true
    }

    /// Whether a channel may be bound to a peer, or kept bound.
    pub(crate) fn can_bind(
        &mut self,
        now: Instant,
        channel: u16,
        peer: SocketAddr,
        most: usize,
    ) -> Result<(), BindError> {
        self.drop_expired(now);
        match (self.peer_of(now, channel), self.channel_of(now, peer)) {
            (None, None) if self.channels.len() >= most => Err(BindError::Full),
            (None, None) => Ok(()),
            (Some((bound, _)), Some(number)) if bound == peer && number == channel => Ok(()),
            (_, _) => Err(BindError::Conflict),
        }
    }

    /// Binds a channel that can be bound. The permission that comes with it is another step.
    pub(crate) fn bind(&mut self, now: Instant, number: u16, peer: SocketAddr, route: Route) {
        let fresh = Channel { number, peer, route, expires: now + CHANNEL_LIFETIME };
        match self.channels.iter_mut().find(|channel| channel.number == number) {
            Some(channel) => *channel = fresh,
            None => self.channels.push(fresh),
        }
    }

    /// Forgets what has run out; gives the time at which more does.
    pub(crate) fn drop_expired(&mut self, now: Instant) -> Option<Instant> {
        self.permissions.retain(|permission| permission.expires > now);
        self.channels.retain(|channel| channel.expires > now);
        let permissions = self.permissions.iter().map(|permission| permission.expires);
        permissions.chain(self.channels.iter().map(|channel| channel.expires)).min()
    }

    /// Permissions and channels, live or not yet forgotten.
    pub(crate) fn bindings(&self) -> (usize, usize) {
        (self.permissions.len(), self.channels.len())
    }
}
