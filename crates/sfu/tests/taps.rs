//! Taps: what each gets of a track, what they ask of its publisher, and what they cost.
#![allow(clippy::disallowed_methods, reason = "tests start at a real instant")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Bitrate;
use sfu::room::packet::{Egress, Extensions, Format, Packet};
use sfu::room::{Line, Room, RoomOutput};
use sfu::{
    Codec, Kind, Layer, LayerSpec, MediaEvent, MidName, ParticipantKey, PeerKey, Rights, RoomConfig, TapEvent, TapId,
    TapLayers, TapPacket, Tapped, TrackKey, TrackPreference, TrackSpec,
};

const LAYERS: [Layer; 3] = [Layer::Low, Layer::Medium, Layer::High];
/// One picture of 30 a second.
const PICTURE: Duration = Duration::from_micros(33_333);
const SECOND: Duration = Duration::from_secs(1);
const VP8: Format = Format { codec: Codec::Vp8, profile: 0 };

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all is done by the system's allocator; this only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: std::alloc::Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A publisher with a camera in three sizes, who sends what is asked for, and begins with keyframes when asked.
struct Scene {
    room: Room,
    began: Instant,
    now: Instant,
    owner: ParticipantKey,
    track: TrackKey,
    seqs: [u64; 3],
    /// Sizes that are sent.
    sends: Vec<Layer>,
    owes: Vec<Layer>,
    /// Which layers were wanted, each time that was told.
    demands: Vec<Option<Layer>>,
    /// Keyframes asked for, and when.
    asked: Vec<(Layer, Duration)>,
    tapped: Vec<Tapped>,
}

impl Scene {
    fn new() -> Self {
        Self::with(&LAYERS)
    }

    fn with(encodings: &[Layer]) -> Self {
        let now = Instant::now();
        let mut room = Room::new(RoomConfig {
            seed: 1,
            initial_bitrate: Bitrate::kbps(100_000),
            bandwidth_estimation: false,
            opened: now,
            local: [].into(),
        });
        let owner = room.join(now, Rights { publish: true, subscribe: true });
        let layer = |layer, width, height| LayerSpec { layer, width, height, bitrate: Bitrate::ZERO };
        let layers = vec![layer(Layer::Low, 320, 180), layer(Layer::Medium, 640, 360), layer(Layer::High, 1280, 720)];
        let spec = TrackSpec { kind: Kind::Video, screen: false, muted: false, layers };
        let track = room.publish(now, owner, spec);
        room.bind_track(now, track, encodings);
        Self {
            room,
            began: now,
            now,
            owner,
            track,
            seqs: [0; 3],
            sends: encodings.to_vec(),
            owes: encodings.to_vec(),
            demands: Vec::new(),
            asked: Vec::new(),
            tapped: Vec::new(),
        }
    }

    fn tap(&mut self, layers: TapLayers) -> TapId {
        let tap = self.room.add_tap(self.now, self.track, layers).expect("there is such a track");
        self.carry_out();
        tap
    }

    fn subscribe(&mut self, max_layer: Layer) -> ParticipantKey {
        let who = self.room.join(self.now, Rights { publish: false, subscribe: true });
        self.room.subscribe(self.now, who, self.track);
        let preference = TrackPreference { max_layer, ..TrackPreference::default() };
        self.room.set_preference(self.now, who, self.track, preference);
        let egress = Egress { peer: PeerKey(who.0), slot: 0 };
        let line = Line { egress, mid: MidName("0".to_owned()), codecs: vec![Codec::Vp8] };
        self.room.bind_subscription(self.now, who, self.track, line);
        self.carry_out();
        who
    }

    fn packet(&mut self, layer: Layer, seq: u64, first: bool, key: bool) {
        let packet = Packet {
            format: VP8,
            ssrc: 10 + layer as u32,
            seq,
            timestamp: seq as u32 * 3_000,
            marker: true,
            arrival: Duration::ZERO,
            captured: Duration::ZERO,
            payload: Arc::from([if first { 0x10 } else { 0 }, u8::from(!key), 0, 0]),
            extensions: Extensions::default(),
            clock: None,
        };
        self.feed(layer, packet);
    }

    fn feed(&mut self, layer: Layer, packet: Packet) {
        self.room.handle_packet(self.now, self.track, layer, packet);
        self.carry_out();
    }

    /// A picture in every size that is sent, in one packet each.
    fn picture(&mut self) {
        for layer in self.sends.clone() {
            self.seqs[layer as usize] += 1;
            let key = self.owes.contains(&layer);
            self.owes.retain(|owed| *owed != layer);
            self.packet(layer, self.seqs[layer as usize], true, key);
        }
        self.now += PICTURE;
        if self.room.poll_timeout().is_some_and(|at| at <= self.now) {
            self.room.handle_timeout(self.now);
        }
        self.carry_out();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.picture();
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                RoomOutput::RequestKeyframe { layer, .. } => {
                    self.owes.push(layer);
                    self.asked.push((layer, self.now - self.began));
                }
                RoomOutput::Event(MediaEvent::LayerDemand { highest, .. }) => {
                    self.demands.push(highest);
                    let returns = LAYERS.into_iter().filter(|layer| Some(*layer) <= highest);
                    self.owes.extend(returns.clone().filter(|layer| !self.sends.contains(layer)));
                    self.sends = returns.collect();
                }
                RoomOutput::Event(_) | RoomOutput::LineFreed(_) | RoomOutput::Bandwidth { .. } => {}
            }
        }
        self.room.drain_forwards().for_each(drop);
        self.tapped.extend(self.room.drain_tapped());
    }

    /// What a tap got since it was last asked.
    fn got(&mut self, by: TapId) -> (Vec<TapPacket>, Vec<TapEvent>) {
        let (mut packets, mut events) = (Vec::new(), Vec::new());
        self.tapped.retain_mut(|tapped| match tapped {
            Tapped::Packet { taps, packet, .. } => {
                if taps.contains(&by) {
                    packets.push(packet.clone());
                }
                *taps = taps.iter().copied().filter(|tap| *tap != by).collect();
                !taps.is_empty()
            }
            Tapped::Event { tap, event, .. } => {
                let own = *tap == by;
                if own {
                    events.push(*event);
                }
                !own
            }
        });
        (packets, events)
    }

    fn asked_since(&self, since: Instant) -> Vec<(Layer, Duration)> {
        let since = since - self.began;
        self.asked.iter().filter(|(_, at)| *at >= since).map(|(layer, at)| (*layer, *at - since)).collect()
    }
}

fn best(max_layer: Layer) -> TapLayers {
    TapLayers::Best { max_layer, width: 0, height: 0 }
}

fn began(layer: Layer) -> TapEvent {
    TapEvent::Began { layer, format: VP8 }
}

fn layers(packets: &[TapPacket]) -> Vec<Layer> {
    let mut layers: Vec<_> = packets.iter().map(|packet| packet.layer).collect();
    layers.dedup();
    layers
}

#[test]
fn each_tap_gets_its_layers_and_keeps_no_others_on() {
    let mut scene = Scene::new();
    scene.pass(SECOND);
    let small = scene.tap(TapLayers::Only(Layer::Low));
    let middle = scene.tap(TapLayers::Best { max_layer: Layer::High, width: 640, height: 360 });
    scene.pass(SECOND * 5);
    assert_eq!(scene.demands, [Some(Layer::Medium)], "nobody wants the highest, and so it is turned off");
    let (packets, events) = scene.got(small);
    assert_eq!((layers(&packets), events), (vec![Layer::Low], vec![began(Layer::Low)]));
    assert!(packets.windows(2).all(|pair| pair[1].packet.seq == pair[0].packet.seq + 1) && packets.len() > 148);
    let (packets, events) = scene.got(middle);
    assert_eq!((layers(&packets), events), (vec![Layer::Medium], vec![began(Layer::Medium)]));
    assert!(packets[0].starts && packets.len() > 148);
    assert!(scene.tapped.is_empty(), "nothing for anybody else: {:?}", scene.tapped.first());

    scene.room.remove_tap(scene.now, scene.track, middle);
    scene.pass(SECOND * 4);
    assert_eq!(scene.demands[1..], [Some(Layer::Low)]);
    assert_eq!(scene.got(middle), (vec![], vec![]));
    scene.room.set_tap(scene.now, scene.track, small, best(Layer::High));
    scene.pass(SECOND);
    assert_eq!(scene.demands[2..], [Some(Layer::High)], "more is asked for at once");
    let (packets, events) = scene.got(small);
    assert_eq!((layers(&packets).last(), events.last()), (Some(&Layer::High), Some(&began(Layer::High))));
    scene.room.remove_tap(scene.now, scene.track, small);
    scene.pass(SECOND * 4);
    assert_eq!((&scene.demands[3..], scene.sends.len()), (&[None][..], 0));
}

#[test]
fn taps_and_subscribers_keep_on_what_either_wants() {
    let mut scene = Scene::new();
    scene.subscribe(Layer::Low);
    let tap = scene.tap(TapLayers::All);
    scene.pass(SECOND * 4);
    assert_eq!(scene.demands, [], "a tap of all needs the highest");
    let (packets, mut events) = scene.got(tap);
    let of = |layer| packets.iter().filter(|packet| packet.layer == layer).count();
    assert!(LAYERS.into_iter().all(|layer| of(layer) > 118));
    events.sort_by_key(|event| format!("{event:?}"));
    assert_eq!(events, [Layer::High, Layer::Low, Layer::Medium].map(began));
    scene.room.remove_tap(scene.now, scene.track, tap);
    scene.pass(SECOND * 4);
    assert_eq!(scene.demands, [Some(Layer::Low)]);
}

#[test]
fn a_late_tap_gets_a_keyframe_under_the_limit_it_shares_with_subscribers() {
    let mut scene = Scene::new();
    scene.pass(SECOND);
    let subscriber = scene.subscribe(Layer::Low);
    let asked = scene.now;
    assert_eq!(scene.asked_since(asked), [(Layer::Low, Duration::ZERO)]);
    scene.pass(PICTURE * 3);
    let tap = scene.tap(TapLayers::Only(Layer::Low));
    let late = scene.tap(best(Layer::Low));
    scene.pass(SECOND);
    let again = scene.asked_since(asked);
    assert_eq!(again.len(), 2, "one for both: {again:?}");
    assert!(again[1].1 >= Duration::from_millis(500) && again[1].1 < Duration::from_millis(600), "{again:?}");
    let (packets, _) = scene.got(tap);
    assert!(!packets[0].starts && packets.iter().any(|packet| packet.starts), "it gets what comes meanwhile, too");
    assert!(scene.got(late).0[0].starts, "and this one begins with the keyframe");

    // Each asks for one: one goes out.
    scene.pass(SECOND);
    let asked = scene.now;
    for layer in [None, Some(Layer::Low), Some(Layer::High)] {
        scene.room.handle_tap_keyframe_request(scene.now, scene.track, tap, layer);
    }
    scene.room.handle_keyframe_request(scene.now, subscriber, Egress { peer: PeerKey(subscriber.0), slot: 0 });
    scene.carry_out();
    assert_eq!(scene.asked_since(asked), [(Layer::Low, Duration::ZERO)], "the highest is not its to ask for");
    scene.room.handle_tap_keyframe_request(scene.now, scene.track, TapId(999), None);
    scene.pass(SECOND);
    assert_eq!(scene.asked_since(asked).len(), 1);
}

#[test]
fn a_keyframe_whose_first_packet_comes_late_reaches_a_tap_whole() {
    let mut scene = Scene::with(&[Layer::High]);
    scene.owes.clear();
    scene.picture();
    let tap = scene.tap(best(Layer::High));
    for (seq, first, key) in [(4, false, true), (3, false, true), (2, true, true), (5, true, false)] {
        scene.packet(Layer::High, seq, first, key);
    }
    let (packets, events) = scene.got(tap);
    let seqs: Vec<_> = packets.iter().map(|packet| (packet.packet.seq, packet.starts)).collect();
    assert_eq!(seqs, [(2, true), (3, false), (4, false), (5, false)]);
    assert_eq!(events, [began(Layer::High)]);
}

#[test]
fn the_best_of_what_is_sent_follows_the_publisher_from_keyframe_to_keyframe() {
    let mut scene = Scene::new();
    let tap = scene.tap(best(Layer::High));
    scene.pass(SECOND);
    // Its uplink carries two of the three for a while.
    scene.sends = vec![Layer::Low, Layer::Medium];
    scene.pass(SECOND * 4);
    scene.sends = LAYERS.to_vec();
    scene.owes.push(Layer::High);
    scene.pass(SECOND);
    let (packets, events) = scene.got(tap);
    let runs: Vec<_> = packets.chunk_by(|a, b| a.layer == b.layer).map(|run| (run[0].layer, run[0].starts)).collect();
    let ladder = [(Layer::High, true), (Layer::Medium, true), (Layer::High, true)];
    // The sizes come one after the other to begin with.
    assert_eq!(runs[runs.len() - 3..], ladder, "{runs:?}");
    assert_eq!(events[events.len() - 3..], ladder.map(|(layer, _)| began(layer)));
    assert_eq!(scene.demands, []);
}

#[test]
fn one_encoding_is_the_best_of_all_and_only_itself() {
    let mut scene = Scene::with(&[Layer::High]);
    let (small, all) = (scene.tap(best(Layer::Low)), scene.tap(TapLayers::All));
    let none = scene.tap(TapLayers::Only(Layer::Low));
    scene.pass(SECOND);
    assert_eq!(scene.got(small), scene.got(all));
    assert_eq!(scene.got(none), (vec![], vec![]));
}

#[test]
fn a_tap_is_told_what_becomes_of_its_track() {
    let mut scene = Scene::with(&[Layer::High]);
    let tap = scene.tap(TapLayers::All);
    scene.pass(SECOND);
    assert_eq!(scene.got(tap).1, [began(Layer::High)]);
    scene.room.set_track_muted(scene.now, scene.track, true);
    scene.pass(SECOND);
    assert_eq!(scene.got(tap), (vec![], vec![TapEvent::Paused]));
    let unmuted = scene.now;
    scene.room.set_track_muted(scene.now, scene.track, false);
    scene.pass(SECOND);
    assert_eq!(scene.asked_since(unmuted), [(Layer::High, Duration::ZERO)]);
    assert_eq!(scene.got(tap).1, [began(Layer::High)]);
    scene.room.bind_track(scene.now, scene.track, &[]);
    scene.room.bind_track(scene.now, scene.track, &[Layer::High]);
    scene.picture();
    assert_eq!(scene.got(tap).1, [TapEvent::Paused, began(Layer::High)]);
    let h264 = Format { codec: Codec::H264, profile: 1 };
    let changed = Packet {
        format: h264,
        ssrc: 99,
        seq: 1,
        timestamp: 0,
        marker: true,
        arrival: Duration::ZERO,
        captured: Duration::ZERO,
        payload: Arc::from([0x67, 0x42, 0, 0]),
        extensions: Extensions::default(),
        clock: None,
    };
    scene.feed(Layer::High, changed);
    let (packets, events) = scene.got(tap);
    assert_eq!(events, [TapEvent::Began { layer: Layer::High, format: h264 }]);
    let arrival = scene.now - scene.began;
    let at = (packets[0].packet.arrival, packets[0].packet.captured);
    assert_eq!(at, (arrival, arrival), "times count from when the room opened");
    scene.room.leave(scene.now, scene.owner);
    scene.carry_out();
    assert_eq!(scene.got(tap), (vec![], vec![TapEvent::Ended]));
    assert_eq!(scene.room.add_tap(scene.now, scene.track, TapLayers::All), None, "there is no such track any more");
}

#[test]
fn redundant_and_plain_audio_are_one_format_to_a_tap() {
    let mut scene = Scene::new();
    let spec = TrackSpec { kind: Kind::Audio, screen: false, muted: false, layers: Vec::new() };
    scene.track = scene.room.publish(scene.now, scene.owner, spec);
    scene.room.bind_track(scene.now, scene.track, &[Layer::High]);
    let tap = scene.tap(best(Layer::Low));
    for (seq, codec) in [(1, Codec::Red), (2, Codec::Opus), (3, Codec::Red)] {
        let packet = Packet {
            format: Format { codec, profile: 0 },
            ssrc: 1,
            seq,
            timestamp: seq as u32 * 960,
            marker: false,
            arrival: Duration::ZERO,
            captured: Duration::ZERO,
            payload: Arc::from([111, 1, 2, 3]),
            extensions: Extensions::default(),
            clock: None,
        };
        scene.feed(Layer::High, packet);
    }
    let (packets, events) = scene.got(tap);
    assert_eq!((packets.len(), events.len()), (3, 1));
    assert_eq!(scene.asked, []);
}

/// Outputs and allocations of so many packets for so many taps.
fn cost(taps: usize, packets: u64) -> (usize, u64) {
    let mut scene = Scene::with(&[Layer::High]);
    scene.subscribe(Layer::High);
    let taps: Vec<_> = (0..taps).map(|_| scene.tap(TapLayers::All)).collect();
    scene.pass(SECOND);
    let payload: Arc<[u8]> = Arc::from([0x10, 1, 0, 0]);
    let first = scene.seqs[2] + 1;
    let before = ALLOCATIONS.get();
    let mut outputs = 0;
    for seq in first..first + packets {
        let packet = Packet {
            format: VP8,
            ssrc: 10 + Layer::High as u32,
            seq,
            timestamp: seq as u32 * 3_000,
            marker: true,
            arrival: Duration::ZERO,
            captured: Duration::ZERO,
            payload: Arc::clone(&payload),
            extensions: Extensions::default(),
            clock: None,
        };
        scene.room.handle_packet(scene.now, scene.track, Layer::High, packet);
        assert_eq!(scene.room.drain_forwards().count(), 1);
        for tapped in scene.room.drain_tapped() {
            let Tapped::Packet { taps: readers, packet, .. } = tapped else { panic!("{tapped:?}") };
            assert!(*readers == *taps && Arc::ptr_eq(&packet.packet.payload, &payload));
            outputs += 1;
        }
    }
    (outputs, ALLOCATIONS.get() - before)
}

#[test]
fn any_number_of_taps_costs_one_output_a_packet_and_no_allocation() {
    let (outputs, without) = cost(0, 1_000);
    assert_eq!(outputs, 0);
    for taps in [1, 8, 64] {
        assert_eq!(cost(taps, 1_000), (1_000, without), "{taps} taps");
    }
}
