//! Group 1: to whom is relayed. Each forbidden address through each of the four ways.

#![allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]

mod desk;

use std::net::{IpAddr, SocketAddr};

use desk::{ANNOUNCED, ANNOUNCED_V6, Client, Desk, PEER, SFU, SFU_V6, channel_data, config};
use turn::policy::Denial;
use turn::{ConfigError, Drop, Forward, Output, Server, Transport};

const DENIED_V4: [&str; 30] = [
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.8",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    // An address of this machine.
    "45.1.1.1",
    "172.20.1.1",
];

const DENIED_V6: [&str; 29] = [
    "::",
    "::1",
    "::2",
    "fe80::1",
    "febf::1",
    "fc00::1",
    "fdff::1",
    "fec0::1",
    "ff02::1",
    "100::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "2001:2::1",
    "2620:4f:8000::1",
    // IPv4 inside: mapped, compatible, 6to4, NAT64, Teredo.
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0.0.0.0",
    "::ffff:45.1.1.1",
    "::127.0.0.1",
    "::10.0.0.1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:808:808::1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::10.0.0.1",
    "2001:0:102:304::80ff:fffe",
];

/// Just outside of ranges whose border lies within a byte, and so must be reached.
const ALLOWED: [&str; 17] = [
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "1.0.0.1",
    "9.255.255.255",
    "11.0.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "2001:200::1",
    "2003::1",
    "2600::1",
    "2001:db7:ffff::1",
    "3ffe::1",
];

fn address(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().expect("an address"), 4_000)
}

/// A client that has an allocation of the peer's family.
fn client_for(desk: &mut Desk, peer: SocketAddr) -> Client {
    let mut client = Client::new("198.51.100.20:5000", "alice");
    if peer.is_ipv4() {
        client.allocate(desk)
    } else {
        client.allocate_v6(desk)
    };
    client
}

#[test]
fn create_permission_is_refused_for_every_special_range_and_embedding() {
    for ip in DENIED_V4.into_iter().chain(DENIED_V6) {
        let mut desk = Desk::new(config());
        let mut client = client_for(&mut desk, address(ip));
        assert_eq!(client.permit(&mut desk, address(ip)), 403, "{ip}");
    }
}

#[test]
fn channel_bind_is_refused_for_every_special_range_and_embedding() {
    for ip in DENIED_V4.into_iter().chain(DENIED_V6) {
        let mut desk = Desk::new(config());
        let mut client = client_for(&mut desk, address(ip));
        assert_eq!(client.bind(&mut desk, 0x4000, address(ip)), 403, "{ip}");
        assert_eq!(desk.send(&client, &channel_data(0x4000, b"x")), None, "{ip}: nor is the channel there");
        assert_eq!(desk.server.metrics().dropped(Drop::NoChannel), 1);
    }
}

#[test]
fn send_and_channel_data_do_not_reach_what_could_not_be_permitted() {
    for ip in DENIED_V4.into_iter().chain(DENIED_V6) {
        let mut desk = Desk::new(config());
        let mut client = client_for(&mut desk, address(ip));
        let bytes = client.send_indication(address(ip), b"x");
        assert_eq!(desk.send(&client, &bytes), None, "{ip}");
        let relayed = desk.events.iter().find_map(|event| match event {
            Output::Allocated { relayed, .. } => Some(*relayed),
            _ => None,
        });
        assert_eq!(desk.peer_sends(relayed.expect("allocated"), address(ip), b"x"), None, "{ip}: nor comes in");
    }
}

#[test]
fn what_is_denied_is_denied_at_each_send_whatever_was_permitted() {
    let policy = turn::policy::Policy {
        own: config().peers.own,
        elsewhere: turn::policy::Elsewhere::Reachable,
        ..Default::default()
    };
    for ip in DENIED_V4.into_iter().chain(DENIED_V6) {
        let denial = policy.judge(address(ip));
        assert!(matches!(denial, Err(Denial::Own | Denial::Special)), "{ip}: {denial:?}");
    }
    for ip in ALLOWED {
        assert_eq!(policy.judge(address(ip)), Ok(turn::policy::Route::Elsewhere), "{ip}");
    }
}

#[test]
fn a_stream_is_judged_as_a_datagram_is() {
    for transport in [Transport::Tcp, Transport::Tls] {
        for ip in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"]
        {
            let mut desk = Desk::new(config());
            let mut client = Client::new("198.51.100.20:5000", "alice");
            client.tuple.transport = transport;
            let peer = address(ip);
            if peer.is_ipv4() {
                client.allocate(&mut desk)
            } else {
                client.allocate_v6(&mut desk)
            };
            assert_eq!(client.permit(&mut desk, peer), 403, "{ip} over {transport:?}");
            assert_eq!(client.bind(&mut desk, 0x4000, peer), 403, "{ip} over {transport:?}");
            let indication = client.send_indication(peer, b"x");
            assert_eq!(desk.send(&client, &indication), None, "{ip} over {transport:?}");
            assert_eq!(desk.send(&client, &channel_data(0x4000, b"xxxx")), None, "{ip} over {transport:?}");
        }
    }
}

#[test]
fn ranges_that_are_not_aligned_to_bytes_end_where_they_end() {
    for ip in ALLOWED {
        let mut desk = Desk::new(config());
        let mut client = client_for(&mut desk, address(ip));
        assert_eq!(client.permit(&mut desk, address(ip)), 0, "{ip}");
    }
}

#[test]
fn one_denied_peer_denies_the_whole_permission() {
    use turn::message::{Method, attr};
    let mut desk = Desk::new(config());
    let mut client = client_for(&mut desk, PEER);
    let both = client.ask(&mut desk, Method::CreatePermission, |b| {
        b.address(attr::XOR_PEER_ADDRESS, PEER).address(attr::XOR_PEER_ADDRESS, address("127.0.0.1"))
    });
    assert_eq!(both.code(), 403);
    let bytes = client.send_indication(PEER, b"x");
    assert_eq!(desk.send(&client, &bytes), None);
    assert_eq!(desk.server.metrics().dropped(Drop::NoPermission), 1);
}

#[test]
fn our_own_other_ports_are_not_reached_although_the_address_is_permitted() {
    let mut desk = Desk::new(config());
    let mut client = client_for(&mut desk, SFU);
    assert_eq!(client.permit(&mut desk, SFU), 0, "permissions are by IP");
    for port in [1, 22, 80, 443, 3478, 5349, 7880, 7881, 7886, 49_151] {
        let own = SocketAddr::new(ANNOUNCED, port);
        let bytes = client.send_indication(own, b"GET /admin");
        assert_eq!(desk.send(&client, &bytes), None, "Send to {own}");
        assert_eq!(client.bind(&mut desk, 0x4001, own), 403, "ChannelBind to {own}");
    }
    assert_eq!(desk.server.metrics().dropped(Drop::Denied), 10);
}

#[test]
fn nobody_is_at_port_zero() {
    let mut desk = Desk::new(config());
    let mut client = client_for(&mut desk, PEER);
    assert_eq!(client.permit(&mut desk, PEER), 0);
    let zero = SocketAddr::new(PEER.ip(), 0);
    let bytes = client.send_indication(zero, b"x");
    assert_eq!(desk.send(&client, &bytes), None);
    assert_eq!(client.bind(&mut desk, 0x4000, zero), 403);
}

#[test]
fn an_allocation_does_not_loop_to_itself() {
    let mut desk = Desk::new(config());
    let mut client = Client::new("198.51.100.20:5000", "alice");
    let relayed = client.allocate(&mut desk);
    assert_eq!(client.permit(&mut desk, relayed), 0);
    let bytes = client.send_indication(relayed, b"round and round");
    assert_eq!(desk.send(&client, &bytes), None);
    assert_eq!(client.bind(&mut desk, 0x4000, relayed), 403);
}

#[test]
fn our_media_ports_are_reached_in_memory_in_both_families() {
    for sfu in [SFU, SFU_V6] {
        let mut desk = Desk::new(config());
        let mut client = client_for(&mut desk, sfu);
        assert_eq!(client.bind(&mut desk, 0x4000, sfu), 0);
        let forward = desk.send(&client, &channel_data(0x4000, b"rtp"));
        assert!(matches!(forward, Some(Forward::Local { peer, .. }) if peer == sfu), "{forward:?}");
        let opened = desk.events.iter().any(|event| matches!(event, Output::OpenRelay { .. }));
        assert!(!opened, "no socket for what is in memory");
    }
}

#[test]
fn without_p2p_relay_only_this_server_is_reached() {
    let mut config = config();
    config.peers.p2p_relay = false;
    config.peers.allow = vec!["192.168.0.0/16".to_owned()];
    let mut desk = Desk::new(config);
    let mut client = client_for(&mut desk, PEER);
    assert_eq!(client.permit(&mut desk, PEER), 403);
    assert_eq!(client.permit(&mut desk, address("192.168.1.1")), 403, "the override does not open it either");
    assert_eq!(client.permit(&mut desk, SFU), 0);
}

#[test]
fn without_relay_ports_peers_elsewhere_are_refused() {
    let mut config = config();
    config.relay.ports = None;
    let mut desk = Desk::new(config);
    let mut client = client_for(&mut desk, PEER);
    assert_eq!(client.permit(&mut desk, PEER), 403);
    assert_eq!(client.permit(&mut desk, SFU), 0);
}

#[test]
fn the_override_opens_its_range_but_never_our_own_addresses() {
    let mut config = config();
    config.peers.allow = ["10.0.0.0/8", "127.0.0.0/8", "::ffff:0:0/96", "45.1.1.0/24"].map(str::to_owned).to_vec();
    config.peers.own.push(IpAddr::from([10, 1, 1, 1]));
    config.peers.deny = vec!["9.9.9.0/24".to_owned()];
    let mut desk = Desk::new(config.clone());
    let mut client = client_for(&mut desk, PEER);
    assert_eq!(client.permit(&mut desk, address("10.2.2.2")), 0);
    assert_eq!(client.permit(&mut desk, address("127.0.0.2")), 0);
    for denied in ["10.1.1.1", "127.0.0.1", "45.1.1.1", "192.168.1.1", "9.9.9.1"] {
        assert_eq!(client.permit(&mut desk, address(denied)), 403, "{denied}");
    }
    let mut desk = Desk::new(config);
    let mut client = client_for(&mut desk, SFU_V6);
    assert_eq!(client.permit(&mut desk, address("::ffff:10.2.2.2")), 0, "both faces are allowed");
    for denied in ["::ffff:10.1.1.1", "::ffff:127.0.0.1", "::ffff:192.168.1.1", "::ffff:9.9.9.1", "2002:a02:202::1"] {
        assert_eq!(client.permit(&mut desk, address(denied)), 403, "{denied}");
    }
}

#[test]
fn a_malformed_range_fails_the_start() {
    for bad in [
        "10.0.0.0/33",
        "10.0.0.1/8",
        "10.0.0/8",
        "::/129",
        "fe80::1/10",
        "banana",
        "",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/-1",
    ] {
        let mut config = config();
        config.peers.allow = vec![bad.to_owned()];
        let made = Server::new(config, std::time::Instant::now(), 0).err();
        assert!(matches!(made, Some(ConfigError::Cidr(ref error)) if error.text == bad), "{bad}: {made:?}");
    }
}

#[test]
fn a_relayed_address_is_never_loopback_and_never_on_a_media_port() {
    let now = std::time::Instant::now();
    let mut loopback = config();
    loopback.relay.ipv4 = Some([127, 0, 0, 1].into());
    assert!(matches!(Server::new(loopback, now, 0).err(), Some(ConfigError::RelayAddress(_))));
    let mut overlap = config();
    overlap.relay.virtual_ports = 7_000..=8_000;
    assert!(matches!(Server::new(overlap, now, 0).err(), Some(ConfigError::Ports { .. })));
    let mut none = config();
    (none.relay.ipv4, none.relay.ipv6) = (None, None);
    assert_eq!(Server::new(none, now, 0).err(), Some(ConfigError::NoRelayAddress));
}

#[test]
fn the_policy_says_why() {
    let policy = turn::policy::Policy {
        own: vec![IpAddr::from([45, 1, 1, 1])],
        elsewhere: turn::policy::Elsewhere::Reachable,
        ..Default::default()
    };
    assert_eq!(policy.judge(address("45.1.1.1")), Err(Denial::Own));
    assert_eq!(policy.judge(address("::ffff:45.1.1.1")), Err(Denial::Own));
    assert_eq!(policy.judge(address("10.0.0.1")), Err(Denial::Special));
    assert_eq!(policy.judge_ip(ANNOUNCED_V6), Ok(true));
}
