//! Opens subscriptions on which nothing flows: muted, silent, turned off.
//!
//! Clients that learn of a track from its first RTP packet would not know of it until somebody spoke. So such a
//! subscription gets a few packets made by the server: silence for audio, packets without payload (which receivers take
//! as padding) for video. They use the stream's numbering, and whatever comes after continues from there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Room;
use super::packet::{Extensions, Format, Forward, Packet};
use crate::types::{Codec, Kind, ParticipantKey, TrackKey};

/// Media that is on its way is let go first; after that each wait is twice the one before, for the packet may be lost or come
/// before the client has applied the description that names it.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// So many, over 6.4 s.
const MOST: u32 = 6;
/// Packets of audio a second.
const AUDIO_PACKETS: u32 = 50;

/// What will come of a track, before any of it has.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    /// As the publisher announced it.
    pub(super) codec: Option<Codec>,
    /// Follows silence of the server's own where frames are encrypted, so that nobody tries to decrypt it.
    pub(super) trailer: Arc<[u8]>,
}

/// How far the opening of a subscription has come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Opening {
    due: Option<Instant>,
    sent: u32,
}

impl Opening {
    fn begin(now: Instant) -> Self {
        Self { due: Some(now + FIRST_WAIT), sent: 0 }
    }

    fn advance(&mut self, now: Instant) {
        let wait = FIRST_WAIT * 2_u32.pow(self.sent);
        self.sent += 1;
        self.due = (self.sent < MOST).then_some(now + wait);
    }
}

impl Room {
    /// Says what will come of a track.
    pub fn expect_media(&mut self, track: TrackKey, codec: Option<Codec>, trailer: Arc<[u8]>) {
        if let Some(known) = self.tracks.get_mut(track) {
            known.expected = Expected { codec, trailer };
        }
    }

    /// Says what a track is likely to hold, where its publisher has not.
    pub fn suppose_codec(&mut self, track: TrackKey, codec: Codec) {
        if let Some(known) = self.tracks.get_mut(track) {
            known.expected.codec.get_or_insert(codec);
        }
    }

    /// Something can be sent on a subscription's m-line now.
    pub(super) fn await_media(&mut self, now: Instant, subscriber: ParticipantKey, track: TrackKey) {
        let Some(subscription) = self.subscription_mut(subscriber, track) else { return };
        let ready = subscription.line.as_ref().is_some_and(|line| !line.codecs.is_empty());
        if subscription.started || !ready {
            return;
        }
        subscription.opening = Opening::begin(now);
        self.opening_at.get_or_insert(now + FIRST_WAIT);
    }

    /// Sends what opens the subscriptions on which nothing has come.
    pub(super) fn open_quiet(&mut self, now: Instant) {
        let mut next: Option<Instant> = None;
        let since = self.since_opened(now);
        for (_, track) in self.tracks.iter_mut() {
            let (known, expected, kind) = (track.format, &track.expected, track.spec.kind);
            for (_, subscription) in track.subscriptions.iter_mut() {
                let Some(due) = subscription.opening.due.filter(|_| !subscription.started) else { continue };
                if due <= now {
                    subscription.opening.advance(now);
                    let line = subscription.line.as_ref();
                    let packet = line.and_then(|line| {
                        let format = format(known, expected.codec, kind, &line.codecs)?;
                        Some((line.egress, packet(since, format, &expected.trailer)))
                    });
                    if let Some((egress, packet)) = packet {
                        let numbered = subscription.forwarder.fill(since, packet.format.codec.clock_rate());
                        self.forwards.push(Forward {
                            egress,
                            packet: Arc::new(packet),
                            seq: numbered.seq,
                            timestamp: numbered.timestamp,
                            rewrite: numbered.rewrite,
                            without_descriptor: true,
                        });
                    }
                }
                next = [next, subscription.opening.due].into_iter().flatten().min();
            }
        }
        self.opening_at = next;
    }
}

/// What the subscriber would get, if anything came: clients choose their decoder by it.
fn format(known: Option<Format>, expected: Option<Codec>, kind: Kind, codecs: &[Codec]) -> Option<Format> {
    let likely = known.or_else(|| {
        let first = codecs.iter().copied().find(|codec| codec.kind() == kind);
        expected.or(first).map(|codec| Format { codec, profile: 0 })
    });
    let likely = likely.map(|format| match format.codec {
        Codec::Red => Format { codec: Codec::Opus, profile: 0 },
        Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::Vp8 | Codec::H264 | Codec::H265 | Codec::Vp9 | Codec::Av1 => {
            format
        }
    });
    likely.filter(|format| codecs.contains(&format.codec))
}

/// `now`: since the room opened.
fn packet(now: Duration, format: Format, trailer: &[u8]) -> Packet {
    Packet {
        format,
        ssrc: 0,
        seq: 0,
        timestamp: 0,
        marker: format.codec.kind() == Kind::Video,
        arrival: now,
        captured: now,
        payload: payload(format.codec, trailer),
        extensions: Extensions::default(),
        clock: None,
    }
}

fn payload(codec: Codec, trailer: &[u8]) -> Arc<[u8]> {
    let samples = (codec.clock_rate() / AUDIO_PACKETS) as usize;
    let mut payload = match codec {
        // 20 ms of silence, in one stereo frame of CELT (RFC 6716 §3.1).
        Codec::Opus | Codec::Red => vec![0xf8, 0xff, 0xfe],
        Codec::Pcmu => vec![0xff; samples],
        Codec::Pcma => vec![0xd5; samples],
        Codec::Vp8 | Codec::H264 | Codec::H265 | Codec::Vp9 | Codec::Av1 => return Arc::from([]),
    };
    payload.extend_from_slice(trailer);
    Arc::from(payload)
}

#[cfg(test)]
mod tests {
    use super::super::RoomOutput;
    use super::super::packet::Egress;
    use super::*;
    use crate::types::Codec::{H264, Opus, Pcmu, Red, Vp8};
    use crate::types::{Layer, MediaEvent, MidName, TrackSpec};

    #[test]
    fn what_opens_a_subscription_has_the_codec_that_will_come() {
        let known = |codec| Some(Format { codec, profile: 0 });
        for (known, expected, kind, codecs, opens_with) in [
            (known(H264), Some(Vp8), Kind::Video, vec![Vp8, H264], Some(H264)),
            (None, Some(H264), Kind::Video, vec![Vp8, H264], Some(H264)),
            (None, None, Kind::Video, vec![Vp8, H264], Some(Vp8)),
            // What it cannot decode it is not shown.
            (None, Some(Vp8), Kind::Video, vec![H264], None),
            (known(Red), None, Kind::Audio, vec![Opus, Red], Some(Opus)),
            (None, Some(Pcmu), Kind::Audio, vec![Opus, Pcmu], Some(Pcmu)),
            (None, None, Kind::Audio, vec![], None),
        ] {
            let format = format(known, expected, kind, &codecs);
            assert_eq!(format.map(|format| format.codec), opens_with, "{known:?} {expected:?} {codecs:?}");
        }
    }

    /// What goes out to the one subscriber of a track: sequence number, time, payload.
    fn sent(room: &mut Room) -> Vec<(u64, u32, usize)> {
        room.drain_forwards().map(|one| (one.seq, one.timestamp, one.packet.payload.len())).collect()
    }

    #[test]
    fn a_muted_track_is_shown_and_then_goes_on_with_the_same_numbers() {
        for (kind, codec, silence) in [(Kind::Video, Vp8, 0), (Kind::Audio, Opus, 3)] {
            let mut scene = Scene::new(kind, true);
            let (track, _) = scene.subscribe(codec, &[codec]);
            let first: Vec<_> = (0..=6).flat_map(|_| scene.wait(100)).collect();
            let step = codec.clock_rate() / 10;
            let start = first[0].0;
            // At 200, 400 and 800 ms, rounded up to the next tenth of a second.
            let expected = [(start, 0, silence), (start + 1, step * 2, silence)];
            assert_eq!(first[..2], expected, "{codec:?}");
            scene.room.set_track_muted(scene.now, track, false);
            scene.now += Duration::from_millis(50);
            scene.packet(track, codec, 7_000);
            let media = sent(&mut scene.room);
            let (seq, time, _) = first[first.len() - 1];
            assert_eq!(media.len(), 1);
            assert_eq!(media[0].0, seq + 1, "{codec:?}");
            let ahead = media[0].1 - time;
            assert!((1..=codec.clock_rate()).contains(&ahead), "{ahead} ticks of {codec:?}");
            let later: Vec<_> = (0..100).flat_map(|_| scene.wait(100)).collect();
            assert_eq!(later, [], "nothing more of the server's own once media has come");
        }
    }

    #[test]
    fn six_packets_open_a_subscription_at_most() {
        let mut scene = Scene::new(Kind::Video, true);
        scene.subscribe(Vp8, &[Vp8]);
        let sent: Vec<_> = (0..600).flat_map(|_| scene.wait(100)).collect();
        assert_eq!(sent.len(), 6, "{sent:?}");
    }

    #[test]
    fn nothing_is_sent_on_a_line_that_is_not_up_or_has_media() {
        let mut scene = Scene::new(Kind::Video, false);
        let (_, egress) = scene.subscribe(Vp8, &[]);
        assert_eq!((0..20).flat_map(|_| scene.wait(100)).collect::<Vec<_>>(), []);
        scene.room.set_line_codecs(scene.now, egress, &[Vp8]);
        assert_eq!((0..5).flat_map(|_| scene.wait(100)).count(), 2);

        let mut scene = Scene::new(Kind::Video, false);
        let (track, _) = scene.subscribe(Vp8, &[Vp8]);
        scene.packet(track, Vp8, 7_000);
        assert_eq!(sent(&mut scene.room).len(), 1);
        assert_eq!((0..100).flat_map(|_| scene.wait(100)).collect::<Vec<_>>(), []);
    }

    #[test]
    fn a_move_to_another_codec_keeps_line_and_numbers() {
        let mut scene = Scene::new(Kind::Video, false);
        let (first, egress) = scene.subscribe(Vp8, &[Vp8, H264]);
        let (now, subscriber) = (scene.now, scene.subscriber);
        let backup = scene.room.publish_backup(now, first, H264, Vec::new()).expect("there is such a track");
        scene.room.bind_track(now, backup, &[Layer::High]);
        scene.packet(first, Vp8, 7_000);
        scene.packet(backup, H264, 9_000);
        let before = sent(&mut scene.room);
        assert_eq!(before.len(), 1, "nobody is fed by the backup");
        scene.demands();
        scene.room.move_subscription(now, subscriber, first, backup);
        assert_eq!(scene.demands(), [(backup, Some(Layer::High))], "at once");
        scene.now += Duration::from_millis(100);
        scene.packet(first, Vp8, 7_001);
        scene.packet(backup, H264, 9_001);
        let after: Vec<_> = scene.room.drain_forwards().collect();
        assert_eq!(after.len(), 1);
        assert_eq!((after[0].egress, after[0].packet.format.codec), (egress, H264));
        assert_eq!((after[0].seq, after[0].timestamp), (before[0].0 + 1, before[0].1 + 9_000));
        for _ in 0..40 {
            scene.wait(100);
        }
        assert_eq!(scene.demands(), [(first, None)]);
        scene.room.unsubscribe(scene.now, subscriber, backup);
        for _ in 0..40 {
            scene.wait(100);
        }
        assert_eq!(scene.demands(), [(backup, None)]);
    }

    /// A publisher, and one who subscribes.
    struct Scene {
        room: Room,
        now: Instant,
        kind: Kind,
        muted: bool,
        publisher: ParticipantKey,
        subscriber: ParticipantKey,
    }

    impl Scene {
        fn new(kind: Kind, muted: bool) -> Self {
            let now = Instant::now();
            let config = crate::types::RoomConfig {
                seed: 1,
                initial_bitrate: model::Bitrate::kbps(1_500),
                bandwidth_estimation: false,
                opened: now,
                local: [].into(),
            };
            let mut room = Room::new(config);
            let rights = crate::types::Rights { publish: true, subscribe: true };
            let (publisher, subscriber) = (room.join(now, rights), room.join(now, rights));
            Self { room, now, kind, muted, publisher, subscriber }
        }

        fn subscribe(&mut self, codec: Codec, takes: &[Codec]) -> (TrackKey, Egress) {
            let spec = TrackSpec { kind: self.kind, screen: false, muted: self.muted, layers: Vec::new() };
            let track = self.room.publish(self.now, self.publisher, spec);
            self.room.expect_media(track, Some(codec), [].into());
            self.room.bind_track(self.now, track, &[Layer::High]);
            self.room.subscribe(self.now, self.subscriber, track);
            let egress = Egress { peer: crate::types::PeerKey(1), slot: 0 };
            let line = super::super::Line { egress, mid: MidName("0".to_owned()), codecs: takes.to_vec() };
            self.room.bind_subscription(self.now, self.subscriber, track, line);
            (track, egress)
        }

        /// A packet with which decoding can start.
        fn packet(&mut self, track: TrackKey, codec: Codec, seq: u64) {
            let start: &[u8] = if codec == H264 { &[0x67, 0x42, 0, 0, 0] } else { &[0x10, 0, 0, 0, 0] };
            let plain = packet(Duration::ZERO, Format { codec, profile: 0 }, &[]);
            let packet = Packet { ssrc: track.0, seq, timestamp: 4_000_000, payload: Arc::from(start), ..plain };
            self.room.handle_packet(self.now, track, Layer::High, packet);
        }

        fn wait(&mut self, ms: u64) -> Vec<(u64, u32, usize)> {
            self.now += Duration::from_millis(ms);
            self.room.handle_timeout(self.now);
            sent(&mut self.room)
        }

        /// What publishers are asked for since it was last asked.
        fn demands(&mut self) -> Vec<(TrackKey, Option<Layer>)> {
            let outputs = std::iter::from_fn(|| self.room.poll_output());
            let demand = |output| match output {
                RoomOutput::Event(MediaEvent::LayerDemand { track, highest }) => Some((track, highest)),
                _ => None,
            };
            outputs.filter_map(demand).collect()
        }
    }

    #[test]
    fn silence_is_20_ms_and_video_is_empty() {
        assert_eq!(*payload(Opus, b"sif"), [0xf8, 0xff, 0xfe, b's', b'i', b'f']);
        assert_eq!(payload(Pcmu, b"").len(), 160);
        assert!(payload(Vp8, b"sif").is_empty());
    }

    #[test]
    fn the_waits_grow() {
        let start = Instant::now();
        let mut opening = Opening::begin(start);
        let mut due = Vec::new();
        while let Some(at) = opening.due {
            due.push((at - start).as_millis());
            opening.advance(at);
        }
        assert_eq!(due, [200, 400, 800, 1_600, 3_200, 6_400]);
    }
}
