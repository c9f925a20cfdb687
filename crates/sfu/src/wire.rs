//! Tap packets as bytes, for a file or for another node: a version, then the fields in postcard's format.
//!
//! Both ends may be of different releases, so the version changes with every change of the fields.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::tap::TapPacket;

const VERSION: u8 = 1;

/// Why bytes are no tap packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Written by a release with other fields.
    #[error("a packet of version {0}, not {VERSION}")]
    Version(u8),
    /// Cut short, too long, or no packet at all.
    #[error("not a packet")]
    Malformed,
}

impl TapPacket {
    /// Appends the packet's bytes, which end where the packet ends: whoever stores or sends them keeps their length.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let mut bytes = std::mem::take(into);
        bytes.push(VERSION);
        *into = postcard::to_extend(self, bytes).expect("plain fields can all be written, and a vector grows");
    }

    /// Reads the bytes of one packet.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (version, fields) = bytes.split_first().ok_or(WireError::Malformed)?;
        if *version != VERSION {
            return Err(WireError::Version(*version));
        }
        match postcard::take_from_bytes(fields) {
            Ok((packet, [])) => Ok(packet),
            Ok((_, [_, ..])) | Err(_) => Err(WireError::Malformed),
        }
    }
}

/// Bytes as such, not as a sequence of numbers.
struct Raw<'a>(&'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

pub(crate) mod bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &Arc<[u8]>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<[u8]>, D::Error> {
        <&[u8]>::deserialize(from).map(Arc::from)
    }
}

pub(crate) mod optional_bytes {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &Option<Arc<[u8]>>, to: S) -> Result<S::Ok, S::Error> {
        bytes.as_deref().map(Raw).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Arc<[u8]>>, D::Error> {
        Ok(<Option<&[u8]>>::deserialize(from)?.map(Arc::from))
    }
}

pub(crate) mod shared {
    use super::*;

    pub(crate) fn serialize<T: Serialize, S: Serializer>(shared: &Arc<T>, to: S) -> Result<S::Ok, S::Error> {
        shared.as_ref().serialize(to)
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Arc<T>, D::Error> {
        T::deserialize(from).map(Arc::new)
    }
}

/// Nanoseconds since 1970, before it too: a publisher's clock says what it likes, and NTP's begins in 1900.
pub(crate) mod wall_clock {
    use std::time::{Duration, SystemTime};

    use super::*;

    pub(super) fn nanos(time: SystemTime) -> i64 {
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => nanos(after),
            Err(before) => -nanos(before.duration()),
        }
    }

    pub(super) fn time(nanos: i64) -> SystemTime {
        let distance = Duration::from_nanos(nanos.unsigned_abs());
        if nanos >= 0 { SystemTime::UNIX_EPOCH + distance } else { SystemTime::UNIX_EPOCH - distance }
    }

    pub(crate) fn serialize<S: Serializer>(at: &SystemTime, to: S) -> Result<S::Ok, S::Error> {
        nanos(*at).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SystemTime, D::Error> {
        i64::deserialize(from).map(time)
    }
}

pub(crate) mod capture_time {
    use std::time::SystemTime;

    use super::*;

    type CaptureTime = Option<(SystemTime, Option<i64>)>;

    pub(crate) fn serialize<S: Serializer>(at: &CaptureTime, to: S) -> Result<S::Ok, S::Error> {
        at.map(|(at, offset)| (wall_clock::nanos(at), offset)).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<CaptureTime, D::Error> {
        let read = <Option<(i64, Option<i64>)>>::deserialize(from)?;
        Ok(read.map(|(nanos, offset)| (wall_clock::time(nanos), offset)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::room::packet::{Extensions, Format, Packet, SenderClock};
    use crate::types::{Codec, Layer};

    fn packet() -> TapPacket {
        let unix = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_nanos(seconds * 1_000_000_000 + 123_456_789);
        let packet = Packet {
            format: Format { codec: Codec::H264, profile: 0x01_42_e0_1f },
            ssrc: 0xdead_beef,
            seq: 5_000_000_000,
            timestamp: u32::MAX,
            marker: true,
            arrival: Duration::from_micros(12_345_678),
            captured: Duration::from_micros(12_300_000),
            payload: (0..1_200).map(|n| n as u8).collect::<Vec<_>>().into(),
            extensions: Extensions {
                audio_level: Some((27, true)),
                video_orientation: Some(3),
                video_content_type: Some(1),
                capture_time: Some((unix(1_700_000_000), Some(-5))),
                playout_delay: Some((0, 4_095)),
                dependency_descriptor: Some([0x80, 0, 5, 0x11].into()),
            },
            clock: Some(SenderClock { ntp: unix(1_800_000_000), rtp: 77 }),
        };
        TapPacket { layer: Layer::Medium, starts: true, packet: Arc::new(packet) }
    }

    fn with(edit: impl FnOnce(&mut Packet)) -> TapPacket {
        let mut tapped = packet();
        edit(Arc::make_mut(&mut tapped.packet));
        tapped
    }

    #[test]
    fn a_packet_comes_back_as_it_was() {
        let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_secs(2_208_988_800);
        let cases = [
            packet(),
            with(|packet| packet.clock = Some(SenderClock { ntp: before_1970, rtp: 0 })),
            with(|packet| packet.extensions = Extensions::default()),
            with(|packet| (packet.clock, packet.payload) = (None, [].into())),
        ];
        let mut bytes = Vec::new();
        for case in cases {
            bytes.clear();
            case.encode(&mut bytes);
            assert_eq!(TapPacket::decode(&bytes).as_ref(), Ok(&case));
        }
    }

    #[test]
    fn the_bytes_are_little_more_than_the_payload() {
        let mut bytes = vec![7];
        packet().encode(&mut bytes);
        assert_eq!((bytes[0], bytes[1]), (7, VERSION), "it is appended");
        assert!(bytes.len() < 1_200 + 90, "{} bytes", bytes.len());
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let mut bytes = Vec::new();
        packet().encode(&mut bytes);
        for length in 0..bytes.len() {
            assert_eq!(TapPacket::decode(&bytes[..length]), Err(WireError::Malformed), "cut to {length}");
        }
        bytes.push(0);
        assert_eq!(TapPacket::decode(&bytes), Err(WireError::Malformed), "something follows");
        bytes[0] = 2;
        assert_eq!(TapPacket::decode(&bytes), Err(WireError::Version(2)));
    }
}
