//! A file as it goes into storage: its bytes, sealed or not, part by part.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use crate::age::{CHUNK, Payload, TAG, chunks};
use crate::backend::StorageError;
use crate::progress::Of;

/// Reads a file from its beginning to its end.
pub(crate) struct Source {
    path: PathBuf,
    file: File,
    pub of: Of,
    sealing: Option<Sealing>,
    hash: digest::Context,
    /// Plain bytes that were read.
    read: u64,
    /// Bytes that are ready to go out.
    ready: Vec<u8>,
}

struct Sealing {
    payload: Payload,
    next: u64,
}

impl Source {
    /// Opens a plain file; a link is none.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        let open = || {
            let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
            Ok::<_, io::Error>((Of::file(&file)?, file))
        };
        let (of, file) = open().map_err(|error| StorageError::source(path, &error))?;
        let hash = digest::Context::new(&digest::SHA256);
        Ok(Self { path: path.to_owned(), file, of, sealing: None, hash, read: 0, ready: Vec::new() })
    }

    /// From here on the bytes come sealed, after header and nonce.
    pub fn seal(&mut self, start: &[u8], payload: Payload) {
        self.ready.extend_from_slice(start);
        self.sealing = Some(Sealing { payload, next: 0 });
    }

    /// How many bytes there will be in storage.
    pub fn stored(&self, start: usize) -> u64 {
        let sealed = if self.sealing.is_some() { chunks(self.of.size) * TAG } else { 0 };
        self.of.size + sealed + start as u64
    }

    /// The next bytes, so many unless the file ends before.
    pub fn part(&mut self, size: u64) -> Result<Vec<u8>, StorageError> {
        while (self.ready.len() as u64) < size && !self.is_read() {
            self.more()?;
        }
        let rest = self.ready.split_off(self.ready.len().min(size as usize));
        Ok(std::mem::replace(&mut self.ready, rest))
    }

    fn is_read(&self) -> bool {
        let chunks_done = self.sealing.as_ref().is_none_or(|sealing| sealing.next == chunks(self.of.size));
        self.read == self.of.size && chunks_done
    }

    fn more(&mut self) -> Result<(), StorageError> {
        let mut chunk = vec![0; (self.of.size - self.read).min(CHUNK) as usize];
        self.file.read_exact(&mut chunk).map_err(|error| StorageError::source(&self.path, &error))?;
        self.hash.update(&chunk);
        self.read += chunk.len() as u64;
        if let Some(Sealing { payload, next }) = &mut self.sealing {
            let is_last = *next + 1 == chunks(self.of.size);
            payload
                .seal(*next, is_last, &mut chunk)
                .map_err(|error| StorageError::Damaged(format!("cannot seal: {error}")))?;
            *next += 1;
        }
        self.ready.append(&mut chunk);
        Ok(())
    }

    /// The SHA-256 of the plain file, at its end; an error where the file has changed meanwhile.
    pub fn finish(self) -> Result<[u8; 32], StorageError> {
        let changed =
            || StorageError::Source { path: self.path.clone(), reason: "it changed while it was read".to_owned() };
        let now = Of::file(&self.file).map_err(|error| StorageError::source(&self.path, &error))?;
        if now != self.of || !self.is_read() {
            return Err(changed());
        }
        Ok(self.hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}
