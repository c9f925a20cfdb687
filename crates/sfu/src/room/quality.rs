//! Connection quality as people would describe it: a function over what was measured.

use std::time::Duration;

use crate::types::Quality;

/// What is known of a participant's connections.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Measured {
    /// Share of packets lost, the worse direction.
    pub loss: f32,
    /// Round trip.
    pub rtt: Option<Duration>,
    /// Nothing has come in for a while although something should.
    pub silent: bool,
    /// Video is held below what the participant wants for lack of bandwidth.
    pub starved: bool,
}

/// The word for it.
pub fn grade(measured: Measured) -> Quality {
    if measured.silent {
        return Quality::Lost;
    }
    // Retransmission hides loss while the round trip is short.
    let slow = measured.rtt.is_some_and(|rtt| rtt > Duration::from_millis(400));
    let score = measured.loss * if slow { 2.0 } else { 1.0 };
    if score > 0.12 || (slow && measured.starved) {
        Quality::Poor
    } else if score > 0.04 || slow || measured.starved {
        Quality::Good
    } else {
        Quality::Excellent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades() {
        let ms = Duration::from_millis;
        let base = Measured { loss: 0.0, rtt: Some(ms(50)), silent: false, starved: false };
        for (measured, expected) in [
            (base, Quality::Excellent),
            (Measured { loss: 0.03, ..base }, Quality::Excellent),
            (Measured { loss: 0.05, ..base }, Quality::Good),
            (Measured { loss: 0.2, ..base }, Quality::Poor),
            (Measured { loss: 0.07, rtt: Some(ms(500)), ..base }, Quality::Poor),
            (Measured { rtt: Some(ms(500)), ..base }, Quality::Good),
            (Measured { starved: true, ..base }, Quality::Good),
            (Measured { silent: true, ..base }, Quality::Lost),
        ] {
            assert_eq!(grade(measured), expected, "{measured:?}");
        }
    }
}
