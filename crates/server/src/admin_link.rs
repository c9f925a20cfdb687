//! The admin link: it signs in as the administrator once, within ten minutes. `stoa serve` makes one at the first
//! start, and `stoa token admin` makes more; only the newest works. The data directory holds its hash and its expiry,
//! so that a running server accepts a link made by the command.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Secret, Timestamp};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::secrets::{random_text, write_private};

const FILE: &str = "admin-code.json";
const GOOD_FOR: Duration = Duration::from_secs(600);

#[derive(Serialize, Deserialize)]
struct Stored {
    /// SHA-256, base64url.
    hash: String,
    expires_at: i64,
}

/// The codes of a data directory.
#[derive(Debug, Clone)]
pub struct AdminCodes {
    path: PathBuf,
}

impl AdminCodes {
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE) }
    }

    /// Makes a code; the previous one stops working.
    pub fn issue(&self, now: Timestamp) -> Result<Secret<String>, Failure> {
        let code = random_text(18);
        let stored = Stored { hash: hash(&code), expires_at: (now + GOOD_FOR).as_millis() };
        let text = serde_json::to_vec(&stored).map_err(Failure::fault)?;
        write_private(&self.path, &text)
            .map_err(|error| Failure::Setup(format!("cannot write {}: {error}", self.path.display())))?;
        Ok(Secret::new(code))
    }
}

impl api::AdminCodes for AdminCodes {
    fn redeem(&self, code: &str, now: Timestamp) -> bool {
        let stored = fs::read(&self.path).ok().and_then(|text| serde_json::from_slice::<Stored>(&text).ok());
        // Compared by hash, so that how long it takes tells nothing of the code.
        let is_good = stored.is_some_and(|stored| now.as_millis() < stored.expires_at && stored.hash == hash(code));
        // Of several who come at once, one takes it away.
        is_good && fs::remove_file(&self.path).is_ok()
    }
}

/// The link with a code in it. Behind the `#`, where no log and no referrer sees it.
pub fn link(url: &str, code: &Secret<String>) -> String {
    format!("{}/admin#code={}", url.trim_end_matches('/'), code.reveal())
}

fn hash(code: &str) -> String {
    URL_SAFE_NO_PAD.encode(auth::session_hash(code))
}

#[cfg(test)]
mod tests {
    use api::AdminCodes as _;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn a_code_is_good_once_within_ten_minutes() {
        let dir = tempfile::tempdir().expect("a folder");
        let codes = AdminCodes::new(dir.path());
        assert!(!codes.redeem("", NOW), "none was made");
        let code = codes.issue(NOW).expect("writable");
        let kept = fs::read_to_string(dir.path().join(FILE)).expect("there");
        assert!(!kept.contains(code.reveal().as_str()), "the hash alone is kept");
        assert!(!codes.redeem("guess", NOW));
        assert!(codes.redeem(code.reveal(), NOW + GOOD_FOR - Duration::from_millis(1)));
        assert!(!codes.redeem(code.reveal(), NOW), "once");

        let late = codes.issue(NOW).expect("writable");
        assert!(!codes.redeem(late.reveal(), NOW + GOOD_FOR));
        let (old, new) = (codes.issue(NOW).expect("writable"), codes.issue(NOW).expect("writable"));
        assert!(!codes.redeem(old.reveal(), NOW), "another was made");
        assert!(codes.redeem(new.reveal(), NOW));
    }

    #[test]
    fn of_many_at_once_one_gets_in() {
        let dir = tempfile::tempdir().expect("a folder");
        let codes = AdminCodes::new(dir.path());
        let code = codes.issue(NOW).expect("writable");
        let taken: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..16).map(|_| scope.spawn(|| codes.redeem(code.reveal(), NOW))).collect();
            tries.into_iter().map(|thread| usize::from(thread.join().expect("no panic"))).sum()
        });
        assert_eq!(taken, 1);
    }
}
