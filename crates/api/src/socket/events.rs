//! From the control plane's notices to the events of docs/PROTOCOL.md.
//!
//! An event says all that is told, but for names; and nothing here waits, for the store or for anything else. So a single task
//! serves everyone, and nobody's events are late because of someone else's. Names that are not in memory follow
//! ([`Unnamed`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use ::call::{CallEvent, CallSnapshot, ParticipantSnapshot, PresenceState, RecordingMoment};
use control::{Notice, NoticeBody};
use model::{CallId, Timestamp, Topology, UserId};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::names::Unnamed;
use crate::access::room::pass;
use crate::http::origin::livekit_url;
use crate::people::{People, Shown};
use crate::presentation::call_answers::users_of;
use crate::presentation::call_recording::CallRecording;
use crate::presentation::{Call, Channel, Participant, User, time};
use crate::signalling::registry;
use crate::state::AppState;

/// Carries notices to sockets for as long as the control plane runs.
pub(super) async fn carry(state: AppState, mut told: Receiver<Arc<Notice>>) {
    let mut unnamed = Unnamed::default();
    let mut learned = state.people.learned();
    loop {
        tokio::select! {
            notice = told.recv() => match notice {
                Ok(notice) => deliver(&state, &notice, &mut unnamed),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "sockets missed some notices; telling them to fetch again");
                    state.sockets.emit_to_all("sync", &json!({"at": time(state.handle().now())}));
                }
                Err(RecvError::Closed) => return,
            },
            Ok(()) = learned.changed(), if !unnamed.is_empty() => unnamed.tell(&state),
        }
    }
}

fn deliver(state: &AppState, notice: &Notice, unnamed: &mut Unnamed) {
    if !state.sockets.has(&notice.users) {
        return;
    }
    let mut names = Names { people: &state.people, lacks: BTreeSet::new() };
    let call = match &notice.body {
        NoticeBody::Call(event) => {
            let call = match by_socket(state, notice, event, &mut names) {
                Some(call) => call,
                None => {
                    let (event, call, data) = call_event(event, &mut names, state.handle().now());
                    emit(state, notice, &[(event, data)]);
                    call
                }
            };
            if let CallEvent::Ended { .. } = **event {
                return unnamed.forget(call);
            }
            call
        }
        NoticeBody::Presence(changes) => {
            let events: Vec<_> = changes.iter().map(|change| presence(&change.user, change.at, change.state)).collect();
            return emit(state, notice, &events);
        }
        NoticeBody::ChannelChanged(channel) => {
            let data = json!({"channel": Channel::from(&**channel)});
            return emit(state, notice, &[("channel:changed", data)]);
        }
        NoticeBody::ChannelDeleted(id) => {
            return emit(state, notice, &[("channel:deleted", json!({"channelId": id}))]);
        }
    };
    unnamed.note(call, &names.lacks, &notice.users);
}

fn emit(state: &AppState, notice: &Notice, events: &[(&'static str, Value)]) {
    state.sockets.emit(&notice.users, notice.device.as_ref(), notice.except.as_ref(), events);
}

/// Names as they are in memory, and a note of those that are not.
struct Names<'a> {
    people: &'a People,
    lacks: BTreeSet<UserId>,
}

impl Names<'_> {
    fn of(&mut self, users: &[&UserId]) -> Shown {
        let shown = self.people.known(users);
        self.lacks.extend(shown.lacks().iter().cloned());
        shown
    }

    fn call(&mut self, call: &CallSnapshot, now: Timestamp) -> Call {
        Call::new(call, &self.of(&users_of(call)), now)
    }

    fn participant(&mut self, call: CallId, part: &ParticipantSnapshot, now: Timestamp) -> Participant {
        Participant::new(call, part, &self.of(&[&part.user]), now)
    }

    fn user(&mut self, user: &UserId, presence: PresenceState) -> User {
        User::new(user, self.of(&[user]).of(user), presence)
    }
}

/// Events that carry a way into a room: the URL is the one that each socket itself came by. `None`: it is no such event.
fn by_socket(state: &AppState, notice: &Notice, event: &CallEvent, names: &mut Names<'_>) -> Option<CallId> {
    let (name, call, at, device, is_room, data) = match event {
        CallEvent::TopologyChanged { call, at, topology, reason, device } => {
            let data = json!({"topology": topology, "reason": reason});
            ("call:topology-changed", *call, *at, device, *topology == Topology::Sfu, data)
        }
        CallEvent::Merged { call, at, merged, device } => {
            let data = json!({"call": names.call(call, state.handle().now()), "mergedCallId": merged});
            ("call:merged", call.id, *at, device, true, data)
        }
        _ => return None,
    };
    for user in &notice.users {
        let person = state.people.known(&[user]).of(user);
        let token = is_room.then(|| pass(state, (user, device), call, &person.name).0);
        for socket in state.sockets.of(user) {
            let mut data = data.clone();
            data["roomName"] = json!(is_room.then_some(call));
            data["token"] = json!(token);
            data["livekitUrl"] = json!(is_room.then(|| livekit_url(socket.req_parts(), &state.config)));
            let (event, _, data) = of_call(name, call, at, data);
            registry::send(&socket, event, &data);
        }
    }
    Some(call)
}

/// An event's name, its call and its data.
type OfCall = (&'static str, CallId, Value);

fn call_event(event: &CallEvent, names: &mut Names<'_>, now: Timestamp) -> OfCall {
    match event {
        CallEvent::Incoming { call, ring_until, caller } => {
            let caller = names.user(&call.initiator, *caller);
            let data = json!({"call": names.call(call, now), "caller": caller, "ringUntil": time(*ring_until)});
            of_call("call:incoming", call.id, now, data)
        }
        CallEvent::Accepted { call, at, user } => of_call("call:accepted", *call, *at, json!({"userId": user})),
        CallEvent::Declined { call, at, user, reason } => {
            of_call("call:declined", *call, *at, json!({"userId": user, "reason": reason}))
        }
        CallEvent::Cancelled { call, at } => of_call("call:cancelled", *call, *at, json!({})),
        CallEvent::Missed { call, at, caller, media, channel } => {
            of_call("call:missed", *call, *at, json!({"callerId": caller, "type": media, "channelId": channel}))
        }
        CallEvent::AnsweredElsewhere { call, at, device } => {
            of_call("call:answered-elsewhere", *call, *at, json!({"deviceId": device}))
        }
        CallEvent::ParticipantInvited { call, at, participant: part, by } => {
            let participant = names.participant(*call, part, now);
            let data = json!({"userId": part.user, "by": by, "participant": participant});
            of_call("call:participant-invited", *call, *at, data)
        }
        CallEvent::ParticipantJoined { call, at, participant: part } => {
            let participant = names.participant(*call, part, now);
            of_call("call:participant-joined", *call, *at, json!({"userId": part.user, "participant": participant}))
        }
        CallEvent::ParticipantLeft { call, at, user, reason } => {
            of_call("call:participant-left", *call, *at, json!({"userId": user, "reason": reason}))
        }
        CallEvent::MediaStateChanged { call, at, user, is_muted, is_video_enabled, is_screen_sharing } => {
            let data = json!({
                "userId": user,
                "isMuted": is_muted,
                "isVideoEnabled": is_video_enabled,
                "isScreenSharing": is_screen_sharing,
            });
            of_call("call:media-state-changed", *call, *at, data)
        }
        CallEvent::Waiting { call, ring_until, caller, active } => {
            let caller = names.user(&call.initiator, *caller);
            let view = names.call(call, now);
            let data = json!({"call": view, "caller": caller, "ringUntil": time(*ring_until), "activeCallId": active});
            of_call("call:waiting", call.id, now, data)
        }
        CallEvent::Held { call, at, user, by, on } => {
            let event = if *on { "call:held" } else { "call:resumed" };
            of_call(event, *call, *at, json!({"userId": user, "by": by}))
        }
        CallEvent::Muted { call, at, user, by, hard, muted } => {
            of_call("call:muted", *call, *at, json!({"userId": user, "by": by, "hard": hard, "muted": muted}))
        }
        CallEvent::TransferStarted { call, at, user, target, mode } => {
            let data = json!({"userId": user, "targetUserId": target, "mode": mode});
            of_call("call:transfer-started", *call, *at, data)
        }
        CallEvent::Transferred { call, at, user, target, mode } => {
            let data = json!({"userId": user, "targetUserId": target, "mode": mode});
            of_call("call:transferred", *call, *at, data)
        }
        CallEvent::TransferFailed { call, at, user, target, mode, reason } => {
            let data = json!({"userId": user, "targetUserId": target, "mode": mode, "reason": reason});
            of_call("call:transfer-failed", *call, *at, data)
        }
        CallEvent::Quality { call, at, user, view } => {
            let data = json!({
                "userId": user,
                "band": view.band,
                "packetLoss": view.report.packet_loss,
                "jitterMs": view.report.jitter_ms,
                "roundTripMs": view.report.round_trip_ms,
            });
            of_call("call:quality", *call, *at, data)
        }
        CallEvent::QualityAlert { call, at, user, since } => {
            let data = json!({"userId": user, "band": model::QualityBand::Poor, "since": time(*since)});
            of_call("call:quality-alert", *call, *at, data)
        }
        CallEvent::RecordingAsked { call, at, recording } => {
            of_call("recording:asked", *call, *at, json!({"recording": CallRecording::from(&**recording)}))
        }
        CallEvent::Recording { call, at, moment, recording, by } => {
            let event = match moment {
                RecordingMoment::Started => "recording:started",
                RecordingMoment::Paused => "recording:paused",
                RecordingMoment::Resumed => "recording:resumed",
                RecordingMoment::Stopped => "recording:stopped",
                RecordingMoment::Failed => "recording:failed",
            };
            let mut data = json!({"recording": CallRecording::from(&**recording), "by": by});
            if let Some(code) = &recording.error {
                data["error"] = json!({"code": code});
            }
            of_call(event, *call, *at, data)
        }
        CallEvent::RecordingConsent { call, at, user, given } => {
            of_call("recording:consent", *call, *at, json!({"userId": user, "given": given}))
        }
        CallEvent::TopologyChanged { .. } | CallEvent::Merged { .. } => unreachable!("told by socket"),
        CallEvent::Ended { call, at, reason, by } => {
            let duration = call.duration_seconds(*at);
            let data = json!({"call": names.call(call, now), "reason": reason, "endedBy": by, "duration": duration});
            of_call("call:ended", call.id, *at, data)
        }
    }
}

fn of_call(event: &'static str, call: CallId, at: Timestamp, mut data: Value) -> OfCall {
    data["callId"] = json!(call);
    data["at"] = json!(time(at));
    (event, call, data)
}

fn presence(user: &UserId, at: Timestamp, state: PresenceState) -> (&'static str, Value) {
    ("presence:changed", json!({"userId": user, "presence": state, "at": time(at)}))
}
