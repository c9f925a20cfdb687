//! The metrics page (Prometheus text): what the workers publish about themselves, and the process.
//!
//! Workers count in plain fields of their own; nothing here is on the path of a packet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::media::{Gauges, WorkerHandle};
use crate::turn::{TurnPlane, metrics as turn_metrics};

type Reading = (&'static str, fn(&Gauges) -> &AtomicU64, &'static str);

const NOW: &[Reading] = &[
    ("stoa_rooms", |g| &g.rooms, "Open rooms."),
    ("stoa_participants", |g| &g.participants, "Participants in rooms."),
    ("stoa_signal_connections", |g| &g.connections, "LiveKit signalling connections."),
    ("stoa_media_tcp_connections", |g| &g.tcp_connections, "TCP connections carrying media."),
];

const TOTALS: &[Reading] = &[
    ("stoa_udp_datagrams_in_total", |g| &g.datagrams_in, "UDP datagrams received."),
    ("stoa_udp_bytes_in_total", |g| &g.bytes_in, "UDP bytes received."),
    ("stoa_udp_receives_total", |g| &g.receives, "System calls that received datagrams."),
    ("stoa_udp_datagrams_out_total", |g| &g.datagrams_out, "UDP datagrams sent."),
    ("stoa_udp_bytes_out_total", |g| &g.bytes_out, "UDP bytes sent."),
    ("stoa_udp_sends_total", |g| &g.sends, "System calls that sent datagrams."),
    (
        "stoa_media_refused_total",
        |g| &g.refused,
        "Datagrams dropped because the kernel or a slow TCP reader did not take them.",
    ),
    ("stoa_media_unrouted_total", |g| &g.unrouted, "Datagrams that match no peer."),
    ("stoa_rtp_packets_in_total", |g| &g.rtp_in, "RTP packets received."),
    ("stoa_rtp_packets_out_total", |g| &g.rtp_out, "RTP packets forwarded."),
    ("stoa_rtp_packets_dropped_total", |g| &g.rtp_dropped, "RTP packets dropped before forwarding."),
    ("stoa_keyframe_requests_total", |g| &g.keyframe_requests, "Keyframes requested from publishers."),
    ("stoa_room_panics_total", |g| &g.panics, "Rooms closed by a fault in them."),
    ("stoa_worker_busy_microseconds_total", |g| &g.busy_micros, "Time that a worker was busy."),
];

/// Renders the metrics page.
#[derive(Clone)]
pub struct Metrics {
    page: PrometheusHandle,
    workers: Arc<[WorkerHandle]>,
    turn: Option<TurnPlane>,
}

impl Metrics {
    /// Installs the recorder of this process.
    pub fn install(workers: Arc<[WorkerHandle]>, turn: Option<TurnPlane>) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let page = recorder.handle();
        // Where one is there already (tests in one process), that one is fed and this page stays empty.
        let _ = metrics::set_global_recorder(recorder);
        for (name, _, help) in NOW {
            describe_gauge!(*name, *help);
        }
        for (name, _, help) in TOTALS {
            describe_counter!(*name, *help);
        }
        describe_gauge!("stoa_process_resident_bytes", "Resident memory of the process.");
        describe_gauge!("stoa_process_cpu_seconds", "CPU time of the process, user and system.");
        describe_gauge!("stoa_process_open_files", "File descriptors that the process has open.");
        crate::admission::describe();
        if turn.is_some() {
            turn_metrics::describe();
        }
        Self { page, workers, turn }
    }

    /// The page, for who is let in by the listener that serves it.
    pub fn router(self) -> Router {
        let page = move || async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], self.render()) };
        Router::new().route("/metrics", get(page))
    }

    /// The current page.
    fn render(&self) -> String {
        for (index, worker) in self.workers.iter().enumerate() {
            let index = index.to_string();
            for (name, read, _) in NOW {
                gauge!(*name, "worker" => index.clone()).set(read(worker.gauges()).load(Ordering::Relaxed) as f64);
            }
            for (name, read, _) in TOTALS {
                counter!(*name, "worker" => index.clone()).absolute(read(worker.gauges()).load(Ordering::Relaxed));
            }
        }
        if let Some(turn) = &self.turn {
            turn_metrics::render(turn);
        }
        let process = Process::read();
        gauge!("stoa_process_resident_bytes").set(process.resident as f64);
        gauge!("stoa_process_cpu_seconds").set(process.cpu_seconds);
        gauge!("stoa_process_open_files").set(process.open_files as f64);
        self.page.render()
    }
}

/// What the kernel says of this process; zeros where it does not.
#[derive(Debug, Default)]
struct Process {
    resident: u64,
    cpu_seconds: f64,
    open_files: usize,
}

impl Process {
    fn read() -> Self {
        /// Ticks of /proc/self/stat, fixed for user space on Linux.
        const TICKS: f64 = 100.0;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
            .unwrap_or(0);
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // Fields follow the command in parentheses, which may hold anything; user and system time are the 14th and 15th.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let ticks: f64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        let open_files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        Self { resident: resident * 1_024, cpu_seconds: ticks / TICKS, open_files }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_read() {
        let process = Process::read();
        assert!(process.resident > 100_000 && process.open_files > 2, "{process:?}");
        assert!((0.0..10_000.0).contains(&process.cpu_seconds), "{process:?}");
    }
}
