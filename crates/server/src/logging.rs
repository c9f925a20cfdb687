//! Where log lines go: standard error, for people or one JSON object a line. Panics are logged like the rest.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::Log;
use crate::failure::Failure;

/// What of the parts below us is worth an operator's time.
const QUIET: &str =
    "str0m=warn,dimpl=warn,is=warn,sqlx=warn,hyper=warn,rustls=warn,engineioxide=warn,socketioxide=warn";

/// Starts logging.
pub fn start(log: &Log) -> Result<(), Failure> {
    let text = format!("{QUIET},{}", log.filter);
    let filter = EnvFilter::try_new(text).map_err(|_| {
        Failure::Setup(format!("log.level: {:?} is not a level such as info, nor a filter", log.filter))
    })?;
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(colours()).with_env_filter(filter);
    if log.json {
        let _ = builder.json().try_init();
    } else {
        let _ = builder.with_target(false).try_init();
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("no message");
        let thread = std::thread::current();
        let trace = std::backtrace::Backtrace::capture();
        tracing::error!(place, thread = thread.name().unwrap_or("unnamed"), "panicked: {what}\n{trace}");
    }));
    Ok(())
}

/// Colours for people who look at a terminal and have not said no (no-color.org).
fn colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
