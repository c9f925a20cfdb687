//! The beginning of a file in storage, which others may have written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use storage::{ObjectKey, SpoolName, parse_header};

fuzz_target!(|data: &[u8]| {
    let header = parse_header(data);
    // What comes after the header does not change it.
    if header.is_some() {
        let longer = [data, b"and more"].concat();
        assert_eq!(parse_header(&longer), header);
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(name) = SpoolName::new(text) {
        assert!(!name.as_str().contains("..") && !name.as_str().starts_with('/') && name.as_str().is_ascii());
    }
    if let Ok(key) = text.parse::<ObjectKey>() {
        assert_eq!(key.to_string(), text);
    }
});
