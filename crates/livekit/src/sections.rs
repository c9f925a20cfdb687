//! Which media section (m-line) of a connection carries which subscription. Pure.

use sfu::{Kind, MidName, TrackKey};

/// From so many m-lines on, worn ones are used again whoever the client is.
const CROWDED: usize = 256;

/// An m-line on which the server may send.
#[derive(Debug, Clone, PartialEq, Eq)]
struct MediaSection {
    mid: MidName,
    kind: Kind,
    /// The client would receive on it.
    usable: bool,
    track: Option<TrackKey>,
    /// It carried a track before.
    worn: bool,
    /// The media room knows of `track` here.
    bound: bool,
}

/// The m-lines towards one subscriber, and the tracks that wait for one.
#[derive(Debug, Default)]
pub(crate) struct MediaSections {
    lines: Vec<MediaSection>,
    /// Worn m-lines are used again. Browsers take that well; native clients stay silent on them.
    reuse: bool,
    waiting: Vec<(TrackKey, Kind)>,
}

impl MediaSections {
    /// None yet. `reuse`: see the field.
    pub fn new(reuse: bool) -> Self {
        Self { reuse, ..Self::default() }
    }

    /// A track wants an m-line. Nothing happens where it waits or has one.
    pub fn want(&mut self, track: TrackKey, kind: Kind) {
        if !self.waits(track) && self.mid_of(track).is_none() {
            self.waiting.push((track, kind));
        }
    }

    /// A track needs no m-line any more. True where it had one.
    pub fn end(&mut self, track: TrackKey) -> bool {
        self.waiting.retain(|(waiting, _)| *waiting != track);
        let line = self.lines.iter_mut().find(|line| line.track == Some(track));
        if let Some(line) = line {
            (line.track, line.bound, line.worn) = (None, false, true);
            return true;
        }
        false
    }

    /// An offer of the client names these m-lines, and whether it receives and sends on each. What it can no longer receive
    /// waits again. Those on which it sends are left to it, but for those that carry something already: clients built on pion
    /// publish over any line on which they have not sent yet.
    pub fn offered(&mut self, offered: impl IntoIterator<Item = (MidName, Kind, bool, bool)>) {
        for (mid, kind, receives, sends) in offered {
            let known = self.lines.iter_mut().find(|line| line.mid == mid);
            let usable = receives && (!sends || known.as_ref().is_some_and(|line| line.track.is_some()));
            match known {
                Some(line) => {
                    line.usable = usable;
                    if !usable && let Some(track) = line.track.take() {
                        (line.bound, line.worn) = (false, true);
                        self.waiting.push((track, kind));
                    }
                }
                None => self.lines.push(MediaSection { mid, kind, usable, track: None, worn: false, bound: false }),
            }
        }
    }

    /// The server made an m-line.
    pub fn add(&mut self, mid: MidName, kind: Kind) {
        self.lines.push(MediaSection { mid, kind, usable: true, track: None, worn: false, bound: false });
    }

    /// Gives free m-lines to those who wait, first come, first served.
    pub fn fill(&mut self) {
        let reuse = self.reuse || self.lines.len() >= CROWDED;
        let lines = &mut self.lines;
        self.waiting.retain(|(track, kind)| {
            let is_free = |line: &&mut MediaSection| line.usable && line.track.is_none() && (reuse || !line.worn);
            let free = lines.iter_mut().filter(is_free).find(|line| line.kind == *kind);
            match free {
                Some(line) => {
                    (line.track, line.bound) = (Some(*track), false);
                    false
                }
                None => true,
            }
        });
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// How many m-lines are missing: audio, video.
    pub fn lacking(&self) -> (u32, u32) {
        let count = |kind| self.waiting.iter().filter(|(_, waiting)| *waiting == kind).count() as u32;
        (count(Kind::Audio), count(Kind::Video))
    }

    /// What m-lines carry, by mid.
    pub fn carried(&self) -> impl Iterator<Item = (&MidName, TrackKey)> {
        self.lines.iter().filter_map(|line| Some((&line.mid, line.track?)))
    }

    /// The track of an m-line.
    pub fn track_of(&self, mid: &MidName) -> Option<TrackKey> {
        self.lines.iter().find(|line| line.mid == *mid)?.track
    }

    /// The m-line of a track.
    pub fn mid_of(&self, track: TrackKey) -> Option<&MidName> {
        Some(&self.lines.iter().find(|line| line.track == Some(track))?.mid)
    }

    fn waits(&self, track: TrackKey) -> bool {
        self.waiting.iter().any(|(waiting, _)| *waiting == track)
    }

    /// The client knows of this track on this m-line. True where the media room has yet to be told so.
    pub fn bind(&mut self, mid: &MidName, track: TrackKey) -> bool {
        let line = self.lines.iter_mut().find(|line| line.mid == *mid && line.track == Some(track));
        line.is_some_and(|line| !std::mem::replace(&mut line.bound, true))
    }

    /// What the media room has yet to be told; it counts as told from here on.
    pub fn take_unbound(&mut self) -> Vec<(TrackKey, MidName)> {
        let unbound = self.lines.iter_mut().filter(|line| !line.bound);
        unbound
            .filter_map(|line| {
                let track = line.track?;
                line.bound = true;
                Some((track, line.mid.clone()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::{Audio, Video};

    fn mid(name: &str) -> MidName {
        MidName(name.to_owned())
    }

    fn offered(lines: &mut MediaSections, text: &[(&str, Kind, bool)]) {
        lines.offered(text.iter().map(|(name, kind, usable)| (mid(name), *kind, *usable, false)));
    }

    fn carried(lines: &MediaSections) -> Vec<(&str, u32)> {
        lines.carried().map(|(mid, track)| (mid.0.as_str(), track.0)).collect()
    }

    #[test]
    fn free_lines_of_the_right_kind_are_filled_in_order() {
        let mut lines = MediaSections::default();
        offered(&mut lines, &[("0", Audio, true), ("1", Video, true), ("2", Video, false), ("3", Video, true)]);
        for (track, kind) in [(1, Video), (2, Video), (3, Video), (4, Audio)] {
            lines.want(TrackKey(track), kind);
        }
        lines.fill();
        assert_eq!(carried(&lines), [("0", 4), ("1", 1), ("3", 2)]);
        assert_eq!(lines.lacking(), (0, 1));
    }

    #[test]
    fn a_line_is_used_again_after_its_track_ended() {
        let mut lines = MediaSections::new(true);
        offered(&mut lines, &[("0", Audio, true)]);
        lines.want(TrackKey(1), Audio);
        lines.want(TrackKey(1), Audio);
        lines.fill();
        assert_eq!(lines.take_unbound(), [(TrackKey(1), mid("0"))]);
        assert_eq!(lines.take_unbound(), []);
        lines.want(TrackKey(2), Audio);
        lines.fill();
        assert_eq!(lines.lacking(), (1, 0));
        assert!(lines.end(TrackKey(1)) && !lines.end(TrackKey(1)));
        lines.fill();
        assert_eq!(lines.take_unbound(), [(TrackKey(2), mid("0"))]);
        assert_eq!(lines.lacking(), (0, 0));
    }

    #[test]
    fn a_worn_line_is_not_for_clients_that_stay_silent_on_it() {
        let mut lines = MediaSections::default();
        offered(&mut lines, &[("0", Audio, true)]);
        for track in [1, 2] {
            lines.want(TrackKey(track), Audio);
            lines.fill();
            lines.end(TrackKey(1));
        }
        lines.fill();
        assert_eq!(lines.lacking(), (1, 0));
        for mid in 0..CROWDED {
            offered(&mut lines, &[(&format!("v{mid}"), Video, true)]);
        }
        lines.fill();
        assert_eq!(lines.lacking(), (0, 0));
    }

    #[test]
    fn a_track_whose_line_was_stopped_waits_for_another() {
        let mut lines = MediaSections::default();
        offered(&mut lines, &[("0", Audio, true)]);
        lines.want(TrackKey(1), Audio);
        lines.fill();
        lines.take_unbound();
        offered(&mut lines, &[("0", Audio, false), ("1", Audio, true)]);
        lines.fill();
        assert_eq!(lines.take_unbound(), [(TrackKey(1), mid("1"))]);
    }

    #[test]
    fn a_track_keeps_its_line_when_the_client_sends_on_it_too() {
        let mut lines = MediaSections::default();
        lines.offered([(mid("0"), Audio, true, false), (mid("1"), Audio, true, true)]);
        lines.want(TrackKey(1), Audio);
        lines.want(TrackKey(2), Audio);
        lines.fill();
        assert_eq!(carried(&lines), [("0", 1)], "a line on which it sends is its own");
        lines.offered([(mid("0"), Audio, true, true)]);
        lines.fill();
        assert_eq!(carried(&lines), [("0", 1)]);
        lines.offered([(mid("0"), Audio, false, true)]);
        lines.fill();
        assert_eq!(carried(&lines), []);
    }

    #[test]
    fn a_track_that_no_longer_waits_gets_nothing() {
        let mut lines = MediaSections::default();
        lines.want(TrackKey(1), Audio);
        assert!(!lines.end(TrackKey(1)));
        lines.add(mid("0"), Audio);
        lines.fill();
        assert_eq!(carried(&lines), []);
        assert_eq!(lines.track_of(&mid("0")), None);
    }
}
