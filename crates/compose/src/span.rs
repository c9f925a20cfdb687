//! Stretches of time, in microseconds since the recording began, and ordered sets of them.

/// Microseconds since the recording began.
pub type Micros = u64;

/// From one moment up to, and not including, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The first microsecond.
    pub from: Micros,
    /// The microsecond after the last.
    pub to: Micros,
}

impl Span {
    /// A span; an empty one where `to` is not after `from`.
    pub fn new(from: Micros, to: Micros) -> Self {
        Self { from, to: to.max(from) }
    }

    /// How long it lasts.
    pub fn length(self) -> Micros {
        self.to - self.from
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.from == self.to
    }

    /// Whether the moment is in it.
    pub fn contains(self, at: Micros) -> bool {
        self.from <= at && at < self.to
    }

    /// What both have.
    pub fn overlap(self, other: Self) -> Option<Self> {
        let both = Self::new(self.from.max(other.from), self.to.min(other.to));
        (!both.is_empty()).then_some(both)
    }

    /// The smallest span that has both.
    pub fn hull(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }
}

/// Spans in order of time that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// One span, or none if it is empty.
    pub fn one(span: Span) -> Self {
        let mut spans = Self::default();
        spans.add(span, 0);
        spans
    }

    /// Adds a span. What is no further than `slack` from another becomes one with it.
    pub fn add(&mut self, mut span: Span, slack: Micros) {
        if span.is_empty() {
            return;
        }
        let from = self.0.partition_point(|old| old.to.saturating_add(slack) < span.from);
        let to = from + self.0[from..].partition_point(|old| old.from <= span.to.saturating_add(slack));
        for old in &self.0[from..to] {
            span = span.hull(*old);
        }
        self.0.splice(from..to, [span]);
    }

    /// The spans, in order.
    pub fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.0.iter().copied()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them contains the moment.
    pub fn contains(&self, at: Micros) -> bool {
        let next = self.0.partition_point(|span| span.to <= at);
        self.0.get(next).is_some_and(|span| span.contains(at))
    }

    /// How long they last together.
    pub fn length(&self) -> Micros {
        self.iter().map(Span::length).sum()
    }

    /// What is in these and in the others.
    pub fn within(&self, others: &Self) -> Self {
        let mut both = Self::default();
        for span in self.iter() {
            let first = others.0.partition_point(|other| other.to <= span.from);
            let overlapping = others.0[first..].iter().map_while(|other| span.overlap(*other));
            both.0.extend(overlapping);
        }
        both
    }

    /// What is in these and not in the others.
    pub fn without(&self, others: &Self) -> Self {
        let mut rest = Vec::new();
        for mut span in self.iter() {
            let first = others.0.partition_point(|other| other.to <= span.from);
            for other in others.0[first..].iter().take_while(|other| other.from < span.to) {
                rest.push(Span::new(span.from, other.from));
                span.from = other.to.min(span.to);
            }
            rest.push(span);
        }
        rest.retain(|span| !span.is_empty());
        Self(rest)
    }

    /// With gaps of up to `gap` closed.
    pub fn bridged(&self, gap: Micros) -> Self {
        let mut spans = Self::default();
        for span in self.iter() {
            spans.add(span, gap);
        }
        spans
    }
}

impl FromIterator<Span> for Spans {
    fn from_iter<I: IntoIterator<Item = Span>>(spans: I) -> Self {
        let mut all = Self::default();
        for span in spans {
            all.add(span, 0);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans(list: &[(u64, u64)]) -> Spans {
        list.iter().map(|(from, to)| Span::new(*from, *to)).collect()
    }

    #[test]
    fn touching_spans_become_one() {
        assert_eq!(spans(&[(5, 7), (0, 3), (3, 5), (9, 9)]), spans(&[(0, 7)]));
        assert_eq!(spans(&[(0, 3), (5, 7)]).bridged(2), spans(&[(0, 7)]));
        assert_eq!(spans(&[(0, 3), (6, 7)]).bridged(2), spans(&[(0, 3), (6, 7)]));
    }

    proptest! {
        #[test]
        fn sets_of_spans_are_sets_of_moments(
            a in proptest::collection::vec((0u64..60, 0u64..20), 0..8),
            b in proptest::collection::vec((0u64..60, 0u64..20), 0..8),
        ) {
            let set = |list: &[(u64, u64)]| spans(&list.iter().map(|(from, length)| (*from, from + length)).collect::<Vec<_>>());
            let has = |list: &[(u64, u64)], at: u64| list.iter().any(|(from, length)| (*from..from + length).contains(&at));
            let (one, other) = (set(&a), set(&b));
            for at in 0..90 {
                let (in_a, in_b) = (has(&a, at), has(&b, at));
                prop_assert_eq!(one.contains(at), in_a);
                prop_assert_eq!(one.within(&other).contains(at), in_a && in_b);
                prop_assert_eq!(one.without(&other).contains(at), in_a && !in_b);
            }
            prop_assert_eq!(one.length(), (0..90).filter(|at| has(&a, *at)).count() as u64);
        }
    }
}
