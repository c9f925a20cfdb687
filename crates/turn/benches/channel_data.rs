//! CPU time of the protocol alone for one relayed packet of 1,000 bytes, with 10,000 allocations in random order:
//! `cargo bench -p turn`. The goal is 300 ns.

#[path = "../tests/desk/mod.rs"]
mod desk;

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use desk::{Client, Desk, PEER, SECRET, SFU, UNIX, channel_data, config, tuple};
use rustix::time::{ClockId, clock_gettime};
use turn::Transport;

const ALLOCATIONS: usize = 10_000;

/// CPU time of this thread: what else the machine does is no part of it.
struct OnCpu;

impl Measurement for OnCpu {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

struct Hall {
    desk: Desk,
    seats: Vec<(Client, SocketAddr)>,
    order: Vec<usize>,
}

impl Hall {
    fn full() -> Self {
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
        for at in 0..ALLOCATIONS {
            let other = seats[at ^ 1].1;
            assert_eq!(seats[at].0.bind(&mut desk, 0x4002, other), 0);
        }
        let mut rng = fastrand::Rng::with_seed(1);
        let order = (0..1 << 16).map(|_| rng.usize(..ALLOCATIONS)).collect();
        Self { desk, seats, order }
    }
}

fn packets(criterion: &mut Criterion<OnCpu>) {
    let Hall { mut desk, seats, order } = Hall::full();
    let mut group = criterion.benchmark_group("10,000 allocations");
    group.throughput(Throughput::Elements(1));
    let mut turn = order.iter().cycle().copied();
    let mut next = move || turn.next().expect("without end");
    for (what, channel) in
        [("client to media port", 0x4000), ("client to peer elsewhere", 0x4001), ("client to client", 0x4002)]
    {
        let bytes = channel_data(channel, &[0; 1_000]);
        group.bench_function(BenchmarkId::from_parameter(what), |bencher| {
            bencher.iter(|| {
                let client = seats[next()].0.tuple;
                assert!(black_box(desk.server.handle_client(desk.now, client, black_box(&bytes))).is_some());
            });
        });
    }
    let payload = [0; 1_000];
    for (what, peer) in [("media port to client", SFU), ("peer elsewhere to client", PEER)] {
        group.bench_function(BenchmarkId::from_parameter(what), |bencher| {
            bencher.iter(|| {
                let relayed = seats[next()].1;
                assert!(black_box(desk.server.handle_peer(desk.now, relayed, peer, black_box(&payload))).is_some());
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(OnCpu).without_plots();
    targets = packets
}
criterion_main!(benches);
