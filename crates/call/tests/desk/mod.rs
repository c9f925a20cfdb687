//! What all tests of the switchboard share: short names, outputs as lines of text, and a watch over what must always hold.
#![allow(dead_code, missing_docs)]

pub mod script;
mod watch;

use std::collections::BTreeSet;
use std::fmt::Write;

use call::{
    CallEvent, CallSnapshot, Delivery, Output, ParticipantSnapshot, PresenceState, RecordingMoment, RecordingSnapshot,
    RoomAct,
};
use model::{CallId, ChannelId, DeviceId, Recorded, UserId};

pub use watch::Watch;

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub fn device(name: &str) -> DeviceId {
    DeviceId::new(name).unwrap()
}

pub fn channel(name: &str) -> ChannelId {
    ChannelId::new(name).unwrap()
}

/// The call of this number.
pub fn call_id(number: u64) -> CallId {
    format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap()
}

fn opt<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// All of a call in one line.
pub fn full_call(call: &CallSnapshot) -> String {
    let mut line = format!(
        "{} {} {} {} of {} in {}/{} at {}/{}/{}/{} ring {} max {} why {} by {} meta {} over {} into {} passes {} rec {} was {}",
        call.id,
        call.kind,
        call.media,
        call.status,
        call.initiator,
        opt(call.channel.as_ref()),
        call.in_channel,
        call.created_at.0,
        opt(call.started_at.map(|at| at.0)),
        opt(call.connected_at.map(|at| at.0)),
        opt(call.ended_at.map(|at| at.0)),
        call.ring_until.0,
        call.max_participants,
        opt(call.end_reason),
        opt(call.ended_by.as_ref()),
        call.metadata,
        call.topology,
        opt(call.merged_into),
        opt(call.transfer.as_ref().map(|transfer| {
            let held: Vec<String> = transfer.held.iter().map(ToString::to_string).collect();
            format!("{}>{}/{}/{}", transfer.by, transfer.target, transfer.mode, held.join(","))
        })),
        opt(call.recording.as_ref().map(full_recording)),
        call.is_recorded,
    );
    for part in &call.participants {
        write!(line, " {}", full_part(part)).unwrap();
    }
    line
}

/// All of a recording but its ID, which the switchboard makes.
fn full_recording(recording: &RecordingSnapshot) -> String {
    format!(
        "{}/{}/{}/{}/{}/{}/{}/{}/{}",
        recording.status,
        recording.policy,
        recording.decline,
        opt(recording.started_by.as_ref()),
        recording.started_at.0,
        opt(recording.began_at.map(|at| at.0)),
        opt(recording.ended_at.map(|at| at.0)),
        opt(recording.ended_by.as_ref()),
        opt(recording.error.as_ref()),
    )
}

/// Whom a recording takes in.
fn full_recorded(who: &Recorded) -> String {
    match who {
        Recorded::Everyone => "everyone".to_owned(),
        Recorded::Only(users) => {
            format!("only {}", users.iter().map(UserId::as_str).collect::<Vec<_>>().join(","))
        }
    }
}

/// All of a participant.
fn full_part(part: &ParticipantSnapshot) -> String {
    format!(
        "[{} {} on {} at {}/{}/{} why {} for {} media {}/{}/{}/{} held {} shut {} yes {}]",
        part.user,
        part.status,
        opt(part.device.as_ref()),
        part.invited_at.0,
        opt(part.joined_at.map(|at| at.0)),
        opt(part.left_at.map(|at| at.0)),
        opt(part.left_reason),
        part.seconds,
        part.is_muted,
        part.is_video_enabled,
        part.is_screen_sharing,
        part.video_quality,
        part.is_on_hold,
        part.is_hard_muted,
        opt(part.recording_consent.map(|consent| format!("{}/{}", consent.given, consent.at.0))),
    )
}

/// Where a delivery goes.
fn address(delivery: &Delivery) -> String {
    match (&delivery.device, &delivery.except) {
        (Some(device), None) => format!("{}/{device}", delivery.user),
        (None, Some(device)) => format!("{}!{device}", delivery.user),
        (None, None) => delivery.user.to_string(),
        (Some(_), Some(_)) => panic!("a delivery is to one device or to all but one: {delivery:?}"),
    }
}

fn names(users: &BTreeSet<UserId>) -> String {
    users.iter().map(UserId::as_str).collect::<Vec<_>>().join(",")
}

fn presence_word(state: PresenceState) -> &'static str {
    match state {
        PresenceState::Offline => "offline",
        PresenceState::Online => "online",
        PresenceState::InCall => "in_call",
    }
}

/// All of an output in one line.
pub fn full_line(output: &Output) -> String {
    match output {
        Output::Record(record) => format!(
            "log {} at {} by {} {} | {}",
            record.event,
            record.at.0,
            opt(record.user.as_ref()),
            fields(&record.payload),
            full_call(&record.call)
        ),
        Output::Deliver(delivery) => format!("{} < {}", address(delivery), full_event(&delivery.event)),
        Output::Room(act) => full_act(act),
        Output::Presence { user, at, state, beside } => {
            format!("presence at {} {user} {} beside {}", at.0, presence_word(*state), names(beside))
        }
        Output::Timeout(at) => format!("timeout {}", at.0),
        Output::Idle => "idle".to_owned(),
    }
}

fn full_act(act: &RoomAct) -> String {
    match act {
        RoomAct::Open { call, max_participants } => format!("room {call} open {max_participants}"),
        RoomAct::Remove { call, user } => format!("room {call} remove {user}"),
        RoomAct::Mute { call, user, hard } => format!("room {call} mute {user} {hard}"),
        RoomAct::LiftMute { call, user } => format!("room {call} lift {user}"),
        RoomAct::Hold { call, user, on } => format!("room {call} hold {user} {on}"),
        RoomAct::Record { call, spec } => {
            format!("room {call} record {} {}", spec.audio_only, full_recorded(&spec.who))
        }
        RoomAct::PauseRecording { call, .. } => format!("room {call} pause"),
        RoomAct::ResumeRecording { call, .. } => format!("room {call} go-on"),
        RoomAct::StopRecording { call, .. } => format!("room {call} stop-recording"),
        RoomAct::MarkRecorded { call, on } => format!("room {call} mark {on}"),
        RoomAct::Close { call } => format!("room {call} close"),
    }
}

fn full_event(event: &CallEvent) -> String {
    match event {
        CallEvent::Incoming { call, ring_until, caller } => {
            format!("incoming until {} from one {} | {}", ring_until.0, presence_word(*caller), full_call(call))
        }
        CallEvent::Accepted { call, at, user } => format!("accepted {call} at {} {user}", at.0),
        CallEvent::Declined { call, at, user, reason } => format!("declined {call} at {} {user} {reason}", at.0),
        CallEvent::Cancelled { call, at } => format!("cancelled {call} at {}", at.0),
        CallEvent::Missed { call, at, caller, media, channel } => {
            format!("missed {call} at {} {caller} {media} {}", at.0, opt(channel.as_ref()))
        }
        CallEvent::AnsweredElsewhere { call, at, device } => {
            format!("answered-elsewhere {call} at {} {}", at.0, opt(device.as_ref()))
        }
        CallEvent::ParticipantInvited { call, at, participant, by } => {
            format!("invited {call} at {} {} by {by}", at.0, full_part(participant))
        }
        CallEvent::ParticipantJoined { call, at, participant } => {
            format!("joined {call} at {} {}", at.0, full_part(participant))
        }
        CallEvent::ParticipantLeft { call, at, user, reason } => format!("left {call} at {} {user} {reason}", at.0),
        CallEvent::MediaStateChanged { call, at, user, is_muted, is_video_enabled, is_screen_sharing } => {
            format!("media {call} at {} {user} {is_muted}/{is_video_enabled}/{is_screen_sharing}", at.0)
        }
        CallEvent::Waiting { call, ring_until, caller, active } => {
            let caller = presence_word(*caller);
            format!("waiting until {} while {active} from one {caller} | {}", ring_until.0, full_call(call))
        }
        CallEvent::Held { call, at, user, by, on } => {
            format!("{} {call} at {} {user} by {by}", if *on { "held" } else { "resumed" }, at.0)
        }
        CallEvent::Muted { call, at, user, by, hard, muted } => {
            format!("muted {call} at {} {user} by {by} {hard}/{muted}", at.0)
        }
        CallEvent::TransferStarted { call, at, user, target, mode } => {
            format!("transfer-started {call} at {} {user}>{target} {mode}", at.0)
        }
        CallEvent::Transferred { call, at, user, target, mode } => {
            format!("transferred {call} at {} {user}>{target} {mode}", at.0)
        }
        CallEvent::TransferFailed { call, at, user, target, mode, reason } => {
            format!("transfer-failed {call} at {} {user}>{target} {mode} {reason}", at.0)
        }
        CallEvent::TopologyChanged { call, at, topology, reason, device } => {
            format!("topology {call} at {} {topology} {reason} on {device}", at.0)
        }
        CallEvent::Merged { call, at, merged, device } => {
            format!("merged {merged} at {} on {device} | {}", at.0, full_call(call))
        }
        CallEvent::Quality { call, at, user, view } => format!("quality {call} at {} {user} {}", at.0, view.band),
        CallEvent::QualityAlert { call, at, user, since } => format!("alert {call} at {} {user} {}", at.0, since.0),
        CallEvent::RecordingAsked { call, at, recording } => {
            format!("asked {call} at {} {}", at.0, full_recording(recording))
        }
        CallEvent::Recording { call, at, moment, recording, by } => {
            let (word, by) = (moment_word(*moment), opt(by.as_ref()));
            format!("rec-{word} {call} at {} by {by} {}", at.0, full_recording(recording))
        }
        CallEvent::RecordingConsent { call, at, user, given } => format!("consent {call} at {} {user} {given}", at.0),
        CallEvent::Ended { call, at, reason, by } => {
            format!("ended at {} {reason} {} | {}", at.0, opt(by.as_ref()), full_call(call))
        }
    }
}

fn moment_word(moment: RecordingMoment) -> &'static str {
    match moment {
        RecordingMoment::Started => "started",
        RecordingMoment::Paused => "paused",
        RecordingMoment::Resumed => "resumed",
        RecordingMoment::Stopped => "stopped",
        RecordingMoment::Failed => "failed",
    }
}

/// A JSON object as `key=value`, in the order of the keys. The switchboard makes the ID of a recording.
fn fields(payload: &serde_json::Value) -> String {
    let object = payload.as_object().expect("a payload is an object");
    let known = object.iter().filter(|(key, _)| *key != "recording");
    let sorted: std::collections::BTreeMap<_, _> = known.collect();
    let fields: Vec<String> = sorted.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    fields.join(" ")
}

/// The gist of an output, for scripts.
pub fn short_line(output: &Output) -> String {
    match output {
        Output::Record(record) => {
            let parts: Vec<String> =
                record.call.participants.iter().map(|part| format!("{} {}", part.user, part.status)).collect();
            format!("log {}: {} [{}]", record.event, record.call.status, parts.join(", "))
        }
        Output::Deliver(delivery) => format!("{} < {}", address(delivery), short_event(&delivery.event)),
        Output::Room(RoomAct::Open { .. }) => "room open".to_owned(),
        Output::Room(RoomAct::Remove { user, .. }) => format!("room remove {user}"),
        Output::Room(RoomAct::Mute { user, hard, .. }) => format!("room mute {user} hard={hard}"),
        Output::Room(RoomAct::LiftMute { user, .. }) => format!("room lift {user}"),
        Output::Room(RoomAct::Hold { user, on, .. }) => format!("room hold {user} {on}"),
        Output::Room(RoomAct::Record { spec, .. }) => format!("room record {}", full_recorded(&spec.who)),
        Output::Room(RoomAct::PauseRecording { .. }) => "room pause".to_owned(),
        Output::Room(RoomAct::ResumeRecording { .. }) => "room go-on".to_owned(),
        Output::Room(RoomAct::StopRecording { .. }) => "room stop-recording".to_owned(),
        Output::Room(RoomAct::MarkRecorded { on, .. }) => format!("room mark {on}"),
        Output::Room(RoomAct::Close { .. }) => "room close".to_owned(),
        Output::Presence { user, state, beside, .. } if beside.is_empty() => {
            format!("{user} is {}", presence_word(*state))
        }
        Output::Presence { user, state, beside, .. } => {
            format!("{user} is {} beside {}", presence_word(*state), names(beside))
        }
        Output::Timeout(at) => format!("timeout {}", at.0),
        Output::Idle => "idle".to_owned(),
    }
}

fn short_event(event: &CallEvent) -> String {
    match event {
        CallEvent::Incoming { call, .. } => format!("incoming from {}", call.initiator),
        CallEvent::Accepted { user, .. } => format!("accepted {user}"),
        CallEvent::Declined { user, reason, .. } => format!("{reason} {user}"),
        CallEvent::Cancelled { .. } => "cancelled".to_owned(),
        CallEvent::Missed { caller, .. } => format!("missed {caller}"),
        CallEvent::AnsweredElsewhere { .. } => "answered-elsewhere".to_owned(),
        CallEvent::ParticipantInvited { participant, by, .. } => format!("invited {} by {by}", participant.user),
        CallEvent::ParticipantJoined { participant, .. } => format!("joined {}", participant.user),
        CallEvent::ParticipantLeft { user, reason, .. } => format!("left {user} {reason}"),
        CallEvent::MediaStateChanged { user, is_muted, is_video_enabled, is_screen_sharing, .. } => {
            format!("media {user} muted={is_muted} video={is_video_enabled} screen={is_screen_sharing}")
        }
        CallEvent::Waiting { .. } => "waiting".to_owned(),
        CallEvent::Held { user, by, on, .. } => {
            format!("{} {user} by {by}", if *on { "held" } else { "resumed" })
        }
        CallEvent::Muted { user, by, hard, muted, .. } => format!("muted {user} by {by} hard={hard} muted={muted}"),
        CallEvent::TransferStarted { user, target, mode, .. } => format!("transfer-started {user}>{target} {mode}"),
        CallEvent::Transferred { user, target, mode, .. } => format!("transferred {user}>{target} {mode}"),
        CallEvent::TransferFailed { user, target, reason, .. } => format!("transfer-failed {user}>{target} {reason}"),
        CallEvent::TopologyChanged { topology, reason, .. } => format!("topology {topology} {reason}"),
        CallEvent::Merged { .. } => "merged".to_owned(),
        CallEvent::Quality { user, view, .. } => format!("quality {user} {}", view.band),
        CallEvent::QualityAlert { user, .. } => format!("alert {user}"),
        CallEvent::RecordingAsked { .. } => "asked".to_owned(),
        CallEvent::Recording { moment, .. } => format!("rec-{}", moment_word(*moment)),
        CallEvent::RecordingConsent { user, given, .. } => format!("consent {user} {given}"),
        CallEvent::Ended { call, reason, .. } => format!("ended {} {reason}", call.status),
    }
}
