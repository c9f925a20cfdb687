use call::{Config, InitiateCall, Target};
use model::{CallMedia, DeviceId, ErrorCode};

use super::*;
use crate::disk::LocalDisk;
use crate::disk::faulty::{Fault, FaultyDisk};
use crate::rooms::Opened;
use crate::trouble::{Cause, Part};

struct Bench {
    owner: Owner,
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
    let (notices, listener) = broadcast::channel(64);
    let media = Arc::new(Opened::default());
    let (durable, durable_seen) = watch::channel(0);
    let owner = Owner {
        switchboard: Switchboard::new(Config::default(), 3),
        roster: Roster::default(),
        journal,
        clock: Arc::new(Clock::new()),
        notices,
        rooms: Rooms::start(Arc::clone(&media) as _),
        durable,
        health: Arc::default(),
        work: Work::default(),
    };
    Bench { owner, notices: listener, durable: durable_seen, media, directory, disk }
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
        self.owner.handle(Job::Command { command, reply: Some(reply) });
        assert!(answer.try_recv().is_err(), "answered before it was durable");
        self.owner.finish();
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
    bench.owner.finish();
    assert!(*bench.durable.borrow() > before);
    bench.run(initiate("carol", "dave")).await.unwrap();
    let mut told = Vec::new();
    while let Ok(notice) = bench.notices.try_recv() {
        if let NoticeBody::Call(event) = &notice.body {
            told.extend(notice.users.iter().map(|user| format!("{user} {event:?}")));
        }
    }
    assert!(told.iter().any(|line| line.starts_with("bob Incoming")), "{told:#?}");
    drop(bench.owner);
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
        bench.owner.handle(Job::Command { command: initiate(&format!("caller {n}"), "bob"), reply: Some(reply) });
        answers.push(answer);
    }
    bench.owner.finish();
    assert_eq!(*bench.durable.borrow(), bench.owner.journal.last());
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
    let trouble = bench.owner.health.troubles()[0];
    assert_eq!((trouble.part, trouble.cause), (Part::Journal, Cause::Io));
    bench.disk.heal();
    bench.owner.finish();
    assert_eq!(bench.owner.health.troubles(), []);
    bench.run(initiate("alice", "bob")).await.expect("the one that was refused is not in the way");
}
