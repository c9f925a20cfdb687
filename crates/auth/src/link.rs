//! Links that open one thing for whoever has them, for a while: a path, when it expires, and an HMAC-SHA256 of both. Pure: key and time
//! are passed in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use model::{Secret, Timestamp};
use sha2::Sha256;

/// What the key is made for, so that it is no other key's.
const PURPOSE: &[u8] = b"stoa links v1";
/// No link is good for longer, whatever it says.
const LONGEST_SECONDS: i64 = 7 * 24 * 3600;

/// Why a link opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Nobody who has the key has made it.
    #[error("the link is not valid")]
    Forged,
    /// It was good.
    #[error("the link has expired")]
    Expired,
}

/// Makes and checks links.
#[derive(Clone)]
pub struct LinkKey(Secret<[u8; 32]>);

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey(***)")
    }
}

impl LinkKey {
    /// From a secret of the installation, which the key says nothing about.
    pub fn derive(secret: &[u8]) -> Self {
        Self(Secret::new(mac(secret, &[PURPOSE])))
    }

    /// `expires=…&signature=…`, for the path's query.
    pub fn sign(&self, path: &str, expires: Timestamp) -> String {
        let seconds = (expires.0.div_euclid(1_000)).to_string();
        let signature = URL_SAFE_NO_PAD.encode(self.signature(path, &seconds));
        format!("expires={seconds}&signature={signature}")
    }

    /// Whether a link to this path is good. One that is forged is never told that it has expired.
    pub fn check(&self, path: &str, expires: &str, signature: &str, now: Timestamp) -> Result<(), LinkError> {
        let given = URL_SAFE_NO_PAD.decode(signature).map_err(|_| LinkError::Forged)?;
        // In constant time.
        signer(self.0.reveal(), &[path.as_bytes(), expires.as_bytes()])
            .verify_slice(&given)
            .map_err(|_| LinkError::Forged)?;
        let seconds: i64 = expires.parse().map_err(|_| LinkError::Forged)?;
        let left = seconds.saturating_sub(now.0.div_euclid(1_000));
        if (1..=LONGEST_SECONDS + 60).contains(&left) { Ok(()) } else { Err(LinkError::Expired) }
    }

    fn signature(&self, path: &str, expires: &str) -> [u8; 32] {
        mac(self.0.reveal(), &[path.as_bytes(), expires.as_bytes()])
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    signer(key, parts).finalize().into_bytes().into()
}

/// Each part with its length before it, so that none can be taken for a piece of another.
fn signer(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn parts(query: &str) -> (&str, &str) {
        let (expires, signature) = query.split_once('&').unwrap();
        (expires.strip_prefix("expires=").unwrap(), signature.strip_prefix("signature=").unwrap())
    }

    #[test]
    fn a_link_opens_its_own_path_for_its_own_time() {
        let key = LinkKey::derive(b"of the installation");
        let path = "/api/recordings/0192d3b4-0000-7000-8000-000000000001/file";
        let query = key.sign(path, Timestamp(NOW.0 + 60_000));
        let (expires, signature) = parts(&query);
        let at = |seconds: i64| key.check(path, expires, signature, Timestamp(NOW.0 + seconds * 1_000));
        assert_eq!((at(0), at(59), at(60), at(61)), (Ok(()), Ok(()), Err(LinkError::Expired), Err(LinkError::Expired)));
        let later = (expires.parse::<i64>().unwrap() + 1).to_string();
        assert_eq!(key.check(path, &later, signature, NOW), Err(LinkError::Forged));
        assert_eq!(key.check(&path[1..], expires, signature, NOW), Err(LinkError::Forged));
        assert_eq!(key.check(path, expires, &signature[..42], NOW), Err(LinkError::Forged));
        assert_eq!(key.check(path, expires, "", NOW), Err(LinkError::Forged));
        assert_eq!(LinkKey::derive(b"another").check(path, expires, signature, NOW), Err(LinkError::Forged));
        let stale = key.check(path, &later, signature, Timestamp(NOW.0 + 600_000));
        assert_eq!(stale, Err(LinkError::Forged), "a forged one is not told that it has expired");
        let forever = key.sign(path, Timestamp(NOW.0 + 400 * 24 * 3_600_000));
        let (expires, signature) = parts(&forever);
        assert_eq!(
            key.check(path, expires, signature, NOW),
            Err(LinkError::Expired),
            "longer than any link is good for"
        );
        assert!(!format!("{key:?}").contains("instal"));
    }

    proptest! {
        #[test]
        fn nothing_but_what_was_signed_is_good(path in "/[a-z]{0,8}", expires in "[0-9]{0,12}", signature in "[A-Za-z0-9_-]{43}") {
            let key = LinkKey::derive(b"of the installation");
            prop_assert_eq!(key.check(&path, &expires, &signature, NOW), Err(LinkError::Forged));
        }
    }
}
