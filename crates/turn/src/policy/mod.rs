//! To whom may be relayed. Pure: an address and the rules in, a route or a denial out.
//!
//! Permissions are by IP only, so an address that hosts one of our media ports may well host the admin page too: what is
//! sent is judged by IP **and** port, every time ([`Policy::judge`]).

mod cidr;
mod special;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

pub use cidr::{Cidr, CidrError};
pub use special::{embedded_v4, is_special};

/// Ports of one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The address as it is announced.
    pub ip: IpAddr,
    /// The ports, both ends included.
    pub ports: RangeInclusive<u16>,
}

impl Endpoints {
    fn contains(&self, address: SocketAddr) -> bool {
        self.ip == address.ip() && self.ports.contains(&address.port())
    }
}

/// The rules.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Media ports in this process (or relay addresses of a sibling that the same process runs).
    pub local: Vec<Endpoints>,
    /// The relayed addresses that this server hands out.
    pub relayed: Vec<Endpoints>,
    /// Every other address of this machine, and the announced ones: denied but for the two above.
    pub own: Vec<IpAddr>,
    /// Whether peers elsewhere may be reached at all.
    pub elsewhere: Elsewhere,
    /// Ranges that are denied on top.
    pub deny: Vec<Cidr>,
    /// Special-purpose ranges that are allowed nevertheless.
    pub allow: Vec<Cidr>,
}

/// Whether peers elsewhere may be reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Elsewhere {
    /// Yes, by real relay ports.
    Reachable,
    /// Not allowed by the operator.
    #[default]
    Forbidden,
    /// Allowed, but no relay ports are configured.
    NoRelayPorts,
}

/// How a peer is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// A media port in this process.
    Local,
    /// Another allocation of this server.
    Relayed,
    /// Through a relay socket.
    Elsewhere,
}

/// Why a peer is not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// An address of this machine, but no media or relay port.
    #[error("it is an address of this server")]
    Own,
    /// A special-purpose range.
    #[error("it is in a special-purpose range")]
    Special,
    /// A range that the operator denies.
    #[error("the operator denies it")]
    Listed,
    /// Peers elsewhere are not relayed to.
    #[error("relaying to peers outside this server is off")]
    Forbidden,
    /// No relay ports are configured.
    #[error("no relay ports are configured")]
    NoRelayPorts,
    /// Nobody is at port 0.
    #[error("port 0 is not a peer")]
    Port,
}

impl Policy {
    /// How this very address is reached. For everything that is sent.
    pub fn judge(&self, peer: SocketAddr) -> Result<Route, Denial> {
        if peer.port() == 0 {
            return Err(Denial::Port);
        }
        if self.local.iter().any(|endpoints| endpoints.contains(peer)) {
            return Ok(Route::Local);
        }
        if self.relayed.iter().any(|endpoints| endpoints.contains(peer)) {
            return Ok(Route::Relayed);
        }
        self.judge_elsewhere(peer.ip()).map(|()| Route::Elsewhere)
    }

    /// Whether a permission for the address may be given: true where it needs a relay socket.
    pub fn judge_ip(&self, ip: IpAddr) -> Result<bool, Denial> {
        if self.local.iter().chain(&self.relayed).any(|endpoints| endpoints.ip == ip) {
            return Ok(false);
        }
        self.judge_elsewhere(ip).map(|()| true)
    }

    fn judge_elsewhere(&self, ip: IpAddr) -> Result<(), Denial> {
        let faces = || [Some(ip), embedded_v4(ip).map(IpAddr::V4)].into_iter().flatten();
        if faces().any(|face| self.own.contains(&face) || self.announces(face)) {
            return Err(Denial::Own);
        }
        let within = |ranges: &[Cidr], face| ranges.iter().any(|range| range.contains(face));
        if faces().any(|face| within(&self.deny, face)) {
            return Err(Denial::Listed);
        }
        // An embedded address needs leave of its own.
        if faces().any(|face| is_special(face) && !within(&self.allow, face)) {
            return Err(Denial::Special);
        }
        match self.elsewhere {
            Elsewhere::Reachable => Ok(()),
            Elsewhere::Forbidden => Err(Denial::Forbidden),
            Elsewhere::NoRelayPorts => Err(Denial::NoRelayPorts),
        }
    }

    fn announces(&self, ip: IpAddr) -> bool {
        self.local.iter().chain(&self.relayed).any(|endpoints| endpoints.ip == ip)
    }
}
