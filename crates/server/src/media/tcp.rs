//! ICE over TCP (RFC 6544, passive) on a worker: connections handed over by the listener, RFC 4571 frames in and out.
//! A connection belongs to one peer from its first frame on. Never blocks; what a slow reader does not take is dropped
//! by whole frames, as loss.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;
use sfu::PeerKey;
use slab::Slab;

use super::routes::{Route, Slot};

/// The longest frame taken; a WebRTC packet is far below it.
pub const LONGEST_FRAME: usize = 8_192;
const READ_BUFFER: usize = 2 * (LONGEST_FRAME + 2);
/// What may wait for a slow reader: more would only be late.
const WAITING: usize = 256 << 10;
/// Connections of one peer; the oldest goes beyond.
const CONNECTIONS_A_PEER: usize = 4;
/// A connection that has said nothing for so long is closed.
const IDLE: Duration = Duration::from_secs(60);

/// Takes RFC 4571 frames out of a stream of bytes.
#[derive(Debug, Clone)]
pub struct Frames {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// A frame longer than any WebRTC packet.
#[derive(Debug, PartialEq, Eq)]
pub struct FrameTooLong;

impl Default for Frames {
    fn default() -> Self {
        Self { buffer: vec![0; READ_BUFFER], start: 0, end: 0 }
    }
}

impl Frames {
    /// Reads once from `stream`; `Ok(0)` is its end.
    pub fn fill(&mut self, mut stream: impl Read) -> io::Result<usize> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let read = stream.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// The next whole frame, which stays; `None`: more must be read.
    pub fn peek(&self) -> Result<Option<&[u8]>, FrameTooLong> {
        let Some((head, rest)) = self.buffer[self.start..self.end].split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*head));
        if length > LONGEST_FRAME { Err(FrameTooLong) } else { Ok(rest.get(..length)) }
    }

    /// Takes the next whole frame; `None`: more must be read.
    pub fn take(&mut self) -> Result<Option<&[u8]>, FrameTooLong> {
        let Some(length) = self.peek()?.map(<[u8]>::len) else { return Ok(None) };
        let body = self.start + 2;
        self.start = body + length;
        Ok(Some(&self.buffer[body..body + length]))
    }
}

/// A connection that the listener hands to a worker.
#[derive(Debug)]
pub struct Accepted {
    /// The socket, non-blocking.
    pub stream: std::net::TcpStream,
    /// Who.
    pub remote: SocketAddr,
    /// The candidate's address it came to.
    pub local: SocketAddr,
    /// What was read, first frame included.
    pub frames: Frames,
    /// Of its first frame.
    pub ufrag: String,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    remote: SocketAddr,
    local: SocketAddr,
    route: Route,
    frames: Frames,
    waiting: Vec<u8>,
    written: usize,
    queued: bool,
    heard: Instant,
}

/// The connections of one worker.
#[derive(Debug, Default)]
pub struct TcpConnections {
    connections: Slab<Connection>,
    by_remote: FxHashMap<SocketAddr, usize>,
    by_peer: FxHashMap<(Slot, PeerKey), Vec<usize>>,
    queue: Vec<usize>,
    dropped: u64,
}

/// What a connection's frame is for, and where it came from.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The peer.
    pub route: Route,
    /// From.
    pub source: SocketAddr,
    /// To.
    pub destination: SocketAddr,
    /// The frame without its length.
    pub contents: &'a [u8],
}

impl TcpConnections {
    /// Takes a connection over. Its token is `first_token` plus its key.
    pub fn add(
        &mut self,
        registry: &Registry,
        first_token: usize,
        accepted: Accepted,
        route: Route,
        now: Instant,
    ) -> io::Result<usize> {
        let _ = accepted.stream.set_nodelay(true);
        let mut stream = TcpStream::from_std(accepted.stream);
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        registry.register(&mut stream, Token(first_token + key), Interest::READABLE | Interest::WRITABLE)?;
        let (remote, local, frames) = (accepted.remote, accepted.local, accepted.frames);
        let (waiting, written, queued) = (Vec::new(), 0, false);
        entry.insert(Connection { stream, remote, local, route, frames, waiting, written, queued, heard: now });
        self.by_remote.insert(remote, key);
        let of_peer = self.by_peer.entry((route.slot, route.peer)).or_default();
        of_peer.push(key);
        if of_peer.len() > CONNECTIONS_A_PEER {
            let oldest = of_peer[0];
            self.close(registry, oldest);
        }
        Ok(key)
    }

    /// Hands every whole frame that can be read to `take`. `false`: the connection is over.
    pub fn read(&mut self, key: usize, now: Instant, mut take: impl FnMut(Frame<'_>)) -> bool {
        let Some(connection) = self.connections.get_mut(key) else { return true };
        loop {
            loop {
                match connection.frames.take() {
                    Ok(Some(contents)) => {
                        connection.heard = now;
                        let (route, source, destination) = (connection.route, connection.remote, connection.local);
                        take(Frame { route, source, destination, contents });
                    }
                    Ok(None) => break,
                    Err(FrameTooLong) => return false,
                }
            }
            match connection.frames.fill(&mut connection.stream) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// Queues a datagram to a remote address; it goes out with [`TcpConnections::write_queued`].
    pub fn send(&mut self, destination: SocketAddr, datagram: &[u8]) {
        let Some(key) = self.by_remote.get(&destination) else { return };
        let Some(connection) = self.connections.get_mut(*key) else { return };
        let Ok(length) = u16::try_from(datagram.len()) else { return };
        if connection.waiting.len() - connection.written + datagram.len() > WAITING {
            self.dropped += 1;
            return;
        }
        connection.waiting.extend_from_slice(&length.to_be_bytes());
        connection.waiting.extend_from_slice(datagram);
        if !connection.queued {
            connection.queued = true;
            self.queue.push(*key);
        }
    }

    /// Writes what was queued since the last time.
    pub fn write_queued(&mut self, registry: &Registry) {
        while let Some(key) = self.queue.pop() {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.queued = false;
                if !connection.write() {
                    self.close(registry, key);
                }
            }
        }
    }

    /// A connection can take more. `false`: it is over.
    pub fn writable(&mut self, key: usize) -> bool {
        self.connections.get_mut(key).is_none_or(Connection::write)
    }

    /// Closes one connection.
    pub fn close(&mut self, registry: &Registry, key: usize) {
        let Some(mut connection) = self.connections.try_remove(key) else { return };
        let _ = registry.deregister(&mut connection.stream);
        if self.by_remote.get(&connection.remote) == Some(&key) {
            self.by_remote.remove(&connection.remote);
        }
        let peer = (connection.route.slot, connection.route.peer);
        if let Some(keys) = self.by_peer.get_mut(&peer) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_peer.remove(&peer);
            }
        }
    }

    /// Closes the connections of a peer.
    pub fn close_peer(&mut self, registry: &Registry, slot: Slot, peer: PeerKey) {
        for key in self.by_peer.remove(&(slot, peer)).unwrap_or_default() {
            // What the peer said last (a DTLS alert) may still wait.
            if let Some(connection) = self.connections.get_mut(key) {
                connection.write();
            }
            self.close(registry, key);
        }
    }

    /// Closes the connections of a room.
    pub fn close_room(&mut self, registry: &Registry, slot: Slot) {
        let peers: Vec<PeerKey> = self.by_peer.keys().filter(|(of, _)| *of == slot).map(|(_, peer)| *peer).collect();
        for peer in peers {
            self.close_peer(registry, slot, peer);
        }
    }

    /// Closes those that have said nothing for long.
    pub fn close_idle(&mut self, registry: &Registry, now: Instant) {
        let idle = |connection: &Connection| now.saturating_duration_since(connection.heard) > IDLE;
        let keys: Vec<usize> = self.connections.iter().filter(|(_, c)| idle(c)).map(|(key, _)| key).collect();
        for key in keys {
            self.close(registry, key);
        }
    }

    /// Whether anything waits for a slow reader.
    pub fn any_waiting(&self) -> bool {
        self.connections.iter().any(|(_, connection)| !connection.waiting.is_empty())
    }

    /// Writes what the readers take, whether they were said to be ready or not.
    pub fn write_all(&mut self) {
        for (_, connection) in &mut self.connections {
            connection.write();
        }
    }

    /// Connections now.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Datagrams dropped for slow readers.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Connection {
    /// Writes what it can; `false`: the connection is over.
    fn write(&mut self) -> bool {
        while self.written < self.waiting.len() {
            match self.stream.write(&self.waiting[self.written..]) {
                Ok(0) => return false,
                Ok(wrote) => self.written += wrote,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.written > WAITING / 2 {
                        self.waiting.drain(..self.written);
                        self.written = 0;
                    }
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        self.waiting.clear();
        self.written = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole_however_they_are_cut() {
        let mut wire = Vec::new();
        for size in [0usize, 1, 1_200, LONGEST_FRAME, 3] {
            wire.extend((size as u16).to_be_bytes());
            wire.extend(vec![size as u8; size]);
        }
        for step in [1, 2, 3, 1_000, 5_000, wire.len()] {
            let mut frames = Frames::default();
            let mut sizes = Vec::new();
            for mut piece in wire.chunks(step) {
                while !piece.is_empty() {
                    frames.fill(&mut piece).expect("memory");
                    while let Some(frame) = frames.take().expect("within bounds") {
                        sizes.push(frame.len());
                    }
                }
            }
            assert_eq!(sizes, [0, 1, 1_200, LONGEST_FRAME, 3], "in pieces of {step}");
        }
    }

    #[test]
    fn a_frame_past_the_bound_is_refused_before_it_is_read() {
        let mut frames = Frames::default();
        frames.fill(&((LONGEST_FRAME + 1) as u16).to_be_bytes()[..]).expect("memory");
        assert_eq!(frames.take(), Err(FrameTooLong));
    }
}
