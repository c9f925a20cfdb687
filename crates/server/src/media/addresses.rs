//! Which addresses clients are told to use, and which local address is behind each.
//!
//! Owns no socket. An announced address is either the interface's own or a public one that is mapped to this host (1:1
//! NAT). The media core knows only announced addresses, the kernel only local ones, so both directions are mapped here.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sfu::{LocalCandidate, Transport};

/// At most so many addresses are announced: each costs every client a connectivity check.
const MOST: usize = 12;

/// The announced addresses of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    announced: Arc<[IpAddr]>,
    local: Arc<[IpAddr]>,
}

impl Addresses {
    /// Announces `announced`, of which those also in `local` are interfaces of this host.
    pub fn new(announced: &[IpAddr], local: &[IpAddr]) -> Self {
        let mut unique: Vec<IpAddr> = Vec::new();
        for ip in announced {
            if !unique.contains(ip) && unique.len() < MOST {
                unique.push(*ip);
            }
        }
        Self { announced: unique.into(), local: local.into() }
    }

    /// What clients are told, in order.
    pub fn announced(&self) -> &Arc<[IpAddr]> {
        &self.announced
    }

    /// Whether any announced address is of this family.
    pub fn any_v6(&self) -> bool {
        self.announced.iter().any(IpAddr::is_ipv6)
    }

    /// The candidates of a worker: UDP on its own port, and TCP on the common one. TCP is for those behind a firewall, so
    /// not on addresses of this host or site alone where there are others: each costs a client a connection for every port
    /// that it opens.
    pub fn candidates(&self, udp_port: u16, tcp_port: Option<u16>, udp_v6: bool) -> Vec<LocalCandidate> {
        let usable = self.announced.iter().filter(|ip| ip.is_ipv4() || udp_v6);
        let udp = usable.clone().map(|ip| candidate(Transport::Udp, *ip, udp_port));
        let any_wide = usable.clone().any(|ip| !is_near(ip));
        let by_tcp = usable.filter(|ip| !any_wide || !is_near(ip));
        let tcp =
            tcp_port.into_iter().flat_map(|port| by_tcp.clone().map(move |ip| candidate(Transport::Tcp, *ip, port)));
        udp.chain(tcp).collect()
    }

    /// The candidate's address behind which a packet came in at `local`.
    pub fn announced_for(&self, local: IpAddr) -> IpAddr {
        if self.announced.contains(&local) {
            return local;
        }
        // Behind a NAT: the first public address of the family stands for it.
        let foreign = self.announced.iter().find(|ip| ip.is_ipv4() == local.is_ipv4() && !self.local.contains(ip));
        let any = || self.announced.iter().find(|ip| ip.is_ipv4() == local.is_ipv4());
        foreign.or_else(any).copied().unwrap_or(local)
    }

    /// The address to send from for a candidate; `None`: the kernel's choice (the candidate is not on an interface).
    pub fn source_for(&self, announced: IpAddr) -> Option<IpAddr> {
        self.local.contains(&announced).then_some(announced)
    }
}

/// Loopback, and IPv6 addresses of one site (RFC 4193), beside which a site has others. IPv4 has private ones everywhere.
fn is_near(ip: &IpAddr) -> bool {
    ip.is_loopback() || matches!(ip, IpAddr::V6(ip) if ip.is_unique_local())
}

fn candidate(transport: Transport, ip: IpAddr, port: u16) -> LocalCandidate {
    LocalCandidate { transport, addr: SocketAddr::new(ip, port) }
}

/// Every address on an interface that is up, loopback and link-local ones included.
pub fn interface_addresses() -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.iter().map(if_addrs::Interface::ip).collect(),
        Err(_) => vec![IpAddr::from([127, 0, 0, 1])],
    };
    // IPv4 first: clients try candidates of equal rank in order.
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

/// What to announce where the operator named nothing: interfaces' own addresses; loopback too in `--dev`, or where there
/// is nothing else.
pub fn announce_by_default(local: &[IpAddr], dev: bool) -> Vec<IpAddr> {
    let link_local = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let mut addresses: Vec<IpAddr> =
        local.iter().filter(|ip| !ip.is_loopback() && !link_local(ip) && !ip.is_unspecified()).copied().collect();
    if dev || addresses.is_empty() {
        addresses.extend(local.iter().filter(|ip| ip.is_loopback() && ip.is_ipv4()));
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn announces_interfaces_and_loopback_only_in_dev() {
        let local = ips(&["127.0.0.1", "10.0.0.5", "169.254.1.1", "::1", "fe80::1", "fd00::2"]);
        assert_eq!(announce_by_default(&local, false), ips(&["10.0.0.5", "fd00::2"]));
        assert_eq!(announce_by_default(&local, true), ips(&["10.0.0.5", "fd00::2", "127.0.0.1"]));
        assert_eq!(announce_by_default(&ips(&["127.0.0.1", "::1"]), false), ips(&["127.0.0.1"]));
    }

    #[test]
    fn maps_between_announced_and_local() {
        let local = ips(&["127.0.0.1", "10.0.0.5"]);
        let nat = Addresses::new(&ips(&["203.0.113.7"]), &local);
        assert_eq!(nat.announced_for(local[1]), ips(&["203.0.113.7"])[0]);
        assert_eq!(nat.source_for(ips(&["203.0.113.7"])[0]), None);
        let own = Addresses::new(&ips(&["10.0.0.5", "127.0.0.1", "10.0.0.5"]), &local);
        assert_eq!(own.announced().len(), 2);
        assert_eq!(own.announced_for(local[0]), local[0]);
        assert_eq!(own.source_for(local[1]), Some(local[1]));
    }

    #[test]
    fn candidates_are_udp_then_tcp_and_leave_out_a_family_without_socket() {
        let addresses = Addresses::new(&ips(&["10.0.0.5", "fd00::2"]), &ips(&["10.0.0.5", "fd00::2"]));
        assert_eq!(addresses.candidates(7882, Some(7881), true).len(), 3);
        let v4 = addresses.candidates(7882, Some(7881), false);
        assert_eq!(v4[0], candidate(Transport::Udp, "10.0.0.5".parse().expect("ip"), 7882));
        assert_eq!(v4[1], candidate(Transport::Tcp, "10.0.0.5".parse().expect("ip"), 7881));
        assert_eq!(v4.len(), 2);
    }

    #[test]
    fn tcp_is_on_near_addresses_only_where_there_is_nothing_else() {
        let tcp = |announced: &[&str]| {
            let candidates = Addresses::new(&ips(announced), &ips(announced)).candidates(7882, Some(7881), true);
            candidates.iter().filter(|one| one.transport == Transport::Tcp).map(|one| one.addr.ip()).collect::<Vec<_>>()
        };
        assert_eq!(tcp(&["10.0.0.5", "fd00::2", "2001:db8::2", "127.0.0.1"]), ips(&["10.0.0.5", "2001:db8::2"]));
        assert_eq!(tcp(&["fd00::2"]), ips(&["fd00::2"]));
        assert_eq!(tcp(&["127.0.0.1"]), ips(&["127.0.0.1"]));
    }
}
