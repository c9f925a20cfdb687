//! Synthetic tracks: packets of the right sizes at the right times, with descriptors a server can route by.

use std::time::{Duration, Instant};

use str0m::Rtc;
use str0m::format::Codec;
use str0m::media::{Mid, Rid};
use str0m::rtp::{ExtensionValues, RtpWrite};

const VIDEO_CLOCK: u64 = 90_000;
const AUDIO_CLOCK: u64 = 48_000;
const PTIME: Duration = Duration::from_millis(20);
/// What a server looks at, at most.
const LONGEST_HEAD: usize = 9;

/// A codec of video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    /// VP8 (RFC 7741).
    Vp8,
    /// H.264 (RFC 6184).
    H264,
    /// H.265 (RFC 7798).
    H265,
    /// VP9 (RFC 9628).
    Vp9,
    /// AV1 (AOM RTP specification 1.0).
    Av1,
}

impl VideoCodec {
    /// As signalling names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            VideoCodec::Vp8 => "vp8",
            VideoCodec::H264 => "h264",
            VideoCodec::H265 => "h265",
            VideoCodec::Vp9 => "vp9",
            VideoCodec::Av1 => "av1",
        }
    }

    fn of_stack(self) -> Codec {
        match self {
            VideoCodec::Vp8 => Codec::Vp8,
            VideoCodec::H264 => Codec::H264,
            VideoCodec::H265 => Codec::H265,
            VideoCodec::Vp9 => Codec::Vp9,
            VideoCodec::Av1 => Codec::Av1,
        }
    }

    /// The start of a packet's payload.
    fn head(self, first: bool, keyframe: bool, picture_id: u16, tl0: u8) -> Vec<u8> {
        match (self, first, keyframe) {
            (VideoCodec::Vp8, ..) => {
                let id = picture_id.to_be_bytes();
                let start = if first { 0x90 } else { 0x80 };
                vec![start, 0xe0, 0x80 | id[0], id[1], tl0, 0x20, u8::from(!keyframe)]
            }
            // SPS and PPS in one STAP-A, then middles of IDR or non-IDR slices in FU-As.
            (VideoCodec::H264, true, true) => vec![0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce],
            (VideoCodec::H264, false, true) => vec![0x7c, 0x05],
            (VideoCodec::H264, _, false) => vec![0x5c, 0x01],
            // A VPS in an aggregation packet, then middles of IDR or trailing pictures in fragmentation units.
            (VideoCodec::H265, true, true) => vec![0x60, 0x01, 0, 3, 0x40, 0x01, 0x0c],
            (VideoCodec::H265, false, true) => vec![0x62, 0x01, 0x13],
            (VideoCodec::H265, _, false) => vec![0x62, 0x01, 0x01],
            // The start of a frame, or its middle; predicted, or not.
            (VideoCodec::Vp9, ..) => {
                vec![0x80 | u8::from(first) << 3 | u8::from(!keyframe) << 6, picture_id as u8 & 0x7f]
            }
            // One OBU that is a frame; the first of a keyframe says so.
            (VideoCodec::Av1, ..) => vec![0x10 | u8::from(first && keyframe) << 3, 0x30],
        }
    }
}

/// Frames that were really encoded, to be sent over and over: the payloads of each frame's packets. The first is a keyframe, which is
/// what a request for one goes back to.
pub type Clip = &'static [Vec<Vec<u8>>];

/// A camera.
#[derive(Debug, Clone, Copy)]
pub struct VideoConfig {
    /// The codec that it sends.
    pub codec: VideoCodec,
    /// What it sends besides, once somebody cannot do without.
    pub backup: Option<VideoCodec>,
    /// Frames per second.
    pub fps: u32,
    /// Packets of a frame of the largest layer; each smaller layer has half.
    pub packets: u32,
    /// How many times larger a keyframe is.
    pub keyframe_factor: u32,
    /// Bytes of a packet's payload.
    pub payload: usize,
    /// Three layers `q`, `h`, `f` instead of one.
    pub simulcast: bool,
    /// Real frames, by layer from the largest down; one without gets packets of no meaning.
    pub clips: [Option<Clip>; 3],
}

impl Default for VideoConfig {
    fn default() -> Self {
        Self {
            codec: VideoCodec::Vp8,
            backup: None,
            fps: 30,
            packets: 4,
            keyframe_factor: 8,
            payload: 1_100,
            simulcast: false,
            clips: [None; 3],
        }
    }
}

/// A microphone: Opus in 20 ms packets.
#[derive(Debug, Clone, Copy)]
pub struct AudioConfig {
    /// Bytes of a packet's payload.
    pub payload: usize,
    /// The audio level of each packet in −dBov: 0 is loudest, 127 silence (RFC 6464).
    pub level: u8,
    /// Real packets, one a frame.
    pub clip: Option<Clip>,
}

impl Default for AudioConfig {
    fn default() -> Self {
        Self { payload: 80, level: 30, clip: None }
    }
}

/// One outgoing encoding.
#[derive(Debug)]
pub(crate) struct Encoding {
    pub(crate) mid: Mid,
    pub(crate) rid: Option<Rid>,
    source: Source,
    seq: u64,
    time_offset: u32,
    started: Option<Instant>,
    pub(crate) next: Instant,
    configured: bool,
    pub(crate) muted: bool,
}

#[derive(Debug)]
enum Source {
    Camera { config: VideoConfig, clip: Option<Playing>, packets: u32, picture_id: u16, tl0: u8, keyframe_wanted: bool },
    Microphone(AudioConfig, Option<Playing>),
}

/// A clip and the frame that is next.
#[derive(Debug)]
struct Playing {
    clip: Clip,
    next: usize,
}

impl Playing {
    fn new(clip: Clip) -> Self {
        Self { clip, next: 0 }
    }

    fn frame(&mut self, from_start: bool) -> Vec<Vec<u8>> {
        let at = if from_start { 0 } else { self.next % self.clip.len().max(1) };
        self.next = at + 1;
        self.clip.get(at).cloned().unwrap_or_default()
    }
}

impl Encoding {
    /// The encodings of a camera on an m-line.
    pub(crate) fn camera(now: Instant, mid: Mid, config: VideoConfig, rng: &mut fastrand::Rng) -> Vec<Self> {
        let layers: &[(&str, u32)] = if config.simulcast { &[("q", 4), ("h", 2), ("f", 1)] } else { &[("", 1)] };
        let encoding = |(rid, divisor): &(&str, u32)| {
            let packets = (config.packets / divisor).max(1);
            let (picture_id, tl0) = (rng.u16(..0x8000), rng.u8(..));
            let clip = config.clips[divisor.trailing_zeros() as usize].map(Playing::new);
            let source = Source::Camera { config, clip, packets, picture_id, tl0, keyframe_wanted: true };
            Self::new(now, mid, (!rid.is_empty()).then(|| Rid::from(*rid)), source, rng)
        };
        layers.iter().map(encoding).collect()
    }

    /// The encoding of a microphone on an m-line.
    pub(crate) fn microphone(now: Instant, mid: Mid, config: AudioConfig, rng: &mut fastrand::Rng) -> Self {
        Self::new(now, mid, None, Source::Microphone(config, config.clip.map(Playing::new)), rng)
    }

    fn new(now: Instant, mid: Mid, rid: Option<Rid>, source: Source, rng: &mut fastrand::Rng) -> Self {
        let (seq, time_offset) = (rng.u64(1..30_000), rng.u32(..));
        Self { mid, rid, source, seq, time_offset, started: None, next: now, configured: false, muted: false }
    }

    pub(crate) fn want_keyframe(&mut self) {
        if let Source::Camera { keyframe_wanted, .. } = &mut self.source {
            *keyframe_wanted = true;
        }
    }

    /// Sends what is due. Gives the number of packets.
    pub(crate) fn send_due(&mut self, rtc: &mut Rtc, now: Instant, epoch: Option<Instant>) -> u64 {
        if self.next > now {
            return 0;
        }
        let started = *self.started.get_or_insert(now);
        let interval = match &self.source {
            Source::Camera { config, .. } => Duration::from_secs(1) / config.fps.max(1),
            Source::Microphone(..) => PTIME,
        };
        // A sender that was held up goes on from now; it does not send what it missed.
        self.next = (self.next + interval).max(now);
        if self.muted { 0 } else { self.send(rtc, now, now - started, epoch) }
    }

    fn send(&mut self, rtc: &mut Rtc, now: Instant, elapsed: Duration, epoch: Option<Instant>) -> u64 {
        let (codec, clock) = match &self.source {
            Source::Camera { config, .. } => (config.codec.of_stack(), VIDEO_CLOCK),
            Source::Microphone(..) => (Codec::Opus, AUDIO_CLOCK),
        };
        let Some(media) = rtc.media(self.mid) else { return 0 };
        let offered = |pt| media.remote_pts().contains(&pt);
        let params =
            rtc.codec_config().params().iter().find(|params| params.spec().codec == codec && offered(params.pt()));
        let Some(pt) = params.map(|params| params.pt()) else { return 0 };
        let timestamp = self.time_offset.wrapping_add((elapsed.as_micros() as u64 * clock / 1_000_000) as u32);
        let packets = self.source.packets();
        let mut api = rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(self.mid, self.rid) else { return 0 };
        let is_video = codec.is_video();
        if is_video && !self.configured {
            // As browsers do: no cap on the share of retransmissions.
            stream.set_rtx_cache(1_024, Duration::from_secs(2), None);
            self.configured = true;
        }
        let count = packets.len();
        for (at, mut payload) in packets.into_iter().enumerate() {
            if let Some(epoch) = epoch
                && is_video
                && payload.len() > LONGEST_HEAD + 8
                && let Some(end) = payload.last_chunk_mut::<8>()
            {
                *end = ((now - epoch).as_micros() as u64).to_be_bytes();
            }
            let mut values = ExtensionValues::default();
            if let Source::Microphone(config, _) = &self.source {
                values.audio_level = Some(-(config.level.min(127) as i8));
                values.voice_activity = Some(config.level < 60);
            }
            let write = RtpWrite::new(pt, self.seq.into(), timestamp, now, payload)
                .marker(is_video && at + 1 == count)
                .nackable(is_video)
                .ext_vals(values);
            stream.write_rtp(write);
            self.seq += 1;
        }
        count as u64
    }
}

impl Source {
    fn packets(&mut self) -> Vec<Vec<u8>> {
        match self {
            Source::Microphone(_, Some(clip)) => clip.frame(false),
            Source::Microphone(config, None) => vec![vec![0x78; config.payload.max(1)]],
            Source::Camera { clip: Some(clip), keyframe_wanted, .. } => clip.frame(std::mem::take(keyframe_wanted)),
            Source::Camera { config, clip: None, packets, picture_id, tl0, keyframe_wanted } => {
                let keyframe = std::mem::take(keyframe_wanted);
                *picture_id = (*picture_id + 1) & 0x7fff;
                *tl0 = tl0.wrapping_add(1);
                let count = if keyframe { *packets * config.keyframe_factor.max(1) } else { *packets };
                let packet = |at: u32| {
                    let mut payload = config.codec.head(at == 0, keyframe, *picture_id, *tl0);
                    payload.resize(config.payload.max(LONGEST_HEAD + 1), at as u8);
                    payload
                };
                (0..count).map(packet).collect()
            }
        }
    }
}
