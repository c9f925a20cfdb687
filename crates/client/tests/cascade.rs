//! Media of a participant who is shown in two other rooms as well: three rooms of the real server core, whose messages to each
//! other are carried by hand.

mod house;

use std::time::Duration;

use client::{AudioConfig, VideoConfig};
use house::{House, SECOND};
use livekit::{CascadeId, CascadeMessage, MediaMessage, RequestId, RoomRequest};

/// Alice's house, and those she is also shown in.
struct Street {
    home: House,
    away: Vec<House>,
    /// Packets that crossed to each of them.
    crossed: Vec<u64>,
    requests: u64,
}

impl Street {
    fn new() -> Self {
        let mut home = House::new();
        home.join("alice", |client| {
            client.publish_camera("camera", VideoConfig { simulcast: true, ..VideoConfig::default() });
            client.publish_microphone("microphone", AudioConfig::default());
        });
        home.run(SECOND * 2);
        let mut away: Vec<House> = (0..2).map(|_| House::new()).collect();
        for (id, house) in (0..).map(CascadeId).zip(&mut away) {
            house.join("bob", |_| {});
            house.run(SECOND * 2);
            house.room.cascade_in(house.now, id, "alice", false).expect("nobody of that name");
            home.room.cascade_out(home.now, id, "alice").expect("she is there");
        }
        Self { home, away, crossed: vec![0; 2], requests: 0 }
    }

    fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() {
            self.home.run(Duration::from_millis(1));
            for (id, message) in std::mem::take(&mut self.home.cascaded) {
                self.crossed[id.0 as usize] +=
                    u64::from(matches!(message, CascadeMessage::Media(MediaMessage::Packet(..))));
                let house = &mut self.away[id.0 as usize];
                house.room.handle_cascade(house.now, id, message);
            }
            for house in &mut self.away {
                house.run(Duration::from_millis(1));
                for (id, message) in std::mem::take(&mut house.cascaded) {
                    self.home.room.handle_cascade(self.home.now, id, message);
                }
            }
        }
    }

    /// Frames and audio packets that Bob got in each house during a second, and packets that crossed to it.
    fn second(&mut self) -> Vec<(u64, u64, u64)> {
        let received = |street: &Self| -> Vec<_> {
            let bobs = street.away.iter().map(|house| house.members[0].client.received());
            bobs.zip(street.crossed.clone()).map(|(bob, crossed)| (bob.frames, bob.audio_packets, crossed)).collect()
        };
        let before = received(self);
        self.run(SECOND);
        let after = received(self).into_iter().zip(before);
        after.map(|(after, before)| (after.0 - before.0, after.1 - before.1, after.2 - before.2)).collect()
    }

    fn hold(&mut self, on: bool) {
        self.requests += 1;
        let request = RoomRequest::Hold { identity: "alice".to_owned(), on };
        self.home.room.handle_request(self.home.now, RequestId(self.requests), request);
    }
}

fn flows(second: &[(u64, u64, u64)]) -> bool {
    second.iter().all(|(frames, audio, _)| (25..=35).contains(frames) && (45..=55).contains(audio))
}

#[test]
fn a_camera_in_three_sizes_reaches_two_other_rooms() {
    let mut street = Street::new();
    street.run(SECOND * 3);
    let second = street.second();
    assert!(flows(&second), "{second:?}");
    assert_eq!(second[0].2, second[1].2, "both rooms get every packet");
    assert!(second[0].2 > 3 * 25 + 45, "all three sizes cross: {second:?}");

    for house in [&mut street.away[0], &mut street.home] {
        house.room.handle_cascade(house.now, CascadeId(0), CascadeMessage::End);
    }
    let second = street.second();
    assert!(second[0].2 == 0 && flows(&second[1..]), "one room less, and the other goes on: {second:?}");
}

#[test]
fn of_someone_on_hold_nothing_crosses() {
    let mut street = Street::new();
    street.run(SECOND * 3);
    street.hold(true);
    street.run(SECOND / 4);
    let held = street.second();
    assert_eq!(held, [(0, 0, 0); 2]);
    street.hold(false);
    street.run(SECOND);
    let second = street.second();
    assert!(flows(&second), "{second:?}");
}
