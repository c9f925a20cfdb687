//! Records that the store will never take as they are. They are set aside in a file of their own, one JSON object per
//! line, for `stoa journal replay` to try again (by then, a newer version may know what to do with them).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use call::Record;
use model::NodeId;
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, LocalDisk, SharedDisk, write_all};
use crate::journal::node_of;
use crate::store::{Remedy, Store, StoreError};

const FILE: &str = "refused.jsonl";
const LOCK: &str = "refused.lock";

#[derive(Serialize)]
struct LineOut<'a> {
    node: NodeId,
    sequence: u64,
    reason: &'a str,
    record: &'a Record,
}

#[derive(Deserialize)]
struct LineIn {
    /// Not there: from before nodes had IDs.
    node: Option<NodeId>,
    sequence: u64,
    record: Record,
}

/// Where they are put, by the server.
pub(crate) struct Refused {
    directory: PathBuf,
    disk: SharedDisk,
    /// The last one put aside: it is not written twice because what comes after it had to be tried again.
    last: Option<u64>,
}

impl Refused {
    pub(crate) fn new(directory: &Path, disk: SharedDisk) -> Self {
        Self { directory: directory.to_owned(), disk, last: None }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// How many wait there.
    pub(crate) fn count(&self) -> usize {
        let lines = File::open(self.path()).into_iter().flat_map(|file| BufReader::new(file).lines());
        lines.map_while(Result::ok).filter(|line| !line.is_empty()).count()
    }

    /// Writes it down and waits until the disk has it. Only then may anything go past it.
    pub(crate) fn put_aside(&mut self, node: NodeId, sequence: u64, record: &Record, reason: &str) -> io::Result<()> {
        if self.last == Some(sequence) {
            return Ok(());
        }
        let _lock = lock(&self.directory)?;
        let mut line = serde_json::to_vec(&LineOut { node, sequence, reason, record }).expect("a record is plain data");
        line.push(b'\n');
        // What a write that failed left of a line must not swallow the next one.
        line.insert(0, b'\n');
        let mut file = self.disk.append(&self.path())?;
        write_all(&*self.disk, &mut file, &line)?;
        self.disk.sync(&file)?;
        self.disk.sync_directory(&self.directory)?;
        self.last = Some(sequence);
        Ok(())
    }
}

/// A replay rewrites the file, and must not lose what the server adds meanwhile.
fn lock(directory: &Path) -> io::Result<File> {
    let file = LocalDisk.append(&directory.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// How far a replay has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replay {
    /// Records in the file.
    pub found: usize,
    /// Taken into the store.
    pub taken: usize,
    /// In the store already.
    pub known: usize,
    /// Refused again; they stay.
    pub refused: usize,
    /// Lines that are no record, such as the torn end of one that was written again; they stay.
    pub unreadable: usize,
}

/// Why a replay stopped. What it had not come to stays in the file.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file.
    #[error("cannot use {}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another replay, or the server writing to it.
    #[error("{} is in use; try again", .0.display())]
    InUse(PathBuf),
    /// The store is in a state in which nothing should be tried.
    #[error("{0}")]
    Store(StoreError),
}

/// Takes the records that were put aside in a journal's folder into the store, in their order. `progress` hears after each.
pub async fn replay(
    directory: &Path,
    store: &dyn Store,
    mut progress: impl FnMut(Replay),
) -> Result<Replay, ReplayError> {
    let path = directory.join(FILE);
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::WouldBlock => ReplayError::InUse(path.clone()),
        _ => ReplayError::Io { path: path.clone(), source },
    };
    if !path.exists() {
        return Ok(Replay::default());
    }
    let _lock = lock(directory).map_err(failed)?;
    let text = std::fs::read(&path).map_err(failed)?;
    let own = node_of(directory).map_err(failed)?.unwrap_or(NodeId::UNNAMED);
    let mut records = BTreeMap::new();
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut replay = Replay::default();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice::<LineIn>(line) {
            // One that was put aside twice counts once.
            Ok(parsed) => {
                let place = (parsed.node.unwrap_or(own), parsed.sequence);
                records.insert(place, (parsed.record, line));
            }
            Err(_) => kept.push(line),
        }
    }
    replay.found = records.len();
    replay.unreadable = kept.len();
    let mut stopped = None;
    for ((node, sequence), (record, line)) in &records {
        if stopped.is_none() {
            match store.replay(*node, *sequence, record).await {
                Ok(true) => replay.taken += 1,
                Ok(false) => replay.known += 1,
                Err(error) => {
                    kept.push(line);
                    match error.remedy() {
                        Remedy::PutAside => replay.refused += 1,
                        Remedy::Again | Remedy::Hold => stopped = Some(error),
                    }
                }
            }
            progress(replay);
        } else {
            kept.push(line);
        }
    }
    rewrite(directory, &path, &kept).map_err(failed)?;
    stopped.map_or(Ok(replay), |error| Err(ReplayError::Store(error)))
}

/// Puts what is left in the file's place, whole or not at all.
fn rewrite(directory: &Path, path: &Path, lines: &[&[u8]]) -> io::Result<()> {
    let disk = LocalDisk;
    if lines.is_empty() {
        disk.remove(path)?;
        return disk.sync_directory(directory);
    }
    let beside = path.with_extension("new");
    if beside.exists() {
        disk.remove(&beside)?;
    }
    let mut file = disk.create(&beside)?;
    for line in lines {
        write_all(&disk, &mut file, &[line, &b"\n"[..]].concat())?;
    }
    disk.sync(&file)?;
    disk.rename(&beside, path)?;
    disk.sync_directory(directory)
}
