//! Protobuf's JSON mapping: whatever is read is written, and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use livekit::json::{self, Described, Style};
use livekit::proto;

// The first byte says which message.
fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    match kind % 8 {
        0 => round::<proto::CreateRoomRequest>(text),
        1 => round::<proto::UpdateParticipantRequest>(text),
        2 => round::<proto::UpdateSubscriptionsRequest>(text),
        3 => round::<proto::SendDataRequest>(text),
        4 => round::<proto::RoomParticipantIdentity>(text),
        5 => round::<proto::SignalRequest>(text),
        6 => round::<proto::SignalResponse>(text),
        _ => round::<proto::WebhookEvent>(text),
    }
});

fn round<M: Described>(text: &[u8]) {
    let Ok(message) = json::read::<M>(text) else { return };
    for style in [Style::Compact, Style::Full] {
        let written = json::write(&message, style);
        let again: M = json::read(written.as_bytes()).expect("what is written is read");
        // As text: what is no number is not equal to itself.
        assert_eq!(json::write(&again, style), written);
    }
}
