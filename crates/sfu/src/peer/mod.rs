//! One WebRTC connection: the only module that uses `str0m`.
//!
//! Owns ICE, DTLS, SRTP, retransmission, congestion control and data channels of one connection, and translates between
//! its packets and the room's. Decides nothing about who gets what.

mod config;
mod crypto;
mod extension;
mod negotiate;
mod offered;
mod path;
mod receive;
mod send;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::Bitrate;
use str0m::bwe::BweKind;
use str0m::change::SdpPendingOffer;
use str0m::channel::ChannelId;
use str0m::media::KeyframeRequestKind;
use str0m::net::{Protocol, Receive};
use str0m::{Event, IceConnectionState, Input, Rtc};

use crate::room::packet::Packet;
use crate::types::{
    DataLane, Datagram, Layer, Output, ParticipantKey, PeerConfig, PeerKey, PeerStats, RoomConfig, TrackKey, Transmit,
    Transport,
};
use path::Paths;
use receive::Inbound;
use send::Outbound;

/// The pacer lets out one packet per timeout and asks for the next a microsecond later.
const SAME_MOMENT: Duration = Duration::from_micros(2);
/// More rounds than this at one moment are put off, so that one connection cannot hold up a worker.
const MAX_ROUNDS: usize = 1_024;
const POSTPONED: Duration = Duration::from_millis(1);
/// So many rounds without anything to show for mean that the stack only thinks it has something to do.
const MAX_IDLE_ROUNDS: usize = 3;

/// What a connection tells its room.
#[derive(Debug)]
pub(crate) enum PeerEvent {
    Connected,
    Disconnected,
    Closed,
    IceUfrag(String),
    DataOpen(DataLane),
    Data(DataLane, Vec<u8>),
    Packet(TrackKey, Layer, Packet),
    /// Its packets come with this SSRC.
    EncodingStarted(TrackKey, Layer, u32),
    /// The client lost the picture on one of its m-lines.
    KeyframeWanted(u16),
    Estimate(Bitrate),
    Measured,
}

/// After a move the client has by then reported what was lost before it.
const LOSSES_TOLD: Duration = Duration::from_millis(300);

/// A connection.
pub(crate) struct Peer {
    pub(crate) key: PeerKey,
    pub(crate) participant: ParticipantKey,
    /// When the room opened.
    opened: Instant,
    rtc: Rtc,
    config: PeerConfig,
    inbound: Inbound,
    outbound: Outbound,
    channels: Vec<(DataLane, ChannelId)>,
    wanted: Vec<negotiate::WantedMedia>,
    pending: Option<SdpPendingOffer>,
    offered_channels: bool,
    paths: Paths,
    /// Where the estimate of the bandwidth starts; `None`: nothing is estimated.
    first_estimate: Option<Bitrate>,
    /// Media goes another way since then, and the estimate is still of the old one.
    moved: Option<Instant>,
    stats: PeerStats,
    timeout: Instant,
    alive: bool,
    was_connected: bool,
    last_received: Option<Instant>,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("key", &self.key).field("participant", &self.participant).finish_non_exhaustive()
    }
}

impl Peer {
    pub(crate) fn new(
        now: Instant,
        key: PeerKey,
        participant: ParticipantKey,
        config: PeerConfig,
        room: &RoomConfig,
    ) -> Self {
        let mut rtc = config::rtc_config(&config, room).build(now);
        for candidate in &config.candidates {
            match config::candidate(candidate) {
                Some(candidate) => {
                    rtc.add_local_candidate(candidate);
                }
                None => tracing::warn!(peer = key.0, "cannot announce a local address"),
            }
        }
        Self {
            key,
            participant,
            opened: room.opened,
            rtc,
            config,
            inbound: Inbound::default(),
            outbound: Outbound::default(),
            channels: Vec::new(),
            wanted: Vec::new(),
            pending: None,
            offered_channels: false,
            paths: Paths::default(),
            first_estimate: room.bandwidth_estimation.then_some(room.initial_bitrate),
            moved: None,
            stats: PeerStats::default(),
            timeout: now,
            alive: true,
            was_connected: false,
            last_received: None,
        }
    }

    /// Feeds a datagram and takes out what it brought. Packets written before [`Peer::flush`] stay queued.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: Datagram<'_>,
        events: &mut VecDeque<PeerEvent>,
        out: &mut VecDeque<Output>,
    ) {
        if !self.alive {
            return;
        }
        let proto = match datagram.transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        };
        let Ok(receive) = Receive::new(proto, datagram.source, datagram.destination, datagram.contents) else {
            tracing::trace!(peer = self.key.0, "received a packet of no connection");
            return;
        };
        self.last_received = Some(now);
        self.stats.bytes_in += datagram.contents.len() as u64;
        if let Some(stale) = self.paths.note(now, datagram) {
            self.drop_path(stale);
        }
        if let Err(error) = self.rtc.handle_input(Input::Receive(now, receive)) {
            tracing::debug!(peer = self.key.0, %error, "connection failed");
            self.close(events);
            return;
        }
        self.timeout = self.drain(now, events, out);
    }

    /// Lets time pass and sends what is due.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        events: &mut VecDeque<PeerEvent>,
        out: &mut VecDeque<Output>,
    ) {
        let mut idle = 0;
        for _ in 0..MAX_ROUNDS {
            if !self.alive {
                return;
            }
            let before = (events.len(), out.len());
            if let Err(error) = self.rtc.handle_input(Input::Timeout(now)) {
                tracing::debug!(peer = self.key.0, %error, "connection failed");
                self.close(events);
                return;
            }
            self.timeout = self.drain(now, events, out);
            if self.timeout > now + SAME_MOMENT {
                return;
            }
            idle = if before == (events.len(), out.len()) { idle + 1 } else { 0 };
            if idle == MAX_IDLE_ROUNDS {
                break;
            }
        }
        self.timeout = now + POSTPONED;
    }

    /// When [`Peer::handle_timeout`] is due. `None`: never, it is closed.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.alive.then_some(self.timeout)
    }

    pub(crate) fn stats(&self) -> PeerStats {
        self.stats
    }

    /// It was connected, and nothing has come in for `time`.
    pub(crate) fn is_silent(&self, now: Instant, time: Duration) -> bool {
        self.was_connected && self.last_received.is_none_or(|at| now.saturating_duration_since(at) > time)
    }

    pub(crate) fn send_data(&mut self, lane: DataLane, data: &[u8]) -> bool {
        let Some(channel) = self.channel(lane).and_then(|id| self.rtc.channel(id)) else { return false };
        let mut channel = channel;
        match channel.write(true, data) {
            Ok(written) => written,
            Err(error) => {
                tracing::debug!(peer = self.key.0, %error, "a data channel refused a message");
                false
            }
        }
    }

    pub(crate) fn data_buffered(&mut self, lane: DataLane) -> usize {
        let Some(id) = self.channel(lane) else { return 0 };
        self.rtc.channel(id).map_or(0, |mut channel| channel.buffered_amount())
    }

    /// What to send at least, with padding, and what to probe for.
    pub(crate) fn set_bandwidth(&mut self, sustain: Bitrate, desired: Bitrate) {
        let to_stack = |rate: Bitrate| str0m::bwe::Bitrate::bps(rate.as_bps());
        self.rtc.bwe().set_bitrate(to_stack(sustain), to_stack(desired));
    }

    /// Sends the goodbyes of ICE, DTLS and SCTP on the way out.
    pub(crate) fn say_goodbye(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        if !self.alive || self.rtc.close().is_err() {
            return;
        }
        let mut ignored = VecDeque::new();
        self.drain(now, &mut ignored, out);
        self.alive = false;
    }

    fn channel(&self, lane: DataLane) -> Option<ChannelId> {
        self.channels.iter().find(|(known, _)| *known == lane).map(|(_, id)| *id)
    }

    fn close(&mut self, events: &mut VecDeque<PeerEvent>) {
        if self.alive {
            self.alive = false;
            self.rtc.disconnect();
            events.push_back(PeerEvent::Closed);
        }
    }

    fn drain(&mut self, now: Instant, events: &mut VecDeque<PeerEvent>, out: &mut VecDeque<Output>) -> Instant {
        loop {
            match self.rtc.poll_output() {
                Ok(str0m::Output::Timeout(at)) => {
                    if !self.rtc.is_alive() {
                        self.close(events);
                    }
                    if self.moved.is_some_and(|moved| now >= moved + LOSSES_TOLD) {
                        self.moved = None;
                        self.estimate_anew(events);
                        continue;
                    }
                    return at;
                }
                Ok(str0m::Output::Transmit(transmit)) => {
                    // Answers to connectivity checks go wherever those came from (RFC 7983: STUN starts with 0 or 1).
                    let is_media = transmit.contents.first().is_some_and(|first| *first > 3);
                    if is_media && self.paths.follow(transmit.proto, transmit.destination) {
                        // What went into the old path is lost, and too long ago to be sent again.
                        events.extend(self.outbound.video_slots().map(PeerEvent::KeyframeWanted));
                        self.moved = Some(now);
                    }
                    self.stats.bytes_out += transmit.contents.len() as u64;
                    out.push_back(Output::Transmit(Transmit {
                        peer: self.key,
                        transport: transport(transmit.proto),
                        source: transmit.source,
                        destination: transmit.destination,
                        contents: transmit.contents.into(),
                    }));
                }
                Ok(str0m::Output::Event(event)) => self.handle_event(now, event, events),
                Err(error) => {
                    tracing::debug!(peer = self.key.0, %error, "connection failed");
                    self.close(events);
                    return now;
                }
            }
        }
    }

    /// The losses on a dead path say nothing of the one that media takes now.
    fn estimate_anew(&mut self, events: &mut VecDeque<PeerEvent>) {
        let Some(estimate) = self.first_estimate else { return };
        self.rtc.bwe().reset(str0m::bwe::Bitrate::bps(estimate.as_bps()));
        self.stats.estimate = Some(estimate);
        events.push_back(PeerEvent::Estimate(estimate));
    }

    fn handle_event(&mut self, now: Instant, event: Event, events: &mut VecDeque<PeerEvent>) {
        match event {
            Event::RtpPacket(packet) => {
                if let Some((track, layer, packet)) = self.inbound.translate(&mut self.rtc, packet) {
                    events.push_back(PeerEvent::Packet(track, layer, packet));
                }
                if let Some((track, layer, ssrc)) = self.inbound.take_started() {
                    events.push_back(PeerEvent::EncodingStarted(track, layer, ssrc));
                }
            }
            Event::Connected => {
                self.was_connected = true;
                self.stats.connected = true;
                events.push_back(PeerEvent::Connected);
            }
            Event::IceConnectionStateChange(state) => self.handle_ice_state(state, events),
            Event::Closed => self.close(events),
            Event::ChannelOpen(id, label) => {
                if let Some(lane) = lane(&label) {
                    self.channels.retain(|(known, _)| *known != lane);
                    self.channels.push((lane, id));
                    events.push_back(PeerEvent::DataOpen(lane));
                }
            }
            Event::ChannelData(data) => {
                if let Some((lane, _)) = self.channels.iter().find(|(_, id)| *id == data.id) {
                    events.push_back(PeerEvent::Data(*lane, data.data));
                }
            }
            Event::ChannelClose(id) => self.channels.retain(|(_, known)| *known != id),
            Event::KeyframeRequest(request) => {
                let slot = self.outbound.slot_of(request.mid);
                let (KeyframeRequestKind::Pli | KeyframeRequestKind::Fir) = request.kind;
                if let Some(slot) = slot {
                    events.push_back(PeerEvent::KeyframeWanted(slot));
                }
            }
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, can_probe: true }) => {
                let estimate = Bitrate(estimate.as_u64());
                self.stats.estimate = Some(estimate);
                events.push_back(PeerEvent::Estimate(estimate));
            }
            Event::PeerStats(stats) => {
                self.stats.loss_up = stats.ingress_loss_fraction;
                self.stats.loss_down = stats.egress_loss_fraction;
                let pair_rtt = stats.selected_candidate_pair.as_ref().and_then(|pair| pair.current_round_trip_time);
                self.stats.rtt = stats.rtt.or(pair_rtt).or(self.stats.rtt);
                if let Some(pair) = &stats.selected_candidate_pair {
                    self.stats.tcp = transport(pair.protocol) == Transport::Tcp;
                }
                self.stats.connected = !self.is_silent(now, Duration::from_secs(15)) && self.was_connected;
                events.push_back(PeerEvent::Measured);
            }
            // Everything else is either of no concern here or of a mode that is not used.
            _ => {}
        }
    }

    fn handle_ice_state(&mut self, state: IceConnectionState, events: &mut VecDeque<PeerEvent>) {
        match state {
            IceConnectionState::Disconnected => {
                self.stats.connected = false;
                events.push_back(PeerEvent::Disconnected);
            }
            IceConnectionState::Connected | IceConnectionState::Completed => {
                // The first time, DTLS is still to come.
                if self.was_connected && !self.stats.connected {
                    self.stats.connected = true;
                    events.push_back(PeerEvent::Connected);
                }
            }
            IceConnectionState::New | IceConnectionState::Checking => {}
        }
    }
}

fn transport(protocol: Protocol) -> Transport {
    match protocol {
        Protocol::Udp => Transport::Udp,
        Protocol::Tcp | Protocol::SslTcp | Protocol::Tls => Transport::Tcp,
    }
}

fn lane(label: &str) -> Option<DataLane> {
    match label {
        "_reliable" => Some(DataLane::Reliable),
        "_lossy" => Some(DataLane::Lossy),
        "_data_track" => Some(DataLane::Track),
        _ => None,
    }
}
