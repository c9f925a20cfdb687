//! What forwarding a packet costs inside the room: one camera, so many subscribers, no sockets.
//!
//! `cargo run --release -p sim --example forward_cost [subscribers…]`

use std::time::{Duration, Instant};

use sfu::{Kind, TrackSpec};
use sim::client::CameraConfig;
use sim::network::LinkConfig;
use sim::video::Shape;
use sim::world::{World, WorldConfig};

fn main() {
    let given: Vec<usize> = std::env::args().skip(1).filter_map(|count| count.parse().ok()).collect();
    let counts = if given.is_empty() { vec![1, 10, 50] } else { given };
    for bandwidth_estimation in [false, true] {
        for subscribers in &counts {
            measure(*subscribers, bandwidth_estimation);
        }
    }
}

fn measure(subscribers: usize, bandwidth_estimation: bool) {
    fastrand::seed(1);
    let config = WorldConfig { seed: 1, bandwidth_estimation, ice_lite: true };
    let mut world = World::new(Instant::now(), config);
    let publisher = world.join(LinkConfig::PERFECT);
    let shape = Shape { packets: 8, keyframe_packets: 40, payload: 1_100 };
    let camera = CameraConfig { fps: 30, encodings: vec![("", shape)] };
    let spec = TrackSpec { kind: Kind::Video, screen: false, muted: false, layers: Vec::new() };
    let track = world.publish_camera(publisher, &camera, spec);
    for _ in 0..subscribers {
        let subscriber = world.join(LinkConfig::PERFECT);
        world.subscribe(subscriber, track, Kind::Video);
    }
    world.run(Duration::from_secs(5));
    let (time, out) = (world.room_time, world.room.stats().packets_out);
    world.run(Duration::from_secs(20));
    let spent = world.room_time - time;
    let packets = world.room.stats().packets_out - out;
    let each = spent.as_nanos() / u128::from(packets.max(1));
    println!(
        "{subscribers} subscribers, estimation {bandwidth_estimation}: {each} ns a forwarded packet, feedback and ingress included ({packets} packets)"
    );
}
