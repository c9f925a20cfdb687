//! Time-limited credentials: the username is `expiry:userId`, the password the base64 of HMAC-SHA1 over it with a secret
//! that the server keeps. Whoever mints and this server share the secret and nothing else; coturn reads the same form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use model::{Secret, UserId};
use sha1::Sha1;

use crate::message::Key;

/// The longest username taken: a number, a colon, a user id of 128 characters of up to four bytes.
pub const LONGEST_USERNAME: usize = 20 + 1 + 4 * UserId::LONGEST;

/// What a client authenticates with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user name: `expiry:userId`, the expiry in Unix seconds.
    pub username: String,
    /// Goes to the client that it was made for and nowhere else.
    pub password: Secret<String>,
}

impl Credentials {
    /// Makes credentials for a user that are good for Allocate until `expires`, in seconds since the Unix epoch. What is
    /// allocated by then lives on.
    pub fn mint(secret: &Secret<String>, user: &UserId, expires: u64) -> Self {
        let username = format!("{expires}:{user}");
        let password = Secret::new(password(secret, &username));
        Self { username, password }
    }
}

/// The secret that credentials are minted with, and the one before it: a rotation turns nobody away whose credentials
/// are still good.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// The secret that signs new credentials. Those that it signed are accepted.
    pub current: Secret<String>,
    /// The secret before: credentials that it signed are still accepted. `None`: there was none.
    pub previous: Option<Secret<String>>,
}

impl Secrets {
    /// The keys that a message by this username may be signed with.
    pub(crate) fn keys<'a>(&'a self, username: &'a str, realm: &'a str) -> impl Iterator<Item = Key> + use<'a> {
        let secrets = std::iter::once(&self.current).chain(&self.previous);
        secrets.map(move |secret| Key::long_term(username, realm, &password(secret, username)))
    }
}

fn password(secret: &Secret<String>, username: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.reveal().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(username.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Takes a username apart: when it expires and whose it is. Only plain decimal digits, no sign, no space, no overflow.
pub(crate) fn parse_username(username: &str) -> Option<(u64, UserId)> {
    if username.len() > LONGEST_USERNAME {
        return None;
    }
    let (expires, user) = username.split_once(':')?;
    if expires.is_empty() || !expires.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((expires.parse().ok()?, UserId::new(user).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_a_time_and_a_user() {
        let user = |text| UserId::new(text).expect("a user id");
        assert_eq!(parse_username("1700000000:alice"), Some((1_700_000_000, user("alice"))));
        assert_eq!(parse_username("1:a:b"), Some((1, user("a:b"))), "a user id may hold a colon");
        for bad in
            ["", ":", "1:", ":alice", "alice", "1700000000", "+1:a", "-1:a", " 1:a", "1e9:a", "18446744073709551616:a"]
        {
            assert_eq!(parse_username(bad), None, "{bad:?}");
        }
        assert_eq!(parse_username(&format!("1:{}", "x".repeat(129))), None, "too long");
    }

    #[test]
    fn the_password_is_what_other_servers_compute() {
        // printf '1700000000:alice' | openssl dgst -sha1 -hmac north -binary | base64
        let secret = Secret::new("north".to_owned());
        let made = Credentials::mint(&secret, &UserId::new("alice").expect("a user id"), 1_700_000_000);
        assert_eq!(made.username, "1700000000:alice");
        assert_eq!(made.password.reveal(), "Cd/49soE35ICqcJF/bCTn8Z4OyE=");
    }
}
