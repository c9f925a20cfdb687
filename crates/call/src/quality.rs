//! How good connections are: the bands, and what is kept of one participant's reports. Pure; knows no media.

use model::{QualityBand, Timestamp};
use serde::{Deserialize, Serialize};

/// So long poor, and those in the call are alerted, in milliseconds.
const ALERT_AFTER: i64 = 10_000;

/// For so long after a client's report the server's own are passed over, in milliseconds.
const CLIENT_COUNTS: i64 = 30_000;

/// What a client, or the server, measured over the last seconds. Out of range values are for the edge to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QualityReport {
    /// Packets lost, in percent; `None`: not measured.
    pub packet_loss: Option<f64>,
    /// Jitter in milliseconds; `None`: not measured.
    pub jitter_ms: Option<f64>,
    /// Round trip in milliseconds; `None`: not measured.
    pub round_trip_ms: Option<f64>,
}

/// A report as it is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityView {
    /// The worst band that one of the numbers falls in.
    pub band: QualityBand,
    /// The numbers.
    pub report: QualityReport,
}

/// Averages of a participant's reports.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct QualitySummary {
    /// How many reports the averages are of.
    pub reports: u64,
    /// The band of the last report.
    pub band: QualityBand,
    /// Packets lost, in percent; `None`: no report said.
    pub packet_loss: Option<f64>,
    /// Jitter in milliseconds; `None`: not measured.
    pub jitter_ms: Option<f64>,
    /// Round trip in milliseconds; `None`: not measured.
    pub round_trip_ms: Option<f64>,
}

impl QualityReport {
    /// The worst band that one of the numbers falls in; `None` where there is no number.
    pub fn band(&self) -> Option<QualityBand> {
        let of = |value: Option<f64>, bounds: [f64; 3]| value.map(|value| band_of(value, bounds));
        let loss = of(self.packet_loss, [1.0, 3.0, 8.0]);
        let jitter = of(self.jitter_ms, [20.0, 40.0, 80.0]);
        let round_trip = of(self.round_trip_ms, [150.0, 300.0, 500.0]);
        loss.into_iter().chain(jitter).chain(round_trip).max()
    }
}

fn band_of(value: f64, [excellent, good, fair]: [f64; 3]) -> QualityBand {
    if value < excellent {
        QualityBand::Excellent
    } else if value < good {
        QualityBand::Good
    } else if value < fair {
        QualityBand::Fair
    } else {
        QualityBand::Poor
    }
}

/// A mean that takes in one value after the other.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    count: u64,
    mean: f64,
}

impl Mean {
    fn take(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.count += 1;
            self.mean += (value - self.mean) / self.count as f64;
        }
    }

    fn restored(count: u64, mean: Option<f64>) -> Self {
        mean.map_or_else(Self::default, |mean| Self { count, mean })
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }
}

/// What is kept of one participant's reports.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quality {
    reports: u64,
    band: Option<QualityBand>,
    packet_loss: Mean,
    jitter: Mean,
    round_trip: Mean,
    poor_since: Option<Timestamp>,
    alerted: bool,
    /// When the client last reported.
    client_at: Option<Timestamp>,
}

impl Quality {
    /// A new stay in the call: what was poor in the last one is over.
    pub fn begin_stay(&mut self) {
        (self.poor_since, self.alerted, self.client_at) = (None, false, None);
    }

    /// Whether a report counts: the client knows more than the server, so where it reports the server's view does not.
    pub fn hears(&mut self, now: Timestamp, by_server: bool) -> bool {
        if !by_server {
            self.client_at = Some(now);
        }
        !by_server || self.client_at.is_none_or(|at| now.0.saturating_sub(at.0) > CLIENT_COUNTS)
    }

    /// Takes a report in. Gives since when the connection is poor, where that is now to be told.
    pub fn take(&mut self, now: Timestamp, report: QualityReport) -> Option<Timestamp> {
        let band = report.band()?;
        self.reports += 1;
        self.band = Some(band);
        self.packet_loss.take(report.packet_loss);
        self.jitter.take(report.jitter_ms);
        self.round_trip.take(report.round_trip_ms);
        if band != QualityBand::Poor {
            self.poor_since = None;
            self.alerted = false;
            return None;
        }
        let since = *self.poor_since.get_or_insert(now);
        let due = !self.alerted && now.0.saturating_sub(since.0) >= ALERT_AFTER;
        self.alerted |= due;
        due.then_some(since)
    }

    /// Averages so far.
    pub fn summary(&self) -> Option<QualitySummary> {
        Some(QualitySummary {
            reports: self.reports,
            band: self.band?,
            packet_loss: self.packet_loss.value(),
            jitter_ms: self.jitter.value(),
            round_trip_ms: self.round_trip.value(),
        })
    }

    /// From the store.
    pub fn restored(stored: Option<QualitySummary>) -> Self {
        let Some(stored) = stored else { return Self::default() };
        Self {
            reports: stored.reports,
            band: Some(stored.band),
            packet_loss: Mean::restored(stored.reports, stored.packet_loss),
            jitter: Mean::restored(stored.reports, stored.jitter_ms),
            round_trip: Mean::restored(stored.reports, stored.round_trip_ms),
            poor_since: None,
            alerted: false,
            client_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(loss: f64, jitter: f64, round_trip: f64) -> QualityReport {
        QualityReport { packet_loss: Some(loss), jitter_ms: Some(jitter), round_trip_ms: Some(round_trip) }
    }

    #[test]
    fn the_band_is_the_worst_of_the_numbers() {
        use QualityBand::{Excellent, Fair, Good, Poor};
        for (report, band) in [
            (report(0.0, 5.0, 40.0), Some(Excellent)),
            (report(1.0, 5.0, 40.0), Some(Good)),
            (report(0.0, 40.0, 40.0), Some(Fair)),
            (report(0.0, 5.0, 500.0), Some(Poor)),
            (report(8.0, 5.0, 5.0), Some(Poor)),
            (QualityReport { round_trip_ms: Some(299.9), ..QualityReport::default() }, Some(Good)),
            (QualityReport::default(), None),
        ] {
            assert_eq!(report.band(), band, "{report:?}");
        }
    }

    #[test]
    fn ten_seconds_of_poor_are_told_once_until_it_is_better() {
        let mut quality = Quality::default();
        let at = |second: i64| Timestamp(second * 1_000);
        let poor = report(20.0, 5.0, 40.0);
        assert_eq!(quality.take(at(0), poor), None);
        assert_eq!(quality.take(at(9), poor), None);
        assert_eq!(quality.take(at(10), poor), Some(at(0)));
        assert_eq!(quality.take(at(30), poor), None);
        assert_eq!(quality.take(at(31), report(0.0, 5.0, 40.0)), None);
        assert_eq!(quality.take(at(32), poor), None);
        assert_eq!(quality.take(at(42), poor), Some(at(32)));
    }

    #[test]
    fn averages_go_on_after_a_restart() {
        let mut quality = Quality::default();
        quality.take(Timestamp(0), report(2.0, 10.0, 100.0));
        quality.take(Timestamp(1), report(4.0, 30.0, 300.0));
        let mut quality = Quality::restored(quality.summary());
        quality.take(Timestamp(2), report(6.0, 50.0, 500.0));
        let summary = quality.summary().unwrap();
        assert_eq!((summary.reports, summary.packet_loss, summary.jitter_ms), (3, Some(4.0), Some(30.0)));
        assert_eq!((summary.round_trip_ms, summary.band), (Some(300.0), QualityBand::Poor));
    }
}
