//! MESSAGE-INTEGRITY (RFC 8489 §14.5) and FINGERPRINT (§14.7).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;

use super::HEADER;

/// The length of an HMAC-SHA1.
pub(super) const LENGTH: usize = 20;
/// The length of the whole MESSAGE-INTEGRITY attribute.
const ATTRIBUTE: usize = 4 + LENGTH;
/// The length of the whole FINGERPRINT attribute.
const FINGERPRINT: usize = 8;
/// "STUN", so that a CRC of another protocol in the same packet differs.
const FINGERPRINT_MASK: u32 = 0x5354_554E;

/// What MESSAGE-INTEGRITY is made with. Does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Box<[u8]>);

impl Key {
    /// The key of the long-term mechanism: MD5 of `username:realm:password` (RFC 8489 §9.2.2).
    pub fn long_term(username: &str, realm: &str, password: &str) -> Self {
        let mut hash = Md5::new();
        for part in [username, ":", realm, ":", password] {
            hash.update(part.as_bytes());
        }
        Self(Box::from(&hash.finalize()[..]))
    }

    /// The key of the short-term mechanism: the password itself (RFC 8489 §9.1.1).
    pub fn short_term(password: &str) -> Self {
        Self(Box::from(password.as_bytes()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// The sum over a message that ends right before the attribute.
pub(super) fn sum(before: &[u8], key: &Key) -> [u8; LENGTH] {
    over(before, key).finalize().into_bytes().into()
}

/// Whether the MESSAGE-INTEGRITY at `at` is right, in constant time.
pub(super) fn verify(bytes: &[u8], at: usize, key: &Key) -> bool {
    over(&bytes[..at], key).verify_slice(&bytes[at + 4..at + ATTRIBUTE]).is_ok()
}

fn over(before: &[u8], key: &Key) -> Hmac<Sha1> {
    let mut mac = Hmac::<Sha1>::new_from_slice(&key.0).expect("HMAC takes a key of any length");
    mac.update(&before[..2]);
    mac.update(&length_with(before, ATTRIBUTE));
    mac.update(&before[4..]);
    mac
}

/// The CRC over a message that ends right before the attribute.
pub(super) fn fingerprint(before: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&before[..2]);
    crc.update(&length_with(before, FINGERPRINT));
    crc.update(&before[4..]);
    (crc.finalize() ^ FINGERPRINT_MASK).to_be_bytes()
}

/// The sums are taken as if the message ended with their own attribute.
fn length_with(before: &[u8], attribute: usize) -> [u8; 2] {
    let length = before.len() - HEADER + attribute;
    // A message of which the attribute is a part has a length of 16 bits, so this does not cut.
    (length as u16).to_be_bytes()
}
