//! Recordings of a room: each is a reader of the tracks that it takes in, and hears who comes, goes, mutes and speaks. It is no
//! participant, and shows nowhere.
//!
//! What a recording knows is made to match the room once a turn, so that nothing that changes a room has to think of
//! recordings. Who writes it all down is the caller's affair.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use livekit_protocol as proto;
use model::{RecordingId, RecordingSpec};
use sfu::{Kind, Layer, ParticipantKey, TapEvent, TapId, TapLayers, TapPacket, TrackKey};

use crate::limits::MOST_RECORDINGS;
use crate::requests::RoomRefusal;
use crate::room::Room;
use crate::types::Output;

/// What a recording is told.
#[derive(Debug, Clone)]
pub enum RecordingMessage {
    /// Someone is there.
    Joined(Box<proto::ParticipantInfo>),
    /// Someone is gone, by their sid.
    Left(String),
    /// A track is there. Packets follow unless it is encrypted for its receivers.
    Track {
        /// Named so in what follows.
        key: TrackKey,
        /// The sid of whose it is.
        participant: String,
        /// As the others see it.
        info: Box<proto::TrackInfo>,
        /// Only its receivers can read it.
        is_encrypted: bool,
    },
    /// A track is over, or no longer taken in.
    TrackEnded(TrackKey),
    /// A track is muted, or is not any more.
    Muted(TrackKey, bool),
    /// Who speaks, by sid: all of them, the loudest first.
    Speakers(Vec<(String, f32)>),
    /// A packet of a track.
    Packet(TrackKey, TapPacket),
    /// Nothing comes of a track for now.
    Interrupted(TrackKey),
    /// Nothing is taken in from here on.
    Paused,
    /// It is again.
    Resumed,
    /// It is over.
    Stopped,
}

/// The recordings of a room.
#[derive(Debug, Default)]
pub(crate) struct Recordings {
    running: BTreeMap<RecordingId, Recording>,
    /// Whose taps they are.
    taps: BTreeMap<TapId, RecordingId>,
}

#[derive(Debug)]
struct Recording {
    spec: RecordingSpec,
    /// The largest picture it takes, in pixels; 0×0: any.
    size: (u32, u32),
    paused: bool,
    /// Whom it knows to be there.
    members: BTreeMap<ParticipantKey, String>,
    tracks: BTreeMap<TrackKey, Taken>,
    speakers: Vec<(String, f32)>,
}

#[derive(Debug)]
struct Taken {
    tap: Option<TapId>,
    muted: bool,
}

/// A track as a recording is to have it.
struct Wanted {
    participant: String,
    info: proto::TrackInfo,
    is_encrypted: bool,
    /// Its packets are taken.
    flows: bool,
}

impl Room {
    /// Records from now on. One that runs already takes in whom `spec` says from here on.
    pub fn record(&mut self, now: Instant, spec: RecordingSpec, size: (u32, u32)) -> Result<(), RoomRefusal> {
        self.begin(now);
        let running = &mut self.recordings.running;
        if let Some(known) = running.get_mut(&spec.id) {
            known.spec = spec;
        } else if running.len() >= MOST_RECORDINGS || self.membership.closed {
            return Err(RoomRefusal::Busy);
        } else {
            let (members, tracks) = (BTreeMap::new(), BTreeMap::new());
            let recording = Recording { spec, size, paused: false, members, tracks, speakers: Vec::new() };
            running.insert(recording.spec.id, recording);
        }
        self.review_recordings();
        Ok(())
    }

    /// Takes no media in from here on, or does so again.
    pub fn pause_recording(&mut self, now: Instant, id: RecordingId, paused: bool) {
        self.begin(now);
        let Some(recording) = self.recordings.running.get_mut(&id) else { return };
        if std::mem::replace(&mut recording.paused, paused) != paused {
            self.record_out(id, if paused { RecordingMessage::Paused } else { RecordingMessage::Resumed });
            self.review_recordings();
        }
    }

    /// Ends a recording.
    pub fn stop_recording(&mut self, now: Instant, id: RecordingId) {
        self.begin(now);
        let Some(recording) = self.recordings.running.remove(&id) else { return };
        for (track, taken) in recording.tracks {
            self.untap(track, taken.tap);
        }
        self.record_out(id, RecordingMessage::Stopped);
    }

    /// A recording cannot go on with a track without a keyframe.
    pub fn request_recording_keyframe(&mut self, now: Instant, id: RecordingId, track: TrackKey) {
        self.now = now;
        let taken = self.recordings.running.get(&id).and_then(|recording| recording.tracks.get(&track));
        if let Some(tap) = taken.and_then(|taken| taken.tap) {
            self.media.handle_tap_keyframe_request(now, track, tap, None);
        }
    }

    /// Makes what recordings know and take equal to what is there.
    pub(crate) fn review_recordings(&mut self) {
        let ids: Vec<RecordingId> = self.recordings.running.keys().copied().collect();
        for id in ids {
            let Some(mut recording) = self.recordings.running.remove(&id) else { continue };
            self.review_members(&mut recording);
            self.review_tracks(&mut recording);
            self.recordings.running.insert(id, recording);
        }
        self.record_speakers();
    }

    /// A packet of a recording's tap.
    pub(crate) fn take_recorded(&mut self, track: TrackKey, tap: TapId, packet: &TapPacket) {
        if let Some(id) = self.recordings.taps.get(&tap).copied() {
            self.record_out(id, RecordingMessage::Packet(track, packet.clone()));
        }
    }

    /// What a recording's tap has to know.
    pub(crate) fn take_recorded_event(&mut self, track: TrackKey, tap: TapId, event: TapEvent) {
        let Some(id) = self.recordings.taps.get(&tap).copied() else { return };
        match event {
            TapEvent::Began { .. } => {}
            TapEvent::Paused => self.record_out(id, RecordingMessage::Interrupted(track)),
            // The review tells of it.
            TapEvent::Ended => drop(self.recordings.taps.remove(&tap)),
        }
    }

    /// Each recording hears who speaks, of those that it takes in, where that changed.
    pub(crate) fn record_speakers(&mut self) {
        let mut told = Vec::new();
        for (id, recording) in &mut self.recordings.running {
            let known = self
                .speaking
                .iter()
                .filter_map(|(key, level)| Some((recording.members.get(key)?.clone(), f32::from_bits(*level))));
            let mut known: Vec<_> = known.collect();
            known.sort_by(|a, b| b.1.total_cmp(&a.1));
            if known != recording.speakers {
                recording.speakers.clone_from(&known);
                told.push((*id, known));
            }
        }
        for (id, speakers) in told {
            self.record_out(id, RecordingMessage::Speakers(speakers));
        }
    }

    fn review_members(&mut self, recording: &mut Recording) {
        let id = recording.spec.id;
        let is_taken = |room: &Self, key: ParticipantKey| {
            let member = room.membership.members.get(&key).filter(|member| !member.grant.hidden);
            member.is_some_and(|member| recording.spec.who.takes_in(&member.identity))
        };
        let gone: Vec<_> = recording.members.keys().copied().filter(|key| !is_taken(self, *key)).collect();
        let come: Vec<_> = self.membership.members.keys().copied().collect();
        let come: Vec<_> =
            come.into_iter().filter(|key| !recording.members.contains_key(key) && is_taken(self, *key)).collect();
        for key in gone {
            // Their tracks first: what is said of a track is said of someone who is there.
            let is_theirs =
                |track: &TrackKey| self.membership.tracks.get(track).is_none_or(|track| track.publisher == key);
            let own: Vec<TrackKey> = recording.tracks.keys().copied().filter(is_theirs).collect();
            own.into_iter().for_each(|track| self.end_recorded(recording, track));
            if let Some(sid) = recording.members.remove(&key) {
                self.record_out(id, RecordingMessage::Left(sid));
            }
        }
        for key in come {
            let Some(info) = self.membership.info(key) else { continue };
            recording.members.insert(key, info.sid.clone());
            self.record_out(id, RecordingMessage::Joined(Box::new(info)));
        }
    }

    fn review_tracks(&mut self, recording: &mut Recording) {
        let id = recording.spec.id;
        let wanted = self.tracks_for(recording);
        let gone: Vec<_> = recording.tracks.keys().copied().filter(|track| !wanted.contains_key(track)).collect();
        for track in gone {
            self.end_recorded(recording, track);
        }
        for (key, Wanted { participant, info, is_encrypted, flows }) in wanted {
            let muted = info.muted;
            let is_new = !recording.tracks.contains_key(&key);
            let taken = recording.tracks.entry(key).or_insert(Taken { tap: None, muted: false });
            if is_new {
                let info = Box::new(info);
                self.record_out(id, RecordingMessage::Track { key, participant, info, is_encrypted });
            }
            if std::mem::replace(&mut taken.muted, muted) != muted {
                self.record_out(id, RecordingMessage::Muted(key, muted));
            }
            match (taken.tap, flows) {
                (None, true) => {
                    let (width, height) = recording.size;
                    let layers = TapLayers::Best { max_layer: Layer::High, width, height };
                    taken.tap = self.media.add_tap(self.now, key, layers);
                    self.recordings.taps.extend(taken.tap.map(|tap| (tap, id)));
                }
                (Some(_), false) => {
                    let tap = taken.tap.take();
                    self.untap(key, tap);
                    self.record_out(id, RecordingMessage::Interrupted(key));
                }
                (Some(_), true) | (None, false) => {}
            }
        }
    }

    /// The tracks that a recording is to have. On hold, someone's are there, but nothing flows.
    fn tracks_for(&self, recording: &Recording) -> BTreeMap<TrackKey, Wanted> {
        let members: BTreeSet<ParticipantKey> = recording.members.keys().copied().collect();
        let tracks =
            self.membership.tracks.values().filter(|track| track.is_published() && members.contains(&track.publisher));
        let tracks = tracks.filter(|track| track.kind == Kind::Audio || !recording.spec.audio_only);
        let wanted = tracks.map(|track| {
            let participant = recording.members.get(&track.publisher).cloned().unwrap_or_default();
            let is_encrypted = track.is_encrypted();
            let flows = !recording.paused && !is_encrypted && !self.membership.is_held(track.publisher);
            (track.key, Wanted { participant, info: track.info.clone(), is_encrypted, flows })
        });
        wanted.collect()
    }

    fn end_recorded(&mut self, recording: &mut Recording, track: TrackKey) {
        if let Some(taken) = recording.tracks.remove(&track) {
            self.untap(track, taken.tap);
            self.record_out(recording.spec.id, RecordingMessage::TrackEnded(track));
        }
    }

    fn untap(&mut self, track: TrackKey, tap: Option<TapId>) {
        if let Some(tap) = tap {
            self.media.remove_tap(self.now, track, tap);
            self.recordings.taps.remove(&tap);
        }
    }

    fn record_out(&mut self, id: RecordingId, message: RecordingMessage) {
        self.out(Output::Recorded(id, message));
    }
}
