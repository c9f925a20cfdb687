//! Participants who are shown in another room, too: their rooms' cascades, opened and fed.

use std::time::Instant;

use livekit::{CascadeMessage, RoomRefusal};

use super::super::command::{Cascaded, OpenCascade};
use super::{Worker, touch};

impl Worker {
    pub(super) fn open_cascade(&mut self, now: Instant, open: OpenCascade) {
        let OpenCascade { room, cascade, other, identity, is_dependent, is_source, reply } = open;
        let mut opened = Err(RoomRefusal::RoomNotFound);
        if self.rooms.get(room.slot).is_some_and(|hosted| hosted.key == room) {
            self.rooms[room.slot].cascades.insert(cascade, other);
            self.touch(room.slot, |room| {
                opened = match is_source {
                    true => room.cascade_out(now, cascade, &identity),
                    false => room.cascade_in(now, cascade, &identity, is_dependent),
                };
            });
            if opened.is_err() {
                self.rooms[room.slot].cascades.remove(&cascade);
            }
        }
        if opened.is_err() && is_source {
            self.parcels.push(other, cascade, CascadeMessage::End);
        }
        let _ = reply.send(opened);
    }

    pub(super) fn take_cascaded(&mut self, now: Instant, Cascaded { room, cascade, message }: Cascaded) {
        let Some(hosted) = self.rooms.get_mut(room.slot).filter(|hosted| hosted.key == room) else { return };
        match message {
            CascadeMessage::End => drop(hosted.cascades.remove(&cascade)),
            _ if !hosted.cascades.contains_key(&cascade) => return,
            CascadeMessage::State(_) | CascadeMessage::Media(_) | CascadeMessage::Data(..) => {}
        }
        touch(hosted, &mut self.dirty, |room| room.handle_cascade(now, cascade, message));
    }
}
