//! A simulated client: a real WebRTC connection, synthetic cameras and microphones, and decoders that check what they
//! get.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sfu::{Kind, Layer, MidName};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive, Transmit};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::video::{Decoder, Encoder, Shape};

const VIDEO_CLOCK: u64 = 90_000;
const AUDIO_CLOCK: u64 = 48_000;
const AUDIO_INTERVAL: Duration = Duration::from_millis(20);

/// What a camera sends.
#[derive(Debug, Clone)]
pub struct CameraConfig {
    /// Frames a second.
    pub fps: u32,
    /// The encodings, small to large, with their rids; one without a name is no simulcast.
    pub encodings: Vec<(&'static str, Shape)>,
}

/// A client.
pub struct SimClient {
    /// Where it is.
    pub addr: SocketAddr,
    rtc: Rtc,
    rng: fastrand::Rng,
    senders: Vec<Sender>,
    /// Video received, by m-line.
    pub screens: Vec<(Mid, Decoder)>,
    /// Audio packets received, by m-line: count, and sequence numbers seen.
    pub speakers: Vec<(Mid, Vec<u64>)>,
    screen_ssrcs: Vec<(Mid, Ssrc)>,
    channels: Vec<(ChannelId, String)>,
    /// Data channel messages received: label and bytes.
    pub messages: Vec<(String, Vec<u8>)>,
    /// Data channels that are open.
    pub open: Vec<String>,
    pending: Option<SdpPendingOffer>,
    born: Instant,
    /// ICE and DTLS are up.
    pub connected: bool,
    timeout: Instant,
    /// Keyframe requests that arrived.
    pub keyframe_requests: u32,
    /// Media packets received, audio included.
    pub packets_received: u64,
    /// When the last media packet was received.
    pub last_media: Option<Instant>,
}

impl std::fmt::Debug for SimClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimClient").field("addr", &self.addr).finish_non_exhaustive()
    }
}

struct Sender {
    mid: Mid,
    rid: Option<Rid>,
    kind: Kind,
    encoder: Option<Encoder>,
    enabled: bool,
    seq: u64,
    time_offset: u32,
    started: Option<Instant>,
    next: Instant,
    interval: Duration,
    level: u8,
    configured: bool,
}

impl SimClient {
    /// A client at an address.
    pub fn new(now: Instant, addr: SocketAddr, seed: u64) -> Self {
        let mut config = Rtc::builder().set_rtp_mode(true).clear_codecs().enable_opus(true, false).enable_vp8(true);
        config = config.set_reordering_size_video(200);
        let mut rtc = config.build(now);
        let host = Candidate::host(addr, Protocol::Udp).expect("an address is a candidate");
        rtc.add_local_candidate(host);
        Self {
            addr,
            rtc,
            rng: fastrand::Rng::with_seed(seed),
            senders: Vec::new(),
            screens: Vec::new(),
            speakers: Vec::new(),
            screen_ssrcs: Vec::new(),
            channels: Vec::new(),
            messages: Vec::new(),
            open: Vec::new(),
            pending: None,
            born: now,
            connected: false,
            timeout: now,
            keyframe_requests: 0,
            packets_received: 0,
            last_media: None,
        }
    }

    /// Adds another address, reached over TCP.
    pub fn add_tcp(&mut self, addr: SocketAddr) {
        let candidate = Candidate::builder().tcp().host(addr).tcptype(str0m::net::TcpType::Active).build();
        self.rtc.add_local_candidate(candidate.expect("an address is a candidate"));
    }

    /// Gives up its UDP path, as a browser does after two or three seconds of silence.
    pub fn give_up_udp(&mut self) {
        let host = Candidate::host(self.addr, Protocol::Udp).expect("an address is a candidate");
        self.rtc.direct_api().invalidate_candidate(&host);
        self.timeout = self.born;
    }

    /// Offers a camera.
    pub fn offer_camera(&mut self, now: Instant, camera: &CameraConfig) -> (String, MidName, Vec<String>) {
        let named: Vec<_> = camera.encodings.iter().filter(|(rid, _)| !rid.is_empty()).map(|(rid, _)| *rid).collect();
        let simulcast = (!named.is_empty()).then(|| {
            let mut simulcast = Simulcast::new();
            named.iter().for_each(|rid| simulcast.add_send_layer(SimulcastLayer::new(rid)));
            simulcast
        });
        let mut api = self.rtc.sdp_api();
        let mid = api.add_media(MediaKind::Video, Direction::SendOnly, None, None, simulcast);
        let (offer, pending) = api.apply().expect("a new m-line is a change");
        self.pending = Some(pending);
        for (stream, (rid, shape)) in (1..).zip(&camera.encodings) {
            let rid = (!rid.is_empty()).then(|| Rid::from(*rid));
            let encoder = Encoder::new(*shape, stream, &mut self.rng);
            let interval = Duration::from_secs(1) / camera.fps;
            self.add_sender(now, mid, rid, Kind::Video, Some(encoder), interval);
        }
        (offer.to_sdp_string(), MidName(mid.to_string()), named.into_iter().map(str::to_owned).collect())
    }

    /// Offers a microphone that hears this many −dBov.
    pub fn offer_microphone(&mut self, now: Instant, level: u8) -> (String, MidName) {
        let mut api = self.rtc.sdp_api();
        let mid = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let (offer, pending) = api.apply().expect("a new m-line is a change");
        self.pending = Some(pending);
        self.add_sender(now, mid, None, Kind::Audio, None, AUDIO_INTERVAL);
        self.senders.last_mut().expect("just added").level = level;
        (offer.to_sdp_string(), MidName(mid.to_string()))
    }

    /// Offers to receive.
    pub fn offer_to_receive(&mut self, kind: Kind) -> (String, MidName) {
        let media = match kind {
            Kind::Audio => MediaKind::Audio,
            Kind::Video => MediaKind::Video,
        };
        let mut api = self.rtc.sdp_api();
        let mid = api.add_media(media, Direction::RecvOnly, None, None, None);
        let (offer, pending) = api.apply().expect("a new m-line is a change");
        self.pending = Some(pending);
        (offer.to_sdp_string(), MidName(mid.to_string()))
    }

    /// Offers again what was offered before, to hear what the server has changed.
    pub fn offer_again(&mut self, mid: &MidName) -> String {
        let mut api = self.rtc.sdp_api();
        let mid = Mid::from(mid.0.as_str());
        api.set_direction(mid, Direction::Inactive);
        api.set_direction(mid, Direction::RecvOnly);
        let (offer, pending) = api.apply().expect("a change of direction is a change");
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    /// Offers a data channel.
    pub fn offer_channel(&mut self, label: &str) -> Option<String> {
        let mut api = self.rtc.sdp_api();
        api.add_channel_with_config(ChannelConfig { label: label.to_owned(), ..ChannelConfig::default() });
        let (offer, pending) = api.apply()?;
        self.pending = Some(pending);
        Some(offer.to_sdp_string())
    }

    /// Offers an ICE restart.
    pub fn offer_ice_restart(&mut self) -> String {
        let mut api = self.rtc.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().expect("an ICE restart is a change");
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    /// Takes the answer to the last offer.
    pub fn accept_answer(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("the server's answer parses");
        let pending = self.pending.take().expect("an offer is outstanding");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("the server's answer is acceptable");
        self.retransmit_freely();
    }

    /// As browsers do: no cap on the share of retransmissions.
    fn retransmit_freely(&mut self) {
        for sender in self.senders.iter_mut().filter(|sender| sender.kind == Kind::Video && !sender.configured) {
            if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(sender.mid, sender.rid) {
                stream.set_rtx_cache(2_048, Duration::from_secs(3), None);
                sender.configured = true;
            }
        }
    }

    /// Takes an offer of the server and answers it.
    pub fn accept_offer(&mut self, offer: &str) -> String {
        let offer = str0m::change::SdpOffer::from_sdp_string(offer).expect("the server's offer parses");
        let answer = self.rtc.sdp_api().accept_offer(offer).expect("the server's offer is acceptable");
        answer.to_sdp_string()
    }

    /// Switches an encoding on or off, as dynacast does.
    pub fn set_encoding_enabled(&mut self, layer: Layer, enabled: bool) {
        let names = match layer {
            Layer::Low => "q",
            Layer::Medium => "h",
            Layer::High => "f",
        };
        for sender in &mut self.senders {
            if sender.rid.is_some_and(|rid| rid == Rid::from(names)) {
                sender.enabled = enabled;
                if let Some(encoder) = &mut sender.encoder {
                    encoder.want_keyframe();
                }
            }
        }
    }

    /// Writes to a data channel.
    pub fn send_data(&mut self, label: &str, data: &[u8]) -> bool {
        let Some((id, _)) = self.channels.iter().find(|(_, known)| known == label) else { return false };
        self.timeout = self.born;
        self.rtc.channel(*id).is_some_and(|mut channel| channel.write(true, data).unwrap_or(false))
    }

    /// When it has something to do.
    pub fn poll_timeout(&self) -> Instant {
        let sends = self.senders.iter().filter(|_| self.connected).map(|sender| sender.next).min();
        sends.map_or(self.timeout, |next| next.min(self.timeout))
    }

    /// Lets time pass. Gives what is to be sent.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Transmit>) {
        if self.connected {
            self.send_media(now);
        }
        for at in 0..self.screens.len() {
            if self.screens[at].1.wants_keyframe(now) {
                self.ask_keyframe(at);
            }
        }
        self.rtc.handle_input(Input::Timeout(now)).expect("time is no error");
        self.drain(now, out);
    }

    /// Takes a datagram in.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        proto: Protocol,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
        out: &mut Vec<Transmit>,
    ) {
        let Ok(receive) = Receive::new(proto, source, destination, bytes) else { return };
        let input = Input::Receive(now, receive);
        if !self.rtc.accepts(&input) {
            return;
        }
        self.rtc.handle_input(input).expect("the server sends nothing that breaks a client");
        self.drain(now, out);
    }

    /// Keyframes its cameras have made.
    pub fn keyframes(&self) -> u32 {
        self.senders.iter().filter_map(|sender| sender.encoder.as_ref()).map(|encoder| encoder.keyframes).sum()
    }

    /// The decoder of an m-line.
    pub fn screen(&self, mid: &MidName) -> Option<&Decoder> {
        self.screens.iter().find(|(known, _)| **known == *mid.0).map(|(_, decoder)| decoder)
    }

    fn add_sender(
        &mut self,
        now: Instant,
        mid: Mid,
        rid: Option<Rid>,
        kind: Kind,
        encoder: Option<Encoder>,
        interval: Duration,
    ) {
        self.senders.push(Sender {
            mid,
            rid,
            kind,
            encoder,
            enabled: true,
            seq: self.rng.u64(1..30_000),
            time_offset: self.rng.u32(..),
            started: None,
            next: now,
            interval,
            level: 127,
            configured: false,
        });
    }

    fn send_media(&mut self, now: Instant) {
        for sender in &mut self.senders {
            while sender.next <= now {
                let started = *sender.started.get_or_insert(now);
                sender.next = now + sender.interval;
                if sender.enabled {
                    sender.send(&mut self.rtc, now, now - started);
                }
            }
        }
    }

    fn ask_keyframe(&mut self, screen: usize) {
        let mid = self.screens[screen].0;
        let ssrc = self.screen_ssrcs.iter().find(|(known, _)| *known == mid).map(|(_, ssrc)| *ssrc);
        if let Some(ssrc) = ssrc
            && let Some(stream) = self.rtc.direct_api().stream_rx(&ssrc)
        {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    fn drain(&mut self, now: Instant, out: &mut Vec<Transmit>) {
        loop {
            match self.rtc.poll_output().expect("no error while polling") {
                Output::Timeout(at) => {
                    self.timeout = at.max(now + Duration::from_micros(10));
                    return;
                }
                Output::Transmit(transmit) => out.push(transmit),
                Output::Event(event) => self.handle_event(now, event),
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected => {
                self.connected = true;
                for sender in &mut self.senders {
                    sender.next = sender.next.max(now);
                }
            }
            Event::RtpPacket(packet) => self.handle_rtp(now, &packet),
            Event::KeyframeRequest(request) => {
                self.keyframe_requests += 1;
                for sender in &mut self.senders {
                    if sender.mid == request.mid
                        && sender.rid == request.rid
                        && let Some(encoder) = &mut sender.encoder
                    {
                        encoder.want_keyframe();
                    }
                }
            }
            Event::ChannelOpen(id, label) => {
                self.open.push(label.clone());
                self.channels.push((id, label));
            }
            Event::ChannelData(data) => {
                let label = self.channels.iter().find(|(id, _)| *id == data.id).map(|(_, label)| label.clone());
                self.messages.push((label.unwrap_or_default(), data.data));
            }
            _ => {}
        }
    }

    fn handle_rtp(&mut self, now: Instant, packet: &RtpPacket) {
        let ssrc = packet.header.ssrc;
        let Some(mid) = self.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid()) else { return };
        let Some(kind) = self.rtc.media(mid).map(|media| media.kind()) else { return };
        self.packets_received += 1;
        self.last_media = Some(now);
        if kind.is_audio() {
            let at = self.speakers.iter().position(|(known, _)| *known == mid);
            let at = at.unwrap_or_else(|| {
                self.speakers.push((mid, Vec::new()));
                self.speakers.len() - 1
            });
            self.speakers[at].1.push(*packet.seq_no);
            return;
        }
        let at = self.screens.iter().position(|(known, _)| *known == mid);
        let at = at.unwrap_or_else(|| {
            self.screens.push((mid, Decoder::default()));
            self.screen_ssrcs.push((mid, ssrc));
            self.screens.len() - 1
        });
        let decoder = &mut self.screens[at].1;
        if let Some((_, current)) =
            self.screen_ssrcs.iter_mut().find(|(known, current)| *known == mid && *current != ssrc)
        {
            *current = ssrc;
            decoder.restart();
        }
        decoder.handle_packet(now, *packet.seq_no, packet.header.timestamp, packet.header.marker, &packet.payload);
        if decoder.wants_keyframe(now) {
            self.ask_keyframe(at);
        }
    }
}

impl Sender {
    fn send(&mut self, rtc: &mut Rtc, now: Instant, elapsed: Duration) {
        let Some(pt) = payload_type(rtc, self.mid) else { return };
        let clock = match self.kind {
            Kind::Video => VIDEO_CLOCK,
            Kind::Audio => AUDIO_CLOCK,
        };
        let ticks = elapsed.as_micros() as u64 * clock / 1_000_000;
        let timestamp = self.time_offset.wrapping_add(ticks as u32);
        let parts: Vec<(Vec<u8>, bool)> = match &mut self.encoder {
            Some(encoder) => encoder.encode().into_iter().map(|part| (part.payload, part.marker)).collect(),
            None => vec![(vec![self.level; 80], false)],
        };
        let mut api = rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(self.mid, self.rid) else { return };
        for (payload, marker) in parts {
            let mut values = ExtensionValues::default();
            if self.kind == Kind::Audio {
                values.audio_level = Some(-(self.level as i8));
                values.voice_activity = Some(self.level < 60);
            }
            let write = RtpWrite::new(pt, self.seq.into(), timestamp, now, payload)
                .marker(marker)
                .nackable(self.kind == Kind::Video)
                .ext_vals(values);
            stream.write_rtp(write);
            self.seq += 1;
        }
    }
}

fn payload_type(rtc: &Rtc, mid: Mid) -> Option<Pt> {
    let media = rtc.media(mid)?;
    rtc.codec_config().params().iter().map(|params| params.pt()).find(|pt| media.remote_pts().contains(pt))
}
