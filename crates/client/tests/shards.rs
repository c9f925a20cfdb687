//! One room whose media sits on several shards: one list of people, the same sids everywhere, and each hears and sees the
//! others wherever they are connected.

mod house;

use std::time::Duration;

use client::{AudioConfig, Client, ClientConfig, ClientEvent, Received, VideoCodec, VideoConfig};
use house::{House, SECOND};
use livekit::proto::{self, DisconnectReason, TrackSource, participant_info::State};
use livekit::{
    MediaMessage, RequestId, RoomAnswer, RoomEvent, RoomRefusal, RoomRequest, ShardId, ShardMessage, ToHome,
};

const HOME: usize = 0;

/// The shards of a room, each a house; the first is home.
struct Estate {
    houses: Vec<House>,
    requests: u64,
    /// Packets of media that crossed, by the shard that they came from.
    crossed: Vec<u64>,
}

/// A client: its shard, and which of those there.
#[derive(Clone, Copy)]
struct Who(usize, usize);

impl Estate {
    fn new(shards: usize) -> Self {
        let houses = (0..shards).map(|at| if at == HOME { House::new() } else { House::shard(ShardId(HOME as u32)) });
        let mut estate = Self { houses: houses.collect(), requests: 0, crossed: vec![0; shards] };
        estate.run(Duration::from_millis(10));
        estate
    }

    fn join(&mut self, shard: usize, identity: &str, setup: impl FnOnce(&mut Client)) -> Who {
        let at = self.houses[shard].join(identity, setup);
        self.carry();
        Who(shard, at)
    }

    fn join_with(
        &mut self,
        shard: usize,
        identity: &str,
        config: impl FnOnce(std::net::SocketAddr) -> ClientConfig,
        setup: impl FnOnce(&mut Client),
    ) -> Who {
        let at = self.houses[shard].join_with(identity, config, setup);
        self.carry();
        Who(shard, at)
    }

    fn run(&mut self, time: Duration) {
        for _ in 0..time.as_millis() {
            for house in &mut self.houses {
                house.run(Duration::from_millis(1));
            }
            self.carry();
        }
    }

    fn carry(&mut self) {
        let mut busy = true;
        while busy {
            busy = false;
            for from in 0..self.houses.len() {
                for (to, message) in std::mem::take(&mut self.houses[from].sharded) {
                    busy = true;
                    let packet = matches!(message, ShardMessage::Media(MediaMessage::Packet(..)));
                    self.crossed[from] += u64::from(packet);
                    let house = &mut self.houses[to.0 as usize];
                    house.room.handle_shard(house.now, ShardId(from as u32), message);
                    house.carry_out();
                }
            }
        }
    }

    fn ask(&mut self, request: RoomRequest) -> Result<RoomAnswer, RoomRefusal> {
        self.requests += 1;
        let id = RequestId(self.requests);
        let home = &mut self.houses[HOME];
        home.room.handle_request(home.now, id, request);
        home.carry_out();
        self.carry();
        let answered = &mut self.houses[HOME].answered;
        let at = answered.iter().position(|(known, _)| *known == id).expect("an answer, within the turn");
        answered.remove(at).1
    }

    fn participants(&mut self) -> Vec<proto::ParticipantInfo> {
        match self.ask(RoomRequest::Participants) {
            Ok(RoomAnswer::Participants(all)) => all,
            other => panic!("{other:?}"),
        }
    }

    fn events(&self, who: Who) -> &[ClientEvent] {
        &self.houses[who.0].members[who.1].events
    }

    fn client(&mut self, who: Who) -> &mut Client {
        &mut self.houses[who.0].members[who.1].client
    }

    /// What a client was told last of another.
    fn seen(&self, viewer: Who, identity: &str) -> proto::ParticipantInfo {
        let told = self.events(viewer).iter().filter_map(|event| match event {
            ClientEvent::Participants(participants) => Some(participants),
            _ => None,
        });
        told.flatten().rfind(|info| info.identity == identity).cloned().unwrap_or_default()
    }

    fn own(&self, who: Who) -> proto::ParticipantInfo {
        let joined = self.events(who).iter().find_map(|event| match event {
            ClientEvent::Joined(info) => Some((**info).clone()),
            _ => None,
        });
        joined.expect("it was let in")
    }

    fn published(&self, who: Who) -> Vec<String> {
        let published = self.events(who).iter().filter_map(|event| match event {
            ClientEvent::Published { sid, .. } => Some(sid.clone()),
            _ => None,
        });
        published.collect()
    }

    fn farewell(&self, who: Who) -> Option<DisconnectReason> {
        self.events(who).iter().find_map(|event| match event {
            ClientEvent::Left(leave) => Some(leave.reason()),
            _ => None,
        })
    }

    /// Frames and audio packets that clients get in a second.
    fn second(&mut self, of: &[Who]) -> Vec<(u64, u64)> {
        let counts =
            |estate: &mut Self| -> Vec<Received> { of.iter().map(|who| estate.client(*who).received()).collect() };
        let before = counts(self);
        self.run(SECOND);
        let after = counts(self).into_iter().zip(before);
        after.map(|(now, was)| (now.frames - was.frames, now.audio_packets - was.audio_packets)).collect()
    }

    fn told(&mut self) -> Vec<RoomEvent> {
        let told = std::mem::take(&mut self.houses[HOME].told);
        told.into_iter().filter(|event| !matches!(event, RoomEvent::Measured { .. })).collect()
    }

    /// Which qualities a publisher was last told that anybody wants.
    #[allow(deprecated)]
    fn demand(&self, who: Who) -> Option<Vec<bool>> {
        let mut told = self.events(who).iter().filter_map(|event| match event {
            ClientEvent::QualityDemand(update) => Some(update),
            _ => None,
        });
        Some(told.next_back()?.subscribed_qualities.iter().map(|quality| quality.enabled).collect())
    }
}

fn with_both(client: &mut Client) {
    client.publish_camera("camera", VideoConfig { simulcast: true, ..VideoConfig::default() });
    client.publish_microphone("microphone", AudioConfig::default());
}

fn flows(second: &[(u64, u64)], others: u64) -> bool {
    let near = |count: &u64, wanted: u64| (wanted * 8 / 10..=wanted * 12 / 10).contains(count);
    second.iter().all(|(frames, audio)| near(frames, 30 * others) && near(audio, 50 * others))
}

/// Alice at home, Bob on the other shard, both with camera and microphone.
fn two() -> (Estate, Who, Who) {
    let mut estate = Estate::new(2);
    let alice = estate.join(HOME, "alice", with_both);
    estate.run(SECOND);
    let bob = estate.join(1, "bob", with_both);
    estate.run(SECOND * 4);
    (estate, alice, bob)
}

#[test]
fn a_room_on_two_shards_has_one_list_of_people() {
    let (mut estate, alice, bob) = two();
    let second = estate.second(&[alice, bob]);
    assert!(flows(&second, 1), "each hears and sees the other: {second:?}");

    let listed = estate.participants();
    for (who, other) in [(alice, bob), (bob, alice)] {
        let own = estate.own(who);
        let seen = estate.seen(other, &own.identity);
        let at_home = listed.iter().find(|info| info.identity == own.identity).expect("listed");
        assert_eq!((&seen.sid, &at_home.sid), (&own.sid, &own.sid));
        assert_eq!((seen.state(), seen.joined_at_ms, seen.version), (State::Active, own.joined_at_ms, at_home.version));
        let sids =
            |info: &proto::ParticipantInfo| info.tracks.iter().map(|track| track.sid.clone()).collect::<Vec<_>>();
        assert_eq!(sids(&seen), estate.published(who));
        assert_eq!(sids(at_home), estate.published(who));
        assert!(seen.kind_details.is_empty(), "nobody is forwarded: {seen:?}");
    }
    let rooms: Vec<_> = estate.houses.iter().map(|house| house.room.describe()).collect();
    assert_eq!((&rooms[0].sid, rooms[0].num_participants, rooms[0].num_publishers), (&rooms[1].sid, 2, 2));
    assert_eq!(rooms[0], rooms[1]);
    let joined =
        |identity: &str| RoomEvent::Joined { identity: identity.to_owned(), device: None, is_dependent: false };
    let told = estate.told();
    for event in [joined("alice"), joined("bob"), RoomEvent::Connected { identity: "bob".into() }] {
        assert_eq!(told.iter().filter(|told| **told == event).count(), 1, "{event:?}: {told:?}");
    }
    assert!(estate.houses[1].told.is_empty(), "home tells what happens: {:?}", estate.houses[1].told);
}

#[test]
fn three_shards_send_to_each_other_straight() {
    let mut estate = Estate::new(3);
    let all: Vec<Who> = ["alice", "bob", "carol"]
        .into_iter()
        .enumerate()
        .map(|(shard, identity)| {
            let who = estate.join(shard, identity, with_both);
            estate.run(SECOND);
            who
        })
        .collect();
    estate.run(SECOND * 4);
    let second = estate.second(&all);
    assert!(flows(&second, 2), "{second:?}");
    assert_eq!(estate.seen(all[2], "bob").sid, estate.own(all[1]).sid);
    // One who comes late finds everybody.
    let dave = estate.join(2, "dave", |_| {});
    estate.run(SECOND * 3);
    assert!(["alice", "bob", "carol"].iter().all(|identity| estate.seen(dave, identity).tracks.len() == 2));
    let second = estate.second(&[dave]);
    assert!(flows(&second, 3), "{second:?}");
}

#[test]
fn requests_reach_those_on_any_shard() {
    let (mut estate, alice, bob) = two();
    let update = proto::UpdateParticipantRequest { identity: "bob".into(), metadata: "m".into(), ..Default::default() };
    let answer = estate.ask(RoomRequest::UpdateParticipant(update));
    assert!(matches!(&answer, Ok(RoomAnswer::Participant(info)) if info.metadata == "m"), "{answer:?}");
    assert_eq!(estate.seen(alice, "bob").metadata, "m");
    assert_eq!(estate.participants().iter().find(|info| info.identity == "bob").expect("there").metadata, "m");

    let [camera, microphone] = estate.published(bob).try_into().expect("two tracks");
    let mute = |muted| RoomRequest::MuteTrack { identity: "bob".into(), track_sid: microphone.clone(), muted };
    let answer = estate.ask(mute(true));
    assert!(matches!(&answer, Ok(RoomAnswer::Track(track)) if track.muted && track.sid == microphone), "{answer:?}");
    let is_muted = |estate: &Estate, sid: &str| {
        estate.seen(alice, "bob").tracks.iter().any(|track| track.sid == sid && track.muted)
    };
    assert!(is_muted(&estate, &microphone) && !is_muted(&estate, &camera));
    assert_eq!(estate.ask(mute(false)), Err(RoomRefusal::RemoteUnmute));
    let all = RoomRequest::MuteSources { identity: None, except: None, sources: vec![TrackSource::Camera] };
    assert_eq!(estate.ask(all), Ok(RoomAnswer::Done));
    assert!(is_muted(&estate, &camera));
    assert!(estate.seen(bob, "alice").tracks.iter().any(|track| track.source() == TrackSource::Camera && track.muted));
    // What is under way arrives.
    estate.run(SECOND / 10);
    let second = estate.second(&[alice]);
    assert_eq!(second, [(0, 0)], "nothing of him is left");

    // What he may no longer publish ends everywhere.
    let permission = proto::ParticipantPermission { can_subscribe: true, ..Default::default() };
    let update =
        proto::UpdateParticipantRequest { identity: "bob".into(), permission: Some(permission), ..Default::default() };
    assert!(estate.ask(RoomRequest::UpdateParticipant(update)).is_ok());
    let seen = estate.seen(alice, "bob");
    assert!(seen.tracks.is_empty() && !seen.permission.expect("said").can_publish);
    let nobody = RoomRequest::Participant { identity: "nobody".into() };
    assert_eq!(estate.ask(nobody), Err(RoomRefusal::ParticipantNotFound));
}

#[test]
fn layers_that_nobody_wants_on_any_shard_are_off_at_the_publisher() {
    let mut estate = Estate::new(2);
    let alice = estate.join(HOME, "alice", |client| {
        client.publish_camera("camera", VideoConfig { simulcast: true, ..VideoConfig::default() });
    });
    let choosy = |addr| ClientConfig { auto_subscribe: false, ..ClientConfig::new(addr) };
    let bob = estate.join_with(1, "bob", choosy, |_| {});
    estate.run(SECOND * 5);
    assert_eq!(estate.demand(alice), Some(vec![false; 3]), "nobody wants any");
    assert_eq!(estate.crossed, [0, 0], "and nothing crosses");

    let camera = estate.published(alice).remove(0);
    let subscribe = |subscribe| {
        RoomRequest::UpdateSubscriptions(proto::UpdateSubscriptionsRequest {
            identity: "bob".into(),
            track_sids: vec![camera.clone()],
            subscribe,
            ..Default::default()
        })
    };
    assert_eq!(estate.ask(subscribe(true)), Ok(RoomAnswer::Done));
    estate.run(SECOND * 2);
    assert_eq!(estate.demand(alice), Some(vec![true; 3]));
    let (crossed, second) = (estate.crossed[HOME], estate.second(&[bob]));
    assert!((25..=35).contains(&second[0].0), "he sees her: {second:?}");
    let all_layers = estate.crossed[HOME] - crossed;

    // Either end waits a while, for people look away and back.
    estate.client(bob).prefer(&camera, false, 320, 180);
    estate.run(SECOND * 8);
    assert_eq!(estate.demand(alice), Some(vec![true, false, false]), "a small picture is enough for him");
    let (crossed, second) = (estate.crossed[HOME], estate.second(&[bob]));
    assert!((25..=35).contains(&second[0].0), "{second:?}");
    assert!((estate.crossed[HOME] - crossed) * 3 < all_layers, "the others do not cross");

    assert_eq!(estate.ask(subscribe(false)), Ok(RoomAnswer::Done));
    estate.run(SECOND * 8);
    assert_eq!(estate.demand(alice), Some(vec![false; 3]));
    let crossed = estate.crossed[HOME];
    estate.run(SECOND);
    assert_eq!(estate.crossed[HOME], crossed);
}

#[test]
fn a_codec_that_somebody_on_another_shard_cannot_do_without_is_sent() {
    let mut estate = Estate::new(2);
    let alice = estate.join_with(
        HOME,
        "alice",
        |addr| ClientConfig { video_codecs: vec![VideoCodec::Vp8, VideoCodec::H264], ..ClientConfig::new(addr) },
        |client| {
            let backup = Some(VideoCodec::H264);
            client.publish_camera("camera", VideoConfig { backup, ..VideoConfig::default() });
        },
    );
    estate.run(SECOND * 2);
    let h264 = |addr| ClientConfig { video_codecs: vec![VideoCodec::H264], ..ClientConfig::new(addr) };
    let bob = estate.join_with(1, "bob", h264, |_| {});
    estate.run(SECOND * 5);
    let second = estate.second(&[bob]);
    assert!((25..=35).contains(&second[0].0), "{second:?}");
    assert_eq!(estate.published(alice).len(), 2, "her camera, in two codecs");
}

#[test]
fn speakers_and_data_cross() {
    let (mut estate, alice, bob) = two();
    for (who, other) in [(alice, bob), (bob, alice)] {
        let sid = estate.own(who).sid;
        let speaks = estate.events(other).iter().any(|event| {
            matches!(event, ClientEvent::Speakers(speakers)
                if speakers.iter().any(|speaker| speaker.sid == sid && speaker.active && speaker.level > 0.0))
        });
        assert!(speaks, "{sid} is heard to speak");
        for label in ["_reliable", "_lossy"] {
            let user = proto::UserPacket { payload: format!("hello {label}").into_bytes(), ..Default::default() };
            let value = Some(proto::data_packet::Value::User(user));
            let packet = proto::DataPacket { value, ..Default::default() };
            assert!(estate.client(who).send_data(label, &prost::Message::encode_to_vec(&packet)));
            estate.run(SECOND / 5);
            let heard = estate.events(other).iter().filter_map(|event| match event {
                ClientEvent::Data(on, bytes) if on == label => {
                    <proto::DataPacket as prost::Message>::decode(&**bytes).ok()
                }
                _ => None,
            });
            let from: Vec<_> = heard.map(|packet| packet.participant_identity).collect();
            assert_eq!(from, [estate.own(who).identity], "once, and from whom");
        }
    }
    let data = proto::SendDataRequest { data: b"to all".to_vec(), ..Default::default() };
    assert_eq!(estate.ask(RoomRequest::SendData(data)), Ok(RoomAnswer::Done));
    estate.run(SECOND / 5);
    for who in [alice, bob] {
        let heard = |event: &ClientEvent| matches!(event, ClientEvent::Data(_, bytes) if bytes.windows(6).any(|window| window == b"to all"));
        assert_eq!(estate.events(who).iter().filter(|event| heard(event)).count(), 1);
    }
}

#[test]
fn one_on_hold_exchanges_nothing_with_any_shard() {
    let (mut estate, alice, bob) = two();
    let hold = |identity: &str, on| RoomRequest::Hold { identity: identity.to_owned(), on };
    assert_eq!(estate.ask(hold("bob", true)), Ok(RoomAnswer::Done));
    assert!(estate.seen(alice, "bob").tracks.iter().all(|track| track.muted));
    estate.run(SECOND / 4);
    let second = estate.second(&[alice, bob]);
    assert_eq!(second, [(0, 0); 2]);
    assert_eq!(estate.ask(hold("bob", false)), Ok(RoomAnswer::Done));
    estate.run(SECOND);
    let second = estate.second(&[alice, bob]);
    assert!(flows(&second, 1), "{second:?}");
}

#[test]
fn who_leaves_on_one_shard_is_gone_on_all() {
    let (mut estate, alice, bob) = two();
    estate.told();
    let sid = estate.own(bob).sid;
    estate.client(bob).leave();
    estate.run(SECOND * 2);
    let seen = estate.seen(alice, "bob");
    assert_eq!((seen.state(), &seen.sid), (State::Disconnected, &sid));
    assert_eq!(seen.disconnect_reason(), DisconnectReason::ClientInitiated);
    assert_eq!(estate.participants().len(), 1);
    let left = RoomEvent::Left { identity: "bob".into(), clean: true };
    assert_eq!(estate.told(), [left]);
    assert_eq!(estate.houses[1].room.describe().num_participants, 1);
}

#[test]
fn who_is_put_out_goes_from_any_shard() {
    let (mut estate, alice, bob) = two();
    estate.told();
    let remove = RoomRequest::Remove { identity: "bob".into(), revoke_before: i64::MAX };
    assert_eq!(estate.ask(remove.clone()), Ok(RoomAnswer::Done));
    estate.run(SECOND / 10);
    assert_eq!(estate.farewell(bob), Some(DisconnectReason::ParticipantRemoved));
    assert_eq!(estate.seen(alice, "bob").state(), State::Disconnected);
    assert_eq!(estate.told(), [RoomEvent::Left { identity: "bob".into(), clean: true }]);
    assert_eq!(estate.ask(remove), Err(RoomRefusal::ParticipantNotFound));
    let again = estate.join(1, "bob", |_| {});
    estate.run(SECOND / 10);
    assert_eq!(estate.farewell(again), Some(DisconnectReason::ParticipantRemoved), "his token lets him in nowhere");
    assert_eq!(estate.participants().len(), 1);
}

#[test]
fn an_identity_is_in_the_room_once_whatever_the_shard() {
    let (mut estate, alice, bob) = two();
    for shard in [HOME, 1] {
        estate.told();
        let last = estate.own(if shard == HOME { bob } else { Who(HOME, 1) }).sid;
        let again = estate.join(shard, "bob", with_both);
        estate.run(SECOND * 3);
        assert!(estate.farewell(again).is_none());
        let seen = estate.seen(alice, "bob");
        assert!(seen.sid == estate.own(again).sid && seen.sid != last && seen.tracks.len() == 2, "{seen:?}");
        let told = estate.told();
        let gone = told.iter().position(|event| *event == RoomEvent::Left { identity: "bob".into(), clean: false });
        let back = told.iter().position(|event| matches!(event, RoomEvent::Joined { .. }));
        assert!(gone.expect("told") < back.expect("told"), "he goes before he comes: {told:?}");
        let second = estate.second(&[alice, again]);
        assert!(flows(&second, 1), "{second:?}");
    }
    assert_eq!(estate.farewell(bob), Some(DisconnectReason::DuplicateIdentity));
    assert_eq!(estate.farewell(Who(HOME, 1)), Some(DisconnectReason::DuplicateIdentity));
}

#[test]
fn places_are_counted_over_all_shards() {
    let mut estate = Estate::new(2);
    let options = livekit::RoomOptions { max_participants: Some(1), metadata: Some("m".into()), ..Default::default() };
    assert!(estate.ask(RoomRequest::Configure(options)).is_ok());
    assert_eq!(estate.houses[1].room.describe().metadata, "m");
    let bob = estate.join(1, "bob", |_| {});
    let (carol, dave) = (estate.join(1, "carol", |_| {}), estate.join(HOME, "dave", |_| {}));
    estate.run(SECOND / 10);
    assert_eq!(estate.farewell(bob), None);
    for who in [carol, dave] {
        assert_eq!(estate.farewell(who), Some(DisconnectReason::JoinFailure));
    }
}

#[test]
fn the_room_ends_on_all_shards() {
    let (mut estate, alice, bob) = two();
    assert_eq!(estate.ask(RoomRequest::Close { reason: DisconnectReason::RoomDeleted }), Ok(RoomAnswer::Done));
    estate.run(SECOND / 10);
    for who in [alice, bob] {
        assert_eq!(estate.farewell(who), Some(DisconnectReason::RoomDeleted));
    }
    assert_eq!(estate.houses[1].told, [RoomEvent::Empty], "the shard can be taken away");
    let left = |identity: &str| RoomEvent::Left { identity: identity.to_owned(), clean: true };
    let told = estate.told();
    assert!(told.ends_with(&[left("alice"), left("bob")]), "{told:?}");
}

#[test]
fn those_of_a_shard_that_fails_are_lost_and_no_more() {
    let (mut estate, alice, _bob) = two();
    estate.told();
    let home = &mut estate.houses[HOME];
    home.room.handle_shard(home.now, ShardId(1), ShardMessage::ToHome(ToHome::Closed));
    home.carry_out();
    estate.houses.truncate(1);
    estate.houses[HOME].sharded.clear();
    assert_eq!(estate.seen(alice, "bob").state(), State::Disconnected);
    assert_eq!(estate.told(), [RoomEvent::Left { identity: "bob".into(), clean: false }]);
    estate.run(SECOND * 4);
    assert_eq!(estate.demand(alice), Some(vec![false; 3]), "nobody is left to see her");
}

#[test]
fn one_of_any_shard_can_be_forwarded_to_another_room() {
    let (mut estate, _alice, _bob) = two();
    let mut other = House::new();
    other.join("carol", |_| {});
    other.run(SECOND);
    let cascade = livekit::CascadeId(1);
    other.room.cascade_in(other.now, cascade, "bob", false).expect("nobody of that name");
    let home = &mut estate.houses[HOME];
    home.room.cascade_out(home.now, cascade, "bob").expect("he is in the room");
    let mut run = |time: Duration| {
        for _ in 0..time.as_millis() {
            estate.run(Duration::from_millis(1));
            for (id, message) in std::mem::take(&mut estate.houses[HOME].cascaded) {
                other.room.handle_cascade(other.now, id, message);
            }
            other.run(Duration::from_millis(1));
            for (id, message) in std::mem::take(&mut other.cascaded) {
                let home = &mut estate.houses[HOME];
                home.room.handle_cascade(home.now, id, message);
            }
        }
        other.members[0].client.received()
    };
    run(SECOND * 4);
    let before = run(SECOND);
    let after = run(SECOND);
    let second = (after.frames - before.frames, after.audio_packets - before.audio_packets);
    assert!(flows(&[second], 1), "carol sees bob, by way of home: {second:?}");
}
