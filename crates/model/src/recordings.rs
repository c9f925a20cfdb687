//! What a recording of a call is: its ID, its status, the rules it is made under, and what the media side is told.

use crate::id::{RecordingId, UserId};
use crate::words::words;

words! {
    /// The status of a recording.
    RecordingStatus {
        /// Asked for; the media side has not begun yet.
        Starting = 1, "starting";
        /// Media is being written.
        Recording = 2, "recording";
        /// Nothing is written until it is resumed.
        Paused = 3, "paused";
        /// Over; being put into storage.
        Processing = 4, "processing";
        /// In storage.
        Completed = 5, "completed";
        /// It could not be made or kept.
        Failed = 6, "failed";
        /// Deleted. What is known of it stays, its files do not.
        Deleted = 7, "deleted";
    }
}

impl RecordingStatus {
    /// Whether the media side has to do with it: it is being made, or held up.
    pub const fn is_running(self) -> bool {
        match self {
            RecordingStatus::Starting | RecordingStatus::Recording | RecordingStatus::Paused => true,
            RecordingStatus::Processing
            | RecordingStatus::Completed
            | RecordingStatus::Failed
            | RecordingStatus::Deleted => false,
        }
    }
}

words! {
    /// Under which rule calls are recorded.
    RecordingPolicy {
        /// Not at all.
        Off = 1, "off";
        /// When asked to. Everyone is asked for their consent, and only those who give it are recorded.
        Ask = 2, "ask";
        /// When asked to. Everyone is told.
        Announce = 3, "announce";
        /// Every call, from when it connects. Everyone is told.
        Always = 4, "always";
    }
}

words! {
    /// What becomes of someone who does not want to be recorded.
    RecordingDecline {
        /// They stay in the call and out of the recording.
        Exclude = 1, "exclude";
        /// They leave the call.
        Leave = 2, "leave";
    }
}

words! {
    /// How the picture of a composed recording is laid out.
    RecordingLayout {
        /// Everyone in tiles of one size.
        Grid = 1, "grid";
        /// Who speaks is large, the others are small.
        Speaker = 2, "speaker";
        /// Only who speaks.
        SingleSpeaker = 3, "single_speaker";
        /// A shared screen is large, people are small.
        Presentation = 4, "presentation";
        /// One picture, with a small one in its corner.
        PictureInPicture = 5, "picture_in_picture";
        /// No picture.
        AudioOnly = 6, "audio_only";
    }
}

words! {
    /// The file that a recording is composed into.
    RecordingFormat {
        /// An MP4 file.
        Mp4 = 1, "mp4";
        /// A WebM file.
        Webm = 2, "webm";
    }
}

/// Whom a recording takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// Everyone in the room, and everyone who comes.
    Everyone,
    /// These and nobody else. Whoever comes has to be named first.
    Only(Vec<UserId>),
}

impl Recorded {
    /// Whether this user's media may be written.
    pub fn takes_in(&self, user: &str) -> bool {
        match self {
            Recorded::Everyone => true,
            Recorded::Only(users) => users.iter().any(|one| one.as_str() == user),
        }
    }
}

/// What the media side is told of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingSpec {
    /// Which. The folder of its files has this name.
    pub id: RecordingId,
    /// Only what is heard is written.
    pub audio_only: bool,
    /// Whose media is written, to begin with.
    pub who: Recorded,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_policies_read_back() {
        for status in RecordingStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(RecordingStatus::from_number(status.number().into()), Some(*status));
        }
        for policy in RecordingPolicy::ALL {
            assert_eq!(policy.as_str().parse(), Ok(*policy));
        }
    }

    #[test]
    fn only_who_is_named_is_taken_in() {
        let ada = UserId::new("ada").unwrap();
        let only = Recorded::Only(vec![ada]);
        assert!(only.takes_in("ada") && !only.takes_in("bea") && !Recorded::Only(Vec::new()).takes_in("ada"));
        assert!(Recorded::Everyone.takes_in("bea"));
    }

    #[test]
    fn a_recording_is_known_by_a_uuid() {
        let text = "0192d3b4-0000-7000-8000-000000000001";
        assert_eq!(text.parse::<RecordingId>().unwrap().to_string(), text);
        assert!("take-1".parse::<RecordingId>().is_err());
    }
}
