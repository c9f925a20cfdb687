//! [`MediaRoom`]: one room with its peers, the type a worker thread owns and drives.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::keyed::Keyed;
use crate::peer::{Peer, PeerEvent};
use crate::room::packet::{Egress, Packet};
use crate::room::{Line, Room, RoomOutput};
use crate::tap::{TapId, TapLayers, TapPacket};
use crate::types::{
    Codec, DataLane, Datagram, Kind, Layer, LayerSpec, MediaEvent, MidName, Negotiated, NegotiationError, Output,
    ParticipantKey, PeerConfig, PeerKey, PeerStats, PlayoutDelay, Rights, RoomConfig, RoomStats, TrackKey,
    TrackPreference, TrackSpec,
};

/// What a room without anything to do waits for.
const IDLE: Duration = Duration::from_secs(3_600);
/// A connected client that says nothing for this long is lost: it checks its path every 2.5 s or more often.
const SILENT: Duration = Duration::from_secs(8);

/// A room and the WebRTC connections in it. Sans-IO: feed it with `handle_*` and commands, then take
/// [`MediaRoom::poll_output`] until it says [`Output::Timeout`].
///
/// A broken invariant panics. Whoever runs rooms side by side keeps that from the others.
#[derive(Debug)]
pub struct MediaRoom {
    config: RoomConfig,
    room: Room,
    peers: Keyed<PeerKey, Box<Peer>>,
    tracks: Keyed<TrackKey, PeerKey>,
    next_peer: u32,
    /// Connections with packets queued.
    dirty: Vec<PeerKey>,
    playout_delay: Option<PlayoutDelay>,
    events: VecDeque<PeerEvent>,
    outputs: VecDeque<Output>,
    last_now: Instant,
}

impl MediaRoom {
    /// An empty room.
    pub fn new(now: Instant, config: RoomConfig) -> Self {
        Self {
            room: Room::new(config.clone()),
            config,
            peers: Keyed::default(),
            tracks: Keyed::default(),
            next_peer: 1,
            dirty: Vec::new(),
            playout_delay: None,
            events: VecDeque::new(),
            outputs: VecDeque::new(),
            last_now: now,
        }
    }

    /// Adds a participant.
    pub fn join(&mut self, now: Instant, rights: Rights) -> ParticipantKey {
        self.turn(now, |room| room.room.join(now, rights))
    }

    /// Takes a participant out: closes its peers, ends its tracks and subscriptions.
    pub fn leave(&mut self, now: Instant, participant: ParticipantKey) {
        self.turn(now, |room| {
            let of_participant = room.peers.iter().filter(|(_, peer)| peer.participant == participant);
            let peers: Vec<_> = of_participant.map(|(key, _)| key).collect();
            room.room.leave(now, participant);
            for peer in peers {
                room.remove_peer(now, peer);
            }
        });
    }

    /// Changes what a participant may do; what it may no longer do ends.
    pub fn set_rights(&mut self, now: Instant, participant: ParticipantKey, rights: Rights) {
        self.turn(now, |room| room.room.set_rights(now, participant, rights));
    }

    /// How long subscribers are asked to hold video back. `None`: as publishers ask.
    pub fn set_playout_delay(&mut self, delay: Option<PlayoutDelay>) {
        self.playout_delay = delay;
        for (_, peer) in self.peers.iter_mut() {
            peer.set_playout_delay(delay);
        }
    }

    /// Opens a connection for a participant.
    pub fn open_peer(&mut self, now: Instant, participant: ParticipantKey, config: PeerConfig) -> PeerKey {
        let key = PeerKey(self.next_peer);
        self.next_peer += 1;
        self.turn(now, |room| {
            let mut peer = Peer::new(now, key, participant, config, &room.config);
            peer.set_playout_delay(room.playout_delay);
            room.peers.insert(key, Box::new(peer));
        });
        key
    }

    /// Closes a connection. No event follows.
    pub fn close_peer(&mut self, now: Instant, peer: PeerKey) {
        self.turn(now, |room| room.remove_peer(now, peer));
    }

    /// Takes an offer of the client and answers it.
    pub fn accept_offer(&mut self, now: Instant, peer: PeerKey, sdp: &str) -> Result<Negotiated, NegotiationError> {
        self.negotiate(now, peer, |peer, events| peer.accept_offer(sdp, events))
    }

    /// Makes an offer to the client. `None`: nothing to negotiate, or an offer is outstanding (ask again after its answer).
    pub fn create_offer(
        &mut self,
        now: Instant,
        peer: PeerKey,
        ice_restart: bool,
    ) -> Result<Option<String>, NegotiationError> {
        self.negotiate(now, peer, |peer, events| Ok(peer.create_offer(ice_restart, events)))
    }

    /// Takes the client's answer to the outstanding offer.
    pub fn accept_answer(&mut self, now: Instant, peer: PeerKey, sdp: &str) -> Result<(), NegotiationError> {
        self.negotiate(now, peer, |peer, _| peer.accept_answer(sdp))
    }

    /// Adds a candidate the client trickled: the `candidate:…` attribute, with or without `a=`.
    pub fn add_remote_candidate(
        &mut self,
        now: Instant,
        peer: PeerKey,
        candidate: &str,
    ) -> Result<(), NegotiationError> {
        self.negotiate(now, peer, |peer, _| peer.add_remote_candidate(candidate))
    }

    /// Announces a track.
    pub fn publish(&mut self, now: Instant, participant: ParticipantKey, spec: TrackSpec) -> TrackKey {
        self.turn(now, |room| room.room.publish(now, participant, spec))
    }

    /// Ties a track to the m-line its packets come in on. `rids` as offered: `q`, `h`, `f`; empty: one encoding.
    pub fn bind_track(&mut self, now: Instant, track: TrackKey, peer: PeerKey, mid: MidName, rids: &[String]) {
        self.turn(now, |room| {
            let participant = room.room.track_owner(track);
            let Some(known) = room.peers.get_mut(peer).filter(|peer| Some(peer.participant) == participant) else {
                return;
            };
            let layers = known.bind_track(track, &mid, rids);
            if let Some(codec) = known.offered_codecs(&mid).first().copied() {
                room.room.suppose_codec(track, codec);
            }
            room.tracks.insert(track, peer);
            room.room.bind_track(now, track, &layers);
        });
    }

    /// The client no longer sends a track, which may come again.
    pub fn unbind_track(&mut self, now: Instant, track: TrackKey) {
        self.turn(now, |room| {
            room.unbind(track);
            room.room.bind_track(now, track, &[]);
        });
    }

    /// Says what will come of a track: its codec, as its publisher announced it, and what follows silence of the server's own
    /// where frames are encrypted.
    pub fn expect_media(&mut self, now: Instant, track: TrackKey, codec: Option<Codec>, trailer: Arc<[u8]>) {
        self.turn(now, |room| room.room.expect_media(track, codec, trailer));
    }

    /// Announces another codec of a track, for those who cannot take its first: a track of its own, which is bound, muted and
    /// unpublished like any. [`MediaEvent::LayerDemand`] says when somebody wants it. `None`: there is no such track.
    pub fn publish_backup(
        &mut self,
        now: Instant,
        of: TrackKey,
        codec: Codec,
        layers: Vec<LayerSpec>,
    ) -> Option<TrackKey> {
        self.turn(now, |room| room.room.publish_backup(now, of, codec, layers))
    }

    /// Feeds a subscription from another codec of the same track from now on. Its m-line stays, and so does what the client sees; to
    /// this room it is a subscription to that track.
    pub fn move_subscription(&mut self, now: Instant, subscriber: ParticipantKey, from: TrackKey, to: TrackKey) {
        self.turn(now, |room| room.room.move_subscription(now, subscriber, from, to));
    }

    /// What the client can take on an m-line, by what was negotiated last. Empty: nothing was.
    pub fn line_codecs(&self, peer: PeerKey, mid: &MidName) -> Vec<Codec> {
        self.peers.get(peer).map(|peer| peer.takes(mid)).unwrap_or_default()
    }

    /// The codecs that the client named on an m-line on which it sends, in its order. Empty: there is no such line.
    pub fn offered_codecs(&self, peer: PeerKey, mid: &MidName) -> Vec<Codec> {
        self.peers.get(peer).map(|peer| peer.offered_codecs(mid)).unwrap_or_default()
    }

    /// Adds a reader to a track, which gets its packets as [`Output::Tapped`] from now on. `None`: there is no such track, or it
    /// has too many readers.
    pub fn add_tap(&mut self, now: Instant, track: TrackKey, layers: TapLayers) -> Option<TapId> {
        self.turn(now, |room| room.room.add_tap(now, track, layers))
    }

    /// Gives a tap other encodings.
    pub fn set_tap(&mut self, now: Instant, track: TrackKey, tap: TapId, layers: TapLayers) {
        self.turn(now, |room| room.room.set_tap(now, track, tap, layers));
    }

    /// Takes a reader away. Only what was put out before may still name it.
    pub fn remove_tap(&mut self, now: Instant, track: TrackKey, tap: TapId) {
        self.turn(now, |room| room.room.remove_tap(now, track, tap));
    }

    /// A tap cannot go on without a keyframe: of one encoding, or (`None`) of all that it gets.
    pub fn handle_tap_keyframe_request(&mut self, now: Instant, track: TrackKey, tap: TapId, layer: Option<Layer>) {
        self.turn(now, |room| room.room.handle_tap_keyframe_request(now, track, tap, layer));
    }

    /// Ties a track to what a tap of another room gets of it, in these encodings: see [`MediaRoom::handle_tapped`]. Nothing is
    /// wanted of it until [`MediaEvent::LayerDemand`] says so, of audio, too.
    pub fn bind_tapped(&mut self, now: Instant, track: TrackKey, layers: &[Layer]) {
        self.turn(now, |room| room.room.bind_tapped(now, track, layers));
    }

    /// A packet of a track that is tied to a tap of another room.
    pub fn handle_tapped(&mut self, now: Instant, track: TrackKey, tapped: &TapPacket) {
        self.turn(now, |room| {
            room.room.handle_packet(now, track, tapped.layer, Packet::clone(&tapped.packet));
            room.distribute();
        });
    }

    /// The encodings a track's packets come in.
    pub fn bound_layers(&self, track: TrackKey) -> Vec<Layer> {
        self.room.bound_layers(track)
    }

    /// Ends a track and every subscription to it.
    pub fn unpublish(&mut self, now: Instant, track: TrackKey) {
        self.turn(now, |room| {
            room.unbind(track);
            room.room.unpublish(now, track);
        });
    }

    /// Mutes or unmutes a track.
    pub fn set_track_muted(&mut self, now: Instant, track: TrackKey, muted: bool) {
        self.turn(now, |room| room.room.set_track_muted(now, track, muted));
    }

    /// Subscribes a participant to a track. [`MediaEvent::SubscriptionWanted`] follows once the track is bound.
    pub fn subscribe(&mut self, now: Instant, subscriber: ParticipantKey, track: TrackKey) {
        self.turn(now, |room| room.room.subscribe(now, subscriber, track));
    }

    /// Ends a subscription. [`MediaEvent::SubscriptionEnded`] follows.
    pub fn unsubscribe(&mut self, now: Instant, subscriber: ParticipantKey, track: TrackKey) {
        self.turn(now, |room| room.room.unsubscribe(now, subscriber, track));
    }

    /// Says what a subscriber wants of a track.
    pub fn set_preference(
        &mut self,
        now: Instant,
        subscriber: ParticipantKey,
        track: TrackKey,
        preference: TrackPreference,
    ) {
        self.turn(now, |room| room.room.set_preference(now, subscriber, track, preference));
    }

    /// Gives a subscription its m-line: forwarding starts with the next keyframe. The m-line may still be under
    /// negotiation; packets flow once it is settled.
    pub fn bind_subscription(
        &mut self,
        now: Instant,
        subscriber: ParticipantKey,
        track: TrackKey,
        peer: PeerKey,
        mid: MidName,
    ) {
        self.turn(now, |room| {
            let Some(known) = room.peers.get_mut(peer).filter(|peer| peer.participant == subscriber) else { return };
            let Some((slot, codecs)) = known.line(&mid) else {
                tracing::debug!(peer = peer.0, mid = mid.0, "a subscription names an m-line that does not exist");
                return;
            };
            let line = Line { egress: Egress { peer, slot }, mid, codecs };
            room.room.bind_subscription(now, subscriber, track, line);
        });
    }

    /// Adds a sendonly m-line to a connection where the server offers; it goes into the next offer.
    pub fn add_send_media(&mut self, now: Instant, peer: PeerKey, kind: Kind) -> MidName {
        self.turn(now, |room| {
            let known = room.peers.get_mut(peer);
            known.map_or_else(|| MidName(String::new()), |peer| peer.add_send_media(kind))
        })
    }

    /// Sends on a data channel. `false`: it is not open, or its buffer is full.
    pub fn send_data(&mut self, now: Instant, peer: PeerKey, lane: DataLane, data: &[u8]) -> bool {
        self.turn(now, |room| {
            let sent = room.peers.get_mut(peer).is_some_and(|peer| peer.send_data(lane, data));
            if sent {
                room.mark_dirty(peer);
            }
            sent
        })
    }

    /// Bytes that wait in a data channel's send buffer.
    pub fn data_buffered(&mut self, peer: PeerKey, lane: DataLane) -> usize {
        self.peers.get_mut(peer).map_or(0, |peer| peer.data_buffered(lane))
    }

    /// Feeds a datagram. May be called many times before [`MediaRoom::flush`].
    pub fn handle_datagram(&mut self, now: Instant, peer: PeerKey, datagram: Datagram<'_>) {
        self.turn(now, |room| {
            let Some(known) = room.peers.get_mut(peer) else { return };
            known.handle_datagram(now, datagram, &mut room.events, &mut room.outputs);
            room.handle_peer_events(now, peer);
        });
    }

    /// Does what is due at `now`, flushing included.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.turn(now, |room| {
            let due = room.peers.iter().filter(|(_, peer)| peer.poll_timeout().is_some_and(|at| at <= now));
            let due: Vec<_> = due.map(|(key, _)| key).collect();
            for key in due {
                if let Some(peer) = room.peers.get_mut(key) {
                    peer.handle_timeout(now, &mut room.events, &mut room.outputs);
                }
                room.handle_peer_events(now, key);
            }
            room.room.handle_timeout(now);
            room.distribute();
            room.settle();
            room.flush_dirty(now);
        });
    }

    /// Writes what the datagrams fed so far have queued for subscribers.
    pub fn flush(&mut self, now: Instant) {
        self.turn(now, |room| {
            room.settle();
            room.flush_dirty(now);
        });
    }

    /// The next thing the room wants done.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        if !self.dirty.is_empty() {
            return Output::Timeout(self.last_now);
        }
        let peers = self.peers.iter().filter_map(|(_, peer)| peer.poll_timeout()).min();
        let next = [peers, self.room.poll_timeout()].into_iter().flatten().min();
        Output::Timeout(next.unwrap_or(self.last_now + IDLE))
    }

    /// Counters.
    pub fn stats(&self) -> RoomStats {
        self.room.stats()
    }

    /// How a connection does. `None`: no such connection.
    pub fn peer_stats(&self, peer: PeerKey) -> Option<PeerStats> {
        self.peers.get(peer).map(|peer| peer.stats())
    }

    /// No participants.
    pub fn is_empty(&self) -> bool {
        self.room.is_empty()
    }

    fn negotiate<T>(
        &mut self,
        now: Instant,
        peer: PeerKey,
        change: impl FnOnce(&mut Peer, &mut VecDeque<PeerEvent>) -> Result<T, NegotiationError>,
    ) -> Result<T, NegotiationError> {
        self.turn(now, |room| {
            let known = room.peers.get_mut(peer).ok_or(NegotiationError::UnknownPeer)?;
            let result = change(known, &mut room.events);
            room.refresh_lines(now, peer);
            room.handle_peer_events(now, peer);
            room.mark_dirty(peer);
            result
        })
    }

    /// Tells the room what each m-line of a connection can carry now.
    fn refresh_lines(&mut self, now: Instant, peer: PeerKey) {
        let Some(known) = self.peers.get(peer) else { return };
        let lines: Vec<(u16, Vec<Codec>)> = known.lines().collect();
        for (slot, codecs) in lines {
            self.room.set_line_codecs(now, Egress { peer, slot }, &codecs);
        }
    }

    fn unbind(&mut self, track: TrackKey) {
        if let Some(peer) = self.tracks.remove(track).and_then(|peer| self.peers.get_mut(peer)) {
            peer.unbind_track(track);
        }
    }

    fn remove_peer(&mut self, now: Instant, key: PeerKey) {
        let Some(mut peer) = self.peers.remove(key) else { return };
        peer.say_goodbye(now, &mut self.outputs);
        self.room.unbind_peer(key);
        self.dirty.retain(|dirty| *dirty != key);
        let bound: Vec<_> = self.tracks.iter().filter(|(_, peer)| **peer == key).map(|(track, _)| track).collect();
        for track in bound {
            self.tracks.remove(track);
            self.room.bind_track(now, track, &[]);
        }
    }

    fn handle_peer_events(&mut self, now: Instant, key: PeerKey) {
        while let Some(event) = self.events.pop_front() {
            let Some(peer) = self.peers.get(key) else { continue };
            let participant = peer.participant;
            let event = match event {
                PeerEvent::Packet(track, layer, packet) => {
                    self.room.handle_packet(now, track, layer, packet);
                    self.distribute();
                    continue;
                }
                PeerEvent::KeyframeWanted(slot) => {
                    self.room.handle_keyframe_request(now, participant, Egress { peer: key, slot });
                    continue;
                }
                PeerEvent::Estimate(estimate) => {
                    self.room.handle_estimate(now, participant, estimate);
                    continue;
                }
                PeerEvent::Measured => {
                    let silent = peer.is_silent(now, SILENT);
                    let stats = peer.stats();
                    let loss = stats.loss_up.unwrap_or(0.0).max(stats.loss_down.unwrap_or(0.0));
                    self.room.handle_measurement(participant, loss, stats.rtt, silent);
                    continue;
                }
                PeerEvent::Connected => {
                    self.refresh_lines(now, key);
                    MediaEvent::PeerConnected(key)
                }
                PeerEvent::Disconnected => MediaEvent::PeerDisconnected(key),
                PeerEvent::Closed => MediaEvent::PeerClosed(key),
                PeerEvent::IceUfrag(ufrag) => MediaEvent::IceUfrag(key, ufrag),
                PeerEvent::DataOpen(lane) => MediaEvent::DataOpen(key, lane),
                PeerEvent::Data(lane, data) => MediaEvent::Data(key, lane, data),
                PeerEvent::EncodingStarted(track, layer, ssrc) => MediaEvent::EncodingStarted { track, layer, ssrc },
            };
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// Hands the room's packets to their connections' queues.
    fn distribute(&mut self) {
        for forward in self.room.drain_forwards() {
            let key = forward.egress.peer;
            let Some(peer) = self.peers.get_mut(key) else { continue };
            if peer.queue(forward) && !self.dirty.contains(&key) {
                self.dirty.push(key);
            }
        }
    }

    /// Carries out what the room has decided.
    fn settle(&mut self) {
        self.outputs.extend(self.room.drain_tapped().map(Output::Tapped));
        while let Some(output) = self.room.poll_output() {
            match output {
                RoomOutput::Event(event) => self.outputs.push_back(Output::Event(event)),
                RoomOutput::LineFreed(egress) => {
                    if let Some(peer) = self.peers.get_mut(egress.peer) {
                        peer.renew_line(egress.slot);
                    }
                }
                RoomOutput::RequestKeyframe { track, layer } => {
                    let peer = self.tracks.get(track).copied();
                    if peer.is_none() {
                        let wanted = MediaEvent::KeyframeWanted { track, layer };
                        self.outputs.push_back(Output::Event(wanted));
                    } else if let Some(peer) = peer
                        && let Some(known) = self.peers.get_mut(peer)
                        && known.request_keyframe(track, layer)
                    {
                        self.mark_dirty(peer);
                    }
                }
                RoomOutput::Bandwidth { participant, sustain, desired } => {
                    for (_, peer) in self.peers.iter_mut().filter(|(_, peer)| peer.participant == participant) {
                        peer.set_bandwidth(sustain, desired);
                    }
                }
            }
        }
    }

    fn flush_dirty(&mut self, now: Instant) {
        // A flush can bring new events (an estimate, say), and those new packets; what they dirty is flushed, too.
        let mut rounds = 0;
        while !self.dirty.is_empty() && rounds < 4 {
            rounds += 1;
            let mut dirty = std::mem::take(&mut self.dirty);
            for key in dirty.drain(..) {
                if let Some(peer) = self.peers.get_mut(key) {
                    peer.flush(now, &mut self.events, &mut self.outputs);
                }
                self.handle_peer_events(now, key);
            }
            if self.dirty.is_empty() {
                self.dirty = dirty;
            }
            self.settle();
        }
    }

    fn mark_dirty(&mut self, peer: PeerKey) {
        if !self.dirty.contains(&peer) {
            self.dirty.push(peer);
        }
    }

    /// Runs one entry point, and carries out what the room decided in it.
    fn turn<T>(&mut self, now: Instant, work: impl FnOnce(&mut Self) -> T) -> T {
        self.last_now = self.last_now.max(now);
        let result = work(self);
        self.settle();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Bitrate;

    fn room() -> (MediaRoom, PeerKey) {
        let now = Instant::now();
        let config = RoomConfig {
            seed: 1,
            initial_bitrate: Bitrate::kbps(1_000),
            bandwidth_estimation: true,
            opened: now,
            local: [].into(),
        };
        let mut room = MediaRoom::new(now, config);
        let participant = room.join(now, Rights { publish: true, subscribe: true });
        let peer = PeerConfig {
            role: crate::types::PeerRole::Both,
            ice_ufrag: "ufrag".to_owned(),
            ice_pwd: "a-password-of-some-length".to_owned(),
            candidates: Vec::new(),
            ice_lite: true,
            red: true,
        };
        let peer = room.open_peer(now, participant, peer);
        (room, peer)
    }

    #[test]
    fn unacceptable_descriptions_harm_nobody() {
        let (mut room, peer) = room();
        let now = Instant::now();
        for sdp in ["", "v=0", "nonsense", "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio"] {
            assert!(matches!(room.accept_offer(now, peer, sdp), Err(NegotiationError::Sdp(_))), "{sdp}");
        }
        let many = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(513);
        assert_eq!(room.accept_offer(now, peer, &many).err(), Some(NegotiationError::TooManyMedia(512)));
        assert_eq!(room.accept_answer(now, peer, &many), Err(NegotiationError::TooManyMedia(512)));
        assert!(room.add_remote_candidate(now, peer, "candidate:what").is_err());
        assert_eq!(room.add_remote_candidate(now, peer, ""), Ok(()));
        assert_eq!(room.accept_offer(now, PeerKey(99), "v=0").err(), Some(NegotiationError::UnknownPeer));
        room.handle_timeout(now);
    }
}
