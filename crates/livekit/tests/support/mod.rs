//! A room with clients that only talk: real offers, no media.

#![allow(dead_code, unused_macros, unused_imports, reason = "each file of tests uses a part")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use livekit::proto::{self, signal_request::Message as Said, signal_response::Message as Heard};
use livekit::{
    ClientParameters, ConnectionId, Join, Output, RequestId, Room, RoomAnswer, RoomEvent, RoomInit, RoomOptions,
    RoomRefusal, RoomRequest,
};

/// The offer Chrome's client puts into its join: three audio and three video m-lines to receive on, and data.
pub const CHROME_OFFER: &str = include_str!("../fixtures/chrome.sdp");

pub struct World {
    pub room: Room,
    pub now: Instant,
    pub began: Instant,
    connections: u64,
    requests: u64,
    heard: BTreeMap<ConnectionId, Vec<Heard>>,
    closed: BTreeMap<ConnectionId, &'static str>,
    events: Vec<RoomEvent>,
    pub answers: Vec<(RequestId, Result<RoomAnswer, RoomRefusal>)>,
    pub cascaded: Vec<(livekit::CascadeId, livekit::CascadeMessage)>,
    pub hooks: Vec<proto::WebhookEvent>,
    pub opened: Vec<(sfu::PeerKey, String)>,
}

pub fn init() -> (Instant, RoomInit) {
    let now = Instant::now();
    let addr = "192.0.2.1:7882".parse().unwrap();
    let init = RoomInit {
        name: "room".into(),
        options: RoomOptions::default(),
        max_participants: 0,
        empty_timeout: Duration::from_secs(300),
        departure_timeout: Duration::from_secs(20),
        ufrag_prefix: "w0".into(),
        candidates: vec![sfu::LocalCandidate { transport: sfu::Transport::Udp, addr }],
        media: sfu::RoomConfig {
            seed: 1,
            initial_bitrate: model::Bitrate::kbps(1_500),
            bandwidth_estimation: true,
            opened: now,
            local: vec![addr.ip()].into(),
        },
        seed: 1,
        token_key: None,
        hooks: false,
        opened: (now, model::Timestamp(1_763_671_440_123)),
    };
    (now, init)
}

pub fn claims(identity: &str) -> auth::LiveKitClaims {
    let video = auth::VideoGrant { room: "room".into(), room_join: true, ..Default::default() };
    auth::LiveKitClaims { sub: identity.into(), name: identity.to_uppercase(), video, ..Default::default() }
}

fn browser() -> proto::ClientInfo {
    proto::ClientInfo { sdk: proto::client_info::Sdk::Js.into(), ..Default::default() }
}

/// What Chrome says when it joins over one connection.
pub fn single() -> ClientParameters {
    ClientParameters {
        single_peer_connection: true,
        auto_subscribe: true,
        info: browser(),
        publisher_offer: Some(offer(1, CHROME_OFFER)),
        ..Default::default()
    }
}

/// A client with two connections.
pub fn dual() -> ClientParameters {
    ClientParameters { info: browser(), auto_subscribe: true, ..Default::default() }
}

pub fn offer(id: u32, sdp: &str) -> proto::SessionDescription {
    proto::SessionDescription { r#type: "offer".into(), sdp: sdp.into(), id, ..Default::default() }
}

/// Chrome's offer with more m-lines: kind, mid, direction, msid.
pub fn offer_with(more: &[(&str, &str, &str, &str)]) -> String {
    let (head, sections) = split(CHROME_OFFER);
    let mids: Vec<&str> = more.iter().map(|(_, mid, ..)| *mid).collect();
    let head =
        head.replace("a=group:BUNDLE 0 1 2 3 4 5 6", &format!("a=group:BUNDLE 0 1 2 3 4 5 6 {}", mids.join(" ")));
    let mut text = format!("{head}{}", sections.concat());
    for (kind, mid, direction, msid) in more {
        let model = sections.iter().find(|section| section.starts_with(&format!("m={kind} "))).unwrap();
        for line in model.lines() {
            let line = match line {
                line if line.starts_with("a=mid:") => format!("a=mid:{mid}\r\n"),
                "a=recvonly" if msid.is_empty() => format!("a={direction}\r\n"),
                "a=recvonly" => format!("a=msid:{msid}\r\na={direction}\r\n"),
                line => format!("{line}\r\n"),
            };
            text.push_str(&line);
        }
    }
    text
}

/// A description's head and sections.
pub fn split(sdp: &str) -> (String, Vec<String>) {
    let mut parts = sdp.split("m=").map(str::to_owned);
    let head = parts.next().unwrap_or_default();
    (head, parts.map(|part| format!("m={part}")).collect())
}

/// The section of one m-line.
pub fn section(sdp: &str, mid: &str) -> String {
    let (_, sections) = split(sdp);
    sections.into_iter().find(|section| section.contains(&format!("a=mid:{mid}\r\n"))).expect("such an m-line")
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(edit: impl FnOnce(&mut RoomInit)) -> Self {
        let (now, mut init) = init();
        edit(&mut init);
        Self {
            room: Room::new(now, init),
            now,
            began: now,
            connections: 0,
            requests: 0,
            heard: BTreeMap::new(),
            closed: BTreeMap::new(),
            events: Vec::new(),
            answers: Vec::new(),
            cascaded: Vec::new(),
            hooks: Vec::new(),
            opened: Vec::new(),
        }
    }

    pub fn connect(&mut self, claims: auth::LiveKitClaims, client: ClientParameters) -> ConnectionId {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.room.handle_connect(self.now, connection, Join { claims, client, ice_servers: vec![] });
        self.drain();
        connection
    }

    pub fn join(&mut self, identity: &str) -> ConnectionId {
        self.connect(claims(identity), single())
    }

    /// Asks the room what a backend would, and gives back the answer that came at once.
    pub fn ask(&mut self, request: RoomRequest) -> Option<Result<RoomAnswer, RoomRefusal>> {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.room.handle_request(self.now, id, request);
        self.drain();
        let at = self.answers.iter().position(|(answered, _)| *answered == id)?;
        Some(self.answers.remove(at).1)
    }

    pub fn disconnect(&mut self, connection: ConnectionId) {
        self.room.handle_disconnect(self.now, connection);
        self.drain();
    }

    pub fn say(&mut self, connection: ConnectionId, message: Said) {
        self.room.handle_signal(self.now, connection, proto::SignalRequest { message: Some(message) });
        self.drain();
    }

    /// Time passes.
    pub fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            let due = self.drain();
            if due > end {
                break;
            }
            self.now = due.max(self.now + Duration::from_micros(100));
            self.room.handle_timeout(self.now);
        }
        self.now = end;
    }

    pub fn drain(&mut self) -> Instant {
        for _ in 0..100_000 {
            match self.room.poll_output() {
                Output::Signal(connection, message) => {
                    assert!(!self.closed.contains_key(&connection), "nothing is said on a closed connection");
                    self.heard.entry(connection).or_default().extend(message.message);
                }
                Output::Close(connection, reason) => {
                    assert_eq!(self.closed.insert(connection, reason), None, "a connection is closed once");
                }
                Output::PeerOpened(peer, ufrag) => self.opened.push((peer, ufrag)),
                Output::PeerClosed(peer) => self.opened.retain(|(open, _)| *open != peer),
                Output::Transmit(_) | Output::Recorded(..) => {}
                Output::Shard(to, message) => panic!("a room with one shard tells {to:?}: {message:?}"),
                Output::Cascade(id, message) => self.cascaded.push((id, message)),
                Output::Event(event) => self.events.push(event),
                Output::Answer(id, answer) => self.answers.push((id, answer)),
                Output::Hook(event) => self.hooks.push(*event),
                Output::Timeout(at) => return at,
            }
        }
        panic!("a room comes to rest");
    }

    /// What a client has heard since it was last asked.
    pub fn heard(&mut self, connection: ConnectionId) -> Vec<Heard> {
        self.heard.remove(&connection).unwrap_or_default()
    }

    /// Why a connection was closed.
    pub fn closed(&self, connection: ConnectionId) -> Option<&'static str> {
        self.closed.get(&connection).copied()
    }

    /// What has happened since it was last asked.
    pub fn events(&mut self) -> Vec<RoomEvent> {
        std::mem::take(&mut self.events)
    }
}

/// The messages of one sort.
macro_rules! only {
    ($heard:expr, $sort:ident) => {
        $heard
            .into_iter()
            .filter_map(|message| match message {
                livekit::proto::signal_response::Message::$sort(message) => Some(message),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
}
pub(crate) use only;

pub fn audio(cid: &str) -> Said {
    track(cid, proto::TrackType::Audio, proto::TrackSource::Microphone)
}

pub fn camera(cid: &str) -> Said {
    track(cid, proto::TrackType::Video, proto::TrackSource::Camera)
}

fn track(cid: &str, kind: proto::TrackType, source: proto::TrackSource) -> Said {
    Said::AddTrack(proto::AddTrackRequest {
        cid: cid.into(),
        r#type: kind.into(),
        source: source.into(),
        ..Default::default()
    })
}
