//! One who is in a room, as the others know it: whatever it is connected by, if by anything.

use std::collections::HashMap;

use livekit_protocol as proto;
use sfu::{ParticipantKey, TrackKey};

use super::grant::{Grant, SubscriptionRule, depends};
use crate::limits::LONGEST_METADATA;
use crate::shards::ShardId;
use crate::types::ClientParameters;
use crate::updates::{attributes_are_too_long, merge_attributes};

/// Where a member's media comes from, and who speaks to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A LiveKit client that is connected here: see [`crate::session::Session`].
    Session,
    /// Another room, which forwards it to this one: see [`crate::cascade`].
    Forwarded,
    /// Another shard of this room, to which it is connected: see [`crate::shards`].
    Shard(ShardId),
}

impl Origin {
    /// The other shard that it is.
    pub fn shard(self) -> Option<ShardId> {
        match self {
            Origin::Shard(shard) => Some(shard),
            Origin::Session | Origin::Forwarded => None,
        }
    }
}

/// How far a member has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It was let in.
    Joined,
    /// Its media has been up.
    Active,
}

/// What a member shows of itself with its tracks, as a call wants to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    /// No live microphone track.
    pub is_muted: bool,
    /// A live camera track.
    pub is_video_enabled: bool,
    /// A live screen track.
    pub is_screen_sharing: bool,
}

/// One who is in the room.
#[derive(Debug)]
pub(crate) struct Member {
    pub key: ParticipantKey,
    pub sid: String,
    pub identity: String,
    pub name: String,
    pub metadata: String,
    pub attributes: HashMap<String, String>,
    pub kind: proto::participant_info::Kind,
    pub grant: Grant,
    /// The device its token was made for; `None`: the token names none, or the member has no token.
    pub device: Option<String>,
    pub origin: Origin,
    pub stage: Stage,
    pub joined_at: model::Timestamp,
    pub version: u32,
    /// What it has announced and published.
    pub tracks: Vec<TrackKey>,
    /// The data tracks that it publishes.
    pub data_tracks: Vec<proto::DataTrackInfo>,
    /// As LiveKit has it: it has published, or may since a backend last said what it may.
    pub is_publisher: bool,
    /// Whom it lets have its tracks.
    pub rule: SubscriptionRule,
    /// What its client says that others may rely on: the protocol among clients, and capabilities.
    pub client_protocol: i32,
    pub capabilities: Vec<i32>,
    /// What LiveKit says of its kind in more detail.
    pub kind_details: Vec<i32>,
    /// What its call was told last of what it shows.
    pub reported: Option<Shown>,
}

impl Member {
    /// One that was let in with these claims, and has shown nothing yet.
    pub fn new(
        key: ParticipantKey,
        sid: String,
        claims: &auth::LiveKitClaims,
        grant: Grant,
        client: &proto::ClientInfo,
        joined_at: model::Timestamp,
    ) -> Self {
        Self {
            key,
            sid,
            identity: claims.sub.clone(),
            name: claims.name.clone(),
            metadata: claims.metadata.clone(),
            attributes: claims.attributes.clone(),
            kind: super::grant::kind(&claims.kind),
            grant,
            device: claims.attributes.get(crate::tokens::DEVICE_ATTRIBUTE).cloned(),
            origin: Origin::Session,
            stage: Stage::Joined,
            joined_at,
            version: 0,
            tracks: Vec::new(),
            data_tracks: Vec::new(),
            is_publisher: false,
            rule: SubscriptionRule::default(),
            client_protocol: client.client_protocol,
            capabilities: client.capabilities.clone(),
            kind_details: Vec::new(),
            reported: None,
        }
    }

    /// What its client says of it at the join, as far as its token lets it.
    pub fn describe_itself(&mut self, client: &mut ClientParameters) {
        if !self.grant.update_metadata {
            return;
        }
        if !client.metadata.is_empty() && client.metadata.len() <= LONGEST_METADATA {
            self.metadata = std::mem::take(&mut client.metadata);
        }
        let merged = merge_attributes(&self.attributes, &client.attributes);
        if !attributes_are_too_long(&merged) {
            self.attributes = merged;
        }
    }

    /// One whose media comes from elsewhere, as it is described there.
    #[allow(deprecated)]
    pub fn described(
        key: ParticipantKey,
        sid: String,
        origin: Origin,
        info: &proto::ParticipantInfo,
        joined_at: model::Timestamp,
    ) -> Self {
        let grant = Grant::permitted(&info.permission.clone().unwrap_or_default(), info.kind());
        Self {
            key,
            sid,
            identity: info.identity.clone(),
            name: info.name.clone(),
            metadata: info.metadata.clone(),
            attributes: info.attributes.clone(),
            kind: info.kind(),
            grant,
            device: None,
            origin,
            stage: Stage::Joined,
            joined_at,
            version: info.version,
            tracks: Vec::new(),
            data_tracks: Vec::new(),
            is_publisher: info.is_publisher,
            rule: SubscriptionRule::default(),
            client_protocol: info.client_protocol,
            capabilities: info.capabilities.clone(),
            kind_details: info.kind_details.clone(),
            reported: None,
        }
    }

    /// It is in another room, which forwards it to this one.
    pub fn is_forwarded(&self) -> bool {
        self.origin == Origin::Forwarded
    }

    /// It is there for the others: see [`crate::is_dependent`].
    pub fn is_dependent(&self) -> bool {
        depends(self.kind, self.grant.agent, self.grant.recorder)
    }

    /// It records.
    pub fn is_recorder(&self) -> bool {
        self.kind == proto::participant_info::Kind::Egress || self.grant.recorder
    }

    /// It lets another have one of its tracks. Who records is let have all, as in LiveKit: whoever publishes knows of it from
    /// elsewhere.
    pub fn lets_have(&self, other: &Member, track: &str) -> bool {
        other.is_recorder() || self.rule.allows(&other.identity, track)
    }

    /// It publishes this data track.
    pub fn publishes_data(&self, sid: &str) -> bool {
        self.data_tracks.iter().any(|track| track.sid == sid)
    }
}
