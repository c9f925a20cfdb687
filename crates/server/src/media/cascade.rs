//! The cascades' way out: what rooms of this worker say to rooms they share a participant with, collected per worker and
//! handed over once per round.
//!
//! Never waits: if the other worker is behind, packets and lossy data are dropped, as on a network; state and reliable
//! data wait here.

use std::sync::{Arc, OnceLock};

use livekit::{CascadeId, CascadeMessage, MediaMessage};
use sfu::DataLane;

use super::command::{Address, Cascaded, Command, WorkerHandle};

/// Messages that may wait for one worker.
const MOST_WAITING: usize = 16_384;
/// Reliable data that may wait for one worker, in bytes. What comes beyond is lost, as it is for a receiver that is too slow.
const MOST_WAITING_DATA: usize = 4 << 20;

/// What waits for each worker.
pub struct CascadeOutboxes {
    workers: Arc<OnceLock<Arc<[WorkerHandle]>>>,
    /// By worker.
    waiting: Vec<Vec<Cascaded>>,
}

impl CascadeOutboxes {
    /// To workers that may still be starting.
    pub fn new(workers: Arc<OnceLock<Arc<[WorkerHandle]>>>) -> Self {
        Self { workers, waiting: Vec::new() }
    }

    /// Something for another room.
    pub fn push(&mut self, to: Address, cascade: CascadeId, message: CascadeMessage) {
        if self.waiting.len() <= to.worker {
            self.waiting.resize_with(to.worker + 1, Vec::new);
        }
        let waiting = &mut self.waiting[to.worker];
        let fits = match &message {
            CascadeMessage::Media(MediaMessage::Packet(..))
            | CascadeMessage::Data(DataLane::Lossy | DataLane::Track, _) => waiting.len() < MOST_WAITING,
            CascadeMessage::Data(DataLane::Reliable, packet) => data(waiting) + packet.len() <= MOST_WAITING_DATA,
            CascadeMessage::State(_)
            | CascadeMessage::Media(MediaMessage::Demand(..) | MediaMessage::Keyframe(..))
            | CascadeMessage::End => true,
        };
        if fits {
            waiting.push(Cascaded { room: to.room, cascade, message });
        }
    }

    /// Hands over what waits.
    pub fn flush(&mut self) {
        let Some(workers) = self.workers.get() else { return };
        for (worker, waiting) in workers.iter().zip(&mut self.waiting) {
            if waiting.is_empty() {
                continue;
            }
            if let Err(Command::Cascade(mut back)) = worker.try_send(Command::Cascade(std::mem::take(waiting))) {
                back.retain(|cascaded| !may_be_lost(&cascaded.message));
                *waiting = back;
            }
        }
    }

    /// Something has to be handed over again.
    pub fn any_waiting(&self) -> bool {
        self.waiting.iter().any(|waiting| !waiting.is_empty())
    }
}

fn may_be_lost(message: &CascadeMessage) -> bool {
    match message {
        CascadeMessage::Media(MediaMessage::Packet(..))
        | CascadeMessage::Data(DataLane::Lossy | DataLane::Track, _) => true,
        CascadeMessage::State(_)
        | CascadeMessage::Data(DataLane::Reliable, _)
        | CascadeMessage::Media(MediaMessage::Demand(..) | MediaMessage::Keyframe(..))
        | CascadeMessage::End => false,
    }
}

/// Bytes of reliable data among what waits.
fn data(waiting: &[Cascaded]) -> usize {
    let bytes = waiting.iter().map(|cascaded| match &cascaded.message {
        CascadeMessage::Data(DataLane::Reliable, packet) => packet.len(),
        CascadeMessage::Data(DataLane::Lossy | DataLane::Track, _)
        | CascadeMessage::State(_)
        | CascadeMessage::Media(_)
        | CascadeMessage::End => 0,
    });
    bytes.sum()
}
