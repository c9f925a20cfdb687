//! Signalling: frames of two clients, decoded and acted on by a room with a WebRTC stack behind it.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use livekit::{ClientParameters, ConnectionId, Join, Output, Room, RoomInit};

/// Every run begins at the same time.
static OPENED: LazyLock<Instant> = LazyLock::new(Instant::now);

// Frames follow each other: two bytes of length, the highest bit saying whose it is, the next that time passes before it.
fuzz_target!(|data: &[u8]| {
    let mut now = *OPENED;
    let mut room = Room::new(now, init(now));
    for (number, single) in [(1, true), (2, false)] {
        let client = ClientParameters { single_peer_connection: single, auto_subscribe: true, ..Default::default() };
        let claims = auth::LiveKitClaims { sub: format!("client-{number}"), ..Default::default() };
        room.handle_connect(now, ConnectionId(number), Join { claims, client, ice_servers: vec![] });
    }
    drain(&mut room);
    let mut rest = data;
    for _ in 0..64 {
        let Some((head, after)) = rest.split_first_chunk::<2>() else { break };
        let head = u16::from_be_bytes(*head);
        let (frame, after) = after.split_at(usize::from(head & 0x3fff).min(after.len()));
        rest = after;
        let connection = ConnectionId(1 + u64::from(head >> 15));
        let message = match std::str::from_utf8(frame).ok().filter(|text| text.starts_with('{')) {
            Some(text) => livekit::decode_signal_json(text),
            None => livekit::decode_signal(frame),
        };
        if head & 0x4000 != 0 {
            now += Duration::from_secs(1);
            room.handle_timeout(now);
            drain(&mut room);
        }
        if let Ok(message) = message {
            room.handle_signal(now, connection, message);
            drain(&mut room);
        }
    }
    room.handle_disconnect(now, ConnectionId(1));
    room.close(now);
    drain(&mut room);
    assert_eq!(room.participant_count(), 0);
});

fn drain(room: &mut Room) {
    for _ in 0..10_000 {
        match room.poll_output() {
            Output::Signal(_, message) => drop(livekit::encode_signal(&message)),
            Output::Timeout(_) => return,
            Output::Close(..)
            | Output::PeerOpened(..)
            | Output::PeerClosed(_)
            | Output::Transmit(_)
            | Output::Event(_)
            | Output::Cascade(..)
            | Output::Shard(..)
            | Output::Recorded(..)
            | Output::Answer(..)
            | Output::Hook(_) => {}
        }
    }
    panic!("a room comes to rest");
}

fn init(now: Instant) -> RoomInit {
    let addr = "192.0.2.1:7882".parse().expect("an address");
    RoomInit {
        options: livekit::RoomOptions::default(),
        name: "room".into(),
        max_participants: 0,
        empty_timeout: Duration::from_secs(300),
        departure_timeout: Duration::from_secs(20),
        ufrag_prefix: String::new(),
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
        hooks: true,
        opened: (now, model::Timestamp(1_763_671_440_123)),
    }
}
