//! VP9 and AV1 with spatial and temporal layers: what real encoders sent (`recorded/`), cut down for each subscriber, is judged
//! as a decoder would.
#![allow(clippy::disallowed_methods, reason = "tests start at a real instant")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use model::Bitrate;
use sfu::codec::descriptor::{self, Structure, Targets};
use sfu::codec::vp9;
use sfu::room::packet::{Egress, Extensions, Format, Forward, Packet, Rewrite};
use sfu::room::{Line, Room, RoomOutput};
use sfu::{
    Codec, Kind, Layer, LayerSpec, MidName, ParticipantKey, PeerKey, Rights, RoomConfig, TrackKey, TrackPreference,
    TrackSpec,
};

const LAYERS: [Layer; 3] = [Layer::Low, Layer::Medium, Layer::High];
/// One picture of 30 a second.
const PICTURE: Duration = Duration::from_micros(33_333);
/// Pictures after which what was wished for is there: a request for a keyframe waits for half a second at most.
const SETTLED: u32 = 24;

/// What was recorded of one packet: RTP time, marker, length, the first bytes of the payload, the dependency descriptor.
#[derive(Clone)]
struct Recorded {
    timestamp: u32,
    marker: bool,
    length: usize,
    payload: Vec<u8>,
    descriptor: Vec<u8>,
    /// By its descriptor.
    spatial: u8,
}

fn recorded(text: &str) -> Vec<Recorded> {
    let bytes = |hex: &str| -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
        pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
    };
    let mut structure = None;
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [timestamp, marker, length, payload, descriptor] = fields[..] else { panic!("not a recording: {line}") };
        let descriptor = bytes(descriptor);
        let read = descriptor::parse(&descriptor, structure.as_ref()).expect("readable");
        structure = read.structure.map(|structure| *structure).or(structure.take());
        Recorded {
            timestamp: timestamp.parse().expect("a number"),
            marker: marker == "1",
            length: length.parse().expect("a number"),
            payload: bytes(payload),
            descriptor,
            spatial: read.frame.spatial,
        }
    };
    let mut packets: Vec<_> = text.lines().map(line).collect();
    // The last picture may have been cut.
    let whole = packets.iter().rposition(|last: &Recorded| last.marker).map_or(0, |last| last + 1);
    packets.truncate(whole);
    packets
}

fn recordings() -> [(&'static str, Codec, Vec<Recorded>); 8] {
    macro_rules! of {
        ($name:literal, $codec:expr) => {
            ($name, $codec, recorded(include_str!(concat!("recorded/", $name, ".txt"))))
        };
    }
    [
        of!("vp9-l3t3-key", Codec::Vp9),
        of!("av1-l3t3-key", Codec::Av1),
        of!("vp9-l3t3", Codec::Vp9),
        of!("av1-l3t3", Codec::Av1),
        of!("av1-l2t2-key", Codec::Av1),
        of!("av1-s3t3", Codec::Av1),
        of!("vp9-l1t3", Codec::Vp9),
        of!("av1-l1t3", Codec::Av1),
    ]
}

/// A publisher that sends a recording over and over, and begins it anew when it is asked for a keyframe.
struct Publisher {
    codec: Codec,
    recording: Vec<Recorded>,
    described: bool,
    at: usize,
    seq: u64,
    timestamp: u32,
    /// Added to frame numbers and picture ids.
    ahead: (u16, u16),
    newest: (u16, u16),
}

impl Publisher {
    fn new(codec: Codec, recording: Vec<Recorded>, described: bool) -> Self {
        Self { codec, recording, described, at: 0, seq: 1_000, timestamp: 9_000, ahead: (0, 0), newest: (0, 0) }
    }

    fn begin_anew(&mut self) {
        self.begin_at(0);
    }

    fn begin_at(&mut self, at: usize) {
        let first = self.recording[at].clone();
        let (number, picture) = numbers(self.codec, &first);
        self.ahead =
            (self.newest.0.wrapping_add(1).wrapping_sub(number), self.newest.1.wrapping_add(1).wrapping_sub(picture));
        self.at = at;
    }

    fn is_at_keyframe(&self) -> bool {
        descriptor::starts_coded_sequence(&self.recording[self.at].descriptor)
    }

    /// The packets of the next picture, and its highest spatial layer.
    fn picture(&mut self) -> (Vec<Packet>, u8) {
        if self.at == self.recording.len() {
            self.begin_anew();
        }
        let timestamp = self.recording[self.at].timestamp;
        let (mut packets, mut top) = (Vec::new(), 0);
        self.timestamp = self.timestamp.wrapping_add(3_000);
        while self.recording.get(self.at).is_some_and(|next| next.timestamp == timestamp) {
            let next = self.recording[self.at].clone();
            top = top.max(next.spatial);
            packets.push(self.packet(next));
            self.at += 1;
        }
        (packets, top)
    }

    fn packet(&mut self, mut recorded: Recorded) -> Packet {
        let (number, picture) = numbers(self.codec, &recorded);
        self.newest = (number.wrapping_add(self.ahead.0), picture.wrapping_add(self.ahead.1));
        recorded.descriptor[1..3].copy_from_slice(&self.newest.0.to_be_bytes());
        if self.codec == Codec::Vp9 {
            recorded.payload[1..3].copy_from_slice(&(self.newest.1 | 0x8000).to_be_bytes());
        }
        recorded.payload.resize(recorded.length, 0xee);
        self.seq += 1;
        Packet {
            format: Format { codec: self.codec, profile: 0 },
            ssrc: 77,
            seq: self.seq,
            timestamp: self.timestamp,
            marker: recorded.marker,
            arrival: Duration::ZERO,
            captured: Duration::ZERO,
            payload: recorded.payload.into(),
            extensions: Extensions {
                dependency_descriptor: self.described.then(|| recorded.descriptor.into()),
                ..Extensions::default()
            },
            clock: None,
        }
    }
}

fn numbers(codec: Codec, recorded: &Recorded) -> (u16, u16) {
    let number = u16::from_be_bytes([recorded.descriptor[1], recorded.descriptor[2]]);
    let picture = u16::from_be_bytes([recorded.payload[1], recorded.payload[2]]) & 0x7fff;
    (number, if codec == Codec::Vp9 { picture } else { 0 })
}

/// One frame as a decoder sees it.
#[derive(Debug, Clone)]
struct Frame {
    id: u64,
    spatial: u8,
    temporal: u8,
    references: Vec<u64>,
}

/// A receiver that decodes whatever it has all references of.
#[derive(Default)]
struct Receiver {
    structure: Option<Structure>,
    newest: Option<u64>,
    decoded: BTreeSet<u64>,
    /// Frames that came without something they refer to: the frame, and what was missing.
    undecodable: Vec<(Frame, u64)>,
    seqs: BTreeMap<u64, (u32, bool, bool)>,
    believed: Option<Targets>,
    /// The highest spatial layer of the last pictures, and their temporal layers.
    pictures: Vec<(u32, u8, u8)>,
    /// The RTP time of those that are keyframes.
    keyframes: BTreeSet<u32>,
}

impl Receiver {
    fn take(&mut self, forward: &Forward) {
        let hollow = forward.rewrite == Rewrite::Hollow;
        let marker = match forward.rewrite {
            Rewrite::Hollow => false,
            Rewrite::Layers { ends_picture, .. } => ends_picture || forward.packet.marker,
            Rewrite::None | Rewrite::Vp8 { .. } | Rewrite::FrameNumber(_) => forward.packet.marker,
        };
        let again = self.seqs.insert(forward.seq, (forward.timestamp, marker, hollow));
        assert!(again.is_none(), "sequence number {} twice", forward.seq);
        if hollow {
            return;
        }
        let frame = match &forward.packet.extensions.dependency_descriptor {
            Some(bytes) => self.described(bytes, forward.rewrite),
            None => self.vp9(&forward.packet.payload),
        };
        match self.pictures.last_mut() {
            Some((timestamp, top, _)) if *timestamp == forward.timestamp => *top = frame.spatial.max(*top),
            Some(_) | None => {
                if frame.spatial == 0 && frame.references.is_empty() {
                    self.keyframes.insert(forward.timestamp);
                }
                self.pictures.push((forward.timestamp, frame.spatial, frame.temporal));
            }
        }
        match frame.references.iter().find(|id| !self.decoded.contains(id)) {
            Some(missing) => self.undecodable.push((frame.clone(), *missing)),
            None => {
                self.decoded.insert(frame.id);
            }
        }
    }

    fn described(&mut self, bytes: &[u8], rewrite: Rewrite) -> Frame {
        let mut buffer = [0; descriptor::LONGEST];
        let bytes = match rewrite {
            Rewrite::FrameNumber(number) => rewritten(bytes, number, None, &mut buffer),
            Rewrite::Layers { frame_number, active, .. } => {
                rewritten(bytes, frame_number.expect("there is a descriptor"), active, &mut buffer)
            }
            Rewrite::None | Rewrite::Vp8 { .. } | Rewrite::Hollow => {
                panic!("{rewrite:?} of a packet with a descriptor")
            }
        };
        let read = descriptor::parse(bytes, self.structure.as_ref()).expect("readable for the subscriber");
        self.believed = read.active.or(self.believed);
        if let Some(structure) = read.structure {
            self.structure = Some(*structure);
        }
        let id = self.extend(read.mandatory.number, 16);
        let references = read.frame.references.iter().map(|back| id - u64::from(back)).collect();
        Frame { id, spatial: read.frame.spatial, temporal: read.frame.temporal, references }
    }

    /// The flexible mode, in which a frame names the pictures it refers to (RFC 9628 §4.2).
    fn vp9(&mut self, payload: &[u8]) -> Frame {
        let read = vp9::parse(payload).expect("a payload descriptor");
        let layers = read.layers.expect("layers");
        let picture = self.extend(read.picture_id.expect("a picture id"), 15);
        let id = |picture: u64, spatial: u8| picture * 8 + u64::from(spatial);
        let mut references = Vec::new();
        let mut at = 4;
        let mut more = read.inter_picture;
        while more {
            references.push(id(picture - u64::from(payload[at] >> 1), layers.spatial));
            more = payload[at] & 1 == 1;
            at += 1;
        }
        if payload[3] & 1 != 0 {
            references.push(id(picture, layers.spatial - 1));
        }
        Frame { id: id(picture, layers.spatial), spatial: layers.spatial, temporal: layers.temporal, references }
    }

    fn extend(&mut self, number: u16, bits: u32) -> u64 {
        let turn = 1_u64 << bits;
        let newest = self.newest.unwrap_or(turn * 4 + u64::from(number));
        let ahead = u64::from(number).wrapping_sub(newest) % turn;
        let full = if ahead < turn / 2 { newest + ahead } else { newest + ahead - turn };
        self.newest = Some(newest.max(full));
        full
    }

    /// The picture has other layers than the one before without being a keyframe: the publisher adds one or leaves one out, which is
    /// not known before the next layer comes or does not.
    fn changes(&self, timestamp: u32) -> bool {
        let at = self.pictures.iter().position(|(known, ..)| *known == timestamp).expect("a picture");
        let before = at.checked_sub(1).map_or(0, |before| self.pictures[before].1);
        self.pictures[at].1 != before && !self.keyframes.contains(&timestamp)
    }

    /// No number is missing, and each picture has one marker, on its last packet.
    fn is_in_order(&self) {
        let mut packets: Vec<_> =
            self.seqs.iter().map(|(seq, (timestamp, marker, _))| (*seq, *timestamp, *marker)).collect();
        assert!(packets.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "a gap in the numbering");
        packets.retain(|(seq, ..)| !self.seqs[seq].2);
        let mut wrong = packets
            .windows(2)
            .map(|pair| (pair[0], pair[0].1 != pair[1].1))
            .filter(|((_, timestamp, marker), last)| marker != last && !self.changes(*timestamp));
        assert_eq!(wrong.next(), None, "a packet with its marker, and whether it ends its picture");
    }

    /// The markers of each picture from this RTP time on, in order.
    fn markers_from(&self, timestamp: u32) -> Vec<Vec<bool>> {
        let mut pictures: Vec<(u32, Vec<bool>)> = Vec::new();
        for (of, marker, _) in self.seqs.values().filter(|(of, ..)| *of >= timestamp) {
            match pictures.last_mut() {
                Some((known, markers)) if known == of => markers.push(*marker),
                Some(_) | None => pictures.push((*of, vec![*marker])),
            }
        }
        pictures.into_iter().map(|(_, markers)| markers).collect()
    }
}

fn rewritten<'a>(
    bytes: &[u8],
    number: u16,
    active: Option<(descriptor::ActivePlace, Targets)>,
    buffer: &'a mut [u8; descriptor::LONGEST],
) -> &'a [u8] {
    let length = descriptor::rewrite(bytes, number, active, buffer).expect("there is room");
    &buffer[..length]
}

struct Scene {
    room: Room,
    now: Instant,
    track: TrackKey,
    subscribers: Vec<ParticipantKey>,
    receivers: Vec<Receiver>,
}

impl Scene {
    fn new(codec: Codec, subscribers: u32, estimation: bool) -> Self {
        let now = Instant::now();
        let mut room = Room::new(RoomConfig {
            seed: 1,
            initial_bitrate: Bitrate::kbps(100_000),
            bandwidth_estimation: estimation,
            opened: now,
            local: [].into(),
        });
        let rights = Rights { publish: true, subscribe: true };
        let publisher = room.join(now, rights);
        let layer = |layer, width, height| LayerSpec { layer, width, height, bitrate: Bitrate::ZERO };
        let layers = vec![layer(Layer::Low, 320, 180), layer(Layer::Medium, 640, 360), layer(Layer::High, 1280, 720)];
        let spec = TrackSpec { kind: Kind::Video, screen: false, muted: false, layers };
        let track = room.publish(now, publisher, spec);
        room.bind_track(now, track, &[Layer::High]);
        let subscribers: Vec<_> = (0..subscribers)
            .map(|at| {
                let subscriber = room.join(now, rights);
                room.subscribe(now, subscriber, track);
                let egress = Egress { peer: PeerKey(at), slot: 0 };
                let line = Line { egress, mid: MidName("0".to_owned()), codecs: vec![codec] };
                room.bind_subscription(now, subscriber, track, line);
                subscriber
            })
            .collect();
        let receivers = subscribers.iter().map(|_| Receiver::default()).collect();
        Self { room, now, track, subscribers, receivers }
    }

    fn wish(&mut self, at: usize, preference: TrackPreference) {
        self.room.set_preference(self.now, self.subscribers[at], self.track, preference);
    }

    fn feed(&mut self, packet: Packet) {
        self.room.handle_packet(self.now, self.track, Layer::High, packet);
        self.deliver();
    }

    fn deliver(&mut self) {
        for forward in self.room.drain_forwards() {
            self.receivers[forward.egress.peer.0 as usize].take(&forward);
        }
    }

    /// Lets a picture's time pass. `true`: a keyframe is wanted.
    fn pass(&mut self) -> bool {
        self.now += PICTURE;
        self.room.handle_timeout(self.now);
        self.deliver();
        let mut asked = false;
        while let Some(output) = self.room.poll_output() {
            asked |= matches!(output, RoomOutput::RequestKeyframe { .. });
        }
        asked
    }
}

fn max_layer(layer: Layer) -> TrackPreference {
    TrackPreference { max_layer: layer, ..TrackPreference::default() }
}

/// The recordings, each with its descriptors, and those of VP9 without, too.
fn streams() -> Vec<(String, Codec, Vec<Recorded>, bool)> {
    let mut streams = Vec::new();
    for (name, codec, recording) in recordings() {
        streams.push((name.to_owned(), codec, recording.clone(), true));
        if codec == Codec::Vp9 {
            streams.push((format!("{name} without descriptors"), codec, recording, false));
        }
    }
    streams
}

/// What the publisher has sent lately. Where it leaves a layer out or adds one without a keyframe, its subscribers need one.
#[derive(Default)]
struct Sent {
    top: u8,
    since: u32,
    changed: bool,
}

impl Sent {
    fn note(&mut self, top: u8, keyframe: bool) {
        self.since = if top == self.top { self.since + 1 } else { 0 };
        self.changed = !keyframe && (self.changed || top != self.top);
        self.top = top;
    }

    fn is_steady(&self) -> bool {
        !self.changed || self.since > 8
    }
}

/// Spatial layers that an encoding announces, by the name of its recording: `vp9-l3t3-key`.
fn layers_of(name: &str) -> u8 {
    let mode = name.split('-').nth(1).expect("a codec and a mode");
    mode.as_bytes()[1] - b'0'
}

/// The spatial layer that a wish leads to in a picture whose highest is `top`, of an encoding with `count`.
fn expected(layer: Layer, count: u8, top: u8) -> u8 {
    (count - 1).saturating_sub(2 - layer as u8).min(top)
}

#[test]
fn whatever_is_wished_for_is_what_comes_and_can_be_decoded() {
    for (name, codec, recording, described) in streams() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut scene = Scene::new(codec, 4, false);
        // As the encoding announces them, `l3t3`; for want of bitrate not all need to come.
        let count = layers_of(&name);
        let mut publisher = Publisher::new(codec, recording, described);
        let mut wishes = [(Layer::High, 0_u32); 4];
        let mut settled = [0; 4];
        let mut sent = Sent::default();
        for _ in 0..3_000 {
            for (at, (wish, since)) in wishes.iter_mut().enumerate() {
                *since += 1;
                if rng.u32(0..120) == 0 {
                    (*wish, *since) = (LAYERS[rng.usize(0..3)], 0);
                    scene.wish(at, max_layer(*wish));
                }
            }
            let keyframe = publisher.at == publisher.recording.len() || publisher.is_at_keyframe();
            let (packets, top) = publisher.picture();
            sent.note(top, keyframe);
            packets.into_iter().for_each(|packet| scene.feed(packet));
            if scene.pass() {
                publisher.begin_anew();
            }
            for (at, (wish, since)) in wishes.iter().enumerate() {
                if *since > SETTLED && sent.is_steady() {
                    let last = scene.receivers[at].pictures.last().expect("pictures");
                    let wanted = expected(*wish, count, top);
                    assert_eq!(last.1, wanted, "{name}: subscriber {at} wants {wish:?} of {count} layers, {top} sent");
                    settled[at] += 1;
                }
            }
        }
        assert!(settled.iter().all(|count| *count > 50), "{name}: settled {settled:?} times");
        for receiver in &scene.receivers {
            assert_eq!(receiver.undecodable.len(), 0, "{name}: {:?}", receiver.undecodable.first());
            receiver.is_in_order();
        }
    }
}

#[test]
fn loss_and_disorder_make_nobody_send_what_refers_to_what_was_withheld() {
    for (name, codec, recording, described) in streams() {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut scene = Scene::new(codec, 3, false);
        let mut publisher = Publisher::new(codec, recording, described);
        let mut late: Vec<(u32, Packet)> = Vec::new();
        let mut lost = BTreeSet::new();
        for picture in 0..3_000_u32 {
            if rng.u32(0..60) == 0 {
                let wish = TrackPreference { frame_rate: rng.u32(0..40), ..max_layer(LAYERS[rng.usize(0..3)]) };
                scene.wish(rng.usize(0..3), wish);
            }
            let (packets, _) = publisher.picture();
            late.extend(packets.into_iter().map(|packet| match rng.u32(0..40) {
                0 => (u32::MAX, packet),
                1..4 => (picture + rng.u32(1..6), packet),
                _ => (picture, packet),
            }));
            late.sort_by_key(|(due, packet)| (*due, packet.seq));
            while late.first().is_some_and(|(due, _)| *due <= picture) {
                scene.feed(late.remove(0).1);
            }
            lost.extend(late.iter().filter(|(due, _)| *due == u32::MAX).map(|(_, packet)| packet.seq));
            late.retain(|(due, _)| *due != u32::MAX);
            if scene.pass() {
                publisher.begin_anew();
            }
        }
        assert!(lost.len() > 50, "{name}");
        for receiver in &scene.receivers {
            // What did not come in cannot go out; whatever hangs on that cannot be decoded either, until the next keyframe. More than
            // that is not missing: pictures go on being decoded.
            let whole = receiver.decoded.len();
            assert!(whole > receiver.undecodable.len(), "{name}: {whole} frames, {} not", receiver.undecodable.len());
            let holes =
                receiver.seqs.keys().next_back().expect("packets") - receiver.seqs.keys().next().expect("packets") + 1
                    - receiver.seqs.len() as u64;
            assert!(
                holes <= lost.len() as u64 + late.len() as u64,
                "{name}: {holes} gaps, {} packets lost",
                lost.len()
            );
        }
    }
}

#[test]
fn a_keyframe_whose_first_packet_comes_last_is_read_all_the_same() {
    let (_, codec, mut recording) = recordings().into_iter().next().expect("the first");
    // Two keyframes in a row, of which the second brings a structure of other numbers.
    recording.truncate(24);
    let mut publisher = Publisher::new(codec, recording.clone(), true);
    let mut scene = Scene::new(codec, 2, false);
    scene.wish(1, max_layer(Layer::Low));
    for _ in 0..8 {
        publisher.picture().0.into_iter().for_each(|packet| scene.feed(packet));
        scene.pass();
    }
    publisher.recording = recording.into_iter().map(renumbered).collect();
    publisher.begin_at(2);
    let mut keyframe = publisher.picture().0;
    assert_eq!(keyframe.len(), 3);
    keyframe.rotate_left(1);
    keyframe.into_iter().for_each(|packet| scene.feed(packet));
    scene.pass();
    publisher.picture().0.into_iter().for_each(|packet| scene.feed(packet));
    let last = |receiver: &Receiver| receiver.pictures.last().map(|(_, spatial, _)| *spatial);
    assert_eq!((last(&scene.receivers[0]), last(&scene.receivers[1])), (Some(2), Some(0)));
}

/// With template ids moved on by twenty.
fn renumbered(mut recorded: Recorded) -> Recorded {
    let first = recorded.descriptor[0];
    recorded.descriptor[0] = first & 0xc0 | (first + 20) & 0x3f;
    if recorded.descriptor.get(3).is_some_and(|flags| flags & 0x80 != 0) {
        // The offset is the six bits after the five flags.
        recorded.descriptor[3] |= 20 >> 3;
        recorded.descriptor[4] |= (20 << 5) as u8;
    }
    recorded
}

#[test]
fn the_place_kept_for_a_packet_that_nobody_wants_is_filled() {
    let (_, codec, recording) = recordings().into_iter().next().expect("the first");
    let mut publisher = Publisher::new(codec, recording, true);
    let mut scene = Scene::new(codec, 1, false);
    scene.wish(0, max_layer(Layer::Low));
    for _ in 0..6 {
        publisher.picture().0.into_iter().for_each(|packet| scene.feed(packet));
        scene.pass();
    }
    let mut packets = publisher.picture().0;
    assert_eq!(packets.len(), 3);
    let highest = packets.pop().expect("three");
    packets.into_iter().for_each(|packet| scene.feed(packet));
    publisher.picture().0.into_iter().for_each(|packet| scene.feed(packet));
    let before = scene.receivers[0].seqs.len();
    scene.feed(highest);
    let receiver = &scene.receivers[0];
    let hollow = receiver.seqs.values().filter(|(_, _, hollow)| *hollow).count();
    assert_eq!((receiver.seqs.len(), hollow), (before + 1, 1));
    receiver.is_in_order();
}

#[test]
fn what_is_told_of_the_targets_is_what_can_be_decoded() {
    let (_, codec, recording) = recordings().into_iter().next().expect("the first");
    let mut publisher = Publisher::new(codec, recording, true);
    let mut scene = Scene::new(codec, 3, false);
    for (at, layer) in LAYERS.into_iter().enumerate() {
        scene.wish(at, max_layer(layer));
    }
    for _ in 0..12 {
        publisher.picture().0.into_iter().for_each(|packet| scene.feed(packet));
        if scene.pass() {
            publisher.begin_anew();
        }
    }
    let believed: Vec<_> = scene.receivers.iter().map(|receiver| receiver.believed).collect();
    assert_eq!(believed, [Some(0b000_000_111), Some(0b000_111_000), Some(0b111_000_000)]);
}

#[test]
fn a_frame_rate_that_is_wished_for_leaves_temporal_layers_out() {
    for (name, codec, recording, described) in streams() {
        if !name.contains("t3") {
            continue;
        }
        let mut publisher = Publisher::new(codec, recording, described);
        let mut scene = Scene::new(codec, 2, false);
        let run = |scene: &mut Scene, publisher: &mut Publisher, pictures: u32| {
            let before = scene.receivers.iter().map(|receiver| receiver.pictures.len()).collect::<Vec<_>>();
            for _ in 0..pictures {
                publisher.picture().0.into_iter().for_each(|packet| scene.feed(packet));
                if scene.pass() {
                    publisher.begin_anew();
                }
            }
            let got = scene.receivers.iter().zip(before).map(|(receiver, before)| receiver.pictures.len() - before);
            got.collect::<Vec<_>>()
        };
        run(&mut scene, &mut publisher, 90);
        scene.wish(1, TrackPreference { frame_rate: 7, ..TrackPreference::default() });
        run(&mut scene, &mut publisher, 30);
        let got = run(&mut scene, &mut publisher, 120);
        // Not all: one may wait for a keyframe where its layer is no longer sent.
        assert!(got[0] > 90, "{name}: {} pictures of 120", got[0]);
        assert!((15..60).contains(&got[1]), "{name}: {} pictures of 120", got[1]);
        scene.wish(1, TrackPreference::default());
        run(&mut scene, &mut publisher, 30);
        let again = run(&mut scene, &mut publisher, 120);
        assert!(again[1] > 90, "{name}: {} pictures of 120", again[1]);
        for receiver in &scene.receivers {
            assert_eq!(receiver.undecodable.len(), 0, "{name}: {:?}", receiver.undecodable.first());
        }
    }
}

#[test]
fn bandwidth_chooses_among_the_layers_inside_an_encoding() {
    for (name, codec, recording, described) in streams() {
        if recording.iter().all(|one| one.spatial < 2) {
            continue;
        }
        let mut publisher = Publisher::new(codec, recording, described);
        let mut scene = Scene::new(codec, 1, true);
        let mut seen = Vec::new();
        for kbps in [100_000, 1, 100_000] {
            scene.room.handle_estimate(scene.now, scene.subscribers[0], Bitrate::kbps(kbps));
            let mut highest = BTreeMap::new();
            for picture in 0..200 {
                let (packets, top) = publisher.picture();
                packets.into_iter().for_each(|packet| scene.feed(packet));
                if scene.pass() {
                    publisher.begin_anew();
                }
                if picture > 100 && top == 2 {
                    let last = scene.receivers[0].pictures.last().expect("pictures");
                    *highest.entry(last.1).or_insert(0) += 1;
                }
            }
            let most = highest.into_iter().max_by_key(|(_, count)| *count).expect("pictures of three layers");
            seen.push(most.0);
        }
        assert_eq!(seen, [2, 0, 2], "{name}");
        assert_eq!(scene.receivers[0].undecodable.len(), 0, "{name}");
    }
}

/// VP9 of three spatial layers without descriptors, in the flexible mode (RFC 9628 §4.2). Each frame is one packet.
struct Synthetic {
    seq: u64,
    picture: u16,
}

impl Synthetic {
    fn timestamp(&self) -> u32 {
        u32::from(self.picture) * 3_000
    }

    /// The next picture, with these layers only. `marked`: the publisher knows which is its last.
    fn picture(&mut self, layers: &[u8], marked: bool) -> Vec<Packet> {
        self.picture += 1;
        let keyframe = self.picture % 8 == 1;
        let last = layers.last().copied();
        layers.iter().map(|spatial| self.packet(*spatial, keyframe, marked && last == Some(*spatial))).collect()
    }

    fn packet(&mut self, spatial: u8, keyframe: bool, marker: bool) -> Packet {
        self.seq += 1;
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        // I, L, F, B and E; P and one reference but for keyframes, whose layers refer to each other.
        let mut payload = vec![0xbc, high, low, spatial << 1];
        if keyframe {
            payload[3] |= u8::from(spatial > 0);
        } else {
            payload[0] |= 0x40;
            payload.push(1 << 1);
        }
        payload.resize(100, 0xee);
        Packet {
            format: Format { codec: Codec::Vp9, profile: 0 },
            ssrc: 78,
            seq: self.seq,
            timestamp: self.timestamp(),
            marker,
            arrival: Duration::ZERO,
            captured: Duration::ZERO,
            payload: payload.into(),
            extensions: Extensions::default(),
            clock: None,
        }
    }
}

/// A publisher of three layers and a subscriber for each, all of whom have what they wish for.
fn three_layers_without_descriptors() -> (Scene, Synthetic) {
    let mut scene = Scene::new(Codec::Vp9, 3, false);
    for (at, layer) in LAYERS.into_iter().enumerate() {
        scene.wish(at, max_layer(layer));
    }
    let mut publisher = Synthetic { seq: 1_000, picture: 0 };
    for _ in 0..48 {
        publisher.picture(&[0, 1, 2], true).into_iter().for_each(|packet| scene.feed(packet));
        scene.pass();
    }
    (scene, publisher)
}

/// The markers of each picture that a subscriber got from `first` of the publisher's RTP time on.
fn markers(scene: &Scene, first: u32) -> [Vec<Vec<bool>>; 3] {
    [0, 1, 2].map(|at| scene.receivers[at].markers_from(first))
}

#[test]
fn the_last_packet_of_a_picture_has_the_marker_whichever_layers_the_publisher_leaves_out() {
    let (mut scene, mut publisher) = three_layers_without_descriptors();
    let first = publisher.timestamp() + 3_000;
    // Of those without the publisher's marker, it had planned more layers than it sent, as libvpx does for want of bitrate.
    let pictures: [(&[u8], bool); 7] = [
        (&[0, 1, 2], true),
        (&[0, 2], true),
        (&[0], false),
        (&[0, 1], false),
        (&[0], true),
        (&[0, 2], false),
        (&[0, 1, 2], true),
    ];
    for (layers, marked) in pictures {
        publisher.picture(layers, marked).into_iter().for_each(|packet| scene.feed(packet));
        scene.pass();
    }
    let of = |counts: [usize; 7]| counts.map(|count| [vec![false; count - 1], vec![true]].concat()).to_vec();
    assert_eq!(
        markers(&scene, first),
        [of([1; 7]), of([2, 1, 1, 2, 1, 1, 2]), of([3, 2, 1, 2, 1, 2, 3])],
        "small, medium, large"
    );
}

#[test]
fn a_picture_that_nothing_follows_gets_its_marker_after_a_while() {
    let (mut scene, mut publisher) = three_layers_without_descriptors();
    let first = publisher.timestamp() + 3_000;
    publisher.picture(&[0], false).into_iter().for_each(|packet| scene.feed(packet));
    assert_eq!(markers(&scene, first), [vec![vec![true]], vec![], vec![]], "who wants no more has it at once");
    (0..8).for_each(|_| _ = scene.pass());
    assert_eq!(markers(&scene, first), [(); 3].map(|()| vec![vec![true]]));
}

#[test]
fn a_marker_is_right_for_packets_that_come_late_and_left_alone_where_the_next_one_is_lost() {
    let (mut scene, mut publisher) = three_layers_without_descriptors();
    let first = publisher.timestamp() + 3_000;
    // The first packet after the second, and its next one known by then.
    publisher.picture(&[0, 2], true).into_iter().rev().for_each(|packet| scene.feed(packet));
    // What is lost may have been layer 1.
    scene.feed(publisher.picture(&[0, 2], true).remove(0));
    publisher.picture(&[0, 1, 2], true).into_iter().for_each(|packet| scene.feed(packet));
    let medium = &markers(&scene, first)[1];
    assert_eq!(*medium, [vec![true], vec![false], vec![false, true]]);
}
