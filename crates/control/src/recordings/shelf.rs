//! From the recorder's folder into storage, in the background, one recording at a time. Nothing is removed from the folder before all of
//! it is in storage, read back, and known to the store; whatever fails is tried again for as long as it takes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Weak;
use std::time::Duration;

use model::{RecordingFormat, RecordingId, RecordingPolicy, RecordingStatus, UserId};
use storage::{Backoff, ObjectKey, SpoolName, Storage, StorageError, Stored};
use tokio::sync::{mpsc, watch};

use super::folder::{self, Manifest, Story};
use super::records::{FileKind, Recording, RecordingChange, RecordingFile, RecordingOrigin, TrackInfo};
use super::{Composed, RecordingEventKind, RecordingRefusal, Shared, UPLOAD, key};
use crate::handle::ControlError;
use crate::log_throttle::LogThrottle;
use crate::privacy::ALIAS;

/// A file that cannot be read may be so for good: after so many tries the rest goes into storage without it.
const TRIES_OF_A_FILE: u32 = 5;

/// What the shelf ends with when the server stops.
struct Stopping;

/// Takes up what was left, then what comes. `folders`: those that an earlier run has left.
pub(super) async fn run(
    shared: Weak<Shared>,
    folders: Vec<RecordingId>,
    mut waiting: mpsc::UnboundedReceiver<RecordingId>,
) {
    let mut left = BTreeSet::new();
    if let Some(shared) = shared.upgrade() {
        left = take_up(&shared, folders).await;
    }
    loop {
        let next = match left.pop_first() {
            Some(id) => Some(id),
            None => waiting.recv().await,
        };
        let Some(id) = next else { return };
        if shelve_at_last(&shared, id).await.is_err() {
            return;
        }
    }
}

/// What an earlier run has left and nobody records into any more.
async fn take_up(shared: &Shared, folders: Vec<RecordingId>) -> BTreeSet<RecordingId> {
    let mut left = BTreeSet::new();
    for id in folders {
        if is_left(shared, id, &shared.folder(id)).await {
            left.insert(id);
        }
    }
    // Rows without a folder: there is nothing to wait for.
    let unfinished = shared.store.unfinished_recordings().await.unwrap_or_default();
    left.extend(unfinished.iter().filter(|row| row.status == RecordingStatus::Processing).map(|row| row.id));
    if !left.is_empty() {
        tracing::info!(recordings = left.len(), "going on with recordings that were left");
    }
    left
}

async fn is_left(shared: &Shared, id: RecordingId, path: &Path) -> bool {
    let row = match shared.store.recording(id).await {
        Ok(row) => row,
        // The next start looks again.
        Err(error) => {
            tracing::error!(recording = %id, %error, "cannot look up a recording that was left");
            return false;
        }
    };
    match row.map(|row| (row.status, row.call)) {
        Some((status, call)) if status.is_running() => {
            // The media side goes on with those of calls that run on.
            let running = match call {
                Some(call) => shared.handle.running_call(call).await.ok().flatten().is_some(),
                None => false,
            };
            !running && {
                let length = Story::read(path).length_ms;
                let at = Manifest::read(path)
                    .map_or(shared.handle.now(), |manifest| manifest.started_at() + Duration::from_millis(length));
                let change = RecordingChange::Stopped { at, duration_ms: Some(length), size_bytes: 0 };
                shared.change(id, &change).await.is_ok()
            }
        }
        Some((RecordingStatus::Deleted, _)) => {
            if let Err(error) = folder::remove(path) {
                tracing::warn!(recording = %id, %error, "cannot remove the folder of a deleted recording");
            }
            false
        }
        Some(_) => true,
        None => adopt(shared, id, path).await,
    }
}

/// A folder that the store knows nothing of: the store was away when it began, or is an older copy.
async fn adopt(shared: &Shared, id: RecordingId, path: &Path) -> bool {
    let Some(manifest) = Manifest::read(path) else {
        // An upload that never became whole.
        if let Err(error) = folder::remove(path) {
            tracing::warn!(recording = %id, %error, "cannot remove what an interrupted upload left");
        }
        return false;
    };
    let call = manifest.call();
    if let Some(call) = call
        && shared.handle.running_call(call).await.ok().flatten().is_some()
    {
        // The media side goes on with it.
        return false;
    }
    let length = Story::read(path).length_ms;
    let snapshot = match call {
        Some(call) => shared.store.call(call).await.ok().flatten(),
        None => None,
    };
    let recording = Recording {
        id,
        call,
        channel: snapshot.and_then(|call| call.channel),
        room: manifest.room.clone(),
        origin: RecordingOrigin::Server,
        status: RecordingStatus::Processing,
        started_by: None,
        started_at: manifest.started_at(),
        ended_at: Some(manifest.started_at() + Duration::from_millis(length)),
        duration_ms: Some(length),
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
    };
    tracing::warn!(recording = %id, "found a recording that the store did not know");
    shared.store.put_recording(&recording).await.is_ok()
}

/// Tries until it is done. The error: the server stops.
async fn shelve_at_last(shared: &Weak<Shared>, id: RecordingId) -> Result<(), Stopping> {
    let (mut backoff, mut throttle, mut tries) = (Backoff::default(), LogThrottle::default(), 0);
    loop {
        let this = shared.upgrade().ok_or(Stopping)?;
        tries += 1;
        match shelve(&this, id, tries > TRIES_OF_A_FILE).await {
            Ok(()) => {
                if throttle.reset() {
                    tracing::info!(recording = %id, "a recording is in storage at last");
                }
                return Ok(());
            }
            Err(error) => {
                if throttle.due() {
                    tracing::error!(recording = %id, %error, "cannot put a recording into storage; it stays in its folder, and is tried again");
                }
            }
        }
        drop(this);
        tokio::time::sleep(backoff.wait()).await;
    }
}

async fn shelve(shared: &Shared, id: RecordingId, give_up_files: bool) -> Result<(), RecordingRefusal> {
    let Some(recording) = shared.store.recording(id).await? else { return Ok(()) };
    let path = shared.folder(id);
    match recording.status {
        RecordingStatus::Deleted => {
            folder::remove(&path).map_err(|error| unreadable(&path, &error))?;
            return Ok(());
        }
        // It goes on; its end brings it back here.
        RecordingStatus::Starting | RecordingStatus::Recording | RecordingStatus::Paused => return Ok(()),
        RecordingStatus::Completed | RecordingStatus::Failed if !path.exists() => return Ok(()),
        RecordingStatus::Processing | RecordingStatus::Completed | RecordingStatus::Failed => {}
    }
    let names = storage::spooled(&path).map_err(|error| unreadable(&path, &error))?;
    let story = Story::read(&path);
    let known = shared.store.recording_files(id).await?;
    let erased = erased(shared, &recording, &story).await?;
    let mut lost = Vec::new();
    for name in &names {
        let track = story.track(name);
        let is_of_erased = track.as_ref().and_then(|info| info.user.as_ref()).is_some_and(|user| erased.contains(user));
        // The log names everyone.
        if is_of_erased || (!erased.is_empty() && name.as_str() == SpoolName::EVENTS) {
            continue;
        }
        let kind = match name.as_str() {
            SpoolName::MANIFEST => FileKind::Manifest,
            SpoolName::EVENTS => FileKind::Events,
            _ => FileKind::Track,
        };
        let one = One { recording: id, kind, name: name.as_str(), track };
        match keep(shared, &path, &path.join(name.as_str()), one, &known).await {
            Err(RecordingRefusal::Storage(StorageError::Source { path, reason })) if give_up_files => {
                tracing::error!(path = %path.display(), reason, "a file of a recording cannot be read: the rest is kept without it");
                lost.push(name.to_string());
            }
            done => done?,
        }
    }
    let uploaded = path.join(UPLOAD);
    if uploaded.exists() {
        let one = One { recording: id, kind: FileKind::Uploaded, name: UPLOAD, track: None };
        keep(shared, &path, &uploaded, one, &known).await?;
    }
    if !names.is_empty() && erased.is_empty() {
        compose(shared, &recording, &path, &known).await?;
    }
    if !lost.is_empty() {
        let message = format!("{} of {} files could not be read", lost.len(), names.len());
        let at = shared.handle.now();
        shared.change(id, &RecordingChange::Failed { at, code: "files_lost".to_owned(), message }).await?;
    } else if names.is_empty() && !shared.has_files(id).await? && recording.error.is_none() {
        let (at, message) = (shared.handle.now(), "the recording has no files".to_owned());
        shared.change(id, &RecordingChange::Failed { at, code: "nothing_recorded".to_owned(), message }).await?;
    }
    finish(shared, id, &path, lost.is_empty()).await
}

/// Those in a call's recording who were erased meanwhile: nothing of theirs goes into storage, and nothing that shows or names them. An
/// alias has their place in the call. Someone whom the store does not know without that is only late, since it follows the journal.
async fn erased(shared: &Shared, recording: &Recording, story: &Story) -> Result<Vec<UserId>, RecordingRefusal> {
    // In a room that is no call's, nobody has to be a user.
    let Some(call) = recording.call else { return Ok(Vec::new()) };
    shared.handle.wait_for_store().await;
    let Some(call) = shared.store.call(call).await? else { return Ok(Vec::new()) };
    let aliases = call.participants.iter().filter(|part| part.user.as_str().starts_with(ALIAS)).count();
    if aliases == 0 {
        return Ok(Vec::new());
    }
    let mut users = story.users();
    let known = shared.store.users(&users).await?;
    users.retain(|user| call.participant(user).is_none() && !known.iter().any(|known| known.id == *user));
    if users.len() > aliases {
        // Some of them are late, and it cannot be told who.
        return Err(ControlError::Unavailable("the store has not followed the call yet").into());
    }
    Ok(users)
}

/// All is in storage: says so, and only then removes the folder.
async fn finish(shared: &Shared, id: RecordingId, path: &Path, remove: bool) -> Result<(), RecordingRefusal> {
    let Some(recording) = shared.store.recording(id).await? else { return Ok(()) };
    let expires_at = shared.expiry(&recording).await?;
    let kept = shared.change(id, &RecordingChange::Kept { expires_at }).await?;
    if remove {
        folder::remove(path).map_err(|error| unreadable(path, &error))?;
    }
    if let Some(recording) = kept {
        tracing::info!(recording = %id, bytes = recording.size_bytes, status = %recording.status, "a recording is in storage");
        if recording.status == RecordingStatus::Completed {
            shared.tell(recording, RecordingEventKind::Completed);
        }
    }
    Ok(())
}

async fn compose(
    shared: &Shared,
    recording: &Recording,
    path: &Path,
    known: &[RecordingFile],
) -> Result<(), RecordingRefusal> {
    let Some(composer) = &shared.composer else { return Ok(()) };
    if known.iter().any(|file| file.kind == FileKind::Composed) {
        return Ok(());
    }
    let (progress, mut seen) = watch::channel(0);
    let composed = {
        let said = async {
            while seen.changed().await.is_ok() {
                let percent = *seen.borrow_and_update();
                // It is for those who watch: the next one may get through.
                let _ = shared.change(recording.id, &RecordingChange::Progress(Some(percent.min(100)))).await;
            }
        };
        tokio::join!(composer.compose(recording, path, progress), said).0
    };
    match composed {
        Ok(Some(Composed { path: file, layout, resolution, format })) => {
            let name = format!("composed.{format}");
            let one = One { recording: recording.id, kind: FileKind::Composed, name: &name, track: None };
            keep(shared, path, &file, one, known).await?;
            shared.change(recording.id, &RecordingChange::Composed { layout, resolution, format }).await?;
        }
        Ok(None) => {}
        // The tracks are what matters: they are kept, and can be composed later.
        Err(message) => {
            tracing::error!(recording = %recording.id, message, "a recording could not be composed; its tracks are kept");
        }
    }
    shared.change(recording.id, &RecordingChange::Progress(None)).await?;
    Ok(())
}

/// A file on its way.
struct One<'a> {
    recording: RecordingId,
    kind: FileKind,
    name: &'a str,
    track: Option<TrackInfo>,
}

/// Puts one file into storage and its row into the store, unless it was done before.
async fn keep(
    shared: &Shared,
    folder: &Path,
    path: &Path,
    one: One<'_>,
    known: &[RecordingFile],
) -> Result<(), RecordingRefusal> {
    let object = key(one.recording, one.name);
    let length = std::fs::symlink_metadata(path).map_err(|error| unreadable(path, &error))?.len();
    if known.iter().any(|file| file.id == object.file && file.stored.size == length) {
        return Ok(());
    }
    let note = folder.join(format!("{}.upload", object.file));
    let stored = put(&shared.storage, &object, path, &note).await?;
    let file = RecordingFile {
        id: object.file,
        recording: one.recording,
        kind: one.kind,
        name: one.name.to_owned(),
        stored,
        track: one.track,
        stored_at: shared.handle.now(),
    };
    Ok(shared.store.put_recording_file(&file).await?)
}

async fn put(storage: &Storage, object: &ObjectKey, path: &Path, note: &Path) -> Result<Stored, StorageError> {
    storage.put_file(object, path, note).await
}

fn unreadable(path: &Path, error: &std::io::Error) -> RecordingRefusal {
    StorageError::Source { path: path.to_owned(), reason: error.to_string() }.into()
}

impl Shared {
    async fn has_files(&self, id: RecordingId) -> Result<bool, RecordingRefusal> {
        Ok(!self.store.recording_files(id).await?.is_empty())
    }
}
