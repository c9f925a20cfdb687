//! Session descriptions as text: what must be read from them and written into them beyond what the WebRTC stack does.
//!
//! Lines are kept as they came; only msid, ssrc, direction, format order and Opus parameters are changed.

mod rewrite;

pub(crate) use rewrite::{AudioWishes, LineUse, Sent, rewrite_answer, rewrite_offer};

use crate::limits::{LONGEST_SDP, MOST_MEDIA};

/// Why a description is refused before the stack sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// More text than allowed.
    #[error("session description is too long")]
    TooLong,
    /// More m-lines than allowed.
    #[error("session description has too many m-lines")]
    TooManyMedia,
}

/// Checks a client's description against the limits.
pub fn check_description(sdp: &str) -> Result<(), DescriptionError> {
    if sdp.len() > LONGEST_SDP {
        return Err(DescriptionError::TooLong);
    }
    if lines(sdp).filter(|line| line.starts_with("m=")).count() > MOST_MEDIA {
        return Err(DescriptionError::TooManyMedia);
    }
    Ok(())
}

/// The lines of a description, without their ends.
pub(crate) fn lines(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).filter(|line| !line.is_empty())
}

/// One m-line with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    /// From `m=` on.
    pub lines: Vec<&'a str>,
}

impl<'a> Section<'a> {
    /// The value of the first `a=<name>:`.
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        self.lines.iter().find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
    }

    /// `a=mid`.
    pub fn mid(&self) -> Option<&'a str> {
        self.attribute("mid")
    }

    /// audio, video, application…
    pub fn media(&self) -> &'a str {
        let line = self.lines.first().and_then(|line| line.strip_prefix("m=")).unwrap_or("");
        line.split(' ').next().unwrap_or("")
    }

    /// The payload type of a codec, by its name without regard to case.
    pub fn payload_type(&self, codec: &str) -> Option<&'a str> {
        self.lines.iter().find_map(|line| {
            let (payload_type, encoding) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            encoding.split('/').next()?.eq_ignore_ascii_case(codec).then_some(payload_type)
        })
    }
}

/// Splits a description into its session part and its sections.
pub(crate) fn split(sdp: &str) -> (Vec<&str>, Vec<Section<'_>>) {
    let (mut session, mut sections) = (Vec::new(), Vec::<Section<'_>>::new());
    for line in lines(sdp) {
        match sections.last_mut() {
            _ if line.starts_with("m=") => sections.push(Section { lines: vec![line] }),
            Some(section) => section.lines.push(line),
            None => session.push(line),
        }
    }
    (session, sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_split_at_its_m_lines() {
        let (session, sections) = split(
            "v=0\r\na=group:BUNDLE 0 1\r\nm=audio 9 X 111 63\na=mid:0\na=rtpmap:111 OPUS/48000/2\nm=application 9 Y\r\na=mid:1\r\n",
        );
        assert_eq!(session, ["v=0", "a=group:BUNDLE 0 1"]);
        assert_eq!(
            sections.iter().map(|s| (s.mid(), s.media())).collect::<Vec<_>>(),
            [(Some("0"), "audio"), (Some("1"), "application")]
        );
        assert_eq!(sections[0].payload_type("opus"), Some("111"));
        assert_eq!(sections[0].payload_type("red"), None);
    }

    #[test]
    fn too_many_m_lines_and_too_much_text_are_refused() {
        let many = |n| format!("v=0\r\n{}", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(n));
        assert_eq!(check_description(&many(MOST_MEDIA)), Ok(()));
        assert_eq!(check_description(&many(MOST_MEDIA + 1)), Err(DescriptionError::TooManyMedia));
        assert_eq!(check_description(&"x".repeat(LONGEST_SDP + 1)), Err(DescriptionError::TooLong));
        assert_eq!(check_description(""), Ok(()));
    }
}
