//! What the servers of one process count together, since a user's clients may be dealt among them: allocations of each user
//! and in all, the rates, and the cap on unauthenticated answers.
//!
//! Opening and closing an allocation takes a lock; what a packet costs does not: the buckets and the cap are atomic.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use model::UserId;

use crate::config::Limits;
use crate::hash::Seed;
use crate::limit::{SourceCap, TokenBucket};

/// The common accounts of the servers of one process; give it to each ([`crate::Server::sharing`]).
pub struct Accounts {
    limits: Limits,
    users: Mutex<HashMap<UserId, Arc<Account>, Seed>>,
    /// Changed under the lock only.
    allocations: AtomicU32,
    total: Option<TokenBucket>,
    challenges: SourceCap,
}

/// Somebody with allocations, or with a bucket that is not full yet.
struct Account {
    id: UserId,
    /// Changed under the lock only.
    allocations: AtomicU32,
    bucket: Option<TokenBucket>,
    /// Whether some server has a timer to forget the user.
    timer: AtomicBool,
}

/// Why an allocation is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The user, or everybody together, has what is due.
    Quota,
    /// There are as many allocations as there may be.
    Capacity,
}

/// One allocation's place in its user's account and in the total, for as long as it lives.
pub(crate) struct QuotaSlot {
    accounts: Arc<Accounts>,
    account: Arc<Account>,
}

impl Accounts {
    /// Nobody has anything yet. `seed` makes the hash keys.
    pub fn new(now: Instant, limits: &Limits, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        Self {
            limits: *limits,
            users: Mutex::new(HashMap::with_hasher(Seed(rng.u64(..)))),
            allocations: AtomicU32::new(0),
            total: limits.total_rate.map(|rate| TokenBucket::new(now, rate)),
            challenges: SourceCap::new(now, Seed(rng.u64(..)), limits.challenges_per_second),
        }
    }

    /// Users with an allocation, or with a bucket that is not full yet.
    pub fn users(&self) -> usize {
        self.lock().len()
    }

    /// Allocations of all servers.
    pub fn allocations(&self) -> u32 {
        self.allocations.load(Relaxed)
    }

    /// Counts one more allocation of a user, if there may be one more.
    pub(crate) fn open(self: &Arc<Self>, now: Instant, user: &UserId) -> Result<QuotaSlot, Full> {
        let spent = |bucket: &Option<TokenBucket>| bucket.as_ref().is_some_and(|bucket| bucket.is_empty(now));
        let mut users = self.lock();
        let known = users.get(user);
        let open = known.map_or(0, |account| account.allocations.load(Relaxed));
        let slow = known.is_some_and(|account| spent(&account.bucket));
        if open >= self.limits.allocations_per_user || slow || spent(&self.total) {
            return Err(Full::Quota);
        }
        if self.allocations.load(Relaxed) >= self.limits.allocations {
            return Err(Full::Capacity);
        }
        let account = match known {
            Some(account) => Arc::clone(account),
            None => {
                let account = Arc::new(Account {
                    id: user.clone(),
                    allocations: AtomicU32::new(0),
                    bucket: self.limits.user_rate.map(|rate| TokenBucket::new(now, rate)),
                    timer: AtomicBool::new(false),
                });
                users.insert(user.clone(), Arc::clone(&account));
                account
            }
        };
        account.allocations.fetch_add(1, Relaxed);
        self.allocations.fetch_add(1, Relaxed);
        drop(users);
        Ok(QuotaSlot { accounts: Arc::clone(self), account })
    }

    /// Forgets a user who has nothing left, now or once the bucket is full: to release and allocate again fills it not.
    /// Gives the time to come again, unless some server has a timer for it already; `came` says that it is this one's.
    pub(crate) fn forget(&self, now: Instant, user: &UserId, came: bool) -> Option<Instant> {
        let mut users = self.lock();
        let account = users.get(user)?;
        if came {
            account.timer.store(false, Relaxed);
        }
        if account.allocations.load(Relaxed) > 0 {
            return None;
        }
        let full_at = account.bucket.as_ref().map(TokenBucket::full_at).filter(|full_at| *full_at > now);
        match full_at {
            Some(full_at) => (!account.timer.swap(true, Relaxed)).then_some(full_at),
            None => {
                users.remove(user);
                None
            }
        }
    }

    /// Counts one unauthenticated answer; false where the source has had its share of this second.
    pub(crate) fn may_challenge(&self, now: Instant, source: IpAddr) -> bool {
        self.challenges.allow(now, source)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Arc<Account>, Seed>> {
        // Numbers are whole whatever its holder did.
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QuotaSlot {
    /// The user who has the allocation.
    pub(crate) fn user(&self) -> &UserId {
        &self.account.id
    }

    /// Takes so many bytes from the user's bucket and from everybody's; false where one of them has not as many.
    pub(crate) fn charge(&self, now: Instant, bytes: usize) -> bool {
        let take = |bucket: &Option<TokenBucket>| bucket.as_ref().is_none_or(|bucket| bucket.take(now, bytes));
        take(&self.account.bucket) && take(&self.accounts.total)
    }
}

impl Drop for QuotaSlot {
    fn drop(&mut self) {
        let mut users = self.accounts.lock();
        self.accounts.allocations.fetch_sub(1, Relaxed);
        let last = self.account.allocations.fetch_sub(1, Relaxed) == 1;
        // One with a bucket that was drawn from is forgotten in time (`forget`).
        if last && self.account.bucket.as_ref().is_none_or(TokenBucket::is_untouched) {
            users.remove(&self.account.id);
        }
    }
}

impl std::fmt::Debug for QuotaSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("QuotaSlot").field(&self.account.id).finish()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
mod tests {
    use super::*;
    use crate::limit::Rate;

    fn accounts(limits: Limits) -> (Arc<Accounts>, Instant) {
        let now = Instant::now();
        (Arc::new(Accounts::new(now, &limits, 7)), now)
    }

    fn user(name: &str) -> UserId {
        UserId::new(name).expect("a user")
    }

    #[test]
    fn a_seat_is_given_back_when_it_is_dropped() {
        let (accounts, now) = accounts(Limits { allocations_per_user: 2, allocations: 3, ..Limits::default() });
        let alice = [(); 2].map(|()| accounts.open(now, &user("alice")).expect("two may be"));
        assert_eq!(accounts.open(now, &user("alice")).err(), Some(Full::Quota));
        let bob = accounts.open(now, &user("bob")).expect("bob has none");
        assert_eq!(accounts.open(now, &user("carol")).err(), Some(Full::Capacity));
        assert_eq!((accounts.users(), accounts.allocations()), (2, 3));
        drop((alice, bob));
        assert_eq!((accounts.users(), accounts.allocations()), (0, 0));
    }

    #[test]
    fn of_two_servers_one_has_the_timer_to_forget() {
        let rate = Rate { bytes_per_second: 100, burst: 10_000 };
        let (accounts, now) = accounts(Limits { user_rate: Some(rate), ..Limits::default() });
        let slots = [(); 2].map(|()| accounts.open(now, &user("alice")).expect("two may be"));
        assert!(slots[0].charge(now, 6_000) && !slots[1].charge(now, 6_000), "the bucket is the user's");
        drop(slots);
        let again = accounts.forget(now, &user("alice"), false).expect("not full");
        assert_eq!(accounts.forget(now, &user("alice"), false), None, "another server has the timer");
        assert_eq!((accounts.forget(again, &user("alice"), true), accounts.users()), (None, 0));
    }
}
