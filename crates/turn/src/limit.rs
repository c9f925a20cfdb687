//! Limits on rates: a token bucket, and the cap on unauthenticated answers per source.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::hash::Seed;

/// A sustained rate and how much may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second, at least 1.
    pub bytes_per_second: u64,
    /// Bytes that may go at once, after a pause.
    pub burst: u64,
}

/// A token bucket over bytes, kept as the time at which it will be full again (GCRA): no division per packet, and servers
/// on different threads can draw from one.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    picos_per_byte: u64,
    /// In nanoseconds.
    burst: u64,
    epoch: Instant,
    /// Nanoseconds after the epoch.
    full_at: AtomicU64,
}

impl TokenBucket {
    pub(crate) fn new(now: Instant, rate: Rate) -> Self {
        let picos_per_byte = 1_000_000_000_000 / rate.bytes_per_second.max(1);
        Self { picos_per_byte, burst: nanos_for(rate.burst, picos_per_byte), epoch: now, full_at: AtomicU64::new(0) }
    }

    /// Takes so many bytes, or nothing.
    pub(crate) fn take(&self, now: Instant, bytes: usize) -> bool {
        self.full_at.fetch_update(Relaxed, Relaxed, |full_at| self.after(now, full_at, bytes)).is_ok()
    }

    fn after(&self, now: Instant, full_at: u64, bytes: usize) -> Option<u64> {
        // 584 years of running.
        let now = now.saturating_duration_since(self.epoch).as_nanos() as u64;
        let until = full_at.max(now) + nanos_for(bytes as u64, self.picos_per_byte);
        (until - now <= self.burst).then_some(until)
    }

    /// Whether not even one more packet would pass.
    pub(crate) fn is_empty(&self, now: Instant) -> bool {
        self.after(now, self.full_at.load(Relaxed), 1_500).is_none()
    }

    /// When it will have forgotten everything.
    pub(crate) fn full_at(&self) -> Instant {
        self.epoch + Duration::from_nanos(self.full_at.load(Relaxed))
    }

    /// Whether nothing was ever taken.
    pub(crate) fn is_untouched(&self) -> bool {
        self.full_at.load(Relaxed) == 0
    }
}

fn nanos_for(bytes: u64, picos_per_byte: u64) -> u64 {
    // A day bounds what an absurd configuration could add up to.
    (bytes.saturating_mul(picos_per_byte) / 1_000).min(86_400_000_000_000)
}

/// How many sources are told apart. Sources that fall together share a budget; a retransmission mends that.
const SLOTS: usize = 1 << 16;

/// Caps unauthenticated error answers per source and second, so that a forged source is not flooded. Fixed size
/// (256 KiB), whatever the number of sources.
pub(crate) struct SourceCap {
    seed: Seed,
    per_second: u8,
    epoch: Instant,
    /// The second (low 24 bits) and how many in it (high 8).
    slots: Box<[AtomicU32]>,
}

impl SourceCap {
    pub(crate) fn new(epoch: Instant, seed: Seed, per_second: u8) -> Self {
        Self { seed, per_second, epoch, slots: (0..SLOTS).map(|_| AtomicU32::new(0)).collect() }
    }

    /// Counts one answer; false where the source has had its share of this second.
    pub(crate) fn allow(&self, now: Instant, source: IpAddr) -> bool {
        // One household or host often has a whole /64.
        let hash = match source {
            IpAddr::V4(ip) => self.seed.hash_one(ip.to_bits()),
            IpAddr::V6(ip) => self.seed.hash_one((ip.to_bits() >> 64) as u64),
        };
        let second = (now.saturating_duration_since(self.epoch).as_secs() & 0x00FF_FFFF) as u32;
        let count = |slot: u32| if slot & 0x00FF_FFFF == second { slot >> 24 } else { 0 };
        let counted = |slot| (count(slot) < u32::from(self.per_second)).then(|| second | (count(slot) + 1) << 24);
        self.slots[hash as usize % SLOTS].fetch_update(Relaxed, Relaxed, counted).is_ok()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let start = Instant::now();
        let bucket = TokenBucket::new(start, Rate { bytes_per_second: 1_000, burst: 3_000 });
        assert!(bucket.take(start, 2_000) && bucket.take(start, 1_000));
        assert!(!bucket.take(start, 1), "the burst is used up");
        assert!(bucket.is_empty(start));
        let later = start + Duration::from_secs(2);
        assert!(bucket.take(later, 2_000), "two seconds bring two thousand bytes");
        assert!(!bucket.take(later, 1));
        let full = bucket.full_at();
        assert!(bucket.take(full, 3_000));
    }

    #[test]
    fn a_source_gets_its_share_of_each_second() {
        let start = Instant::now();
        let cap = SourceCap::new(start, Seed(7), 10);
        let source = IpAddr::from([203, 0, 113, 5]);
        assert_eq!((0..100).filter(|_| cap.allow(start, source)).count(), 10);
        assert!(cap.allow(start, IpAddr::from([203, 0, 113, 6])), "another source has its own");
        let next = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| cap.allow(next, source)).count(), 10);
    }

    #[test]
    fn a_v6_source_is_its_64() {
        let start = Instant::now();
        let cap = SourceCap::new(start, Seed(7), 10);
        let sources = (0..100u16).map(|last| IpAddr::from([0x2600, 1, 2, 3, 0, 0, 0, last]));
        assert_eq!(sources.filter(|source| cap.allow(start, *source)).count(), 10);
    }
}
