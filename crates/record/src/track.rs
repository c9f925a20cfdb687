//! One track in a recording: its packets become access units, and those become fragments of a part.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use container::{AccessUnit, Codec, Depacketizer, Parameters, Sample, opus_duration};
use sfu::TapPacket;
use sfu::room::packet::{Packet, SenderClock};

use crate::clock::{Captured, Clock};
use crate::folder::{Kind, Source, What};
use crate::recorder::{Fragment, Output, Write};
use crate::reorder::{Arrived, Next, Reorder};

/// A fragment is this long, in ms.
const FRAGMENT_MS: u64 = 1_000;
/// What a crash may lose, where a track sends little: a fragment waits no longer than this for its end.
const LONGEST_WAIT: Duration = Duration::from_millis(1_500);
/// Bytes of a fragment, at most: what is more ends it early.
const FRAGMENT_BYTES: usize = 4 << 20;
/// A frame is shown for no longer than this where the next one is far off, in ms.
const LONGEST_FRAME_MS: u64 = 10_000;
/// The duration of a frame that no other follows, before any two have told.
const USUAL_FRAME_MS: u64 = 33;
/// Keyframes asked for in vain: what cannot be read will not be readable next time.
const MOST_FAILURES: u32 = 20;
/// The publisher's clock is written down this often.
const CLOCK_INTERVAL: Duration = Duration::from_secs(10);

/// What a track is, as the room knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackSource {
    /// Its sid.
    pub track: String,
    /// The sid of whose it is.
    pub participant: String,
    /// Sound or picture.
    pub kind: Kind,
    /// What it shows.
    pub source: Source,
    /// As events have it.
    pub codec: String,
}

#[derive(Debug)]
pub(crate) struct Track {
    sid: Arc<str>,
    kind: Kind,
    stream: Option<Stream>,
    reorder: Reorder,
    clock: Clock,
    unit: Option<Unit>,
    /// Nothing can be decoded until a keyframe comes.
    waits: bool,
    /// Since when media is missing, in ms of the recording.
    gap_from: Option<u64>,
    /// The unit whose duration only the next one tells.
    last: Option<Placed>,
    /// The duration of a frame, lately.
    usual: u64,
    part: Option<Part>,
    /// Parts begun.
    parts: u32,
    clock_noted: Option<(Duration, SenderClock)>,
    /// Keyframes asked for since one could be used.
    failures: u32,
}

/// The stream that packets are of.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// `None`: it cannot be recorded.
    codec: Option<Codec>,
    depacketizer: Option<Depacketizer>,
}

/// The unit that is being put together.
#[derive(Debug)]
struct Unit {
    first: Arc<Packet>,
}

#[derive(Debug)]
struct Placed {
    at: u64,
    keyframe: bool,
    data: Vec<u8>,
}

#[derive(Debug)]
struct Part {
    number: u32,
    parameters: Arc<Parameters>,
    samples: Vec<Sample>,
    bytes: usize,
    /// Decode time of the first sample.
    from: u64,
    /// When that was put in.
    since: Duration,
}

/// What a track shares with its recorder for the time of one input.
pub(crate) struct Around<'a> {
    pub now: Duration,
    pub zero: Duration,
    pub key: sfu::TrackKey,
    pub out: &'a mut VecDeque<Output>,
}

impl Around<'_> {
    fn ms(&self, at: Duration) -> u64 {
        at.saturating_sub(self.zero).as_millis() as u64
    }

    pub(crate) fn event(&mut self, what: What) {
        let at = self.ms(self.now);
        self.out.push_back(Output::Write(Write::Event { at, what }));
    }
}

impl Track {
    pub(crate) fn new(source: &TrackSource) -> Self {
        let rate = match source.kind {
            Kind::Audio => container::OPUS_TIMESCALE,
            Kind::Video => container::VIDEO_TIMESCALE,
        };
        Self {
            sid: source.track.as_str().into(),
            kind: source.kind,
            stream: None,
            reorder: Reorder::default(),
            clock: Clock::new(rate),
            unit: None,
            waits: true,
            gap_from: None,
            last: None,
            usual: USUAL_FRAME_MS * u64::from(rate) / 1_000,
            part: None,
            parts: 0,
            clock_noted: None,
            failures: 0,
        }
    }

    pub(crate) fn sid(&self) -> &Arc<str> {
        &self.sid
    }

    pub(crate) fn handle_packet(&mut self, around: &mut Around<'_>, tapped: &TapPacket) {
        let packet = &tapped.packet;
        // Padding has its place in the sequence, and begins nothing.
        let is_padding = packet.payload.is_empty();
        if !is_padding && self.stream.as_ref().is_none_or(|stream| stream.is_other(packet)) {
            self.begin_stream(around, packet);
        }
        if !self.reorder.has_begun() {
            if is_padding || !tapped.starts {
                return;
            }
            self.reorder.begin(packet.seq);
        }
        self.reorder.take(around.now, Arrived { packet: Arc::clone(packet), starts: tapped.starts });
        self.drain(around);
    }

    /// Gives up on what has been missing for too long, and ends fragments that have waited for too long.
    pub(crate) fn handle_timeout(&mut self, around: &mut Around<'_>) {
        self.drain(around);
        if self.due_fragment().is_some_and(|due| due <= around.now) {
            self.end_fragment(around);
        }
    }

    /// When to call that.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.reorder.due().into_iter().chain(self.due_fragment()).min()
    }

    /// Media stops here: muted, paused or over.
    pub(crate) fn interrupt(&mut self, around: &mut Around<'_>) {
        self.close_last(around.now, self.usual);
        self.end_fragment(around);
        self.reorder = Reorder::default();
        self.unit = None;
        self.reset();
        self.gap_from = None;
        // What comes is placed by its capture again: the encoder may have begun anew.
        self.stream = None;
    }

    fn due_fragment(&self) -> Option<Duration> {
        let part = self.part.as_ref().filter(|part| !part.samples.is_empty())?;
        Some(part.since + LONGEST_WAIT)
    }

    /// Packets of another encoding or codec follow; of video, from a keyframe on.
    fn begin_stream(&mut self, around: &mut Around<'_>, packet: &Packet) {
        self.drain(around);
        let codec = codec_of(packet.format.codec);
        if codec.is_none() {
            tracing::warn!(track = %self.sid, codec = ?packet.format.codec, "a track is not recorded: no file holds its codec");
        }
        self.stream = Some(Stream { ssrc: packet.ssrc, codec, depacketizer: codec.map(Depacketizer::new) });
        self.reorder = Reorder::default();
        self.unit = None;
        self.waits = self.kind == Kind::Video;
    }

    fn drain(&mut self, around: &mut Around<'_>) {
        while let Some(next) = self.reorder.next(around.now) {
            self.handle_next(around, next);
        }
    }

    fn handle_next(&mut self, around: &mut Around<'_>, next: Next) {
        match next {
            Next::Packet(arrived) => self.take(around, &arrived),
            Next::Lost => self.break_off(around),
        }
    }

    /// Something is missing: nothing can be decoded until a keyframe comes; of sound, until the next packet does.
    fn break_off(&mut self, around: &mut Around<'_>) {
        self.unit = None;
        self.reset();
        let ended = self.last.as_ref().map(|last| (last.at + self.usual) * 1_000 / self.rate());
        let now = around.ms(around.now);
        self.gap_from.get_or_insert(ended.unwrap_or(now));
        let is_video = self.kind == Kind::Video;
        if is_video && !self.waits && self.failures < MOST_FAILURES {
            self.failures += 1;
            around.out.push_back(Output::Keyframe(around.key));
        }
        self.waits = is_video;
        self.close_last(around.now, self.usual);
    }

    fn reset(&mut self) {
        if let Some(depacketizer) = self.stream.as_mut().and_then(|stream| stream.depacketizer.as_mut()) {
            depacketizer.reset();
        }
    }

    fn take(&mut self, around: &mut Around<'_>, arrived: &Arrived) {
        let packet = &arrived.packet;
        let payload = payload_of(packet);
        if payload.is_empty() {
            return;
        }
        if self.waits {
            if !arrived.starts {
                return;
            }
            self.waits = false;
            self.reset();
        }
        if self.unit.as_ref().is_some_and(|unit| unit.first.timestamp != packet.timestamp) {
            self.end_unit(around);
        }
        let Some(depacketizer) = self.stream.as_mut().and_then(|stream| stream.depacketizer.as_mut()) else { return };
        if let Err(error) = depacketizer.push(payload) {
            tracing::debug!(track = %self.sid, %error, "a packet that cannot be recorded");
            self.break_off(around);
            return;
        }
        self.unit.get_or_insert_with(|| Unit { first: Arc::clone(packet) });
        if packet.marker || self.kind == Kind::Audio {
            self.end_unit(around);
        }
    }

    fn end_unit(&mut self, around: &mut Around<'_>) {
        let Some(Unit { first }) = self.unit.take() else { return };
        let depacketizer = self.stream.as_mut().and_then(|stream| stream.depacketizer.as_mut());
        let Some(finished) = depacketizer.map(Depacketizer::finish) else { return };
        let Some(unit) = finished else {
            self.break_off(around);
            return;
        };
        self.note_clock(around, &first);
        let rate = u128::from(self.rate());
        let ticks = |at: Duration| (at.as_micros() * rate / 1_000_000) as i64;
        let captured = Captured {
            at: ticks(first.captured) - ticks(around.zero),
            reported: first.clock.is_some() && first.captured < first.arrival,
        };
        let at = self.clock.place(first.ssrc, first.timestamp, captured);
        self.add(around, at, unit);
    }

    fn add(&mut self, around: &mut Around<'_>, at: u64, unit: AccessUnit) {
        let AccessUnit { data, keyframe, parameters } = unit;
        let is_new = |new: &Parameters| self.part.as_ref().is_none_or(|part| *part.parameters != *new);
        let begins = parameters.filter(is_new);
        if begins.is_none() && self.part.is_none() {
            // Nothing has said what this is.
            self.break_off(around);
            return;
        }
        let rate = self.rate();
        match self.last.as_ref().map(|last| at.saturating_sub(last.at)) {
            Some(duration) if duration * 1_000 <= LONGEST_FRAME_MS * rate => self.close_last(around.now, duration),
            // A gap is left open: the next fragment says when it begins.
            Some(_) => {
                self.close_last(around.now, self.usual);
                self.end_fragment(around);
            }
            None => self.end_fragment(around),
        }
        if let Some(parameters) = begins {
            self.begin_part(around, parameters);
        }
        if let Some(from) = self.gap_from.take() {
            let track = self.sid.to_string();
            around.event(What::Gap { track, from, to: at * 1_000 / rate });
        }
        let part = self.part.as_ref().filter(|part| !part.samples.is_empty());
        let is_full = |part: &Part| part.bytes + data.len() > FRAGMENT_BYTES;
        if part.is_some_and(|part| (at - part.from) * 1_000 >= FRAGMENT_MS * rate || is_full(part)) {
            self.end_fragment(around);
        }
        if self.kind == Kind::Audio {
            self.usual = u64::from(opus_duration(&data)).max(120);
        } else if keyframe {
            self.failures = 0;
        }
        self.last = Some(Placed { at, keyframe, data });
    }

    /// The last unit lasts so long.
    fn close_last(&mut self, now: Duration, duration: u64) {
        let (is_video, rate) = (self.kind == Kind::Video, self.rate());
        let (Some(Placed { at, keyframe, data }), Some(part)) = (self.last.take(), &mut self.part) else { return };
        if part.samples.is_empty() {
            (part.from, part.since) = (at, now);
        }
        // What is seldom sent says nothing of how long a frame is.
        if is_video && duration < rate / 2 {
            self.usual = duration;
        }
        part.bytes += data.len();
        part.samples.push(Sample { duration: duration.max(1) as u32, keyframe, data });
    }

    fn begin_part(&mut self, around: &mut Around<'_>, parameters: Parameters) {
        self.end_fragment(around);
        self.parts += 1;
        self.part = Some(Part {
            number: self.parts,
            parameters: Arc::new(parameters),
            samples: Vec::new(),
            bytes: 0,
            from: 0,
            since: around.now,
        });
    }

    fn end_fragment(&mut self, around: &mut Around<'_>) {
        let Some(part) = self.part.as_mut().filter(|part| !part.samples.is_empty()) else { return };
        let samples = std::mem::take(&mut part.samples);
        part.bytes = 0;
        around.out.push_back(Output::Write(Write::Fragment(Fragment {
            track: Arc::clone(&self.sid),
            part: part.number,
            parameters: Arc::clone(&part.parameters),
            from: part.from,
            samples,
        })));
    }

    /// Ticks a second.
    fn rate(&self) -> u64 {
        match self.kind {
            Kind::Audio => container::OPUS_TIMESCALE.into(),
            Kind::Video => container::VIDEO_TIMESCALE.into(),
        }
    }

    fn note_clock(&mut self, around: &mut Around<'_>, packet: &Packet) {
        let Some(clock) = packet.clock else { return };
        let is_due = self.clock_noted.is_none_or(|(at, noted)| noted != clock && at + CLOCK_INTERVAL <= around.now);
        if is_due {
            self.clock_noted = Some((around.now, clock));
            let since = clock.ntp.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let ntp_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
            around.event(What::Clock { track: self.sid.to_string(), rtp: clock.rtp, ntp_ms });
        }
    }
}

impl Stream {
    /// The packet is of another one.
    fn is_other(&self, packet: &Packet) -> bool {
        self.ssrc != packet.ssrc || self.codec != codec_of(packet.format.codec)
    }
}

fn codec_of(codec: sfu::Codec) -> Option<Codec> {
    match codec {
        sfu::Codec::Opus | sfu::Codec::Red => Some(Codec::Opus),
        sfu::Codec::Vp8 => Some(Codec::Vp8),
        sfu::Codec::Vp9 => Some(Codec::Vp9),
        sfu::Codec::H264 => Some(Codec::H264),
        sfu::Codec::Av1 => Some(Codec::Av1),
        sfu::Codec::H265 | sfu::Codec::Pcmu | sfu::Codec::Pcma => None,
    }
}

/// What the codec made: of RED, the newest block.
fn payload_of(packet: &Packet) -> &[u8] {
    match packet.format.codec {
        sfu::Codec::Red => sfu::codec::newest_of_red(&packet.payload),
        sfu::Codec::Opus
        | sfu::Codec::Vp8
        | sfu::Codec::H264
        | sfu::Codec::H265
        | sfu::Codec::Vp9
        | sfu::Codec::Av1
        | sfu::Codec::Pcmu
        | sfu::Codec::Pcma => &packet.payload,
    }
}
