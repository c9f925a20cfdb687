//! The built-in TURN server's settings, and what its cores are made with.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::time::Duration;

use model::Secret;
use turn::policy::Endpoints;
use turn::{Limits, PeerConfig, RelayConfig};

use super::secret::TurnSecrets;
use crate::media::Addresses;

/// The settings, validated.
#[derive(Debug, Clone)]
pub struct TurnSettings {
    /// The port of TURN over UDP and over TCP.
    pub port: u16,
    /// TLS; `None`: on the https port only.
    pub tls_port: Option<u16>,
    /// How many worker threads there are.
    pub workers: usize,
    /// Ports for peers elsewhere.
    pub relay_ports: Option<RangeInclusive<u16>>,
    /// Whether peers elsewhere are relayed to.
    pub p2p_relay: bool,
    /// Special-purpose ranges that are allowed nevertheless.
    pub allow: Vec<String>,
    /// Ranges that are denied on top.
    pub deny: Vec<String>,
    /// How much each user and all of them together may have.
    pub limits: Limits,
    /// How long credentials are good for an Allocate.
    pub credential_ttl: Duration,
    /// In place of the generated secret.
    pub secret: Option<Secret<String>>,
}

/// The realm that every 401 names (RFC 8489).
pub const REALM: &str = "stoa";
const NONCE_LIFETIME: Duration = Duration::from_secs(3_600);
/// Where ports that exist in memory only are taken from: below those that the kernel gives to outgoing sockets, so that no
/// client on this very machine has the same address.
const VIRTUAL: RangeInclusive<u16> = 10_000..=31_999;
/// Stands for this machine where it has no address but the loopback: no peer may be told 127.0.0.1.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// What the cores of all workers have in common.
pub struct Common<'a> {
    /// The settings.
    pub settings: &'a TurnSettings,
    /// The media ports.
    pub udp_ports: &'a [u16],
    /// Announced addresses.
    pub addresses: &'a Addresses,
    /// All addresses of this machine.
    pub own: &'a [IpAddr],
    /// What credentials are verified with.
    pub secrets: &'a TurnSecrets,
}

impl Common<'_> {
    /// Where relayed ports are.
    pub fn relay_addresses(&self) -> (Option<Ipv4Addr>, Option<std::net::Ipv6Addr>) {
        let usable = |ip: &&IpAddr| !ip.is_loopback() && !link_local(ip);
        let announced = || self.addresses.announced().iter().filter(usable);
        // A public one before those of the local network: peers are told it.
        let private = |ip: &&IpAddr| self.addresses.source_for(**ip).is_some() && is_private(**ip);
        let ordered: Vec<IpAddr> = announced().filter(|ip| !private(ip)).chain(announced()).copied().collect();
        let v4 = ordered.iter().find_map(|ip| if let IpAddr::V4(ip) = ip { Some(*ip) } else { None });
        let v6 = ordered.iter().find_map(|ip| if let IpAddr::V6(ip) = ip { Some(*ip) } else { None });
        match (v4, v6) {
            (None, None) => (Some(NOWHERE), None),
            found => found,
        }
    }

    /// The virtual ports of each worker: the widest range that nothing else of this server is in, in equal parts.
    pub fn virtual_ports(&self) -> Vec<RangeInclusive<u16>> {
        let mut taken: Vec<RangeInclusive<u16>> = self.udp_ports.iter().map(|port| *port..=*port).collect();
        taken.extend(self.settings.relay_ports.clone());
        let widest = widest_gap(VIRTUAL, &taken);
        split(&widest, self.settings.workers)
    }

    /// The core of one worker.
    pub fn config(&self, index: usize, ranges: &[RangeInclusive<u16>]) -> turn::Config {
        let (ipv4, ipv6) = self.relay_addresses();
        let relayed = || ipv4.map(IpAddr::V4).into_iter().chain(ipv6.map(IpAddr::V6));
        let real = self.settings.relay_ports.as_ref().map(|ports| split(ports, self.settings.workers));
        let mut local = Vec::new();
        for ip in self.addresses.announced().iter() {
            local.extend(self.udp_ports.iter().map(|port| Endpoints { ip: *ip, ports: *port..=*port }));
        }
        let others = ranges.iter().chain(real.iter().flatten()).enumerate();
        for (_, ports) in others.filter(|(other, _)| other % self.settings.workers != index) {
            local.extend(relayed().map(|ip| Endpoints { ip, ports: ports.clone() }));
        }
        let mut own = self.own.to_vec();
        own.extend(self.addresses.announced().iter());
        turn::Config {
            realm: REALM.to_owned(),
            secrets: self.secrets.for_core(),
            nonce_key: Secret::new(rand::random()),
            nonce_lifetime: NONCE_LIFETIME,
            relay: RelayConfig {
                ipv4,
                ipv6,
                virtual_ports: ranges[index].clone(),
                ports: real.map(|ranges| ranges[index].clone()),
            },
            peers: PeerConfig {
                local,
                own,
                p2p_relay: self.settings.p2p_relay,
                allow: self.settings.allow.clone(),
                deny: self.settings.deny.clone(),
            },
            limits: self.settings.limits,
            seed: rand::random(),
        }
    }
}

fn link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

/// The widest part of a range without any of the taken ones.
fn widest_gap(whole: RangeInclusive<u16>, taken: &[RangeInclusive<u16>]) -> RangeInclusive<u16> {
    let mut taken: Vec<_> = taken.iter().filter(|t| t.start() <= whole.end() && whole.start() <= t.end()).collect();
    taken.sort_by_key(|range| *range.start());
    let mut from = u32::from(*whole.start());
    let mut widest = (0, whole.clone());
    let ends = taken.iter().map(|t| (u32::from(*t.start()), u32::from(*t.end())));
    for (start, end) in ends.chain([(u32::from(*whole.end()) + 1, u32::MAX)]) {
        let width = start.saturating_sub(from);
        if width > widest.0 {
            // Both are within `whole`.
            widest = (width, from as u16..=(start - 1) as u16);
        }
        from = from.max(end.saturating_add(1));
    }
    widest.1
}

/// A range in equal parts; the last takes what is over.
pub fn split(range: &RangeInclusive<u16>, parts: usize) -> Vec<RangeInclusive<u16>> {
    let (start, end) = (usize::from(*range.start()), usize::from(*range.end()));
    let each = (end + 1 - start) / parts.max(1);
    let part = |n: usize| {
        let last = if n + 1 == parts { end } else { start + (n + 1) * each - 1 };
        (start + n * each) as u16..=last as u16
    };
    (0..parts).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_gap_has_nothing_else_in_it() {
        assert_eq!(widest_gap(10..=20, &[]), 10..=20);
        assert_eq!(widest_gap(10..=20, &[12..=12]), 13..=20);
        assert_eq!(widest_gap(10..=20, &[15..=30, 1..=9]), 10..=14);
        assert_eq!(widest_gap(10..=20, &[10..=11, 18..=18]), 12..=17);
    }

    #[test]
    fn parts_cover_the_whole_without_overlap() {
        assert_eq!(split(&(10..=20), 1), [10..=20]);
        assert_eq!(split(&(10..=20), 2), [10..=14, 15..=20]);
        assert_eq!(split(&(10..=19), 3), [10..=12, 13..=15, 16..=19]);
    }
}
