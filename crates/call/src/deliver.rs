//! Who is told of a change, and what the media side has to do about it: pure functions over the call after the change.

use model::{EndReason, Timestamp, UserId};

use crate::call::Call;
use crate::change::{Change, Ending, Exit};
use crate::output::{CallEvent, Delivery, RoomAct};
use crate::part::{Gone, Part, PartState};

/// What devices are told, in order. `rang`: who was pending before the change.
pub(crate) fn deliveries(call: &Call, change: &Change, rang: &[UserId], at: Timestamp) -> Vec<Delivery> {
    let id = call.id;
    match change {
        Change::Initiated { by } => busy_at_once(call, std::slice::from_ref(by), at),
        Change::Rang { users, device } => {
            users.iter().map(|user| Delivery { device: device.clone(), ..incoming(call, user) }).collect()
        }
        Change::Accepted { user, device } => {
            let elsewhere = CallEvent::AnsweredElsewhere { call: id, at, device: Some(device.clone()) };
            let mut told = others(call, user, CallEvent::Accepted { call: id, at, user: user.clone() });
            told.push(Delivery { except: Some(device.clone()), ..to(user, elsewhere) });
            told.extend(others(call, user, CallEvent::ParticipantJoined { call: id, at, user: user.clone() }));
            told
        }
        Change::Joined { user, .. } => {
            others(call, user, CallEvent::ParticipantJoined { call: id, at, user: user.clone() })
        }
        Change::Left { user, reason, .. } => {
            let event = CallEvent::ParticipantLeft { call: id, at, user: user.clone(), reason: *reason };
            let mut told = others(call, user, event.clone());
            told.push(to(user, event));
            told
        }
        Change::Declined { user, busy } => {
            let reason = if *busy { EndReason::Busy } else { EndReason::Declined };
            let mut told = others(call, user, CallEvent::Declined { call: id, at, user: user.clone(), reason });
            told.push(to(user, CallEvent::AnsweredElsewhere { call: id, at, device: None }));
            told
        }
        Change::Missed { users } => missed_by(call, users, at),
        Change::Invited { newcomers, .. } => {
            let asked: Vec<UserId> = engaged(call).map(|part| part.user.clone()).collect();
            let busy = newcomers.iter().filter(|newcomer| newcomer.busy);
            busy.flat_map(|newcomer| asked.iter().map(|user| to(user, declined_busy(call, &newcomer.user, at))))
                .collect()
        }
        Change::Media { user, state } => {
            let event = CallEvent::MediaStateChanged {
                call: id,
                at,
                user: user.clone(),
                is_muted: state.is_muted,
                is_video_enabled: state.is_video_enabled,
                is_screen_sharing: state.is_screen_sharing,
            };
            others(call, user, event)
        }
        Change::Ended(ending) => ended(call, ending, rang, at),
        Change::Returned { .. }
        | Change::EnteredRoom { .. }
        | Change::MediaUp { .. }
        | Change::Connected
        | Change::Lost { .. }
        | Change::Restored => Vec::new(),
    }
}

/// The ring of one user who is being called.
pub(crate) fn incoming(call: &Call, user: &UserId) -> Delivery {
    let ring_until = call.part(user).map_or(call.created_at, |part| call.ring_until(part));
    to(user, CallEvent::Incoming { call: Box::new(call.snapshot()), ring_until })
}

/// What the media side has to do.
pub(crate) fn room_act(call: &Call, change: &Change) -> Option<RoomAct> {
    match change {
        Change::Initiated { .. } | Change::Restored => {
            Some(RoomAct::Open { call: call.id, max_participants: call.max_participants })
        }
        Change::Left { user, exit: Exit::Asked | Exit::Expired, .. } => {
            Some(RoomAct::Remove { call: call.id, user: user.clone() })
        }
        Change::Ended(_) => Some(RoomAct::Close { call: call.id }),
        Change::Left { exit: Exit::Room, .. }
        | Change::Rang { .. }
        | Change::Accepted { .. }
        | Change::Joined { .. }
        | Change::Returned { .. }
        | Change::EnteredRoom { .. }
        | Change::MediaUp { .. }
        | Change::Connected
        | Change::Lost { .. }
        | Change::Declined { .. }
        | Change::Missed { .. }
        | Change::Invited { .. }
        | Change::Media { .. } => None,
    }
}

fn to(user: &UserId, event: CallEvent) -> Delivery {
    Delivery { user: user.clone(), device: None, except: None, event }
}

fn engaged(call: &Call) -> impl Iterator<Item = &Part> {
    call.parts.iter().filter(|part| part.is_engaged())
}

fn others(call: &Call, user: &UserId, event: CallEvent) -> Vec<Delivery> {
    engaged(call).filter(|part| &part.user != user).map(|part| to(&part.user, event.clone())).collect()
}

fn declined_busy(call: &Call, user: &UserId, at: Timestamp) -> CallEvent {
    CallEvent::Declined { call: call.id, at, user: user.clone(), reason: EndReason::Busy }
}

fn busy_at_once(call: &Call, told: &[UserId], at: Timestamp) -> Vec<Delivery> {
    let busy = call.parts.iter().filter(|part| matches!(part.state, PartState::Gone { how: Gone::Busy, .. }));
    busy.flat_map(|part| told.iter().map(move |user| to(user, declined_busy(call, &part.user, at)))).collect()
}

fn missed(call: &Call, at: Timestamp) -> CallEvent {
    CallEvent::Missed {
        call: call.id,
        at,
        caller: call.initiator.clone(),
        media: call.media,
        channel: call.channel.clone(),
    }
}

fn missed_by(call: &Call, users: &[UserId], at: Timestamp) -> Vec<Delivery> {
    let mut told: Vec<Delivery> = users.iter().map(|user| to(user, missed(call, at))).collect();
    // Where the call goes on without them, those in it stop waiting for them; otherwise its end says it all.
    if call.is_running() || call.pending().next().is_some() {
        for user in users {
            let reason = call.part(user).map_or(EndReason::NoAnswer, |part| match &part.state {
                PartState::Gone { how, .. } => how.reason(),
                PartState::Invited | PartState::Ringing | PartState::Joined(_) => EndReason::NoAnswer,
            });
            told.extend(others(
                call,
                user,
                CallEvent::ParticipantLeft { call: call.id, at, user: user.clone(), reason },
            ));
        }
    }
    told
}

fn ended(call: &Call, ending: &Ending, rang: &[UserId], at: Timestamp) -> Vec<Delivery> {
    let mut told = Vec::new();
    for user in rang {
        if ending.status == model::CallStatus::Cancelled {
            told.push(to(user, CallEvent::Cancelled { call: call.id, at }));
        }
        told.push(to(user, missed(call, at)));
    }
    let snapshot = Box::new(call.snapshot());
    told.extend(call.parts.iter().map(|part| {
        let event = CallEvent::Ended { call: snapshot.clone(), at, reason: ending.reason, by: ending.by.clone() };
        to(&part.user, event)
    }));
    told
}
