//! Group 4: what a crowd or an enemy may use up.

mod desk;

use std::net::{IpAddr, SocketAddr};

use desk::{Client, Desk, PEER, SECRET, SFU, UNIX, config, secret, tuple, udp};
use turn::credentials::Credentials;
use turn::message::{Builder, Class, Family, Method, TransactionId, attr};
use turn::{Drop, FiveTuple, Output, Rate, Transport};

/// IP and UDP headers.
fn on_the_wire(client: &FiveTuple, bytes: usize) -> f64 {
    (bytes + if client.client.is_ipv4() { 28 } else { 48 }) as f64
}

#[test]
fn a_source_gets_ten_challenges_a_second_whatever_its_port() {
    let mut desk = Desk::new(config());
    let mut answers = 0;
    for port in 1..=1_000 {
        let mut client = Client::new(&format!("198.51.100.20:{port}"), "alice");
        let bytes = client.bare(Method::Allocate, udp);
        answers += u32::from(desk.ask(client.tuple, &bytes).is_some());
    }
    assert_eq!(answers, 10);
    assert_eq!(desk.server.metrics().dropped(Drop::Challenges), 990);
    desk.pass(1);
    let mut client = Client::new("198.51.100.20:1", "alice");
    client.allocate(&mut desk);
}

#[test]
fn what_an_authenticated_client_asks_is_not_capped() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    client.allocate(&mut desk);
    for _ in 0..100 {
        assert_eq!(client.permit(&mut desk, PEER), 0);
    }
}

#[test]
fn twelve_allocations_a_user_counted_across_reconnects() {
    let mut desk = Desk::new(config());
    let mut clients: Vec<Client> =
        (1..=12).map(|port| Client::new(&format!("198.51.100.{port}:5000"), "alice")).collect();
    for client in &mut clients {
        client.allocate(&mut desk);
    }
    let mut more = Client::with(tuple("198.51.100.99:5000", Transport::Tcp), SECRET, "alice", UNIX + 7_200);
    assert_eq!(more.ask(&mut desk, Method::Allocate, udp).code(), 486, "other credentials of the same user");
    assert_eq!(clients[0].refresh(&mut desk, 0).code(), 0);
    more.allocate(&mut desk);
    let mut bob = Client::new("198.51.100.100:5000", "bob");
    bob.allocate(&mut desk);
}

#[test]
fn permissions_and_channels_of_an_allocation_are_bounded_and_refreshing_is_free() {
    let mut config = config();
    (config.limits.permissions, config.limits.channels) = (5, 3);
    let mut desk = Desk::new(config);
    let mut client = Client::new("198.51.100.20:5000", "alice");
    client.allocate(&mut desk);
    let peer = |last: u8, port| SocketAddr::new(IpAddr::from([9, 9, 9, last]), port);
    for last in 1..=5 {
        assert_eq!(client.permit(&mut desk, peer(last, 1)), 0);
    }
    assert_eq!(client.permit(&mut desk, peer(6, 1)), 508);
    assert_eq!(client.permit(&mut desk, peer(5, 1)), 0);
    for port in 1..=3 {
        assert_eq!(client.bind(&mut desk, 0x4000 + port, peer(1, port)), 0);
    }
    assert_eq!(client.bind(&mut desk, 0x4004, peer(1, 4)), 508);
    assert_eq!(client.bind(&mut desk, 0x4003, peer(1, 3)), 0);
    desk.pass(301);
    assert_eq!(client.permit(&mut desk, peer(6, 1)), 0, "what ran out makes room");
}

#[test]
fn ports_come_back_after_any_end_and_a_full_range_is_508() {
    let mut config = config();
    config.relay.ports = Some(49_152..=49_161);
    config.relay.virtual_ports = 50_000..=50_009;
    config.limits.allocations_per_user = 1_000;
    let mut desk = Desk::new(config);
    assert_eq!(desk.server.free_ports(Family::V4), (10, 10));
    for round in 0..50_u16 {
        let mut clients: Vec<Client> = (0..20)
            .map(|at| {
                Client::with(
                    tuple(&format!("198.51.{at}.20:{}", 1_000 + round), Transport::Tcp),
                    SECRET,
                    "alice",
                    UNIX + 360_000,
                )
            })
            .collect();
        for client in &mut clients {
            client.allocate(&mut desk);
        }
        assert_eq!(desk.server.free_ports(Family::V4), (0, 0));
        let mut late = Client::with(tuple("198.51.200.20:9", Transport::Udp), SECRET, "bob", UNIX + 360_000);
        assert_eq!(late.ask(&mut desk, Method::Allocate, udp).code(), 508);
        for (at, client) in clients.iter_mut().enumerate() {
            client.permit(&mut desk, PEER);
            match at % 3 {
                0 => assert_eq!(client.refresh(&mut desk, 0).code(), 0),
                1 => desk.server.handle_disconnect(desk.now, client.tuple),
                _ => {}
            }
        }
        desk.pass(601);
        assert_eq!(desk.server.free_ports(Family::V4), (10, 10), "round {round}");
    }
    let opened = desk.events.iter().filter(|event| matches!(event, Output::OpenRelay { .. })).count();
    let closed = desk.events.iter().filter(|event| matches!(event, Output::CloseRelay { .. })).count();
    assert_eq!((opened, closed), (500, 500), "ten real ports a round");
    assert_eq!((desk.server.metrics().allocations, desk.server.metrics().users, desk.server.timers()), (0, 0, 0));
}

#[test]
fn timers_do_not_pile_up_with_refreshes_and_churn() {
    let mut config = config();
    config.limits.user_rate = Some(Rate { bytes_per_second: 1_000, burst: 1_000_000 });
    let mut desk = Desk::new(config);
    let mut client = Client::new("198.51.100.20:5000", "alice");
    client.allocate(&mut desk);
    for round in 0..1_000 {
        client.refresh(&mut desk, if round % 2 == 0 { 3_600 } else { 600 });
        client.bind(&mut desk, 0x4000, SFU);
    }
    assert_eq!(desk.server.timers(), 2, "one for the allocation, one for what it holds");
    for _ in 0..1_000 {
        assert!(desk.send(&client, &desk::channel_data(0x4000, &[0; 100])).is_some());
        client.refresh(&mut desk, 0);
        client.allocate(&mut desk);
        client.bind(&mut desk, 0x4000, SFU);
    }
    assert!(desk.server.timers() <= 100, "those of what was released go before their time: {}", desk.server.timers());
    client.refresh(&mut desk, 0);
    desk.pass(700);
    assert_eq!((desk.server.timers(), desk.server.metrics().users), (0, 0));
}

#[test]
fn releasing_and_allocating_again_does_not_fill_the_bucket() {
    let mut config = config();
    config.limits.user_rate = Some(Rate { bytes_per_second: 100, burst: 10_000 });
    let mut desk = Desk::new(config);
    let mut client = Client::new("198.51.100.20:5000", "alice");
    client.allocate(&mut desk);
    client.bind(&mut desk, 0x4000, SFU);
    while desk.send(&client, &desk::channel_data(0x4000, &[0; 1_000])).is_some() {}
    client.refresh(&mut desk, 0);
    assert_eq!(client.ask(&mut desk, Method::Allocate, udp).code(), 486);
    desk.pass(60);
    client.allocate(&mut desk);
}

#[test]
fn no_answer_to_a_stranger_is_much_larger_than_the_question() {
    for address in ["198.51.100.20:5000", "[2600::20]:5000"] {
        let mut desk = Desk::new(config());
        let client = Client::new(address, "alice");
        let id = TransactionId([3; 12]);
        let request = |method| Builder::new(Class::Request, method, id);
        let unknown = (0..100).fold(request(Method::Binding), |builder, at| builder.attribute(0x7000 + at, &[]));
        let cases = [
            ("Binding", request(Method::Binding), 1.4),
            ("Binding with FINGERPRINT", request(Method::Binding).fingerprint(), 1.4),
            ("Allocate of 28 bytes", udp(request(Method::Allocate)), 1.7),
            ("Allocate of 20 bytes", request(Method::Allocate), 2.0),
            ("Refresh", request(Method::Refresh), 2.0),
            ("CreatePermission", request(Method::CreatePermission), 2.0),
            ("ChannelBind", request(Method::ChannelBind), 2.0),
            ("Allocate with FINGERPRINT", udp(request(Method::Allocate)).fingerprint(), 2.0),
            ("an unknown attribute", request(Method::Binding).attribute(0x7777, &[]), 2.0),
            ("many unknown attributes", unknown, 2.0),
        ];
        for (what, builder, most) in cases {
            let bytes = builder.finish();
            let answer = desk.ask(client.tuple, &bytes).expect("an answer").0;
            let factor = on_the_wire(&client.tuple, answer.len()) / on_the_wire(&client.tuple, bytes.len());
            assert!(factor <= most, "{what} from {address}: {factor:.2}");
            desk.pass(1);
        }
    }
}

#[test]
fn a_signed_refusal_is_not_much_larger_either() {
    let mut desk = Desk::new(config());
    let made = Credentials::mint(&secret(SECRET), &desk::user("a"), UNIX + 60);
    let mut client = Client::named(tuple("198.51.100.20:5000", Transport::Udp), &made.username, made.password.reveal());
    client.challenge(&mut desk);
    let bytes = client.signed(Method::Refresh, |b| b);
    let answer = desk.ask(client.tuple, &bytes).expect("an answer");
    assert_eq!(answer.code(), 437);
    assert!(on_the_wire(&client.tuple, answer.0.len()) <= 2.0 * on_the_wire(&client.tuple, bytes.len()));
    let granted = client.signed(Method::Allocate, udp);
    let answer = desk.ask(client.tuple, &granted).expect("an answer");
    assert!(answer.message().attribute(attr::XOR_RELAYED_ADDRESS).is_some());
    assert!(on_the_wire(&client.tuple, answer.0.len()) <= 2.0 * on_the_wire(&client.tuple, granted.len()));
}
