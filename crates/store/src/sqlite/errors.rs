//! What SQLite's result codes mean to the control plane. Every code has its place here; the low byte is the primary one.

use control::{Cause, StoreError};

/// What a driver's error means.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    let text = error.to_string();
    match &error {
        sqlx::Error::Database(e) => match e.code().and_then(|code| code.parse().ok()) {
            Some(code) => of_code(code, e.message()),
            None => StoreError::Fault(text),
        },
        sqlx::Error::Io(e) => StoreError::unavailable(Cause::of_io(e), text),
        sqlx::Error::PoolTimedOut => {
            StoreError::unavailable(Cause::Locked, "no database connection became free in time")
        }
        // The connection is thrown away, and the next one begins anew.
        sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed
        | sqlx::Error::InvalidSavePointStatement => StoreError::unavailable(Cause::Away, text),
        sqlx::Error::Encode(_) => StoreError::Refused(text),
        _ => StoreError::Fault(text),
    }
}

/// A record brings nothing that could be "taken" already: a unique key that is hit there is a rule that is broken.
pub(super) fn apply_error(error: sqlx::Error) -> StoreError {
    let text = error.to_string();
    match store_error(error) {
        StoreError::Conflict => StoreError::Refused(text),
        other => other,
    }
}

fn of_code(code: i32, text: &str) -> StoreError {
    let away = |cause| StoreError::unavailable(cause, format!("{text} ({code})"));
    match code {
        CONSTRAINT_PRIMARYKEY | CONSTRAINT_UNIQUE | CONSTRAINT_ROWID => return StoreError::Conflict,
        READONLY_DBMOVED => return away(Cause::Replaced),
        IOERR_NOMEM => return away(Cause::Memory),
        // The page's checksum is wrong; the file system says that it is damaged.
        IOERR_DATA | IOERR_CORRUPTFS => return StoreError::Damaged(text.to_owned()),
        // "Prepare it again", of a connection that is thrown away by now.
        ERROR_RETRY => return away(Cause::Locked),
        _ => {}
    }
    match code & 0xff {
        FULL => away(Cause::Full),
        BUSY | LOCKED | PROTOCOL | SCHEMA => away(Cause::Locked),
        READONLY => away(Cause::ReadOnly),
        IOERR => away(Cause::Io),
        CANTOPEN | PERM | AUTH | NOLFS => away(Cause::CannotOpen),
        NOMEM => away(Cause::Memory),
        ABORT | INTERRUPT => away(Cause::Away),
        CORRUPT | NOTADB | FORMAT => StoreError::Damaged(format!("{text} ({code})")),
        CONSTRAINT | MISMATCH | TOOBIG => StoreError::Refused(format!("{text} ({code})")),
        // ERROR, INTERNAL, NOTFOUND, EMPTY, MISUSE, RANGE, and codes of tomorrow: of the program or the schema, not of the data.
        _ => StoreError::Fault(format!("{text} ({code})")),
    }
}

const PERM: i32 = 3;
const ABORT: i32 = 4;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NOMEM: i32 = 7;
const READONLY: i32 = 8;
const INTERRUPT: i32 = 9;
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const PROTOCOL: i32 = 15;
const SCHEMA: i32 = 17;
const TOOBIG: i32 = 18;
const CONSTRAINT: i32 = 19;
const MISMATCH: i32 = 20;
const NOLFS: i32 = 22;
const AUTH: i32 = 23;
const FORMAT: i32 = 24;
const NOTADB: i32 = 26;
const ERROR_RETRY: i32 = 1 | 2 << 8;
const READONLY_DBMOVED: i32 = READONLY | 4 << 8;
const IOERR_NOMEM: i32 = IOERR | 12 << 8;
const IOERR_DATA: i32 = IOERR | 32 << 8;
const IOERR_CORRUPTFS: i32 = IOERR | 33 << 8;
const CONSTRAINT_PRIMARYKEY: i32 = CONSTRAINT | 6 << 8;
const CONSTRAINT_UNIQUE: i32 = CONSTRAINT | 8 << 8;
const CONSTRAINT_ROWID: i32 = CONSTRAINT | 10 << 8;

#[cfg(test)]
mod tests {
    use control::Remedy;
    use libsqlite3_sys as sqlite;

    use super::*;

    /// Every primary code that says "no", by what is to be done.
    #[test]
    fn every_code_has_its_remedy() {
        let again = [
            (sqlite::SQLITE_PERM, "cannot_open"),
            (sqlite::SQLITE_ABORT, "away"),
            (sqlite::SQLITE_BUSY, "locked"),
            (sqlite::SQLITE_BUSY_SNAPSHOT, "locked"),
            (sqlite::SQLITE_LOCKED, "locked"),
            (sqlite::SQLITE_NOMEM, "memory"),
            (sqlite::SQLITE_READONLY, "read_only"),
            (sqlite::SQLITE_READONLY_DBMOVED, "replaced"),
            (sqlite::SQLITE_INTERRUPT, "away"),
            (sqlite::SQLITE_IOERR, "io"),
            (sqlite::SQLITE_IOERR_FSYNC, "io"),
            (sqlite::SQLITE_IOERR_NOMEM, "memory"),
            (sqlite::SQLITE_FULL, "full"),
            (sqlite::SQLITE_CANTOPEN, "cannot_open"),
            (sqlite::SQLITE_PROTOCOL, "locked"),
            (sqlite::SQLITE_SCHEMA, "locked"),
            (sqlite::SQLITE_NOLFS, "cannot_open"),
            (sqlite::SQLITE_AUTH, "cannot_open"),
            (sqlite::SQLITE_ERROR_RETRY, "locked"),
        ];
        for (code, cause) in again {
            let error = of_code(code, "x");
            assert_eq!((error.remedy(), error.cause().map(Cause::as_str)), (Remedy::Again, Some(cause)), "{code}");
        }
        let never = [
            sqlite::SQLITE_CONSTRAINT,
            sqlite::SQLITE_CONSTRAINT_CHECK,
            sqlite::SQLITE_CONSTRAINT_FOREIGNKEY,
            sqlite::SQLITE_CONSTRAINT_UNIQUE,
            sqlite::SQLITE_CONSTRAINT_DATATYPE,
            sqlite::SQLITE_MISMATCH,
            sqlite::SQLITE_TOOBIG,
        ];
        for code in never {
            assert_eq!((of_code(code, "x").remedy(), of_code(code, "x").cause()), (Remedy::PutAside, None), "{code}");
        }
        let hold = [
            (sqlite::SQLITE_ERROR, "fault"),
            (sqlite::SQLITE_INTERNAL, "fault"),
            (sqlite::SQLITE_CORRUPT, "damaged"),
            (sqlite::SQLITE_CORRUPT_INDEX, "damaged"),
            (sqlite::SQLITE_IOERR_DATA, "damaged"),
            (sqlite::SQLITE_IOERR_CORRUPTFS, "damaged"),
            (sqlite::SQLITE_NOTFOUND, "fault"),
            (sqlite::SQLITE_EMPTY, "fault"),
            (sqlite::SQLITE_MISUSE, "fault"),
            (sqlite::SQLITE_FORMAT, "damaged"),
            (sqlite::SQLITE_RANGE, "fault"),
            (sqlite::SQLITE_NOTADB, "damaged"),
            (250, "fault"),
        ];
        for (code, cause) in hold {
            let error = of_code(code, "x");
            assert_eq!((error.remedy(), error.cause().map(Cause::as_str)), (Remedy::Hold, Some(cause)), "{code}");
        }
        let all = again.iter().map(|(code, _)| *code).chain(never).chain(hold.iter().map(|(code, _)| *code));
        let primary: std::collections::BTreeSet<i32> = all.map(|code| code & 0xff).collect();
        assert!((1..=26).all(|code| primary.contains(&code)), "{primary:?}");
    }
}
