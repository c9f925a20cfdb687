//! A LiveKit-protocol client, sans-IO: signalling messages and datagrams in and out, synthetic media, no socket, no clock.
//!
//! For simulation and load: it joins over `/rtc/v1` with one peer connection, publishes synthetic tracks and counts what
//! it receives. It works against any server that speaks the protocol. It decodes nothing.
//!
//! ```
//! use std::time::Instant;
//! let config = client::ClientConfig::new("127.0.0.1:50000".parse().unwrap());
//! let mut client = client::Client::new(Instant::now(), config);
//! let path = client.join_path();
//! assert!(path.starts_with("/rtc/v1?join_request="));
//! ```

mod connection;
mod media;
mod signalling;

pub use connection::{Client, ClientConfig, ClientError, ClientEvent, Output, Received, Stream, Transmit};
pub use media::{AudioConfig, Clip, VideoCodec, VideoConfig};
