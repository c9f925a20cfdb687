//! What participants are told about each other and the room.

use std::collections::HashMap;
use std::time::Instant;

use livekit_protocol as proto;
use proto::request_response::{Reason, Request};
use proto::signal_response::Message;
use sfu::ParticipantKey;

use crate::limits::{LONGEST_ATTRIBUTES, LONGEST_METADATA, LONGEST_NAME};
use crate::membership::member::Member;
use crate::room::Room;
use crate::session::Session;

impl Room {
    /// Tells everyone what has changed since the last time.
    pub(crate) fn tell_changes(&mut self) {
        let farewells = std::mem::take(&mut self.membership.farewells);
        let mut infos = Vec::new();
        for key in std::mem::take(&mut self.membership.changed) {
            self.share(key);
            if let Some(info) = self.membership.info(key).filter(|_| self.membership.is_seen(key)) {
                self.cascade_state(key);
                infos.push((key, info));
            }
        }
        if farewells.is_empty() && infos.is_empty() {
            return;
        }
        let connected: Vec<_> =
            self.sessions.values().filter_map(|session| Some((session.key, session.connection()?))).collect();
        for (key, connection) in connected {
            let others = infos.iter().filter(|(other, _)| *other != key);
            let others = others.map(|(other, info)| self.membership.as_seen_by(key, *other, info.clone()));
            let participants: Vec<_> = farewells.iter().cloned().chain(others).collect();
            if !participants.is_empty() {
                self.send_to(connection, Message::Update(proto::ParticipantUpdate { participants }));
            }
        }
    }

    /// The client changes its name, metadata or attributes.
    pub(crate) fn update_metadata(&mut self, key: ParticipantKey, update: proto::UpdateParticipantMetadata) {
        let Some(member) = self.membership.members.get_mut(&key) else { return };
        let request_id = update.request_id;
        if let Err((reason, message)) = change_metadata(member, &update) {
            self.respond(key, request_id, reason, message, Some(Request::UpdateMetadata(update)));
            return;
        }
        self.membership.mark_changed(key);
        let own = self.membership.info(key).into_iter().collect();
        self.send(key, Message::Update(proto::ParticipantUpdate { participants: own }));
        self.respond(key, request_id, Reason::Ok, "", Some(Request::UpdateMetadata(update)));
    }

    /// Changes the room's metadata, and tells everyone.
    pub fn set_metadata(&mut self, now: Instant, metadata: String) {
        self.begin(now);
        self.membership.facts.metadata = metadata;
        self.share_facts();
        self.send_room_update();
    }

    /// The room as LiveKit describes it.
    pub fn describe(&self) -> proto::Room {
        self.membership.room_info()
    }

    pub(crate) fn send_room_update(&mut self) {
        self.membership.counts_changed = false;
        self.membership.counts_sent = Some(self.now);
        let room = self.membership.room_info();
        let connected: Vec<_> = self.sessions.values().filter_map(Session::connection).collect();
        for connection in connected {
            self.send_to(connection, Message::RoomUpdate(proto::RoomUpdate { room: Some(room.clone()) }));
        }
    }
}

fn change_metadata(
    member: &mut Member,
    update: &proto::UpdateParticipantMetadata,
) -> Result<(), (Reason, &'static str)> {
    if !member.grant.update_metadata {
        return Err((Reason::NotAllowed, "does not have permission to update own metadata"));
    }
    if update.name.len() > LONGEST_NAME {
        return Err((Reason::LimitExceeded, "exceeds name length limit"));
    }
    if update.metadata.len() > LONGEST_METADATA {
        return Err((Reason::LimitExceeded, "exceeds metadata size limit"));
    }
    let attributes = merge_attributes(&member.attributes, &update.attributes);
    if attributes_are_too_long(&attributes) {
        return Err((Reason::LimitExceeded, "exceeds attributes size limit"));
    }
    member.attributes = attributes;
    if let Some(name) = auth::shown_name(&update.name) {
        member.name = name;
    }
    if !update.metadata.is_empty() {
        member.metadata.clone_from(&update.metadata);
    }
    Ok(())
}

/// New values over old ones; an empty one takes its key out.
pub(crate) fn merge_attributes(
    old: &HashMap<String, String>,
    new: &HashMap<String, String>,
) -> HashMap<String, String> {
    let mut merged = old.clone();
    for (key, value) in new {
        if value.is_empty() {
            merged.remove(key);
        } else {
            merged.insert(key.clone(), value.clone());
        }
    }
    merged
}

/// Keys and values together are over the limit.
pub(crate) fn attributes_are_too_long(attributes: &HashMap<String, String>) -> bool {
    let mut length = 0;
    for (key, value) in attributes {
        length += key.len() + value.len();
    }
    length > LONGEST_ATTRIBUTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn attributes_are_merged_and_removed() {
        for (old, new, merged) in [
            (map(&[("a", "1")]), map(&[("b", "2")]), map(&[("a", "1"), ("b", "2")])),
            (map(&[("a", "1")]), map(&[("a", "2")]), map(&[("a", "2")])),
            (map(&[("a", "1"), ("b", "2")]), map(&[("a", "")]), map(&[("b", "2")])),
            (map(&[("a", "1")]), map(&[]), map(&[("a", "1")])),
        ] {
            assert_eq!(merge_attributes(&old, &new), merged);
        }
    }
}
