//! What a server is made with, and the checks that a bad configuration fails at start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use model::Secret;

use crate::credentials::Secrets;
use crate::limit::Rate;
use crate::message::Family;
use crate::policy::{Cidr, CidrError, Elsewhere, Endpoints, Policy};

/// The configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// The realm of the credentials, 1 to 8 bytes: it is in every 401.
    pub realm: String,
    /// The secrets that verify credentials.
    pub secrets: Secrets,
    /// Makes nonces; new at every start.
    pub nonce_key: Secret<[u8; 32]>,
    /// How long a nonce is valid. A stale one costs the client a round trip.
    pub nonce_lifetime: Duration,
    /// Where relayed addresses are.
    pub relay: RelayConfig,
    /// Which peers may be relayed to.
    pub peers: PeerConfig,
    /// How much each user and all of them together may have.
    pub limits: Limits,
    /// Seeds the choice of ports and the hash keys.
    pub seed: u64,
}

/// Where relayed addresses are.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// The announced IPv4 address; none: IPv4 is answered 440.
    pub ipv4: Option<Ipv4Addr>,
    /// The announced IPv6 address; none: IPv6 is answered 440.
    pub ipv6: Option<Ipv6Addr>,
    /// Ports that exist in memory only: for peers in this process.
    pub virtual_ports: RangeInclusive<u16>,
    /// Ports that may be opened for peers outside this process. Used first, if configured.
    pub ports: Option<RangeInclusive<u16>>,
}

/// Which peers may be relayed to.
#[derive(Debug, Clone, Default)]
pub struct PeerConfig {
    /// The announced media ports of this process.
    pub local: Vec<Endpoints>,
    /// All addresses of this machine.
    pub own: Vec<IpAddr>,
    /// Whether to relay to peers outside this process.
    pub p2p_relay: bool,
    /// Special-purpose ranges to allow anyway, such as `192.168.0.0/16`.
    pub allow: Vec<String>,
    /// Further ranges to deny.
    pub deny: Vec<String>,
}

/// Limits per user and in total.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most allocations of one user.
    pub allocations_per_user: u32,
    /// Most allocations of all users together.
    pub allocations: u32,
    /// Most permissions of one allocation.
    pub permissions: usize,
    /// Most channels of one allocation.
    pub channels: usize,
    /// Bytes relayed per user, both directions together.
    pub user_rate: Option<Rate>,
    /// Bytes relayed in total.
    pub total_rate: Option<Rate>,
    /// Unauthenticated error responses per second to one source.
    pub challenges_per_second: u8,
    /// The longest LIFETIME; the shortest is 600 s, the default of RFC 8656.
    pub longest_lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocations_per_user: 12,
            allocations: 20_000,
            permissions: 64,
            channels: 64,
            user_rate: None,
            total_rate: None,
            challenges_per_second: 10,
            longest_lifetime: Duration::from_secs(3_600),
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The realm is empty or too long.
    #[error("the TURN realm must have 1 to 8 bytes, and no quotes, colons or control characters")]
    Realm,
    /// A secret is too short.
    #[error("a TURN secret must have at least 16 bytes")]
    Secret,
    /// Neither an IPv4 nor an IPv6 address to relay from.
    #[error("TURN needs an announced address")]
    NoRelayAddress,
    /// A peer could not reach the address to relay from.
    #[error("TURN cannot relay from {0}: announce an address that others can reach")]
    RelayAddress(IpAddr),
    /// A port range is empty, starts below 1024, or overlaps another one.
    #[error("the relay ports {from}-{to} are empty, below 1024, or overlap other ports of this server")]
    Ports {
        /// The first.
        from: u16,
        /// The last.
        to: u16,
    },
    /// A malformed range in the lists of peers.
    #[error(transparent)]
    Cidr(#[from] CidrError),
}

impl Config {
    /// Checks everything and returns the peer policy.
    pub(crate) fn validate(&self) -> Result<Policy, ConfigError> {
        let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b':' | b'"' | b'\\');
        if !(1..=8).contains(&self.realm.len()) || !self.realm.bytes().all(fits) {
            return Err(ConfigError::Realm);
        }
        let mut secrets = std::iter::once(&self.secrets.current).chain(&self.secrets.previous);
        if secrets.any(|secret| secret.reveal().len() < 16) {
            return Err(ConfigError::Secret);
        }
        self.check_addresses()?;
        self.check_ports()?;
        self.policy()
    }

    fn check_addresses(&self) -> Result<(), ConfigError> {
        let mut any = false;
        for ip in self.relay.addresses() {
            let link_local = match ip {
                IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
                IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some(),
            };
            if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || link_local {
                return Err(ConfigError::RelayAddress(ip));
            }
            any = true;
        }
        if any { Ok(()) } else { Err(ConfigError::NoRelayAddress) }
    }

    fn check_ports(&self) -> Result<(), ConfigError> {
        let overlap = |a: &RangeInclusive<u16>, b: &RangeInclusive<u16>| a.start() <= b.end() && b.start() <= a.end();
        let real = self.relay.ports.iter();
        for range in real.clone().chain([&self.relay.virtual_ports]) {
            let mut media = self.peers.local.iter().filter(|media| self.relay.addresses().any(|ip| ip == media.ip));
            if range.is_empty() || *range.start() < 1024 || media.any(|media| overlap(range, &media.ports)) {
                return Err(ConfigError::Ports { from: *range.start(), to: *range.end() });
            }
        }
        match real.into_iter().find(|range| overlap(range, &self.relay.virtual_ports)) {
            Some(range) => Err(ConfigError::Ports { from: *range.start(), to: *range.end() }),
            None => Ok(()),
        }
    }

    fn policy(&self) -> Result<Policy, ConfigError> {
        let parse = |list: &[String]| list.iter().map(|text| text.parse::<Cidr>()).collect::<Result<Vec<_>, _>>();
        let ranges = || self.relay.ports.iter().chain([&self.relay.virtual_ports]).cloned();
        let relayed =
            self.relay.addresses().flat_map(|ip| ranges().map(move |ports| Endpoints { ip, ports })).collect();
        let elsewhere = match (self.peers.p2p_relay, &self.relay.ports) {
            (false, _) => Elsewhere::Forbidden,
            (true, None) => Elsewhere::NoRelayPorts,
            (true, Some(_)) => Elsewhere::Reachable,
        };
        Ok(Policy {
            local: self.peers.local.clone(),
            relayed,
            own: self.peers.own.clone(),
            elsewhere,
            deny: parse(&self.peers.deny)?,
            allow: parse(&self.peers.allow)?,
        })
    }
}

impl RelayConfig {
    /// The address of a family.
    pub(crate) fn address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.ipv4.map(IpAddr::V4),
            Family::V6 => self.ipv6.map(IpAddr::V6),
        }
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        [Family::V4, Family::V6].into_iter().filter_map(|family| self.address(family))
    }
}
