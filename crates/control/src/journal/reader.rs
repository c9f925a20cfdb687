//! The reading side of the journal, owned by the store's writer: tails the segments, so that what the store has not taken needs no memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use call::Record;

use super::calls::Calls;
use super::line::{self, Line};
use super::{Segments, locked, segment_path};
use crate::disk::{Disk, SharedDisk};

/// About the memory that a participant takes in a record that was read: a batch is as large with a call of hundreds as with small ones.
const PARTICIPANT: usize = 256;

/// Gives records whole, whatever the lines say of their calls.
pub(crate) struct JournalReader {
    pub(super) disk: SharedDisk,
    pub(super) directory: PathBuf,
    pub(super) segments: Segments,
    pub(super) place: Option<Place>,
    /// The last sequence given out.
    pub(super) last: u64,
}

#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    file: BufReader<File>,
    /// The end of the last line that was read whole.
    pub(super) offset: u64,
    calls: Calls,
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
            let last = self.last;
            let Some(place) = self.place()? else { break };
            let Some(line) = place.next_line()? else {
                if !self.next_segment()? {
                    break;
                }
                continue;
            };
            let (line, length) = line;
            let line::RecordIn { sequence, at, event, user, payload, call: told } = match line {
                Line::State(call) => {
                    place.calls.note(*call);
                    continue;
                }
                Line::Record(record) => record,
            };
            match place.calls.follow(told) {
                Some(call) => {
                    let (id, is_over) = (call.id, call.ended_at.is_some());
                    if sequence > last {
                        taken += length + PARTICIPANT * call.participants.len();
                        records.push((sequence, Record { at, event, user, payload, call: call.clone() }));
                    }
                    if is_over {
                        place.calls.forget(id);
                    }
                }
                // What can be damaged is checked before: this is not what Stoa writes.
                None => tracing::error!(
                    sequence,
                    event,
                    "passed over a record of the journal that does not fit those before it"
                ),
            }
            self.last = last.max(sequence);
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
            self.place = Some(Place::open(&*self.disk, &self.directory, number)?);
        }
        Ok(self.place.as_mut())
    }

    /// Goes on to the segment after the present one; false where there is none yet.
    fn next_segment(&mut self) -> io::Result<bool> {
        let Some(place) = &self.place else { return Ok(false) };
        let next = locked(&self.segments).range(place.number + 1..).next().map(|(number, _)| *number);
        let Some(number) = next else { return Ok(false) };
        self.place = Some(Place::open(&*self.disk, &self.directory, number)?);
        Ok(true)
    }
}

impl Place {
    fn open(disk: &dyn Disk, directory: &Path, number: u64) -> io::Result<Self> {
        Self::after_header(number, BufReader::new(disk.open(&segment_path(directory, number))?))
    }

    /// At the first line after the header.
    fn after_header(number: u64, mut file: BufReader<File>) -> io::Result<Self> {
        let offset = file.read_until(b'\n', &mut Vec::new())? as u64;
        Ok(Self { number, file, offset, calls: Calls::default() })
    }

    /// In a file of which the header has been read.
    pub(super) fn at(file: BufReader<File>, offset: u64) -> Self {
        Self { number: 0, file, offset, calls: Calls::default() }
    }

    /// The next line and its length, or `None` where there is no whole and true one (yet); the place is then as before.
    pub(super) fn next_line(&mut self) -> io::Result<Option<(Line, usize)>> {
        let mut text = Vec::new();
        let length = self.file.read_until(b'\n', &mut text)?;
        match line::parse(&text) {
            Some(line) => {
                self.offset += length as u64;
                Ok(Some((line, length)))
            }
            None => {
                self.file.seek(SeekFrom::Start(self.offset))?;
                Ok(None)
            }
        }
    }
}
