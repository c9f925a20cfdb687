//! The packet path: what arrives where, in which bytes, without a copy.

mod desk;

use std::net::SocketAddr;

use desk::{Client, Desk, PEER, SECRET, SFU, UNIX, channel_data, config, delivered, tuple};
use turn::message::{Message, attr, xor_address};
use turn::{Drop, Forward, HEADROOM, Output, Rate, TAILROOM, Transport};

fn pair(desk: &mut Desk) -> ((Client, SocketAddr), (Client, SocketAddr)) {
    let mut alice = Client::new("198.51.100.20:5000", "alice");
    let mut bob = Client::with(tuple("198.51.100.30:5000", Transport::Tls), SECRET, "bob", UNIX + 3_600);
    let (at_alice, at_bob) = (alice.allocate(desk), bob.allocate(desk));
    ((alice, at_alice), (bob, at_bob))
}

#[test]
fn channel_data_reaches_the_media_port_as_the_slice_that_came_in() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    let at = client.allocate(&mut desk);
    assert_eq!(client.bind(&mut desk, 0x4000, SFU), 0);
    let bytes = channel_data(0x4000, b"an RTP packet");
    let Some(Forward::Local { relayed, peer, payload, .. }) = desk.send(&client, &bytes) else { panic!("not local") };
    assert_eq!((relayed, peer, &bytes[payload]), (at, SFU, &b"an RTP packet"[..]));
    let back = desk.peer_sends(at, SFU, b"an answer").expect("to the client");
    assert_eq!(delivered(&back, b"an answer"), (client.tuple, channel_data(0x4000, b"an answer")));
}

#[test]
fn a_send_indication_names_the_data_in_place() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    client.allocate(&mut desk);
    assert_eq!(client.permit(&mut desk, PEER), 0);
    let bytes = client.send_indication(PEER, b"hello");
    let Some(Forward::Peer { peer, payload, .. }) = desk.send(&client, &bytes) else { panic!("not elsewhere") };
    assert_eq!((peer, &bytes[payload]), (PEER, &b"hello"[..]));
}

#[test]
fn padding_after_channel_data_is_not_payload_and_a_cut_one_is_dropped() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    client.allocate(&mut desk);
    assert_eq!(client.bind(&mut desk, 0x4000, SFU), 0);
    let mut bytes = channel_data(0x4000, b"12345");
    bytes.extend_from_slice(&[0, 0, 0]);
    assert!(matches!(desk.send(&client, &bytes), Some(Forward::Local { payload, .. }) if payload == (4..9)));
    for cut in 0..8 {
        assert_eq!(desk.send(&client, &bytes[..cut]), None, "{cut}");
    }
}

#[test]
fn two_allocations_are_linked_in_memory_both_ways_and_only_with_permission() {
    let mut desk = Desk::new(config());
    let ((mut alice, at_alice), (mut bob, at_bob)) = pair(&mut desk);
    assert_eq!(alice.bind(&mut desk, 0x4000, at_bob), 0);
    let bytes = channel_data(0x4000, b"hi bob");
    assert_eq!(desk.send(&alice, &bytes), None, "bob has not permitted alice");
    assert_eq!(desk.server.metrics().dropped(Drop::NoPermission), 1);
    assert_eq!(bob.permit(&mut desk, at_alice), 0);
    let forward = desk.send(&alice, &bytes).expect("linked");
    let (to, seen) = delivered(&forward, &bytes);
    let message = Message::parse(&seen).expect("a Data indication");
    let from = xor_address(message.attribute(attr::XOR_PEER_ADDRESS).expect("a peer"), message.transaction());
    assert_eq!((to, from, message.attribute(attr::DATA)), (bob.tuple, Some(at_alice), Some(&b"hi bob"[..])));
    // With a channel, and padded since bob's way is a stream.
    assert_eq!(bob.bind(&mut desk, 0x5000, at_alice), 0);
    let forward = desk.send(&alice, &bytes).expect("linked");
    let mut wanted = channel_data(0x5000, b"hi bob");
    wanted.extend_from_slice(&[0, 0]);
    assert_eq!(delivered(&forward, &bytes), (bob.tuple, wanted));
    let back = channel_data(0x5000, b"hi alice");
    let forward = desk.send(&bob, &back).expect("linked");
    assert_eq!(delivered(&forward, &back), (alice.tuple, channel_data(0x4000, b"hi alice")));
    assert!(!desk.events.iter().any(|event| matches!(event, Output::OpenRelay { .. })), "no socket needed");
}

#[test]
fn a_relay_address_that_nobody_has_is_a_dead_end() {
    let mut desk = Desk::new(config());
    let ((mut alice, _), (mut bob, at_bob)) = pair(&mut desk);
    assert_eq!(alice.bind(&mut desk, 0x4000, at_bob), 0);
    assert_eq!(bob.refresh(&mut desk, 0).code(), 0);
    assert_eq!(desk.send(&alice, &channel_data(0x4000, b"gone")), None);
    assert_eq!(desk.server.metrics().dropped(Drop::NoAllocation), 1);
}

#[test]
fn the_head_fits_the_headroom_in_place() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    let relayed = client.allocate_v6(&mut desk);
    let peer: SocketAddr = "[2600::1]:4000".parse().expect("an address");
    assert_eq!(client.permit(&mut desk, peer), 0);
    for length in 0..9 {
        let mut buffer = vec![0xEE; HEADROOM + length + TAILROOM];
        let forward = desk.peer_sends(relayed, peer, &buffer[HEADROOM..HEADROOM + length]).expect("permitted");
        let Forward::Client { head, payload, padding, .. } = forward else { panic!("not to a client") };
        let payload = payload.start + HEADROOM..payload.end + HEADROOM;
        let whole = head.place(&mut buffer, payload.clone(), padding).expect("there is room");
        let message = Message::parse(&buffer[whole]).expect("a Data indication");
        assert_eq!(message.attribute(attr::DATA), Some(&vec![0xEE; length][..]));
        assert_eq!(head.place(&mut [0; 60], 10..20, 0), None, "no room before");
        assert_eq!(head.place(&mut [0; 60], 50..60, 1), None, "no room behind");
    }
}

#[test]
fn a_payload_too_large_for_a_message_is_dropped() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    let relayed = client.allocate(&mut desk);
    assert_eq!(client.permit(&mut desk, SFU), 0);
    let largest = vec![0; turn::LONGEST_PAYLOAD];
    let forward = desk.peer_sends(relayed, SFU, &largest).expect("it fits");
    assert!(Message::parse(&delivered(&forward, &largest).1).is_ok());
    assert_eq!(desk.peer_sends(relayed, SFU, &vec![0; turn::LONGEST_PAYLOAD + 1]), None);
}

#[test]
fn the_buckets_of_a_user_and_of_all_are_kept() {
    let mut config = config();
    config.limits.user_rate = Some(Rate { bytes_per_second: 10_000, burst: 10_000 });
    config.limits.total_rate = Some(Rate { bytes_per_second: 15_000, burst: 15_000 });
    let mut desk = Desk::new(config);
    let ((mut alice, _), (mut bob, _)) = pair(&mut desk);
    let mut second = Client::new("198.51.100.20:5001", "alice");
    second.allocate(&mut desk);
    for client in [&mut alice, &mut bob, &mut second] {
        assert_eq!(client.bind(&mut desk, 0x4000, SFU), 0);
    }
    let bytes = channel_data(0x4000, &[0; 1_000]);
    let sent = |desk: &mut Desk, client: &Client| (0..20).filter(|_| desk.send(client, &bytes).is_some()).count();
    assert_eq!(sent(&mut desk, &alice), 10);
    assert_eq!(sent(&mut desk, &second), 0, "it is the same user");
    assert_eq!(sent(&mut desk, &bob), 5, "and all together have no more");
    let mut carol = Client::new("198.51.100.40:5000", "carol");
    assert_eq!(carol.ask(&mut desk, turn::message::Method::Allocate, desk::udp).code(), 486);
    desk.pass(1);
    assert_eq!(sent(&mut desk, &alice), 10);
}

#[test]
fn bytes_and_packets_are_counted() {
    let mut desk = Desk::new(config());
    let ((mut alice, at_alice), (mut bob, at_bob)) = pair(&mut desk);
    assert_eq!((alice.bind(&mut desk, 0x4000, at_bob), bob.bind(&mut desk, 0x4000, at_alice)), (0, 0));
    assert!(desk.send(&alice, &channel_data(0x4000, &[0; 100])).is_some());
    let metrics = desk.server.metrics();
    assert_eq!((metrics.packets_to_peers, metrics.bytes_to_peers), (1, 100));
    assert_eq!((metrics.packets_to_clients, metrics.bytes_to_clients), (1, 100));
    assert_eq!((metrics.allocations, metrics.users, metrics.allocated), (2, 2, 2));
}
