//! The write-ahead journal: what happened to calls, on disk before anyone is told.
//!
//! # Why a journal and a store
//! The database may be away (locked, full, being restored, later: another machine) while calls run, and a call must not wait for
//! it (invariant 3). So a transition counts as having happened once it is in this journal and the journal is
//! fsynced: one append and one fsync for a whole batch of commands, on a file nobody else locks. The store follows behind, in batches
//! of its own, each in one transaction that also says how far it got. Nothing is read back through the journal but by the
//! store's writer and at the start. A record carries its whole call, so applying one twice, or only the last of several, is
//! harmless.
//!
//! # Shape
//! A folder of numbered segments. A segment opens with a line that names the format; each further line is the CRC-32 of
//! its text in hex, a space, and JSON: `{"sequence": n, "record": {…}}`. A line that does not check ends its segment: at
//! the end of the last one it is a torn write, which nobody was told of, and is cut off; earlier ones come from a failed write after
//! which the same records were written again into the next segment. Every start opens a segment of its own.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use call::Record;
use serde::{Deserialize, Serialize};

const HEADER: &[u8] = b"stoa journal 1\n";
/// A segment is closed past this: small enough that removing applied ones keeps the folder small.
const SEGMENT_BYTES: u64 = 4 << 20;
/// Records kept in memory while the journal's own disk refuses them. Beyond it the oldest are given up.
const UNWRITTEN_BYTES: usize = 64 << 20;

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// Another process writes it.
    #[error("the journal {} is in use by another process; stop that process and start again", .0.display())]
    InUse(PathBuf),
    /// Of another format.
    #[error("the journal segment {} is of a format that this program does not know; use a newer stoa", .0.display())]
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
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    segments: Segments,
    number: u64,
    /// `None`: the next commit opens a new segment.
    file: Option<File>,
    length: u64,
    next: u64,
    /// The last sequence that is on disk.
    on_disk: u64,
    /// Lines that are not known to be on disk.
    unwritten: Vec<u8>,
    given_up: u64,
    segment_bytes: u64,
    _lock: File,
}

impl Journal {
    /// Opens the folder, cuts a torn tail, and gives the two sides. `applied`: what the store has, so that sequences go on from there
    /// even where the folder is gone.
    pub(crate) fn open(directory: &Path, applied: u64) -> Result<(Journal, JournalReader), JournalError> {
        let failed = |source| JournalError::Io { path: directory.to_owned(), source };
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
            directory: directory.to_owned(),
            segments: Arc::clone(&segments),
            number: newest,
            file: None,
            length: 0,
            next: last + 1,
            on_disk: last,
            unwritten: Vec::new(),
            given_up: 0,
            segment_bytes: SEGMENT_BYTES,
            _lock: lock,
        };
        // Now, while someone can still be told that it cannot be written.
        journal.open_segment().map_err(failed)?;
        let reader = JournalReader { directory: directory.to_owned(), segments, place: None, last: applied };
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
    /// tried again by the next commit, in a new segment: after a failed fsync nobody can say what the file holds.
    pub(crate) fn commit(&mut self) -> io::Result<u64> {
        if self.unwritten.is_empty() {
            return Ok(self.last());
        }
        let result = self.write_out();
        match &result {
            Ok(()) => {
                self.unwritten.clear();
                self.unwritten.shrink_to(1 << 20);
                self.given_up = 0;
            }
            Err(_) => {
                self.file = None;
                locked(&self.segments).insert(self.number, self.on_disk);
            }
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

    /// The disk takes nothing into the present segment any more.
    #[cfg(test)]
    pub(crate) fn fill_the_disk(&mut self) {
        self.file = Some(OpenOptions::new().write(true).open("/dev/full").expect("Linux has it"));
    }

    fn write_out(&mut self) -> io::Result<()> {
        if self.length >= self.segment_bytes {
            self.file = None;
        }
        if self.file.is_none() {
            self.open_segment()?;
        }
        let file = self.file.as_mut().expect("opened just now");
        file.write_all(&self.unwritten)?;
        file.sync_data()?;
        self.length += self.unwritten.len() as u64;
        self.on_disk = self.next - 1;
        locked(&self.segments).insert(self.number, self.on_disk);
        Ok(())
    }

    fn open_segment(&mut self) -> io::Result<()> {
        self.number += 1;
        let path = segment_path(&self.directory, self.number);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(HEADER)?;
        file.sync_data()?;
        // The name must survive too.
        File::open(&self.directory)?.sync_all()?;
        // Until its first commit it holds nothing that anyone needs, yet must not be taken for applied and removed.
        locked(&self.segments).insert(self.number, u64::MAX);
        self.length = HEADER.len() as u64;
        self.file = Some(file);
        Ok(())
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

/// The reading side, owned by the store's writer: tails the segments, so that what the store has not taken needs no memory.
#[derive(Debug)]
pub(crate) struct JournalReader {
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

impl JournalReader {
    /// Records after the last ones given, up to `until` (which must be on disk), about `bytes` at most. Empty: nothing more yet.
    pub(crate) fn read(&mut self, until: u64, bytes: usize) -> io::Result<Vec<(u64, Record)>> {
        let mut records = Vec::new();
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
        Ok(records)
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
            std::fs::remove_file(segment_path(&self.directory, number))?;
            segments.remove(&number);
        }
        Ok(())
    }

    fn place(&mut self) -> io::Result<Option<&mut Place>> {
        if self.place.is_none() {
            let first = locked(&self.segments).iter().find(|(_, last)| **last > self.last).map(|(number, _)| *number);
            let Some(number) = first else { return Ok(None) };
            self.place = Some(open_place(&self.directory, number)?);
        }
        Ok(self.place.as_mut())
    }

    /// Goes on to the segment after the present one; false where there is none yet.
    fn next_segment(&mut self) -> io::Result<bool> {
        let Some(place) = &self.place else { return Ok(false) };
        let next = locked(&self.segments).range(place.number + 1..).next().map(|(number, _)| *number);
        let Some(number) = next else { return Ok(false) };
        self.place = Some(open_place(&self.directory, number)?);
        Ok(true)
    }
}

fn open_place(directory: &Path, number: u64) -> io::Result<Place> {
    let mut file = BufReader::new(File::open(segment_path(directory, number))?);
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
            tracing::warn!(segment = %path.display(), bytes, "cut the torn end of the journal; nobody had been told of it");
        } else {
            tracing::warn!(segment = %path.display(), bytes, "passed over the end of a journal segment that does not check");
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

/// Makes the folder, and keeps it and what an earlier version left in it for its owner alone: it says who called whom.
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
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
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
