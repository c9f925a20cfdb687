//! Puts the control plane together.

use std::sync::Arc;

use call::{CallSnapshot, Switchboard};
use model::Timestamp;
use tokio::sync::{Mutex, broadcast, mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::disk::{Disk, LocalDisk};
use crate::follow::follow;
use crate::handle::{ControlError, Handle, Settings, Shared};
use crate::journal::Journal;
use crate::log_throttle::LogThrottle;
use crate::media::{MediaNotices, MediaPlane};
use crate::refused::Refused;
use crate::rooms::{self, Rooms};
use crate::roster::Roster;
use crate::server_quality::ServerQuality;
use crate::store::{Store, StoreError};
use crate::store_writer::{StoreWriter, look_after};
use crate::switchboard_thread::{Job, Restored, SwitchboardThread, Work};
use crate::trouble::Health;

/// Commands that may wait; whoever comes after waits too.
const WAITING: usize = 1_024;
/// Events that a slow listener may be behind before it has to resynchronise its clients.
const NOTICES: usize = 16_384;
/// The same of recordings.
const RECORDINGS: usize = 1_024;

/// Starts the control plane.
#[derive(Debug)]
pub struct Control;

impl Control {
    /// Opens the journal, replays it into the store, restores running calls, starts the call thread and the store writer.
    /// `media_notices` is what the workers say; `media` is what they can be asked.
    pub async fn start(
        settings: Settings,
        store: Arc<dyn Store>,
        media: Arc<dyn MediaPlane>,
        media_notices: impl Into<MediaNotices>,
    ) -> Result<Handle, ControlError> {
        Self::start_on(Arc::new(LocalDisk), settings, store, media, media_notices).await
    }

    /// The same with the journal on a disk of the caller's.
    pub async fn start_on(
        disk: Arc<dyn Disk>,
        settings: Settings,
        store: Arc<dyn Store>,
        media: Arc<dyn MediaPlane>,
        media_notices: impl Into<MediaNotices>,
    ) -> Result<Handle, ControlError> {
        let (mut journal, mut reader) = Journal::open(&settings.journal_dir, Arc::clone(&disk))
            .map_err(|error| ControlError::Journal(error.to_string()))?;
        let node = journal.node();
        let applied = store.applied(node).await?;
        journal.go_on_after(applied);
        reader.go_back(applied);
        let (clock, health) = (Arc::new(Clock::new()), Arc::new(Health::default()));
        let mut writer = StoreWriter {
            store: Arc::clone(&store),
            node,
            reader,
            refused: Refused::new(&settings.journal_dir, disk),
            applied,
            health: Arc::clone(&health),
            clock: Arc::clone(&clock),
            prune_log: LogThrottle::default(),
            linger: settings.linger,
        };
        writer.catch_up(journal.last()).await?;
        let restored = Restored { channels: store.channels(None).await?, calls: running_calls(&*store).await? };

        let (jobs, waiting) = mpsc::channel(WAITING);
        let (notices, _) = broadcast::channel(NOTICES);
        let (recording_changes, _) = broadcast::channel(RECORDINGS);
        let (recording_notices, _) = broadcast::channel(RECORDINGS);
        let (rooms, refused) = Rooms::start(Arc::clone(&media));
        let (durable, durable_seen) = watch::channel(journal.last());
        let (follow, follower) = follow(durable_seen.clone(), Arc::clone(&health));
        let thread = SwitchboardThread {
            switchboard: Switchboard::new(settings.call, settings.seed),
            roster: Roster::default(),
            journal,
            clock: Arc::clone(&clock),
            notices: notices.clone(),
            recording_changes: recording_changes.clone(),
            rooms: Arc::clone(&rooms),
            durable,
            health: Arc::clone(&health),
            work: Work::default(),
        };
        thread
            .start(restored, waiting)
            .map_err(|error| ControlError::Journal(format!("cannot start the switchboard's thread: {error}")))?;
        tokio::spawn(writer.run(follower));
        let look_after = look_after(Arc::clone(&store), Arc::clone(&health), Arc::clone(&clock), durable_seen);
        tokio::spawn(look_after);
        let sweep = crate::measure::sweep(Arc::clone(&store), Arc::clone(&clock), settings.keep_quality);
        tokio::spawn(sweep);
        let server_quality = ServerQuality::new(Arc::clone(&store), follow.clone(), Arc::clone(&clock));
        let heard = recording_notices.clone();
        tokio::spawn(rooms::listen(rooms, media_notices.into(), refused, heard, jobs.clone(), server_quality));
        ready(&jobs).await?;
        Ok(Handle {
            shared: Arc::new(Shared {
                jobs,
                notices,
                recording_changes,
                recording_notices,
                clock,
                store,
                media,
                follow,
                health,
                node,
                strict_users: settings.strict_users,
                channel_writes: Mutex::new(()),
            }),
        })
    }
}

/// Running calls, each with the last moment it is known to have run.
async fn running_calls(store: &dyn Store) -> Result<Vec<(CallSnapshot, Timestamp)>, StoreError> {
    let mut calls = Vec::new();
    for call in store.running_calls().await? {
        let seen = store.events(call.id).await?.last().map_or(call.created_at, |event| event.at);
        calls.push((call, seen));
    }
    Ok(calls)
}

/// Waits until the thread has taken up what there was.
async fn ready(jobs: &mpsc::Sender<Job>) -> Result<(), ControlError> {
    let (tell, told) = oneshot::channel();
    let question = Job::Read(Box::new(move |_, _| {
        Box::new(move || {
            let _ = tell.send(());
        })
    }));
    jobs.send(question).await.map_err(|_| ControlError::Stopping)?;
    told.await.map_err(|_| ControlError::Stopping)
}
