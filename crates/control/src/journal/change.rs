//! What became different about a call, so that a record of someone who joins does not say again who else is there.

use call::{CallSnapshot, ParticipantSnapshot};
use model::CallId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Makes one snapshot of a call from the one before it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Change {
    /// Of which call.
    pub(super) id: CallId,
    /// The call's own parts that changed, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    call: Map<String, Value>,
    /// The participants who changed or came, each with their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    participants: Vec<(usize, ParticipantSnapshot)>,
}

impl Change {
    /// `None`: the call changed in a way that a change cannot say.
    pub(super) fn between(before: &CallSnapshot, after: &CallSnapshot) -> Option<Self> {
        if before.id != after.id || before.participants.len() > after.participants.len() {
            return None;
        }
        let places = after.participants.iter().enumerate();
        let changed = places.filter(|(place, part)| before.participants.get(*place) != Some(*part));
        let participants = changed.map(|(place, part)| (place, part.clone())).collect();
        let (of_before, of_after) = (own(before), own(after));
        let mut call = Map::new();
        if of_before != of_after {
            let known = parts(of_before);
            call = parts(of_after);
            call.retain(|name, value| known.get(name) != Some(value));
        }
        Some(Self { id: after.id, call, participants })
    }

    /// Brings a call up to date. False: this does not follow on it, and the call is as it was.
    pub(super) fn apply(self, call: &mut CallSnapshot) -> bool {
        let mut length = call.participants.len();
        for (place, _) in &self.participants {
            length += usize::from(*place == length);
            if *place >= length {
                return false;
            }
        }
        if self.id != call.id {
            return false;
        }
        if !self.call.is_empty() {
            let mut known = parts(own(call));
            known.extend(self.call);
            let Ok(mut changed) = serde_json::from_value::<CallSnapshot>(Value::Object(known)) else { return false };
            changed.participants = std::mem::take(&mut call.participants);
            *call = changed;
        }
        for (place, part) in self.participants {
            match call.participants.get_mut(place) {
                Some(before) => *before = part,
                None => call.participants.push(part),
            }
        }
        true
    }
}

/// The call without its participants.
fn own(call: &CallSnapshot) -> CallSnapshot {
    CallSnapshot {
        id: call.id,
        kind: call.kind,
        media: call.media,
        topology: call.topology,
        status: call.status,
        initiator: call.initiator.clone(),
        channel: call.channel.clone(),
        in_channel: call.in_channel,
        created_at: call.created_at,
        started_at: call.started_at,
        connected_at: call.connected_at,
        ended_at: call.ended_at,
        end_reason: call.end_reason,
        ended_by: call.ended_by.clone(),
        ring_until: call.ring_until,
        max_participants: call.max_participants,
        metadata: call.metadata.clone(),
        merged_into: call.merged_into,
        transfer: call.transfer.clone(),
        recording: call.recording.clone(),
        is_recorded: call.is_recorded,
        participants: Vec::new(),
    }
}

fn parts(call: CallSnapshot) -> Map<String, Value> {
    match serde_json::to_value(call) {
        Ok(Value::Object(parts)) => parts,
        other => unreachable!("a snapshot is an object: {other:?}"),
    }
}
