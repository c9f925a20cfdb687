//! Limits on rates: a token bucket, and the cap on unauthenticated answers per source.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::hash::Seed;

/// A sustained rate and how much may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second, at least 1.
    pub bytes_per_second: u64,
    /// Bytes at once.
    pub burst: u64,
}

/// A token bucket over bytes, kept as the time at which it will be full again (GCRA): no division per packet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenBucket {
    picos_per_byte: u64,
    burst: Duration,
    full_at: Instant,
}

impl TokenBucket {
    pub(crate) fn new(now: Instant, rate: Rate) -> Self {
        let picos_per_byte = 1_000_000_000_000 / rate.bytes_per_second.max(1);
        Self { picos_per_byte, burst: time_for(rate.burst, picos_per_byte), full_at: now }
    }

    /// Takes so many bytes, or nothing.
    pub(crate) fn take(&mut self, now: Instant, bytes: usize) -> bool {
        let from = self.full_at.max(now);
        let until = from + time_for(bytes as u64, self.picos_per_byte);
        if until.duration_since(now) > self.burst {
            return false;
        }
        self.full_at = until;
        true
    }

    /// Whether not even one more packet would pass.
    pub(crate) fn is_empty(&self, now: Instant) -> bool {
        let mut copy = *self;
        !copy.take(now, 1_500)
    }

    /// When it will have forgotten everything.
    pub(crate) fn full_at(&self) -> Instant {
        self.full_at
    }
}

fn time_for(bytes: u64, picos_per_byte: u64) -> Duration {
    // A day bounds what an absurd configuration could add up to.
    let nanos = bytes.saturating_mul(picos_per_byte) / 1_000;
    Duration::from_nanos(nanos.min(86_400_000_000_000))
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
    slots: Box<[u32]>,
}

impl SourceCap {
    pub(crate) fn new(epoch: Instant, seed: Seed, per_second: u8) -> Self {
        Self { seed, per_second, epoch, slots: vec![0; SLOTS].into_boxed_slice() }
    }

    /// Counts one answer; false where the source has had its share of this second.
    pub(crate) fn allow(&mut self, now: Instant, source: IpAddr) -> bool {
        // One household or host often has a whole /64.
        let hash = match source {
            IpAddr::V4(ip) => self.seed.hash_one(ip.to_bits()),
            IpAddr::V6(ip) => self.seed.hash_one((ip.to_bits() >> 64) as u64),
        };
        let slot = &mut self.slots[hash as usize % SLOTS];
        let second = (now.saturating_duration_since(self.epoch).as_secs() & 0x00FF_FFFF) as u32;
        let count = if *slot & 0x00FF_FFFF == second { *slot >> 24 } else { 0 };
        if count >= u32::from(self.per_second) {
            return false;
        }
        *slot = second | (count + 1) << 24;
        true
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(start, Rate { bytes_per_second: 1_000, burst: 3_000 });
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
        let mut cap = SourceCap::new(start, Seed(7), 10);
        let source = IpAddr::from([203, 0, 113, 5]);
        assert_eq!((0..100).filter(|_| cap.allow(start, source)).count(), 10);
        assert!(cap.allow(start, IpAddr::from([203, 0, 113, 6])), "another source has its own");
        let next = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| cap.allow(next, source)).count(), 10);
    }

    #[test]
    fn a_v6_source_is_its_64() {
        let start = Instant::now();
        let mut cap = SourceCap::new(start, Seed(7), 10);
        let sources = (0..100u16).map(|last| IpAddr::from([0x2600, 1, 2, 3, 0, 0, 0, last]));
        assert_eq!(sources.filter(|source| cap.allow(start, *source)).count(), 10);
    }
}
