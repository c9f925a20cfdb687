//! What participants are told about each other and the room.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use livekit_protocol as proto;
use proto::request_response::{Reason, Request};
use proto::signal_response::Message;
use sfu::ParticipantKey;

use crate::limits::{LONGEST_ATTRIBUTES, LONGEST_METADATA, LONGEST_NAME, ROOM_UPDATE_INTERVAL};
use crate::room::Room;
use crate::session::{Session, Stage};

impl Room {
    /// A participant as the others see it.
    pub(crate) fn info(&self, key: ParticipantKey) -> Option<proto::ParticipantInfo> {
        let session = self.sessions.get(&key)?;
        let tracks = session.tracks.iter().filter_map(|track| self.tracks.get(track));
        let tracks: Vec<_> = tracks.filter(|track| track.is_published()).map(|track| track.info.clone()).collect();
        let data_tracks = session.data_tracks.infos();
        let forwarded = proto::participant_info::KindDetail::Forwarded;
        let kind_details = if session.is_cascaded() { vec![forwarded.into()] } else { Vec::new() };
        let state = match session.stage {
            Stage::Joined => proto::participant_info::State::Joined,
            Stage::Active => proto::participant_info::State::Active,
        };
        Some(proto::ParticipantInfo {
            sid: session.sid.clone(),
            identity: session.identity.clone(),
            state: state.into(),
            is_publisher: session.is_publisher,
            tracks,
            metadata: session.metadata.clone(),
            joined_at: session.joined_at.as_millis() / 1000,
            joined_at_ms: session.joined_at.as_millis(),
            name: session.name.clone(),
            version: session.version,
            permission: Some(session.grant.permission()),
            kind: session.kind.into(),
            attributes: session.attributes.clone(),
            data_tracks,
            kind_details,
            client_protocol: session.client.info.client_protocol,
            capabilities: session.client.info.capabilities.clone(),
            ..Default::default()
        })
    }

    /// Everyone who may be seen, but one.
    pub(crate) fn visible_infos(&self, except: Option<ParticipantKey>) -> Vec<proto::ParticipantInfo> {
        let visible = self.sessions.values().filter(|session| !session.grant.hidden && Some(session.key) != except);
        let seen = |session: &Session| {
            let info = self.info(session.key)?;
            Some(except.map_or_else(|| info.clone(), |viewer| self.as_seen_by(viewer, session.key, info.clone())))
        };
        visible.filter_map(seen).collect()
    }

    /// The others hear about a participant at the end of the turn.
    pub(crate) fn mark_changed(&mut self, key: ParticipantKey) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.version += 1;
            self.changed.insert(key);
        }
    }

    /// Tells everyone what has changed since the last time.
    pub(crate) fn tell_changes(&mut self) {
        let farewells = std::mem::take(&mut self.farewells);
        let changed: BTreeSet<_> = std::mem::take(&mut self.changed);
        let visible = changed.into_iter().filter(|key| self.sessions.get(key).is_some_and(|s| !s.grant.hidden));
        let infos: Vec<_> = visible.filter_map(|key| Some((key, self.info(key)?))).collect();
        for (key, _) in &infos {
            self.cascade_state(*key);
        }
        if farewells.is_empty() && infos.is_empty() {
            return;
        }
        let connected: Vec<_> =
            self.sessions.values().filter_map(|session| Some((session.key, session.connection()?))).collect();
        for (key, connection) in connected {
            let others = infos.iter().filter(|(other, _)| *other != key);
            let others = others.map(|(other, info)| self.as_seen_by(key, *other, info.clone()));
            let participants: Vec<_> = farewells.iter().cloned().chain(others).collect();
            if !participants.is_empty() {
                self.send_to(connection, Message::Update(proto::ParticipantUpdate { participants }));
            }
        }
    }

    /// The client changes its name, metadata or attributes.
    pub(crate) fn update_metadata(&mut self, key: ParticipantKey, update: proto::UpdateParticipantMetadata) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let request_id = update.request_id;
        if let Err((reason, message)) = change_metadata(session, &update) {
            self.respond(key, request_id, reason, message, Some(Request::UpdateMetadata(update)));
            return;
        }
        self.mark_changed(key);
        let own = self.info(key).into_iter().collect();
        self.send(key, Message::Update(proto::ParticipantUpdate { participants: own }));
        self.respond(key, request_id, Reason::Ok, "", Some(Request::UpdateMetadata(update)));
    }

    /// Changes the room's metadata, and tells everyone.
    pub fn set_metadata(&mut self, now: Instant, metadata: String) {
        self.begin(now);
        self.metadata = metadata;
        self.send_room_update();
    }

    /// The room as LiveKit describes it.
    pub fn describe(&self) -> proto::Room {
        self.room_info()
    }

    pub(crate) fn room_info(&self) -> proto::Room {
        let created = self.init.opened.1.as_millis();
        proto::Room {
            sid: self.sid.clone(),
            name: self.init.name.clone(),
            empty_timeout: self.init.empty_timeout.as_secs() as u32,
            departure_timeout: self.close_after.as_secs() as u32,
            max_participants: self.init.max_participants as u32,
            creation_time: created / 1000,
            creation_time_ms: created,
            turn_password: self.turn_password.clone(),
            enabled_codecs: crate::join::codecs(&crate::join::ROOM_CODECS),
            metadata: self.metadata.clone(),
            // As LiveKit counts: the hidden are in it, those who depend on others are not, but publish as others do.
            num_participants: self.people().count() as u32,
            num_publishers: self.sessions.values().filter(|session| session.is_publisher).count() as u32,
            active_recording: self.sessions.values().any(Session::is_recorder),
            ..Default::default()
        }
    }

    /// When changed counts are to be told.
    pub(crate) fn counts_due(&self) -> Instant {
        self.counts_sent.map_or(self.now, |sent| sent + ROOM_UPDATE_INTERVAL)
    }

    pub(crate) fn send_room_update(&mut self) {
        self.counts_changed = false;
        self.counts_sent = Some(self.now);
        let room = self.room_info();
        let connected: Vec<_> = self.sessions.values().filter_map(Session::connection).collect();
        for connection in connected {
            self.send_to(connection, Message::RoomUpdate(proto::RoomUpdate { room: Some(room.clone()) }));
        }
    }
}

fn change_metadata(
    session: &mut Session,
    update: &proto::UpdateParticipantMetadata,
) -> Result<(), (Reason, &'static str)> {
    if !session.grant.update_metadata {
        return Err((Reason::NotAllowed, "does not have permission to update own metadata"));
    }
    if update.name.len() > LONGEST_NAME {
        return Err((Reason::LimitExceeded, "exceeds name length limit"));
    }
    if update.metadata.len() > LONGEST_METADATA {
        return Err((Reason::LimitExceeded, "exceeds metadata size limit"));
    }
    let attributes = merge_attributes(&session.attributes, &update.attributes);
    if attributes_are_too_long(&attributes) {
        return Err((Reason::LimitExceeded, "exceeds attributes size limit"));
    }
    session.attributes = attributes;
    if let Some(name) = auth::shown_name(&update.name) {
        session.name = name;
    }
    if !update.metadata.is_empty() {
        session.metadata.clone_from(&update.metadata);
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
