//! The server behind the binary `stoa`: command line, configuration, sockets, worker threads, wiring, shutdown.
//!
//! The only crate that touches the network, the clock and the environment on behalf of the cores.

// They panic when nobody reads any more; `output` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod acme;
mod admin_link;
pub mod admission;
mod banner;
pub mod bridge;
pub mod cli;
pub mod config;
mod descriptors;
mod doctor;
mod doctor_turn;
mod failure;
mod http;
mod keys;
mod logging;
pub mod media;
mod metrics;
mod output;
mod recording;
mod recording_hooks;
mod recording_storage;
mod recording_tools;
mod replay;
mod secrets;
mod serve;
mod throttle;
mod tls;
mod turn;
mod webhooks;
