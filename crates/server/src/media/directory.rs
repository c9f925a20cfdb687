//! Which worker has which room. Used when a room opens, closes or is entered; never for a packet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::RoomName;

/// Room name → worker.
#[derive(Debug, Default)]
pub struct Directory {
    rooms: Mutex<HashMap<RoomName, usize>>,
}

impl Directory {
    /// The worker of a room.
    pub fn find(&self, room: &RoomName) -> Option<usize> {
        self.lock().get(room).copied()
    }

    /// The worker of a room; `choose` gives it one where it has none.
    pub fn place(&self, room: &RoomName, choose: impl FnOnce() -> usize) -> usize {
        *self.lock().entry(room.clone()).or_insert_with(choose)
    }

    /// A worker is about to open a room; `false`: another has it.
    pub fn claim(&self, room: &RoomName, worker: usize) -> bool {
        *self.lock().entry(room.clone()).or_insert(worker) == worker
    }

    /// A worker no longer has a room.
    pub fn release(&self, room: &RoomName, worker: usize) {
        let mut rooms = self.lock();
        if rooms.get(room) == Some(&worker) {
            rooms.remove(room);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, usize>> {
        // A map of plain values is whole whatever its holder did.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_a_room() {
        let directory = Directory::default();
        let room = RoomName::new("r").expect("a name");
        assert_eq!(directory.place(&room, || 1), 1);
        assert_eq!(directory.place(&room, || 2), 1);
        assert!(directory.claim(&room, 1));
        assert!(!directory.claim(&room, 2));
        directory.release(&room, 2);
        assert_eq!(directory.find(&room), Some(1));
        directory.release(&room, 1);
        assert!(directory.claim(&room, 2));
    }
}
