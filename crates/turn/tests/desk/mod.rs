//! A server on a virtual clock, and clients that speak to it in bytes.
#![allow(dead_code, clippy::disallowed_methods, reason = "each test file uses its part; time starts somewhere")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use model::{Secret, UserId};
use turn::credentials::{Credentials, Secrets};
use turn::message::{Builder, Class, Key, Message, Method, TransactionId, attr, xor_address};
use turn::policy::Endpoints;
use turn::{Config, FiveTuple, Forward, Limits, Output, PeerConfig, RelayConfig, Server, Transport};

pub const SECRET: &str = "a secret of the house";
pub const UNIX: u64 = 1_800_000_000;
pub const REALM: &str = "stoa";
pub const ANNOUNCED: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
pub const ANNOUNCED_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2a01, 7, 7, 7, 0, 0, 0, 7));
/// The media port.
pub const SFU: SocketAddr = SocketAddr::new(ANNOUNCED, 7882);
pub const SFU_V6: SocketAddr = SocketAddr::new(ANNOUNCED_V6, 7882);
/// Somebody on the internet.
pub const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(9, 9, 9, 1)), 4_000);

pub fn config() -> Config {
    let endpoints = |ip| Endpoints { ip, ports: 7882..=7885 };
    Config {
        realm: REALM.to_owned(),
        secrets: Secrets { current: secret(SECRET), previous: None },
        nonce_key: Secret::new([7; 32]),
        nonce_lifetime: Duration::from_secs(3_600),
        relay: RelayConfig {
            ipv4: Some(Ipv4Addr::new(203, 0, 113, 7)),
            ipv6: Some(Ipv6Addr::new(0x2a01, 7, 7, 7, 0, 0, 0, 7)),
            virtual_ports: 50_000..=65_535,
            ports: Some(49_152..=49_999),
        },
        peers: PeerConfig {
            local: vec![endpoints(ANNOUNCED), endpoints(ANNOUNCED_V6)],
            own: vec![ANNOUNCED, ANNOUNCED_V6, IpAddr::from([127, 0, 0, 1]), IpAddr::from([45, 1, 1, 1])],
            p2p_relay: true,
            allow: Vec::new(),
            deny: Vec::new(),
        },
        limits: Limits::default(),
        seed: 42,
    }
}

pub fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user id")
}

/// A server, its clock and what it put out besides answers.
pub struct Desk {
    pub server: Server,
    pub start: Instant,
    pub now: Instant,
    pub events: Vec<Output>,
}

impl Desk {
    pub fn new(config: Config) -> Self {
        let now = Instant::now();
        let server = Server::new(config, now, UNIX).expect("a good configuration");
        Self { server, start: now, now, events: Vec::new() }
    }

    /// Lets time pass, firing timers when they are due.
    pub fn pass(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        loop {
            match self.server.poll_output() {
                Output::Timeout(at) if at <= until => {
                    self.now = at.max(self.now);
                    self.server.handle_timeout(self.now);
                }
                Output::Timeout(_) | Output::Idle => break,
                output => self.events.push(output),
            }
        }
        self.now = until;
    }

    /// Hands bytes in; gives the answer, if there was one.
    pub fn ask(&mut self, client: FiveTuple, bytes: &[u8]) -> Option<Reply> {
        let forward = self.server.handle_client(self.now, client, bytes);
        assert_eq!(forward, None, "a request forwards nothing");
        let mut answer = None;
        loop {
            match self.server.poll_output() {
                Output::ToClient { client: to, bytes } => {
                    assert_eq!(to, client, "an answer goes to who asked");
                    assert!(answer.replace(Reply(bytes)).is_none(), "one answer");
                }
                Output::Timeout(_) | Output::Idle => break,
                output => self.events.push(output),
            }
        }
        answer
    }

    pub fn send(&mut self, client: &Client, bytes: &[u8]) -> Option<Forward> {
        self.server.handle_client(self.now, client.tuple, bytes)
    }

    pub fn peer_sends(&mut self, relayed: SocketAddr, peer: SocketAddr, payload: &[u8]) -> Option<Forward> {
        self.server.handle_peer(self.now, relayed, peer, payload)
    }

    pub fn unix(&self) -> u64 {
        UNIX + (self.now - self.start).as_secs()
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply(pub Vec<u8>);

impl Reply {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.0).expect("answers are well-formed")
    }

    /// 0 for a success.
    pub fn code(&self) -> u16 {
        let message = self.message();
        match message.class() {
            Class::Success => 0,
            Class::Error => {
                let value = message.attribute(attr::ERROR_CODE).expect("errors have a code");
                u16::from(value[2]) * 100 + u16::from(value[3])
            }
            Class::Request | Class::Indication => panic!("not an answer"),
        }
    }

    pub fn address(&self, kind: u16) -> Option<SocketAddr> {
        let message = self.message();
        xor_address(message.attribute(kind)?, message.transaction())
    }

    pub fn text(&self, kind: u16) -> Option<String> {
        self.message().attribute(kind).map(|value| String::from_utf8(value.to_vec()).expect("text"))
    }

    pub fn number(&self, kind: u16) -> Option<u32> {
        self.message().attribute(kind).map(|value| u32::from_be_bytes(value.try_into().expect("four bytes")))
    }
}

/// Adds attributes to a request.
pub trait Fill: FnOnce(Builder) -> Builder {}
impl<T: FnOnce(Builder) -> Builder> Fill for T {}

/// A client with credentials, that answers challenges.
#[derive(Debug, Clone)]
pub struct Client {
    pub tuple: FiveTuple,
    pub username: String,
    pub realm: String,
    pub key: Key,
    pub nonce: Option<String>,
    pub transactions: u64,
}

pub fn tuple(client: &str, transport: Transport) -> FiveTuple {
    let client: SocketAddr = client.parse().expect("an address");
    let server = if client.is_ipv4() { SocketAddr::new(ANNOUNCED, 3478) } else { SocketAddr::new(ANNOUNCED_V6, 3478) };
    FiveTuple { client, server, transport }
}

impl Client {
    /// Credentials of an hour.
    pub fn new(address: &str, name: &str) -> Self {
        Self::with(tuple(address, Transport::Udp), SECRET, name, UNIX + 3_600)
    }

    pub fn with(tuple: FiveTuple, secret_text: &str, name: &str, expires: u64) -> Self {
        let made = Credentials::mint(&secret(secret_text), &user(name), expires);
        Self::named(tuple, &made.username, made.password.reveal())
    }

    pub fn named(tuple: FiveTuple, username: &str, password: &str) -> Self {
        let key = Key::long_term(username, REALM, password);
        let transactions = u64::from(tuple.client.port()) << 32;
        Self { tuple, username: username.to_owned(), realm: REALM.to_owned(), key, nonce: None, transactions }
    }

    pub fn transaction(&mut self) -> TransactionId {
        self.transactions += 1;
        let mut id = [9; 12];
        id[..8].copy_from_slice(&self.transactions.to_be_bytes());
        TransactionId(id)
    }

    /// A request without credentials.
    pub fn bare(&mut self, method: Method, fill: impl Fill) -> Vec<u8> {
        fill(Builder::new(Class::Request, method, self.transaction())).finish()
    }

    /// A request with all the credentials it has.
    pub fn signed(&mut self, method: Method, fill: impl Fill) -> Vec<u8> {
        let builder = fill(Builder::new(Class::Request, method, self.transaction()));
        let nonce = self.nonce.clone().unwrap_or_default();
        builder
            .attribute(attr::USERNAME, self.username.as_bytes())
            .attribute(attr::REALM, self.realm.as_bytes())
            .attribute(attr::NONCE, nonce.as_bytes())
            .integrity(&self.key)
            .finish()
    }

    /// Gets itself a nonce.
    pub fn challenge(&mut self, desk: &mut Desk) {
        let bytes = self.bare(Method::Allocate, udp);
        let reply = desk.ask(self.tuple, &bytes).expect("a challenge");
        assert_eq!(reply.code(), 401);
        self.nonce = reply.text(attr::NONCE);
    }

    /// A signed request and its answer.
    pub fn ask(&mut self, desk: &mut Desk, method: Method, fill: impl Fill) -> Reply {
        if self.nonce.is_none() {
            self.challenge(desk);
        }
        let bytes = self.signed(method, fill);
        let reply = desk.ask(self.tuple, &bytes).expect("an answer");
        if !matches!(reply.code(), 401 | 438) {
            assert!(reply.message().verify(&self.key), "answers to genuine requests are signed: {}", reply.code());
        }
        reply
    }

    /// Allocates; gives the relayed address.
    pub fn allocate(&mut self, desk: &mut Desk) -> SocketAddr {
        let reply = self.ask(desk, Method::Allocate, udp);
        assert_eq!(reply.code(), 0);
        reply.address(attr::XOR_RELAYED_ADDRESS).expect("a relayed address")
    }

    pub fn allocate_v6(&mut self, desk: &mut Desk) -> SocketAddr {
        let reply =
            self.ask(desk, Method::Allocate, |b| udp(b).attribute(attr::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]));
        assert_eq!(reply.code(), 0);
        reply.address(attr::XOR_RELAYED_ADDRESS).expect("a relayed address")
    }

    pub fn permit(&mut self, desk: &mut Desk, peer: SocketAddr) -> u16 {
        self.ask(desk, Method::CreatePermission, |b| b.address(attr::XOR_PEER_ADDRESS, peer)).code()
    }

    pub fn bind(&mut self, desk: &mut Desk, channel: u16, peer: SocketAddr) -> u16 {
        self.ask(desk, Method::ChannelBind, |b| channel_bind(b, channel, peer)).code()
    }

    pub fn refresh(&mut self, desk: &mut Desk, seconds: u32) -> Reply {
        self.ask(desk, Method::Refresh, |b| b.number(attr::LIFETIME, seconds))
    }

    pub fn send_indication(&mut self, peer: SocketAddr, data: &[u8]) -> Vec<u8> {
        Builder::new(Class::Indication, Method::Send, self.transaction())
            .address(attr::XOR_PEER_ADDRESS, peer)
            .attribute(attr::DATA, data)
            .finish()
    }
}

pub fn udp(builder: Builder) -> Builder {
    builder.attribute(attr::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
}

pub fn channel_bind(builder: Builder, channel: u16, peer: SocketAddr) -> Builder {
    builder.number(attr::CHANNEL_NUMBER, u32::from(channel) << 16).address(attr::XOR_PEER_ADDRESS, peer)
}

pub fn channel_data(channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = channel.to_be_bytes().to_vec();
    bytes.extend_from_slice(&u16::try_from(payload.len()).expect("short").to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// What a client gets to see of a forward.
pub fn delivered(forward: &Forward, bytes: &[u8]) -> (FiveTuple, Vec<u8>) {
    let Forward::Client { client, head, payload, padding } = forward else { panic!("not to a client: {forward:?}") };
    let mut whole = head.as_slice().to_vec();
    whole.extend_from_slice(&bytes[payload.clone()]);
    whole.resize(whole.len() + padding, 0);
    (*client, whole)
}
