//! A room and its members as others see them.

use std::time::Instant;

use livekit_protocol as proto;
use sfu::ParticipantKey;

use super::Membership;
use super::member::{Member, Stage};
use crate::limits::ROOM_UPDATE_INTERVAL;

impl Membership {
    /// A member as the others see it.
    pub fn info(&self, key: ParticipantKey) -> Option<proto::ParticipantInfo> {
        let member = self.members.get(&key)?;
        let tracks = member.tracks.iter().filter_map(|track| self.tracks.get(track));
        let tracks: Vec<_> = tracks.filter(|track| track.is_published()).map(|track| track.info.clone()).collect();
        let state = match member.stage {
            Stage::Joined => proto::participant_info::State::Joined,
            Stage::Active => proto::participant_info::State::Active,
        };
        Some(proto::ParticipantInfo {
            sid: member.sid.clone(),
            identity: member.identity.clone(),
            state: state.into(),
            is_publisher: member.is_publisher,
            tracks,
            metadata: member.metadata.clone(),
            joined_at: member.joined_at.as_millis() / 1000,
            joined_at_ms: member.joined_at.as_millis(),
            name: member.name.clone(),
            version: member.version,
            permission: Some(member.grant.permission()),
            kind: member.kind.into(),
            attributes: member.attributes.clone(),
            data_tracks: member.data_tracks.clone(),
            kind_details: member.kind_details.clone(),
            client_protocol: member.client_protocol,
            capabilities: member.capabilities.clone(),
            ..Default::default()
        })
    }

    /// Everyone, the hidden included.
    pub fn infos(&self) -> Vec<proto::ParticipantInfo> {
        self.members.keys().filter_map(|key| self.info(*key)).collect()
    }

    /// Everyone who may be seen, but one.
    pub fn visible_infos(&self, except: Option<ParticipantKey>) -> Vec<proto::ParticipantInfo> {
        let visible = self.members.values().filter(|member| !member.grant.hidden && Some(member.key) != except);
        let seen = |member: &Member| {
            let info = self.info(member.key)?;
            Some(match except {
                Some(viewer) => self.as_seen_by(viewer, member.key, info),
                None => info,
            })
        };
        visible.filter_map(seen).collect()
    }

    /// The others may see a member.
    pub fn is_seen(&self, key: ParticipantKey) -> bool {
        self.members.get(&key).is_some_and(|member| !member.grant.hidden)
    }

    /// Whether a member is on hold.
    pub fn is_held(&self, key: ParticipantKey) -> bool {
        !self.held.is_empty() && self.members.get(&key).is_some_and(|member| self.held.contains(&member.identity))
    }

    /// A member as another sees it.
    pub fn as_seen_by(
        &self,
        viewer: ParticipantKey,
        key: ParticipantKey,
        mut info: proto::ParticipantInfo,
    ) -> proto::ParticipantInfo {
        if viewer != key && (self.is_held(viewer) || self.is_held(key)) {
            info.tracks.iter_mut().for_each(|track| track.muted = true);
        }
        info
    }

    /// The room as LiveKit describes it.
    pub fn room_info(&self) -> proto::Room {
        let created = self.facts.created.as_millis();
        proto::Room {
            sid: self.facts.sid.clone(),
            name: self.name.clone(),
            empty_timeout: self.facts.empty_timeout.as_secs() as u32,
            departure_timeout: self.facts.close_after.as_secs() as u32,
            max_participants: self.facts.max_participants as u32,
            creation_time: created / 1000,
            creation_time_ms: created,
            turn_password: self.facts.turn_password.clone(),
            enabled_codecs: crate::join::codecs(&crate::join::ROOM_CODECS),
            metadata: self.facts.metadata.clone(),
            // As LiveKit counts: the hidden are in it, those who depend on others are not, but publish as others do.
            num_participants: self.people().count() as u32,
            num_publishers: self.members.values().filter(|member| member.is_publisher).count() as u32,
            active_recording: self.facts.is_recorded || self.members.values().any(Member::is_recorder),
            ..Default::default()
        }
    }

    /// When changed counts are to be told; `None`: nothing changed.
    pub fn counts_due(&self, now: Instant) -> Option<Instant> {
        self.counts_changed.then(|| self.counts_sent.map_or(now, |sent| sent + ROOM_UPDATE_INTERVAL))
    }
}
