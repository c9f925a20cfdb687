//! One participant: who it is, what it may do, how it is connected.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use livekit_protocol as proto;
use sfu::{MidName, ParticipantKey, PeerKey, TrackKey, TrackPreference};

use crate::data::Mailbox;
use crate::data_tracks::DataTracks;
use crate::lines::Lines;
use crate::types::{ClientParameters, ConnectionId};

/// The signalling connection of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// Up.
    Connected(ConnectionId),
    /// Down; the client may resume.
    Lost {
        /// Since.
        since: Instant,
        /// Until then.
        until: Instant,
    },
    /// There is none: the participant is in another room and only shown here.
    Cascaded,
}

/// How far a participant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Signalling is up.
    Joined,
    /// Media has been up.
    Active,
}

/// The WebRTC connections of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peers {
    /// One for both ways.
    Single(PeerKey),
    /// One each way.
    Dual {
        /// From the client; the client offers.
        publisher: PeerKey,
        /// To the client; the server offers.
        subscriber: PeerKey,
    },
    /// None: what it publishes comes from another room.
    Cascaded,
}

/// No connection has this key.
const NO_PEER: PeerKey = PeerKey(0);

impl Peers {
    /// Where the client's offers go.
    pub fn publisher(self) -> PeerKey {
        match self {
            Peers::Single(peer) | Peers::Dual { publisher: peer, .. } => peer,
            Peers::Cascaded => NO_PEER,
        }
    }

    /// Where media and data for the client go.
    pub fn subscriber(self) -> PeerKey {
        match self {
            Peers::Single(peer) | Peers::Dual { subscriber: peer, .. } => peer,
            Peers::Cascaded => NO_PEER,
        }
    }

    /// Every one.
    pub fn all(self) -> impl Iterator<Item = PeerKey> {
        let (first, second) = match self {
            Peers::Single(peer) => (Some(peer), None),
            Peers::Dual { publisher, subscriber } => (Some(publisher), Some(subscriber)),
            Peers::Cascaded => (None, None),
        };
        [first, second].into_iter().flatten()
    }
}

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

/// Negotiation towards a participant.
#[derive(Debug, Default)]
pub(crate) struct Negotiation {
    /// The m-lines the server sends on.
    pub lines: Lines,
    /// One connection: the client's first offer is here. Until then nothing is asked for, for it brings m-lines anyway.
    pub offered: bool,
    /// One connection: the client was asked for an offer then, with so many lines more.
    pub asked: Option<(Instant, u32, u32)>,
    /// Two connections: the server's last offer.
    pub offer: Option<ServerOffer>,
    /// One connection: the offer of the join, until then or until the client is known to have applied it.
    pub held_offer: Option<(Instant, proto::SessionDescription)>,
    /// Number of the server's last offer; also its version.
    pub offers: u32,
    /// Two connections: restart ICE with the next offer.
    pub restart_ice: bool,
    /// m-lines of the client's last offer that send and have no track yet.
    pub unclaimed: Vec<sfu::OfferedMedia>,
}

impl Negotiation {
    pub fn for_client(info: &proto::ClientInfo) -> Self {
        let reuse = info.sdk == i32::from(proto::client_info::Sdk::Js);
        Self { lines: Lines::new(reuse), ..Self::default() }
    }
}

/// An offer of the server.
#[derive(Debug, Clone)]
pub(crate) struct ServerOffer {
    /// As the stack made it.
    pub sdp: String,
    /// What the client has been told about each m-line.
    pub told: Vec<(MidName, TrackKey)>,
    /// The answer is out.
    pub outstanding: Option<Outstanding>,
}

/// Who waits for the answer to an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outstanding {
    /// The stack.
    Stack,
    /// Nobody: only msids changed.
    Text,
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

/// One participant.
#[derive(Debug)]
pub(crate) struct Session {
    pub key: ParticipantKey,
    pub sid: String,
    pub identity: String,
    pub name: String,
    pub metadata: String,
    pub attributes: HashMap<String, String>,
    pub kind: proto::participant_info::Kind,
    pub grant: Grant,
    /// The token's grant and what it says of the room, for fresh ones.
    pub token_grant: auth::VideoGrant,
    pub token_room: Option<serde_json::Map<String, serde_json::Value>>,
    /// When the token expires, in seconds since the epoch.
    pub token_expires: u64,
    /// The device the token was made for.
    pub device: Option<String>,
    /// When a fresh token is due.
    pub refresh_at: Instant,
    pub client: ClientParameters,
    pub link: Link,
    pub stage: Stage,
    pub peers: Peers,
    pub joined_at: model::Timestamp,
    pub version: u32,
    /// Its media connection has died: until then it may say why.
    pub media_dead: Option<Instant>,
    /// Cut its signalling at the next resume (a test's wish).
    pub cut_at_resume: bool,
    /// A message came then; `pinged`: the client is one that pings.
    pub heard: Instant,
    pub pinged: bool,

    /// Own tracks, announced and published.
    pub tracks: Vec<TrackKey>,
    /// As LiveKit has it: it has published, or may since a backend last said what it may.
    pub is_publisher: bool,
    pub rule: SubscriptionRule,
    pub negotiation: Negotiation,
    /// Subscriptions the client asked for or against.
    pub wishes: BTreeMap<TrackKey, bool>,
    pub preferences: BTreeMap<TrackKey, TrackPreference>,
    /// What the media room was told to subscribe to.
    pub subscribed: BTreeSet<TrackKey>,
    /// Subscriptions that are fed from another codec than the track's first, with the media room's track of it.
    pub fed: BTreeMap<TrackKey, TrackKey>,
    /// Tracks the publisher withholds from this one.
    pub denied: BTreeSet<TrackKey>,

    pub mailbox: Mailbox,
    pub data_tracks: DataTracks,
    /// Microphone muted or absent, camera on, screen shared: as last reported.
    pub reported: Option<(bool, bool, bool)>,
}

impl Session {
    /// One that is in another room and shown here.
    #[allow(deprecated)]
    pub fn shown(
        key: ParticipantKey,
        sid: String,
        info: &proto::ParticipantInfo,
        now: Instant,
        joined_at: model::Timestamp,
    ) -> Self {
        let permission = info.permission.clone().unwrap_or_default();
        let grant = Grant {
            subscribe: false,
            data: false,
            recorder: permission.recorder,
            agent: permission.agent,
            ..Grant::new(&auth::VideoGrant::default(), info.kind())
        };
        Self {
            key,
            sid,
            identity: info.identity.clone(),
            name: info.name.clone(),
            metadata: info.metadata.clone(),
            attributes: info.attributes.clone(),
            kind: info.kind(),
            grant,
            token_grant: auth::VideoGrant::default(),
            token_room: None,
            token_expires: 0,
            device: None,
            refresh_at: now,
            client: ClientParameters::default(),
            link: Link::Cascaded,
            stage: Stage::Active,
            peers: Peers::Cascaded,
            joined_at,
            version: 0,
            media_dead: None,
            cut_at_resume: false,
            heard: now,
            pinged: false,
            tracks: Vec::new(),
            is_publisher: info.is_publisher,
            rule: SubscriptionRule::default(),
            negotiation: Negotiation::default(),
            wishes: BTreeMap::new(),
            preferences: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            fed: BTreeMap::new(),
            denied: BTreeSet::new(),
            mailbox: Mailbox::default(),
            data_tracks: DataTracks::default(),
            reported: None,
        }
    }

    /// It is in another room and shown here.
    pub fn is_cascaded(&self) -> bool {
        self.link == Link::Cascaded
    }

    /// It is there for the others: see [`is_dependent`].
    pub fn is_dependent(&self) -> bool {
        depends(self.kind, self.grant.agent, self.grant.recorder)
    }

    /// It records.
    pub fn is_recorder(&self) -> bool {
        self.kind == proto::participant_info::Kind::Egress || self.grant.recorder
    }

    /// It lets another have one of its tracks. Who records is let have all, as in LiveKit: whoever publishes knows of it from elsewhere.
    pub fn lets_have(&self, other: &Session, track: &str) -> bool {
        other.is_recorder() || self.rule.allows(&other.identity, track)
    }

    /// Its WebSocket, where it has one.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self.link {
            Link::Connected(connection) => Some(connection),
            Link::Lost { .. } | Link::Cascaded => None,
        }
    }

    /// Redundant audio can be decoded there.
    pub fn takes_red(info: &proto::ClientInfo) -> bool {
        let browser = info.browser.to_ascii_lowercase();
        !browser.contains("firefox") && !browser.contains("safari")
    }

    /// The client finds a track in a stream that is not named by it: not before protocol 10, and not in Firefox.
    pub fn takes_synced_streams(&self) -> bool {
        self.client.info.protocol > 9 && !self.client.info.browser.to_ascii_lowercase().contains("firefox")
    }

    /// The client applies its own offer only after the join response, and would drop an answer that was here first.
    pub fn applies_offer_late(&self) -> bool {
        self.client.info.sdk == i32::from(proto::client_info::Sdk::Go)
    }

    /// The client copes with an ICE-lite server.
    pub fn takes_ice_lite(client: &ClientParameters) -> bool {
        !client.disable_ice_lite && !client.info.browser.to_ascii_lowercase().contains("firefox")
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

fn depends(kind: proto::participant_info::Kind, agent: bool, recorder: bool) -> bool {
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
