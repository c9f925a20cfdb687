//! Makes recordings as the recorder leaves them, from pictures of one colour and tones, and judges what they are composed into.

pub mod judge;
mod vp8;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use compose::{Job, Options, Settings, Size};
use tempfile::TempDir;

/// Small: what is judged is where things are, not how sharp.
pub const SMALL: Size = Size { w: 320, h: 180 };

/// A recording's folder in the making.
pub struct Meeting {
    pub dir: TempDir,
    events: Vec<(u64, String)>,
    tracks: usize,
}

/// A codec of pictures.
#[derive(Debug, Clone, Copy)]
pub enum Codec {
    H264,
    Vp8,
    Vp9,
    Av1,
}

/// Runs ffmpeg, or fails the test with what it says.
pub fn ffmpeg(args: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is installed: scripts/setup-test");
    assert!(output.status.success(), "ffmpeg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Meeting {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("tracks")).expect("a folder");
        let head = r#"{"version":1,"id":"01900000-0000-7000-8000-000000000000","room":"room","started_at":1}"#;
        fs::write(dir.path().join("recording.json"), head).expect("written");
        Self { dir, events: Vec::new(), tracks: 0 }
    }

    /// An event; `rest` is what follows its type.
    pub fn event(&mut self, at: u64, kind: &str, rest: &str) {
        let comma = if rest.is_empty() { "" } else { "," };
        self.events.push((at, format!(r#"{{"at":{at},"type":"{kind}"{comma}{rest}}}"#)));
    }

    pub fn joined(&mut self, at: u64, who: &str) {
        self.named(at, who, who);
    }

    pub fn named(&mut self, at: u64, who: &str, name: &str) {
        let name = serde_json::to_string(name).expect("JSON");
        let rest = format!(r#""participant":"PA_{who}","identity":"{who}","name":{name},"kind":"standard""#);
        self.event(at, "joined", &rest);
    }

    pub fn left(&mut self, at: u64, who: &str) {
        self.event(at, "left", &format!(r#""participant":"PA_{who}""#));
    }

    pub fn speaks(&mut self, at: u64, who: &[&str]) {
        let list: Vec<String> = who.iter().map(|who| format!(r#"{{"participant":"PA_{who}","level":0.5}}"#)).collect();
        self.event(at, "speakers", &format!(r#""speakers":[{}]"#, list.join(",")));
    }

    /// A new track's ID.
    pub fn track(&mut self, at: u64, who: &str, source: &str) -> String {
        self.tracks += 1;
        let sid = format!("TR_{}", self.tracks);
        let rest =
            format!(r#""track":"{sid}","participant":"PA_{who}","kind":"video","source":"{source}","codec":"x""#);
        self.event(at, "track", &rest);
        sid
    }

    /// A part of a track, whose file somebody has to write.
    pub fn part(&mut self, at: u64, sid: &str, number: u32) -> PathBuf {
        let file = format!("tracks/{sid}-{number}.mp4");
        self.event(at, "part", &format!(r#""track":"{sid}","file":"{file}""#));
        self.dir.path().join(file)
    }

    /// A camera with a picture of one colour, from one moment to another, then off.
    pub fn camera(&mut self, who: &str, codec: Codec, color: &str, from: u64, to: u64) -> PathBuf {
        self.picture(who, "camera", codec, color, from, to)
    }

    /// A shared screen of one colour.
    pub fn screen(&mut self, who: &str, color: &str, from: u64, to: u64) -> PathBuf {
        self.picture(who, "screen_share", Codec::H264, color, from, to)
    }

    fn picture(&mut self, who: &str, source: &str, codec: Codec, color: &str, from: u64, to: u64) -> PathBuf {
        let sid = self.track(from, who, source);
        let file = self.part(from, &sid, 1);
        video(codec, &format!("color=c={color}:s=320x180:r=30"), from, to, &file);
        self.event(to, "track_ended", &format!(r#""track":"{sid}""#));
        file
    }

    /// A voice: a tone, from one moment to another.
    pub fn voice(&mut self, who: &str, hertz: u32, from: u64, to: u64) -> PathBuf {
        let sid = self.track(from, who, "microphone");
        let file = self.part(from, &sid, 1);
        sound(&format!("sine=f={hertz}:r=48000,volume=6dB"), from, to, &file);
        file
    }

    /// Writes the events, in order of time.
    pub fn write(&self) {
        let mut events = self.events.clone();
        events.sort_by_key(|(at, _)| *at);
        let text: String = events.into_iter().map(|(_, line)| line + "\n").collect();
        fs::write(self.dir.path().join("events.jsonl"), text).expect("written");
    }

    pub fn job(&self, options: Options) -> Job {
        self.write();
        let output = self.dir.path().join(format!("out.{}", options.extension()));
        Job { folder: self.dir.path().to_owned(), output, options }
    }
}

/// What is left beside the recording itself.
pub fn left_over(dir: &Path) -> Vec<String> {
    let known = ["recording.json", "events.jsonl", "tracks"];
    let names = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.retain(|name| !known.contains(&name.as_str()));
    names.sort();
    names
}

pub fn small() -> Options {
    Options { size: SMALL, ..Options::default() }
}

pub fn settings(step: u64) -> Settings {
    Settings { step: Duration::from_millis(step), stall: Duration::from_secs(30), ..Settings::default() }
}

/// A part with a picture: fragments of about a second, with times of the recording.
pub fn video(codec: Codec, source: &str, from: u64, to: u64, file: &Path) {
    let length = format!("{}", (to - from) as f64 / 1_000.0);
    let encoder: &[&str] = match codec {
        Codec::H264 => &["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0"],
        Codec::Vp8 => &["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "300k"],
        Codec::Vp9 => {
            &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "300k", "-lag-in-frames", "0"]
        }
        Codec::Av1 => {
            &["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-b:v", "300k", "-lag-in-frames", "0"]
        }
    };
    let input = ["-f", "lavfi", "-i", source, "-t", &length, "-pix_fmt", "yuv420p", "-g", "45"];
    let args: Vec<&str> = input.iter().chain(encoder).copied().collect();
    if let Codec::Vp8 = codec {
        // ffmpeg reads VP8 in MP4, and does not write it.
        let ivf = ffmpeg(&[&args[..], &["-f", "ivf", "-"]].concat());
        fs::write(file, vp8::mp4(&ivf, from * 90)).expect("written");
        return;
    }
    fragmented(&[&args[..], &["-video_track_timescale", "90000"]].concat(), file);
    shift(file, from * 90);
}

/// A part with sound.
pub fn sound(source: &str, from: u64, to: u64, file: &Path) {
    let length = format!("{}", (to - from) as f64 / 1_000.0);
    fragmented(&["-f", "lavfi", "-i", source, "-t", &length, "-ac", "1", "-c:a", "libopus", "-b:a", "48k"], file);
    shift(file, from * 48);
}

fn fragmented(args: &[&str], file: &Path) {
    let path = file.to_str().expect("plain");
    let form = [
        "-movflags",
        "empty_moov+default_base_moof",
        "-use_editlist",
        "0",
        "-frag_duration",
        "1000000",
        "-f",
        "mp4",
        path,
    ];
    ffmpeg(&[args, &form].concat());
}

/// Moves a part in time: its fragments' decode times, by ticks of its timescale.
pub fn shift(file: &Path, ticks: u64) {
    let mut bytes = fs::read(file).expect("a part");
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(4).position(|name| name == b"tfdt") {
        at += found + 4;
        if bytes[at] == 1 {
            let time = u64::from_be_bytes(bytes[at + 4..at + 12].try_into().expect("eight")) + ticks;
            bytes[at + 4..at + 12].copy_from_slice(&time.to_be_bytes());
        } else {
            let time = u32::from_be_bytes(bytes[at + 4..at + 8].try_into().expect("four"))
                + u32::try_from(ticks).expect("short");
            bytes[at + 4..at + 8].copy_from_slice(&time.to_be_bytes());
        }
    }
    fs::write(file, bytes).expect("written");
}

/// Appends the fragments of one part to another, as if the track had been silent between them.
pub fn append(file: &Path, later: &Path) {
    let bytes = fs::read(later).expect("a part");
    let moof = bytes.windows(4).position(|name| name == b"moof").expect("a fragment") - 4;
    let mut whole = fs::read(file).expect("a part");
    whole.extend_from_slice(&bytes[moof..]);
    fs::write(file, whole).expect("written");
    fs::remove_file(later).expect("removed");
}

/// A program that stands in for ffmpeg: a script around it, in which `$COUNT` is a file to count in.
pub fn stand_in(dir: &Path, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("tracks/ffmpeg");
    let count = dir.join("tracks/count");
    let count = count.display();
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *-encoders) exec ffmpeg \"$@\";; esac\necho >> {count}\nN=$(wc -l < {count})\n{script}\nexec ffmpeg \"$@\"\n"
    );
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    path
}
