//! The load generator behind `stoa bench turn`: many clients of a TURN server, each with an allocation and a channel,
//! send ChannelData at a fixed rate, one by one or in bursts. A peer in the same process echoes it, or pairs of
//! allocations talk to each other. Works against any TURN server that accepts shared-secret credentials.
//!
//! Datagrams leave one by one (`sendmmsg`, no segmentation offload) and come in one by one (no coalescing): whatever a
//! server gains from batching, it must gain from such traffic.

pub(crate) mod allocation;
mod flows;
mod report;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::ensure;

use crate::process::Process;
use flows::Flows;
use report::Report;

/// What to load, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct TurnOptions {
    /// Address of the TURN server, over UDP
    #[arg(long, default_value = "127.0.0.1:3478")]
    pub server: SocketAddr,
    /// Secret that signs the credentials
    #[arg(long)]
    pub secret: String,
    /// Address that clients send from, and where the echoing peer listens
    #[arg(long)]
    pub local: IpAddr,
    /// First of the addresses that clients send from; the others follow it [default: the one of --local]
    #[arg(long)]
    pub clients: Option<IpAddr>,
    /// How many addresses clients send from
    #[arg(long, default_value_t = 1)]
    pub addresses: u32,
    /// Number of allocations, one per client
    #[arg(long, default_value_t = 10)]
    pub allocations: usize,
    /// Packets a client sends at once
    #[arg(long, default_value_t = 1)]
    pub burst: usize,
    /// Bytes of payload per packet
    #[arg(long, default_value_t = 1_000)]
    pub size: usize,
    /// Packets per second, of all clients together; as many come back
    #[arg(long, default_value_t = 20_000)]
    pub rate: u32,
    /// How long to measure, in seconds
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Pair up allocations to talk to each other, instead of to an echoing peer
    #[arg(long)]
    pub linked: bool,
    /// Process ID of the server, to measure its CPU
    #[arg(long)]
    pub server_pid: Option<u32>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// How long the load runs before anything is measured.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long what is under way may take to arrive.
const DRAIN: Duration = Duration::from_millis(500);
/// The longest payload: the largest packet that is not cut on an ordinary network.
const LONGEST: usize = 1_460;
/// A payload begins with the time it was sent.
const SHORTEST: usize = 8;

/// Runs the load; the result, to print.
pub(crate) fn run(options: &TurnOptions) -> anyhow::Result<String> {
    ensure!((SHORTEST..=LONGEST).contains(&options.size), "--size must be from {SHORTEST} to {LONGEST}");
    ensure!((1..=64).contains(&options.burst), "--burst must be from 1 to 64");
    ensure!(options.allocations > 0 && options.rate > 0, "nothing to load: --allocations and --rate must be above 0");
    ensure!(!options.linked || options.allocations.is_multiple_of(2), "--linked needs an even number of --allocations");
    let server = options.server_pid.map(Process::new);
    let resident = |process: &Option<Process>| process.as_ref().and_then(Process::resident);
    let times = |process: &Option<Process>| process.as_ref().map(Process::times).transpose();

    let empty = resident(&server);
    let mut flows = Flows::open(options, &model::Secret::new(options.secret.clone()))?;
    let full = resident(&server);
    flows.run(WARM_UP)?;
    let (before, began) = (times(&server)?, flows.counts());
    flows.run(Duration::from_secs_f64(options.seconds))?;
    let sent_for = flows.sent_for();
    flows.drain(DRAIN)?;
    let (after, ended) = (times(&server)?, flows.counts());
    let report = Report {
        allocations: options.allocations,
        burst: options.burst,
        linked: options.linked,
        seconds: sent_for.as_secs_f64(),
        load: ended - began,
        lost: ended.sent.saturating_sub(ended.received),
        behind: flows.behind(),
        times: before.zip(after).map(|(before, after)| after - before),
        grown: full.zip(empty).map(|(full, empty)| full.saturating_sub(empty)),
        latencies: flows.close(),
    };
    Ok(if options.json { report.to_json().to_string() } else { report.to_string() })
}
