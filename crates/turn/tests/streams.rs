//! TURN over a stream: frames that are split, merged, or none.

mod desk;

use desk::channel_data;
use proptest::prelude::*;
use turn::framing::{FrameError, LONGEST, Sniffed, StreamReader, frame_length, sniff};
use turn::message::{Builder, Class, Method, TransactionId, attr};

fn stun(data: &[u8]) -> Vec<u8> {
    Builder::new(Class::Indication, Method::Send, TransactionId([5; 12])).attribute(attr::DATA, data).finish()
}

fn padded(payload: &[u8]) -> Vec<u8> {
    let mut bytes = channel_data(0x4001, payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn frames(reader: &mut StreamReader) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(frame) = reader.next_frame().expect("a good stream") {
        all.push(frame.to_vec());
    }
    all
}

#[test]
fn merged_frames_come_apart() {
    let wanted = [stun(b"hello"), padded(b"x"), padded(b""), stun(b""), padded(b"four")];
    let mut reader = StreamReader::new();
    reader.push(&wanted.concat());
    assert_eq!(frames(&mut reader), wanted);
    assert_eq!(reader.pending(), 0);
}

#[test]
fn a_stream_byte_by_byte_gives_each_frame_as_soon_as_it_is_whole() {
    let wanted = [padded(b"abc"), stun(b"hello"), padded(b"abcd")];
    let mut reader = StreamReader::new();
    let mut seen = Vec::new();
    let mut ends = Vec::new();
    for (at, byte) in wanted.concat().iter().enumerate() {
        reader.push(std::slice::from_ref(byte));
        for frame in frames(&mut reader) {
            seen.push(frame);
            ends.push(at + 1);
        }
    }
    assert_eq!(seen, wanted);
    assert_eq!(ends, [8, 8 + 32, 8 + 32 + 8]);
}

#[test]
fn a_stream_that_is_something_else_is_broken_for_good() {
    for bad in [&b"GET / HTTP/1.1\r\n"[..], &[0x16, 3, 1, 0, 1], &[0x80, 0, 0, 0], &[0xFF]] {
        let mut reader = StreamReader::new();
        reader.push(bad);
        // 'G' is 0x47, a channel that waits for its length: told apart by whoever looks the channel up.
        if bad[0] == b'G' {
            assert_eq!(reader.next_frame(), Ok(None));
            continue;
        }
        assert_eq!(reader.next_frame(), Err(FrameError::Unknown), "{bad:?}");
        reader.push(&stun(b"too late"));
        assert_eq!(reader.next_frame(), Err(FrameError::Unknown));
        assert_eq!(reader.pending(), 0, "and keeps nothing");
    }
    assert_eq!(frame_length(&[0, 1, 0, 3]), Err(FrameError::Length));
    assert_eq!(frame_length(&[0, 1, 0, 0, 0x21, 0x12, 0xA4]), Ok(Some(20)));
    assert_eq!(frame_length(&[0, 1, 0, 0, 0x21, 0x13]), Err(FrameError::Unknown), "a wrong cookie is seen at once");
}

#[test]
fn protocols_on_one_port_are_told_apart() {
    let message = stun(b"hello");
    assert_eq!(sniff(&message), Sniffed::Turn);
    let mut ice = u16::try_from(message.len()).expect("short").to_be_bytes().to_vec();
    ice.extend_from_slice(&message);
    assert_eq!(sniff(&ice), Sniffed::IceTcp);
    assert_eq!(sniff(&[0x16, 3, 1]), Sniffed::Tls);
    assert_eq!(sniff(b"GET / HTTP/1.1\r\n"), Sniffed::Unknown);
    for long in [&message, &ice] {
        for cut in 0..8 {
            assert_eq!(sniff(&long[..cut]), Sniffed::NeedMore, "{cut}");
        }
    }
    assert_eq!(sniff(&[0; 10]), Sniffed::Unknown);
}

proptest! {
    #[test]
    fn however_a_stream_is_cut_the_frames_are_the_same(
        parts in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 1..20),
        cuts in prop::collection::vec(1_usize..200, 1..60),
    ) {
        let wanted: Vec<Vec<u8>> =
            parts.iter().map(|(is_stun, data)| if *is_stun { stun(data) } else { padded(data) }).collect();
        let stream = wanted.concat();
        let mut reader = StreamReader::new();
        let mut seen = Vec::new();
        let mut at = 0;
        for cut in cuts.iter().cycle() {
            if at == stream.len() {
                break;
            }
            let end = stream.len().min(at + cut);
            reader.push(&stream[at..end]);
            at = end;
            seen.extend(frames(&mut reader));
        }
        prop_assert_eq!(seen, wanted);
    }

    #[test]
    fn any_stream_is_read_without_a_panic_and_keeps_at_most_one_frame(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5_000), 0..40),
    ) {
        let mut reader = StreamReader::new();
        for chunk in chunks {
            reader.push(&chunk);
            while let Ok(Some(_)) = reader.next_frame() {}
            prop_assert!(reader.pending() < LONGEST + 4);
        }
    }
}
