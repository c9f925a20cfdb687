//! The room's recurring decisions: layers, demand, keyframes, quality. Each asks a pure function and acts on it.

use std::time::Instant;

use model::Bitrate;

use super::allocate::{Allocation, allocate};
use super::{Room, RoomOutput, quality};
use crate::types::{Kind, LAYERS, Layer, MediaEvent, ParticipantKey, TrackKey};

/// What an audio subscription is taken to need.
const AUDIO_BITRATE: u64 = 40_000;
/// Audio takes at most this share (percent) of the estimate out of the video's budget.
const AUDIO_SHARE: u64 = 30;
/// Retransmissions, headers and feedback live on the rest (percent).
const VIDEO_SHARE: u64 = 95;
/// The least that a first estimate is tested for.
const FIRST_TEST: Bitrate = Bitrate::kbps(1_000);
/// Who has less than it wants is sent this much (percent) of what it gets, padding included.
///
/// An estimate grows to about 1.5 times what arrives, and is probed beyond only while less than 0.65 of it is sent. Media
/// alone can sit between the two, where an estimate that once fell too low stays there.
const SUSTAINED_SHARE: u64 = 150;

/// What a subscription is to get.
struct Given {
    layer: Option<Layer>,
    /// Up to this temporal layer.
    temporal: u8,
}

impl Room {
    /// Looks at everything that changes by time alone.
    pub(super) fn review(&mut self, now: Instant) {
        self.unsettled.clear();
        self.unsettled.extend(self.participants.keys());
        self.settle(now);
        let tracks: Vec<_> = self.tracks.keys().collect();
        for track in tracks {
            self.aim_taps(now, track);
            self.review_demand(now, track);
        }
        self.forget_idle_keyframes();
        self.ask_keyframes(now);
    }

    /// The participant's layers have to be chosen again.
    pub(super) fn unsettle(&mut self, participant: ParticipantKey) {
        if !self.unsettled.contains(&participant) {
            self.unsettled.push(participant);
        }
    }

    pub(super) fn unsettle_subscribers(&mut self, track: TrackKey) {
        let Some(known) = self.tracks.get(track) else { return };
        let subscribers: Vec<_> = known.subscriptions.keys().collect();
        for subscriber in subscribers {
            self.unsettle(subscriber);
        }
    }

    /// Chooses the layers of all who are unsettled, and asks for the keyframes that takes.
    pub(super) fn settle(&mut self, now: Instant) {
        self.choose(now);
        self.ask_keyframes(now);
    }

    /// Chooses the layers of all who are unsettled.
    pub(super) fn choose(&mut self, now: Instant) {
        let mut unsettled = std::mem::take(&mut self.unsettled);
        for participant in unsettled.drain(..) {
            self.choose_layers(now, participant);
        }
        self.unsettled = unsettled;
    }

    fn choose_layers(&mut self, now: Instant, subscriber: ParticipantKey) {
        let Some(participant) = self.participants.get(subscriber) else { return };
        let estimate = participant.estimate;
        let mut video = Vec::new();
        let mut wants = Vec::new();
        let mut audio = Vec::new();
        for key in &participant.subscribed {
            let Some(track) = self.tracks.get(*key) else { continue };
            let Some(subscription) = track.subscriptions.get(subscriber) else { continue };
            if subscription.line.is_none() {
                continue;
            }
            match track.spec.kind {
                Kind::Audio => audio.push((*key, track.wanted_layer(&subscription.preference).is_some())),
                Kind::Video => {
                    video.push(*key);
                    wants.push(track.want(now, subscription));
                }
            }
        }
        for (key, enabled) in &audio {
            self.aim(now, subscriber, *key, Given { layer: enabled.then_some(Layer::High), temporal: u8::MAX }, false);
        }
        let budget = estimate.map(|estimate| video_budget(estimate, audio.len()));
        let Allocation { layers, used, next, desired, thinned } = allocate(budget, &wants);
        let starved = next.is_some();
        for (at, ((key, layer), want)) in video.into_iter().zip(layers).zip(&wants).enumerate() {
            let has_layers = want.costs.iter().any(Option::is_some);
            let held_back = layer.is_none() && want.max.is_some() && has_layers;
            let temporal =
                thinned.map_or(u8::MAX, |(thinned, temporal)| if thinned == at { temporal } else { u8::MAX });
            self.aim(now, subscriber, key, Given { layer, temporal }, held_back);
        }
        let estimate_for =
            |video: Bitrate| Bitrate(video.as_bps() * 100 / VIDEO_SHARE + AUDIO_BITRATE * audio.len() as u64);
        let sustain = next.map_or(Bitrate::ZERO, |next| {
            let stretched = Bitrate(used.as_bps() * SUSTAINED_SHARE / 100);
            estimate_for(next.min(stretched))
        });
        // A probe finds no more than it sends, and what it finds is the estimate from then on: where everything wanted
        // fits, it could only do harm. The first estimate is a guess, and is put to the test all the same.
        let guessed = estimate == Some(self.config.initial_bitrate) && desired > Bitrate::ZERO;
        let short = starved || budget.is_some_and(|budget| used > budget);
        let probe_for = match (short, guessed) {
            (true, _) => estimate_for(desired),
            (false, true) => estimate_for(desired).max(FIRST_TEST),
            (false, false) => Bitrate::ZERO,
        };
        self.tell_bandwidth(subscriber, used, sustain, probe_for, starved);
    }

    /// Gives a subscription its layer.
    fn aim(&mut self, now: Instant, subscriber: ParticipantKey, track: TrackKey, given: Given, starved: bool) {
        let Some(known) = self.tracks.get_mut(track) else { return };
        let (muted, only) = (known.spec.muted, known.has_one_encoding());
        let layer = given.layer;
        let encoding = layer.map(|layer| known.encoding_of(layer));
        let Some(subscription) = known.subscriptions.get(subscriber) else { return };
        let wished = layer.map_or(u8::MAX, |layer| known.wanted_temporal(&subscription.preference, layer));
        let Some(subscription) = known.subscriptions.get_mut(subscriber) else { return };
        subscription.target = layer;
        subscription.temporal = given.temporal.min(wished);
        if layer.is_none() {
            subscription.forwarder.pause();
        }
        let changed = subscription.starved != starved;
        subscription.starved = starved;
        if let Some(encoding) = encoding
            && known.spec.kind == Kind::Video
            && !muted
            && let Some(ingress) = &mut known.ingress[encoding as usize]
            && subscription.waits_for(encoding, only, &ingress.layering)
        {
            ingress.want_keyframe();
            self.watch(now);
        }
        if changed {
            self.tell(MediaEvent::StreamState { subscriber, track, paused: starved });
        }
    }

    fn tell_bandwidth(
        &mut self,
        subscriber: ParticipantKey,
        used: Bitrate,
        sustain: Bitrate,
        desired: Bitrate,
        starved: bool,
    ) {
        let Some(participant) = self.participants.get_mut(subscriber) else { return };
        participant.measured.starved = starved;
        participant.used = used;
        let (told_sustain, told_desired) = participant.bandwidth_told;
        if differs(told_sustain, sustain) || differs(told_desired, desired) {
            participant.bandwidth_told = (sustain, desired);
            self.outputs.push_back(RoomOutput::Bandwidth { participant: subscriber, sustain, desired });
        }
    }

    pub(super) fn review_demand(&mut self, now: Instant, track: TrackKey) {
        let Some(known) = self.tracks.get_mut(track) else { return };
        if !known.on_demand && (known.spec.kind != Kind::Video || !known.is_bound()) {
            return;
        }
        if let Some(highest) = known.demand_change(now) {
            self.tell(MediaEvent::LayerDemand { track, highest });
        }
    }

    /// What stays lost leads to a keyframe request.
    pub(super) fn give_up_missing(&mut self, now: Instant) {
        let mut watch = false;
        for (_, track) in self.tracks.iter_mut() {
            if track.spec.kind != Kind::Video {
                continue;
            }
            let rtt = self.participants.get(track.owner).and_then(|owner| owner.measured.rtt);
            for layer in LAYERS {
                let used = track.is_used(layer);
                let Some(ingress) = &mut track.ingress[layer as usize] else { continue };
                if ingress.give_up_missing(now, rtt) && used {
                    ingress.want_keyframe();
                }
                watch |= ingress.has_gaps();
            }
        }
        if watch {
            self.watch(now);
        }
    }

    pub(super) fn ask_keyframes(&mut self, now: Instant) {
        let mut waiting = false;
        for (key, track) in self.tracks.iter_mut() {
            let only = track.has_one_encoding();
            for layer in LAYERS {
                let Some(ingress) = &mut track.ingress[layer as usize] else { continue };
                if ingress.ask_keyframe(now, only) {
                    self.stats.keyframe_requests += 1;
                    self.outputs.push_back(RoomOutput::RequestKeyframe { track: key, layer });
                }
                waiting |= ingress.keyframe_due(now, only).is_some();
            }
        }
        if waiting {
            self.watch(now);
        }
    }

    fn forget_idle_keyframes(&mut self) {
        for (_, track) in self.tracks.iter_mut() {
            for layer in LAYERS {
                let used = track.is_used(layer);
                if let Some(ingress) = &mut track.ingress[layer as usize]
                    && !used
                {
                    ingress.forget_keyframe();
                }
            }
        }
    }

    pub(super) fn tell_quality(&mut self) {
        let grades: Vec<_> =
            self.participants.iter().map(|(key, participant)| (key, quality::grade(participant.measured))).collect();
        self.tell(MediaEvent::Quality(grades));
    }
}

fn video_budget(estimate: Bitrate, audio: usize) -> Bitrate {
    let estimate = estimate.as_bps();
    let for_audio = (AUDIO_BITRATE * audio as u64).min(estimate * AUDIO_SHARE / 100);
    Bitrate((estimate - for_audio) * VIDEO_SHARE / 100)
}

/// By more than a tenth.
fn differs(told: Bitrate, now: Bitrate) -> bool {
    told.as_bps().abs_diff(now.as_bps()) * 10 > told.as_bps().max(now.as_bps())
}
