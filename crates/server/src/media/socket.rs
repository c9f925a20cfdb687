//! A worker's UDP sockets: one port, with an IPv4 socket and, if the host has IPv6, a second one. Receives in batches
//! with segment coalescing, and sends with segmentation offload. Knows nothing about rooms or peers.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};

use super::options;
use super::outbox::{Batch, Carrier};

/// What the kernel is asked to hold for a socket each way; it may grant less (`stoa doctor` says so).
pub const WANTED_BUFFER: usize = 8 << 20;
/// Messages of one system call; with coalescing each may hold many datagrams.
const BATCH: usize = quinn_udp::BATCH_SIZE;
/// Messages of the first system call of several: most often fewer wait, and room for each costs a little.
const FEW: usize = 8;
/// The longest message, coalesced.
const LONGEST_MESSAGE: usize = 65_536;
/// From one message to the next: not a power of two, so that their beginnings do not share the same few lines of the cache.
const STRIDE: usize = LONGEST_MESSAGE + 17 * 64;

/// One bound socket.
#[derive(Debug)]
pub struct UdpPort {
    io: mio::net::UdpSocket,
    state: UdpSocketState,
}

impl UdpPort {
    /// Binds a port on every interface of a family.
    pub fn bind(v6: bool, port: u16) -> io::Result<Self> {
        let ip: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        Self::bind_at(SocketAddr::new(ip, port), false)
    }

    /// Binds an address. With `shared`, other sockets of this user may have it too, and the kernel deals what comes out
    /// among them by who sends it.
    pub fn bind_at(address: SocketAddr, shared: bool) -> io::Result<Self> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if shared {
            socket.set_reuse_port(true)?;
        }
        // Best effort: the kernel clamps to net.core.{r,w}mem_max.
        let _ = socket.set_recv_buffer_size(WANTED_BUFFER);
        let _ = socket.set_send_buffer_size(WANTED_BUFFER);
        socket.bind(&address.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        options::spare(&socket, address)?;
        Ok(Self { io: mio::net::UdpSocket::from_std(socket.into()), state })
    }

    /// The port.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.io.local_addr()?.port())
    }

    /// For registration with a poll.
    pub fn source(&mut self) -> &mut mio::net::UdpSocket {
        &mut self.io
    }

    /// The most segments of one send; 1: no offload.
    pub fn most_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// The receive buffer that the kernel granted.
    pub fn receive_buffer(&self) -> io::Result<usize> {
        self.state.recv_buffer_size(UdpSockRef::from(&self.io))
    }

    fn send(&self, batch: &Batch<'_>, contents: &[u8]) -> io::Result<()> {
        if batch.source.is_none() && contents.len() <= batch.segment {
            return self.io.send_to(contents, batch.destination).map(drop);
        }
        let transmit = Transmit {
            destination: batch.destination,
            ecn: None,
            contents,
            segment_size: (contents.len() > batch.segment).then_some(batch.segment),
            src_ip: batch.source,
        };
        self.state.try_send(UdpSockRef::from(&self.io), &transmit)
    }
}

/// Counts of what went over a worker's sockets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UdpCounts {
    /// Datagrams in.
    pub received: u64,
    /// Bytes in.
    pub bytes_received: u64,
    /// Receiving system calls that brought something.
    pub receives: u64,
    /// Datagrams out.
    pub sent: u64,
    /// Bytes out.
    pub bytes_sent: u64,
    /// Sending system calls.
    pub sends: u64,
    /// Datagrams that the kernel did not take.
    pub refused: u64,
}

/// A worker's sockets.
#[derive(Debug)]
pub struct UdpPorts {
    /// IPv4.
    pub v4: UdpPort,
    /// IPv6, where the host has it.
    pub v6: Option<UdpPort>,
    /// What went over them.
    pub counts: UdpCounts,
}

impl UdpPorts {
    /// Binds a port, for IPv6 too where asked and possible.
    pub fn bind(port: u16, want_v6: bool) -> io::Result<Self> {
        let v4 = UdpPort::bind(false, port)?;
        let v6 = if want_v6 { UdpPort::bind(true, v4.port()?).ok() } else { None };
        Ok(Self { v4, v6, counts: UdpCounts::default() })
    }
}

impl Carrier for UdpPorts {
    fn most_segments(&self) -> usize {
        self.v4.most_segments()
    }

    fn carry(&mut self, batch: Batch<'_>) {
        let socket = if batch.destination.is_ipv4() { Some(&self.v4) } else { self.v6.as_ref() };
        match socket {
            Some(socket) => socket.carry(batch, &mut self.counts),
            None => self.counts.refused += batch.count as u64,
        }
    }
}

/// A single socket, with counts of what went over it.
#[derive(Debug)]
pub struct RelayPort {
    /// The socket.
    pub socket: UdpPort,
    /// What went over it.
    pub counts: UdpCounts,
}

impl Carrier for RelayPort {
    fn most_segments(&self) -> usize {
        self.socket.most_segments()
    }

    fn carry(&mut self, batch: Batch<'_>) {
        self.socket.carry(batch, &mut self.counts);
    }
}

impl UdpPort {
    fn carry(&self, batch: Batch<'_>, counts: &mut UdpCounts) {
        counts.sends += 1;
        match self.send(&batch, batch.contents) {
            Ok(()) => {
                counts.sent += batch.count as u64;
                counts.bytes_sent += batch.contents.len() as u64;
            }
            // A full buffer is congestion on this host: what follows would be late, so it is lost, and repaired as loss.
            Err(error) if batch.count == 1 || error.kind() == io::ErrorKind::WouldBlock => {
                tracing::trace!(%error, destination = %batch.destination, "the kernel refused datagrams");
                counts.refused += batch.count as u64;
            }
            // The device may not do the offload: one by one.
            Err(_) => {
                for datagram in batch.contents.chunks(batch.segment) {
                    counts.sends += 1;
                    match self.send(&batch, datagram) {
                        Ok(()) => {
                            counts.sent += 1;
                            counts.bytes_sent += datagram.len() as u64;
                        }
                        Err(_) => counts.refused += 1,
                    }
                }
            }
        }
    }
}

/// Room for one receiving system call.
#[derive(Debug)]
pub struct Inbox {
    buffer: Vec<u8>,
    meta: [RecvMeta; BATCH],
    filled: usize,
    room: usize,
}

/// A datagram in the inbox.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// From.
    pub source: SocketAddr,
    /// The local address it came to.
    pub local: Option<IpAddr>,
    /// The bytes.
    pub contents: &'a [u8],
}

impl Default for Inbox {
    fn default() -> Self {
        Self { buffer: vec![0; BATCH * STRIDE], meta: [RecvMeta::default(); BATCH], filled: 0, room: FEW }
    }
}

impl Inbox {
    /// Fills the inbox; `true`: that was all. `WouldBlock`: nothing is there.
    pub fn receive(&mut self, socket: &UdpPort, counts: &mut UdpCounts) -> io::Result<bool> {
        self.filled = 0;
        let room = std::mem::replace(&mut self.room, FEW);
        self.filled = if room == FEW { self.fill::<FEW>(socket)? } else { self.fill::<BATCH>(socket)? };
        counts.receives += 1;
        for meta in &self.meta[..self.filled] {
            counts.received += meta.len.div_ceil(meta.stride.max(1)) as u64;
            counts.bytes_received += meta.len as u64;
        }
        // A call that brings fewer than it has room for has found the socket empty.
        let all = self.filled < room;
        if !all {
            self.room = BATCH;
        }
        Ok(all)
    }

    /// Receives up to `N` messages; gives how many.
    fn fill<const N: usize>(&mut self, socket: &UdpPort) -> io::Result<usize> {
        let mut rest = self.buffer.as_mut_slice();
        let mut slices: [IoSliceMut<'_>; N] = std::array::from_fn(|_| {
            let (one, others) = std::mem::take(&mut rest).split_at_mut(STRIDE);
            rest = others;
            IoSliceMut::new(&mut one[..LONGEST_MESSAGE])
        });
        socket.state.recv(UdpSockRef::from(&socket.io), &mut slices, &mut self.meta)
    }

    /// A single datagram came.
    pub fn is_single(&self) -> bool {
        self.filled == 1 && self.meta[0].len <= self.meta[0].stride.max(1)
    }

    /// What came.
    pub fn datagrams(&self) -> impl Iterator<Item = Received<'_>> {
        let messages = self.buffer.chunks(STRIDE).zip(&self.meta[..self.filled]);
        messages.flat_map(|(buffer, meta)| {
            buffer[..meta.len].chunks(meta.stride.max(1)).map(|contents| Received {
                source: meta.addr,
                local: meta.dst_ip,
                contents,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::outbox::Outbox;
    use std::time::{Duration, Instant};

    fn receive_all(
        inbox: &mut Inbox,
        ports: &mut UdpPorts,
        wanted: usize,
    ) -> Vec<(SocketAddr, Option<IpAddr>, Vec<u8>)> {
        let mut got = Vec::new();
        let until = Instant::now() + Duration::from_secs(5);
        while got.len() < wanted && Instant::now() < until {
            match inbox.receive(&ports.v4, &mut ports.counts) {
                Ok(_) => got.extend(inbox.datagrams().map(|d| (d.source, d.local, d.contents.to_vec()))),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        got
    }

    #[test]
    fn batches_cross_a_real_loopback_in_order_with_their_local_address() {
        let mut sender = UdpPorts::bind(0, false).expect("a port");
        let mut receiver = UdpPorts::bind(0, false).expect("a port");
        let to = SocketAddr::from(([127, 0, 0, 1], receiver.v4.port().expect("bound")));
        let sent: Vec<Vec<u8>> = (0..100u8).map(|n| vec![n; if n % 10 == 9 { 60 } else { 1_100 }]).collect();
        let mut outbox = Outbox::default();
        for datagram in &sent {
            outbox.push(&mut sender, Some(IpAddr::from([127, 0, 0, 1])), to, datagram);
        }
        outbox.flush(&mut sender);
        let got = receive_all(&mut Inbox::default(), &mut receiver, sent.len());
        assert_eq!(got.iter().map(|(_, _, bytes)| bytes.clone()).collect::<Vec<_>>(), sent);
        assert!(got.iter().all(|(_, local, _)| *local == Some(IpAddr::from([127, 0, 0, 1]))));
        assert_eq!((sender.counts.sent, sender.counts.refused), (100, 0));
        if sender.v4.most_segments() > 1 {
            assert_eq!(sender.counts.sends, 10, "a run of ten, the last shorter, is one call");
        }
        assert_eq!(receiver.counts.received, 100);
    }
}
