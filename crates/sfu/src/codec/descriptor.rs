//! The dependency descriptor (AV1 RTP specification v1.0, appendix A): which frame a packet belongs to, what that frame
//! refers to, and for which decode targets it is needed.
//!
//! A structure of templates comes with each keyframe; all other packets name one of its templates. Nothing but a
//! structure allocates. Chains are passed over: what they tell a receiver (that something it needs is lost) the
//! forwarding side knows from sequence numbers.

use super::bits::{BitSink, Bits};

/// Decode targets are named by five bits.
pub const MOST_TARGETS: usize = 32;
/// The longest a header extension can be (RFC 8285 §4.3).
pub const LONGEST: usize = 255;
const MOST_TEMPLATES: usize = 64;
const MOST_SPATIAL: u8 = 4;
/// Temporal layers are named by three bits.
pub const MOST_TEMPORAL: usize = 8;
/// A frame of AV1 refers to seven others at most, of VP9 to three.
const MOST_REFERENCES: usize = 8;
/// Start and end of the frame, template, frame number.
const MANDATORY: usize = 24;
/// What of the extended fields is there.
const FLAGS: usize = 5;

/// Decode targets as a set: bit i is target i.
pub type Targets = u32;

/// What all packets of a coded video sequence refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    first_template: u8,
    templates: Vec<Frame>,
    /// The highest spatial and temporal layer of each decode target.
    targets: Vec<(u8, u8)>,
    chains: u8,
}

/// What a frame is and what it is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frame {
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// Targets that include it.
    pub present: Targets,
    /// Targets all of whose further frames can be decoded once this one is.
    pub switch: Targets,
    /// How many frames back the frames lie that it refers to.
    pub references: References,
}

/// Distances to the frames that a frame refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct References {
    count: u8,
    back: [u16; MOST_REFERENCES],
}

/// The fields that every descriptor has, whatever is known of the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mandatory {
    /// First packet of the frame.
    pub starts: bool,
    /// Last packet of the frame.
    pub ends: bool,
    /// Which template.
    pub template: u8,
    /// Counts frames in the order of decoding.
    pub number: u16,
}

/// A descriptor in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The fields that every descriptor has.
    pub mandatory: Mandatory,
    /// A new coded video sequence begins, and this is its structure.
    pub structure: Option<Box<Structure>>,
    /// Targets that the sender says it sends.
    pub active: Option<Targets>,
    /// What the frame is.
    pub frame: Frame,
    /// Where the set of active targets is.
    pub place: ActivePlace,
}

/// Where in a descriptor the set of active targets is, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivePlace {
    /// Bits before it.
    before: u16,
    /// Bits of the whole descriptor.
    length: u16,
    /// Bits of the set.
    targets: u8,
    /// It is there.
    present: bool,
}

/// Why a descriptor says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It breaks the format, or the limits of this reader.
    #[error("no dependency descriptor")]
    Malformed,
    /// It names a template of a structure that has not come.
    #[error("a template of an unknown structure")]
    UnknownTemplate,
}

impl References {
    /// The distances.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.back.iter().take(usize::from(self.count)).copied()
    }

    /// It refers to nothing: decoding can begin with it.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn push(&mut self, back: u16) -> Option<()> {
        *self.back.get_mut(usize::from(self.count))? = back;
        self.count += 1;
        Some(())
    }
}

impl Structure {
    /// The highest spatial and temporal layer of each decode target.
    pub fn targets(&self) -> &[(u8, u8)] {
        &self.targets
    }

    /// Whoever gets every frame of target `from` has every frame of target `to`.
    pub fn includes(&self, from: usize, to: usize) -> bool {
        self.templates.iter().all(|frame| frame.present >> to & 1 <= frame.present >> from & 1)
    }

    /// All decode targets.
    pub fn all(&self) -> Targets {
        Targets::MAX >> (MOST_TARGETS - self.targets.len())
    }

    fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let first_template = bits.take(6)? as u8;
        let count = bits.take(5)? as usize + 1;
        let mut templates = template_layers(bits)?;
        for template in &mut templates {
            (template.present, template.switch) = indications(bits, count)?;
        }
        for template in &mut templates {
            while bits.flag()? {
                template.references.push(bits.take(4)? as u16 + 1)?;
            }
        }
        let chains = bits.below(count as u32 + 1)?;
        if chains > 0 {
            for _ in 0..count {
                bits.below(chains)?;
            }
            bits.skip(templates.len() * chains as usize * 4)?;
        }
        if bits.flag()? {
            let spatial = templates.last().map_or(0, |template| usize::from(template.spatial)) + 1;
            bits.skip(spatial * 32)?;
        }
        let of_target = |target: usize| {
            let within = || templates.iter().filter(move |template| template.present >> target & 1 != 0);
            let spatial = within().map(|template| template.spatial).max().unwrap_or(0);
            (spatial, within().map(|template| template.temporal).max().unwrap_or(0))
        };
        let targets = (0..count).map(of_target).collect();
        Some(Self { first_template, templates, targets, chains: chains as u8 })
    }

    fn template(&self, id: u8) -> Option<&Frame> {
        self.templates.get(usize::from(id.wrapping_sub(self.first_template) & (MOST_TEMPLATES as u8 - 1)))
    }
}

/// The fields that every descriptor has.
pub fn mandatory(bytes: &[u8]) -> Option<Mandatory> {
    let [first, high, low, ..] = *bytes else { return None };
    let number = u16::from_be_bytes([high, low]);
    Some(Mandatory { starts: first & 0x80 != 0, ends: first & 0x40 != 0, template: first & 0x3f, number })
}

/// The packet starts a frame whose descriptor brings a template dependency structure: a new coded sequence.
pub fn starts_coded_sequence(descriptor: &[u8]) -> bool {
    let has_structure = descriptor.get(3).is_some_and(|flags| flags & 0x80 != 0);
    mandatory(descriptor).is_some_and(|fields| fields.starts) && has_structure
}

/// Reads a descriptor. `known` is the structure of the coded video sequence that the packet belongs to.
pub fn parse(bytes: &[u8], known: Option<&Structure>) -> Result<Descriptor, Unreadable> {
    let mandatory = mandatory(bytes).filter(|_| bytes.len() <= LONGEST).ok_or(Unreadable::Malformed)?;
    let mut bits = Bits::new(bytes, MANDATORY);
    let extended = bytes.len() * 8 > MANDATORY;
    let flags = if extended { bits.take(FLAGS).ok_or(Unreadable::Malformed)? } else { 0 };
    let flag = |at: usize| flags >> (FLAGS - 1 - at) & 1 != 0;
    let structure =
        if flag(0) { Some(Box::new(Structure::read(&mut bits).ok_or(Unreadable::Malformed)?)) } else { None };
    let known = structure.as_deref().or(known).ok_or(Unreadable::UnknownTemplate)?;
    let mut frame = *known.template(mandatory.template).ok_or(Unreadable::UnknownTemplate)?;
    let targets = known.targets.len();
    let before = if extended { bits.position() } else { MANDATORY + FLAGS };
    let rest = Rest { active: flag(1), indications: flag(2), references: flag(3), chains: flag(4) };
    let active = rest.read(&mut bits, known, &mut frame).ok_or(Unreadable::Malformed)?;
    let active = active.or(structure.as_ref().map(|structure| structure.all()));
    let place = ActivePlace {
        before: before as u16,
        length: bits.position().max(before) as u16,
        targets: targets as u8,
        present: flag(1),
    };
    Ok(Descriptor { mandatory, structure, active, frame, place })
}

/// Writes the descriptor with another frame number and, where `active` is given, another set of active targets into
/// `into`, and says how many bytes of it that took. `None`: it does not fit in.
pub fn rewrite(
    bytes: &[u8],
    number: u16,
    active: Option<(ActivePlace, Targets)>,
    into: &mut [u8; LONGEST],
) -> Option<usize> {
    into.fill(0);
    let Some((place, active)) = active else {
        into.get_mut(..bytes.len())?.copy_from_slice(bytes);
        into.get_mut(1..3)?.copy_from_slice(&number.to_be_bytes());
        return Some(bytes.len());
    };
    let mut source = Bits::new(bytes, 0);
    let mut sink = BitSink::new(into);
    sink.copy(&mut source, 8)?;
    sink.put(number.into(), 16)?;
    source.skip(16)?;
    if bytes.len() * 8 == MANDATORY {
        sink.put(0b01000, FLAGS)?;
        sink.put(active, usize::from(place.targets))?;
        return Some(sink.length());
    }
    sink.copy(&mut source, 1)?;
    sink.put(1, 1)?;
    source.skip(1)?;
    sink.copy(&mut source, usize::from(place.before).checked_sub(MANDATORY + 2)?)?;
    sink.put(active, usize::from(place.targets))?;
    if place.present {
        source.skip(place.targets.into())?;
    }
    let rest = usize::from(place.length).checked_sub(source.position())?;
    sink.copy(&mut source, rest)?;
    Some(sink.length())
}

/// What follows the structure.
struct Rest {
    active: bool,
    indications: bool,
    references: bool,
    chains: bool,
}

impl Rest {
    fn read(&self, bits: &mut Bits<'_>, known: &Structure, frame: &mut Frame) -> Option<Option<Targets>> {
        let count = known.targets.len();
        // Bit 0 of the set comes last.
        let active = if self.active { Some(bits.take(count)?) } else { None };
        if self.indications {
            (frame.present, frame.switch) = indications(bits, count)?;
        }
        if self.references {
            frame.references = References::default();
            loop {
                let size = bits.take(2)? as usize * 4;
                if size == 0 {
                    break;
                }
                frame.references.push(bits.take(size)? as u16 + 1)?;
            }
        }
        if self.chains {
            bits.skip(usize::from(known.chains) * 8)?;
        }
        Some(active)
    }
}

/// Templates with their layers and nothing else yet.
fn template_layers(bits: &mut Bits<'_>) -> Option<Vec<Frame>> {
    let mut templates = Vec::new();
    let (mut spatial, mut temporal) = (0, 0);
    loop {
        if templates.len() == MOST_TEMPLATES || spatial == MOST_SPATIAL || temporal == MOST_TEMPORAL as u8 {
            return None;
        }
        templates.push(Frame { spatial, temporal, ..Frame::default() });
        match bits.take(2)? {
            0 => {}
            1 => temporal += 1,
            2 => {
                spatial += 1;
                temporal = 0;
            }
            _ => return Some(templates),
        }
    }
}

/// Targets that include a frame, and those that can be begun with it.
fn indications(bits: &mut Bits<'_>, count: usize) -> Option<(Targets, Targets)> {
    let (mut present, mut switch) = (0, 0);
    for target in 0..count {
        let indication = bits.take(2)?;
        present |= Targets::from(indication != 0) << target;
        switch |= Targets::from(indication == 2) << target;
    }
    Some((present, switch))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first packet of a stream of Chromium's in L3T3_KEY, of which only the lowest spatial layer is sent as yet.
    const KEYFRAME: &str = "c00001c0081485214eaaaaa8000600004000100002aa80a8000600004000100002a000a800060000400016d549241b5524906d54923157e001974ca864330e222396eca8655304224390eca87753013f00b3027f016704ff02cf0380";

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |digit: u8| char::from(digit).to_digit(16).expect("hexadecimal") as u8;
        hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    fn keyframe() -> Descriptor {
        parse(&bytes(KEYFRAME), None).expect("whole")
    }

    #[test]
    fn a_structure_on_the_first_packet_starts_a_sequence() {
        assert!(starts_coded_sequence(&[0x80, 0x00, 0x01, 0x80]));
        assert!(!starts_coded_sequence(&[0x80, 0x00, 0x01]), "mandatory fields only");
        assert!(!starts_coded_sequence(&[0x40, 0x00, 0x01, 0x80]), "last packet of the frame");
        let fields = Mandatory { starts: true, ends: false, template: 5, number: 0x1234 };
        assert_eq!(mandatory(&[0x85, 0x12, 0x34]), Some(fields));
        assert_eq!(mandatory(&[0x80, 0x12]), None);
    }

    #[test]
    fn a_structure_is_read_as_it_was_sent() {
        let read = keyframe();
        let structure = read.structure.expect("a keyframe brings one");
        let layers: Vec<_> = (0..3).flat_map(|spatial| (0..3).map(move |temporal| (spatial, temporal))).collect();
        assert_eq!(structure.targets(), layers);
        assert_eq!((structure.templates.len(), structure.chains), (15, 3));
        assert_eq!(read.active, Some(0b000_000_111), "the lowest spatial layer at its three frame rates");
        assert_eq!((read.frame.spatial, read.frame.temporal, read.frame.present), (0, 0, 0b111_111_111));
        assert!(read.frame.references.is_empty());
        // Between keyframes, each spatial layer goes by itself.
        assert!(structure.includes(8, 7) && structure.includes(7, 6));
        assert!(!structure.includes(8, 5) && !structure.includes(0, 1));
    }

    #[test]
    fn a_packet_is_read_by_its_template() {
        let structure = keyframe().structure;
        let read = |hex: &str| parse(&bytes(hex), structure.as_deref()).expect("readable");
        let highest = read("ce002f");
        assert_eq!((highest.frame.spatial, highest.frame.temporal), (2, 2));
        assert_eq!((highest.frame.present, highest.frame.switch), (0b100_000_000, 0));
        assert_eq!(highest.frame.references.iter().collect::<Vec<_>>(), [3]);
        let fewer = read("c1002740fc");
        assert_eq!((fewer.mandatory.number, fewer.active), (0x27, Some(0b000_111_111)));
        let custom = read("c3002d1a20302800");
        assert_eq!((custom.frame.spatial, custom.frame.temporal, custom.active), (0, 2, None));
        assert_eq!(custom.frame.references.iter().collect::<Vec<_>>(), [2], "its own, not the template's");
    }

    #[test]
    fn what_cannot_be_read_is_told_apart() {
        let whole = bytes(KEYFRAME);
        let structure = keyframe().structure;
        assert_eq!(parse(&[0xc3, 0, 1], None).err(), Some(Unreadable::UnknownTemplate));
        assert_eq!(parse(&[0xff, 0, 1], structure.as_deref()).err(), Some(Unreadable::UnknownTemplate));
        assert_eq!(parse(&[0xc3, 0], structure.as_deref()).err(), Some(Unreadable::Malformed));
        for cut in 4..whole.len() - 1 {
            assert_eq!(parse(&whole[..cut], None).err(), Some(Unreadable::Malformed), "{cut} bytes");
        }
        // More references than any frame has.
        let mut many = [0; 16];
        let mut sink = BitSink::new(&mut many);
        sink.put(0xc3_0001, 24).and_then(|()| sink.put(0b00010, FLAGS)).expect("room");
        for _ in 0..=MOST_REFERENCES {
            sink.put(0b01_0000, 6).expect("room");
        }
        assert_eq!(parse(&many, structure.as_deref()).err(), Some(Unreadable::Malformed));
        assert_eq!(parse(&[0xc3; LONGEST + 1], structure.as_deref()).err(), Some(Unreadable::Malformed));
    }

    #[test]
    fn what_is_written_anew_says_the_same_of_the_frame() {
        let structure = keyframe().structure;
        for hex in [KEYFRAME, "ce002f", "c1002740fc", "c3002d1a20302800"] {
            let original = bytes(hex);
            let read = parse(&original, structure.as_deref()).expect("readable");
            for active in [None, Some(0b001_010_011)] {
                let mut buffer = [0xff; LONGEST];
                let asked = active.map(|active| (read.place, active));
                let length = rewrite(&original, 0xabcd, asked, &mut buffer).expect("room");
                let again = parse(&buffer[..length], structure.as_deref()).expect("readable");
                let expected = Mandatory { number: 0xabcd, ..read.mandatory };
                assert_eq!((again.mandatory, again.frame), (expected, read.frame), "{hex}");
                assert_eq!((again.active, &again.structure), (active.or(read.active), &read.structure), "{hex}");
                assert!(length <= original.len() + 2, "{hex}: nine bits and five flags at most");
            }
        }
        let mut buffer = [0; LONGEST];
        let length = rewrite(&bytes("c3002d1a20302800"), 7, Some((keyframe().place, 0b111)), &mut buffer);
        assert_eq!(length, None, "another descriptor's place");
    }
}
