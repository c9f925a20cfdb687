//! What keeping recordings needs of the rest of the server: something that composes them, and something that ends them.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use compose::{ComposeError, Composer, Job, Options, Progress, Settings, Size};
use control::{Compose, Composed, Handle, Recording, StopRecorder};
use model::RecordingLayout;
use tokio::sync::watch;

/// Composes with ffmpeg, one recording at a time.
pub struct Ffmpeg(Composer);

impl Ffmpeg {
    /// With these settings.
    pub fn new(settings: Settings) -> Self {
        Self(Composer::start(settings))
    }
}

#[async_trait]
impl Compose for Ffmpeg {
    async fn compose(
        &self,
        recording: &Recording,
        folder: &Path,
        progress: watch::Sender<u8>,
    ) -> Result<Option<Composed>, String> {
        let options = options(recording);
        let path = folder.join(format!("composed.{}", options.extension()));
        let layout = options.layout;
        let job = Job { folder: folder.to_owned(), output: path.clone(), options };
        let ticket = self.0.submit(job).map_err(|refused| refused.to_string())?;
        let mut seen = ticket.watch();
        let told = async {
            while seen.changed().await.is_ok() {
                if let Progress::Running(percent) = *seen.borrow_and_update() {
                    let _ = progress.send(percent);
                }
            }
        };
        let (done, ()) = tokio::join!(ticket.finished(), told);
        match done {
            Some(Ok(_)) => {
                let resolution = (layout != RecordingLayout::AudioOnly).then(|| recording.resolution.clone()).flatten();
                Ok(Some(Composed { path, layout, resolution, format: recording.format }))
            }
            Some(Err(error)) if matches!(*error, ComposeError::Nothing) => Ok(None),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("the server stops; composing goes on with the next start".to_owned()),
        }
    }
}

fn options(recording: &Recording) -> Options {
    let layout = if recording.audio_only {
        RecordingLayout::AudioOnly
    } else {
        recording.layout.unwrap_or(RecordingLayout::Grid)
    };
    let size = recording.resolution.as_deref().and_then(size).unwrap_or(Size::P720);
    Options { layout, size, format: recording.format, ..Options::default() }
}

fn size(text: &str) -> Option<Size> {
    let (w, h) = text.split_once('x')?;
    Some(Size { w: w.parse().ok()?, h: h.parse().ok()? })
}

/// Ends recordings where they are made; the call hears of it from there.
pub struct Stopper(pub Handle);

#[async_trait]
impl StopRecorder for Stopper {
    async fn stop(&self, recording: &Recording, why: &'static str) {
        tracing::warn!(recording = %recording.id, why, "stopping a recording");
        self.0.media().stop_recording(&recording.room, recording.id).await;
    }
}

/// What composes recordings; none: they stay as they were recorded.
pub fn composer(wanted: bool) -> Option<Arc<dyn Compose>> {
    wanted.then(|| Arc::new(Ffmpeg::new(Settings::default())) as _)
}
