//! Passwords: argon2id, as PHC strings. Each call takes tens of milliseconds and 19 MiB: not for an async thread.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use model::Secret;

/// Hashes a password with a salt that was drawn for it.
pub fn hash_password(password: &str, salt: [u8; 16]) -> Secret<String> {
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .expect("argon2 takes any password of bounded length with a salt of 16 bytes");
    Secret::new(hash.to_string())
}

/// Whether the password is the one that was hashed.
pub fn verify_password(password: &str, hash: &Secret<String>) -> bool {
    PasswordHash::new(hash.reveal())
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Takes as long as [`verify_password`], for a name that has no account, so that time tells nobody which names have one.
pub fn verify_absent(password: &str) -> bool {
    let _ = hash_password(password, [0; 16]);
    false
}
