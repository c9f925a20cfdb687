//! Nanoseconds of the protocol alone per relayed ChannelData packet with 10,000 allocations: `cargo bench -p turn`.

#[path = "../tests/desk/mod.rs"]
mod desk;

use std::hint::black_box;
use std::net::SocketAddr;

use desk::{Client, Desk, PEER, SECRET, SFU, UNIX, channel_data, config, tuple};
use turn::Transport;

const ALLOCATIONS: usize = 10_000;
const PACKETS: usize = 2_000_000;
const RUNS: usize = 7;

fn main() {
    let mut config = config();
    config.limits.allocations_per_user = 20_000;
    config.relay.ports = Some(20_000..=39_999);
    let mut desk = Desk::new(config);
    let mut seats: Vec<(Client, SocketAddr)> = (0..ALLOCATIONS)
        .map(|at| {
            let place = tuple(&format!("10.{}.{}.1:5000", at / 256, at % 256), Transport::Udp);
            let mut client = Client::with(place, SECRET, &format!("user {at}"), UNIX + 3_600);
            let relayed = client.allocate(&mut desk);
            assert_eq!((client.bind(&mut desk, 0x4000, SFU), client.bind(&mut desk, 0x4001, PEER)), (0, 0));
            (client, relayed)
        })
        .collect();
    let relayed: Vec<SocketAddr> = seats.iter().map(|(_, relayed)| *relayed).collect();
    for at in 0..ALLOCATIONS {
        let other = relayed[at ^ 1];
        assert_eq!(seats[at].0.bind(&mut desk, 0x4002, other), 0);
    }
    let mut rng = fastrand::Rng::with_seed(1);
    let order: Vec<usize> = (0..1 << 16).map(|_| rng.usize(..ALLOCATIONS)).collect();
    println!("{ALLOCATIONS} allocations, 1,000 B, random order, minimum/median of {RUNS} runs, ns a packet");
    for (what, channel) in
        [("client to media port", 0x4000), ("client to peer elsewhere", 0x4001), ("client to client", 0x4002)]
    {
        let bytes = channel_data(channel, &[0; 1_000]);
        measure(what, || {
            for at in (0..PACKETS).map(|at| order[at % order.len()]) {
                let tuple = seats[at].0.tuple;
                assert!(black_box(desk.server.handle_client(desk.now, tuple, black_box(&bytes))).is_some());
            }
        });
    }
    let payload = [0; 1_000];
    for (what, peer) in [("media port to client", SFU), ("peer elsewhere to client", PEER)] {
        measure(what, || {
            for at in (0..PACKETS).map(|at| order[at % order.len()]) {
                assert!(black_box(desk.server.handle_peer(desk.now, relayed[at], peer, black_box(&payload))).is_some());
            }
        });
    }
}

fn measure(what: &str, mut run: impl FnMut()) {
    let mut each: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = on_cpu();
            run();
            (on_cpu() - start) / PACKETS as f64
        })
        .collect();
    each.sort_by(f64::total_cmp);
    println!("{what:>26}: {:.0}/{:.0}", each[0], each[RUNS / 2]);
}

/// Nanoseconds that this thread was on a processor, so that a crowded machine does not count.
fn on_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    stat.split(' ').next().and_then(|first| first.parse().ok()).expect("a number")
}
