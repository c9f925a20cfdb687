//! The write-ahead journal: what happened to calls, on disk before anyone is told.
//!
//! # Why a journal and a store
//! The database may be away (locked, full, being restored, later: on another machine) while calls run, and a call must
//! not wait for it. So a transition counts as having happened once it is in this journal and the journal is fsynced:
//! one append and one fsync for a whole batch of commands, on a file nobody else locks. The store follows in batches of
//! its own, each in one transaction that also records how far it got. Only the store's writer and the start of the
//! server read the journal. A record carries its whole call, so applying one twice, or only the last of several, is
//! harmless.
//!
//! # Format
//! A folder of numbered segments. A segment starts with a line that names the format. Each further line is the CRC-32
//! of its text in hex, a space, and JSON: `{"sequence": n, "record": {…}}`. A line with a wrong checksum ends its
//! segment. At the end of the last segment, it is a torn write that nobody was told of, and is cut off. Earlier ones
//! come from a failed write whose records were written again into the next segment. Every start opens a new segment.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use call::Record;
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, Identity, SharedDisk, write_all};
use crate::trouble::Cause;

const HEADER: &[u8] = b"stoa journal 1\n";
/// A segment is closed past this: small enough that removing applied ones keeps the folder small.
const SEGMENT_BYTES: u64 = 4 << 20;
/// Room on the disk that is taken ahead of what is written: calls that run can be written down after the disk has filled up. Where it
/// cannot be had, new calls are refused.
const RESERVE: u64 = 512 << 10;
/// Records kept in memory while the journal's own disk refuses them. Beyond it the oldest are given up.
const UNWRITTEN_BYTES: usize = 64 << 20;

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// Another process writes it.
    #[error("the journal {} is in use by another process; stop that process and start again", .0.display())]
    InUse(PathBuf),
    /// Of another format.
    #[error("the journal segment {} has a format that this version does not know; use a newer stoa", .0.display())]
    UnknownFormat(PathBuf),
    /// The disk.
    #[error("cannot use the journal {}: {source}; make it writable", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The last sequence in each segment, by the segment's number. Shared by the writing and the reading side.
type Segments = Arc<Mutex<BTreeMap<u64, u64>>>;

#[derive(Serialize)]
struct LineOut<'a> {
    sequence: u64,
    record: &'a Record,
}

#[derive(Deserialize)]
struct LineIn {
    sequence: u64,
    record: Record,
}

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
    next: u64,
    /// The last sequence that is on disk.
    on_disk: u64,
    /// Lines that are not known to be on disk.
    unwritten: Vec<u8>,
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
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the folder, cuts a torn tail, and gives the two sides. `applied`: what the store has, so that sequences go on from there
    /// even where the folder is gone.
    pub(crate) fn open(
        directory: &Path,
        applied: u64,
        disk: SharedDisk,
    ) -> Result<(Journal, JournalReader), JournalError> {
        let failed = |source| JournalError::Io { path: directory.to_owned(), source };
        disk.make_directory(directory).map_err(failed)?;
        keep_private(directory).map_err(failed)?;
        let lock = lock(directory)?;
        let mut segments = BTreeMap::new();
        let numbers = numbers(directory).map_err(failed)?;
        let newest = numbers.last().copied().unwrap_or(0);
        for number in numbers {
            let path = segment_path(directory, number);
            match scan(&path, number == newest)? {
                Some(last) => drop(segments.insert(number, last)),
                None => std::fs::remove_file(&path).map_err(failed)?,
            }
        }
        let last = segments.values().copied().max().unwrap_or(0).max(applied);
        let segments = Arc::new(Mutex::new(segments));
        let mut journal = Journal {
            disk: Arc::clone(&disk),
            directory: directory.to_owned(),
            identity: Identity::of(&std::fs::metadata(directory).map_err(failed)?),
            segments: Arc::clone(&segments),
            number: newest,
            segment: None,
            short: None,
            next: last + 1,
            on_disk: last,
            unwritten: Vec::new(),
            given_up: 0,
            segment_bytes: SEGMENT_BYTES,
            _lock: lock,
        };
        // Now, while someone can still be told that it cannot be written.
        journal.commit().map_err(failed)?;
        let reader = JournalReader { disk, directory: directory.to_owned(), segments, place: None, last: applied };
        Ok((journal, reader))
    }

    /// Takes a record; it is on disk after the next [`Journal::commit`]. Gives its sequence.
    pub(crate) fn append(&mut self, record: &Record) -> u64 {
        let sequence = self.next;
        self.next += 1;
        let json = serde_json::to_vec(&LineOut { sequence, record }).expect("a record is plain data");
        if self.unwritten.len() + json.len() > UNWRITTEN_BYTES {
            self.give_up_oldest(json.len());
        }
        write!(self.unwritten, "{:08x} ", crc32(&json)).expect("memory takes writes");
        self.unwritten.extend_from_slice(&json);
        self.unwritten.push(b'\n');
        sequence
    }

    /// Writes what was appended and waits until the disk has it. Gives the last sequence on disk. After an error everything is kept and
    /// tried again in a new segment, once at once and then by the next commit: after a failed fsync nobody can say what the file holds.
    /// With nothing to write it looks whether it could.
    pub(crate) fn commit(&mut self) -> io::Result<u64> {
        let result = self.write_out().or_else(|_| self.write_out());
        if result.is_ok() {
            self.unwritten.clear();
            self.unwritten.shrink_to(1 << 20);
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
        if written.is_err() || !self.unwritten.is_empty() {
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
        match Segment::begin(&*self.disk, &self.directory, path.clone(), file) {
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

    fn give_up_oldest(&mut self, room_for: usize) {
        let keep = (UNWRITTEN_BYTES / 2).saturating_sub(room_for).min(self.unwritten.len());
        let from = self.unwritten.len() - keep;
        let end = self.unwritten[from..].iter().position(|byte| *byte == b'\n');
        let cut = end.map_or(self.unwritten.len(), |end| from + end + 1);
        self.given_up += self.unwritten[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
        self.unwritten.drain(..cut);
    }
}

impl Segment {
    /// Makes an empty file a segment whose name and first line are on the disk.
    fn begin(disk: &dyn Disk, directory: &Path, path: PathBuf, mut file: File) -> io::Result<Self> {
        write_all(disk, &mut file, HEADER)?;
        disk.sync(&file)?;
        // The name must survive too.
        disk.sync_directory(directory)?;
        let identity = Identity::of(&file.metadata()?);
        Ok(Self { path, file, identity, length: HEADER.len() as u64, reserved: 0 })
    }

    /// Writes and waits until it is on the disk, under the name by which it will be looked for.
    fn write(&mut self, disk: &dyn Disk, bytes: &[u8]) -> io::Result<()> {
        if !bytes.is_empty() {
            write_all(disk, &mut self.file, bytes)?;
            disk.sync(&self.file)?;
            self.length += bytes.len() as u64;
        }
        self.identity.check(&self.path)
    }
}

/// The reading side, owned by the store's writer: tails the segments, so that what the store has not taken needs no memory.
pub(crate) struct JournalReader {
    disk: SharedDisk,
    directory: PathBuf,
    segments: Segments,
    place: Option<Place>,
    /// The last sequence given out.
    last: u64,
}

#[derive(Debug)]
struct Place {
    number: u64,
    file: BufReader<File>,
    /// The end of the last line that was read whole.
    offset: u64,
}

impl std::fmt::Debug for JournalReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalReader").field("last", &self.last).finish_non_exhaustive()
    }
}

impl JournalReader {
    /// Records after the last ones given, up to `until` (which must be on disk), about `bytes` at most. Empty: nothing more yet. After an
    /// error nothing was given, and the same is read again.
    pub(crate) fn read(&mut self, until: u64, bytes: usize) -> io::Result<Vec<(u64, Record)>> {
        let before = self.last;
        let mut records = Vec::new();
        let done = self.read_into(&mut records, until, bytes);
        if done.is_err() {
            self.go_back(before);
        }
        done.map(|()| records)
    }

    /// What comes after a sequence is to be read again.
    pub(crate) fn go_back(&mut self, last: u64) {
        self.place = None;
        self.last = last;
    }

    fn read_into(&mut self, records: &mut Vec<(u64, Record)>, until: u64, bytes: usize) -> io::Result<()> {
        let mut taken = 0;
        while self.last < until && taken < bytes {
            let Some(place) = self.place()? else { break };
            let Some((line, length)) = next_line(place)? else {
                if !self.next_segment()? {
                    break;
                }
                continue;
            };
            place.offset += length;
            taken += length as usize;
            if line.sequence > self.last {
                self.last = line.sequence;
                records.push((line.sequence, line.record));
            }
        }
        Ok(())
    }

    /// Removes the segments whose records are all in the store.
    pub(crate) fn prune(&mut self, applied: u64) -> io::Result<()> {
        let mut segments = locked(&self.segments);
        let Some(newest) = segments.keys().next_back().copied() else { return Ok(()) };
        let done: Vec<u64> =
            segments.iter().filter(|(number, last)| **number < newest && **last <= applied).map(|(n, _)| *n).collect();
        for number in done {
            if self.place.as_ref().is_some_and(|place| place.number == number) {
                self.place = None;
            }
            match self.disk.remove(&segment_path(&self.directory, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => _ = segments.remove(&number),
            }
        }
        Ok(())
    }

    fn place(&mut self) -> io::Result<Option<&mut Place>> {
        if self.place.is_none() {
            let first = locked(&self.segments).iter().find(|(_, last)| **last > self.last).map(|(number, _)| *number);
            let Some(number) = first else { return Ok(None) };
            self.place = Some(open_place(&*self.disk, &self.directory, number)?);
        }
        Ok(self.place.as_mut())
    }

    /// Goes on to the segment after the present one; false where there is none yet.
    fn next_segment(&mut self) -> io::Result<bool> {
        let Some(place) = &self.place else { return Ok(false) };
        let next = locked(&self.segments).range(place.number + 1..).next().map(|(number, _)| *number);
        let Some(number) = next else { return Ok(false) };
        self.place = Some(open_place(&*self.disk, &self.directory, number)?);
        Ok(true)
    }
}

fn open_place(disk: &dyn Disk, directory: &Path, number: u64) -> io::Result<Place> {
    let mut file = BufReader::new(disk.open(&segment_path(directory, number))?);
    file.seek(SeekFrom::Start(HEADER.len() as u64))?;
    Ok(Place { number, file, offset: HEADER.len() as u64 })
}

/// The next line and its length, or `None` where there is no whole and true one (yet); the place is then as before.
fn next_line(place: &mut Place) -> io::Result<Option<(LineIn, u64)>> {
    let mut text = Vec::new();
    let length = place.file.read_until(b'\n', &mut text)? as u64;
    match parse(&text) {
        Some(line) => Ok(Some((line, length))),
        None => {
            place.file.seek(SeekFrom::Start(place.offset))?;
            Ok(None)
        }
    }
}

fn parse(line: &[u8]) -> Option<LineIn> {
    let line = line.strip_suffix(b"\n")?;
    let (crc, json) = line.split_at_checked(9)?;
    let crc = u32::from_str_radix(std::str::from_utf8(crc.strip_suffix(b" ")?).ok()?, 16).ok()?;
    if crc32(json) != crc {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// Reads a segment through. Gives its last sequence, `None` where it holds no record. `newest`: what does not check is cut off.
fn scan(path: &Path, newest: bool) -> Result<Option<u64>, JournalError> {
    let failed = |source| JournalError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut file = BufReader::new(file);
    let mut header = Vec::new();
    file.read_until(b'\n', &mut header).map_err(failed)?;
    if header != HEADER {
        // Torn while it was made: nothing was ever in it.
        let torn = HEADER.starts_with(&header) && length == header.len() as u64;
        return if torn { Ok(None) } else { Err(JournalError::UnknownFormat(path.to_owned())) };
    }
    let mut place = Place { number: 0, file, offset: HEADER.len() as u64 };
    let mut last = None;
    while let Some((line, length)) = next_line(&mut place).map_err(failed)? {
        place.offset += length;
        last = Some(line.sequence);
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
    Ok(last)
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
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(JournalError::InUse(directory.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
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

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
};

/// CRC-32 as in IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| CRC_TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize] ^ (crc >> 8))
}

#[cfg(test)]
mod tests;
