//! Groups outgoing datagrams for segmentation offload: a run of equal sizes between the same two addresses leaves in
//! one system call; the last one may be shorter. Keeps the order and never waits for more.

use std::net::{IpAddr, SocketAddr};

/// What one `sendmsg` may carry.
const LONGEST_BATCH: usize = 65_000;
/// Segments above this may not fit the path, and one refusal switches the offload off for the socket.
const LARGEST_SEGMENT: usize = 1_252;

/// Where a batch goes out.
pub trait Carrier {
    /// The most segments of one batch; 1: no offload.
    fn most_segments(&self) -> usize;
    /// Sends `contents`, cut into datagrams of `segment` bytes (the last may be shorter).
    fn carry(&mut self, batch: Batch<'_>);
}

/// A batch of datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a> {
    /// From; `None`: the kernel's choice.
    pub source: Option<IpAddr>,
    /// To.
    pub destination: SocketAddr,
    /// All datagrams, one after the other.
    pub contents: &'a [u8],
    /// Size of each but the last.
    pub segment: usize,
    /// How many.
    pub count: usize,
}

impl<'a> Batch<'a> {
    /// A datagram by itself.
    pub fn single(destination: SocketAddr, contents: &'a [u8]) -> Self {
        Self { source: None, destination, contents, segment: contents.len(), count: 1 }
    }
}

/// The batch that is being filled.
#[derive(Debug)]
pub struct Outbox {
    buffer: Vec<u8>,
    source: Option<IpAddr>,
    destination: SocketAddr,
    segment: usize,
    count: usize,
    closed: bool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            buffer: Vec::with_capacity(LONGEST_BATCH),
            source: None,
            destination: SocketAddr::from(([0, 0, 0, 0], 0)),
            segment: 0,
            count: 0,
            closed: false,
        }
    }
}

impl Outbox {
    /// Adds a datagram; sends what it does not fit to.
    pub fn push(
        &mut self,
        carrier: &mut impl Carrier,
        source: Option<IpAddr>,
        destination: SocketAddr,
        datagram: &[u8],
    ) {
        self.push_parts(carrier, source, destination, [datagram]);
    }

    /// Adds a datagram that is made of parts.
    pub fn push_parts<const N: usize>(
        &mut self,
        carrier: &mut impl Carrier,
        source: Option<IpAddr>,
        destination: SocketAddr,
        parts: [&[u8]; N],
    ) {
        let length = parts.iter().map(|part| part.len()).sum();
        if !self.fits(carrier.most_segments(), source, destination, length) {
            self.flush(carrier);
            self.source = source;
            self.destination = destination;
            self.segment = length;
            self.closed = length > LARGEST_SEGMENT;
        }
        self.closed |= length < self.segment;
        for part in parts {
            self.buffer.extend_from_slice(part);
        }
        self.count += 1;
    }

    /// Sends what is there.
    pub fn flush(&mut self, carrier: &mut impl Carrier) {
        if self.count == 0 {
            return;
        }
        carrier.carry(Batch {
            source: self.source,
            destination: self.destination,
            contents: &self.buffer,
            segment: self.segment,
            count: self.count,
        });
        self.buffer.clear();
        self.count = 0;
    }

    fn fits(&self, most: usize, source: Option<IpAddr>, destination: SocketAddr, length: usize) -> bool {
        self.count > 0
            && self.count < most
            && !self.closed
            && length <= self.segment
            && length > 0
            && self.buffer.len() + length <= LONGEST_BATCH
            && self.destination == destination
            && self.source == source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Recorder {
        most: usize,
        batches: Vec<(u16, Vec<usize>)>,
    }

    impl Carrier for Recorder {
        fn most_segments(&self) -> usize {
            self.most
        }
        fn carry(&mut self, batch: Batch<'_>) {
            let sizes: Vec<usize> = batch.contents.chunks(batch.segment).map(<[u8]>::len).collect();
            assert_eq!(sizes.len(), batch.count);
            self.batches.push((batch.destination.port(), sizes));
        }
    }

    fn send(most: usize, datagrams: &[(u16, usize)]) -> Vec<(u16, Vec<usize>)> {
        let mut recorder = Recorder { most, ..Recorder::default() };
        let mut outbox = Outbox::default();
        for (port, size) in datagrams {
            outbox.push(&mut recorder, None, SocketAddr::from(([10, 0, 0, 1], *port)), &vec![0; *size]);
        }
        outbox.flush(&mut recorder);
        recorder.batches
    }

    #[test]
    fn equal_sizes_to_one_destination_go_together() {
        type Sent<'a> = &'a [(u16, usize)];
        type Wanted<'a> = &'a [(u16, &'a [usize])];
        let cases: &[(Sent, Wanted)] = &[
            (&[(1, 100), (1, 100), (1, 100)], &[(1, &[100, 100, 100])]),
            (&[(1, 100), (2, 100), (1, 100)], &[(1, &[100]), (2, &[100]), (1, &[100])]),
            (&[(1, 100), (1, 60), (1, 60)], &[(1, &[100, 60]), (1, &[60])]),
            (&[(1, 60), (1, 100)], &[(1, &[60]), (1, &[100])]),
            (&[(1, 1_300), (1, 1_300)], &[(1, &[1_300]), (1, &[1_300])]),
        ];
        for (sent, wanted) in cases {
            let wanted: Vec<(u16, Vec<usize>)> = wanted.iter().map(|(port, sizes)| (*port, sizes.to_vec())).collect();
            assert_eq!(send(64, sent), wanted, "{sent:?}");
        }
    }

    #[test]
    fn batches_are_bounded_by_count_and_bytes() {
        let many = vec![(1, 1_200); 130];
        assert_eq!(send(64, &many).iter().map(|(_, sizes)| sizes.len()).collect::<Vec<_>>(), [54, 54, 22]);
        assert_eq!(send(1, &[(1, 10), (1, 10)]).len(), 2, "without offload each goes alone");
        let small = vec![(1, 10); 130];
        assert_eq!(send(64, &small).iter().map(|(_, sizes)| sizes.len()).collect::<Vec<_>>(), [64, 64, 2]);
    }
}
