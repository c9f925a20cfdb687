//! Protobuf's JSON mapping, both ways, for the messages that people write and read as JSON: the server API's, webhooks', signalling in text.
//!
//! Read as LiveKit's servers read it (Go's `protojson`, unknown names ignored), and written byte for byte as they write it, but
//! for the blanks that they put after commas or not. A message goes through its binary form, which prost reads and
//! writes, and what that does not say is in [`messages`]: the code that is generated for serde is stricter, writes
//! otherwise, and is larger than the rest of the wire protocol.

#[rustfmt::skip]
pub mod messages;
mod read;
pub mod schema;
mod write;

use prost::Message;

pub use read::Unreadable;
pub use write::Style;

/// A message that JSON is read into or made from.
pub trait Described: Message + Default {
    /// What it is made of.
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
