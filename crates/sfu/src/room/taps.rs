//! Taps: readers of a track's packets that are no subscribers. Which encodings each one gets, what it is told, and what it
//! asks for.
//!
//! A tap counts like a subscriber in what is asked of the publisher: layers ([`Track::tapped_layer`]) and keyframes, under
//! the same limits. It gets packets as they came in, and one output serves all taps that get the packet.

use std::sync::Arc;
use std::time::Instant;

use super::Room;
use super::packet::Format;
use super::track::{Arrived, Track, is_opus, starts};
use crate::tap::{TapEvent, TapId, TapLayers, TapPacket, Tapped};
use crate::types::{Kind, LAYERS, Layer, TrackKey, TrackPreference};

/// Taps of one track.
const MOST_TAPS: usize = 512;

/// Encodings, by layer.
type Encodings = [bool; 3];

/// The taps of one track.
#[derive(Debug, Default)]
pub(super) struct Taps {
    all: Vec<Tap>,
    /// Who gets the packets of each encoding: what `all` says, ready to be shared.
    readers: [Option<Arc<[TapId]>>; 3],
}

#[derive(Debug)]
struct Tap {
    id: TapId,
    layers: TapLayers,
    /// What it should get.
    wants: Encodings,
    /// What it gets. It may have to wait for a keyframe of what it should get.
    takes: Encodings,
    /// What it was told of each encoding.
    told: [Option<Format>; 3],
}

impl Tap {
    fn new(id: TapId, layers: TapLayers) -> Self {
        Self { id, layers, wants: [false; 3], takes: [false; 3], told: [None; 3] }
    }

    /// It gets one encoding at a time, from a keyframe on.
    fn waits_for_keyframes(&self, kind: Kind) -> bool {
        kind == Kind::Video && matches!(self.layers, TapLayers::Best { .. })
    }

    /// Gives it other encodings. `true`: it is to be told that it gets none.
    fn give(&mut self, takes: Encodings) -> bool {
        let was_told = self.told.iter().any(Option::is_some);
        self.takes = takes;
        for layer in LAYERS.into_iter().filter(|layer| !takes[*layer as usize]) {
            self.told[layer as usize] = None;
        }
        was_told && takes == [false; 3]
    }
}

impl Taps {
    /// Some tap gets this encoding or waits for it.
    pub(super) fn use_layer(&self, layer: Layer) -> bool {
        self.all.iter().any(|tap| tap.wants[layer as usize] || tap.takes[layer as usize])
    }

    fn get_mut(&mut self, id: TapId) -> Option<&mut Tap> {
        self.all.iter_mut().find(|tap| tap.id == id)
    }

    /// A keyframe begins: who waits for it gets its encoding from now on, in place of any other.
    fn begin(&mut self, layer: Layer) -> Vec<TapId> {
        let waiting = |tap: &&mut Tap| tap.wants[layer as usize] && !tap.takes[layer as usize];
        let begun = self.all.iter_mut().filter(waiting).map(|tap| {
            tap.give(tap.wants);
            tap.id
        });
        let begun: Vec<_> = begun.collect();
        if !begun.is_empty() {
            self.list_readers();
        }
        begun
    }

    fn list_readers(&mut self) {
        for layer in LAYERS {
            let reads = self.all.iter().filter(|tap| tap.takes[layer as usize]).map(|tap| tap.id);
            let reads: Vec<_> = reads.collect();
            self.readers[layer as usize] = (!reads.is_empty()).then(|| reads.into());
        }
    }
}

impl Track {
    pub(super) fn is_tapped(&self) -> bool {
        !self.taps.all.is_empty()
    }

    /// The highest layer that any tap wants.
    pub(super) fn tapped_layer(&self) -> Option<Layer> {
        self.taps.all.iter().filter_map(|tap| self.wanted_by(tap.layers)).max()
    }

    fn wanted_by(&self, layers: TapLayers) -> Option<Layer> {
        match layers {
            TapLayers::All => Some(Layer::High),
            TapLayers::UpTo(layer) | TapLayers::Only(layer) => Some(layer),
            TapLayers::Best { max_layer, width, height } => {
                self.wanted_layer(&TrackPreference { max_layer, width, height, ..TrackPreference::default() })
            }
        }
    }

    /// The encodings that a tap should get now.
    fn encodings_for(&self, now: Instant, layers: TapLayers) -> Encodings {
        let mut encodings = [false; 3];
        if self.spec.muted {
            return encodings;
        }
        match layers {
            TapLayers::All => self.bound.iter().for_each(|layer| encodings[*layer as usize] = true),
            TapLayers::UpTo(highest) => {
                let wanted = self.bound.iter().filter(|layer| **layer <= highest || self.has_one_encoding());
                wanted.for_each(|layer| encodings[*layer as usize] = true);
                if encodings == [false; 3] {
                    self.bound.iter().min().into_iter().for_each(|layer| encodings[*layer as usize] = true);
                }
            }
            TapLayers::Only(layer) => {
                let encoding = self.encoding_of(layer);
                encodings[encoding as usize] = self.bound.contains(&encoding);
            }
            TapLayers::Best { .. } => {
                let best = self.wanted_by(layers).and_then(|highest| self.best_sent(now, highest));
                best.into_iter().for_each(|layer| encodings[layer as usize] = true);
            }
        }
        encodings
    }

    /// The best encoding that is sent up to a layer; the lowest where they are all above.
    fn best_sent(&self, now: Instant, highest: Layer) -> Option<Layer> {
        let is_live = |layer: Layer| self.ingress[layer as usize].as_ref().is_some_and(|ingress| ingress.is_live(now));
        // Before the first packet, what is going to come.
        let any_live = self.bound.iter().any(|layer| is_live(*layer));
        let sent = || self.bound.iter().copied().filter(|layer| !any_live || is_live(*layer));
        sent().filter(|layer| *layer <= highest).max().or(sent().min())
    }

    /// Decides again which encodings each tap gets, and wants the keyframes that takes.
    pub(super) fn aim_taps(&mut self, now: Instant, key: TrackKey, out: &mut Vec<Tapped>) {
        let mut all = std::mem::take(&mut self.taps.all);
        let mut owed = [false; 3];
        let mut changed = false;
        for tap in &mut all {
            let wants = self.encodings_for(now, tap.layers);
            let before = tap.takes;
            let has_it = (0..3).all(|at| !wants[at] || before[at]);
            // What it has goes on until the keyframe of what it should get is there.
            let takes = match tap.waits_for_keyframes(self.spec.kind) && !has_it {
                true => LAYERS.map(|layer| before[layer as usize] && self.bound.contains(&layer)),
                false => wants,
            };
            (0..3).for_each(|at| owed[at] |= wants[at] && !before[at]);
            changed |= takes != before;
            tap.wants = wants;
            if tap.give(takes) {
                out.push(Tapped::Event { track: key, tap: tap.id, event: TapEvent::Paused });
            }
        }
        self.taps.all = all;
        if changed {
            self.taps.list_readers();
        }
        if self.spec.kind == Kind::Video {
            let owing = self.ingress.iter_mut().zip(owed).filter(|(_, owed)| *owed);
            owing.filter_map(|(ingress, _)| ingress.as_mut()).for_each(|ingress| ingress.want_keyframe());
        }
    }

    /// Hands a packet to the taps that get its encoding.
    pub(super) fn hand_out(&mut self, key: TrackKey, layer: Layer, arrived: &Arrived, out: &mut Vec<Tapped>) {
        let at = layer as usize;
        let begins = starts(&arrived.packet, &arrived.reading);
        let begun = if begins { self.taps.begin(layer) } else { Vec::new() };
        let Some(readers) = &self.taps.readers[at] else { return };
        let format = arrived.packet.format;
        for tap in self.taps.all.iter_mut().filter(|tap| tap.takes[at]) {
            if tap.told[at].is_none_or(|told| told != format && !is_opus(told, format)) {
                tap.told[at] = Some(format);
                let event = TapEvent::Began { layer, format };
                out.push(Tapped::Event { track: key, tap: tap.id, event });
            }
        }
        let packet = TapPacket { layer, starts: begins, packet: Arc::clone(&arrived.packet) };
        out.push(Tapped::Packet { track: key, taps: Arc::clone(readers), packet });
        if begun.is_empty() {
            return;
        }
        // The rest of a keyframe may have come before its first packet.
        let begun: Arc<[TapId]> = begun.into();
        let mut held = Vec::new();
        if let Some(ingress) = &self.ingress[at] {
            ingress.held_after(arrived.packet.seq, &mut held);
        }
        for (late, reading) in held {
            let packet = TapPacket { layer, starts: starts(&late, &reading), packet: late };
            out.push(Tapped::Packet { track: key, taps: Arc::clone(&begun), packet });
        }
    }
}

impl Room {
    /// Adds a reader to a track: it gets the track's packets from now on, and a keyframe is asked for where it can begin.
    /// `None`: there is no such track, or it has too many readers.
    pub fn add_tap(&mut self, now: Instant, track: TrackKey, layers: TapLayers) -> Option<TapId> {
        let id = TapId(self.new_key());
        let known = self.tracks.get_mut(track).filter(|known| known.taps.all.len() < MOST_TAPS)?;
        known.taps.all.push(Tap::new(id, layers));
        self.aim_taps(now, track);
        self.review_demand(now, track);
        Some(id)
    }

    /// Gives a tap other encodings.
    pub fn set_tap(&mut self, now: Instant, track: TrackKey, tap: TapId, layers: TapLayers) {
        let Some(known) = self.tracks.get_mut(track).and_then(|known| known.taps.get_mut(tap)) else { return };
        known.layers = layers;
        self.aim_taps(now, track);
        self.review_demand(now, track);
    }

    /// Takes a reader away. Only what was put out before may still name it.
    pub fn remove_tap(&mut self, now: Instant, track: TrackKey, tap: TapId) {
        let Some(known) = self.tracks.get_mut(track) else { return };
        known.taps.all.retain(|known| known.id != tap);
        known.taps.list_readers();
        self.review_demand(now, track);
    }

    /// A tap cannot go on without a keyframe: of one encoding, or (`None`) of all that it gets.
    pub fn handle_tap_keyframe_request(&mut self, now: Instant, track: TrackKey, tap: TapId, layer: Option<Layer>) {
        let Some(known) = self.tracks.get_mut(track).filter(|known| known.spec.kind == Kind::Video) else { return };
        let Some(tap) = known.taps.get_mut(tap) else { return };
        let gets = |layer: Layer| tap.wants[layer as usize] || tap.takes[layer as usize];
        let wanted = LAYERS.map(|one| gets(one) && layer.is_none_or(|layer| layer == one));
        let owing = known.ingress.iter_mut().zip(wanted).filter(|(_, wanted)| *wanted);
        owing.filter_map(|(ingress, _)| ingress.as_mut()).for_each(|ingress| ingress.want_keyframe());
        self.ask_keyframes(now);
    }

    /// Ties a track to a tap elsewhere, in these encodings: it is sent only once somebody wants it, which
    /// [`crate::MediaEvent::LayerDemand`] says.
    pub fn bind_tapped(&mut self, now: Instant, track: TrackKey, layers: &[Layer]) {
        let Some(known) = self.tracks.get_mut(track) else { return };
        known.send_on_demand();
        self.bind_track(now, track, layers);
        self.review_demand(now, track);
    }

    /// Decides again what the taps of a track get.
    pub(super) fn aim_taps(&mut self, now: Instant, track: TrackKey) {
        let Some(known) = self.tracks.get_mut(track).filter(|known| known.is_tapped()) else { return };
        known.aim_taps(now, track, &mut self.tapped);
        self.ask_keyframes(now);
    }

    /// The track is over.
    pub(super) fn end_taps(&mut self, track: TrackKey) {
        let Some(known) = self.tracks.get(track) else { return };
        let ended = known.taps.all.iter().map(|tap| Tapped::Event { track, tap: tap.id, event: TapEvent::Ended });
        self.tapped.extend(ended);
    }
}
