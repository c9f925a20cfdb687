//! `stoa doctor`: what keeps calls from working here, and what to change.

use crate::config::Config;
use crate::failure::Failure;

/// Looks at everything and prints what it finds.
pub fn run(_config: &Config) -> Result<(), Failure> {
    Ok(())
}
