//! What a worker is asked about recordings.

use std::time::Instant;

use model::RoomName;

use super::super::command::RecordAct;
use super::{Worker, touch};

impl Worker {
    /// Begins, holds up or ends a recording of a room.
    pub(super) fn record(&mut self, now: Instant, room: &RoomName, act: RecordAct) {
        let slot = self.find(room);
        let (Some(recordings), Some(slot)) = (&self.recordings, slot) else {
            if let (RecordAct::Start(spec), Some(recordings)) = (&act, &self.recordings) {
                recordings.refuse(spec.id, room, "the room is closed");
            }
            return;
        };
        let hosted = &mut self.rooms[slot];
        match act {
            RecordAct::Start(spec) => {
                let size = recordings.size;
                hosted.recorders.begin(now, recordings, room, spec.id);
                let (id, mut refused) = (spec.id, None);
                touch(hosted, &mut self.dirty, |room| refused = room.record(now, spec, size).err());
                if let Some(refusal) = refused {
                    hosted.recorders.give_up(id);
                    recordings.refuse(id, room, &refusal.to_string());
                }
            }
            RecordAct::Pause(id) => touch(hosted, &mut self.dirty, |room| room.pause_recording(now, id, true)),
            RecordAct::Resume(id) => touch(hosted, &mut self.dirty, |room| room.pause_recording(now, id, false)),
            RecordAct::Stop(id) => touch(hosted, &mut self.dirty, |room| room.stop_recording(now, id)),
        }
    }
}
