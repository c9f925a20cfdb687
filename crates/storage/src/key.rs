//! What objects are named. A key is made from IDs of ours alone, so nothing that came from outside is ever part of a path.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use model::RecordingId;
use uuid::Uuid;

/// A file of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub Uuid);

impl FileId {
    /// The ID of a file by the name that it has within its recording: the same each time, so that a file that is put twice (after a
    /// crash) is one object.
    pub fn of(recording: RecordingId, name: &str) -> Self {
        let mut text = recording.0.as_bytes().to_vec();
        text.extend_from_slice(name.as_bytes());
        let hash = digest::digest(&digest::SHA256, &text);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_ref()[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for FileId {
    type Err = model::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<RecordingId>().map(|id| Self(id.0))
    }
}

/// The name of an object: `recordings/<recording>/<file>`, both UUIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Whose file.
    pub recording: RecordingId,
    /// Which of its files.
    pub file: FileId,
}

/// Before every key.
pub(crate) const ROOT: &str = "recordings";

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}/{}/{}", self.recording, self.file)
    }
}

impl FromStr for ObjectKey {
    type Err = model::IdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/')).ok_or(model::IdError::NotUuid)?;
        let (recording, file) = rest.split_once('/').ok_or(model::IdError::NotUuid)?;
        let key = Self { recording: recording.parse()?, file: file.parse()? };
        // Upper case and the like read as the same ID, but are not the same object.
        if key.to_string() == text { Ok(key) } else { Err(model::IdError::NotUuid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_nothing_else_does() {
        let recording = RecordingId(Uuid::now_v7());
        let key = ObjectKey { recording, file: FileId::of(recording, "tracks/TR_a-1.mp4") };
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(FileId::of(recording, "tracks/TR_a-1.mp4"), key.file, "the same each time");
        assert_ne!(FileId::of(recording, "tracks/TR_a-2.mp4"), key.file);
        let text = key.to_string();
        let long = format!("recordings/{}/{}", "a".repeat(300), key.file);
        for wrong in [
            "",
            "recordings",
            "../etc/passwd",
            "/etc/passwd",
            "recordings/../../etc/passwd",
            &long,
            &format!("{text}/x"),
            &format!("{text}\0"),
            &format!("/{text}"),
            &text.to_uppercase(),
            &text.replace('-', ""),
            "recordings/ü/ü",
            "recordings//",
        ] {
            assert!(wrong.parse::<ObjectKey>().is_err(), "{wrong:?}");
        }
    }
}
