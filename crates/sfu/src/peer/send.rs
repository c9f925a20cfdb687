//! From the room's packets to the connection's RTP streams.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::Rtc;
use str0m::media::{MediaTime, Mid, Pt};
use str0m::rtp::{AbsCaptureTime, ExtensionValues, RtpWrite, Ssrc, VideoOrientation, Vp8Descriptor};

use super::extension::DependencyDescriptorBytes;
use super::receive::format_of;
use super::{Peer, PeerEvent};
use crate::codec::descriptor;
use crate::room::packet::{Extensions, Format, Forward, Packet, Rewrite};
use crate::types::{Codec, Kind, MidName, Output, PlayoutDelay};

/// Retransmission reaches back this far: two seconds of a good camera.
const RTX_PACKETS: usize = 1_024;
const RTX_AGE: Duration = Duration::from_secs(2);

/// The m-lines to the client and the packets that wait for them.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    lines: Vec<SendLine>,
    queue: Vec<Forward>,
    renewed: Vec<Mid>,
    playout_delay: Option<PlayoutDelay>,
}

#[derive(Debug)]
struct SendLine {
    mid: Mid,
    ssrc: Option<Ssrc>,
    kind: Option<Kind>,
    formats: Vec<(Format, Pt)>,
}

impl Outbound {
    pub(super) fn slot_of(&self, mid: Mid) -> Option<u16> {
        let at = self.lines.iter().position(|line| line.mid == mid)?;
        u16::try_from(at).ok()
    }

    pub(super) fn video_slots(&self) -> impl Iterator<Item = u16> + '_ {
        (0..).zip(&self.lines).filter(|(_, line)| line.kind == Some(Kind::Video)).map(|(slot, _)| slot)
    }

    pub(super) fn renegotiated(&mut self, rtc: &mut Rtc) {
        for line in &mut self.lines {
            line.refresh(rtc);
        }
    }
}

impl SendLine {
    fn new(mid: Mid, rtc: &mut Rtc) -> Self {
        let mut line = Self { mid, ssrc: None, kind: None, formats: Vec::new() };
        line.refresh(rtc);
        line
    }

    /// Payload types and stream, as negotiated now.
    fn refresh(&mut self, rtc: &mut Rtc) {
        self.formats.clear();
        let Some(media) = rtc.media(self.mid) else {
            self.ssrc = None;
            return;
        };
        let kind = if media.kind().is_audio() { Kind::Audio } else { Kind::Video };
        self.kind = Some(kind);
        for params in rtc.codec_config().params() {
            let Some(format) = format_of(params) else { continue };
            if !media.remote_pts().contains(&params.pt()) {
                continue;
            }
            self.formats.push((format, params.pt()));
            if let Some(red) = params.red() {
                self.formats.push((Format { codec: Codec::Red, profile: 0 }, red));
            }
        }
        let mut api = rtc.direct_api();
        let stream = api.stream_tx_by_mid(self.mid, None);
        let ssrc = stream.as_ref().map(|stream| stream.ssrc());
        if ssrc != self.ssrc
            && let Some(stream) = stream
            && kind == Kind::Video
        {
            // No cap on the share of retransmissions: on a bad path they are what keeps the picture.
            stream.set_rtx_cache(RTX_PACKETS, RTX_AGE, None);
        }
        self.ssrc = ssrc;
    }

    /// The payload type for a format: the same profile, else the same way of packing, else the same codec.
    fn pt_for(&self, format: Format) -> Option<Pt> {
        let same_codec = || self.formats.iter().filter(|(known, _)| known.codec == format.codec);
        let exact = same_codec().find(|(known, _)| known.profile == format.profile);
        let profile = || same_codec().find(|(known, _)| known.profile >> 8 == format.profile >> 8);
        let packing = || same_codec().find(|(known, _)| known.profile >> 24 == format.profile >> 24);
        exact.or_else(profile).or_else(packing).or_else(|| same_codec().next()).map(|(_, pt)| *pt)
    }
}

impl Peer {
    /// The number of an m-line and what it can carry. `None`: there is no such m-line towards the client.
    pub(crate) fn line(&mut self, mid: &MidName) -> Option<(u16, Vec<Codec>)> {
        let mid = Mid::from(mid.0.as_str());
        let known = self.outbound.slot_of(mid);
        let slot = match known {
            Some(slot) => slot,
            None => {
                let reserved = self.wanted.iter().any(|wanted| wanted.mid() == mid);
                if self.rtc.media(mid).is_none() && !reserved {
                    return None;
                }
                self.outbound.lines.push(SendLine::new(mid, &mut self.rtc));
                self.outbound.slot_of(mid)?
            }
        };
        Some((slot, self.codecs(&self.outbound.lines[usize::from(slot)])))
    }

    /// What the client can take on an m-line, whether or not the connection is up.
    pub(crate) fn takes(&self, mid: &MidName) -> Vec<Codec> {
        let mid = Mid::from(mid.0.as_str());
        let line = self.outbound.lines.iter().find(|line| line.mid == mid);
        line.map(|line| line.formats.iter().map(|(format, _)| format.codec).collect()).unwrap_or_default()
    }

    /// Every m-line's codecs, after a negotiation or once the connection is up.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (u16, Vec<Codec>)> + '_ {
        (0..).zip(self.outbound.lines.iter().map(|line| self.codecs(line)))
    }

    /// What the line can carry now: nothing before the connection is up.
    fn codecs(&self, line: &SendLine) -> Vec<Codec> {
        if self.was_connected { line.formats.iter().map(|(format, _)| format.codec).collect() } else { Vec::new() }
    }

    /// Gives an m-line that carries nothing now a new SSRC for what it carries next. Chromium, once it has seen an m-line
    /// inactive, connects a stream that returns under its old SSRC to no track.
    pub(crate) fn renew_line(&mut self, slot: u16) {
        self.outbound.queue.retain(|forward| forward.egress.slot != slot);
        let Some(line) = self.outbound.lines.get_mut(usize::from(slot)) else { return };
        let Some(old) = line.ssrc.filter(|_| self.rtc.media(line.mid).is_some()) else { return };
        let mut api = self.rtc.direct_api();
        let rtx = api.stream_tx(&old).and_then(|stream| stream.rtx()).map(|_| api.new_ssrc());
        api.remove_stream_tx(old);
        let ssrc = api.new_ssrc();
        api.declare_stream_tx(ssrc, rtx, line.mid, None);
        self.outbound.renewed.push(line.mid);
        line.refresh(&mut self.rtc);
    }

    /// The m-lines whose SSRC the client has yet to be offered.
    pub(super) fn take_renewed(&mut self) -> Vec<Mid> {
        std::mem::take(&mut self.outbound.renewed)
    }

    /// How long the client is asked to hold video back. `None`: as the publisher asks.
    pub(crate) fn set_playout_delay(&mut self, delay: Option<PlayoutDelay>) {
        self.outbound.playout_delay = delay;
    }

    /// Queues a packet for the next flush. `true`: the first one since the last.
    pub(crate) fn queue(&mut self, forward: Forward) -> bool {
        self.outbound.queue.push(forward);
        self.outbound.queue.len() == 1
    }

    /// Writes all that is queued and sends it in one go.
    pub(crate) fn flush(&mut self, now: Instant, events: &mut VecDeque<PeerEvent>, out: &mut VecDeque<Output>) {
        let mut queue = std::mem::take(&mut self.outbound.queue);
        for forward in queue.drain(..) {
            self.write(forward);
        }
        self.outbound.queue = queue;
        self.handle_timeout(now, events, out);
    }

    fn write(&mut self, forward: Forward) {
        let Some(line) = self.outbound.lines.get(usize::from(forward.egress.slot)) else { return };
        let (Some(ssrc), Some(pt)) = (line.ssrc, line.pt_for(forward.packet.format)) else { return };
        let is_video = line.kind == Some(Kind::Video);
        let packet = &forward.packet;
        let (payload, marker) = match forward.rewrite {
            Rewrite::Hollow => (Arc::from([]), false),
            Rewrite::Layers { ends_picture, .. } => (Arc::clone(&packet.payload), packet.marker || ends_picture),
            Rewrite::None | Rewrite::Vp8 { .. } | Rewrite::FrameNumber(_) => {
                (Arc::clone(&packet.payload), packet.marker)
            }
        };
        let mut write =
            RtpWrite::new(pt, forward.seq.into(), forward.timestamp, self.opened + packet.captured, payload)
                .marker(marker)
                .nackable(is_video)
                .ext_vals(extension_values(
                    &packet.extensions,
                    &forward,
                    self.outbound.playout_delay.filter(|_| is_video),
                ));
        if let Some(patch) = vp8_patch(packet, forward.rewrite) {
            write = write.vp8_patch(patch);
        }
        if let Some(stream) = self.rtc.direct_api().stream_tx(&ssrc) {
            stream.write_rtp(write);
        }
    }
}

fn vp8_patch(packet: &Packet, rewrite: Rewrite) -> Option<str0m::rtp::Vp8Patch> {
    let Rewrite::Vp8 { picture_id, tl0_pic_idx } = rewrite else { return None };
    if picture_id.is_none() && tl0_pic_idx.is_none() {
        return None;
    }
    let mut patch = Vp8Descriptor::parse(&packet.payload).ok()?.patch();
    if let Some(picture_id) = picture_id {
        patch = patch.picture_id(picture_id);
    }
    if let Some(tl0_pic_idx) = tl0_pic_idx {
        patch = patch.tl0_pic_idx(tl0_pic_idx);
    }
    patch.build().ok()
}

fn extension_values(extensions: &Extensions, forward: &Forward, delay: Option<PlayoutDelay>) -> ExtensionValues {
    let playout_delay = delay.map(PlayoutDelay::units).or(extensions.playout_delay);
    let hundredths = |units: u16| MediaTime::from_hundredths(u64::from(units));
    let mut values = ExtensionValues {
        audio_level: extensions.audio_level.map(|(level, _)| -(level.min(127) as i8)),
        voice_activity: extensions.audio_level.map(|(_, active)| active),
        video_orientation: extensions.video_orientation.map(VideoOrientation::from),
        video_content_type: extensions.video_content_type,
        abs_capture_time: extensions
            .capture_time
            .map(|(capture_time, clock_offset)| AbsCaptureTime { capture_time, clock_offset }),
        play_delay_min: playout_delay.map(|(min, _)| hundredths(min)),
        play_delay_max: playout_delay.map(|(_, max)| hundredths(max)),
        ..ExtensionValues::default()
    };
    if let Some(bytes) = &extensions.dependency_descriptor
        && !forward.without_descriptor
        && forward.rewrite != Rewrite::Hollow
    {
        values.user_values.set(DependencyDescriptorBytes(rewritten(bytes, forward.rewrite)));
    }
    values
}

/// The descriptor as the subscriber is to get it.
fn rewritten(bytes: &Arc<[u8]>, rewrite: Rewrite) -> Arc<[u8]> {
    let (number, active) = match rewrite {
        Rewrite::FrameNumber(number) => (Some(number), None),
        Rewrite::Layers { frame_number, active, .. } => (frame_number, active),
        Rewrite::None | Rewrite::Vp8 { .. } | Rewrite::Hollow => (None, None),
    };
    let Some(number) = number else { return Arc::clone(bytes) };
    if active.is_none() && descriptor::mandatory(bytes).is_none_or(|known| known.number == number) {
        return Arc::clone(bytes);
    }
    let mut buffer = [0; descriptor::LONGEST];
    match descriptor::rewrite(bytes, number, active, &mut buffer) {
        Some(length) => Arc::from(&buffer[..length]),
        // There is no room for the set of targets, without which it can be read as well.
        None => rewritten(bytes, Rewrite::FrameNumber(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h264_finds_the_nearest_payload_type() {
        let h264 = |profile| Format { codec: Codec::H264, profile };
        let offered = [(0x01_42_e0_1f, 102), (0x00_42_e0_1f, 104), (0x01_64_00_1f, 106)];
        let mut formats: Vec<_> = offered.map(|(profile, pt)| (h264(profile), Pt::from(pt))).to_vec();
        formats.push((Format { codec: Codec::Vp8, profile: 0 }, 96.into()));
        let line = SendLine { mid: Mid::from("0"), ssrc: None, kind: None, formats };
        for (profile, expected) in [
            (0x00_42_e0_1f, 104),
            (0x01_64_00_1f, 106),
            (0x01_64_00_2a, 106),
            (0x01_4d_00_1f, 102),
            (0x00_4d_00_1f, 104),
        ] {
            assert_eq!(line.pt_for(h264(profile)).map(|pt| *pt), Some(expected), "{profile:#010x}");
        }
        assert_eq!(line.pt_for(Format { codec: Codec::Av1, profile: 0 }), None);
    }

    #[test]
    fn frame_numbers_are_written_into_a_copy() {
        let bytes: Arc<[u8]> = Arc::from([0x80, 0x00, 0x05, 0x11]);
        assert_eq!(*rewritten(&bytes, Rewrite::FrameNumber(0x1234)), [0x80, 0x12, 0x34, 0x11]);
        assert_eq!(*bytes, [0x80, 0x00, 0x05, 0x11]);
        assert!(Arc::ptr_eq(&rewritten(&bytes, Rewrite::FrameNumber(5)), &bytes), "nothing to change, nothing copied");
    }
}
