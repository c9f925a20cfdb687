//! Byte ranges of HTTP (RFC 9110, section 14): which bytes of a file a request asks for.

use std::ops::Range;

/// What a `Range` field asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranged {
    /// All of it: no range, one that is not understood, or several. A server may ignore those (section 14.2).
    Whole,
    /// These bytes. Never empty.
    Part(Range<u64>),
    /// None that there are: 416.
    Unsatisfiable,
}

/// Reads a `Range` field for a file of this size.
pub fn ranged(field: Option<&str>, size: u64) -> Ranged {
    let Some((unit, set)) = field.and_then(|field| field.split_once('=')) else { return Ranged::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Ranged::Whole;
    }
    // A list may have empty elements (section 5.6.1).
    let mut specs = set.split(',').map(str::trim).filter(|spec| !spec.is_empty());
    let (Some(spec), None) = (specs.next(), specs.next()) else { return Ranged::Whole };
    let Some((first, last)) = spec.split_once('-') else { return Ranged::Whole };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(length)) if first.is_empty() => size.saturating_sub(length)..size,
        _ => return Ranged::Whole,
    };
    if range.start < range.end { Ranged::Part(range) } else { Ranged::Unsatisfiable }
}

/// Digits alone; more than fit are as many as there can be.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// The `Content-Range` of a part, or of a refusal.
pub fn content_range(part: Option<&Range<u64>>, size: u64) -> String {
    match part {
        Some(part) => format!("bytes {}-{}/{size}", part.start, part.end - 1),
        None => format!("bytes */{size}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_of_the_rfc() {
        let size = 10_000;
        for (field, wanted) in [
            ("bytes=0-499", Ranged::Part(0..500)),
            ("bytes=500-999", Ranged::Part(500..1_000)),
            ("bytes=-500", Ranged::Part(9_500..10_000)),
            ("bytes=9500-", Ranged::Part(9_500..10_000)),
            ("bytes=0-0", Ranged::Part(0..1)),
            ("bytes=0-99999", Ranged::Part(0..10_000)),
            ("bytes=-99999", Ranged::Part(0..10_000)),
            ("Bytes= 1-2 ", Ranged::Part(1..3)),
            ("bytes=,1-2,", Ranged::Part(1..3)),
            ("bytes=0-99999999999999999999999", Ranged::Part(0..10_000)),
            ("bytes=10000-", Ranged::Unsatisfiable),
            ("bytes=10000-10001", Ranged::Unsatisfiable),
            ("bytes=99999999999999999999999-", Ranged::Unsatisfiable),
            ("bytes=-0", Ranged::Unsatisfiable),
            ("bytes=2-1", Ranged::Whole),
            ("bytes=0-0,-1", Ranged::Whole),
            ("bytes=a-b", Ranged::Whole),
            ("bytes=+1-2", Ranged::Whole),
            ("bytes=1-2x", Ranged::Whole),
            ("bytes=-", Ranged::Whole),
            ("bytes=", Ranged::Whole),
            ("bytes", Ranged::Whole),
            ("lines=1-2", Ranged::Whole),
            ("", Ranged::Whole),
        ] {
            assert_eq!(ranged(Some(field), size), wanted, "{field}");
        }
        assert_eq!(ranged(None, size), Ranged::Whole);
        for field in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(ranged(Some(field), 0), Ranged::Unsatisfiable, "{field} of nothing");
        }
        assert_eq!(content_range(Some(&(0..500)), size), "bytes 0-499/10000");
        assert_eq!(content_range(None, size), "bytes */10000");
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(field in "(bytes=)?[0-9]{0,4}-?[0-9]{0,4}[, -]{0,2}", size in 0u64..5_000) {
            if let Ranged::Part(part) = ranged(Some(&field), size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }

        #[test]
        fn every_part_can_be_asked_for(start in 0u64..5_000, length in 1u64..5_000, more in 0u64..5_000) {
            let size = start + length + more;
            let field = format!("bytes={start}-{}", start + length - 1);
            prop_assert_eq!(ranged(Some(&field), size), Ranged::Part(start..start + length));
            let tail = format!("bytes=-{length}");
            prop_assert_eq!(ranged(Some(&tail), size), Ranged::Part(size - length..size));
        }
    }
}
