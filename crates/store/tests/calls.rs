//! Calls, channels and presence through `control::Handle`, on a real SQLite file.

mod support;

use std::time::Duration;

use call::{CallEvent, CommandError, InitiateCall, PresenceState, Target};
use control::{ControlError, HistoryQuery, MediaNoticeKind, NewChannel, NoticeBody, UserPatch};
use model::{CallId, CallStatus, DeviceId, ErrorCode, ParticipantStatus, RoomName};
use support::{House, channel, history_of, request, user};

#[tokio::test]
async fn a_call_from_ring_to_history() {
    let directory = tempfile::tempdir().unwrap();
    let mut house = House::open(directory.path()).await;
    house.connect("alice").await;
    house.connect("bob").await;
    let call = house.call("alice", "bob").await;
    assert_eq!(call.status, CallStatus::Ringing);
    let opened = format!("open {} 100", call.id);
    assert_eq!(house.media.asked(), [opened], "the room is open before the caller has its token");
    house.next_for("bob", "Incoming").await;

    let joined = house.handle.accept(call.id, &user("bob"), &DeviceId::unnamed()).await.unwrap();
    assert_eq!(joined.participant.user, user("bob"));
    house.next_for("alice", "Accepted").await;
    house.in_room(call.id, "alice").await;
    house.in_room(call.id, "bob").await;
    let connected =
        async |house: &House| house.handle.call(call.id, &user("alice")).await.unwrap().status == CallStatus::Connected;
    house.until("connected", connected).await;

    let state = MediaNoticeKind::MediaState { is_muted: true, is_video_enabled: true, is_screen_sharing: false };
    house.room(call.id, "bob", state).await;
    let notice = house.next_for("alice", "MediaStateChanged").await;
    let NoticeBody::Call(event) = &notice.body else { panic!("{notice:?}") };
    assert!(matches!(**event, CallEvent::MediaStateChanged { is_muted: true, .. }), "{event:?}");

    let ended = house.handle.end(call.id, &user("alice"), None).await.unwrap();
    assert_eq!(ended.status, CallStatus::Ended);
    house.next_for("bob", "Ended").await;
    for who in ["alice", "bob"] {
        let page = house.handle.history(history_of(who)).await.unwrap();
        assert_eq!(page.calls, std::slice::from_ref(&ended), "{who} reads right after the answer what the answer said");
    }
    let events = house.handle.events(call.id, &user("bob")).await.unwrap();
    let names: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(names.first(), Some(&"initiated"));
    assert_eq!(names.last(), Some(&"ended"));
    assert!(events.is_sorted_by(|a, b| a.id < b.id && a.at <= b.at), "{events:?}");
    let closed = format!("close {}", call.id);
    house.until("the room is closed", async |house| house.media.asked().contains(&closed)).await;
    house.handle.shutdown().await;
    let refused = house.handle.initiate(request("alice", "bob")).await;
    assert_eq!(refused, Err(ControlError::Stopping));
}

#[tokio::test]
async fn strangers_learn_nothing_of_a_call() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    house.connect("bob").await;
    let call = house.call("alice", "bob").await;
    let unknown: CallId = "0192d3b4-0000-7000-8000-000000000001".parse().unwrap();
    let none = ControlError::Call(CommandError::CallNotFound);
    for id in [call.id, unknown] {
        assert_eq!(house.handle.call(id, &user("eve")).await.unwrap_err(), none);
        assert_eq!(house.handle.events(id, &user("eve")).await.unwrap_err(), none);
        assert_eq!(house.handle.end(id, &user("eve"), None).await.unwrap_err(), none);
    }
    assert!(house.handle.history(history_of("eve")).await.unwrap().calls.is_empty());
    assert!(house.handle.active_calls(&user("eve")).await.is_empty());
    assert_eq!(house.handle.active_calls(&user("bob")).await.len(), 1);
}

#[tokio::test]
async fn a_room_of_a_call_asks_the_call() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    house.connect("bob").await;
    let call = house.call("alice", "bob").await;
    let room = RoomName::from(call.id);
    assert_eq!(house.handle.admit(&room, "alice").await, Ok(true));
    assert_eq!(house.handle.admit(&room, "bob").await, Ok(true), "while it rings: joining is accepting");
    assert_eq!(house.handle.admit(&room, "eve").await.unwrap_err().code(), ErrorCode::Forbidden);
    assert_eq!(house.handle.admit(&RoomName::new("lobby").unwrap(), "eve").await, Ok(false));
    let other = RoomName::new("0192d3b4-0000-7000-8000-000000000001").unwrap();
    assert_eq!(house.handle.admit(&other, "eve").await, Ok(false), "a UUID that is no call's");
    house.handle.decline(call.id, &user("bob"), false).await.unwrap();
    assert_eq!(house.handle.admit(&room, "alice").await.unwrap_err().code(), ErrorCode::Forbidden);
    // The same when only the store remembers.
    house.handle.shutdown().await;
    drop(house);
    let house = House::open(directory.path()).await;
    assert_eq!(house.handle.admit(&room, "alice").await.unwrap_err().code(), ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_call_id_stays_taken_when_only_the_store_remembers_it() {
    let directory = tempfile::tempdir().unwrap();
    let id: CallId = "0192d3b4-0000-7000-8000-000000000001".parse().unwrap();
    let asked = InitiateCall { id: Some(id), ..request("alice", "bob") };
    let house = House::open(directory.path()).await;
    let call = house.handle.initiate(asked.clone()).await.unwrap();
    let ended = house.handle.cancel(call.id, &user("alice")).await.unwrap();
    house.handle.shutdown().await;
    drop(house);
    let house = House::open(directory.path()).await;
    assert_eq!(house.handle.initiate(asked.clone()).await, Ok(ended));
    let another = InitiateCall { target: request("alice", "carol").target, ..asked };
    let refused = house.handle.initiate(another).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::CallIdConflict);
}

#[tokio::test]
async fn one_who_joins_a_room_after_the_end_is_put_out() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    house.connect("bob").await;
    let call = house.call("alice", "bob").await;
    house.handle.cancel(call.id, &user("alice")).await.unwrap();
    house.room(call.id, "bob", MediaNoticeKind::Joined { device: None, is_dependent: false }).await;
    let put_out = format!("remove bob from {}", call.id);
    house.until("bob is put out", async |house| house.media.asked().contains(&put_out)).await;
}

#[tokio::test]
async fn a_channel_and_its_call() {
    let directory = tempfile::tempdir().unwrap();
    let mut house = House::open(directory.path()).await;
    let new = |name: &str, members: &[&str]| NewChannel {
        id: Some(channel("team")),
        name: name.to_owned(),
        members: members.iter().map(|member| user(member)).collect(),
    };
    let made = house.handle.upsert_channel(&user("alice"), new("Team", &["bob", "carol", "bob"])).await.unwrap();
    assert_eq!(made.members, [user("alice"), user("bob"), user("carol")], "the maker is added, doubles are not");
    house.next_for("carol", "ChannelChanged").await;
    let hidden = Err(ControlError::ChannelNotFound);
    assert_eq!(house.handle.channel(&channel("team"), &user("eve")).await, hidden);
    assert_eq!(house.handle.upsert_channel(&user("eve"), new("Mine", &["eve"])).await, hidden);
    assert_eq!(house.handle.channels(&user("bob")).await.unwrap(), [made]);

    house.connect("bob").await;
    let asked = InitiateCall { target: Target::Channel(channel("team")), ..request("alice", "bob") };
    let call = house.handle.initiate(asked.clone()).await.unwrap();
    house.next_for("bob", "active_call: Some").await;
    let of_bob = house.handle.channels(&user("bob")).await.unwrap();
    assert_eq!(of_bob[0].active_call, Some(call.id));
    let second = house.handle.initiate(InitiateCall { caller: user("carol"), ..asked }).await.unwrap_err();
    assert_eq!(second.code(), ErrorCode::ChannelCallActive);
    house.handle.end(call.id, &user("alice"), None).await.unwrap();
    house.next_for("bob", "active_call: None").await;

    // One who comes to the channel later reads its history; one who goes reads only what they had a part in.
    house.handle.upsert_channel(&user("alice"), new("Team", &["bob", "dave"])).await.unwrap();
    house.next_for("carol", "ChannelDeleted").await;
    let in_team = |who: &str| HistoryQuery { channel: Some(channel("team")), ..history_of(who) };
    for query in [in_team("dave"), history_of("dave"), in_team("carol"), history_of("carol")] {
        let page = house.handle.history(query).await.unwrap();
        assert_eq!(page.calls.iter().map(|call| call.id).collect::<Vec<_>>(), [call.id]);
    }
    assert_eq!(house.handle.call(call.id, &user("dave")).await.unwrap().id, call.id);
    assert!(house.handle.history(in_team("eve")).await.unwrap().calls.is_empty());

    assert_eq!(house.handle.delete_channel(&channel("team"), &user("eve")).await, Err(ControlError::ChannelNotFound));
    house.handle.delete_channel(&channel("team"), &user("bob")).await.unwrap();
    house.next_for("dave", "ChannelDeleted").await;
    assert!(house.handle.channels(&user("alice")).await.unwrap().is_empty());
    assert_eq!(house.handle.history(history_of("alice")).await.unwrap().calls.len(), 1, "its calls stay");
}

#[tokio::test]
async fn members_who_come_at_once_all_come() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    let new = NewChannel { id: Some(channel("team")), name: "Team".to_owned(), members: Vec::new() };
    house.handle.upsert_channel(&user("alice"), new).await.unwrap();
    let comings = (0..20).map(|n| {
        let handle = house.handle.clone();
        tokio::spawn(async move {
            let who = [user(&format!("member {n}"))];
            handle.change_members(&channel("team"), Some(&user("alice")), &who, &[]).await.unwrap();
        })
    });
    for coming in comings.collect::<Vec<_>>() {
        coming.await.unwrap();
    }
    let team = house.handle.change_members(&channel("team"), None, &[], &[user("member 3")]).await.unwrap();
    assert_eq!(team.members.len(), 20);
    assert!(!team.members.contains(&user("member 3")));
    let refused = house.handle.change_members(&channel("team"), Some(&user("eve")), &[user("eve")], &[]).await;
    assert_eq!(refused, Err(ControlError::ChannelNotFound));
}

#[tokio::test]
async fn channels_are_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    let new = NewChannel { id: None, name: "Team".to_owned(), members: vec![user("bob")] };
    let made = house.handle.upsert_channel(&user("alice"), new).await.unwrap();
    let asked = InitiateCall { target: Target::Channel(made.id.clone()), ..request("alice", "bob") };
    let call = house.handle.initiate(asked).await.unwrap();
    house.handle.shutdown().await;
    drop(house);
    let house = House::open(directory.path()).await;
    let found = house.handle.channel(&made.id, &user("bob")).await.unwrap();
    assert_eq!(found.members, made.members);
    assert_eq!(found.active_call, Some(call.id), "its call rings on");
    assert_eq!(house.handle.active_calls(&user("bob")).await[0].id, call.id);
}

#[tokio::test]
async fn presence_is_told_to_those_who_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut house = House::open(directory.path()).await;
    let team = NewChannel { id: None, name: "Team".to_owned(), members: vec![user("bob")] };
    house.handle.upsert_channel(&user("alice"), team).await.unwrap();
    house.connect("alice").await;
    house.connect("bob").await;
    let notice = house.next_for("alice", "Presence").await;
    let NoticeBody::Presence(changes) = &notice.body else { panic!("{notice:?}") };
    let changes: Vec<_> = changes.iter().map(|change| (change.user.as_str(), change.state)).collect();
    assert_eq!(changes, [("bob", PresenceState::Online)]);
    assert_eq!(house.handle.visible_presence(&user("alice")).await, [(user("bob"), PresenceState::Online)]);
    let call = house.call("alice", "bob").await;
    house.handle.accept(call.id, &user("bob"), &DeviceId::unnamed()).await.unwrap();
    house.next_for("bob", "state: InCall").await;
    let asked = [user("alice"), user("nobody")];
    let states = house.handle.presence(&asked).await;
    assert_eq!(states, [(user("alice"), PresenceState::InCall), (user("nobody"), PresenceState::Offline)]);
    house.handle.end(call.id, &user("alice"), None).await.unwrap();
    house.next_for("bob", "Online").await;
    house.handle.device_disconnected(&user("alice"), &DeviceId::unnamed()).await;
    // The switchboard waits five seconds before it takes someone for offline, `next_for` no longer than that.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    house.next_for("bob", "Offline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_follow_each_other_tell_a_stranger_no_more_than_two_changes_a_round() {
    const ROUND: Duration = Duration::from_secs(2);
    let directory = tempfile::tempdir().unwrap();
    let mut house = House::open(directory.path()).await;
    for who in ["stranger", "alice", "bob"] {
        house.connect(who).await;
    }
    let begun = std::time::Instant::now();
    for _ in 0..5 {
        let call = house.call("alice", "bob").await;
        house.handle.accept(call.id, &user("bob"), &DeviceId::unnamed()).await.unwrap();
        house.handle.end(call.id, &user("alice"), None).await.unwrap();
    }
    let rounds = begun.elapsed().as_millis() / ROUND.as_millis() + 2;
    // Once this is told, everything before it is.
    house.connect("witness").await;
    let mut known = std::collections::BTreeMap::new();
    let mut told = 0;
    while !known.contains_key("witness") {
        let notice = house.next_for("stranger", "Presence").await;
        let NoticeBody::Presence(changes) = &notice.body else { panic!("{notice:?}") };
        told += changes.len();
        known.extend(changes.iter().map(|change| (change.user.to_string(), change.state)));
    }
    let online = |who: &str| (who.to_owned(), PresenceState::Online);
    assert_eq!(known, [online("alice"), online("bob"), online("witness")].into());
    // They came, and so did the witness, besides the rounds of the calls.
    let most = rounds as usize * 2 + 3;
    assert!(told <= most, "{told} changes in {rounds} rounds");
}

#[tokio::test]
async fn strict_users_must_be_known() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open_with(directory.path(), |settings| settings.strict_users = true).await;
    let refused = house.handle.initiate(request("alice", "bob")).await;
    assert_eq!(refused, Err(ControlError::UserNotFound(user("bob"))));
    house.handle.upsert_user(&user("bob"), UserPatch::default()).await.unwrap();
    assert!(house.handle.initiate(request("alice", "bob")).await.is_ok());
}

#[tokio::test]
async fn those_who_are_called_become_users() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::open(directory.path()).await;
    let call = house.call("alice", "never seen").await;
    assert_eq!(call.participant(&user("never seen")).unwrap().status, ParticipantStatus::Invited);
    let known = async |house: &House| house.handle.search_users("never", None, 10).await.unwrap().len() == 1;
    house.until("the callee is a user", known).await;
    let users = house.handle.users(&[user("nobody"), user("never seen")]).await.unwrap();
    assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["nobody", "never seen"]);
}

#[tokio::test]
async fn after_a_restart_the_same_recording_goes_on_with_whom_it_took_in() {
    let directory = tempfile::tempdir().unwrap();
    let record = |settings: &mut control::Settings| settings.call.call_recording = true;
    let house = House::open_with(directory.path(), record).await;
    let call = house.call("alice", "bob").await;
    house.handle.accept(call.id, &user("bob"), &DeviceId::unnamed()).await.unwrap();
    let alice = user("alice");
    let by = control::Acting { user: &alice, admin: false };
    let call = house.handle.start_recording(call.id, by, call::RecordingOptions::default()).await.unwrap();
    let call = house.handle.consent_to_recording(call.id, &user("bob"), true).await.map(|_| call).unwrap();
    let id = call.recording.expect("it was started").id;
    house.handle.shutdown().await;
    drop(house);
    let house = House::open_with(directory.path(), record).await;
    let goes_on = format!("record {id} in  Only([UserId(\"alice\"), UserId(\"bob\")])");
    house.until("the recording goes on", async |house| house.media.asked_of(call.id).contains(&goes_on)).await;
    let restored = house.handle.call(call.id, &user("bob")).await.unwrap();
    assert_eq!(restored.recording.map(|recording| recording.id), Some(id));
    assert!(restored.participants.iter().all(|part| part.recording_consent.is_some_and(|consent| consent.given)));
}
