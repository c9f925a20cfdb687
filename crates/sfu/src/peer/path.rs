//! Which network path is alive, so that a client which moved is not sent to where it was.
//!
//! The stack keeps the nominated pair of highest priority until it ages out, 15 s after its last check. A client whose
//! UDP died and which goes on over TCP would hear nothing until then. So: where the path in use has been silent for a
//! while and another one carries the client's packets, the old one is dropped.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::net::Protocol;

use super::{Peer, config};
use crate::types::{Datagram, LocalCandidate, Transport};

/// Longer than the spacing of a browser's checks on the path in use (2.5 s), shorter than what a person forgives.
const SILENCE: Duration = Duration::from_millis(3_000);

/// What was heard where.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Where packets go now.
    used: Option<(Transport, SocketAddr)>,
    used_heard: Option<Instant>,
    used_at: Option<SocketAddr>,
    /// There has been one.
    had_one: bool,
}

/// A path to drop: the local candidate over which it was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stale(LocalCandidate);

impl Paths {
    /// Takes note of an incoming datagram. Gives the path in use if it is dead.
    pub(super) fn note(&mut self, now: Instant, datagram: Datagram<'_>) -> Option<Stale> {
        let (transport, remote) = self.used?;
        if datagram.transport == transport && datagram.source == remote {
            self.used_heard = Some(now);
            self.used_at = Some(datagram.destination);
            return None;
        }
        // The path moved within one local address (NAT rebinding): the stack follows the client's nomination.
        let local = self.used_at?;
        let silent = self.used_heard.is_none_or(|heard| now.saturating_duration_since(heard) > SILENCE);
        if !silent {
            return None;
        }
        self.used = None;
        self.used_heard = None;
        self.used_at = None;
        Some(Stale(LocalCandidate { transport, addr: local }))
    }

    /// Takes note of where media goes: the path the stack has chosen. True where it went elsewhere before.
    pub(super) fn follow(&mut self, protocol: Protocol, remote: SocketAddr) -> bool {
        let path = (super::transport(protocol), remote);
        if self.used == Some(path) {
            return false;
        }
        let moved = self.had_one;
        *self = Self { used: Some(path), used_heard: None, used_at: None, had_one: true };
        moved
    }
}

impl Peer {
    /// Forgets a path: its local candidate goes and comes back without its pairs, so that the client's next check
    /// over it starts anew.
    pub(super) fn drop_path(&mut self, stale: Stale) {
        let Some(candidate) = config::candidate(&stale.0) else { return };
        tracing::debug!(peer = self.key.0, "the current path is silent but another one works: dropping the silent one");
        if self.rtc.direct_api().invalidate_candidate(&candidate) {
            self.rtc.add_local_candidate(candidate);
        }
    }
}
