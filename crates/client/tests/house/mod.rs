//! A room of the real server core with clients: signalling and media, on a virtual clock, without a socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::{Client, ClientConfig, ClientEvent, Output};
use livekit::{
    CascadeId, CascadeMessage, ConnectionId, Join, RequestId, Room, RoomAnswer, RoomEvent, RoomInit, RoomRefusal,
    ShardId, ShardMessage,
};
use model::Bitrate;
use sfu::{Datagram, LocalCandidate, PeerKey, Transport};

const SERVER: &str = "10.0.0.1:7882";
const DELAY: Duration = Duration::from_millis(5);
pub const SECOND: Duration = Duration::from_secs(1);

pub struct Member {
    pub client: Client,
    addr: SocketAddr,
    peer: Option<PeerKey>,
    up: VecDeque<(Instant, Vec<u8>)>,
    down: VecDeque<(Instant, Vec<u8>)>,
    pub events: Vec<ClientEvent>,
    /// The server's answers, oldest first.
    pub answers: Vec<String>,
}

pub struct House {
    pub room: Room,
    pub now: Instant,
    pub members: Vec<Member>,
    /// For the other shards of the room.
    pub sharded: Vec<(ShardId, ShardMessage)>,
    /// For the rooms that it shares participants with.
    pub cascaded: Vec<(CascadeId, CascadeMessage)>,
    /// Answers to requests.
    pub answered: Vec<(RequestId, Result<RoomAnswer, RoomRefusal>)>,
    /// What its owner was told.
    pub told: Vec<RoomEvent>,
}

impl House {
    pub fn new() -> Self {
        let (now, init) = Self::init();
        Self::of(now, Room::new(now, init))
    }

    /// Another shard of a room.
    #[allow(dead_code, reason = "for those tests that have shards")]
    pub fn shard(home: ShardId) -> Self {
        let (now, init) = Self::init();
        Self::of(now, Room::new_shard(now, RoomInit { seed: 2, ..init }, home))
    }

    fn of(now: Instant, room: Room) -> Self {
        let (members, cascaded, sharded, answered, told) = Default::default();
        Self { room, now, members, cascaded, sharded, answered, told }
    }

    fn init() -> (Instant, RoomInit) {
        let now = Instant::now();
        let media = sfu::RoomConfig {
            seed: 1,
            initial_bitrate: Bitrate::kbps(5_000),
            bandwidth_estimation: false,
            opened: now,
            local: [].into(),
        };
        let init = RoomInit {
            name: "house".to_owned(),
            options: livekit::RoomOptions::default(),
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
        (now, init)
    }

    pub fn join(&mut self, identity: &str, setup: impl FnOnce(&mut Client)) -> usize {
        self.join_with(identity, ClientConfig::new, setup)
    }

    pub fn join_with(
        &mut self,
        identity: &str,
        config: impl FnOnce(SocketAddr) -> ClientConfig,
        setup: impl FnOnce(&mut Client),
    ) -> usize {
        let at = self.members.len();
        let addr: SocketAddr = format!("10.0.1.{}:5000", at + 1).parse().expect("an address");
        let mut client = Client::new(self.now, ClientConfig { seed: at as u64, ..config(addr) });
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
            answers: Vec::new(),
        });
        let join = Join { claims, client: parameters, ice_servers: Vec::new() };
        self.room.handle_connect(self.now, ConnectionId(at as u64), join);
        self.carry_out();
        at
    }

    pub fn run(&mut self, time: Duration) {
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

    pub fn carry_out(&mut self) {
        let mut busy = true;
        while busy {
            busy = self.carry_out_clients();
            loop {
                match self.room.poll_output() {
                    livekit::Output::Signal(to, response) => {
                        let bytes = livekit::encode_signal(&response);
                        let member = &mut self.members[to.0 as usize];
                        if let Some(livekit::proto::signal_response::Message::Answer(answer)) = &response.message {
                            member.answers.push(answer.sdp.clone());
                        }
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
                    livekit::Output::Cascade(id, message) => self.cascaded.push((id, message)),
                    livekit::Output::Shard(to, message) => self.sharded.push((to, message)),
                    livekit::Output::Answer(id, answer) => self.answered.push((id, answer)),
                    livekit::Output::Event(event) => self.told.push(event),
                    livekit::Output::Recorded(..)
                    | livekit::Output::PeerClosed(_)
                    | livekit::Output::Close(..)
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
