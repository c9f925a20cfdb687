//! When a packet's content was captured, on this machine's clock, so that sound and picture of one person stay together.
//!
//! A publisher's sender reports tie the RTP time of each of its streams to its own wall clock. One anchor a publisher
//! ties that wall clock to ours: what it says of audio and video is consistent, whatever each waited for on the way.

use std::time::{Duration, SystemTime};

use super::packet::Packet;

/// The anchor follows the publisher's clock, which runs a little faster or slower, at this rate.
const FOLLOW: u32 = 2_048;
/// A capture time further off than this is a clock that was set, or streams whose reports do not agree.
const TRUST: Duration = Duration::from_millis(500);

/// The tie between one publisher's wall clock and ours.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anchor {
    tie: Option<(Duration, SystemTime)>,
}

impl Anchor {
    /// When the packet was captured; its arrival where the publisher has not reported yet. Never after its arrival.
    pub fn captured(&mut self, packet: &Packet) -> Duration {
        let Some(ntp) = capture_ntp(packet) else { return packet.arrival };
        let (ours, theirs) = *self.tie.get_or_insert((packet.arrival, ntp));
        let captured = match ntp.duration_since(theirs) {
            Ok(later) => ours + later,
            Err(earlier) => ours.saturating_sub(earlier.duration()),
        };
        if captured > packet.arrival {
            // It travelled faster than any before: then it was captured when it arrived, and so is what follows.
            self.tie = Some((packet.arrival, ntp));
            return packet.arrival;
        }
        let lag = packet.arrival - captured;
        if lag > TRUST {
            self.tie = Some((packet.arrival, ntp));
            return packet.arrival;
        }
        self.tie = Some((ours + lag / FOLLOW, theirs));
        captured
    }
}

fn capture_ntp(packet: &Packet) -> Option<SystemTime> {
    let clock = packet.clock?;
    let rate = u64::from(packet.format.codec.clock_rate());
    let ticks = packet.timestamp.wrapping_sub(clock.rtp).cast_signed();
    let time = Duration::from_micros(u64::from(ticks.unsigned_abs()) * 1_000_000 / rate);
    if ticks >= 0 { clock.ntp.checked_add(time) } else { clock.ntp.checked_sub(time) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::packet::{Extensions, Format, SenderClock};
    use super::*;
    use crate::types::Codec;

    fn packet(codec: Codec, arrival: Duration, timestamp: u32, clock: Option<SenderClock>) -> Packet {
        Packet {
            format: Format { codec, profile: 0 },
            ssrc: 1,
            seq: 1,
            timestamp,
            marker: false,
            arrival,
            captured: arrival,
            payload: Arc::from([0]),
            extensions: Extensions::default(),
            clock,
        }
    }

    #[test]
    fn sound_and_picture_of_one_moment_get_one_time() {
        let base = Duration::from_secs(10);
        let ntp = SystemTime::UNIX_EPOCH + Duration::from_secs(5_000);
        let ms = Duration::from_millis;
        let audio_clock = Some(SenderClock { ntp, rtp: 48_000 });
        let video_clock = Some(SenderClock { ntp: ntp + ms(500), rtp: 900_000 });
        let mut anchor = Anchor::default();
        // Both captured at ntp + 1 s; the picture took 80 ms to encode.
        let audio = anchor.captured(&packet(Codec::Opus, base, 96_000, audio_clock));
        let video = anchor.captured(&packet(Codec::Vp8, base + ms(80), 945_000, video_clock));
        let apart = audio.abs_diff(video);
        assert!(apart < ms(1), "{apart:?}");
    }

    #[test]
    fn capture_is_never_after_arrival() {
        let base = Duration::from_secs(10);
        let clock = Some(SenderClock { ntp: SystemTime::UNIX_EPOCH, rtp: 0 });
        let mut anchor = Anchor::default();
        let slow = packet(Codec::Opus, base + Duration::from_millis(100), 0, clock);
        assert_eq!(anchor.captured(&slow), slow.arrival);
        let fast = packet(Codec::Opus, base + Duration::from_millis(60), 960, clock);
        assert_eq!(anchor.captured(&fast), fast.arrival);
        let unreported = packet(Codec::Opus, base, 5, None);
        assert_eq!(anchor.captured(&unreported), base);
    }
}
