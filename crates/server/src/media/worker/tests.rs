//! One worker, turned by hand.

use std::net::Ipv4Addr;

use control::MediaNoticeKind;
use livekit::proto::participant_info::State;
use livekit::proto::signal_request::Message as Said;
use livekit::proto::signal_response::Message as Heard;
use livekit::{ClientParameters, Join, proto};
use model::Bitrate;

use super::*;
use crate::bridge::Relays;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A worker without a thread, and what it would be asked through.
struct Desk {
    worker: Worker,
    commands: mpsc::Sender<Command>,
    notices: mpsc::Receiver<MediaNotice>,
}

/// A client's WebSocket.
struct Link {
    room: RoomKey,
    connection: ConnectionId,
    frames: mpsc::Receiver<SignalFrame>,
}

impl Desk {
    fn new(rethrow_panics: bool) -> Self {
        Self::part(0, rethrow_panics, &Arc::default(), &Arc::default()).0
    }

    /// Two workers that know each other.
    fn pair() -> [Self; 2] {
        let (workers, directory) = (Arc::default(), Arc::default());
        let (one, first) = Self::part(0, false, &workers, &directory);
        let (two, second) = Self::part(1, false, &workers, &directory);
        workers.set([first, second].into()).expect("not said before");
        [one, two]
    }

    fn part(
        index: usize,
        rethrow_panics: bool,
        workers: &Arc<OnceLock<Arc<[WorkerHandle]>>>,
        directory: &Arc<Directory>,
    ) -> (Self, WorkerHandle) {
        let poll = Poll::new().expect("a poll");
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER).expect("a waker"));
        let (inlet, outlet) = Inlet::new(Arc::clone(&waker));
        let (sender, commands) = mpsc::channel(64);
        let (notices, received) = mpsc::channel(64);
        let defaults = RoomDefaults {
            max_participants: 0,
            empty_timeout: Duration::from_secs(60),
            departure_timeout: Duration::from_secs(5),
            initial_bitrate: Bitrate::kbps(5_000),
            candidates: Vec::new(),
            ufrag_prefix: String::new(),
            token_key: None,
            hooks: None,
            spread_from: None,
            local: [LOOPBACK].into(),
        };
        let gauges = Arc::new(Gauges::default());
        let handle = WorkerHandle::new(sender.clone(), waker, Arc::clone(&gauges), outlet);
        let worker = Worker::new(Parts {
            index,
            poll,
            ports: UdpPorts::bind(0, false).expect("a port"),
            tcp_port: None,
            addresses: Addresses::new(&[LOOPBACK], &[LOOPBACK]),
            defaults,
            commands,
            notices,
            recordings: None,
            directory: Arc::clone(directory),
            gauges,
            inlet,
            relays: RelayLanes::new(&Relays::default()),
            workers: Arc::clone(workers),
            rethrow_panics,
        });
        (Self { worker: worker.expect("a socket"), commands: sender, notices: received }, handle)
    }

    fn turn(&mut self) {
        self.worker.round(Instant::now(), &Events::with_capacity(1));
    }

    fn ask(&mut self, command: Command) {
        self.commands.try_send(command).expect("there is room");
        self.turn();
    }

    fn join(&mut self, room: &str, identity: &str) -> Link {
        self.join_shard(room, identity, None)
    }

    fn join_shard(&mut self, room: &str, identity: &str, home: Option<Address>) -> Link {
        let video = auth::VideoGrant { room_join: true, room: room.to_owned(), ..auth::VideoGrant::default() };
        let join = Join {
            claims: auth::LiveKitClaims { sub: identity.to_owned(), video, ..auth::LiveKitClaims::default() },
            client: ClientParameters::default(),
            ice_servers: Vec::new(),
        };
        let (responses, frames) = mpsc::channel(64);
        let (reply, mut answer) = oneshot::channel();
        let room = RoomName::new(room).expect("a name");
        let create = Some(RoomOptions::default());
        self.ask(Command::Connect(Box::new(Connect { room, join, home, create, responses, reply })));
        let (room, connection) = answer.try_recv().expect("answered").expect("let in");
        Link { room, connection, frames }
    }

    /// Who left since it was last asked, and whether cleanly.
    fn left(&mut self) -> Vec<(String, bool)> {
        let notices = std::iter::from_fn(|| self.notices.try_recv().ok());
        let left = notices.filter_map(|notice| match notice.kind {
            MediaNoticeKind::Left { clean } => Some((notice.identity, clean)),
            _ => None,
        });
        let mut left: Vec<_> = left.collect();
        left.sort();
        left
    }

    fn panic_in(&mut self, room: RoomKey) {
        self.worker.touch(room.slot, |_| panic!("a broken invariant"));
    }
}

impl Link {
    fn heard(&mut self) -> Vec<Heard> {
        let frames = std::iter::from_fn(|| self.frames.try_recv().ok());
        let heard = frames.filter_map(|frame| match frame {
            SignalFrame::Message(message) => message.message,
            SignalFrame::Close(reason) => panic!("its socket is closed: {reason}"),
        });
        heard.collect()
    }

    /// The reason of the close that is all that came, where one came.
    fn closed(&mut self) -> Option<&'static str> {
        let frame = self.frames.try_recv().ok()?;
        let after = self.frames.try_recv();
        assert!(matches!(after, Err(mpsc::error::TryRecvError::Disconnected)), "a close is the last frame");
        match frame {
            SignalFrame::Close(reason) => Some(reason),
            SignalFrame::Message(message) => panic!("not a close: {message:?}"),
        }
    }
}

#[test]
fn a_panic_closes_the_rooms_connections_and_no_more() {
    let mut desk = Desk::new(false);
    let (mut alice, mut bob) = (desk.join("one", "alice"), desk.join("one", "bob"));
    let mut carol = desk.join("two", "carol");
    for link in [&mut alice, &mut bob, &mut carol] {
        assert!(matches!(link.heard()[0], Heard::Join(_)));
    }
    let peers = desk.worker.io.routes.peer_count();
    assert_eq!(desk.left(), []);

    desk.panic_in(alice.room);
    desk.turn();
    assert_eq!([alice.closed(), bob.closed()], [Some("the room failed"); 2]);
    assert_eq!(desk.left(), [("alice".to_owned(), false), ("bob".to_owned(), false)]);
    assert_eq!(desk.worker.io.routes.peer_count(), peers / 3, "datagrams find no peer of that room");
    assert_eq!(desk.worker.panics, 1);

    // The other room answers, and lets in more.
    let ping = proto::SignalRequest { message: Some(Said::PingReq(proto::Ping { timestamp: 7, rtt: 0 })) };
    let (room, connection) = (carol.room, carol.connection);
    desk.ask(Command::Signal { room, connection, message: Box::new(ping) });
    let _dave = desk.join("two", "dave");
    let heard = carol.heard();
    assert!(heard.iter().any(|heard| matches!(heard, Heard::PongResp(pong) if pong.last_ping_timestamp == 7)));
    assert!(heard.iter().any(|heard| matches!(heard, Heard::Update(_))), "carol hears of dave: {heard:?}");

    // Whoever comes back comes to a new room of that name. What still names the old one reaches nobody.
    let again = desk.join("one", "alice");
    assert_ne!(again.room, alice.room);
    desk.ask(Command::Disconnected { room: alice.room, connection: alice.connection });
    assert_eq!(desk.left(), []);
    assert_eq!(desk.worker.rooms.len(), 2);
}

#[test]
fn a_room_that_panicked_is_described_no_more() {
    let mut desk = Desk::new(false);
    let (mut alice, mut carol) = (desk.join("one", "alice"), desk.join("two", "carol"));
    alice.heard();
    desk.panic_in(alice.room);
    let (reply, mut answer) = oneshot::channel();
    desk.ask(Command::Describe(reply));
    let described = answer.try_recv().expect("answered");
    assert_eq!(described.iter().map(|room| room.name.as_str()).collect::<Vec<_>>(), ["two"]);
    assert_eq!(alice.closed(), Some("the room failed"));
    carol.heard();
}

#[test]
fn a_panic_in_a_shard_is_heard_at_home_and_one_at_home_in_the_shards() {
    let mut desks = Desk::pair();
    let turn = |desks: &mut [Desk; 2]| (0..6).for_each(|at| desks[at % 2].turn());
    let mut alice = desks[0].join("one", "alice");
    let home = Some(Address { worker: 0, room: alice.room });
    let mut bob = desks[1].join_shard("one", "bob", home);
    turn(&mut desks);
    assert!(matches!(bob.heard()[0], Heard::Join(_)), "home let him in");
    assert_eq!(desks.each_mut().map(|desk| desk.worker.rooms.len()), [1, 1]);
    alice.heard();

    desks[1].panic_in(bob.room);
    turn(&mut desks);
    assert_eq!(bob.closed(), Some("the room failed"));
    assert_eq!(desks.each_mut().map(Desk::left), [vec![("bob".to_owned(), false)], vec![]]);
    let gone = alice.heard().into_iter().any(|heard| match heard {
        Heard::Update(update) => {
            update.participants.iter().any(|one| one.identity == "bob" && one.state() == State::Disconnected)
        }
        _ => false,
    });
    assert!(gone, "alice is told");

    let mut bob = desks[1].join_shard("one", "bob", home);
    turn(&mut desks);
    assert!(matches!(bob.heard()[0], Heard::Join(_)), "he comes back to a new shard");
    desks[0].panic_in(alice.room);
    turn(&mut desks);
    let lost = ["alice", "bob"].map(|identity| (identity.to_owned(), false));
    assert_eq!(desks.each_mut().map(Desk::left), [lost.to_vec(), vec![]]);
    assert_eq!(desks.each_mut().map(|desk| (desk.worker.rooms.len(), desk.worker.shards.len())), [(0, 0); 2]);
    let mut carol = desks[1].join_shard("one", "carol", home);
    turn(&mut desks);
    let SignalFrame::Message(leave) = carol.frames.try_recv().expect("an answer") else { panic!("no word") };
    assert!(matches!(leave.message, Some(Heard::Leave(_))), "there is no such room any more: {leave:?}");
    assert_eq!(desks[1].worker.rooms.len(), 0);
}

#[test]
#[should_panic(expected = "a broken invariant")]
fn where_tests_are_to_notice_a_panic_ends_the_worker() {
    let mut desk = Desk::new(true);
    let alice = desk.join("one", "alice");
    desk.panic_in(alice.room);
    desk.turn();
}
