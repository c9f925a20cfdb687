//! Transferring a call to someone else.
//!
//! The person transferring leaves only once the target accepts. If the target does not, the call continues as it was.
//! What follows from the target's decision is in [`next_step`], a pure function that the rules call after every change.

use model::{CallId, EndReason, Timestamp, TransferMode, UserId};

use crate::call::Call;
use crate::change::{Change, Exit, Newcomer};
use crate::command::{self, Answer, CommandError};
use crate::initiate::MOST_EVER;
use crate::part::{Part, PartState};
use crate::switchboard::Switchboard;

/// What a transfer that is under way brings about by itself.
pub(crate) fn next_step(call: &Call) -> Option<Change> {
    let transfer = call.transfer.as_ref()?;
    let target = call.part(&transfer.target).expect("the target has a part from the start");
    let by_is_here = call.part(&transfer.by).is_some_and(Part::is_joined);
    let bystander = |part: &Part| part.is_joined() && part.user != transfer.by && part.user != transfer.target;
    let somebody = call.parts.iter().any(bystander);
    let failed = |reason| Some(Change::TransferFailed { reason, by: None });
    match (&target.state, transfer.mode) {
        (PartState::Gone { how, .. }, _) => failed(match how.reason() {
            EndReason::Removed => EndReason::Cancelled,
            reason => reason,
        }),
        (PartState::Joined(_), _) if !by_is_here => Some(Change::Transferred),
        (PartState::Joined(_), TransferMode::Blind) => {
            Some(Change::Left { user: transfer.by.clone(), reason: EndReason::Completed, exit: Exit::Asked })
        }
        (PartState::Joined(_) | PartState::Invited | PartState::Ringing, _) if !somebody => {
            failed(EndReason::Completed)
        }
        (PartState::Joined(_), TransferMode::Attended) | (PartState::Invited | PartState::Ringing, _) => None,
    }
}

/// Whether someone is still on the way to take the transferrer's place.
pub(crate) fn awaits_target(call: &Call) -> bool {
    let target = call.transfer.as_ref().and_then(|transfer| call.part(&transfer.target));
    target.is_some_and(Part::is_pending)
}

impl Switchboard {
    pub(crate) fn transfer(
        &mut self,
        now: Timestamp,
        id: CallId,
        by: UserId,
        target: UserId,
        mode: TransferMode,
    ) -> Result<Answer, CommandError> {
        let (call, _) = self.in_it(id, &by)?;
        if !call.is_running() {
            return Err(CommandError::InvalidState("nobody has answered yet"));
        }
        if call.transfer.is_some() {
            return Err(CommandError::InvalidState("a transfer is already in progress"));
        }
        if target == by {
            return Err(CommandError::NobodyToCall);
        }
        if call.part(&target).is_some_and(Part::is_engaged) {
            return Err(CommandError::InvalidState("they are already in the call"));
        }
        let others: Vec<&Part> = call.parts.iter().filter(|part| part.is_joined() && part.user != by).collect();
        if others.is_empty() {
            return Err(CommandError::InvalidState("nobody else is in the call"));
        }
        let most = call.max_participants;
        let taken = call.parts.iter().filter(|part| part.takes_place()).count();
        let stays = usize::from(mode == TransferMode::Attended);
        let grows = call.part(&target).is_none() && call.parts.len() >= MOST_EVER.max(most);
        if taken + stays > most || grows {
            return Err(CommandError::CallFull(most));
        }
        let held = match mode {
            TransferMode::Blind => Vec::new(),
            TransferMode::Attended => {
                others.iter().filter(|part| !part.is_on_hold).map(|part| part.user.clone()).collect()
            }
        };
        let busy = self.is_busy(&target);
        let target = Newcomer { id: command::participant_id(&mut self.rng), user: target, busy };
        self.transition(now, id, Change::TransferStarted { by, target, mode, held });
        self.ring(now, id);
        self.answer(id)
    }

    /// The call whose transfer is this user's to end.
    fn transferred_by(&self, id: CallId, user: &UserId) -> Result<&Call, CommandError> {
        let (call, _) = self.in_it(id, user)?;
        match &call.transfer {
            Some(transfer) if &transfer.by == user => Ok(call),
            Some(_) => Err(CommandError::Forbidden("only the person who started the transfer can end it")),
            None => Err(CommandError::InvalidState("no transfer is in progress")),
        }
    }

    pub(crate) fn complete_transfer(&mut self, now: Timestamp, id: CallId, by: UserId) -> Result<Answer, CommandError> {
        let call = self.transferred_by(id, &by)?;
        let transfer = call.transfer.as_ref().expect("transferred_by found it");
        if call.part(&transfer.target).is_some_and(Part::is_joined) {
            self.transition(now, id, Change::Left { user: by, reason: EndReason::Completed, exit: Exit::Asked });
        } else if transfer.mode == TransferMode::Attended {
            self.transition(now, id, Change::TransferReleased { by });
        }
        self.answer(id)
    }

    pub(crate) fn cancel_transfer(&mut self, now: Timestamp, id: CallId, by: UserId) -> Result<Answer, CommandError> {
        let call = self.transferred_by(id, &by)?;
        let target = call.transfer.as_ref().expect("transferred_by found it").target.clone();
        let change = if call.part(&target).is_some_and(Part::is_joined) {
            Change::Removed { user: target, by }
        } else {
            Change::TransferFailed { reason: EndReason::Cancelled, by: Some(by) }
        };
        self.transition(now, id, change);
        self.answer(id)
    }
}
