//! What a backend asks of a room, and what the clients in it hear of that.

#![allow(clippy::disallowed_methods, reason = "maps of one entry have an order")]

mod support;

use std::time::Duration;

use livekit::proto::{self, signal_request::Message as Said, signal_response::Message as Heard};
use livekit::{RoomAnswer, RoomEvent, RoomOptions, RoomRefusal, RoomRequest};
use support::*;

fn key() -> auth::LiveKitKey {
    auth::LiveKitKey { key: "key".into(), secret: model::Secret::new("secret".into()) }
}

fn with_key() -> World {
    World::with(|init| init.token_key = Some(key()))
}

fn opened(world: &World, token: &str) -> auth::LiveKitClaims {
    let seconds = model::Timestamp(1_763_671_440_123) + (world.now - world.began);
    auth::LiveKitKeys::new(key()).verify(seconds, token).expect("a token of the room's own")
}

fn permission() -> proto::ParticipantPermission {
    proto::ParticipantPermission {
        can_subscribe: true,
        can_publish: true,
        can_publish_data: true,
        ..Default::default()
    }
}

fn update(identity: &str) -> proto::UpdateParticipantRequest {
    proto::UpdateParticipantRequest { identity: identity.into(), ..Default::default() }
}

fn publish(world: &mut World, publisher: livekit::ConnectionId) -> String {
    world.say(publisher, audio("mic"));
    let published = only!(world.heard(publisher), TrackPublished);
    world.say(publisher, Said::Offer(offer(2, &offer_with(&[("audio", "7", "sendonly", "stream mic")]))));
    published[0].track.as_ref().unwrap().sid.clone()
}

#[test]
fn a_room_is_described_as_it_was_set_up() {
    let mut world = World::new();
    let options = RoomOptions {
        empty_timeout: Some(Duration::from_secs(7)),
        departure_timeout: Some(Duration::from_secs(9)),
        max_participants: Some(2),
        metadata: Some("m".into()),
        ..RoomOptions::default()
    };
    let Some(Ok(RoomAnswer::Room(room))) = world.ask(RoomRequest::Configure(options)) else { panic!("an answer") };
    assert_eq!((room.empty_timeout, room.departure_timeout, room.max_participants), (7, 9, 2));
    assert_eq!(room.metadata, "m");
    // What is not said stays.
    let Some(Ok(RoomAnswer::Room(again))) = world.ask(RoomRequest::Configure(RoomOptions::default())) else { panic!() };
    assert_eq!(again, room);
    let (alice, _bob, carol) = (world.join("alice"), world.join("bob"), world.join("carol"));
    let leave = only!(world.heard(carol), Leave);
    assert_eq!(leave[0].reason(), proto::DisconnectReason::JoinFailure, "the third is one too many");
    world.say(alice, Said::Leave(proto::LeaveRequest::default()));
    assert_eq!(world.ask(RoomRequest::Remove { identity: "bob".into(), revoke_before: 0 }), Some(Ok(RoomAnswer::Done)));
    world.events();
    world.advance(Duration::from_millis(8_900));
    assert!(!world.events().contains(&RoomEvent::Empty));
    world.advance(Duration::from_millis(200));
    assert!(world.events().contains(&RoomEvent::Empty), "nine seconds after the last left");
}

#[test]
fn a_removed_participant_whose_tokens_were_revoked_stays_out() {
    let mut world = World::new();
    world.join("alice");
    let remove = |revoke_before| RoomRequest::Remove { identity: "alice".into(), revoke_before };
    assert_eq!(world.ask(remove(1_000)), Some(Ok(RoomAnswer::Done)));
    assert_eq!(world.ask(remove(0)), Some(Err(RoomRefusal::ParticipantNotFound)));
    let again = world.join("alice");
    assert!(world.closed(again).is_some());
    let fresh = world.connect(auth::LiveKitClaims { nbf: 1_000, ..claims("alice") }, single());
    assert!(world.closed(fresh).is_none());
}

#[test]
fn the_server_mutes_and_never_unmutes() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let track_sid = publish(&mut world, alice);
    world.heard(alice);
    world.heard(bob);
    let mute = |track_sid: &str, muted| RoomRequest::MuteTrack {
        identity: "alice".into(),
        track_sid: track_sid.into(),
        muted,
    };
    let Some(Ok(RoomAnswer::Track(track))) = world.ask(mute(&track_sid, true)) else { panic!("an answer") };
    assert!(track.muted && track.sid == track_sid);
    assert_eq!(only!(world.heard(alice), Mute), [proto::MuteTrackRequest { sid: track_sid.clone(), muted: true }]);
    let updates = only!(world.heard(bob), Update);
    assert!(updates.last().unwrap().participants[0].tracks[0].muted);
    assert_eq!(world.ask(mute(&track_sid, false)), Some(Err(RoomRefusal::RemoteUnmute)));
    assert_eq!(world.ask(mute("TR_x", true)), Some(Err(RoomRefusal::TrackNotFound)));
    world.say(alice, Said::Mute(proto::MuteTrackRequest { sid: track_sid.clone(), muted: false }));
    let sources = vec![proto::TrackSource::Microphone];
    let all = RoomRequest::MuteSources { identity: None, except: Some("alice".into()), sources: sources.clone() };
    world.ask(all);
    assert_eq!(only!(world.heard(alice), Mute), [], "not the one excepted");
    world.ask(RoomRequest::MuteSources { identity: None, except: None, sources });
    assert_eq!(only!(world.heard(alice), Mute).len(), 1);
}

#[test]
fn who_may_no_longer_publish_loses_what_it_published() {
    let mut world = with_key();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let track_sid = publish(&mut world, alice);
    world.heard(alice);
    world.heard(bob);
    let permission = proto::ParticipantPermission { can_publish: false, ..permission() };
    let request = proto::UpdateParticipantRequest { permission: Some(permission), ..update("alice") };
    let Some(Ok(RoomAnswer::Participant(info))) = world.ask(RoomRequest::UpdateParticipant(request)) else { panic!() };
    assert!(info.tracks.is_empty() && !info.permission.unwrap().can_publish);
    let heard = world.heard(alice);
    let token = only!(heard.clone(), RefreshToken);
    assert_eq!(only!(heard, TrackUnpublished), [proto::TrackUnpublishedResponse { track_sid }]);
    assert_eq!(opened(&world, &token[0]).video.can_publish, Some(false));
    let updates = only!(world.heard(bob), Update);
    assert!(updates.last().unwrap().participants[0].tracks.is_empty());
    world.say(alice, audio("again"));
    assert_eq!(only!(world.heard(alice), RequestResponse)[0].reason(), proto::request_response::Reason::NotAllowed);
}

#[test]
fn who_may_no_longer_subscribe_gets_nothing_until_it_may_again() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    publish(&mut world, alice);
    world.say(bob, Said::Offer(offer(2, CHROME_OFFER)));
    let named = |world: &mut World| only!(world.heard(bob), Answer).last().unwrap().mid_to_track_id.len();
    assert_eq!(named(&mut world), 1);
    for (may, tracks) in [(false, 0), (true, 1)] {
        let permission = Some(proto::ParticipantPermission { can_subscribe: may, ..permission() });
        world.ask(RoomRequest::UpdateParticipant(proto::UpdateParticipantRequest { permission, ..update("bob") }));
        world.say(bob, Said::Offer(offer(3 + u32::from(may), CHROME_OFFER)));
        assert_eq!(named(&mut world), tracks, "subscribe: {may}");
    }
}

#[test]
fn one_made_hidden_is_gone_for_the_others() {
    let mut world = World::new();
    let (_alice, bob) = (world.join("alice"), world.join("bob"));
    world.heard(bob);
    let permission = Some(proto::ParticipantPermission { hidden: true, ..permission() });
    world.ask(RoomRequest::UpdateParticipant(proto::UpdateParticipantRequest { permission, ..update("alice") }));
    let updates = only!(world.heard(bob), Update);
    let last = &updates.last().unwrap().participants[0];
    assert_eq!((last.identity.as_str(), last.state()), ("alice", proto::participant_info::State::Disconnected));
    let Some(Ok(RoomAnswer::Participants(all))) = world.ask(RoomRequest::Participants) else { panic!() };
    assert_eq!(all.len(), 2, "a backend sees everyone");
}

#[test]
fn what_is_too_long_changes_nothing() {
    let mut world = World::new();
    world.join("alice");
    for request in [
        proto::UpdateParticipantRequest { name: "x".repeat(257), ..update("alice") },
        proto::UpdateParticipantRequest { metadata: "x".repeat(65_537), ..update("alice") },
        proto::UpdateParticipantRequest { attributes: [("k".into(), "x".repeat(65_536))].into(), ..update("alice") },
    ] {
        let refused = world.ask(RoomRequest::UpdateParticipant(request));
        assert!(matches!(refused, Some(Err(RoomRefusal::TooLong { .. }))), "{refused:?}");
    }
    let Some(Ok(RoomAnswer::Participants(all))) = world.ask(RoomRequest::Participants) else { panic!() };
    assert_eq!((all[0].name.as_str(), all[0].metadata.as_str(), all[0].attributes.len()), ("ALICE", "", 0));
}

#[test]
fn a_fresh_token_comes_every_five_minutes_and_says_what_holds_now() {
    let mut world = with_key();
    let mut token = claims("alice");
    token.attributes.insert("stoa.device".into(), "phone".into());
    token.exp = 1_763_671_440 + 6 * 3_600;
    token.video.can_update_own_metadata = Some(true);
    let alice = world.connect(token.clone(), single());
    let attributes = [("stoa.device".to_owned(), "forged".to_owned()), ("a".to_owned(), "1".to_owned())].into();
    world.say(alice, Said::UpdateMetadata(proto::UpdateParticipantMetadata { attributes, ..Default::default() }));
    world.heard(alice);
    world.advance(Duration::from_secs(20));
    for _ in 0..2 {
        // It says something now and then, as clients do.
        for _ in 0..30 {
            world.say(alice, Said::Ping(1));
            world.advance(Duration::from_secs(10));
        }
        let tokens = only!(world.heard(alice), RefreshToken);
        assert_eq!(tokens.len(), 1);
        let fresh = opened(&world, &tokens[0]);
        assert_eq!((fresh.sub.as_str(), fresh.video.room.as_str(), fresh.video.room_join), ("alice", "room", true));
        assert_eq!((fresh.device(), fresh.attributes["a"].as_str()), (Some("phone"), "1"));
        assert_eq!(fresh.exp, token.exp, "no shorter than the first");
    }
    world.disconnect(alice);
    world.advance(Duration::from_secs(900));
}

#[test]
fn one_sent_on_gets_a_token_for_the_other_room_and_is_told_to_start_afresh() {
    let mut world = with_key();
    let alice = world.join("alice");
    world.heard(alice);
    let destination = Box::new(proto::Room { name: "other".into(), ..Default::default() });
    let moved = world.ask(RoomRequest::Move { identity: "alice".into(), destination });
    assert_eq!(moved, Some(Ok(RoomAnswer::Done)));
    let heard = world.heard(alice);
    let told = only!(heard.clone(), RoomMoved);
    assert_eq!(opened(&world, &told[0].token).video.room, "other");
    assert_eq!(only!(heard, Leave)[0].action(), proto::leave_request::Action::Reconnect);
    assert_eq!(world.room.participant_count(), 0);
}

#[test]
fn an_rpc_nobody_acknowledges_fails_and_so_does_one_whose_participant_leaves() {
    let mut world = World::new();
    let bob = world.join("bob");
    let request = |to: &str| {
        RoomRequest::PerformRpc(proto::PerformRpcRequest {
            destination_identity: to.into(),
            method: "greet".into(),
            response_timeout_ms: 30_000,
            ..Default::default()
        })
    };
    assert_eq!(world.ask(request("nobody")), Some(Err(RoomRefusal::ParticipantNotFound)));
    assert_eq!(world.ask(request("bob")), None, "not answered yet");
    world.advance(Duration::from_millis(6_900));
    assert!(world.answers.is_empty());
    world.advance(Duration::from_millis(200));
    assert!(matches!(world.answers.pop(), Some((_, Err(RoomRefusal::Rpc { code: 1501, .. })))));
    assert_eq!(world.ask(request("bob")), None);
    world.say(bob, Said::Leave(proto::LeaveRequest::default()));
    assert!(matches!(world.answers.pop(), Some((_, Err(RoomRefusal::Rpc { code: 1503, .. })))));
    world.join("bob");
    for _ in 0..256 {
        assert_eq!(world.ask(request("bob")), None);
    }
    assert_eq!(world.ask(request("bob")), Some(Err(RoomRefusal::Busy)));
}

#[test]
fn a_backend_is_told_what_happens_in_order() {
    let mut world = World::with(|init| init.hooks = true);
    let alice = world.join("alice");
    let sid = publish(&mut world, alice);
    world.say(alice, Said::Leave(proto::LeaveRequest::default()));
    world.ask(RoomRequest::Close { reason: proto::DisconnectReason::RoomDeleted });
    let hooks = std::mem::take(&mut world.hooks);
    let names: Vec<&str> = hooks.iter().map(|hook| hook.event.as_str()).collect();
    // Its media never came up, so it never joined.
    let aborted = "participant_connection_aborted";
    assert_eq!(names, ["room_started", "track_published", "track_unpublished", aborted, "room_finished"]);
    assert_eq!(hooks[1].track.as_ref().unwrap().sid, sid);
    assert_eq!(hooks[3].participant.as_ref().unwrap().identity, "alice");
    let ids: std::collections::BTreeSet<&str> = hooks.iter().map(|hook| hook.id.as_str()).collect();
    assert_eq!(ids.len(), hooks.len());
    assert!(hooks.iter().all(|hook| hook.room.as_ref().unwrap().name == "room" && hook.created_at == 1_763_671_440));
}

#[test]
#[allow(deprecated)]
fn a_backend_is_told_of_tracks_what_their_offer_says() {
    let mut world = World::with(|init| init.hooks = true);
    let alice = world.join("alice");
    let Said::AddTrack(camera) = camera("cam") else { unreachable!("a request to publish") };
    let layers = vec![proto::VideoLayer { width: 320, height: 180, ..Default::default() }];
    world.say(alice, audio("mic"));
    world.say(alice, Said::AddTrack(proto::AddTrackRequest { layers, ..camera }));
    let lines = [("audio", "7", "sendonly", "stream mic"), ("video", "8", "sendonly", "stream cam")];
    let ssrcs = "a=ssrc-group:FID 77 78\r\na=ssrc:77 cname:c\r\na=ssrc:78 cname:c\r\n";
    world.say(alice, Said::Offer(offer(2, &(offer_with(&lines) + ssrcs))));
    let tracks: Vec<_> = world.hooks.iter().filter_map(|hook| hook.track.clone()).collect();
    let [microphone, camera] = tracks.as_slice() else { panic!("two tracks, not {tracks:?}") };
    for (track, mime, mid, cid) in [(microphone, "audio/red", "7", "mic"), (camera, "video/VP8", "8", "cam")] {
        assert_eq!((track.mime_type.as_str(), track.mid.as_str()), (mime, mid));
        let [codec] = track.codecs.as_slice() else { panic!("one codec, not {:?}", track.codecs) };
        assert_eq!((codec.mime_type.as_str(), codec.mid.as_str(), codec.cid.as_str()), (mime, mid, cid));
        assert_eq!(codec.layers, track.layers);
    }
    assert_eq!(camera.layers.iter().map(|layer| layer.ssrc).collect::<Vec<_>>(), [77]);
    assert_eq!(microphone.backup_codec_policy(), proto::BackupCodecPolicy::Simulcast);
}

#[test]
fn who_has_published_is_a_publisher_until_a_backend_says_what_they_may() {
    let mut world = World::with(|init| init.hooks = true);
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let is_publisher = |world: &mut World| {
        let Some(Ok(RoomAnswer::Participant(info))) = world.ask(RoomRequest::Participant { identity: "alice".into() })
        else {
            panic!("an answer")
        };
        (info.is_publisher, world.room.describe().num_publishers)
    };
    assert_eq!(is_publisher(&mut world), (false, 0));
    publish(&mut world, alice);
    assert_eq!(is_publisher(&mut world), (true, 1));
    world.say(alice, Said::Offer(offer(3, CHROME_OFFER)));
    assert_eq!(is_publisher(&mut world), (true, 1), "though it publishes nothing any more");
    let mut may = |permission| {
        let request = proto::UpdateParticipantRequest { permission: Some(permission), ..update("alice") };
        world.ask(RoomRequest::UpdateParticipant(request));
        is_publisher(&mut world)
    };
    assert_eq!(may(permission()), (true, 1), "that is what it might before");
    let silent = proto::ParticipantPermission { can_publish: false, ..permission() };
    assert_eq!(may(silent), (false, 0));
    publish(&mut world, bob);
    world.say(bob, Said::Leave(proto::LeaveRequest::default()));
    let left = world.hooks.iter().rev().find_map(|hook| hook.participant.clone()).expect("one left");
    assert_eq!((left.identity.as_str(), left.is_publisher, left.tracks.len()), ("bob", true, 0));
}

#[test]
fn the_end_of_an_unused_room_is_told() {
    let mut world = World::with(|init| init.hooks = true);
    world.advance(Duration::from_secs(301));
    assert_eq!(world.hooks.last().unwrap().event, "room_finished");
    assert!(!world.heard(livekit::ConnectionId(1)).iter().any(|heard| matches!(heard, Heard::Leave(_))));
}
