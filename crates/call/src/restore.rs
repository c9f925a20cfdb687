//! After a restart: calls that were running when the process died.

use std::collections::BTreeSet;

use model::{CallStatus, EndReason, Timestamp};

use crate::call::{Call, KEPT_FOR, Over, Phase, Recovery, Running};
use crate::change::{Change, Ending};
use crate::command::{Answer, CommandError};
use crate::part::{Connection, Part};
use crate::recording::Recordings;
use crate::snapshot::CallSnapshot;
use crate::switchboard::Switchboard;

impl Switchboard {
    /// Takes up a call that ran when the process died. One that rang and whose time is over ends as it would have; one that was
    /// taken waits for its participants through the reconnect window and else ends as `failed` at `seen`.
    pub(crate) fn take_up(
        &mut self,
        now: Timestamp,
        stored: CallSnapshot,
        seen: Option<Timestamp>,
    ) -> Result<Answer, CommandError> {
        let id = stored.id;
        if self.calls.contains_key(&id) {
            return Err(CommandError::InvalidState("the call is already here"));
        }
        let seen = seen.unwrap_or_else(|| latest(&stored)).min(now);
        let call = self.rebuild(now, stored, seen);
        let rung_out = call.is_waiting() && !call.pending().any(|part| call.ring_until(part) > now);
        let (over, status) = (call.is_over(), call.status());
        let last_ring =
            call.pending().map(|part| call.ring_until(part)).max().unwrap_or(call.created_at + call.ring_for);
        self.calls.insert(id, call);
        if over {
            self.index(id);
        } else if rung_out {
            let (status, reason) = if status == CallStatus::Initiating {
                (CallStatus::Timeout, EndReason::Timeout)
            } else {
                (CallStatus::NoAnswer, EndReason::NoAnswer)
            };
            self.transition(now, id, Change::Ended(Ending::new(status, reason, last_ring.min(now))));
        } else {
            self.transition(now, id, Change::Restored);
            self.ring(now, id);
        }
        Ok(Answer::Done)
    }

    fn rebuild(&self, now: Timestamp, stored: CallSnapshot, seen: Timestamp) -> Call {
        let until = now + self.config.reconnect_window;
        let caller_lost = (!self.devices.is_connected(&stored.initiator)).then_some(now);
        let phase = phase(now, &stored, Recovery { seen, until }, caller_lost);
        let mut users = BTreeSet::new();
        let lost = match &phase {
            Phase::Waiting { .. } => Connection::Absent { since: now },
            Phase::Running(_) | Phase::Over(_) => Connection::Lost { since: seen, until },
        };
        let parts = stored.participants.into_iter().filter(|part| users.insert(part.user.clone()));
        Call {
            id: stored.id,
            kind: stored.kind,
            media: stored.media,
            topology: stored.topology,
            initiator: stored.initiator,
            channel: stored.channel,
            in_channel: stored.in_channel,
            created_at: stored.created_at,
            ring_for: stored.ring_until.since(stored.created_at),
            max_participants: stored.max_participants,
            metadata: stored.metadata,
            origin: None,
            windows: self.windows(),
            phase,
            transfer: stored.transfer,
            recordings: Recordings::new(stored.recording, stored.is_recorded),
            parts: parts.map(|part| Part::restored(part, lost)).collect(),
        }
    }
}

fn phase(now: Timestamp, stored: &CallSnapshot, recovery: Recovery, caller_lost: Option<Timestamp>) -> Phase {
    let told = stored.status != CallStatus::Initiating;
    match stored.status {
        CallStatus::Initiating | CallStatus::Ringing => Phase::Waiting { told, caller_lost },
        CallStatus::Connecting | CallStatus::Connected => Phase::Running(Running {
            started_at: stored.started_at.unwrap_or(stored.created_at),
            connected_at: stored.connected_at,
            empty_since: Some(now),
            recovery: Some(recovery),
        }),
        CallStatus::Ended
        | CallStatus::Failed
        | CallStatus::Cancelled
        | CallStatus::Declined
        | CallStatus::Busy
        | CallStatus::Timeout
        | CallStatus::NoAnswer => Phase::Over(Over {
            ending: Ending {
                by: stored.ended_by.clone(),
                merged_into: stored.merged_into,
                ..Ending::new(
                    stored.status,
                    stored.end_reason.unwrap_or(EndReason::Completed),
                    stored.ended_at.unwrap_or(recovery.seen),
                )
            },
            started_at: stored.started_at,
            connected_at: stored.connected_at,
            forget_at: now + KEPT_FOR,
        }),
    }
}

/// The latest time that a call names.
fn latest(call: &CallSnapshot) -> Timestamp {
    let of_call = [Some(call.created_at), call.started_at, call.connected_at, call.ended_at];
    let of_parts = call.participants.iter().flat_map(|part| [Some(part.invited_at), part.joined_at, part.left_at]);
    of_call.into_iter().chain(of_parts).flatten().max().unwrap_or(call.created_at)
}
