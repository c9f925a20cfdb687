//! What the server says about its own media in answers and offers.

use std::collections::BTreeMap;

use super::{Section, split};

/// What an m-line of an answer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LineUse {
    /// The client receives this.
    Send(Sent),
    /// The client sends audio.
    ReceiveAudio(AudioWishes),
    /// The client sends video, best with this codec (`vp8`, `h264`…; empty: as offered).
    ReceiveVideo {
        /// Name as in `a=rtpmap`, any case.
        codec: String,
    },
    /// Nothing for now: `inactive`, so that the client sees no stream.
    Idle,
    /// Not ours to touch.
    Other,
}

/// Whose track goes down an m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// `PA_…` of the publisher.
    pub participant: String,
    /// `TR_…`.
    pub track: String,
    /// Played in step with the participant's other tracks that have the same one.
    pub stream: Option<&'static str>,
}

impl Sent {
    fn msid(&self) -> String {
        format!("{}|{} {}", self.participant, self.stream.unwrap_or(&self.track), self.track)
    }
}

/// How a client should send an audio track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AudioWishes {
    /// In this codec, where it is neither Opus nor RED; name as in `a=rtpmap`, any case.
    pub other: Option<String>,
    /// Redundant audio, where both sides can.
    pub red: bool,
    /// Stop sending in silence.
    pub dtx: bool,
    /// Two channels at a high rate.
    pub stereo: bool,
}

/// Writes into the stack's answer what each m-line is for, by mid.
pub(crate) fn rewrite_answer(answer: &str, uses: &BTreeMap<String, LineUse>) -> String {
    let (session, sections) = split(answer);
    let dtx = uses.values().all(|line| !matches!(line, LineUse::ReceiveAudio(wishes) if !wishes.dtx));
    let mut text = join(session.iter().map(|line| (*line).to_owned()));
    for section in &sections {
        let line_use = section.mid().and_then(|mid| uses.get(mid)).unwrap_or(&LineUse::Other);
        text.push_str(&join(answer_section(section, line_use, dtx)));
    }
    text
}

fn answer_section(section: &Section<'_>, line_use: &LineUse, dtx: bool) -> impl Iterator<Item = String> {
    let mut lines: Vec<String> = section.lines.iter().map(|line| (*line).to_owned()).collect();
    match line_use {
        LineUse::Send(sent) => write_msid(&mut lines, &sent.msid()),
        LineUse::Idle => {
            strip_stream(&mut lines);
            write_direction(&mut lines, "inactive");
        }
        LineUse::ReceiveAudio(wishes) => {
            strip_stream(&mut lines);
            let opus = if wishes.red { ["red", "opus"] } else { ["opus", "red"] };
            let codecs: Vec<&str> = wishes.other.as_deref().into_iter().chain(opus).collect();
            prefer(&mut lines, section, &codecs);
        }
        LineUse::ReceiveVideo { codec } => {
            strip_stream(&mut lines);
            prefer(&mut lines, section, &[codec]);
        }
        LineUse::Other => {}
    }
    if section.media() == "audio" {
        let stereo = matches!(line_use, LineUse::ReceiveAudio(AudioWishes { stereo: true, .. }));
        write_opus(&mut lines, section, dtx, stereo);
    }
    lines.into_iter()
}

/// Writes msids into an offer of the server and gives it the version `version`. An m-line without a track belongs to no stream.
pub(crate) fn rewrite_offer(offer: &str, version: u64, sent: &BTreeMap<String, Sent>) -> String {
    let (session, sections) = split(offer);
    let mut text = join(session.iter().map(|line| write_version(line, version)));
    for section in &sections {
        let mut lines: Vec<String> = section.lines.iter().map(|line| (*line).to_owned()).collect();
        if matches!(section.media(), "audio" | "video") {
            let mid = section.mid().unwrap_or_default();
            let msid = sent.get(mid).map_or_else(|| format!("- idle{mid}"), Sent::msid);
            write_msid(&mut lines, &msid);
        }
        text.push_str(&join(lines));
    }
    text
}

fn join(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().flat_map(|line| [line, "\r\n".to_owned()]).collect()
}

/// `o=- <id> <version> IN IP4 0.0.0.0`
fn write_version(line: &str, version: u64) -> String {
    if !line.starts_with("o=") {
        return line.to_owned();
    }
    let mut words: Vec<&str> = line.split(' ').collect();
    let version = version.to_string();
    if let Some(word) = words.get_mut(2) {
        *word = &version;
    }
    words.join(" ")
}

fn is_msid(line: &str) -> bool {
    line.starts_with("a=msid:")
}

fn is_ssrc(line: &str) -> bool {
    line.starts_with("a=ssrc:") || line.starts_with("a=ssrc-group:")
}

/// `a=ssrc:<ssrc> msid:<stream> <track>`, and its older relatives.
fn is_ssrc_msid(line: &str) -> bool {
    let words = line.strip_prefix("a=ssrc:").and_then(|rest| rest.split_once(' '));
    words.is_some_and(|(_, rest)| ["msid:", "mslabel:", "label:"].iter().any(|word| rest.starts_with(word)))
}

fn strip_stream(lines: &mut Vec<String>) {
    lines.retain(|line| !is_msid(line) && !is_ssrc(line));
}

fn write_msid(lines: &mut Vec<String>, msid: &str) {
    let ssrcs: Vec<String> = lines.iter().filter_map(|line| line.strip_prefix("a=ssrc:")?.split(' ').next()).fold(
        Vec::new(),
        |mut ssrcs, ssrc| {
            if !ssrcs.iter().any(|known| known == ssrc) {
                ssrcs.push(ssrc.to_owned());
            }
            ssrcs
        },
    );
    lines.retain(|line| !is_msid(line) && !is_ssrc_msid(line));
    let after_mid = lines.iter().position(|line| line.starts_with("a=mid:")).map_or(lines.len(), |at| at + 1);
    lines.insert(after_mid, format!("a=msid:{msid}"));
    lines.extend(ssrcs.iter().map(|ssrc| format!("a=ssrc:{ssrc} msid:{msid}")));
}

fn write_direction(lines: &mut [String], direction: &str) {
    for line in lines {
        if matches!(line.as_str(), "a=sendrecv" | "a=sendonly" | "a=recvonly" | "a=inactive") {
            *line = format!("a={direction}");
        }
    }
}

/// Puts the formats of these codecs first in the m-line, in this order: the client sends the first.
fn prefer(lines: &mut [String], section: &Section<'_>, codecs: &[impl AsRef<str>]) {
    let Some(first) = lines.first_mut() else { return };
    let words: Vec<&str> = first.split(' ').collect();
    let Some((head, formats)) = words.split_at_checked(3) else { return };
    let rank = |format: &&str| {
        let name = section.lines.iter().find_map(|line| {
            let (payload_type, encoding) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            (payload_type == *format).then(|| encoding.split('/').next()).flatten()
        });
        let at = name.and_then(|name| codecs.iter().position(|codec| name.eq_ignore_ascii_case(codec.as_ref())));
        at.unwrap_or(codecs.len())
    };
    let mut formats = formats.to_vec();
    formats.sort_by_key(rank);
    *first = [head, &formats].concat().join(" ");
}

/// Opus parameters: the same DTX in every m-line of the bundle, for they share the payload type.
fn write_opus(lines: &mut Vec<String>, section: &Section<'_>, dtx: bool, stereo: bool) {
    let Some(opus) = section.payload_type("opus") else { return };
    let head = format!("a=fmtp:{opus} ");
    let at = lines.iter().position(|line| line.starts_with(&head));
    let mut parameters: Vec<String> = at
        .map(|at| lines[at][head.len()..].split(';').map(|word| word.trim().to_owned()).collect())
        .unwrap_or_default();
    parameters.retain(|word| {
        !word.is_empty() && !["usedtx=", "stereo=", "maxaveragebitrate="].iter().any(|own| word.starts_with(own))
    });
    if dtx {
        parameters.push("usedtx=1".to_owned());
    }
    if stereo {
        parameters.extend(["stereo=1".to_owned(), "maxaveragebitrate=510000".to_owned()]);
    }
    if parameters.is_empty() {
        return;
    }
    let line = format!("{head}{}", parameters.join(";"));
    let rtpmap = format!("a=rtpmap:{opus} ");
    match at {
        Some(at) => lines[at] = line,
        None => {
            let after = lines.iter().position(|line| line.starts_with(&rtpmap)).map_or(lines.len(), |at| at + 1);
            lines.insert(after, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=mid:0\r\na=sendonly\r\na=msid:x y\r\na=rtpmap:111 opus/48000/2\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=ssrc:1 cname:c\r\na=ssrc:1 msid:x y\r\n";
    const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99\r\na=mid:1\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n\
        a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 VP9/90000\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\n";

    fn answer(body: &str, mid: &str, line_use: LineUse) -> Vec<String> {
        let text = format!("v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\n{body}");
        let text = rewrite_answer(&text, &BTreeMap::from([(mid.to_owned(), line_use)]));
        assert!(text.ends_with("\r\n"));
        split(&text).1[0].lines.iter().map(|line| (*line).to_owned()).collect()
    }

    fn sent() -> Sent {
        Sent { participant: "PA_p".into(), track: "TR_t".into(), stream: None }
    }

    #[test]
    fn what_is_played_in_step_has_a_stream_in_common() {
        let lines = answer(AUDIO, "0", LineUse::Send(Sent { stream: Some("camera"), ..sent() }));
        assert!(lines.iter().any(|line| line == "a=msid:PA_p|camera TR_t"), "{lines:?}");
    }

    #[test]
    fn a_line_that_sends_names_its_participant_and_track() {
        let lines = answer(AUDIO, "0", LineUse::Send(sent()));
        assert_eq!(
            lines,
            [
                "m=audio 9 UDP/TLS/RTP/SAVPF 111 63",
                "a=mid:0",
                "a=msid:PA_p|TR_t TR_t",
                "a=sendonly",
                "a=rtpmap:111 opus/48000/2",
                "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1",
                "a=rtpmap:63 red/48000/2",
                "a=ssrc:1 cname:c",
                "a=ssrc:1 msid:PA_p|TR_t TR_t",
            ]
        );
    }

    #[test]
    fn an_idle_line_is_inactive_and_names_nobody() {
        let lines = answer(AUDIO, "0", LineUse::Idle);
        assert!(lines.contains(&"a=inactive".to_owned()));
        assert!(!lines.iter().any(|line| line.contains("msid") || line.contains("ssrc") || line == "a=sendonly"));
    }

    #[test]
    fn audio_is_asked_for_as_the_track_wishes() {
        for (red, dtx, stereo, formats, fmtp) in [
            (true, true, false, "63 111", "minptime=10;useinbandfec=1;usedtx=1"),
            (false, true, false, "111 63", "minptime=10;useinbandfec=1;usedtx=1"),
            (false, false, false, "111 63", "minptime=10;useinbandfec=1"),
            (false, false, true, "111 63", "minptime=10;useinbandfec=1;stereo=1;maxaveragebitrate=510000"),
        ] {
            let lines = answer(AUDIO, "0", LineUse::ReceiveAudio(AudioWishes { other: None, red, dtx, stereo }));
            assert_eq!(lines[0], format!("m=audio 9 UDP/TLS/RTP/SAVPF {formats}"));
            assert!(lines.contains(&format!("a=fmtp:111 {fmtp}")), "{lines:?}");
            assert!(!lines.iter().any(|line| line.contains("msid")));
        }
    }

    #[test]
    fn dtx_is_the_same_in_the_whole_bundle() {
        let other = AUDIO.replace("a=mid:0", "a=mid:2");
        let uses = BTreeMap::from([
            ("0".to_owned(), LineUse::ReceiveAudio(AudioWishes { other: None, red: true, dtx: false, stereo: false })),
            ("2".to_owned(), LineUse::Idle),
        ]);
        let text = rewrite_answer(&format!("v=0\r\n{AUDIO}{other}"), &uses);
        assert!(!text.contains("usedtx"));
    }

    #[test]
    fn the_wanted_video_codec_comes_first() {
        for (codec, formats) in
            [("vp9", "98 96 97 99"), ("VP8", "96 97 98 99"), ("", "96 97 98 99"), ("h264", "96 97 98 99")]
        {
            let lines = answer(VIDEO, "1", LineUse::ReceiveVideo { codec: codec.into() });
            assert_eq!(lines[0], format!("m=video 9 UDP/TLS/RTP/SAVPF {formats}"));
        }
    }

    #[test]
    fn an_offer_names_its_tracks_and_its_version() {
        let offer = format!(
            "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\n{AUDIO}{VIDEO}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n"
        );
        let text = rewrite_offer(&offer, 7, &BTreeMap::from([("0".to_owned(), sent())]));
        let (session, sections) = split(&text);
        assert_eq!(session[1], "o=- 1 7 IN IP4 0.0.0.0");
        assert_eq!(sections[0].attribute("msid"), Some("PA_p|TR_t TR_t"));
        assert_eq!(sections[1].attribute("msid"), Some("- idle1"));
        assert_eq!(sections[2].attribute("msid"), None);
    }

    #[test]
    fn nonsense_passes_without_panic() {
        for text in ["", "m=", "m=audio", "m=video 9", "a=msid:", "m=audio 9 x 1\r\na=fmtp:1", "o=", "\r\n\r\n"] {
            let _ = rewrite_answer(text, &BTreeMap::from([(String::new(), LineUse::Idle)]));
            let _ = rewrite_offer(text, 1, &BTreeMap::new());
        }
    }
}
