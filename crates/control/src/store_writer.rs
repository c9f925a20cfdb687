//! Copies the journal into the store.
//!
//! It reads the journal's files, not a queue. So what the store has not taken yet needs no memory, however long the
//! store is away, and recovery after trouble uses the same code as every day.
//!
//! A transaction has a fixed cost, however many records are in it, so records gather for a moment first. They are no less
//! safe meanwhile, because the journal has them. A reader that must see them in the store cuts the wait short.
//!
//! Nothing goes past a record that is not in the store, unless the store says that it can never take it and it is
//! safely set aside.

use std::sync::Arc;
use std::time::Duration;

use call::Record;
use model::NodeId;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::follow::Follower;
use crate::journal::JournalReader;
use crate::log_throttle::LogThrottle;
use crate::refused::Refused;
use crate::store::{Remedy, Store, StoreError};
use crate::trouble::{Cause, Health, Watcher};

/// Text of the journal read at once: one transaction.
const BATCH_BYTES: usize = 1 << 20;
/// How soon a store that did not take a batch is asked again, at first and at most: it is there within seconds once it can be.
const RETRY: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(4)];
/// How long a batch may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the store is asked how it is.
const CHECK: Duration = Duration::from_secs(1);

/// The store's side of the journal.
pub(crate) struct StoreWriter {
    pub(crate) store: Arc<dyn Store>,
    /// Whose journal it copies.
    pub(crate) node: NodeId,
    /// Stands where the store does.
    pub(crate) reader: JournalReader,
    /// Where records go that the store will never take.
    pub(crate) refused: Refused,
    /// What the store has.
    pub(crate) applied: u64,
    pub(crate) health: Arc<Health>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) prune_log: LogThrottle,
    /// How long records gather before they go to the store together.
    pub(crate) linger: Duration,
}

/// Why nothing goes on for now.
enum Halt {
    Journal(std::io::Error),
    Store(StoreError),
}

impl StoreWriter {
    /// At the start: takes over everything there is, or says why not.
    pub(crate) async fn catch_up(&mut self, until: u64) -> Result<(), StoreError> {
        while self.applied < until {
            match self.step(until).await {
                Ok(true) => {}
                // A journal that was damaged, or gave records up: what it has is taken over.
                Ok(false) => break,
                Err(Halt::Store(error)) => return Err(error),
                Err(Halt::Journal(error)) => {
                    return Err(StoreError::unavailable(Cause::of_io(&error), format!("the journal: {error}")));
                }
            }
        }
        self.prune();
        let waiting = self.refused.count();
        if waiting > 0 {
            tracing::warn!(waiting, file = %self.refused.path().display(), "the store refused some records; run `stoa journal replay` to try them again");
        }
        Ok(())
    }

    /// Follows the journal until its writing side or everyone who could read is gone. The next start copies what is left.
    pub(crate) async fn run(mut self, mut follower: Follower) {
        loop {
            let mut until = *follower.durable.borrow_and_update();
            let mut retry = RETRY[0];
            while self.applied < until {
                let done = match self.step(until).await {
                    Ok(false) => Err(Halt::Journal(std::io::Error::new(
                        std::io::ErrorKind::InvalidData,
                        format!("records {} to {until} are missing from the journal", self.applied + 1),
                    ))),
                    Ok(true) => Ok(()),
                    Err(halt) => Err(halt),
                };
                self.prune();
                follower.taken.send_replace(self.applied);
                match done {
                    Ok(()) => {
                        self.is_well();
                        retry = RETRY[0];
                    }
                    Err(halt) => {
                        self.is_halted(&halt);
                        tokio::time::sleep(retry).await;
                        retry = (retry * 2).min(RETRY[1]);
                        // What came in the meantime has waited long enough.
                        until = *follower.durable.borrow_and_update();
                    }
                }
            }
            if follower.durable.changed().await.is_err() || !follower.gathered(self.applied, self.linger).await {
                return;
            }
        }
    }

    /// Takes over the next records. False: the journal has none.
    async fn step(&mut self, until: u64) -> Result<bool, Halt> {
        // A megabyte that was written a moment ago: out of the cache, so no need for another thread.
        let records = self.reader.read(until, BATCH_BYTES).map_err(Halt::Journal)?;
        let Some((last, _)) = records.last() else { return Ok(false) };
        let last = *last;
        match self.hand_over(&records).await {
            Ok(()) => self.applied = last,
            Err(error) if error.remedy() == Remedy::PutAside => {
                for (sequence, record) in &records {
                    self.apply_one(*sequence, record).await.map_err(|error| self.back(error))?;
                }
            }
            Err(error) => return Err(self.back(error)),
        }
        Ok(true)
    }

    /// Tried again with the next records: what stays meanwhile is only in the way.
    fn prune(&mut self) {
        if let Err(error) = self.reader.prune(self.applied)
            && self.prune_log.due()
        {
            tracing::warn!(%error, "cannot delete a journal segment that is no longer needed");
        }
    }

    /// What was read and not taken is read again.
    fn back(&mut self, error: StoreError) -> Halt {
        self.reader.go_back(self.applied);
        Halt::Store(error)
    }

    /// A database that never answers is away, too.
    async fn hand_over(&self, records: &[(u64, Record)]) -> Result<(), StoreError> {
        let done = tokio::time::timeout(PATIENCE, self.store.apply(self.node, records)).await;
        done.unwrap_or_else(|_| Err(StoreError::unavailable(Cause::Away, "it did not answer within a minute")))
    }

    async fn apply_one(&mut self, sequence: u64, record: &Record) -> Result<(), StoreError> {
        match self.hand_over(&[(sequence, record.clone())]).await {
            Ok(()) => {}
            Err(error) if error.remedy() == Remedy::PutAside => {
                self.refused.put_aside(self.node, sequence, record, &error.to_string()).map_err(|why| {
                    let text = format!("cannot set aside a record that the store refuses ({error}): {why}");
                    StoreError::unavailable(Cause::of_io(&why), text)
                })?;
                self.store.pass_over(self.node, sequence).await?;
                tracing::error!(
                    sequence, call = %record.call.id, event = record.event, %error, file = %self.refused.path().display(),
                    "the store refused a record; it was set aside, and `stoa journal replay` tries it again"
                );
            }
            Err(error) => return Err(error),
        }
        self.applied = sequence;
        Ok(())
    }

    fn is_well(&self) {
        let now = self.clock.now();
        self.health.note(Watcher::JournalReader, None, now);
        self.health.note(Watcher::StoreWriter, None, now);
    }

    fn is_halted(&self, halt: &Halt) {
        let now = self.clock.now();
        match halt {
            Halt::Journal(error) => {
                if self.health.note(Watcher::JournalReader, Some(Cause::of_io(error)), now) {
                    tracing::error!(%error, "cannot copy the journal into the store");
                }
            }
            Halt::Store(error) => {
                let cause = error.cause().unwrap_or(Cause::Fault);
                let say = self.health.note(Watcher::StoreWriter, Some(cause), now);
                match error.remedy() {
                    Remedy::Hold if say => tracing::error!(
                        %error,
                        "the store needs attention, waiting will not fix it: calls continue, and the journal keeps their records"
                    ),
                    Remedy::Again | Remedy::PutAside if say => tracing::warn!(
                        %error,
                        "cannot write to the store: calls continue, and the journal keeps their records until it works again"
                    ),
                    Remedy::Hold | Remedy::Again | Remedy::PutAside => {}
                }
            }
        }
    }
}

/// Asks the store how it is, for as long as the journal is written: nothing may be on its way to it for hours, and it is to be known all the
/// same.
pub(crate) async fn look_after(
    store: Arc<dyn Store>,
    health: Arc<Health>,
    clock: Arc<Clock>,
    durable: watch::Receiver<u64>,
) {
    let mut each = tokio::time::interval(CHECK);
    each.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        each.tick().await;
        if durable.has_changed().is_err() {
            return;
        }
        let found = store.check().await;
        let cause = found.as_ref().err().and_then(StoreError::cause);
        let say = health.note(Watcher::StoreCheck, cause, clock.now());
        if say && let Err(error) = found {
            tracing::error!(%error, "cannot write to the store");
        }
    }
}
