//! Which frames of an encoding with layers one subscriber gets: those of one decode target, which changes only where what went
//! out before is enough to decode what follows.
//!
//! A frame is judged once, with the first of its packets that comes; what was withheld is never referred to by what goes
//! out.

use super::layering::{Layering, Next, Part, Ties, VP9_LAYERS, vp9_target};
use crate::codec::descriptor::{ActivePlace, References, Targets};

/// Frames that are remembered. References of encoders that make layers reach back a dozen.
const REMEMBERED: u64 = 256;
const WORDS: usize = REMEMBERED as usize / 64;

/// The layers a subscriber should get at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ceiling {
    pub(super) spatial: u8,
    pub(super) temporal: u8,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Not for this subscriber.
    Withhold,
    /// It goes out, but what comes after it says whether it is the last of its picture: to be judged once more then.
    Await,
    /// It goes out.
    Send {
        /// It is the last of its picture to do so.
        ends_picture: bool,
        /// What its descriptor has to say of the targets that are sent, where it says otherwise.
        active: Option<(ActivePlace, Targets)>,
    },
}

/// One subscriber's choice from one encoding.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    /// Of the [`Layering`] that all this is about.
    generation: u32,
    /// The target that is sent. `None`: everything is, until a frame comes with which a target can be begun.
    target: Option<u8>,
    /// The target before, and the frame from which it was no longer.
    before: Option<(u8, u64)>,
    frames: Frames,
    /// A frame that would have begun what is wanted refers to frames that were withheld.
    refused: bool,
    /// A frame of the target itself does.
    broken: bool,
    /// The picture of VP9 after which a higher temporal layer can be begun.
    rise_after: Option<u64>,
    told: Told,
}

/// What the descriptors that went out say of the targets that are sent.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    believed: Option<Targets>,
    /// For this target, where these are sent, it is these that can be decoded.
    known: Option<(u8, Targets, Targets)>,
}

impl Selector {
    /// Judges a packet. `ceiling` is what is wanted of this encoding; `None`: something else is, but has yet to begin.
    pub(super) fn choose(&mut self, part: &Part, layering: &Layering, ceiling: Option<Ceiling>) -> Choice {
        if self.generation != layering.generation() {
            *self = Self { generation: layering.generation(), ..Self::default() };
        }
        let send = match self.frames.recall(part.frame) {
            Some(sent) => sent,
            None if self.frames.is_new(part.frame) => {
                let everything = Ceiling { spatial: u8::MAX, temporal: u8::MAX };
                if let Some(ceiling) = ceiling.or(part.renews.then_some(everything)) {
                    self.turn(part, layering, ceiling);
                }
                self.judge(part)
            }
            None => self.frames.is_remembered(part.frame) && self.judge(part),
        };
        self.frames.note(part.frame, send);
        if !send {
            return Choice::Withhold;
        }
        let Some(target) = self.target_at(part.frame) else {
            return Choice::Send { ends_picture: false, active: None };
        };
        let top = layering.target_layers(target).0;
        let is_last = match part.next {
            _ if part.spatial == top => !(part.intra && will_rise(top, layering, ceiling)),
            // The publisher leaves out what is between.
            Next::Layer(next) => next > top,
            Next::Picture => true,
            Next::Awaited if part.ends => return Choice::Await,
            Next::Awaited | Next::Unknown => false,
        };
        Choice::Send { ends_picture: part.ends && is_last, active: self.tell(part, layering, target) }
    }

    /// Nothing but a keyframe leads to what is wanted.
    pub(super) fn waits(&self, layering: &Layering, ceiling: Ceiling) -> bool {
        let Some(wanted) = layering.best(ceiling.spatial, ceiling.temporal) else { return false };
        let Some(target) = self.target else { return false };
        if target == wanted {
            return self.broken;
        }
        let same_size = layering.target_layers(target).0 == layering.target_layers(wanted).0;
        let comes_by_itself = same_size || layering.includes(target, wanted);
        self.broken || self.refused || !comes_by_itself
    }

    /// Changes the target, if this frame is one with which that can be done.
    fn turn(&mut self, part: &Part, layering: &Layering, ceiling: Ceiling) {
        let next = match &part.ties {
            Ties::Described { switch, references, .. } => {
                self.next_described(part, *switch, references, layering, ceiling)
            }
            Ties::Vp9 { inter_picture, switching_up } => {
                self.next_vp9(part, *inter_picture, *switching_up, layering, ceiling)
            }
        };
        if part.begins {
            self.told = Told::default();
            self.broken = false;
        }
        if next != self.target {
            self.before = self.target.map(|target| (target, part.frame));
            self.target = next;
            (self.broken, self.refused) = (false, false);
        }
    }

    /// The best target that is wanted no less than the one that is sent, and can be decoded from here on.
    fn next_described(
        &mut self,
        part: &Part,
        switch: Targets,
        references: &References,
        layering: &Layering,
        ceiling: Ceiling,
    ) -> Option<u8> {
        let wanted = layering.best(ceiling.spatial, ceiling.temporal);
        if self.target == wanted && wanted.is_some() && !part.renews {
            self.refused = false;
            return wanted;
        }
        let decodable = self.frames.all_sent(part.frame, references);
        let begun = match (decodable, part.intra) {
            (true, true) => part.present,
            (true, false) => switch,
            (false, _) => 0,
        };
        let best = layering.active().filter(|(target, (spatial, temporal))| {
            let stays = self.target == Some(*target) && !part.renews;
            let within = *spatial <= ceiling.spatial && *temporal <= ceiling.temporal;
            within && (stays || begun >> target & 1 != 0)
        });
        let best = best.max_by_key(|(_, layers)| *layers).map(|(target, _)| target);
        if let Some(wanted) = wanted
            && best != Some(wanted)
            && switch >> wanted & 1 != 0
            && (part.spatial, part.temporal) == (layering.target_layers(wanted).0, 0)
        {
            self.refused = true;
        }
        if best.is_none() && part.intra && (self.target.is_none() || part.renews) {
            // Nothing is small enough: the smallest, then.
            let present = layering.active().filter(|(target, _)| part.present >> target & 1 != 0);
            return present.min_by_key(|(_, layers)| *layers).map(|(target, _)| target);
        }
        best.or(self.target)
    }

    /// Every layer below the one that is sent is sent, too: without references named, none is known to be of no use.
    fn next_vp9(
        &mut self,
        part: &Part,
        inter_picture: bool,
        switching_up: bool,
        layering: &Layering,
        ceiling: Ceiling,
    ) -> Option<u8> {
        let top = VP9_LAYERS - 1;
        let ceiling = Ceiling { spatial: ceiling.spatial.min(top), temporal: ceiling.temporal.min(top) };
        if part.intra {
            self.rise_after = switching_up.then_some(picture(part.frame));
            return Some(vp9_target(ceiling.spatial, ceiling.temporal));
        }
        let (mut spatial, mut temporal) = layering.target_layers(self.target?);
        if self.frames.furthest.is_none_or(|furthest| picture(part.frame) > picture(furthest)) {
            spatial = spatial.min(ceiling.spatial);
            if temporal > ceiling.temporal || self.rise_after.is_some() {
                temporal = ceiling.temporal;
            }
        }
        if part.spatial == spatial + 1 && part.spatial <= ceiling.spatial && !inter_picture {
            spatial = part.spatial;
        }
        if switching_up && part.temporal <= temporal {
            self.rise_after = Some(picture(part.frame));
        } else if part.temporal > temporal {
            self.rise_after = None;
        }
        Some(vp9_target(spatial, temporal))
    }

    fn judge(&mut self, part: &Part) -> bool {
        let Some(target) = self.target_at(part.frame) else { return true };
        if part.present >> target & 1 == 0 {
            return false;
        }
        let Ties::Described { references, .. } = &part.ties else { return true };
        let whole = !self.frames.any_withheld(part.frame, references);
        self.broken |= !whole;
        whole
    }

    /// The target that was sent at the time of a frame, which may come late.
    fn target_at(&self, frame: u64) -> Option<u8> {
        match self.before {
            Some((target, until)) if frame < until => Some(target),
            Some(_) | None => self.target,
        }
    }

    /// What the descriptor has to say of the targets that are sent, where it says otherwise: with the first packet of each
    /// frame of the lowest frame rate, and whenever it is news.
    fn tell(&mut self, part: &Part, layering: &Layering, target: u8) -> Option<(ActivePlace, Targets)> {
        let Ties::Described { active: stated, place, .. } = part.ties else { return None };
        let all = layering.active_set();
        let own = match self.told.known {
            Some((known, sent, own)) if known == target && sent == all => own,
            Some(_) | None => layering.decodable(target),
        };
        self.told.known = Some((target, all, own));
        let due = match stated {
            Some(stated) => stated != own,
            None if !part.starts => false,
            None => self.told.believed != Some(own) || (part.temporal == 0 && own != all),
        };
        if due || stated.is_some() {
            self.told.believed = Some(own);
        }
        due.then_some((place, own))
    }
}

/// Where each spatial layer has a keyframe of its own, the next higher one follows within the picture.
fn will_rise(top: u8, layering: &Layering, ceiling: Option<Ceiling>) -> bool {
    let wanted = ceiling.and_then(|ceiling| layering.best(ceiling.spatial, ceiling.temporal));
    wanted.is_some_and(|wanted| layering.target_layers(wanted).0 > top)
}

fn picture(frame: u64) -> u64 {
    frame >> 3
}

/// What became of the latest frames.
#[derive(Debug, Clone, Default)]
struct Frames {
    furthest: Option<u64>,
    judged: [u64; WORDS],
    sent: [u64; WORDS],
}

impl Frames {
    fn is_new(&self, frame: u64) -> bool {
        self.furthest.is_none_or(|furthest| frame > furthest)
    }

    fn is_remembered(&self, frame: u64) -> bool {
        self.furthest.is_some_and(|furthest| frame <= furthest && furthest - frame < REMEMBERED)
    }

    /// Whether a frame was sent, `None` where it has not come.
    fn recall(&self, frame: u64) -> Option<bool> {
        let judged = self.is_remembered(frame) && self.judged[word(frame)] & bit(frame) != 0;
        judged.then(|| self.sent[word(frame)] & bit(frame) != 0)
    }

    fn note(&mut self, frame: u64, sent: bool) {
        if self.is_new(frame) {
            let ahead = self.furthest.map_or(REMEMBERED, |furthest| frame - furthest);
            for back in 0..ahead.min(REMEMBERED) {
                let passed = frame.wrapping_sub(back);
                self.judged[word(passed)] &= !bit(passed);
            }
            self.furthest = Some(frame);
        } else if !self.is_remembered(frame) {
            return;
        }
        self.judged[word(frame)] |= bit(frame);
        if sent {
            self.sent[word(frame)] |= bit(frame);
        } else {
            self.sent[word(frame)] &= !bit(frame);
        }
    }

    fn all_sent(&self, frame: u64, references: &References) -> bool {
        references.iter().all(|back| self.recall_back(frame, back) == Some(true))
    }

    fn any_withheld(&self, frame: u64, references: &References) -> bool {
        references.iter().any(|back| self.recall_back(frame, back) == Some(false))
    }

    fn recall_back(&self, frame: u64, back: u16) -> Option<bool> {
        self.recall(frame.checked_sub(u64::from(back))?)
    }
}

fn word(frame: u64) -> usize {
    (frame % REMEMBERED / 64) as usize
}

fn bit(frame: u64) -> u64 {
    1 << (frame % 64)
}
