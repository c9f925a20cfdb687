//! The TURN server's state: frames of three clients and packets of peers in any order, with time in between. Nobody
//! reaches a forbidden peer, and at the end nothing is left.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use model::{Secret, UserId};
use turn::credentials::{Credentials, Secrets};
use turn::message::{Builder, Class, Family, Key, Message, Method, TransactionId, attr};
use turn::policy::Endpoints;
use turn::{Config, FiveTuple, Forward, Limits, Output, PeerConfig, RelayConfig, Server, Transport};

const ANNOUNCED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
const UNIX: u64 = 1_800_000_000;

struct World {
    server: Server,
    now: Instant,
    clients: Vec<(FiveTuple, String, Key, String)>,
    transactions: u8,
    open: i32,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let secret = Secret::new("a secret of the house".to_owned());
        let server = Server::new(config(secret.clone()), now, UNIX).expect("a good configuration");
        let clients = (0..3_u8)
            .map(|at| {
                let client = SocketAddr::from(([198, 51, 100, at], 5_000));
                let transport = if at == 2 { Transport::Tcp } else { Transport::Udp };
                let tuple = FiveTuple { client, server: SocketAddr::from((ANNOUNCED, 3478)), transport };
                let user = UserId::new(format!("user{}", at / 2)).expect("a user id");
                let made = Credentials::mint(&secret, &user, UNIX + 100_000);
                let key = Key::long_term(&made.username, "stoa", made.password.reveal());
                (tuple, made.username, key, String::new())
            })
            .collect();
        Self { server, now, clients, transactions: 0, open: 0 }
    }

    /// A signed request around whatever attributes the input has.
    fn signed(&mut self, who: usize, method: Method, attributes: &[u8]) -> Vec<u8> {
        self.transactions = self.transactions.wrapping_add(1);
        let (_, username, key, nonce) = &self.clients[who];
        let mut builder = Builder::new(Class::Request, method, TransactionId([self.transactions; 12]));
        for part in attributes.chunks(12) {
            let [kind, value @ ..] = part else { continue };
            builder = builder.attribute(0x0008 + u16::from(*kind % 0x20), value);
        }
        builder = builder.attribute(attr::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        builder
            .attribute(attr::USERNAME, username.as_bytes())
            .attribute(attr::REALM, b"stoa")
            .attribute(attr::NONCE, nonce.as_bytes())
            .integrity(key)
            .finish()
    }

    fn client(&mut self, who: usize, bytes: &[u8]) {
        let tuple = self.clients[who].0;
        let forward = self.server.handle_client(self.now, tuple, bytes);
        self.check(forward, bytes.len());
        self.drain();
    }

    fn check(&self, forward: Option<Forward>, length: usize) {
        let payload = match forward {
            None => return,
            Some(Forward::Client { payload, .. }) => payload,
            Some(Forward::Local { peer, payload, .. }) => {
                assert_eq!(peer.ip(), IpAddr::V4(ANNOUNCED));
                assert_eq!(peer.port(), 7882);
                payload
            }
            Some(Forward::Peer { peer, payload, .. }) => {
                assert!(!turn::policy::is_special(peer.ip()), "{peer}");
                payload
            }
        };
        assert!(payload.end <= length);
    }

    fn drain(&mut self) {
        loop {
            match self.server.poll_output() {
                Output::ToClient { client, bytes } => {
                    let message = Message::parse(&bytes).expect("the server writes well-formed messages");
                    let nonce = message.attribute(attr::NONCE).map(|nonce| String::from_utf8_lossy(nonce).into_owned());
                    let at = self.clients.iter().position(|(tuple, ..)| *tuple == client).expect("a client");
                    if let Some(nonce) = nonce {
                        self.clients[at].3 = nonce;
                    }
                }
                Output::OpenRelay { .. } => self.open += 1,
                Output::CloseRelay { .. } => self.open -= 1,
                Output::Allocated { .. } | Output::Ended { .. } => {}
                Output::Timeout(at) => {
                    assert!(at > self.now || self.server.timers() > 0);
                    break;
                }
                Output::Idle => break,
            }
        }
        assert!((0..=3).contains(&self.open));
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.server.handle_timeout(self.now);
        self.drain();
    }
}

fuzz_target!(|data: &[u8]| {
    let mut world = World::new();
    let free = world.server.free_ports(Family::V4);
    let mut rest = data;
    while let [what, length, tail @ ..] = rest {
        let (part, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        rest = tail;
        let who = usize::from(what / 16 % 3);
        match what % 16 {
            0 => world.pass(u64::from(*length) * 4),
            1 => world.client(who, part),
            2 => {
                let peer = SocketAddr::from(([9, 9, 9, *length % 4], 4_000));
                let relayed = SocketAddr::from((ANNOUNCED, 50_000 + u16::from(*length % 16)));
                let forward = world.server.handle_peer(world.now, relayed, peer, part);
                world.check(forward, part.len());
            }
            3 => world.server.handle_disconnect(world.now, world.clients[who].0),
            4 => world.server.handle_relay_failed(SocketAddr::from((ANNOUNCED, 50_000 + u16::from(*length % 16)))),
            5 => {
                let mut bytes = vec![0x40, *length % 4, 0, u8::try_from(part.len()).unwrap_or(0)];
                bytes.extend_from_slice(part);
                world.client(who, &bytes);
            }
            6 => {
                let peer = SocketAddr::from(([9, 9, 9, *length % 4], 4_000));
                let peer =
                    if *length > 128 { SocketAddr::from((ANNOUNCED, 7880 + u16::from(*length % 4))) } else { peer };
                let send = Builder::new(Class::Indication, Method::Send, TransactionId([1; 12]));
                world.client(who, &send.address(attr::XOR_PEER_ADDRESS, peer).attribute(attr::DATA, part).finish());
            }
            7 | 8 => {
                let bytes = world.signed(who, Method::Allocate, part);
                world.client(who, &bytes);
            }
            9 => {
                let bytes = world.signed(who, Method::Refresh, part);
                world.client(who, &bytes);
            }
            10 | 11 => {
                let bytes = world.signed(who, Method::CreatePermission, part);
                world.client(who, &bytes);
            }
            12 | 13 => {
                let bytes = world.signed(who, Method::ChannelBind, part);
                world.client(who, &bytes);
            }
            _ => {
                // A well-formed one, so that the states behind it are reached soon.
                let peer = match *length % 4 {
                    0 => SocketAddr::from((ANNOUNCED, 7882)),
                    1 => SocketAddr::from((ANNOUNCED, 50_000 + u16::from(*length / 4 % 16))),
                    at => SocketAddr::from(([9, 9, 9, at], 4_000)),
                };
                world.transactions = world.transactions.wrapping_add(1);
                let (_, username, key, nonce) = &world.clients[who];
                let bytes = Builder::new(Class::Request, Method::ChannelBind, TransactionId([world.transactions; 12]))
                    .number(attr::CHANNEL_NUMBER, 0x4000_0000 + (u32::from(*length % 4) << 16))
                    .address(attr::XOR_PEER_ADDRESS, peer)
                    .attribute(attr::USERNAME, username.as_bytes())
                    .attribute(attr::REALM, b"stoa")
                    .attribute(attr::NONCE, nonce.as_bytes())
                    .integrity(key)
                    .finish();
                world.client(who, &bytes);
            }
        }
    }
    world.drain();
    for _ in 0..10 {
        world.pass(601);
    }
    assert_eq!((world.server.metrics().allocations, world.server.timers(), world.open), (0, 0, 0));
    assert_eq!(world.server.free_ports(Family::V4), free);
});

fn config(secret: Secret<String>) -> Config {
    let announced = IpAddr::V4(ANNOUNCED);
    Config {
        realm: "stoa".to_owned(),
        secrets: Secrets { current: secret, previous: None },
        nonce_key: Secret::new([7; 32]),
        nonce_lifetime: Duration::from_secs(3_600),
        relay: RelayConfig {
            ipv4: Some(ANNOUNCED),
            ipv6: None,
            virtual_ports: 50_008..=50_015,
            ports: Some(50_000..=50_007),
        },
        peers: PeerConfig {
            local: vec![Endpoints { ip: announced, ports: 7882..=7882 }],
            own: vec![announced],
            p2p_relay: true,
            ..PeerConfig::default()
        },
        limits: Limits { permissions: 4, channels: 4, ..Limits::default() },
        seed: 1,
    }
}
