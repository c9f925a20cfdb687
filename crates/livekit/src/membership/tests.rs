//! Membership by itself: no session, no media.

use std::time::{Duration, Instant};

use super::admission::Turned;
use super::grant::Grant;
use super::member::{Origin, Stage};
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn membership(max_participants: usize) -> (Instant, Membership) {
    let now = Instant::now();
    let init = RoomInit {
        name: "room".into(),
        options: crate::RoomOptions::default(),
        max_participants,
        empty_timeout: SECOND * 60,
        departure_timeout: SECOND * 20,
        ufrag_prefix: String::new(),
        candidates: Vec::new(),
        media: sfu::RoomConfig {
            seed: 1,
            initial_bitrate: model::Bitrate::kbps(1_500),
            bandwidth_estimation: false,
            opened: now,
            local: [].into(),
        },
        seed: 1,
        token_key: None,
        hooks: false,
        opened: (now, model::Timestamp(1_000)),
    };
    (now, Membership::new(now, &init, &mut fastrand::Rng::with_seed(1)))
}

fn claims(identity: &str, kind: &str) -> auth::LiveKitClaims {
    auth::LiveKitClaims { sub: identity.into(), kind: kind.into(), ..Default::default() }
}

fn enter(membership: &mut Membership, now: Instant, key: u32, claims: &auth::LiveKitClaims) {
    let grant = Grant::new(&claims.video, grant::kind(&claims.kind));
    let client = proto::ClientInfo::default();
    let sid = format!("PA_{key}");
    membership.insert(Member::new(ParticipantKey(key), sid, claims, grant, &client, model::Timestamp(1_000)));
    membership.count_changed(now);
}

#[test]
fn those_who_depend_on_others_take_no_place() {
    let (now, mut membership) = membership(1);
    enter(&mut membership, now, 1, &claims("agent", "agent"));
    assert_eq!(membership.has_place(&claims("alice", "")), Ok(()));
    enter(&mut membership, now, 2, &claims("alice", ""));
    assert_eq!(membership.has_place(&claims("bob", "")), Err(Turned::Full));
    assert_eq!(membership.has_place(&claims("recorder", "egress")), Ok(()));
    assert_eq!(membership.room_info().num_participants, 1);
    assert!(membership.close() && !membership.close());
    assert_eq!(membership.has_place(&claims("recorder", "egress")), Err(Turned::Closed));
}

#[test]
fn a_room_waits_longer_for_the_first_than_after_the_last() {
    let (now, mut membership) = membership(0);
    assert_eq!(membership.empty_due(), Some(now + SECOND * 60));
    enter(&mut membership, now, 1, &claims("alice", ""));
    assert_eq!(membership.empty_due(), None);
    assert!(membership.remove(ParticipantKey(1)).is_some() && membership.known("alice").is_err());
    membership.count_changed(now + SECOND);
    assert_eq!(membership.empty_due(), Some(now + SECOND * 21));
}

#[test]
fn one_without_a_session_is_a_member_like_any() {
    let (now, mut membership) = membership(0);
    enter(&mut membership, now, 1, &claims("alice", ""));
    let info = proto::ParticipantInfo { identity: "carol".into(), name: "Carol".into(), ..Default::default() };
    let carol = Member::described(ParticipantKey(2), "PA_2".into(), Origin::Forwarded, &info, model::Timestamp(2_000));
    assert_eq!(carol.stage, Stage::Joined);
    membership.insert(carol);
    membership.mark_changed(ParticipantKey(2));
    let seen = membership.visible_infos(Some(ParticipantKey(1)));
    assert_eq!(seen.iter().map(|info| (info.name.as_str(), info.version)).collect::<Vec<_>>(), [("Carol", 1)]);
    assert_eq!(membership.changed.len(), 1);
    let farewell =
        membership.farewell(ParticipantKey(2), proto::DisconnectReason::ClientInitiated).expect("she is there");
    membership.remove(ParticipantKey(2));
    membership.take_leave(now, farewell);
    assert_eq!(membership.gone_since(now).len(), 1);
    enter(&mut membership, now, 3, &claims("carol", ""));
    assert_eq!(membership.gone_since(now).len(), 0, "she is back");
}

#[test]
fn a_goodbye_is_believed_later_unless_one_is_back() {
    let (now, mut membership) = membership(0);
    membership.say_goodbye(now, "alice".into());
    membership.say_goodbye(now, "bob".into());
    let due = membership.goodbye_due().expect("said");
    assert!(due > now && membership.take_goodbyes(Some(now)).is_empty());
    membership.is_back("bob");
    assert_eq!(membership.take_goodbyes(Some(due)), ["alice"]);
    assert_eq!(membership.goodbye_due(), None);
}
