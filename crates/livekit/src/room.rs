//! One LiveKit room.
use std::time::Instant;

use crate::types::{ConnectionId, Join, Output, RoomInit};
use livekit_protocol as proto;

/// One LiveKit room: sessions over a media room.
pub struct Room {}

#[allow(unused_variables)]
impl Room {
    /// An empty room.
    pub fn new(now: Instant, init: RoomInit) -> Self {
        unimplemented!()
    }
    /// A client joins or resumes over a new signalling connection.
    pub fn handle_connect(&mut self, now: Instant, connection: ConnectionId, join: Join) {
        unimplemented!()
    }
    /// A message of a client.
    pub fn handle_signal(&mut self, now: Instant, connection: ConnectionId, message: proto::SignalRequest) {
        unimplemented!()
    }
    /// A WebSocket is gone.
    pub fn handle_disconnect(&mut self, now: Instant, connection: ConnectionId) {
        unimplemented!()
    }
    /// A datagram of a peer: feed only, then `flush`.
    pub fn handle_datagram(&mut self, now: Instant, peer: sfu::PeerKey, datagram: sfu::Datagram<'_>) {
        unimplemented!()
    }
    /// Timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        unimplemented!()
    }
    /// Writes out what was fed since the last flush.
    pub fn flush(&mut self, now: Instant) {
        unimplemented!()
    }
    /// Puts a participant out; false where there is none.
    pub fn remove_participant(&mut self, now: Instant, identity: &str) -> bool {
        unimplemented!()
    }
    /// Deletes the room: everyone is told.
    pub fn close(&mut self, now: Instant) {
        unimplemented!()
    }
    /// Participants now.
    pub fn participant_count(&self) -> usize {
        unimplemented!()
    }
    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Output {
        unimplemented!()
    }
    /// Counters.
    pub fn stats(&self) -> sfu::RoomStats {
        unimplemented!()
    }
}
