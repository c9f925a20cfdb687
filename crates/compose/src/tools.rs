//! Whether the `ffmpeg` of this machine can do what is asked of it.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use model::RecordingFormat;

use crate::options::Options;

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// There is no ffmpeg.
    #[error("{0} cannot be run; install ffmpeg (Debian, Ubuntu: apt install ffmpeg), or say where it is")]
    Missing(String),
    /// It was built without something.
    #[error("{program} has no encoder {encoder}, which {format} needs; install an ffmpeg that was built with it")]
    Lacks {
        /// The program.
        program: String,
        /// The encoder.
        encoder: &'static str,
        /// What for.
        format: &'static str,
    },
}

/// Checks that ffmpeg is there and has the encoders that the options need.
pub fn check(ffmpeg: &Path, options: &Options) -> Result<(), ToolError> {
    let args: [OsString; 2] = ["-hide_banner".into(), "-encoders".into()];
    let run = Command::new(ffmpeg).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let program = ffmpeg.display().to_string();
    let Some(output) = run.ok().filter(|output| output.status.success()) else {
        return Err(ToolError::Missing(program));
    };
    let list = String::from_utf8_lossy(&output.stdout);
    // " V....D libx264              libx264 H.264 / AVC …"
    let has = |wanted: &str| list.lines().any(|line| line.split_whitespace().nth(1) == Some(wanted));
    match needed(options).into_iter().find(|encoder| !has(encoder)) {
        Some(encoder) => Err(ToolError::Lacks { program, encoder, format: options.extension() }),
        None => Ok(()),
    }
}

/// The encoders that the options need.
fn needed(options: &Options) -> Vec<&'static str> {
    let sound = match options.format {
        RecordingFormat::Mp4 => "aac",
        RecordingFormat::Webm => "libopus",
    };
    let picture = match (options.format, options.vp8) {
        (RecordingFormat::Mp4, _) => "libx264",
        (RecordingFormat::Webm, false) => "libvpx-vp9",
        (RecordingFormat::Webm, true) => "libvpx",
    };
    let mut all = vec!["flac", sound];
    all.extend(options.has_picture().then_some(picture));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let program = dir.path().join("ffmpeg");
        let says = |text: &str| {
            std::fs::write(&program, format!("#!/bin/sh\ncat <<'E'\n{text}\nE\n")).expect("written");
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
            check(&program, &Options::default()).map_err(|error| error.to_string())
        };
        let full = " V....D libx264   H.264\n A....D aac    AAC\n A....D flac   FLAC";
        assert_eq!(says(full), Ok(()));
        let line = says(&full.replace("libx264 ", "libx264rgb ")).expect_err("no libx264");
        assert!(line.contains("has no encoder libx264, which mp4 needs"), "{line}");
        let line = check(Path::new("/nowhere/ffmpeg"), &Options::default()).expect_err("none").to_string();
        assert!(line.starts_with("/nowhere/ffmpeg cannot be run; install ffmpeg"), "{line}");
    }
}
