//! `Range` fields and signed links, as any client may send them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::Timestamp;
use storage::{Ranged, content_range, ranged};

fuzz_target!(|data: &[u8]| {
    let Some((head, rest)) = data.split_first_chunk::<8>() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let size = u64::from_be_bytes(*head);
    match ranged(Some(text), size) {
        Ranged::Part(part) => {
            assert!(part.start < part.end && part.end <= size);
            // What we say we send is what a client would ask for again.
            let said = content_range(Some(&part), size);
            let again = said.strip_prefix("bytes ").and_then(|said| said.split_once('/')).expect("our own form").0;
            assert_eq!(ranged(Some(&format!("bytes={again}")), size), Ranged::Part(part));
        }
        Ranged::Whole => {}
        Ranged::Unsatisfiable => assert!(text.to_ascii_lowercase().contains("bytes")),
    }
    let key = auth::LinkKey::derive(b"of the fuzzer");
    let mut fields = text.splitn(3, '\n');
    let (path, expires) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let signature = fields.next().unwrap_or_default();
    let now = Timestamp(1_800_000_000_000);
    assert!(key.check(path, expires, signature, now).is_err(), "nobody has signed that");
    let made = key.sign(path, Timestamp(now.0 + 60_000));
    let (expires, signature) = made.split_once('&').expect("two fields");
    let (expires, signature) = (&expires["expires=".len()..], &signature["signature=".len()..]);
    assert_eq!(key.check(path, expires, signature, now), Ok(()));
});
