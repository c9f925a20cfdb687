//! Writes STUN messages.

use std::net::SocketAddr;

use super::attribute::write_xor_address;
use super::{Class, HEADER, Key, MAGIC_COOKIE, Method, TransactionId, attr, integrity, join_type};

/// A message in the making. The length in its header is right after every step.
#[derive(Debug, Clone)]
pub struct Builder {
    bytes: Vec<u8>,
    transaction: TransactionId,
}

impl Builder {
    /// A message without attributes.
    pub fn new(class: Class, method: Method, transaction: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&join_type(class, method).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC_COOKIE);
        bytes.extend_from_slice(&transaction.0);
        Self { bytes, transaction }
    }

    /// Adds an attribute, padded with zeros. Panics when the message grows beyond 65,535 bytes: the caller's own values
    /// are short.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).expect("attribute values are shorter than 64 KiB");
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let length = u16::try_from(self.bytes.len() - HEADER).expect("messages are shorter than 64 KiB");
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
        self
    }

    /// Adds an address in the XOR form.
    #[must_use]
    pub fn address(self, kind: u16, address: SocketAddr) -> Self {
        let mut value = [0; 20];
        let length = write_xor_address(&mut value, address, self.transaction);
        self.attribute(kind, &value[..length])
    }

    /// Adds a number of four bytes.
    #[must_use]
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Adds ERROR-CODE; an empty reason keeps the answer short.
    #[must_use]
    pub fn error(self, code: u16, reason: &str) -> Self {
        let [class, number] = [code / 100, code % 100].map(|part| u8::try_from(part).expect("codes are 300 to 699"));
        let mut value = vec![0, 0, class, number];
        value.extend_from_slice(reason.as_bytes());
        self.attribute(attr::ERROR_CODE, &value)
    }

    /// Adds MESSAGE-INTEGRITY over what is there.
    #[must_use]
    pub fn integrity(self, key: &Key) -> Self {
        let sum = integrity::sum(&self.bytes, key);
        self.attribute(attr::MESSAGE_INTEGRITY, &sum)
    }

    /// Adds FINGERPRINT over what is there; must be the last.
    #[must_use]
    pub fn fingerprint(self) -> Self {
        let sum = integrity::fingerprint(&self.bytes);
        self.attribute(attr::FINGERPRINT, &sum)
    }

    /// The message.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
