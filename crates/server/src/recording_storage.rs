//! The storage of recordings as the settings say, and the keys that seal what is in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use control::{Handle, Recordings};
use storage::{Backend, Folder, Keys, S3, Storage};

use crate::config::{Place, RecordingConfig};
use crate::failure::Failure;
use crate::recording_tools::{Stopper, composer};

/// Starts keeping recordings.
pub async fn start(config: &RecordingConfig, handle: &Handle, storage: Storage) -> Result<Recordings, Failure> {
    if !storage.seals() {
        tracing::debug!("recordings are stored unencrypted: storage.key_file is not set");
    }
    let stopper = Arc::new(Stopper(handle.clone()));
    let composer = composer(config.compose);
    Recordings::start(config.settings.clone(), handle.clone(), Arc::new(storage), composer, Some(stopper))
        .await
        .map_err(|error| {
            let folder = config.settings.folder.display();
            Failure::Setup(format!("cannot write to {folder}: {error}; make it writable, or choose another --data-dir"))
        })
}

/// The storage; nothing is asked of it yet.
pub fn open(config: &RecordingConfig) -> Result<Storage, Failure> {
    let backend: Arc<dyn Backend> = match &config.place {
        Place::Folder(folder) => Arc::new(Folder::open(folder).map_err(|error| {
            Failure::Setup(format!("cannot write to {}: {error}; check storage.folder", folder.display()))
        })?),
        Place::S3(settings) => {
            Arc::new(S3::open(settings).map_err(|error| Failure::Setup(format!("{error}; check storage.s3_*")))?)
        }
    };
    let keys = config.key_file.as_deref().map(keys).transpose()?.unwrap_or_default();
    Ok(Storage::new(backend, keys))
}

fn keys(path: &Path) -> Result<Keys, Failure> {
    let shown = path.display();
    let cannot =
        |error: std::io::Error| Failure::Setup(format!("cannot read {shown}: {error}; check storage.key_file"));
    let mode = fs::metadata(path).map_err(cannot)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Failure::Setup(format!("other users can read the keys in {shown}: chmod 600 {shown}")));
    }
    // What stands in the file stays out of the message.
    let keys = Keys::parse(&fs::read_to_string(path).map_err(cannot)?)
        .map_err(|line| Failure::Setup(format!("{shown}: line {line} is no age identity; make one with age-keygen")))?;
    if keys.is_empty() {
        return Err(Failure::Setup(format!(
            "{shown} has no keys; make one with age-keygen, or unset storage.key_file"
        )));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_a_file_that_nobody_else_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let write = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let said = || match keys(&path) {
            Ok(_) => String::new(),
            Err(Failure::Setup(line) | Failure::Fault(line)) => line,
        };
        let secret = storage::Identity::make().unwrap().1;
        let text = format!("# made by age-keygen\n{}\n", secret.reveal());
        write(&text, 0o600);
        assert_eq!(said(), "");
        write(&text, 0o640);
        assert!(said().contains("chmod 600"));
        write("# nothing\n", 0o600);
        assert!(said().contains("has no keys"));
        write(&format!("\n{}X\n", secret.reveal()), 0o600);
        assert!(said().contains("line 2") && !said().contains("SECRET"), "{}", said());
        fs::remove_file(&path).unwrap();
        assert!(said().contains("check storage.key_file"));
    }
}
