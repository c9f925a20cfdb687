//! The result of a run.

use std::fmt;

use serde_json::json;

use super::flows::Counts;
use crate::process::Times;

/// What a run came to.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) allocations: usize,
    pub(super) burst: usize,
    pub(super) linked: bool,
    pub(super) seconds: f64,
    pub(super) load: Counts,
    /// Of all that was sent, warm-up included.
    pub(super) lost: u64,
    pub(super) behind: u64,
    pub(super) times: Option<Times>,
    /// By how much the server's memory grew with the allocations.
    pub(super) grown: Option<u64>,
    pub(super) latencies: Vec<u32>,
}

impl Report {
    /// Packets that the server took in and sent on: one on the way to the peer and one on the way back, or one between two
    /// allocations, which is a packet to a peer and a packet from one in a single step.
    fn relayed(&self) -> u64 {
        if self.linked { self.load.received } else { self.load.sent + self.load.received }
    }

    fn micros(&self, nanos: u64) -> f64 {
        nanos as f64 / 1e3 / self.relayed().max(1) as f64
    }

    fn loss(&self) -> f64 {
        self.lost as f64 / self.load.sent.max(1) as f64
    }

    fn percentile(&self, share: f64) -> Option<u32> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = (sorted.len() as f64 * share) as usize;
        sorted.get(at.min(sorted.len().checked_sub(1)?)).copied()
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        json!({
            "allocations": self.allocations,
            "burst": self.burst,
            "linked": self.linked,
            "seconds": self.seconds,
            "sent": self.load.sent,
            "received": self.load.received,
            "relayed": self.relayed(),
            "lost": self.lost,
            "loss": self.loss(),
            "late": self.behind,
            "microsPerPacket": self.times.map(|times| self.micros(times.total)),
            "userMicrosPerPacket": self.times.map(|times| self.micros(times.user)),
            "serverCpuShare": self.times.map(|times| times.total as f64 / 1e9 / self.seconds),
            "bytesPerAllocation": self.grown.map(|bytes| bytes / self.allocations.max(1) as u64),
            "latencyP50Micros": self.percentile(0.5),
            "latencyP99Micros": self.percentile(0.99),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "allocations      {}, {} packets at once", self.allocations, self.burst)?;
        writeln!(f, "relayed          {:.0} packets/s", self.relayed() as f64 / self.seconds)?;
        writeln!(f, "lost             {} ({:.3} %)", self.lost, self.loss() * 100.0)?;
        writeln!(f, "bursts late      {}", self.behind)?;
        if let Some(times) = self.times {
            writeln!(f, "server CPU       {:.0} % of a core", times.total as f64 / 1e7 / self.seconds)?;
            writeln!(
                f,
                "CPU per packet   {:.2} µs, {:.2} of it user",
                self.micros(times.total),
                self.micros(times.user)
            )?;
        }
        if let Some(bytes) = self.grown {
            writeln!(f, "memory           {} bytes per allocation", bytes / self.allocations.max(1) as u64)?;
        }
        match (self.percentile(0.5), self.percentile(0.99)) {
            (Some(p50), Some(p99)) => write!(f, "round trip       p50 {p50} µs, p99 {p99} µs"),
            _ => write!(f, "round trip       not measured"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_count() {
        let report = Report {
            allocations: 10,
            burst: 4,
            linked: false,
            seconds: 2.0,
            load: Counts { sent: 1_000, received: 990 },
            lost: 10,
            behind: 0,
            times: Some(Times { total: 3_980_000, user: 199_000 }),
            grown: Some(100_000),
            latencies: (1..=100).collect(),
        };
        let json = report.to_json();
        assert_eq!(json["relayed"], 1_990);
        assert!((json["microsPerPacket"].as_f64().expect("a number") - 2.0).abs() < 1e-9);
        assert!((json["userMicrosPerPacket"].as_f64().expect("a number") - 0.1).abs() < 1e-9);
        assert!((json["loss"].as_f64().expect("a number") - 0.01).abs() < 1e-9);
        assert_eq!(json["bytesPerAllocation"], 10_000);
        let linked = Report { linked: true, ..report };
        assert_eq!(linked.to_json()["relayed"], 990);
    }
}
