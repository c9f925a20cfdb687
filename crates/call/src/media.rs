//! What the media side reports: who is in a call's room, who has media, who has left.

use model::{CallId, DeviceId, Timestamp, TopologyReason, UserId};

use crate::change::{Change, Exit};
use crate::command::{Answer, CommandError};
use crate::output::{Output, RoomAct};
use crate::part::{Connection, Part, PartState};
use crate::switchboard::Switchboard;

impl Switchboard {
    pub(crate) fn media_joined(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: UserId,
        device: DeviceId,
        is_dependent: bool,
    ) -> Result<Answer, CommandError> {
        let call = self.calls.get(&id).ok_or(CommandError::CallNotFound)?;
        if call.is_over() {
            let error = CommandError::CallOver(call.status());
            return self.turn_out(error, RoomAct::Close { call: id });
        }
        let remove = RoomAct::Remove { call: id, user: user.clone() };
        let known = match call.part(&user).map(|part| &part.state) {
            None => return self.turn_out(CommandError::CallNotFound, remove),
            Some(PartState::Gone { .. }) => {
                return self.turn_out(CommandError::InvalidState("you are no longer in the call"), remove);
            }
            Some(PartState::Invited | PartState::Ringing) => {
                let come_in = if is_dependent { Self::enter } else { Self::take };
                if let Err(full) = come_in(self, now, id, &user, device.clone()) {
                    return self.turn_out(full, remove);
                }
                false
            }
            Some(PartState::Joined(_)) if call.is_between_peers() => false,
            Some(PartState::Joined(stay)) => {
                let same = stay.device == device && stay.is_dependent == is_dependent;
                same && matches!(stay.connection, Connection::InRoom | Connection::Up)
            }
        };
        let joined = self.known(id).part(&user).is_some_and(Part::is_joined);
        if joined && let Err(error) = self.move_to_room(now, id, TopologyReason::LivekitJoin, Some(&user)) {
            return self.turn_out(error, remove);
        }
        if !known && joined {
            self.transition(now, id, Change::EnteredRoom { user, device, is_dependent });
        }
        Ok(Answer::Done)
    }

    /// Someone slipped into a room whose door had just closed: the call is as it was, the media side has to put them out.
    fn turn_out(&mut self, error: CommandError, act: RoomAct) -> Result<Answer, CommandError> {
        self.push(Output::Room(act));
        Err(error)
    }

    pub(crate) fn media_connected(&mut self, now: Timestamp, id: CallId, user: UserId) -> Result<Answer, CommandError> {
        let (call, part) = self.seen_by(id, &user)?;
        if call.is_over() {
            return Err(CommandError::CallOver(call.status()));
        }
        let connection = part.stay().map(|stay| stay.connection);
        match connection {
            None => Err(CommandError::InvalidState("you are not in the call")),
            Some(Connection::Up) => Ok(Answer::Done),
            Some(Connection::Absent { .. } | Connection::InRoom | Connection::Lost { .. }) => {
                self.transition(now, id, Change::MediaUp { user });
                Ok(Answer::Done)
            }
        }
    }

    pub(crate) fn media_left(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: UserId,
        clean: bool,
    ) -> Result<Answer, CommandError> {
        let (call, part) = self.seen_by(id, &user)?;
        if call.is_between_peers() {
            return Ok(Answer::Done);
        }
        let connection = part.stay().map(|stay| stay.connection);
        match connection {
            // Late news of a session before this stay, or of one that the call's end closed.
            None | Some(Connection::Absent { .. }) => {}
            Some(Connection::InRoom | Connection::Up | Connection::Lost { .. }) if clean => {
                self.go(now, id, &user, Exit::Room)
            }
            Some(Connection::InRoom | Connection::Up) => {
                let until = now + call.windows.reconnect;
                self.transition(now, id, Change::Lost { user, until });
            }
            Some(Connection::Lost { .. }) => {}
        }
        Ok(Answer::Done)
    }
}
