//! The one connection that writes, and the transactions on it.
//!
//! A connection on which anything went wrong is thrown away: after a full disk or a failed sync SQLite may have ended the transaction by
//! itself, and neither the driver nor we can tell where it stands. A new one costs a millisecond.

use std::ops::{Deref, DerefMut};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};
use std::time::Duration;

use control::{Cause, StoreError};
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;

use super::store_error;

/// How long a request waits for its turn before it is told that the store is not available.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes that must be free before a store that was in trouble counts as well again. A page or two fit into the write-ahead log even where
/// the disk has no room for the next request.
const ROOM: u64 = 256 << 10;

#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    path: PathBuf,
    /// Empty: whoever comes next connects.
    connection: Arc<Mutex<Option<SqliteConnection>>>,
    files: Files,
    /// Something went wrong since the last write that did not.
    suspect: AtomicBool,
    closed: AtomicBool,
}

impl Writer {
    /// For the database at `path`, which is there.
    pub(super) async fn open(path: &Path, options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        // Should the file go away, an empty one in its place would look like an empty store.
        let options = options.create_if_missing(false);
        let connection = options.connect().await?;
        Ok(Self {
            options,
            path: path.to_owned(),
            connection: Arc::new(Mutex::new(Some(connection))),
            files: Files::new(path),
            suspect: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        })
    }

    /// Begins a transaction that has the write lock from its first statement on: it cannot fail midway for want of it.
    pub(super) async fn begin(self: &Arc<Self>) -> Result<Write, StoreError> {
        let begun = self.try_begin().await;
        if begun.is_err() {
            self.suspect.store(true, Ordering::Relaxed);
        }
        begun
    }

    async fn try_begin(self: &Arc<Self>) -> Result<Write, StoreError> {
        let turn = timeout(PATIENCE, Arc::clone(&self.connection).lock_owned()).await;
        let mut place =
            turn.map_err(|_| StoreError::unavailable(Cause::Locked, "earlier writes are taking too long"))?;
        if self.closed.load(Ordering::Relaxed) {
            return Err(StoreError::unavailable(Cause::Away, "the store is closed"));
        }
        self.files.check()?;
        let mut connection = match place.take() {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(store_error)?,
        };
        connection.execute("BEGIN IMMEDIATE").await.map_err(store_error)?;
        Ok(Write { writer: Arc::clone(self), place, connection: Some(connection) })
    }

    /// Whether the database can be written. It is tried only where there is doubt.
    pub(super) async fn check(self: &Arc<Self>) -> Result<(), StoreError> {
        self.files.check()?;
        if !self.suspect.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.has_room()?;
        let mut write = self.begin().await?;
        write.execute("UPDATE journal_position SET applied = applied").await.map_err(store_error)?;
        write.commit().await
    }

    fn has_room(&self) -> Result<(), StoreError> {
        match rustix::fs::statvfs(&self.path) {
            Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM => {
                Err(StoreError::unavailable(Cause::Full, "the disk is almost full"))
            }
            // A file system that does not say is judged by the write alone.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        if let Some(connection) = self.connection.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the database's write connection did not close cleanly");
        }
    }
}

/// A transaction. Dropped without a commit, it goes down with its connection.
pub(super) struct Write {
    writer: Arc<Writer>,
    /// Where the connection goes back to; held, so that nobody else writes meanwhile.
    place: OwnedMutexGuard<Option<SqliteConnection>>,
    /// Until the end.
    connection: Option<SqliteConnection>,
}

const UNTIL_THE_END: &str = "taken out only by the end";

impl Write {
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        let mut connection = self.connection.take().expect(UNTIL_THE_END);
        let answer = connection.fetch_many("COMMIT").try_next().await.map_err(store_error)?;
        // The driver takes the silence of a thread that died for the end of an answer without rows.
        if answer.is_none() {
            return Err(store_error(sqlx::Error::WorkerCrashed));
        }
        // What was just committed must be found again by the file's name.
        self.writer.files.check()?;
        *self.place = Some(connection);
        if self.writer.suspect.load(Ordering::Relaxed) && self.writer.has_room().is_ok() {
            self.writer.suspect.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if self.place.is_none() {
            self.writer.suspect.store(true, Ordering::Relaxed);
        }
    }
}

impl Deref for Write {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        self.connection.as_ref().expect(UNTIL_THE_END)
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.connection.as_mut().expect(UNTIL_THE_END)
    }
}

/// The database's files as they were opened. SQLite goes on with files that have lost their names, and what it writes there is gone with
/// the process; connections of which some have the old files and some new ones of the same names damage both.
#[derive(Debug)]
struct Files(PlainMutex<[(PathBuf, Option<Identity>); 3]>);

/// Device and inode.
type Identity = (u64, u64);

impl Files {
    fn new(path: &Path) -> Self {
        let beside = |suffix: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        let files = ["", "-wal", "-shm"].map(|suffix| (beside(suffix), None));
        Self(PlainMutex::new(files))
    }

    /// The first sight of a file counts: the write-ahead log is made by the first who reads or writes.
    fn check(&self) -> Result<(), StoreError> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, known) in files.iter_mut() {
            let found = std::fs::metadata(&*path).map(|file| (file.dev(), file.ino()));
            match (&found, *known) {
                (Ok(found), Some(known)) if *found == known => {}
                (Ok(found), None) => *known = Some(*found),
                (Err(error), None) if error.kind() == std::io::ErrorKind::NotFound => {}
                (Err(error), _) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::unavailable(Cause::of_io(error), error.to_string()));
                }
                (Ok(_) | Err(_), _) => {
                    let text = format!(
                        "{} was deleted or replaced while the server was running; put it back, or restart",
                        path.display()
                    );
                    return Err(StoreError::unavailable(Cause::Replaced, text));
                }
            }
        }
        Ok(())
    }
}
