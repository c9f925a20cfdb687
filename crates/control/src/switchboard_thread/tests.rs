use call::{Config, InitiateCall, Target};
use model::{CallMedia, DeviceId, ErrorCode};

use super::*;
use crate::disk::LocalDisk;
use crate::disk::faulty::{Fault, FaultyDisk};
use crate::rooms::Opened;
use crate::trouble::{Cause, Part};

struct Bench {
    thread: SwitchboardThread,
    notices: broadcast::Receiver<Arc<Notice>>,
    durable: watch::Receiver<u64>,
    media: Arc<Opened>,
    directory: tempfile::TempDir,
    disk: Arc<FaultyDisk>,
}

fn bench() -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(FaultyDisk::default());
    let (journal, _) = Journal::open(&directory.path().join("journal"), Arc::clone(&disk) as _).unwrap();
    let (notices, listener) = broadcast::channel(16_384);
    let media = Arc::new(Opened::default());
    let (durable, durable_seen) = watch::channel(0);
    let thread = SwitchboardThread {
        switchboard: Switchboard::new(Config::default(), 3),
        roster: Roster::default(),
        journal,
        clock: Arc::new(Clock::new()),
        notices,
        recording_changes: broadcast::channel(16).0,
        rooms: Rooms::start(Arc::clone(&media) as _).0,
        durable,
        health: Arc::default(),
        work: Work::default(),
    };
    Bench { thread, notices: listener, durable: durable_seen, media, directory, disk }
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn initiate(caller: &str, callee: &str) -> Command {
    Command::Initiate(InitiateCall {
        id: None,
        caller: user(caller),
        device: DeviceId::unnamed(),
        target: Target::Users { users: vec![user(callee)], channel: None, one_to_one: true },
        media: CallMedia::Voice,
        ring_timeout: None,
        metadata: serde_json::Value::Null,
    })
}

impl Bench {
    /// One batch of one command.
    async fn run(&mut self, command: Command) -> Result<Answer, ControlError> {
        let (reply, mut answer) = oneshot::channel();
        self.thread.handle(Job::Command { command, reply: Some(reply) });
        assert!(answer.try_recv().is_err(), "answered before it was durable");
        self.thread.finish();
        // An answer that follows the opening of a room comes when that is done.
        answer.await.unwrap()
    }
}

#[tokio::test]
async fn while_the_journal_cannot_be_written_calls_go_on_and_new_ones_are_refused() {
    let mut bench = bench();
    bench.run(Command::DeviceConnected { user: user("bob"), device: DeviceId::unnamed() }).await.unwrap();
    let Ok(Answer::Call(call)) = bench.run(initiate("alice", "bob")).await else { panic!("no call") };
    let before = *bench.durable.borrow();
    assert!(before > 0);

    let (there, away) = (bench.directory.path().join("journal"), bench.directory.path().join("away"));
    std::fs::rename(&there, &away).unwrap();
    let accept = Command::Accept { call: call.id, user: user("bob"), device: DeviceId::unnamed() };
    bench.run(accept).await.unwrap();
    let refused = bench.run(initiate("carol", "dave")).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unavailable);
    assert_eq!(*bench.durable.borrow(), before, "nothing more is on disk, and none says so");

    std::fs::rename(&away, &there).unwrap();
    bench.thread.finish();
    assert!(*bench.durable.borrow() > before);
    bench.run(initiate("carol", "dave")).await.unwrap();
    let mut told = Vec::new();
    while let Ok(notice) = bench.notices.try_recv() {
        if let NoticeBody::Call(event) = &notice.body {
            told.extend(notice.users.iter().map(|user| format!("{user} {event:?}")));
        }
    }
    assert!(told.iter().any(|line| line.starts_with("bob Incoming")), "{told:#?}");
    drop(bench.thread);
    let (journal, mut reader) = Journal::open(&there, Arc::new(LocalDisk)).unwrap();
    let records = reader.read(journal.last(), usize::MAX).unwrap();
    let events: Vec<&str> = records.iter().map(|(_, record)| record.event.as_str()).collect();
    assert_eq!(events, ["initiated", "ringing", "accepted", "initiated"]);
}

#[tokio::test]
async fn a_batch_of_several_new_calls_is_taken_whole() {
    let mut bench = bench();
    let mut answers = Vec::new();
    for n in 0..5 {
        let (reply, answer) = oneshot::channel();
        bench.thread.handle(Job::Command { command: initiate(&format!("caller {n}"), "bob"), reply: Some(reply) });
        answers.push(answer);
    }
    bench.thread.finish();
    assert_eq!(*bench.durable.borrow(), bench.thread.journal.last());
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(bench.media.0.lock().unwrap().len(), 5, "their rooms are open");
}

#[tokio::test]
async fn a_call_that_could_not_be_written_down_is_refused_and_nobody_hears_of_it() {
    let mut bench = bench();
    bench.run(Command::DeviceConnected { user: user("bob"), device: DeviceId::unnamed() }).await.unwrap();
    while bench.notices.try_recv().is_ok() {}
    bench.disk.arm(Fault::Io, 0, u64::MAX);
    // Nothing has failed yet: the disk is found failing by this very call.
    let refused = bench.run(initiate("alice", "bob")).await.unwrap_err();
    assert_eq!((refused.code(), refused), (ErrorCode::Unavailable, UNRECORDED));
    let heard = bench.notices.try_recv();
    assert!(heard.is_err(), "{heard:?}");
    tokio::task::yield_now().await;
    assert!(bench.media.0.lock().unwrap().is_empty());
    let trouble = bench.thread.health.troubles()[0];
    assert_eq!((trouble.part, trouble.cause), (Part::Journal, Cause::Io));
    bench.disk.heal();
    bench.thread.finish();
    assert_eq!(bench.thread.health.troubles(), []);
    bench.run(initiate("alice", "bob")).await.expect("the one that was refused is not in the way");
}

/// What this thread has used of a processor.
fn thread_time() -> Duration {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(line.split(' ').next().unwrap().parse().unwrap())
}

impl Bench {
    fn channels(&mut self, users: &[UserId], size: usize) {
        for (number, members) in users.chunks(size).enumerate() {
            let channel = Channel {
                id: ChannelId::new(format!("channel {number}")).unwrap(),
                name: String::new(),
                members: members.to_vec(),
                active_call: None,
                created_at: Timestamp(0),
            };
            let (reply, _) = oneshot::channel();
            self.thread.handle(Job::ChannelPut(channel, reply));
        }
        self.thread.finish();
    }

    /// The same for each, a batch at a time.
    fn each(&mut self, users: &[UserId], command: impl Fn(UserId) -> Command) {
        for batch in users.chunks(BATCH) {
            for user in batch {
                self.thread.handle(Job::Command { command: command(user.clone()), reply: None });
            }
            self.thread.let_time_pass();
            self.thread.finish();
        }
    }

    fn connect(&mut self, users: &[UserId]) {
        self.each(users, |user| Command::DeviceConnected { user, device: DeviceId::unnamed() });
    }

    /// Tells all that waits to be told; who heard of whom.
    fn told(&mut self) -> Vec<(UserId, UserId)> {
        let mut told = Vec::new();
        let mut hear = |users: &[UserId], changes: &[Arc<crate::notice::PresenceChange>]| {
            for change in changes {
                told.extend(users.iter().map(|user| (user.clone(), change.user.clone())));
            }
        };
        while let Ok(notice) = self.notices.try_recv() {
            if let NoticeBody::Presence(changes) = &notice.body {
                hear(&notice.users, changes);
            }
        }
        while let Some(at) = self.thread.roster.round_at() {
            self.thread.roster.round(at).iter().for_each(|(users, changes)| hear(users, changes));
        }
        told
    }

    /// All lose their line and are back within a moment, and are told who else is there. What it costs, and how many they see.
    fn storm(&mut self, users: &[UserId]) -> (Duration, usize) {
        let before = thread_time();
        self.each(users, |user| Command::DeviceDisconnected { user, device: DeviceId::unnamed() });
        self.connect(users);
        let seen = users.iter().map(|user| self.thread.roster.visible(user, &self.thread.switchboard).len()).sum();
        (thread_time() - before, seen)
    }
}

/// More than see each other without sharing anything.
const CROWD: usize = 2_000;

#[tokio::test]
async fn a_crowd_in_small_channels_comes_back_and_nobody_hears_of_it() {
    const TEAM: usize = 5;
    let mut costs = Vec::new();
    for size in [CROWD / 4, CROWD] {
        // A crowd that is there anyway: the place is large from the start.
        let mut bench = bench();
        let others: Vec<UserId> = (0..CROWD).map(|n| user(&format!("other {n}"))).collect();
        bench.connect(&others);
        bench.told();
        let users: Vec<UserId> = (0..size).map(|n| user(&format!("user {n}"))).collect();
        bench.channels(&users, TEAM);
        bench.connect(&users);
        let team = |who: &UserId| users.iter().position(|user| user == who).map(|number| number / TEAM);
        let told = bench.told();
        // Not each of each: one who comes after another's change was told sees them at once.
        assert!(!told.is_empty() && told.len() <= size * (TEAM - 1), "{}", told.len());
        for (who, of) in told {
            assert!(team(&who).is_some() && team(&who) == team(&of), "{who} heard of {of}");
        }

        let (cost, seen) = bench.storm(&users);
        assert_eq!(seen, size * (TEAM - 1));
        assert_eq!(bench.told(), [], "nothing has changed");
        costs.push(cost);
        // Those who stay away are missed by their teams.
        bench
            .thread
            .switchboard
            .handle_command(
                bench.thread.clock.now(),
                Command::DeviceDisconnected { user: users[0].clone(), device: DeviceId::unnamed() },
            )
            .unwrap();
        bench.thread.switchboard.handle_timeout(bench.thread.clock.now() + Duration::from_secs(60));
        bench.thread.drain();
        assert_eq!(bench.told().len(), TEAM - 1);
    }
    println!("{costs:?}");
    assert!(costs[1] < Duration::from_secs(2), "{costs:?}");
    // The clock is too coarse for what takes a few milliseconds.
    let most = (costs[0] * 8).max(Duration::from_millis(100));
    assert!(costs[1] < most, "four times as many cost far more than four times as much: {costs:?}");
}

#[tokio::test]
async fn a_crowd_in_one_channel_comes_back_and_nobody_hears_of_it() {
    let mut bench = bench();
    let users: Vec<UserId> = (0..CROWD).map(|n| user(&format!("user {n}"))).collect();
    bench.connect(&users);
    bench.told();
    bench.channels(&users, CROWD);
    let (cost, seen) = bench.storm(&users);
    assert_eq!(seen, CROWD * (CROWD - 1), "each is told who is there");
    assert_eq!(bench.told(), []);
    println!("{cost:?}");
    // Four million lines; a build without optimisations takes several times as long.
    let most = if cfg!(debug_assertions) { 20 } else { 2 };
    assert!(cost < Duration::from_secs(most), "{cost:?}");
}
