//! Everything fails everywhere: SQLite's files with every code, the journal's disk in every way, while calls are made. What was
//! acknowledged is there afterwards, in order, and the rest was refused.
//!
//! A file of its own, for the faults of SQLite's files are the whole process's.

#[path = "../../control/src/disk/faulty.rs"]
mod faulty;
mod support;
#[path = "support/vfs.rs"]
mod vfs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use call::Record;
use control::{Disk, LocalDisk, Part, Remedy, Store, StoreError};
use faulty::{FAULTS, FaultyDisk};
use libsqlite3_sys as ffi;
use model::{CallId, CallStatus, Timestamp};
use support::{House, NODE, request, user, wait_for_lock};
use tokio::sync::Mutex;

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// In memory: there are thousands of syncs to come, and the disk is not what is tried.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// A record of a real call that rings.
async fn a_record() -> Record {
    let directory = folder();
    let house = House::open(directory.path()).await;
    let call = house.call("alice", "bob").await;
    house.handle.shutdown().await;
    let payload = serde_json::json!({});
    Record { at: Timestamp(1), event: "x".to_owned(), user: None, payload, call }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_anywhere_with_any_code_is_whole_or_not_there_and_the_next_one_goes_well() {
    let _turn = ONE_AT_A_TIME.lock().await;
    vfs::register();
    let record = a_record().await;
    let directory = folder();
    let path = directory.path().join("stoa.db");
    let store = store::open(&path).await.unwrap();
    let (mut sequence, mut failed) = (0, 0);
    for code in vfs::CODES {
        for failing in [1, i64::MAX] {
            // SQLite waits a second for each lock that is held: once is enough.
            let longest = if code & 0xff == ffi::SQLITE_BUSY || *code == ffi::SQLITE_PROTOCOL { 1 } else { 1_000 };
            for spared in 0..longest {
                sequence += 1;
                vfs::arm(*code, spared, failing);
                let first = store.apply(NODE, &[(sequence, record.clone())]).await;
                let hit = vfs::heal();
                let case = format!("code {code} after {spared}, {failing} times: {first:?}");
                if first.is_err() {
                    failed += 1;
                    let again = store.apply(NODE, &[(sequence, record.clone())]).await;
                    assert_eq!(again, Ok(()), "{case}");
                    assert_eq!(store.check().await, Ok(()), "{case}");
                }
                assert_eq!(store.applied(NODE).await, Ok(sequence), "{case}");
                if hit == 0 {
                    break;
                }
            }
        }
    }
    assert!(failed > 300, "{failed} of {sequence}");
    store.close().await;
    let store = store::open(&path).await.unwrap();
    let events: Vec<i64> = store.events(record.call.id).await.unwrap().iter().map(|event| event.id).collect();
    assert_eq!(events, (1..=sequence as i64).collect::<Vec<_>>(), "each once, in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_disk_says_is_waited_for_and_what_a_broken_rule_says_is_not() {
    let _turn = ONE_AT_A_TIME.lock().await;
    vfs::register();
    let record = a_record().await;
    let directory = folder();
    let store = store::open(directory.path().join("stoa.db")).await.unwrap();
    vfs::arm(ffi::SQLITE_FULL, 0, i64::MAX);
    let full = store.apply(NODE, &[(1, record.clone())]).await.unwrap_err();
    assert_eq!((full.remedy(), full.cause().map(control::Cause::as_str)), (Remedy::Again, Some("full")), "{full}");
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))), "it is tried, and is still so");
    vfs::heal();
    store.check().await.unwrap();
    let over_without_an_end = call::CallSnapshot { status: CallStatus::Ended, ..record.call.clone() };
    let broken = store.apply(NODE, &[(1, Record { call: over_without_an_end, ..record.clone() })]).await.unwrap_err();
    assert_eq!((broken.remedy(), broken.cause()), (Remedy::PutAside, None), "{broken}");
    store.apply(NODE, &[(1, record)]).await.unwrap();
}

/// A server that is used, breaks in all ways, heals and is started again.
struct Night {
    folder: PathBuf,
    disk: Arc<FaultyDisk>,
    house: Option<House>,
    rng: fastrand::Rng,
    /// Calls that were acknowledged, and whether their end was.
    calls: BTreeMap<CallId, bool>,
    /// Users whose names were acknowledged.
    names: BTreeMap<String, String>,
    refused: usize,
    callers: usize,
}

impl Night {
    async fn begin(folder: &Path, seed: u64) -> Night {
        let disk = Arc::new(FaultyDisk::default());
        let house = House::open_on(folder, Arc::clone(&disk) as _).await;
        let rng = fastrand::Rng::with_seed(seed);
        let (calls, names) = (BTreeMap::new(), BTreeMap::new());
        Night { folder: folder.to_owned(), disk, house: Some(house), rng, calls, names, refused: 0, callers: 0 }
    }

    fn house(&self) -> &House {
        self.house.as_ref().unwrap()
    }

    async fn step(&mut self) {
        match self.rng.u8(..12) {
            0 => {
                let fault = FAULTS[self.rng.usize(..FAULTS.len())];
                let failing = [1, 3, 20, u64::MAX][self.rng.usize(..4)];
                self.disk.arm(fault, self.rng.u64(..6), failing);
            }
            1 => {
                let code = vfs::CODES[self.rng.usize(..vfs::CODES.len())];
                let failing = [1, 3, 100, i64::MAX][self.rng.usize(..4)];
                vfs::arm(code, self.rng.i64(..40), failing);
            }
            2 => self.heal(),
            3 if self.rng.bool() => self.start_again().await,
            4 => self.name_someone().await,
            5 | 6 => self.end_a_call().await,
            _ => self.call_someone().await,
        }
    }

    fn heal(&self) {
        self.disk.heal();
        vfs::heal();
    }

    async fn start_again(&mut self) {
        let house = self.house.take().unwrap();
        if self.rng.bool() {
            house.handle.shutdown().await;
        }
        // Or it just goes, with whatever fails still failing.
        drop(house);
        wait_for_lock(&self.folder).await;
        self.heal();
        self.house = Some(House::open_on(&self.folder, Arc::clone(&self.disk) as _).await);
    }

    async fn call_someone(&mut self) {
        self.callers += 1;
        let asked = request(&format!("caller {}", self.callers), &format!("callee {}", self.callers));
        match self.house().handle.initiate(asked).await {
            Ok(call) => _ = self.calls.insert(call.id, false),
            Err(error) => {
                assert_eq!(error.code(), model::ErrorCode::Unavailable, "{error}");
                self.refused += 1;
            }
        }
    }

    async fn end_a_call(&mut self) {
        let running: Vec<CallId> = self.calls.iter().filter(|(_, ended)| !**ended).map(|(id, _)| *id).collect();
        let Some(id) = running.get(self.rng.usize(..running.len().max(1))).copied() else { return };
        let Ok(Some(call)) = self.house().handle.running_call(id).await else { return };
        let done = self.house().handle.end(id, &call.initiator, None).await;
        // A call that runs is ended whatever the disk says. It is kept where the journal was well after it.
        let kept = self.house().handle.troubles().iter().all(|trouble| trouble.part != Part::Journal);
        if done.is_ok() && kept {
            self.calls.insert(id, true);
        }
    }

    async fn name_someone(&mut self) {
        let (id, name) = (format!("user {}", self.rng.u8(..5)), format!("name {}", self.rng.u32(..)));
        let patch = control::UserPatch { name: Some(name.clone()), ..control::UserPatch::default() };
        // One that failed may be there or not.
        self.names.remove(&id);
        if self.house().handle.upsert_user(&user(&id), patch).await.is_ok() {
            self.names.insert(id, name);
        }
    }

    /// All heals, and all that was acknowledged comes to be in the store by itself; then it is started once more.
    async fn morning(mut self, seed: u64) -> (usize, usize) {
        self.heal();
        let well = async |house: &House| house.handle.troubles().is_empty();
        self.house().until(&format!("seed {seed}: all is well"), well).await;
        self.start_again().await;
        self.house().handle.shutdown().await;
        let store = &self.house().store;
        let aside = control::replay_refused(&self.folder.join("journal"), store, |_| {}).await.unwrap();
        assert_eq!(aside.refused, 0, "seed {seed}: nothing was wrong with any record: {aside:?}");
        for (id, ended) in &self.calls {
            let found = store.call(*id).await.unwrap().unwrap_or_else(|| panic!("seed {seed}: {id} is lost"));
            assert!(!ended || found.status.is_over(), "seed {seed}: {id} is {}", found.status);
            let events = store.events(*id).await.unwrap();
            assert_eq!(events[0].event, "initiated", "seed {seed}: {id}");
            assert!(events.is_sorted_by(|a, b| a.id < b.id && a.at <= b.at), "seed {seed}: {id} {events:?}");
        }
        for (id, name) in &self.names {
            assert_eq!(store.users(&[user(id)]).await.unwrap()[0].name, *name, "seed {seed}: {id}");
        }
        (self.calls.len(), self.refused)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_or_out_of_order_whatever_fails_and_heals_across_restarts() {
    let _turn = ONE_AT_A_TIME.lock().await;
    vfs::register();
    let seeds: Vec<u64> = match std::env::var("STOA_TEST_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => (0..24).collect(),
    };
    let (mut kept, mut refused) = (0, 0);
    for seed in &seeds {
        let directory = folder();
        let mut night = Night::begin(directory.path(), *seed).await;
        for _ in 0..60 {
            night.step().await;
        }
        let (calls, refusals) = night.morning(*seed).await;
        kept += calls;
        refused += refusals;
    }
    println!("{kept} calls acknowledged and kept, {refused} refused");
    assert!(seeds.len() == 1 || (kept > 200 && refused > 50), "{kept} kept, {refused} refused");
}
