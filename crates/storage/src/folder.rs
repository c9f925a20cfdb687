//! A local folder. Files are 0600, folders 0700; a file appears under its name whole and synced, or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::backend::{Backend, ByteStream, Part, StorageError};
use crate::key::{ObjectKey, ROOT};

/// Where files are until they are whole.
const INCOMING: &str = "incoming";
/// What is read at a time.
const PIECE: u64 = 256 << 10;
/// Parts of an upload that nobody has gone on with for so long are given up.
const STALE: Duration = Duration::from_secs(14 * 24 * 3600);

/// A folder of this machine.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Makes the folder where it is not there, and clears away what was given up long ago.
    pub fn open(root: impl Into<PathBuf>) -> io::Result<Self> {
        let root = root.into();
        for folder in [&root, &root.join(ROOT), &root.join(INCOMING)] {
            make(folder)?;
        }
        for entry in fs::read_dir(root.join(INCOMING))? {
            let entry = entry?;
            let age = entry.metadata().and_then(|meta| meta.modified()).map(|at| SystemTime::now().duration_since(at));
            if matches!(age, Ok(Ok(age)) if age > STALE) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { root })
    }

    fn path(&self, key: &ObjectKey) -> PathBuf {
        // A key is made of IDs alone.
        self.root.join(key.to_string())
    }

    fn incoming(&self, upload: &str) -> Result<PathBuf, StorageError> {
        let id = Uuid::try_parse(upload).map_err(|_| StorageError::Missing)?;
        Ok(self.root.join(INCOMING).join(id.hyphenated().to_string()))
    }

    /// Gives a whole file its name.
    fn settle(&self, file: &File, from: &Path, key: &ObjectKey) -> io::Result<()> {
        file.sync_all()?;
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.root);
        make(folder)?;
        fs::rename(from, &path)?;
        sync(folder)?;
        sync(&self.root.join(ROOT))
    }
}

fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn failed(error: io::Error) -> StorageError {
    match error.kind() {
        io::ErrorKind::NotFound => StorageError::Missing,
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => StorageError::Refused(error.to_string()),
        _ => StorageError::Away(error.to_string()),
    }
}

/// Disk work, off the threads that serve.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    spawn_blocking(work).await.unwrap_or_else(|_| Err(StorageError::Away("the server is stopping".to_owned())))
}

fn read_only(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)
}

#[async_trait]
impl Backend for Folder {
    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StorageError> {
        let (this, key) = (self.clone(), *key);
        blocking(move || {
            let path = this.incoming(&Uuid::new_v4().to_string())?;
            let written = (|| {
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
                file.write_all(&bytes)?;
                this.settle(&file, &path, &key)
            })();
            if written.is_err() {
                let _ = fs::remove_file(&path);
            }
            written.map_err(away)
        })
        .await
    }

    async fn begin(&self, _: &ObjectKey) -> Result<String, StorageError> {
        let this = self.clone();
        blocking(move || {
            let upload = Uuid::new_v4().to_string();
            let path = this.incoming(&upload)?;
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(away)?;
            Ok(upload)
        })
        .await
    }

    async fn put_part(&self, _: &ObjectKey, upload: &str, part: Part, bytes: Bytes) -> Result<String, StorageError> {
        let path = self.incoming(upload)?;
        blocking(move || {
            let file = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(path).map_err(failed)?;
            file.write_all_at(&bytes, part.index as u64 * part.size).map_err(failed)?;
            file.sync_data().map_err(failed)?;
            Ok(bytes.len().to_string())
        })
        .await
    }

    async fn complete(&self, key: &ObjectKey, upload: &str, parts: Vec<String>) -> Result<(), StorageError> {
        let (this, key, path) = (self.clone(), *key, self.incoming(upload)?);
        blocking(move || {
            let file = read_only(&path).map_err(failed)?;
            let length: u64 = parts.iter().map(|part| part.parse::<u64>().unwrap_or(0)).sum();
            if file.metadata().map_err(failed)?.len() != length {
                return Err(StorageError::Damaged("an upload is not as long as its parts".to_owned()));
            }
            this.settle(&file, &path, &key).map_err(failed)
        })
        .await
    }

    async fn abort(&self, _: &ObjectKey, upload: &str) -> Result<(), StorageError> {
        let path = self.incoming(upload)?;
        blocking(move || gone(fs::remove_file(path))).await
    }

    async fn size(&self, key: &ObjectKey) -> Result<u64, StorageError> {
        let path = self.path(key);
        blocking(move || match fs::symlink_metadata(path).map_err(failed)? {
            meta if meta.is_file() => Ok(meta.len()),
            _ => Err(StorageError::Missing),
        })
        .await
    }

    async fn get(&self, key: &ObjectKey, range: Range<u64>) -> Result<ByteStream, StorageError> {
        let path = self.path(key);
        let start = range.start;
        let file = blocking(move || {
            let mut file = read_only(&path).map_err(failed)?;
            file.seek(SeekFrom::Start(start)).map_err(failed)?;
            Ok(file)
        })
        .await?;
        let pieces = stream::try_unfold((file, range.end - range.start), |(mut file, left)| async move {
            if left == 0 {
                return Ok(None);
            }
            blocking(move || {
                let mut piece = vec![0; left.min(PIECE) as usize];
                file.read_exact(&mut piece).map_err(|error| StorageError::Damaged(error.to_string()))?;
                let rest = left - piece.len() as u64;
                Ok(Some((Bytes::from(piece), (file, rest))))
            })
            .await
        });
        Ok(pieces.boxed())
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let path = self.path(key);
        blocking(move || {
            gone(fs::remove_file(&path))?;
            let Some(folder) = path.parent() else { return Ok(()) };
            // The last one takes the folder along.
            if fs::remove_dir(folder).is_err() && folder.exists() {
                return sync(folder).map_err(failed);
            }
            Ok(())
        })
        .await
    }

    async fn list(&self) -> Result<Vec<(ObjectKey, u64)>, StorageError> {
        let this = self.clone();
        blocking(move || this.all().map_err(failed)).await
    }
}

impl Folder {
    fn all(&self) -> io::Result<Vec<(ObjectKey, u64)>> {
        let mut found = Vec::new();
        for recording in fs::read_dir(self.root.join(ROOT))? {
            let recording = recording?;
            if !recording.file_type()?.is_dir() {
                continue;
            }
            // What is deleted meanwhile is not there.
            let Some(files) = there(fs::read_dir(recording.path()))? else { continue };
            for file in files {
                let file = file?;
                let (above, name) = (recording.file_name(), file.file_name());
                let text = format!("{ROOT}/{}/{}", above.to_string_lossy(), name.to_string_lossy());
                let Ok(key) = text.parse() else { continue };
                // Of a link, the link's own.
                let meta = there(file.metadata())?;
                found.extend(meta.filter(fs::Metadata::is_file).map(|meta| (key, meta.len())));
            }
        }
        Ok(found)
    }
}

fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// A folder of ours that is not there when something is to be written is no missing object.
fn away(error: io::Error) -> StorageError {
    match failed(error) {
        StorageError::Missing => StorageError::Away("the folder is gone".to_owned()),
        other => other,
    }
}

fn gone(removed: io::Result<()>) -> Result<(), StorageError> {
    match removed.map_err(failed) {
        Err(StorageError::Missing) | Ok(()) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::FileId;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn nobody_but_the_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("storage");
        let folder = Folder::open(&root).unwrap();
        let recording = model::RecordingId(Uuid::now_v7());
        let key = ObjectKey { recording, file: FileId::of(recording, "x") };
        folder.put(&key, Bytes::from_static(b"small")).await.unwrap();
        let upload = folder.begin(&key).await.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.incoming(&upload).unwrap()), 0o600);
        assert_eq!(mode(&folder.path(&key)), 0o600);
        for path in [&root, &root.join(ROOT), &root.join(INCOMING), folder.path(&key).parent().unwrap()] {
            assert_eq!(mode(path), 0o700, "{}", path.display());
        }
        assert_eq!(folder.list().await.unwrap(), [(key, 5)]);
        folder.delete(&key).await.unwrap();
        assert_eq!(folder.list().await.unwrap(), []);
        assert!(!folder.path(&key).parent().unwrap().exists(), "an empty folder does not stay");
        folder.delete(&key).await.unwrap();
    }

    #[tokio::test]
    async fn a_link_in_the_place_of_an_object_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let recording = model::RecordingId(Uuid::now_v7());
        let key = ObjectKey { recording, file: FileId::of(recording, "x") };
        fs::create_dir(folder.path(&key).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path(&key)).unwrap();
        assert!(folder.get(&key, 0..1).await.is_err());
        assert_eq!(folder.size(&key).await, Err(StorageError::Missing));
        for upload in ["../../etc/passwd", "/etc/passwd", "", "a\0b"] {
            assert_eq!(folder.abort(&key, upload).await, Err(StorageError::Missing), "{upload:?}");
        }
    }
}
