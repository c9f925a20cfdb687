//! STUN (RFC 8489) and TURN over UDP relays (RFC 8656), without sockets.
//!
//! Owns the messages ([`message`], [`channel_data`]), the framing of streams ([`framing`]), credentials
//! ([`credentials`]), the peer policy ([`policy`]) and the [`Server`] with its allocations, limits and timers. Knows no
//! socket, no TLS and no clock.
//!
//! Sans-IO: call `handle_*(now, …)`, then [`Server::poll_output`] until it returns [`Output::Timeout`] or
//! [`Output::Idle`]. A relayed payload is not copied: the `handle_*` that received it returns where it goes
//! ([`Forward`]), as a range of the bytes that were passed in.
//!
//! Several servers can share the work: each has its own clients and ports, and [`Accounts`] holds what is counted
//! across all of them.
//!
//! A relayed address need not be a socket. Peers in this process (media workers) and other allocations of this server
//! are reached in memory. A socket is opened ([`Output::OpenRelay`]) only when a client first permits a peer outside
//! this server, and only from a range that the operator configured.

mod accounts;
mod allocation;
pub mod binding;
pub mod channel_data;
mod config;
pub mod credentials;
mod forward;
pub mod framing;
mod hash;
mod limit;
pub mod message;
mod metrics;
mod nonce;
pub mod policy;
mod ports;
mod server;
mod table;
mod timers;

use std::net::SocketAddr;

pub use accounts::Accounts;
pub use config::{Config, ConfigError, Limits, PeerConfig, RelayConfig};
pub use forward::{Forward, HEADROOM, Head, LONGEST_PAYLOAD, TAILROOM};
pub use limit::Rate;
pub use metrics::{CODES, Drop, Metrics};
pub use server::{Ended, Output, Server};

/// How a client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// UDP: each datagram is a message.
    Udp,
    /// TCP or TLS: messages are cut out of a stream.
    Tcp,
    /// A stream in TLS.
    Tls,
}

impl Transport {
    /// Whether messages follow each other in a stream, ChannelData padded.
    pub const fn is_stream(self) -> bool {
        match self {
            Transport::Udp => false,
            Transport::Tcp | Transport::Tls => true,
        }
    }
}

/// A client's way to the server (RFC 8656 §2.2). At most one allocation each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FiveTuple {
    /// The client as the server sees it.
    pub client: SocketAddr,
    /// The server's own side.
    pub server: SocketAddr,
    /// The protocol between them.
    pub transport: Transport,
}

/// An allocation of one server. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AllocationId {
    index: u32,
    generation: u32,
}
