//! One recording, composed into one file: step by step, so that whatever stops it loses no more than a step.
//!
//! What is done is kept beside the output, in `<output>.parts/`, and taken up again when the same job runs again: the same options,
//! and a recording that has not changed. When the file is whole it gets its name and the folder goes. A job that is cancelled
//! leaves neither.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::child::{self, Limits, Reached, RunError, Stop};
use crate::folder::{FolderError, Recording};
use crate::fragments::Part;
use crate::graph::{self, Inputs, Layer};
use crate::layout::Rect;
use crate::options::{Options, Settings};
use crate::span::Span;
use crate::still::{Artist, Placed};
use crate::story::{Story, Track};
use crate::timeline::{self, Shows, Step, Tile};
use crate::tools::{self, ToolError};

/// What to compose, and into which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The recording's folder.
    pub folder: PathBuf,
    /// The file to make; one that is there is replaced.
    pub output: PathBuf,
    /// How it looks.
    pub options: Options,
}

/// A composed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composed {
    /// Pictures in it; without a picture, how many there would be.
    pub pictures: u64,
    /// How long it lasts, in milliseconds.
    pub duration_ms: u64,
    /// How large it is.
    pub size_bytes: u64,
    /// Steps that it took, and how many of them an earlier run had done.
    pub steps: (usize, usize),
    /// What was left out.
    pub notes: Vec<String>,
}

/// Why nothing was composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// ffmpeg is not there, or cannot do it.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The folder is not a recording.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Nothing was recorded.
    #[error("nothing was recorded")]
    Nothing,
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is no room for the result. What is done is kept.
    #[error("the disk is full; what is done is kept and will be used when there is room")]
    Full,
    /// It was cancelled. Nothing is left.
    #[error("cancelled")]
    Cancelled,
    /// It was interrupted. What is done is kept.
    #[error("interrupted; what is done is kept")]
    Suspended,
    /// ffmpeg failed twice.
    #[error(transparent)]
    Run(RunError),
}

impl ComposeError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Tool(ToolError::Missing(_)) => "ffmpeg_missing",
            Self::Tool(ToolError::Lacks { .. }) => "ffmpeg_lacks_encoder",
            Self::Folder(_) => "not_a_recording",
            Self::Nothing => "nothing_recorded",
            Self::Io { .. } => "io",
            Self::Full => "disk_full",
            Self::Cancelled => "cancelled",
            Self::Suspended => "interrupted",
            Self::Run(RunError::Stalled(_) | RunError::TooLong) => "too_slow",
            Self::Run(_) => "ffmpeg_failed",
        }
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| if error.kind() == io::ErrorKind::StorageFull { Self::Full } else { Self::Io { path, error } }
    }
}

impl From<RunError> for ComposeError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Cancelled => Self::Cancelled,
            RunError::Suspended => Self::Suspended,
            error if error.is_full() => Self::Full,
            error => Self::Run(error),
        }
    }
}

/// Composes. `told` hears how much is done, from 0 to 1, never less than before. Blocks: it is for a thread of its own.
pub fn compose(
    job: &Job,
    settings: &Settings,
    stop: &Stop,
    mut told: impl FnMut(f64),
) -> Result<Composed, ComposeError> {
    tools::check(&settings.ffmpeg, &job.options)?;
    let recording = Recording::read(&job.folder)?;
    let story = Story::tell(&recording.events, &recording.parts);
    let longest = u64::try_from(settings.step.as_micros()).unwrap_or(u64::MAX);
    let steps = timeline::steps(&story, &job.options, longest);
    if steps.is_empty() || recording.parts.is_empty() {
        return Err(ComposeError::Nothing);
    }
    let bench = Bench::open(job, fingerprint(job, &recording, &steps))?;
    let limits = Limits { stall: settings.stall, deadline: Instant::now() + settings.limit };
    let artist = Artist::new(&story, job.options.size);
    let notes = recording.notes.clone();
    let mut work = Work {
        job,
        settings,
        stop,
        limits,
        recording: &recording,
        story: &story,
        bench,
        artist,
        notes,
        bad: BTreeSet::new(),
    };
    let done = work.all(&steps, &mut told);
    if matches!(done, Err(ComposeError::Cancelled)) {
        work.bench.remove();
    }
    done
}

/// What the kept steps belong to.
fn fingerprint(job: &Job, recording: &Recording, steps: &[Step]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    let parts: Vec<_> =
        recording.parts.iter().map(|(file, part)| (file, part.fragments.last().map(|last| last.bytes.end))).collect();
    let people: Vec<_> = steps.iter().flat_map(|step| step.tiles.iter()).map(|tile| tile.shows).collect();
    let what = format!("{:?} {:?} {parts:?} {people:?} {steps:?}", recording.head.id, job.options);
    hash.update(what.as_bytes());
    hash.update(env!("CARGO_PKG_VERSION").as_bytes());
    hash.finalize()
}

/// The folder in which steps wait for each other.
struct Bench {
    folder: PathBuf,
}

impl Bench {
    fn open(job: &Job, fingerprint: u32) -> Result<Self, ComposeError> {
        let mut folder = job.output.clone().into_os_string();
        folder.push(".parts");
        let bench = Self { folder: folder.into() };
        let note = bench.folder.join("job");
        let line = format!("{fingerprint:08x}\n");
        if fs::read_to_string(&note).is_ok_and(|old| old == line) {
            return Ok(bench);
        }
        bench.remove();
        fs::create_dir_all(&bench.folder).map_err(ComposeError::io(&bench.folder))?;
        fs::write(&note, line).map_err(ComposeError::io(&note))?;
        Ok(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, ComposeError> {
        let path = self.path(name);
        fs::write(&path, bytes).map_err(ComposeError::io(&path))?;
        Ok(path)
    }

    fn remove(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A file that is whole, under its name.
fn publish(from: &Path, to: &Path) -> Result<(), ComposeError> {
    let done = File::open(from).and_then(|file| file.sync_all()).and_then(|()| fs::rename(from, to));
    done.map_err(ComposeError::io(to))
}

struct Work<'a> {
    job: &'a Job,
    settings: &'a Settings,
    stop: &'a Stop,
    limits: Limits,
    recording: &'a Recording,
    story: &'a Story,
    bench: Bench,
    artist: Artist<'a>,
    notes: Vec<String>,
    /// Parts that ffmpeg cannot make anything of.
    bad: BTreeSet<String>,
}

/// How much of all the work joining is.
const JOINING: f64 = 0.04;

impl Work<'_> {
    fn all(&mut self, steps: &[Step], told: &mut dyn FnMut(f64)) -> Result<Composed, ComposeError> {
        let total: u64 = steps.iter().map(|step| step.pictures).sum();
        let mut kept = 0;
        for step in steps {
            self.stop.check()?;
            let so_far = |pictures: u64| (step.first + pictures) as f64 / total as f64 * (1.0 - JOINING);
            if self.file(step, "flac").exists() {
                kept += 1;
            } else {
                self.step(step, &mut |pictures| told(so_far(pictures.min(step.pictures))))?;
            }
            told(so_far(step.pictures));
        }
        let duration_ms = total * 1_000 / u64::from(self.job.options.rate.fps());
        let size_bytes = self.join(steps, duration_ms, told)?;
        self.bench.remove();
        told(1.0);
        let notes = std::mem::take(&mut self.notes);
        Ok(Composed { pictures: total, duration_ms, size_bytes, steps: (steps.len(), kept), notes })
    }

    fn file(&self, step: &Step, ending: &str) -> PathBuf {
        self.bench.path(&format!("step-{:09}.{ending}", step.first))
    }

    /// Steps of H.264 are kept as MP4, those of VP8 and VP9 as Matroska, which has them all.
    fn picture(&self, step: &Step) -> PathBuf {
        self.file(step, if self.job.options.extension() == "mp4" { "mp4" } else { "mkv" })
    }

    /// Encodes one step. If it fails, once more; if it fails again, without the parts that cannot be decoded.
    fn step(&mut self, step: &Step, told: &mut dyn FnMut(u64)) -> Result<(), ComposeError> {
        let mut left_out = false;
        let mut failures = 0;
        loop {
            match self.encode(step, told) {
                Err(ComposeError::Run(RunError::Failed { .. })) if failures == 0 => {
                    tracing::info!("a step of composing failed and is tried again");
                    failures += 1;
                }
                Err(ComposeError::Run(RunError::Failed { status, complaint })) if !left_out => {
                    if !self.leave_out(step)? {
                        return Err(RunError::Failed { status, complaint }.into());
                    }
                    left_out = true;
                }
                done => return done,
            }
        }
    }

    fn encode(&mut self, step: &Step, told: &mut dyn FnMut(u64)) -> Result<(), ComposeError> {
        let inputs = self.inputs(step)?;
        let (picture, sound) = (self.bench.path("picture.new"), self.bench.path("sound.new"));
        let args = graph::step(&inputs, &self.job.options, self.settings.threads, &picture, &sound);
        let fps = u64::from(self.job.options.rate.fps());
        let has_picture = self.job.options.has_picture();
        let pictures = |reached: Reached| if has_picture { reached.pictures } else { reached.micros * fps / 1_000_000 };
        let reached = self.run(&args, |reached| told(pictures(reached)))?;
        if has_picture && reached.pictures != step.pictures {
            let error = format!("{} pictures of {}", reached.pictures, step.pictures);
            return Err(ComposeError::Io { path: picture, error: io::Error::other(error) });
        }
        if has_picture {
            publish(&picture, &self.picture(step))?;
        }
        // The sound comes last: where it is, the step is whole.
        publish(&sound, &self.file(step, "flac"))?;
        for file in inputs.files() {
            let _ = fs::remove_file(file);
        }
        Ok(())
    }

    fn run(&self, args: &[std::ffi::OsString], told: impl FnMut(Reached)) -> Result<Reached, ComposeError> {
        Ok(child::run(&self.settings.ffmpeg, args, self.limits, self.stop, told)?)
    }

    /// Everything that a step reads, written out.
    fn inputs(&mut self, step: &Step) -> Result<Inputs, ComposeError> {
        let mut inputs = Inputs { from: step.span.from, pictures: step.pictures, ..Inputs::default() };
        if self.job.options.has_picture() {
            let ground = self.artist.ground(&step.tiles).yuv420p();
            inputs.ground = Some(self.bench.write("ground.yuv", &ground)?);
            let (behind, front): (Vec<&Tile>, Vec<&Tile>) = step.tiles.iter().partition(|tile| !tile.in_front);
            for tiles in [behind, front] {
                for tile in &tiles {
                    self.tile(tile, step.span, &mut inputs.layers)?;
                }
                for tile in tiles.into_iter().filter(|tile| tile.live.is_some()) {
                    if let Some(label) = self.artist.label(tile) {
                        self.still(&label, &mut inputs.layers)?;
                    }
                }
            }
            inputs.frames = self.frames(step);
        }
        for track in self.story.tracks.iter().filter(|track| !track.is_video) {
            for (file, part) in self.parts(track) {
                if part.covered.iter().any(|span| span.overlap(step.span).is_some())
                    && let Some((slice, _)) = self.slice(file, part, step.span, inputs.voices.len())?
                {
                    inputs.voices.push(slice);
                }
            }
        }
        Ok(inputs)
    }

    /// What can be seen of a tile, besides the ground.
    fn tile(&mut self, tile: &Tile, span: Span, layers: &mut Vec<Layer>) -> Result<(), ComposeError> {
        if tile.in_front && tile.live.is_none() {
            let front = self.artist.front(tile);
            return self.still(&front, layers);
        }
        let Some(track) = tile.live.map(|track| &self.story.tracks[track]) else { return Ok(()) };
        for (file, part) in self.seen(track, span) {
            if let Some((slice, first)) = self.slice(file, part, span, layers.len())? {
                let fills = matches!(tile.shows, Shows::Face(_)) && fills(part.init.size, tile.at);
                layers.push(Layer::Live { file: slice, at: tile.at, fills, first });
            }
        }
        Ok(())
    }

    fn still(&self, placed: &Placed, layers: &mut Vec<Layer>) -> Result<(), ComposeError> {
        let file = self.bench.write(&format!("still-{}.rgba", layers.len()), &placed.image.rgba())?;
        let (w, h) = (placed.image.w, placed.image.h);
        layers.push(Layer::Still { file, at: Rect { x: placed.x, y: placed.y, w, h } });
        Ok(())
    }

    fn parts<'s>(&'s self, track: &'s Track) -> impl Iterator<Item = (&'s String, &'s Part)> {
        let usable = track.parts.iter().filter(|file| !self.bad.contains(*file));
        usable.filter_map(|file| Some((file, self.recording.parts.get(file)?)))
    }

    /// The parts whose pictures are seen within a span, in order: those that have some, and the one whose last picture still stands
    /// when it begins.
    fn seen<'s>(&'s self, track: &'s Track, span: Span) -> Vec<(&'s String, &'s Part)> {
        let begins = |part: &Part| part.covered.iter().next().map_or(u64::MAX, |span| span.from);
        let mut parts: Vec<_> = self.parts(track).filter(|(_, part)| begins(part) < span.to).collect();
        parts.sort_by_key(|(_, part)| begins(part));
        let standing = parts.iter().rposition(|(_, part)| begins(part) <= span.from).unwrap_or(0);
        let has = |part: &Part| part.covered.iter().any(|covered| covered.overlap(span).is_some());
        parts
            .into_iter()
            .enumerate()
            .filter(|(at, (_, part))| *at == standing || has(part))
            .map(|(_, one)| one)
            .collect()
    }

    /// Copies what is needed of a part into a file of its own: what is torn, and what nobody asked for, stays out. With it comes
    /// when the picture begins that is seen first.
    fn slice(
        &self,
        file: &str,
        part: &Part,
        span: Span,
        number: usize,
    ) -> Result<Option<(PathBuf, Option<u64>)>, ComposeError> {
        let Some(needed) = part.needed(span) else { return Ok(None) };
        let path = self.recording.folder.join(file);
        let kind = if part.is_video() { "picture" } else { "voice" };
        let slice = self.bench.path(&format!("{kind}-{number}.mp4"));
        let bytes = part.fragments[needed.start].bytes.start..part.fragments[needed.end - 1].bytes.end;
        let mut from = File::open(&path).map_err(ComposeError::io(&path))?;
        let mut to = File::create(&slice).map_err(ComposeError::io(&slice))?;
        for range in [part.head.clone(), bytes] {
            from.seek(SeekFrom::Start(range.start)).map_err(ComposeError::io(&path))?;
            io::copy(&mut from.by_ref().take(range.end - range.start), &mut to).map_err(ComposeError::io(&slice))?;
        }
        let first = if part.is_video() {
            part.shown_at(&path, &needed, span.from).map_err(ComposeError::io(&path))?
        } else {
            None
        };
        Ok(Some((slice, first)))
    }

    /// Frames around those who speak, with times that count from the start of the step.
    fn frames(&self, step: &Step) -> Vec<(Rect, Vec<Span>)> {
        let mut frames = Vec::new();
        // One alone needs no frame.
        for tile in step.tiles.iter().filter(|_| step.tiles.len() > 1) {
            if let Shows::Face(person) = tile.shows {
                let within = |span: Span| span.overlap(step.span);
                let shift = |span: Span| Span::new(span.from - step.span.from, span.to - step.span.from);
                let spans: Vec<Span> =
                    self.story.people[person].speaking.iter().filter_map(within).map(shift).collect();
                if !spans.is_empty() {
                    frames.push((tile.at, spans));
                }
            }
        }
        frames
    }

    /// Finds the parts of a step that cannot be decoded. Whether there are any.
    fn leave_out(&mut self, step: &Step) -> Result<bool, ComposeError> {
        let live = step.tiles.iter().filter_map(|tile| tile.live);
        let voices = (0..self.story.tracks.len()).filter(|track| !self.story.tracks[*track].is_video);
        let mut found = BTreeSet::new();
        for track in live.chain(voices) {
            for (file, part) in self.parts(&self.story.tracks[track]) {
                if let Some((slice, _)) = self.slice(file, part, step.span, 0)? {
                    let mut args = graph::head();
                    args.extend(["-f", "mov", "-i"].map(Into::into));
                    args.push(slice.into());
                    args.extend(["-f", "null", "-"].map(Into::into));
                    match self.run(&args, |_| {}) {
                        Ok(reached) if reached.pictures > 0 || (!part.is_video() && reached.micros > 0) => {}
                        Ok(_) | Err(ComposeError::Run(RunError::Failed { .. })) => {
                            found.insert(file.clone());
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        for file in &found {
            self.notes.push(format!("{file}: left out, it cannot be decoded"));
        }
        let some = !found.is_empty();
        self.bad.extend(found);
        Ok(some)
    }

    /// Joins all steps and gives the file its name. Its size.
    fn join(&self, steps: &[Step], duration_ms: u64, told: &mut dyn FnMut(f64)) -> Result<u64, ComposeError> {
        let options = &self.job.options;
        let list = |name: &str, path: &dyn Fn(&Step) -> PathBuf| {
            let mut text = String::from("ffconcat version 1.0\n");
            for step in steps {
                let file = path(step);
                let file = file.file_name().expect("we named it").to_string_lossy();
                let length = timeline::moment(step.pictures, u64::from(options.rate.fps()));
                text.push_str(&format!("file {file}\nduration {}\n", graph::seconds(length)));
            }
            self.bench.write(name, text.as_bytes())
        };
        let pictures = options.has_picture().then(|| list("pictures", &|step| self.picture(step))).transpose()?;
        let sounds = list("sounds", &|step| self.file(step, "flac"))?;
        let whole = self.bench.path("whole.new");
        let args = graph::join(pictures.as_deref(), &sounds, options, &whole);
        let share = |reached: Reached| reached.micros as f64 / (duration_ms.max(1) * 1_000) as f64;
        let once = |told: &mut dyn FnMut(f64)| {
            self.run(&args, |reached| told(1.0 - JOINING + JOINING * 0.99 * share(reached).clamp(0.0, 1.0)))
        };
        match once(told) {
            Err(ComposeError::Run(RunError::Failed { .. })) => once(told)?,
            done => done?,
        };
        let size = fs::metadata(&whole).map_err(ComposeError::io(&whole))?.len();
        publish(&whole, &self.job.output)?;
        Ok(size)
    }
}

impl Inputs {
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let layers = self.layers.iter().map(|layer| match layer {
            Layer::Live { file, .. } | Layer::Still { file, .. } => file,
        });
        layers.chain(&self.voices).chain(&self.ground)
    }
}

/// Whether a picture fills its tile: if no more than a third of it is lost at the sides. A phone that is held upright is shown whole.
fn fills((w, h): (u16, u16), tile: Rect) -> bool {
    let picture = f64::from(w.max(1)) / f64::from(h.max(1));
    let tile = f64::from(tile.w) / f64::from(tile.h);
    (picture / tile).min(tile / picture) >= 0.66
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upright_picture_is_shown_whole() {
        let tile = Rect { x: 0, y: 0, w: 640, h: 360 };
        for (size, wanted) in [((1_280, 720), true), ((640, 480), true), ((720, 1_280), false), ((0, 0), false)] {
            assert_eq!(fills(size, tile), wanted, "{size:?}");
        }
    }
}
