//! How far the store has followed the journal, and how to wait for it.
//!
//! The store writer lets records gather before it commits them together. A reader that must see what was acknowledged says so
//! here, and the writer commits at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::trouble::Health;

/// How long a reader waits for what was acknowledged before it to arrive in the store.
const PATIENCE: Duration = Duration::from_secs(1);

/// The readers' side. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Follow {
    /// The last sequence in the journal.
    durable: watch::Receiver<u64>,
    /// The last one in the store.
    taken: watch::Receiver<u64>,
    /// The last one that somebody waits for.
    wanted: watch::Sender<u64>,
    health: Arc<Health>,
}

/// The writer's side.
pub(crate) struct Follower {
    pub(crate) durable: watch::Receiver<u64>,
    pub(crate) taken: watch::Sender<u64>,
    pub(crate) wanted: watch::Receiver<u64>,
}

/// Both sides; `durable` begins with what the store has.
pub(crate) fn follow(durable: watch::Receiver<u64>, health: Arc<Health>) -> (Follow, Follower) {
    let applied = *durable.borrow();
    let (taken, seen) = watch::channel(applied);
    let (wanted, wants) = watch::channel(applied);
    let follower = Follower { durable: durable.clone(), taken, wanted: wants };
    (Follow { durable, taken: seen, wanted, health }, follower)
}

impl Follow {
    /// Waits until the store has what was acknowledged so far. The wait is bounded, and there is none if the store is known to
    /// be away: an older answer is better than none.
    pub(crate) async fn caught_up(&self) {
        if self.health.store_takes_records() {
            self.wait(PATIENCE).await;
        }
    }

    /// The same, whatever state the store is in. False: it has not taken everything in time.
    pub(crate) async fn wait(&self, patience: Duration) -> bool {
        let sequence = *self.durable.borrow();
        self.wanted.send_if_modified(|wanted| {
            let more = *wanted < sequence;
            *wanted = sequence.max(*wanted);
            more
        });
        let mut taken = self.taken.clone();
        let done = timeout(patience, taken.wait_for(|taken| *taken >= sequence)).await;
        matches!(done, Ok(Ok(_)))
    }
}

impl Follower {
    /// Lets more records gather until someone waits for one that is not in the store yet. False: nobody is left who could wait,
    /// and by now another process may own the journal.
    pub(crate) async fn gathered(&mut self, applied: u64, longest: Duration) -> bool {
        let wanted = timeout(longest, self.wanted.wait_for(|wanted| *wanted > applied)).await;
        !matches!(wanted, Ok(Err(_)))
    }
}
