//! A Binding answered where STUN is not the main business: whoever asks a media port learns that it reaches it.

use std::net::SocketAddr;

use crate::message::{Builder, Class, Message, Method, attr};

/// The answer to a Binding request that asks for nothing but its own address (RFC 8489 §2.3), 32 or 44 bytes for the 20
/// or more asked with. `None`: it is something else, or a connectivity check, which is for the connection that its
/// USERNAME names.
pub fn answer(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let message = Message::parse(datagram).ok()?;
    let asks = message.class() == Class::Request && message.method() == Method::Binding;
    let plain = message.attributes().all(|(kind, _)| kind >= COMPREHENSION_OPTIONAL);
    if !asks || !plain || message.has_integrity() {
        return None;
    }
    let success = Builder::new(Class::Success, Method::Binding, message.transaction());
    Some(success.address(attr::XOR_MAPPED_ADDRESS, source).finish())
}

/// Attributes from here on may be passed over (RFC 8489 §14).
const COMPREHENSION_OPTIONAL: u16 = 0x8000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Key, TransactionId, xor_address};

    fn request() -> Builder {
        Builder::new(Class::Request, Method::Binding, TransactionId([7; 12]))
    }

    #[test]
    fn tells_where_the_request_came_from() {
        for source in ["192.0.2.1:4000", "[2001:db8::1]:4000"] {
            let source = source.parse().expect("an address");
            for asked in [request(), request().attribute(attr::SOFTWARE, b"a browser"), request().fingerprint()] {
                let asked = asked.finish();
                let answer = answer(&asked, source).expect("an answer");
                let message = Message::parse(&answer).expect("a message");
                assert_eq!((message.class(), message.method()), (Class::Success, Method::Binding));
                let value = message.attribute(attr::XOR_MAPPED_ADDRESS).expect("an address");
                assert_eq!(xor_address(value, TransactionId([7; 12])), Some(source));
                // IP and UDP headers on both sides: at most 1.4 times what was asked with.
                let headers = if source.is_ipv4() { 28 } else { 48 };
                assert!((answer.len() + headers) * 10 <= (asked.len() + headers) * 14, "{}", answer.len());
            }
        }
    }

    #[test]
    fn leaves_everything_else_alone() {
        let source = "192.0.2.1:4000".parse().expect("an address");
        let check = request().attribute(attr::USERNAME, b"us:them").finish();
        let allocate = Builder::new(Class::Request, Method::Allocate, TransactionId([7; 12])).finish();
        let success = Builder::new(Class::Success, Method::Binding, TransactionId([7; 12])).finish();
        let signed = request().integrity(&Key::short_term("a password")).finish();
        let cut = &request().finish()[..19];
        for bytes in [&check[..], &signed, &allocate, &success, cut, b"", &[0x80; 40]] {
            assert_eq!(answer(bytes, source), None);
        }
    }
}
