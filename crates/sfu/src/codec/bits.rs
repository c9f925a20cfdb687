//! Bits in network order: reading them within bounds, and copying runs of them.

/// Reads from the most significant bit on.
#[derive(Debug, Clone)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// From bit `at` on.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// How many bits were read, counted from the first byte.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next `count` bits, at most 32. `None`: there are not that many.
    pub fn take(&mut self, count: usize) -> Option<u32> {
        debug_assert!(count <= 32);
        if self.at + count > self.bytes.len() * 8 {
            return None;
        }
        let mut value = 0_u64;
        let mut left = count;
        while left > 0 {
            let free = 8 - self.at % 8;
            let now = free.min(left);
            let byte = u64::from(self.bytes[self.at / 8]);
            value = value << now | (byte >> (free - now) & ((1 << now) - 1));
            self.at += now;
            left -= now;
        }
        u32::try_from(value).ok()
    }

    /// One bit.
    pub fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit != 0)
    }

    /// Leaves `count` bits out.
    pub fn skip(&mut self, count: usize) -> Option<()> {
        let at = self.at + count;
        (at <= self.bytes.len() * 8).then(|| self.at = at)
    }

    /// A number below `n`, `ns(n)` of the AV1 specification (§4.10.7).
    pub fn below(&mut self, n: u32) -> Option<u32> {
        let width = (u32::BITS - n.leading_zeros()) as usize;
        let short = (1_u32 << width) - n;
        let value = self.take(width.checked_sub(1)?)?;
        if value < short {
            return Some(value);
        }
        Some((value << 1) - short + self.take(1)?)
    }
}

/// Writes from the most significant bit on into a buffer of zeros.
#[derive(Debug)]
pub struct BitSink<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl<'a> BitSink<'a> {
    /// `bytes` are all zero.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The low `count` bits of `value`. `None`: they do not fit in.
    pub fn put(&mut self, value: u32, count: usize) -> Option<()> {
        if self.at + count > self.bytes.len() * 8 {
            return None;
        }
        let mut left = count;
        while left > 0 {
            let free = 8 - self.at % 8;
            let now = free.min(left);
            let bits = (u64::from(value) >> (left - now)) & ((1 << now) - 1);
            self.bytes[self.at / 8] |= (bits << (free - now)) as u8;
            self.at += now;
            left -= now;
        }
        Some(())
    }

    /// The next `count` bits of `source`.
    pub fn copy(&mut self, source: &mut Bits<'_>, count: usize) -> Option<()> {
        let mut left = count;
        while left > 0 {
            let now = left.min(32);
            self.put(source.take(now)?, now)?;
            left -= now;
        }
        Some(())
    }

    /// Whole bytes written; the last is filled up with zeros.
    pub fn length(&self) -> usize {
        self.at.div_ceil(8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_across_bytes_and_never_beyond() {
        let mut bits = Bits::new(&[0b1010_0101, 0xff, 0x00, 0x81, 0x7f], 0);
        assert_eq!(bits.take(3), Some(0b101));
        assert_eq!(bits.take(9), Some(0b0_0101_1111));
        assert_eq!(bits.take(20), Some(0b1111_0000_0000_1000_0001));
        assert_eq!(bits.take(9), None);
        assert_eq!((bits.take(8), bits.position()), (Some(0x7f), 40));
        assert_eq!((bits.flag(), bits.skip(1), bits.take(0)), (None, None, Some(0)));
        assert_eq!(Bits::new(&[0xff; 5], 3).take(32), Some(u32::MAX));
    }

    #[test]
    fn numbers_below_a_limit_take_as_few_bits_as_they_need() {
        // Of five values the first three take two bits, the others three.
        let mut bits = Bits::new(&[0b0001_1011, 0b0111_0000], 0);
        let read: Vec<_> = std::iter::from_fn(|| bits.below(5)).take(5).collect();
        assert_eq!(read, [0, 1, 2, 3, 4]);
        assert_eq!(Bits::new(&[], 0).below(1), Some(0), "what can only be zero takes no bit");
    }

    #[test]
    fn what_is_copied_reads_the_same() {
        let source = [0x5a, 0xc3, 0x99, 0x01, 0xfe, 0x37];
        let mut bytes = [0; 8];
        let mut sink = BitSink::new(&mut bytes);
        assert_eq!(sink.put(0b110, 3), Some(()));
        assert_eq!(sink.copy(&mut Bits::new(&source, 5), 43), Some(()));
        assert_eq!(sink.length(), 6);
        assert_eq!(sink.put(0, 19), None);
        let mut back = Bits::new(&bytes, 3);
        let mut original = Bits::new(&source, 5);
        for _ in 0..43 {
            assert_eq!(back.take(1), original.take(1));
        }
    }
}
