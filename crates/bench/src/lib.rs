//! The load generator behind `stoa bench`: rooms of one publisher and many subscribers, against any LiveKit server.
//!
//! Every participant is real: LiveKit signalling, ICE, DTLS, SRTP and feedback ([`client::Client`]) on its own UDP
//! socket, reading one datagram per system call (no coalescing, which would flatter a server on the same host). It
//! measures what arrives, how late, and what the server's process spends on it.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod load;
mod process;
mod report;
mod signal;
mod turn_load;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use load::{Fleet, Plan};
use process::Process;
use report::Report;
pub use turn_load::TurnOptions;

/// What to load instead of rooms.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Other {
    /// Load-test a TURN server instead, with ChannelData of many clients, there and back
    Turn(TurnOptions),
}

/// What to load, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Load something other than rooms
    #[command(subcommand)]
    pub other: Option<Other>,
    /// URL of the server
    #[arg(long, default_value = "ws://127.0.0.1:7880")]
    pub url: String,
    /// LiveKit API key
    #[arg(long, default_value = "devkey")]
    pub api_key: String,
    /// Secret of that API key
    #[arg(long, default_value = "secret")]
    pub api_secret: String,
    /// Number of rooms
    #[arg(long, default_value_t = 4)]
    pub rooms: usize,
    /// Subscribers per room, in addition to one publisher
    #[arg(long, default_value_t = 10)]
    pub subscribers: usize,
    /// Video frames per second
    #[arg(long, default_value_t = 30)]
    pub fps: u32,
    /// Packets per frame, sent at once
    #[arg(long, default_value_t = 8)]
    pub packets: u32,
    /// Bytes of payload per packet
    #[arg(long, default_value_t = 1_100)]
    pub payload: usize,
    /// How long to measure, in seconds
    #[arg(long, default_value_t = 15)]
    pub seconds: u64,
    /// How long to wait before measuring, once everyone is connected, in seconds
    #[arg(long, default_value_t = 5)]
    pub warm_up: u64,
    /// Participants that join per second
    #[arg(long, default_value_t = 100)]
    pub join_rate: u32,
    /// Threads that simulate the participants
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// Process ID of the server, to measure its CPU
    #[arg(long)]
    pub server_pid: Option<u32>,
    /// TURN server to send all participants through
    #[arg(long, requires = "turn_secret", requires = "turn_peer")]
    pub turn: Option<SocketAddr>,
    /// Secret that signs that server's credentials
    #[arg(long)]
    pub turn_secret: Option<String>,
    /// Media port that the TURN server relays to
    #[arg(long)]
    pub turn_peer: Option<SocketAddr>,
    /// Process ID of that TURN server, if it is a separate process; its CPU is added
    #[arg(long)]
    pub turn_pid: Option<u32>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Runs the load; the result, to print.
pub fn run(options: Options) -> anyhow::Result<String> {
    match &options.other {
        Some(Other::Turn(options)) => return turn_load::run(options),
        None => {}
    }
    ensure!(
        options.rooms > 0 && options.subscribers > 0 && options.threads > 0,
        "nothing to load: all counts must be above 0"
    );
    let report = measure(&options)?;
    Ok(if options.json { report.to_json().to_string() } else { report.to_string() })
}

fn measure(options: &Options) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let plan = Plan::new(options)?;
    let wanted = options.rooms * (1 + options.subscribers);
    let fleet = Fleet::launch(options, &plan, runtime.handle())?;
    let joining = Instant::now();
    let limit = Duration::from_secs_f64(30.0 + wanted as f64 / f64::from(options.join_rate.max(1)));
    while fleet.totals().connected < wanted {
        ensure!(joining.elapsed() < limit, "only {} of {wanted} participants connected", fleet.totals().connected);
        ensure!(fleet.totals().failed * 10 <= wanted, "{} participants failed", fleet.totals().failed);
        std::thread::sleep(Duration::from_millis(50));
    }
    let joined = joining.elapsed();
    std::thread::sleep(Duration::from_secs(options.warm_up));

    let server = options.server_pid.map(Process::new);
    let relay = options.turn_pid.map(Process::new);
    let read = |process: &Option<Process>| -> anyhow::Result<Option<Duration>> {
        let Some(process) = process else { return Ok(None) };
        Ok(Some(process.cpu()? + relay.as_ref().map_or(Ok(Duration::ZERO), Process::cpu)?))
    };
    fleet.start_latencies();
    let (began, before, cpu_before, own_before) =
        (Instant::now(), fleet.totals(), read(&server)?, Process::own().cpu()?);
    std::thread::sleep(Duration::from_secs(options.seconds));
    let (elapsed, after) = (began.elapsed(), fleet.totals());
    let cpu = match (read(&server)?, cpu_before) {
        (Some(after), Some(before)) => Some(after - before),
        _ => None,
    };
    let own = Process::own().cpu()? - own_before;
    let resident = server.as_ref().and_then(Process::resident);
    let latencies = fleet.stop().context("a load thread failed")?;
    Ok(Report {
        rooms: options.rooms,
        subscribers: options.subscribers,
        joined,
        elapsed,
        load: after - before,
        failed: after.failed,
        cpu,
        own,
        resident,
        latencies,
    })
}
