//! Who is let in.

use std::collections::BTreeMap;

use super::Membership;
use super::grant::comes_dependent;
use crate::limits::MOST_REVOKED;

/// Why someone is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Its token was revoked when it was put out.
    Revoked,
    /// Every place is taken.
    Full,
    /// The room is over.
    Closed,
}

/// Tokens that no longer let in: identity → those that began before then, in seconds since the epoch.
#[derive(Debug, Default)]
pub(crate) struct Revoked(BTreeMap<String, i64>);

impl Revoked {
    /// Tokens of this identity from before then let nobody in any more; 0: they still do.
    pub fn add(&mut self, identity: &str, before: i64) {
        if before <= 0 || (self.0.len() >= MOST_REVOKED && !self.0.contains_key(identity)) {
            return;
        }
        let known = self.0.entry(identity.to_owned()).or_default();
        *known = before.max(*known);
    }

    /// Whether this token no longer lets in.
    pub fn covers(&self, claims: &auth::LiveKitClaims) -> bool {
        self.0.get(&claims.sub).is_some_and(|before| i64::try_from(claims.nbf).is_ok_and(|nbf| nbf < *before))
    }
}

impl Membership {
    /// Whether there is a place for the holder of a token. Someone of its identity has already gone.
    pub fn has_place(&self, claims: &auth::LiveKitClaims) -> Result<(), Turned> {
        if self.closed {
            return Err(Turned::Closed);
        }
        if self.is_full() && !comes_dependent(claims) {
            return Err(Turned::Full);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_began_before_is_revoked() {
        let mut revoked = Revoked::default();
        revoked.add("bob", 100);
        revoked.add("bob", 50);
        let claims = |sub: &str, nbf| auth::LiveKitClaims { sub: sub.into(), nbf, ..Default::default() };
        for (sub, nbf, covered) in [("bob", 99, true), ("bob", 100, false), ("alice", 0, false)] {
            assert_eq!(revoked.covers(&claims(sub, nbf)), covered, "{sub} {nbf}");
        }
    }
}
