//! One recording's folder while it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use model::RecordingId;

use crate::folder::{ABOUT, About, EVENTS, Event, TRACKS, VERSION, What, file_name, part_file, part_number};
use crate::recorder::{Fragment, Write};

/// A line of events, at most; what is longer is cut out when a folder is gone on with.
const LONGEST_TAIL: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Tape {
    pub(super) id: RecordingId,
    pub(super) room: String,
    pub(super) failed: Arc<AtomicBool>,
    path: PathBuf,
    /// How long the recording had been going when this was opened, in ms.
    base: u64,
    events: File,
    events_dirty: bool,
    /// The last time of any event or fragment.
    last: u64,
    /// By track as files name it.
    parts: BTreeMap<String, Part>,
    /// Numbers of parts that are there already.
    taken: BTreeMap<String, u32>,
    /// Something new has a name.
    names_dirty: bool,
}

#[derive(Debug)]
struct Part {
    /// Which of the track's parts since this was opened.
    of: u32,
    file: File,
    fragments: u32,
    dirty: bool,
}

impl Tape {
    /// Makes the folder, or goes on with it.
    pub(super) fn open(root: &Path, id: RecordingId, room: &str, wall_ms: i64) -> io::Result<Self> {
        let path = root.join(id.to_string());
        folder(&path.join(TRACKS))?;
        let known = about(&path)?;
        let is_new = known.is_none();
        let about = match known {
            Some(known) => known,
            None => write_about(&path, About { version: VERSION, id, room: room.to_owned(), started_at: wall_ms })?,
        };
        let (events, last) = events(&path)?;
        let taken = mend_parts(&path.join(TRACKS))?;
        // A wall clock that was set back does not lead into what was recorded before.
        let since = u64::try_from(wall_ms - about.started_at).unwrap_or(0);
        let base = if is_new { 0 } else { since.max(last + 1) };
        let mut tape = Self {
            id,
            room: about.room,
            failed: Arc::default(),
            path,
            base,
            events,
            events_dirty: false,
            last,
            parts: BTreeMap::new(),
            taken,
            names_dirty: true,
        };
        let what = if is_new { What::Started { wall_ms } } else { What::WentOn { wall_ms } };
        tape.event(0, what)?;
        tape.sync()?;
        File::open(root)?.sync_all()?;
        Ok(tape)
    }

    pub(super) fn write(&mut self, write: Write) -> io::Result<()> {
        match write {
            Write::Event { at, what } => self.event(at, what),
            Write::Fragment(fragment) => self.fragment(&fragment),
        }
    }

    /// Puts what was written on disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.names_dirty) {
            File::open(self.path.join(TRACKS))?.sync_all()?;
            File::open(&self.path)?.sync_all()?;
        }
        for part in self.parts.values_mut().filter(|part| part.dirty) {
            part.file.sync_data()?;
            part.dirty = false;
        }
        if std::mem::take(&mut self.events_dirty) {
            self.events.sync_data()?;
        }
        Ok(())
    }

    /// The end: how long the recording is in ms, and how large.
    pub(super) fn finish(&mut self) -> io::Result<(u64, u64)> {
        self.sync()?;
        let mut size = 0;
        for folder in [self.path.clone(), self.path.join(TRACKS)] {
            for entry in fs::read_dir(folder)? {
                let found = entry?.metadata()?;
                size += if found.is_file() { found.len() } else { 0 };
            }
        }
        Ok((self.last, size))
    }

    fn event(&mut self, at: u64, what: What) -> io::Result<()> {
        let mut what = what;
        if let What::Gap { from, to, .. } = &mut what {
            (*from, *to) = (*from + self.base, *to + self.base);
        }
        let at = at + self.base;
        self.last = self.last.max(at);
        let mut line = serde_json::to_vec(&Event { at, what }).map_err(io::Error::other)?;
        line.push(b'\n');
        self.events_dirty = true;
        self.events.write_all(&line)
    }

    fn fragment(&mut self, fragment: &Fragment) -> io::Result<()> {
        let rate = u64::from(fragment.parameters.timescale());
        let from = fragment.from + self.base * rate / 1_000;
        let key = file_name(&fragment.track);
        if self.parts.get(&key).is_none_or(|part| part.of != fragment.part) {
            let begins = (from * 1_000 / rate).saturating_sub(self.base);
            self.begin_part(&key, fragment, begins)?;
        }
        let Some(part) = self.parts.get_mut(&key) else { return Ok(()) };
        part.fragments += 1;
        let bytes = container::fragment(part.fragments, from, &fragment.samples).map_err(io::Error::other)?;
        part.dirty = true;
        part.file.write_all(&bytes)?;
        let duration: u64 = fragment.samples.iter().map(|sample| u64::from(sample.duration)).sum();
        self.last = self.last.max((from + duration) * 1_000 / rate);
        Ok(())
    }

    fn begin_part(&mut self, key: &str, fragment: &Fragment, at: u64) -> io::Result<()> {
        // Another part of the track may have failed to get further than its name: it is written over never.
        let number = self.taken.get(key).copied().unwrap_or(0) + 1;
        self.taken.insert(key.to_owned(), number);
        let name = part_file(&fragment.track, number);
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.path.join(&name))?;
        file.write_all(&container::init_segment(&fragment.parameters).map_err(io::Error::other)?)?;
        if let Some(before) = self.parts.remove(key) {
            before.file.sync_data()?;
        }
        self.parts.insert(key.to_owned(), Part { of: fragment.part, file, fragments: 0, dirty: true });
        self.names_dirty = true;
        let (width, height) = fragment.parameters.size().unzip();
        let track = fragment.track.to_string();
        self.event(at, What::Part { track, file: name, width, height })
    }
}

fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// What a folder says of itself; `None`: nothing yet.
fn about(path: &Path) -> io::Result<Option<About>> {
    match fs::read(path.join(ABOUT)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whole or not at all.
fn write_about(path: &Path, about: About) -> io::Result<About> {
    let (draft, name) = (path.join("recording.json.new"), path.join(ABOUT));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&serde_json::to_vec(&about).map_err(io::Error::other)?)?;
    file.sync_all()?;
    fs::rename(draft, name)?;
    File::open(path)?.sync_all()?;
    Ok(about)
}

/// The events' file without a torn last line, and the time of the last whole one.
fn events(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path.join(EVENTS))?;
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(LONGEST_TAIL);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < tail.len() {
        file.set_len(from + whole as u64)?;
    }
    let last = tail[..whole].split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Event>(line).ok());
    Ok((file, last.map(|event| event.at).max().unwrap_or(0)))
}

/// Cuts torn fragments off, and says which numbers of parts are taken.
fn mend_parts(tracks: &Path) -> io::Result<BTreeMap<String, u32>> {
    let mut taken = BTreeMap::new();
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(tracks)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    for name in names {
        let Some((track, number)) = part_number(&name) else { continue };
        let highest = taken.entry(track.to_owned()).or_insert(0);
        *highest = number.max(*highest);
        let file = OpenOptions::new().read(true).write(true).open(tracks.join(&name))?;
        let (length, whole) = (file.metadata()?.len(), whole_length(&file)?);
        if whole < length {
            tracing::info!(file = %name, cut = length - whole, "a recording was interrupted while it was written: cut what is torn");
            file.set_len(whole)?;
            file.sync_all()?;
        }
    }
    Ok(taken)
}

/// How far a file's boxes are whole: up to an `mdat` that is, or the header before the first fragment.
fn whole_length(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let (mut at, mut whole) = (0, 0);
    while at + 8 <= length {
        let mut header = [0; 8];
        file.read_exact_at(&mut header, at)?;
        let size = u64::from(u32::from_be_bytes([header[0], header[1], header[2], header[3]]));
        if size < 8 || at + size > length {
            break;
        }
        at += size;
        if [*b"mdat", *b"moov"].iter().any(|kind| header[4..] == kind[..]) {
            whole = at;
        }
    }
    Ok(whole)
}
