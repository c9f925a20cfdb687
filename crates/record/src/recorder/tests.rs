//! A recorder in virtual time, fed with packets that were never sent.

use std::time::SystemTime;

use sfu::room::packet::{Extensions, Format, Packet, SenderClock};
use sfu::{Codec, Layer};

use super::*;
use crate::folder::{Kind, Source};

const CAMERA: TrackKey = TrackKey(1);
const MICROPHONE: TrackKey = TrackKey(2);
/// Frames a second of the camera.
const FPS: u64 = 25;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Packets of a VP8 stream: two a frame, a keyframe where one is asked for.
struct Stream {
    ssrc: u32,
    seq: u64,
    timestamp: u32,
    size: (u16, u16),
    clock: Option<SenderClock>,
}

impl Stream {
    fn new(ssrc: u32) -> Self {
        Self { ssrc, seq: 65_000, timestamp: u32::MAX - 90_000, size: (640, 360), clock: None }
    }

    fn frame(&mut self, now: Duration, keyframe: bool) -> [TapPacket; 2] {
        let (width, height) = (self.size.0.to_le_bytes(), self.size.1.to_le_bytes());
        let mut first = vec![0x10, u8::from(!keyframe), 0, 0];
        if keyframe {
            first.extend_from_slice(&[0x9d, 0x01, 0x2a, width[0], width[1], height[0], height[1]]);
        }
        let payloads = [first, vec![0x00, self.seq as u8, 7]];
        self.timestamp = self.timestamp.wrapping_add(90_000 / FPS as u32);
        let mut at = 0;
        payloads.map(|payload| {
            at += 1;
            self.seq += 1;
            self.packet(now, Codec::Vp8, &payload, keyframe && at == 1, at == 2)
        })
    }

    fn packet(&self, now: Duration, codec: Codec, payload: &[u8], starts: bool, marker: bool) -> TapPacket {
        let packet = Packet {
            format: Format { codec, profile: 0 },
            ssrc: self.ssrc,
            seq: self.seq,
            timestamp: self.timestamp,
            marker,
            arrival: now,
            captured: now,
            payload: payload.into(),
            extensions: Extensions::default(),
            clock: self.clock,
        };
        TapPacket { layer: Layer::High, starts, packet: Arc::new(packet) }
    }
}

/// What came out.
#[derive(Debug, Default)]
struct Out {
    fragments: Vec<Fragment>,
    events: Vec<(u64, What)>,
    keyframes: usize,
}

impl Out {
    fn drain(&mut self, recorder: &mut Recorder) -> Option<Duration> {
        loop {
            match recorder.poll_output() {
                Output::Write(Write::Event { at, what }) => self.events.push((at, what)),
                Output::Write(Write::Fragment(fragment)) => self.fragments.push(fragment),
                Output::Keyframe(_) => self.keyframes += 1,
                Output::Timeout(at) => return at,
            }
        }
    }

    /// Decode times and durations of all samples, in ms.
    fn samples(&self) -> Vec<(u64, u64)> {
        let mut samples = Vec::new();
        for fragment in &self.fragments {
            let rate = u64::from(fragment.parameters.timescale());
            let mut at = fragment.from;
            for sample in &fragment.samples {
                samples.push((at * 1_000 / rate, u64::from(sample.duration) * 1_000 / rate));
                at += u64::from(sample.duration);
            }
        }
        samples
    }

    fn gaps(&self) -> Vec<(u64, u64)> {
        let gap = |(_, what): &(u64, What)| match what {
            What::Gap { from, to, .. } => Some((*from, *to)),
            _ => None,
        };
        self.events.iter().filter_map(gap).collect()
    }
}

fn recorder(from: Duration) -> Recorder {
    let mut recorder = Recorder::new(from);
    let track = |track: &str, kind, source| TrackSource {
        track: track.to_owned(),
        participant: "PA_1".to_owned(),
        kind,
        source,
        codec: String::new(),
    };
    assert!(recorder.add_track(from, CAMERA, track("TR_VC", Kind::Video, Source::Camera)));
    assert!(recorder.add_track(from, MICROPHONE, track("TR_AM", Kind::Audio, Source::Microphone)));
    recorder
}

#[test]
fn a_stream_without_loss_is_recorded_whole_from_its_first_keyframe() {
    let (mut recorder, mut out, mut stream) = (recorder(ms(0)), Out::default(), Stream::new(1));
    for at in 0..FPS * 4 {
        let now = ms(at * 1_000 / FPS);
        for packet in stream.frame(now, at == 5) {
            recorder.handle_packet(now, CAMERA, &packet);
        }
        out.drain(&mut recorder);
    }
    recorder.stop(ms(4_000), true);
    out.drain(&mut recorder);
    let samples = out.samples();
    assert_eq!(samples.len() as u64, FPS * 4 - 5);
    assert_eq!((samples[0], samples[1]), ((200, 40), (240, 40)));
    assert!(samples.windows(2).all(|two| two[0].0 + two[0].1 == two[1].0), "one follows the other: {samples:?}");
    let whole: Vec<u64> = out.fragments.iter().map(|fragment| fragment.samples.len() as u64).collect();
    assert_eq!(whole[0], FPS, "a fragment is a second: {whole:?}");
    assert!(matches!(out.events.last(), Some((4_000, What::Stopped))));
    assert_eq!((out.keyframes, out.gaps()), (0, vec![]));
}

#[test]
fn late_and_doubled_packets_change_nothing_and_lost_ones_leave_a_gap() {
    let (mut recorder, mut out, mut stream) = (recorder(ms(0)), Out::default(), Stream::new(1));
    let mut late: Vec<(Duration, TapPacket)> = Vec::new();
    let mut asked = false;
    for at in 0..FPS * 4 {
        let now = ms(at * 1_000 / FPS);
        late.retain(|(due, packet)| {
            if *due <= now {
                recorder.handle_packet(now, CAMERA, packet);
            }
            *due > now
        });
        recorder.handle_timeout(now);
        let [first, second] = stream.frame(now, at == 0 || std::mem::take(&mut asked));
        match at {
            // Came again 200 ms later, as a retransmission does.
            20 => late.push((now + ms(200), first)),
            // Lost for good.
            50 => {}
            _ => recorder.handle_packet(now, CAMERA, &first),
        }
        recorder.handle_packet(now, CAMERA, &second);
        recorder.handle_packet(now, CAMERA, &second);
        let before = out.keyframes;
        out.drain(&mut recorder);
        asked = out.keyframes > before;
    }
    recorder.stop(ms(4_000), true);
    out.drain(&mut recorder);
    let samples = out.samples();
    // Frame 50 is at 2,000 ms. It was given up 250 ms later, and the next frame was a keyframe.
    assert_eq!(out.keyframes, 1);
    let missing: Vec<u64> = (0..FPS * 4).map(|at| at * 40).filter(|at| !samples.iter().any(|s| s.0 == *at)).collect();
    assert_eq!(missing, (50..58).map(|at| at * 40).collect::<Vec<_>>(), "{samples:?}");
    assert_eq!(out.gaps(), [(2_000, 2_320)]);
    assert!(samples.iter().all(|sample| sample.1 == 40), "nothing is stretched over the gap: {samples:?}");
}

#[test]
fn another_size_is_another_part_and_another_encoding_of_the_same_size_is_not() {
    let (mut recorder, mut out) = (recorder(ms(0)), Out::default());
    let mut streams = [Stream::new(1), Stream::new(2), Stream::new(3)];
    streams[2].size = (1_280, 720);
    for at in 0..FPS * 3 {
        let now = ms(at * 1_000 / FPS);
        for packet in streams[(at / FPS) as usize].frame(now, at % FPS == 0) {
            recorder.handle_packet(now, CAMERA, &packet);
        }
    }
    recorder.stop(ms(3_000), true);
    out.drain(&mut recorder);
    let parts: Vec<_> = out.fragments.iter().map(|fragment| (fragment.part, fragment.parameters.size())).collect();
    assert_eq!(parts, [(1, Some((640, 360))), (1, Some((640, 360))), (2, Some((1_280, 720)))]);
    let samples = out.samples();
    assert!(samples.windows(2).all(|two| two[0].0 + two[0].1 == two[1].0), "{samples:?}");
}

#[test]
fn a_mute_and_a_pause_leave_their_time_open() {
    let (mut recorder, mut out, mut stream) = (recorder(ms(0)), Out::default(), Stream::new(9));
    for at in 0..250_u64 {
        let now = ms(at * 20);
        match at {
            50 => recorder.interrupt_track(now, MICROPHONE),
            150 => recorder.pause(now),
            200 => recorder.resume(now),
            _ => {}
        }
        stream.seq += 1;
        stream.timestamp = stream.timestamp.wrapping_add(960);
        if !(50..100).contains(&at) {
            let packet = stream.packet(now, Codec::Opus, &[0x78, 1, 2], true, false);
            recorder.handle_packet(now, MICROPHONE, &packet);
        }
    }
    recorder.stop(ms(5_000), true);
    out.drain(&mut recorder);
    let samples = out.samples();
    assert_eq!(samples.len(), 150);
    assert!(samples.iter().all(|sample| sample.1 == 20), "{samples:?}");
    let jumps: Vec<_> =
        samples.windows(2).filter(|two| two[0].0 + 20 != two[1].0).map(|two| (two[0].0, two[1].0)).collect();
    assert_eq!(jumps, [(980, 2_000), (2_980, 4_000)]);
    assert!(out.fragments.iter().all(|fragment| fragment.part == 1), "and no new part");
}

/// A flash and a beep at one instant. The network holds the picture up by 150 ms more than the sound, the RTP clocks have
/// nothing to do with each other, and sender reports come after a while.
#[test]
fn sound_and_picture_of_one_instant_have_one_time() {
    let (mut recorder, mut out) = (recorder(ms(0)), Out::default());
    let mut rng = fastrand::Rng::with_seed(11);
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let (mut camera, mut microphone) = (Stream::new(1), Stream::new(2));
    (camera.timestamp, microphone.timestamp) = (777, u32::MAX - 5_000);
    let (video_zero, audio_zero) = (camera.timestamp + 3_600, microphone.timestamp.wrapping_add(960));
    let (mut packets, mut last) = (Vec::new(), ms(0));
    for at in 0..500_u64 {
        let captured = ms(1_000 + at * 20);
        if at % 2 == 0 {
            camera.clock = (at > 60).then_some(SenderClock { ntp: wall, rtp: video_zero });
            let arrival = last.max(captured + ms(150 + rng.u64(0..60)));
            last = arrival;
            packets.extend(camera.frame(arrival, at == 0).map(|packet| (arrival, CAMERA, packet)));
        }
        microphone.clock = (at > 130).then_some(SenderClock { ntp: wall, rtp: audio_zero });
        microphone.seq += 1;
        microphone.timestamp = microphone.timestamp.wrapping_add(960);
        let arrival = captured + ms(rng.u64(0..15));
        packets.push((arrival, MICROPHONE, microphone.packet(arrival, Codec::Opus, &[0x78, at as u8], true, false)));
    }
    packets.sort_by_key(|(arrival, ..)| *arrival);
    // The clock that `sfu` gives a publisher.
    let mut anchor = sfu::room::Anchor::default();
    for (arrival, key, packet) in &mut packets {
        let captured = anchor.captured(&packet.packet);
        Arc::get_mut(&mut packet.packet).expect("not shared yet").captured = captured;
        recorder.handle_packet(*arrival, *key, packet);
        recorder.handle_timeout(*arrival);
    }
    recorder.stop(ms(12_000), true);
    out.drain(&mut recorder);
    // The clap: what was captured at 8 s, frame 175 of the picture and packet 350 of the sound.
    let times = |track: &str| {
        let mut times = Vec::new();
        for fragment in out.fragments.iter().filter(|fragment| &*fragment.track == track) {
            let rate = u64::from(fragment.parameters.timescale());
            let mut at = fragment.from;
            for sample in &fragment.samples {
                times.push(at * 1_000_000 / rate);
                at += u64::from(sample.duration);
            }
        }
        times
    };
    let (flash, beep) = (times("TR_VC")[175], times("TR_AM")[350]);
    println!("flash at {flash} µs, beep at {beep} µs: {} ms apart", flash.abs_diff(beep) as f64 / 1_000.0);
    assert!(flash.abs_diff(beep) <= 40_000, "{flash} and {beep} µs");
    let clocks = out.events.iter().filter(|(_, what)| matches!(what, What::Clock { .. })).count();
    assert!(clocks >= 2, "the reports are written down");
}

#[test]
fn what_is_held_is_bounded_whatever_comes() {
    let (mut recorder, mut out, mut stream) = (recorder(ms(0)), Out::default(), Stream::new(1));
    for packet in stream.frame(ms(0), true) {
        recorder.handle_packet(ms(0), CAMERA, &packet);
    }
    // Every other packet is missing, and no time passes in which patience could end.
    let mut packets = Vec::new();
    for _ in 0..5_000 {
        stream.seq += 2;
        let packet = stream.packet(ms(1), Codec::Vp8, &[0; 1_200], false, false);
        recorder.handle_packet(ms(1), CAMERA, &packet);
        out.drain(&mut recorder);
        packets.push(Arc::downgrade(&packet.packet));
    }
    let held = packets.iter().filter(|packet| packet.strong_count() > 0).count();
    assert!((1_000..=1_100).contains(&held), "{held} packets are held");
    assert_eq!(out.keyframes, 1, "and one keyframe is asked for, not one a gap");
    recorder.stop(ms(2), true);
    out.drain(&mut recorder);
    assert!(packets.iter().all(|packet| packet.strong_count() == 0));
}

#[test]
fn a_packet_costs_no_decoding() {
    let (mut recorder, mut out) = (recorder(ms(0)), Out::default());
    let mut stream = Stream::new(1);
    let packets: Vec<(Duration, TapPacket)> = (0..20_000_u64)
        .flat_map(|at| {
            let now = ms(at * 40);
            stream.frame(now, at % 100 == 0).map(|packet| (now, packet))
        })
        .map(|(now, tapped)| {
            let mut packet = Packet::clone(&tapped.packet);
            let mut payload = packet.payload.to_vec();
            payload.resize(1_100, 5);
            packet.payload = payload.into();
            (now, TapPacket { packet: Arc::new(packet), ..tapped })
        })
        .collect();
    let began = std::time::Instant::now();
    for (now, packet) in &packets {
        recorder.handle_packet(*now, CAMERA, packet);
        out.drain(&mut recorder);
        out.fragments.clear();
    }
    let each = began.elapsed().as_nanos() / packets.len() as u128;
    println!("{each} ns a recorded packet of 1,100 bytes, to whole fragments");
    assert!(each < 100_000, "{each} ns");
}
