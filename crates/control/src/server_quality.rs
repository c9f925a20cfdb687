//! What the server itself measures of each participant's connection: a selection for the store. The averages in the
//! call include all of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use call::{Answer, Command};
use model::{CallId, Timestamp, UserId};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::follow::Follow;
use crate::handle::ControlError;
use crate::measure::{QualitySample, QualitySource};
use crate::store::Store;

/// One report of a participant in so long is kept: rooms measure every few seconds, and the database is for more than that.
const EVERY: Duration = Duration::from_secs(30);
/// Participants remembered before those of whom nothing came lately are forgotten.
const REMEMBERED: usize = 4_096;

/// Chooses what is kept, and keeps it.
pub(crate) struct ServerQuality {
    store: Arc<dyn Store>,
    follow: Follow,
    clock: Arc<Clock>,
    kept: BTreeMap<(CallId, UserId), Timestamp>,
}

impl ServerQuality {
    pub fn new(store: Arc<dyn Store>, follow: Follow, clock: Arc<Clock>) -> Self {
        Self { store, follow, clock, kept: BTreeMap::new() }
    }

    /// The report to keep of a command that the media side brought about.
    pub fn choose(&mut self, command: &Command) -> Option<(CallId, QualitySample)> {
        let Command::Quality { call, user, reports, by_server: true } = command else { return None };
        let now = self.clock.now();
        let report = reports.last().filter(|report| report.band().is_some())?;
        let due = |kept: &Timestamp| now.since(*kept) >= EVERY;
        if self.kept.get(&(*call, user.clone())).is_some_and(|kept| !due(kept)) {
            return None;
        }
        if self.kept.len() >= REMEMBERED {
            self.kept.retain(|_, kept| !due(kept));
        }
        self.kept.insert((*call, user.clone()), now);
        Some((*call, sample(now, user.clone(), *report)))
    }

    /// Keeps it where the call has taken it.
    pub fn keep(
        &self,
        (call, sample): (CallId, QualitySample),
        answer: oneshot::Receiver<Result<Answer, ControlError>>,
    ) {
        let (store, follow) = (Arc::clone(&self.store), self.follow.clone());
        tokio::spawn(async move {
            if !matches!(answer.await, Ok(Ok(_))) {
                return;
            }
            follow.caught_up().await;
            if let Err(error) = store.put_quality(call, &[sample]).await {
                tracing::debug!(%error, %call, "cannot store the server's own measurements");
            }
        });
    }
}

fn sample(at: Timestamp, user: UserId, report: call::QualityReport) -> QualitySample {
    QualitySample {
        at,
        user,
        source: QualitySource::Server,
        band: report.band(),
        report,
        bitrate_up: None,
        bitrate_down: None,
        frame_width: None,
        frame_height: None,
        frames_per_second: None,
        frames_dropped: None,
        audio_codec: None,
        video_codec: None,
    }
}
