//! What the kernel says of a process: CPU time, memory.

use std::time::Duration;

use anyhow::Context;

/// Ticks of /proc/PID/stat, fixed for user space on Linux.
const TICK: Duration = Duration::from_millis(10);

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
        let path = format!("{}/stat", self.folder);
        let stat =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}: is the server still up?"))?;
        // Fields follow the command in parentheses, which may hold anything.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let ticks: u32 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
        Ok(TICK * ticks)
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
        assert!(Process::new(u32::MAX).cpu().is_err());
    }
}
