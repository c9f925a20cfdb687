//! Redundant audio data (RFC 2198).

use std::ops::Range;

/// Where the primary block is in a RED payload, and its payload type. `None` if it is malformed.
pub fn primary(payload: &[u8]) -> Option<(u8, Range<usize>)> {
    let mut at = 0;
    let mut redundant = 0;
    loop {
        let header = *payload.get(at)?;
        if header & 0x80 == 0 {
            let start = at + 1 + redundant;
            return (start < payload.len()).then_some((header & 0x7f, start..payload.len()));
        }
        let length = payload.get(at + 2..at + 4)?;
        redundant += usize::from(length[0] & 0x03) << 8 | usize::from(length[1]);
        at += 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_comes_last() {
        assert_eq!(primary(&[111, 1, 2, 3]), Some((111, 1..4)));
        let one_redundant = [0x80 | 111, 0x0f, 0x00, 0x02, 111, 9, 9, 1, 2, 3];
        assert_eq!(primary(&one_redundant), Some((111, 7..10)));
        assert_eq!(primary(&one_redundant[..7]), None, "the primary is missing");
        assert_eq!(primary(&[0x80 | 111, 0, 0]), None);
        assert_eq!(primary(&[]), None);
    }
}
