//! The pure room replays bit for bit: the same seed and the same inputs give the same outputs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Bitrate;
use sfu::room::packet::{Egress, Extensions, Format, Packet};
use sfu::room::{Line, Room};
use sfu::{
    Codec, Kind, Layer, LayerSpec, MidName, ParticipantKey, PeerKey, Rights, RoomConfig, TapId, TapLayers, TrackKey,
    TrackPreference, TrackSpec,
};

const STEPS: usize = 4_000;
const LAYERS: [Layer; 3] = [Layer::Low, Layer::Medium, Layer::High];

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let start = Instant::now();
    let mut tapped = 0;
    for seed in 0..40 {
        let first = play(start, seed);
        assert_eq!(first, play(start, seed), "seed {seed}");
        assert!(first.len() > STEPS / 40, "seed {seed} did next to nothing: {} outputs", first.len());
        tapped += first.iter().filter(|output| output.contains("TapPacket")).count();
    }
    assert!(tapped > STEPS, "taps got next to nothing: {tapped} packets");
    assert_ne!(play(start, 1), play(start, 2));
}

/// Everything the room put out, as text.
fn play(start: Instant, seed: u64) -> Vec<String> {
    let mut script = Script::new(start, seed);
    for _ in 0..STEPS {
        script.step();
    }
    script.log
}

struct Script {
    rng: fastrand::Rng,
    room: Room,
    now: Instant,
    participants: Vec<ParticipantKey>,
    tracks: Vec<(TrackKey, Kind, [u64; 3])>,
    taps: Vec<(TrackKey, TapId)>,
    log: Vec<String>,
}

impl Script {
    fn new(start: Instant, seed: u64) -> Self {
        let config = RoomConfig {
            seed,
            initial_bitrate: Bitrate::kbps(2_000),
            bandwidth_estimation: true,
            opened: start,
            local: Arc::from([]),
        };
        Self {
            rng: fastrand::Rng::with_seed(seed),
            room: Room::new(config),
            now: start,
            participants: Vec::new(),
            tracks: Vec::new(),
            taps: Vec::new(),
            log: Vec::new(),
        }
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(self.rng.u64(0..8));
        match self.rng.u32(0..100) {
            0..2 => self.join_or_leave(),
            2..4 => self.publish_or_unpublish(),
            4..9 => self.subscribe_or_not(),
            9..12 => self.prefer(),
            12..14 => self.disturb(),
            14..16 => self.tap(),
            _ => self.packet(),
        }
        if self.room.poll_timeout().is_some_and(|due| due <= self.now) {
            self.room.handle_timeout(self.now);
        }
        while let Some(output) = self.room.poll_output() {
            self.log.push(format!("{output:?}"));
        }
        for forward in self.room.drain_forwards() {
            self.log.push(format!("{forward:?}"));
        }
        for tapped in self.room.drain_tapped() {
            self.log.push(format!("{tapped:?}"));
        }
    }

    fn join_or_leave(&mut self) {
        if self.participants.len() < 3 || self.rng.bool() {
            self.participants.push(self.room.join(self.now, Rights { publish: true, subscribe: true }));
        } else {
            let who = self.participants.swap_remove(self.rng.usize(..self.participants.len()));
            self.room.leave(self.now, who);
        }
    }

    fn publish_or_unpublish(&mut self) {
        let Some(owner) = self.someone() else { return };
        if self.tracks.len() < 2 || self.rng.bool() {
            let kind = if self.rng.bool() { Kind::Video } else { Kind::Audio };
            let spec = |layer| LayerSpec { layer, width: 320, height: 180, bitrate: Bitrate::kbps(200) };
            let layers = LAYERS.map(spec).to_vec();
            let track = self.room.publish(self.now, owner, TrackSpec { kind, screen: false, muted: false, layers });
            self.room.bind_track(self.now, track, &LAYERS);
            self.tracks.push((track, kind, [1, 1, 1]));
        } else {
            let (track, ..) = self.tracks.swap_remove(self.rng.usize(..self.tracks.len()));
            self.room.unpublish(self.now, track);
        }
    }

    fn subscribe_or_not(&mut self) {
        let (Some(who), Some(at)) = (self.someone(), self.some_track()) else { return };
        let (track, kind, _) = self.tracks[at];
        if self.rng.u32(0..4) == 0 {
            self.room.unsubscribe(self.now, who, track);
            return;
        }
        self.room.subscribe(self.now, who, track);
        let codecs = match kind {
            Kind::Audio => vec![Codec::Opus],
            Kind::Video => vec![Codec::Vp8],
        };
        let egress = Egress { peer: PeerKey(who.0), slot: track.0 as u16 };
        let line = Line { egress, mid: MidName(track.0.to_string()), codecs };
        self.room.bind_subscription(self.now, who, track, line);
    }

    fn prefer(&mut self) {
        let (Some(who), Some(at)) = (self.someone(), self.some_track()) else { return };
        let preference = TrackPreference {
            disabled: self.rng.u32(0..5) == 0,
            max_layer: LAYERS[self.rng.usize(..3)],
            priority: self.rng.u32(0..3),
            ..TrackPreference::default()
        };
        self.room.set_preference(self.now, who, self.tracks[at].0, preference);
    }

    fn disturb(&mut self) {
        let (Some(who), Some(at)) = (self.someone(), self.some_track()) else { return };
        let track = self.tracks[at].0;
        match self.rng.u32(0..3) {
            0 => self.room.handle_estimate(self.now, who, Bitrate::kbps(self.rng.u64(100..5_000))),
            1 => {
                let egress = Egress { peer: PeerKey(who.0), slot: track.0 as u16 };
                self.room.handle_keyframe_request(self.now, who, egress);
            }
            _ => {
                let muted = self.rng.bool();
                self.room.set_track_muted(self.now, track, muted);
            }
        }
    }

    fn tap(&mut self) {
        let Some(at) = self.some_track() else { return };
        let track = self.tracks[at].0;
        let (max_layer, pixels) = (LAYERS[self.rng.usize(..3)], self.rng.u32(0..3) * 160);
        let layers = match self.rng.u32(0..3) {
            0 => TapLayers::All,
            1 => TapLayers::Best { max_layer, width: pixels, height: pixels },
            _ => TapLayers::Only(max_layer),
        };
        let known = self.rng.usize(..self.taps.len() + 2);
        match (self.taps.get(known).copied(), self.rng.u32(0..3)) {
            (None, _) => {
                // Its publisher may have left.
                let tap = self.room.add_tap(self.now, track, layers);
                self.taps.extend(tap.map(|tap| (track, tap)));
            }
            (Some((track, tap)), 0) => self.room.set_tap(self.now, track, tap, layers),
            (Some((track, tap)), 1) => self.room.handle_tap_keyframe_request(self.now, track, tap, None),
            (Some((track, tap)), _) => {
                self.room.remove_tap(self.now, track, tap);
                self.taps.swap_remove(known);
            }
        }
    }

    fn packet(&mut self) {
        let Some(at) = self.some_track() else { return };
        let layer = self.rng.usize(..3);
        let (track, kind, seqs) = &mut self.tracks[at];
        seqs[layer] += if self.rng.u32(0..20) == 0 { 2 } else { 1 };
        let late = u64::from(self.rng.u32(0..30) == 0);
        let codec = match kind {
            Kind::Audio => Codec::Opus,
            Kind::Video => Codec::Vp8,
        };
        let interframe = u8::from(self.rng.u32(0..10) != 0);
        let packet = Packet {
            format: Format { codec, profile: 0 },
            ssrc: track.0 * 10 + layer as u32,
            seq: seqs[layer] - late,
            timestamp: seqs[layer] as u32 * 3_000,
            marker: true,
            arrival: Duration::ZERO,
            captured: Duration::ZERO,
            payload: Arc::from([0x90, 0xe0, 0x80, seqs[layer] as u8, 1, 0x20, interframe]),
            extensions: Extensions { audio_level: Some((self.rng.u8(10..90), true)), ..Extensions::default() },
            clock: None,
        };
        let track = *track;
        self.room.handle_packet(self.now, track, LAYERS[layer], packet);
    }

    fn someone(&mut self) -> Option<ParticipantKey> {
        let count = self.participants.len();
        (count > 0).then(|| self.participants[self.rng.usize(..count)])
    }

    fn some_track(&mut self) -> Option<usize> {
        let count = self.tracks.len();
        (count > 0).then(|| self.rng.usize(..count))
    }
}
