//! Protobuf's JSON mapping in both directions, for the messages that travel as JSON: the server API, webhooks, and signalling in text.
//!
//! It accepts what LiveKit's servers accept (Go's `protojson`, ignoring unknown names) and writes the same bytes as they do, except
//! for the space after commas, which they sometimes write and sometimes don't. Every message is converted by way of its binary
//! form, which prost reads and writes; [`messages`] holds what the binary form doesn't tell. The code that pbjson generates
//! for serde would be stricter, write different JSON, and be larger than the rest of the wire protocol.

#[rustfmt::skip]
pub mod messages;
mod read;
pub mod schema;
mod write;

use prost::Message;

pub use read::Unreadable;
pub use write::Style;

/// A message that can be read from JSON and written as JSON.
pub trait Described: Message + Default {
    /// Its fields.
    const MESSAGE: &'static schema::Message;
}

/// Reads a message.
pub fn read<M: Described>(json: &[u8]) -> Result<M, Unreadable> {
    let binary = read::to_binary(M::MESSAGE, json)?;
    M::decode(binary.as_slice()).map_err(|_| Unreadable)
}

/// Writes a message.
pub fn write<M: Described>(message: &M, style: Style) -> String {
    write::from_binary(M::MESSAGE, &message.encode_to_vec(), style)
}

#[cfg(test)]
mod tests;
