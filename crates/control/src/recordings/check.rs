//! Whether an uploaded file is a recording: by its first bytes, and by ffprobe where it is installed.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use model::RecordingFormat;
use serde::Deserialize;

/// How long ffprobe may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// What of its answer is read.
const LONGEST: u64 = 256 << 10;
/// The beginning of a file, which says what it is.
const HEAD: u64 = 4 << 10;

/// What an uploaded file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Media {
    pub size: u64,
    pub format: RecordingFormat,
    pub duration_ms: Option<u64>,
    pub resolution: Option<String>,
    pub audio_only: bool,
}

/// Looks at a file. The error says what is wrong with it.
pub(super) fn look(path: &Path) -> Result<Media, &'static str> {
    let read = || {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head)?;
        Ok::<_, std::io::Error>((size, head))
    };
    let (size, head) = read().map_err(|_| "the file cannot be read")?;
    let format = format_of(&head).ok_or("the file must be WebM or MP4")?;
    let plain = Media { size, format, duration_ms: None, resolution: None, audio_only: false };
    match probe(path, format) {
        Some(Ok(probed)) => probed.into_media(plain),
        Some(Err(())) => Err("the file cannot be played"),
        None => {
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                tracing::warn!("ffprobe is not installed: uploaded recordings are judged by their first bytes alone");
            });
            Ok(plain)
        }
    }
}

fn format_of(head: &[u8]) -> Option<RecordingFormat> {
    let has = |word: &[u8]| head.windows(word.len()).any(|found| found == word);
    if head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) && (has(b"webm") || has(b"matroska")) {
        return Some(RecordingFormat::Webm);
    }
    (head.get(4..8) == Some(b"ftyp")).then_some(RecordingFormat::Mp4)
}

#[derive(Deserialize)]
struct Probed {
    #[serde(default)]
    streams: Vec<Stream>,
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Deserialize)]
struct Format {
    duration: Option<String>,
}

impl Probed {
    fn into_media(self, plain: Media) -> Result<Media, &'static str> {
        let is = |stream: &&Stream, kind: &str| stream.codec_type.as_deref() == Some(kind);
        let video = self.streams.iter().find(|stream| is(stream, "video"));
        if video.is_none() && !self.streams.iter().any(|stream| is(&stream, "audio")) {
            return Err("the file has neither sound nor pictures");
        }
        let size = video.and_then(|video| video.width.zip(video.height));
        // What MediaRecorder writes does not say how long it is.
        let seconds = self.format.and_then(|format| format.duration).and_then(|text| text.parse::<f64>().ok());
        let seconds = seconds.filter(|seconds| (0.0..=1e7).contains(seconds));
        Ok(Media {
            duration_ms: seconds.map(|seconds| (seconds * 1_000.0) as u64),
            resolution: size.map(|(width, height)| format!("{width}x{height}")),
            audio_only: video.is_none(),
            ..plain
        })
    }
}

/// What ffprobe says; none: it is not installed. It reads a stranger's file, so it is held to one demuxer and to files, and may not take
/// long.
fn probe(path: &Path, format: RecordingFormat) -> Option<Result<Probed, ()>> {
    let demuxer = match format {
        RecordingFormat::Webm => "matroska",
        RecordingFormat::Mp4 => "mov",
    };
    let started = Command::new("ffprobe")
        .args(["-v", "error", "-protocol_whitelist", "file", "-f", demuxer, "-of", "json"])
        .args(["-show_entries", "stream=codec_type,width,height:format=duration", "-i"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = started.ok()?;
    let output = child.stdout.take()?;
    // Read beside it, so that neither waits for the other.
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        output.take(LONGEST).read_to_end(&mut text).map(|_| text)
    });
    let begun = Instant::now();
    let is_good = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                break false;
            }
        }
    };
    let text = reader.join().ok().and_then(Result::ok);
    if !is_good {
        return Some(Err(()));
    }
    Some(text.and_then(|text| serde_json::from_slice(&text).ok()).ok_or(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_webm_and_mp4_begin_like_that() {
        let webm = [&[0x1a, 0x45, 0xdf, 0xa3, 0x9f, 0x42, 0x82, 0x84][..], b"webm"].concat();
        assert_eq!(format_of(&webm), Some(RecordingFormat::Webm));
        assert_eq!(format_of(b"\0\0\0\x20ftypisom"), Some(RecordingFormat::Mp4));
        for other in [&b""[..], b"ftyp", b"#EXTM3U\n", b"<html>webm", b"RIFF\0\0\0\0AVI ", &webm[..8]] {
            assert_eq!(format_of(other), None, "{other:?}");
        }
    }

    #[test]
    fn what_ffprobe_cannot_play_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("upload");
        std::fs::write(&path, b"\0\0\0\x20ftypisom and nothing else").unwrap();
        if Command::new("ffprobe").arg("-version").output().is_err() {
            eprintln!(
                "SKIPPED what_ffprobe_cannot_play_is_refused: ffprobe is not installed (scripts/setup-test does it)"
            );
            return;
        }
        assert!(look(&path).is_err());
        std::fs::write(&path, b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n").unwrap();
        assert_eq!(look(&path), Err("the file must be WebM or MP4"));
    }
}
