//! How far an upload has come, in a file beside what is uploaded, so that a restart goes on with it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::key::ObjectKey;

/// Longest file that is read: ten thousand parts.
const LONGEST: u64 = 2 << 20;

/// An upload under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    key: String,
    /// Of the file, to notice that it is not the same any more.
    size: u64,
    modified_ns: u128,
    pub part_size: u64,
    /// The header and nonce of a sealed file, base64. What opens it is wrapped in the header, so nothing here is secret.
    start: Option<String>,
    pub upload: String,
    pub parts: Vec<String>,
}

impl Progress {
    pub fn new(key: &ObjectKey, file: &Of, part_size: u64, start: Option<&[u8]>, upload: String) -> Self {
        Self {
            key: key.to_string(),
            size: file.size,
            modified_ns: file.modified_ns,
            part_size,
            start: start.map(|start| STANDARD.encode(start)),
            upload,
            parts: Vec::new(),
        }
    }

    /// What was written down for this file, as it is now.
    pub fn read(path: &Path, key: &ObjectKey, file: &Of) -> Option<Self> {
        let mut text = String::new();
        File::open(path).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
        let found: Self = serde_json::from_str(&text).ok()?;
        let same = found.key == key.to_string() && found.size == file.size && found.modified_ns == file.modified_ns;
        (same && found.part_size > 0).then_some(found)
    }

    /// Header and nonce; an error where they do not read back.
    pub fn start(&self) -> Option<Option<Vec<u8>>> {
        self.start.as_ref().map(|start| STANDARD.decode(start).ok()).map_or(Some(None), |start| start.map(Some))
    }

    /// Whole or not at all.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension("new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_data()?;
        fs::rename(&beside, path)
    }

    /// It is over.
    pub fn forget(path: &Path) {
        if let Err(error) = fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot remove a note on an upload");
        }
    }
}

/// What tells one file from another of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Of {
    pub size: u64,
    pub modified_ns: u128,
}

impl Of {
    pub fn file(file: &File) -> io::Result<Self> {
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        let since = meta.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(Self { size: meta.len(), modified_ns: since.as_nanos() })
    }
}
