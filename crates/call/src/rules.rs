//! What follows from the state of a call: pure functions over a call. They change nothing.

use model::{CallKind, CallStatus, EndReason, Timestamp, UserId};

use crate::call::{Call, Phase, Running};
use crate::change::{Change, Ending};
use crate::part::{Connection, Gone, Part, PartState};
use crate::recording::RecordingChange;
use crate::transfer;

/// Why a call has a timer. Where two are due at once, the order is this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    /// After a restart nobody came back.
    Recovery,
    /// The caller's devices all vanished while it rang.
    CallerLost,
    /// The ringing is over for someone.
    Ring,
    /// One who was lost, or never showed up in the room, is given up.
    Lost(UserId),
    /// Nobody has had media for too long.
    Empty,
    /// A finished call's id is forgotten.
    Forget,
}

/// The change that comes before another: what is recorded ends before its call does.
pub(crate) fn precedes(call: &Call, change: &Change) -> Option<Change> {
    let Change::Ended(ending) = change else { return None };
    call.recordings.running()?;
    Some(Change::Recording(RecordingChange::Stopped { by: None, at: ending.at }))
}

/// The change that `after` brings about by itself, if any.
pub(crate) fn consequence(call: &Call, after: &Change, now: Timestamp) -> Option<Change> {
    match &call.phase {
        Phase::Waiting { told, .. } => nobody_left_to_ring(call, *told, after, now),
        Phase::Running(running) => transfer::next_step(call)
            .or_else(|| nobody_left(call, running, after, now))
            .or_else(|| two_have_media(call, running)),
        Phase::Over(_) => None,
    }
}

fn nobody_left_to_ring(call: &Call, told: bool, after: &Change, now: Timestamp) -> Option<Change> {
    if call.pending().next().is_some() {
        return None;
    }
    let called = || call.parts.iter().filter(|part| part.user != call.initiator);
    let refused = called().all(|part| matches!(part.state, PartState::Gone { how: Gone::Declined | Gone::Busy, .. }));
    let busy = called().all(|part| matches!(part.state, PartState::Gone { how: Gone::Busy, .. }));
    let ending = if busy {
        Ending::new(CallStatus::Busy, EndReason::Busy, now)
    } else if refused {
        Ending::new(CallStatus::Declined, EndReason::Declined, now)
    } else if told {
        Ending::new(CallStatus::NoAnswer, EndReason::NoAnswer, now)
    } else {
        Ending::new(CallStatus::Timeout, EndReason::Timeout, now)
    };
    let by = if let Change::Declined { user, .. } = after { Some(user.clone()) } else { None };
    Some(Change::Ended(Ending { by, ..ending }))
}

fn nobody_left(call: &Call, running: &Running, after: &Change, now: Timestamp) -> Option<Change> {
    let enough = match call.kind {
        CallKind::OneToOne => 2,
        CallKind::Group => 1,
    };
    let somebody = call.parts.iter().any(Part::counts);
    if somebody && call.joined() + usize::from(transfer::awaits_target(call)) >= enough {
        return None;
    }
    let lost = matches!(after, Change::Left { reason: EndReason::ConnectionLost, .. });
    let status = if lost && running.connected_at.is_none() { CallStatus::Failed } else { CallStatus::Ended };
    let reason = match (lost, call.kind) {
        (true, _) => EndReason::ConnectionLost,
        (false, CallKind::OneToOne) => EndReason::Completed,
        (false, CallKind::Group) => EndReason::Empty,
    };
    let ending = Ending { by: after.actor().cloned(), ..Ending::new(status, reason, now) };
    Some(Change::Ended(ending))
}

fn two_have_media(call: &Call, running: &Running) -> Option<Change> {
    let up = call.parts.iter().filter(|part| part.is_up()).count();
    (running.connected_at.is_none() && up >= 2).then_some(Change::Connected)
}

/// The next moment at which something happens to the call by itself.
pub(crate) fn next_deadline(call: &Call) -> Option<(Timestamp, Deadline)> {
    let of_phase = match &call.phase {
        Phase::Over(over) => return Some((over.forget_at, Deadline::Forget)),
        // One who has been in the room has a window of its own.
        Phase::Waiting { caller_lost, .. } => {
            let since = caller_lost.filter(|_| caller_is_absent(call));
            since.map(|since| (since + call.windows.reconnect, Deadline::CallerLost))
        }
        Phase::Running(running) => {
            let empty = running.empty_since.map(|since| (since + call.windows.empty, Deadline::Empty));
            let recovery = running.recovery.map(|recovery| (recovery.until, Deadline::Recovery));
            empty.into_iter().chain(recovery).min()
        }
    };
    let ring = call.pending().map(|part| (call.ring_until(part), Deadline::Ring)).min();
    let lost = call.parts.iter().filter_map(|part| Some((given_up_at(call, part)?, Deadline::Lost(part.user.clone()))));
    // `min_by` keeps the first of equals: of two lost at once, the one added first goes first.
    let lost = lost.min_by(|a, b| a.0.cmp(&b.0));
    of_phase.into_iter().chain(ring).chain(lost).min()
}

fn caller_is_absent(call: &Call) -> bool {
    let stay = call.part(&call.initiator).and_then(Part::stay);
    stay.is_none_or(|stay| matches!(stay.connection, Connection::Absent { .. }))
}

fn given_up_at(call: &Call, part: &Part) -> Option<Timestamp> {
    match part.stay()?.connection {
        Connection::Absent { since } => call.is_running().then(|| since + call.windows.reconnect),
        Connection::Lost { until, .. } => Some(until),
        Connection::InRoom | Connection::Up => None,
    }
}

/// What a due deadline does to the call. `None`: nothing (the call is forgotten by its owner).
pub(crate) fn fire(call: &Call, deadline: Deadline, now: Timestamp) -> Option<Change> {
    match deadline {
        Deadline::Recovery => {
            let seen = match &call.phase {
                Phase::Running(Running { recovery: Some(recovery), .. }) => recovery.seen,
                Phase::Running(_) | Phase::Waiting { .. } | Phase::Over(_) => now,
            };
            Some(Change::Ended(Ending::new(CallStatus::Failed, EndReason::ServerFailure, seen)))
        }
        Deadline::CallerLost => Some(caller_lost(now)),
        Deadline::Ring => {
            let due = call.pending().filter(|part| call.ring_until(part) <= now);
            Some(Change::Missed { users: due.map(|part| part.user.clone()).collect() })
        }
        Deadline::Lost(user) if call.is_running() => {
            Some(Change::Left { user, reason: EndReason::ConnectionLost, exit: crate::change::Exit::Expired })
        }
        // Only the caller is in a call that nobody has taken.
        Deadline::Lost(_) => Some(caller_lost(now)),
        Deadline::Empty => Some(Change::Ended(Ending::new(CallStatus::Ended, EndReason::Empty, now))),
        Deadline::Forget => None,
    }
}

fn caller_lost(now: Timestamp) -> Change {
    Change::Ended(Ending::new(CallStatus::Cancelled, EndReason::ConnectionLost, now))
}
