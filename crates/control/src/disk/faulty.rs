//! The real disk with some operations failing, for tests here and in `store`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{Disk, LocalDisk};

/// How operations fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is no room on the disk (ENOSPC).
    Full,
    /// EIO; a write leaves half of its bytes, a sync nobody knows what.
    Io,
    /// A write takes half of the bytes without a word, and the next one says ENOSPC.
    Short,
}

pub const FAULTS: [Fault; 3] = [Fault::Full, Fault::Io, Fault::Short];

#[derive(Debug, Default)]
struct Plan {
    fault: Option<Fault>,
    /// Operations that still go well, then those that fail.
    spared: u64,
    failing: u64,
    hit: u64,
}

/// Well until it is armed.
#[derive(Debug, Default)]
pub struct FaultyDisk(Mutex<Plan>);

impl FaultyDisk {
    /// After so many operations, so many fail.
    pub fn arm(&self, fault: Fault, spared: u64, failing: u64) {
        *self.plan() = Plan { fault: Some(fault), spared, failing, hit: 0 };
    }

    /// All is well again; how many operations failed.
    pub fn heal(&self) -> u64 {
        std::mem::take(&mut *self.plan()).hit
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self) -> Option<Fault> {
        let mut plan = self.plan();
        let fault = plan.fault?;
        if plan.spared > 0 {
            plan.spared -= 1;
            return None;
        }
        if plan.failing == 0 {
            return None;
        }
        plan.failing -= 1;
        plan.hit += 1;
        Some(fault)
    }

    fn or<T>(&self, real: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.fault().map_or_else(real, |fault| Err(error(fault)))
    }
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Full | Fault::Short => io::Error::from_raw_os_error(28),
        Fault::Io => io::Error::from_raw_os_error(5),
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.or(|| LocalDisk.create(path))
    }
    fn append(&self, path: &Path) -> io::Result<File> {
        self.or(|| LocalDisk.append(path))
    }
    fn open(&self, path: &Path) -> io::Result<File> {
        self.or(|| LocalDisk.open(path))
    }
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        let half = bytes.len() / 2;
        match self.fault() {
            None => file.write(bytes),
            Some(Fault::Full) => Err(error(Fault::Full)),
            Some(Fault::Io) => {
                file.write_all(&bytes[..half])?;
                Err(error(Fault::Io))
            }
            Some(Fault::Short) if half > 0 => file.write(&bytes[..half]),
            Some(Fault::Short) => Err(error(Fault::Short)),
        }
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        self.or(|| LocalDisk.sync(file))
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.or(|| LocalDisk.sync_directory(path))
    }
    fn reserve(&self, file: &File, from: u64, length: u64) -> io::Result<()> {
        self.or(|| LocalDisk.reserve(file, from, length))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.or(|| LocalDisk.remove(path))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.or(|| LocalDisk.rename(from, to))
    }
}
