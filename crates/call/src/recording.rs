//! Recording a call: who starts and stops it, who is asked, and whom it takes in.
//!
//! A call has one recording at a time. To the rules about media, a recording is one more in the call that can do nothing but hear
//! it through the server ([`crate::topology`]). The media side writes it and says how that goes; it ends the recording, never the call.

use std::collections::VecDeque;
use std::time::Duration;

use model::{
    CallId, Recorded, RecordingDecline, RecordingId, RecordingPolicy, RecordingSpec, RecordingStatus, Timestamp,
    TopologyReason, UserId,
};
use serde_json::{Value, json};

use crate::call::Call;
use crate::change::{Change, Exit};
use crate::command::{self, Answer, CommandError};
use crate::deliver;
use crate::moderate::Host;
use crate::output::{CallEvent, Delivery, RecordingMoment, RoomAct};
use crate::snapshot::{Consent, RecordingOptions, RecordingSnapshot};
use crate::switchboard::Switchboard;

/// How often a call's recording may be started within [`STARTS_WITHIN`].
pub(crate) const MOST_STARTS: usize = 5;
/// The time over which starts are counted.
pub(crate) const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// What a call knows of its recordings.
#[derive(Debug)]
pub(crate) struct Recordings {
    /// The latest, which may be over.
    pub latest: Option<RecordingSnapshot>,
    /// One of them began: something of the call was recorded.
    pub any: bool,
    /// When they were started lately. Not kept over a restart.
    pub starts: VecDeque<Timestamp>,
}

impl Recordings {
    /// Of a new call, or of one from the store.
    pub fn new(latest: Option<RecordingSnapshot>, any: bool) -> Self {
        Self { latest, any, starts: VecDeque::new() }
    }

    /// The one that is being made.
    pub fn running(&self) -> Option<&RecordingSnapshot> {
        self.latest.as_ref().filter(|recording| recording.status.is_running())
    }

    fn running_mut(&mut self) -> &mut RecordingSnapshot {
        let running = self.latest.as_mut().filter(|recording| recording.status.is_running());
        running.expect("a change of a recording is made while it runs")
    }

    fn is_started_too_often(&self, now: Timestamp) -> bool {
        self.starts.iter().filter(|at| now.since(**at) < STARTS_WITHIN).count() >= MOST_STARTS
    }

    fn note_start(&mut self, now: Timestamp) {
        self.starts.retain(|at| now.since(*at) < STARTS_WITHIN);
        self.starts.push_back(now);
    }
}

/// One transition of a call's recording.
#[derive(Debug, Clone)]
pub(crate) enum RecordingChange {
    /// The media side is to record.
    Requested { recording: Box<RecordingSnapshot> },
    /// It does.
    Began,
    /// Nothing is recorded until it is resumed.
    Paused { by: UserId },
    /// And it is again.
    Resumed { by: UserId },
    /// It is over: someone stopped it, the call is about to end, or the media side stopped by itself.
    Stopped { by: Option<UserId>, at: Timestamp },
    /// The media side could not record, or could not go on. `code` says why.
    Failed { code: String },
    /// Someone agrees to be recorded, or does not.
    Consent { user: UserId, given: bool },
}

impl RecordingChange {
    /// The name in the event log.
    pub fn event(&self) -> &'static str {
        match self {
            RecordingChange::Requested { .. } => "recording_requested",
            RecordingChange::Began => "recording_started",
            RecordingChange::Paused { .. } => "recording_paused",
            RecordingChange::Resumed { .. } => "recording_resumed",
            RecordingChange::Stopped { .. } => "recording_stopped",
            RecordingChange::Failed { .. } => "recording_failed",
            RecordingChange::Consent { .. } => "recording_consent",
        }
    }

    /// The person who made it happen, if one did.
    pub fn actor(&self) -> Option<&UserId> {
        match self {
            RecordingChange::Requested { recording } => recording.started_by.as_ref(),
            RecordingChange::Paused { by } | RecordingChange::Resumed { by } => Some(by),
            RecordingChange::Stopped { by, .. } => by.as_ref(),
            RecordingChange::Consent { user, .. } => Some(user),
            RecordingChange::Began | RecordingChange::Failed { .. } => None,
        }
    }

    /// More about it, for the event log.
    pub fn payload(&self) -> Value {
        match self {
            RecordingChange::Requested { recording } => {
                json!({ "recording": recording.id, "policy": recording.policy })
            }
            RecordingChange::Failed { code } => json!({ "code": code }),
            RecordingChange::Consent { user, given } => json!({ "user": user, "given": given }),
            RecordingChange::Began
            | RecordingChange::Paused { .. }
            | RecordingChange::Resumed { .. }
            | RecordingChange::Stopped { .. } => json!({}),
        }
    }
}

/// Whom the running recording takes in: with consent to be asked for, only those who gave it.
fn recorded(call: &Call) -> Recorded {
    let asks = call.recordings.running().is_some_and(|recording| recording.policy == RecordingPolicy::Ask);
    if !asks {
        return Recorded::Everyone;
    }
    let given = call.parts.iter().filter(|part| part.consent.is_some_and(|consent| consent.given));
    Recorded::Only(given.map(|part| part.user.clone()).collect())
}

/// Makes a change. The one door for the state of a recording.
pub(crate) fn apply(call: &mut Call, now: Timestamp, change: &RecordingChange) {
    match change {
        RecordingChange::Requested { recording } => {
            let asks = recording.policy == RecordingPolicy::Ask;
            for part in &mut call.parts {
                // Who starts it agrees to it.
                let starts = asks && part.is_joined() && recording.started_by.as_ref() == Some(&part.user);
                part.consent = starts.then_some(Consent { given: true, at: now });
            }
            call.recordings.latest = Some((**recording).clone());
            call.recordings.note_start(now);
        }
        RecordingChange::Began => {
            let recording = call.recordings.running_mut();
            recording.status = RecordingStatus::Recording;
            recording.began_at = Some(now);
            call.recordings.any = true;
        }
        RecordingChange::Paused { .. } => call.recordings.running_mut().status = RecordingStatus::Paused,
        RecordingChange::Resumed { .. } => call.recordings.running_mut().status = RecordingStatus::Recording,
        RecordingChange::Stopped { by, at } => {
            let recording = call.recordings.running_mut();
            recording.status = RecordingStatus::Processing;
            recording.ended_at = Some(*at);
            recording.ended_by = by.clone();
        }
        RecordingChange::Failed { code } => {
            let recording = call.recordings.running_mut();
            recording.status = RecordingStatus::Failed;
            recording.ended_at = Some(now);
            recording.error = Some(code.clone());
        }
        RecordingChange::Consent { user, given } => {
            let part = call.parts.iter_mut().find(|part| &part.user == user).expect("only who is in the call is asked");
            part.consent = Some(Consent { given: *given, at: now });
        }
    }
}

/// What devices are told of it: everyone who is in the call the same, and who has yet to agree that they are asked.
pub(crate) fn deliveries(call: &Call, change: &RecordingChange, at: Timestamp) -> Vec<Delivery> {
    let Some(recording) = &call.recordings.latest else { return Vec::new() };
    let tell = |moment| {
        let (by, recording) = (change.actor().cloned(), Box::new(recording.clone()));
        deliver::inside(call, &CallEvent::Recording { call: call.id, at, moment, recording, by })
    };
    match change {
        RecordingChange::Requested { .. } => call.parts.iter().filter_map(|part| asked(call, &part.user, at)).collect(),
        RecordingChange::Began => tell(RecordingMoment::Started),
        RecordingChange::Paused { .. } => tell(RecordingMoment::Paused),
        RecordingChange::Resumed { .. } => tell(RecordingMoment::Resumed),
        RecordingChange::Stopped { .. } => tell(RecordingMoment::Stopped),
        RecordingChange::Failed { .. } => tell(RecordingMoment::Failed),
        RecordingChange::Consent { user, given } => {
            let (user, given) = (user.clone(), *given);
            deliver::inside(call, &CallEvent::RecordingConsent { call: call.id, at, user, given })
        }
    }
}

/// The question to one who is in the call, where it is yet to be answered.
pub(crate) fn asked(call: &Call, user: &UserId, at: Timestamp) -> Option<Delivery> {
    let recording = call.recordings.running().filter(|recording| recording.policy == RecordingPolicy::Ask)?;
    let part = call.part(user).filter(|part| part.is_joined() && part.consent.is_none())?;
    let event = CallEvent::RecordingAsked { call: call.id, at, recording: Box::new(recording.clone()) };
    Some(Delivery { user: part.user.clone(), device: None, except: None, event })
}

/// What the media side has to do about it.
pub(crate) fn room_acts(call: &Call, change: &RecordingChange) -> Vec<RoomAct> {
    let Some(recording) = &call.recordings.latest else { return Vec::new() };
    let (call_id, id) = (call.id, recording.id);
    match change {
        RecordingChange::Requested { .. } | RecordingChange::Consent { .. } => vec![begin(call, recording)],
        RecordingChange::Began => vec![RoomAct::MarkRecorded { call: call_id, on: true }],
        RecordingChange::Paused { .. } => vec![RoomAct::PauseRecording { call: call_id, id }],
        RecordingChange::Resumed { .. } => vec![RoomAct::ResumeRecording { call: call_id, id }],
        RecordingChange::Stopped { .. } => {
            vec![RoomAct::StopRecording { call: call_id, id }, RoomAct::MarkRecorded { call: call_id, on: false }]
        }
        RecordingChange::Failed { .. } => vec![RoomAct::MarkRecorded { call: call_id, on: false }],
    }
}

/// What a room that was just opened again has to be told of the recording that goes on.
pub(crate) fn room_acts_anew(call: &Call) -> Vec<RoomAct> {
    let Some(recording) = call.recordings.running() else { return Vec::new() };
    let (call_id, id) = (call.id, recording.id);
    let mut acts = vec![begin(call, recording)];
    if recording.status == RecordingStatus::Paused {
        acts.push(RoomAct::PauseRecording { call: call_id, id });
    }
    if recording.began_at.is_some() {
        acts.push(RoomAct::MarkRecorded { call: call_id, on: true });
    }
    acts
}

fn begin(call: &Call, recording: &RecordingSnapshot) -> RoomAct {
    let spec = RecordingSpec { id: recording.id, audio_only: recording.options.audio_only, who: recorded(call) };
    RoomAct::Record { call: call.id, spec }
}

impl Switchboard {
    pub(crate) fn start_recording(
        &mut self,
        now: Timestamp,
        id: CallId,
        by: Host,
        options: RecordingOptions,
    ) -> Result<Answer, CommandError> {
        let call = self.recordable(id, &by)?;
        if !self.config.call_recording {
            return Err(CommandError::FeatureDisabled("call recording"));
        }
        if self.config.recording_policy == RecordingPolicy::Off {
            return Err(CommandError::RecordingOff);
        }
        if !call.is_running() {
            return Err(CommandError::InvalidState("nobody has answered yet"));
        }
        if call.recordings.running().is_some() {
            return Err(CommandError::AlreadyRecording);
        }
        if call.recordings.is_started_too_often(now) {
            return Err(CommandError::RecordingTooOften);
        }
        self.let_server_hear(now, id, Some(&by.user))?;
        self.request_recording(now, id, Some(by.user), options);
        self.answer(id)
    }

    /// Brings the call's media to the server, where it is not there yet.
    fn let_server_hear(&mut self, now: Timestamp, id: CallId, by: Option<&UserId>) -> Result<(), CommandError> {
        let call = self.known(id);
        let own = by.and_then(|user| call.part(user)).and_then(|part| part.stay()).and_then(|stay| stay.ability);
        if call.is_between_peers() && own.is_some_and(|can| !can.sfu) {
            return Err(CommandError::NoCommonMedia);
        }
        self.move_to_room(now, id, TopologyReason::Recording, by)
    }

    fn request_recording(&mut self, now: Timestamp, id: CallId, by: Option<UserId>, options: RecordingOptions) {
        let recording = RecordingSnapshot {
            id: command::recording_id(&mut self.rng, now),
            status: RecordingStatus::Starting,
            policy: self.config.recording_policy,
            decline: self.config.recording_decline,
            started_by: by,
            started_at: now,
            began_at: None,
            ended_at: None,
            ended_by: None,
            error: None,
            options,
        };
        self.transition(now, id, Change::Recording(RecordingChange::Requested { recording: Box::new(recording) }));
    }

    /// Under the policy `always`, a call that has just connected is recorded.
    pub(crate) fn record_by_itself(&mut self, now: Timestamp, id: CallId) {
        let always = self.config.call_recording && self.config.recording_policy == RecordingPolicy::Always;
        if !always || self.known(id).recordings.running().is_some() {
            return;
        }
        match self.let_server_hear(now, id, None) {
            Ok(()) => self.request_recording(now, id, None, RecordingOptions::default()),
            // Only a call from before this was the policy can be between devices that cannot reach the server.
            Err(error) => tracing::warn!(call = %id, %error, "this call cannot be recorded"),
        }
    }

    /// The call, if this user may record it: one who is in it, or an administrator.
    fn recordable(&self, id: CallId, by: &Host) -> Result<&Call, CommandError> {
        if !by.admin {
            return self.in_it(id, &by.user).map(|(call, _)| call);
        }
        let call = self.calls.get(&id).ok_or(CommandError::CallNotFound)?;
        match call.is_over() {
            true => Err(CommandError::CallOver(call.status())),
            false => Ok(call),
        }
    }

    fn running_recording(&self, id: CallId, by: &Host) -> Result<&RecordingSnapshot, CommandError> {
        self.recordable(id, by)?.recordings.running().ok_or(CommandError::NotRecording)
    }

    pub(crate) fn pause_recording(
        &mut self,
        now: Timestamp,
        id: CallId,
        by: Host,
        on: bool,
    ) -> Result<Answer, CommandError> {
        let change = match (self.running_recording(id, &by)?.status, on) {
            (RecordingStatus::Recording, true) => Some(Change::Recording(RecordingChange::Paused { by: by.user })),
            (RecordingStatus::Paused, false) => Some(Change::Recording(RecordingChange::Resumed { by: by.user })),
            (RecordingStatus::Starting, true) => {
                return Err(CommandError::InvalidState("the recording has not begun yet"));
            }
            _ => None,
        };
        if let Some(change) = change {
            self.transition(now, id, change);
        }
        self.answer(id)
    }

    pub(crate) fn stop_recording(&mut self, now: Timestamp, id: CallId, by: Host) -> Result<Answer, CommandError> {
        self.running_recording(id, &by)?;
        self.transition(now, id, Change::Recording(RecordingChange::Stopped { by: Some(by.user), at: now }));
        self.answer(id)
    }

    pub(crate) fn consent_to_recording(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: UserId,
        given: bool,
    ) -> Result<Answer, CommandError> {
        let (call, part) = self.in_it(id, &user)?;
        let recording = call.recordings.running().ok_or(CommandError::NotRecording)?;
        if recording.policy != RecordingPolicy::Ask {
            return Err(CommandError::ConsentNotAsked);
        }
        let leaves = !given && recording.decline == RecordingDecline::Leave;
        if part.consent.map(|consent| consent.given) != Some(given) {
            self.transition(now, id, Change::Recording(RecordingChange::Consent { user: user.clone(), given }));
        }
        if leaves {
            self.go(now, id, &user, Exit::Asked);
        }
        self.answer(id)
    }

    /// What the media side says of a recording. News of one that is over, or of another, change nothing.
    pub(crate) fn recording_seen(
        &mut self,
        now: Timestamp,
        id: CallId,
        recording: RecordingId,
        change: RecordingChange,
    ) -> Result<Answer, CommandError> {
        let call = self.calls.get(&id).ok_or(CommandError::CallNotFound)?;
        let Some(running) = call.recordings.running().filter(|running| running.id == recording) else {
            return Ok(Answer::Done);
        };
        // After a restart the media side says once more that it began.
        let old = matches!(change, RecordingChange::Began) && running.began_at.is_some();
        if !old {
            self.transition(now, id, Change::Recording(change));
        }
        Ok(Answer::Done)
    }
}
