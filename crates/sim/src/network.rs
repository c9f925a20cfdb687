//! A lossy path with delay and jitter. Packets overtake each other where the jitter says so.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// How one direction of a path treats packets.
#[derive(Debug, Clone, Copy)]
pub struct LinkConfig {
    /// Mean one-way delay.
    pub delay: Duration,
    /// Delay varies evenly by up to this, both ways.
    pub jitter: Duration,
    /// Share of packets lost, 0.0 to 1.0.
    pub loss: f64,
    /// Bits a second; what does not fit waits, up to 300 ms, and is lost beyond. `None`: any number.
    pub rate: Option<u64>,
}

/// How much a narrow path holds back before it drops.
const QUEUE: Duration = Duration::from_millis(300);

impl LinkConfig {
    /// No loss, 1 ms.
    pub const PERFECT: LinkConfig =
        LinkConfig { delay: Duration::from_millis(1), jitter: Duration::ZERO, loss: 0.0, rate: None };
}

/// One direction of a path.
#[derive(Debug)]
pub struct Link<T> {
    config: LinkConfig,
    rng: fastrand::Rng,
    queue: BinaryHeap<Queued<T>>,
    sent: u64,
    /// When the narrowest place is free again.
    free: Option<Instant>,
    /// Packets that were lost.
    pub lost: u64,
}

#[derive(Debug)]
struct Queued<T> {
    due: Instant,
    order: u64,
    packet: T,
}

impl<T> Link<T> {
    /// An empty path.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self { config, rng: fastrand::Rng::with_seed(seed), queue: BinaryHeap::new(), sent: 0, free: None, lost: 0 }
    }

    /// Changes how packets sent from now on are treated.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
    }

    /// Puts a packet of so many bytes on its way, or loses it.
    pub fn send(&mut self, now: Instant, bytes: usize, packet: T) {
        self.sent += 1;
        let mut through = now;
        if let Some(rate) = self.config.rate {
            let free = self.free.unwrap_or(now).max(now);
            if free - now > QUEUE {
                self.lost += 1;
                return;
            }
            through = free + Duration::from_micros(bytes as u64 * 8 * 1_000_000 / rate);
            self.free = Some(through);
        }
        let jitter = self.config.jitter.mul_f64(self.rng.f64() * 2.0);
        if self.rng.f64() < self.config.loss {
            self.lost += 1;
            return;
        }
        let due = through + self.config.delay.saturating_sub(self.config.jitter) + jitter;
        self.queue.push(Queued { due, order: self.sent, packet });
    }

    /// When the next packet arrives.
    pub fn next_due(&self) -> Option<Instant> {
        self.queue.peek().map(|queued| queued.due)
    }

    /// A packet that has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<T> {
        if self.next_due()? > now {
            return None;
        }
        self.queue.pop().map(|queued| queued.packet)
    }
}

impl<T> PartialEq for Queued<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Queued<T> {}

impl<T> PartialOrd for Queued<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Queued<T> {
    /// The earliest is the greatest: the heap gives it first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_delayed_reordered_and_lost_as_told() {
        let config =
            LinkConfig { delay: Duration::from_millis(80), jitter: Duration::from_millis(20), loss: 0.05, rate: None };
        let mut link = Link::new(config, 7);
        let start = Instant::now();
        for number in 0..10_000_u32 {
            link.send(start + Duration::from_millis(u64::from(number)), 100, number);
        }
        let (mut got, mut overtaken, mut last) = (0, 0, 0);
        while let Some(due) = link.next_due() {
            let number = link.receive(due).expect("due");
            let delay = due - (start + Duration::from_millis(u64::from(number)));
            assert!((60..=100).contains(&delay.as_millis()), "{delay:?}");
            overtaken += u32::from(number < last);
            last = number;
            got += 1;
        }
        assert_eq!(got + link.lost, 10_000);
        assert!((400..600).contains(&link.lost), "{}", link.lost);
        assert!(overtaken > 1_000, "{overtaken}");
    }

    #[test]
    fn a_narrow_path_delays_and_then_drops() {
        let mut link = Link::new(LinkConfig { rate: Some(1_000_000), ..LinkConfig::PERFECT }, 7);
        let start = Instant::now();
        // Twice what fits for a second.
        for number in 0..250_u32 {
            link.send(start + Duration::from_millis(4 * u64::from(number)), 1_000, number);
        }
        let mut got = 0;
        while let Some(due) = link.next_due() {
            got += u32::from(link.receive(due).is_some());
        }
        assert!((160..170).contains(&got), "{got} of 125 a second and 300 ms of queue");
    }
}
