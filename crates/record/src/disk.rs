//! The folders of all recordings of this process, written by one thread.
//!
//! Media workers hand over whole fragments and never wait: where the disk is behind, a fragment is dropped and the gap written
//! down. What is appended is synced in rounds. An error of the disk ends that recording, with a stable code; nothing else.

mod tape;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use model::RecordingId;

use crate::folder::What;
use crate::recorder::Write;
use tape::Tape;

/// Jobs that may wait for the thread.
const MOST_WAITING: usize = 16_384;
/// Of these, so many are left to events when fragments are refused.
const LEFT_FOR_EVENTS: usize = 4_096;
/// Bytes of media that may wait for the thread: eight seconds of 64 Mb/s.
const MOST_BYTES: usize = 64 << 20;
/// Jobs written before the files are synced.
const ROUND: usize = 1_024;

/// The disk is full.
pub const DISK_FULL: &str = "recording_disk_full";
/// The disk refuses for another reason.
pub const DISK_FAILED: &str = "recording_disk_failed";

/// What became of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// ID of the recording.
    pub id: RecordingId,
    /// The room that it is of.
    pub room: String,
    /// What became of it.
    pub kind: NoticeKind,
}

/// What became of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticeKind {
    /// Its folder is there, and can be written to.
    Began {
        /// Wall clock in ms since 1970.
        at: i64,
    },
    /// Its folder is complete and synced.
    Stopped {
        /// Wall clock in ms since 1970.
        at: i64,
        /// From its beginning, in ms.
        duration_ms: u64,
        /// Bytes of its folder.
        size_bytes: u64,
    },
    /// It ended with an error.
    Failed {
        /// A code that does not change between versions.
        code: &'static str,
        /// In plain English.
        message: String,
    },
}

/// The way to the thread that writes.
#[derive(Debug, Clone)]
pub struct Disk {
    jobs: Sender<Job>,
    bytes: Arc<AtomicUsize>,
}

/// The way of one recording to its folder.
#[derive(Debug)]
pub struct Lane {
    id: RecordingId,
    number: u64,
    disk: Disk,
    failed: Arc<AtomicBool>,
    dropped: u64,
}

#[derive(Debug)]
enum Job {
    Open {
        number: u64,
        id: RecordingId,
        room: String,
        wall_ms: i64,
        failed: Arc<AtomicBool>,
    },
    Write {
        number: u64,
        write: Write,
    },
    /// `stopped`: for good, at this wall clock.
    Close {
        number: u64,
        stopped: Option<i64>,
    },
    /// One that cannot be made.
    Refuse(Notice),
    /// Says when everything before it is on disk.
    Flush(Sender<()>),
}

impl Disk {
    /// Starts the thread. Recordings have their folders below `root`; `notify` is called on the thread and must not wait.
    pub fn start(root: PathBuf, notify: impl FnMut(Notice) + Send + 'static) -> io::Result<(Self, JoinHandle<()>)> {
        let (jobs, waiting) = bounded(MOST_WAITING);
        let bytes = Arc::new(AtomicUsize::new(0));
        let writer = Writer { root, tapes: BTreeMap::new(), bytes: Arc::clone(&bytes), notify };
        let thread = std::thread::Builder::new().name("recordings".to_owned()).spawn(move || writer.run(&waiting))?;
        Ok((Self { jobs, bytes }, thread))
    }

    /// Opens a recording's folder, or goes on with it. `wall_ms`: the wall clock now.
    pub fn open(&self, id: RecordingId, room: &str, wall_ms: i64) -> Lane {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let failed = Arc::new(AtomicBool::new(false));
        let job = Job::Open { number, id, room: room.to_owned(), wall_ms, failed: Arc::clone(&failed) };
        if self.jobs.try_send(job).is_err() {
            failed.store(true, Ordering::Relaxed);
        }
        Lane { id, number, disk: self.clone(), failed, dropped: 0 }
    }

    /// Says that a recording cannot be made, as if the disk had refused it.
    pub fn refuse(&self, id: RecordingId, room: &str, code: &'static str, message: &str) {
        let kind = NoticeKind::Failed { code, message: message.to_owned() };
        if self.jobs.try_send(Job::Refuse(Notice { id, room: room.to_owned(), kind })).is_err() {
            tracing::error!(recording = %id, message, "a recording cannot be made, and its call cannot be told");
        }
    }

    /// Waits until everything handed over so far is on disk.
    pub fn flush(&self) {
        let (done, wait) = bounded(1);
        if self.jobs.send(Job::Flush(done)).is_ok() {
            let _ = wait.recv();
        }
    }
}

impl Lane {
    /// Which recording.
    pub fn id(&self) -> RecordingId {
        self.id
    }

    /// It has failed: nothing is written any more.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Fragments dropped because the disk was behind.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Hands something over. Never waits; `false`: it was dropped, because the disk is behind.
    pub fn write(&mut self, write: Write) -> bool {
        let bytes = match &write {
            Write::Event { .. } => 0,
            Write::Fragment(fragment) => fragment.bytes(),
        };
        let is_behind = self.disk.bytes.load(Ordering::Relaxed) + bytes > MOST_BYTES
            || self.disk.jobs.len() > MOST_WAITING - LEFT_FOR_EVENTS;
        if bytes > 0 && is_behind {
            let lost = gap(&write);
            self.drop_one();
            lost.map(|event| self.disk.jobs.try_send(Job::Write { number: self.number, write: event }));
            return false;
        }
        self.disk.bytes.fetch_add(bytes, Ordering::Relaxed);
        match self.disk.jobs.try_send(Job::Write { number: self.number, write }) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.disk.bytes.fetch_sub(bytes, Ordering::Relaxed);
                self.drop_one();
                false
            }
        }
    }

    /// Ends it, for good or (without a time) to be gone on with. `false`: the disk is too far behind to be told now.
    pub fn close(&self, stopped: Option<i64>) -> bool {
        !matches!(self.disk.jobs.try_send(Job::Close { number: self.number, stopped }), Err(TrySendError::Full(_)))
    }

    fn drop_one(&mut self) {
        // Said when it begins, and then now and then.
        if self.dropped.is_multiple_of(100) {
            tracing::error!(recording = %self.id, "the disk does not keep up: parts of a recording are lost");
        }
        self.dropped += 1;
    }
}

/// What is written in place of a fragment that was dropped.
fn gap(write: &Write) -> Option<Write> {
    let Write::Fragment(fragment) = write else { return None };
    let rate = u64::from(fragment.parameters.timescale());
    let duration: u64 = fragment.samples.iter().map(|sample| u64::from(sample.duration)).sum();
    let [from, to] = [fragment.from, fragment.from + duration].map(|ticks| ticks * 1_000 / rate);
    Some(Write::Event { at: to, what: What::Gap { track: fragment.track.to_string(), from, to } })
}

/// The thread.
struct Writer<N> {
    root: PathBuf,
    tapes: BTreeMap<u64, Tape>,
    bytes: Arc<AtomicUsize>,
    notify: N,
}

impl<N: FnMut(Notice)> Writer<N> {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let mut flushed = Vec::new();
            let mut closed = Vec::new();
            for job in std::iter::once(first).chain(jobs.try_iter()).take(ROUND) {
                match job {
                    Job::Flush(done) => flushed.push(done),
                    Job::Close { number, stopped } => closed.push((number, stopped)),
                    other => self.take(other),
                }
            }
            self.sync();
            closed.into_iter().for_each(|(number, stopped)| self.close(number, stopped));
            for done in flushed {
                // Who waited for it may have gone.
                let _ = done.send(());
            }
        }
        self.sync();
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Open { number, id, room, wall_ms, failed } => match Tape::open(&self.root, id, &room, wall_ms) {
                Ok(mut tape) => {
                    tape.failed = failed;
                    self.tapes.insert(number, tape);
                    (self.notify)(Notice { id, room, kind: NoticeKind::Began { at: wall_ms } });
                }
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    (self.notify)(Notice { id, room, kind: failure(id, &error) });
                }
            },
            Job::Write { number, write } => {
                if let Write::Fragment(fragment) = &write {
                    self.bytes.fetch_sub(fragment.bytes(), Ordering::Relaxed);
                }
                let written = self.tapes.get_mut(&number).map(|tape| tape.write(write));
                if let Some(Err(error)) = written {
                    self.fail(number, &error);
                }
            }
            Job::Refuse(notice) => (self.notify)(notice),
            Job::Close { .. } | Job::Flush(_) => {}
        }
    }

    fn sync(&mut self) {
        let synced: Vec<_> = self.tapes.iter_mut().map(|(number, tape)| (*number, tape.sync())).collect();
        for (number, synced) in synced {
            if let Err(error) = synced {
                self.fail(number, &error);
            }
        }
    }

    fn close(&mut self, number: u64, stopped: Option<i64>) {
        let Some(mut tape) = self.tapes.remove(&number) else { return };
        let (id, room) = (tape.id, tape.room.clone());
        let kind = match (tape.finish(), stopped) {
            (Ok((duration_ms, size_bytes)), Some(at)) => NoticeKind::Stopped { at, duration_ms, size_bytes },
            (Ok(_), None) => return,
            (Err(error), _) => failure(id, &error),
        };
        (self.notify)(Notice { id, room, kind });
    }

    fn fail(&mut self, number: u64, error: &io::Error) {
        let Some(tape) = self.tapes.remove(&number) else { return };
        tape.failed.store(true, Ordering::Relaxed);
        (self.notify)(Notice { id: tape.id, room: tape.room.clone(), kind: failure(tape.id, error) });
    }
}

fn failure(id: RecordingId, error: &io::Error) -> NoticeKind {
    tracing::error!(recording = %id, %error, "a recording ended: it cannot be written");
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let (code, message) = match full {
        true => (DISK_FULL, "the disk of the recordings is full"),
        false => (DISK_FAILED, "the recording could not be written to disk"),
    };
    NoticeKind::Failed { code, message: message.to_owned() }
}

#[cfg(test)]
mod tests;
