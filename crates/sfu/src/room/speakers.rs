//! Who speaks: by the audio level extension (RFC 6464), as LiveKit's clients expect it.
//!
//! A participant speaks in a window of 400 ms when at least 40 % of it was louder than −35 dBov; the level shown is
//! smoothed over a few windows, so that a breath does not blink.

use std::time::{Duration, Instant};

use crate::keyed::Keyed;
use crate::types::{ParticipantKey, Speaker, TrackKey};

const WINDOW: Duration = Duration::from_millis(400);
/// −dBov: louder is smaller.
const THRESHOLD: u8 = 35;
const MIN_SHARE: f32 = 0.4;
/// Opus packets are 20 ms unless a publisher says otherwise; a window holds twenty.
const PACKET: Duration = Duration::from_millis(20);
/// Weight of the newest window.
const SMOOTHING: f32 = 0.5;
/// Levels are told in steps, so that a steady voice is told once.
const STEPS: f32 = 8.0;

/// The levels of all audio tracks of a room.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    tracks: Keyed<TrackKey, Loudness>,
    window_ends: Option<Instant>,
    told: Vec<Speaker>,
}

#[derive(Debug)]
struct Loudness {
    owner: ParticipantKey,
    loud_packets: u32,
    loudest: u8,
    smooth: f32,
}

impl Speakers {
    /// Takes note of one packet's level in −dBov.
    pub(super) fn observe(&mut self, now: Instant, track: TrackKey, owner: ParticipantKey, level: u8) {
        if self.window_ends.is_none() {
            self.window_ends = Some(now + WINDOW);
        }
        if level > THRESHOLD {
            return;
        }
        match self.tracks.get_mut(track) {
            Some(loudness) => {
                loudness.loud_packets += 1;
                loudness.loudest = loudness.loudest.min(level);
            }
            None => {
                self.tracks.insert(track, Loudness { owner, loud_packets: 1, loudest: level, smooth: 0.0 });
            }
        }
    }

    /// A track is gone or muted: its level falls to nothing with the next window.
    pub(super) fn silence(&mut self, track: TrackKey) {
        self.tracks.remove(track);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.window_ends
    }

    /// Ends the window if it is over. Gives those whose level changed, the loudest first.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Vec<Speaker>> {
        if self.window_ends.is_none_or(|ends| now < ends) {
            return None;
        }
        let mut levels: Keyed<ParticipantKey, f32> = Keyed::default();
        let mut quiet = Vec::new();
        for (key, loudness) in self.tracks.iter_mut() {
            let level = loudness.end_window();
            if level == 0.0 {
                quiet.push(key);
            } else if levels.get(loudness.owner).is_none_or(|known| *known < level) {
                levels.insert(loudness.owner, level);
            }
        }
        for key in quiet {
            self.tracks.remove(key);
        }
        let speaking: Vec<Speaker> =
            levels.iter().map(|(participant, level)| Speaker { participant, level: *level, active: true }).collect();
        let changes = self.changes(&speaking);
        let idle = self.tracks.is_empty() && speaking.is_empty();
        self.window_ends = if idle { None } else { Some(now + WINDOW) };
        self.told = speaking;
        if changes.is_empty() { None } else { Some(changes) }
    }

    fn changes(&self, speaking: &[Speaker]) -> Vec<Speaker> {
        let unchanged = |speaker: &&Speaker| !self.told.contains(speaker);
        let mut changes: Vec<Speaker> = speaking.iter().filter(unchanged).copied().collect();
        changes.sort_by(|a, b| b.level.total_cmp(&a.level));
        let gone = self.told.iter().filter(|told| !speaking.iter().any(|now| now.participant == told.participant));
        changes.extend(gone.map(|told| Speaker { participant: told.participant, level: 0.0, active: false }));
        changes
    }
}

impl Loudness {
    /// The level to show, 0.0 where nothing is said.
    fn end_window(&mut self) -> f32 {
        let packets = (WINDOW.as_millis() / PACKET.as_millis()) as f32;
        let share = (self.loud_packets as f32 / packets).min(1.0);
        let heard = if share >= MIN_SHARE {
            // The loudest packet, less where it was not loud all the time.
            let decibels = f32::from(self.loudest) - 20.0 * share.log10();
            (1.0 - decibels / f32::from(THRESHOLD * 2)).clamp(0.0, 1.0)
        } else {
            0.0
        };
        self.smooth += (heard - self.smooth) * SMOOTHING;
        self.loud_packets = 0;
        self.loudest = u8::MAX;
        let speaks = heard > 0.0 || self.smooth > 0.15;
        if !speaks {
            self.smooth = 0.0;
            return 0.0;
        }
        (self.smooth * STEPS).ceil() / STEPS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: ParticipantKey = ParticipantKey(1);
    const TRACK: TrackKey = TrackKey(1);

    fn window(speakers: &mut Speakers, start: Instant, loud: usize, level: u8) -> Option<Vec<Speaker>> {
        for at in 0..20_u32 {
            let level = if (at as usize) < loud { level } else { 80 };
            speakers.observe(start + PACKET * at, TRACK, WHO, level);
        }
        speakers.handle_timeout(start + WINDOW)
    }

    #[test]
    fn one_speaks_above_the_threshold_for_long_enough() {
        for (loud, level, speaks) in [(20, 20, true), (8, 20, true), (7, 20, false), (20, 36, false), (20, 35, true)] {
            let mut speakers = Speakers::default();
            let told = window(&mut speakers, Instant::now(), loud, level);
            assert_eq!(told.is_some(), speaks, "{loud} of 20 at −{level}");
        }
    }

    #[test]
    fn silence_is_told_once_and_rests() {
        let mut now = Instant::now();
        let mut speakers = Speakers::default();
        let first = window(&mut speakers, now, 20, 20).expect("speaks");
        assert!(first[0].active && first[0].level > 0.0);
        let mut stops = 0;
        for _ in 0..10 {
            now += WINDOW;
            if let Some(changes) = window(&mut speakers, now, 0, 20) {
                stops += changes.iter().filter(|speaker| !speaker.active).count();
            }
        }
        assert_eq!(stops, 1);
        let resting = Speakers::default();
        assert_eq!(resting.poll_timeout(), None);
    }

    #[test]
    fn a_track_that_goes_falls_silent() {
        let now = Instant::now();
        let mut speakers = Speakers::default();
        window(&mut speakers, now, 20, 10);
        speakers.silence(TRACK);
        let told = speakers.handle_timeout(now + WINDOW * 2).expect("a change");
        assert_eq!(told, [Speaker { participant: WHO, level: 0.0, active: false }]);
    }
}
