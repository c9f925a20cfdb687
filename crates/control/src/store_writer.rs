//! Takes the journal over into the store.
//!
//! It reads from the journal's files, not from a queue: what the store has not taken needs no memory, however long the store is away,
//! and the way that is taken after trouble is the way that is taken every day.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use call::Record;
use tokio::sync::watch;

use crate::journal::JournalReader;
use crate::nag::Nag;
use crate::store::{Store, StoreError};

/// Text of the journal read at once: one transaction.
const BATCH_BYTES: usize = 1 << 20;
/// How soon a store that did not take a batch is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// The store's side of the journal.
pub(crate) struct StoreWriter {
    store: Arc<dyn Store>,
    reader: JournalReader,
    /// Where records go that the store will never take.
    refused: PathBuf,
    /// Whether the store took the last batch.
    available: Arc<AtomicBool>,
    nag: Nag,
    applied: u64,
}

impl StoreWriter {
    /// Over a reader that stands where the store does.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        reader: JournalReader,
        refused: PathBuf,
        applied: u64,
        available: Arc<AtomicBool>,
    ) -> Self {
        Self { store, reader, refused, available, nag: Nag::default(), applied }
    }

    /// At the start: takes over everything there is, or says why not.
    pub(crate) async fn catch_up(&mut self, until: u64) -> Result<(), StoreError> {
        loop {
            let records = self.read(until).map_err(|error| StoreError::Unavailable(error.to_string()))?;
            if records.is_empty() {
                break;
            }
            self.apply(&records).await?;
        }
        self.prune();
        Ok(())
    }

    /// Follows the journal until its writing side is gone and everything is taken over.
    pub(crate) async fn run(mut self, mut durable: watch::Receiver<u64>, taken: watch::Sender<u64>) {
        loop {
            let until = *durable.borrow_and_update();
            while self.applied < until {
                match self.read(until) {
                    Ok(records) if records.is_empty() => break,
                    Ok(records) => self.apply_at_last(&records).await,
                    Err(error) => {
                        if self.nag.due() {
                            tracing::warn!(%error, "the journal cannot be read back into the store");
                        }
                        tokio::time::sleep(RETRY).await;
                    }
                }
                taken.send_replace(self.applied);
                self.prune();
            }
            if durable.changed().await.is_err() {
                return;
            }
        }
    }

    /// A megabyte that was written a moment ago: out of the cache, so no need for another thread.
    fn read(&mut self, until: u64) -> std::io::Result<Vec<(u64, Record)>> {
        self.reader.read(until, BATCH_BYTES)
    }

    /// Applies them however long it takes.
    async fn apply_at_last(&mut self, records: &[(u64, Record)]) {
        loop {
            match self.apply(records).await {
                Ok(()) => {
                    self.available.store(true, Ordering::Relaxed);
                    if self.nag.calm() {
                        tracing::info!(sequence = self.applied, "the store takes records again");
                    }
                    return;
                }
                Err(error) => {
                    self.available.store(false, Ordering::Relaxed);
                    if self.nag.due() {
                        tracing::warn!(
                            %error,
                            "the store cannot be written: calls go on, their records are kept in the journal until it can"
                        );
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Applies them in one transaction; where one of them is at fault, one by one, that one put aside.
    async fn apply(&mut self, records: &[(u64, Record)]) -> Result<(), StoreError> {
        let Some((last, _)) = records.last() else { return Ok(()) };
        match self.store.apply(records).await {
            Ok(()) => self.applied = *last,
            Err(StoreError::Unavailable(why)) => return Err(StoreError::Unavailable(why)),
            Err(StoreError::Conflict | StoreError::Fault(_)) => {
                for record in records {
                    self.apply_one(record).await?;
                }
            }
        }
        Ok(())
    }

    async fn apply_one(&mut self, record: &(u64, Record)) -> Result<(), StoreError> {
        match self.store.apply(std::slice::from_ref(record)).await {
            Ok(()) => {}
            Err(StoreError::Unavailable(why)) => return Err(StoreError::Unavailable(why)),
            Err(error @ (StoreError::Conflict | StoreError::Fault(_))) => {
                let (sequence, record) = record;
                tracing::error!(
                    sequence, call = %record.call.id, event = record.event, %error, file = %self.refused.display(),
                    "the store refuses a record; it is put aside"
                );
                self.put_aside(*sequence, record);
            }
        }
        self.applied = record.0;
        Ok(())
    }

    fn put_aside(&self, sequence: u64, record: &Record) {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let line = serde_json::json!({ "sequence": sequence, "record": record });
        let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&self.refused);
        if let Err(error) = file.and_then(|mut file| writeln!(file, "{line}")) {
            tracing::error!(%error, sequence, "a refused record could not be put aside");
        }
    }

    fn prune(&mut self) {
        if let Err(error) = self.reader.prune(self.applied)
            && self.nag.due()
        {
            tracing::warn!(%error, "a journal segment that is no longer needed cannot be removed");
        }
    }
}
