//! Which peer a datagram is for: by remote address, and for a connection's first packets by the ICE ufrag in a STUN
//! Binding request. Owns no socket and no room, and does not judge whether the packet is genuine (the peer checks
//! that).

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;
use sfu::PeerKey;

/// A room's place in its worker.
pub type Slot = usize;

/// So many remote addresses may lead to one peer; the oldest is forgotten beyond.
const ADDRESSES_A_PEER: usize = 16;
/// A ufrag as long as RFC 8839 allows.
const LONGEST_UFRAG: usize = 256;

/// Two base-36 digits that open every ICE ufrag of a worker's rooms: TCP connections find their worker by them.
pub fn ufrag_prefix(worker: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let digit = |n: usize| char::from(DIGITS[n % 36]);
    [digit(worker / 36), digit(worker)].iter().collect()
}

/// The worker of a ufrag.
pub fn worker_of(ufrag: &str) -> Option<usize> {
    let digits = ufrag.get(..2)?;
    digits.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()).then_some(())?;
    usize::from_str_radix(digits, 36).ok()
}

/// Where a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The room.
    pub slot: Slot,
    /// The peer in it.
    pub peer: PeerKey,
}

/// The routes of one worker.
#[derive(Debug, Default)]
pub struct Routes {
    by_address: FxHashMap<SocketAddr, Route>,
    by_ufrag: FxHashMap<Box<str>, Route>,
    peers: FxHashMap<(Slot, PeerKey), PeerRoutes>,
}

#[derive(Debug, Default)]
struct PeerRoutes {
    ufrags: Vec<Box<str>>,
    addresses: VecDeque<SocketAddr>,
}

impl Routes {
    /// Routes first packets with this ufrag.
    pub fn open(&mut self, route: Route, ufrag: &str) {
        self.by_ufrag.insert(ufrag.into(), route);
        self.peers.entry((route.slot, route.peer)).or_default().ufrags.push(ufrag.into());
    }

    /// Forgets a peer.
    pub fn close(&mut self, slot: Slot, peer: PeerKey) {
        let Some(routes) = self.peers.remove(&(slot, peer)) else { return };
        let own = Route { slot, peer };
        for ufrag in routes.ufrags {
            if self.by_ufrag.get(&ufrag) == Some(&own) {
                self.by_ufrag.remove(&ufrag);
            }
        }
        for address in routes.addresses {
            if self.by_address.get(&address) == Some(&own) {
                self.by_address.remove(&address);
            }
        }
    }

    /// Forgets every peer of a room.
    pub fn close_room(&mut self, slot: Slot) {
        let peers: Vec<PeerKey> = self.peers.keys().filter(|(of, _)| *of == slot).map(|(_, peer)| *peer).collect();
        for peer in peers {
            self.close(slot, peer);
        }
    }

    /// The peer this datagram is for. A STUN request names its peer, so it also teaches (or corrects) its address.
    pub fn route(&mut self, source: SocketAddr, datagram: &[u8]) -> Option<Route> {
        // RFC 7983: 0..=3 is STUN.
        if datagram.first().is_some_and(|first| *first < 4)
            && let Some(ufrag) = binding_request_ufrag(datagram)
        {
            let route = *self.by_ufrag.get(ufrag)?;
            self.learn(source, route);
            return Some(route);
        }
        self.by_address.get(&source).copied()
    }

    /// The peer of a ufrag.
    pub fn by_ufrag(&self, ufrag: &str) -> Option<Route> {
        self.by_ufrag.get(ufrag).copied()
    }

    #[cfg(test)]
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    #[cfg(test)]
    fn address_count(&self) -> usize {
        self.by_address.len()
    }

    fn learn(&mut self, source: SocketAddr, route: Route) {
        if self.by_address.get(&source) == Some(&route) {
            return;
        }
        let Some(peer) = self.peers.get_mut(&(route.slot, route.peer)) else { return };
        if peer.addresses.len() == ADDRESSES_A_PEER
            && let Some(oldest) = peer.addresses.pop_front()
            && self.by_address.get(&oldest) == Some(&route)
        {
            self.by_address.remove(&oldest);
        }
        peer.addresses.push_back(source);
        self.by_address.insert(source, route);
    }
}

/// The receiver's ufrag in a STUN binding request (RFC 8445 §7.2.2: USERNAME is `receiver:sender`).
pub fn binding_request_ufrag(datagram: &[u8]) -> Option<&str> {
    const HEADER: usize = 20;
    const USERNAME: u16 = 0x0006;
    let header = datagram.get(..HEADER)?;
    let kind = u16::from_be_bytes([header[0], header[1]]);
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if kind != 0x0001 || header[4..8] != [0x21, 0x12, 0xa4, 0x42] {
        return None;
    }
    let mut attributes = datagram.get(HEADER..HEADER.checked_add(length)?)?;
    while let Some((head, rest)) = attributes.split_at_checked(4) {
        let size = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = rest.get(..size)?;
        if u16::from_be_bytes([head[0], head[1]]) == USERNAME {
            let name = std::str::from_utf8(value).ok()?;
            let (receiver, _sender) = name.split_once(':')?;
            return (!receiver.is_empty() && receiver.len() <= LONGEST_UFRAG).then_some(receiver);
        }
        attributes = rest.get(size.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A binding request without integrity: enough for the demultiplexer.
    pub(crate) fn binding_request(username: &str) -> Vec<u8> {
        let padded = username.len().next_multiple_of(4);
        let mut stun = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        stun.extend([7; 12]);
        // An attribute before it, with an odd length.
        stun.extend([0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]);
        stun.extend([0, 6]);
        stun.extend((username.len() as u16).to_be_bytes());
        stun.extend(username.as_bytes());
        stun.resize(stun.len() + padded - username.len(), 0);
        let length = (stun.len() - 20) as u16;
        stun[2..4].copy_from_slice(&length.to_be_bytes());
        stun
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn reads_the_receivers_ufrag() {
        assert_eq!(binding_request_ufrag(&binding_request("00abcd:zz")), Some("00abcd"));
        assert_eq!(binding_request_ufrag(&binding_request("nocolon")), None);
        assert_eq!(binding_request_ufrag(&binding_request(":x")), None);
        let whole = binding_request("00abcd:zz");
        for cut in 0..whole.len() {
            assert_eq!(binding_request_ufrag(&whole[..cut]), None, "cut at {cut}");
        }
        let mut response = whole.clone();
        response[0] = 1;
        assert_eq!(binding_request_ufrag(&response), None);
    }

    #[test]
    fn first_packet_by_ufrag_then_by_address() {
        let mut routes = Routes::default();
        let route = Route { slot: 3, peer: PeerKey(1) };
        routes.open(route, "00abcd");
        assert_eq!(routes.route(address(1), &[0x80, 1, 2]), None);
        assert_eq!(routes.route(address(1), &binding_request("00nope:zz")), None);
        assert_eq!(routes.route(address(1), &binding_request("00abcd:zz")), Some(route));
        assert_eq!(routes.route(address(1), &[0x80, 1, 2]), Some(route));
        routes.close(3, PeerKey(1));
        assert_eq!(routes.route(address(1), &[0x80, 1, 2]), None);
        assert_eq!(routes.address_count(), 0);
    }

    #[test]
    fn an_address_moves_to_the_peer_that_names_it_last() {
        let mut routes = Routes::default();
        let (old, new) = (Route { slot: 0, peer: PeerKey(1) }, Route { slot: 1, peer: PeerKey(1) });
        routes.open(old, "00old");
        routes.open(new, "00new");
        routes.route(address(9), &binding_request("00old:x"));
        routes.route(address(9), &binding_request("00new:x"));
        assert_eq!(routes.route(address(9), &[0x80]), Some(new));
        routes.close_room(0);
        assert_eq!(routes.route(address(9), &[0x80]), Some(new), "the old peer's end does not take it away");
    }

    #[test]
    fn addresses_of_a_peer_are_bounded() {
        let mut routes = Routes::default();
        routes.open(Route { slot: 0, peer: PeerKey(1) }, "00a");
        for port in 1..1_000 {
            routes.route(address(port), &binding_request("00a:x"));
        }
        assert_eq!(routes.address_count(), ADDRESSES_A_PEER);
        assert_eq!(routes.route(address(1), &[0x80]), None, "the oldest is forgotten");
        assert!(routes.route(address(999), &[0x80]).is_some());
    }

    #[test]
    fn a_ufrag_names_its_worker() {
        for worker in [0, 1, 35, 36, 1_295] {
            assert_eq!(worker_of(&format!("{}xyz", ufrag_prefix(worker))), Some(worker));
        }
        assert_eq!(worker_of("0"), None);
        assert_eq!(worker_of("+1"), None);
        assert_eq!(worker_of("é"), None);
    }
}
