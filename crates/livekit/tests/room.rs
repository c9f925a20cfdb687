//! A room as its clients hear it.

#![allow(clippy::disallowed_methods, reason = "maps of one entry have an order")]

mod support;

use std::time::Duration;

use livekit::proto::{self, signal_request::Message as Said, signal_response::Message as Heard};
use livekit::{ClientParameters, ConnectionId, RoomEvent};
use support::*;

fn sid(heard: &[Heard]) -> String {
    let join = heard.iter().find_map(|message| match message {
        Heard::Join(join) => Some(join),
        _ => None,
    });
    join.and_then(|join| join.participant.as_ref()).map(|participant| participant.sid.clone()).expect("a join response")
}

fn resume(sid: &str) -> ClientParameters {
    let reconnect = Some((sid.to_owned(), 1));
    ClientParameters { single_peer_connection: true, reconnect, ..Default::default() }
}

/// Alice publishes a microphone, Bob has offered since.
fn publish_microphone(world: &mut World, publisher: ConnectionId) -> String {
    world.say(publisher, audio("mic"));
    let published = only!(world.heard(publisher), TrackPublished);
    world.say(publisher, Said::Offer(offer(2, &offer_with(&[("audio", "7", "sendonly", "stream mic")]))));
    published[0].track.as_ref().unwrap().sid.clone()
}

#[test]
fn the_first_answer_is_for_the_offer_in_the_join() {
    let mut world = World::new();
    let alice = world.join("alice");
    let heard = world.heard(alice);
    let Heard::Join(join) = &heard[0] else { panic!("first a join response: {heard:?}") };
    assert!(join.room.as_ref().unwrap().sid.starts_with("RM_"));
    assert!(join.participant.as_ref().unwrap().sid.starts_with("PA_"));
    assert_eq!(join.server_info.as_ref().unwrap().version, "1.13.5");
    assert_eq!((join.ping_interval, join.ping_timeout, join.subscriber_primary), (5, 15, false));
    assert_eq!(join.sif_trailer.len(), 16);
    let answers = only!(heard, Answer);
    assert_eq!((answers[0].id, answers[0].r#type.as_str()), (1, "answer"));
    assert!(answers[0].mid_to_track_id.is_empty());
    for mid in ["0", "1", "2", "3", "4", "5"] {
        let section = section(&answers[0].sdp, mid);
        assert!(section.contains("a=inactive") && !section.contains("msid"), "{section}");
    }
    let (_, ufrag) = &world.opened[0];
    assert!(ufrag.starts_with("w0") && answers[0].sdp.contains(&format!("a=ice-ufrag:{ufrag}")));
    assert_eq!(world.events(), [RoomEvent::Joined { identity: "alice".into(), device: None, is_dependent: false }]);
}

#[test]
fn the_join_of_the_native_client_is_read_and_answered() {
    let join = livekit::decode_join_request(include_str!("fixtures/rtc-node.join").trim()).unwrap();
    assert!(join.auto_subscribe && join.publisher_offer.is_some());
    let mut world = World::new();
    let client = world.connect(claims("native"), join);
    let answers = only!(world.heard(client), Answer);
    assert_eq!((answers.len(), answers[0].id), (1, 0));
}

#[test]
fn the_join_of_the_browser_client_is_read() {
    let join = livekit::decode_join_request(include_str!("fixtures/chrome.join").trim()).unwrap();
    assert_eq!(join.info.sdk, i32::from(proto::client_info::Sdk::Js));
    assert_eq!(join.publisher_offer.unwrap().sdp, CHROME_OFFER);
}

#[test]
fn a_track_is_announced_then_asked_for_then_named_in_the_answer() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let alice_sid = sid(&world.heard(alice));
    world.heard(bob);
    let track = publish_microphone(&mut world, alice);
    assert!(track.starts_with("TR_AM"));
    let answers = only!(world.heard(alice), Answer);
    let receiving = section(&answers[0].sdp, "7");
    assert!(receiving.contains("a=recvonly") && receiving.contains("usedtx=1") && !receiving.contains("msid"));

    let heard = world.heard(bob);
    let Heard::Update(update) = &heard[0] else { panic!("news of the track comes first: {heard:?}") };
    assert_eq!(update.participants[0].tracks[0].sid, track);
    let asked = only!(heard, MediaSectionsRequirement);
    assert_eq!(asked, [proto::MediaSectionsRequirement { num_audios: 0, num_videos: 0 }]);

    world.say(bob, Said::Offer(offer(2, CHROME_OFFER)));
    let answers = only!(world.heard(bob), Answer);
    let (mid, named) = answers[0].mid_to_track_id.iter().next().unwrap();
    assert_eq!((mid.as_str(), named), ("0", &track));
    assert!(section(&answers[0].sdp, "0").contains(&format!("a=msid:{alice_sid}|{track} {track}\r\n")));
    assert!(section(&answers[0].sdp, "1").contains("a=inactive"));
}

#[test]
fn one_who_comes_later_gets_the_track_with_the_first_answer() {
    let mut world = World::new();
    let alice = world.join("alice");
    let track = publish_microphone(&mut world, alice);
    let bob = world.join("bob");
    let heard = world.heard(bob);
    let Heard::Join(join) = &heard[0] else { panic!("first a join response") };
    assert_eq!(join.other_participants[0].tracks[0].sid, track);
    let asked = only!(heard.clone(), MediaSectionsRequirement);
    assert_eq!(asked, []);
    assert_eq!(only!(heard, Answer)[0].mid_to_track_id.get("0"), Some(&track));
}

#[test]
fn an_answer_waits_for_a_client_that_applies_its_offer_late() {
    let go = || {
        let info = proto::ClientInfo { sdk: proto::client_info::Sdk::Go.into(), ..Default::default() };
        ClientParameters { info, ..single() }
    };
    let mut world = World::new();
    let alice = world.connect(claims("alice"), go());
    let heard = world.heard(alice);
    assert!(matches!(heard[0], Heard::Join(_)) && only!(heard, Answer).is_empty(), "the join response comes alone");
    world.say(alice, Said::Trickle(proto::TrickleRequest::default()));
    assert_eq!(only!(world.heard(alice), Answer).iter().map(|answer| answer.id).collect::<Vec<_>>(), [1]);

    let bob = world.connect(claims("bob"), go());
    world.advance(Duration::from_millis(900));
    assert_eq!(only!(world.heard(bob), Answer), []);
    world.advance(Duration::from_millis(200));
    assert_eq!(only!(world.heard(bob), Answer).len(), 1, "one without candidates is answered, too");
    world.say(bob, Said::Trickle(proto::TrickleRequest::default()));
    world.advance(Duration::from_secs(3));
    assert_eq!(only!(world.heard(bob), Answer), [], "once");
}

#[test]
fn a_track_stays_on_its_line_when_the_client_publishes_over_the_same() {
    let mut world = World::new();
    let alice = world.join("alice");
    let track = publish_microphone(&mut world, alice);
    let bob = world.join("bob");
    let answer = only!(world.heard(bob), Answer).remove(0);
    assert_eq!(answer.mid_to_track_id.get("0"), Some(&track));
    world.say(bob, audio("own"));
    let both = CHROME_OFFER.replacen("a=recvonly", "a=msid:s own\r\na=sendrecv", 1);
    world.say(bob, Said::Offer(offer(2, &both)));
    let again = only!(world.heard(bob), Answer).remove(0);
    assert_eq!(again.mid_to_track_id.get("0"), Some(&track));
    let ssrc = |sdp: &str| section(sdp, "0").lines().find(|line| line.starts_with("a=ssrc:")).map(str::to_owned);
    assert_eq!(ssrc(&again.sdp), ssrc(&answer.sdp), "what was there stays as it was");
    assert!(section(&again.sdp, "0").contains("a=sendrecv"));
    let seen = only!(world.heard(alice), Update).pop().expect("news of his track");
    assert_eq!(seen.participants[0].tracks[0].mid, "0");
}

#[test]
fn more_m_lines_are_asked_for_where_they_are_missing() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.heard(bob);
    let cids = ["a", "b", "c", "d", "e"];
    for cid in cids {
        world.say(alice, camera(cid));
    }
    let lines: Vec<_> = cids.iter().map(|cid| format!("s {cid}")).collect();
    let mids = ["7", "8", "9", "10", "11"];
    let lines: Vec<_> = mids.iter().zip(&lines).map(|(mid, msid)| ("video", *mid, "sendonly", msid.as_str())).collect();
    world.say(alice, Said::Offer(offer(2, &offer_with(&lines))));
    let asked = only!(world.heard(bob), MediaSectionsRequirement);
    assert_eq!(asked, [proto::MediaSectionsRequirement { num_audios: 0, num_videos: 2 }]);
    let more = offer_with(&[("video", "7", "recvonly", ""), ("video", "8", "recvonly", "")]);
    world.say(bob, Said::Offer(offer(2, &more)));
    let heard = world.heard(bob);
    assert_eq!(only!(heard.clone(), Answer)[0].mid_to_track_id.len(), 5);
    assert_eq!(only!(heard, MediaSectionsRequirement), []);
}

#[test]
fn a_client_that_does_not_offer_is_asked_again() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    publish_microphone(&mut world, alice);
    world.heard(bob);
    world.advance(Duration::from_secs(2));
    assert_eq!(only!(world.heard(bob), MediaSectionsRequirement).len(), 0);
    world.advance(Duration::from_secs(2));
    assert_eq!(only!(world.heard(bob), MediaSectionsRequirement).len(), 1);
}

#[test]
fn an_unpublished_track_leaves_its_line_idle() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    publish_microphone(&mut world, alice);
    world.say(bob, Said::Offer(offer(2, CHROME_OFFER)));
    world.heard(bob);
    world.say(alice, Said::Offer(offer(3, &offer_with(&[("audio", "7", "inactive", "")]))));
    let heard = world.heard(bob);
    assert_eq!(only!(heard.clone(), Update)[0].participants[0].tracks, []);
    assert_eq!(only!(heard, MediaSectionsRequirement).len(), 1);
    world.say(bob, Said::Offer(offer(3, CHROME_OFFER)));
    let answers = only!(world.heard(bob), Answer);
    assert!(answers[0].mid_to_track_id.is_empty() && !answers[0].sdp.contains("PA_"));
}

#[test]
fn an_offer_may_come_before_its_track_is_announced() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.heard(bob);
    world.say(alice, Said::Offer(offer(2, &offer_with(&[("audio", "7", "sendonly", "stream mic")]))));
    assert_eq!(only!(world.heard(bob), Update), []);
    world.say(alice, audio("mic"));
    assert_eq!(only!(world.heard(bob), Update)[0].participants[0].tracks.len(), 1);
}

#[test]
fn a_track_announced_again_takes_the_first_announcements_place() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.say(alice, audio("mic"));
    world.heard(alice);
    world.heard(bob);
    let track = publish_microphone(&mut world, alice);
    assert_eq!(only!(world.heard(bob), Update)[0].participants[0].tracks[0].sid, track);
}

#[test]
fn announcements_that_come_to_nothing_do_not_pile_up() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.heard(alice);
    for cid in 0..200 {
        world.say(alice, audio(&format!("mic{cid}")));
    }
    let heard = world.heard(alice);
    assert_eq!((only!(heard.clone(), TrackPublished).len(), only!(heard, RequestResponse).len()), (200, 0));
}

#[test]
fn a_client_is_not_asked_for_more_m_lines_than_it_may_offer() {
    let mut world = World::new();
    let bob = world.join("bob");
    for publisher in 0..12 {
        let alice = world.join(&format!("alice{publisher}"));
        let mids: Vec<_> = (0..50).map(|at| ((7 + at).to_string(), format!("s c{at}"))).collect();
        for at in 0..50 {
            world.say(alice, audio(&format!("c{at}")));
        }
        let lines: Vec<_> = mids.iter().map(|(mid, msid)| ("audio", mid.as_str(), "sendonly", msid.as_str())).collect();
        world.say(alice, Said::Offer(offer(2, &offer_with(&lines))));
    }
    let asked: u32 = only!(world.heard(bob), MediaSectionsRequirement).iter().map(|asked| asked.num_audios).sum();
    assert!(asked > 400 && asked + 6 < 512, "{asked}");
}

#[test]
fn tracks_are_told_apart_by_name_and_else_by_kind() {
    for (cid, msid) in
        [("cam", "s cam"), ("{cam}", "s cam"), ("cam", "s {cam}"), ("cam", "s something-else"), ("cam", "")]
    {
        let mut world = World::new();
        let (alice, bob) = (world.join("alice"), world.join("bob"));
        world.say(alice, camera(cid));
        world.say(alice, audio("mic"));
        world.heard(bob);
        let lines = [("audio", "7", "sendonly", "s mic"), ("video", "8", "sendonly", msid)];
        world.say(alice, Said::Offer(offer(2, &offer_with(&lines))));
        let updates = only!(world.heard(bob), Update);
        let mut mids: Vec<_> =
            updates[0].participants[0].tracks.iter().map(|track| (track.r#type, track.mid.as_str())).collect();
        mids.sort_unstable();
        assert_eq!(mids, [(0, "7"), (1, "8")], "{cid} {msid}");
    }
}

#[test]
fn mute_is_told_to_the_others_and_to_the_owner_of_the_room() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let track = publish_microphone(&mut world, alice);
    world.heard(bob);
    let state = |is_muted| RoomEvent::MediaState {
        identity: "alice".into(),
        is_muted,
        is_video_enabled: false,
        is_screen_sharing: false,
    };
    assert!(world.events().contains(&state(false)));
    world.say(alice, Said::Mute(proto::MuteTrackRequest { sid: track.clone(), muted: true }));
    assert!(only!(world.heard(bob), Update)[0].participants[0].tracks[0].muted);
    assert_eq!(world.events(), [state(true)]);
    // Not Bob's to unmute.
    world.say(bob, Said::Mute(proto::MuteTrackRequest { sid: track, muted: false }));
    assert_eq!(world.events(), []);
}

#[test]
fn what_the_token_does_not_allow_is_refused() {
    let mut world = World::new();
    let mut quiet = claims("quiet");
    quiet.video.can_publish = Some(false);
    let quiet = world.connect(quiet, single());
    world.heard(quiet);
    world.say(quiet, audio("mic"));
    let refused = only!(world.heard(quiet), RequestResponse);
    assert_eq!(refused[0].reason(), proto::request_response::Reason::NotAllowed);
    assert!(
        matches!(&refused[0].request, Some(proto::request_response::Request::AddTrack(track)) if track.cid == "mic")
    );
}

#[test]
fn metadata_changes_for_those_who_may() {
    let mut world = World::new();
    let mut own = claims("own");
    own.video.can_update_own_metadata = Some(true);
    let (own, other) = (world.connect(own, single()), world.join("other"));
    world.heard(own);
    world.heard(other);
    let update = |request_id, name: String| {
        Said::UpdateMetadata(proto::UpdateParticipantMetadata { request_id, name, ..Default::default() })
    };
    world.say(own, update(3, "New".into()));
    let responses = only!(world.heard(own), RequestResponse);
    assert_eq!((responses[0].request_id, responses[0].reason), (3, 0));
    assert_eq!(only!(world.heard(other), Update)[0].participants[0].name, "New");
    world.say(own, update(4, "x".repeat(257)));
    assert_eq!(only!(world.heard(own), RequestResponse)[0].reason(), proto::request_response::Reason::LimitExceeded);
    world.say(other, update(5, "Mallory".into()));
    assert_eq!(only!(world.heard(other), RequestResponse)[0].reason(), proto::request_response::Reason::NotAllowed);
}

#[test]
fn the_same_identity_takes_the_place_of_the_older() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let old = sid(&world.heard(alice));
    world.heard(bob);
    world.events();
    let again = world.join("alice");
    let leave = only!(world.heard(alice), Leave);
    assert_eq!(leave[0].reason(), proto::DisconnectReason::DuplicateIdentity);
    assert_eq!(world.closed(alice), Some("duplicate identity"));
    let new = sid(&world.heard(again));
    let told: Vec<_> = only!(world.heard(bob), Update).into_iter().flat_map(|update| update.participants).collect();
    let told: Vec<_> = told.iter().map(|info| (info.sid.as_str(), info.state())).collect();
    use proto::participant_info::State::{Disconnected, Joined};
    assert_eq!(told, [(old.as_str(), Disconnected), (new.as_str(), Joined)]);
    let identity = || "alice".to_owned();
    assert_eq!(
        world.events(),
        [
            RoomEvent::Left { identity: identity(), clean: false },
            RoomEvent::Joined { identity: identity(), device: None, is_dependent: false }
        ]
    );
}

#[test]
fn a_lost_client_resumes_with_a_snapshot() {
    let mut world = World::new();
    let (alice, bob, carol) = (world.join("alice"), world.join("bob"), world.join("carol"));
    let alice_sid = sid(&world.heard(alice));
    world.disconnect(alice);
    world.say(carol, Said::Leave(proto::LeaveRequest::default()));
    publish_microphone(&mut world, bob);
    world.advance(Duration::from_secs(5));
    let again = world.connect(claims("alice"), resume(&alice_sid));
    let heard = world.heard(again);
    assert!(matches!(heard[0], Heard::Reconnect(_)), "{heard:?}");
    let updates = only!(heard.clone(), Update);
    use proto::participant_info::State;
    let departed: Vec<_> = updates[0].participants.iter().map(|info| (info.identity.as_str(), info.state())).collect();
    assert_eq!(departed, [("carol", State::Disconnected)]);
    let mut present: Vec<_> = updates[1].participants.iter().map(|info| info.identity.as_str()).collect();
    present.sort_unstable();
    assert_eq!(present, ["alice", "bob"]);
    assert_eq!(only!(heard, RoomUpdate)[0].room.as_ref().unwrap().num_participants, 2);
    // The ICE restart of the client brings the m-line.
    world.say(again, Said::Offer(offer(2, CHROME_OFFER)));
    assert_eq!(only!(world.heard(again), Answer)[0].mid_to_track_id.len(), 1);
    assert!(
        !world.events().iter().any(|event| matches!(event, RoomEvent::Left { identity, .. } if identity == "alice"))
    );
}

#[test]
fn one_who_left_and_came_back_is_not_reported_gone() {
    let mut world = World::new();
    let (alice, _) = (world.join("alice"), world.join("bob"));
    let alice_sid = sid(&world.heard(alice));
    world.join("bob");
    world.disconnect(alice);
    let again = world.connect(claims("alice"), resume(&alice_sid));
    let updates = only!(world.heard(again), Update);
    let states: Vec<_> = updates.iter().flat_map(|update| &update.participants).map(|info| info.state()).collect();
    assert!(!states.contains(&proto::participant_info::State::Disconnected));
}

#[test]
fn what_cannot_be_resumed_starts_anew() {
    let mut world = World::new();
    let alice = world.join("alice");
    let alice_sid = sid(&world.heard(alice));
    for (identity, sid) in [("alice", "PA_unknown"), ("mallory", alice_sid.as_str())] {
        let client = world.connect(claims(identity), resume(sid));
        let heard = world.heard(client);
        let [Heard::Leave(leave)] = heard.as_slice() else { panic!("only a leave: {heard:?}") };
        assert_eq!(leave.reason(), proto::DisconnectReason::StateMismatch);
        assert_eq!(leave.action(), proto::leave_request::Action::Reconnect);
        assert_eq!(world.closed(client), Some("nothing to resume"));
    }
    assert_eq!(world.closed(alice), None);
}

#[test]
fn a_client_that_believes_in_an_unknown_track_starts_anew() {
    let mut world = World::new();
    let alice = world.join("alice");
    let track = Some(proto::TrackInfo { sid: "TR_unknown".into(), ..Default::default() });
    let published = proto::TrackPublishedResponse { track, ..Default::default() };
    world.heard(alice);
    world.say(alice, Said::SyncState(proto::SyncState { publish_tracks: vec![published], ..Default::default() }));
    let leave = only!(world.heard(alice), Leave);
    assert_eq!(leave[0].action(), proto::leave_request::Action::Reconnect);
}

#[test]
fn one_who_stays_away_has_left() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.heard(bob);
    world.events();
    world.disconnect(alice);
    world.advance(Duration::from_secs(19));
    assert_eq!(world.events(), []);
    world.advance(Duration::from_secs(2));
    assert_eq!(world.events(), [RoomEvent::Left { identity: "alice".into(), clean: false }]);
    let update = only!(world.heard(bob), Update);
    assert_eq!(update[0].participants[0].state(), proto::participant_info::State::Disconnected);
}

#[test]
fn a_client_that_falls_silent_has_lost_its_connection() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.say(alice, Said::PingReq(proto::Ping { timestamp: 42, rtt: 0 }));
    let pong = only!(world.heard(alice), PongResp);
    assert_eq!(pong[0].last_ping_timestamp, 42);
    world.advance(Duration::from_secs(31));
    assert_eq!(world.closed(alice), Some("ping timeout"));
    // One that never pinged is of a kind that does not.
    assert_eq!(world.closed(bob), None);
}

#[test]
fn goodbye_is_believed_when_the_client_does_not_come_back_at_once() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.events();
    world.say(alice, Said::Leave(proto::LeaveRequest::default()));
    assert_eq!(world.closed(alice), Some("client left"));
    world.advance(Duration::from_secs(1));
    world.join("alice");
    world.advance(Duration::from_secs(3));
    let joined = RoomEvent::Joined { identity: "alice".into(), device: None, is_dependent: false };
    assert_eq!(world.events(), [joined]);
    let alice = ConnectionId(2);
    world.say(alice, Said::Leave(proto::LeaveRequest::default()));
    world.advance(Duration::from_secs(2));
    assert_eq!(world.events(), [RoomEvent::Left { identity: "alice".into(), clean: true }]);
}

#[test]
fn a_hidden_participant_is_seen_by_nobody() {
    let mut world = World::new();
    let bob = world.join("bob");
    world.heard(bob);
    let mut ghost = claims("ghost");
    ghost.video.hidden = true;
    let ghost = world.connect(ghost, single());
    world.say(ghost, Said::Leave(proto::LeaveRequest::default()));
    assert_eq!(only!(world.heard(bob), Update), []);
}

#[test]
fn a_publisher_decides_who_may_subscribe() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let track = publish_microphone(&mut world, alice);
    world.say(bob, Said::Offer(offer(2, CHROME_OFFER)));
    world.heard(bob);
    let nobody = proto::SubscriptionPermission { all_participants: false, track_permissions: vec![] };
    world.say(alice, Said::SubscriptionPermission(nobody));
    let told = only!(world.heard(bob), SubscriptionPermissionUpdate);
    assert_eq!((told[0].track_sid.as_str(), told[0].allowed), (track.as_str(), false));
    world.say(bob, Said::Offer(offer(3, CHROME_OFFER)));
    assert!(only!(world.heard(bob), Answer)[0].mid_to_track_id.is_empty());
    let bob_only =
        proto::TrackPermission { participant_identity: "bob".into(), all_tracks: true, ..Default::default() };
    let some = proto::SubscriptionPermission { all_participants: false, track_permissions: vec![bob_only] };
    world.say(alice, Said::SubscriptionPermission(some));
    assert!(only!(world.heard(bob), SubscriptionPermissionUpdate)[0].allowed);
    world.say(bob, Said::Offer(offer(4, CHROME_OFFER)));
    assert_eq!(only!(world.heard(bob), Answer)[0].mid_to_track_id.len(), 1);
}

#[test]
fn a_client_may_do_without_a_track() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let track = publish_microphone(&mut world, alice);
    let update = |subscribe| {
        let track_sids = vec![track.clone(), "TR_unknown".to_owned()];
        Said::Subscription(proto::UpdateSubscription { track_sids, subscribe, participant_tracks: vec![] })
    };
    for (subscribe, lines, errors) in [(false, 0, 0), (true, 1, 1)] {
        world.heard(bob);
        world.say(bob, update(subscribe));
        assert_eq!(only!(world.heard(bob), SubscriptionResponse).len(), errors);
        world.say(bob, Said::Offer(offer(2, CHROME_OFFER)));
        assert_eq!(only!(world.heard(bob), Answer)[0].mid_to_track_id.len(), lines);
    }
}

#[test]
fn an_unacceptable_offer_ends_its_sender_and_nobody_else() {
    let bomb = format!("{CHROME_OFFER}{}", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(512));
    for (sdp, reason) in [(bomb.as_str(), "too many m-lines"), ("nonsense", "unacceptable offer")] {
        let mut world = World::new();
        let (alice, bob) = (world.join("alice"), world.join("bob"));
        world.heard(alice);
        world.say(alice, Said::Offer(offer(2, sdp)));
        assert_eq!(world.closed(alice), Some(reason));
        assert_eq!(only!(world.heard(alice), Leave).len(), 1);
        assert_eq!((world.closed(bob), world.room.participant_count()), (None, 1));
    }
}

#[test]
fn a_full_room_takes_nobody_but_one_who_takes_the_older_place() {
    let mut world = World::with(|init| init.max_participants = 1);
    let alice = world.join("alice");
    let bob = world.join("bob");
    assert_eq!((world.closed(alice), world.closed(bob)), (None, Some("the room is full")));
    assert_eq!(only!(world.heard(bob), Leave)[0].reason(), proto::DisconnectReason::JoinFailure);
    let again = world.join("alice");
    assert_eq!((world.closed(alice), world.closed(again)), (Some("duplicate identity"), None));
}

#[test]
fn the_end_of_a_room_is_told() {
    for (shut_down, action) in
        [(false, proto::leave_request::Action::Disconnect), (true, proto::leave_request::Action::Reconnect)]
    {
        let mut world = World::new();
        let alice = world.join("alice");
        world.heard(alice);
        match shut_down {
            true => world.room.shut_down(world.now),
            false => world.room.close(world.now),
        }
        world.drain();
        assert_eq!(only!(world.heard(alice), Leave)[0].action(), action);
        assert_eq!((world.room.participant_count(), world.opened.len()), (0, 0));
        let late = world.join("bob");
        assert_eq!(world.closed(late), Some("the room is closed"));
    }
}

#[test]
fn a_room_says_when_it_is_empty_for_long() {
    let mut world = World::new();
    world.advance(Duration::from_secs(299));
    assert_eq!(world.events(), []);
    let alice = world.join("alice");
    world.say(alice, Said::Leave(proto::LeaveRequest::default()));
    world.advance(Duration::from_secs(19));
    assert!(!world.events().contains(&RoomEvent::Empty));
    world.advance(Duration::from_secs(2));
    assert_eq!(world.events(), [RoomEvent::Empty]);
    world.advance(Duration::from_secs(900));
    assert_eq!(world.events(), []);
}

#[test]
fn a_participant_is_put_out() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.heard(alice);
    assert!(!world.room.remove_participant(world.now, "bob"));
    assert!(world.room.remove_participant(world.now, "alice"));
    world.drain();
    let leave = only!(world.heard(alice), Leave);
    assert_eq!(leave[0].reason(), proto::DisconnectReason::ParticipantRemoved);
}

#[test]
fn messages_of_strangers_are_ignored() {
    let mut world = World::new();
    world.say(ConnectionId(99), Said::Leave(proto::LeaveRequest::default()));
    world.disconnect(ConnectionId(99));
    assert_eq!(world.events(), []);
}
