//! RTP header extensions that the stack carries but does not know: taken in and given out as they are.

use std::sync::Arc;

use str0m::rtp::{Extension, ExtensionMap, ExtensionSerializer, ExtensionValues};

/// The dependency descriptor of one packet, as it was on the wire.
#[derive(Debug, Clone)]
pub(crate) struct DependencyDescriptorBytes(pub(crate) Arc<[u8]>);

const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// What this server negotiates; the ids are only those of its own offers, an offering client's come first.
/// All stay at 14 or below: one above would force the two-byte form on every packet.
pub(crate) fn extension_map() -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    map.set(1, Extension::AudioLevel);
    map.set(2, Extension::AbsoluteSendTime);
    map.set(3, Extension::TransportSequenceNumber);
    map.set(4, Extension::RtpMid);
    map.set(5, Extension::PlayoutDelay);
    map.set(6, Extension::VideoContentType);
    map.set(9, Extension::AbsoluteCaptureTime);
    map.set(10, Extension::RtpStreamId);
    map.set(11, Extension::RepairedRtpStreamId);
    map.set(12, Extension::with_serializer(DEPENDENCY_DESCRIPTOR, DependencyDescriptorCarrier));
    map.set(13, Extension::VideoOrientation);
    map
}

#[derive(Debug)]
struct DependencyDescriptorCarrier;

impl ExtensionSerializer for DependencyDescriptorCarrier {
    fn write_to(&self, buf: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(DependencyDescriptorBytes(bytes)) = values.user_values.get::<DependencyDescriptorBytes>() else {
            return 0;
        };
        let Some(place) = buf.get_mut(..bytes.len()) else { return 0 };
        place.copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, buf: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(DependencyDescriptorBytes(Arc::from(buf)));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        let bytes = values.user_values.get::<DependencyDescriptorBytes>();
        bytes.is_some_and(|bytes| bytes.0.len() > 16)
    }
}
