//! STUN messages: what we take, another parser takes the same way; what is written again is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stun_types::attribute::AttributeType;
use stun_types::message::{Message as Other, MessageClass};
use turn::message::{Builder, Class, Message, attr, xor_address};

fuzz_target!(|data: &[u8]| {
    check(data);
    // Nearly all random bytes fail at the header, so one is put before them as well.
    let body = &data[..data.len() / 4 * 4];
    let (Ok(length), Some(kind)) = (u16::try_from(body.len()), data.first_chunk::<2>()) else { return };
    let mut framed = vec![kind[0] & 0x3F, kind[1]];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&turn::message::MAGIC_COOKIE);
    framed.extend_from_slice(&[7; 12]);
    framed.extend_from_slice(body);
    check(&framed);
    let _ = turn::channel_data::parse(data);
    let _ = turn::framing::sniff(data);
    let mut reader = turn::framing::StreamReader::new();
    for chunk in data.chunks(7) {
        reader.push(chunk);
        while let Ok(Some(_)) = reader.next_frame() {}
    }
});

fn check(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    let kinds = [attr::XOR_MAPPED_ADDRESS, attr::XOR_PEER_ADDRESS, attr::XOR_RELAYED_ADDRESS];
    for (kind, value) in message.attributes() {
        assert_eq!(&bytes[message.range_of(value)], value);
        if kinds.contains(&kind)
            && let Some(address) = xor_address(value, message.transaction())
        {
            let again = Builder::new(message.class(), message.method(), message.transaction()).address(kind, address);
            let again = again.finish();
            let read = Message::parse(&again).expect("what is written is well-formed");
            let read = read.attribute(kind).and_then(|value| xor_address(value, message.transaction()));
            assert_eq!(read, Some(address));
        }
    }
    let Ok(other) = Other::from_bytes(bytes) else { return };
    let class = match other.class() {
        MessageClass::Request => Class::Request,
        MessageClass::Indication => Class::Indication,
        MessageClass::Success => Class::Success,
        MessageClass::Error => Class::Error,
    };
    assert_eq!(message.class(), class);
    assert_eq!(message.method().number(), other.method().value());
    let mut id = [0; 16];
    id[4..].copy_from_slice(&message.transaction().0);
    assert_eq!(u128::from_be_bytes(id), u128::from(other.transaction_id()));
    for (kind, _) in message.attributes() {
        let theirs = other.raw_attribute(AttributeType::new(kind));
        let Some(theirs) = theirs else { continue };
        assert_eq!(message.attribute(kind), Some(&*theirs.value), "{kind:#06x}");
    }
}
