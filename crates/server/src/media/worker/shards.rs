//! Rooms whose media is on several workers: where a client is connected, and what the shards of a room say to each other.
//!
//! A room is at home on the worker that the directory names. Another worker has at most one shard of it, whose number is the
//! worker's. Shards know their room by the address of its home.

use std::time::Instant;

use livekit::{Join, RoomOptions, ShardId, ShardMessage, ToHome};
use model::RoomName;

use super::super::command::{Address, ConnectRefused, RoomKey, Sharded};
use super::super::hosted::{Hosted, guarded};
use super::super::routes::Slot;
use super::{Room, Worker, touch};

/// A worker has well over what another has.
const WELL_OVER: u64 = 2;

/// Whether the next client of a room is connected to another worker than the one where the room is at home: only if that has
/// `spread_from` connections or more, and more than twice as many as the other.
fn is_better_off(home: u64, other: u64, spread_from: u64) -> bool {
    home >= spread_from && home > other.saturating_mul(WELL_OVER)
}

impl Worker {
    /// The worker to which a client is connected, where that is another than this one, at which its room is at home.
    pub(super) fn elsewhere(&self, slot: Slot, join: &Join) -> Option<(usize, Address)> {
        let hosted = self.rooms.get(slot).filter(|hosted| !hosted.is_shard && hosted.panicked.is_none())?;
        let worker = match join.client.reconnect {
            // Its session is where it was.
            Some(_) => guarded(|| hosted.room.shard_of(&join.claims.sub)).ok()??.0 as usize,
            None => self.better_off()?,
        };
        (worker != self.index).then_some((worker, hosted.home))
    }

    fn better_off(&self) -> Option<usize> {
        let spread_from = self.defaults.spread_from?;
        let (worker, load) = self.parcels.least_loaded()?;
        is_better_off(self.parcels.load_of(self.index), load, spread_from).then_some(worker)
    }

    /// The shard here of a room that is at home elsewhere; opened where there is none.
    pub(super) fn shard_at(
        &mut self,
        now: Instant,
        name: RoomName,
        home: Option<Address>,
    ) -> Result<Slot, ConnectRefused> {
        let shard = home.filter(|home| home.worker != self.index).and_then(|home| self.open_shard(now, name, home));
        shard.ok_or(ConnectRefused::Elsewhere)
    }

    fn open_shard(&mut self, now: Instant, name: RoomName, home: Address) -> Option<Slot> {
        if let Some(slot) = self.shards.get(&home) {
            return Some(*slot);
        }
        let init = self.defaults.init(now, &name, RoomOptions::default());
        let room = match guarded(|| Room::new_shard(now, init, shard(home.worker))) {
            Ok(room) => room,
            Err(panicked) => {
                self.contain(panicked);
                return None;
            }
        };
        let slot = self.host(now, name, room, Some(home));
        self.shards.insert(home, slot);
        Some(slot)
    }

    /// Takes a room in.
    pub(super) fn host(&mut self, now: Instant, name: RoomName, room: Room, home: Option<Address>) -> Slot {
        self.generation += 1;
        let entry = self.rooms.vacant_entry();
        let slot = entry.key();
        let key = RoomKey { slot, generation: self.generation };
        let own = Address { worker: self.index, room: key };
        let hosted = entry.insert(Hosted::new(now, name, key, room, home.unwrap_or(own)));
        hosted.is_shard = home.is_some();
        hosted.dirty = true;
        self.dirty.push(slot);
        slot
    }

    /// What another shard of a room says.
    pub(super) fn take_sharded(&mut self, now: Instant, sharded: Sharded) {
        let Sharded { home, from, message } = sharded;
        let slot = match home.worker == self.index {
            true => Some(home.room.slot),
            false => self.shards.get(&home).copied(),
        };
        let hosted =
            slot.and_then(|slot| self.rooms.get_mut(slot)).filter(|hosted| hosted.home == home && !hosted.over);
        let Some(hosted) = hosted else {
            if home.worker == self.index && matches!(message, ShardMessage::ToHome(ToHome::Open | ToHome::Enter(_))) {
                self.parcels.push_sharded(from, Sharded { home, from: self.index, message: ShardMessage::over() });
            }
            return;
        };
        if !hosted.is_shard && matches!(message, ShardMessage::ToHome(ToHome::Open)) {
            hosted.shards.insert(from);
        }
        touch(hosted, &mut self.dirty, |room| room.handle_shard(now, shard(from), message));
    }

    /// A room is taken away here: its other shards are told.
    pub(super) fn leave_shards(&mut self, hosted: &Hosted) {
        let (home, from) = (hosted.home, self.index);
        if hosted.is_shard {
            self.shards.remove(&home);
            self.parcels
                .push_sharded(home.worker, Sharded { home, from, message: ShardMessage::ToHome(ToHome::Closed) });
        }
        for worker in &hosted.shards {
            self.parcels.push_sharded(*worker, Sharded { home, from, message: ShardMessage::over() });
        }
    }
}

fn shard(worker: usize) -> ShardId {
    ShardId(u32::try_from(worker).expect("there are no more workers than cores"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_stays_together_while_its_worker_has_room() {
        for (home, other, spread_from, better) in [
            (199, 0, 200, false),
            (200, 0, 200, true),
            (200, 100, 200, false),
            (201, 100, 200, true),
            (1, 0, 0, true),
            (0, 0, 0, false),
        ] {
            assert_eq!(is_better_off(home, other, spread_from), better, "{home} {other} {spread_from}");
        }
    }
}
