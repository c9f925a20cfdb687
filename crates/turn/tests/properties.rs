//! What holds for any input: of the parser, of the builder, of the server.

mod desk;

use std::net::{IpAddr, SocketAddr};

use desk::{Client, Desk, PEER, SECRET, SFU, UNIX, channel_data, config, tuple, udp};
use proptest::prelude::*;
use turn::message::{Builder, Class, Family, Key, Message, Method, TransactionId, attr, xor_address};
use turn::policy::{Cidr, Policy, embedded_v4, is_special};
use turn::{Forward, Output, Transport};

fn any_address() -> impl Strategy<Value = SocketAddr> {
    let ip = prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
    (ip, any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn any_method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![
        Method::Binding,
        Method::Allocate,
        Method::Refresh,
        Method::Send,
        Method::CreatePermission,
        Method::ChannelBind,
        Method::Other(0xFFF),
    ])
}

/// One thing that a client, a peer or time may do.
#[derive(Debug, Clone)]
enum Step {
    Allocate(usize, Transport),
    Refresh(usize, u32),
    Permit(usize, u8),
    Bind(usize, u16, u8),
    ChannelData(usize, u16, Vec<u8>),
    Send(usize, u8, Vec<u8>),
    Peer(usize, u8, Vec<u8>),
    Disconnect(usize),
    Revoke(usize),
    Pass(u64),
    Bytes(usize, Vec<u8>),
}

fn any_step() -> impl Strategy<Value = Step> {
    let who = 0..4_usize;
    let data = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        (who.clone(), prop::sample::select(vec![Transport::Udp, Transport::Tcp]))
            .prop_map(|(w, t)| Step::Allocate(w, t)),
        (who.clone(), prop::sample::select(vec![0, 600, 1_000, 9_999])).prop_map(|(w, s)| Step::Refresh(w, s)),
        (who.clone(), 0..6_u8).prop_map(|(w, p)| Step::Permit(w, p)),
        (who.clone(), 0x4000..0x4003_u16, 0..6_u8).prop_map(|(w, c, p)| Step::Bind(w, c, p)),
        (who.clone(), 0x4000..0x4003_u16, data()).prop_map(|(w, c, d)| Step::ChannelData(w, c, d)),
        (who.clone(), 0..6_u8, data()).prop_map(|(w, p, d)| Step::Send(w, p, d)),
        (who.clone(), 0..6_u8, data()).prop_map(|(w, p, d)| Step::Peer(w, p, d)),
        who.clone().prop_map(Step::Disconnect),
        who.clone().prop_map(Step::Revoke),
        (0..400_u64).prop_map(Step::Pass),
        (who, prop::collection::vec(any::<u8>(), 0..100)).prop_map(|(w, d)| Step::Bytes(w, d)),
    ]
}

/// Six peers: the media port, one elsewhere, our own web port, loopback, and the first two clients' relayed addresses.
fn peer(at: u8, relayed: &[Option<SocketAddr>]) -> SocketAddr {
    let other = |at: usize| relayed[at].unwrap_or(PEER);
    match at {
        0 => SFU,
        1 => PEER,
        2 => SocketAddr::new(SFU.ip(), 7880),
        3 => SocketAddr::from(([127, 0, 0, 1], 80)),
        4 => other(0),
        _ => other(1),
    }
}

/// A client at its seat; each has an address and a user of its own.
fn seat(at: usize, transport: Transport) -> Client {
    Client::with(tuple(&format!("198.51.{at}.20:5000"), transport), SECRET, &format!("user{at}"), UNIX + 90_000)
}

fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut desk = Desk::new(config());
    let mut clients: Vec<Client> = (0..4).map(|at| seat(at, Transport::Udp)).collect();
    let mut relayed = vec![None; 4];
    let free = desk.server.free_ports(Family::V4);
    for step in steps {
        let forward = match step {
            Step::Allocate(who, transport) => {
                if clients[who].tuple.transport != transport {
                    clients[who] = seat(who, transport);
                }
                let reply = clients[who].ask(&mut desk, Method::Allocate, udp);
                relayed[who] = reply.address(attr::XOR_RELAYED_ADDRESS).or(relayed[who]);
                None
            }
            Step::Refresh(who, seconds) => {
                clients[who].refresh(&mut desk, seconds);
                None
            }
            Step::Permit(who, at) => {
                let code = clients[who].permit(&mut desk, peer(at, &relayed));
                prop_assert!(at != 3 || code != 0, "loopback was permitted");
                None
            }
            Step::Bind(who, channel, at) => {
                let code = clients[who].bind(&mut desk, channel, peer(at, &relayed));
                prop_assert!(!matches!(at, 2 | 3) || code != 0, "a channel to our own port");
                None
            }
            Step::ChannelData(who, channel, data) => desk.send(&clients[who].clone(), &channel_data(channel, &data)),
            Step::Send(who, at, data) => {
                let bytes = clients[who].send_indication(peer(at, &relayed), &data);
                desk.send(&clients[who].clone(), &bytes)
            }
            Step::Peer(who, at, data) => {
                let from = peer(at, &relayed);
                relayed[who].and_then(|to| desk.peer_sends(to, from, &data))
            }
            Step::Disconnect(who) => {
                desk.server.handle_disconnect(desk.now, clients[who].tuple);
                None
            }
            Step::Revoke(who) => {
                let until = desk.unix();
                desk.server.revoke(desk.now, &desk::user(&format!("user{who}")), until);
                None
            }
            Step::Pass(seconds) => {
                desk.pass(seconds);
                None
            }
            Step::Bytes(who, bytes) => {
                let tuple = clients[who].tuple;
                let _ = desk.server.handle_client(desk.now, tuple, &bytes);
                None
            }
        };
        match forward {
            Some(Forward::Peer { peer, .. }) => prop_assert_eq!(peer, PEER, "nobody else is elsewhere"),
            Some(Forward::Local { peer, .. }) => prop_assert_eq!(peer, SFU, "nobody else is a media port"),
            Some(Forward::Client { client, .. }) => {
                prop_assert!(clients.iter().any(|known| known.tuple.client == client.client));
            }
            None => {}
        }
        // Whoever is timed out, disconnected or revoked asks anew; a challenge a second is enough for all.
        for client in &mut clients {
            client.nonce = None;
        }
        desk.pass(1);
    }
    desk.pass(4_000);
    let metrics = desk.server.metrics();
    prop_assert_eq!((metrics.allocations, metrics.users, desk.server.timers()), (0, 0, 0));
    prop_assert_eq!(desk.server.free_ports(Family::V4), free, "a port was lost");
    let count = |open: bool| {
        let wanted = |event: &&Output| match event {
            Output::OpenRelay { .. } => open,
            Output::CloseRelay { .. } => !open,
            _ => false,
        };
        desk.events.iter().filter(wanted).count()
    };
    prop_assert_eq!(count(true), count(false), "a socket was left open");
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_parse_or_not_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert!(message.attributes().all(|(_, value)| bytes[message.range_of(value)] == *value));
        }
        let mut framed = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        framed.extend_from_slice(&bytes[..bytes.len() / 4 * 4]);
        framed[3] = u8::try_from(framed.len() - 20).expect("short");
        if let Ok(message) = Message::parse(&framed) {
            prop_assert!(message.attributes().all(|(_, value)| framed[message.range_of(value)] == *value));
        }
    }

    #[test]
    fn what_is_written_is_read(
        method in any_method(),
        id in any::<[u8; 12]>(),
        address in any_address(),
        values in prop::collection::vec((0x8100_u16..0x8020 + 0x100, prop::collection::vec(any::<u8>(), 0..50)), 0..10),
        password in ".{1,20}",
    ) {
        let key = Key::long_term("someone", "stoa", &password);
        let mut builder = Builder::new(Class::Success, method, TransactionId(id));
        for (kind, value) in &values {
            builder = builder.attribute(*kind, value);
        }
        let bytes = builder.address(attr::XOR_MAPPED_ADDRESS, address).integrity(&key).fingerprint().finish();
        let message = Message::parse(&bytes).expect("well-formed");
        prop_assert_eq!((message.class(), message.method(), message.transaction()), (Class::Success, method, TransactionId(id)));
        let read = message.attribute(attr::XOR_MAPPED_ADDRESS).and_then(|value| xor_address(value, TransactionId(id)));
        prop_assert_eq!(read, Some(address));
        prop_assert!(message.verify(&key) && message.has_fingerprint());
        prop_assert_eq!(message.attributes().count(), values.len() + 1);
        prop_assert!(!message.verify(&Key::long_term("someone", "stoa", "another")) || password == "another");
    }

    #[test]
    fn an_ipv6_address_that_embeds_another_is_special(bytes in any::<[u8; 16]>(), prefix in 0..6_usize) {
        let mut bytes = bytes;
        let prefixes: [&[u8]; 6] = [
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
            &[0; 12],
            &[0x20, 0x02],
            &[0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0, 0x64, 0xFF, 0x9B, 0, 1],
            &[0x20, 0x01, 0, 0],
        ];
        bytes[..prefixes[prefix].len()].copy_from_slice(prefixes[prefix]);
        let ip = IpAddr::from(bytes);
        prop_assert!(is_special(ip));
        prop_assert!(embedded_v4(ip).is_some() || ip.is_unspecified() || ip.is_loopback());
    }

    #[test]
    fn a_range_prints_as_it_reads(ip in any_address(), bits in 0..=128_u8) {
        let ip = ip.ip();
        let range = match ip {
            IpAddr::V4(ip) => {
                let bits = bits.min(32);
                let net = ip.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                format!("{}/{bits}", std::net::Ipv4Addr::from_bits(net))
            }
            IpAddr::V6(ip) => {
                let net = ip.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                format!("{}/{bits}", std::net::Ipv6Addr::from_bits(net))
            }
        };
        let read: Cidr = range.parse().expect("a range");
        prop_assert_eq!(read.to_string(), range);
        prop_assert!(read.contains(ip));
    }

    #[test]
    fn with_nothing_configured_nobody_is_reached(address in any_address()) {
        prop_assert!(Policy::default().judge(address).is_err());
    }

    #[test]
    fn whatever_they_do_nobody_reaches_what_is_forbidden_and_nothing_is_left(steps in prop::collection::vec(any_step(), 0..60)) {
        run(steps)?;
    }
}
