//! What the server sends for what it gets, IP and UDP headers counted on both sides, by the bytes that leave its socket.

use std::net::UdpSocket;

use turn::message::{Key, Message, attr};

use super::*;

/// IPv4 and UDP.
const HEADERS: usize = 20 + 8;
const UDP_RELAY: [u8; 4] = [17, 0, 0, 0];

struct Stranger {
    socket: UdpSocket,
}

impl Stranger {
    fn new(running: &Running) -> Self {
        let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a port");
        socket.connect(running.address).expect("loopback");
        Self { socket }
    }

    /// Everything that comes back.
    fn ask(&self, request: &[u8]) -> Vec<Vec<u8>> {
        self.socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a socket");
        self.socket.send(request).expect("loopback");
        let mut answers = Vec::new();
        let mut buffer = [0; 2_048];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            answers.push(buffer[..length].to_vec());
            // One is expected at once; a second one would be a fault of its own.
            self.socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        }
        answers
    }

    fn factor(&self, request: &[u8]) -> f64 {
        let answers = self.ask(request);
        assert_eq!(answers.len(), 1);
        (answers[0].len() + HEADERS) as f64 / (request.len() + HEADERS) as f64
    }
}

fn request(method: Method) -> Builder {
    Builder::new(Class::Request, method, TransactionId(rand::random()))
}

fn allocate() -> Builder {
    request(Method::Allocate).attribute(attr::REQUESTED_TRANSPORT, &UDP_RELAY)
}

#[test]
fn of_a_binding_and_of_an_allocate_it_is_little() {
    let running = Running::start(settings(1));
    let stranger = Stranger::new(&running);
    let binding = request(Method::Binding).finish();
    let bare = allocate().finish();
    assert_eq!((binding.len(), bare.len()), (20, 28));
    let factors = (stranger.factor(&binding), stranger.factor(&bare));
    println!("Binding {:.2}, Allocate of 28 bytes {:.2}", factors.0, factors.1);
    assert!(factors.0 <= 1.4 && factors.1 <= 1.7, "{factors:?}");
}

#[test]
fn of_any_request_it_is_twice_at_most() {
    let running = Running::start(settings(1));
    let stranger = Stranger::new(&running);
    let credentials = running.credentials("a");
    let challenge = &stranger.ask(&allocate().finish())[0];
    let challenge = Message::parse(challenge).expect("a message");
    let value = |kind| challenge.attribute(kind).expect("in every 401").to_vec();
    let (realm, nonce) = (value(attr::REALM), value(attr::NONCE));
    let text = String::from_utf8(realm.clone()).expect("text");
    let key = Key::long_term(&credentials.username, &text, credentials.password.reveal());
    let signed = |builder: Builder, nonce: &[u8], key: &Key| {
        let named = builder.attribute(attr::USERNAME, credentials.username.as_bytes());
        named.attribute(attr::REALM, &realm).attribute(attr::NONCE, nonce).integrity(key).finish()
    };
    let wrong = Key::long_term(&credentials.username, &text, "another");
    let peer = |builder: Builder| builder.address(attr::XOR_PEER_ADDRESS, MEDIA);
    let many = (0..100).fold(request(Method::Binding), |builder, kind| builder.attribute(0x7000 + kind, &[]));
    let [refresh, permission, channel] = [Method::Refresh, Method::CreatePermission, Method::ChannelBind].map(request);
    let cases = [
        ("Binding", request(Method::Binding).finish()),
        ("Binding with FINGERPRINT", request(Method::Binding).fingerprint().finish()),
        ("Binding with an unknown attribute", request(Method::Binding).attribute(0x7777, &[]).finish()),
        ("Binding with a hundred unknown attributes", many.finish()),
        ("Allocate of 20 bytes", request(Method::Allocate).finish()),
        ("Allocate with FINGERPRINT", allocate().fingerprint().finish()),
        ("Refresh", request(Method::Refresh).finish()),
        ("CreatePermission", request(Method::CreatePermission).finish()),
        ("ChannelBind", request(Method::ChannelBind).finish()),
        ("integrity without a name", request(Method::Allocate).integrity(&key).finish()),
        ("a stale nonce", signed(allocate(), b"stale", &key)),
        ("a wrong password", signed(allocate(), &nonce, &wrong)),
        ("Refresh of nothing, signed", signed(refresh, &nonce, &key)),
        ("Allocate, signed", signed(allocate(), &nonce, &key)),
        ("a second Allocate, signed", signed(allocate(), &nonce, &key)),
        ("CreatePermission, signed", signed(peer(permission), &nonce, &key)),
        ("ChannelBind without a channel, signed", signed(peer(channel), &nonce, &key)),
        ("an unknown attribute, signed", signed(request(Method::Refresh).attribute(0x7777, &[]), &nonce, &key)),
        ("release, signed", signed(request(Method::Refresh).number(attr::LIFETIME, 0), &nonce, &key)),
    ];
    for (what, bytes) in cases {
        let factor = stranger.factor(&bytes);
        assert!(factor <= 2.0, "{what}: {factor:.2}");
    }
}
