//! Real media: frames that ffmpeg encodes, cut into the payloads of RTP packets.

use std::io::Write;
use std::process::Command;

use client::{Clip, VideoCodec};

/// Bytes of a payload.
const MTU: usize = 1_100;
/// Frames a second.
pub const FPS: u32 = 30;

/// Whether ffmpeg and ffprobe are here; that they are not is said.
pub fn can_encode() -> bool {
    let found = ["ffmpeg", "ffprobe"].iter().all(|name| Command::new(name).arg("-version").output().is_ok());
    if !found {
        // Past the test's own output, which nobody sees where a test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: there is no ffmpeg here");
    }
    found
}

/// Two seconds of a test picture, of which the first frame alone is a keyframe.
pub fn video(codec: VideoCodec, width: u32, height: u32) -> Clip {
    let source = format!("testsrc2=size={width}x{height}:rate={FPS}:duration=2");
    let input = ["-f", "lavfi", "-i", source.as_str(), "-pix_fmt", "yuv420p", "-g", "600"];
    let realtime = ["-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0", "-lag-in-frames", "0"];
    let frames = match codec {
        VideoCodec::Vp8 => ivf(&encode(&input, &[&["-c:v", "libvpx", "-b:v", "600k"], &realtime[..], &["-f", "ivf"]])),
        VideoCodec::Vp9 => {
            ivf(&encode(&input, &[&["-c:v", "libvpx-vp9", "-b:v", "600k"], &realtime[..], &["-f", "ivf"]]))
        }
        VideoCodec::Av1 => {
            let settings = ["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-lag-in-frames", "0"];
            ivf(&encode(&input, &[&settings, &["-b:v", "400k", "-f", "ivf"]]))
        }
        VideoCodec::H264 => {
            let settings =
                ["-c:v", "libx264", "-profile:v", "baseline", "-tune", "zerolatency", "-preset", "ultrafast"];
            access_units(&encode(&input, &[&settings, &["-x264-params", "aud=1:slices=1", "-f", "h264"]]))
        }
        VideoCodec::H265 => panic!("nobody asks for it"),
    };
    let packets = frames.iter().enumerate().map(|(at, frame)| match codec {
        VideoCodec::Vp8 => chunks(frame, |first, _| vec![u8::from(first) << 4]),
        VideoCodec::Vp9 => {
            let inter = u8::from(at > 0) << 6;
            chunks(frame, |first, last| {
                vec![0x80 | inter | u8::from(first) << 3 | u8::from(last) << 2, at as u8 & 0x7f]
            })
        }
        VideoCodec::Av1 => av1_payloads(frame, at == 0),
        VideoCodec::H264 | VideoCodec::H265 => h264_payloads(frame),
    });
    packets.collect::<Vec<_>>().leak()
}

/// Two seconds of a tone in Opus.
pub fn opus() -> Clip {
    let input = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"];
    let ogg = encode(&input, &[&["-c:a", "libopus", "-b:a", "32k", "-ac", "2", "-frame_duration", "20", "-f", "ogg"]]);
    let packets = ogg_packets(&ogg).into_iter().skip(2);
    packets.map(|packet| vec![packet]).collect::<Vec<_>>().leak()
}

fn encode(input: &[&str], settings: &[&[&str]]) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error"]).args(input);
    command.args(settings.concat());
    let output = command.arg("pipe:1").output().expect("ffmpeg runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn ivf(file: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &file[32..];
    let mut frames = Vec::new();
    while rest.len() >= 12 {
        let size = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        frames.push(rest[12..12 + size].to_vec());
        rest = &rest[12 + size..];
    }
    frames
}

fn ogg_packets(file: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut packets, mut packet) = (file, Vec::new(), Vec::new());
    while rest.len() > 27 {
        let segments = usize::from(rest[26]);
        let (sizes, mut body) = rest[27..].split_at(segments);
        for size in sizes {
            packet.extend_from_slice(&body[..usize::from(*size)]);
            body = &body[usize::from(*size)..];
            if *size < 255 {
                packets.push(std::mem::take(&mut packet));
            }
        }
        rest = body;
    }
    packets
}

/// NAL units of a byte stream.
fn nals(stream: &[u8]) -> Vec<Vec<u8>> {
    let starts: Vec<usize> =
        (0..stream.len().saturating_sub(3)).filter(|at| stream[*at..at + 3] == [0, 0, 1]).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let cut = |(start, end): (&usize, usize)| {
        let mut nal = stream[start + 3..end].to_vec();
        while nal.last() == Some(&0) {
            nal.pop();
        }
        nal
    };
    starts.iter().zip(ends).map(cut).collect()
}

/// Its access units, each a byte stream again.
fn access_units(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut units: Vec<Vec<u8>> = Vec::new();
    for nal in nals(stream) {
        match nal[0] & 0x1f {
            9 => units.push(Vec::new()),
            6 => {}
            _ => {
                let unit = units.last_mut().expect("a delimiter comes first");
                unit.extend_from_slice(&[0, 0, 1]);
                unit.extend_from_slice(&nal);
            }
        }
    }
    units
}

fn chunks(frame: &[u8], head: impl Fn(bool, bool) -> Vec<u8>) -> Vec<Vec<u8>> {
    let count = frame.len().div_ceil(MTU);
    let payload = |(at, chunk): (usize, &[u8])| [head(at == 0, at + 1 == count), chunk.to_vec()].concat();
    frame.chunks(MTU).enumerate().map(payload).collect()
}

fn h264_payloads(unit: &[u8]) -> Vec<Vec<u8>> {
    let (mut sets, mut payloads) = (vec![0x78], Vec::new());
    for nal in nals(unit) {
        match nal[0] & 0x1f {
            7 | 8 => {
                sets.extend_from_slice(&(nal.len() as u16).to_be_bytes());
                sets.extend_from_slice(&nal);
            }
            _ if nal.len() <= MTU => payloads.push(nal),
            kind => {
                let indicator = nal[0] & 0xe0 | 28;
                let flags = |first: bool, last: bool| u8::from(first) << 7 | u8::from(last) << 6 | kind;
                payloads.extend(chunks(&nal[1..], |first, last| vec![indicator, flags(first, last)]));
            }
        }
    }
    if sets.len() > 1 {
        payloads.insert(0, sets);
    }
    payloads
}

fn av1_payloads(unit: &[u8], keyframe: bool) -> Vec<Vec<u8>> {
    let (mut rest, mut payloads) = (unit, Vec::new());
    while let Some(header) = rest.first() {
        let mut size_at = 1 + usize::from(header & 0x04 != 0);
        let (mut size, mut shift) = (0, 0);
        loop {
            let byte = rest[size_at];
            size |= usize::from(byte & 0x7f) << shift;
            (size_at, shift) = (size_at + 1, shift + 7);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let obu = [&[header & !0x02][..], &rest[size_at..size_at + size]].concat();
        if header >> 3 & 0x0f != 2 {
            payloads.extend(chunks(&obu, |first, last| vec![0x10 | u8::from(!first) << 7 | u8::from(!last) << 6]));
        }
        rest = &rest[size_at + size..];
    }
    if keyframe && let Some(first) = payloads.first_mut() {
        first[0] |= 0x08;
    }
    payloads
}
