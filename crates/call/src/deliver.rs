//! Who hears of a change, and what the media side must do about it: pure functions over the call after the change.

use model::{EndReason, Timestamp, UserId};

use crate::call::Call;
use crate::change::{Change, Ending, Exit};
use crate::output::{CallEvent, Delivery, RoomAct};
use crate::part::{Gone, Part, PartState};
use crate::recording;
use crate::snapshot::{PresenceState, Transfer};

/// What of a call before a change says who has to hear of it.
#[derive(Debug)]
pub(crate) struct Before {
    /// Who was pending.
    rang: Vec<UserId>,
    transfer: Option<Transfer>,
    /// Whose side was held.
    held: Vec<UserId>,
    /// Whose side was held for the transfer, and still was.
    held_for_transfer: Vec<UserId>,
    /// The caller's presence, for those it rings for.
    caller: PresenceState,
}

impl Before {
    /// Of a call that is about to change, and of its caller.
    pub fn of(call: &Call, caller: PresenceState) -> Self {
        let is_held = |user: &&UserId| call.part(user).is_some_and(|part| part.is_on_hold);
        let for_transfer = call.transfer.iter().flat_map(|transfer| &transfer.held).filter(is_held);
        Self {
            rang: call.pending().map(|part| part.user.clone()).collect(),
            held: on_hold(call).cloned().collect(),
            held_for_transfer: for_transfer.cloned().collect(),
            transfer: call.transfer.clone(),
            caller,
        }
    }
}

/// What devices are told, in order.
pub(crate) fn deliveries(call: &Call, change: &Change, before: &Before, at: Timestamp) -> Vec<Delivery> {
    let (id, rang) = (call.id, before.rang.as_slice());
    match change {
        Change::Initiated { by } => busy_at_once(call, std::slice::from_ref(by), at),
        Change::Rang { users, device } => users
            .iter()
            .map(|user| Delivery { device: device.clone(), ..incoming(call, user, before.caller) })
            .collect(),
        Change::Accepted { user, device, .. } => {
            let elsewhere = CallEvent::AnsweredElsewhere { call: id, at, device: Some(device.clone()) };
            let mut told = others(call, user, CallEvent::Accepted { call: id, at, user: user.clone() });
            told.push(Delivery { except: Some(device.clone()), ..to(user, elsewhere) });
            told.extend(joined(call, user, at));
            told.extend(recording::asked(call, user, at));
            told
        }
        Change::Joined { user, .. } => {
            let mut told = joined(call, user, at);
            told.extend(recording::asked(call, user, at));
            told
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
        Change::Invited { by, newcomers } => {
            let new = |part: &&Part| newcomers.iter().any(|newcomer| newcomer.user == part.user);
            let asked: Vec<UserId> = engaged(call).map(|part| part.user.clone()).collect();
            let known: Vec<UserId> = engaged(call).filter(|part| !new(part)).map(|part| part.user.clone()).collect();
            let invited = newcomers.iter().filter_map(|newcomer| call.part(&newcomer.user)).flat_map(|part| {
                let participant = Box::new(part.snapshot());
                let event = CallEvent::ParticipantInvited { call: id, at, participant, by: by.clone() };
                known.iter().map(move |user| to(user, event.clone()))
            });
            let busy = newcomers.iter().filter(|newcomer| newcomer.busy);
            let busy =
                busy.flat_map(|newcomer| asked.iter().map(|user| to(user, declined_busy(call, &newcomer.user, at))));
            invited.chain(busy).collect()
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
        Change::Held { user, by, on } => held(call, std::slice::from_ref(user), by, *on, at),
        Change::Muted { users, by, hard } => muted(call, users, by, *hard, at),
        Change::MuteLifted { users, by } => {
            let lifted = |user: &UserId| CallEvent::Muted {
                call: id,
                at,
                user: user.clone(),
                by: by.clone(),
                hard: false,
                muted: false,
            };
            users.iter().flat_map(|user| inside(call, &lifted(user))).collect()
        }
        Change::Removed { user, .. } => {
            let reason = EndReason::Removed;
            let event = CallEvent::ParticipantLeft { call: id, at, user: user.clone(), reason };
            let mut told = others(call, user, event.clone());
            told.extend(if rang.contains(user) { withdrawn(call, user, at) } else { vec![to(user, event)] });
            told
        }
        Change::TransferStarted { by, target, mode, held: on_hold } => {
            let (user, target_id) = (by.clone(), target.user.clone());
            let started = CallEvent::TransferStarted { call: id, at, user, target: target_id, mode: *mode };
            let mut told = inside(call, &started);
            told.extend(held(call, on_hold, by, true, at));
            told
        }
        Change::TransferReleased { by } => held(call, &before.held_for_transfer, by, false, at),
        Change::Transferred => match &before.transfer {
            Some(Transfer { by, target, mode, .. }) => {
                let event =
                    CallEvent::Transferred { call: id, at, user: by.clone(), target: target.clone(), mode: *mode };
                let mut told = inside(call, &event);
                told.push(to(by, event));
                told.extend(held(call, &before.held_for_transfer, by, false, at));
                told
            }
            None => Vec::new(),
        },
        Change::TransferFailed { reason, .. } => transfer_failed(call, before, *reason, at),
        Change::Topology { topology, reason, .. } => call
            .parts
            .iter()
            .filter_map(|part| {
                let device = part.stay()?.device.clone();
                let event = CallEvent::TopologyChanged { call: id, at, topology: *topology, reason: *reason, device };
                Some(to(&part.user, event))
            })
            .collect(),
        Change::QualityAlert { user, since } => {
            inside(call, &CallEvent::QualityAlert { call: id, at, user: user.clone(), since: *since })
        }
        Change::Recording(change) => recording::deliveries(call, change, at),
        Change::Ended(Ending { merged_into: Some(_), .. }) => Vec::new(),
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
pub(crate) fn incoming(call: &Call, user: &UserId, caller: PresenceState) -> Delivery {
    let ring_until = call.part(user).map_or(call.created_at, |part| call.ring_until(part));
    to(user, CallEvent::Incoming { call: Box::new(call.snapshot()), ring_until, caller })
}

fn on_hold(call: &Call) -> impl Iterator<Item = &UserId> {
    call.parts.iter().filter(|part| part.is_on_hold).map(|part| &part.user)
}

/// What the media side has to do.
pub(crate) fn room_acts(call: &Call, change: &Change, before: &Before) -> Vec<RoomAct> {
    let mut acts = acts_of(call, change);
    if call.is_over() {
        return acts;
    }
    // A room that was just opened knows of nobody on hold.
    let known = if matches!(change, Change::Restored) { &[][..] } else { &before.held };
    for part in &call.parts {
        let on = part.is_on_hold;
        if on != known.contains(&part.user) {
            acts.push(RoomAct::Hold { call: call.id, user: part.user.clone(), on });
        }
    }
    acts
}

fn acts_of(call: &Call, change: &Change) -> Vec<RoomAct> {
    let call_id = call.id;
    match change {
        Change::Initiated { .. } | Change::Restored => {
            let open = RoomAct::Open { call: call_id, max_participants: call.max_participants };
            let recording = recording::room_acts_anew(call);
            [open].into_iter().chain(recording).collect()
        }
        Change::Recording(change) => recording::room_acts(call, change),
        Change::Left { user, exit: Exit::Asked | Exit::Expired, .. } | Change::Removed { user, .. } => {
            vec![RoomAct::Remove { call: call_id, user: user.clone() }]
        }
        Change::Muted { users, hard, .. } => {
            users.iter().map(|user| RoomAct::Mute { call: call_id, user: user.clone(), hard: *hard }).collect()
        }
        Change::MuteLifted { users, .. } => {
            users.iter().map(|user| RoomAct::LiftMute { call: call_id, user: user.clone() }).collect()
        }
        Change::Ended(_) => vec![RoomAct::Close { call: call_id }],
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
        | Change::Held { .. }
        | Change::TransferStarted { .. }
        | Change::TransferReleased { .. }
        | Change::Transferred
        | Change::TransferFailed { .. }
        | Change::Topology { .. }
        | Change::QualityAlert { .. }
        | Change::Media { .. } => Vec::new(),
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

fn joined(call: &Call, user: &UserId, at: Timestamp) -> Vec<Delivery> {
    let Some(part) = call.part(user) else { return Vec::new() };
    others(call, user, CallEvent::ParticipantJoined { call: call.id, at, participant: Box::new(part.snapshot()) })
}

/// To everyone in the call.
pub(crate) fn inside(call: &Call, event: &CallEvent) -> Vec<Delivery> {
    call.parts.iter().filter(|part| part.is_joined()).map(|part| to(&part.user, event.clone())).collect()
}

fn held(call: &Call, users: &[UserId], by: &UserId, on: bool, at: Timestamp) -> Vec<Delivery> {
    let event = |user: &UserId| CallEvent::Held { call: call.id, at, user: user.clone(), by: by.clone(), on };
    let here = users.iter().filter(|user| call.part(user).is_some_and(Part::is_joined));
    here.flat_map(|user| inside(call, &event(user))).collect()
}

fn muted(call: &Call, users: &[UserId], by: &UserId, hard: bool, at: Timestamp) -> Vec<Delivery> {
    let mut told = Vec::new();
    for part in users.iter().filter_map(|user| call.part(user)) {
        let user = part.user.clone();
        told.extend(inside(
            call,
            &CallEvent::Muted { call: call.id, at, user: user.clone(), by: by.clone(), hard, muted: true },
        ));
        told.extend(others(call, &user, media_state(call, part, at)));
    }
    told
}

fn media_state(call: &Call, part: &Part, at: Timestamp) -> CallEvent {
    CallEvent::MediaStateChanged {
        call: call.id,
        at,
        user: part.user.clone(),
        is_muted: part.media.is_muted,
        is_video_enabled: part.media.is_video_enabled,
        is_screen_sharing: part.media.is_screen_sharing,
    }
}

/// A ring that is taken back from one of several.
fn withdrawn(call: &Call, user: &UserId, at: Timestamp) -> Vec<Delivery> {
    vec![to(user, CallEvent::Cancelled { call: call.id, at }), to(user, missed(call, at))]
}

fn transfer_failed(call: &Call, before: &Before, reason: EndReason, at: Timestamp) -> Vec<Delivery> {
    let Some(Transfer { by, target, mode, .. }) = &before.transfer else { return Vec::new() };
    let mut told = if before.rang.contains(target) { withdrawn(call, target, at) } else { Vec::new() };
    let event =
        CallEvent::TransferFailed { call: call.id, at, user: by.clone(), target: target.clone(), mode: *mode, reason };
    told.extend(inside(call, &event));
    if !call.part(by).is_some_and(Part::is_joined) {
        told.push(to(by, event));
    }
    told.extend(held(call, &before.held_for_transfer, by, false, at));
    told
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
