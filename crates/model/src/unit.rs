//! Units as types.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. On the wire: RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero where `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// Reads RFC 3339; what is finer than milliseconds is cut off.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|at| Self(at.as_millisecond()))
    }

    /// RFC 3339 with milliseconds, in UTC.
    pub fn to_rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => format!("{at:.3}"),
            Err(_) => "1970-01-01T00:00:00.000Z".to_owned(),
        }
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, after: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, before: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(before.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// A rate in bits per second.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Bitrate(pub u64);

impl Bitrate {
    /// No bits at all.
    pub const ZERO: Bitrate = Bitrate(0);

    /// From kilobits per second.
    pub const fn kbps(kbps: u64) -> Self {
        Self(kbps * 1_000)
    }

    /// The number of bits per second.
    pub const fn as_bps(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kb/s", self.0 / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_as_rfc3339() {
        assert_eq!(Timestamp(0).to_rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(1_763_671_440_123).to_rfc3339(), "2025-11-20T20:44:00.123Z");
        assert_eq!(Timestamp::from_rfc3339("2025-11-20T21:44:00.123+01:00"), Some(Timestamp(1_763_671_440_123)));
        assert_eq!(Timestamp::from_rfc3339("yesterday"), None);
        assert_eq!(Timestamp(10).since(Timestamp(20)), Duration::ZERO);
    }
}
