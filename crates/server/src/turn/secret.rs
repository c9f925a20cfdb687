//! The secret for TURN credentials: made at the first start, rotated by the operator, and kept in the data directory
//! together with the previous one, so that a rotation locks nobody out.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Secret;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::secrets::write_private;

const FILE: &str = "turn-secret.json";

/// What credentials are minted and verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnSecrets {
    /// The secret that signs new credentials. Those that it signed are accepted.
    pub current: Secret<String>,
    /// The secret before: credentials that it signed are still accepted. `None`: there was none.
    pub previous: Option<Secret<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    current: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

/// The file that the secret is kept in.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

impl TurnSecrets {
    /// A secret of the operator's own.
    pub fn given(secret: Secret<String>) -> Self {
        Self { current: secret, previous: None }
    }

    /// Reads it, or makes it at the first start.
    pub fn read_or_make(data_dir: &Path) -> Result<Self, Failure> {
        if let Some(found) = Self::read(data_dir)? {
            return Ok(found);
        }
        let made = Self { current: Secret::new(random()), previous: None };
        made.write(data_dir)?;
        Ok(made)
    }

    /// Reads it; `None`: there is none yet.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, Failure> {
        let path = path(data_dir);
        let shown = path.display();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::Setup(format!("cannot read {shown}: {error}"))),
        };
        // What stands in the file stays out of the message.
        let stored: Stored = serde_json::from_str(&text).map_err(|_| {
            Failure::Setup(format!("{shown} is damaged; restore it, or delete it and Stoa makes a new secret"))
        })?;
        Ok(Some(Self { current: Secret::new(stored.current), previous: stored.previous.map(Secret::new) }))
    }

    /// Puts a new secret in the place of the current one, which is still accepted.
    pub fn rotate(data_dir: &Path) -> Result<(), Failure> {
        let before = Self::read_or_make(data_dir)?;
        Self { current: Secret::new(random()), previous: Some(before.current) }.write(data_dir)
    }

    /// The same, as `turn` takes it.
    pub fn for_core(&self) -> turn::credentials::Secrets {
        turn::credentials::Secrets { current: self.current.clone(), previous: self.previous.clone() }
    }

    fn write(&self, data_dir: &Path) -> Result<(), Failure> {
        let stored = Stored {
            current: self.current.reveal().clone(),
            previous: self.previous.as_ref().map(|secret| secret.reveal().clone()),
        };
        let mut text = serde_json::to_string_pretty(&stored).map_err(Failure::fault)?;
        text.push('\n');
        let path = path(data_dir);
        write_private(&path, text.as_bytes())
            .map_err(|error| Failure::Setup(format!("cannot write {}: {error}", path.display())))
    }
}

fn random() -> String {
    let random: [u8; 32] = rand::random();
    URL_SAFE_NO_PAD.encode(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_keeps_the_one_before() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = TurnSecrets::read_or_make(dir.path()).expect("made");
        assert_eq!(TurnSecrets::read_or_make(dir.path()).expect("kept"), first);
        TurnSecrets::rotate(dir.path()).expect("rotated");
        let second = TurnSecrets::read(dir.path()).expect("readable").expect("there");
        assert_eq!(second.previous.as_ref(), Some(&first.current));
        assert_ne!(second.current, first.current);
        assert!(!format!("{second:?}").contains(second.current.reveal()));
    }
}
