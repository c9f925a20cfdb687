//! Fresh tokens for connected clients, so that whoever reconnects comes with what holds now; and what permissions change.

use std::time::Instant;

use livekit_protocol as proto;
use proto::TrackSource;
use proto::signal_response::Message;
use sfu::ParticipantKey;

use crate::limits::{TOKEN_REFRESH, TOKEN_TTL};
use crate::membership::grant::Grant;
use crate::room::Room;
use crate::session::Session;
use crate::types::RoomEvent;

/// The attribute of a token that names the device it was made for. Nobody changes it.
pub(crate) const DEVICE_ATTRIBUTE: &str = "stoa.device";

impl Room {
    /// A token for this participant as it is now.
    pub(crate) fn token_for(&self, key: ParticipantKey, room: &str) -> Option<String> {
        let (api_key, session) = (self.init.token_key.as_ref()?, self.sessions.get(&key)?);
        let member = self.membership.members.get(&key)?;
        let now = self.timestamp().as_millis().div_euclid(1_000).max(0).unsigned_abs();
        let mut attributes = member.attributes.clone();
        attributes.remove(DEVICE_ATTRIBUTE);
        if let Some(device) = &member.device {
            attributes.insert(DEVICE_ATTRIBUTE.to_owned(), device.clone());
        }
        let claims = auth::LiveKitClaims {
            sub: member.identity.clone(),
            name: member.name.clone(),
            metadata: member.metadata.clone(),
            attributes,
            kind: member.kind.as_str_name().to_ascii_lowercase(),
            nbf: now,
            // Never shorter than the token it came with.
            exp: session.token_expires.max(now + TOKEN_TTL.as_secs()),
            // Should this room be gone by then, its holder opens it as it was to be. Another's is not its to shape.
            room_config: session.token_room.clone().filter(|_| room == self.init.name),
            video: video_grant(&member.grant, &session.token_grant, room),
            ..Default::default()
        };
        Some(auth::mint_livekit(api_key, &claims))
    }

    /// Sends a fresh token.
    pub(crate) fn refresh_token(&mut self, key: ParticipantKey) {
        let token = self.token_for(key, &self.init.name);
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.refresh_at = now + TOKEN_REFRESH;
        if let Some(token) = token {
            self.send(key, Message::RefreshToken(token));
        }
    }

    pub(crate) fn refresh_if_due(&mut self, key: ParticipantKey) {
        let due = |at: Instant| at <= self.now;
        if self.sessions.get(&key).is_some_and(|session| due(session.refresh_at)) {
            self.refresh_token(key);
        }
    }

    /// Changes what a participant may do; what it may no longer do ends.
    pub(crate) fn set_permission(&mut self, key: ParticipantKey, permission: &proto::ParticipantPermission) {
        let Some(member) = self.membership.members.get_mut(&key) else { return };
        let (was_hidden, was_dependent) = (member.grant.hidden, member.is_dependent());
        let grant = Grant::permitted(permission, member.kind);
        if grant == member.grant {
            return;
        }
        if let Some(session) = self.sessions.get(&key) {
            let stats = self.media.peer_stats(session.peers.publisher());
            member.is_publisher = grant.publish && stats.is_some_and(|stats| stats.connected);
        }
        member.grant = grant;
        let changed_sides = member.is_dependent() != was_dependent;
        let (rights, grant, own) = (member.grant.rights(), member.grant.clone(), member.tracks.clone());
        for track in own {
            let Some(entry) = self.membership.tracks.get(&track) else { continue };
            if grant.may_publish(entry.info.source()) {
                continue;
            }
            let (track_sid, published) = (entry.info.sid.clone(), entry.is_published());
            self.withdraw(track);
            self.media_state(key);
            if published {
                self.send(key, Message::TrackUnpublished(proto::TrackUnpublishedResponse { track_sid }));
            }
        }
        if !grant.data {
            self.end_data_tracks(key);
        }
        self.media.set_rights(self.now, key, rights);
        self.reconcile_subscriber(key);
        if grant.hidden && !was_hidden {
            self.vanish(key);
        }
        if changed_sides {
            self.changed_sides(key);
        }
    }

    /// One who depended on others no longer does, or the other way round: it takes a place from now on, or gives it back.
    fn changed_sides(&mut self, key: ParticipantKey) {
        self.membership.count_changed(self.now);
        let Some(member) = self.membership.members.get(&key).filter(|_| self.sessions.contains_key(&key)) else {
            return;
        };
        let (identity, device) = (member.identity.clone(), member.device.clone());
        let is_dependent = member.is_dependent();
        self.event(RoomEvent::Joined { identity, device, is_dependent });
    }

    /// The others no longer see a participant.
    pub(crate) fn vanish(&mut self, key: ParticipantKey) {
        if let Some(info) = self.membership.farewell(key, proto::DisconnectReason::UnknownReason) {
            let others: Vec<_> =
                self.sessions.values().filter(|session| session.key != key).filter_map(Session::connection).collect();
            for connection in others {
                let participants = vec![info.clone()];
                self.send_to(connection, Message::Update(proto::ParticipantUpdate { participants }));
            }
        }
    }
}

fn video_grant(grant: &Grant, of_token: &auth::VideoGrant, room: &str) -> auth::VideoGrant {
    auth::VideoGrant {
        room: room.to_owned(),
        room_join: true,
        can_publish: Some(grant.publish),
        can_subscribe: Some(grant.subscribe),
        can_publish_data: Some(grant.data),
        can_publish_sources: grant.sources.iter().filter_map(|source| source_name(*source)).collect(),
        can_update_own_metadata: Some(grant.update_metadata),
        can_subscribe_metrics: Some(grant.subscribe_metrics),
        hidden: grant.hidden,
        recorder: grant.recorder,
        agent: grant.agent,
        ..of_token.clone()
    }
}

fn source_name(source: TrackSource) -> Option<String> {
    (source != TrackSource::Unknown).then(|| source.as_str_name().to_ascii_lowercase())
}
