//! [`MediaRoom`]: one room with its peers, the type a worker thread owns and drives.

use std::time::{Duration, Instant};

use crate::types::*;

/// A room and the WebRTC connections in it. Sans-IO: feed it with `handle_*` and commands, then take
/// [`MediaRoom::poll_output`] until it says [`Output::Timeout`].
#[derive(Debug)]
pub struct MediaRoom {
    config: RoomConfig,
    now: Instant,
}

#[expect(unused_variables, reason = "signatures first")]
impl MediaRoom {
    /// An empty room.
    pub fn new(now: Instant, config: RoomConfig) -> Self {
        Self { config, now }
    }

    /// Adds a participant.
    pub fn join(&mut self, now: Instant, rights: Rights) -> ParticipantKey {
        ParticipantKey(0)
    }

    /// Takes a participant out: closes its peers, ends its tracks and subscriptions.
    pub fn leave(&mut self, now: Instant, participant: ParticipantKey) {}

    /// Changes what a participant may do; what it may no longer do ends.
    pub fn set_rights(&mut self, now: Instant, participant: ParticipantKey, rights: Rights) {}

    /// Opens a connection for a participant.
    pub fn open_peer(&mut self, now: Instant, participant: ParticipantKey, config: PeerConfig) -> PeerKey {
        PeerKey(0)
    }

    /// Closes a connection. No event follows.
    pub fn close_peer(&mut self, now: Instant, peer: PeerKey) {}

    /// Takes an offer of the client and answers it.
    pub fn accept_offer(&mut self, now: Instant, peer: PeerKey, sdp: &str) -> Result<Negotiated, NegotiationError> {
        Err(NegotiationError::UnknownPeer)
    }

    /// Makes an offer to the client. `None`: nothing to negotiate, or an offer is outstanding (ask again after its answer).
    pub fn create_offer(&mut self, now: Instant, peer: PeerKey, ice_restart: bool) -> Result<Option<String>, NegotiationError> {
        Err(NegotiationError::UnknownPeer)
    }

    /// Takes the client's answer to the outstanding offer.
    pub fn accept_answer(&mut self, now: Instant, peer: PeerKey, sdp: &str) -> Result<(), NegotiationError> {
        Err(NegotiationError::UnknownPeer)
    }

    /// Adds a candidate the client trickled: the `candidate:…` attribute, with or without `a=`.
    pub fn add_remote_candidate(&mut self, now: Instant, peer: PeerKey, candidate: &str) -> Result<(), NegotiationError> {
        Err(NegotiationError::UnknownPeer)
    }

    /// Announces a track.
    pub fn publish(&mut self, now: Instant, participant: ParticipantKey, spec: TrackSpec) -> TrackKey {
        TrackKey(0)
    }

    /// Ties a track to the m-line its packets come in on. `rids` as offered: `q`, `h`, `f`; empty: one encoding.
    pub fn bind_track(&mut self, now: Instant, track: TrackKey, peer: PeerKey, mid: MidName, rids: &[String]) {}

    /// Ends a track and every subscription to it.
    pub fn unpublish(&mut self, now: Instant, track: TrackKey) {}

    /// Mutes or unmutes a track.
    pub fn set_track_muted(&mut self, now: Instant, track: TrackKey, muted: bool) {}

    /// Subscribes a participant to a track. [`MediaEvent::SubscriptionWanted`] follows once its codec is known.
    pub fn subscribe(&mut self, now: Instant, subscriber: ParticipantKey, track: TrackKey) {}

    /// Ends a subscription. [`MediaEvent::SubscriptionEnded`] follows.
    pub fn unsubscribe(&mut self, now: Instant, subscriber: ParticipantKey, track: TrackKey) {}

    /// Says what a subscriber wants of a track.
    pub fn set_preference(&mut self, now: Instant, subscriber: ParticipantKey, track: TrackKey, preference: TrackPreference) {}

    /// Gives a subscription its m-line: forwarding starts with the next keyframe.
    pub fn bind_subscription(&mut self, now: Instant, subscriber: ParticipantKey, track: TrackKey, peer: PeerKey, mid: MidName) {}

    /// Adds a sendonly m-line to a connection where the server offers; it goes into the next offer.
    pub fn add_send_media(&mut self, now: Instant, peer: PeerKey, kind: Kind) -> MidName {
        MidName(String::new())
    }

    /// Sends on a data channel. `false`: it is not open, or its buffer is full.
    pub fn send_data(&mut self, now: Instant, peer: PeerKey, lane: DataLane, data: &[u8]) -> bool {
        false
    }

    /// Bytes that wait in a data channel's send buffer.
    pub fn data_buffered(&self, peer: PeerKey, lane: DataLane) -> usize {
        0
    }

    /// Feeds a datagram. May be called many times before [`MediaRoom::flush`].
    pub fn handle_datagram(&mut self, now: Instant, peer: PeerKey, datagram: Datagram<'_>) {}

    /// Does what is due at `now`, flushing included.
    pub fn handle_timeout(&mut self, now: Instant) {}

    /// Writes what the datagrams fed so far have queued for subscribers.
    pub fn flush(&mut self, now: Instant) {}

    /// The next thing the room wants done.
    pub fn poll_output(&mut self) -> Output {
        Output::Timeout(self.now + Duration::from_secs(3600))
    }

    /// Counters.
    pub fn stats(&self) -> RoomStats {
        RoomStats::default()
    }

    /// How a connection does. `None`: no such connection.
    pub fn peer_stats(&self, peer: PeerKey) -> Option<PeerStats> {
        None
    }

    /// No participants.
    pub fn is_empty(&self) -> bool {
        true
    }
}
