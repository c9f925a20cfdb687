//! The pure forwarding core of a room: participants, tracks, subscriptions, and who gets which packet.
//!
//! It sees connections as numbers and packets as data, draws its randomness from one seed, and never reads a clock:
//! the same inputs give the same outputs, bit for bit. Packets come in by track and layer, whoever delivers them: a
//! peer, or the tap of another room. Taps read them on the way ([`Room::add_tap`]).

pub mod allocate;
mod backup;
mod clock;
mod decide;
pub mod forwarder;
mod ingress;
mod layering;
mod opening;
pub mod packet;
mod picture_end;
pub mod quality;
mod selector;
mod sparse;
mod speakers;
mod taps;
mod track;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use model::Bitrate;

use crate::keyed::Keyed;
use crate::tap::Tapped;
use crate::types::{
    Codec, Kind, Layer, MediaEvent, ParticipantKey, PeerKey, Rights, RoomConfig, RoomStats, TrackKey, TrackPreference,
    TrackSpec,
};
pub use clock::Anchor;
use forwarder::Forwarder;
use packet::{Egress, Forward, Packet};
use quality::Measured;
use speakers::Speakers;
pub use track::Line;
use track::{Subscription, Track};

/// Watching gaps and keyframes.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);
/// Looking at everything: layers, demand.
const REVIEW_INTERVAL: Duration = Duration::from_millis(500);
/// Telling connection quality.
const QUALITY_INTERVAL: Duration = Duration::from_secs(5);

/// What a room asks its owner to do or to tell.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomOutput {
    /// Tell this.
    Event(MediaEvent),
    /// This m-line carries nothing any more.
    LineFreed(Egress),
    /// Ask the publisher for a keyframe.
    RequestKeyframe {
        /// Of this track.
        track: TrackKey,
        /// In this encoding.
        layer: Layer,
    },
    /// What a connection will be asked to carry.
    Bandwidth {
        /// To this participant.
        participant: ParticipantKey,
        /// What to send at least, with padding where media is less, as far as the estimate allows. Zero where it has all
        /// that it wants.
        sustain: Bitrate,
        /// The estimate at which it has all that it wants, to probe for. Zero where nothing is to be found out.
        desired: Bitrate,
    },
}

/// The core.
#[derive(Debug)]
pub struct Room {
    config: RoomConfig,
    rng: fastrand::Rng,
    participants: Keyed<ParticipantKey, Participant>,
    tracks: Keyed<TrackKey, Track>,
    speakers: Speakers,
    next_key: u32,
    watch_at: Option<Instant>,
    review_at: Option<Instant>,
    quality_at: Option<Instant>,
    opening_at: Option<Instant>,
    /// Participants whose layers have to be chosen again.
    unsettled: Vec<ParticipantKey>,
    outputs: VecDeque<RoomOutput>,
    forwards: Vec<Forward>,
    tapped: Vec<Tapped>,
    stats: RoomStats,
}

#[derive(Debug)]
struct Participant {
    rights: Rights,
    subscribed: Vec<TrackKey>,
    estimate: Option<Bitrate>,
    measured: Measured,
    /// Ties the publisher's wall clock to ours.
    anchor: clock::Anchor,
    /// What its video costs, by plan.
    used: Bitrate,
    /// What to sustain, and what is desired.
    bandwidth_told: (Bitrate, Bitrate),
}

impl Room {
    /// An empty room.
    pub fn new(config: RoomConfig) -> Self {
        Self {
            rng: fastrand::Rng::with_seed(config.seed),
            config,
            participants: Keyed::default(),
            tracks: Keyed::default(),
            speakers: Speakers::default(),
            next_key: 1,
            watch_at: None,
            review_at: None,
            quality_at: None,
            opening_at: None,
            unsettled: Vec::new(),
            outputs: VecDeque::new(),
            forwards: Vec::new(),
            tapped: Vec::new(),
            stats: RoomStats::default(),
        }
    }

    /// Adds a participant.
    pub fn join(&mut self, now: Instant, rights: Rights) -> ParticipantKey {
        let key = ParticipantKey(self.new_key());
        let participant = Participant {
            rights,
            subscribed: Vec::new(),
            estimate: self.config.bandwidth_estimation.then_some(self.config.initial_bitrate),
            measured: Measured::default(),
            anchor: clock::Anchor::default(),
            used: Bitrate::ZERO,
            bandwidth_told: (Bitrate::ZERO, Bitrate::ZERO),
        };
        self.participants.insert(key, participant);
        self.quality_at.get_or_insert(now + QUALITY_INTERVAL);
        key
    }

    /// Takes a participant out, with its tracks and subscriptions.
    pub fn leave(&mut self, now: Instant, participant: ParticipantKey) {
        self.end_tracks_of(now, participant);
        self.end_subscriptions_of(now, participant);
        self.participants.remove(participant);
        if self.participants.is_empty() {
            self.quality_at = None;
            self.review_at = None;
        }
    }

    /// Changes what a participant may do; what it may no longer do ends.
    pub fn set_rights(&mut self, now: Instant, participant: ParticipantKey, rights: Rights) {
        let Some(known) = self.participants.get_mut(participant) else { return };
        known.rights = rights;
        if !rights.publish {
            self.end_tracks_of(now, participant);
        }
        if !rights.subscribe {
            self.end_subscriptions_of(now, participant);
        }
    }

    /// Announces a track.
    pub fn publish(&mut self, now: Instant, owner: ParticipantKey, spec: TrackSpec) -> TrackKey {
        let key = TrackKey(self.new_key());
        self.tracks.insert(key, Track::new(owner, spec));
        self.review_at.get_or_insert(now + REVIEW_INTERVAL);
        key
    }

    /// Says which encodings the track's packets come in. Empty: unbound.
    pub fn bind_track(&mut self, now: Instant, track: TrackKey, layers: &[Layer]) {
        let Some(known) = self.tracks.get_mut(track) else { return };
        let was_bound = known.is_bound();
        known.bound = layers.to_vec();
        self.aim_taps(now, track);
        let Some(known) = self.tracks.get(track) else { return };
        if was_bound || layers.is_empty() {
            return;
        }
        let waiting: Vec<_> =
            known.subscriptions.iter().filter(|(_, one)| one.line.is_none()).map(|(who, _)| who).collect();
        for subscriber in waiting {
            self.tell(MediaEvent::SubscriptionWanted { subscriber, track });
        }
        self.settle(now);
    }

    /// Ends a track and every subscription to it.
    pub fn unpublish(&mut self, now: Instant, track: TrackKey) {
        let Some(known) = self.tracks.get(track) else { return };
        let subscribers: Vec<_> = known.subscriptions.keys().collect();
        for subscriber in subscribers {
            self.unsubscribe(now, subscriber, track);
        }
        self.end_taps(track);
        self.tracks.remove(track);
        self.speakers.silence(track);
    }

    /// Mutes or unmutes a track: muted, nothing of it is forwarded.
    pub fn set_track_muted(&mut self, now: Instant, track: TrackKey, muted: bool) {
        let Some(known) = self.tracks.get_mut(track) else { return };
        if known.spec.muted == muted {
            return;
        }
        known.spec.muted = muted;
        if muted {
            for (_, subscription) in known.subscriptions.iter_mut() {
                subscription.forwarder.pause();
            }
            self.speakers.silence(track);
        } else {
            self.watch(now);
        }
        self.aim_taps(now, track);
    }

    /// Subscribes a participant to a track.
    pub fn subscribe(&mut self, now: Instant, subscriber: ParticipantKey, track: TrackKey) {
        let (Some(participant), Some(known)) = (self.participants.get_mut(subscriber), self.tracks.get_mut(track))
        else {
            return;
        };
        if !participant.rights.subscribe || known.owner == subscriber || known.subscriptions.contains(subscriber) {
            return;
        }
        known.subscriptions.insert(subscriber, Subscription::new(Forwarder::new(known.spec.kind, 0)));
        participant.subscribed.push(track);
        if known.is_bound() {
            self.tell(MediaEvent::SubscriptionWanted { subscriber, track });
        }
        self.review_demand(now, track);
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, now: Instant, subscriber: ParticipantKey, track: TrackKey) {
        let Some(known) = self.tracks.get_mut(track) else { return };
        let Some(subscription) = known.subscriptions.remove(subscriber) else { return };
        let mid = subscription.line.as_ref().map(|line| line.mid.clone());
        if let Some(participant) = self.participants.get_mut(subscriber) {
            participant.subscribed.retain(|subscribed| *subscribed != track);
            if let Some(line) = subscription.line {
                self.outputs.push_back(RoomOutput::LineFreed(line.egress));
            }
        }
        self.tell(MediaEvent::SubscriptionEnded { subscriber, track, mid });
        self.unsettle(subscriber);
        self.settle(now);
    }

    /// Says what a subscriber wants of a track.
    pub fn set_preference(
        &mut self,
        now: Instant,
        subscriber: ParticipantKey,
        track: TrackKey,
        preference: TrackPreference,
    ) {
        let Some(subscription) = self.subscription_mut(subscriber, track) else { return };
        if subscription.preference == preference {
            return;
        }
        subscription.preference = preference;
        self.unsettle(subscriber);
        self.settle(now);
        self.review_demand(now, track);
    }

    /// Gives a subscription its m-line.
    pub fn bind_subscription(&mut self, now: Instant, subscriber: ParticipantKey, track: TrackKey, line: Line) {
        let first_seq = self.first_seq();
        let Some(known) = self.tracks.get_mut(track) else { return };
        let Some(subscription) = known.subscriptions.get_mut(subscriber) else { return };
        if subscription.line.as_ref() == Some(&line) {
            return;
        }
        // Each use of an m-line has an SSRC of its own, and with it a numbering of its own.
        subscription.forwarder = Forwarder::new(known.spec.kind, first_seq);
        subscription.line = Some(line);
        subscription.started = false;
        self.await_media(now, subscriber, track);
        self.unsettle(subscriber);
        self.settle(now);
    }

    /// What an m-line can carry was renegotiated.
    pub fn set_line_codecs(&mut self, now: Instant, egress: Egress, codecs: &[Codec]) {
        let mut changed = None;
        for (key, track) in self.tracks.iter_mut() {
            for (subscriber, subscription) in track.subscriptions.iter_mut() {
                let Some(line) = subscription.line.as_mut().filter(|line| line.egress == egress) else { continue };
                if line.codecs != codecs {
                    line.codecs = codecs.to_vec();
                    changed = Some((subscriber, key));
                }
            }
        }
        if let Some((subscriber, track)) = changed {
            self.await_media(now, subscriber, track);
            self.unsettle(subscriber);
            self.settle(now);
        }
    }

    /// A connection is gone: what went out on it stops until it gets another m-line.
    pub fn unbind_peer(&mut self, peer: PeerKey) {
        for (_, track) in self.tracks.iter_mut() {
            for (_, subscription) in track.subscriptions.iter_mut() {
                if subscription.line.as_ref().is_some_and(|line| line.egress.peer == peer) {
                    subscription.line = None;
                    subscription.forwarder.pause();
                }
            }
        }
    }

    /// One packet of a track. It arrives now.
    pub fn handle_packet(&mut self, now: Instant, track: TrackKey, layer: Layer, mut packet: Packet) {
        self.stats.packets_in += 1;
        let arrival = self.since_opened(now);
        let Some(known) = self.tracks.get_mut(track) else {
            self.stats.packets_dropped += 1;
            return;
        };
        if known.spec.kind == Kind::Audio
            && !known.spec.muted
            && let Some((level, _)) = packet.extensions.audio_level
        {
            self.speakers.observe(now, track, known.owner, level);
        }
        packet.arrival = arrival;
        packet.captured = match self.participants.get_mut(known.owner) {
            Some(owner) => owner.anchor.captured(&packet),
            None => packet.arrival,
        };
        let (arrived, mut outcome) = known.take(now, layer, packet);
        if known.is_tapped() {
            if outcome.layer_appeared || outcome.layers_changed {
                known.aim_taps(now, track, &mut self.tapped);
            }
            known.hand_out(track, layer, &arrived, &mut self.tapped);
        }
        if outcome.layers_changed {
            self.unsettle_subscribers(track);
            self.choose(now);
        }
        let Some(known) = self.tracks.get_mut(track) else { return };
        let before = self.forwards.len();
        known.send(layer, &arrived, &mut self.forwards, &mut self.stats, &mut outcome);
        self.note_sent(track, before..self.forwards.len(), outcome.started);
        if outcome.watch {
            self.watch(now);
        }
        if let Some(format) = outcome.format {
            self.tell(MediaEvent::TrackStarted { track, codec: format.codec });
        }
        if outcome.layer_appeared {
            self.unsettle_subscribers(track);
            self.settle(now);
        }
    }

    /// Counts what goes out of a track, and tells whom the first packet goes out to.
    fn note_sent(&mut self, track: TrackKey, sent: Range<usize>, started: Vec<ParticipantKey>) {
        for forward in &self.forwards[sent] {
            self.stats.packets_out += 1;
            self.stats.bytes_out += forward.packet.payload.len() as u64;
        }
        for subscriber in started {
            self.tell(MediaEvent::SubscriptionStarted { subscriber, track });
        }
    }

    /// The encodings a track's packets come in.
    pub fn bound_layers(&self, track: TrackKey) -> Vec<Layer> {
        self.tracks.get(track).map(|known| known.bound.clone()).unwrap_or_default()
    }

    /// What taps get, in order; the buffer is kept.
    pub fn drain_tapped(&mut self) -> std::vec::Drain<'_, Tapped> {
        self.tapped.drain(..)
    }

    /// A subscriber lost its picture (PLI or FIR).
    pub fn handle_keyframe_request(&mut self, now: Instant, subscriber: ParticipantKey, egress: Egress) {
        let Some(participant) = self.participants.get(subscriber) else { return };
        for track in &participant.subscribed {
            let Some(known) = self.tracks.get_mut(*track) else { continue };
            let Some(subscription) = known.subscriptions.get(subscriber) else { continue };
            if subscription.line.as_ref().is_some_and(|line| line.egress == egress) {
                let wanted = subscription.target.map(|layer| known.encoding_of(layer));
                let layer = subscription.forwarder.layer().or(wanted);
                if let Some(ingress) = layer.and_then(|layer| known.ingress[layer as usize].as_mut()) {
                    ingress.want_keyframe();
                }
            }
        }
        self.ask_keyframes(now);
        self.watch(now);
    }

    /// What the path to a participant is believed to carry.
    pub fn handle_estimate(&mut self, now: Instant, participant: ParticipantKey, estimate: Bitrate) {
        let Some(known) = self.participants.get_mut(participant) else { return };
        if !self.config.bandwidth_estimation {
            return;
        }
        // More is taken with the next review; less at once.
        let urgent = estimate < known.used;
        known.estimate = Some(estimate);
        if urgent {
            self.unsettle(participant);
            self.settle(now);
        }
    }

    /// Loss and round trip of a participant's connections.
    pub fn handle_measurement(&mut self, participant: ParticipantKey, loss: f32, rtt: Option<Duration>, silent: bool) {
        if let Some(known) = self.participants.get_mut(participant) {
            known.measured = Measured { loss, rtt, silent, starved: known.measured.starved };
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.watch_at.is_some_and(|at| at <= now) {
            self.watch_at = None;
            self.give_up_missing(now);
            self.ask_keyframes(now);
            if self.end_long_waits(self.since_opened(now)) {
                self.watch(now);
            }
        }
        if self.review_at.is_some_and(|at| at <= now) {
            self.review_at = if self.tracks.is_empty() { None } else { Some(now + REVIEW_INTERVAL) };
            self.review(now);
        }
        if let Some(changes) = self.speakers.handle_timeout(now) {
            let mut present = changes;
            present.retain(|speaker| self.participants.contains(speaker.participant));
            self.tell(MediaEvent::Speakers(present));
        }
        if self.opening_at.is_some_and(|at| at <= now) {
            self.open_quiet(now);
        }
        if self.quality_at.is_some_and(|at| at <= now) {
            self.quality_at = Some(now + QUALITY_INTERVAL);
            self.tell_quality();
        }
    }

    /// When [`Room::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = [self.watch_at, self.review_at, self.quality_at, self.opening_at];
        own.into_iter().chain([self.speakers.poll_timeout()]).flatten().min()
    }

    /// The next thing to do or tell.
    pub fn poll_output(&mut self) -> Option<RoomOutput> {
        self.outputs.pop_front()
    }

    /// The packets to send, in order; the buffer is kept.
    pub fn drain_forwards(&mut self) -> std::vec::Drain<'_, Forward> {
        self.forwards.drain(..)
    }

    /// Counters.
    pub fn stats(&self) -> RoomStats {
        self.stats
    }

    /// No participants.
    pub fn is_empty(&self) -> bool {
        self.participants.is_empty()
    }

    /// The owner of a track.
    #[cfg(feature = "webrtc")]
    pub(crate) fn track_owner(&self, track: TrackKey) -> Option<ParticipantKey> {
        self.tracks.get(track).map(|known| known.owner)
    }

    fn end_tracks_of(&mut self, now: Instant, participant: ParticipantKey) {
        let owned: Vec<_> =
            self.tracks.iter().filter(|(_, track)| track.owner == participant).map(|(key, _)| key).collect();
        for track in owned {
            self.unpublish(now, track);
        }
    }

    fn end_subscriptions_of(&mut self, now: Instant, participant: ParticipantKey) {
        let Some(known) = self.participants.get(participant) else { return };
        for track in known.subscribed.clone() {
            self.unsubscribe(now, participant, track);
            self.review_demand(now, track);
        }
    }

    fn subscription_mut(&mut self, subscriber: ParticipantKey, track: TrackKey) -> Option<&mut Subscription> {
        self.tracks.get_mut(track)?.subscriptions.get_mut(subscriber)
    }

    fn since_opened(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.config.opened)
    }

    fn tell(&mut self, event: MediaEvent) {
        self.outputs.push_back(RoomOutput::Event(event));
    }

    fn watch(&mut self, now: Instant) {
        self.watch_at.get_or_insert(now + WATCH_INTERVAL);
    }

    /// Far from both ends of what a receiver takes for the first turn of the counter.
    fn first_seq(&mut self) -> u64 {
        self.rng.u64(1_000..32_000)
    }

    fn new_key(&mut self) -> u32 {
        let key = self.next_key;
        self.next_key += 1;
        key
    }
}
