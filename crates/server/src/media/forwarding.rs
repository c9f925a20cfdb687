//! What rooms of this worker say to rooms they share a participant with, collected per worker and handed over once per
//! round.
//!
//! Never waits: if the other worker is behind, packets and lossy data are dropped, as on a network; state and reliable
//! data wait here.

use std::sync::{Arc, OnceLock};

use livekit::{RelayId, RelayMessage};
use sfu::DataLane;

use super::command::{Address, Command, Relayed, WorkerHandle};

/// Messages that may wait for one worker.
const MOST_WAITING: usize = 16_384;
/// Reliable data that may wait for one worker, in bytes. What comes beyond is lost, as it is for a receiver that is too slow.
const MOST_WAITING_DATA: usize = 4 << 20;

/// The ways to all workers.
pub struct Ways {
    workers: Arc<OnceLock<Arc<[WorkerHandle]>>>,
    /// By worker.
    waiting: Vec<Vec<Relayed>>,
}

impl Ways {
    /// To workers that may still be starting.
    pub fn new(workers: Arc<OnceLock<Arc<[WorkerHandle]>>>) -> Self {
        Self { workers, waiting: Vec::new() }
    }

    /// Something for another room.
    pub fn push(&mut self, to: Address, relay: RelayId, message: RelayMessage) {
        if self.waiting.len() <= to.worker {
            self.waiting.resize_with(to.worker + 1, Vec::new);
        }
        let waiting = &mut self.waiting[to.worker];
        let fits = match &message {
            RelayMessage::Packet(..) | RelayMessage::Data(DataLane::Lossy | DataLane::Track, _) => {
                waiting.len() < MOST_WAITING
            }
            RelayMessage::Data(DataLane::Reliable, packet) => data(waiting) + packet.len() <= MOST_WAITING_DATA,
            RelayMessage::State(_) | RelayMessage::Keyframe(..) | RelayMessage::End => true,
        };
        if fits {
            waiting.push(Relayed { room: to.room, relay, message });
        }
    }

    /// Hands over what waits.
    pub fn flush(&mut self) {
        let Some(workers) = self.workers.get() else { return };
        for (worker, waiting) in workers.iter().zip(&mut self.waiting) {
            if waiting.is_empty() {
                continue;
            }
            if let Err(Command::Relay(mut back)) = worker.try_send(Command::Relay(std::mem::take(waiting))) {
                back.retain(|relayed| !may_be_lost(&relayed.message));
                *waiting = back;
            }
        }
    }

    /// Something has to be handed over again.
    pub fn any_waiting(&self) -> bool {
        self.waiting.iter().any(|waiting| !waiting.is_empty())
    }
}

fn may_be_lost(message: &RelayMessage) -> bool {
    match message {
        RelayMessage::Packet(..) | RelayMessage::Data(DataLane::Lossy | DataLane::Track, _) => true,
        RelayMessage::State(_)
        | RelayMessage::Data(DataLane::Reliable, _)
        | RelayMessage::Keyframe(..)
        | RelayMessage::End => false,
    }
}

/// Bytes of reliable data among what waits.
fn data(waiting: &[Relayed]) -> usize {
    let bytes = waiting.iter().map(|relayed| match &relayed.message {
        RelayMessage::Data(DataLane::Reliable, packet) => packet.len(),
        RelayMessage::Data(DataLane::Lossy | DataLane::Track, _)
        | RelayMessage::State(_)
        | RelayMessage::Packet(..)
        | RelayMessage::Keyframe(..)
        | RelayMessage::End => 0,
    });
    bytes.sum()
}
