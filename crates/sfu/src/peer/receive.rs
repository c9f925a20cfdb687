//! From the connection's RTP packets to the room's.

use std::time::Duration;

use str0m::Rtc;
use str0m::format::{Codec as StackCodec, FormatParams, PayloadParams};
use str0m::media::{KeyframeRequestKind, Mid, Rid};
use str0m::rtp::{ExtensionValues, RtpPacket, Ssrc};

use super::Peer;
use super::extension::DependencyDescriptorBytes;
use crate::room::packet::{Extensions, Format, Packet, SenderClock};
use crate::types::{Codec, Layer, MidName, TrackKey};

/// Larger payloads are dropped: no honest one exceeds a path's MTU, TCP would carry 64 KiB, and the stack's send buffer
/// ends at 2,000 bytes, header included.
const MAX_PAYLOAD: usize = 1_500;

/// Which m-line and encoding feeds which track, and what payload types mean.
#[derive(Debug)]
pub(super) struct Inbound {
    tracks: Vec<Bound>,
    /// Looked up for every packet: a handful of entries, in order of appearance.
    routes: Vec<(u32, Option<(TrackKey, Layer)>)>,
    /// The encoding whose first packet was the last to be translated.
    started: Option<(TrackKey, Layer, u32)>,
    formats: [Option<Format>; 128],
}

#[derive(Debug)]
struct Bound {
    track: TrackKey,
    mid: Mid,
    /// Empty: one encoding without rid.
    rids: Vec<(Rid, Layer)>,
}

impl Default for Inbound {
    fn default() -> Self {
        Self { tracks: Vec::new(), routes: Vec::new(), started: None, formats: [None; 128] }
    }
}

/// Which layer each rid is: by LiveKit's names, otherwise by order from small to large. No rids: one encoding.
pub(crate) fn layers_of(rids: &[String]) -> Vec<(String, Layer)> {
    let by_name = |rid: &String| match rid.as_str() {
        "q" => Some(Layer::Low),
        "h" => Some(Layer::Medium),
        "f" => Some(Layer::High),
        _ => None,
    };
    let named: Option<Vec<Layer>> = rids.iter().map(by_name).collect();
    let layers = named.unwrap_or_else(|| match rids.len() {
        1 => vec![Layer::High],
        2 => vec![Layer::Low, Layer::Medium],
        _ => vec![Layer::Low, Layer::Medium, Layer::High],
    });
    rids.iter().cloned().zip(layers).collect()
}

impl Inbound {
    pub(super) fn renegotiated(&mut self, rtc: &Rtc) {
        self.routes.clear();
        self.formats = [None; 128];
        for params in rtc.codec_config().params() {
            let Some(format) = format_of(params) else { continue };
            self.formats[usize::from(*params.pt() & 0x7f)] = Some(format);
            if let Some(red) = params.red() {
                self.formats[usize::from(*red & 0x7f)] = Some(Format { codec: Codec::Red, profile: 0 });
            }
        }
    }

    /// The packet in the room's words, `None` where it belongs to no track.
    pub(super) fn translate(&mut self, rtc: &mut Rtc, packet: RtpPacket) -> Option<(TrackKey, Layer, Packet)> {
        if packet.payload.len() > MAX_PAYLOAD {
            return None;
        }
        let ssrc = *packet.header.ssrc;
        let (track, layer) = self.route(rtc, ssrc)?;
        let format = self.formats[usize::from(*packet.header.payload_type & 0x7f)]?;
        let clock = packet.last_sender_info.map(|info| SenderClock {
            ntp: info.ntp_time,
            // RTP time is modulo 2^32 on the wire, too.
            rtp: info.rtp_time.numer() as u32,
        });
        let packet = Packet {
            format,
            ssrc,
            seq: *packet.seq_no,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            arrival: Duration::ZERO,
            captured: Duration::ZERO,
            extensions: extensions(&packet.header.ext_vals),
            payload: packet.payload,
            clock,
        };
        Some((track, layer, packet))
    }

    fn route(&mut self, rtc: &mut Rtc, ssrc: u32) -> Option<(TrackKey, Layer)> {
        if let Some((_, route)) = self.routes.iter().find(|(known, _)| *known == ssrc) {
            return *route;
        }
        let stream = Ssrc::from(ssrc);
        let mut api = rtc.direct_api();
        let stream = api.stream_rx(&stream)?;
        let (mid, rid) = (stream.mid(), stream.rid());
        let route = self.tracks.iter().find(|bound| bound.mid == mid).and_then(|bound| {
            let layer = match rid {
                Some(rid) => bound.rids.iter().find(|(known, _)| *known == rid)?.1,
                None if bound.rids.is_empty() => Layer::High,
                None => return None,
            };
            Some((bound.track, layer))
        });
        self.routes.push((ssrc, route));
        self.started = route.map(|(track, layer)| (track, layer, ssrc));
        route
    }

    /// The encoding that the packet just translated began, where it did.
    pub(super) fn take_started(&mut self) -> Option<(TrackKey, Layer, u32)> {
        self.started.take()
    }

    fn find(&self, track: TrackKey) -> Option<&Bound> {
        self.tracks.iter().find(|bound| bound.track == track)
    }
}

impl Peer {
    /// Packets of this m-line are this track's.
    pub(crate) fn bind_track(&mut self, track: TrackKey, mid: &MidName, rids: &[String]) -> Vec<Layer> {
        self.unbind_track(track);
        let layers = layers_of(rids);
        let mid = Mid::from(mid.0.as_str());
        self.inbound.tracks.retain(|bound| bound.mid != mid);
        let rids = layers.iter().map(|(rid, layer)| (Rid::from(rid.as_str()), *layer)).collect();
        self.inbound.tracks.push(Bound { track, mid, rids });
        self.inbound.routes.clear();
        if layers.is_empty() { vec![Layer::High] } else { layers.into_iter().map(|(_, layer)| layer).collect() }
    }

    /// The codecs that the client named on an m-line, in its order; RED after what it is around.
    pub(crate) fn offered_codecs(&self, mid: &MidName) -> Vec<Codec> {
        let Some(media) = self.rtc.media(Mid::from(mid.0.as_str())) else { return Vec::new() };
        let params = self.rtc.codec_config().params();
        let named = media.remote_pts().iter().filter_map(|pt| params.iter().find(|params| params.pt() == *pt));
        let codecs = named.flat_map(|params| [format_of(params).map(|f| f.codec), params.red().map(|_| Codec::Red)]);
        codecs.flatten().collect()
    }

    pub(crate) fn unbind_track(&mut self, track: TrackKey) {
        self.inbound.tracks.retain(|bound| bound.track != track);
        self.inbound.routes.clear();
    }

    /// Asks the client for a keyframe of one encoding. `false`: that track is not bound here.
    pub(crate) fn request_keyframe(&mut self, track: TrackKey, layer: Layer) -> bool {
        let Some(bound) = self.inbound.find(track) else { return false };
        let rid = bound.rids.iter().find(|(_, known)| *known == layer).map(|(rid, _)| *rid);
        let mid = bound.mid;
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, rid) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
        true
    }
}

/// What a payload type means, `None` where this server does not forward it.
pub(super) fn format_of(params: &PayloadParams) -> Option<Format> {
    let spec = params.spec();
    let (codec, profile) = match spec.codec {
        StackCodec::Opus => (Codec::Opus, 0),
        StackCodec::PCMU => (Codec::Pcmu, 0),
        StackCodec::PCMA => (Codec::Pcma, 0),
        StackCodec::Vp8 => (Codec::Vp8, 0),
        StackCodec::H264 => {
            let mode = u32::from(spec.format.packetization_mode.unwrap_or(0));
            (Codec::H264, mode << 24 | spec.format.profile_level_id.unwrap_or(0x42_e0_1f))
        }
        StackCodec::H265 => (Codec::H265, h265_profile(&spec.format)),
        StackCodec::Vp9 => (Codec::Vp9, spec.format.profile_id.unwrap_or(0)),
        StackCodec::Av1 => (Codec::Av1, 0),
        _ => return None,
    };
    Some(Format { codec, profile })
}

/// `profile-id` above `tier-flag` and `level-id`; what is not said is Main, in the main tier (RFC 7798 §7.1).
fn h265_profile(format: &FormatParams) -> u32 {
    let said = format.h265_profile_tier_level;
    let profile = said.map_or(format.profile_id.unwrap_or(1), |said| said.profile_id().into());
    let (tier, level) = said.map_or((0, 0), |said| (said.tier_flag(), said.level_id()));
    profile << 24 | u32::from(tier) << 8 | u32::from(level)
}

fn extensions(values: &ExtensionValues) -> Extensions {
    let level = values.audio_level.map(|level| (level.unsigned_abs(), values.voice_activity.unwrap_or(false)));
    let hundredths = |time: str0m::media::MediaTime| (time.as_seconds() * 100.0).round().clamp(0.0, 4095.0) as u16;
    let playout = values.play_delay_min.zip(values.play_delay_max);
    Extensions {
        audio_level: level,
        video_orientation: values.video_orientation.map(|orientation| orientation as u8),
        video_content_type: values.video_content_type,
        capture_time: values.abs_capture_time.map(|time| (time.capture_time, time.clock_offset)),
        playout_delay: playout.map(|(min, max)| (hundredths(min), hundredths(max))),
        dependency_descriptor: values.user_values.get::<DependencyDescriptorBytes>().map(|bytes| bytes.0.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rids_are_layers_by_name_or_by_order() {
        let layers = |rids: &[&str]| {
            let rids: Vec<String> = rids.iter().map(|rid| (*rid).to_owned()).collect();
            layers_of(&rids).into_iter().map(|(_, layer)| layer).collect::<Vec<_>>()
        };
        assert_eq!(layers(&["q", "h", "f"]), [Layer::Low, Layer::Medium, Layer::High]);
        assert_eq!(layers(&["f", "q"]), [Layer::High, Layer::Low]);
        assert_eq!(layers(&["q", "h"]), [Layer::Low, Layer::Medium]);
        assert_eq!(layers(&["lo", "mid", "hi"]), [Layer::Low, Layer::Medium, Layer::High]);
        assert_eq!(layers(&["only"]), [Layer::High]);
        assert_eq!(layers(&[]), []);
    }
}
