//! Files into storage and out of it: a folder, a bucket of a real S3 server, sealed and plain, with everything that can go wrong on the
//! way.

mod support;

use std::process::Command;
use std::sync::Arc;

use futures_util::TryStreamExt;
use model::Secret;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use storage::{Backend, FileId, Folder, Identity, Keys, ObjectKey, Storage, StorageError, Stored};
use support::{Broken, Fault, S3Server};
use uuid::Uuid;

const PART: u64 = 5 << 20;

fn key() -> ObjectKey {
    let recording = model::RecordingId(Uuid::now_v7());
    ObjectKey { recording, file: FileId::of(recording, "tracks/TR_a-1.mp4") }
}

fn noise(length: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(length as u64);
    let mut bytes = vec![0; length];
    rng.fill(&mut bytes);
    bytes
}

async fn read(storage: &Storage, key: &ObjectKey, stored: &Stored, range: std::ops::Range<u64>) -> Vec<u8> {
    let pieces = storage.read(key, stored, range).await.expect("readable");
    pieces.try_collect::<Vec<_>>().await.expect("whole").concat()
}

fn keys(secret: &Secret<String>) -> Keys {
    Keys::parse(secret.reveal()).expect("an identity")
}

/// A file of that length, put into storage through `backend`; what comes back is compared, whole and in pieces around every border.
async fn goes_in_and_comes_out(backend: Arc<dyn Backend>, length: usize, sealed: bool) {
    let dir = tempfile::tempdir().unwrap();
    let (file, note) = (dir.path().join("file"), dir.path().join("note"));
    let bytes = noise(length);
    std::fs::write(&file, &bytes).unwrap();
    let keys = if sealed { keys(&Identity::make().unwrap().1) } else { Keys::default() };
    let storage = Storage::new(backend, keys).with_parts(PART);
    let key = key();
    let stored = storage.put_file(&key, &file, &note).await.unwrap();
    assert_eq!((stored.size, stored.is_sealed), (length as u64, sealed));
    assert!(!note.exists() && file.exists(), "the note is gone, the file is the caller's");
    assert!(read(&storage, &key, &stored, 0..stored.size).await == bytes);
    let size = length as u64;
    let borders = [0, 1, 15, 65_535, 65_536, 65_537, 131_072, PART - 1, PART, PART + 1, size.saturating_sub(1), size];
    for from in borders.iter().copied().filter(|at| *at <= size) {
        for to in borders.iter().copied().filter(|at| *at >= from && *at <= size && *at - from <= 200_000) {
            assert!(read(&storage, &key, &stored, from..to).await == bytes[from as usize..to as usize], "{from}..{to}");
        }
    }
    assert_eq!(storage.list().await.unwrap().iter().filter(|(found, _)| *found == key).count(), 1);
    storage.delete(&key).await.unwrap();
    storage.delete(&key).await.unwrap();
    assert!(matches!(storage.read(&key, &stored, 0..1).await, Err(StorageError::Missing)));
}

#[tokio::test]
async fn a_folder_gives_back_what_it_got() {
    let dir = tempfile::tempdir().unwrap();
    let folder: Arc<dyn Backend> = Arc::new(Folder::open(dir.path()).unwrap());
    for length in [0, 1, 65_536, 200_000, 11_000_000] {
        for sealed in [false, true] {
            goes_in_and_comes_out(Arc::clone(&folder), length, sealed).await;
        }
    }
}

#[tokio::test]
async fn a_bucket_gives_back_what_it_got() {
    let server = S3Server::start().await;
    for prefix in ["", "calls/eu"] {
        let bucket: Arc<dyn Backend> = Arc::new(server.bucket(prefix));
        for (length, sealed) in [(1, false), (200_000, true), (11_000_000, false), (11_000_000, true)] {
            goes_in_and_comes_out(Arc::clone(&bucket), length, sealed).await;
        }
        Storage::new(bucket, Keys::default()).try_out().await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_a_server_that_is_not_there_is_away() {
    let server = S3Server::start().await;
    let settings = storage::S3Settings { secret_access_key: Secret::new("wrong".to_owned()), ..server.settings("") };
    let storage = Storage::new(Arc::new(storage::S3::open(&settings).unwrap()), Keys::default());
    let refused = storage.try_out().await;
    assert!(matches!(&refused, Err(StorageError::Refused(text)) if !text.contains("wrong")), "{refused:?}");
    let nowhere = storage::S3Settings { endpoint: Some("http://127.0.0.1:1".to_owned()), ..server.settings("") };
    let storage = Storage::new(Arc::new(storage::S3::open(&nowhere).unwrap()), Keys::default());
    assert!(matches!(storage.try_out().await, Err(StorageError::Away(_))));
}

/// Fails at every step once, as before and as after it was done. The next try gets on, and sends no part again that had arrived.
#[tokio::test]
async fn an_upload_goes_on_where_it_was_interrupted() {
    for on_s3 in [false, true] {
        let server = S3Server::start().await;
        let dir = tempfile::tempdir().unwrap();
        let (file, note) = (dir.path().join("file"), dir.path().join("note"));
        let bytes = noise(3 * PART as usize + 100);
        std::fs::write(&file, &bytes).unwrap();
        let secret = Identity::make().unwrap().1;
        for fault in [Fault::Before, Fault::After] {
            for step in 0..8 {
                let inner: Arc<dyn Backend> = if on_s3 {
                    Arc::new(server.bucket(""))
                } else {
                    Arc::new(Folder::open(dir.path().join("storage")).unwrap())
                };
                let broken = Arc::new(Broken::new(inner, step, fault));
                let key = key();
                // A new storage each time, as after a restart.
                let storage = || Storage::new(Arc::clone(&broken) as _, keys(&secret)).with_parts(PART);
                let mut tries = 0;
                let stored = loop {
                    tries += 1;
                    match storage().put_file(&key, &file, &note).await {
                        Ok(stored) => break stored,
                        Err(error) => assert!(matches!(error, StorageError::Away(_)) && tries < 4, "{error:?}"),
                    }
                };
                let count = broken.asked("put_part");
                // One that failed after it was done is sent again, since nobody has heard that it was.
                assert!((4..=5).contains(&count) || tries > 2, "{fault:?} at {step}: {count} parts for 4");
                assert!(read(&storage(), &key, &stored, 0..stored.size).await == bytes, "{fault:?} at {step}");
                assert!(!note.exists());
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_goes_away_and_comes_back_gets_the_rest() {
    let mut server = S3Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (file, note) = (dir.path().join("file"), dir.path().join("note"));
    let bytes = noise(3 * PART as usize + 100);
    std::fs::write(&file, &bytes).unwrap();
    // The beginning and two parts arrive before the third is lost.
    let broken = Arc::new(Broken::new(Arc::new(server.bucket("")), 3, Fault::Before));
    let storage = Storage::new(Arc::clone(&broken) as _, Keys::default()).with_parts(PART);
    let key = key();
    assert!(matches!(storage.put_file(&key, &file, &note).await, Err(StorageError::Away(_))));
    server.stop().await;
    for _ in 0..2 {
        let away = storage.put_file(&key, &file, &note).await;
        assert!(matches!(away, Err(StorageError::Away(_))), "{away:?}");
    }
    server.go_on().await;
    let before = broken.asked("put_part");
    let stored = storage.put_file(&key, &file, &note).await.unwrap();
    assert_eq!(broken.asked("put_part") - before, 2, "what had arrived is not sent again");
    assert!(read(&storage, &key, &stored, 0..stored.size).await == bytes);
}

#[test]
fn waits_grow_to_a_minute_and_never_end() {
    let mut backoff = storage::Backoff::default();
    let waits: Vec<u64> = (0..10).map(|_| backoff.wait().as_millis() as u64).collect();
    assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
}

#[tokio::test]
async fn what_is_damaged_is_noticed_before_anyone_relies_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let (file, note) = (dir.path().join("file"), dir.path().join("note"));
    std::fs::write(&file, noise(300_000)).unwrap();
    let folder: Arc<dyn Backend> = Arc::new(Folder::open(dir.path().join("storage")).unwrap());
    for secret in [None, Some(Identity::make().unwrap().1)] {
        let storage = |backend: &Arc<dyn Backend>| {
            Storage::new(Arc::clone(backend), secret.as_ref().map(keys).unwrap_or_default())
        };
        let lying: Arc<dyn Backend> = Arc::new(Broken::new(Arc::clone(&folder), 0, Fault::Flip));
        let key = key();
        let refused = storage(&lying).put_file(&key, &file, &note).await;
        assert!(matches!(refused, Err(StorageError::Damaged(_))), "{refused:?}");
        assert_eq!(folder.list().await.unwrap(), [], "what is damaged does not stay");
        let stored = storage(&folder).put_file(&key, &file, &note).await.unwrap();
        storage(&folder).verify(&key, &stored).await.unwrap();
        let path = dir.path().join("storage").join(key.to_string());
        let good = std::fs::read(&path).unwrap();
        for damage in
            [&good[..good.len() - 1], &[&good[..], b"x"].concat(), &[&good[..good.len() - 9], b"damaged!x"].concat()]
        {
            std::fs::write(&path, damage).unwrap();
            let seen = storage(&folder).verify(&key, &stored).await;
            assert!(matches!(seen, Err(StorageError::Damaged(_))), "{seen:?}");
        }
        folder.delete(&key).await.unwrap();
    }
    let other = Storage::new(Arc::clone(&folder), keys(&Identity::make().unwrap().1));
    let stored = other.put_file(&key(), &dir.path().join("gone"), &note).await;
    assert!(matches!(stored, Err(StorageError::Source { .. })), "{stored:?}");
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
    let stored = other.put_file(&key(), &dir.path().join("link"), &note).await;
    assert!(matches!(stored, Err(StorageError::Source { .. })), "a link is not followed: {stored:?}");
}

#[test]
fn any_range_of_any_file_is_what_the_file_has_there() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let folder: Arc<dyn Backend> = Arc::new(Folder::open(dir.path().join("storage")).unwrap());
    let (file, note) = (dir.path().join("file"), dir.path().join("note"));
    let secret = Identity::make().unwrap().1;
    let mut runner = TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
    let near = prop_oneof![0u64..400_000, (0u64..6).prop_map(|n| n * 65_536), (0u64..6).prop_map(|n| n * 65_536 + 1)];
    let given = (near.clone(), near.clone(), near, any::<bool>());
    runner
        .run(&given, |(length, from, to, sealed)| {
            let bytes = noise(length as usize);
            std::fs::write(&file, &bytes).unwrap();
            let keys = if sealed { keys(&secret) } else { Keys::default() };
            let storage = Storage::new(Arc::clone(&folder), keys);
            let (from, to) = (from.min(to).min(length), from.max(to).min(length));
            let key = key();
            let seen = runtime.block_on(async {
                let stored = storage.put_file(&key, &file, &note).await.unwrap();
                read(&storage, &key, &stored, from..to).await
            });
            prop_assert!(seen == bytes[from as usize..to as usize], "{from}..{to} of {length}");
            Ok(())
        })
        .unwrap();
}

/// Debian's `age` is the judge, both ways. `scripts/setup-test` installs it.
#[tokio::test]
async fn debians_age_opens_what_is_stored() {
    if Command::new("age").arg("--version").output().is_err() {
        eprintln!("SKIPPED debians_age_opens_what_is_stored: `age` is not installed (scripts/setup-test does it)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new("age-keygen").output().unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    let identity = dir.path().join("key.txt");
    std::fs::write(&identity, &text).unwrap();
    let keys = Keys::parse(&text).expect("what age-keygen prints, notes and all");
    let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    assert_eq!(keys.recipient().as_deref(), Some(recipient));
    let folder: Arc<dyn Backend> = Arc::new(Folder::open(dir.path().join("storage")).unwrap());
    let storage = Storage::new(Arc::clone(&folder), keys).with_parts(PART);
    let (file, note) = (dir.path().join("file"), dir.path().join("note"));
    for length in [0, 5, 65_535, 65_536, 65_537, 12_000_000] {
        let bytes = noise(length);
        std::fs::write(&file, &bytes).unwrap();
        let key = key();
        let stored = storage.put_file(&key, &file, &note).await.unwrap();
        let object = dir.path().join("storage").join(key.to_string());
        let opened = Command::new("age").args(["-d", "-i"]).arg(&identity).arg(&object).output().unwrap();
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        assert!(opened.stdout == bytes, "{length}");
        // The other way: what age seals, for two recipients, is read by us.
        let other = String::from_utf8(Command::new("age-keygen").output().unwrap().stdout).unwrap();
        let other = other.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
        let sealed = Command::new("age").args(["-r", other, "-r", recipient, "-o"]).arg(&object).arg(&file).status();
        assert!(sealed.unwrap().success());
        assert!(read(&storage, &key, &stored, 0..stored.size).await == bytes, "{length}");
    }
}

#[tokio::test]
async fn after_a_change_of_keys_old_files_open_and_new_ones_are_sealed_with_the_new_key() {
    let dir = tempfile::tempdir().unwrap();
    let folder: Arc<dyn Backend> = Arc::new(Folder::open(dir.path().join("storage")).unwrap());
    let (file, note) = (dir.path().join("file"), dir.path().join("note"));
    std::fs::write(&file, "old").unwrap();
    let (old, new) = (Identity::make().unwrap().1, Identity::make().unwrap().1);
    let (first, second) = (key(), key());
    let before = Storage::new(Arc::clone(&folder), keys(&old)).put_file(&first, &file, &note).await.unwrap();
    let both = Keys::parse(&format!("{}\n{}", new.reveal(), old.reveal())).unwrap();
    let storage = Storage::new(Arc::clone(&folder), both);
    let after = storage.put_file(&second, &file, &note).await.unwrap();
    assert!(
        read(&storage, &first, &before, 0..3).await == b"old" && read(&storage, &second, &after, 0..3).await == b"old"
    );
    let with_new_alone = Storage::new(folder, keys(&new));
    assert!(read(&with_new_alone, &second, &after, 0..3).await == b"old");
    assert!(matches!(with_new_alone.read(&first, &before, 0..3).await, Err(StorageError::Damaged(_))));
}
