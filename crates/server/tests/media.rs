//! The media workers with real sockets: clients join over the plane and speak UDP with a worker on the loopback.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Client, ClientConfig, Output, VideoConfig};
use control::{MediaNoticeKind, MediaPlane, SignalFrame, SignalLink, SignalRequestFrame};
use model::{Bitrate, RoomName};
use server::admission::{Admission, Most, Patience};
use server::media::{Addresses, MediaSettings, Plane, RoomDefaults};
use tokio::sync::mpsc;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn start(workers: usize) -> (Arc<Plane>, mpsc::Receiver<control::MediaNotice>) {
    start_with(workers, None)
}

fn start_with(workers: usize, spread_from: Option<u64>) -> (Arc<Plane>, mpsc::Receiver<control::MediaNotice>) {
    let addresses = Addresses::new(&[LOOPBACK], &[LOOPBACK]);
    let defaults = RoomDefaults {
        max_participants: 0,
        empty_timeout: Duration::from_secs(60),
        departure_timeout: Duration::from_secs(5),
        initial_bitrate: Bitrate::kbps(5_000),
        candidates: Vec::new(),
        ufrag_prefix: String::new(),
        token_key: None,
        hooks: None,
        spread_from,
        local: [LOOPBACK].into(),
    };
    let admission = Admission::new("media", Most { connections: 100, of_address: None }, Patience::default());
    let udp_ports = vec![0; workers];
    let settings = MediaSettings {
        udp_ports,
        tcp_port: None,
        addresses,
        defaults,
        recordings: None,
        admission,
        rethrow_panics: true,
    };
    let sockets = settings.bind().expect("free ports");
    let (notices, received) = mpsc::channel(1_024);
    (settings.start(sockets, notices, &server::bridge::Relays::default()).expect("threads"), received)
}

fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a name")
}

/// A client with its socket and its way to the room.
struct Person {
    client: Client,
    socket: UdpSocket,
    link: SignalLink,
    farewell: Option<&'static str>,
}

impl Person {
    async fn join(plane: &Plane, name: &str, identity: &str, camera: bool) -> Self {
        let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a port");
        socket.set_nonblocking(true).expect("a socket");
        let mut client = Client::new(Instant::now(), ClientConfig::new(socket.local_addr().expect("bound")));
        if camera {
            let config = VideoConfig { keyframe_factor: 2, payload: 1_000, ..VideoConfig::default() };
            client.publish_camera("camera", config);
        }
        let path = client.join_path();
        let request = path.split_once("join_request=").expect("the path of v1").1.replace("%3D", "=");
        let video = auth::VideoGrant { room_join: true, room: name.to_owned(), ..auth::VideoGrant::default() };
        let join = livekit::Join {
            claims: auth::LiveKitClaims { sub: identity.to_owned(), video, ..auth::LiveKitClaims::default() },
            client: livekit::decode_join_request(&request).expect("the client's own request"),
            ice_servers: Vec::new(),
        };
        let link = plane.connect(room(name), join, Some(livekit::RoomOptions::default())).await.expect("let in");
        Self { client, socket, link, farewell: None }
    }

    /// Carries what waits both ways.
    fn turn(&mut self) {
        while let Ok(frame) = self.link.responses.try_recv() {
            match frame {
                SignalFrame::Message(message) => {
                    let bytes = livekit::encode_signal(&message);
                    self.client.handle_signal(&bytes).expect("the room speaks the protocol");
                }
                SignalFrame::Close(reason) => self.farewell = Some(reason),
            }
        }
        let mut buffer = [0; 2_048];
        while let Ok((length, source)) = self.socket.recv_from(&mut buffer) {
            let now = Instant::now();
            self.client.handle_datagram(now, source, &buffer[..length]).expect("the room breaks no client");
        }
        self.client.handle_timeout(Instant::now()).expect("time breaks no client");
        loop {
            match self.client.poll_output() {
                Output::Signal(bytes) => {
                    let message = livekit::decode_signal(&bytes).expect("the client speaks the protocol");
                    let _ = self.link.requests.try_send(SignalRequestFrame::Message(Box::new(message)));
                }
                Output::Transmit(transmit) => {
                    let _ = self.socket.send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }
}

async fn until(people: &mut [Person], what: &str, done: impl Fn(&[Person]) -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !done(people) {
        assert!(Instant::now() < limit, "waited too long until {what}");
        people.iter_mut().for_each(Person::turn);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn packets_cross_a_worker_and_the_end_is_told() {
    let (plane, mut notices) = start(1);
    let mut people =
        vec![Person::join(&plane, "one", "alice", true).await, Person::join(&plane, "one", "bob", false).await];
    until(&mut people, "bob receives alice's camera", |people| people[1].client.received().frames > 30).await;
    assert_eq!(people[0].client.received().video_packets, 0, "nobody gets their own picture");
    assert_eq!(plane.rooms().await, [(room("one"), 2)]);

    let mut joined = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        if matches!(notice.kind, MediaNoticeKind::Joined { .. }) {
            joined.push(notice.identity);
        }
    }
    assert_eq!(joined, ["alice", "bob"]);

    plane.remove_participant(&room("one"), "bob").await;
    until(&mut people, "bob is put out", |people| people[1].farewell.is_some()).await;
    assert!(people[0].farewell.is_none(), "alice stays");

    let began = Instant::now();
    plane.stop().await;
    assert!(began.elapsed() < Duration::from_secs(2));
    until(&mut people, "alice is told", |people| people[0].farewell.is_some()).await;
    let left = std::iter::from_fn(|| notices.try_recv().ok());
    let left: Vec<String> =
        left.filter(|n| matches!(n.kind, MediaNoticeKind::Left { .. })).map(|n| n.identity).collect();
    assert_eq!(left, ["bob"], "a stop is no event of a call");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rooms_spread_over_workers_and_stay_where_they_are() {
    let (plane, _notices) = start(2);
    let mut people = Vec::new();
    for (name, identity) in [("one", "a"), ("two", "b"), ("one", "c"), ("two", "d")] {
        people.push(Person::join(&plane, name, identity, identity == "a" || identity == "b").await);
        // Placement goes by what workers published last.
        until(&mut people, "it is connected", |people| people.iter().all(|person| person.client.is_connected())).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    until(&mut people, "both see their room's camera", |people| {
        people[2].client.received().frames > 10 && people[3].client.received().frames > 10
    })
    .await;
    let rooms: Vec<u64> =
        plane.workers().iter().map(|worker| worker.gauges().rooms.load(std::sync::atomic::Ordering::Relaxed)).collect();
    assert_eq!(rooms, [1, 1]);
    plane.close_room(&room("one")).await;
    until(&mut people, "room one is closed", |people| people[0].farewell.is_some() && people[2].farewell.is_some())
        .await;
    assert!(people[1].farewell.is_none() && people[3].farewell.is_none());
    assert!(matches!(
        plane
            .connect(
                room("one"),
                livekit::Join {
                    claims: auth::LiveKitClaims::default(),
                    client: livekit::ClientParameters::default(),
                    ice_servers: Vec::new()
                },
                None
            )
            .await,
        Err(control::ConnectError::RoomNotFound)
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_room_sits_on_two_workers_under_one_list_of_people() {
    let (plane, mut notices) = start_with(2, Some(1));
    let mut people = vec![Person::join(&plane, "one", "alice", true).await];
    until(&mut people, "alice is connected", |people| people[0].client.is_connected()).await;
    let connections = |plane: &Plane| -> Vec<u64> {
        let workers = plane.workers().iter();
        workers.map(|worker| worker.gauges().connections.load(std::sync::atomic::Ordering::Relaxed)).collect()
    };
    // Where one is connected goes by what workers published last.
    until(&mut people, "that is published", |_| connections(&plane).iter().sum::<u64>() == 1).await;
    people.push(Person::join(&plane, "one", "bob", true).await);
    until(&mut people, "each sees the other", |people| {
        people.iter().all(|person| person.client.received().frames > 30)
    })
    .await;
    until(&mut people, "one is connected to each worker", |_| connections(&plane) == [1, 1]).await;
    assert_eq!(plane.rooms().await, [(room("one"), 2)]);
    let described = plane.describe_rooms(None).await;
    assert_eq!(described.iter().map(|room| room.num_participants).collect::<Vec<_>>(), [2]);

    let update =
        livekit::proto::UpdateParticipantRequest { identity: "bob".into(), metadata: "m".into(), ..Default::default() };
    let answer = plane.ask(&room("one"), livekit::RoomRequest::UpdateParticipant(update)).await;
    assert!(matches!(&answer, Ok(livekit::RoomAnswer::Participant(info)) if info.metadata == "m"), "{answer:?}");
    let Ok(livekit::RoomAnswer::Participants(listed)) =
        plane.ask(&room("one"), livekit::RoomRequest::Participants).await
    else {
        panic!("a list")
    };
    let listed: Vec<_> =
        listed.iter().map(|one| (one.identity.as_str(), one.metadata.as_str(), one.tracks.len())).collect();
    assert_eq!(listed, [("alice", "", 1), ("bob", "m", 1)]);

    plane.remove_participant(&room("one"), "bob").await;
    until(&mut people, "bob is put out", |people| people[1].farewell.is_some()).await;
    assert!(people[0].farewell.is_none(), "alice stays");
    let told = std::iter::from_fn(|| notices.try_recv().ok()).filter_map(|notice| match notice.kind {
        MediaNoticeKind::Joined { .. } => Some((notice.identity, "joined")),
        MediaNoticeKind::Left { clean: true } => Some((notice.identity, "left")),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    let expected = [("alice", "joined"), ("bob", "joined"), ("bob", "left")];
    assert_eq!(told, expected.map(|(identity, what)| (identity.to_owned(), what)));

    // The room ends on both.
    people.push(Person::join(&plane, "one", "carol", false).await);
    until(&mut people, "carol sees alice", |people| people[2].client.received().frames > 10).await;
    plane.close_room(&room("one")).await;
    until(&mut people, "it is closed", |people| people[0].farewell.is_some() && people[2].farewell.is_some()).await;
    let none = |plane: &Plane| {
        let workers = plane.workers().iter();
        workers.map(|worker| worker.gauges().rooms.load(std::sync::atomic::Ordering::Relaxed)).sum::<u64>() == 0
    };
    until(&mut people, "no worker has it", |_| none(&plane)).await;
}
