//! What becomes of a relayed payload: where it goes and what to write around it. The payload itself stays in the buffer
//! that it came in.

use std::net::SocketAddr;
use std::ops::Range;

use crate::message::{Class, HEADER, Method, TransactionId, attr};
use crate::{AllocationId, FiveTuple, channel_data};

/// How many bytes a receive buffer should leave free before a payload, so that the longest head (a Data indication from
/// an IPv6 peer) fits before it in place.
pub const HEADROOM: usize = 48;
/// How many bytes to leave free behind it.
pub const TAILROOM: usize = 3;
/// The longest payload: a Data indication around it still has a length of 16 bits.
pub const LONGEST_PAYLOAD: usize = 65_496;

/// Where one payload goes. Ranges are into the bytes that were handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forward {
    /// To a client: `head`, the payload, `padding` zeros.
    Client {
        /// The client whose allocation it is.
        client: FiveTuple,
        /// Goes before the payload.
        head: Head,
        /// Where the payload lies.
        payload: Range<usize>,
        /// How many zeros follow it, at most [`TAILROOM`].
        padding: usize,
    },
    /// To a peer elsewhere, from the relay socket that [`crate::Output::OpenRelay`] opened.
    Peer {
        /// The socket's address.
        relayed: SocketAddr,
        /// The peer.
        peer: SocketAddr,
        /// Where the payload lies.
        payload: Range<usize>,
    },
    /// To a peer in this process (a media worker), in memory. What it answers goes to
    /// [`crate::Server::handle_peer`].
    Local {
        /// Who sends.
        allocation: AllocationId,
        /// The address that the peer sees.
        relayed: SocketAddr,
        /// The announced address of the peer.
        peer: SocketAddr,
        /// Where the payload lies.
        payload: Range<usize>,
    },
}

/// What goes before a payload on its way to a client: the header of a ChannelData message or of a Data indication.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; HEADROOM],
    length: u8,
}

impl Head {
    /// Before `length` bytes on a channel.
    pub(crate) fn channel(channel: u16, length: u16) -> Self {
        let mut bytes = [0; HEADROOM];
        bytes[..channel_data::HEADER].copy_from_slice(&channel_data::header(channel, length));
        Self { bytes, length: channel_data::HEADER as u8 }
    }

    /// Before `length` bytes from `peer`, at most [`LONGEST_PAYLOAD`], in a Data indication.
    pub(crate) fn indication(transaction: TransactionId, peer: SocketAddr, length: u16) -> Self {
        let mut bytes = [0; HEADROOM];
        let kind = crate::message::join_type(Class::Indication, Method::Data);
        bytes[..2].copy_from_slice(&kind.to_be_bytes());
        bytes[4..8].copy_from_slice(&crate::message::MAGIC_COOKIE);
        bytes[8..HEADER].copy_from_slice(&transaction.0);
        let mut address = [0; 20];
        let address_length = crate::message::write_xor_address(&mut address, peer, transaction);
        let mut at = HEADER;
        for part in [
            &attr::XOR_PEER_ADDRESS.to_be_bytes()[..],
            &[0, address_length as u8],
            &address[..address_length],
            &attr::DATA.to_be_bytes(),
            &length.to_be_bytes(),
        ] {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        let body = at - HEADER + usize::from(length).next_multiple_of(4);
        bytes[2..4].copy_from_slice(&(body as u16).to_be_bytes());
        Self { bytes, length: at as u8 }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Writes the head and the padding around a payload in `buffer`; returns the range of the whole. `None`
    /// where there is not room enough.
    pub fn place(&self, buffer: &mut [u8], payload: Range<usize>, padding: usize) -> Option<Range<usize>> {
        let start = payload.start.checked_sub(usize::from(self.length))?;
        let end = payload.end.checked_add(padding)?;
        buffer.get_mut(payload.end..end)?.fill(0);
        buffer.get_mut(start..payload.start)?.copy_from_slice(self.as_slice());
        Some(start..end)
    }
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Head({:02x?})", self.as_slice())
    }
}
