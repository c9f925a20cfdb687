//! A bad network: 5 % of all packets lost in each direction on both hops, 80 ± 20 ms each way, reordering.
//!
//! `SIM_SEEDS=first..last` runs other seeds than the usual 200.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sfu::{Kind, TrackSpec};
use sim::client::CameraConfig;
use sim::network::LinkConfig;
use sim::video::Shape;
use sim::world::{World, WorldConfig};

const BAD: LinkConfig =
    LinkConfig { delay: Duration::from_millis(80), jitter: Duration::from_millis(20), loss: 0.05, rate: None };
const LENGTH: Duration = Duration::from_secs(60);
const SHAPE: Shape = Shape { packets: 4, keyframe_packets: 60, payload: 1_100 };
const THREADS: u64 = 2;

/// What one run came to.
#[derive(Debug, Default, Clone)]
struct Tally {
    frames: u64,
    gaps: u64,
    long_gaps: u64,
    longest: Duration,
    keyframe_requests: u64,
    keyframes: u64,
    faults: Vec<String>,
}

#[test]
fn every_subscriber_sees_whole_frames_in_order() {
    let (first, last) = seeds();
    let next = AtomicU64::new(first);
    let start = Instant::now();
    let workers: Vec<Tally> = std::thread::scope(|scope| {
        let run = || {
            let mut total = Tally::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= last {
                    return total;
                }
                total.add(run_seed(start, seed));
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic in any seed")).collect()
    });
    let mut total = Tally::default();
    workers.into_iter().for_each(|tally| total.add(tally));
    println!(
        "{} seeds: {} frames, {} of {} gaps of 400 ms or more ({:.2} %), longest {:?}, {} keyframe requests, {} keyframes",
        last - first,
        total.frames,
        total.long_gaps,
        total.gaps,
        100.0 * total.long_gaps as f64 / total.gaps as f64,
        total.longest,
        total.keyframe_requests,
        total.keyframes,
    );
    assert_eq!(total.faults, Vec::<String>::new());
    // Runs through str0m differ: this share stays within 0.01 % of 0.37 %, while the worst subscriber of 600 is anywhere from 0.8 to 1.2 %.
    assert!(total.long_gaps * 200 <= total.gaps, "{} of {} gaps are 400 ms or more", total.long_gaps, total.gaps);
    assert!(total.keyframe_requests > 0 && total.keyframes > last - first, "what stays lost leads to a keyframe");
}

fn run_seed(start: Instant, seed: u64) -> Tally {
    fastrand::seed(seed);
    let mut world = World::new(start, WorldConfig { seed, bandwidth_estimation: false, ice_lite: true });
    let publisher = world.join(BAD);
    let camera = CameraConfig { fps: 30, encodings: vec![("", SHAPE)] };
    let spec = TrackSpec { kind: Kind::Video, screen: false, muted: false, layers: Vec::new() };
    let track = world.publish_camera(publisher, &camera, spec);
    let mut screens = Vec::new();
    for _ in 0..3 {
        let subscriber = world.join(BAD);
        screens.push((subscriber, world.subscribe(subscriber, track, Kind::Video)));
    }
    world.run(LENGTH);
    let mut tally = Tally {
        keyframe_requests: world.room.stats().keyframe_requests,
        keyframes: world.clients[publisher].client.keyframes().into(),
        ..Tally::default()
    };
    for (subscriber, mid) in screens {
        let decoder = world.clients[subscriber].client.screen(&mid).unwrap_or_else(|| panic!("seed {seed}: no video"));
        let gaps = decoder.gaps();
        let long = gaps.iter().filter(|gap| **gap >= Duration::from_millis(400)).count() as u64;
        let longest = gaps.iter().copied().max().unwrap_or(LENGTH);
        tally.faults.extend(decoder.faults.iter().map(|fault| format!("seed {seed}: {fault}")));
        // The handshake suffers from the loss, too.
        let first = decoder.shown.first().map_or(LENGTH, |shown| shown.at - start);
        let expected = (LENGTH - first).as_secs() * 25;
        let until_end = decoder.shown.last().map_or(LENGTH, |shown| world.now - shown.at);
        for (bad, what) in [
            (long * 50 > gaps.len() as u64, format!("{long} of {} gaps are 400 ms or more", gaps.len())),
            (longest > Duration::from_secs(3), format!("a gap of {longest:?}")),
            (until_end > Duration::from_secs(3), format!("nothing for {until_end:?} at the end")),
            (first > Duration::from_secs(20), format!("first frame after {first:?}")),
            ((gaps.len() as u64) < expected, format!("only {} of {expected} frames", gaps.len() + 1)),
        ] {
            if bad {
                tally.faults.push(format!("seed {seed}, subscriber {subscriber}: {what}"));
            }
        }
        tally.frames += decoder.shown.len() as u64;
        tally.gaps += gaps.len() as u64;
        tally.long_gaps += long;
        tally.longest = tally.longest.max(longest);
    }
    tally
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.frames += other.frames;
        self.gaps += other.gaps;
        self.long_gaps += other.long_gaps;
        self.longest = self.longest.max(other.longest);
        self.keyframe_requests += other.keyframe_requests;
        self.keyframes += other.keyframes;
        self.faults.extend(other.faults);
    }
}

fn seeds() -> (u64, u64) {
    let Ok(range) = std::env::var("SIM_SEEDS") else { return (0, 200) };
    let (first, last) = range.split_once("..").expect("SIM_SEEDS=first..last");
    (first.parse().expect("a number"), last.parse().expect("a number"))
}
