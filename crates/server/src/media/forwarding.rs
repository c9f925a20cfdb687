//! What rooms of this worker say to rooms they share a participant with, gathered for each worker and handed over once a round.
//!
//! Never waits: where the other worker is behind, packets are dropped as a network would, and state waits here.

use std::sync::{Arc, OnceLock};

use livekit::{RelayId, RelayMessage};

use super::command::{Address, Command, Relayed, WorkerHandle};

/// Messages that may wait for one worker.
const MOST_WAITING: usize = 16_384;

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
        if waiting.len() < MOST_WAITING || !matches!(message, RelayMessage::Packet(..)) {
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
                back.retain(|relayed| !matches!(relayed.message, RelayMessage::Packet(..)));
                *waiting = back;
            }
        }
    }

    /// Something has to be handed over again.
    pub fn any_waiting(&self) -> bool {
        self.waiting.iter().any(|waiting| !waiting.is_empty())
    }
}
