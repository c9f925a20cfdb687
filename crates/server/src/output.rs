//! What the commands print. Whoever reads it may stop at any time, as `head` does: that is no error, and the command goes on to
//! its end and its exit code.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use crate::failure::Failure;

/// Prints a line, or several, to standard output.
pub fn print(text: impl Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Fault(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a line about the command itself to standard error. There is nobody left to tell when that fails.
pub fn note(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "stoa: {line}");
}
