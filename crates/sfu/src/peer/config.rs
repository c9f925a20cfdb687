//! What this server offers and accepts: codecs, extensions, limits.

use std::time::Duration;

use str0m::net::TcpType;
use str0m::{Candidate, IceCreds, Rtc, RtcConfig};

use super::{crypto, extension};
use crate::types::{LocalCandidate, PeerConfig, RoomConfig, Transport};

/// LiveKit's clients send up to 64,000 bytes; browsers announce 256 KiB.
const MAX_MESSAGE: u32 = 256 * 1024;
/// A few messages in flight.
const DATA_BUFFER: usize = 2 * 1024 * 1024;
/// How often loss, round trip and rates are measured.
const STATS_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn rtc_config(config: &PeerConfig, room: &RoomConfig) -> RtcConfig {
    let bwe = room.bandwidth_estimation.then(|| str0m::bwe::Bitrate::bps(room.initial_bitrate.as_bps()));
    let mut rtc = Rtc::builder()
        .set_crypto_provider(crypto::provider())
        .set_dtls_cert(crypto::certificate())
        .set_local_ice_credentials(IceCreds { ufrag: config.ice_ufrag.clone(), pass: config.ice_pwd.clone() })
        .set_ice_lite(config.ice_lite)
        .set_rtp_mode(true)
        .set_extension_map(extension::extension_map())
        .set_stats_interval(Some(STATS_INTERVAL))
        .set_sctp_max_message_size(MAX_MESSAGE)
        .set_sctp_max_buffered_amount(DATA_BUFFER)
        .clear_codecs()
        .enable_opus(true, config.red)
        .enable_pcmu(true, false)
        .enable_pcma(true, false)
        .enable_vp8(true)
        .enable_h265(true)
        .enable_vp9(true)
        .enable_av1(true)
        .enable_bwe(bwe);
    enable_h264(&mut rtc);
    rtc
}

/// The profiles browsers offer, constrained baseline first.
fn enable_h264(rtc: &mut RtcConfig) {
    const PROFILES: [(u8, u8, bool, u32); 7] = [
        (108, 109, true, 0x42_e0_1f),
        (127, 121, true, 0x42_00_1f),
        (124, 120, false, 0x42_e0_1f),
        (125, 107, false, 0x42_00_1f),
        (123, 119, true, 0x4d_00_1f),
        (35, 36, false, 0x4d_00_1f),
        (114, 115, true, 0x64_00_1f),
    ];
    for (pt, rtx, mode_one, profile) in PROFILES {
        rtc.codec_config().add_h264(pt.into(), Some(rtx.into()), mode_one, profile);
    }
}

pub(super) fn candidate(candidate: &LocalCandidate) -> Option<Candidate> {
    match candidate.transport {
        Transport::Udp => Candidate::builder().udp().host(candidate.addr).build().ok(),
        Transport::Tcp => Candidate::builder().tcp().host(candidate.addr).tcptype(TcpType::Passive).build().ok(),
    }
}
