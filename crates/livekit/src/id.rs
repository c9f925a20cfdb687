//! Random names: sids and ICE credentials, from the room's seeded generator.

use fastrand::Rng;

/// A sid: a prefix and twelve letters and digits.
pub(crate) fn sid(rng: &mut Rng, prefix: &str) -> String {
    prefix.chars().chain(std::iter::repeat_with(|| rng.alphanumeric()).take(12)).collect()
}

/// So many characters that ICE credentials may hold.
pub(crate) fn ice_text(rng: &mut Rng, length: usize) -> String {
    std::iter::repeat_with(|| rng.alphanumeric()).take(length).collect()
}
