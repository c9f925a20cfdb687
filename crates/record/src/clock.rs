//! From a stream's RTP time to the recording's clock.
//!
//! `sfu` says of each packet when it was captured: on one clock a publisher, tied to sender reports once there are any, and
//! otherwise the time of arrival. RTP time says how far frames are apart, without jitter. So frames are placed by RTP time, and
//! that is led after what is said of their capture: slowly, because a player takes a frame of 15 ms instead of 20, but no step
//! back.

/// Errors below this are left alone: they are jitter.
const TOLERATED_MS: i64 = 10;
/// What remains when a correction is done.
const DONE_MS: i64 = 2;
/// At this error, the stream has begun anew.
const ANEW_MS: i64 = 1_000;
/// A correction takes this part of the time that passes.
const SLEW: i64 = 4;

/// Places the frames of one track.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Ticks a second, of RTP and of the file.
    rate: i64,
    stream: Option<Stream>,
    /// The last decode time given.
    last: Option<u64>,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    timestamp: u32,
    /// RTP time without wrapping.
    unwrapped: i64,
    /// What to add to it.
    offset: i64,
    correcting: bool,
}

/// What is known of when a frame was captured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Captured {
    /// In ticks since the recording began; negative: before.
    pub at: i64,
    /// By a sender report; otherwise it is the time of arrival, which is later by what the way took.
    pub reported: bool,
}

impl Clock {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate: rate.into(), stream: None, last: None }
    }

    /// The decode time of the next frame, after all before it.
    pub(crate) fn place(&mut self, ssrc: u32, timestamp: u32, captured: Captured) -> u64 {
        let place = match self.stream.as_mut().filter(|stream| stream.ssrc == ssrc) {
            Some(stream) => stream.advance(timestamp, captured, self.rate),
            None => {
                let offset = captured.at;
                self.stream = Some(Stream { ssrc, timestamp, unwrapped: 0, offset, correcting: false });
                captured.at
            }
        };
        let place = u64::try_from(place).unwrap_or(0).max(self.last.map_or(0, |last| last + 1));
        self.last = Some(place);
        place
    }
}

impl Stream {
    fn advance(&mut self, timestamp: u32, captured: Captured, rate: i64) -> i64 {
        let elapsed = i64::from(timestamp.wrapping_sub(self.timestamp).cast_signed());
        self.timestamp = timestamp;
        self.unwrapped += elapsed;
        let error = captured.at - (self.unwrapped + self.offset);
        let ms = |ms: i64| ms * rate / 1_000;
        if error.abs() > ms(ANEW_MS) {
            self.offset += error;
            self.correcting = false;
        } else {
            // What arrives late was not captured late; what arrives early was captured early.
            let counts = captured.reported || error < 0;
            self.correcting = counts && error.abs() > if self.correcting { ms(DONE_MS) } else { ms(TOLERATED_MS) };
            if self.correcting {
                let most = elapsed.max(0) / SLEW;
                self.offset += error.clamp(-most, most);
            }
        }
        self.unwrapped + self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 48;

    fn reported(at_ms: i64) -> Captured {
        Captured { at: at_ms * MS, reported: true }
    }

    fn arrived(at_ms: i64) -> Captured {
        Captured { at: at_ms * MS, reported: false }
    }

    #[test]
    fn jitter_of_the_network_moves_nothing() {
        let mut clock = Clock::new(48_000);
        let mut rng = fastrand::Rng::with_seed(3);
        let from = u32::MAX - 48_000;
        let placed = (0..500).map(|at: i64| {
            let timestamp = from.wrapping_add(at as u32 * 960);
            clock.place(1, timestamp, arrived(at * 20 + rng.i64(0..80)))
        });
        let placed: Vec<u64> = placed.collect();
        let steps: Vec<u64> = placed.windows(2).map(|two| two[1] - two[0]).skip(100).collect();
        // Seldom, one arrives faster than any before.
        let moved = steps.iter().filter(|step| **step != 960).count();
        assert!(moved <= 3, "{moved} frames were moved: {steps:?}");
        // By the fastest of the first packets, and no later than it.
        assert!(placed[499] <= 499 * 960 + 10 * 48, "{}", placed[499]);
    }

    #[test]
    fn a_first_report_moves_what_was_placed_by_arrival_without_a_step_back() {
        let mut clock = Clock::new(48_000);
        let mut last = None;
        for at in 0..200_i64 {
            let captured = if at < 50 { arrived(at * 20 + 150) } else { reported(at * 20) };
            let placed = clock.place(1, at as u32 * 960, captured);
            assert!(last.is_none_or(|last| placed >= last + 700), "frame {at}: {last:?}, {placed}");
            last = Some(placed);
        }
        let error = last.expect("placed").cast_signed() - 199 * 960;
        assert!(error.abs() <= 2 * MS, "{error} ticks");
    }

    #[test]
    fn twelve_hours_of_a_clock_that_runs_fast_stay_in_step() {
        let mut clock = Clock::new(90_000);
        let mut worst = 0;
        // 100 ppm; a frame a second is enough to see it.
        for second in 0..12 * 3_600_i64 {
            let timestamp = (second * 90_009) as u32;
            let placed = clock.place(1, timestamp, Captured { at: second * 90_000, reported: true });
            worst = worst.max((placed.cast_signed() - second * 90_000).abs());
        }
        assert!(worst <= 11 * 90, "{worst} ticks");
    }

    #[test]
    fn a_stream_that_begins_anew_is_placed_anew_and_never_before_the_last() {
        let mut clock = Clock::new(90_000);
        clock.place(1, 0, Captured { at: 90_000, reported: true });
        assert_eq!(clock.place(2, 77, Captured { at: 180_000, reported: true }), 180_000);
        assert_eq!(clock.place(3, 5, Captured { at: 100, reported: true }), 180_001);
        assert_eq!(clock.place(3, 5_000_000, Captured { at: 400_000, reported: true }), 400_000, "RTP time jumped");
    }
}
