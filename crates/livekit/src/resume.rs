//! A client returns to the session it had.

use livekit_protocol as proto;
use proto::DisconnectReason;
use proto::leave_request::Action;
use proto::signal_response::Message;
use sfu::{Kind, ParticipantKey, PeerKey};

use crate::join::{client_configuration, server_info};
use crate::leave::{Departure, leave};
use crate::limits::NEWS_LOST;
use crate::room::Room;
use crate::session::{Peers, Signalling};
use crate::types::{ConnectionId, Join, Output};

impl Room {
    pub(crate) fn resume(&mut self, connection: ConnectionId, join: Join, sid: &str, _reason: i32) {
        let key = self.membership.identities.get(&join.claims.sub).copied();
        let is_meant = |key: &ParticipantKey| self.membership.members.get(key).is_some_and(|member| member.sid == sid);
        let Some(key) = key.filter(|key| is_meant(key) && self.sessions.contains_key(key)) else {
            self.send_to(connection, leave(DisconnectReason::StateMismatch, Action::Reconnect));
            self.out(Output::Close(connection, "nothing to resume"));
            return;
        };
        if self.sessions[&key].media_dead.is_some() {
            // There is nothing left that an ICE restart could mend.
            self.take_over(key, connection);
            self.depart(key, Departure::MediaLost);
            return;
        }
        let since = self.take_over(key, connection);
        if std::mem::take(&mut self.sessions.get_mut(&key).expect("found above").cut_at_resume) {
            self.out(Output::Close(connection, "simulated loss"));
            self.handle_disconnect(self.now, connection);
            return;
        }
        self.send(
            key,
            Message::Reconnect(proto::ReconnectResponse {
                ice_servers: join.ice_servers,
                client_configuration: Some(client_configuration()),
                server_info: Some(server_info(&self.membership.facts.sid)),
                last_message_seq: self.sessions[&key].mailbox.last_sequence,
            }),
        );
        self.tell_departed(key, since);
        // News of this turn is part of the snapshot for this one, and news for the others.
        self.tell_changes();
        let mut participants = self.membership.visible_infos(Some(key));
        participants.extend(self.membership.info(key));
        self.send(key, Message::Update(proto::ParticipantUpdate { participants }));
        self.send(key, Message::RoomUpdate(proto::RoomUpdate { room: Some(self.membership.room_info()) }));
        self.tell_speakers_to(key);
        self.tell_data_handles(key);
        if let Some(state) = join.client.sync_state {
            self.sync_state(key, state);
        }
        if let Some(offer) = join.client.publisher_offer {
            self.handle_offer(key, offer);
        }
        if let Some(session) = self.sessions.get_mut(&key)
            && matches!(session.peers, Peers::Dual { .. })
        {
            session.negotiation.restart_ice = true;
            self.renegotiate.insert(key);
        }
    }

    /// Where the path of a busy connection died, its client is told to resume: that restarts ICE.
    pub(crate) fn help_up(&mut self, key: ParticipantKey) {
        let Some(session) = self.sessions.get(&key) else { return };
        let (Some(connection), peers) = (session.connection(), session.peers) else { return };
        let stopped: Vec<PeerKey> = peers.all().filter(|peer| self.pulses.has_stopped(self.now, *peer)).collect();
        let sends = stopped.contains(&peers.publisher()) && self.should_send(key);
        let reports = stopped.contains(&peers.subscriber()) && self.should_report(key);
        if !sends && !reports {
            return;
        }
        // The other connection falls silent with it, if a moment later.
        peers.all().for_each(|peer| self.pulses.forget(peer));
        tracing::debug!("the path of a busy connection is dead: telling its client to resume");
        self.send_to(connection, leave(DisconnectReason::ConnectionTimeout, Action::Resume));
        self.out(Output::Close(connection, "media path lost"));
        self.handle_disconnect(self.now, connection);
    }

    /// It publishes something that is not muted.
    fn should_send(&self, key: ParticipantKey) -> bool {
        self.membership.tracks.values().any(|track| track.publisher == key && track.is_published() && !track.info.muted)
    }

    /// It gets video, whose arrival clients report all the time.
    fn should_report(&self, key: ParticipantKey) -> bool {
        let Some(session) = self.sessions.get(&key) else { return false };
        let shown = |key| session.preferences.get(key).is_none_or(|preference| !preference.disabled);
        let subscribed = session.subscribed.iter().filter(|track| shown(*track));
        subscribed
            .filter_map(|track| self.membership.tracks.get(track))
            .any(|track| track.kind == Kind::Video && !track.info.muted)
    }

    /// The new connection takes the old one's place. Returns since when news may have been missed.
    fn take_over(&mut self, key: ParticipantKey, connection: ConnectionId) -> std::time::Instant {
        let now = self.now;
        let session = self.sessions.get_mut(&key).expect("looked up by the caller");
        let old = std::mem::replace(&mut session.signalling, Signalling::Connected(connection));
        session.heard = now;
        session.pinged = false;
        session.negotiation.asked = None;
        let since = match old {
            Signalling::Connected(old) => {
                self.connections.remove(&old);
                self.out(Output::Close(old, "resumed elsewhere"));
                now
            }
            Signalling::Lost { since, .. } => since,
        };
        self.connections.insert(connection, key);
        since.checked_sub(NEWS_LOST).unwrap_or(since)
    }

    fn tell_departed(&mut self, key: ParticipantKey, since: std::time::Instant) {
        let participants = self.membership.gone_since(since);
        if !participants.is_empty() {
            self.send(key, Message::Update(proto::ParticipantUpdate { participants }));
        }
    }

    /// What the client believes, after a resume.
    pub(crate) fn sync_state(&mut self, key: ParticipantKey, state: proto::SyncState) {
        let Some(member) = self.membership.members.get(&key) else { return };
        let knows = |sid: &str| self.membership.own_track(key, sid).is_some();
        let mut tracks = state.publish_tracks.iter().map(|published| published.track.as_ref());
        let mut data = state.publish_data_tracks.iter().map(|published| published.info.as_ref());
        let agrees = tracks.all(|track| track.is_some_and(|track| knows(&track.sid)))
            && data.all(|track| track.is_some_and(|track| member.publishes_data(&track.sid)));
        if !agrees {
            self.depart(key, Departure::OutOfStep);
            return;
        }
        for sid in &state.track_sids_disabled {
            if let Some(track) = self.membership.track_sids.get(sid).copied() {
                self.disable(key, track);
            }
        }
        if let Some(subscription) = state.subscription {
            self.update_subscription(key, subscription);
        }
        if let Some(subscription) = state.data_subscription {
            self.update_data_subscription(key, subscription);
        }
        self.replay_to(key, &state.datachannel_receive_states);
    }
}
