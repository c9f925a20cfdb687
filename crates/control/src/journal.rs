//! The write-ahead journal: what happened to calls, on disk before anyone is told.
//!
//! # Why a journal and a store
//! The database may be away (locked, full, being restored, later: on another machine) while calls run, and a call must
//! not wait for it. So a transition counts as having happened once it is in this journal and the journal is fsynced:
//! one append and one fsync for a whole batch of commands, on a file nobody else locks. The store follows in batches of
//! its own, each in one transaction that also records how far it got. Only the store's writer and the start of the
//! server read the journal. It gives each record with its whole call, so applying one twice, or only the last of several, is
//! harmless.
//!
//! # Format
//! A folder of numbered segments. A segment starts with a line that names the format and the node whose journal it is. A record is
//! known by its node and its sequence there. Each further line is the CRC-32 of its text in hex, a space, and JSON:
//! - `{"sequence": n, "record": {…, "call": {…}}}`: a record with its whole call.
//! - `{"sequence": n, "record": {…, "change": {…}}}`: a record with what changed about its call (`change`), so that a call of many is
//!   not written out again for each of them.
//! - `{"state": {…}}`: how a call stood before the first record of it in this segment, where that record says what changed.
//!
//! So a segment is read without those before it, and without the store: those before it may be gone, and the store may have refused a
//! record, or put another name in the place of someone who was erased.
//!
//! A line with a wrong checksum ends its segment. At the end of the last segment, it is a torn write that nobody was told of, and is cut
//! off. Earlier ones come from a failed write whose records were written again into the next segment. Every start opens a new segment.
//!
//! The first format (`stoa journal 1`) has whole calls only and names no node. It is read like this one.

mod calls;
mod change;
mod line;
mod reader;
mod unwritten;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use call::{CallSnapshot, Record};
use model::{CallId, NodeId};

use crate::disk::{Disk, Identity, SharedDisk, write_all};
use crate::trouble::Cause;

use change::Change;
use line::{Header, Line};
pub(crate) use reader::JournalReader;
use reader::Place;
use unwritten::Unwritten;

/// A segment is closed past this: small enough that removing applied ones keeps the folder small.
const SEGMENT_BYTES: u64 = 4 << 20;
/// Room on the disk that is taken ahead of what is written: calls that run can be written down after the disk has filled up. Where it
/// cannot be had, new calls are refused.
const RESERVE: u64 = 512 << 10;
/// What is kept in memory while the journal's own disk refuses it. Beyond it the oldest records are given up.
const UNWRITTEN_BYTES: usize = 64 << 20;
/// How often the lock is tried for.
const LOCK_TRIES: u32 = 50;
/// How long after each try.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// Another process writes it.
    #[error("the journal {} is in use by another process; stop that process and start again", .0.display())]
    InUse(PathBuf),
    /// Of another format.
    #[error("the journal segment {} has a format that this version does not know; use a newer stoa", .0.display())]
    UnknownFormat(PathBuf),
    /// Of another node.
    #[error("the journal segment {} belongs to another server; move it away: what it has is for that server's database", .0.display())]
    Foreign(PathBuf),
    /// The disk.
    #[error("cannot use the journal {}: {source}; make it writable", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The last sequence in each segment, by the segment's number. Shared by the writing and the reading side.
type Segments = Arc<Mutex<BTreeMap<u64, u64>>>;

/// The writing side, owned by the switchboard's thread.
pub(crate) struct Journal {
    disk: SharedDisk,
    directory: PathBuf,
    /// Which folder it was that was opened.
    identity: Identity,
    segments: Segments,
    /// The newest segment's number.
    number: u64,
    /// `None`: the next commit opens a new one.
    segment: Option<Segment>,
    /// Why there is no reserve.
    short: Option<Cause>,
    node: NodeId,
    next: u64,
    /// The last sequence that is on disk.
    on_disk: u64,
    /// How each call that runs stood after its last record.
    calls: HashMap<CallId, CallSnapshot>,
    unwritten: Unwritten,
    given_up: u64,
    segment_bytes: u64,
    _lock: File,
}

/// The one that is written to.
struct Segment {
    path: PathBuf,
    file: File,
    identity: Identity,
    length: u64,
    /// Up to where the disk has room for it.
    reserved: u64,
    /// Calls of which it says how they stand.
    known: HashSet<CallId>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the folder, cuts a torn tail, and gives the two sides. A folder without a journal gets one, of a new node.
    pub(crate) fn open(directory: &Path, disk: SharedDisk) -> Result<(Journal, JournalReader), JournalError> {
        let failed = |source| JournalError::Io { path: directory.to_owned(), source };
        disk.make_directory(directory).map_err(failed)?;
        keep_private(directory).map_err(failed)?;
        let lock = lock(directory)?;
        let Found { segments, newest, node, empty } = look_through(directory)?;
        let last = segments.values().copied().max().unwrap_or(0);
        let segments = Arc::new(Mutex::new(segments));
        let mut journal = Journal {
            disk: Arc::clone(&disk),
            directory: directory.to_owned(),
            identity: Identity::of(&std::fs::metadata(directory).map_err(failed)?),
            segments: Arc::clone(&segments),
            number: newest,
            segment: None,
            short: None,
            node: node.unwrap_or_else(|| NodeId(uuid::Uuid::new_v4())),
            next: last + 1,
            on_disk: last,
            calls: HashMap::new(),
            unwritten: Unwritten::default(),
            given_up: 0,
            segment_bytes: SEGMENT_BYTES,
            _lock: lock,
        };
        // Now, while someone can still be told that it cannot be written. From here on the node has its ID.
        journal.commit().map_err(failed)?;
        for path in empty {
            std::fs::remove_file(&path).map_err(failed)?;
        }
        let reader = JournalReader { disk, directory: directory.to_owned(), segments, place: None, last: 0 };
        Ok((journal, reader))
    }

    /// Whose journal it is.
    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// Sequences go on after what the store has, even where the segments are gone.
    pub(crate) fn go_on_after(&mut self, applied: u64) {
        self.next = self.next.max(applied + 1);
        self.on_disk = self.on_disk.max(applied);
    }

    /// Takes a record; it is on disk after the next [`Journal::commit`]. Gives its sequence.
    pub(crate) fn append(&mut self, record: &Record) -> u64 {
        let sequence = self.next;
        self.next += 1;
        let id = record.call.id;
        let before = self.calls.remove(&id);
        let change = before.as_ref().and_then(|before| Change::between(before, &record.call));
        let line = line::record(sequence, record, change.as_ref());
        if self.unwritten.weight() + line.len() > UNWRITTEN_BYTES {
            self.given_up += self.unwritten.give_up((UNWRITTEN_BYTES / 2).saturating_sub(line.len()));
        }
        self.unwritten.push(id, &line, change.and(before));
        if record.call.ended_at.is_none() {
            self.calls.insert(id, record.call.clone());
        }
        sequence
    }

    /// Writes what was appended and waits until the disk has it. Gives the last sequence on disk. After an error everything is kept and
    /// tried again in a new segment, once at once and then by the next commit: after a failed fsync nobody can say what the file holds.
    /// With nothing to write it looks whether it could.
    pub(crate) fn commit(&mut self) -> io::Result<u64> {
        let result = self.write_out().or_else(|_| self.write_out());
        if result.is_ok() {
            self.unwritten.clear();
            self.given_up = 0;
            self.top_up();
        }
        result.map(|()| self.last())
    }

    /// The last sequence given out.
    pub(crate) fn last(&self) -> u64 {
        self.next - 1
    }

    /// Records that had to be given up since the disk last took any.
    pub(crate) fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Why there is no room on the disk for more than calls that run already.
    pub(crate) fn short(&self) -> Option<Cause> {
        self.short
    }

    fn write_out(&mut self) -> io::Result<()> {
        if self.segment.is_none() {
            self.open_segment()?;
        } else if self.segment.as_ref().is_some_and(|segment| segment.length >= self.segment_bytes) {
            // Where there is no room for a new one, the old one and its reserve are good for more.
            _ = self.open_segment();
        }
        let segment = self.segment.as_mut().expect("opened just now or before");
        let written = segment.write(&*self.disk, &self.unwritten);
        if written.is_ok() {
            self.on_disk = self.next - 1;
        } else {
            self.segment = None;
        }
        if written.is_err() || !self.unwritten.lines.is_empty() {
            locked(&self.segments).insert(self.number, self.on_disk);
        }
        written
    }

    fn open_segment(&mut self) -> io::Result<()> {
        self.identity.check(&self.directory)?;
        let (number, path, file) = loop {
            let number = self.number + 1;
            let path = segment_path(&self.directory, number);
            match self.disk.create(&path) {
                Ok(file) => break (number, path, file),
                // Left by an attempt that failed and could not be cleared away.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.number = number,
                Err(error) => return Err(error),
            }
        };
        match Segment::begin(&*self.disk, &self.directory, path.clone(), file, self.node) {
            Ok(segment) => {
                self.number = number;
                // Until its first commit it holds nothing that anyone needs, yet must not be taken for applied and removed.
                locked(&self.segments).insert(number, u64::MAX);
                self.segment = Some(segment);
                Ok(())
            }
            Err(error) => {
                // Or a night with a full disk leaves a file a second.
                _ = self.disk.remove(&path);
                Err(error)
            }
        }
    }

    /// Takes room ahead. A file system that cannot do it says so only when it is full.
    fn top_up(&mut self) {
        let Some(segment) = &mut self.segment else { return };
        if segment.reserved >= segment.length + RESERVE {
            self.short = None;
            return;
        }
        self.short = match self.disk.reserve(&segment.file, segment.length, 2 * RESERVE) {
            Ok(()) => {
                segment.reserved = segment.length + 2 * RESERVE;
                None
            }
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                segment.reserved = u64::MAX;
                None
            }
            Err(error) => Some(Cause::of_io(&error)),
        };
    }
}

impl Segment {
    /// Makes an empty file a segment whose name and first line are on the disk.
    fn begin(disk: &dyn Disk, directory: &Path, path: PathBuf, mut file: File, node: NodeId) -> io::Result<Self> {
        let header = line::header(node);
        write_all(disk, &mut file, &header)?;
        disk.sync(&file)?;
        // The name must survive too.
        disk.sync_directory(directory)?;
        let identity = Identity::of(&file.metadata()?);
        Ok(Self { path, file, identity, length: header.len() as u64, reserved: 0, known: HashSet::new() })
    }

    /// Writes and waits until it is on the disk, under the name by which it will be looked for.
    fn write(&mut self, disk: &dyn Disk, unwritten: &Unwritten) -> io::Result<()> {
        if !unwritten.lines.is_empty() {
            let states = unwritten.states(&self.known);
            write_all(disk, &mut self.file, &states)?;
            write_all(disk, &mut self.file, &unwritten.lines)?;
            disk.sync(&self.file)?;
            self.length += (states.len() + unwritten.lines.len()) as u64;
            self.known.extend(unwritten.calls());
        }
        self.identity.check(&self.path)
    }
}

/// The node whose journal is in a folder; `None`: there is no journal, or one from before nodes had IDs.
pub(crate) fn node_of(directory: &Path) -> io::Result<Option<NodeId>> {
    for number in numbers(directory)?.into_iter().rev() {
        let mut header = Vec::new();
        BufReader::new(File::open(segment_path(directory, number))?).read_until(b'\n', &mut header)?;
        if let Header::Known(Some(node)) = line::parse_header(&header) {
            return Ok(Some(node));
        }
    }
    Ok(None)
}

/// What is in a journal's folder.
#[derive(Default)]
struct Found {
    /// The last sequence in each segment, by its number.
    segments: BTreeMap<u64, u64>,
    /// The number of the newest one, which may have no record.
    newest: u64,
    node: Option<NodeId>,
    /// Segments without a record.
    empty: Vec<PathBuf>,
}

fn look_through(directory: &Path) -> Result<Found, JournalError> {
    let numbers = numbers(directory).map_err(|source| JournalError::Io { path: directory.to_owned(), source })?;
    let mut found = Found { newest: numbers.last().copied().unwrap_or(0), ..Found::default() };
    for number in numbers {
        let path = segment_path(directory, number);
        let scanned = scan(&path, number == found.newest)?;
        if scanned.node.is_some_and(|node| *found.node.get_or_insert(node) != node) {
            return Err(JournalError::Foreign(path));
        }
        match scanned.last {
            Some(last) => drop(found.segments.insert(number, last)),
            None => found.empty.push(path),
        }
    }
    Ok(found)
}

/// What a segment has.
#[derive(Default)]
struct Scanned {
    node: Option<NodeId>,
    /// Its last sequence; `None`: no record is in it.
    last: Option<u64>,
}

/// Reads a segment through. `newest`: what does not check is cut off.
fn scan(path: &Path, newest: bool) -> Result<Scanned, JournalError> {
    let failed = |source| JournalError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut file = BufReader::new(file);
    let mut header = Vec::new();
    file.read_until(b'\n', &mut header).map_err(failed)?;
    let node = match line::parse_header(&header) {
        Header::Known(node) => node,
        // Nothing was ever in it.
        Header::Torn => return Ok(Scanned::default()),
        Header::Unknown => return Err(JournalError::UnknownFormat(path.to_owned())),
    };
    let mut place = Place::at(file, header.len() as u64);
    let mut last = None;
    while let Some((line, _)) = place.next_line().map_err(failed)? {
        match line {
            Line::State(_) => {}
            Line::Record(record) => last = Some(record.sequence),
        }
    }
    if place.offset < length {
        let bytes = length - place.offset;
        if newest {
            cut(path, place.offset).map_err(failed)?;
            tracing::warn!(segment = %path.display(), bytes, "cut off an incomplete record at the end of the journal; it had not been acknowledged");
        } else {
            tracing::warn!(segment = %path.display(), bytes, "skipped the end of a journal segment whose checksum is wrong");
        }
    }
    Ok(Scanned { node, last })
}

/// Cuts the file, keeping what is cut beside it: should it ever be more than a torn write, it can be looked at.
fn cut(path: &Path, offset: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut kept = File::create(path.with_extension("cut"))?;
    io::copy(&mut file, &mut kept)?;
    file.set_len(offset)?;
    file.sync_all()
}

/// Keeps the folder and what an earlier version left in it for its owner alone: it says who called whom.
fn keep_private(directory: &Path) -> io::Result<()> {
    let close = |path: &Path, mode| {
        if std::fs::metadata(path)?.permissions().mode() & 0o077 == 0 {
            return Ok(());
        }
        match std::fs::set_permissions(path, Permissions::from_mode(mode)) {
            // Of another owner's file the permissions are the other's to choose.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            closed => closed,
        }
    };
    close(directory, 0o700)?;
    for entry in std::fs::read_dir(directory)? {
        close(&entry?.path(), 0o600)?;
    }
    Ok(())
}

fn lock(directory: &Path) -> Result<File, JournalError> {
    let path = directory.join("lock");
    let failed = |source| JournalError::Io { path: path.clone(), source };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
    // A program that this process has just started shares the lock until it has become itself.
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
    Err(JournalError::InUse(directory.to_owned()))
}

fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.strip_suffix(".journal"))
            && let Ok(number) = number.parse()
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:012}.journal"))
}

/// The map is plain data: a panic elsewhere cannot have left it half changed.
fn locked(segments: &Segments) -> MutexGuard<'_, BTreeMap<u64, u64>> {
    segments.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
