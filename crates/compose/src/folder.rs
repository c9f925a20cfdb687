//! A recording's folder as the recorder leaves it: `recording.json`, `events.jsonl` and the parts in `tracks/`. What is torn or not
//! understood is skipped and noted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

use model::recording_folder::{ABOUT, About, EVENTS, Event, TRACKS, VERSION, What};

use crate::fragments::Part;

/// The longest line of `events.jsonl` that is read, and the most lines.
const LINE: u64 = 256 << 10;
const LINES: usize = 2_000_000;

/// A recording, read.
#[derive(Debug)]
pub struct Recording {
    /// What `recording.json` says.
    pub head: About,
    /// What happened, in the order of the file.
    pub events: Vec<Event>,
    /// The parts that can be used, by their path in the folder.
    pub parts: BTreeMap<String, Part>,
    /// What was left out, for whoever wonders.
    pub notes: Vec<String>,
    /// Where it all is.
    pub folder: PathBuf,
}

/// Why a folder cannot be read as a recording.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is none, or a file in it cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// `recording.json` is not one that this version reads.
    #[error("{0}: not a recording that this version of Stoa can read")]
    Head(PathBuf),
}

impl Recording {
    /// Reads a folder.
    pub fn read(folder: &Path) -> Result<Self, FolderError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |error| FolderError::Io { path, error }
        };
        let path = folder.join(ABOUT);
        let text = std::fs::read(&path).map_err(fail(&path))?;
        let head: About = serde_json::from_slice(&text).map_err(|_| FolderError::Head(path.clone()))?;
        if head.version != VERSION {
            return Err(FolderError::Head(path));
        }
        let mut notes = Vec::new();
        let path = folder.join(EVENTS);
        let file = File::open(&path).map_err(fail(&path))?;
        let events = lines(BufReader::new(file), &mut notes).map_err(fail(&path))?;
        let mut recording = Self { head, events, parts: BTreeMap::new(), notes, folder: folder.to_owned() };
        recording.adopt();
        recording.index();
        Ok(recording)
    }

    /// Parts of known tracks whose line was lost when the server fell.
    fn adopt(&mut self) {
        let known: Vec<String> = self.files().map(|(_, file)| file.to_owned()).collect();
        let tracks: Vec<String> = (self.events.iter())
            .filter_map(|line| if let What::Track { track, .. } = &line.what { Some(track.clone()) } else { None })
            .collect();
        let Ok(there) = std::fs::read_dir(self.folder.join(TRACKS)) else { return };
        let mut found: Vec<String> = there
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.ends_with(".mp4") && !known.contains(&format!("tracks/{name}")))
            .collect();
        found.sort();
        for name in found {
            let track = name.rsplit_once('-').map(|(track, _)| track);
            if let Some(track) = tracks.iter().find(|one| Some(one.as_str()) == track) {
                let at = self.events.last().map_or(0, |line| line.at);
                let file = format!("tracks/{name}");
                self.notes.push(format!("{file}: taken although no event names it"));
                self.events
                    .push(Event { at, what: What::Part { track: track.clone(), file, width: None, height: None } });
            }
        }
    }

    fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.events.iter().filter_map(|line| match &line.what {
            What::Part { track, file, .. } => Some((track.as_str(), file.as_str())),
            _ => None,
        })
    }

    fn index(&mut self) {
        let files: Vec<String> = self.files().map(|(_, file)| file.to_owned()).collect();
        for file in files {
            if self.parts.contains_key(&file) {
                continue;
            }
            if !is_inside(&file) {
                self.notes.push(format!("{file:?}: not a file of this folder; left out"));
                continue;
            }
            match Part::read(&self.folder.join(&file)) {
                Ok(part) => {
                    if part.torn > 0 {
                        self.notes.push(format!("{file}: its last {} bytes are not whole; left out", part.torn));
                    }
                    self.parts.insert(file, part);
                }
                Err(error) => self.notes.push(format!("{file}: left out, {error}")),
            }
        }
    }
}

/// Whether this is a plain file below `tracks/`.
fn is_inside(file: &str) -> bool {
    let parts: Vec<Component> = Path::new(file).components().collect();
    matches!(parts[..], [Component::Normal(folder), Component::Normal(_)] if folder == "tracks")
}

/// The lines that can be understood.
fn lines(mut input: impl BufRead, notes: &mut Vec<String>) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut line = Vec::new();
    let mut wrong = 0;
    for _ in 0..LINES {
        line.clear();
        if input.by_ref().take(LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(event) => events.push(event),
            Err(_) if line.iter().all(u8::is_ascii_whitespace) => {}
            Err(_) => wrong += 1,
        }
    }
    if wrong > 0 {
        notes.push(format!("events.jsonl: {wrong} lines cannot be read; left out"));
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use model::recording_folder::{Kind, Source, Speaker};

    use super::*;

    fn read(text: &str) -> (Vec<Event>, Vec<String>) {
        let mut notes = Vec::new();
        (lines(text.as_bytes(), &mut notes).expect("memory"), notes)
    }

    #[test]
    fn events_are_read_and_a_torn_line_is_not() {
        let text = concat!(
            "{\"at\":0,\"type\":\"started\",\"wall_ms\":5}\n\n",
            "{\"at\":4,\"type\":\"track\",\"track\":\"TR_1\",\"participant\":\"PA_1\",\"kind\":\"video\",\"source\":\"camera\",\"codec\":\"vp8\"}\n",
            "{\"at\":9,\"type\":\"speakers\",\"speakers\":[{\"participant\":\"PA_1\",\"level\":0.5}]}\n",
            "{\"at\":10,\"type\":\"tra",
        );
        let (events, notes) = read(text);
        let track = What::Track {
            track: "TR_1".to_owned(),
            participant: "PA_1".to_owned(),
            kind: Kind::Video,
            source: Source::Camera,
            codec: "vp8".to_owned(),
        };
        let speakers = vec![Speaker { participant: "PA_1".to_owned(), level: 0.5 }];
        let wanted = [(0, What::Started { wall_ms: 5 }), (4, track), (9, What::Speakers { speakers })];
        assert_eq!(events, wanted.map(|(at, event)| Event { at, what: event }));
        assert_eq!(notes, ["events.jsonl: 1 lines cannot be read; left out"]);
    }

    #[test]
    fn only_files_of_the_folder_are_read() {
        for (file, inside) in [
            ("tracks/TR_1-1.mp4", true),
            ("/etc/passwd", false),
            ("tracks/../recording.json", false),
            ("../tracks/x.mp4", false),
            ("tracks", false),
            ("tracks/a/b.mp4", false),
            ("", false),
        ] {
            assert_eq!(is_inside(file), inside, "{file}");
        }
    }
}
