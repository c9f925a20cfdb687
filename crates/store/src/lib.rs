//! [`control::Store`] on real databases: one module and one folder of migrations per database, never an "any" driver.
//!
//! Owns the schema, the queries and their indexes. Decides nothing: which transition is allowed and who may see what is
//! settled before it gets here. The membership conditions in the history query only filter a list.
//!
//! `sqlite` is the one in the binary. `postgres` will be its neighbour, with `migrations/postgres`.

mod sqlite;

pub use sqlite::{MigrationReport, OpenError, SqliteStore};

use std::path::Path;

/// Opens (or makes) the database at `path` and brings its schema up to date.
pub async fn open(path: impl AsRef<Path>) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(path.as_ref()).await
}

/// Brings the schema of the database at `path` up to date and says what that took.
pub async fn migrate(path: impl AsRef<Path>) -> Result<MigrationReport, OpenError> {
    sqlite::migrate(path.as_ref()).await
}
