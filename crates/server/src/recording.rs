//! `stoa recording compose`: makes one file of a recording's raw tracks.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use compose::{ComposeError, Composed, Job, Options, Rate, Settings, Size, Stop};
use model::{RecordingFormat, RecordingLayout};

use crate::failure::Failure;
use crate::output::{note, print};

#[derive(Debug, Subcommand)]
pub enum RecordingCmd {
    /// Make one file of a recording's raw tracks, with ffmpeg. If it is interrupted, the same command goes on where it stopped
    Compose(ComposeFlags),
}

#[derive(Debug, Args)]
pub struct ComposeFlags {
    /// The recording's folder
    folder: PathBuf,
    /// grid, speaker, single_speaker, presentation, picture_in_picture or audio_only
    #[arg(long, default_value = "grid", value_name = "LAYOUT", value_parser = layout)]
    layout: RecordingLayout,
    /// 720p or 1080p
    #[arg(long, default_value = "720p", value_name = "SIZE", value_parser = size)]
    size: Size,
    /// mp4 (H.264 and AAC) or webm (VP9 and Opus)
    #[arg(long, default_value = "mp4", value_name = "FORMAT", value_parser = format)]
    format: RecordingFormat,
    /// Pictures a second: 15, 25 or 30
    #[arg(long, default_value = "30", value_name = "N", value_parser = rate)]
    rate: Rate,
    /// Use VP8 instead of VP9 for webm: faster to make, and larger
    #[arg(long)]
    vp8: bool,
    /// The ffmpeg to run
    #[arg(long, default_value = "ffmpeg", value_name = "FILE")]
    ffmpeg: PathBuf,
    /// The file to make
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

fn layout(word: &str) -> Result<RecordingLayout, String> {
    let words = || RecordingLayout::ALL.iter().map(|layout| layout.as_str()).collect::<Vec<_>>().join(", ");
    word.parse().map_err(|()| format!("must be one of {}", words()))
}

fn size(word: &str) -> Result<Size, String> {
    match word {
        "720p" => Ok(Size::P720),
        "1080p" => Ok(Size::P1080),
        _ => Err("must be 720p or 1080p".to_owned()),
    }
}

fn format(word: &str) -> Result<RecordingFormat, String> {
    word.parse().map_err(|()| "must be mp4 or webm".to_owned())
}

fn rate(word: &str) -> Result<Rate, String> {
    match word {
        "15" => Ok(Rate::Fifteen),
        "25" => Ok(Rate::TwentyFive),
        "30" => Ok(Rate::Thirty),
        _ => Err("must be 15, 25 or 30".to_owned()),
    }
}

/// Composes, with progress on the terminal.
pub fn compose(flags: ComposeFlags) -> Result<(), Failure> {
    let ComposeFlags { folder, layout, size, format, rate, vp8, ffmpeg, output } = flags;
    let options = Options { layout, size, rate, format, vp8 };
    let job = Job { folder, output, options };
    let settings = Settings { ffmpeg, ..Settings::default() };
    let mut shown = None;
    let done = compose::compose(&job, &settings, &Stop::default(), |share| progress(&mut shown, share));
    if shown.is_some_and(|percent| percent < 100) && std::io::stderr().is_terminal() {
        let _ = writeln!(std::io::stderr());
    }
    let Composed { duration_ms, size_bytes, notes, .. } = done.map_err(failure)?;
    notes.iter().for_each(note);
    let seconds = duration_ms as f64 / 1_000.0;
    print(format_args!("{}: {seconds:.1} s, {:.1} MB", job.output.display(), size_bytes as f64 / 1e6))
}

fn failure(error: ComposeError) -> Failure {
    match error {
        ComposeError::Tool(_) | ComposeError::Folder(_) | ComposeError::Nothing => Failure::setup(error),
        ComposeError::Io { .. }
        | ComposeError::Full
        | ComposeError::Cancelled
        | ComposeError::Suspended
        | ComposeError::Run(_) => Failure::fault(error),
    }
}

/// A line that changes where somebody watches; one line for each tenth where nobody does.
fn progress(shown: &mut Option<u32>, share: f64) {
    let percent = (share * 100.0) as u32;
    let mut out = std::io::stderr();
    if *shown == Some(percent) {
        return;
    }
    if out.is_terminal() {
        let end = if percent == 100 { '\n' } else { ' ' };
        let _ = write!(out, "\rcomposing: {percent:3} %{end}");
        let _ = out.flush();
    } else if shown.is_none_or(|before| before / 10 != percent / 10) {
        let _ = writeln!(out, "composing: {percent} %");
    }
    *shown = Some(percent);
}
