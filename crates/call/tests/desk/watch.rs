//! What holds for every run, whatever the commands: the order of outputs, one end a call, no timer in the past.

use std::collections::{BTreeMap, BTreeSet};

use call::{CallEvent, CallSnapshot, Output, RoomAct, Switchboard};
use model::{CallId, Timestamp};

/// Drains a switchboard and panics where a promise is broken.
#[derive(Default)]
pub struct Watch {
    open: BTreeSet<CallId>,
    over: BTreeSet<CallId>,
    last: BTreeMap<CallId, CallSnapshot>,
}

impl Watch {
    /// Everything the switchboard says until it waits, and the moment it waits for.
    pub fn drain(&mut self, board: &mut Switchboard, now: Timestamp) -> (Vec<Output>, Option<Timestamp>) {
        let mut said = Vec::new();
        let mut recorded = BTreeSet::new();
        let mut ended_told = BTreeSet::new();
        loop {
            assert!(said.len() < 100_000, "poll_output does not come to an end");
            let output = board.poll_output();
            match &output {
                Output::Timeout(at) => {
                    assert!(*at > now, "a timer in the past: {} at {}", at.0, now.0);
                    return (said, Some(*at));
                }
                Output::Idle => return (said, None),
                Output::Record(record) => {
                    recorded.insert(record.call.id);
                    assert!(!ended_told.contains(&record.call.id), "news of a call that was told to be over");
                    self.check_record(&record.event, &record.call);
                }
                Output::Deliver(delivery) => match &delivery.event {
                    // A device that comes while it rings is told again; nothing new has happened.
                    CallEvent::Incoming { call, .. } | CallEvent::Waiting { call, .. } if delivery.device.is_some() => {
                        let last = self.last.get(&call.id).map(without_quality);
                        assert_eq!(last, Some(without_quality(call)), "an incoming call as it stands");
                    }
                    CallEvent::Presence { .. } | CallEvent::Quality { .. } => {}
                    event => {
                        let id = call_of(event);
                        assert!(recorded.contains(&id), "told before it was journalled: {event:?}");
                        if matches!(event, CallEvent::Ended { .. }) {
                            ended_told.insert(id);
                        }
                    }
                },
                Output::Room(act) => self.check_act(act),
            }
            said.push(output);
        }
    }

    /// The process dies: rooms are gone, calls are opened anew.
    pub fn restart(&mut self) {
        self.open.clear();
    }

    fn check_record(&mut self, event: &str, call: &CallSnapshot) {
        if event == "initiated" {
            // An id may be used again once the call it named is forgotten.
            assert_eq!(self.last.contains_key(&call.id), self.over.remove(&call.id), "begun twice: {call:?}");
        }
        assert!(!self.over.contains(&call.id), "{event} after the end of {}", call.id);
        assert_eq!(call.status.is_over(), call.ended_at.is_some(), "{call:?}");
        assert_eq!(call.status.is_over(), call.end_reason.is_some(), "{call:?}");
        assert_eq!(call.status.is_over(), event == "ended", "{event} {call:?}");
        if call.status.is_over() {
            self.over.insert(call.id);
            assert!(call.ended_at >= Some(call.created_at), "{call:?}");
        }
        for part in &call.participants {
            use model::ParticipantStatus::{
                Busy, Connected, Connecting, Declined, Disconnected, Invited, Left, Ringing,
            };
            let gone = matches!(part.status, Left | Declined | Busy);
            assert_eq!(gone, part.left_at.is_some(), "{part:?}");
            assert_eq!(gone, part.left_reason.is_some(), "{part:?}");
            assert!(!call.status.is_over() || gone, "somebody stays in a call that is over: {call:?}");
            if matches!(part.status, Connecting | Connected | Disconnected) {
                assert!(part.device.is_some(), "{part:?}");
            }
            if matches!(part.status, Invited | Ringing) {
                assert!(!call.status.is_over() && part.device.is_none(), "{call:?}");
            }
        }
        self.last.insert(call.id, call.clone());
    }

    fn check_act(&mut self, act: &RoomAct) {
        match act {
            RoomAct::Open { call, .. } => assert!(self.open.insert(*call), "opened twice"),
            RoomAct::Remove { call, .. } => assert!(self.open.contains(call), "removed from a room that is not there"),
            RoomAct::Mute { call, .. } | RoomAct::LiftMute { call, .. } => {
                assert!(self.open.contains(call), "muted in a room that is not there");
            }
            RoomAct::Hold { call, .. } => assert!(self.open.contains(call), "held in a room that is not there"),
            RoomAct::Close { call } => {
                assert!(self.over.contains(call), "the room of a call that runs is closed");
                self.open.remove(call);
            }
        }
    }
}

/// Averages change without a transition.
fn without_quality(call: &CallSnapshot) -> CallSnapshot {
    let mut call = call.clone();
    call.participants.iter_mut().for_each(|part| part.quality = None);
    call
}

fn call_of(event: &CallEvent) -> CallId {
    match event {
        CallEvent::Incoming { call, .. }
        | CallEvent::Waiting { call, .. }
        | CallEvent::Merged { call, .. }
        | CallEvent::Ended { call, .. } => call.id,
        CallEvent::Accepted { call, .. }
        | CallEvent::Declined { call, .. }
        | CallEvent::Cancelled { call, .. }
        | CallEvent::Missed { call, .. }
        | CallEvent::AnsweredElsewhere { call, .. }
        | CallEvent::ParticipantInvited { call, .. }
        | CallEvent::ParticipantJoined { call, .. }
        | CallEvent::ParticipantLeft { call, .. }
        | CallEvent::MediaStateChanged { call, .. }
        | CallEvent::Held { call, .. }
        | CallEvent::Muted { call, .. }
        | CallEvent::TransferStarted { call, .. }
        | CallEvent::Transferred { call, .. }
        | CallEvent::TransferFailed { call, .. }
        | CallEvent::QualityAlert { call, .. }
        | CallEvent::TopologyChanged { call, .. } => *call,
        CallEvent::Presence { .. } | CallEvent::Quality { .. } => panic!("no transition of a call"),
    }
}
