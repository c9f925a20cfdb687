//! The test vectors of RFC 5769, read and written.

use turn::message::{Builder, Class, Key, Message, Method, TransactionId, attr, xor_address};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex");
    digits.chunks(2).map(pair).collect()
}

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

const REQUEST: &str = "
    00010058 2112a442 b7e7a701 bc34d686 fa87dfae
    80220010 5354554e 20746573 7420636c 69656e74
    00240004 6e0001ff
    80290008 932ff9b1 51263b36
    00060009 6576746a 3a683676 59202020
    00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2
    80280004 e57a3bcf";

const RESPONSE_V4: &str = "
    0101003c 2112a442 b7e7a701 bc34d686 fa87dfae
    8022000b 74657374 20766563 746f7220
    00200008 0001a147 e112a643
    00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
    80280004 c07d4c96";

const RESPONSE_V6: &str = "
    01010048 2112a442 b7e7a701 bc34d686 fa87dfae
    8022000b 74657374 20766563 746f7220
    00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
    00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
    80280004 c8fb0b4c";

const LONG_TERM: &str = "
    00010060 2112a442 78ad3433 c6ad72c0 29da412e
    00060012 e3839ee3 8388e383 aae38383 e382af e382b90000
    0015001c 662f2f34 39396b39 35346436 4f4c33 346f4c39 46535476 79363473 41
    0014000b 6578616d 706c652e 6f726700
    00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666";

#[test]
fn a_request_with_short_term_credentials() {
    let bytes = bytes(REQUEST);
    let message = Message::parse(&bytes).expect("well-formed, fingerprint right");
    assert_eq!((message.class(), message.method()), (Class::Request, Method::Binding));
    assert!(message.has_fingerprint());
    assert_eq!(message.attribute(attr::USERNAME), Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.attribute(attr::SOFTWARE), Some(&b"STUN test client"[..]));
    assert!(message.verify(&Key::short_term(PASSWORD)));
    assert!(!message.verify(&Key::short_term("VOkJxbRl1RmTxUk/WvJxBT")));
}

#[test]
fn a_response_with_an_ipv4_address() {
    let bytes = bytes(RESPONSE_V4);
    let message = Message::parse(&bytes).expect("well-formed, fingerprint right");
    let mapped = message.attribute(attr::XOR_MAPPED_ADDRESS).expect("an address");
    assert_eq!(xor_address(mapped, message.transaction()), Some("192.0.2.1:32853".parse().expect("an address")));
    assert!(message.verify(&Key::short_term(PASSWORD)));
}

#[test]
fn a_response_with_an_ipv6_address() {
    let bytes = bytes(RESPONSE_V6);
    let message = Message::parse(&bytes).expect("well-formed, fingerprint right");
    let mapped = message.attribute(attr::XOR_MAPPED_ADDRESS).expect("an address");
    let wanted = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().expect("an address");
    assert_eq!(xor_address(mapped, message.transaction()), Some(wanted));
    assert!(message.verify(&Key::short_term(PASSWORD)));
}

#[test]
fn a_request_with_long_term_credentials() {
    let bytes = bytes(LONG_TERM);
    let message = Message::parse(&bytes).expect("well-formed");
    assert_eq!(message.attribute(attr::USERNAME), Some("マトリックス".as_bytes()));
    assert_eq!(message.attribute(attr::NONCE), Some(&b"f//499k954d6OL34oL9FSTvy64sA"[..]));
    assert!(message.verify(&Key::long_term("マトリックス", "example.org", "TheMatrIX")));
    assert!(!message.verify(&Key::long_term("マトリックス", "example.com", "TheMatrIX")));
}

#[test]
fn what_is_written_is_what_the_vector_says() {
    let wanted = bytes(LONG_TERM);
    let transaction = TransactionId(wanted[8..20].try_into().expect("twelve bytes"));
    let written = Builder::new(Class::Request, Method::Binding, transaction)
        .attribute(attr::USERNAME, "マトリックス".as_bytes())
        .attribute(attr::NONCE, b"f//499k954d6OL34oL9FSTvy64sA")
        .attribute(attr::REALM, b"example.org")
        .integrity(&Key::long_term("マトリックス", "example.org", "TheMatrIX"))
        .finish();
    assert_eq!(written, wanted);
}

#[test]
fn every_flipped_bit_is_noticed() {
    let good = bytes(RESPONSE_V4);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let taken = Message::parse(&bad).is_ok_and(|message| {
            message.has_fingerprint() && message.verify(&Key::short_term(PASSWORD)) && message.attributes().count() == 2
        });
        assert!(!taken, "bit {bit}");
    }
}
