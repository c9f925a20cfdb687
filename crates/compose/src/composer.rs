//! Composing in the background: a bounded queue, one job at a time unless told otherwise, progress that anyone may watch.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::watch;

use crate::child::Stop;
use crate::job::{ComposeError, Composed, Job, compose};
use crate::options::Settings;

/// Composes recordings, in the order in which they were asked for. Dropping it stops what runs and keeps what is done.
#[derive(Debug)]
pub struct Composer {
    queue: Option<Sender<Task>>,
    all: Stop,
    threads: Vec<std::thread::JoinHandle<()>>,
}

/// A job that waits, runs or is over.
#[derive(Debug, Clone)]
pub struct Ticket {
    progress: watch::Receiver<Progress>,
    cancel: Stop,
}

/// How far a job is.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Others come first.
    Waiting,
    /// Percent, from 0 to 100.
    Running(u8),
    /// The file is there.
    Done(Arc<Composed>),
    /// There is none.
    Failed(Arc<ComposeError>),
}

/// Why a job was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many wait as may.
    #[error("too many recordings wait to be composed")]
    Busy,
}

#[derive(Debug)]
struct Task {
    job: Job,
    told: watch::Sender<Progress>,
    cancel: Stop,
}

impl Composer {
    /// Starts the threads that do the work.
    pub fn start(settings: Settings) -> Self {
        let (queue, tasks) = bounded(settings.waiting.max(1));
        let all = Stop::default();
        let settings = Arc::new(settings);
        let threads = (0..settings.at_once.max(1))
            .map(|_| {
                let (tasks, settings, all) = (tasks.clone(), settings.clone(), all.clone());
                // The child of a thread ends with it: one thread for as long as there is a composer.
                std::thread::Builder::new()
                    .name("compose".to_owned())
                    .spawn(move || work(&tasks, &settings, &all))
                    .expect("the system has a thread for it")
            })
            .collect();
        Self { queue: Some(queue), all, threads }
    }

    /// Puts a job into the queue. A job that an earlier run began goes on where that one stopped.
    pub fn submit(&self, job: Job) -> Result<Ticket, Refused> {
        let (told, progress) = watch::channel(Progress::Waiting);
        let cancel = Stop::beside(&self.all);
        let task = Task { job, told, cancel: cancel.clone() };
        let queue = self.queue.as_ref().expect("there until it is dropped");
        match queue.try_send(task) {
            Ok(()) => Ok(Ticket { progress, cancel }),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(Refused::Busy),
        }
    }
}

impl Drop for Composer {
    fn drop(&mut self) {
        self.all.suspend();
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Ticket {
    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Changes as the job goes on; its last value is `Done` or `Failed`.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Ends it; nothing of it is left.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Waits until it is over. None if the composer went away first: the next one goes on with the same job.
    pub async fn finished(mut self) -> Option<Result<Arc<Composed>, Arc<ComposeError>>> {
        loop {
            match &*self.progress.borrow_and_update() {
                Progress::Done(composed) => return Some(Ok(composed.clone())),
                Progress::Failed(error) => return Some(Err(error.clone())),
                Progress::Waiting | Progress::Running(_) => {}
            }
            self.progress.changed().await.ok()?;
        }
    }
}

fn work(tasks: &Receiver<Task>, settings: &Settings, all: &Stop) {
    for task in tasks {
        if all.check().is_err() {
            return;
        }
        run(task, settings);
    }
}

fn run(task: Task, settings: &Settings) {
    let Task { job, told, cancel } = task;
    let say = |percent: u8| {
        told.send_if_modified(|progress| {
            let news = !matches!(progress, Progress::Running(before) if *before == percent);
            *progress = Progress::Running(percent);
            news
        });
    };
    say(0);
    match compose(&job, settings, &cancel, |share| say((share * 100.0) as u8)) {
        Ok(composed) => {
            tracing::info!(file = %job.output.display(), ms = composed.duration_ms, "a recording is composed");
            let _ = told.send(Progress::Done(Arc::new(composed)));
        }
        // The next composer goes on with it.
        Err(ComposeError::Suspended) => {}
        Err(error) => {
            if !matches!(error, ComposeError::Cancelled) {
                tracing::warn!(code = error.code(), "a recording could not be composed: {error}");
            }
            let _ = told.send(Progress::Failed(Arc::new(error)));
        }
    }
}
