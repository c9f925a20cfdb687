//! Agents and recorders: they are there for the others, take nobody's place and keep no room open.

#![allow(clippy::disallowed_methods, reason = "tests begin at some time")]

mod support;

use std::time::Duration;

use livekit::proto::{self, DisconnectReason, leave_request::Action, signal_request::Message as Said};
use livekit::{CascadeId, ConnectionId, RoomAnswer, RoomEvent, RoomOptions, RoomRefusal, RoomRequest};
use support::*;

/// The tokens that LiveKit's backends give to those who are there for the others.
fn dependents() -> Vec<auth::LiveKitClaims> {
    let of_kind = |kind: &str| auth::LiveKitClaims { kind: kind.into(), ..claims(kind) };
    let granted = |name: &str, change: fn(&mut auth::VideoGrant)| {
        let mut claims = claims(name);
        change(&mut claims.video);
        claims
    };
    vec![
        of_kind("agent"),
        of_kind("egress"),
        granted("recorder", |video| video.recorder = true),
        granted("worker", |video| video.agent = true),
    ]
}

fn recorder() -> auth::LiveKitClaims {
    dependents().remove(1)
}

fn room_for(most: usize) -> World {
    World::with(|init| init.max_participants = most)
}

fn leaves(world: &mut World, connection: ConnectionId) {
    world.say(connection, Said::Leave(proto::LeaveRequest::default()));
}

#[test]
fn they_take_no_place() {
    let mut world = room_for(1);
    let all: Vec<_> = dependents().into_iter().map(|claims| world.connect(claims, single())).collect();
    let alice = world.join("alice");
    let late = world.connect(auth::LiveKitClaims { sub: "late".into(), ..recorder() }, single());
    for connection in all.into_iter().chain([alice, late]) {
        assert_eq!(world.closed(connection), None, "{connection:?}");
    }
    let bob = world.join("bob");
    assert_eq!(world.closed(bob), Some("the room is full"));
    // Someone who is only hidden, or dials in, is somebody.
    let mut hidden = claims("hidden");
    hidden.video.hidden = true;
    for someone in [hidden, auth::LiveKitClaims { kind: "sip".into(), ..claims("sip") }] {
        let connection = world.connect(someone, single());
        assert_eq!(world.closed(connection), Some("the room is full"));
    }
}

#[test]
fn they_take_no_place_where_they_are_shown_from_another_room() {
    let mut world = room_for(1);
    world.join("alice");
    assert_eq!(world.room.cascade_in(world.now, CascadeId(1), "bob", false), Err(RoomRefusal::Busy));
    assert_eq!(world.room.cascade_in(world.now, CascadeId(2), "egress", true), Ok(()));
}

#[test]
fn who_records_is_let_have_what_a_publisher_withholds() {
    let mut world = World::new();
    let alice = world.join("alice");
    let all = dependents().into_iter().chain([claims("bob")]);
    let others: Vec<_> = all.map(|claims| (claims.sub.clone(), world.connect(claims, single()))).collect();
    let nobody = proto::SubscriptionPermission { all_participants: false, track_permissions: vec![] };
    world.say(alice, Said::SubscriptionPermission(nobody));
    world.say(alice, audio("mic"));
    world.say(alice, Said::Offer(offer(2, &offer_with(&[("audio", "7", "sendonly", "stream mic")]))));
    let data_track = proto::PublishDataTrackRequest { pub_handle: 1, name: "d".into(), ..Default::default() };
    world.say(alice, Said::PublishDataTrackRequest(data_track));
    let told = only!(world.heard(alice), PublishDataTrackResponse);
    let track_sid = told[0].info.as_ref().unwrap().sid.clone();
    for (identity, connection) in others {
        let recorded = matches!(identity.as_str(), "egress" | "recorder");
        world.heard(connection);
        world.say(connection, Said::Offer(offer(2, CHROME_OFFER)));
        let answer = &only!(world.heard(connection), Answer)[0];
        assert_eq!(answer.mid_to_track_id.len(), usize::from(recorded), "{identity}");
        let one = proto::update_data_subscription::Update {
            track_sid: track_sid.clone(),
            subscribe: true,
            ..Default::default()
        };
        world.say(connection, Said::UpdateDataSubscription(proto::UpdateDataSubscription { updates: vec![one] }));
        let handles = only!(world.heard(connection), DataTrackSubscriberHandles);
        let has = handles.last().is_some_and(|handles| !handles.sub_handles.is_empty());
        assert_eq!(has, recorded, "{identity}");
    }
}

#[test]
fn they_keep_no_room_open_and_are_put_out_of_it() {
    let mut world = World::with(|init| init.hooks = true);
    let egress = world.connect(recorder(), single());
    let alice = world.join("alice");
    world.advance(Duration::from_secs(400));
    leaves(&mut world, alice);
    // Whoever comes and goes meanwhile makes it no later.
    world.advance(Duration::from_secs(10));
    let agent = world.connect(dependents().remove(0), single());
    leaves(&mut world, agent);
    world.advance(Duration::from_millis(9_900));
    assert_eq!((world.closed(egress), world.room.participant_count()), (None, 1));
    world.heard(egress);
    world.events();
    world.advance(Duration::from_millis(200));
    let told = only!(world.heard(egress), Leave);
    assert_eq!((told[0].reason(), told[0].action()), (DisconnectReason::RoomClosed, Action::Disconnect));
    assert_eq!((world.closed(egress), world.room.participant_count()), (Some("room closed"), 0));
    assert_eq!(world.events(), [RoomEvent::Left { identity: "egress".into(), clean: true }, RoomEvent::Empty]);
    assert_eq!(world.hooks.last().unwrap().event, "room_finished");
    let late = world.join("bob");
    assert_eq!(world.closed(late), Some("the room is closed"));
}

#[test]
fn a_room_that_only_they_came_to_closes_as_if_nobody_had() {
    let mut world = World::new();
    world.advance(Duration::from_secs(200));
    let egress = world.connect(recorder(), single());
    world.advance(Duration::from_secs(99));
    assert_eq!(world.closed(egress), None);
    world.advance(Duration::from_secs(2));
    assert_eq!((world.closed(egress), world.events().pop()), (Some("room closed"), Some(RoomEvent::Empty)));
}

#[test]
fn a_room_is_open_as_long_as_somebody_is_in_it() {
    let mut world = World::new();
    let egress = world.connect(recorder(), single());
    world.join("alice");
    leaves(&mut world, egress);
    world.advance(Duration::from_secs(900));
    assert!(!world.events().contains(&RoomEvent::Empty));
}

#[test]
fn a_room_counts_as_livekit_does() {
    let mut world = World::new();
    let mut hidden = claims("hidden");
    hidden.video.hidden = true;
    world.connect(hidden, single());
    let agent = world.connect(dependents().remove(0), single());
    world.say(agent, audio("voice"));
    world.say(agent, Said::Offer(offer(2, &offer_with(&[("audio", "7", "sendonly", "stream voice")]))));
    let room = world.room.describe();
    assert_eq!((room.num_participants, room.num_publishers, room.active_recording), (1, 1, false));
    let egress = world.connect(recorder(), single());
    assert!(world.room.describe().active_recording, "by its kind");
    leaves(&mut world, egress);
    assert!(!world.room.describe().active_recording);
    world.connect(dependents().remove(2), single());
    assert!(world.room.describe().active_recording, "by its grant");
    assert_eq!(world.room.describe().num_participants, 1);
}

#[test]
fn a_room_that_the_server_records_says_so_to_everyone() {
    let mut world = World::new();
    let alice = world.join("alice");
    for on in [true, false] {
        world.heard(alice);
        world.ask(RoomRequest::MarkRecorded(on));
        assert_eq!(world.room.describe().active_recording, on);
        let told = only!(world.heard(alice), RoomUpdate).into_iter().filter_map(|update| update.room);
        let told = told.map(|room| room.active_recording);
        assert_eq!(told.collect::<Vec<_>>(), [on], "isRecording of LiveKit's SDKs");
        world.ask(RoomRequest::MarkRecorded(on));
        assert!(world.heard(alice).is_empty(), "told once");
    }
}

fn joined(identity: &str, is_dependent: bool) -> RoomEvent {
    RoomEvent::Joined { identity: identity.into(), device: None, is_dependent }
}

#[test]
fn the_rooms_owner_is_told_what_they_are() {
    let mut world = World::new();
    for claims in dependents() {
        world.connect(claims.clone(), single());
        assert_eq!(world.events(), [joined(&claims.sub, true)]);
    }
    let alice = world.join("alice");
    leaves(&mut world, alice);
    world.connect(auth::LiveKitClaims { sub: "alice".into(), ..recorder() }, single());
    assert_eq!(world.events(), [joined("alice", false), joined("alice", true)], "she never left, but is another now");
}

#[test]
fn one_who_is_made_a_recorder_gives_the_place_back() {
    let mut world = room_for(1);
    world.join("alice");
    world.events();
    let become_one = |recorder| {
        #[allow(deprecated)]
        let permission = proto::ParticipantPermission { can_subscribe: true, recorder, ..Default::default() };
        let permission = Some(permission);
        let update = proto::UpdateParticipantRequest { identity: "alice".into(), permission, ..Default::default() };
        RoomRequest::UpdateParticipant(update)
    };
    world.ask(become_one(true));
    assert_eq!((world.events(), world.room.describe().num_participants), (vec![joined("alice", true)], 0));
    let bob = world.join("bob");
    assert_eq!(world.closed(bob), None);
    world.events();
    world.ask(become_one(false));
    assert_eq!(world.room.describe().num_participants, 2);
    assert_eq!(world.events(), [joined("alice", false)]);
    world.ask(become_one(true));
    leaves(&mut world, bob);
    world.advance(Duration::from_secs(21));
    assert_eq!(world.room.participant_count(), 0, "nobody else was left");
}

#[test]
fn a_room_opens_as_was_said_of_it() {
    let options = RoomOptions {
        empty_timeout: Some(Duration::from_secs(60)),
        departure_timeout: Some(Duration::from_secs(2)),
        max_participants: Some(1),
        metadata: Some("mm".into()),
        ..RoomOptions::default()
    };
    let mut world = World::with(|init| {
        (init.hooks, init.options, init.max_participants) = (true, options, 7);
        init.token_key = Some(auth::LiveKitKey { key: "k".into(), secret: model::Secret::new("s".into()) });
    });
    world.drain();
    let said =
        |room: &proto::Room| (room.empty_timeout, room.departure_timeout, room.max_participants, room.metadata.clone());
    assert_eq!(said(&world.room.describe()), (60, 2, 1, "mm".into()));
    assert_eq!(said(world.hooks[0].room.as_ref().unwrap()), (60, 2, 1, "mm".into()), "as its first webhook says");

    // Whoever opens it anew with a fresh token opens it the same; another room is not theirs to shape.
    let config: serde_json::Map<_, _> = serde_json::from_str(r#"{"maxParticipants":1}"#).unwrap();
    let alice = world.connect(auth::LiveKitClaims { room_config: Some(config.clone()), ..claims("alice") }, single());
    world.heard(alice);
    let name = proto::UpdateParticipantRequest { identity: "alice".into(), name: "A".into(), ..Default::default() };
    world.ask(RoomRequest::UpdateParticipant(name));
    let elsewhere = Box::new(proto::Room { name: "elsewhere".into(), ..Default::default() });
    let moved = world.ask(RoomRequest::Move { identity: "alice".into(), destination: elsewhere });
    assert_eq!(moved, Some(Ok(RoomAnswer::Done)));
    let keys = auth::LiveKitKeys::new(auth::LiveKitKey { key: "k".into(), secret: model::Secret::new("s".into()) });
    let tokens = only!(world.heard(alice), RefreshToken);
    let read = |token: &String| keys.verify(model::Timestamp(1_763_671_440_123), token).unwrap();
    let tokens: Vec<_> = tokens.iter().map(|token| (read(token).video.room, read(token).room_config)).collect();
    assert_eq!(tokens, [("room".to_owned(), Some(config)), ("elsewhere".to_owned(), None)]);
}

#[test]
fn what_is_played_in_step_is_one_stream() {
    let streams = |browser: &str, sync_streams| {
        let mut world = World::with(|init| init.options = RoomOptions { sync_streams, ..RoomOptions::default() });
        let alice = world.join("alice");
        let mut client = single();
        (client.info.protocol, client.info.browser) = (16, browser.into());
        let bob = world.connect(claims("bob"), client.clone());
        world.say(alice, camera("cam"));
        world.say(alice, audio("mic"));
        let lines = [("video", "7", "sendonly", "s cam"), ("audio", "8", "sendonly", "s mic")];
        world.say(alice, Said::Offer(offer(2, &offer_with(&lines))));
        world.say(bob, Said::Offer(offer(2, CHROME_OFFER)));
        let answer = only!(world.heard(bob), Answer).pop().expect("an answer");
        let msids = answer.sdp.lines().filter_map(|line| line.strip_prefix("a=msid:PA_"));
        let streams = msids.filter_map(|msid| msid.split(['|', ' ']).nth(1));
        let mut streams: Vec<_> = streams.map(|stream| stream.get(..5).unwrap_or(stream).to_owned()).collect();
        streams.sort();
        streams
    };
    assert_eq!(streams("Chrome", Some(true)), ["camer", "camer"]);
    for (browser, sync) in [("Chrome", None), ("Firefox", Some(true))] {
        assert_eq!(streams(browser, sync), ["TR_AM", "TR_VC"], "{browser} {sync:?}");
    }
}
