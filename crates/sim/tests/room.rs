//! The media room end to end with simulated clients: scenarios read as scripts.

use std::time::{Duration, Instant};

use model::Bitrate;
use sfu::{
    Kind, Layer, LayerSpec, MediaEvent, MidName, PeerRole, TapEvent, TapId, TapLayers, TapPacket, Tapped, TrackKey,
    TrackPreference, TrackSpec,
};
use sim::client::CameraConfig;
use sim::network::LinkConfig;
use sim::video::Shape;
use sim::world::{World, WorldConfig};

const SECOND: Duration = Duration::from_secs(1);

fn world(seed: u64) -> World {
    fastrand::seed(seed);
    World::new(Instant::now(), WorldConfig { seed, bandwidth_estimation: false, ice_lite: true })
}

fn camera() -> (CameraConfig, TrackSpec) {
    let shape = Shape { packets: 3, keyframe_packets: 12, payload: 1_000 };
    let spec = TrackSpec { kind: Kind::Video, screen: false, muted: false, layers: Vec::new() };
    (CameraConfig { fps: 30, encodings: vec![("", shape)] }, spec)
}

fn simulcast() -> (CameraConfig, TrackSpec) {
    let shape = |packets| Shape { packets, keyframe_packets: packets * 4, payload: 1_000 };
    let layer = |layer, width, height, kbps| LayerSpec { layer, width, height, bitrate: Bitrate::kbps(kbps) };
    let layers =
        vec![layer(Layer::Low, 320, 180, 240), layer(Layer::Medium, 640, 360, 480), layer(Layer::High, 1280, 720, 960)];
    let spec = TrackSpec { kind: Kind::Video, screen: false, muted: false, layers };
    (CameraConfig { fps: 30, encodings: vec![("q", shape(1)), ("h", shape(2)), ("f", shape(4))] }, spec)
}

#[test]
fn one_sees_and_hears_the_other() {
    let mut world = world(1);
    let alice = world.join(LinkConfig::PERFECT);
    let bob = world.join(LinkConfig::PERFECT);
    let (config, spec) = camera();
    let video = world.publish_camera(alice, &config, spec);
    let audio = world.publish_microphone(alice, 20);
    let screen = world.subscribe(bob, video, Kind::Video);
    world.subscribe(bob, audio, Kind::Audio);
    world.run(SECOND * 5);

    let bob = &world.clients[bob].client;
    let decoder = bob.screen(&screen).expect("video arrived");
    assert_eq!(decoder.faults, Vec::<String>::new());
    assert!(decoder.shown.len() > 130, "{} frames", decoder.shown.len());
    let heard = &bob.speakers[0].1;
    assert!(heard.len() > 220, "{} packets", heard.len());
    assert!(heard[0] < 32_768 && heard.windows(2).all(|pair| pair[1] == pair[0] + 1), "audio is unbroken");
    assert!(world.events.iter().any(|event| matches!(event, MediaEvent::Speakers(speakers) if speakers[0].active)));
}

#[test]
fn layers_follow_the_preference_without_a_break() {
    let mut world = world(2);
    let alice = world.join(LinkConfig::PERFECT);
    let bob = world.join(LinkConfig::PERFECT);
    let (config, spec) = simulcast();
    let video = world.publish_camera(alice, &config, spec);
    let screen = world.subscribe(bob, video, Kind::Video);
    let participant = world.clients[bob].participant;
    let mut seen = Vec::new();
    for (width, height) in [(1280, 720), (320, 180), (640, 360), (1280, 720)] {
        let preference = TrackPreference { width, height, ..TrackPreference::default() };
        world.room.set_preference(world.now, participant, video, preference);
        world.run(SECOND * 4);
        let decoder = world.clients[bob].client.screen(&screen).expect("video arrived");
        seen.push(decoder.shown.last().expect("frames").stream);
    }
    assert_eq!(seen, [3, 1, 2, 3]);
    let decoder = world.clients[bob].client.screen(&screen).expect("video arrived");
    assert_eq!(decoder.faults, Vec::<String>::new());
    let longest = decoder.gaps().into_iter().max().expect("frames");
    assert!(longest < Duration::from_millis(300), "{longest:?}");
    let demands: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            MediaEvent::LayerDemand { highest, .. } => Some(*highest),
            _ => None,
        })
        .collect();
    assert_eq!(demands, [Some(Layer::Low), Some(Layer::Medium), Some(Layer::High)]);
}

#[test]
fn each_encoding_is_told_with_its_ssrc() {
    let mut world = world(2);
    let alice = world.join(LinkConfig::PERFECT);
    let bob = world.join(LinkConfig::PERFECT);
    let (config, spec) = simulcast();
    let video = world.publish_camera(alice, &config, spec);
    world.subscribe(bob, video, Kind::Video);
    world.run(SECOND * 4);
    let encodings: std::collections::BTreeMap<Layer, u32> = world
        .events
        .iter()
        .filter_map(|event| match event {
            MediaEvent::EncodingStarted { track, layer, ssrc } => (*track == video).then_some((*layer, *ssrc)),
            _ => None,
        })
        .collect();
    assert!(encodings.keys().eq(&sfu::LAYERS), "{encodings:?}");
    let ssrcs: std::collections::BTreeSet<u32> = encodings.into_values().collect();
    assert_eq!(ssrcs.len(), 3, "{ssrcs:?}");
}

#[test]
fn mute_stops_and_unmute_goes_on() {
    let mut world = world(3);
    let alice = world.join(LinkConfig::PERFECT);
    let bob = world.join(LinkConfig::PERFECT);
    let (config, spec) = camera();
    let video = world.publish_camera(alice, &config, spec);
    let screen = world.subscribe(bob, video, Kind::Video);
    world.run(SECOND * 3);
    world.room.set_track_muted(world.now, video, true);
    let muted_at = world.now;
    world.run(SECOND * 2);
    world.room.set_track_muted(world.now, video, false);
    let unmuted_at = world.now;
    world.run(SECOND * 2);
    let decoder = world.clients[bob].client.screen(&screen).expect("video arrived");
    assert_eq!(decoder.faults, Vec::<String>::new());
    let quiet = decoder.shown.iter().filter(|shown| shown.at > muted_at + SECOND / 10 && shown.at < unmuted_at);
    assert_eq!(quiet.count(), 0);
    let back = decoder.shown.iter().find(|shown| shown.at > unmuted_at).expect("video came back");
    assert!(back.keyframe && back.at - unmuted_at < SECOND / 2);
}

#[test]
fn data_goes_both_ways() {
    let mut world = world(4);
    let alice = world.join(LinkConfig::PERFECT);
    world.open_channel(alice, "_reliable");
    world.run(SECOND * 2);
    assert_eq!(world.clients[alice].client.open, ["_reliable"]);
    let big = vec![7; 60_000];
    assert!(world.clients[alice].client.send_data("_reliable", &big));
    world.run(SECOND);
    let peer = world.clients[alice].peer;
    let got = world.events.iter().any(
        |event| matches!(event, MediaEvent::Data(from, sfu::DataLane::Reliable, data) if *from == peer && *data == big),
    );
    assert!(got, "the room got the message");
    assert!(world.room.send_data(world.now, peer, sfu::DataLane::Reliable, &big));
    world.run(SECOND);
    assert_eq!(world.clients[alice].client.messages, [("_reliable".to_owned(), big)]);
}

#[test]
fn a_server_that_offers_adds_lines_as_tracks_come() {
    let mut world = world(5);
    let alice = world.join(LinkConfig::PERFECT);
    let bob = world.join_with(LinkConfig::PERFECT, PeerRole::Subscriber, true);
    let (config, spec) = camera();
    let video = world.publish_camera(alice, &config, spec);
    let audio = world.publish_microphone(alice, 20);
    let screen = world.subscribe_by_server(bob, video, Kind::Video);
    world.run(SECOND * 2);
    world.subscribe_by_server(bob, audio, Kind::Audio);
    world.run(SECOND * 3);
    let client = &world.clients[bob].client;
    let decoder = client.screen(&screen).expect("video arrived");
    assert_eq!(decoder.faults, Vec::<String>::new());
    assert!(decoder.shown.len() > 130, "{} frames", decoder.shown.len());
    assert!(client.speakers[0].1.len() > 120);
    let mut open = client.open.clone();
    open.sort();
    assert_eq!(open, ["_data_track", "_lossy", "_reliable"]);
}

#[test]
fn a_client_that_loses_udp_has_media_again_within_six_seconds() {
    for ice_lite in [true, false] {
        let mut world = world(6);
        let alice = world.join_with(LinkConfig::PERFECT, PeerRole::Both, ice_lite);
        let bob = world.join_with(LinkConfig::PERFECT, PeerRole::Both, ice_lite);
        let tcp = "10.0.1.2:9000".parse().expect("an address");
        world.clients[bob].client.add_tcp(tcp);
        let (config, spec) = camera();
        let video = world.publish_camera(alice, &config, spec);
        let screen = world.subscribe(bob, video, Kind::Video);
        world.run(SECOND * 4);
        world.clients[bob].udp_dead = true;
        let dead_at = world.now;
        world.run(SECOND * 5 / 2);
        world.clients[bob].client.give_up_udp();
        world.run(SECOND * 8);
        let decoder = world.clients[bob].client.screen(&screen).expect("video arrived");
        let back = decoder.shown.iter().find(|shown| shown.at > dead_at + SECOND / 5);
        let back = back.unwrap_or_else(|| panic!("video never came back, ICE-lite {ice_lite}"));
        assert!(back.at - dead_at < SECOND * 6, "after {:?}, ICE-lite {ice_lite}", back.at - dead_at);
        assert!(world.now - decoder.shown.last().expect("frames").at < SECOND / 2, "and it stays");
        assert!(world.room.peer_stats(world.clients[bob].peer).expect("it is there").tcp);
    }
}

#[test]
fn an_ice_restart_changes_the_ufrag_and_keeps_the_media() {
    let mut world = world(7);
    let alice = world.join(LinkConfig::PERFECT);
    let bob = world.join(LinkConfig::PERFECT);
    let (config, spec) = camera();
    let video = world.publish_camera(alice, &config, spec);
    let screen = world.subscribe(bob, video, Kind::Video);
    world.run(SECOND * 3);
    world.restart_ice(bob);
    world.run(SECOND * 3);
    let peer = world.clients[bob].peer;
    let told = world.events.iter().filter(|event| matches!(event, MediaEvent::IceUfrag(of, _) if *of == peer)).count();
    assert_eq!(told, 1);
    let decoder = world.clients[bob].client.screen(&screen).expect("video arrived");
    assert_eq!(decoder.faults, Vec::<String>::new());
    assert!(world.now - decoder.shown.last().expect("frames").at < SECOND / 2);
    let longest = decoder.gaps().into_iter().max().expect("frames");
    assert!(longest < SECOND, "{longest:?}");
}

#[test]
fn a_line_is_used_again_for_another_track() {
    let mut world = world(8);
    let alice = world.join(LinkConfig::PERFECT);
    let bob = world.join(LinkConfig::PERFECT);
    let (config, spec) = camera();
    let first = world.publish_camera(alice, &config, spec.clone());
    let second = world.publish_camera(alice, &config, spec);
    let screen = world.subscribe(bob, first, Kind::Video);
    world.run(SECOND * 3);
    let (participant, peer) = (world.clients[bob].participant, world.clients[bob].peer);
    world.room.unsubscribe(world.now, participant, first);
    world.room.subscribe(world.now, participant, second);
    world.room.bind_subscription(world.now, participant, second, peer, screen.clone());
    world.renegotiate(bob, &screen);
    let changed_at = world.now;
    world.run(SECOND * 3);
    let decoder = world.clients[bob].client.screen(&screen).expect("video arrived");
    assert_eq!(decoder.faults, Vec::<String>::new());
    let next = decoder.shown.iter().find(|shown| shown.at > changed_at).expect("the other track arrived");
    assert!(next.keyframe && next.at - changed_at < SECOND);
}

/// 20 ms long and so many bits a second wide.
fn path(rate: u64) -> LinkConfig {
    LinkConfig { delay: Duration::from_millis(20), rate: Some(rate), ..LinkConfig::PERFECT }
}

/// A camera with simulcast that somebody watches over a path, with bandwidth estimation: the world, who watches, the track
/// and its m-line there.
fn watched_over(seed: u64, path: LinkConfig) -> (World, usize, TrackKey, MidName) {
    fastrand::seed(seed);
    let mut world = World::new(Instant::now(), WorldConfig { seed, bandwidth_estimation: true, ice_lite: true });
    let alice = world.join(LinkConfig::PERFECT);
    let bob = world.join(path);
    let (camera, spec) = simulcast();
    let video = world.publish_camera(alice, &camera, spec);
    let screen = world.subscribe(bob, video, Kind::Video);
    (world, bob, video, screen)
}

#[test]
fn a_narrow_path_gets_the_layer_that_fits() {
    // The layers are sent at about 250, 500 and 1000 kbit/s.
    for (rate, expected) in [(420_000, 1), (900_000, 2), (4_000_000, 3)] {
        let (mut world, bob, _, screen) = watched_over(rate, path(rate));
        world.run(SECOND * 40);
        let decoder = world.clients[bob].client.screen(&screen).expect("video arrived");
        assert_eq!(decoder.faults, Vec::<String>::new());
        let last = world.now - SECOND * 10;
        let late: Vec<_> = decoder.shown.iter().filter(|shown| shown.at > last).collect();
        let right = late.iter().filter(|shown| shown.stream == expected).count();
        let estimate = world.room.peer_stats(world.clients[bob].peer).and_then(|stats| stats.estimate);
        let seen = |stream| late.iter().filter(|shown| shown.stream == stream).count();
        println!("{rate}: layers {:?}, estimate {estimate:?}", [1, 2, 3].map(seen));
        assert!(late.len() > 200, "{} frames in 10 s at {rate}", late.len());
        assert!(right * 10 > late.len() * 7, "{right} of {} frames are of layer {expected} at {rate}", late.len());
    }
}

#[test]
fn who_wants_little_for_long_gets_much_at_once() {
    for seed in 1..=10 {
        let jitter = Duration::from_millis(3);
        let (mut world, bob, video, screen) = watched_over(seed, LinkConfig { jitter, ..path(6_000_000) });
        let participant = world.clients[bob].participant;
        for (max_layer, stream, time) in [(Layer::Low, 1, SECOND * 15), (Layer::High, 3, SECOND * 5)] {
            let preference = TrackPreference { max_layer, ..TrackPreference::default() };
            world.room.set_preference(world.now, participant, video, preference);
            let asked = world.now;
            world.run(time);
            let decoder = world.clients[bob].client.screen(&screen).expect("video arrived");
            let came = decoder.shown.iter().find(|shown| shown.at > asked && shown.stream == stream);
            let waited = came.expect("the layer that was asked for").at - asked;
            assert!(stream == 1 || waited < SECOND, "{max_layer:?} after {waited:?} (seed {seed})");
        }
    }
}

#[test]
fn a_path_that_was_narrow_for_a_while_is_found_wide_again() {
    for seed in 1..=10 {
        let (mut world, bob, _, screen) = watched_over(seed, path(6_000_000));
        world.run(SECOND * 10);
        world.clients[bob].down.set_config(path(400_000));
        world.run(SECOND * 20);
        let narrow =
            world.clients[bob].client.screen(&screen).and_then(|decoder| decoder.shown.last()).map(|last| last.stream);
        assert_eq!(narrow, Some(1), "the smallest layer while the path is narrow (seed {seed})");
        world.clients[bob].down.set_config(path(6_000_000));
        let widened = world.now;
        world.run(SECOND * 20);
        let decoder = world.clients[bob].client.screen(&screen).expect("video arrived");
        assert_eq!(decoder.faults, Vec::<String>::new());
        let came = decoder.shown.iter().find(|shown| shown.at > widened && shown.stream == 3);
        let waited = came.expect("the largest layer again").at - widened;
        println!("seed {seed}: the largest layer after {waited:?}");
        assert!(waited < SECOND * 8, "{waited:?} (seed {seed})");
    }
}

#[test]
fn noise_harms_nobody() {
    let mut world = world(9);
    let alice = world.join(LinkConfig::PERFECT);
    let bob = world.join(LinkConfig::PERFECT);
    let (config, spec) = camera();
    let video = world.publish_camera(alice, &config, spec);
    let screen = world.subscribe(bob, video, Kind::Video);
    world.run(SECOND * 2);
    let mut rng = fastrand::Rng::with_seed(9);
    let destination = "10.0.0.1:7882".parse().expect("an address");
    for round in 0..20_000 {
        let length = rng.usize(0..200);
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(length).collect();
        // STUN, DTLS, RTP and RTCP by their first bytes (RFC 7983).
        let kinds: [&[u8]; 6] =
            [&[0, 1], &[0x16, 0xfe, 0xfd], &[0x17, 0xfe, 0xfd], &[0x80, 111], &[0x90, 96], &[0x81, 200]];
        for (byte, kind) in bytes.iter_mut().zip(kinds[round % 6]) {
            *byte = *kind;
        }
        let member = &world.clients[if rng.bool() { alice } else { bob }];
        let known = rng.bool();
        let source = if known { member.client.addr } else { "192.0.2.7:9".parse().expect("an address") };
        let datagram = sfu::Datagram { transport: sfu::Transport::Udp, source, destination, contents: &bytes };
        world.room.handle_datagram(world.now, member.peer, datagram);
    }
    world.run(SECOND * 3);
    let decoder = world.clients[bob].client.screen(&screen).expect("video arrived");
    assert_eq!(decoder.faults, Vec::<String>::new());
    assert!(world.now - decoder.shown.last().expect("frames").at < SECOND / 5, "the call goes on");
}

#[test]
fn packets_no_path_would_carry_are_dropped() {
    let mut world = world(10);
    let alice = world.join(LinkConfig::PERFECT);
    let bob = world.join(LinkConfig::PERFECT);
    let (mut config, spec) = camera();
    config.encodings[0].1.payload = 1_700;
    let video = world.publish_camera(alice, &config, spec);
    let screen = world.subscribe(bob, video, Kind::Video);
    world.run(SECOND * 2);
    assert!(world.clients[alice].client.connected && world.clients[bob].client.connected);
    // What opens the track without a picture is the server's own, and small.
    assert_eq!(world.clients[bob].client.screen(&screen).map_or(0, |decoder| decoder.shown.len()), 0);
}

/// What a tap got, and when its packets came in.
fn tapped(world: &World, by: TapId) -> (Vec<TapPacket>, Vec<TapEvent>) {
    let packets = world.tapped.iter().filter_map(|tapped| match tapped {
        Tapped::Packet { taps, packet, .. } if taps.contains(&by) => Some(packet.clone()),
        Tapped::Packet { .. } | Tapped::Event { .. } => None,
    });
    let events = world.tapped.iter().filter_map(|tapped| match tapped {
        Tapped::Event { tap, event, .. } if *tap == by => Some(*event),
        Tapped::Packet { .. } | Tapped::Event { .. } => None,
    });
    (packets.collect(), events.collect())
}

#[test]
fn taps_of_a_real_publisher_get_its_layers_and_can_be_stored() {
    let mut world = world(31);
    let alice = world.join(LinkConfig::PERFECT);
    let (config, spec) = simulcast();
    let video = world.publish_camera(alice, &config, spec);
    world.run(SECOND * 2);
    // Nobody watches: a reader alone, and late.
    let small = world.room.add_tap(world.now, video, TapLayers::Only(Layer::Low)).expect("there is such a track");
    let (max_layer, width, height) = (Layer::High, 640, 360);
    let best = TapLayers::Best { max_layer, width, height };
    let best = world.room.add_tap(world.now, video, best).expect("there is such a track");
    world.run(SECOND * 5);
    let (packets, _) = tapped(&world, small);
    assert!(packets.len() > 140 && packets.iter().all(|packet| packet.layer == Layer::Low), "{}", packets.len());
    let starts = packets.iter().filter(|packet| packet.starts).count();
    assert!((1..=2).contains(&starts), "it is late, and so a keyframe was asked for: {starts}");
    let (packets, events) = tapped(&world, best);
    assert!(packets.len() > 250 && packets[0].starts && packets.iter().all(|packet| packet.layer == Layer::Medium));
    assert!(matches!(events[..], [TapEvent::Began { layer: Layer::Medium, .. }]), "{events:?}");
    assert!(packets.windows(2).all(|pair| pair[0].packet.arrival <= pair[1].packet.arrival));
    assert!(packets.last().is_some_and(|last| last.packet.clock.is_some()), "reports tie it to the publisher's clock");
    let mut told = world.events.iter().filter_map(|event| match event {
        MediaEvent::LayerDemand { highest, .. } => Some(*highest),
        _ => None,
    });
    assert_eq!(told.next_back(), Some(Some(Layer::Medium)), "the highest is turned off");
    let mut bytes = Vec::new();
    for packet in packets {
        bytes.clear();
        packet.encode(&mut bytes);
        assert_eq!(TapPacket::decode(&bytes), Ok(packet));
    }
}
