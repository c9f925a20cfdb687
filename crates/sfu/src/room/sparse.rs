//! Outgoing sequence numbers of a stream of which not every packet goes out: what is left out leaves no gap, what is missing does.

/// How far back late packets are numbered; beyond the receiver's own memory for what it misses.
const WINDOW: u64 = 1_024;
const WORDS: usize = WINDOW as usize / 64;

/// The numbers of one source.
#[derive(Debug, Clone)]
pub(super) struct Sparse {
    /// The furthest that came.
    furthest: u64,
    /// What to add to the number of the next that comes.
    offset: u64,
    /// Those of the window that were left out.
    left_out: [u64; WORDS],
}

impl Sparse {
    /// `first` is the first to come, and goes out as `out`.
    pub(super) fn new(first: u64, out: u64) -> Self {
        Self { furthest: first.wrapping_sub(1), offset: out.wrapping_sub(first), left_out: [0; WORDS] }
    }

    /// The number of a packet that goes out. `None`: it comes too late to have one.
    pub(super) fn take(&mut self, seq: u64) -> Option<u64> {
        if self.advance(seq) {
            return Some(seq.wrapping_add(self.offset));
        }
        self.reserved(seq)
    }

    /// A packet is left out. `Some`: the number that was kept for it while it was missing, which has to be filled.
    pub(super) fn leave_out(&mut self, seq: u64) -> Option<u64> {
        if self.advance(seq) {
            self.left_out[word(seq)] |= bit(seq);
            self.offset = self.offset.wrapping_sub(1);
            return None;
        }
        self.reserved(seq)
    }

    /// Goes on to `seq`; the numbers between are kept for what is missing. `false`: it is a late one.
    fn advance(&mut self, seq: u64) -> bool {
        let ahead = seq.wrapping_sub(self.furthest);
        if ahead == 0 || ahead > u64::MAX / 2 {
            return false;
        }
        if ahead >= WINDOW {
            self.left_out = [0; WORDS];
        } else {
            for missing in 1..=ahead {
                let seq = self.furthest.wrapping_add(missing);
                self.left_out[word(seq)] &= !bit(seq);
            }
        }
        self.furthest = seq;
        true
    }

    fn reserved(&self, seq: u64) -> Option<u64> {
        let behind = self.furthest.wrapping_sub(seq);
        if behind >= WINDOW || self.left_out[word(seq)] & bit(seq) != 0 {
            return None;
        }
        // Each that was left out since has taken one off the offset.
        let since = (0..behind).map(|back| self.furthest.wrapping_sub(back));
        let left_out = since.filter(|seq| self.left_out[word(*seq)] & bit(*seq) != 0).count() as u64;
        Some(seq.wrapping_add(self.offset).wrapping_add(left_out))
    }
}

fn word(seq: u64) -> usize {
    (seq % WINDOW / 64) as usize
}

fn bit(seq: u64) -> u64 {
    1 << (seq % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_leaves_no_gap_and_what_is_missing_does() {
        let mut sparse = Sparse::new(5_000, 100);
        assert_eq!([5_000, 5_001].map(|seq| sparse.take(seq)), [Some(100), Some(101)]);
        assert_eq!([5_002, 5_003].map(|seq| sparse.leave_out(seq)), [None, None]);
        assert_eq!(sparse.take(5_004), Some(102));
        // 5005 and 5006 are missing; 5007 is left out.
        assert_eq!((sparse.leave_out(5_007), sparse.take(5_008)), (None, Some(105)));
        assert_eq!(sparse.take(5_006), Some(104), "it comes late, in the place kept for it");
        assert_eq!(sparse.leave_out(5_005), Some(103), "nobody wants it, but its place is there");
        assert_eq!(sparse.take(5_002), None, "it was left out");
    }

    #[test]
    fn every_number_is_given_once_and_in_order() {
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..300 {
            let mut sparse = Sparse::new(70_000, 1_000);
            let mut order: Vec<u64> = (70_000..70_600).collect();
            for at in 1..order.len() {
                if rng.u8(..) < 40 {
                    let with = (at + rng.usize(0..20)).min(order.len() - 1);
                    order.swap(at, with);
                }
            }
            let mut given: Vec<(u64, u64)> = Vec::new();
            for seq in order {
                let number = if rng.bool() { sparse.take(seq) } else { sparse.leave_out(seq) };
                given.extend(number.map(|number| (seq, number)));
            }
            given.sort_unstable();
            assert!(given.windows(2).all(|pair| pair[0].1 < pair[1].1), "{given:?}");
            let (first, last) = (given[0].1, given[given.len() - 1].1);
            assert_eq!(last - first + 1, given.len() as u64, "all that was kept was filled");
        }
    }

    #[test]
    fn what_is_too_late_has_no_number() {
        let mut sparse = Sparse::new(1, 1_000);
        assert_eq!(sparse.take(1), Some(1_000));
        assert_eq!(sparse.leave_out(40_000), None);
        assert_eq!(sparse.take(40_001), Some(1_000 + 39_999));
        assert_eq!((sparse.take(2), sparse.leave_out(3)), (None, None));
        assert_eq!(sparse.take(39_500), Some(1_000 + 39_499));
    }
}
