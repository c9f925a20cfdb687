//! Datagrams that change threads without a socket between them: from the TURN workers to the media workers and back, and
//! from one TURN worker to another.
//!
//! Owns the bounded rings. Knows neither TURN nor rooms. What does not fit into a ring is lost, as on a network.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};

/// Parcels that may wait for a thread.
const RING: usize = 256;
/// A parcel of this size is handed over at once.
const FULL: usize = 128 << 10;
/// Emptied parcels that a lane keeps to be filled again.
const SPARE: usize = 4;

/// Datagrams of one round of a loop, handed over together. Its memory goes home when it is dropped.
#[derive(Debug)]
pub struct Parcel {
    load: Load,
    home: Sender<Load>,
}

#[derive(Debug, Default)]
struct Load {
    heads: Vec<Passed>,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Passed {
    source: SocketAddr,
    destination: SocketAddr,
    end: usize,
}

impl Load {
    fn push(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.heads.push(Passed { source, destination, end: self.bytes.len() });
    }
}

impl Parcel {
    /// Source, destination and contents of each datagram, in order.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr, &[u8])> {
        let Load { heads, bytes } = &self.load;
        let starts = std::iter::once(0).chain(heads.iter().map(|head| head.end));
        heads.iter().zip(starts).map(|(head, start)| (head.source, head.destination, &bytes[start..head.end]))
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        let mut load = std::mem::take(&mut self.load);
        load.heads.clear();
        load.bytes.clear();
        // The lane has enough of them, or is no more.
        drop(self.home.try_send(load));
    }
}

/// Where a thread receives; made once a thread.
#[derive(Debug)]
pub struct Inlet {
    parcels: Receiver<Parcel>,
}

impl Inlet {
    /// Makes a ring to a thread that is woken by `waker`.
    pub fn new(waker: Arc<mio::Waker>) -> (Self, Outlet) {
        let (sender, parcels) = crossbeam_channel::bounded(RING);
        (Self { parcels }, Outlet { sender, waker })
    }

    /// The next parcel, if one waits.
    pub fn take(&self) -> Option<Parcel> {
        self.parcels.try_recv().ok()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }
}

/// The way to a thread; clones lead to the same ring.
#[derive(Debug, Clone)]
pub struct Outlet {
    sender: Sender<Parcel>,
    waker: Arc<mio::Waker>,
}

/// One thread's own end of the way to another: gathers, hands over once a round.
#[derive(Debug)]
pub struct Lane {
    outlet: Outlet,
    load: Load,
    home: Sender<Load>,
    spare: Receiver<Load>,
    dropped: u64,
}

impl Lane {
    /// A lane into a ring.
    pub fn new(outlet: Outlet) -> Self {
        let (home, spare) = crossbeam_channel::bounded(SPARE);
        Self { outlet, load: Load::default(), home, spare, dropped: 0 }
    }

    /// Adds a datagram.
    pub fn push(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
        self.load.push(source, destination, datagram);
        if self.load.bytes.len() >= FULL {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub fn flush(&mut self) {
        if self.load.heads.is_empty() {
            return;
        }
        let empty = self.spare.try_recv().unwrap_or_default();
        let load = std::mem::replace(&mut self.load, empty);
        let count = load.heads.len() as u64;
        match self.outlet.sender.try_send(Parcel { load, home: self.home.clone() }) {
            // A thread that cannot be woken looks by itself before long.
            Ok(()) => drop(self.outlet.waker.wake()),
            Err(_) => self.dropped += count,
        }
    }

    /// Datagrams lost because the ring was full.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Relayed addresses that exist in memory, and the ways to the threads that have them.
#[derive(Debug, Clone, Default)]
pub struct Relays {
    /// The addresses that relayed ports are at.
    pub addresses: Vec<IpAddr>,
    /// Which ports lead where.
    pub shards: Vec<(RangeInclusive<u16>, Outlet)>,
}

/// A thread's own lanes to relayed addresses.
#[derive(Debug, Default)]
pub struct RelayLanes {
    addresses: Vec<IpAddr>,
    lanes: Vec<(RangeInclusive<u16>, Lane)>,
}

impl RelayLanes {
    /// Lanes to all of them.
    pub fn new(relays: &Relays) -> Self {
        let lanes = relays.shards.iter().map(|(ports, outlet)| (ports.clone(), Lane::new(outlet.clone())));
        Self { addresses: relays.addresses.clone(), lanes: lanes.collect() }
    }

    /// The lane to an address, where it is a relayed one.
    pub fn lane(&mut self, destination: SocketAddr) -> Option<&mut Lane> {
        let (_, lane) = self.lanes.iter_mut().find(|(ports, _)| ports.contains(&destination.port()))?;
        self.addresses.contains(&destination.ip()).then_some(lane)
    }

    /// Hands over what was gathered.
    pub fn flush(&mut self) {
        for (_, lane) in &mut self.lanes {
            lane.flush();
        }
    }

    /// Datagrams lost because a ring was full.
    pub fn dropped(&self) -> u64 {
        self.lanes.iter().map(|(_, lane)| lane.dropped()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> (mio::Poll, Inlet, Outlet) {
        let poll = mio::Poll::new().expect("a poll");
        let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).expect("a waker"));
        let (inlet, outlet) = Inlet::new(waker);
        (poll, inlet, outlet)
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn datagrams_arrive_whole_and_in_order_and_wake_the_thread() {
        let (mut poll, inlet, outlet) = ring();
        let mut lane = Lane::new(outlet);
        for (port, bytes) in [(1, &b"one"[..]), (2, b""), (3, b"three")] {
            lane.push(address(port), address(9), bytes);
        }
        assert!(inlet.is_empty(), "nothing goes before the round is over");
        lane.flush();
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, Some(std::time::Duration::from_secs(5))).expect("woken");
        assert_eq!(events.iter().count(), 1);
        let parcel = inlet.take().expect("a parcel");
        let got: Vec<_> = parcel.datagrams().collect();
        assert_eq!(
            got,
            [(address(1), address(9), &b"one"[..]), (address(2), address(9), b""), (address(3), address(9), b"three")]
        );
    }

    #[test]
    fn a_full_ring_loses_and_counts() {
        let (_poll, inlet, outlet) = ring();
        let mut lane = Lane::new(outlet);
        for _ in 0..RING + 3 {
            lane.push(address(1), address(2), b"x");
            lane.flush();
        }
        assert_eq!(lane.dropped(), 3);
        assert_eq!(std::iter::from_fn(|| inlet.take()).count(), RING);
    }

    #[test]
    fn only_relayed_addresses_have_a_lane() {
        let (_poll, _inlet, outlet) = ring();
        let relays = Relays { addresses: vec![address(1).ip()], shards: vec![(100..=199, outlet)] };
        let mut lanes = RelayLanes::new(&relays);
        assert!(lanes.lane(address(100)).is_some() && lanes.lane(address(199)).is_some());
        assert!(lanes.lane(address(200)).is_none());
        assert!(lanes.lane("192.0.2.9:150".parse().expect("an address")).is_none());
    }
}
