//! The arguments of ffmpeg for one step and for the end. Pure. Paths are arguments of their own and never part of a filter;
//! filters are made of numbers alone.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use model::RecordingFormat;

use crate::layout::{Rect, Size};
use crate::options::Options;
use crate::span::{Micros, Span};

/// Everything that one step reads.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The ground, as raw `yuv420p` of the picture's size; none without a picture.
    pub ground: Option<PathBuf>,
    /// What lies on it, from the back to the front.
    pub layers: Vec<Layer>,
    /// Frames around those who speak, and when, counted from the start of the step.
    pub frames: Vec<(Rect, Vec<Span>)>,
    /// What is heard.
    pub voices: Vec<PathBuf>,
    /// When the step begins in the recording.
    pub from: Micros,
    /// How many pictures it has.
    pub pictures: u64,
}

/// One layer.
#[derive(Debug)]
pub enum Layer {
    /// A picture that moves.
    Live {
        /// An MP4 file whose times are those of the recording.
        file: PathBuf,
        /// Where it is shown.
        at: Rect,
        /// Whether it fills its place, cut at the sides, or is shown whole.
        fills: bool,
        /// When its first picture that is needed begins.
        first: Option<Micros>,
    },
    /// A picture that stands still, as raw `rgba`.
    Still {
        /// The file.
        file: PathBuf,
        /// Where it is shown.
        at: Rect,
    },
}

/// Frames around tiles.
const SPEAKING: &str = "0x4ade80";

/// What all runs of ffmpeg begin with: it reads nothing but files, and tells its progress on standard output.
pub fn head() -> Vec<OsString> {
    let words = "-hide_banner -nostdin -loglevel error -progress pipe:1 -stats_period 0.5 -y";
    words.split(' ').map(OsString::from).collect()
}

/// The arguments of a step. The picture goes to `picture`, the sound, as FLAC, to `sound`.
pub fn step(inputs: &Inputs, options: &Options, threads: u32, picture: &Path, sound: &Path) -> Vec<OsString> {
    let mut command = Command { args: head(), graph: String::new(), inputs: 0 };
    command.words("-copyts -filter_complex_threads 1");
    if let Some(ground) = &inputs.ground {
        command.picture(inputs, ground, options);
    }
    command.sound(inputs, options);
    let graph = std::mem::take(&mut command.graph);
    command.args.extend(["-filter_complex".into(), graph.into()]);
    if inputs.ground.is_some() {
        command.words(&format!("-map [picture] -frames:v {}", inputs.pictures));
        command.words(&encoder(options, threads));
        command.args.push(picture.into());
    }
    command.words("-map [sound] -c:a flac -compression_level 2 -f flac");
    command.args.push(sound.into());
    command.args
}

/// The arguments that join all steps: pictures are copied, sound is encoded once, over all of it.
pub fn join(pictures: Option<&Path>, sounds: &Path, options: &Options, output: &Path) -> Vec<OsString> {
    let mut command = Command { args: head(), graph: String::new(), inputs: 0 };
    for list in pictures.into_iter().chain([sounds]) {
        command.words("-f concat -safe 0 -i");
        command.args.push(list.into());
    }
    let maps = if pictures.is_some() { "-map 0:v -map 1:a -c:v copy" } else { "-map 0:a" };
    command.words(maps);
    command.words(match options.format {
        RecordingFormat::Mp4 => "-c:a aac -b:a 128k -movflags +faststart",
        RecordingFormat::Webm => "-c:a libopus -b:a 96k",
    });
    command.words(match (options.format, options.has_picture()) {
        (RecordingFormat::Mp4, true) => "-f mp4",
        (RecordingFormat::Mp4, false) => "-f ipod",
        (RecordingFormat::Webm, true) => "-f webm",
        (RecordingFormat::Webm, false) => "-f ogg",
    });
    command.args.push(output.into());
    command.args
}

/// How pictures are encoded, and in which container the steps are kept.
fn encoder(options: &Options, threads: u32) -> String {
    let fps = options.rate.fps();
    let gop = fps * 2;
    let Size { w, h } = options.size;
    match (options.format, options.vp8) {
        (RecordingFormat::Mp4, _) => format!(
            "-c:v libx264 -preset veryfast -crf 23 -profile:v high -pix_fmt yuv420p -g {gop} -threads {threads} -f mp4"
        ),
        (RecordingFormat::Webm, false) => format!(
            "-c:v libvpx-vp9 -deadline realtime -cpu-used 7 -row-mt 1 -crf 34 -b:v 0 -pix_fmt yuv420p -g {gop} -threads {threads} -f matroska"
        ),
        (RecordingFormat::Webm, true) => {
            let bits = u64::from(w) * u64::from(h) * u64::from(fps) / 12;
            format!(
                "-c:v libvpx -deadline realtime -cpu-used 6 -crf 10 -b:v {bits} -pix_fmt yuv420p -g {gop} -threads {threads} -f matroska"
            )
        }
    }
}

struct Command {
    args: Vec<OsString>,
    graph: String,
    inputs: usize,
}

impl Command {
    fn words(&mut self, words: &str) {
        self.args.extend(words.split(' ').map(OsString::from));
    }

    fn input(&mut self, options: &str, file: &Path) -> usize {
        self.words(options);
        self.args.extend(["-i".into(), file.into()]);
        self.inputs += 1;
        self.inputs - 1
    }

    fn filter(&mut self, filter: std::fmt::Arguments<'_>) {
        if !self.graph.is_empty() {
            self.graph.push(';');
        }
        self.graph.write_fmt(filter).expect("a string takes it");
    }

    fn media(&mut self, file: &Path, options: &str) -> usize {
        self.input(&format!("-protocol_whitelist file -f mov -ignore_editlist 1 -threads 1{options}"), file)
    }

    fn picture(&mut self, inputs: &Inputs, ground: &Path, options: &Options) {
        let (Size { w, h }, fps) = (options.size, options.rate.fps());
        let number =
            self.input(&format!("-f rawvideo -pixel_format yuv420p -video_size {w}x{h} -framerate {fps}"), ground);
        let again = inputs.pictures - 1;
        self.filter(format_args!("[{number}:v]loop=loop={again}:size=1,setpts=N/({fps}*TB)[l0]"));
        for (below, layer) in inputs.layers.iter().enumerate() {
            let at = match layer {
                Layer::Live { file, at, fills, first } => {
                    let number = self.media(file, " -reinit_filter 0");
                    self.live(number, *at, *fills, *first, inputs.from);
                    at
                }
                Layer::Still { file, at } => {
                    let Rect { w, h, .. } = at;
                    let raw = format!("-f rawvideo -pixel_format rgba -video_size {w}x{h} -framerate {fps}");
                    let number = self.input(&raw, file);
                    self.filter(format_args!("[{number}:v]format=yuva420p[m{number}]"));
                    at
                }
            };
            let (x, y, number, above) = (at.x, at.y, self.inputs - 1, below + 1);
            self.filter(format_args!(
                "[l{below}][m{number}]overlay=x={x}:y={y}:eof_action=repeat:format=yuv420[l{above}]"
            ));
        }
        let top = inputs.layers.len();
        let frames: String = inputs.frames.iter().map(|(at, spans)| frame(*at, spans, options.size)).collect();
        // Everything in the graph has an end: ffmpeg would draw endlessly for an output that has had its pictures.
        let end = inputs.pictures;
        self.filter(format_args!("[l{top}]{frames}trim=end_frame={end},setsar=1[picture]"));
    }

    /// Scaled with fast_bilinear: at a third of the size nobody sees the difference, and it costs half. Screens are for reading.
    fn live(&mut self, number: usize, at: Rect, fills: bool, first: Option<Micros>, from: Micros) {
        let Rect { w, h, .. } = at;
        let start = seconds(from);
        let trim = first.map_or(String::new(), |first| {
            let early = from.saturating_sub(first) + 500;
            format!("trim=start=-{},", seconds(early))
        });
        let fit = if fills {
            format!("scale={w}:{h}:force_original_aspect_ratio=increase:flags=fast_bilinear,crop={w}:{h}")
        } else {
            format!(
                "scale={w}:{h}:force_original_aspect_ratio=decrease:force_divisible_by=2:flags=bilinear,pad={w}:{h}:-1:-1"
            )
        };
        self.filter(format_args!("[{number}:v]setpts=PTS-{start}/TB,{trim}{fit},format=yuv420p[m{number}]"));
    }

    /// Everyone at their own loudness. Silence lasts as long as the step does; what is missing in a voice is filled with silence, to
    /// the packet.
    fn sound(&mut self, inputs: &Inputs, options: &Options) {
        let samples = inputs.pictures * options.rate.samples();
        let start = seconds(inputs.from);
        self.filter(format_args!("anullsrc=r=48000:cl=stereo,atrim=end_sample={samples}[silence]"));
        let mut voices = String::from("[silence]");
        for file in &inputs.voices {
            let number = self.media(file, "");
            self.filter(format_args!(
                "[{number}:a]asetpts=PTS-{start}/TB,aresample=48000:async=1:min_hard_comp=0.01:first_pts=0,\
                 aformat=sample_fmts=fltp:channel_layouts=stereo[a{number}]"
            ));
            write!(voices, "[a{number}]").expect("a string takes it");
        }
        let count = inputs.voices.len() + 1;
        self.filter(format_args!(
            "{voices}amix=inputs={count}:duration=first:dropout_transition=0:normalize=0,\
             atrim=end_sample={samples},aformat=sample_fmts=s16:sample_rates=48000:channel_layouts=stereo[sound]"
        ));
    }
}

fn frame(at: Rect, spans: &[Span], size: Size) -> String {
    let Rect { x, y, w, h } = at;
    let thick = (size.h / 180).max(2);
    let when: Vec<String> =
        spans.iter().map(|span| format!("between(t,{},{})", seconds(span.from), seconds(span.to))).collect();
    let when = when.join("+");
    format!("drawbox=x={x}:y={y}:w={w}:h={h}:t={thick}:c={SPEAKING}:enable='{when}',")
}

/// A time in seconds, exact to the microsecond.
pub fn seconds(time: Micros) -> String {
    format!("{}.{:06}", time / 1_000_000, time % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(args: &[OsString]) -> Vec<String> {
        args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_path_is_an_argument_and_never_part_of_a_filter() {
        let file = PathBuf::from("/data/it's; [0:v] %{pts}, \"odd\"/x.mp4");
        let at = Rect { x: 0, y: 0, w: 320, h: 180 };
        let inputs = Inputs {
            ground: Some(file.clone()),
            layers: vec![
                Layer::Live { file: file.clone(), at, fills: true, first: Some(90_000_000) },
                Layer::Still { file: file.clone(), at },
            ],
            frames: vec![(at, vec![Span::new(0, 1_500_000)])],
            voices: vec![file.clone()],
            from: 90_500_000,
            pictures: 30,
        };
        let args = text(&step(&inputs, &Options::default(), 2, &file, &file));
        let graph = &args[args.iter().position(|arg| arg == "-filter_complex").expect("a graph") + 1];
        assert!(!graph.contains("odd"), "{graph}");
        assert_eq!(args.iter().filter(|arg| arg.contains("odd")).count(), 6);
        assert!(graph.contains("setpts=PTS-90.500000/TB,trim=start=-0.500500,"), "{graph}");
        assert!(graph.contains("enable='between(t,0.000000,1.500000)'"), "{graph}");
        assert!(graph.contains("atrim=end_sample=48000"), "{graph}");
    }
}
