//! What one encoding's packets say of the spatial and temporal layers inside it: by their dependency descriptor, and where VP9
//! has none, by its payload descriptor.
//!
//! Owns the structure that descriptors refer to, the counting of frames, the targets that are sent, and what each costs.
//! Who gets which frame is not decided here.

use std::time::{Duration, Instant};

use model::Bitrate;

use super::packet::Packet;
use crate::codec::descriptor::{
    self, ActivePlace, MOST_TARGETS, MOST_TEMPORAL, References, Structure, Targets, Unreadable,
};
use crate::codec::vp9;
use crate::types::{Codec, LAYERS, Layer};

/// Rates are of this long.
const RATE_WINDOW: Duration = Duration::from_secs(1);
/// Frames that come later than this after others are not late: the publisher has restarted its numbering.
const LATEST: u64 = 512;
/// Layers of VP9 that are told apart where there is no dependency descriptor: four of each kind.
pub(super) const VP9_LAYERS: u8 = 4;

/// One packet's part in its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// Its frame, counted in the order of decoding.
    pub(super) frame: u64,
    /// First packet of the frame.
    pub(super) starts: bool,
    /// Last packet of the frame.
    pub(super) ends: bool,
    /// Spatial layer of the frame.
    pub(super) spatial: u8,
    /// Temporal layer of the frame.
    pub(super) temporal: u8,
    /// The frame refers to no other.
    pub(super) intra: bool,
    /// A receiver that knows nothing can begin with this packet.
    pub(super) begins: bool,
    /// The numbers of targets mean something else from here on.
    pub(super) renews: bool,
    /// Targets that include the frame.
    pub(super) present: Targets,
    /// What comes after the packet.
    pub(super) next: Next,
    /// How the frame is tied to others.
    pub(super) ties: Ties,
}

/// What comes after a packet, as far as its picture goes on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another picture.
    Picture,
    /// More of the same picture, of this spatial layer.
    Layer(u8),
    /// Has yet to come.
    Awaited,
    /// Nobody will say.
    Unknown,
}

/// How a frame is tied to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ties {
    /// By its dependency descriptor.
    Described {
        /// Targets that can be begun with it.
        switch: Targets,
        /// What it refers to.
        references: References,
        /// Which targets the packet says are sent.
        active: Option<Targets>,
        /// And where it does.
        place: ActivePlace,
    },
    /// By the VP9 payload descriptor. Any frame may refer to the next lower one of its picture.
    Vp9 {
        /// It refers to earlier pictures.
        inter_picture: bool,
        /// From here on, higher temporal layers refer to nothing before.
        switching_up: bool,
    },
}

/// What could be read of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing of layers: it goes to all who get the encoding.
    Plain,
    /// Its part.
    Part(Part),
    /// It holds nothing, and nobody needs it.
    Padding,
    /// It refers to a structure that has not come: the first packet of its keyframe is missing.
    Unknown,
}

/// One rung of the ladder: a layer that a subscriber can get of an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rung {
    /// What it costs at full frame rate; zero where that is not known yet.
    pub(super) cost: Bitrate,
    /// What it costs up to each temporal layer; `None` where there is none such.
    pub(super) temporal: [Option<Bitrate>; MOST_TEMPORAL],
}

/// The layers inside one encoding.
#[derive(Debug, Default)]
pub(super) struct Layering {
    ssrc: u32,
    /// How often it restarted: frames are counted from one sequence of packets on.
    generation: u32,
    scheme: Scheme,
    /// Frame number or picture id of the furthest packet, in full.
    furthest: Option<u64>,
    rates: Option<Box<Rates>>,
}

#[derive(Debug, Default)]
enum Scheme {
    /// One layer, as far as is known.
    #[default]
    Flat,
    Described(Box<Described>),
    /// Virtual targets, one for each spatial and temporal layer: see [`vp9_target`].
    Vp9 {
        /// The highest spatial layer that ever came: the others keep their names when it is left out for a while.
        top: u8,
    },
}

#[derive(Debug)]
struct Described {
    structure: Box<Structure>,
    /// The frame it came with.
    since: u64,
    /// The structure before, for frames that come late.
    before: Option<Box<Structure>>,
    active: Targets,
    /// The frame that said so.
    active_since: u64,
}

impl Layering {
    /// Another than before: its frames and targets have nothing to do with those before.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// It has more than one layer.
    pub(super) fn is_layered(&self) -> bool {
        !matches!(self.scheme, Scheme::Flat)
    }

    /// Reads a packet.
    pub(super) fn read(&mut self, now: Instant, packet: &Packet) -> Reading {
        if packet.ssrc != self.ssrc {
            *self = Self { ssrc: packet.ssrc, generation: self.generation.wrapping_add(1), ..Self::default() };
        }
        if packet.payload.is_empty() {
            return if self.is_layered() { Reading::Padding } else { Reading::Plain };
        }
        let reading = match (packet.format.codec, packet.extensions.dependency_descriptor.as_deref()) {
            (Codec::Vp9 | Codec::Av1, Some(descriptor)) => self.read_descriptor(descriptor),
            (Codec::Vp9, None) => self.read_vp9(&packet.payload, packet.marker),
            _ => Reading::Plain,
        };
        if let Reading::Part(part) = &reading
            && self.is_layered()
        {
            let rates = self.rates.get_or_insert_with(|| Box::new(Rates::new(now)));
            rates.add(now, part, packet.payload.len());
        }
        reading
    }

    /// The highest spatial and temporal layer of each target.
    pub(super) fn target_layers(&self, target: u8) -> (u8, u8) {
        match &self.scheme {
            Scheme::Flat => (0, 0),
            Scheme::Described(described) => {
                described.structure.targets().get(usize::from(target)).copied().unwrap_or_default()
            }
            Scheme::Vp9 { .. } => (target / VP9_LAYERS, target % VP9_LAYERS),
        }
    }

    /// The targets that are sent.
    pub(super) fn active_set(&self) -> Targets {
        match &self.scheme {
            Scheme::Flat => 0,
            Scheme::Described(described) => described.active,
            Scheme::Vp9 { .. } => self.rates.as_ref().map_or(0, |rates| rates.seen | rates.seen_before),
        }
    }

    /// The targets that are sent, with their layers.
    pub(super) fn active(&self) -> impl Iterator<Item = (u8, (u8, u8))> + '_ {
        let mut left = self.active_set();
        std::iter::from_fn(move || {
            let target = (left != 0).then(|| left.trailing_zeros() as u8)?;
            left &= left - 1;
            Some((target, self.target_layers(target)))
        })
    }

    /// The best target that is sent and no higher than this.
    pub(super) fn best(&self, spatial: u8, temporal: u8) -> Option<u8> {
        let within = self.active().filter(|(_, (s, t))| *s <= spatial && *t <= temporal);
        within.max_by_key(|(_, layers)| *layers).map(|(target, _)| target)
    }

    /// Everything of target `to` is in target `from`, too.
    pub(super) fn includes(&self, from: u8, to: u8) -> bool {
        match &self.scheme {
            Scheme::Flat => true,
            Scheme::Described(described) => described.structure.includes(from.into(), to.into()),
            Scheme::Vp9 { .. } => {
                let ((spatial, temporal), (s, t)) = (self.target_layers(from), self.target_layers(to));
                s <= spatial && t <= temporal
            }
        }
    }

    /// The targets of those that are sent which whoever gets `target` can decode.
    pub(super) fn decodable(&self, target: u8) -> Targets {
        let (spatial, temporal) = self.target_layers(target);
        let within = |(at, (s, t)): &(u8, (u8, u8))| *s <= spatial && *t <= temporal && self.includes(target, *at);
        self.active().filter(within).fold(0, |set, (at, _)| set | 1 << at)
    }

    /// How many spatial layers there are.
    pub(super) fn spatial_layers(&self) -> u8 {
        let top = match &self.scheme {
            Scheme::Flat => None,
            Scheme::Described(described) => described.structure.targets().iter().map(|(spatial, _)| *spatial).max(),
            Scheme::Vp9 { top } => Some(*top),
        };
        top.unwrap_or(0) + 1
    }

    /// The spatial layer that goes by this name: the highest is `High`.
    pub(super) fn spatial_of(&self, layer: Layer) -> u8 {
        (self.spatial_layers() - 1).saturating_sub(Layer::High as u8 - layer as u8)
    }

    /// What a subscriber can get of an encoding with spatial layers; `None` where a layer is not sent now.
    pub(super) fn ladder(&self, now: Instant) -> [Option<Rung>; 3] {
        let count = self.spatial_layers();
        LAYERS.map(|layer| {
            let below_top = Layer::High as u8 - layer as u8;
            (below_top < count).then(|| self.rung(now, self.spatial_of(layer))).flatten()
        })
    }

    /// The lowest temporal layer up to which there are so many frames a second, a tenth less at most.
    pub(super) fn temporal_for(&self, frames: u32) -> u8 {
        let rates = self.rates.as_ref().and_then(|rates| rates.frames_before);
        let enough = rates.and_then(|rates| {
            let up_to = |temporal: usize| rates[..=temporal].iter().map(|count| u32::from(*count)).sum::<u32>();
            (0..MOST_TEMPORAL).find(|temporal| up_to(*temporal) * 10 >= frames * 9)
        });
        enough.map_or(u8::MAX, |temporal| temporal as u8)
    }

    fn rung(&self, now: Instant, spatial: u8) -> Option<Rung> {
        let mut temporal = [None; MOST_TEMPORAL];
        for (target, (_, t)) in self.active().filter(|(_, (s, _))| *s == spatial) {
            let rate = self.rates.as_ref().map_or(Bitrate::ZERO, |rates| rates.measure(now, target));
            temporal[usize::from(t)] = Some(rate);
        }
        let cost = temporal.iter().rev().find_map(|rate| *rate)?;
        Some(Rung { cost, temporal })
    }

    fn read_descriptor(&mut self, bytes: &[u8]) -> Reading {
        let Some(mandatory) = descriptor::mandatory(bytes) else { return Reading::Plain };
        if matches!(self.scheme, Scheme::Vp9 { .. }) {
            (self.scheme, self.furthest) = (Scheme::Flat, None);
        }
        let mut frame = extend(self.furthest, mandatory.number, 16);
        let known = match &self.scheme {
            Scheme::Described(described) if frame < described.since => described.before.as_deref(),
            Scheme::Described(described) => Some(&*described.structure),
            Scheme::Flat | Scheme::Vp9 { .. } => None,
        };
        let read = match descriptor::parse(bytes, known) {
            Ok(read) => read,
            Err(Unreadable::UnknownTemplate) if self.is_layered() => return Reading::Unknown,
            Err(Unreadable::UnknownTemplate | Unreadable::Malformed) => return Reading::Plain,
        };
        let begins = mandatory.starts && read.structure.is_some() && read.frame.references.is_empty();
        if begins && self.is_long_past(frame) {
            frame += 1 << 16;
        }
        self.furthest = self.furthest.max(Some(frame));
        let renews = read.structure.is_some_and(|structure| self.take_structure(structure, frame));
        let Scheme::Described(described) = &mut self.scheme else { return Reading::Plain };
        if let Some(active) = read.active
            && frame >= described.active_since
        {
            described.active = active & described.structure.all();
            described.active_since = frame;
        }
        Reading::Part(Part {
            frame,
            starts: mandatory.starts,
            ends: mandatory.ends,
            spatial: read.frame.spatial,
            temporal: read.frame.temporal,
            intra: read.frame.references.is_empty(),
            begins,
            renews,
            present: read.frame.present,
            // It is known which targets are sent.
            next: Next::Unknown,
            ties: Ties::Described {
                switch: read.frame.switch,
                references: read.frame.references,
                active: read.active,
                place: read.place,
            },
        })
    }

    fn is_long_past(&self, frame: u64) -> bool {
        self.furthest.is_some_and(|furthest| frame + LATEST < furthest)
    }

    /// Takes a structure in. `true`: it is another than before.
    fn take_structure(&mut self, structure: Box<Structure>, frame: u64) -> bool {
        match &mut self.scheme {
            Scheme::Described(described) if frame > described.since => {
                described.active = structure.all();
                let before = std::mem::replace(&mut described.structure, structure);
                (described.since, described.active_since) = (frame, frame);
                let renews = before != described.structure;
                described.before = Some(before);
                renews
            }
            // One that was read before, or an older one that comes late.
            Scheme::Described(_) => false,
            Scheme::Flat | Scheme::Vp9 { .. } => {
                let active = structure.all();
                if structure.targets().len() > 1 {
                    let described = Described { structure, since: frame, before: None, active, active_since: frame };
                    self.scheme = Scheme::Described(Box::new(described));
                }
                true
            }
        }
    }

    fn read_vp9(&mut self, payload: &[u8], marker: bool) -> Reading {
        let Some(read) = vp9::parse(payload) else { return Reading::Plain };
        let (Some(layers), Some(id)) = (read.layers, read.picture_id) else { return Reading::Plain };
        let top = match self.scheme {
            Scheme::Described(_) => return Reading::Plain,
            Scheme::Flat => 0,
            Scheme::Vp9 { top } => top,
        };
        self.scheme = Scheme::Vp9 { top: top.max(layers.spatial.min(VP9_LAYERS - 1)) };
        let bits = if read.long_picture_id { 15 } else { 7 };
        let intra = !read.inter_picture && layers.spatial == 0;
        let mut picture = extend(self.furthest, id, bits);
        if intra && self.is_long_past(picture) {
            picture += 1 << bits;
        }
        self.furthest = self.furthest.max(Some(picture));
        let top = VP9_LAYERS - 1;
        let (spatial, temporal) = (layers.spatial.min(top), layers.temporal.min(top));
        let above = (spatial..VP9_LAYERS).flat_map(|s| (temporal..VP9_LAYERS).map(move |t| vp9_target(s, t)));
        Reading::Part(Part {
            frame: picture << 3 | u64::from(layers.spatial),
            starts: read.starts,
            ends: read.ends,
            spatial,
            temporal,
            intra,
            begins: intra && read.starts,
            renews: false,
            present: above.fold(0, |set, target| set | 1 << target),
            next: if marker { Next::Picture } else { Next::Awaited },
            ties: Ties::Vp9 { inter_picture: read.inter_picture, switching_up: layers.switching_up },
        })
    }
}

/// The number of a virtual target of VP9.
pub(super) fn vp9_target(spatial: u8, temporal: u8) -> u8 {
    spatial * VP9_LAYERS + temporal
}

/// A running number of `bits` bits in full: the one closest to the furthest so far.
fn extend(furthest: Option<u64>, number: u16, bits: u32) -> u64 {
    let number = u64::from(number);
    let turn = 1_u64 << bits;
    // Not the first turn, so that there are numbers before the first.
    let Some(furthest) = furthest else { return turn + number };
    let ahead = number.wrapping_sub(furthest) & (turn - 1);
    let behind = turn - ahead;
    if ahead < turn / 2 || behind > furthest { furthest + ahead } else { furthest - behind }
}

/// Bytes of each target and frames of each temporal layer in the last second or two.
#[derive(Debug)]
struct Rates {
    began: Instant,
    bytes: [u32; MOST_TARGETS],
    before: Option<[Bitrate; MOST_TARGETS]>,
    frames: [u16; MOST_TEMPORAL],
    frames_before: Option<[u16; MOST_TEMPORAL]>,
    /// Targets that are just those of a frame that came: its own layers.
    seen: Targets,
    seen_before: Targets,
}

impl Rates {
    fn new(now: Instant) -> Self {
        Self {
            began: now,
            bytes: [0; MOST_TARGETS],
            before: None,
            frames: [0; MOST_TEMPORAL],
            frames_before: None,
            seen: 0,
            seen_before: 0,
        }
    }

    fn add(&mut self, now: Instant, part: &Part, bytes: usize) {
        let elapsed = now.saturating_duration_since(self.began);
        if elapsed >= RATE_WINDOW {
            self.turn(now, elapsed);
        }
        let mut left = part.present;
        while left != 0 {
            let target = left.trailing_zeros() as usize;
            self.bytes[target] = self.bytes[target].saturating_add(bytes as u32);
            left &= left - 1;
        }
        if part.starts && part.spatial == 0 {
            let count = &mut self.frames[usize::from(part.temporal) % MOST_TEMPORAL];
            *count = count.saturating_add(1);
        }
        self.seen |= 1 << vp9_target(part.spatial % VP9_LAYERS, part.temporal % VP9_LAYERS);
    }

    fn turn(&mut self, now: Instant, elapsed: Duration) {
        let rate = |bytes: u32| bits_per_second(bytes, elapsed);
        // A keyframe's burst counts, but does not make a layer look twice as dear for a second.
        let mut rates = self.bytes.map(rate);
        if let Some(before) = self.before {
            rates.iter_mut().zip(before).for_each(|(rate, before)| *rate = Bitrate((rate.0 + before.0) / 2));
        }
        self.before = Some(rates);
        let seconds = elapsed.as_secs_f32();
        self.frames_before = Some(self.frames.map(|count| (f32::from(count) / seconds).round() as u16));
        self.seen_before = std::mem::take(&mut self.seen);
        self.bytes = [0; MOST_TARGETS];
        self.frames = [0; MOST_TEMPORAL];
        self.began = now;
    }

    fn measure(&self, now: Instant, target: u8) -> Bitrate {
        let elapsed = now.saturating_duration_since(self.began);
        match self.before {
            Some(before) => before[usize::from(target)],
            None if elapsed < RATE_WINDOW / 5 => Bitrate::ZERO,
            None => bits_per_second(self.bytes[usize::from(target)], elapsed),
        }
    }
}

fn bits_per_second(bytes: u32, time: Duration) -> Bitrate {
    let micros = time.as_micros().max(1);
    Bitrate((u128::from(bytes) * 8_000_000 / micros) as u64)
}
