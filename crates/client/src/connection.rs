//! [`Client`]: one participant of a room.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::media::{Direction, MediaKind, Mid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Rtc};

use crate::media::{AudioConfig, Encoding, VideoCodec, VideoConfig};
use crate::signalling;

/// Latencies kept until they are asked for: a sample is enough.
const MOST_LATENCIES: usize = 64;

/// How a client is set up.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The UDP address its packets come from.
    pub addr: SocketAddr,
    /// Subscribe to every track by itself.
    pub auto_subscribe: bool,
    /// Audio and video m-lines to receive on, from the start.
    pub receivers: (usize, usize),
    /// What it can send and receive.
    pub video_codecs: Vec<VideoCodec>,
    /// Seed for sequence numbers and other random values.
    pub seed: u64,
    /// Time zero that clients share to measure latency: video payloads end with the time they were sent, after it.
    pub epoch: Option<Instant>,
}

impl ClientConfig {
    /// A client that subscribes to everything, with the m-lines LiveKit's own clients start with.
    pub fn new(addr: SocketAddr) -> Self {
        let video_codecs = vec![VideoCodec::Vp8];
        Self { addr, auto_subscribe: true, receivers: (3, 3), video_codecs, seed: 1, epoch: None }
    }
}

/// What went wrong for good.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server sent something that is no signalling message.
    #[error("not a signalling message")]
    Signal,
    /// The server's answer cannot be taken.
    #[error("unacceptable answer: {0}")]
    Answer(String),
    /// The connection failed.
    #[error("connection failed: {0}")]
    Connection(#[from] str0m::RtcError),
}

/// What a client wants done.
#[derive(Debug)]
pub enum Output {
    /// Send this over the signalling connection, as one binary frame.
    Signal(Vec<u8>),
    /// A datagram to send.
    Transmit(Transmit),
    /// Something has happened.
    Event(ClientEvent),
    /// Nothing more until then.
    Timeout(Instant),
}

/// A datagram to send over UDP.
#[derive(Debug)]
pub struct Transmit {
    /// The address to send it to.
    pub destination: SocketAddr,
    /// The datagram's payload.
    pub contents: Vec<u8>,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum ClientEvent {
    /// The server let it in.
    Joined(Box<proto::ParticipantInfo>),
    /// Media can flow.
    Connected,
    /// The connection is lost.
    Disconnected,
    /// A track is published.
    Published {
        /// The name it was given.
        cid: String,
        /// The server's name for it.
        sid: String,
    },
    /// Others came, went or changed.
    Participants(Vec<proto::ParticipantInfo>),
    /// The list of those who speak has changed.
    Speakers(Vec<proto::SpeakerInfo>),
    /// Which layers others want.
    QualityDemand(proto::SubscribedQualityUpdate),
    /// A data channel is open.
    DataOpen(String),
    /// A message on a data channel: its label, its bytes.
    Data(String, Vec<u8>),
    /// The server says goodbye.
    Left(proto::LeaveRequest),
}

/// Counters of received and sent media.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Audio packets received.
    pub audio_packets: u64,
    /// Video packets received.
    pub video_packets: u64,
    /// Video frames of which the last packet was received.
    pub frames: u64,
    /// Payload bytes received.
    pub bytes: u64,
    /// Media packets sent.
    pub sent_packets: u64,
    /// Keyframe requests received.
    pub keyframe_requests: u64,
}

/// What came in under one SSRC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// SSRC of the stream.
    pub ssrc: u32,
    /// The codec of the last packet, as `a=rtpmap` names it.
    pub codec: String,
    /// Packets received of it.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Packets that did not come right after the one before, or went back in RTP time.
    pub jumps: u64,
    last: (u64, u32),
}

/// A participant of a room.
pub struct Client {
    config: ClientConfig,
    rtc: Rtc,
    rng: fastrand::Rng,
    now: Instant,
    timeout: Instant,
    first_offer: String,
    pending: Option<SdpPendingOffer>,
    offers: u32,
    in_room: bool,
    connected: bool,
    /// Renegotiations that wait for the answer before.
    wanted: VecDeque<Wanted>,
    ping_interval: Option<Duration>,
    next_ping: Option<Instant>,
    channels: Vec<(ChannelId, String)>,
    received: Received,
    streams: Vec<Stream>,
    latencies: Vec<u32>,
    /// An m-line to receive on, once there is one.
    receiver: Option<Mid>,
    outputs: VecDeque<Output>,
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) publishing: Vec<Publishing>,
    pub(crate) published: Vec<Published>,
    pub(crate) events: VecDeque<ClientEvent>,
    pub(crate) signals: VecDeque<Vec<u8>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("addr", &self.config.addr)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

/// A track the server has been asked for.
#[derive(Debug, Clone)]
pub(crate) struct Publishing {
    pub(crate) cid: String,
    pub(crate) media: PublishedMedia,
}

/// A track that is out.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) sid: String,
    pub(crate) mid: Mid,
    /// What else it can be sent in, and is not yet.
    pub(crate) backup: Option<VideoConfig>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum PublishedMedia {
    Camera(VideoConfig),
    Microphone(AudioConfig),
}

#[derive(Debug)]
enum Wanted {
    Publish(Publishing, String),
    Receivers(usize, usize),
}

impl Client {
    /// A client that has not joined yet.
    pub fn new(now: Instant, config: ClientConfig) -> Self {
        let rtc = Rtc::builder().set_rtp_mode(true).clear_codecs().enable_opus(true, false);
        let knows = |codec| config.video_codecs.contains(&codec);
        let rtc = rtc.enable_vp8(knows(VideoCodec::Vp8)).enable_h264(knows(VideoCodec::H264));
        let rtc = rtc
            .enable_h265(knows(VideoCodec::H265))
            .enable_vp9(knows(VideoCodec::Vp9))
            .enable_av1(knows(VideoCodec::Av1));
        let mut rtc = rtc.build(now);
        if let Ok(host) = Candidate::host(config.addr, Protocol::Udp) {
            rtc.add_local_candidate(host);
        }
        let mut client = Self {
            rng: fastrand::Rng::with_seed(config.seed),
            config,
            rtc,
            now,
            timeout: now,
            first_offer: String::new(),
            pending: None,
            offers: 1,
            in_room: false,
            connected: false,
            wanted: VecDeque::new(),
            ping_interval: None,
            next_ping: None,
            channels: Vec::new(),
            received: Received::default(),
            streams: Vec::new(),
            latencies: Vec::new(),
            receiver: None,
            outputs: VecDeque::new(),
            encodings: Vec::new(),
            publishing: Vec::new(),
            published: Vec::new(),
            events: VecDeque::new(),
            signals: VecDeque::new(),
        };
        client.make_first_offer();
        client
    }

    /// Path and query to open the signalling connection with; the token goes into a header or is appended.
    pub fn join_path(&self) -> String {
        signalling::join_path(&self.first_offer, 1, self.config.auto_subscribe)
    }

    /// Publishes a camera under a name of one's own.
    pub fn publish_camera(&mut self, cid: &str, config: VideoConfig) {
        self.publish(cid, PublishedMedia::Camera(config));
    }

    /// Publishes a microphone under a name of one's own.
    pub fn publish_microphone(&mut self, cid: &str, config: AudioConfig) {
        self.publish(cid, PublishedMedia::Microphone(config));
    }

    fn publish(&mut self, cid: &str, media: PublishedMedia) {
        self.publishing.push(Publishing { cid: cid.to_owned(), media });
        if self.in_room {
            self.ask_to_publish(cid, media);
        }
    }

    /// Writes to a data channel. `false`: it is not open, or its buffer is full.
    pub fn send_data(&mut self, label: &str, data: &[u8]) -> bool {
        let Some((id, _)) = self.channels.iter().find(|(_, known)| known == label) else { return false };
        self.timeout = self.now;
        self.rtc.channel(*id).is_some_and(|mut channel| channel.write(true, data).unwrap_or(false))
    }

    /// Takes a datagram in.
    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) -> Result<(), ClientError> {
        self.now = now;
        let Ok(receive) = Receive::new(Protocol::Udp, source, self.config.addr, bytes) else { return Ok(()) };
        self.rtc.handle_input(Input::Receive(now, receive))?;
        self.drain()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), ClientError> {
        self.now = now;
        if self.connected {
            for encoding in &mut self.encodings {
                self.received.sent_packets += encoding.send_due(&mut self.rtc, now, self.config.epoch);
            }
        }
        if self.next_ping.is_some_and(|at| at <= now) {
            self.next_ping = self.ping_interval.map(|interval| now + interval);
            self.say_ping(0);
        }
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Output {
        if let Some(signal) = self.signals.pop_front() {
            return Output::Signal(signal);
        }
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let media = self.encodings.iter().filter(|_| self.connected).map(|encoding| encoding.next);
        let next = media.chain(self.next_ping).fold(self.timeout, Instant::min);
        Output::Timeout(next)
    }

    /// What has been received and sent so far.
    pub fn received(&self) -> Received {
        self.received
    }

    /// What came in, SSRC by SSRC, in the order in which they appeared.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// How long video packets were under way, in µs, since this was last asked. Empty without [`ClientConfig::epoch`].
    pub fn take_latencies(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.latencies)
    }

    /// ICE and DTLS are up.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    fn make_first_offer(&mut self) {
        let (audio, video) = self.config.receivers;
        let mut api = self.rtc.sdp_api();
        let lossy = Reliability::MaxRetransmits { retransmits: 0 };
        for (label, ordered, reliability) in [("_reliable", true, Reliability::Reliable), ("_lossy", false, lossy)] {
            let config = ChannelConfig { label: label.to_owned(), ordered, reliability, ..ChannelConfig::default() };
            api.add_channel_with_config(config);
        }
        for kind in [(MediaKind::Audio, audio), (MediaKind::Video, video)] {
            for _ in 0..kind.1 {
                self.receiver = Some(api.add_media(kind.0, Direction::RecvOnly, None, None, None));
            }
        }
        let (offer, pending) = api.apply().expect("a data channel is a change");
        self.first_offer = offer.to_sdp_string();
        self.pending = Some(pending);
    }

    pub(crate) fn ping_every(&mut self, seconds: i32) {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        if seconds > 0 {
            self.ping_interval = Some(Duration::from_secs(seconds));
            self.next_ping = Some(self.now + Duration::from_secs(seconds));
        }
    }

    pub(crate) fn joined(&mut self) {
        self.in_room = true;
        for track in self.publishing.clone() {
            self.ask_to_publish(&track.cid, track.media);
        }
    }

    pub(crate) fn start_publishing(&mut self, track: &Publishing, sid: String) {
        self.wanted.push_back(Wanted::Publish(track.clone(), sid));
        self.negotiate();
    }

    pub(crate) fn want_receivers(&mut self, audio: usize, video: usize) {
        self.wanted.push_back(Wanted::Receivers(audio, video));
        self.negotiate();
    }

    pub(crate) fn handle_answer(&mut self, answer: &proto::SessionDescription) -> Result<(), ClientError> {
        if answer.id != self.offers {
            return Ok(());
        }
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let parsed = SdpAnswer::from_sdp_string(&answer.sdp).map_err(|error| ClientError::Answer(error.to_string()))?;
        self.rtc.sdp_api().accept_answer(pending, parsed)?;
        self.timeout = self.now;
        self.negotiate();
        Ok(())
    }

    pub(crate) fn handle_trickle(&mut self, trickle: &proto::TrickleRequest) {
        // `{"candidate":"candidate:… ",…}`: the one string in it that starts so.
        let found = trickle.candidate_init.split('"').find(|text| text.starts_with("candidate:"));
        if let Some(candidate) = found.and_then(|text| Candidate::from_sdp_string(text).ok()) {
            self.rtc.add_remote_candidate(candidate);
            self.timeout = self.now;
        }
    }

    /// Makes one offer of all that has come together while the one before was on its way.
    fn negotiate(&mut self) {
        if self.pending.is_some() || self.wanted.is_empty() {
            return;
        }
        let now = self.now;
        let mut api = self.rtc.sdp_api();
        for wanted in self.wanted.drain(..) {
            match wanted {
                Wanted::Receivers(0, 0) => match self.receiver {
                    // An offer although nothing is new: there and back is a change to the stack.
                    Some(mid) => {
                        api.set_direction(mid, Direction::Inactive);
                        api.set_direction(mid, Direction::RecvOnly);
                    }
                    None => {
                        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
                    }
                },
                Wanted::Receivers(audio, video) => {
                    for kind in [(MediaKind::Audio, audio), (MediaKind::Video, video)] {
                        for _ in 0..kind.1 {
                            api.add_media(kind.0, Direction::RecvOnly, None, None, None);
                        }
                    }
                }
                Wanted::Publish(track, sid) => {
                    let (kind, simulcast) = match track.media {
                        PublishedMedia::Camera(config) => (MediaKind::Video, config.simulcast),
                        PublishedMedia::Microphone(_) => (MediaKind::Audio, false),
                    };
                    let stream = Some("client".to_owned());
                    let mid = api.add_media(kind, Direction::SendOnly, stream, Some(track.cid), simulcast.then(layers));
                    match track.media {
                        PublishedMedia::Camera(config) => {
                            self.encodings.extend(Encoding::camera(now, mid, config, &mut self.rng));
                        }
                        PublishedMedia::Microphone(config) => {
                            self.encodings.push(Encoding::microphone(now, mid, config, &mut self.rng));
                        }
                    }
                    let backup = match track.media {
                        PublishedMedia::Camera(config) => {
                            config.backup.map(|codec| VideoConfig { codec, backup: None, ..config })
                        }
                        PublishedMedia::Microphone(_) => None,
                    };
                    self.published.push(Published { sid, mid, backup });
                }
            }
        }
        if let Some((offer, pending)) = api.apply() {
            self.pending = Some(pending);
            self.offers += 1;
            let message = signalling::offer_message(&offer.to_sdp_string(), self.offers);
            self.say(Request::Offer(message));
        }
    }

    fn drain(&mut self) -> Result<(), ClientError> {
        loop {
            match self.rtc.poll_output()? {
                str0m::Output::Timeout(at) => {
                    self.timeout = at.max(self.now + Duration::from_micros(10));
                    return Ok(());
                }
                str0m::Output::Transmit(transmit) if transmit.proto == Protocol::Udp => {
                    let contents = transmit.contents.into();
                    self.outputs.push_back(Output::Transmit(Transmit { destination: transmit.destination, contents }));
                }
                str0m::Output::Transmit(_) => {}
                str0m::Output::Event(event) => self.handle_event(event),
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected => {
                self.connected = true;
                for encoding in &mut self.encodings {
                    encoding.next = encoding.next.max(self.now);
                }
                self.events.push_back(ClientEvent::Connected);
            }
            Event::IceConnectionStateChange(state) if state.is_disconnected() => {
                self.events.push_back(ClientEvent::Disconnected);
            }
            Event::Closed => {
                self.connected = false;
                self.events.push_back(ClientEvent::Disconnected);
            }
            Event::RtpPacket(packet) => self.count(&packet),
            Event::KeyframeRequest(request) => {
                self.received.keyframe_requests += 1;
                let asked = |encoding: &&mut Encoding| encoding.mid == request.mid && encoding.rid == request.rid;
                self.encodings.iter_mut().filter(asked).for_each(Encoding::want_keyframe);
            }
            Event::ChannelOpen(id, label) => {
                self.channels.push((id, label.clone()));
                self.events.push_back(ClientEvent::DataOpen(label));
            }
            Event::ChannelData(data) => {
                let label = self.channels.iter().find(|(id, _)| *id == data.id).map(|(_, label)| label.clone());
                self.events.push_back(ClientEvent::Data(label.unwrap_or_default(), data.data));
            }
            _ => {}
        }
    }

    fn count(&mut self, packet: &str0m::rtp::RtpPacket) {
        self.received.bytes += packet.payload.len() as u64;
        let pt = packet.header.payload_type;
        let params = self.rtc.codec_config().params().iter().find(|params| params.pt() == pt);
        let codec = params.map(|params| params.spec().codec);
        self.follow(packet, codec.map(|codec| codec.to_string()).unwrap_or_default());
        if codec.is_some_and(|codec| codec.is_audio()) {
            self.received.audio_packets += 1;
        } else {
            self.received.video_packets += 1;
            self.received.frames += u64::from(packet.header.marker);
            if let Some(epoch) = self.config.epoch
                && let Some(sent) = packet.payload.last_chunk::<8>()
                && self.latencies.len() < MOST_LATENCIES
            {
                let now = (self.now - epoch).as_micros() as u64;
                self.latencies.push(now.saturating_sub(u64::from_be_bytes(*sent)).try_into().unwrap_or(u32::MAX));
            }
        }
    }
}

impl Client {
    fn follow(&mut self, packet: &str0m::rtp::RtpPacket, codec: String) {
        let (ssrc, now) = (*packet.header.ssrc, (*packet.seq_no, packet.header.timestamp));
        let bytes = packet.payload.len() as u64;
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == ssrc) else {
            self.streams.push(Stream { ssrc, codec, packets: 1, bytes, jumps: 0, last: now });
            return;
        };
        let (seq, time) = stream.last;
        let goes_on = now.0 == seq + 1 && now.1.wrapping_sub(time).cast_signed() >= 0;
        stream.jumps += u64::from(!goes_on);
        stream.packets += 1;
        stream.bytes += bytes;
        (stream.codec, stream.last) = (codec, now);
    }
}

fn layers() -> Simulcast {
    let mut simulcast = Simulcast::new();
    for rid in ["q", "h", "f"] {
        simulcast.add_send_layer(SimulcastLayer::new(rid));
    }
    simulcast
}
