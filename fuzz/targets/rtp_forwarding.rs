//! Forwarding: packets of any content through the pure room, and through the payload parsers alone.
#![no_main]

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use sfu::room::packet::{Egress, Extensions, Format, Packet};
use sfu::room::{Line, Room};
use sfu::{
    Codec, Kind, Layer, MidName, ParticipantKey, PeerKey, Rights, TapLayers, TapPacket, Tapped, TrackKey,
    TrackPreference, TrackSpec,
};

static OPENED: LazyLock<Instant> = LazyLock::new(Instant::now);
const CODECS: [Codec; 9] =
    [Codec::Opus, Codec::Red, Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1, Codec::Pcmu, Codec::Pcma, Codec::H265];
const LAYERS: [Layer; 3] = [Layer::Low, Layer::Medium, Layer::High];

/// A keyframe of three spatial and three temporal layers (L3T3), as Chromium describes it.
const STRUCTURE: &[u8] = &[
    0xc1, 0x00, 0x01, 0xc0, 0x08, 0x14, 0x85, 0x21, 0x4e, 0xaf, 0xff, 0xaa, 0xaa, 0x86, 0x3c, 0xf0, 0x43, 0x0c, 0x10,
    0xc3, 0x02, 0xaf, 0xc0, 0xaa, 0xa0, 0x06, 0x3c, 0x00, 0x43, 0x00, 0x10, 0xc0, 0x02, 0xa0, 0x00, 0xa8, 0x00, 0x06,
    0x00, 0x00, 0x40, 0x00, 0x1d, 0x95, 0x49, 0x26, 0xe0, 0x82, 0xb0, 0x4a, 0x09, 0x41, 0xb8, 0x20, 0xac, 0x12, 0x82,
    0x50, 0x31, 0x57, 0xf9, 0x74, 0x00, 0x0c, 0xa8, 0x64, 0x33, 0x0e, 0x22, 0x22, 0x22, 0xec, 0xa8, 0x65, 0x53, 0x04,
    0x22, 0x42, 0x30, 0xec, 0xa8, 0x77, 0x53, 0x01, 0x3f, 0x00, 0xb3, 0x02, 0x7f, 0x01, 0x67, 0x04, 0xff, 0x02, 0xcf,
    0x03, 0x80,
];

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }
    fn take(&mut self, length: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }
}

/// The bytes as they are, or the structure with what follows 0xff as its template and frame number.
fn descriptor(bytes: Vec<u8>) -> Vec<u8> {
    let [0xff, mandatory @ ..] = &bytes[..] else { return bytes };
    let mut descriptor = STRUCTURE.to_vec();
    let length = mandatory.len().min(3);
    descriptor[..length].copy_from_slice(&mandatory[..length]);
    descriptor
}

struct Scene {
    room: Room,
    now: Instant,
    tracks: [TrackKey; 2],
    subscribers: [ParticipantKey; 2],
    seqs: [u64; 6],
    /// What came in: SRTP lets no packet through twice (RFC 3711 §3.3.2).
    came: BTreeSet<(u32, u64)>,
    seen: BTreeSet<(Egress, u64)>,
}

fuzz_target!(|data: &[u8]| {
    for codec in CODECS {
        let _ = sfu::codec::starts_keyframe(codec, data, None);
        let _ = sfu::codec::starts_keyframe(codec, data, Some(data));
    }
    if let Ok(packet) = TapPacket::decode(data) {
        again(&packet);
    }
    let mut scene = Scene::new();
    let mut bytes = Bytes(data);
    for _ in 0..512 {
        if scene.step(&mut bytes).is_none() {
            break;
        }
        scene.drain();
    }
});

/// What a tap got is the same after it was stored.
fn again(packet: &TapPacket) {
    let mut bytes = Vec::new();
    packet.encode(&mut bytes);
    assert_eq!(TapPacket::decode(&bytes).as_ref(), Ok(packet));
}

impl Scene {
    fn new() -> Self {
        let now = *OPENED;
        let mut room = Room::new(sfu::RoomConfig {
            seed: 1,
            initial_bitrate: model::Bitrate::kbps(1_500),
            bandwidth_estimation: true,
            opened: now,
            local: vec![].into(),
        });
        let rights = Rights { publish: true, subscribe: true };
        let publisher = room.join(now, rights);
        let subscribers = [room.join(now, rights), room.join(now, rights)];
        let spec = |kind| TrackSpec { kind, screen: false, muted: false, layers: vec![] };
        let tracks = [Kind::Audio, Kind::Video].map(|kind| room.publish(now, publisher, spec(kind)));
        room.bind_track(now, tracks[0], &[Layer::High]);
        room.bind_track(now, tracks[1], &LAYERS);
        for (track, max_layer) in [(tracks[0], Layer::Low), (tracks[1], Layer::Low), (tracks[1], Layer::High)] {
            room.add_tap(now, track, TapLayers::Best { max_layer, width: 0, height: 0 });
            room.add_tap(now, track, TapLayers::Only(max_layer));
        }
        for (at, subscriber) in subscribers.into_iter().enumerate() {
            for (slot, track) in tracks.into_iter().enumerate() {
                room.subscribe(now, subscriber, track);
                // The second takes neither RED nor AV1.
                let codecs = CODECS.into_iter().filter(|codec| at == 0 || !matches!(codec, Codec::Red | Codec::Av1));
                let egress = Egress { peer: PeerKey(at as u32), slot: slot as u16 };
                let line = Line { egress, mid: MidName(slot.to_string()), codecs: codecs.collect() };
                room.bind_subscription(now, subscriber, track, line);
            }
        }
        Self { room, now, tracks, subscribers, seqs: [1000; 6], came: BTreeSet::new(), seen: BTreeSet::new() }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let what = bytes.u8()?;
        let subscriber = self.subscribers[usize::from(what >> 7)];
        match what % 8 {
            0..=3 => self.packet(bytes)?,
            4 => {
                self.now += Duration::from_millis(u64::from(bytes.u8()?) * 10);
                self.room.handle_timeout(self.now);
            }
            5 => {
                let (flags, pixels) = (bytes.u8()?, u32::from(bytes.u8()?) * 16);
                let preference = TrackPreference {
                    disabled: flags & 1 != 0,
                    max_layer: LAYERS[usize::from(flags >> 1) % 3],
                    width: pixels,
                    height: pixels / 2,
                    frame_rate: pixels / 100,
                    priority: u32::from(flags >> 4),
                };
                self.room.set_preference(self.now, subscriber, self.tracks[1], preference);
            }
            6 => {
                let estimate = model::Bitrate::kbps(u64::from(bytes.u8()?) * 20);
                self.room.handle_estimate(self.now, subscriber, estimate);
            }
            _ => {
                let flags = bytes.u8()?;
                let peer = PeerKey(u32::from(what >> 7));
                match flags % 3 {
                    0 => self.room.set_track_muted(self.now, self.tracks[usize::from(flags >> 7)], flags & 64 != 0),
                    1 => self.room.handle_keyframe_request(self.now, subscriber, Egress { peer, slot: 1 }),
                    _ => self.room.handle_measurement(subscriber, f32::from(flags) / 255.0, None, flags & 64 != 0),
                }
            }
        }
        Some(())
    }

    fn packet(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let (flags, kind, length) = (bytes.u8()?, bytes.u8()?, bytes.u8()?);
        let video = kind & 1 != 0;
        let at = if video { usize::from(kind >> 1) % 3 } else { 2 };
        let stream = if video { at } else { 3 };
        let seq = &mut self.seqs[stream];
        // Mostly one on; sometimes late, sometimes far ahead.
        *seq = match flags % 8 {
            0..=4 => *seq + 1,
            5 => *seq + u64::from(flags),
            6 => seq.saturating_sub(u64::from(flags)),
            _ => *seq + 40_000,
        };
        let ssrc = 1 + stream as u32 + if flags & 64 != 0 { 10 } else { 0 };
        if !self.came.insert((ssrc, *seq)) {
            return Some(());
        }
        let codec = CODECS[usize::from(kind >> 3) % CODECS.len()];
        let descriptor = (flags & 32 != 0).then(|| Arc::from(descriptor(bytes.take(usize::from(length % 32)))));
        let packet = Packet {
            format: Format { codec, profile: 0 },
            ssrc,
            seq: *seq,
            timestamp: (*seq as u32).wrapping_mul(3_000),
            marker: flags & 16 != 0,
            arrival: Duration::ZERO,
            captured: Duration::ZERO,
            payload: bytes.take(usize::from(length)).into(),
            extensions: Extensions {
                audio_level: (!video).then_some((length & 127, flags & 128 != 0)),
                dependency_descriptor: descriptor,
                ..Default::default()
            },
            clock: None,
        };
        self.now += Duration::from_millis(5);
        self.room.handle_packet(self.now, self.tracks[usize::from(video)], LAYERS[at], packet);
        Some(())
    }

    fn drain(&mut self) {
        while self.room.poll_output().is_some() {}
        for forward in self.room.drain_forwards() {
            assert!(self.seen.insert((forward.egress, forward.seq)), "a sequence number was used twice");
        }
        for tapped in self.room.drain_tapped() {
            if let Tapped::Packet { packet, .. } = tapped {
                again(&packet);
            }
        }
    }
}
