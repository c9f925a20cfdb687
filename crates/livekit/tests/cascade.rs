//! A participant of one room shown in another: two rooms whose cascade messages are carried by hand.

#![allow(clippy::disallowed_methods, reason = "tests begin at some time")]

mod support;

use std::time::Duration;

use livekit::proto::{self, participant_info::State, signal_request::Message as Said};
use livekit::{CascadeId, CascadeMessage, MediaMessage, RoomAnswer, RoomRefusal, RoomRequest};
use support::*;

const CASCADE: CascadeId = CascadeId(7);

/// Alice in one room, shown in the other, where Bob is.
fn shown() -> (World, livekit::ConnectionId, World, livekit::ConnectionId) {
    let (mut here, mut there) = (World::new(), World::new());
    let (alice, bob) = (here.join("alice"), there.join("bob"));
    there.room.cascade_in(there.now, CASCADE, "alice", false).expect("nobody of that name");
    here.room.cascade_out(here.now, CASCADE, "alice").expect("she is there");
    carry(&mut here, &mut there);
    (here, alice, there, bob)
}

fn carry(one: &mut World, other: &mut World) {
    for _ in 0..10 {
        one.drain();
        other.drain();
        for (id, message) in std::mem::take(&mut one.cascaded) {
            other.room.handle_cascade(other.now, id, message);
        }
        for (id, message) in std::mem::take(&mut other.cascaded) {
            one.room.handle_cascade(one.now, id, message);
        }
    }
}

fn participants(world: &mut World) -> Vec<proto::ParticipantInfo> {
    match world.ask(RoomRequest::Participants) {
        Some(Ok(RoomAnswer::Participants(all))) => all,
        other => panic!("{other:?}"),
    }
}

fn alice_in(world: &mut World) -> Option<proto::ParticipantInfo> {
    participants(world).into_iter().find(|info| info.identity == "alice")
}

fn publish(world: &mut World, publisher: livekit::ConnectionId) -> String {
    world.say(publisher, audio("mic"));
    let published = only!(world.heard(publisher), TrackPublished);
    world.say(publisher, Said::Offer(offer(2, &offer_with(&[("audio", "7", "sendonly", "stream mic")]))));
    published[0].track.as_ref().unwrap().sid.clone()
}

#[test]
fn what_changes_here_changes_there() {
    let (mut here, alice, mut there, bob) = shown();
    let info = alice_in(&mut there).expect("shown");
    assert_eq!((info.name.as_str(), info.state()), ("ALICE", State::Active));
    assert_eq!(info.kind_details, [i32::from(proto::participant_info::KindDetail::Forwarded)]);
    let sid = publish(&mut here, alice);
    carry(&mut here, &mut there);
    let track = alice_in(&mut there).unwrap().tracks.remove(0);
    assert!(track.sid != sid && track.source() == proto::TrackSource::Microphone && !track.muted);
    there.say(bob, Said::Offer(offer(2, CHROME_OFFER)));
    assert_eq!(only!(there.heard(bob), Answer).last().unwrap().mid_to_track_id.len(), 1, "bob subscribes to it");
    here.say(alice, Said::Mute(proto::MuteTrackRequest { sid: sid.clone(), muted: true }));
    here.ask(RoomRequest::UpdateParticipant(proto::UpdateParticipantRequest {
        identity: "alice".into(),
        metadata: "m".into(),
        ..Default::default()
    }));
    carry(&mut here, &mut there);
    let info = alice_in(&mut there).unwrap();
    assert_eq!((info.metadata.as_str(), info.tracks[0].muted, &info.tracks[0].sid), ("m", true, &track.sid));
    // The m-line no longer sends: the track is over.
    here.say(alice, Said::Offer(offer(3, &offer_with(&[("audio", "7", "inactive", "")]))));
    carry(&mut here, &mut there);
    assert!(alice_in(&mut there).unwrap().tracks.is_empty());
}

#[test]
fn it_ends_from_either_end() {
    let (mut here, alice, mut there, bob) = shown();
    here.say(alice, Said::Leave(proto::LeaveRequest::default()));
    carry(&mut here, &mut there);
    assert!(alice_in(&mut there).is_none());
    let gone = only!(there.heard(bob), Update);
    assert_eq!(gone.last().unwrap().participants[0].state(), State::Disconnected);

    let (mut here, _alice, mut there, _bob) = shown();
    there.ask(RoomRequest::Remove { identity: "alice".into(), revoke_before: 0 });
    carry(&mut here, &mut there);
    assert!(alice_in(&mut there).is_none() && alice_in(&mut here).is_some());
    here.ask(RoomRequest::UpdateParticipant(proto::UpdateParticipantRequest {
        identity: "alice".into(),
        name: "A".into(),
        ..Default::default()
    }));
    here.drain();
    assert!(here.cascaded.is_empty(), "nothing is sent on any more");
}

#[test]
fn whoever_comes_in_person_takes_the_place() {
    let (mut here, _alice, mut there, _bob) = shown();
    let herself = there.join("alice");
    carry(&mut here, &mut there);
    let info = alice_in(&mut there).unwrap();
    assert!(info.kind_details.is_empty() && there.closed(herself).is_none());
    assert_eq!(there.room.cascade_in(there.now, CascadeId(8), "alice", false), Err(RoomRefusal::IdentityTaken));
    assert_eq!(there.room.cascade_out(there.now, CascadeId(8), "nobody"), Err(RoomRefusal::ParticipantNotFound));
}

#[test]
fn one_that_is_shown_cannot_be_resumed_and_keeps_the_room_open() {
    let (mut here, _alice, mut there, bob) = shown();
    let sid = alice_in(&mut there).unwrap().sid;
    let client =
        livekit::ClientParameters { single_peer_connection: true, reconnect: Some((sid, 1)), ..Default::default() };
    let thief = there.connect(claims("alice"), client);
    assert_eq!(there.closed(thief), Some("nothing to resume"));
    there.say(bob, Said::Leave(proto::LeaveRequest::default()));
    there.events();
    there.advance(Duration::from_secs(600));
    assert_eq!(there.events(), [livekit::RoomEvent::Left { identity: "bob".into(), clean: true }]);
    here.room.close(here.now);
    carry(&mut here, &mut there);
    assert!(participants(&mut there).is_empty());
}

#[test]
fn what_no_cascade_said_is_ignored() {
    let mut world = World::new();
    world.join("alice");
    for message in
        [CascadeMessage::Media(MediaMessage::Keyframe(sfu::TrackKey(1), sfu::Layer::High)), CascadeMessage::End]
    {
        world.room.handle_cascade(world.now, CascadeId(1), message);
        world.drain();
    }
    assert_eq!(world.room.participant_count(), 1);
}
