//! The result of a run.

use std::fmt;
use std::ops::Sub;
use std::time::Duration;

use serde_json::json;

/// Sums over all participants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Participants with ICE and DTLS up.
    pub(crate) connected: usize,
    /// Participants that could not be, or were lost.
    pub(crate) failed: usize,
    /// Packets that publishers sent.
    pub(crate) published: u64,
    /// Packets that subscribers received.
    pub(crate) received: u64,
    /// Payload bytes that subscribers received.
    pub(crate) bytes: u64,
    /// Keyframes that the server asked for.
    pub(crate) keyframe_requests: u64,
}

impl Sub for Totals {
    type Output = Totals;
    fn sub(self, before: Totals) -> Totals {
        Totals {
            connected: self.connected,
            failed: self.failed,
            published: self.published - before.published,
            received: self.received - before.received,
            bytes: self.bytes - before.bytes,
            keyframe_requests: self.keyframe_requests - before.keyframe_requests,
        }
    }
}

/// What a run came to.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) rooms: usize,
    pub(crate) subscribers: usize,
    pub(crate) joined: Duration,
    pub(crate) elapsed: Duration,
    pub(crate) load: Totals,
    pub(crate) failed: usize,
    pub(crate) cpu: Option<Duration>,
    pub(crate) own: Duration,
    pub(crate) resident: Option<u64>,
    /// Samples of the time from publisher to subscriber, in µs.
    pub(crate) latencies: Vec<u32>,
}

impl Report {
    fn packets_a_second(&self) -> f64 {
        self.load.received as f64 / self.elapsed.as_secs_f64()
    }

    /// Share of what should have arrived that did not; what is under way at the borders makes it ±.
    fn loss(&self) -> f64 {
        let expected = self.load.published as f64 * self.subscribers as f64;
        if expected > 0.0 { (1.0 - self.load.received as f64 / expected).max(0.0) } else { 0.0 }
    }

    fn micros_a_packet(&self) -> Option<f64> {
        let cpu = self.cpu?;
        (self.load.received > 0).then(|| cpu.as_secs_f64() * 1e6 / self.load.received as f64)
    }

    fn share(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    fn percentile(&self, share: f64) -> Option<u32> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = (sorted.len() as f64 * share) as usize;
        sorted.get(at.min(sorted.len().checked_sub(1)?)).copied()
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        json!({
            "rooms": self.rooms,
            "subscribers": self.subscribers,
            "seconds": self.elapsed.as_secs_f64(),
            "joinSeconds": self.joined.as_secs_f64(),
            "participants": self.load.connected,
            "failed": self.failed,
            "published": self.load.published,
            "forwarded": self.load.received,
            "packetsPerSecond": self.packets_a_second(),
            "megabitsPerSecond": self.load.bytes as f64 * 8e-6 / self.elapsed.as_secs_f64(),
            "loss": self.loss(),
            "keyframeRequests": self.load.keyframe_requests,
            "serverCpuShare": self.cpu.map(|cpu| self.share(cpu)),
            "microsPerPacket": self.micros_a_packet(),
            "loadCpuShare": self.share(self.own),
            "latencyP50Micros": self.percentile(0.5),
            "latencyP99Micros": self.percentile(0.99),
            "residentBytes": self.resident,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let people = self.rooms * (1 + self.subscribers);
        writeln!(f, "rooms            {} of 1 publisher and {} subscribers", self.rooms, self.subscribers)?;
        writeln!(
            f,
            "joined           {people} participants in {:.1} s, {} failed",
            self.joined.as_secs_f64(),
            self.failed
        )?;
        writeln!(
            f,
            "forwarded        {:.0} packets/s, {:.0} Mbit/s",
            self.packets_a_second(),
            self.load.bytes as f64 * 8e-6 / self.elapsed.as_secs_f64()
        )?;
        writeln!(f, "lost             {:.3} %", self.loss() * 100.0)?;
        writeln!(f, "keyframes asked  {}", self.load.keyframe_requests)?;
        if let Some(cpu) = self.cpu {
            writeln!(f, "server CPU       {:.0} % of a core", self.share(cpu) * 100.0)?;
        }
        if let Some(micros) = self.micros_a_packet() {
            writeln!(f, "CPU per packet   {micros:.2} µs")?;
        }
        if let Some(bytes) = self.resident {
            writeln!(f, "server memory    {} MiB", bytes >> 20)?;
        }
        writeln!(f, "load's own CPU   {:.0} % of a core", self.share(self.own) * 100.0)?;
        match (self.percentile(0.5), self.percentile(0.99)) {
            (Some(p50), Some(p99)) => {
                write!(f, "latency          p50 {:.2} ms, p99 {:.2} ms", f64::from(p50) / 1e3, f64::from(p99) / 1e3)
            }
            _ => write!(f, "latency          not measured"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_measured() {
        let report = Report {
            rooms: 2,
            subscribers: 10,
            joined: Duration::from_secs(1),
            elapsed: Duration::from_secs(10),
            load: Totals {
                connected: 22,
                published: 1_000,
                received: 9_900,
                bytes: 9_900 * 1_100,
                ..Totals::default()
            },
            failed: 0,
            cpu: Some(Duration::from_millis(30)),
            own: Duration::from_secs(1),
            resident: Some(50 << 20),
            latencies: (1..=100).collect(),
        };
        let json = report.to_json();
        assert!((json["loss"].as_f64().expect("a number") - 0.01).abs() < 1e-9);
        assert!((json["microsPerPacket"].as_f64().expect("a number") - 30_000.0 / 9_900.0).abs() < 1e-9);
        assert_eq!((json["latencyP50Micros"].as_u64(), json["latencyP99Micros"].as_u64()), (Some(51), Some(100)));
        assert!(report.to_string().contains("CPU per packet   3.03 µs"), "{report}");
    }
}
