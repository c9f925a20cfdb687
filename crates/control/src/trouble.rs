//! What keeps the journal or the store from being written, in the same words for both and for every database. `/readyz`
//! and the log use these words, and the reaction to a failure depends on them alone.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Timestamp;

use crate::log_throttle::LogThrottle;

/// What keeps something from being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// No room on the disk, or a quota is used up.
    Full,
    /// Another process, or another connection, holds it.
    Locked,
    /// It may be read and not written.
    ReadOnly,
    /// The disk failed to read, write or sync.
    Io,
    /// The file cannot be opened.
    CannotOpen,
    /// No memory for it.
    Memory,
    /// The database is not there, or its connection broke.
    Away,
    /// The file or folder that was opened is no longer the one under its name.
    Replaced,
    /// What is on the disk does not make sense.
    Damaged,
    /// A fault of ours.
    Fault,
}

impl Cause {
    /// The word for it in `/readyz` and the log. It does not change between versions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Full => "full",
            Cause::Locked => "locked",
            Cause::ReadOnly => "read_only",
            Cause::Io => "io",
            Cause::CannotOpen => "cannot_open",
            Cause::Memory => "memory",
            Cause::Away => "away",
            Cause::Replaced => "replaced",
            Cause::Damaged => "damaged",
            Cause::Fault => "fault",
        }
    }

    /// Of a file that is there and open, or was.
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Cause::Full,
            io::ErrorKind::ReadOnlyFilesystem => Cause::ReadOnly,
            io::ErrorKind::PermissionDenied => Cause::CannotOpen,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Cause::Replaced,
            io::ErrorKind::WouldBlock => Cause::Locked,
            io::ErrorKind::OutOfMemory => Cause::Memory,
            io::ErrorKind::InvalidData => Cause::Damaged,
            _ => Cause::Io,
        }
    }
}

/// Which part is in trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What happens to calls cannot be written down: new calls are refused.
    Journal,
    /// The database cannot be written: sign-ups and similar requests are refused, history falls behind.
    Store,
}

impl Part {
    /// The word for it in `/readyz` and the log. It does not change between versions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Part::Journal => "journal",
            Part::Store => "store",
        }
    }
}

/// Something that cannot be written at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// The part that cannot be written.
    pub part: Part,
    /// What keeps it from being written; the latest cause where it changed.
    pub cause: Cause,
    /// When that was first seen.
    pub since: Timestamp,
}

/// Who looks at a part: each says only what it sees itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watcher {
    /// The thread that writes the journal.
    JournalWriter,
    /// Whoever reads the journal back for the store.
    JournalReader,
    /// Whoever takes records over into the store.
    StoreWriter,
    /// Whoever asks the store how it is.
    StoreCheck,
}

const WATCHERS: [(Watcher, Part); 4] = [
    (Watcher::JournalWriter, Part::Journal),
    (Watcher::JournalReader, Part::Journal),
    (Watcher::StoreWriter, Part::Store),
    (Watcher::StoreCheck, Part::Store),
];

/// How the journal and the store are, as far as anyone has seen.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By watcher.
    seen: [Option<(Cause, Timestamp)>; WATCHERS.len()],
    /// By part: several watchers see one trouble, and one line a minute is enough.
    logs: [LogThrottle; 2],
}

impl Health {
    /// What a watcher sees now; `None`: all is well. Gives whether it is to say so in its own words; that it is over is said here.
    pub(crate) fn note(&self, watcher: Watcher, cause: Option<Cause>, now: Timestamp) -> bool {
        let mut state = self.state();
        let place = &mut state.seen[watcher as usize];
        *place = cause.map(|cause| (cause, place.map_or(now, |(_, since)| since)));
        let (_, part) = WATCHERS[watcher as usize];
        let is_well = state.of(part).next().is_none();
        let log = &mut state.logs[part as usize];
        if cause.is_some() {
            return log.due();
        }
        if is_well && log.reset() {
            match part {
                Part::Journal => tracing::info!("the journal works again"),
                Part::Store => tracing::info!("the store works again"),
            }
        }
        false
    }

    /// Whether records reach the store, as far as is known.
    pub(crate) fn store_takes_records(&self) -> bool {
        let seen = self.state().seen;
        [Watcher::JournalReader, Watcher::StoreWriter].iter().all(|watcher| seen[*watcher as usize].is_none())
    }

    /// Every part that is in trouble, once: since the first of its watchers saw it, with that one's cause.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        let state = self.state();
        let first = |part| {
            let first = state.of(part).min_by_key(|(_, since)| *since);
            first.map(|(cause, since)| Trouble { part, cause, since })
        };
        [Part::Journal, Part::Store].into_iter().filter_map(first).collect()
    }

    /// Plain data: a panic elsewhere cannot have left it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the watchers of a part see.
    fn of(&self, part: Part) -> impl Iterator<Item = (Cause, Timestamp)> {
        let its = WATCHERS.iter().filter(move |(_, of)| *of == part);
        its.filter_map(|(watcher, _)| self.seen[*watcher as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_lasts_from_its_first_sight_until_every_watcher_is_content() {
        let health = Health::default();
        assert_eq!(health.troubles(), []);
        assert!(health.note(Watcher::StoreCheck, Some(Cause::Full), Timestamp(5)));
        let again = health.note(Watcher::StoreWriter, Some(Cause::Io), Timestamp(6));
        assert!(!again, "it is said once a minute, whoever sees it");
        assert!(!health.note(Watcher::StoreCheck, Some(Cause::ReadOnly), Timestamp(7)));
        assert!(!health.store_takes_records());
        let store = |cause, since| Trouble { part: Part::Store, cause, since: Timestamp(since) };
        assert_eq!(health.troubles(), [store(Cause::ReadOnly, 5)]);
        health.note(Watcher::StoreCheck, None, Timestamp(8));
        assert_eq!(health.troubles(), [store(Cause::Io, 6)]);
        health.note(Watcher::StoreWriter, None, Timestamp(9));
        assert!(health.store_takes_records());
        assert!(health.note(Watcher::JournalWriter, Some(Cause::Replaced), Timestamp(10)));
        assert!(health.note(Watcher::StoreCheck, Some(Cause::Full), Timestamp(10)), "another part, and a trouble anew");
        health.note(Watcher::StoreCheck, None, Timestamp(11));
        assert_eq!(health.troubles(), [Trouble { part: Part::Journal, cause: Cause::Replaced, since: Timestamp(10) }]);
    }

    #[test]
    fn each_watcher_has_its_own_place() {
        for (place, (watcher, _)) in WATCHERS.iter().enumerate() {
            assert_eq!(*watcher as usize, place);
        }
    }
}
