//! The folder that the recorder leaves: `recording.json`, `events.jsonl`, `tracks/`. Read with care: a crash may have torn the ends.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use futures_util::TryStreamExt;
use model::recording_folder::{About, Event, What};
use model::{CallId, RecordingId, RoomName, Timestamp, UserId};
use storage::{ByteStream, SpoolName, StorageError};
use tokio::io::AsyncWriteExt;

use super::records::TrackInfo;

/// A line longer than this is none of the recorder's.
const LONGEST_LINE: u64 = 1 << 20;

/// Makes a folder that nobody else may read, and those above it.
pub(super) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The recordings that have a folder there.
pub(super) fn recordings(path: &Path) -> io::Result<Vec<RecordingId>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|name| name.parse::<RecordingId>().ok());
        found.extend(id.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_dir())));
    }
    Ok(found)
}

/// Removes a folder with all that is in it; one that is not there is removed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => match path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        },
    }
}

/// What began the folder.
#[derive(Debug)]
pub(super) struct Manifest {
    pub room: RoomName,
    started_at: i64,
}

impl Manifest {
    pub fn read(folder: &Path) -> Option<Self> {
        let mut text = String::new();
        open(&folder.join(SpoolName::MANIFEST)).ok()?.take(LONGEST_LINE).read_to_string(&mut text).ok()?;
        let About { room, started_at, .. } = serde_json::from_str(&text).ok()?;
        Some(Self { room: RoomName::new(&room).ok()?, started_at })
    }

    pub fn started_at(&self) -> Timestamp {
        Timestamp(self.started_at)
    }

    pub fn call(&self) -> Option<CallId> {
        self.room.as_str().parse().ok()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)
}

/// What the log says about tracks and their parts, and when it ends.
#[derive(Debug, Default)]
pub(super) struct Story {
    tracks: HashMap<String, TrackInfo>,
    parts: HashMap<String, (Option<u32>, Option<u32>)>,
    /// Milliseconds from the beginning to the last line.
    pub length_ms: u64,
}

impl Story {
    pub fn read(folder: &Path) -> Self {
        let mut story = Self::default();
        let mut identities: HashMap<String, String> = HashMap::new();
        let Ok(file) = open(&folder.join(SpoolName::EVENTS)) else { return story };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(length) if length > 0 => {}
                Ok(_) | Err(_) => return story,
            }
            // A torn last line, and what a later version writes, are passed over.
            let Ok(Event { at, what }) = serde_json::from_slice(&line) else { continue };
            story.length_ms = story.length_ms.max(at);
            match what {
                What::Joined { participant, identity, .. } => {
                    identities.insert(participant, identity);
                }
                What::Track { track, participant, kind, source, codec } => {
                    let user = identities.get(&participant).and_then(|identity| UserId::new(identity).ok());
                    let info = TrackInfo {
                        track: track.clone(),
                        user,
                        media: Some(kind.as_str().to_owned()),
                        source: Some(source.as_str().to_owned()),
                        codec: Some(codec).filter(|codec| !codec.is_empty()),
                        width: None,
                        height: None,
                    };
                    story.tracks.insert(track, info);
                }
                What::Part { file, width, height, .. } => {
                    story.parts.insert(file, (width.map(u32::from), height.map(u32::from)));
                }
                _ => {}
            }
        }
    }

    /// Whose tracks there are.
    pub fn users(&self) -> Vec<UserId> {
        let users: BTreeSet<&UserId> = self.tracks.values().filter_map(|info| info.user.as_ref()).collect();
        users.into_iter().cloned().collect()
    }

    /// What is known of a track's file.
    pub fn track(&self, name: &SpoolName) -> Option<TrackInfo> {
        let track = name.track()?;
        let known = self.tracks.get(track).cloned();
        let info = known.unwrap_or_else(|| TrackInfo { track: track.to_owned(), ..TrackInfo::default() });
        let (width, height) = self.parts.get(name.as_str()).copied().unwrap_or_default();
        Some(TrackInfo { width, height, ..info })
    }
}

/// Writes a file of a recording into a folder.
pub(super) async fn write(folder: &Path, name: &SpoolName, mut pieces: ByteStream) -> Result<(), StorageError> {
    let path = folder.join(name.as_str());
    let failed = |error: io::Error| StorageError::Source { path: path.clone(), reason: error.to_string() };
    make(path.parent().unwrap_or(folder)).map_err(failed)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    let mut file = tokio::fs::File::from_std(file);
    while let Some(piece) = pieces.try_next().await? {
        file.write_all(&piece).await.map_err(failed)?;
    }
    file.sync_all().await.map_err(failed)
}
