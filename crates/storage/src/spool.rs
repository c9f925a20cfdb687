//! The names that files have in the folder of a recording. The recorder makes them; a folder that something else has been in may hold
//! anything, so only these are read.

use std::fmt;
use std::io;
use std::path::Path;

/// Names may be this long, tracks' IDs included.
const LONGEST: usize = 96;
/// A folder with more files than this is not one of the recorder's.
const MOST: usize = 100_000;

/// The name of a file within a recording's folder, such as `tracks/TR_x-1.mp4`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpoolName(String);

impl SpoolName {
    /// What began the folder.
    pub const MANIFEST: &str = "recording.json";
    /// What happened.
    pub const EVENTS: &str = "events.jsonl";

    /// Takes the name if it is one that the recorder gives.
    pub fn new(text: &str) -> Option<Self> {
        let known = [Self::MANIFEST, Self::EVENTS].contains(&text);
        (known || Self::is_track(text)).then(|| Self(text.to_owned()))
    }

    fn is_track(text: &str) -> bool {
        let Some((track, part)) = text
            .strip_prefix("tracks/")
            .and_then(|rest| rest.strip_suffix(".mp4"))
            .and_then(|rest| rest.rsplit_once('-'))
        else {
            return false;
        };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        text.len() <= LONGEST
            && !track.is_empty()
            && track.bytes().all(is_plain)
            && (1..=6).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The track whose media the file holds.
    pub fn track(&self) -> Option<&str> {
        let rest = self.0.strip_prefix("tracks/")?.strip_suffix(".mp4")?;
        rest.rsplit_once('-').map(|(track, _)| track)
    }
}

impl fmt::Display for SpoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The recorder's files in a folder, in order; everything else there, links included, is left alone.
pub fn spooled(folder: &Path) -> io::Result<Vec<SpoolName>> {
    let mut found = Vec::new();
    for (under, inside) in [("", folder.to_owned()), ("tracks/", folder.join("tracks"))] {
        let is_folder = std::fs::symlink_metadata(&inside).map(|meta| meta.is_dir());
        match is_folder {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        for entry in std::fs::read_dir(&inside)?.take(MOST) {
            let entry = entry?;
            let name = entry.file_name().into_string().ok().and_then(|name| SpoolName::new(&format!("{under}{name}")));
            if let Some(name) = name
                && entry.file_type()?.is_file()
            {
                found.push(name);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_recorders_own_names_are_read() {
        for good in ["recording.json", "events.jsonl", "tracks/TR_VCabc-1.mp4", "tracks/TR-a-12.mp4"] {
            assert_eq!(SpoolName::new(good).map(|name| name.to_string()).as_deref(), Some(good));
        }
        assert_eq!(SpoolName::new("tracks/TR-a-12.mp4").unwrap().track(), Some("TR-a"));
        let long = format!("tracks/{}-1.mp4", "a".repeat(300));
        for wrong in [
            "",
            "tracks/",
            "tracks/-1.mp4",
            "tracks/a.mp4",
            "tracks/a-.mp4",
            "tracks/a-x.mp4",
            "tracks/a-1234567.mp4",
            "tracks/../a-1.mp4",
            "tracks/a/b-1.mp4",
            "tracks/a\0-1.mp4",
            "tracks/ä-1.mp4",
            "tracks/a-1.mp4\0",
            "/etc/passwd",
            "../events.jsonl",
            "Events.jsonl",
            &long,
        ] {
            assert_eq!(SpoolName::new(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn links_and_strangers_in_a_folder_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tracks")).unwrap();
        for name in ["events.jsonl", "notes.txt", "tracks/TR_a-1.mp4", "tracks/TR_a-1.mp4.part"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("recording.json")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("tracks/TR_b-1.mp4")).unwrap();
        std::fs::create_dir(dir.path().join("tracks/TR_c-1.mp4")).unwrap();
        let names: Vec<String> = spooled(dir.path()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["events.jsonl", "tracks/TR_a-1.mp4"]);
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path().join("tracks"), outside.path().join("tracks")).unwrap();
        assert_eq!(spooled(outside.path()).unwrap(), []);
        assert_eq!(spooled(&outside.path().join("gone")).unwrap(), []);
    }
}
