//! What people do with an existing call: accept, decline, cancel, join, leave, end, switch their media.
//!
//! Each action is checked against the state of the call and then becomes one change. Repeating an action is answered,
//! not refused.

use model::{CallId, CallStatus, DeviceId, EndReason, Timestamp, UserId, VideoQuality};

use crate::call::Call;
use crate::change::{Change, Ending, Exit};
use crate::command::{self, Answer, CommandError};
use crate::initiate::MOST_EVER;
use crate::output::{Output, RoomAct};
use crate::part::{Connection, Gone, MediaState, Part, PartState};
use crate::switchboard::Switchboard;

/// The longest text kept of what a client says about an end, in characters.
const LONGEST_NOTE: usize = 256;

/// What a client wants to change of its media.
pub(crate) struct MediaWish {
    pub is_muted: Option<bool>,
    pub is_video_enabled: Option<bool>,
    pub is_screen_sharing: Option<bool>,
    pub video_quality: Option<VideoQuality>,
}

impl MediaWish {
    fn over(self, now: MediaState) -> MediaState {
        MediaState {
            is_muted: self.is_muted.unwrap_or(now.is_muted),
            is_video_enabled: self.is_video_enabled.unwrap_or(now.is_video_enabled),
            is_screen_sharing: self.is_screen_sharing.unwrap_or(now.is_screen_sharing),
            video_quality: self.video_quality.unwrap_or(now.video_quality),
        }
    }
}

impl Switchboard {
    /// A call that the command has found before: finished calls are forgotten between commands only.
    pub(crate) fn known(&self, id: CallId) -> &Call {
        self.calls.get(&id).expect("the command has found this call before")
    }

    /// The call and this user's part in it, if they have or had one.
    pub(crate) fn seen_by(&self, id: CallId, user: &UserId) -> Result<(&Call, &Part), CommandError> {
        let call = self.calls.get(&id).ok_or(CommandError::CallNotFound)?;
        Ok((call, call.part(user).ok_or(CommandError::CallNotFound)?))
    }

    pub(crate) fn answer(&self, id: CallId) -> Result<Answer, CommandError> {
        let call = self.calls.get(&id).ok_or(CommandError::CallNotFound)?;
        Ok(Answer::Call(Box::new(call.snapshot())))
    }

    fn joined_answer(&self, id: CallId, user: &UserId) -> Result<Answer, CommandError> {
        let (call, part) = self.seen_by(id, user)?;
        Ok(Answer::Joined { call: Box::new(call.snapshot()), participant: Box::new(part.snapshot()) })
    }

    pub(crate) fn accept(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: UserId,
        device: DeviceId,
    ) -> Result<Answer, CommandError> {
        let (call, part) = self.seen_by(id, &user)?;
        if call.is_over() {
            return Err(CommandError::CallOver(call.status()));
        }
        match &part.state {
            PartState::Invited | PartState::Ringing => self.take(now, id, &user, device)?,
            PartState::Joined(stay) if stay.device != device => return Err(CommandError::AnsweredElsewhere),
            PartState::Joined(stay) if matches!(stay.connection, Connection::Lost { .. }) => {
                self.transition(now, id, Change::Returned { user: user.clone(), device });
            }
            PartState::Joined(_) => {}
            PartState::Gone { .. } => return Err(CommandError::InvalidState("the call is no longer ringing for you")),
        }
        self.joined_answer(id, &user)
    }

    /// One who is being rung takes the call.
    pub(crate) fn take(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: &UserId,
        device: DeviceId,
    ) -> Result<(), CommandError> {
        let call = self.known(id);
        if call.joined_beside(user).filter(|part| part.counts()).count() >= call.max_participants {
            return Err(CommandError::CallFull(call.max_participants));
        }
        self.enter(now, id, user, device)
    }

    /// The same, without taking a place.
    pub(crate) fn enter(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: &UserId,
        device: DeviceId,
    ) -> Result<(), CommandError> {
        let ability = self.make_way(now, id, user, &device)?;
        self.hold_others(now, user, id);
        self.transition(now, id, Change::Accepted { user: user.clone(), device, ability });
        Ok(())
    }

    pub(crate) fn join(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: UserId,
        device: DeviceId,
    ) -> Result<Answer, CommandError> {
        let call = self.calls.get(&id).ok_or(CommandError::CallNotFound)?;
        let may_come = |call: &Call| {
            let channel = call.channel.as_ref().filter(|_| call.in_channel);
            channel.is_some_and(|channel| self.channels.is_member(channel, &user))
        };
        let part = call.part(&user);
        if part.is_none() && !may_come(call) {
            return Err(CommandError::CallNotFound);
        }
        if call.is_over() {
            return Err(CommandError::CallOver(call.status()));
        }
        match part.map(|part| &part.state) {
            Some(PartState::Invited | PartState::Ringing) => self.take(now, id, &user, device)?,
            Some(PartState::Joined(stay)) if matches!(stay.connection, Connection::Lost { .. }) => {
                self.transition(now, id, Change::Returned { user: user.clone(), device });
            }
            // A tab that died leaves its media behind for a moment: who comes back need not wait for that to be noticed.
            Some(PartState::Joined(stay)) if stay.device != device && !self.replaces(&user, &device, &stay.device) => {
                return Err(CommandError::AnsweredElsewhere);
            }
            Some(PartState::Joined(_)) => {}
            Some(PartState::Gone { how: Gone::Left(EndReason::Removed), .. }) => {
                return Err(CommandError::Forbidden("you were removed from the call"));
            }
            Some(PartState::Gone { .. }) if call.is_waiting() => {
                return Err(CommandError::InvalidState("the call is no longer ringing for you"));
            }
            Some(PartState::Gone { .. }) | None => self.come_in(now, id, &user, device)?,
        }
        self.joined_answer(id, &user)
    }

    /// One device of a user is there, the other is not any more.
    fn replaces(&self, user: &UserId, device: &DeviceId, other: &DeviceId) -> bool {
        self.devices.has(user, device) && !self.devices.has(user, other)
    }

    /// One who is not being rung comes in: late, or again.
    fn come_in(&mut self, now: Timestamp, id: CallId, user: &UserId, device: DeviceId) -> Result<(), CommandError> {
        let call = self.known(id);
        let grows = call.part(user).is_none() && call.parts.len() >= MOST_EVER.max(call.max_participants);
        let there = call.parts.iter().filter(|part| part.counts()).count();
        if there >= call.max_participants || grows {
            return Err(CommandError::CallFull(call.max_participants));
        }
        let ability = self.make_way(now, id, user, &device)?;
        self.hold_others(now, user, id);
        let participant = command::participant_id(&mut self.rng);
        self.transition(now, id, Change::Joined { user: user.clone(), device, ability, id: participant });
        Ok(())
    }

    pub(crate) fn decline(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: UserId,
        busy: bool,
    ) -> Result<Answer, CommandError> {
        let (call, part) = self.seen_by(id, &user)?;
        match &part.state {
            PartState::Gone { how: Gone::Declined | Gone::Busy, .. } => {}
            _ if call.is_over() => return Err(CommandError::CallOver(call.status())),
            PartState::Invited | PartState::Ringing => self.transition(now, id, Change::Declined { user, busy }),
            PartState::Joined(_) if call.initiator == user => {
                return Err(CommandError::InvalidState("this is your own call: cancel or leave it"));
            }
            PartState::Joined(_) => return Err(CommandError::AnsweredElsewhere),
            PartState::Gone { how: Gone::Left(_), .. } => {}
        }
        self.answer(id)
    }

    pub(crate) fn cancel(&mut self, now: Timestamp, id: CallId, user: UserId) -> Result<Answer, CommandError> {
        let (call, _) = self.seen_by(id, &user)?;
        if call.initiator != user {
            return Err(CommandError::Forbidden("only the caller can cancel the call"));
        }
        if call.is_waiting() {
            self.transition(now, id, Change::Ended(cancelled(&user, now)));
        } else if call.is_running() {
            return Err(CommandError::InvalidState("the call has been answered: leave or end it"));
        } else if call.status() != CallStatus::Cancelled {
            return Err(CommandError::CallOver(call.status()));
        }
        self.answer(id)
    }

    pub(crate) fn leave(&mut self, now: Timestamp, id: CallId, user: UserId) -> Result<Answer, CommandError> {
        self.seen_by(id, &user)?;
        self.go(now, id, &user, Exit::Asked);
        self.answer(id)
    }

    /// Takes a user out by their own wish: of a call they are in, of one they are calling (it is cancelled) or of one that rings (it is declined).
    pub(crate) fn go(&mut self, now: Timestamp, id: CallId, user: &UserId, exit: Exit) {
        let call = self.known(id);
        let Some(part) = call.part(user).filter(|part| part.is_engaged() && !call.is_over()) else { return };
        let change = if part.is_pending() {
            Change::Declined { user: user.clone(), busy: false }
        } else if call.is_waiting() {
            Change::Ended(cancelled(user, now))
        } else {
            Change::Left { user: user.clone(), reason: EndReason::Completed, exit }
        };
        self.transition(now, id, change);
    }

    pub(crate) fn end(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: UserId,
        note: Option<String>,
    ) -> Result<Answer, CommandError> {
        let (call, part) = self.seen_by(id, &user)?;
        let note = note.map(|note| note.chars().take(LONGEST_NOTE).collect());
        match &part.state {
            _ if call.is_over() => {}
            PartState::Invited | PartState::Ringing => {
                self.transition(now, id, Change::Declined { user, busy: false });
            }
            PartState::Joined(_) if call.is_waiting() => {
                self.transition(now, id, Change::Ended(Ending { note, ..cancelled(&user, now) }));
            }
            PartState::Joined(_) => {
                let ending = Ending::new(CallStatus::Ended, EndReason::Completed, now);
                self.transition(now, id, Change::Ended(Ending { by: Some(user), note, ..ending }));
            }
            PartState::Gone { .. } if call.is_waiting() => {}
            PartState::Gone { .. } => return Err(CommandError::Forbidden("only someone in the call can end it")),
        }
        self.answer(id)
    }

    pub(crate) fn set_media_state(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: UserId,
        wish: MediaWish,
    ) -> Result<Answer, CommandError> {
        let (call, part) = self.seen_by(id, &user)?;
        if call.is_over() {
            return Err(CommandError::CallOver(call.status()));
        }
        if !part.is_joined() {
            return Err(CommandError::InvalidState("you are not in the call"));
        }
        if wish.is_screen_sharing == Some(true) && !self.config.screen_sharing {
            return Err(CommandError::FeatureDisabled("screen sharing"));
        }
        if wish.is_muted == Some(false) && part.is_hard_muted {
            return Err(CommandError::Forbidden("the host has muted you"));
        }
        let state = wish.over(part.media);
        if state != part.media {
            self.transition(now, id, Change::Media { user, state });
        }
        self.answer(id)
    }

    /// What the room sees of someone's media. A microphone that opens under a hard mute is shut again.
    pub(crate) fn media_seen(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: UserId,
        wish: MediaWish,
    ) -> Result<Answer, CommandError> {
        let (_, part) = self.in_it(id, &user)?;
        let opens = wish.is_muted == Some(false) && part.is_hard_muted;
        let mut state = wish.over(part.media);
        state.is_muted |= opens;
        if state != part.media {
            self.transition(now, id, Change::Media { user: user.clone(), state });
        }
        if opens {
            self.push(Output::Room(RoomAct::Mute { call: id, user, hard: true }));
        }
        Ok(Answer::Done)
    }
}

fn cancelled(by: &UserId, now: Timestamp) -> Ending {
    Ending { by: Some(by.clone()), ..Ending::new(CallStatus::Cancelled, EndReason::Cancelled, now) }
}
