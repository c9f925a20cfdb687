//! What a member may do, what it lets others have, and what kind of member it is. Pure.

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as proto;

/// What the token lets a participant do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Grant {
    pub publish: bool,
    /// Empty: every source.
    pub sources: Vec<proto::TrackSource>,
    pub subscribe: bool,
    pub data: bool,
    pub update_metadata: bool,
    pub subscribe_metrics: bool,
    pub hidden: bool,
    pub recorder: bool,
    pub agent: bool,
}

impl Grant {
    pub fn new(video: &auth::VideoGrant, kind: proto::participant_info::Kind) -> Self {
        let sources = video.can_publish_sources.iter().filter_map(|name| source(name)).collect::<Vec<_>>();
        // A list that names nothing we know allows nothing.
        let nothing = sources.is_empty() && !video.can_publish_sources.is_empty();
        Self {
            publish: video.can_publish.unwrap_or(true) && !nothing,
            sources,
            subscribe: video.can_subscribe.unwrap_or(true),
            data: video.can_publish_data.unwrap_or(video.can_publish.unwrap_or(true)),
            update_metadata: video.can_update_own_metadata.unwrap_or(false),
            subscribe_metrics: video.can_subscribe_metrics.unwrap_or(false),
            hidden: video.hidden,
            recorder: video.recorder,
            agent: video.agent || kind == proto::participant_info::Kind::Agent,
        }
    }

    /// What a backend lets a participant do.
    #[allow(deprecated)]
    pub fn permitted(permission: &proto::ParticipantPermission, kind: proto::participant_info::Kind) -> Self {
        let sources =
            permission.can_publish_sources.iter().filter_map(|source| proto::TrackSource::try_from(*source).ok());
        Self {
            publish: permission.can_publish,
            sources: sources.collect(),
            subscribe: permission.can_subscribe,
            data: permission.can_publish_data,
            update_metadata: permission.can_update_metadata,
            subscribe_metrics: permission.can_subscribe_metrics,
            hidden: permission.hidden,
            recorder: permission.recorder,
            agent: permission.agent || kind == proto::participant_info::Kind::Agent,
        }
    }

    pub fn may_publish(&self, source: proto::TrackSource) -> bool {
        self.publish && (self.sources.is_empty() || self.sources.contains(&source))
    }

    pub fn rights(&self) -> sfu::Rights {
        sfu::Rights { publish: self.publish, subscribe: self.subscribe }
    }

    #[allow(deprecated)]
    pub fn permission(&self) -> proto::ParticipantPermission {
        proto::ParticipantPermission {
            can_subscribe: self.subscribe,
            can_publish: self.publish,
            can_publish_data: self.data,
            can_publish_sources: self.sources.iter().map(|source| i32::from(*source)).collect(),
            hidden: self.hidden,
            recorder: self.recorder,
            can_update_metadata: self.update_metadata,
            agent: self.agent,
            can_subscribe_metrics: self.subscribe_metrics,
            can_manage_agent_session: false,
        }
    }
}

fn source(name: &str) -> Option<proto::TrackSource> {
    match name.to_ascii_lowercase().as_str() {
        "camera" => Some(proto::TrackSource::Camera),
        "microphone" => Some(proto::TrackSource::Microphone),
        "screen_share" => Some(proto::TrackSource::ScreenShare),
        "screen_share_audio" => Some(proto::TrackSource::ScreenShareAudio),
        _ => None,
    }
}

/// What a publisher lets others subscribe to.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) enum SubscriptionRule {
    /// Everyone everything.
    #[default]
    Everyone,
    /// Only these, by identity.
    Only(BTreeMap<String, Allowed>),
}

/// What one subscriber is let have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Allowed {
    /// Every track.
    All,
    /// These sids.
    Tracks(BTreeSet<String>),
}

impl SubscriptionRule {
    pub fn allows(&self, identity: &str, track: &str) -> bool {
        match self {
            SubscriptionRule::Everyone => true,
            SubscriptionRule::Only(allowed) => match allowed.get(identity) {
                None => false,
                Some(Allowed::All) => true,
                Some(Allowed::Tracks(tracks)) => tracks.contains(track),
            },
        }
    }
}

/// Whether a participant is there for the others, as agents and recorders are: it takes no place and keeps no room open.
#[allow(deprecated)]
pub fn is_dependent(info: &proto::ParticipantInfo) -> bool {
    let permission = info.permission.as_ref();
    depends(info.kind(), permission.is_some_and(|may| may.agent), permission.is_some_and(|may| may.recorder))
}

/// Whether the holder of a token will be.
pub(crate) fn comes_dependent(claims: &auth::LiveKitClaims) -> bool {
    depends(kind(&claims.kind), claims.video.agent, claims.video.recorder)
}

pub(super) fn depends(kind: proto::participant_info::Kind, agent: bool, recorder: bool) -> bool {
    use proto::participant_info::Kind;
    match kind {
        Kind::Agent | Kind::Egress => true,
        Kind::Standard | Kind::Ingress | Kind::Sip | Kind::Connector | Kind::Bridge => agent || recorder,
    }
}

/// The kind that a token names.
pub(crate) fn kind(name: &str) -> proto::participant_info::Kind {
    use proto::participant_info::Kind;
    match name.to_ascii_lowercase().as_str() {
        "ingress" => Kind::Ingress,
        "egress" => Kind::Egress,
        "sip" => Kind::Sip,
        "agent" => Kind::Agent,
        "connector" => Kind::Connector,
        "bridge" => Kind::Bridge,
        _ => Kind::Standard,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_says_yes_where_the_token_is_silent() {
        let grant = Grant::new(&auth::VideoGrant::default(), proto::participant_info::Kind::Standard);
        assert!(grant.publish && grant.subscribe && grant.data && !grant.update_metadata);
        assert!(grant.may_publish(proto::TrackSource::Camera));
    }

    #[test]
    fn sources_limit_what_is_published() {
        for (sources, camera, microphone) in [
            (vec!["camera"], true, false),
            (vec!["CAMERA", "microphone"], true, true),
            (vec!["nonsense"], false, false),
        ] {
            let can_publish_sources = sources.into_iter().map(str::to_owned).collect();
            let video = auth::VideoGrant { can_publish_sources, ..Default::default() };
            let grant = Grant::new(&video, proto::participant_info::Kind::Standard);
            assert_eq!(grant.may_publish(proto::TrackSource::Camera), camera);
            assert_eq!(grant.may_publish(proto::TrackSource::Microphone), microphone);
        }
    }

    #[test]
    fn a_rule_allows_by_identity_and_track() {
        let tracks = Allowed::Tracks(["TR_1".to_owned()].into());
        let rule = SubscriptionRule::Only([("bob".to_owned(), tracks), ("carol".to_owned(), Allowed::All)].into());
        for (identity, track, allowed) in
            [("bob", "TR_1", true), ("bob", "TR_2", false), ("carol", "TR_2", true), ("dave", "TR_1", false)]
        {
            assert_eq!(rule.allows(identity, track), allowed, "{identity} {track}");
        }
        assert!(SubscriptionRule::Everyone.allows("dave", "TR_1"));
    }
}
