//! Whose credentials are refused, and up to which expiry. Kept in the data directory: credentials outlive the process.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use model::UserId;

use crate::failure::Failure;
use crate::secrets::write_private;

const FILE: &str = "turn-revoked.json";

/// The revocations that still count.
#[derive(Debug)]
pub struct Revoked {
    path: PathBuf,
    /// Seconds since the Unix epoch.
    until: BTreeMap<UserId, u64>,
}

impl Revoked {
    /// Reads them; there is no file before the first.
    pub fn read(data_dir: &Path, unix: u64) -> Result<Self, Failure> {
        let path = data_dir.join(FILE);
        let shown = path.display();
        let mut until: BTreeMap<UserId, u64> = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|_| {
                Failure::Setup(format!("{shown} is damaged; restore it, or delete it to drop every revocation"))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(Failure::Setup(format!("cannot read {shown}: {error}"))),
        };
        until.retain(|_, until| *until >= unix);
        Ok(Self { path, until })
    }

    /// Adds one, forgets those whose credentials have expired by now, and writes it all down.
    pub fn add(&mut self, user: &UserId, until: u64, unix: u64) -> io::Result<()> {
        self.until.retain(|_, until| *until >= unix);
        let entry = self.until.entry(user.clone()).or_insert(until);
        *entry = until.max(*entry);
        write_private(&self.path, &serde_json::to_vec(&self.until)?)
    }

    /// Every revoked user, and until when (Unix seconds) their credentials are refused.
    pub fn iter(&self) -> impl Iterator<Item = (&UserId, u64)> {
        self.until.iter().map(|(user, until)| (user, *until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revocations_last_as_long_as_the_credentials() {
        let dir = tempfile::tempdir().expect("a folder");
        let users = ["eve", "mallory"].map(|name| UserId::new(name).expect("a user"));
        let mut revoked = Revoked::read(dir.path(), 0).expect("none yet");
        revoked.add(&users[0], 100, 10).expect("written");
        revoked.add(&users[0], 90, 11).expect("written");
        revoked.add(&users[1], 200, 12).expect("written");
        let read = |unix| {
            Revoked::read(dir.path(), unix).expect("readable").iter().map(|(u, t)| (u.clone(), t)).collect::<Vec<_>>()
        };
        assert_eq!(read(100), [(users[0].clone(), 100), (users[1].clone(), 200)]);
        assert_eq!(read(101), [(users[1].clone(), 200)]);
        std::fs::write(dir.path().join(FILE), "{").expect("written");
        assert!(Revoked::read(dir.path(), 0).is_err());
    }
}
