//! How many files and sockets the process may have open, and who gets how many: even when the web is full, the journal,
//! the database and running calls keep theirs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than this many are not asked for: some systems offer a thousand million.
const MOST: u64 = 1 << 20;
/// What a host that does not say is taken to allow.
const UNSAID: u64 = 1_024;
/// With fewer there is nothing to share out.
const LEAST: usize = 256;

/// Raises what the process may have open to what it is allowed to; how many that is.
pub fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(MOST).min(MOST);
    let soft = limit.current.unwrap_or(UNSAID);
    if soft < hard && setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum: limit.maximum }).is_ok() {
        return hard as usize;
    }
    soft as usize
}

/// How many connections each door may have at once. What is left is for the journal, the database, media and relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// The web app, the API, signalling.
    pub web: usize,
    /// TURN over TCP and TLS, ICE-TCP until its first frame.
    pub media: usize,
}

impl Shares {
    /// Of so many descriptors, of which relays may take some.
    pub fn of(descriptors: usize, relays: usize) -> Self {
        let free = descriptors.saturating_sub(relays).max(LEAST);
        Self { web: free / 2, media: free / 4 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_nobodys_to_take() {
        assert_eq!(Shares::of(1_024, 0), Shares { web: 512, media: 256 });
        assert_eq!(Shares::of(20_000, 1_000), Shares { web: 9_500, media: 4_750 });
        assert_eq!(Shares::of(100, 4_000), Shares { web: 128, media: 64 });
    }

    #[test]
    fn what_may_be_had_is_had() {
        let raised = raise();
        assert_eq!(raised as u64, getrlimit(Resource::Nofile).current.unwrap_or(MOST), "in force");
        assert_eq!(raise(), raised, "once is enough");
    }
}
