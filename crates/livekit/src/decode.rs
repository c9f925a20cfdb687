//! From and to the bytes of the signalling connection: the join query in both versions, frames in protobuf and in JSON.
//!
//! Everything here faces a peer: bounded, and an error instead of a panic.

use std::collections::HashMap;
use std::io::Read;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use livekit_protocol as proto;
use prost::Message;

use crate::json;
use crate::types::{ClientParameters, DecodeError};

/// What a gzipped join request may unpack to, in bytes.
pub const LONGEST_JOIN_REQUEST: usize = 1024 * 1024;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
/// base64url, padded or not.
pub(crate) const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
/// base64, padded or not.
pub(crate) const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// Reads the `join_request` of `/rtc/v1`: base64url, padded or not, of a `WrappedJoinRequest`.
///
/// ```
/// assert_eq!(livekit::decode_join_request("?"), Err(livekit::DecodeError::Base64));
/// ```
pub fn decode_join_request(text: &str) -> Result<ClientParameters, DecodeError> {
    let bytes = decode_base64(text).ok_or(DecodeError::Base64)?;
    let wrapped = proto::WrappedJoinRequest::decode(bytes.as_slice()).map_err(|_| DecodeError::Message)?;
    let packed = wrapped.join_request;
    let request = match proto::wrapped_join_request::Compression::try_from(wrapped.compression) {
        Ok(proto::wrapped_join_request::Compression::Gzip) => gunzip(&packed)?,
        Ok(proto::wrapped_join_request::Compression::None) if packed.len() > LONGEST_JOIN_REQUEST => {
            return Err(DecodeError::TooLarge(LONGEST_JOIN_REQUEST));
        }
        Ok(proto::wrapped_join_request::Compression::None) => packed,
        Err(_) => return Err(DecodeError::Message),
    };
    let request = proto::JoinRequest::decode(request.as_slice()).map_err(|_| DecodeError::Message)?;
    Ok(from_join_request(request))
}

/// Some clients use the standard alphabet, some the URL's, and a `+` in a query may arrive as a space.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    if let Ok(bytes) = URL_SAFE.decode(text) {
        return Some(bytes);
    }
    STANDARD.decode(text.replace(' ', "+")).ok()
}

fn gunzip(packed: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut unpacked = Vec::new();
    let limit = LONGEST_JOIN_REQUEST as u64 + 1;
    flate2::read::GzDecoder::new(packed).take(limit).read_to_end(&mut unpacked).map_err(|_| DecodeError::Gzip)?;
    if unpacked.len() > LONGEST_JOIN_REQUEST {
        return Err(DecodeError::TooLarge(LONGEST_JOIN_REQUEST));
    }
    Ok(unpacked)
}

fn from_join_request(request: proto::JoinRequest) -> ClientParameters {
    let settings = request.connection_settings.unwrap_or_default();
    ClientParameters {
        info: request.client_info.unwrap_or_default(),
        single_peer_connection: true,
        auto_subscribe: settings.auto_subscribe,
        adaptive_stream: settings.adaptive_stream,
        disable_ice_lite: settings.disable_ice_lite,
        auto_subscribe_data_tracks: settings.auto_subscribe_data_track.unwrap_or(true),
        reconnect: request.reconnect.then_some((request.participant_sid, request.reconnect_reason)),
        publisher_offer: request.publisher_offer.filter(|offer| !offer.sdp.is_empty()),
        add_track_requests: request.add_track_requests,
        attributes: request.participant_attributes,
        metadata: request.metadata,
        sync_state: request.sync_state,
    }
}

/// Reads the query of `/rtc` (two peer connections): names and values, percent-decoded. Unknown names are passed over,
/// values that do not parse count as absent.
pub fn decode_query<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> ClientParameters
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let mut parameters =
        ClientParameters { auto_subscribe: true, auto_subscribe_data_tracks: true, ..ClientParameters::default() };
    let (mut reconnect, mut sid, mut reason) = (false, String::new(), 0);
    for (name, value) in pairs {
        let value = value.as_ref();
        let info = &mut parameters.info;
        match name.as_ref() {
            "auto_subscribe" if !value.is_empty() => parameters.auto_subscribe = truth(value),
            "auto_subscribe_data_track" if !value.is_empty() => parameters.auto_subscribe_data_tracks = truth(value),
            "adaptive_stream" => parameters.adaptive_stream = truth(value),
            "disable_ice_lite" => parameters.disable_ice_lite = truth(value),
            "reconnect" => reconnect = truth(value),
            "sid" => sid = value.to_owned(),
            "reconnect_reason" => reason = value.parse().unwrap_or(0),
            "attributes" => parameters.attributes = attributes(value),
            "sdk" => info.sdk = sdk(value).into(),
            "version" => info.version = value.to_owned(),
            "protocol" => info.protocol = value.parse().unwrap_or(0),
            "client_protocol" => info.client_protocol = value.parse().unwrap_or(0),
            "capabilities" => info.capabilities = capabilities(value),
            "os" => info.os = value.to_owned(),
            "os_version" => info.os_version = value.to_owned(),
            "device_model" => info.device_model = value.to_owned(),
            "browser" => info.browser = value.to_owned(),
            "browser_version" => info.browser_version = value.to_owned(),
            "network" => info.network = value.to_owned(),
            _ => {}
        }
    }
    parameters.reconnect = reconnect.then_some((sid, reason));
    parameters
}

fn truth(value: &str) -> bool {
    matches!(value, "1" | "true")
}

fn attributes(value: &str) -> HashMap<String, String> {
    decode_base64(value).and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
}

fn capabilities(value: &str) -> Vec<i32> {
    use proto::client_info::Capability;
    value.split(',').filter_map(|name| Capability::from_str_name(name.trim())).map(i32::from).collect()
}

fn sdk(name: &str) -> proto::client_info::Sdk {
    use proto::client_info::Sdk;
    match name {
        "js" => Sdk::Js,
        "ios" | "swift" => Sdk::Swift,
        "android" => Sdk::Android,
        "flutter" => Sdk::Flutter,
        "go" => Sdk::Go,
        "unity" => Sdk::Unity,
        "unityweb" => Sdk::UnityWeb,
        "reactnative" => Sdk::ReactNative,
        "rust" => Sdk::Rust,
        "python" => Sdk::Python,
        "cpp" => Sdk::Cpp,
        "node" => Sdk::Node,
        "esp32" => Sdk::Esp32,
        _ => Sdk::Unknown,
    }
}

impl ClientParameters {
    /// Browsers do not say which they are but in the `User-Agent` of the upgrade request; some need other care.
    pub fn observe_user_agent(&mut self, user_agent: &str) {
        if !self.info.browser.is_empty() || self.info.sdk != i32::from(proto::client_info::Sdk::Js) {
            return;
        }
        // In this order: every Chromium calls itself Safari, too.
        let known = [("Firefox/", "firefox"), ("Edg/", "edge"), ("Chrome/", "chrome"), ("Safari/", "safari")];
        if let Some((_, browser)) = known.iter().find(|(mark, _)| user_agent.contains(mark)) {
            self.info.browser = (*browser).to_owned();
        }
    }
}

/// Reads a binary frame of the client.
pub fn decode_signal(bytes: &[u8]) -> Result<proto::SignalRequest, DecodeError> {
    proto::SignalRequest::decode(bytes).map_err(|_| DecodeError::Message)
}

/// Reads a text frame of the client.
pub fn decode_signal_json(text: &str) -> Result<proto::SignalRequest, DecodeError> {
    json::read(text.as_bytes()).map_err(|_| DecodeError::Message)
}

/// A binary frame to the client.
pub fn encode_signal(response: &proto::SignalResponse) -> Vec<u8> {
    response.encode_to_vec()
}

/// A text frame to the client, for one that sends text frames.
pub fn encode_signal_json(response: &proto::SignalResponse) -> String {
    json::write(response, json::Style::Compact)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use proto::wrapped_join_request::Compression;

    fn request() -> proto::JoinRequest {
        proto::JoinRequest {
            client_info: Some(proto::ClientInfo { sdk: 1, version: "2.23.0".into(), ..Default::default() }),
            connection_settings: Some(proto::ConnectionSettings { auto_subscribe: true, ..Default::default() }),
            publisher_offer: Some(proto::SessionDescription { sdp: "v=0\r\n".into(), id: 1, ..Default::default() }),
            ..Default::default()
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn wrapped(compression: Compression, join_request: Vec<u8>) -> Vec<u8> {
        proto::WrappedJoinRequest { compression: compression.into(), join_request }.encode_to_vec()
    }

    #[test]
    fn a_join_request_is_read_in_every_spelling_of_base64() {
        let bytes = wrapped(Compression::Gzip, gzip(&request().encode_to_vec()));
        let padded = base64::engine::general_purpose::URL_SAFE.encode(&bytes);
        let standard = base64::engine::general_purpose::STANDARD.encode(&bytes);
        for text in [padded.as_str(), padded.trim_end_matches('='), &standard, &standard.replace('+', " ")] {
            let read = decode_join_request(text).unwrap();
            assert_eq!(read.info.version, "2.23.0");
            assert_eq!(read.publisher_offer.as_ref().map(|offer| offer.id), Some(1));
            assert!(read.single_peer_connection && read.auto_subscribe && read.reconnect.is_none());
        }
    }

    #[test]
    fn a_join_request_may_come_uncompressed() {
        let text = URL_SAFE.encode(wrapped(Compression::None, request().encode_to_vec()));
        assert_eq!(decode_join_request(&text).unwrap().info.sdk, 1);
    }

    #[test]
    fn a_gzip_bomb_is_refused() {
        for (size, expected) in [
            (LONGEST_JOIN_REQUEST, Err(DecodeError::Message)),
            (LONGEST_JOIN_REQUEST + 1, Err(DecodeError::TooLarge(LONGEST_JOIN_REQUEST))),
            (64 * LONGEST_JOIN_REQUEST, Err(DecodeError::TooLarge(LONGEST_JOIN_REQUEST))),
        ] {
            let text = URL_SAFE.encode(wrapped(Compression::Gzip, gzip(&vec![0; size])));
            assert_eq!(decode_join_request(&text), expected, "{size}");
        }
    }

    #[test]
    fn what_is_no_join_request_is_refused() {
        let not_gzip = URL_SAFE.encode(wrapped(Compression::Gzip, b"nonsense".to_vec()));
        let mut truncated = gzip(&request().encode_to_vec());
        truncated.truncate(20);
        let truncated = URL_SAFE.encode(wrapped(Compression::Gzip, truncated));
        for (text, expected) in [
            ("*", DecodeError::Base64),
            (URL_SAFE.encode([0xff; 8]).as_str(), DecodeError::Message),
            (&not_gzip, DecodeError::Gzip),
            (&truncated, DecodeError::Gzip),
        ] {
            assert_eq!(decode_join_request(text), Err(expected));
        }
    }

    #[test]
    fn a_query_is_read() {
        let attributes = STANDARD.encode(r#"{"team":"blue"}"#);
        let read = decode_query([
            ("access_token", "x"),
            ("auto_subscribe", "0"),
            ("adaptive_stream", "1"),
            ("sdk", "swift"),
            ("protocol", "16"),
            ("client_protocol", "2"),
            ("capabilities", "CAP_PACKET_TRAILER, CAP_NONSENSE"),
            ("reconnect", "1"),
            ("sid", "PA_x"),
            ("reconnect_reason", "3"),
            ("attributes", attributes.as_str()),
        ]);
        assert!(!read.auto_subscribe && read.adaptive_stream && !read.single_peer_connection);
        assert_eq!(read.info.sdk, i32::from(proto::client_info::Sdk::Swift));
        assert_eq!((read.info.protocol, read.info.client_protocol), (16, 2));
        assert_eq!(read.info.capabilities, [1]);
        assert_eq!(read.reconnect, Some(("PA_x".to_owned(), 3)));
        assert_eq!(read.attributes["team"], "blue");
    }

    #[test]
    fn an_empty_query_subscribes_to_everything() {
        let read = decode_query(std::iter::empty::<(&str, &str)>());
        assert!(read.auto_subscribe && read.reconnect.is_none() && !read.adaptive_stream);
    }

    #[test]
    fn a_browser_is_known_by_its_user_agent() {
        for (user_agent, browser) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "firefox"),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
                "chrome",
            ),
            ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15", "safari"),
            ("curl/8", ""),
        ] {
            let mut parameters = ClientParameters::default();
            parameters.info.sdk = proto::client_info::Sdk::Js.into();
            parameters.observe_user_agent(user_agent);
            assert_eq!(parameters.info.browser, browser);
        }
        let mut native = ClientParameters::default();
        native.observe_user_agent("Firefox/1");
        assert_eq!(native.info.browser, "");
    }

    #[test]
    fn frames_are_read_and_written_in_both_forms() {
        let ping = proto::SignalRequest { message: Some(proto::signal_request::Message::Ping(7)) };
        assert_eq!(decode_signal(&ping.encode_to_vec()), Ok(ping.clone()));
        assert_eq!(decode_signal_json(r#"{"ping":"7"}"#), Ok(ping));
        assert_eq!(decode_signal(&[0xff]), Err(DecodeError::Message));
        assert_eq!(decode_signal_json("{"), Err(DecodeError::Message));
        let pong = proto::SignalResponse { message: Some(proto::signal_response::Message::Pong(7)) };
        assert_eq!(encode_signal_json(&pong), r#"{"pong":"7"}"#);
        assert_eq!(proto::SignalResponse::decode(encode_signal(&pong).as_slice()), Ok(pong));
    }
}
