//! Recordings from the recorder's folder into storage and out of it again, on a real store: what may fail on the way, who may see them,
//! how they end.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use control::{
    ChannelRecordingRules, Compose, Composed, FileKind, Recording, RecordingEventKind, RecordingOrigin, RecordingQuery,
    RecordingRefusal, RecordingSettings, RecordingStore, Recordings, StopRecorder, Viewer,
};
use futures_util::TryStreamExt;
use model::{
    CallId, DeviceId, RecordingFormat, RecordingId, RecordingLayout, RecordingPolicy, RecordingStatus, RoomName,
    Timestamp,
};
use storage::{Backend, ByteStream, Folder, Identity, Keys, ObjectKey, Part, Storage, StorageError};
use support::{House, channel, user};
use uuid::Uuid;

/// A folder that can be away.
#[derive(Debug)]
struct Shelf {
    folder: Folder,
    /// So many more operations fail.
    away: AtomicUsize,
}

impl Shelf {
    fn check(&self) -> Result<(), StorageError> {
        match self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(StorageError::Away("on purpose".to_owned())),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Backend for Shelf {
    async fn put(&self, key: &ObjectKey, bytes: bytes::Bytes) -> Result<(), StorageError> {
        self.check()?;
        self.folder.put(key, bytes).await
    }
    async fn begin(&self, key: &ObjectKey) -> Result<String, StorageError> {
        self.check()?;
        self.folder.begin(key).await
    }
    async fn put_part(
        &self,
        key: &ObjectKey,
        upload: &str,
        part: Part,
        bytes: bytes::Bytes,
    ) -> Result<String, StorageError> {
        self.check()?;
        self.folder.put_part(key, upload, part, bytes).await
    }
    async fn complete(&self, key: &ObjectKey, upload: &str, parts: Vec<String>) -> Result<(), StorageError> {
        self.check()?;
        self.folder.complete(key, upload, parts).await
    }
    async fn abort(&self, key: &ObjectKey, upload: &str) -> Result<(), StorageError> {
        self.check()?;
        self.folder.abort(key, upload).await
    }
    async fn size(&self, key: &ObjectKey) -> Result<u64, StorageError> {
        self.check()?;
        self.folder.size(key).await
    }
    async fn get(&self, key: &ObjectKey, range: std::ops::Range<u64>) -> Result<ByteStream, StorageError> {
        self.check()?;
        self.folder.get(key, range).await
    }
    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.check()?;
        self.folder.delete(key).await
    }
    async fn list(&self) -> Result<Vec<(ObjectKey, u64)>, StorageError> {
        self.check()?;
        self.folder.list().await
    }
}

struct Archive {
    house: House,
    shelf: Arc<Shelf>,
    recordings: Recordings,
    data: PathBuf,
}

impl Archive {
    async fn open(data: &Path) -> Self {
        Self::open_with(data, |_| {}, None, None).await
    }

    async fn open_with(
        data: &Path,
        change: impl FnOnce(&mut RecordingSettings),
        composer: Option<Arc<dyn Compose>>,
        stopper: Option<Arc<dyn StopRecorder>>,
    ) -> Self {
        let house = House::open(data).await;
        let folder = Folder::open(data.join("storage")).unwrap();
        let shelf = Arc::new(Shelf { folder, away: AtomicUsize::new(0) });
        let key = data.join("key");
        if !key.exists() {
            std::fs::write(&key, Identity::make().unwrap().1.reveal()).unwrap();
        }
        let keys = Keys::parse(&std::fs::read_to_string(key).unwrap()).unwrap();
        let storage = Arc::new(Storage::new(Arc::clone(&shelf) as _, keys));
        let mut settings = RecordingSettings { disk_reserve: 0, ..RecordingSettings::new(data.join("recordings")) };
        settings.sweep_every = Duration::from_millis(50);
        change(&mut settings);
        let handle = house.handle.clone();
        let recordings = Recordings::start(settings, handle, storage, composer, stopper).await.unwrap();
        Self { house, shelf, recordings, data: data.to_owned() }
    }

    /// A call that two have had, and that is over.
    async fn past_call(&self, ann: &str, bob: &str) -> CallId {
        let call = self.house.call(ann, bob).await.id;
        self.house.handle.accept(call, &user(bob), &DeviceId::unnamed()).await.unwrap();
        self.house.in_room(call, ann).await;
        self.house.in_room(call, bob).await;
        let handle = &self.house.handle;
        self.house
            .until("both are in", async |_| {
                handle.call(call, &user(ann)).await.is_ok_and(|call| call.connected_at.is_some())
            })
            .await;
        handle.end(call, &user(ann), None).await.unwrap();
        call
    }

    async fn begin(&self, call: CallId, by: &str) -> RecordingId {
        let recording = new_recording(call, by, self.house.handle.now());
        self.recordings.begin(recording.clone()).await.unwrap();
        self.recordings.status(recording.id, RecordingStatus::Recording).await.unwrap();
        recording.id
    }

    /// The folder that the recorder would leave.
    fn record(&self, id: RecordingId, call: CallId, who: &[&str]) -> Vec<u8> {
        let folder = self.recordings.folder(id);
        write_folder(&folder, id, call, who)
    }

    async fn stop(&self, id: RecordingId) {
        self.recordings.stopped(id, self.house.handle.now(), Some(2_000), 1).await.unwrap();
    }

    async fn is(&self, id: RecordingId, status: RecordingStatus) -> Recording {
        let store = &self.house.store;
        self.house
            .until(status.as_str(), async |_| {
                store.recording(id).await.unwrap().is_some_and(|one| one.status == status)
            })
            .await;
        store.recording(id).await.unwrap().unwrap()
    }

    /// One that is in storage.
    async fn kept(&self, ann: &str, bob: &str) -> (CallId, RecordingId) {
        let call = self.past_call(ann, bob).await;
        let id = self.begin(call, ann).await;
        self.record(id, call, &[ann, bob]);
        self.stop(id).await;
        self.is(id, RecordingStatus::Completed).await;
        (call, id)
    }

    async fn objects(&self) -> usize {
        self.shelf.folder.list().await.unwrap().len()
    }

    async fn found(&self, change: impl FnOnce(&mut RecordingQuery)) -> Vec<RecordingId> {
        let mut query = RecordingQuery {
            viewer: Viewer::Everyone,
            call: None,
            channel: None,
            user: None,
            statuses: Vec::new(),
            from: None,
            to: None,
            text: None,
            before: None,
            limit: 100,
        };
        change(&mut query);
        self.recordings.find(&query).await.unwrap().recordings.iter().map(|one| one.id).collect()
    }
}

fn new_recording(call: CallId, by: &str, now: Timestamp) -> Recording {
    Recording {
        id: RecordingId(Uuid::now_v7()),
        call: Some(call),
        channel: None,
        room: RoomName::from(call),
        origin: RecordingOrigin::Server,
        status: RecordingStatus::Starting,
        started_by: Some(user(by)),
        started_at: now,
        ended_at: None,
        duration_ms: None,
        size_bytes: 0,
        layout: None,
        resolution: None,
        audio_only: false,
        format: RecordingFormat::Mp4,
        policy: RecordingPolicy::Announce,
        progress: None,
        retention_days: None,
        expires_at: None,
        legal_hold: false,
        error: None,
        deleted_at: None,
    }
}

/// Tracks of 10 MB, so that they go in parts; the bytes of the first.
fn write_folder(folder: &Path, id: RecordingId, call: CallId, who: &[&str]) -> Vec<u8> {
    std::fs::create_dir_all(folder.join("tracks")).unwrap();
    let manifest = format!(r#"{{"version":1,"id":"{id}","room":"{call}","started_at":1800000000000}}"#);
    std::fs::write(folder.join("recording.json"), manifest).unwrap();
    let mut events = String::from("{\"at\":0,\"type\":\"started\",\"wall_ms\":1800000000000}\n");
    let mut first = Vec::new();
    for (at, name) in who.iter().enumerate() {
        let track = format!("TR_{at}");
        events += &format!(
            "{{\"at\":1,\"type\":\"joined\",\"participant\":\"PA_{at}\",\"identity\":\"{name}\",\"name\":\"{name}\",\"kind\":\"standard\"}}\n"
        );
        events += &format!(
            "{{\"at\":2,\"type\":\"track\",\"track\":\"{track}\",\"participant\":\"PA_{at}\",\"kind\":\"video\",\"source\":\"camera\",\"codec\":\"vp8\"}}\n"
        );
        let mut bytes = vec![0; 10_000_000];
        fastrand::Rng::with_seed(at as u64).fill(&mut bytes);
        std::fs::write(folder.join(format!("tracks/{track}-1.mp4")), &bytes).unwrap();
        if at == 0 {
            first = bytes;
        }
    }
    events += "{\"at\":2000,\"type\":\"stopped\"}\n";
    std::fs::write(folder.join("events.jsonl"), events).unwrap();
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_goes_into_storage_sealed_and_its_folder_goes() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open(dir.path()).await;
    let mut events = archive.recordings.events();
    let call = archive.past_call("ann", "bob").await;
    let id = archive.begin(call, "ann").await;
    let bytes = archive.record(id, call, &["ann", "bob"]);
    assert_eq!(
        archive.recordings.delete(id).await,
        Err(RecordingRefusal::NotReady("the recording is still being made: stop it first"))
    );
    archive.stop(id).await;
    let known = archive.is(id, RecordingStatus::Completed).await;
    assert!(known.size_bytes > 20_000_000 && known.duration_ms == Some(2_000) && known.expires_at.is_none());
    archive.house.until("the folder is gone", async |_| !archive.recordings.folder(id).exists()).await;
    let files = archive.recordings.files(id).await.unwrap();
    assert_eq!(files.len(), 4);
    let track = files.iter().find(|file| file.name == "tracks/TR_0-1.mp4").unwrap();
    let info = track.track.as_ref().unwrap();
    assert_eq!((info.user.clone(), info.source.as_deref()), (Some(user("ann")), Some("camera")));
    assert!(track.stored.is_sealed);
    let pieces = archive.recordings.read(track, 65_000..9_000_001).await.unwrap();
    assert!(pieces.try_collect::<Vec<_>>().await.unwrap().concat() == bytes[65_000..9_000_001]);
    let on_disk = std::fs::read(dir.path().join("storage").join(track.key().to_string())).unwrap();
    assert!(on_disk.starts_with(b"age-encryption.org/v1\n"));
    let main = archive.recordings.main_file(id).await;
    assert!(matches!(main, Err(RecordingRefusal::NotReady(_))), "{main:?}");
    let kinds: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.kind).collect();
    assert_eq!(kinds, [RecordingEventKind::Stopped, RecordingEventKind::Completed]);
    // What went in comes out as the folder it was, to be composed again.
    let again = dir.path().join("again");
    archive.recordings.fetch(id, &again).await.unwrap();
    assert!(std::fs::read(again.join("tracks/TR_0-1.mp4")).unwrap() == bytes && again.join("events.jsonl").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_is_away_delays_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open(dir.path()).await;
    let call = archive.past_call("ann", "bob").await;
    let id = archive.begin(call, "ann").await;
    archive.record(id, call, &["ann"]);
    archive.shelf.away.store(3, Ordering::SeqCst);
    archive.stop(id).await;
    archive.house.until("it was tried", async |_| archive.shelf.away.load(Ordering::SeqCst) < 3).await;
    assert!(
        archive.recordings.folder(id).join("tracks/TR_0-1.mp4").exists(),
        "nothing is removed before it is in storage"
    );
    archive.is(id, RecordingStatus::Completed).await;
    assert_eq!(archive.shelf.away.load(Ordering::SeqCst), 0);
    assert_eq!(archive.recordings.files(id).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_with_what_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let (stopped, running, unknown, deleted, upload);
    {
        let archive = Archive::open(dir.path()).await;
        let call = archive.past_call("ann", "bob").await;
        // Nothing works any more from here on.
        archive.shelf.away.store(usize::MAX, Ordering::SeqCst);
        stopped = archive.begin(call, "ann").await;
        archive.record(stopped, call, &["ann"]);
        archive.stop(stopped).await;
        // The server went down while it was recorded, and the call with it.
        running = archive.begin(call, "ann").await;
        archive.record(running, call, &["bob"]);
        // The store was away when it began.
        unknown = RecordingId(Uuid::now_v7());
        archive.record(unknown, call, &["ann", "bob"]);
        deleted = archive.begin(call, "ann").await;
        archive.house.store.doom_recording(deleted, archive.house.handle.now()).await.unwrap();
        archive.record(deleted, call, &["ann"]);
        upload = archive.recordings.folder(RecordingId(Uuid::now_v7()));
        std::fs::create_dir(&upload).unwrap();
        std::fs::write(upload.join("upload"), "half of it").unwrap();
        archive.house.handle.shutdown().await;
        archive.house.store.close().await;
    }
    support::wait_for_lock(dir.path()).await;
    let archive = Archive::open(dir.path()).await;
    for id in [stopped, running, unknown] {
        let known = archive.is(id, RecordingStatus::Completed).await;
        assert!(known.duration_ms == Some(2_000) && known.size_bytes >= 10_000_000, "{known:?}");
    }
    let left = || std::fs::read_dir(archive.data.join("recordings")).unwrap().count();
    archive.house.until("no folder is left", async |_| left() == 0).await;
    assert_eq!(archive.objects().await, 3 + 3 + 4);
    let seen = archive.recordings.one(unknown, &archive.recordings.viewer(user("bob"))).await.unwrap();
    assert_eq!((seen.started_at.0, seen.started_by), (1_800_000_000_000, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_failed_keeps_what_there_is_and_one_without_files_fails() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open(dir.path()).await;
    let call = archive.past_call("ann", "bob").await;
    let id = archive.begin(call, "ann").await;
    archive.record(id, call, &["ann"]);
    archive.recordings.failed(id, "disk_full", "no space left on device").await.unwrap();
    archive.house.until("its folder is gone", async |_| !archive.recordings.folder(id).exists()).await;
    let known = archive.is(id, RecordingStatus::Failed).await;
    assert_eq!(known.error.as_ref().map(|(code, _)| code.as_str()), Some("disk_full"));
    assert_eq!(archive.recordings.files(id).await.unwrap().len(), 3);
    let empty = archive.begin(call, "ann").await;
    archive.stop(empty).await;
    let known = archive.is(empty, RecordingStatus::Failed).await;
    assert_eq!(known.error.as_ref().map(|(code, _)| code.as_str()), Some("nothing_recorded"));
}

struct Composer(AtomicUsize);

#[async_trait]
impl Compose for Composer {
    async fn compose(
        &self,
        _: &Recording,
        folder: &Path,
        progress: tokio::sync::watch::Sender<u8>,
    ) -> Result<Option<Composed>, String> {
        let _ = progress.send(50);
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err("ffmpeg is not installed".to_owned());
        }
        let path = folder.join("composed.mp4");
        std::fs::write(&path, "the whole call").map_err(|error| error.to_string())?;
        let (layout, resolution) = (RecordingLayout::Grid, Some("1280x720".to_owned()));
        Ok(Some(Composed { path, layout, resolution, format: RecordingFormat::Mp4 }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_composed_is_the_file_to_play_and_a_composer_that_fails_costs_no_track() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open_with(dir.path(), |_| {}, Some(Arc::new(Composer(AtomicUsize::new(0)))), None).await;
    let (_, without) = archive.kept("ann", "bob").await;
    assert_eq!(archive.recordings.files(without).await.unwrap().len(), 4);
    let (_, id) = archive.kept("ann", "carol").await;
    let file = archive.recordings.main_file(id).await.unwrap();
    assert_eq!((file.kind, file.stored.size), (FileKind::Composed, 14));
    let known = archive.house.store.recording(id).await.unwrap().unwrap();
    assert_eq!((known.layout, known.resolution.as_deref()), (Some(RecordingLayout::Grid), Some("1280x720")));
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_really_deletes_and_a_hold_forbids_it() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open(dir.path()).await;
    let (_, id) = archive.kept("ann", "bob").await;
    assert_eq!(archive.objects().await, 4);
    archive.recordings.set_hold(id, true).await.unwrap();
    assert_eq!(archive.recordings.delete(id).await, Err(RecordingRefusal::Held));
    archive.recordings.set_hold(id, false).await.unwrap();
    // The storage is away: nobody sees it any more, and the files go as soon as they can.
    archive.shelf.away.store(8, Ordering::SeqCst);
    assert!(archive.recordings.delete(id).await.unwrap() > 0);
    assert_eq!(archive.recordings.one(id, &Viewer::Everyone).await, Err(RecordingRefusal::NotFound));
    assert_eq!(archive.recordings.delete(id).await, Err(RecordingRefusal::NotFound));
    archive.house.until("its objects are gone", async |_| archive.objects().await == 0).await;
    archive
        .house
        .until("nothing is left to do", async |house| house.store.doomed_files(9).await.unwrap().is_empty())
        .await;
    let row = archive.house.store.recording(id).await.unwrap().unwrap();
    assert!(row.status == RecordingStatus::Deleted && row.deleted_at.is_some() && row.size_bytes == 0);
    assert_eq!(archive.found(|_| {}).await, []);
    assert_eq!(archive.found(|query| query.statuses = vec![RecordingStatus::Deleted]).await, [id]);
    assert_eq!(std::fs::read_dir(dir.path().join("storage/recordings")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_expire_by_their_own_their_channels_or_the_servers_time() {
    let dir = tempfile::tempdir().unwrap();
    let change = |settings: &mut RecordingSettings| settings.retention_days = Some(30);
    let archive = Archive::open_with(dir.path(), change, None, None).await;
    let new = control::NewChannel { id: Some(channel("team")), name: "Team".to_owned(), members: vec![user("bob")] };
    archive.house.handle.upsert_channel(&user("ann"), new).await.unwrap();
    let rules = ChannelRecordingRules { retention_days: Some(7), most_bytes: None };
    archive.recordings.set_channel_rules(&channel("team"), rules).await.unwrap();
    let call = archive.past_call("ann", "bob").await;
    let mut kept = Vec::new();
    for (own, in_channel, days) in [(None, false, 30), (None, true, 7), (Some(1), true, 1)] {
        let now = archive.house.handle.now();
        let recording = Recording {
            channel: in_channel.then(|| channel("team")),
            retention_days: own,
            ..new_recording(call, "ann", now)
        };
        archive.recordings.begin(recording.clone()).await.unwrap();
        archive.record(recording.id, call, &["ann"]);
        archive.stop(recording.id).await;
        let known = archive.is(recording.id, RecordingStatus::Completed).await;
        let wanted = known.ended_at.unwrap() + Duration::from_secs(days * 86_400);
        assert_eq!(known.expires_at, Some(wanted), "{days} days");
        kept.push(recording.id);
    }
    assert_eq!(archive.recordings.set_retention(kept[0], Some(2)).await.unwrap().retention_days, Some(2));
    // The time comes; one is on hold.
    archive.recordings.set_hold(kept[1], true).await.unwrap();
    let mut events = archive.recordings.events();
    for id in &kept {
        let change = control::RecordingChange::Retention { days: Some(1), expires_at: Some(Timestamp(1)) };
        archive.house.store.change_recording(*id, &change, Timestamp(2)).await.unwrap();
    }
    archive.is(kept[0], RecordingStatus::Deleted).await;
    archive.is(kept[2], RecordingStatus::Deleted).await;
    archive.house.until("their objects are gone", async |_| archive.objects().await == 3).await;
    assert_eq!(archive.found(|_| {}).await, [kept[1]]);
    assert_eq!(events.recv().await.unwrap().kind, RecordingEventKind::Expired);
    archive.recordings.set_hold(kept[1], false).await.unwrap();
    archive.is(kept[1], RecordingStatus::Deleted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_took_part_see_it_and_lists_are_searched_and_paged() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open(dir.path()).await;
    let call = archive.past_call("ann", "bob").await;
    let other = archive.past_call("carol", "dave").await;
    // Eve was called and never answered.
    let missed = archive.house.call("ann", "eve").await.id;
    archive.house.handle.cancel(missed, &user("ann")).await.unwrap();
    for (name, shown) in [("bob", "Bøb Bâker"), ("carol", "Carol")] {
        let patch = control::UserPatch { name: Some(shown.to_owned()), ..control::UserPatch::default() };
        archive.house.handle.upsert_user(&user(name), patch).await.unwrap();
    }
    let mut ids = Vec::new();
    for (at, (call, by)) in [(call, "ann"), (call, "bob"), (other, "carol"), (missed, "ann")].into_iter().enumerate() {
        let recording = new_recording(call, by, Timestamp(1_000 + at as i64));
        archive.recordings.begin(recording.clone()).await.unwrap();
        ids.push(recording.id);
    }
    let of = |who: &str| Viewer::User { user: user(who), in_channels: false };
    assert_eq!(archive.found(|_| {}).await, [ids[3], ids[2], ids[1], ids[0]]);
    assert_eq!(archive.found(|query| query.viewer = of("bob")).await, [ids[1], ids[0]]);
    assert_eq!(archive.found(|query| query.viewer = of("dave")).await, [ids[2]]);
    assert_eq!(archive.found(|query| query.viewer = of("eve")).await, []);
    assert_eq!(archive.found(|query| query.call = Some(other)).await, [ids[2]]);
    assert_eq!(archive.found(|query| query.user = Some(user("carol"))).await, [ids[2]]);
    assert_eq!(archive.found(|query| query.from = Some(Timestamp(1_002))).await, [ids[3], ids[2]]);
    assert_eq!(archive.found(|query| query.to = Some(Timestamp(1_002))).await, [ids[1], ids[0]]);
    assert_eq!(archive.found(|query| query.text = Some("bâK".to_owned())).await, [ids[1], ids[0]]);
    assert_eq!(archive.found(|query| query.text = Some("%".to_owned())).await, []);
    assert_eq!(archive.found(|query| query.statuses = vec![RecordingStatus::Completed]).await, []);
    assert_eq!(archive.recordings.one(ids[2], &of("bob")).await, Err(RecordingRefusal::NotFound));
    let page = |before| RecordingQuery {
        viewer: of("bob"),
        call: None,
        channel: None,
        user: None,
        statuses: Vec::new(),
        from: None,
        to: None,
        text: None,
        before,
        limit: 1,
    };
    let first = archive.recordings.find(&page(None)).await.unwrap();
    assert_eq!((first.recordings[0].id, first.next), (ids[1], Some(ids[1])));
    let second = archive.recordings.find(&page(first.next)).await.unwrap();
    assert_eq!((second.recordings[0].id, second.next), (ids[0], None));
    // A page does not say whether others' recordings exist.
    assert_eq!(archive.recordings.find(&page(Some(ids[2]))).await.unwrap().recordings, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_is_gone_from_recordings_too() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open_with(dir.path(), |_| {}, Some(Arc::new(Composer(AtomicUsize::new(1)))), None).await;
    let (_, id) = archive.kept("ann", "bob").await;
    let (_, held) = archive.kept("ann", "carol").await;
    archive.recordings.set_hold(held, true).await.unwrap();
    assert_eq!(archive.objects().await, 10);
    let records = archive.house.handle.user_records(&user("ann")).await.unwrap();
    let rows = |table: &str| records.tables.iter().find(|(name, _)| *name == table).unwrap().1.len();
    assert_eq!((rows("recordings"), rows("recordingFiles")), (2, 2));
    let alias = archive.house.handle.erase_user(&user("ann")).await.unwrap().alias;
    archive.house.until("what showed or named her is gone", async |_| archive.objects().await == 7).await;
    let names: Vec<String> = archive.recordings.files(id).await.unwrap().into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["recording.json", "tracks/TR_1-1.mp4"], "bob's own track stays");
    assert_eq!(archive.house.store.recording(id).await.unwrap().unwrap().started_by, Some(alias));
    archive.recordings.set_hold(held, false).await.unwrap();
    archive.house.until("what was on hold goes when the hold is over", async |_| archive.objects().await == 4).await;
    // Nobody is left in the first call: the recording goes with it.
    archive.house.handle.erase_user(&user("bob")).await.unwrap();
    archive.is(id, RecordingStatus::Deleted).await;
    archive.house.until("its objects are gone", async |_| archive.objects().await == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_erased_before_it_was_in_storage_never_gets_there() {
    let dir = tempfile::tempdir().unwrap();
    let archive = Archive::open_with(dir.path(), |_| {}, Some(Arc::new(Composer(AtomicUsize::new(1)))), None).await;
    let call = archive.past_call("ann", "bob").await;
    let id = archive.begin(call, "ann").await;
    archive.record(id, call, &["ann", "bob"]);
    archive.house.handle.erase_user(&user("bob")).await.unwrap();
    archive.stop(id).await;
    archive.is(id, RecordingStatus::Completed).await;
    let names: Vec<String> = archive.recordings.files(id).await.unwrap().into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["recording.json", "tracks/TR_0-1.mp4"]);
    archive.house.until("the folder is gone", async |_| !archive.recordings.folder(id).exists()).await;
}

/// Writes down what it is asked to stop.
#[derive(Default)]
struct Stopper(AtomicU64);

#[async_trait]
impl StopRecorder for Stopper {
    async fn stop(&self, recording: &Recording, why: &'static str) {
        assert_eq!((recording.status, why), (RecordingStatus::Recording, "storage_full"));
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_refuses_and_a_full_disk_stops() {
    let dir = tempfile::tempdir().unwrap();
    let change = |settings: &mut RecordingSettings| {
        settings.most_user_bytes = Some(1_000_000);
        settings.most_bytes = Some(100_000_000);
    };
    let archive = Archive::open_with(dir.path(), change, None, None).await;
    archive.recordings.admit(None, Some(&user("ann"))).await.unwrap();
    let (_, id) = archive.kept("ann", "bob").await;
    assert_eq!(archive.recordings.admit(None, Some(&user("ann"))).await, Err(RecordingRefusal::Quota));
    archive.recordings.admit(None, Some(&user("bob"))).await.unwrap();
    archive.recordings.delete(id).await.unwrap();
    archive.recordings.admit(None, Some(&user("ann"))).await.unwrap();
    archive.house.handle.shutdown().await;
    archive.house.store.close().await;
    drop(archive);

    let dir = tempfile::tempdir().unwrap();
    let stopper = Arc::new(Stopper::default());
    let change = |settings: &mut RecordingSettings| settings.disk_reserve = u64::MAX;
    let archive = Archive::open_with(dir.path(), change, None, Some(Arc::clone(&stopper) as _)).await;
    assert_eq!(archive.recordings.admit(None, None).await, Err(RecordingRefusal::DiskFull));
    let call = archive.past_call("ann", "bob").await;
    archive.begin(call, "ann").await;
    archive.house.until("it was stopped", async |_| stopper.0.load(Ordering::SeqCst) > 0).await;
}
