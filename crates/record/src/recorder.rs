//! [`Recorder`]: one recording of one room.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use container::{Parameters, Sample};
use sfu::{TapPacket, TrackKey};

use crate::folder::What;
use crate::track::{Around, Track, TrackSource};

/// Tracks recorded at a time. What is beyond is not recorded.
const MOST_TRACKS: usize = 512;

/// What a recorder wants done.
#[derive(Debug)]
pub enum Output {
    /// Write this.
    Write(Write),
    /// The track cannot be gone on with without a keyframe.
    Keyframe(TrackKey),
    /// Nothing more until then. `None`: until something happens.
    Timeout(Option<Duration>),
}

/// Something for the folder. Times count from when this recorder began.
#[derive(Debug)]
pub enum Write {
    /// A line of `events.jsonl`.
    Event {
        /// In ms.
        at: u64,
        /// What happened.
        what: What,
    },
    /// A fragment of a track.
    Fragment(Fragment),
}

/// A fragment of a track, whole.
#[derive(Debug)]
pub struct Fragment {
    /// The track's sid.
    pub track: Arc<str>,
    /// Which of its parts since this recorder began, from 1.
    pub part: u32,
    /// What a decoder has to know before.
    pub parameters: Arc<Parameters>,
    /// Decode time of the first sample, in ticks.
    pub from: u64,
    /// Samples that follow one another.
    pub samples: Vec<Sample>,
}

impl Fragment {
    /// Bytes of media in it.
    pub fn bytes(&self) -> usize {
        self.samples.iter().map(|sample| sample.data.len()).sum()
    }
}

/// One recording. All times that come in count from when the room opened, as those of packets do.
#[derive(Debug)]
pub struct Recorder {
    /// When it began.
    zero: Duration,
    tracks: BTreeMap<TrackKey, Track>,
    paused: bool,
    outputs: VecDeque<Output>,
}

impl Recorder {
    /// Begins a recording.
    pub fn new(now: Duration) -> Self {
        Self { zero: now, tracks: BTreeMap::new(), paused: false, outputs: VecDeque::new() }
    }

    /// Something happened that only has to be written down.
    pub fn note(&mut self, now: Duration, what: What) {
        let at = now.saturating_sub(self.zero).as_millis() as u64;
        self.outputs.push_back(Output::Write(Write::Event { at, what }));
    }

    /// A track is there. `false`: there are too many.
    pub fn add_track(&mut self, now: Duration, key: TrackKey, source: TrackSource) -> bool {
        if self.tracks.len() >= MOST_TRACKS {
            return false;
        }
        self.tracks.insert(key, Track::new(&source));
        let TrackSource { track, participant, kind, source, codec } = source;
        self.note(now, What::Track { track, participant, kind, source, codec });
        true
    }

    /// A packet of a track.
    pub fn handle_packet(&mut self, now: Duration, key: TrackKey, packet: &TapPacket) {
        if !self.paused {
            self.with(now, key, |track, around| track.handle_packet(around, packet));
        }
    }

    /// Nothing comes of a track for now.
    pub fn interrupt_track(&mut self, now: Duration, key: TrackKey) {
        self.with(now, key, Track::interrupt);
    }

    /// A track is over.
    pub fn end_track(&mut self, now: Duration, key: TrackKey) {
        self.interrupt_track(now, key);
        if let Some(track) = self.tracks.remove(&key) {
            self.note(now, What::TrackEnded { track: track.sid().to_string() });
        }
    }

    /// Writes no media from here on.
    pub fn pause(&mut self, now: Duration) {
        if !std::mem::replace(&mut self.paused, true) {
            self.interrupt_all(now);
            self.note(now, What::Paused);
        }
    }

    /// Writes media again.
    pub fn resume(&mut self, now: Duration) {
        if std::mem::replace(&mut self.paused, false) {
            self.note(now, What::Resumed);
        }
    }

    /// Whether it is paused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Ends it: what is left is put out. `false` for `for_good`: it is going to be gone on with.
    pub fn stop(&mut self, now: Duration, for_good: bool) {
        self.interrupt_all(now);
        self.tracks.clear();
        if for_good {
            self.note(now, What::Stopped);
        }
    }

    /// What is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        let due = |track: &Track| track.due().is_some_and(|due| due <= now);
        let keys: Vec<TrackKey> = self.tracks.iter().filter(|(_, track)| due(track)).map(|(key, _)| *key).collect();
        for key in keys {
            self.with(now, key, Track::handle_timeout);
        }
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Output {
        let next = || self.tracks.values().filter_map(Track::due).min();
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(next()))
    }

    fn interrupt_all(&mut self, now: Duration) {
        let keys: Vec<TrackKey> = self.tracks.keys().copied().collect();
        for key in keys {
            self.interrupt_track(now, key);
        }
    }

    fn with(&mut self, now: Duration, key: TrackKey, act: impl FnOnce(&mut Track, &mut Around<'_>)) {
        if let Some(track) = self.tracks.get_mut(&key) {
            act(track, &mut Around { now, zero: self.zero, key, out: &mut self.outputs });
        }
    }
}

#[cfg(test)]
mod tests;
