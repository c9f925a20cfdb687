//! The clients and the peer, driven by one thread that sends what is due and receives what has come in.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket};
use std::ops::Sub;
use std::time::{Duration, Instant};

use anyhow::Context;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use model::Secret;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny};

use super::TurnOptions;
use super::allocation::{Allocation, socket};

const CHANNEL: u16 = 0x4000;
const HEADER: usize = 4;
/// What the kernel holds for a client, and for the peer of all.
const CLIENT_BUFFER: usize = 1 << 20;
const PEER_BUFFER: usize = 16 << 20;
/// Datagrams that the peer takes in before it echoes them.
const ECHO: usize = 64;
const LONGEST_DATAGRAM: usize = 2_048;
/// A thread that sleeps for less than this wakes up late: it looks again at once.
const SHORT: Duration = Duration::from_millis(1);
/// Latencies kept; every so many packets one.
const SAMPLE: u64 = 64;

/// What was sent and received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl Sub for Counts {
    type Output = Counts;
    fn sub(self, before: Counts) -> Counts {
        Counts { sent: self.sent - before.sent, received: self.received - before.received }
    }
}

/// All clients and the peer.
pub(super) struct Flows {
    poll: Poll,
    clients: Vec<UdpSocket>,
    allocations: Vec<Allocation>,
    peer: UdpSocket,
    echo: Echo,
    packet: Vec<u8>,
    burst: usize,
    /// Between two bursts, whoever's they are.
    pause: Duration,
    next: usize,
    due: Instant,
    epoch: Instant,
    counts: Counts,
    behind: u64,
    sent_for: Duration,
    latencies: Vec<u32>,
}

impl Flows {
    /// Allocates and binds a channel for every client.
    pub(super) fn open(options: &TurnOptions, secret: &Secret<String>) -> anyhow::Result<Self> {
        let peer = StdUdpSocket::bind((options.local, 0)).context("--local is not an address of this host")?;
        let _ = socket2::SockRef::from(&peer).set_recv_buffer_size(PEER_BUFFER);
        let _ = socket2::SockRef::from(&peer).set_send_buffer_size(PEER_BUFFER);
        peer.set_nonblocking(true)?;
        let at = peer.local_addr()?;
        let first = options.clients.unwrap_or(options.local);
        let mut allocations = Vec::with_capacity(options.allocations);
        for index in 0..options.allocations {
            let local = nth(first, index as u32 % options.addresses.max(1));
            let socket = socket(SocketAddr::new(local, 0), options.server, CLIENT_BUFFER)
                .with_context(|| format!("cannot send from {local}"))?;
            let allocation = Allocation::make(secret, &format!("bench-{index}"), socket)?;
            if !options.linked {
                allocation.bind(CHANNEL, at)?;
            }
            allocations.push(allocation);
        }
        if options.linked {
            for index in 0..allocations.len() {
                allocations[index].bind(CHANNEL, allocations[index ^ 1].relayed)?;
            }
        }
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(allocations.len());
        for (index, allocation) in allocations.iter().enumerate() {
            let socket = allocation.socket.try_clone()?;
            socket.set_nonblocking(true)?;
            let mut socket = UdpSocket::from_std(socket);
            poll.registry().register(&mut socket, Token(index), Interest::READABLE)?;
            clients.push(socket);
        }
        let mut peer = UdpSocket::from_std(peer);
        poll.registry().register(&mut peer, Token(clients.len()), Interest::READABLE)?;
        let mut packet = vec![0x5A; HEADER + options.size];
        packet[..2].copy_from_slice(&CHANNEL.to_be_bytes());
        packet[2..HEADER].copy_from_slice(&(options.size as u16).to_be_bytes());
        let now = Instant::now();
        Ok(Self {
            poll,
            clients,
            allocations,
            peer,
            echo: Echo::default(),
            packet,
            burst: options.burst,
            pause: Duration::from_secs_f64(options.burst as f64 / f64::from(options.rate)),
            next: 0,
            due: now,
            epoch: now,
            counts: Counts::default(),
            behind: 0,
            sent_for: Duration::ZERO,
            latencies: Vec::new(),
        })
    }

    /// Sends for so long.
    pub(super) fn run(&mut self, time: Duration) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(4_096);
        let began = Instant::now();
        (self.due, self.latencies, self.behind) = (began, Vec::new(), 0);
        let until = began + time;
        while self.due < until {
            let now = Instant::now();
            self.send_due(now, until)?;
            self.take_in(&mut events, self.due.saturating_duration_since(now))?;
        }
        self.sent_for = began.elapsed();
        Ok(())
    }

    /// Takes in what is still under way.
    pub(super) fn drain(&mut self, time: Duration) -> io::Result<()> {
        let mut events = Events::with_capacity(4_096);
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.take_in(&mut events, Duration::from_millis(20))?;
        }
        Ok(())
    }

    /// What was counted since the start.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Bursts of the last run that left 10 ms late or more: the load could not keep up.
    pub(super) fn behind(&self) -> u64 {
        self.behind
    }

    /// How long the last run took.
    pub(super) fn sent_for(&self) -> Duration {
        self.sent_for
    }

    /// Gives everything back; the latencies of the last run, in µs.
    pub(super) fn close(self) -> Vec<u32> {
        self.allocations.iter().for_each(Allocation::release);
        self.latencies
    }

    fn send_due(&mut self, now: Instant, until: Instant) -> io::Result<()> {
        // A crowd of clients does not wait until the last answer was read.
        let most = 64_usize.div_ceil(self.burst);
        for _ in 0..most {
            if self.due > now || self.due >= until {
                return Ok(());
            }
            self.behind += u64::from(now.duration_since(self.due) > Duration::from_millis(10));
            self.due += self.pause;
            let sent = send_burst(&self.clients[self.next], &mut self.packet, self.burst, self.epoch)?;
            self.counts.sent += sent as u64;
            self.next = (self.next + 1) % self.clients.len();
        }
        Ok(())
    }

    fn take_in(&mut self, events: &mut Events, wait: Duration) -> io::Result<()> {
        let wait = if wait < SHORT { Duration::ZERO } else { wait };
        if let Err(error) = self.poll.poll(events, Some(wait))
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        for event in &*events {
            match self.clients.get(event.token().0) {
                Some(client) => receive(client, self.epoch, &mut self.counts, &mut self.latencies),
                None => self.echo.all(&self.peer)?,
            }
        }
        Ok(())
    }
}

/// The n-th address after one.
fn nth(first: IpAddr, n: u32) -> IpAddr {
    match first {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() + n).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() + u128::from(n)).into()),
    }
}

/// Sends a packet so many times, in one system call and yet datagram by datagram.
fn send_burst(client: &UdpSocket, packet: &mut [u8], burst: usize, epoch: Instant) -> io::Result<usize> {
    let time = (epoch.elapsed().as_micros() as u64).to_be_bytes();
    packet[HEADER..HEADER + time.len()].copy_from_slice(&time);
    let slice = [IoSlice::new(packet)];
    let mut no_control: Vec<SendAncillaryBuffer<'_, '_, '_>> =
        (0..burst).map(|_| SendAncillaryBuffer::default()).collect();
    let mut messages: Vec<MMsgHdr<'_>> = no_control.iter_mut().map(|control| MMsgHdr::new(&slice, control)).collect();
    send_all(client, &mut messages)
}

/// How many the kernel took.
fn send_all(socket: &UdpSocket, messages: &mut [MMsgHdr<'_>]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < messages.len() {
        match rustix::net::sendmmsg(socket, &mut messages[sent..], SendFlags::DONTWAIT) {
            Ok(more) => sent += more,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::NOBUFS) => return Ok(sent),
            // An ICMP error of a packet before.
            Err(rustix::io::Errno::CONNREFUSED | rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sent)
}

fn receive(client: &UdpSocket, epoch: Instant, counts: &mut Counts, latencies: &mut Vec<u32>) {
    let mut buffer = [0; LONGEST_DATAGRAM];
    loop {
        match client.recv(&mut buffer) {
            Ok(length) if length > HEADER && buffer[..2] == CHANNEL.to_be_bytes() => {
                counts.received += 1;
                if counts.received.is_multiple_of(SAMPLE)
                    && let Some(time) = buffer[HEADER..length].first_chunk()
                {
                    let sent = u64::from_be_bytes(*time);
                    latencies.push((epoch.elapsed().as_micros() as u64).saturating_sub(sent) as u32);
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Room for what the peer sends back.
struct Echo {
    buffers: Vec<[u8; LONGEST_DATAGRAM]>,
}

impl Default for Echo {
    fn default() -> Self {
        Self { buffers: vec![[0; LONGEST_DATAGRAM]; ECHO] }
    }
}

impl Echo {
    fn all(&mut self, peer: &UdpSocket) -> io::Result<()> {
        loop {
            let mut came: Vec<(SocketAddrAny, usize)> = Vec::with_capacity(ECHO);
            for buffer in &mut self.buffers {
                match peer.recv_from(buffer) {
                    Ok((length, from)) => came.push((from.into(), length)),
                    Err(_) => break,
                }
            }
            let slices: Vec<[IoSlice<'_>; 1]> = came
                .iter()
                .zip(&self.buffers)
                .map(|((_, length), buffer)| [IoSlice::new(&buffer[..*length])])
                .collect();
            let mut no_control: Vec<SendAncillaryBuffer<'_, '_, '_>> =
                came.iter().map(|_| SendAncillaryBuffer::default()).collect();
            let parts = came.iter().zip(&slices).zip(&mut no_control);
            let mut messages: Vec<MMsgHdr<'_>> =
                parts.map(|(((to, _), slice), control)| MMsgHdr::new_with_addr(to, slice, control)).collect();
            send_all(peer, &mut messages)?;
            if came.len() < ECHO {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let socket = || StdUdpSocket::bind("127.0.0.1:0").expect("a port");
        let (one, other) = (socket(), socket());
        one.connect(other.local_addr().expect("bound")).expect("loopback");
        one.set_nonblocking(true).expect("a socket");
        other.set_nonblocking(true).expect("a socket");
        (UdpSocket::from_std(one), UdpSocket::from_std(other))
    }

    #[test]
    fn what_is_sent_is_echoed_and_counted() {
        let (client, peer) = pair();
        let mut packet = [0; 104];
        packet[..2].copy_from_slice(&CHANNEL.to_be_bytes());
        let epoch = Instant::now();
        // More than the peer takes in at once.
        for _ in 0..20 {
            assert_eq!(send_burst(&client, &mut packet, 4, epoch).expect("sent"), 4);
        }
        Echo::default().all(&peer).expect("echoed");
        let (mut counts, mut latencies) = (Counts::default(), Vec::new());
        receive(&client, epoch, &mut counts, &mut latencies);
        assert_eq!((counts.received, latencies.len()), (80, 1));
    }

    #[test]
    fn addresses_follow_each_other() {
        assert_eq!(nth(IpAddr::from([10, 0, 0, 255]), 1), IpAddr::from([10, 0, 1, 0]));
        assert_eq!(nth("fd00::ff".parse().expect("an address"), 2), "fd00::101".parse::<IpAddr>().expect("an address"));
    }
}
