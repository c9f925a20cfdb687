//! Opens the file, applies its settings and migrations, and explains in one clear line what went wrong.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::SqliteStore;
use super::migrations::MIGRATIONS;
use super::writer::Writer;

/// How long a statement waits for another process's lock. Short: while it waits, everything that writes waits behind it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a request waits for a connection before it is told that the store is not available.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Enough for lists to be read side by side; each is a thread.
const READERS: u32 = 3;

/// Why the database cannot be used. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file's folder is not there or may not be written.
    #[error("cannot write to {}: {reason}; make it writable, or choose another with --data-dir", .directory.display())]
    Directory {
        /// The folder.
        directory: PathBuf,
        /// The system's word for it.
        reason: String,
    },
    /// The file may not be read or written.
    #[error("cannot open the database {}: {reason}; check its owner and permissions", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's or SQLite's word for it.
        reason: String,
    },
    /// Another process holds it.
    #[error("the database {} is locked by another process; stop that process and start again", .path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of the program has migrated it.
    #[error("the database {} has schema {found}, but this version knows only up to {known}; use a newer stoa", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its newest migration.
        found: i64,
        /// The newest migration that this version of the program knows.
        known: i64,
    },
    /// Not a SQLite database, or damaged.
    #[error("{} is not a database that stoa can read ({reason}); restore it from a backup, or move it away", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// SQLite's word for it.
        reason: String,
    },
    /// A migration does not run.
    #[error("cannot update the schema of {}: {reason}", .path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// What the migration says.
        reason: String,
    },
}

/// What bringing the schema up to date took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// The schema before; 0: an empty database.
    pub from: i64,
    /// The schema now.
    pub to: i64,
    /// What was applied, in order.
    pub applied: Vec<(i64, String)>,
}

impl SqliteStore {
    /// Opens (or makes) the database at `path` and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        migrate(path).await?;
        let options = options(path);
        let pool = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        let failed = |e| open_error(path, e);
        let writer = Arc::new(Writer::open(path, options.clone()).await.map_err(failed)?);
        let to_read = options.create_if_missing(false).pragma("query_only", "ON");
        let readers = pool.connect_with(to_read).await.map_err(failed)?;
        Ok(Self { writer, readers })
    }
}

/// Brings the schema of the database at `path` up to date and says what that took.
pub async fn migrate(path: &Path) -> Result<MigrationReport, OpenError> {
    check_directory(path)?;
    keep_private(path)?;
    let failed = |e| open_error(path, e);
    let mut connection = options(path).connect().await.map_err(failed)?;
    let result = run_migrations(path, &mut connection).await;
    connection.close().await.map_err(failed)?;
    result
}

async fn run_migrations(path: &Path, connection: &mut SqliteConnection) -> Result<MigrationReport, OpenError> {
    let before = versions(connection).await.map_err(|e| open_error(path, e))?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    if let Some(found) = before.iter().copied().find(|version| !MIGRATIONS.version_exists(*version)) {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    MIGRATIONS.run(&mut *connection).await.map_err(|e| match e {
        MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) => open_error(path, e),
        other => OpenError::Migration { path: path.to_owned(), reason: other.to_string() },
    })?;
    super::people::fill_skeletons(connection).await.map_err(|e| open_error(path, e))?;
    let applied = MIGRATIONS
        .iter()
        .filter(|migration| !before.contains(&migration.version))
        .map(|migration| (migration.version, migration.description.to_string()))
        .collect();
    Ok(MigrationReport { from: before.last().copied().unwrap_or(0), to: known, applied })
}

/// The migrations that the database has, in order.
async fn versions(connection: &mut SqliteConnection) -> Result<Vec<i64>, sqlx::Error> {
    let table = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'";
    let tables: i64 = sqlx::query_scalar(table).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(Vec::new());
    }
    sqlx::query_scalar("SELECT version FROM _sqlx_migrations ORDER BY version").fetch_all(connection).await
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .thread_name(|number| format!("sqlite-{number}"))
        .disable_statement_logging()
}

/// SQLite says only "unable to open database file"; find out what it is.
fn check_directory(path: &Path) -> Result<(), OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |e: std::io::Error| OpenError::Directory { directory: directory.to_owned(), reason: e.to_string() };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    // The permission bits alone do not say it (read-only mounts, ACLs): try.
    let probe = directory.join(format!(".stoa-write-test-{}", std::process::id()));
    std::fs::File::create(&probe).map_err(failed)?;
    std::fs::remove_file(&probe).map_err(failed)
}

/// Makes the file its owner's alone before anything is in it, and one of an earlier version likewise. SQLite gives what it puts beside
/// the file (`-wal`, `-shm`) the same permissions; those that are there already are closed here.
fn keep_private(path: &Path) -> Result<(), OpenError> {
    let failed = |e: std::io::Error| OpenError::File { path: path.to_owned(), reason: e.to_string() };
    if !path.exists() {
        std::fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
    }
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        match std::fs::metadata(&name) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o077 != 0 => {
                // Of another owner's file the permissions are the other's to choose.
                match std::fs::set_permissions(&name, std::fs::Permissions::from_mode(0o600)) {
                    Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => return Err(failed(error)),
                    Ok(()) | Err(_) => {}
                }
            }
            // What is not there, or cannot be looked at, says so when it is opened.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

fn open_error(path: &Path, error: sqlx::Error) -> OpenError {
    let path = path.to_owned();
    let reason = match &error {
        sqlx::Error::Database(e) => e.message().to_owned(),
        other => other.to_string(),
    };
    let code = match &error {
        sqlx::Error::Database(e) => e.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff),
        _ => None,
    };
    match code {
        Some(5 | 6) => OpenError::Locked { path },
        Some(11 | 26) => OpenError::Damaged { path, reason },
        Some(1) => OpenError::Migration { path, reason },
        _ => OpenError::File { path, reason },
    }
}
