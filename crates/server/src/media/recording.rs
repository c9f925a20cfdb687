//! The recordings of a worker's rooms: what a room says to a recording goes to its recorder, and what that makes of it to the
//! thread that writes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use control::{RecordingNotice, RecordingNoticeKind};
use livekit::RecordingMessage;
use livekit::proto;
use model::{RecordingId, RoomName, Timestamp};
use record::disk::{Disk, Lane, Notice, NoticeKind};
use record::folder::{Kind, Source, Speaker, What};
use record::{Output, Recorder, TrackSource};
use sfu::TrackKey;
use tokio::sync::mpsc;

use super::hosted::Hosted;

/// The room is closed, or takes no more recordings.
const NO_ROOM: &str = "recording_refused";
/// How soon the disk is told again what it had no room for.
const AGAIN: Duration = Duration::from_millis(50);
/// Where nothing is to be woken for.
const FAR: Duration = Duration::from_secs(3_600);

/// Where recordings go.
#[derive(Debug, Clone)]
pub struct Recordings {
    disk: Disk,
    /// The largest picture that is recorded, in pixels, where there are several; 0×0: the largest there is.
    pub size: (u32, u32),
}

impl Recordings {
    /// Starts the thread that writes below `root`. `notices`: what becomes of recordings.
    pub fn start(root: PathBuf, notices: mpsc::Sender<RecordingNotice>) -> io::Result<Self> {
        let tell = move |notice: Notice| {
            let Some(notice) = translate(notice) else { return };
            if let Err(error) = notices.try_send(notice) {
                tracing::error!(%error, "nobody listens to what becomes of recordings");
            }
        };
        let (disk, _) = Disk::start(root, tell)?;
        Ok(Self { disk, size: (0, 0) })
    }

    /// Says that a recording cannot be made.
    pub fn refuse(&self, id: RecordingId, room: &RoomName, message: &str) {
        self.disk.refuse(id, room.as_str(), NO_ROOM, message);
    }

    /// Waits until everything is on disk that was handed over.
    pub fn flush(&self) {
        self.disk.flush();
    }
}

/// The recorders of one room.
pub struct Recorders {
    /// From when the times of packets count.
    opened: Instant,
    running: BTreeMap<RecordingId, Running>,
}

struct Running {
    recorder: Recorder,
    lane: Lane,
    /// Sids of its tracks.
    sids: BTreeMap<TrackKey, String>,
    /// Tracks that have failed to be added: there are too many.
    left_out: BTreeSet<TrackKey>,
    stopped: bool,
}

impl Recorders {
    /// None yet, of a room that opens now.
    pub fn new(now: Instant) -> Self {
        Self { opened: now, running: BTreeMap::new() }
    }

    /// A recording begins, or is gone on with; nothing changes for one that runs.
    pub fn begin(&mut self, now: Instant, recordings: &Recordings, room: &RoomName, id: RecordingId) {
        let at = now.saturating_duration_since(self.opened);
        self.running.entry(id).or_insert_with(|| Running {
            recorder: Recorder::new(at),
            lane: recordings.disk.open(id, room.as_str(), wall_ms()),
            sids: BTreeMap::new(),
            left_out: BTreeSet::new(),
            stopped: false,
        });
    }

    /// What the room says to a recording.
    pub fn tell(&mut self, now: Instant, id: RecordingId, message: RecordingMessage) {
        let at = now.saturating_duration_since(self.opened);
        if let Some(running) = self.running.get_mut(&id) {
            running.tell(at, message);
        }
    }

    /// The room does not take a recording.
    pub fn give_up(&mut self, id: RecordingId) {
        if let Some(running) = self.running.remove(&id) {
            running.lane.close(None);
        }
    }

    /// All of them end: for good, or to be gone on with once the program runs again.
    pub fn end(&mut self, now: Instant, for_good: bool) {
        let at = now.saturating_duration_since(self.opened);
        for (_, mut running) in std::mem::take(&mut self.running) {
            running.recorder.stop(at, for_good);
            running.drain(&mut Vec::new());
            if !running.lane.close(for_good.then(wall_ms)) {
                tracing::error!(recording = %running.lane.id(), "the disk is too far behind to be told that a recording ended");
            }
        }
    }
}

impl Hosted {
    /// Lets the recorders do what is due. When they want to be woken; `None`: the room has to be asked again first.
    pub fn run_recorders(&mut self, now: Instant) -> Option<Instant> {
        if self.recorders.running.is_empty() {
            return Some(now + FAR);
        }
        let opened = self.recorders.opened;
        let at = now.saturating_duration_since(opened);
        let (mut due, mut keyframes, mut failed) = (now + FAR, Vec::new(), Vec::new());
        self.recorders.running.retain(|id, running| {
            running.recorder.handle_timeout(at);
            let mut owed = Vec::new();
            if let Some(next) = running.drain(&mut owed) {
                due = due.min(opened + next);
            }
            keyframes.extend(owed.into_iter().map(|track| (*id, track)));
            if !running.stopped {
                failed.extend(running.lane.has_failed().then_some(*id));
                return true;
            }
            let is_told = running.lane.close(Some(wall_ms()));
            if !is_told {
                due = due.min(now + AGAIN);
            }
            !is_told
        });
        let is_settled = keyframes.is_empty() && failed.is_empty();
        for (id, track) in keyframes {
            self.room.request_recording_keyframe(now, id, track);
        }
        // The room need not go on telling. It says that the recording stopped, which ends its recorder.
        for id in failed {
            self.room.stop_recording(now, id);
        }
        is_settled.then_some(due)
    }
}

impl Running {
    fn tell(&mut self, at: Duration, message: RecordingMessage) {
        match message {
            RecordingMessage::Packet(track, packet) => self.recorder.handle_packet(at, track, &packet),
            RecordingMessage::Interrupted(track) => self.recorder.interrupt_track(at, track),
            RecordingMessage::Joined(info) => self.recorder.note(at, joined(*info)),
            RecordingMessage::Left(participant) => self.recorder.note(at, What::Left { participant }),
            RecordingMessage::Track { key, participant, info, is_encrypted } => {
                self.sids.insert(key, info.sid.clone());
                if !self.recorder.add_track(at, key, source(participant, &info, is_encrypted)) {
                    tracing::warn!(track = %info.sid, "a track is not recorded: there are too many");
                    self.left_out.insert(key);
                }
            }
            RecordingMessage::TrackEnded(track) => {
                self.sids.remove(&track);
                if !self.left_out.remove(&track) {
                    self.recorder.end_track(at, track);
                }
            }
            RecordingMessage::Muted(track, muted) => {
                let Some(sid) = self.sids.get(&track).cloned() else { return };
                let what = if muted { What::Muted { track: sid } } else { What::Unmuted { track: sid } };
                self.recorder.note(at, what);
            }
            RecordingMessage::Speakers(speakers) => {
                let speakers = speakers.into_iter().map(|(participant, level)| Speaker { participant, level });
                self.recorder.note(at, What::Speakers { speakers: speakers.collect() });
            }
            RecordingMessage::Paused => self.recorder.pause(at),
            RecordingMessage::Resumed => self.recorder.resume(at),
            RecordingMessage::Stopped => {
                self.recorder.stop(at, true);
                self.stopped = true;
            }
        }
    }

    /// Hands over what there is to write. When the recorder wants to be called.
    fn drain(&mut self, keyframes: &mut Vec<TrackKey>) -> Option<Duration> {
        loop {
            match self.recorder.poll_output() {
                Output::Write(write) => drop(self.lane.write(write)),
                Output::Keyframe(track) => keyframes.push(track),
                Output::Timeout(due) => return due,
            }
        }
    }
}

fn translate(Notice { id, room, kind }: Notice) -> Option<RecordingNotice> {
    let room = RoomName::new(&room).ok()?;
    let kind = match kind {
        NoticeKind::Began { at } => RecordingNoticeKind::Began { at: Timestamp(at) },
        NoticeKind::Stopped { at, duration_ms, size_bytes } => {
            RecordingNoticeKind::Stopped { at: Timestamp(at), duration_ms, size_bytes }
        }
        NoticeKind::Failed { code, message } => RecordingNoticeKind::Failed { code, message },
    };
    Some(RecordingNotice { room, recording: id, kind })
}

fn joined(info: proto::ParticipantInfo) -> What {
    let kind = info.kind().as_str_name().to_lowercase();
    What::Joined { participant: info.sid, identity: info.identity, name: info.name, kind }
}

fn source(participant: String, info: &proto::TrackInfo, is_encrypted: bool) -> TrackSource {
    let kind = if info.r#type() == proto::TrackType::Audio { Kind::Audio } else { Kind::Video };
    let source = match info.source() {
        proto::TrackSource::Camera => Source::Camera,
        proto::TrackSource::Microphone => Source::Microphone,
        proto::TrackSource::ScreenShare => Source::ScreenShare,
        proto::TrackSource::ScreenShareAudio => Source::ScreenShareAudio,
        proto::TrackSource::Unknown => Source::Unknown,
    };
    let codec = match (is_encrypted, info.mime_type.split_once('/')) {
        (true, _) => "encrypted".to_owned(),
        (false, Some((_, codec))) => codec.to_lowercase(),
        (false, None) => String::new(),
    };
    TrackSource { track: info.sid.clone(), participant, kind, source, codec }
}

fn wall_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
