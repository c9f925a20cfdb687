//! What rooms of this worker say to rooms of others: to those they share a participant with, and to their own other shards.
//! Collected per worker and handed over once per round.
//!
//! Never waits: if the other worker is behind, packets and lossy data are dropped, as on a network; state and reliable
//! data wait here.

use std::sync::{Arc, OnceLock};

use livekit::{CascadeId, CascadeMessage, MediaMessage, ShardMessage};
use sfu::DataLane;

use super::command::{Address, Cascaded, Command, Parcel, Sharded, WorkerHandle};

/// Messages that may wait for one worker.
const MOST_WAITING: usize = 16_384;
/// Reliable data that may wait for one worker, in bytes. What comes beyond is lost, as it is for a receiver that is too slow.
const MOST_WAITING_DATA: usize = 4 << 20;

/// What waits for each worker.
pub struct ParcelOutboxes {
    workers: Arc<OnceLock<Arc<[WorkerHandle]>>>,
    /// By worker.
    waiting: Vec<Vec<Parcel>>,
}

/// How much it matters that something arrives.
enum Worth {
    /// It may be lost, as on a network.
    Lossy,
    /// It waits, up to so many bytes of its kind.
    Data(usize),
    /// It waits.
    State,
}

impl ParcelOutboxes {
    /// To workers that may still be starting.
    pub fn new(workers: Arc<OnceLock<Arc<[WorkerHandle]>>>) -> Self {
        Self { workers, waiting: Vec::new() }
    }

    /// Something for another room.
    pub fn push(&mut self, to: Address, cascade: CascadeId, message: CascadeMessage) {
        self.push_parcel(to.worker, Parcel::Cascaded(Cascaded { room: to.room, cascade, message }));
    }

    /// Something for another shard of a room.
    pub fn push_sharded(&mut self, worker: usize, sharded: Sharded) {
        self.push_parcel(worker, Parcel::Sharded(sharded));
    }

    fn push_parcel(&mut self, worker: usize, parcel: Parcel) {
        if self.waiting.len() <= worker {
            self.waiting.resize_with(worker + 1, Vec::new);
        }
        let waiting = &mut self.waiting[worker];
        let fits = match worth(&parcel) {
            Worth::Lossy => waiting.len() < MOST_WAITING,
            Worth::Data(bytes) => data(waiting) + bytes <= MOST_WAITING_DATA,
            Worth::State => true,
        };
        if fits {
            waiting.push(parcel);
        }
    }

    /// Hands over what waits.
    pub fn flush(&mut self) {
        let Some(workers) = self.workers.get() else { return };
        for (worker, waiting) in workers.iter().zip(&mut self.waiting) {
            if waiting.is_empty() {
                continue;
            }
            if let Err(Command::Parcels(mut back)) = worker.try_send(Command::Parcels(std::mem::take(waiting))) {
                back.retain(|parcel| !matches!(worth(parcel), Worth::Lossy));
                *waiting = back;
            }
        }
    }

    /// Something has to be handed over again.
    pub fn any_waiting(&self) -> bool {
        self.waiting.iter().any(|waiting| !waiting.is_empty())
    }

    /// Nothing of it matters any more: all workers stop.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Which worker has the fewest clients, and how many. `None`: they are still starting.
    pub fn least_loaded(&self) -> Option<(usize, u64)> {
        let loads = self.workers.get()?.iter().map(WorkerHandle::connections).enumerate();
        loads.min_by_key(|(_, load)| *load)
    }

    /// How many clients a worker has.
    pub fn load_of(&self, worker: usize) -> u64 {
        self.workers.get().and_then(|workers| workers.get(worker)).map_or(0, WorkerHandle::connections)
    }
}

fn worth(parcel: &Parcel) -> Worth {
    let (lane, packet) = match parcel {
        Parcel::Cascaded(Cascaded { message: CascadeMessage::Media(media), .. })
        | Parcel::Sharded(Sharded { message: ShardMessage::Media(media), .. }) => {
            return match media {
                MediaMessage::Packet(..) => Worth::Lossy,
                MediaMessage::Demand(..) | MediaMessage::Keyframe(..) => Worth::State,
            };
        }
        Parcel::Sharded(Sharded { message: ShardMessage::DataFrame { .. }, .. }) => return Worth::Lossy,
        Parcel::Cascaded(Cascaded { message: CascadeMessage::Data(lane, packet), .. })
        | Parcel::Sharded(Sharded { message: ShardMessage::Data { lane, packet, .. }, .. }) => (lane, packet),
        Parcel::Cascaded(_) | Parcel::Sharded(_) => return Worth::State,
    };
    match lane {
        DataLane::Reliable => Worth::Data(packet.len()),
        DataLane::Lossy | DataLane::Track => Worth::Lossy,
    }
}

/// Bytes of reliable data among what waits.
fn data(waiting: &[Parcel]) -> usize {
    let bytes = waiting.iter().map(|parcel| match worth(parcel) {
        Worth::Data(bytes) => bytes,
        Worth::Lossy | Worth::State => 0,
    });
    bytes.sum()
}
