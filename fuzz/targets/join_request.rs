//! What a client says of itself when it connects: join requests in every packing, and queries.
#![no_main]

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use libfuzzer_sys::fuzz_target;
use livekit::proto::WrappedJoinRequest;
use livekit::proto::wrapped_join_request::Compression;
use prost::Message;

fuzz_target!(|data: &[u8]| {
    let Some((how, data)) = data.split_first() else { return };
    match how % 5 {
        0 => {
            let _ = livekit::decode_join_request(&String::from_utf8_lossy(data));
        }
        1 => decode(Compression::None, data.to_vec()),
        2 => decode(Compression::Gzip, data.to_vec()),
        3 => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(data).expect("memory takes everything");
            decode(Compression::Gzip, gzip.finish().expect("memory takes everything"));
        }
        _ => {
            let text = String::from_utf8_lossy(data);
            let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            let mut parameters = livekit::decode_query(pairs);
            parameters.observe_user_agent(&text);
        }
    }
});

fn decode(compression: Compression, join_request: Vec<u8>) {
    let wrapped = WrappedJoinRequest { compression: compression.into(), join_request };
    let read = livekit::decode_join_request(&URL_SAFE.encode(wrapped.encode_to_vec()));
    if let Ok(parameters) = read {
        let offer = parameters.publisher_offer.map_or(0, |offer| offer.sdp.len());
        assert!(offer <= livekit::LONGEST_JOIN_REQUEST);
    }
}
