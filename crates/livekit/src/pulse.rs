//! Connections whose network path died.
//!
//! A browser stops gathering candidates once it is connected, so it knows no TCP path to fall back to when UDP dies,
//! and takes 15 s or more to recover by itself. The server knows after two seconds: a client that sent all the time,
//! and should be sending, is silent although its WebSocket is alive. Told to resume, the client restarts ICE at once,
//! over whatever path works. Pure.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use sfu::PeerKey;

/// Ten times what a pause of a live connection lasts on a bad day. A resume that was not needed harms no media.
const SILENT: Duration = Duration::from_millis(2_000);
/// What is heard after a longer pause is not part of a steady stream.
const PAUSE: Duration = Duration::from_millis(500);
/// Datagrams in a second that make a connection busy. Checks and reports alone are fewer.
const BUSY: u32 = 12;
const WINDOW: Duration = Duration::from_secs(1);
/// A timer that comes this late says that we slept, not the client.
const OVERSLEPT: Duration = Duration::from_millis(500);

/// When each connection was heard last.
#[derive(Debug, Default)]
pub(crate) struct Pulses {
    peers: FxHashMap<PeerKey, Pulse>,
}

#[derive(Debug, Clone, Copy)]
struct Pulse {
    heard: Instant,
    window: Instant,
    in_window: u32,
    busy: bool,
}

impl Pulses {
    /// A datagram came.
    pub fn beat(&mut self, now: Instant, peer: PeerKey) {
        let pulse = self.peers.entry(peer).or_insert(Pulse { heard: now, window: now, in_window: 0, busy: false });
        if now.saturating_duration_since(pulse.heard) >= PAUSE {
            (pulse.window, pulse.in_window, pulse.busy) = (now, 0, false);
        } else if now.saturating_duration_since(pulse.window) >= WINDOW {
            pulse.busy = pulse.in_window >= BUSY;
            (pulse.window, pulse.in_window) = (now, 0);
        }
        pulse.in_window += 1;
        pulse.heard = now;
    }

    /// A connection is closed.
    pub fn forget(&mut self, peer: PeerKey) {
        self.peers.remove(&peer);
    }

    /// When a connection will count as dead, unless it is heard before.
    pub fn due(&self, peer: PeerKey) -> Option<Instant> {
        self.peers.get(&peer).filter(|pulse| pulse.busy).map(|pulse| pulse.heard + SILENT)
    }

    /// A busy connection has fallen silent; whether it had reason to, its owner knows. Said once: it has to be busy again
    /// before it can be said again.
    pub fn has_stopped(&mut self, now: Instant, peer: PeerKey) -> bool {
        let Some(due) = self.due(peer).filter(|due| *due <= now) else { return false };
        let Some(pulse) = self.peers.get_mut(&peer) else { return false };
        if now.saturating_duration_since(due) > OVERSLEPT {
            // What came meanwhile is about to be read.
            pulse.heard = now + OVERSLEPT - SILENT;
            return false;
        }
        pulse.busy = false;
        pulse.in_window = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerKey = PeerKey(1);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Beats at an interval until then; answers when the last one was.
    fn beat(pulses: &mut Pulses, from: Instant, every: Duration, until: Instant) -> Instant {
        let mut at = from;
        while at + every <= until {
            at += every;
            pulses.beat(at, PEER);
        }
        at
    }

    #[test]
    fn a_busy_connection_that_falls_silent_has_stopped_once() {
        let (mut pulses, start) = (Pulses::default(), Instant::now());
        let last = beat(&mut pulses, start, ms(20), start + ms(5_000));
        assert_eq!(pulses.due(PEER), Some(last + SILENT));
        assert!(!pulses.has_stopped(last + SILENT - ms(1), PEER));
        assert!(pulses.has_stopped(last + SILENT, PEER));
        assert!(!pulses.has_stopped(last + SILENT * 2, PEER));
        let again = beat(&mut pulses, last + SILENT * 2, ms(20), last + SILENT * 2 + ms(3_000));
        assert!(pulses.has_stopped(again + SILENT, PEER));
    }

    #[test]
    fn a_connection_that_only_checks_its_path_never_counts() {
        let (mut pulses, start) = (Pulses::default(), Instant::now());
        let last = beat(&mut pulses, start, ms(2_500), start + ms(30_000));
        assert_eq!(pulses.due(PEER), None);
        assert!(!pulses.has_stopped(last + ms(60_000), PEER));
    }

    #[test]
    fn one_that_falls_idle_is_soon_not_busy() {
        let (mut pulses, start) = (Pulses::default(), Instant::now());
        let last = beat(&mut pulses, start, ms(20), start + ms(5_000));
        let idle = beat(&mut pulses, last, ms(2_500), last + ms(10_000));
        assert!(!pulses.has_stopped(idle + SILENT, PEER));
    }

    #[test]
    fn a_server_that_overslept_waits_for_what_came_meanwhile() {
        let (mut pulses, start) = (Pulses::default(), Instant::now());
        let last = beat(&mut pulses, start, ms(20), start + ms(5_000));
        let late = last + SILENT + ms(2_000);
        assert!(!pulses.has_stopped(late, PEER));
        assert!(pulses.has_stopped(late + OVERSLEPT, PEER));
        pulses.forget(PEER);
        assert_eq!(pulses.due(PEER), None);
    }
}
