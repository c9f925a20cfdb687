//! What holds for every run, whatever the commands: the order of outputs, one end a call, no timer in the past, and that a device
//! rings for just those calls that ring it now, and that what is announced of presence is what it is.

use std::collections::{BTreeMap, BTreeSet};

use call::{CallEvent, CallSnapshot, Command, Delivery, Output, PresenceState, RoomAct, Switchboard};
use model::{CallId, DeviceId, ParticipantStatus, Recorded, RecordingId, RecordingPolicy, Timestamp, Topology, UserId};

/// Drains a switchboard and panics where a promise is broken.
#[derive(Default)]
pub struct Watch {
    open: BTreeSet<CallId>,
    over: BTreeSet<CallId>,
    last: BTreeMap<CallId, CallSnapshot>,
    /// Connected devices and how many connections each has.
    devices: BTreeMap<(UserId, DeviceId), u32>,
    /// What each device shows as ringing: by nothing but what it was told, and what it took itself.
    rings: BTreeSet<(UserId, DeviceId, CallId)>,
    /// Everyone's presence, by nothing but the changes announced.
    presence: BTreeMap<UserId, PresenceState>,
    /// Who has yet to hear what happened to a recording.
    to_be_told: BTreeSet<UserId>,
    /// Everyone who has had a device or a part in a call.
    users: BTreeSet<UserId>,
}

impl Watch {
    /// Takes note of a command that was taken.
    pub fn note(&mut self, command: &Command) {
        match command {
            Command::DeviceConnected { user, device } => {
                self.users.insert(user.clone());
                *self.devices.entry((user.clone(), device.clone())).or_default() += 1;
            }
            Command::DeviceDisconnected { user, device } => {
                let key = (user.clone(), device.clone());
                let Some(count) = self.devices.get_mut(&key) else { return };
                *count -= 1;
                if *count == 0 {
                    self.devices.remove(&key);
                    self.rings.retain(|(owner, other, _)| (owner, other) != (user, device));
                }
            }
            _ => {}
        }
    }

    /// Everything the switchboard says until it waits, and the moment it waits for.
    pub fn drain(&mut self, board: &mut Switchboard, now: Timestamp) -> (Vec<Output>, Option<Timestamp>) {
        let drained = self.drain_outputs(board, now);
        self.check_rings(board);
        self.check_presence(board);
        drained
    }

    fn drain_outputs(&mut self, board: &mut Switchboard, now: Timestamp) -> (Vec<Output>, Option<Timestamp>) {
        let mut said = Vec::new();
        let mut recorded = BTreeSet::new();
        let mut ended_told = BTreeSet::new();
        loop {
            assert!(said.len() < 100_000, "poll_output does not come to an end");
            let output = board.poll_output();
            self.hear(&output);
            self.check_marks(&output);
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
                    CallEvent::Quality { .. } => {}
                    event => {
                        let id = call_of(event);
                        assert!(recorded.contains(&id), "told before it was journalled: {event:?}");
                        if matches!(event, CallEvent::Ended { .. }) {
                            ended_told.insert(id);
                        }
                    }
                },
                Output::Room(act) => self.check_act(act),
                Output::Presence { user, state, beside, .. } => {
                    let before = self.presence.insert(user.clone(), *state).unwrap_or(PresenceState::Offline);
                    assert_ne!(before, *state, "a change of {user}'s presence that changes nothing");
                    assert!(!beside.contains(user), "nobody is beside themselves");
                }
            }
            said.push(output);
        }
    }

    /// The process dies: rooms are gone, calls are opened anew, devices have yet to come back.
    pub fn restart(&mut self) {
        self.open.clear();
        self.devices.clear();
        self.rings.clear();
        self.presence.clear();
    }

    /// What devices make of it: one that is told of a ring rings until it is told to stop, or takes the call itself.
    fn hear(&mut self, output: &Output) {
        match output {
            Output::Record(record) => {
                for part in &record.call.participants {
                    if let Some(device) = &part.device {
                        self.rings.remove(&(part.user.clone(), device.clone(), record.call.id));
                    }
                }
            }
            Output::Deliver(delivery) => match &delivery.event {
                CallEvent::Incoming { call, .. } | CallEvent::Waiting { call, .. } => {
                    let call = call.id;
                    self.rings
                        .extend(self.reached(delivery).map(|(user, device)| (user, device, call)).collect::<Vec<_>>());
                }
                CallEvent::Cancelled { call, .. }
                | CallEvent::Missed { call, .. }
                | CallEvent::AnsweredElsewhere { call, .. } => self.stop(delivery, *call),
                CallEvent::Ended { call, .. } => self.stop(delivery, call.id),
                _ => {}
            },
            Output::Room(_) | Output::Presence { .. } | Output::Timeout(_) | Output::Idle => {}
        }
    }

    fn stop(&mut self, delivery: &Delivery, call: CallId) {
        for (user, device) in self.reached(delivery).collect::<Vec<_>>() {
            self.rings.remove(&(user, device, call));
        }
    }

    /// The devices that a delivery goes to.
    fn reached(&self, delivery: &Delivery) -> impl Iterator<Item = (UserId, DeviceId)> {
        let Delivery { user, device: only, except, .. } = delivery;
        let meant = move |owner: &UserId, device: &DeviceId| {
            owner == user && only.as_ref().is_none_or(|only| only == device) && except.as_ref() != Some(device)
        };
        self.devices.keys().filter(move |(owner, device)| meant(owner, device)).cloned()
    }

    fn check_rings(&self, board: &Switchboard) {
        for (user, device, id) in &self.rings {
            let call = board.call(*id).unwrap_or_else(|| panic!("{user}/{device} rings for {id}, which is forgotten"));
            let status = call.participant(user).map(|part| part.status);
            let is_rung = call.id == *id && status == Some(ParticipantStatus::Ringing);
            assert!(is_rung, "{user}/{device} rings for {id}, which does not ring it: {call:?}");
        }
        for (user, device) in self.devices.keys() {
            for call in board.active_calls(user) {
                let rings = call.participant(user).is_some_and(|part| part.status == ParticipantStatus::Ringing);
                let shown = self.rings.contains(&(user.clone(), device.clone(), call.id));
                assert!(!rings || shown, "{user}/{device} does not ring for {}", call.id);
            }
        }
    }

    fn check_presence(&self, board: &Switchboard) {
        for user in &self.users {
            let announced = self.presence.get(user).copied().unwrap_or(PresenceState::Offline);
            assert_eq!(announced, board.presence(user), "what is announced of {user} and what it is");
        }
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
        self.users.extend(call.participants.iter().map(|part| part.user.clone()));
        self.last.insert(call.id, call.clone());
    }

    /// Where consent is asked for, nobody is recorded who has not given it.
    fn check_recorded(&self, call: CallId, id: RecordingId, who: &Recorded) {
        let call = &self.last[&call];
        let recording = call.recording.as_ref().filter(|recording| recording.id == id).expect("the call's own");
        assert!(recording.status.is_running(), "recorded after its end: {recording:?}");
        assert_eq!(recording.policy == RecordingPolicy::Ask, matches!(who, Recorded::Only(_)), "{recording:?}");
        assert_ne!(call.topology, Topology::P2p, "the server hears nothing of it");
        let Recorded::Only(users) = who else { return };
        for part in &call.participants {
            let given = part.recording_consent.is_some_and(|consent| consent.given);
            assert_eq!(users.contains(&part.user), given, "{part:?} is recorded without their consent");
        }
    }

    /// Of what happens to a recording, just those in the call are told.
    fn check_marks(&mut self, output: &Output) {
        if let Output::Deliver(Delivery { user, event: CallEvent::Recording { .. }, .. }) = output {
            assert!(self.to_be_told.remove(user), "{user} is told of a recording of a call they are not in");
            return;
        }
        assert!(self.to_be_told.is_empty(), "not told of the recording: {:?}", self.to_be_told);
        let Output::Record(record) = output else { return };
        let told =
            ["recording_started", "recording_paused", "recording_resumed", "recording_stopped", "recording_failed"];
        if told.contains(&record.event.as_str()) {
            use model::ParticipantStatus::{Connected, Connecting, Disconnected};
            let inside = record.call.participants.iter();
            let inside = inside.filter(|part| matches!(part.status, Connecting | Connected | Disconnected));
            let reached = inside.filter(|part| self.devices.keys().any(|(owner, _)| *owner == part.user));
            self.to_be_told = reached.map(|part| part.user.clone()).collect();
        }
    }

    fn check_act(&mut self, act: &RoomAct) {
        match act {
            RoomAct::Open { call, .. } => assert!(self.open.insert(*call), "opened twice"),
            RoomAct::Remove { call, .. } => assert!(self.open.contains(call), "removed from a room that is not there"),
            RoomAct::Mute { call, .. } | RoomAct::LiftMute { call, .. } => {
                assert!(self.open.contains(call), "muted in a room that is not there");
            }
            RoomAct::Hold { call, .. } => assert!(self.open.contains(call), "held in a room that is not there"),
            RoomAct::Record { call, spec } => {
                assert!(self.open.contains(call), "recorded in a room that is not there");
                self.check_recorded(*call, spec.id, &spec.who);
            }
            RoomAct::PauseRecording { call, id }
            | RoomAct::ResumeRecording { call, id }
            | RoomAct::StopRecording { call, id } => {
                assert!(self.open.contains(call), "a recording in a room that is not there");
                assert_eq!(self.last[call].recording.as_ref().map(|recording| recording.id), Some(*id));
            }
            RoomAct::MarkRecorded { call, on } => {
                let recording = self.last[call].recording.as_ref().expect("one was made");
                assert_eq!(*on, recording.status.is_running(), "the mark says what is");
            }
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
        | CallEvent::RecordingAsked { call, .. }
        | CallEvent::Recording { call, .. }
        | CallEvent::RecordingConsent { call, .. }
        | CallEvent::TopologyChanged { call, .. } => *call,
        CallEvent::Quality { .. } => panic!("no transition of a call"),
    }
}
