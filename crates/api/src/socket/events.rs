//! From the control plane's notices to the events of docs/PROTOCOL.md.

use std::sync::Arc;

use ::call::CallEvent;
use control::{Notice, NoticeBody};
use model::{CallId, Timestamp, Topology, UserId};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::access::room::room_access;
use crate::presentation::call_answers::call_view;
use crate::presentation::{Channel, Participant, User, time};
use crate::signalling::registry;
use crate::state::AppState;

/// Carries notices to sockets for as long as the control plane runs.
pub(super) async fn carry(state: AppState, mut told: Receiver<Arc<Notice>>) {
    let mut last_seen = None;
    loop {
        match told.recv().await {
            Ok(notice) => {
                if !state.sockets.has(&notice.user) {
                    continue;
                }
                if by_socket(&state, &notice).await {
                    continue;
                }
                for (event, data) in render(&state, &notice, &mut last_seen).await {
                    state.sockets.emit(&notice.user, notice.device.as_ref(), notice.except.as_ref(), event, &data);
                }
            }
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "sockets missed some notices; telling them to fetch again");
                state.sockets.emit_to_all("sync", &json!({"at": time(state.handle().now())}));
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Events that carry a way into a room: the URL is the one that each socket itself came by.
async fn by_socket(state: &AppState, notice: &Notice) -> bool {
    let NoticeBody::Call(event) = &notice.body else { return false };
    let (name, call, at, device, is_room, data) = match &**event {
        CallEvent::TopologyChanged { call, at, topology, reason, device } => {
            let data = json!({"topology": topology, "reason": reason});
            ("call:topology-changed", *call, *at, device, *topology == Topology::Sfu, data)
        }
        CallEvent::Merged { call, at, merged, device } => {
            let data = json!({"call": call_view(state, call).await, "mergedCallId": merged});
            ("call:merged", call.id, *at, device, true, data)
        }
        _ => return false,
    };
    for socket in state.sockets.of(&notice.user) {
        let mut data = data.clone();
        let way = room_access(state, (&notice.user, device), call, socket.req_parts()).await;
        let part = |value: String| if is_room { json!(value) } else { Value::Null };
        data["roomName"] = part(way.room_name);
        data["token"] = part(way.token);
        data["livekitUrl"] = part(way.livekit_url);
        let (event, data) = of_call(name, call, at, data);
        registry::send(socket, event, &data);
    }
    true
}

/// A participant as last looked up: the same event goes to everyone in the call.
type LastSeen = Option<((CallId, UserId, Timestamp), Value)>;

async fn render(state: &AppState, notice: &Notice, last_seen: &mut LastSeen) -> Vec<(&'static str, Value)> {
    match &notice.body {
        NoticeBody::Call(event) => call_event(state, notice, event, last_seen).await.into_iter().collect(),
        NoticeBody::Presence(changes) => {
            changes.iter().map(|change| presence(&change.user, change.at, change.state)).collect()
        }
        NoticeBody::ChannelChanged(channel) => vec![("channel:changed", json!({"channel": Channel::from(&**channel)}))],
        NoticeBody::ChannelDeleted(id) => vec![("channel:deleted", json!({"channelId": id}))],
    }
}

async fn call_event(
    state: &AppState,
    notice: &Notice,
    event: &CallEvent,
    last_seen: &mut LastSeen,
) -> Option<(&'static str, Value)> {
    let rendered = match event {
        CallEvent::Incoming { call, ring_until } => {
            let caller = caller_view(state, &call.initiator).await;
            let view = call_view(state, call).await;
            let data = json!({"call": view, "caller": caller, "ringUntil": time(*ring_until)});
            of_call("call:incoming", call.id, state.handle().now(), data)
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
        CallEvent::ParticipantInvited { call, at, user, by } => {
            let participant = participant_view(state, notice, (*call, user.clone(), *at), last_seen).await?;
            let data = json!({"userId": user, "by": by, "participant": participant});
            of_call("call:participant-invited", *call, *at, data)
        }
        CallEvent::ParticipantJoined { call, at, user } => {
            let participant = participant_view(state, notice, (*call, user.clone(), *at), last_seen).await?;
            of_call("call:participant-joined", *call, *at, json!({"userId": user, "participant": participant}))
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
        CallEvent::Waiting { call, ring_until, active } => {
            let caller = caller_view(state, &call.initiator).await;
            let view = call_view(state, call).await;
            let data = json!({"call": view, "caller": caller, "ringUntil": time(*ring_until), "activeCallId": active});
            of_call("call:waiting", call.id, state.handle().now(), data)
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
        // Told by `by_socket`.
        CallEvent::TopologyChanged { .. } | CallEvent::Merged { .. } => return None,
        CallEvent::Ended { call, at, reason, by } => {
            let view = call_view(state, call).await;
            let duration = call.duration_seconds(*at);
            let data = json!({"call": view, "reason": reason, "endedBy": by, "duration": duration});
            of_call("call:ended", call.id, *at, data)
        }
        CallEvent::Presence { user, at, state } => presence(user, *at, *state),
    };
    Some(rendered)
}

fn of_call(event: &'static str, call: CallId, at: Timestamp, mut data: Value) -> (&'static str, Value) {
    data["callId"] = json!(call);
    data["at"] = json!(time(at));
    (event, data)
}

fn presence(user: &UserId, at: Timestamp, state: ::call::PresenceState) -> (&'static str, Value) {
    ("presence:changed", json!({"userId": user, "presence": state, "at": time(at)}))
}

async fn caller_view(state: &AppState, user: &UserId) -> User {
    let person = state.people.show(&[user]).await.of(user);
    let presence = state.handle().presence(std::slice::from_ref(user)).await;
    User::new(user, person, presence.first().map_or(::call::PresenceState::Offline, |(_, state)| *state))
}

/// The participant whom an event is about, as its receiver may see them; nobody where the call has meanwhile ended.
async fn participant_view(
    state: &AppState,
    notice: &Notice,
    key: (CallId, UserId, Timestamp),
    last: &mut LastSeen,
) -> Option<Value> {
    if let Some((known, view)) = last
        && *known == key
    {
        return Some(view.clone());
    }
    let call = state.handle().call(key.0, &notice.user).await.ok()?;
    let shown = state.people.show(&[&key.1]).await;
    let part = call.participant(&key.1)?;
    let view = json!(Participant::new(call.id, part, &shown, state.handle().now()));
    *last = Some((key, view.clone()));
    Some(view)
}
