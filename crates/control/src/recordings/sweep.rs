//! Deletes what is to be deleted: recordings whose time is over, and files that the storage still has of those that were deleted. Stops
//! recordings when the disk is almost full.

use std::sync::Weak;
use std::time::Duration;

use super::{RecordingEventKind, RecordingRefusal, Shared};
use crate::log_throttle::LogThrottle;

/// So many at a time.
const SOME: usize = 100;
/// How often the disk is looked at while something is recorded.
const LOOK: Duration = Duration::from_secs(5);

/// Until the server stops.
pub(super) async fn run(shared: Weak<Shared>) {
    let mut throttle = LogThrottle::default();
    let mut since_sweep = Duration::MAX;
    loop {
        // Not held any longer than it takes: what holds it last ends this, too.
        let Some(this) = shared.upgrade() else { return };
        if since_sweep >= this.settings.sweep_every {
            since_sweep = Duration::ZERO;
            sweep(&this).await;
        }
        look_at_disk(&this, &mut throttle).await;
        let pause = LOOK.min(this.settings.sweep_every);
        let woken = tokio::time::timeout(pause, this.sweep.notified()).await.is_ok();
        since_sweep = if woken { Duration::MAX } else { since_sweep.saturating_add(pause) };
    }
}

async fn sweep(shared: &Shared) {
    match expire(shared).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(recordings = count, "deleted recordings whose time was over"),
        Err(error) => tracing::warn!(%error, "cannot look for recordings whose time is over"),
    }
    delete_files(shared).await;
}

async fn expire(shared: &Shared) -> Result<usize, RecordingRefusal> {
    let mut count = 0;
    loop {
        let due = shared.store.expired_recordings(shared.handle.now(), SOME).await?;
        if due.is_empty() {
            return Ok(count);
        }
        for id in due {
            match shared.doom(id, RecordingEventKind::Expired).await {
                Ok(_) => count += 1,
                // Someone was faster, one way or the other.
                Err(RecordingRefusal::NotFound | RecordingRefusal::Held) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Deletes the files that are to be deleted from storage; how many are left since it does not do it.
pub(super) async fn delete_files(shared: &Shared) -> usize {
    let (mut gone, mut bytes) = (0, 0);
    let left = loop {
        let doomed = match shared.store.doomed_files(SOME).await {
            Ok(doomed) => doomed,
            Err(error) => {
                tracing::warn!(%error, "cannot look for files to delete");
                break 0;
            }
        };
        if doomed.is_empty() {
            break 0;
        }
        let mut failed = 0;
        for file in &doomed {
            let deleted = shared.storage.delete(&file.key()).await.map_err(RecordingRefusal::from);
            let done = match deleted {
                Ok(()) => shared.store.forget_recording_file(file.id).await.map_err(RecordingRefusal::from),
                Err(error) => Err(error),
            };
            match done {
                Ok(()) => (gone, bytes) = (gone + 1, bytes + file.stored.size),
                Err(error) => {
                    if failed == 0 {
                        tracing::warn!(object = %file.key(), %error, "cannot delete a file from storage; it is tried again");
                    }
                    failed += 1;
                }
            }
        }
        if failed > 0 {
            break failed;
        }
    };
    if gone > 0 {
        tracing::info!(files = gone, bytes, "deleted files of recordings from storage");
    }
    left
}

async fn look_at_disk(shared: &Shared, throttle: &mut LogThrottle) {
    if !shared.is_disk_full() {
        throttle.reset();
        return;
    }
    let running = shared.store.unfinished_recordings().await.unwrap_or_default();
    for recording in running.iter().filter(|recording| recording.status.is_running()) {
        if throttle.due() {
            tracing::error!(recording = %recording.id, "the disk is almost full: recordings are stopped");
        }
        if let Some(stopper) = &shared.stopper {
            stopper.stop(recording, "storage_full").await;
        }
    }
}
