//! The secrets of an installation: made at the first start, kept in the data directory, readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Secret;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

const FILE: &str = "secrets.json";
const LOCK: &str = "stoa.lock";

/// The secrets of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// Signs user tokens (HS256).
    pub token_secret: Secret<String>,
    /// ID of the LiveKit API key.
    pub livekit_key: String,
    /// The secret of that key.
    pub livekit_secret: Secret<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    token_secret: String,
    livekit_api_key: String,
    livekit_api_secret: String,
    /// Earlier versions had one admin code for good; it is good for nothing now.
    #[serde(default, rename = "admin_code", skip_serializing)]
    _admin_code: Option<serde::de::IgnoredAny>,
}

/// Held while a server uses a data directory.
#[derive(Debug)]
pub struct DataDirLock {
    file: File,
}

impl DataDirLock {
    /// Writes down where the web app is, for commands that are run beside the server.
    pub fn note_url(&mut self, url: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(url.as_bytes())
    }
}

/// Where the web app of the server is that uses a data directory, or did last.
pub fn noted_url(data_dir: &Path) -> Option<String> {
    fs::read_to_string(data_dir.join(LOCK)).ok().filter(|url| !url.is_empty())
}

/// Makes the data directory where there is none, and takes it for this process.
pub fn take_data_dir(data_dir: &Path) -> Result<DataDirLock, Failure> {
    let cannot = |error: io::Error| {
        let dir = data_dir.display();
        Failure::Setup(format!("cannot write to {dir}: {error}; make it writable, or choose another with --data-dir"))
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(cannot)?;
    let path = data_dir.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(DataDirLock { file }),
        Err(fs::TryLockError::WouldBlock) => Err(Failure::Setup(format!(
            "{} is in use by another stoa; stop that one, or choose another with --data-dir",
            data_dir.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(cannot(error)),
    }
}

impl Secrets {
    /// Reads the secrets, or makes them at the first start.
    pub fn read_or_make(data_dir: &Path) -> Result<Self, Failure> {
        if let Some(secrets) = Self::read(data_dir)? {
            return Ok(secrets);
        }
        let secrets = Self::make();
        secrets.write(data_dir).map_err(|error| {
            Failure::Setup(format!(
                "cannot write to {}: {error}; make it writable, or choose another with --data-dir",
                data_dir.display()
            ))
        })?;
        Ok(secrets)
    }

    /// Reads the secrets; `None`: there are none yet.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, Failure> {
        let path = data_dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::Setup(format!("cannot read {}: {error}", path.display()))),
        };
        // What stands in the file stays out of the message.
        let stored: Stored = serde_json::from_str(&text).map_err(|error| {
            let (path, line) = (path.display(), error.line());
            Failure::Setup(format!(
                "{path} is damaged (line {line}); restore it, or delete it and Stoa makes new secrets"
            ))
        })?;
        Ok(Some(Self {
            token_secret: Secret::new(stored.token_secret),
            livekit_key: stored.livekit_api_key,
            livekit_secret: Secret::new(stored.livekit_api_secret),
        }))
    }

    fn make() -> Self {
        Self {
            token_secret: Secret::new(random_text(32)),
            livekit_key: format!("API{}", random_text(9).replace(['-', '_'], "x")),
            livekit_secret: Secret::new(random_text(32)),
        }
    }

    fn write(&self, data_dir: &Path) -> io::Result<()> {
        let stored = Stored {
            token_secret: self.token_secret.reveal().clone(),
            livekit_api_key: self.livekit_key.clone(),
            livekit_api_secret: self.livekit_secret.reveal().clone(),
            _admin_code: None,
        };
        let mut text = serde_json::to_string_pretty(&stored)?;
        text.push('\n');
        write_private(&data_dir.join(FILE), text.as_bytes())
    }
}

/// Writes a file that its owner alone may read: whole or not at all, also through a crash.
pub fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
    let written = file.write_all(contents).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
        return written;
    }
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

pub fn random_text(bytes: usize) -> String {
    let random: Vec<u8> = (0..bytes).map(|_| rand::random()).collect();
    URL_SAFE_NO_PAD.encode(random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn made_once_and_private() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(Secrets::read(dir.path()).expect("readable"), None);
        let made = Secrets::read_or_make(dir.path()).expect("writable");
        assert_eq!(Secrets::read_or_make(dir.path()).expect("there"), made);
        assert!(made.token_secret.reveal().len() >= 43 && made.livekit_key.starts_with("API"));
        let mode = fs::metadata(dir.path().join(FILE)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 1, "nothing is left beside it");
        assert!(!format!("{made:?}").contains(made.token_secret.reveal()));
    }

    #[test]
    fn secrets_of_an_earlier_version_are_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let made = Secrets::read_or_make(dir.path()).expect("writable");
        let path = dir.path().join(FILE);
        let text = fs::read_to_string(&path).expect("there");
        assert!(!text.contains("admin_code"), "{text}");
        fs::write(&path, text.replacen('{', "{\"admin_code\": \"forever\",", 1)).expect("writable");
        assert_eq!(Secrets::read(dir.path()).expect("readable"), Some(made));
    }

    #[test]
    fn a_damaged_file_is_not_written_over() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join(FILE), "{\"token_secret\": \"s3cr3t\"").expect("writable");
        let Err(Failure::Setup(line)) = Secrets::read_or_make(dir.path()) else { panic!("must be refused") };
        assert!(line.contains("damaged") && !line.contains("s3cr3t"), "{line}");
    }

    #[test]
    fn one_server_a_data_dir() {
        let dir = tempfile::tempdir().expect("a folder");
        let held = take_data_dir(dir.path()).expect("free");
        assert!(matches!(take_data_dir(dir.path()), Err(Failure::Setup(line)) if line.contains("in use")));
        drop(held);
        assert!(take_data_dir(dir.path()).is_ok());
    }
}
