//! What the journal needs of the file system: one method per system call, so that a test can make each of them fail.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// Every method does what it says on the real file system; a test overrides what is to fail.
pub trait Disk: Send + Sync + 'static {
    /// Makes a folder and those above it, where they are not there.
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }
    /// Makes a file that is not there yet.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }
    /// Opens a file to write at its end, and makes it where it is not there.
    fn append(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)
    }
    /// Opens a file to read.
    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }
    /// Writes some of the bytes; how many.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }
    /// Waits until the disk has what was written.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
    /// Waits until the disk has the folder's names.
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
    /// Takes room on the disk for what will be written from here on, without making the file longer. `Unsupported` where the file
    /// system does not know how.
    fn reserve(&self, file: &File, from: u64, length: u64) -> io::Result<()> {
        use rustix::io::Errno;
        let beyond_the_end = rustix::fs::FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(file, beyond_the_end, from, length).map_err(|error| match error {
            Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL => io::ErrorKind::Unsupported.into(),
            error => error.into(),
        })
    }
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
    /// Puts a file in the place of another.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }
}

/// The real one.
#[derive(Debug)]
pub struct LocalDisk;

impl Disk for LocalDisk {}

/// Shared by whoever writes to it.
pub(crate) type SharedDisk = Arc<dyn Disk>;

/// Writes all of the bytes.
pub(crate) fn write_all(disk: &dyn Disk, file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match disk.write(file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Which file or folder it is that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// An error if the name no longer refers to this one.
    pub(crate) fn check(self, path: &Path) -> io::Result<()> {
        match std::fs::metadata(path).map(|metadata| Self::of(&metadata)) {
            Ok(found) if found == self => Ok(()),
            Ok(_) => Err(replaced(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(replaced(path)),
            Err(error) => Err(error),
        }
    }
}

fn replaced(path: &Path) -> io::Error {
    let text =
        format!("{} was deleted or replaced while the server was running; put it back, or restart", path.display());
    io::Error::new(io::ErrorKind::NotFound, text)
}

#[cfg(test)]
pub(crate) mod faulty;
