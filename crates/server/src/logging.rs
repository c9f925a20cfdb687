//! Where log lines go: to standard error, as text for people or as one JSON object per line. Panics are logged like
//! everything else.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::Log;
use crate::failure::Failure;

/// What of the parts below us is worth an operator's time.
const QUIET: &str =
    "str0m=warn,dimpl=warn,is=warn,sqlx=warn,hyper=warn,rustls=warn,engineioxide=warn,socketioxide=warn";

/// Crates whose lines below INFO may be asked for: our own, which take care of what they say, and the media engine, which sees no
/// credentials of people. Any other says at DEBUG or TRACE what passes through it: a WebSocket library every message, tokens and all.
const OUTSPOKEN: [&str; 15] = [
    "stoa", "server", "api", "auth", "bench", "call", "client", "control", "livekit", "model", "sfu", "store", "turn",
    "str0m", "is",
];

/// Whether a line may be logged at all, whatever the filter asks for.
fn may_be_said(line: &Metadata<'_>) -> bool {
    let target = line.target();
    *line.level() <= Level::INFO || OUTSPOKEN.contains(&target.split("::").next().unwrap_or(target))
}

/// Starts logging.
pub fn start(log: &Log) -> Result<(), Failure> {
    let text = format!("{QUIET},{}", log.filter);
    let filter = EnvFilter::try_new(text).map_err(|_| {
        Failure::Setup(format!("log.level: {:?} is neither a level such as info nor a tracing filter", log.filter))
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours());
    let lines = if log.json { lines.json().boxed() } else { lines.with_target(false).boxed() };
    let _ = tracing_subscriber::registry().with(filter_fn(may_be_said)).with(filter).with(lines).try_init();
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
