//! Idempotency: whether two requests for one call id are the same request.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{CallKind, UserId};

use crate::call::Call;
use crate::command::{InitiateCall, Target};
use crate::snapshot::CallSnapshot;

/// What of a request the call itself does not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    target: Target,
    ring_timeout: Option<Duration>,
}

impl Origin {
    /// Of a request. The order and repetition of the users called does not matter, nor does the device.
    pub fn of(request: &InitiateCall) -> Self {
        let target = match &request.target {
            Target::Channel(channel) => Target::Channel(channel.clone()),
            Target::Users { channel, one_to_one, .. } => Target::Users {
                users: called(request).into_iter().cloned().collect(),
                channel: channel.clone(),
                one_to_one: *one_to_one,
            },
        };
        Self { target, ring_timeout: request.ring_timeout }
    }
}

fn called(request: &InitiateCall) -> BTreeSet<&UserId> {
    match &request.target {
        Target::Channel(_) => BTreeSet::new(),
        Target::Users { users, .. } => users.iter().filter(|user| **user != request.caller).collect(),
    }
}

/// Whether this request is the one the call came from.
pub(crate) fn is_origin_of(request: &InitiateCall, call: &Call) -> bool {
    match &call.origin {
        Some(origin) => {
            *origin == Origin::of(request)
                && call.initiator == request.caller
                && call.media == request.media
                && call.metadata == request.metadata
        }
        None => same_request(&call.snapshot(), request),
    }
}

/// Whether this request may be the one that a stored call came from: the answer to a repeated `callId` when the switchboard has
/// forgotten the call. Judged by what a call keeps; of the users called, all must have a part in it.
pub fn same_request(call: &CallSnapshot, request: &InitiateCall) -> bool {
    let same_target = match &request.target {
        Target::Channel(channel) => call.in_channel && call.channel.as_ref() == Some(channel),
        Target::Users { channel, one_to_one, .. } => {
            !call.in_channel
                && call.channel == *channel
                && (!*one_to_one || call.kind == CallKind::OneToOne || call.participants.len() > 2)
                && called(request).into_iter().all(|user| call.participant(user).is_some())
        }
    };
    same_target && call.initiator == request.caller && call.media == request.media && call.metadata == request.metadata
}
