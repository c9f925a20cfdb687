//! What a worker publishes of itself.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::Worker;

impl Worker {
    /// Publishes the counters, and closes idle connections.
    pub(super) fn publish(&mut self, now: Instant) {
        self.published = now;
        self.io.tcp.close_idle(self.poll.registry(), now);
        let mut rtp = self.retired;
        let (mut participants, mut connections) = (0, 0);
        for (_, hosted) in &self.rooms {
            add(&mut rtp, &hosted.room.stats());
            participants += hosted.members.len() as u64;
            connections += hosted.links.len() as u64;
        }
        let (gauges, counts) = (&self.gauges, &self.io.ports.counts);
        gauges.rooms.store(self.rooms.len() as u64, Relaxed);
        gauges.participants.store(participants, Relaxed);
        gauges.connections.store(connections, Relaxed);
        gauges.tcp_connections.store(self.io.tcp.len() as u64, Relaxed);
        gauges.datagrams_in.store(counts.received, Relaxed);
        gauges.bytes_in.store(counts.bytes_received, Relaxed);
        gauges.receives.store(counts.receives, Relaxed);
        gauges.datagrams_out.store(counts.sent, Relaxed);
        gauges.bytes_out.store(counts.bytes_sent, Relaxed);
        gauges.sends.store(counts.sends, Relaxed);
        gauges.refused.store(counts.refused + self.io.tcp.dropped() + self.io.relays.dropped(), Relaxed);
        gauges.unrouted.store(self.io.unrouted, Relaxed);
        gauges.rtp_in.store(rtp.packets_in, Relaxed);
        gauges.rtp_out.store(rtp.packets_out, Relaxed);
        gauges.rtp_dropped.store(rtp.packets_dropped, Relaxed);
        gauges.keyframe_requests.store(rtp.keyframe_requests, Relaxed);
        gauges.panics.store(self.panics, Relaxed);
        gauges.busy_micros.store(u64::try_from(self.busy.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }
}

/// Adds the counters of a room.
pub(super) fn add(sum: &mut sfu::RoomStats, stats: &sfu::RoomStats) {
    sum.packets_in += stats.packets_in;
    sum.packets_out += stats.packets_out;
    sum.bytes_out += stats.bytes_out;
    sum.keyframe_requests += stats.keyframe_requests;
    sum.packets_dropped += stats.packets_dropped;
}
