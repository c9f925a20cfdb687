//! Clients and the server over a network that loses, doubles and delays, on a virtual clock: every client gets its
//! allocation and its channel and hears the other, however often the answers are lost.

#![allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]

mod desk;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use desk::{Client, SECRET, UNIX, channel_bind, channel_data, config, delivered, tuple, udp};
use turn::message::{Class, Message, Method, attr, xor_address};
use turn::{Output, Server, Transport};

const RETRANSMIT: Duration = Duration::from_millis(500);

/// How far a caller has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Allocating,
    Binding,
    Talking,
}

struct Caller {
    client: Client,
    stage: Stage,
    relayed: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    pending: Option<Vec<u8>>,
    resend_at: Instant,
    heard: u32,
}

struct World {
    server: Server,
    now: Instant,
    rng: fastrand::Rng,
    loss: f64,
    /// To the server (true) or to a caller, with a running number that keeps the order total.
    network: BTreeMap<(Instant, u64), (bool, usize, Vec<u8>)>,
    sent: u64,
    callers: Vec<Caller>,
}

impl World {
    fn new(seed: u64, loss: f64) -> Self {
        let now = Instant::now();
        let server = Server::new(config(), now, UNIX).expect("a good configuration");
        let caller = |at: usize| Caller {
            client: Client::with(
                tuple(&format!("198.51.100.2{at}:5000"), Transport::Udp),
                SECRET,
                "someone",
                UNIX + 3_600,
            ),
            stage: Stage::Allocating,
            relayed: None,
            peer: None,
            pending: None,
            resend_at: now,
            heard: 0,
        };
        let callers = (0..2).map(caller).collect();
        Self { server, now, rng: fastrand::Rng::with_seed(seed), loss, network: BTreeMap::new(), sent: 0, callers }
    }

    fn transmit(&mut self, to_server: bool, who: usize, bytes: &[u8]) {
        let copies = if self.rng.f64() < self.loss { 0 } else { 1 + usize::from(self.rng.f64() < 0.05) };
        for _ in 0..copies {
            self.sent += 1;
            let at = self.now + Duration::from_millis(self.rng.u64(20..120));
            self.network.insert((at, self.sent), (to_server, who, bytes.to_vec()));
        }
    }

    fn step(&mut self) {
        self.now += Duration::from_millis(5);
        while let Some(entry) = self.network.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to_server, who, bytes) = entry.remove();
            if to_server { self.at_server(who, &bytes) } else { self.at_caller(who, &bytes) }
        }
        self.server.handle_timeout(self.now);
        for who in 0..self.callers.len() {
            self.act(who);
        }
    }

    fn at_server(&mut self, who: usize, bytes: &[u8]) {
        let tuple = self.callers[who].client.tuple;
        if let Some(forward) = self.server.handle_client(self.now, tuple, bytes) {
            let (to, bytes) = delivered(&forward, bytes);
            let who = self.callers.iter().position(|caller| caller.client.tuple == to).expect("a caller");
            self.transmit(false, who, &bytes);
        }
        loop {
            match self.server.poll_output() {
                Output::ToClient { client, bytes } => {
                    assert_eq!(client, tuple);
                    self.transmit(false, who, &bytes);
                }
                Output::Timeout(_) | Output::Idle => break,
                _ => {}
            }
        }
    }

    fn at_caller(&mut self, who: usize, bytes: &[u8]) {
        let caller = &mut self.callers[who];
        if bytes[0] >= 0x40 {
            assert_eq!(&bytes[4..], b"voice");
            caller.heard += 1;
            return;
        }
        let message = Message::parse(bytes).expect("the server writes well-formed messages");
        if message.class() == Class::Indication {
            assert_eq!(message.attribute(attr::DATA), Some(&b"voice"[..]));
            caller.heard += 1;
            return;
        }
        let asked = caller.pending.as_ref().map(|pending| Message::parse(pending).expect("ours").transaction());
        if asked != Some(message.transaction()) {
            return;
        }
        caller.pending = None;
        if message.class() == Class::Error {
            let nonce = message.attribute(attr::NONCE).expect("only challenges are expected");
            caller.client.nonce = Some(String::from_utf8(nonce.to_vec()).expect("text"));
            return;
        }
        assert!(message.verify(&caller.client.key));
        match caller.stage {
            Stage::Allocating => {
                let value = message.attribute(attr::XOR_RELAYED_ADDRESS).expect("a relayed address");
                let relayed = xor_address(value, message.transaction()).expect("an address");
                caller.relayed = Some(relayed);
                caller.stage = Stage::Binding;
                self.callers[1 - who].peer = Some(relayed);
            }
            Stage::Binding | Stage::Talking => caller.stage = Stage::Talking,
        }
    }

    fn act(&mut self, who: usize) {
        let caller = &mut self.callers[who];
        if caller.pending.is_none() {
            let request = match (caller.stage, caller.peer) {
                (Stage::Allocating, _) if caller.client.nonce.is_none() => caller.client.bare(Method::Allocate, udp),
                (Stage::Allocating, _) => caller.client.signed(Method::Allocate, udp),
                (Stage::Binding, Some(peer)) => {
                    caller.client.signed(Method::ChannelBind, |b| channel_bind(b, 0x4000, peer))
                }
                (Stage::Binding, None) => return,
                (Stage::Talking, _) => {
                    if self.rng.u8(..) < 16 {
                        self.transmit(true, who, &channel_data(0x4000, b"voice"));
                    }
                    return;
                }
            };
            caller.pending = Some(request);
            caller.resend_at = self.now;
        }
        let caller = &mut self.callers[who];
        if caller.resend_at <= self.now
            && let Some(pending) = caller.pending.clone()
        {
            caller.resend_at = self.now + RETRANSMIT;
            self.transmit(true, who, &pending);
        }
    }
}

fn runs(seed: u64, loss: f64) -> (Vec<Stage>, Vec<u32>, turn::Metrics) {
    let mut world = World::new(seed, loss);
    for _ in 0..20 * 200 {
        world.step();
    }
    let stages = world.callers.iter().map(|caller| caller.stage).collect();
    (stages, world.callers.iter().map(|caller| caller.heard).collect(), world.server.metrics())
}

#[test]
fn two_hear_each_other_through_thirty_percent_loss_on_two_hundred_seeds() {
    for seed in 0..200 {
        let (stages, heard, metrics) = runs(seed, 0.3);
        assert_eq!(stages, [Stage::Talking, Stage::Talking], "seed {seed}");
        assert!(heard.iter().all(|heard| *heard > 10), "seed {seed}: {heard:?}");
        assert_eq!((metrics.allocations, metrics.allocated), (2, 2), "seed {seed}: one allocation a client");
        assert_eq!(metrics.refused(437), 0, "seed {seed}: a retransmission is not a second Allocate");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 7, 99] {
        assert_eq!(runs(seed, 0.2), runs(seed, 0.2));
    }
}
