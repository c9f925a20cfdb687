//! STUN messages (RFC 8489 §5, §14): reading them without copying, and writing them.
//!
//! Reading is bounds-checked once, in [`Message::parse`]; after it every attribute is in place. What follows
//! MESSAGE-INTEGRITY is never handed out, since nobody vouches for it.

mod attribute;
mod build;
mod integrity;

pub(crate) use attribute::write_xor_address;
pub use attribute::{Family, attr, xor_address};
pub use build::Builder;
pub use integrity::Key;

/// The length of a STUN header.
pub const HEADER: usize = 20;
/// The magic cookie that tells STUN from anything else on the port.
pub const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];

/// What a message is for (RFC 8489 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A request: it is answered with a success or an error response.
    Request,
    /// An indication: it is not answered.
    Indication,
    /// A success response.
    Success,
    /// The bad answer, with ERROR-CODE.
    Error,
}

/// What a message asks for (RFC 8489 §18.2, RFC 8656 §17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Which address do you see?
    Binding,
    /// Give me a relayed address.
    Allocate,
    /// Keep it, or take it back.
    Refresh,
    /// Client to peer, without a channel.
    Send,
    /// Peer to client, without a channel.
    Data,
    /// Let this address in.
    CreatePermission,
    /// Give this peer a channel.
    ChannelBind,
    /// One that this server does not speak.
    Other(u16),
}

impl Method {
    /// The method's number.
    pub const fn number(self) -> u16 {
        match self {
            Method::Binding => 0x001,
            Method::Allocate => 0x003,
            Method::Refresh => 0x004,
            Method::Send => 0x006,
            Method::Data => 0x007,
            Method::CreatePermission => 0x008,
            Method::ChannelBind => 0x009,
            Method::Other(number) => number,
        }
    }

    const fn from_number(number: u16) -> Self {
        match number {
            0x001 => Method::Binding,
            0x003 => Method::Allocate,
            0x004 => Method::Refresh,
            0x006 => Method::Send,
            0x007 => Method::Data,
            0x008 => Method::CreatePermission,
            0x009 => Method::ChannelBind,
            number => Method::Other(number),
        }
    }
}

/// Ties an answer to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

/// Why bytes are not a STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Shorter than a header.
    #[error("shorter than a STUN header")]
    Short,
    /// The first two bits or the cookie are wrong.
    #[error("not STUN")]
    NotStun,
    /// The length in the header is not that of the datagram, or no multiple of four.
    #[error("the length in the header is wrong")]
    Length,
    /// An attribute goes beyond the message.
    #[error("an attribute runs past the end of the message")]
    Attribute,
    /// MESSAGE-INTEGRITY or FINGERPRINT has the wrong size, or FINGERPRINT is not the last.
    #[error("a check attribute is malformed")]
    Check,
    /// FINGERPRINT does not match.
    #[error("the fingerprint does not match")]
    Fingerprint,
}

/// A well-formed STUN message over the bytes that it came in.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: Method,
    /// Where the attributes end that somebody may vouch for.
    trusted_end: usize,
    integrity: Option<usize>,
    fingerprint: bool,
}

impl<'a> Message<'a> {
    /// Reads a whole datagram or frame; its length must be the message's.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let header = bytes.first_chunk::<HEADER>().ok_or(ParseError::Short)?;
        if header[0] & 0xC0 != 0 || header[4..8] != MAGIC_COOKIE {
            return Err(ParseError::NotStun);
        }
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if length % 4 != 0 || length + HEADER != bytes.len() {
            return Err(ParseError::Length);
        }
        let (class, method) = split_type(u16::from_be_bytes([header[0], header[1]]));
        let mut message =
            Message { bytes, class, method, trusted_end: bytes.len(), integrity: None, fingerprint: false };
        message.check_attributes()?;
        Ok(message)
    }

    fn check_attributes(&mut self) -> Result<(), ParseError> {
        let mut sealed = false;
        let mut at = HEADER;
        while at < self.bytes.len() {
            let (kind, value, next) = attribute_at(self.bytes, at).ok_or(ParseError::Attribute)?;
            match kind {
                attr::MESSAGE_INTEGRITY if self.integrity.is_none() => {
                    if value.len() != integrity::LENGTH {
                        return Err(ParseError::Check);
                    }
                    // After MESSAGE-INTEGRITY-SHA256 only FINGERPRINT may come, so this one vouches for nothing.
                    if !sealed {
                        self.integrity = Some(at);
                        self.trusted_end = at;
                        sealed = true;
                    }
                }
                attr::MESSAGE_INTEGRITY_SHA256 if !sealed => {
                    self.trusted_end = at;
                    sealed = true;
                }
                attr::FINGERPRINT => {
                    self.check_fingerprint(at, value, next)?;
                    if !sealed {
                        self.trusted_end = at;
                    }
                }
                _ => {}
            }
            at = next;
        }
        Ok(())
    }

    fn check_fingerprint(&mut self, at: usize, value: &[u8], next: usize) -> Result<(), ParseError> {
        let given = <[u8; 4]>::try_from(value).map_err(|_| ParseError::Check)?;
        if next != self.bytes.len() {
            return Err(ParseError::Check);
        }
        if integrity::fingerprint(&self.bytes[..at]) != given {
            return Err(ParseError::Fingerprint);
        }
        self.fingerprint = true;
        Ok(())
    }

    /// What it is for.
    pub fn class(&self) -> Class {
        self.class
    }

    /// What it asks for.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Ties an answer to its request.
    pub fn transaction(&self) -> TransactionId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.bytes[8..HEADER]);
        TransactionId(id)
    }

    /// Whether it ends with a FINGERPRINT (that is right: a wrong one does not parse).
    pub fn has_fingerprint(&self) -> bool {
        self.fingerprint
    }

    /// Whether it carries MESSAGE-INTEGRITY (that may be wrong).
    pub fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    /// The attributes before MESSAGE-INTEGRITY and FINGERPRINT, in order: type, value.
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let bytes = &self.bytes[..self.trusted_end];
        let mut at = HEADER;
        std::iter::from_fn(move || {
            if at >= bytes.len() {
                return None;
            }
            let (kind, value, next) = attribute_at(bytes, at)?;
            at = next;
            Some((kind, value))
        })
    }

    /// The first attribute of this type; further ones are to be ignored (RFC 8489 §14).
    pub fn attribute(&self, wanted: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
    }

    /// Whether MESSAGE-INTEGRITY is there and was made with this key. Takes the same time wherever they differ.
    pub fn verify(&self, key: &Key) -> bool {
        self.integrity.is_some_and(|at| integrity::verify(self.bytes, at, key))
    }

    /// Where `value`, taken from this message, is in the parsed bytes.
    pub fn range_of(&self, value: &'a [u8]) -> std::ops::Range<usize> {
        let start = (value.as_ptr() as usize).saturating_sub(self.bytes.as_ptr() as usize);
        start..start + value.len()
    }
}

/// Type, value and where the next attribute starts.
fn attribute_at(bytes: &[u8], at: usize) -> Option<(u16, &[u8], usize)> {
    let head = bytes.get(at..at + 4)?;
    let kind = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let value = bytes.get(at + 4..at + 4 + length)?;
    let next = at + 4 + length.next_multiple_of(4);
    (next <= bytes.len()).then_some((kind, value, next))
}

/// The class bits lie between those of the method (RFC 8489 §5, figure 3).
const fn split_type(kind: u16) -> (Class, Method) {
    let class = match kind & 0x0110 {
        0x0000 => Class::Request,
        0x0010 => Class::Indication,
        0x0100 => Class::Success,
        _ => Class::Error,
    };
    let number = (kind & 0x000F) | ((kind & 0x00E0) >> 1) | ((kind & 0x3E00) >> 2);
    (class, Method::from_number(number))
}

pub(crate) const fn join_type(class: Class, method: Method) -> u16 {
    let number = method.number();
    let class = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    class | (number & 0x000F) | ((number & 0x0070) << 1) | ((number & 0x0F80) << 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_splits_and_joins_to_itself() {
        for kind in 0..0x4000 {
            let (class, method) = split_type(kind);
            assert_eq!(join_type(class, method), kind, "{kind:#06x}");
        }
    }
}
