//! Group 3: allocations, permissions, channels, and how long they last.

mod desk;

use std::net::SocketAddr;

use desk::{ANNOUNCED, Client, Desk, PEER, SFU, channel_bind, channel_data, config, delivered, tuple, udp};
use turn::message::{Builder, Class, Family, Message, Method, attr, xor_address};
use turn::{Drop, Ended, FiveTuple, Forward, Output, Transport};

fn alice(desk: &mut Desk) -> (Client, SocketAddr) {
    let mut client = Client::new("198.51.100.20:5000", "alice");
    let relayed = client.allocate(desk);
    (client, relayed)
}

#[test]
fn without_an_allocation_it_is_437() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    assert_eq!(client.refresh(&mut desk, 600).code(), 437);
    assert_eq!(client.permit(&mut desk, PEER), 437);
    assert_eq!(client.bind(&mut desk, 0x4000, PEER), 437);
    let bytes = client.send_indication(PEER, b"x");
    assert_eq!(desk.send(&client, &bytes), None);
    assert_eq!(desk.send(&client, &channel_data(0x4000, b"x")), None);
    assert_eq!(desk.server.metrics().dropped(Drop::NoAllocation), 2);
}

#[test]
fn an_allocate_sent_again_gets_the_same_answer_and_a_second_one_437() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    client.challenge(&mut desk);
    let bytes = client.signed(Method::Allocate, udp);
    let first = desk.ask(client.tuple, &bytes).expect("an answer");
    let again = desk.ask(client.tuple, &bytes).expect("an answer");
    assert_eq!(first.0, again.0);
    assert_eq!(client.ask(&mut desk, Method::Allocate, udp).code(), 437);
    assert_eq!(desk.server.metrics().allocations, 1);
}

#[test]
fn the_answer_says_where_from_where_to_and_how_long() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    let reply = client.ask(&mut desk, Method::Allocate, udp);
    let relayed = reply.address(attr::XOR_RELAYED_ADDRESS).expect("a relayed address");
    assert_eq!(relayed.ip(), ANNOUNCED);
    assert!((49_152..=49_999).contains(&relayed.port()), "real ports first: {relayed}");
    assert_eq!(reply.address(attr::XOR_MAPPED_ADDRESS), Some(client.tuple.client));
    assert_eq!(reply.number(attr::LIFETIME), Some(600));
}

#[test]
fn a_mapped_client_sees_its_ipv4_address() {
    let mut desk = Desk::new(config());
    let place = FiveTuple {
        client: "[::ffff:198.51.100.20]:5000".parse().expect("an address"),
        ..tuple("198.51.100.20:5000", Transport::Udp)
    };
    let mut client = Client::with(place, desk::SECRET, "alice", desk::UNIX + 60);
    let reply = client.ask(&mut desk, Method::Allocate, udp);
    assert_eq!(reply.address(attr::XOR_MAPPED_ADDRESS), Some("198.51.100.20:5000".parse().expect("an address")));
}

#[test]
fn lifetimes_are_clamped() {
    for (asked, given) in
        [(None, 600), (Some(0), 600), (Some(1), 600), (Some(777), 777), (Some(3_600), 3_600), (Some(u32::MAX), 3_600)]
    {
        let mut desk = Desk::new(config());
        let mut client = Client::new("198.51.100.20:5000", "alice");
        let reply = client.ask(&mut desk, Method::Allocate, |b| match asked {
            Some(seconds) => udp(b).number(attr::LIFETIME, seconds),
            None => udp(b),
        });
        assert_eq!(reply.number(attr::LIFETIME), Some(given), "{asked:?}");
        if asked != Some(0) {
            let refreshed = client.refresh(&mut desk, asked.unwrap_or(600));
            assert_eq!(refreshed.number(attr::LIFETIME), Some(given), "{asked:?}");
        }
    }
}

#[test]
fn an_allocation_ends_when_its_time_is_up_and_not_before() {
    let mut desk = Desk::new(config());
    let (mut client, relayed) = alice(&mut desk);
    desk.pass(599);
    assert_eq!(client.refresh(&mut desk, 3_600).code(), 0);
    desk.pass(3_599);
    assert_eq!(desk.server.metrics().allocations, 1);
    desk.pass(1);
    assert_eq!(desk.server.metrics().allocations, 0);
    assert!(matches!(desk.events.last(), Some(Output::Ended { reason: Ended::Expired, .. })));
    assert_eq!(desk.peer_sends(relayed, SFU, b"x"), None);
}

#[test]
fn a_refresh_can_shorten_the_time_too() {
    let mut desk = Desk::new(config());
    let (mut client, _) = alice(&mut desk);
    client.refresh(&mut desk, 3_600);
    desk.pass(10);
    assert_eq!(client.refresh(&mut desk, 600).number(attr::LIFETIME), Some(600));
    desk.pass(600);
    assert_eq!(desk.server.metrics().allocations, 0);
}

#[test]
fn refresh_with_zero_gives_it_back_at_once() {
    let mut desk = Desk::new(config());
    let (mut client, _) = alice(&mut desk);
    assert_eq!(client.refresh(&mut desk, 0).number(attr::LIFETIME), Some(0));
    assert!(matches!(desk.events.last(), Some(Output::Ended { reason: Ended::Released, .. })));
    assert_eq!(client.refresh(&mut desk, 0).code(), 437);
    client.allocate(&mut desk);
}

#[test]
fn a_closed_stream_takes_its_allocation_with_it() {
    let mut desk = Desk::new(config());
    let mut client = Client::with(tuple("198.51.100.20:5000", Transport::Tls), desk::SECRET, "alice", desk::UNIX + 60);
    client.allocate(&mut desk);
    assert_eq!(client.permit(&mut desk, PEER), 0);
    desk.server.handle_disconnect(desk.now, client.tuple);
    desk.pass(0);
    assert_eq!(desk.server.metrics().allocations, 0);
    assert!(desk.events.iter().any(|event| matches!(event, Output::CloseRelay { .. })));
}

#[test]
fn a_permission_lasts_300_seconds_from_the_last_time_asked() {
    let mut desk = Desk::new(config());
    let (mut client, relayed) = alice(&mut desk);
    client.refresh(&mut desk, 3_600);
    assert_eq!(client.permit(&mut desk, SFU), 0);
    desk.pass(299);
    assert!(desk.peer_sends(relayed, SFU, b"x").is_some());
    assert_eq!(client.permit(&mut desk, SFU), 0);
    desk.pass(299);
    assert!(desk.peer_sends(relayed, SFU, b"x").is_some());
    desk.pass(1);
    assert_eq!(desk.peer_sends(relayed, SFU, b"x"), None);
    let bytes = client.send_indication(SFU, b"x");
    assert_eq!(desk.send(&client, &bytes), None);
    assert_eq!(desk.server.metrics().dropped(Drop::NoPermission), 2);
}

#[test]
fn a_channel_lasts_600_seconds_and_its_permission_300() {
    let mut desk = Desk::new(config());
    let (mut client, relayed) = alice(&mut desk);
    client.refresh(&mut desk, 3_600);
    assert_eq!(client.bind(&mut desk, 0x4000, SFU), 0);
    desk.pass(300);
    assert_eq!(desk.peer_sends(relayed, SFU, b"x"), None, "the permission is over");
    assert!(desk.send(&client, &channel_data(0x4000, b"x")).is_some(), "the channel is not");
    desk.pass(299);
    assert_eq!(client.bind(&mut desk, 0x4000, SFU), 0, "a refresh");
    assert!(desk.peer_sends(relayed, SFU, b"x").is_some());
    desk.pass(599);
    assert!(desk.send(&client, &channel_data(0x4000, b"x")).is_some());
    desk.pass(1);
    assert_eq!(desk.send(&client, &channel_data(0x4000, b"x")), None);
    assert_eq!(client.bind(&mut desk, 0x4000, PEER), 0, "the number is free again");
}

#[test]
fn a_channel_has_one_peer_and_a_peer_one_channel() {
    let mut desk = Desk::new(config());
    let (mut client, _) = alice(&mut desk);
    let other = SocketAddr::new(PEER.ip(), PEER.port() + 1);
    assert_eq!(client.bind(&mut desk, 0x4000, PEER), 0);
    assert_eq!(client.bind(&mut desk, 0x4000, other), 400, "the channel is taken");
    assert_eq!(client.bind(&mut desk, 0x4001, PEER), 400, "the peer has one");
    assert_eq!(client.bind(&mut desk, 0x4001, other), 0, "same IP, other port: another peer");
    assert_eq!(client.bind(&mut desk, 0x4000, PEER), 0, "a refresh");
}

#[test]
fn channels_go_from_4000_to_7fff() {
    let mut desk = Desk::new(config());
    let (mut client, _) = alice(&mut desk);
    for channel in [0, 1, 0x3FFF, 0x8000, 0xFFFF] {
        assert_eq!(client.bind(&mut desk, channel, PEER), 400, "{channel:#x}");
    }
    for (channel, port) in [(0x4000, 1), (0x4FFF, 2), (0x5000, 3), (0x7FFF, 4)] {
        assert_eq!(client.bind(&mut desk, channel, SocketAddr::new(PEER.ip(), port)), 0, "{channel:#x}");
    }
}

#[test]
fn families_must_match() {
    let mut config = config();
    config.relay.ipv6 = None;
    let mut desk = Desk::new(config);
    let mut client = Client::new("198.51.100.20:5000", "alice");
    let mut family = |desk: &mut Desk, number| {
        client
            .ask(desk, Method::Allocate, |b| udp(b).attribute(attr::REQUESTED_ADDRESS_FAMILY, &[number, 0, 0, 0]))
            .code()
    };
    assert_eq!(family(&mut desk, 2), 440, "no IPv6 here");
    assert_eq!(family(&mut desk, 3), 440);
    assert_eq!(family(&mut desk, 1), 0);
    let v6: SocketAddr = "[2600::1]:4000".parse().expect("an address");
    assert_eq!(client.permit(&mut desk, v6), 443);
    assert_eq!(client.bind(&mut desk, 0x4000, v6), 443);
    let wrong = client.ask(&mut desk, Method::Refresh, |b| b.attribute(attr::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]));
    assert_eq!(wrong.code(), 443);
    let bytes = client.send_indication(v6, b"x");
    assert_eq!(desk.send(&client, &bytes), None);
}

#[test]
fn of_two_families_the_second_is_refused_in_the_answer() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    let reply =
        client.ask(&mut desk, Method::Allocate, |b| udp(b).attribute(attr::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]));
    assert_eq!(reply.code(), 0);
    assert_eq!(reply.message().attribute(attr::ADDRESS_ERROR_CODE), Some(&[2, 0, 4, 40][..]));
}

#[test]
fn what_an_allocate_must_and_must_not_ask_for() {
    type Fill = fn(Builder) -> Builder;
    let cases: [(&str, Fill, u16); 14] = [
        ("no transport", |b| b, 400),
        ("an empty transport", |b| b.attribute(attr::REQUESTED_TRANSPORT, &[]), 400),
        ("TCP", |b| b.attribute(attr::REQUESTED_TRANSPORT, &[6, 0, 0, 0]), 442),
        ("DONT-FRAGMENT", |b| udp(b).attribute(attr::DONT_FRAGMENT, &[]), 420),
        ("an unknown attribute", |b| udp(b).attribute(0x7777, &[]), 420),
        ("an unknown optional one", |b| udp(b).attribute(0xF777, &[]), 0),
        ("a reservation", |b| udp(b).attribute(attr::RESERVATION_TOKEN, &[1; 8]), 508),
        (
            "a reservation and a family",
            |b| {
                udp(b)
                    .attribute(attr::RESERVATION_TOKEN, &[1; 8])
                    .attribute(attr::REQUESTED_ADDRESS_FAMILY, &[1, 0, 0, 0])
            },
            400,
        ),
        (
            "a reservation and EVEN-PORT",
            |b| udp(b).attribute(attr::RESERVATION_TOKEN, &[1; 8]).attribute(attr::EVEN_PORT, &[0]),
            400,
        ),
        ("two ports", |b| udp(b).attribute(attr::EVEN_PORT, &[0x80]), 508),
        ("an empty EVEN-PORT", |b| udp(b).attribute(attr::EVEN_PORT, &[]), 400),
        ("an empty LIFETIME", |b| udp(b).attribute(attr::LIFETIME, &[]), 400),
        ("an empty family", |b| udp(b).attribute(attr::REQUESTED_ADDRESS_FAMILY, &[]), 400),
        (
            "two families",
            |b| {
                udp(b)
                    .attribute(attr::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0])
                    .attribute(attr::REQUESTED_ADDRESS_FAMILY, &[1, 0, 0, 0])
            },
            400,
        ),
    ];
    for (what, fill, code) in cases {
        let mut desk = Desk::new(config());
        let mut client = Client::new("198.51.100.20:5000", "alice");
        let free = desk.server.free_ports(Family::V4);
        let reply = client.ask(&mut desk, Method::Allocate, fill);
        assert_eq!(reply.code(), code, "{what}");
        if code == 420 {
            let unknown = reply.message().attribute(attr::UNKNOWN_ATTRIBUTES).map(<[u8]>::to_vec);
            let listed = if what == "DONT-FRAGMENT" { vec![0x00, 0x1A] } else { vec![0x77, 0x77] };
            assert_eq!(unknown, Some(listed), "{what}");
        }
        if code != 0 {
            assert_eq!(desk.server.free_ports(Family::V4), free, "{what}: no port is lost");
        }
    }
}

#[test]
fn an_even_port_is_even() {
    let mut config = config();
    config.limits.allocations_per_user = 1_000;
    let mut desk = Desk::new(config);
    for port in 1..=50 {
        let mut client = Client::new(&format!("198.51.100.20:{port}"), "alice");
        client.nonce = None;
        let reply = client.ask(&mut desk, Method::Allocate, |b| udp(b).attribute(attr::EVEN_PORT, &[0]));
        assert_eq!(reply.address(attr::XOR_RELAYED_ADDRESS).map(|relayed| relayed.port() % 2), Some(0));
        desk.pass(1);
    }
}

#[test]
fn zero_length_and_malformed_attributes_are_400_and_harm_nobody() {
    let mut desk = Desk::new(config());
    let (mut client, _) = alice(&mut desk);
    let bad: [&[u8]; 6] =
        [&[], &[0], &[0, 1, 0, 0], &[0, 3, 0, 0, 1, 2, 3, 4], &[0, 1, 0, 0, 1, 2, 3], &[0, 2, 0, 0, 1, 2, 3, 4]];
    for value in bad {
        let permission =
            client.ask(&mut desk, Method::CreatePermission, |b| b.attribute(attr::XOR_PEER_ADDRESS, value));
        assert_eq!(permission.code(), 400, "{value:?}");
        let channel = client.ask(&mut desk, Method::ChannelBind, |b| {
            b.number(attr::CHANNEL_NUMBER, 0x4000_0000).attribute(attr::XOR_PEER_ADDRESS, value)
        });
        assert_eq!(channel.code(), 400, "{value:?}");
        let send = Builder::new(Class::Indication, Method::Send, client.transaction());
        let send = send.attribute(attr::XOR_PEER_ADDRESS, value).attribute(attr::DATA, b"x").finish();
        assert_eq!(desk.send(&client, &send), None);
    }
    assert_eq!(client.ask(&mut desk, Method::CreatePermission, |b| b).code(), 400, "no peer at all");
    assert_eq!(client.ask(&mut desk, Method::ChannelBind, |b| b.address(attr::XOR_PEER_ADDRESS, PEER)).code(), 400);
    assert_eq!(client.ask(&mut desk, Method::Refresh, |b| b.attribute(attr::LIFETIME, &[1])).code(), 400);
    assert_eq!(client.refresh(&mut desk, 600).code(), 0);
}

#[test]
fn an_empty_payload_is_a_payload() {
    let mut desk = Desk::new(config());
    let (mut client, relayed) = alice(&mut desk);
    assert_eq!(client.bind(&mut desk, 0x4000, SFU), 0);
    let bytes = client.send_indication(SFU, b"");
    assert!(matches!(desk.send(&client, &bytes), Some(Forward::Local { payload, .. }) if payload.is_empty()));
    assert!(desk.send(&client, &channel_data(0x4000, b"")).is_some());
    let forward = desk.peer_sends(relayed, SFU, b"").expect("a payload");
    assert_eq!(delivered(&forward, b"").1, channel_data(0x4000, b""));
}

#[test]
fn send_with_dont_fragment_or_without_its_parts_is_dropped() {
    let mut desk = Desk::new(config());
    let (mut client, _) = alice(&mut desk);
    assert_eq!(client.permit(&mut desk, SFU), 0);
    let mut send = || Builder::new(Class::Indication, Method::Send, client.transaction());
    let messages = [
        send().address(attr::XOR_PEER_ADDRESS, SFU).attribute(attr::DATA, b"x").attribute(attr::DONT_FRAGMENT, &[]),
        send().address(attr::XOR_PEER_ADDRESS, SFU),
        send().attribute(attr::DATA, b"x"),
        send(),
    ];
    for message in messages {
        assert_eq!(desk.send(&client, &message.finish()), None);
    }
    assert_eq!(desk.server.metrics().dropped(Drop::Malformed), 4);
}

#[test]
fn inbound_without_permission_is_dropped_and_with_one_delivered() {
    let mut desk = Desk::new(config());
    let (mut client, relayed) = alice(&mut desk);
    assert_eq!(desk.peer_sends(relayed, PEER, b"hello"), None);
    assert_eq!(client.permit(&mut desk, PEER), 0);
    let other_port = SocketAddr::new(PEER.ip(), 9);
    for peer in [PEER, other_port] {
        let forward = desk.peer_sends(relayed, peer, b"hello").expect("permitted by IP");
        let (to, bytes) = delivered(&forward, b"hello");
        let message = Message::parse(&bytes).expect("a Data indication");
        assert_eq!((message.class(), message.method(), to), (Class::Indication, Method::Data, client.tuple));
        let from = xor_address(message.attribute(attr::XOR_PEER_ADDRESS).expect("a peer"), message.transaction());
        assert_eq!((from, message.attribute(attr::DATA)), (Some(peer), Some(&b"hello"[..])));
    }
    assert_eq!(desk.peer_sends(relayed, "9.9.9.2:4000".parse().expect("an address"), b"hello"), None);
}

#[test]
fn the_relay_socket_is_opened_once_and_closed_once_and_only_for_peers_elsewhere() {
    let mut desk = Desk::new(config());
    let (mut client, relayed) = alice(&mut desk);
    assert_eq!(client.permit(&mut desk, SFU), 0);
    assert!(!desk.events.contains(&Output::OpenRelay { relayed }));
    assert_eq!(client.permit(&mut desk, PEER), 0);
    assert_eq!(client.bind(&mut desk, 0x4000, PEER), 0);
    assert_eq!(client.refresh(&mut desk, 0).code(), 0);
    let count = |wanted: Output| desk.events.iter().filter(|event| **event == wanted).count();
    assert_eq!((count(Output::OpenRelay { relayed }), count(Output::CloseRelay { relayed })), (1, 1));
}

#[test]
fn a_socket_that_cannot_be_had_leaves_the_peers_in_this_process() {
    let mut desk = Desk::new(config());
    let (mut client, relayed) = alice(&mut desk);
    assert_eq!(client.bind(&mut desk, 0x4000, PEER), 0);
    desk.server.handle_relay_failed(relayed);
    desk.server.handle_relay_failed(relayed);
    desk.pass(0);
    let closed = desk.events.iter().filter(|event| **event == Output::CloseRelay { relayed }).count();
    assert_eq!(closed, 1, "each socket that was asked for is given up once");
    assert_eq!(desk.send(&client, &channel_data(0x4000, b"x")), None);
    assert_eq!(desk.server.metrics().dropped(Drop::NoSocket), 1);
    assert_eq!(client.permit(&mut desk, PEER), 508);
    assert_eq!(client.bind(&mut desk, 0x4001, SFU), 0);
    assert!(desk.send(&client, &channel_data(0x4001, b"x")).is_some());

    // Whoever holds the port may hold it on: others get other ports for a while.
    assert_eq!(client.refresh(&mut desk, 0).code(), 0);
    let (real, _) = desk.server.free_ports(Family::V4);
    for number in 0..real {
        let address = format!("198.51.{}.{}:5000", 101 + number / 250, number % 250);
        let got = Client::new(&address, &format!("user-{number}")).allocate(&mut desk);
        assert_ne!(got, relayed);
    }
    assert_eq!(desk.server.free_ports(Family::V4).0, 1);
}

#[test]
fn unasked_answers_and_unknown_methods_get_no_answer() {
    let mut desk = Desk::new(config());
    let (mut client, _) = alice(&mut desk);
    for (class, method) in [
        (Class::Success, Method::Binding),
        (Class::Error, Method::Allocate),
        (Class::Indication, Method::Data),
        (Class::Request, Method::Send),
        (Class::Request, Method::Other(0x00A)),
    ] {
        let bytes = Builder::new(class, method, client.transaction()).finish();
        assert!(desk.ask(client.tuple, &bytes).is_none(), "{class:?} {method:?}");
    }
    assert_eq!(desk.server.metrics().dropped(Drop::Unexpected), 5);
}

#[test]
fn a_channel_bind_that_is_refused_leaves_no_trace() {
    let mut config = config();
    config.limits.permissions = 1;
    let mut desk = Desk::new(config);
    let (mut client, _) = alice(&mut desk);
    assert_eq!(client.permit(&mut desk, SFU), 0);
    assert_eq!(client.ask(&mut desk, Method::ChannelBind, |b| channel_bind(b, 0x4000, PEER)).code(), 508);
    assert_eq!(desk.send(&client, &channel_data(0x4000, b"x")), None);
    assert_eq!(client.bind(&mut desk, 0x4000, SFU), 0);
}
