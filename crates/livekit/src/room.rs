//! One LiveKit room: the methods that its owner calls, and the order in which it handles events.
//!
//! Who is in it, and what that decides, is in [`crate::membership`]. What needs sessions or media is in modules of its own, as
//! `impl Room`: `join`, `leave`, `resume`, `signal`, `negotiate`, `tracks`, `subscriptions`, `updates`, `feedback`, `data`,
//! `data_tracks`, `requests`, `rpc`, `tokens`, `hooks`; and what reaches beyond this room in `shards`, `cascade`, `mirror` and
//! `trunk`. Nothing here does I/O.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use rustc_hash::FxHashMap;
use sfu::{MediaEvent, MediaRoom, ParticipantKey, PeerKey, TrackKey};

use crate::cascade::Cascades;
use crate::data::Replay;
use crate::leave::Departure;
use crate::limits::{DATA_RETRY, LAST_WORDS, OFFER_PATIENCE, SILENCE};
use crate::membership::Membership;
use crate::pulse::Pulses;
use crate::recording::Recordings;
use crate::requests::Nonces;
use crate::rpc::Rpcs;
use crate::session::{Session, Signalling};
use crate::shards::Shards;
use crate::trunk::Trunks;
use crate::types::{ConnectionId, Output, RoomEvent, RoomInit};

/// One LiveKit room: sessions over a media room. Sans-IO: call `handle_*`, then [`Room::poll_output`] until
/// [`Output::Timeout`].
#[derive(Debug)]
pub struct Room {
    pub(crate) init: RoomInit,
    pub(crate) media: MediaRoom,
    pub(crate) rng: fastrand::Rng,
    pub(crate) now: Instant,
    /// Who is in it.
    pub(crate) membership: Membership,
    /// Its part in it, where others have one, too.
    pub(crate) shards: Shards,
    /// Media from and to elsewhere.
    pub(crate) trunks: Trunks,
    pub(crate) cascades: Cascades,
    pub(crate) recordings: Recordings,
    pub(crate) rpcs: Rpcs,
    pub(crate) nonces: Nonces,

    /// The clients that are connected to it.
    pub(crate) sessions: BTreeMap<ParticipantKey, Session>,
    pub(crate) connections: FxHashMap<ConnectionId, ParticipantKey>,
    pub(crate) peers: FxHashMap<PeerKey, ParticipantKey>,
    pub(crate) pulses: Pulses,
    /// The media room's tracks that hold another codec of a track.
    pub(crate) backups: BTreeMap<TrackKey, TrackKey>,
    pub(crate) replay: Replay,

    /// Who needs an offer (or to be asked for one) at the end of the turn.
    pub(crate) renegotiate: BTreeSet<ParticipantKey>,
    pub(crate) quality: BTreeMap<ParticipantKey, sfu::Quality>,
    /// Who speaks: the bits of each level.
    pub(crate) speaking: BTreeMap<ParticipantKey, u32>,

    /// The next of the room's own timers; `None`: to be computed again.
    next_timer: Option<Instant>,
    outputs: VecDeque<Output>,
}

impl Room {
    /// An empty room.
    pub fn new(now: Instant, init: RoomInit) -> Self {
        let mut room = Self::open(now, init);
        room.hook_started();
        room
    }

    pub(crate) fn open(now: Instant, mut init: RoomInit) -> Self {
        let options = std::mem::take(&mut init.options);
        let mut rng = fastrand::Rng::with_seed(init.seed);
        let membership = Membership::new(now, &init, &mut rng);
        let mut room = Self {
            media: MediaRoom::new(now, init.media.clone()),
            init,
            rng,
            now,
            membership,
            shards: Shards::default(),
            trunks: Trunks::default(),
            cascades: Cascades::default(),
            recordings: Recordings::default(),
            rpcs: Rpcs::default(),
            nonces: Nonces::default(),
            sessions: BTreeMap::new(),
            connections: FxHashMap::default(),
            peers: FxHashMap::default(),
            pulses: Pulses::default(),
            backups: BTreeMap::new(),
            replay: Replay::default(),
            renegotiate: BTreeSet::new(),
            quality: BTreeMap::new(),
            speaking: BTreeMap::new(),
            next_timer: None,
            outputs: VecDeque::new(),
        };
        room.apply(options);
        room
    }

    /// Its sid.
    pub fn sid(&self) -> &str {
        &self.membership.facts.sid
    }

    /// A WebSocket is gone: its participant may resume for `departure_timeout`.
    pub fn handle_disconnect(&mut self, now: Instant, connection: ConnectionId) {
        self.begin(now);
        if self.forget_entering(connection) {
            return;
        }
        if let Some(key) = self.connections.remove(&connection)
            && let Some(session) = self.sessions.get_mut(&key)
        {
            session.signalling = Signalling::Lost { since: now, until: now + self.init.departure_timeout };
            session.negotiation.asked = None;
        }
    }

    /// A datagram of a peer: feed only, then `flush`.
    pub fn handle_datagram(&mut self, now: Instant, peer: PeerKey, datagram: sfu::Datagram<'_>) {
        self.now = now;
        self.pulses.beat(now, peer);
        self.media.handle_datagram(now, peer, datagram);
    }

    /// Writes out what was fed since the last flush.
    pub fn flush(&mut self, now: Instant) {
        self.now = now;
        self.media.flush(now);
    }

    /// Timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.media.handle_timeout(now);
        if self.next_timer.is_none_or(|due| due <= now) {
            self.begin(now);
            self.expire();
        }
    }

    /// Puts a participant out; false where there is none.
    pub fn remove_participant(&mut self, now: Instant, identity: &str) -> bool {
        self.begin(now);
        let Some(key) = self.membership.identities.get(identity).copied() else { return false };
        self.depart(key, Departure::Removed);
        true
    }

    /// Deletes the room: everyone is told.
    pub fn close(&mut self, now: Instant) {
        self.end(now, Departure::Closed(proto::DisconnectReason::RoomDeleted));
    }

    /// The server stops: clients are told to come back (to a restarted server) rather than that the room is gone.
    pub fn shut_down(&mut self, now: Instant) {
        self.end(now, Departure::ServerShutdown);
    }

    pub(crate) fn end(&mut self, now: Instant, departure: Departure) {
        self.begin(now);
        if !self.membership.close() {
            return;
        }
        self.end_shards(departure);
        self.turn_all_away();
        let keys: Vec<_> = self.membership.members.keys().copied().collect();
        for key in keys {
            self.depart(key, departure);
        }
        self.believe_goodbyes(None);
        self.hook_finished();
    }

    /// Participants now, those who may still resume included.
    pub fn participant_count(&self) -> usize {
        self.membership.members.len()
    }

    /// Counters.
    pub fn stats(&self) -> sfu::RoomStats {
        self.media.stats()
    }

    /// How a participant's connections do, by identity: the one to it, where it has two.
    pub fn peer_stats(&self, identity: &str) -> Option<sfu::PeerStats> {
        let session = self.sessions.get(self.membership.identities.get(identity)?)?;
        self.media.peer_stats(session.peers.subscriber())
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Output {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            match self.media.poll_output() {
                sfu::Output::Transmit(transmit) => return Output::Transmit(transmit),
                sfu::Output::Event(event) => {
                    self.next_timer = None;
                    self.handle_media(event);
                }
                sfu::Output::Tapped(tapped) => self.take_tapped(tapped),
                sfu::Output::Timeout(media) => {
                    if self.finish_turn() {
                        continue;
                    }
                    return Output::Timeout(media.min(self.timer()));
                }
            }
        }
    }

    /// A turn begins that may change anything.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.now = now;
        self.next_timer = None;
    }

    /// What is said once a turn, after all of its changes. False where nothing was left to say.
    fn finish_turn(&mut self) -> bool {
        if self.membership.changed.is_empty() && self.membership.farewells.is_empty() && self.renegotiate.is_empty() {
            return false;
        }
        self.next_timer = None;
        self.review_recordings();
        self.tell_changes();
        self.negotiate_all();
        true
    }

    /// Lets the media room catch up with what it was told, its outputs kept for later.
    pub(crate) fn drain_media(&mut self) {
        loop {
            match self.media.poll_output() {
                sfu::Output::Transmit(transmit) => self.outputs.push_back(Output::Transmit(transmit)),
                sfu::Output::Event(event) => self.handle_media(event),
                sfu::Output::Tapped(tapped) => self.take_tapped(tapped),
                sfu::Output::Timeout(_) => return,
            }
        }
    }

    fn handle_media(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::PeerConnected(peer) => self.peer_connected(peer),
            // The client notices, and restarts ICE.
            MediaEvent::PeerDisconnected(_) => {}
            MediaEvent::PeerClosed(peer) => self.peer_closed(peer),
            MediaEvent::IceUfrag(peer, ufrag) => self.ice_ufrag(peer, ufrag),
            MediaEvent::DataOpen(peer, lane) => self.data_open(peer, lane),
            MediaEvent::Data(peer, lane, bytes) => self.data_received(peer, lane, bytes),
            MediaEvent::TrackStarted { track, codec } => self.track_started(track, codec),
            MediaEvent::EncodingStarted { track, layer, ssrc } => self.encoding_started(track, layer, ssrc),
            MediaEvent::SubscriptionWanted { subscriber, track } => {
                self.subscription_wanted(subscriber, self.track_of(track));
            }
            MediaEvent::SubscriptionEnded { subscriber, track, mid: _ } => {
                self.subscription_ended(subscriber, self.track_of(track));
            }
            MediaEvent::SubscriptionStarted { subscriber: _, track } => self.subscription_started(self.track_of(track)),
            MediaEvent::StreamState { subscriber, track, paused } => {
                self.stream_state(subscriber, self.track_of(track), paused);
            }
            MediaEvent::LayerDemand { track, highest } => self.layer_demand(track, highest),
            MediaEvent::KeyframeWanted { track, layer } => self.keyframe_wanted(track, layer),
            MediaEvent::Speakers(speakers) => self.speakers_changed(&speakers),
            MediaEvent::Quality(quality) => self.quality_measured(&quality),
        }
    }

    fn peer_connected(&mut self, peer: PeerKey) {
        let Some(key) = self.peers.get(&peer).copied() else { return };
        let (Some(session), Some(member)) = (self.sessions.get(&key), self.membership.members.get(&key)) else {
            return;
        };
        if session.peers.subscriber() == peer || !member.grant.subscribe {
            self.activate(key);
        }
    }

    /// A connection is dead. Unless its client is just leaving, it must join again.
    fn peer_closed(&mut self, peer: PeerKey) {
        let session = self.peers.get(&peer).and_then(|key| self.sessions.get_mut(key));
        if let Some(session) = session {
            session.media_dead.get_or_insert(self.now + LAST_WORDS);
        }
    }

    pub(crate) fn out(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// To a participant, where it is connected.
    pub(crate) fn send(&mut self, key: ParticipantKey, message: proto::signal_response::Message) {
        if let Some(connection) = self.sessions.get(&key).and_then(Session::connection) {
            self.send_to(connection, message);
        }
    }

    pub(crate) fn send_to(&mut self, connection: ConnectionId, message: proto::signal_response::Message) {
        self.out(Output::Signal(connection, Box::new(proto::SignalResponse { message: Some(message) })));
    }

    /// Wall-clock time at `self.now`.
    pub(crate) fn timestamp(&self) -> model::Timestamp {
        let (opened, timestamp) = self.init.opened;
        timestamp + self.now.saturating_duration_since(opened)
    }

    /// When the room itself wants to be called.
    fn timer(&mut self) -> Instant {
        if let Some(next) = self.next_timer {
            return next;
        }
        let far = self.now + Duration::from_secs(3600);
        let next = self.sessions.values().map(|session| self.session_timer(session)).min().unwrap_or(far);
        let dues = [
            self.membership.empty_due(),
            self.membership.counts_due(self.now),
            self.membership.goodbye_due(),
            self.rpcs.due(),
        ];
        let next = dues.into_iter().flatten().fold(next.min(far), Instant::min);
        self.next_timer = Some(next);
        next
    }

    fn session_timer(&self, session: &Session) -> Instant {
        let signalling = match session.signalling {
            Signalling::Lost { until, .. } => until,
            Signalling::Connected(_) => session.heard + SILENCE,
        };
        let data = session.mailbox.is_waiting().then(|| self.now + DATA_RETRY);
        let asked = session.negotiation.asked.map(|(at, ..)| at + OFFER_PATIENCE);
        let held = session.negotiation.held_offer.as_ref().map(|(until, _)| *until);
        let dead = session.media_dead.filter(|_| session.connection().is_some());
        let stopped =
            session.peers.all().filter(|_| session.connection().is_some()).filter_map(|p| self.pulses.due(p)).min();
        let refresh = session.connection().map(|_| session.refresh_at);
        [Some(signalling), data, asked, held, dead, stopped, refresh]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(signalling)
            .max(self.now + Duration::from_millis(1))
    }

    /// Says of those who left before `until` that they did; `None`: of all.
    fn believe_goodbyes(&mut self, until: Option<Instant>) {
        for identity in self.membership.take_goodbyes(until) {
            self.event(RoomEvent::Left { identity, clean: true });
        }
    }

    fn expire(&mut self) {
        let now = self.now;
        let keys: Vec<_> = self.sessions.keys().copied().collect();
        for key in keys {
            let Some(session) = self.sessions.get_mut(&key) else { continue };
            match session.signalling {
                Signalling::Lost { until, .. } if until <= now => {
                    self.depart(key, Departure::Lost);
                    continue;
                }
                Signalling::Connected(connection) if session.heard + SILENCE <= now => {
                    if session.pinged {
                        self.out(Output::Close(connection, "ping timeout"));
                        self.handle_disconnect(now, connection);
                    } else {
                        session.heard = now;
                    }
                }
                Signalling::Lost { .. } | Signalling::Connected(_) => {}
            }
            if self
                .sessions
                .get(&key)
                .is_some_and(|s| s.connection().is_some() && s.media_dead.is_some_and(|at| at <= now))
            {
                self.depart(key, Departure::MediaLost);
                continue;
            }
            let held = self.sessions.get(&key).and_then(|session| session.negotiation.held_offer.as_ref());
            if held.is_some_and(|(until, _)| *until <= now) {
                self.release_offer(key);
            }
            self.help_up(key);
            self.retry_data(key);
            self.retry_asking(key);
            self.refresh_if_due(key);
        }
        self.expire_rpcs();
        self.believe_goodbyes(Some(now));
        if self.membership.counts_due(now).is_some_and(|due| due <= now) {
            self.send_room_update();
        }
        if self.membership.empty_due().is_some_and(|due| due <= now) {
            self.end(now, Departure::Closed(proto::DisconnectReason::RoomClosed));
            self.event(RoomEvent::Empty);
        }
    }
}
