//! A published track with its subscribers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Bitrate;

use super::allocate::Want;
use super::forwarder::{Forwarder, Layered, Numbered, Verdict};
use super::ingress::{Ingress, Taken};
use super::layering::{Layering, Reading, Rung};
use super::opening::{Expected, Opening};
use super::packet::{Egress, Format, Forward, Packet};
use super::picture_end;
use super::selector::Ceiling;
use super::taps::Taps;
use crate::codec::{self, red};
use crate::keyed::Keyed;
use crate::types::{Codec, LAYERS, Layer, LayerSpec, MidName, ParticipantKey, RoomStats, TrackPreference, TrackSpec};

/// A layer that nobody wants any more is still asked for this long: people look away and back.
const DEMAND_DELAY: Duration = Duration::from_millis(2_500);
/// A placeholder until a layer is announced or measured.
const USUAL_BITRATE: [Bitrate; 3] = [Bitrate::kbps(150), Bitrate::kbps(500), Bitrate::kbps(1_700)];

/// The m-line a subscription goes out on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The m-line and its connection.
    pub egress: Egress,
    /// Its name.
    pub mid: MidName,
    /// What the subscriber can take on it. Nothing while its connection is not up: packets would only pile up.
    pub codecs: Vec<Codec>,
}

#[derive(Debug)]
pub(super) struct Track {
    pub(super) owner: ParticipantKey,
    pub(super) spec: TrackSpec,
    /// The encodings of the m-line it is bound to; empty: unbound.
    pub(super) bound: Vec<Layer>,
    pub(super) format: Option<Format>,
    pub(super) ingress: [Option<Ingress>; 3],
    pub(super) subscriptions: Keyed<ParticipantKey, Subscription>,
    demand: Demand,
    /// Who else reads its packets.
    pub(super) taps: Taps,
    /// What will come, as far as anybody has said.
    pub(super) expected: Expected,
    /// Sent only once somebody wants it: another codec of another track, or one that comes from elsewhere.
    pub(super) on_demand: bool,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) preference: TrackPreference,
    pub(super) line: Option<Line>,
    pub(super) forwarder: Forwarder,
    /// The layer it should get.
    pub(super) target: Option<Layer>,
    /// Up to this temporal layer.
    pub(super) temporal: u8,
    /// Held back for want of bandwidth.
    pub(super) starved: bool,
    /// Its first packet went out on this m-line.
    pub(super) started: bool,
    /// It gets the packet that waits in [`Ingress::awaiting`] of this encoding as soon as it is known what comes after that one.
    pub(super) awaits: Option<Layer>,
    /// What shows it to the subscriber until then.
    pub(super) opening: Opening,
}

#[derive(Debug, Default)]
struct Demand {
    told: Option<Option<Layer>>,
    lower_since: Option<Instant>,
}

/// What the caller has to follow up after a packet.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The codec has just become known.
    pub(super) format: Option<Format>,
    /// A layer has just come alive.
    pub(super) layer_appeared: bool,
    /// The layers inside an encoding are others than before: subscribers are to be given theirs before the packet is sent.
    pub(super) layers_changed: bool,
    /// Packets are missing, or a keyframe is waited for.
    pub(super) watch: bool,
    /// Subscriptions of which the first packet went out.
    pub(super) started: Vec<ParticipantKey>,
}

/// A packet that was taken in, and what could not be read before it came.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) packet: Arc<Packet>,
    pub(super) reading: Reading,
    unread: Vec<(Arc<Packet>, Reading)>,
}

impl Track {
    pub(super) fn new(owner: ParticipantKey, spec: TrackSpec) -> Self {
        Self {
            owner,
            spec,
            bound: Vec::new(),
            format: None,
            ingress: [None, None, None],
            subscriptions: Keyed::default(),
            demand: Demand::default(),
            taps: Taps::default(),
            expected: Expected::default(),
            on_demand: false,
        }
    }

    /// One that is sent only once somebody wants it.
    pub(super) fn backup(owner: ParticipantKey, spec: TrackSpec) -> Self {
        let mut track = Self::new(owner, spec);
        track.send_on_demand();
        track
    }

    /// Nothing of it comes until somebody wants it.
    pub(super) fn send_on_demand(&mut self) {
        if !std::mem::replace(&mut self.on_demand, true) {
            self.demand = Demand { told: Some(None), lower_since: None };
        }
    }

    pub(super) fn is_bound(&self) -> bool {
        !self.bound.is_empty()
    }

    pub(super) fn has_one_encoding(&self) -> bool {
        self.bound.len() <= 1
    }

    /// Takes a packet in; [`Track::send`] follows.
    pub(super) fn take(&mut self, now: Instant, layer: Layer, packet: Packet) -> (Arrived, Outcome) {
        let mut outcome = Outcome::default();
        let packet = Arc::new(packet);
        if self.format.is_none_or(|format| format.codec != packet.format.codec && !is_opus(format, packet.format)) {
            self.format = Some(packet.format);
            outcome.format = Some(packet.format);
        }
        let kind = self.spec.kind;
        let was_live = self.ingress[layer as usize].as_ref().is_some_and(|ingress| ingress.is_live(now));
        let ingress = self.ingress[layer as usize].get_or_insert_with(|| Ingress::new(now, kind, layer, &packet));
        let active = ingress.layering.active_set();
        let reading = ingress.layering.read(now, &packet);
        let starts = starts(&packet, &reading);
        let taken = ingress.take(now, &packet, &reading, starts);
        outcome.layer_appeared = !was_live;
        outcome.layers_changed = ingress.layering.active_set() != active;
        outcome.watch = ingress.has_gaps();
        let unread = if starts { ingress.take_unread(now) } else { Vec::new() };
        if taken == Taken::Restarted {
            tracing::debug!(?layer, ssrc = packet.ssrc, "the publisher started a new RTP sequence");
        }
        (Arrived { packet, reading, unread }, outcome)
    }

    /// Writes what each subscriber gets of a packet into `out`.
    pub(super) fn send(
        &mut self,
        layer: Layer,
        arrived: &Arrived,
        out: &mut Vec<Forward>,
        stats: &mut RoomStats,
        outcome: &mut Outcome,
    ) {
        if self.spec.muted {
            stats.packets_dropped += 1;
            self.forget_awaiting(layer);
            return;
        }
        self.end_wait(layer, arrived, out, stats, outcome);
        if starts(&arrived.packet, &arrived.reading)
            && let Some(ingress) = &mut self.ingress[layer as usize]
        {
            // This may be just what is waited for. Who still waits after it says so again.
            ingress.forget_keyframe();
        }
        let reading = self.with_next(layer, arrived);
        self.forward(layer, (&arrived.packet, &reading), false, out, stats, outcome);
        for (late, reading) in &arrived.unread {
            self.forward(layer, (late, reading), false, out, stats, outcome);
        }
    }

    /// `awaited`: to those only who have waited with it.
    pub(super) fn forward(
        &mut self,
        layer: Layer,
        (packet, reading): (&Arc<Packet>, &Reading),
        awaited: bool,
        out: &mut Vec<Forward>,
        stats: &mut RoomStats,
        outcome: &mut Outcome,
    ) {
        let only = self.has_one_encoding();
        let Some(ingress) = &mut self.ingress[layer as usize] else { return };
        if *reading == Reading::Unknown {
            // Without a gap, nothing that is on its way will tell what it is.
            if !ingress.has_gaps() {
                ingress.want_keyframe();
                outcome.watch = true;
            }
            stats.packets_dropped += 1;
            return;
        }
        let starts = starts(packet, reading);
        let mut held = Vec::new();
        let mut primary = None;
        for (subscriber, subscription) in self.subscriptions.iter_mut() {
            if awaited && subscription.awaits.take_if(|encoding| *encoding == layer).is_none() {
                continue;
            }
            let Some(line) = &subscription.line else { continue };
            let egress = line.egress;
            let Some(packet) = takeable(line, packet, &mut primary) else {
                stats.packets_dropped += 1;
                continue;
            };
            let ceiling = subscription.ceiling(layer, only, &ingress.layering);
            let target = subscription.target;
            let forwarder = &mut subscription.forwarder;
            let mut judge = |packet: &Packet, reading: &Reading, starts: bool| {
                let layering = &ingress.layering;
                if !layering.is_layered() {
                    return forwarder.handle(target, layer, packet, starts);
                }
                forwarder.handle_layered(ceiling, Layered { encoding: layer, packet, reading, starts, layering })
            };
            let verdict = judge(packet, reading, starts);
            let without_descriptor = !matches!(packet.format.codec, Codec::Vp9 | Codec::Av1);
            let forward = |packet: &Arc<Packet>, numbered: Numbered| Forward {
                egress,
                packet: Arc::clone(packet),
                seq: numbered.seq,
                timestamp: numbered.timestamp,
                rewrite: numbered.rewrite,
                without_descriptor,
            };
            match verdict {
                Verdict::Drop => stats.packets_dropped += 1,
                Verdict::Await => {
                    subscription.awaits = Some(layer);
                    ingress.awaiting.get_or_insert_with(|| (Arc::clone(packet), *reading));
                    outcome.watch = true;
                    continue;
                }
                Verdict::Continue(numbered) => out.push(forward(packet, numbered)),
                Verdict::Switched(numbered) => {
                    out.push(forward(packet, numbered));
                    held.clear();
                    ingress.held_after(packet.seq, &mut held);
                    picture_end::follow_each_other(&mut held);
                    for (late, reading) in held.drain(..) {
                        if let Verdict::Continue(numbered) = judge(&late, &reading, false) {
                            out.push(forward(&late, numbered));
                        }
                    }
                }
            }
            if subscription.waits_for(layer, only, &ingress.layering) {
                ingress.want_keyframe();
                outcome.watch = true;
            }
            if verdict != Verdict::Drop && !subscription.started {
                subscription.started = true;
                outcome.started.push(subscriber);
            }
        }
    }

    /// The layer a preference asks for, `None` where it asks for nothing.
    pub(super) fn wanted_layer(&self, preference: &TrackPreference) -> Option<Layer> {
        if preference.disabled {
            return None;
        }
        if preference.width == 0 || preference.height == 0 || self.spec.layers.is_empty() {
            return Some(preference.max_layer);
        }
        let mut layers = self.announced();
        let enough = layers.find(|(_, spec)| shows(spec, preference.width, preference.height));
        let by_size = enough.map_or(Layer::High, |(layer, _)| layer);
        Some(by_size.min(preference.max_layer))
    }

    /// The layers as they were announced, from small to large.
    fn announced(&self) -> impl Iterator<Item = (Layer, &LayerSpec)> {
        let mut layers: Vec<&LayerSpec> = self.spec.layers.iter().collect();
        layers.sort_by_key(|spec| spec.layer);
        // Inside one encoding they go by their distance from the highest, however many there are.
        let inside = self.encoding_of(Layer::Low) != Layer::Low;
        let from_top = LAYERS.into_iter().skip(LAYERS.len().saturating_sub(layers.len()));
        let names: Vec<Layer> =
            if inside { from_top.collect() } else { layers.iter().map(|spec| spec.layer).collect() };
        names.into_iter().zip(layers)
    }

    /// The encoding that a layer comes in.
    pub(super) fn encoding_of(&self, layer: Layer) -> Layer {
        let Some(only) = self.bound.first().filter(|_| self.has_one_encoding()) else { return layer };
        let ingress = self.ingress[*only as usize].as_ref();
        if ingress.is_some_and(|ingress| ingress.layering.spatial_layers() > 1) { *only } else { layer }
    }

    /// The highest temporal layer a preference asks for of a layer.
    pub(super) fn wanted_temporal(&self, preference: &TrackPreference, layer: Layer) -> u8 {
        let ingress = self.ingress[self.encoding_of(layer) as usize].as_ref();
        match (preference.frame_rate, ingress) {
            (0, _) | (_, None) => u8::MAX,
            (frames, Some(ingress)) => ingress.layering.temporal_for(frames),
        }
    }

    /// The question to put to the allocation for one subscription.
    pub(super) fn want(&self, now: Instant, subscription: &Subscription) -> Want {
        let mut costs = [None; 3];
        let mut thinned = None;
        let any_live = self.ingress.iter().flatten().any(|ingress| ingress.is_live(now));
        for layer in &self.bound {
            let ingress = self.ingress[*layer as usize].as_ref();
            let live = ingress.is_some_and(|ingress| ingress.is_live(now));
            if any_live && !live {
                continue;
            }
            let Some(ladder) = ingress.filter(|one| one.layering.is_layered()).map(|one| one.layering.ladder(now))
            else {
                let measured = ingress.map_or(Bitrate::ZERO, |ingress| ingress.bitrate(now));
                costs[*layer as usize] = Some(self.measured_or_expected(*layer, measured));
                continue;
            };
            // Where there are several encodings, each is one layer.
            let rungs = if self.has_one_encoding() { ladder } else { only_at(*layer, ladder[Layer::High as usize]) };
            for (named, rung) in LAYERS.into_iter().zip(rungs) {
                let Some(rung) = rung else { continue };
                costs[named as usize] = Some(self.measured_or_expected(named, rung.cost));
                thinned = thinned.or(Some(rung.temporal));
            }
        }
        Want {
            screen: self.spec.screen,
            priority: subscription.preference.priority,
            max: self.wanted_layer(&subscription.preference),
            costs,
            thinned: thinned.unwrap_or_default(),
            current: subscription.target,
        }
    }

    fn measured_or_expected(&self, layer: Layer, measured: Bitrate) -> Bitrate {
        let announced = self.announced().find(|(name, _)| *name == layer).map(|(_, spec)| spec.bitrate);
        let announced = announced.filter(|bitrate| *bitrate > Bitrate::ZERO);
        if measured > Bitrate::ZERO { measured } else { announced.unwrap_or(USUAL_BITRATE[layer as usize]) }
    }

    /// Which layers anyone wants, if that is news.
    pub(super) fn demand_change(&mut self, now: Instant) -> Option<Option<Layer>> {
        let wanted = self.subscriptions.iter().filter_map(|(_, one)| self.wanted_layer(&one.preference)).max();
        let wanted = wanted.max(self.tapped_layer());
        let Some(told) = self.demand.told else {
            // A publisher sends everything until told otherwise: the first word is spared until it lowers something.
            self.demand.told = Some(Some(Layer::High));
            return self.demand_change(now);
        };
        if wanted > told {
            self.demand = Demand { told: Some(wanted), lower_since: None };
            return Some(wanted);
        }
        if wanted == told {
            self.demand.lower_since = None;
            return None;
        }
        let since = *self.demand.lower_since.get_or_insert(now);
        if now.saturating_duration_since(since) < DEMAND_DELAY {
            return None;
        }
        self.demand = Demand { told: Some(wanted), lower_since: None };
        Some(wanted)
    }

    /// Somebody is fed from this layer or waits for it.
    pub(super) fn is_used(&self, layer: Layer) -> bool {
        !self.spec.muted
            && (self.taps.use_layer(layer)
                || self.subscriptions.iter().any(|(_, one)| {
                    one.line.is_some()
                        && (one.forwarder.layer() == Some(layer)
                            || one.target.map(|target| self.encoding_of(target)) == Some(layer))
                }))
    }
}

impl Subscription {
    pub(super) fn new(forwarder: Forwarder) -> Self {
        Self {
            preference: TrackPreference::default(),
            line: None,
            forwarder,
            target: None,
            temporal: u8::MAX,
            starved: false,
            started: false,
            awaits: None,
            opening: Opening::default(),
        }
    }

    /// What it should get of an encoding with layers. `None`: nothing, or something of another encoding.
    fn ceiling(&self, encoding: Layer, only: bool, layering: &Layering) -> Option<Ceiling> {
        let target = self.target?;
        let inside = only && layering.spatial_layers() > 1;
        let spatial = if inside { layering.spatial_of(target) } else { u8::MAX };
        (inside || target == encoding).then_some(Ceiling { spatial, temporal: self.temporal })
    }

    /// It should get something of this encoding, and needs a keyframe for it.
    pub(super) fn waits_for(&self, encoding: Layer, only: bool, layering: &Layering) -> bool {
        let ready = self.line.as_ref().is_some_and(|line| !line.codecs.is_empty());
        let ceiling = self.ceiling(encoding, only, layering);
        ready && ceiling.is_some_and(|ceiling| self.forwarder.waits(encoding, layering, ceiling))
    }
}

/// A subscriber that knows nothing yet can start decoding with this packet.
pub(super) fn starts(packet: &Packet, reading: &Reading) -> bool {
    match reading {
        Reading::Part(part) => part.begins,
        Reading::Padding | Reading::Unknown => false,
        Reading::Plain => {
            let descriptor = packet.extensions.dependency_descriptor.as_deref();
            codec::starts_keyframe(packet.format.codec, &packet.payload, descriptor)
        }
    }
}

fn only_at(layer: Layer, rung: Option<Rung>) -> [Option<Rung>; 3] {
    let mut ladder = [None; 3];
    ladder[layer as usize] = rung;
    ladder
}

/// The packet in a form that the line can carry: RED is unwrapped for those who do not take it.
fn takeable<'a>(line: &Line, packet: &'a Arc<Packet>, primary: &'a mut Option<Arc<Packet>>) -> Option<&'a Arc<Packet>> {
    if line.codecs.contains(&packet.format.codec) {
        return Some(packet);
    }
    if packet.format.codec != Codec::Red || !line.codecs.contains(&Codec::Opus) {
        return None;
    }
    if primary.is_none() {
        let (_, block) = red::primary(&packet.payload)?;
        let mut opus = Packet::clone(packet);
        opus.payload = Arc::from(&packet.payload[block]);
        opus.format = Format { codec: Codec::Opus, profile: 0 };
        *primary = Some(Arc::new(opus));
    }
    primary.as_ref()
}

/// A publisher may change between RED and plain Opus at any packet.
pub(super) fn is_opus(a: Format, b: Format) -> bool {
    let opus = |format: Format| matches!(format.codec, Codec::Opus | Codec::Red);
    opus(a) && opus(b)
}

/// The layer is large enough for an element of this size, whichever way either is turned; a tenth may be missing.
fn shows(spec: &LayerSpec, width: u32, height: u32) -> bool {
    let (long, short) = (spec.width.max(spec.height), spec.width.min(spec.height));
    let (need_long, need_short) = (width.max(height), width.min(height));
    u64::from(long) * 10 >= u64::from(need_long) * 9 && u64::from(short) * 10 >= u64::from(need_short) * 9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Kind;

    fn camera() -> Track {
        let layer = |layer, width, height, kbps| LayerSpec { layer, width, height, bitrate: Bitrate::kbps(kbps) };
        let layers = vec![
            layer(Layer::Low, 320, 180, 150),
            layer(Layer::Medium, 640, 360, 500),
            layer(Layer::High, 1280, 720, 1_700),
        ];
        Track::new(ParticipantKey(0), TrackSpec { kind: Kind::Video, screen: false, muted: false, layers })
    }

    #[test]
    fn an_elements_size_names_a_layer() {
        let track = camera();
        for (width, height, expected) in [
            (0, 0, Layer::High),
            (160, 90, Layer::Low),
            (340, 190, Layer::Low),
            (400, 225, Layer::Medium),
            (180, 320, Layer::Low),
            (1920, 1080, Layer::High),
        ] {
            let preference = TrackPreference { width, height, ..TrackPreference::default() };
            assert_eq!(track.wanted_layer(&preference), Some(expected), "{width}×{height}");
        }
        let capped = TrackPreference { max_layer: Layer::Low, width: 1920, height: 1080, ..TrackPreference::default() };
        assert_eq!(track.wanted_layer(&capped), Some(Layer::Low));
        assert_eq!(track.wanted_layer(&TrackPreference { disabled: true, ..capped }), None);
    }

    #[test]
    fn demand_rises_at_once_and_falls_after_a_while() {
        let mut track = camera();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(track.demand_change(start), None);
        assert_eq!(track.demand_change(start + second), None, "nobody yet, but perhaps soon");
        assert_eq!(track.demand_change(start + second * 3), Some(None));
        track.subscriptions.insert(ParticipantKey(1), Subscription::new(Forwarder::new(Kind::Video, 1)));
        assert_eq!(track.demand_change(start + second * 4), Some(Some(Layer::High)));
        let small = TrackPreference { max_layer: Layer::Low, ..TrackPreference::default() };
        track.subscriptions.get_mut(ParticipantKey(1)).expect("just put in").preference = small;
        assert_eq!(track.demand_change(start + second * 5), None);
        assert_eq!(track.demand_change(start + second * 8), Some(Some(Layer::Low)));
        assert_eq!(track.demand_change(start + second * 20), None);
    }

    fn handle(track: &mut Track, packet: Packet, out: &mut Vec<Forward>, stats: &mut RoomStats) -> Outcome {
        let (arrived, mut outcome) = track.take(Instant::now(), Layer::High, packet);
        track.send(Layer::High, &arrived, out, stats, &mut outcome);
        outcome
    }

    #[test]
    fn red_is_unwrapped_for_those_who_do_not_take_it() {
        let spec = TrackSpec { kind: Kind::Audio, screen: false, muted: false, layers: Vec::new() };
        let mut track = Track::new(ParticipantKey(0), spec);
        track.bound = vec![Layer::High];
        for (who, codecs) in [(1, vec![Codec::Opus]), (2, vec![Codec::Opus, Codec::Red]), (3, vec![])] {
            let mut subscription = Subscription::new(Forwarder::new(Kind::Audio, 1));
            let egress = Egress { peer: crate::types::PeerKey(who), slot: 0 };
            subscription.line = Some(Line { egress, mid: MidName("a".to_owned()), codecs });
            subscription.target = Some(Layer::High);
            track.subscriptions.insert(ParticipantKey(who), subscription);
        }
        let packet = Packet {
            format: Format { codec: Codec::Red, profile: 0 },
            ssrc: 1,
            seq: 1,
            timestamp: 0,
            marker: false,
            arrival: Duration::ZERO,
            captured: Duration::ZERO,
            payload: Arc::from([0x80 | 111, 0x0f, 0x00, 0x02, 111, 9, 9, 1, 2, 3]),
            extensions: super::super::packet::Extensions::default(),
            clock: None,
        };
        let mut out = Vec::new();
        let mut stats = RoomStats::default();
        let outcome = handle(&mut track, packet, &mut out, &mut stats);
        let got: Vec<_> = out
            .iter()
            .map(|forward| (forward.egress.peer.0, forward.packet.format.codec, forward.packet.payload.len()))
            .collect();
        assert_eq!(got, [(1, Codec::Opus, 3), (2, Codec::Red, 10)]);
        assert_eq!(outcome.format.map(|format| format.codec), Some(Codec::Red));
        assert_eq!(stats.packets_dropped, 1, "the third takes neither");
    }

    #[test]
    fn a_keyframe_whose_first_packet_comes_late_is_not_lost() {
        let spec = TrackSpec { kind: Kind::Video, screen: false, muted: false, layers: Vec::new() };
        let mut track = Track::new(ParticipantKey(0), spec);
        track.bound = vec![Layer::High];
        let mut subscription = Subscription::new(Forwarder::new(Kind::Video, 100));
        let egress = Egress { peer: crate::types::PeerKey(1), slot: 0 };
        subscription.line = Some(Line { egress, mid: MidName("v".to_owned()), codecs: vec![Codec::Vp8] });
        subscription.target = Some(Layer::High);
        track.subscriptions.insert(ParticipantKey(1), subscription);
        let mut out = Vec::new();
        let mut stats = RoomStats::default();
        let mut send = |seq: u64, first: bool, key: bool| {
            let packet = Packet {
                format: Format { codec: Codec::Vp8, profile: 0 },
                ssrc: 1,
                seq,
                timestamp: 0,
                marker: false,
                arrival: Duration::ZERO,
                captured: Duration::ZERO,
                payload: Arc::from([if first { 0x10 } else { 0x00 }, u8::from(!key)]),
                extensions: super::super::packet::Extensions::default(),
                clock: None,
            };
            handle(&mut track, packet, &mut out, &mut stats);
        };
        // An interframe, then a keyframe of 11 to 13 of which 11 was lost and comes again, then the next frame.
        send(10, true, false);
        send(13, false, true);
        send(12, false, true);
        send(11, true, true);
        send(14, true, false);
        let got: Vec<_> = out.iter().map(|forward| (forward.packet.seq, forward.seq)).collect();
        assert_eq!(got, [(11, 100), (12, 101), (13, 102), (14, 103)]);
    }
}
