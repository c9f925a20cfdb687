//! A room, its clients and the paths between them, on one virtual clock.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use model::Bitrate;
use sfu::{
    Datagram, Kind, LocalCandidate, MediaEvent, MediaRoom, MidName, Output, ParticipantKey, PeerConfig, PeerKey,
    PeerRole, Rights, RoomConfig, Tapped, TrackKey, TrackSpec, Transport,
};
use str0m::net::{Protocol, Transmit};

use crate::client::{CameraConfig, SimClient};
use crate::network::{Link, LinkConfig};

/// A room, its clients and the network between them, under one virtual clock.
#[derive(Debug)]
pub struct World {
    /// The core under test.
    pub room: MediaRoom,
    /// The virtual time.
    pub now: Instant,
    /// The clients.
    pub clients: Vec<Member>,
    /// What the room told, in order.
    pub events: Vec<MediaEvent>,
    /// What taps got, in order.
    pub tapped: Vec<Tapped>,
    /// Real time spent inside the room, for benchmarks.
    pub room_time: Duration,
    seed: u64,
}

/// A client with its place in the room.
#[derive(Debug)]
pub struct Member {
    /// The client.
    pub client: SimClient,
    /// Its participant.
    pub participant: ParticipantKey,
    /// Its connection.
    pub peer: PeerKey,
    /// To the server.
    pub up: Link<Packet>,
    /// From the server.
    pub down: Link<Packet>,
    /// UDP is dropped.
    pub udp_dead: bool,
    /// M-lines it was given: track and name.
    pub lines: Vec<(TrackKey, MidName)>,
}

/// A datagram on its way.
#[derive(Debug)]
pub struct Packet {
    transport: Transport,
    source: SocketAddr,
    destination: SocketAddr,
    bytes: Vec<u8>,
}

/// How the world is set up.
#[derive(Debug, Clone, Copy)]
pub struct WorldConfig {
    /// Of everything random outside the WebRTC stack.
    pub seed: u64,
    /// Bandwidth estimation towards subscribers.
    pub bandwidth_estimation: bool,
    /// The server's ICE is lite.
    pub ice_lite: bool,
}

/// IPv4 and UDP.
const HEADERS: usize = 28;
const UDP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7882);
const TCP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7881);

impl World {
    /// An empty room at `start`.
    pub fn new(start: Instant, config: WorldConfig) -> Self {
        let room = RoomConfig {
            seed: config.seed,
            initial_bitrate: Bitrate::kbps(3_000),
            bandwidth_estimation: config.bandwidth_estimation,
            opened: start,
            local: [UDP.ip()].into(),
        };
        Self {
            room: MediaRoom::new(start, room),
            now: start,
            clients: Vec::new(),
            events: Vec::new(),
            tapped: Vec::new(),
            room_time: Duration::ZERO,
            seed: config.seed,
        }
    }

    /// A client joins over a path that treats both directions alike. Gives its index.
    pub fn join(&mut self, link: LinkConfig) -> usize {
        self.join_with(link, PeerRole::Both, true)
    }

    /// A client joins with a certain kind of connection.
    pub fn join_with(&mut self, link: LinkConfig, role: PeerRole, ice_lite: bool) -> usize {
        let at = self.clients.len();
        let participant = self.room.join(self.now, Rights { publish: true, subscribe: true });
        let peer = PeerConfig {
            role,
            ice_ufrag: format!("ufrag{at}"),
            ice_pwd: format!("password-of-connection-{at}"),
            candidates: vec![
                LocalCandidate { transport: Transport::Udp, addr: UDP },
                LocalCandidate { transport: Transport::Tcp, addr: TCP },
            ],
            ice_lite,
            red: true,
        };
        let peer = self.room.open_peer(self.now, participant, peer);
        let addr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 1, at as u8 + 1)), 5_000);
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(at as u64 * 17);
        self.clients.push(Member {
            client: SimClient::new(self.now, addr, seed),
            participant,
            peer,
            up: Link::new(link, seed ^ 0x5555),
            down: Link::new(link, seed ^ 0xaaaa),
            udp_dead: false,
            lines: Vec::new(),
        });
        at
    }

    /// Publishes a camera.
    pub fn publish_camera(&mut self, client: usize, camera: &CameraConfig, spec: TrackSpec) -> TrackKey {
        let now = self.now;
        let member = &mut self.clients[client];
        let track = self.room.publish(now, member.participant, spec);
        let (offer, mid, rids) = member.client.offer_camera(now, camera);
        let negotiated = self.room.accept_offer(now, member.peer, &offer).expect("an offer of a camera is acceptable");
        member.client.accept_answer(&negotiated.answer);
        let offered = negotiated.media.iter().find(|media| media.mid == mid).expect("the m-line was offered");
        assert_eq!(offered.rids, rids);
        self.room.bind_track(now, track, member.peer, mid, &rids);
        track
    }

    /// Publishes a microphone.
    pub fn publish_microphone(&mut self, client: usize, level: u8) -> TrackKey {
        let now = self.now;
        let member = &mut self.clients[client];
        let spec = TrackSpec { kind: Kind::Audio, screen: false, muted: false, layers: Vec::new() };
        let track = self.room.publish(now, member.participant, spec);
        let (offer, mid) = member.client.offer_microphone(now, level);
        let negotiated =
            self.room.accept_offer(now, member.peer, &offer).expect("an offer of a microphone is acceptable");
        member.client.accept_answer(&negotiated.answer);
        self.room.bind_track(now, track, member.peer, mid, &[]);
        track
    }

    /// Subscribes, and gives the subscription an m-line.
    pub fn subscribe(&mut self, client: usize, track: TrackKey, kind: Kind) -> MidName {
        let now = self.now;
        let member = &mut self.clients[client];
        self.room.subscribe(now, member.participant, track);
        let (offer, mid) = member.client.offer_to_receive(kind);
        let negotiated = self.room.accept_offer(now, member.peer, &offer).expect("an offer to receive is acceptable");
        member.client.accept_answer(&negotiated.answer);
        self.room.bind_subscription(now, member.participant, track, member.peer, mid.clone());
        member.lines.push((track, mid.clone()));
        mid
    }

    /// Subscribes over a connection where the server offers.
    pub fn subscribe_by_server(&mut self, client: usize, track: TrackKey, kind: Kind) -> MidName {
        let now = self.now;
        let member = &mut self.clients[client];
        self.room.subscribe(now, member.participant, track);
        let mid = self.room.add_send_media(now, member.peer, kind);
        self.room.bind_subscription(now, member.participant, track, member.peer, mid.clone());
        let offer = self.room.create_offer(now, member.peer, false).expect("there is such a connection");
        let answer = member.client.accept_offer(&offer.expect("there is something new"));
        self.room.accept_answer(now, member.peer, &answer).expect("the client's answer is acceptable");
        member.lines.push((track, mid.clone()));
        mid
    }

    /// The client offers again, as the server asks for after it has changed something.
    pub fn renegotiate(&mut self, client: usize, mid: &MidName) {
        let member = &mut self.clients[client];
        let offer = member.client.offer_again(mid);
        let negotiated =
            self.room.accept_offer(self.now, member.peer, &offer).expect("the same offer is acceptable again");
        member.client.accept_answer(&negotiated.answer);
    }

    /// The client restarts ICE, as it does after it lost its path.
    pub fn restart_ice(&mut self, client: usize) {
        let member = &mut self.clients[client];
        let offer = member.client.offer_ice_restart();
        let negotiated = self.room.accept_offer(self.now, member.peer, &offer).expect("an ICE restart is acceptable");
        member.client.accept_answer(&negotiated.answer);
    }

    /// Opens a data channel.
    pub fn open_channel(&mut self, client: usize, label: &str) {
        let member = &mut self.clients[client];
        if let Some(offer) = member.client.offer_channel(label) {
            let negotiated =
                self.room.accept_offer(self.now, member.peer, &offer).expect("an offer of data is acceptable");
            member.client.accept_answer(&negotiated.answer);
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let room_next = self.carry_out_room();
            let clients = self.clients.iter().map(Member::next_due);
            let next = clients.chain([room_next]).min().unwrap_or(end).max(self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            self.step(room_next);
        }
    }

    /// Lets time pass until something holds; `false` if it does not within `time`.
    pub fn run_until(&mut self, time: Duration, mut holds: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + time;
        while self.now < end {
            if holds(self) {
                return true;
            }
            self.run(Duration::from_millis(20));
        }
        holds(self)
    }

    fn step(&mut self, room_next: Instant) {
        let now = self.now;
        let mut spent = Duration::ZERO;
        let mut out = Vec::new();
        for member in &mut self.clients {
            while let Some(packet) = member.down.receive(now) {
                let proto = protocol(packet.transport);
                let (source, destination) = (packet.source, packet.destination);
                member.client.handle_datagram(now, proto, source, destination, &packet.bytes, &mut out);
            }
            if member.client.poll_timeout() <= now {
                member.client.handle_timeout(now, &mut out);
            }
            member.send_up(now, &mut out);
            while let Some(packet) = member.up.receive(now) {
                let datagram = Datagram {
                    transport: packet.transport,
                    source: packet.source,
                    destination: packet.destination,
                    contents: &packet.bytes,
                };
                let start = Instant::now();
                self.room.handle_datagram(now, member.peer, datagram);
                spent += start.elapsed();
            }
        }
        let start = Instant::now();
        self.room.flush(now);
        if room_next <= now {
            self.room.handle_timeout(now);
        }
        self.room_time += spent + start.elapsed();
    }

    fn carry_out_room(&mut self) -> Instant {
        loop {
            match self.room.poll_output() {
                Output::Timeout(at) => return at,
                Output::Event(event) => self.events.push(event),
                Output::Tapped(tapped) => self.tapped.push(tapped),
                Output::Transmit(transmit) => {
                    let Some(member) = self.clients.iter_mut().find(|member| member.peer == transmit.peer) else {
                        continue;
                    };
                    if member.udp_dead && transmit.transport == Transport::Udp {
                        continue;
                    }
                    let packet = Packet {
                        transport: transmit.transport,
                        source: transmit.source,
                        destination: transmit.destination,
                        bytes: transmit.contents,
                    };
                    let bytes = packet.bytes.len() + HEADERS;
                    member.down.send(self.now, bytes, packet);
                }
            }
        }
    }
}

impl Member {
    fn next_due(&self) -> Instant {
        let links = [self.up.next_due(), self.down.next_due()];
        links.into_iter().flatten().fold(self.client.poll_timeout(), Instant::min)
    }

    fn send_up(&mut self, now: Instant, out: &mut Vec<Transmit>) {
        for transmit in out.drain(..) {
            let transport = if transmit.proto == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
            if self.udp_dead && transport == Transport::Udp {
                continue;
            }
            let (source, destination) = (transmit.source, transmit.destination);
            let bytes: Vec<u8> = transmit.contents.into();
            let size = bytes.len() + HEADERS;
            self.up.send(now, size, Packet { transport, source, destination, bytes });
        }
    }
}

fn protocol(transport: Transport) -> Protocol {
    match transport {
        Transport::Udp => Protocol::Udp,
        Transport::Tcp => Protocol::Tcp,
    }
}
