//! Clients in a room of the real server core: signalling and media, on a virtual clock, without a socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::{AudioConfig, Client, ClientConfig, ClientEvent, Output, VideoConfig};
use livekit::{ConnectionId, Join, Room, RoomInit};
use model::Bitrate;
use sfu::{Datagram, LocalCandidate, PeerKey, Transport};

const SERVER: &str = "10.0.0.1:7882";
const DELAY: Duration = Duration::from_millis(5);
const SECOND: Duration = Duration::from_secs(1);

struct Member {
    client: Client,
    addr: SocketAddr,
    peer: Option<PeerKey>,
    up: VecDeque<(Instant, Vec<u8>)>,
    down: VecDeque<(Instant, Vec<u8>)>,
    events: Vec<ClientEvent>,
}

struct House {
    room: Room,
    now: Instant,
    members: Vec<Member>,
}

impl House {
    fn new() -> Self {
        let now = Instant::now();
        let media = sfu::RoomConfig {
            seed: 1,
            initial_bitrate: Bitrate::kbps(5_000),
            bandwidth_estimation: false,
            rethrow_panics: true,
            local: [].into(),
        };
        let init = RoomInit {
            name: "house".to_owned(),
            max_participants: 0,
            empty_timeout: SECOND * 60,
            departure_timeout: SECOND * 20,
            ufrag_prefix: "w0".to_owned(),
            candidates: vec![LocalCandidate { transport: Transport::Udp, addr: SERVER.parse().expect("an address") }],
            media,
            seed: 1,
            token_key: None,
            hooks: false,
            opened: (now, model::Timestamp(0)),
        };
        Self { room: Room::new(now, init), now, members: Vec::new() }
    }

    fn join(&mut self, identity: &str, setup: impl FnOnce(&mut Client)) -> usize {
        let at = self.members.len();
        let addr: SocketAddr = format!("10.0.1.{}:5000", at + 1).parse().expect("an address");
        let mut client = Client::new(self.now, ClientConfig { seed: at as u64, ..ClientConfig::new(addr) });
        setup(&mut client);
        let path = client.join_path();
        let request = path.strip_prefix("/rtc/v1?join_request=").expect("the path of v1").replace("%3D", "=");
        let parameters = livekit::decode_join_request(&request).expect("the client's join request is readable");
        let video = auth::VideoGrant { room_join: true, room: "house".to_owned(), ..auth::VideoGrant::default() };
        let claims = auth::LiveKitClaims { sub: identity.to_owned(), video, ..auth::LiveKitClaims::default() };
        self.members.push(Member {
            client,
            addr,
            peer: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            events: Vec::new(),
        });
        let join = Join { claims, client: parameters, ice_servers: Vec::new() };
        self.room.handle_connect(self.now, ConnectionId(at as u64), join);
        self.carry_out();
        at
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += Duration::from_millis(1);
            let now = self.now;
            for member in &mut self.members {
                while member.down.front().is_some_and(|(due, _)| *due <= now) {
                    let (_, bytes) = member.down.pop_front().expect("just seen");
                    let from = SERVER.parse().expect("an address");
                    member.client.handle_datagram(now, from, &bytes).expect("the server breaks no client");
                }
                member.client.handle_timeout(now).expect("time breaks no client");
                while member.up.front().is_some_and(|(due, _)| *due <= now) {
                    let (_, bytes) = member.up.pop_front().expect("just seen");
                    let Some(peer) = member.peer else { continue };
                    let destination = SERVER.parse().expect("an address");
                    let transport = Transport::Udp;
                    let datagram = Datagram { transport, source: member.addr, destination, contents: &bytes };
                    self.room.handle_datagram(now, peer, datagram);
                }
            }
            self.room.flush(now);
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        let mut busy = true;
        while busy {
            busy = self.carry_out_clients();
            loop {
                match self.room.poll_output() {
                    livekit::Output::Signal(to, response) => {
                        let bytes = livekit::encode_signal(&response);
                        let member = &mut self.members[to.0 as usize];
                        member.client.handle_signal(&bytes).expect("the server's signalling is readable");
                        busy = true;
                    }
                    livekit::Output::Transmit(transmit) => {
                        let member = self.members.iter_mut().find(|member| member.peer == Some(transmit.peer));
                        if let Some(member) = member {
                            member.down.push_back((self.now + DELAY, transmit.contents));
                        }
                    }
                    livekit::Output::PeerOpened(peer, _) => {
                        let known = self.members.iter().any(|member| member.peer == Some(peer));
                        if !known && let Some(member) = self.members.last_mut() {
                            member.peer = Some(peer);
                        }
                    }
                    livekit::Output::Timeout(at) if at <= self.now => self.room.handle_timeout(self.now),
                    livekit::Output::Timeout(_) => break,
                    livekit::Output::PeerClosed(_)
                    | livekit::Output::Close(..)
                    | livekit::Output::Event(_)
                    | livekit::Output::Relay(..)
                    | livekit::Output::Answer(..)
                    | livekit::Output::Hook(_) => {}
                }
            }
        }
    }

    fn carry_out_clients(&mut self) -> bool {
        let mut said = false;
        for at in 0..self.members.len() {
            loop {
                match self.members[at].client.poll_output() {
                    Output::Signal(bytes) => {
                        let request = livekit::decode_signal(&bytes).expect("the client's signalling is readable");
                        self.room.handle_signal(self.now, ConnectionId(at as u64), request);
                        said = true;
                    }
                    Output::Transmit(transmit) => {
                        let due = self.now + DELAY;
                        self.members[at].up.push_back((due, transmit.contents));
                    }
                    Output::Event(event) => self.members[at].events.push(event),
                    Output::Timeout(_) => break,
                }
            }
        }
        said
    }
}

#[test]
fn three_clients_hear_and_see_each_other() {
    let mut house = House::new();
    for identity in ["anna", "bert", "cleo"] {
        house.join(identity, |client| {
            client.publish_camera("camera", VideoConfig { simulcast: true, ..VideoConfig::default() });
            client.publish_microphone("microphone", AudioConfig::default());
        });
        house.run(SECOND);
    }
    house.run(SECOND * 4);
    let before: Vec<_> = house.members.iter().map(|member| member.client.received()).collect();
    house.run(SECOND * 2);
    for (member, before) in house.members.iter().zip(before) {
        let after = member.client.received();
        let published = member.events.iter().filter(|event| matches!(event, ClientEvent::Published { .. })).count();
        assert_eq!(published, 2);
        let frames = after.frames - before.frames;
        let audio = after.audio_packets - before.audio_packets;
        assert!((110..=130).contains(&frames), "{frames} frames of two cameras in 2 s");
        assert!((190..=210).contains(&audio), "{audio} packets of two microphones in 2 s");
    }
}

#[test]
fn data_reaches_the_others() {
    let mut house = House::new();
    let anna = house.join("anna", |_| {});
    house.run(SECOND);
    let bert = house.join("bert", |_| {});
    house.run(SECOND * 2);
    assert!(house.members.iter().all(|member| member.client.is_connected()));
    let user = livekit::proto::UserPacket { payload: b"hello".to_vec(), ..Default::default() };
    let value = Some(livekit::proto::data_packet::Value::User(user));
    let packet = livekit::proto::DataPacket { value, ..Default::default() };
    assert!(house.members[anna].client.send_data("_reliable", &prost::Message::encode_to_vec(&packet)));
    house.run(SECOND);
    let heard = house.members[bert].events.iter().any(|event| {
        matches!(event, ClientEvent::Data(label, bytes) if label == "_reliable" && bytes.windows(5).any(|at| at == b"hello"))
    });
    assert!(heard);
    let echoed = house.members[anna].events.iter().any(|event| matches!(event, ClientEvent::Data(..)));
    assert!(!echoed, "the sender does not hear itself");
}
