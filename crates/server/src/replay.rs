//! `stoa journal replay`: tries again to store the records that the database refused.

use std::io::{IsTerminal, Write};
use std::path::Path;

use control::{Replay, ReplayError};

use crate::failure::Failure;
use crate::output::print;

/// How many records between two lines of progress, where nobody watches.
const STEP: usize = 1_000;

/// Replays what is in a data directory and prints the result. The server may be running.
pub fn run(data_dir: &Path) -> Result<(), Failure> {
    let database = data_dir.join("stoa.db");
    if !database.is_file() {
        let dir = data_dir.display();
        return Err(Failure::Setup(format!("there is no database in {dir}; pass the server's --data-dir")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::fault)?;
    let done = runtime.block_on(async {
        let store = store::open(&database).await.map_err(Failure::setup)?;
        let done = control::replay_refused(&data_dir.join("journal"), &store, progress).await;
        store.close().await;
        done.map_err(|error| match error {
            ReplayError::InUse(_) | ReplayError::Io { .. } => Failure::setup(error),
            ReplayError::Store(_) => Failure::Fault(format!("{error}; the remaining records are kept: try again")),
        })
    })?;
    print(counts(&done))?;
    match done.refused {
        0 => Ok(()),
        refused => {
            Err(Failure::Fault(format!("the database still refuses {refused} records; they stay where they are")))
        }
    }
}

fn progress(replay: Replay) {
    let done = replay.taken + replay.known + replay.refused;
    let mut out = std::io::stderr();
    // Whoever started it may have stopped reading.
    if out.is_terminal() {
        let end = if done == replay.found { '\n' } else { '\r' };
        let _ = write!(out, "{done} of {}{end}", replay.found);
    } else if done.is_multiple_of(STEP) {
        let _ = writeln!(out, "{done} of {}", replay.found);
    }
}

fn counts(replay: &Replay) -> String {
    let Replay { found, taken, known, refused, unreadable } = replay;
    format!(
        "{found} records: {taken} stored, {known} already there, {refused} refused again, {unreadable} lines unreadable"
    )
}
