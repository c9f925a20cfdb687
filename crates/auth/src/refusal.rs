//! Why a token is refused, and who may learn the reason.

use crate::{LEEWAY_SECONDS, LONGEST_TOKEN};

/// Why a token is refused. The log has it in every case; whoever sent the token hears it only where the signature holds
/// ([`Refusal::is_for_holder`]): to a stranger all refusals look the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than is looked at.
    #[error("it is longer than {LONGEST_TOKEN} bytes")]
    TooLong,
    /// Not a JWT that can be read.
    #[error("it is not a readable signed token")]
    Malformed,
    /// Its header has `crit` (RFC 7515 §4.1.11), and we understand none of the extensions that it may demand.
    #[error("its header requires extensions (crit) that Stoa does not support")]
    Critical,
    /// Signed by another algorithm than its key is for.
    #[error("it is signed with an algorithm that is not accepted")]
    Algorithm,
    /// Its `iss` is no API key of ours; the beginning of what it is.
    #[error("its API key {0:?} is unknown")]
    UnknownKey(String),
    /// No key of the host app's set is of its algorithm and `kid`.
    #[error("no public key matches its algorithm and kid")]
    NoPublicKey,
    /// The key that it names did not sign it.
    #[error("the signature does not match: the secret is wrong, or the content was changed")]
    Signature,
    /// Past `exp`, by more than the leeway.
    #[error("token is expired (exp): {seconds} s ago, and only {LEEWAY_SECONDS} s are allowed")]
    Expired {
        /// How long ago it expired.
        seconds: u64,
    },
    /// Before `nbf`, by more than the leeway.
    #[error("token not valid yet (nbf): {seconds} s ahead, and only {LEEWAY_SECONDS} s are allowed")]
    NotYetValid {
        /// How far ahead of us its maker's clock is.
        seconds: u64,
    },
    /// A claim that must be there is not.
    #[error("the claim {0} is missing")]
    Missing(&'static str),
    /// A claim is not of its form.
    #[error("the claim {claim} is not {wanted}")]
    Claim {
        /// Its name.
        claim: String,
        /// What it should be.
        wanted: &'static str,
    },
}

impl Refusal {
    /// Whether the signature held, so that whoever made the token may hear what is wrong with it.
    pub const fn is_for_holder(&self) -> bool {
        match self {
            Refusal::TooLong
            | Refusal::Malformed
            | Refusal::Critical
            | Refusal::Algorithm
            | Refusal::UnknownKey(_)
            | Refusal::NoPublicKey
            | Refusal::Signature => false,
            Refusal::Expired { .. } | Refusal::NotYetValid { .. } | Refusal::Missing(_) | Refusal::Claim { .. } => true,
        }
    }

    /// The claim that is wrong, where one is.
    pub fn claim(&self) -> Option<&str> {
        match self {
            Refusal::Expired { .. } => Some("exp"),
            Refusal::NotYetValid { .. } => Some("nbf"),
            Refusal::Missing(claim) => Some(claim),
            Refusal::Claim { claim, .. } => Some(claim),
            _ => None,
        }
    }

    /// How far the clocks are apart, in seconds, where that is why: negative for a token that has expired.
    pub fn skew(&self) -> Option<i64> {
        match self {
            Refusal::Expired { seconds } => Some(0_i64.saturating_sub_unsigned(*seconds)),
            Refusal::NotYetValid { seconds } => Some(0_i64.saturating_add_unsigned(*seconds)),
            _ => None,
        }
    }
}
