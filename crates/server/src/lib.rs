//! The server behind the binary `stoa`: command line, configuration, sockets, worker threads, wiring, shutdown.
//!
//! The only crate that touches the network, the clock and the environment on behalf of the cores.

pub mod media;
