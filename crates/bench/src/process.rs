//! What the kernel says about a process: CPU time and memory.

use std::ops::Sub;
use std::time::Duration;

use anyhow::Context;

/// Ticks of /proc/PID/stat, fixed for user space on Linux.
const TICK: Duration = Duration::from_millis(10);

/// CPU time, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// All of it, exact.
    pub(crate) total: u64,
    /// Outside the kernel, of what the kernel sampled.
    pub(crate) user: u64,
}

impl Sub for Times {
    type Output = Times;
    fn sub(self, before: Times) -> Times {
        Times { total: self.total.saturating_sub(before.total), user: self.user.saturating_sub(before.user) }
    }
}

/// A process on this host.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    folder: String,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self { folder: format!("/proc/{pid}") }
    }

    pub(crate) fn own() -> Self {
        Self { folder: "/proc/self".to_owned() }
    }

    /// CPU time of all its threads, user and system.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(self.ticks()?.iter().fold(Duration::ZERO, |sum, ticks| sum + TICK * *ticks))
    }

    /// CPU time of the threads that it has, as the scheduler counts it.
    pub(crate) fn times(&self) -> anyhow::Result<Times> {
        let path = format!("{}/task", self.folder);
        let mut total = 0;
        for thread in
            std::fs::read_dir(&path).with_context(|| format!("cannot read {path}: is the server still up?"))?
        {
            // A thread may end meanwhile.
            let stat = std::fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            total += stat.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0);
        }
        let user = TICK.as_nanos() as u64 * u64::from(self.ticks()?[0]);
        Ok(Times { total, user })
    }

    /// User and system.
    fn ticks(&self) -> anyhow::Result<[u32; 2]> {
        let path = format!("{}/stat", self.folder);
        let stat =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}: is the server still up?"))?;
        // Fields follow the command in parentheses, which may hold anything.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let mut ticks = after.split_whitespace().skip(11).map(|field| field.parse().unwrap_or(0));
        Ok([ticks.next().unwrap_or(0), ticks.next().unwrap_or(0)])
    }

    /// Memory, in bytes.
    pub(crate) fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("{}/status", self.folder)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_itself() {
        let process = Process::own();
        assert!(process.resident().is_some_and(|bytes| bytes > 100_000));
        assert!(process.cpu().is_ok());
        let times = process.times().expect("itself");
        assert!(times.total > 0 && times.user <= times.total + TICK.as_nanos() as u64 * 10, "{times:?}");
        assert!(Process::new(u32::MAX).cpu().is_err());
    }
}
