//! How participants join.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use livekit_protocol as proto;
use proto::DisconnectReason;
use proto::leave_request::Action;
use proto::signal_response::Message;
use sfu::{ParticipantKey, PeerConfig, PeerKey, PeerRole};

use crate::data::Mailbox;
use crate::data_tracks::DataHandles;
use crate::leave::{Departure, leave};
use crate::limits::{PING_INTERVAL, PING_TIMEOUT, TOKEN_REFRESH};
use crate::membership::admission::Turned;
use crate::membership::grant::{Grant, kind};
use crate::membership::member::{Member, Stage};
use crate::room::Room;
use crate::session::{Negotiation, Peers, Session, Signalling};
use crate::types::{ClientParameters, ConnectionId, Join, Output, RoomEvent};

/// Announced as the server's version. Clients switch features by it: RPC wants 1.8.0, and past 1.13.6 they may send VP9 and
/// AV1 as separate encodings, which is not forwarded by layer yet.
pub const SERVER_VERSION: &str = "1.13.5";
/// The signalling protocol this server speaks.
const PROTOCOL: i32 = 16;
/// What may be published.
const CODECS: [&str; 9] = [
    "audio/opus",
    "audio/red",
    "audio/PCMU",
    "audio/PCMA",
    "video/VP8",
    "video/H264",
    "video/VP9",
    "video/AV1",
    "video/H265",
];
/// What a room says that it takes, as LiveKit orders and counts it.
pub(crate) const ROOM_CODECS: [&str; 10] = [
    "audio/PCMU",
    "audio/PCMA",
    "audio/opus",
    "audio/red",
    "video/VP8",
    "video/H264",
    "video/VP9",
    "video/AV1",
    "video/H265",
    "video/rtx",
];

impl Room {
    /// A client joins or resumes over a new signalling connection. The token has been verified.
    pub fn handle_connect(&mut self, now: Instant, connection: ConnectionId, join: Join) {
        self.begin(now);
        if let Some((sid, reason)) = join.client.reconnect.clone() {
            match self.membership.revoked.covers(&join.claims) {
                true => self.turn_away(connection, Turned::Revoked),
                false => self.resume(connection, join, &sid, reason),
            }
        } else if !self.shards.is_home() {
            self.ask_in(connection, join);
        } else if let Err(turned) = self.make_place(&join.claims) {
            self.turn_away(connection, turned);
        } else {
            let sid = crate::id::sid(&mut self.rng, "PA_");
            self.enter(connection, join, sid, self.timestamp());
        }
    }

    /// A client has been let in: one more member, and the session by which it is connected.
    pub(crate) fn enter(&mut self, connection: ConnectionId, join: Join, sid: String, joined_at: model::Timestamp) {
        let Join { claims, mut client, ice_servers } = join;
        let grant = Grant::new(&claims.video, kind(&claims.kind));
        let key = self.media.join(self.now, grant.rights());
        let mut member = Member::new(key, sid, &claims, grant, &client.info, joined_at);
        member.describe_itself(&mut client);
        let subscribes = member.grant.subscribe;
        self.membership.insert(member);
        let (offer, add_tracks) = (client.publisher_offer.clone(), client.add_track_requests.clone());
        let is_dual = !client.single_peer_connection;
        self.open_session(key, connection, claims, client);
        self.announce(key);
        self.send_join_response(key, ice_servers);
        for request in add_tracks {
            self.add_track(key, request);
        }
        self.reconcile_subscriber(key);
        // What there is to receive goes into the first answer or offer already.
        self.drain_media();
        if let Some(offer) = offer {
            self.handle_first_offer(key, offer);
        }
        if is_dual && subscribes && self.sessions.contains_key(&key) {
            self.renegotiate.insert(key);
        }
        self.membership.mark_changed(key);
    }

    /// Whether the holder of a token is let in. Whoever has its identity makes place.
    pub(crate) fn make_place(&mut self, claims: &auth::LiveKitClaims) -> Result<(), Turned> {
        if self.membership.revoked.covers(claims) {
            return Err(Turned::Revoked);
        }
        if let Some(key) = self.membership.identities.get(&claims.sub).copied() {
            self.depart(key, Departure::Duplicate);
            // Before the new one is there: it must not hear of its own end.
            self.tell_changes();
        }
        self.membership.has_place(claims)
    }

    /// A new member counts from now on.
    pub(crate) fn announce(&mut self, key: ParticipantKey) {
        let Some(member) = self.membership.members.get(&key) else { return };
        let (identity, device, is_dependent) = (member.identity.clone(), member.device.clone(), member.is_dependent());
        // Back at once: it never left.
        self.membership.is_back(&identity);
        if self.shards.is_home() {
            self.event(RoomEvent::Joined { identity, device, is_dependent });
        }
        self.membership.count_changed(self.now);
    }

    /// Says why someone is not let in.
    pub(crate) fn turn_away(&mut self, connection: ConnectionId, turned: Turned) {
        let (reason, words) = match turned {
            Turned::Revoked => (DisconnectReason::ParticipantRemoved, "removed"),
            Turned::Full => (DisconnectReason::JoinFailure, "the room is full"),
            Turned::Closed => (DisconnectReason::JoinFailure, "the room is closed"),
        };
        self.send_to(connection, leave(reason, Action::Disconnect));
        self.out(Output::Close(connection, words));
    }

    fn open_session(
        &mut self,
        key: ParticipantKey,
        connection: ConnectionId,
        claims: auth::LiveKitClaims,
        client: ClientParameters,
    ) {
        let mut ufrags = Vec::new();
        let peers = if client.single_peer_connection {
            Peers::Single(self.open_peer(key, PeerRole::Both, &client, &mut ufrags))
        } else {
            Peers::Dual {
                publisher: self.open_peer(key, PeerRole::Publisher, &client, &mut ufrags),
                subscriber: self.open_peer(key, PeerRole::Subscriber, &client, &mut ufrags),
            }
        };
        let session = Session {
            key,
            token_grant: claims.video,
            token_room: claims.room_config,
            token_expires: claims.exp,
            refresh_at: self.now + TOKEN_REFRESH,
            signalling: Signalling::Connected(connection),
            peers,
            media_dead: None,
            cut_at_resume: false,
            heard: self.now,
            pinged: false,
            negotiation: Negotiation::for_client(&client.info),
            wishes: BTreeMap::new(),
            preferences: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            fed: BTreeMap::new(),
            denied: BTreeSet::new(),
            mailbox: Mailbox::default(),
            data_handles: DataHandles::default(),
            client,
        };
        self.connections.insert(connection, key);
        for peer in peers.all() {
            self.peers.insert(peer, key);
        }
        self.sessions.insert(key, session);
        for (peer, ufrag) in ufrags {
            self.out(Output::PeerOpened(peer, ufrag));
        }
    }

    fn open_peer(
        &mut self,
        key: ParticipantKey,
        role: PeerRole,
        client: &ClientParameters,
        ufrags: &mut Vec<(PeerKey, String)>,
    ) -> PeerKey {
        let ice_ufrag = format!("{}{}", self.init.ufrag_prefix, crate::id::ice_text(&mut self.rng, 8));
        let config = PeerConfig {
            role,
            ice_ufrag: ice_ufrag.clone(),
            ice_pwd: crate::id::ice_text(&mut self.rng, 24),
            candidates: self.init.candidates.clone(),
            ice_lite: Session::takes_ice_lite(client),
            red: Session::takes_red(&client.info),
        };
        let peer = self.media.open_peer(self.now, key, config);
        ufrags.push((peer, ice_ufrag));
        peer
    }

    fn send_join_response(&mut self, key: ParticipantKey, ice_servers: Vec<proto::IceServer>) {
        let (session, member) = (&self.sessions[&key], &self.membership.members[&key]);
        let response = proto::JoinResponse {
            room: Some(self.membership.room_info()),
            participant: self.membership.info(key),
            other_participants: self.membership.visible_infos(Some(key)),
            server_version: SERVER_VERSION.to_owned(),
            ice_servers,
            subscriber_primary: matches!(session.peers, Peers::Dual { .. }) && member.grant.subscribe,
            client_configuration: Some(client_configuration()),
            ping_timeout: PING_TIMEOUT,
            ping_interval: PING_INTERVAL,
            server_info: Some(server_info(&self.membership.facts.sid)),
            sif_trailer: self.membership.facts.sif_trailer.clone(),
            enabled_publish_codecs: codecs(&CODECS),
            fast_publish: member.grant.publish,
            ..Default::default()
        };
        self.send(key, Message::Join(response));
        self.tell_speakers_to(key);
    }

    /// Media is up: the others may count on it.
    pub(crate) fn activate(&mut self, key: ParticipantKey) {
        let Some(member) = self.membership.members.get_mut(&key) else { return };
        if member.stage == Stage::Active {
            return;
        }
        member.stage = Stage::Active;
        let identity = member.identity.clone();
        self.event(RoomEvent::Connected { identity });
        self.membership.mark_changed(key);
        self.hook_joined(key);
    }
}

/// What every client is told about reconnecting.
pub(crate) fn client_configuration() -> proto::ClientConfiguration {
    proto::ClientConfiguration { resume_connection: proto::ClientConfigSetting::Enabled.into(), ..Default::default() }
}

/// What every client is told about the server.
pub(crate) fn server_info(node: &str) -> proto::ServerInfo {
    proto::ServerInfo {
        edition: proto::server_info::Edition::Standard.into(),
        version: SERVER_VERSION.to_owned(),
        protocol: PROTOCOL,
        node_id: node.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn codecs(mimes: &[&str]) -> Vec<proto::Codec> {
    mimes.iter().map(|mime| proto::Codec { mime: (*mime).to_owned(), fmtp_line: String::new() }).collect()
}
