//! Reading what an offer's m-lines are about. Tolerant: the stack has judged the text by then.

use crate::types::{Kind, MidName, OfferedMedia};

/// More m-lines than this are refused before anything is parsed.
pub(super) const MAX_MEDIA: usize = 512;

/// Counts m-lines without parsing.
pub(super) fn count_media(sdp: &str) -> usize {
    sdp.lines().filter(|line| line.starts_with("m=")).count()
}

/// The audio and video m-lines, in order.
pub(super) fn offered_media(sdp: &str) -> Vec<OfferedMedia> {
    let session_direction = sdp.lines().take_while(|line| !line.starts_with("m=")).filter_map(direction).last();
    let mut sections: Vec<(Option<Kind>, Vec<&str>)> = Vec::new();
    for line in sdp.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            sections.push((kind(media), Vec::new()));
        } else if let Some((_, lines)) = sections.last_mut() {
            lines.push(line.trim_end());
        }
    }
    let media = |(kind, lines): (Option<Kind>, Vec<&str>)| section(kind?, &lines, session_direction);
    sections.into_iter().filter_map(media).collect()
}

fn section(kind: Kind, lines: &[&str], inherited: Option<(bool, bool)>) -> Option<OfferedMedia> {
    let attribute =
        |name: &str| lines.iter().find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'));
    let (sends, receives) = lines.iter().rev().find_map(|line| direction(line)).or(inherited).unwrap_or((true, true));
    let msid = attribute("msid").and_then(|msid| {
        let mut words = msid.split_whitespace();
        Some((words.next()?.to_owned(), words.next().unwrap_or_default().to_owned()))
    });
    Some(OfferedMedia {
        mid: MidName(attribute("mid")?.trim().to_owned()),
        kind,
        sends,
        receives,
        msid,
        rids: rids(lines),
        ssrc: attribute("ssrc").and_then(|ssrc| ssrc.split_whitespace().next()?.parse().ok()),
    })
}

/// The rids of `a=simulcast:send`, first alternatives only; where that is missing, those of `a=rid:… send`.
fn rids(lines: &[&str]) -> Vec<String> {
    let simulcast = lines.iter().find_map(|line| line.strip_prefix("a=simulcast:"));
    if let Some(simulcast) = simulcast {
        let mut words = simulcast.split_whitespace();
        while let Some(word) = words.next() {
            let list = words.next().unwrap_or_default();
            if word == "send" {
                let first =
                    |group: &str| group.split(',').next().unwrap_or_default().trim_start_matches('~').to_owned();
                return list.split(';').map(first).filter(|rid| !rid.is_empty()).collect();
            }
        }
    }
    let sent = |line: &&str| {
        let mut words = line.strip_prefix("a=rid:")?.split_whitespace();
        let rid = words.next()?;
        (words.next() == Some("send")).then(|| rid.to_owned())
    };
    lines.iter().filter_map(sent).collect()
}

fn kind(media: &str) -> Option<Kind> {
    match media.split_whitespace().next() {
        Some("audio") => Some(Kind::Audio),
        Some("video") => Some(Kind::Video),
        _ => None,
    }
}

fn direction(line: &str) -> Option<(bool, bool)> {
    match line.trim_end() {
        "a=sendrecv" => Some((true, true)),
        "a=sendonly" => Some((true, false)),
        "a=recvonly" => Some((false, true)),
        "a=inactive" => Some((false, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=msid:stream track\r\n\
        a=ssrc-group:FID 4294967295 8\r\na=ssrc:4294967295 cname:c\r\na=ssrc:8 cname:c\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendrecv\r\na=rid:q send\r\na=rid:h send\r\na=rid:x recv\r\n\
        a=simulcast:send q;~h,g recv x\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:3\r\na=recvonly\r\n";

    #[test]
    fn reads_every_media_line() {
        let media = offered_media(OFFER);
        assert_eq!(media.len(), 3);
        assert_eq!(media[0].msid, Some(("stream".into(), "track".into())));
        assert_eq!((media[0].sends, media[0].receives), (true, false));
        assert_eq!((media[0].ssrc, media[1].ssrc), (Some(u32::MAX), None));
        assert_eq!(media[1].rids, ["q", "h"]);
        assert_eq!((media[2].mid.0.as_str(), media[2].sends, media[2].receives), ("3", false, true));
        assert_eq!(count_media(OFFER), 4);
    }

    #[test]
    fn rids_without_a_simulcast_line_are_taken_as_they_come() {
        let offer = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\na=rid:q send pt=96\na=rid:h send\n";
        assert_eq!(offered_media(offer)[0].rids, ["q", "h"]);
    }
}
