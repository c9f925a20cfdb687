//! How the program exits when it cannot do what it was asked to.

use std::process::ExitCode;

use crate::output;

/// Why the program stops. Each prints as one line that says what to do.
#[derive(Debug)]
pub enum Failure {
    /// Something for the operator to change: a flag, a key, a port, a folder. Exit code 2.
    Setup(String),
    /// Something went wrong that the operator did not cause. Exit code 1.
    Fault(String),
}

impl Failure {
    /// Something to change, from what says so.
    pub fn setup(error: impl std::fmt::Display) -> Self {
        Self::Setup(error.to_string())
    }

    /// A fault, from what says so.
    pub fn fault(error: impl std::fmt::Display) -> Self {
        Self::Fault(error.to_string())
    }

    /// Prints the line; the code to leave with.
    pub fn report(&self) -> ExitCode {
        let (text, code) = match self {
            Failure::Setup(text) => (text, 2),
            Failure::Fault(text) => (text, 1),
        };
        let line = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        output::note(line);
        ExitCode::from(code)
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::Setup(error.0)
    }
}
