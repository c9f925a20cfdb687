//! Tokens: nothing that is not signed with the key is taken, whatever it looks like.
#![no_main]

use std::sync::LazyLock;

use auth::{LiveKitKey, LiveKitKeys, UserVerifier};
use libfuzzer_sys::fuzz_target;
use model::{Secret, Timestamp};

static KEYS: LazyLock<LiveKitKeys> = LazyLock::new(|| {
    let secret = Secret::new("never written into a corpus".to_owned());
    LiveKitKeys::new(LiveKitKey { key: "devkey".to_owned(), secret })
});
static USERS: LazyLock<UserVerifier> = LazyLock::new(|| UserVerifier::new().with_secret("never written into a corpus"));

fuzz_target!(|data: &[u8]| {
    let token = String::from_utf8_lossy(data);
    let now = Timestamp(1_763_671_440_123);
    assert!(KEYS.verify(now, &token).is_err(), "a forged token was taken");
    assert!(USERS.verify(now, &token).is_err(), "a forged token was taken");
});
