//! Files into storage and out of it, over any backend.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::age::{CHUNK, Keys, LONGEST_HEADER, NONCE, Payload, TAG, chunks};
use crate::backend::{Backend, ByteStream, Part, StorageError};
use crate::key::{FileId, ObjectKey};
use crate::progress::Progress;
use crate::source::Source;

/// Files longer than this go in parts, each as long as this or longer.
const PART: u64 = 8 << 20;
/// S3 takes 10,000.
const MOST_PARTS: u64 = 9_000;

/// A file that is in storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Of the plain file.
    pub size: u64,
    /// Of the plain file.
    pub sha256: [u8; 32],
    /// Whether it is sealed.
    pub is_sealed: bool,
}

/// Where files are kept.
#[derive(Debug)]
pub struct Storage {
    backend: Arc<dyn Backend>,
    keys: Keys,
    part: u64,
}

impl Storage {
    /// Over a backend; without keys, files are stored as they are.
    pub fn new(backend: Arc<dyn Backend>, keys: Keys) -> Self {
        Self { backend, keys, part: PART }
    }

    /// The same with parts of another length, for tests.
    #[must_use]
    pub fn with_parts(self, part: u64) -> Self {
        Self { part, ..self }
    }

    /// Whether files are sealed from now on.
    pub fn seals(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Puts a file into storage, reads it back and compares. `note`: where it is written down how far that has come; a later try with the
    /// same note goes on from there. The file itself is not touched.
    pub async fn put_file(&self, key: &ObjectKey, file: &Path, note: &Path) -> Result<Stored, StorageError> {
        let source = on_disk(file, Source::open).await?;
        let is_sealed = self.seals();
        let earlier = Progress::read(note, key, &source.of);
        let goes_on = earlier.is_some();
        let (size, sha256) = match self.upload(key, source, earlier, note).await {
            Ok(done) => done,
            // The other side knows nothing of the upload any more: it was completed before a crash, or was given up. Some say that there is
            // none, others that it is forbidden.
            Err(error @ (StorageError::Missing | StorageError::Refused(_))) if goes_on => {
                let (size, sha256) = on_disk(file, hash).await?;
                if self.verify(key, &Stored { size, sha256, is_sealed }).await.is_err() {
                    Progress::forget(note);
                    return Err(StorageError::Away(format!("an upload begins anew: {error}")));
                }
                (size, sha256)
            }
            Err(error) => return Err(error),
        };
        let stored = Stored { size, sha256, is_sealed };
        let verified = self.verify(key, &stored).await;
        if let Err(StorageError::Damaged(_) | StorageError::Missing) = &verified {
            // What came back is not what went in: neither it nor the way there is good for anything.
            Progress::forget(note);
            self.backend.delete(key).await?;
        }
        verified?;
        Progress::forget(note);
        Ok(stored)
    }

    async fn upload(
        &self,
        key: &ObjectKey,
        mut source: Source,
        earlier: Option<Progress>,
        note: &Path,
    ) -> Result<(u64, [u8; 32]), StorageError> {
        let mut going_on = match earlier {
            Some(earlier) => self.go_on(&mut source, earlier),
            None => None,
        };
        let start = if going_on.is_none() { self.begin_sealing(&mut source)? } else { None };
        let stored = source.stored(start.as_ref().map_or(0, Vec::len));
        let size = source.of.size;
        if going_on.is_none() && stored <= self.part {
            let (source, bytes) = next_part(source, stored).await?;
            self.backend.put(key, bytes).await?;
            return Ok((size, source.finish()?));
        }
        let mut progress = match going_on.take() {
            Some(progress) => progress,
            None => {
                let part = self.part.max(stored.div_ceil(MOST_PARTS).next_multiple_of(CHUNK));
                let upload = self.backend.begin(key).await?;
                Progress::new(key, &source.of, part, start.as_deref(), upload)
            }
        };
        let (mut index, part_size) = (0, progress.part_size);
        loop {
            let (back, bytes) = next_part(source, part_size).await?;
            source = back;
            if bytes.is_empty() {
                break;
            }
            // What is there already is read again for the checksum only.
            if index == progress.parts.len() {
                let part = Part { index, size: part_size };
                let name = self.backend.put_part(key, &progress.upload, part, bytes).await?;
                progress.parts.push(name);
                let (note, progress) = (note.to_owned(), progress.clone());
                on_disk(&note.clone(), move |_| {
                    progress.write(&note).map_err(|error| StorageError::source(&note, &error))
                })
                .await?;
            }
            index += 1;
        }
        let sha256 = source.finish()?;
        self.backend.complete(key, &progress.upload, progress.parts).await?;
        Ok((size, sha256))
    }

    /// Takes up an upload where it was left, if it still can be: sealed as it was begun, or not at all.
    fn go_on(&self, source: &mut Source, earlier: Progress) -> Option<Progress> {
        match earlier.start()? {
            Some(start) => {
                let (_, payload) = self.keys.open(&start).ok()?;
                source.seal(&start, payload);
            }
            None if self.seals() => return None,
            None => {}
        }
        Some(earlier)
    }

    fn begin_sealing(&self, source: &mut Source) -> Result<Option<Vec<u8>>, StorageError> {
        let sealing = self.keys.seal().map_err(|error| StorageError::Away(error.to_string()))?;
        Ok(sealing.map(|(start, payload)| {
            source.seal(&start, payload);
            start
        }))
    }

    /// Reads the whole file back and compares it.
    pub async fn verify(&self, key: &ObjectKey, stored: &Stored) -> Result<(), StorageError> {
        let mut pieces = self.read(key, stored, 0..stored.size).await?;
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut size = 0;
        while let Some(piece) = pieces.try_next().await? {
            hash.update(&piece);
            size += piece.len() as u64;
        }
        if size == stored.size && hash.finish().as_ref() == stored.sha256 {
            return Ok(());
        }
        Err(StorageError::Damaged("its checksum is wrong".to_owned()))
    }

    /// Bytes of a plain file, which has them.
    pub async fn read(&self, key: &ObjectKey, stored: &Stored, range: Range<u64>) -> Result<ByteStream, StorageError> {
        if !stored.is_sealed {
            let length = self.backend.size(key).await?;
            if length != stored.size {
                return Err(StorageError::Damaged("it does not have its length".to_owned()));
            }
            return self.backend.get(key, range).await;
        }
        let length = self.backend.size(key).await?;
        let start = self.backend.get(key, 0..length.min(LONGEST_HEADER)).await?;
        let start = gather(start, LONGEST_HEADER as usize).await?;
        let (begin, payload) = self.keys.open(&start).map_err(|error| StorageError::Damaged(error.to_string()))?;
        let count = chunks(stored.size);
        if length != begin + stored.size + count * TAG {
            return Err(StorageError::Damaged("it does not have its length".to_owned()));
        }
        // An empty file has a chunk, too, and whoever reads it wants to know that it is the right one.
        if range.is_empty() && stored.size > 0 {
            return Ok(stream::empty().boxed());
        }
        let first = range.start / CHUNK;
        let last = range.end.saturating_sub(1) / CHUNK;
        let end = (begin + (last + 1) * (CHUNK + TAG)).min(length);
        let sealed = self.backend.get(key, begin + first * (CHUNK + TAG)..end).await?;
        Ok(opened(sealed, payload, first..last + 1, count, range))
    }

    /// Deletes a file; one that is not there is deleted.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        self.backend.delete(key).await
    }

    /// Every object that is there, with the bytes that it takes.
    pub async fn list(&self) -> Result<Vec<(ObjectKey, u64)>, StorageError> {
        self.backend.list().await
    }

    /// Writes, reads and deletes a small object.
    pub async fn try_out(&self) -> Result<(), StorageError> {
        let recording = model::RecordingId(Uuid::nil());
        let key = ObjectKey { recording, file: FileId(Uuid::new_v4()) };
        let said = Bytes::from_static(b"stoa was here");
        self.backend.put(&key, said.clone()).await?;
        let heard = self.backend.get(&key, 0..said.len() as u64).await?;
        let heard = gather(heard, said.len()).await;
        self.backend.delete(&key).await?;
        if heard?[..] == said[..] {
            Ok(())
        } else {
            Err(StorageError::Damaged("it does not give back what it got".to_owned()))
        }
    }
}

/// Disk work, off the threads that serve.
async fn on_disk<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let path: PathBuf = path.to_owned();
    spawn_blocking(move || work(&path)).await.unwrap_or_else(|_| Err(stopping()))
}

fn stopping() -> StorageError {
    StorageError::Away("the server is stopping".to_owned())
}

async fn next_part(mut source: Source, size: u64) -> Result<(Source, Bytes), StorageError> {
    let part = spawn_blocking(move || source.part(size).map(|bytes| (source, Bytes::from(bytes))));
    part.await.unwrap_or_else(|_| Err(stopping()))
}

fn hash(path: &Path) -> Result<(u64, [u8; 32]), StorageError> {
    let mut source = Source::open(path)?;
    while !source.part(CHUNK)?.is_empty() {}
    Ok((source.of.size, source.finish()?))
}

/// A short stream as a whole; what is longer is cut off.
async fn gather(mut pieces: ByteStream, most: usize) -> Result<BytesMut, StorageError> {
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.try_next().await? {
        all.extend_from_slice(&piece[..piece.len().min(most - all.len())]);
    }
    Ok(all)
}

/// Opens the chunks that come in, and cuts off what is before and after the range.
fn opened(sealed: ByteStream, payload: Payload, wanted: Range<u64>, count: u64, range: Range<u64>) -> ByteStream {
    let state = (sealed, payload, BytesMut::new(), wanted);
    let pieces = stream::try_unfold(state, move |(mut sealed, payload, mut held, mut wanted)| {
        let range = range.clone();
        async move {
            let Some(index) = wanted.next() else { return Ok(None) };
            let is_last = index + 1 == count;
            let full = (CHUNK + TAG) as usize;
            while held.len() < full {
                match sealed.try_next().await? {
                    Some(piece) => held.extend_from_slice(&piece),
                    None if is_last => break,
                    None => return Err(StorageError::Damaged("it ends too early".to_owned())),
                }
            }
            let mut chunk = held.split_to(held.len().min(full)).to_vec();
            payload.open(index, is_last, &mut chunk).map_err(|error| StorageError::Damaged(error.to_string()))?;
            let (from, length) = (index * CHUNK, chunk.len() as u64);
            let low = range.start.saturating_sub(from).min(length);
            let high = range.end.saturating_sub(from).min(length);
            let piece = Bytes::from(chunk).slice(low as usize..high as usize);
            Ok(Some((piece, (sealed, payload, held, wanted))))
        }
    });
    pieces.boxed()
}

/// The waits between tries: longer each time, up to a minute, without end.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: Duration::from_millis(500) }
    }
}

impl Backoff {
    /// The longest wait.
    pub const LONGEST: Duration = Duration::from_secs(60);

    /// How long to wait now.
    pub fn wait(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(Self::LONGEST);
        now
    }
}

const _: () = assert!(NONCE == 16 && CHUNK.is_multiple_of(64));
