//! All allocations of a server, found by client, by relayed address and by id. Keeps the indexes and the ports
//! consistent; knows no protocol.

use std::hash::{BuildHasher, Hash};
use std::net::SocketAddr;
use std::time::Instant;

use hashbrown::HashTable;
use slab::Slab;

use crate::allocation::{Allocation, NewAllocation, Socket};
use crate::config::RelayConfig;
use crate::hash::Seed;
use crate::message::Family;
use crate::ports::PortPool;
use crate::{AllocationId, FiveTuple};

/// The free ports of one family.
struct Ports {
    real: PortPool,
    real_range: Option<std::ops::RangeInclusive<u16>>,
    imaginary: PortPool,
}

/// Places in the slab by a key that is stored there: the key is not kept twice, and a look-up reads the allocation that is
/// wanted anyway.
struct Index<K> {
    key: fn(&Allocation) -> K,
    seed: Seed,
    places: HashTable<u32>,
}

impl<K: Hash + Eq> Index<K> {
    fn new(key: fn(&Allocation) -> K, seed: Seed) -> Self {
        Self { key, seed, places: HashTable::new() }
    }

    fn find(&self, allocations: &Slab<Allocation>, wanted: &K) -> Option<u32> {
        let is_it = |place: &u32| (self.key)(&allocations[*place as usize]) == *wanted;
        self.places.find(self.seed.hash_one(wanted), is_it).copied()
    }

    /// Adds a place with a key that is not there yet.
    fn insert(&mut self, allocations: &Slab<Allocation>, place: u32) {
        let hash = |place: &u32| self.seed.hash_one((self.key)(&allocations[*place as usize]));
        self.places.insert_unique(hash(&place), place, hash);
    }

    /// Forgets a place, given what is or was stored there.
    fn remove(&mut self, allocation: &Allocation, place: u32) {
        let hash = self.seed.hash_one((self.key)(allocation));
        if let Ok(entry) = self.places.find_entry(hash, |known| *known == place) {
            entry.remove();
        }
    }
}

pub(crate) struct Table {
    allocations: Slab<Allocation>,
    by_client: Index<FiveTuple>,
    by_relayed: Index<SocketAddr>,
    ports: [Option<Ports>; 2],
    generations: u32,
}

impl Table {
    pub(crate) fn new(seed: Seed, relay: &RelayConfig) -> Self {
        let ports = [Family::V4, Family::V6].map(|family| {
            relay.address(family).map(|_| Ports {
                real: relay.ports.clone().map(PortPool::new).unwrap_or_default(),
                real_range: relay.ports.clone(),
                imaginary: PortPool::new(relay.virtual_ports.clone()),
            })
        });
        Self {
            allocations: Slab::new(),
            by_client: Index::new(|allocation| allocation.client, seed),
            by_relayed: Index::new(|allocation| allocation.relayed, seed),
            ports,
            generations: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.allocations.len()
    }

    pub(crate) fn by_client(&self, client: &FiveTuple) -> Option<AllocationId> {
        self.by_client.find(&self.allocations, client).map(|index| self.id(index))
    }

    pub(crate) fn by_relayed(&self, relayed: SocketAddr) -> Option<AllocationId> {
        self.by_relayed.find(&self.allocations, &relayed).map(|index| self.id(index))
    }

    fn id(&self, index: u32) -> AllocationId {
        AllocationId { index, generation: self.allocations[index as usize].generation }
    }

    pub(crate) fn get(&self, id: AllocationId) -> Option<&Allocation> {
        self.allocations.get(id.index as usize).filter(|allocation| allocation.generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: AllocationId) -> Option<&mut Allocation> {
        self.allocations.get_mut(id.index as usize).filter(|allocation| allocation.generation == id.generation)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = AllocationId> {
        let id = |(index, allocation): (usize, &Allocation)| AllocationId {
            index: index as u32,
            generation: allocation.generation,
        };
        self.allocations.iter().map(id)
    }

    /// A port of a family: a real one while there are any, else a virtual one.
    pub(crate) fn take_port(
        &mut self,
        now: Instant,
        rng: &mut fastrand::Rng,
        family: Family,
        even: bool,
    ) -> Option<(u16, Socket)> {
        let ports = self.ports[family as usize].as_mut()?;
        let real = ports.real.take(now, rng, even).map(|port| (port, Socket::Unopened));
        real.or_else(|| ports.imaginary.take(now, rng, even).map(|port| (port, Socket::Virtual)))
    }

    /// Ports of a family that no allocation holds: real, virtual.
    pub(crate) fn free_ports(&self, family: Family) -> (usize, usize) {
        self.ports[family as usize].as_ref().map_or((0, 0), |ports| (ports.real.free(), ports.imaginary.free()))
    }

    /// Adds an allocation at a port that was taken, for a client that has none.
    pub(crate) fn insert(&mut self, new: NewAllocation) -> AllocationId {
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        debug_assert!(self.by_client(&new.client).is_none() && self.by_relayed(new.relayed).is_none(), "one each");
        let index = self.allocations.insert(Allocation::new(generation, new)) as u32;
        self.by_client.insert(&self.allocations, index);
        self.by_relayed.insert(&self.allocations, index);
        AllocationId { index, generation }
    }

    /// Takes an allocation out; its port is free again, unless the system refused it.
    pub(crate) fn remove(&mut self, now: Instant, id: AllocationId) -> Option<Allocation> {
        self.get(id)?;
        let allocation = self.allocations.remove(id.index as usize);
        self.by_client.remove(&allocation, id.index);
        self.by_relayed.remove(&allocation, id.index);
        let port = allocation.relayed.port();
        if let Some(ports) = self.ports[allocation.family() as usize].as_mut() {
            let real = ports.real_range.as_ref().is_some_and(|range| range.contains(&port));
            match (real, allocation.socket) {
                (true, Socket::Failed) => ports.real.set_aside(now, port),
                (true, _) => ports.real.give_back(port),
                (false, _) => ports.imaginary.give_back(port),
            }
        }
        Some(allocation)
    }
}
