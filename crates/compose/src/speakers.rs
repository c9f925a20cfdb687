//! Who speaks, made calm enough for a picture. As the recording is over, nothing has to be guessed: a turn that turns out to be
//! short never gets the picture, and one that lasts gets it from its first word. Pure.

use crate::span::{Micros, Span, Spans};

/// Someone's turn to speak; it lasts until the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// When it begins.
    pub from: Micros,
    /// Whose, among the people.
    pub person: usize,
}

/// The picture stays with someone for at least so long.
pub const SHORTEST_TURN: Micros = 2_000_000;
/// Whoever speaks less in their turn has only coughed.
const SPOKEN: Micros = 700_000;
/// Breaks between words that do not interrupt the frame around a speaker.
const BREATH: Micros = 800_000;
/// What is shorter gets no frame.
const BLIP: Micros = 200_000;

/// When a person spoke, from the lists of speakers as they changed.
pub fn speaking(lists: &[(Micros, Vec<usize>)], person: usize) -> Spans {
    let mut spans = Spans::default();
    for (list, next) in lists.iter().zip(lists.iter().skip(1)) {
        if list.1.contains(&person) {
            spans.add(Span::new(list.0, next.0), BREATH);
        }
    }
    spans.iter().filter(|span| span.length() >= BLIP).collect()
}

/// Whose turn it was, from the lists of speakers as they changed, the loudest first in each.
pub fn turns(lists: &[(Micros, Vec<usize>)]) -> Vec<Turn> {
    // Runs of the same loudest person; silence belongs to whoever spoke before it.
    let mut runs: Vec<(Turn, Micros)> = Vec::new();
    for (list, next) in lists.iter().zip(lists.iter().skip(1)) {
        let Some(person) = list.1.first() else { continue };
        let spoken = next.0.saturating_sub(list.0);
        match runs.last_mut() {
            Some((turn, so_far)) if turn.person == *person => *so_far += spoken,
            _ => runs.push((Turn { from: list.0, person: *person }, spoken)),
        }
    }
    let ends: Vec<Micros> = runs.iter().skip(1).map(|(turn, _)| turn.from).chain([Micros::MAX]).collect();
    let mut turns: Vec<Turn> = Vec::new();
    for ((turn, spoken), end) in runs.into_iter().zip(ends) {
        let lasts = end - turn.from >= SHORTEST_TURN && spoken >= SPOKEN;
        if lasts && turns.last().is_none_or(|last| last.person != turn.person) {
            turns.push(turn);
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lists(list: &[(u64, &[usize])]) -> Vec<(Micros, Vec<usize>)> {
        list.iter().map(|(at, people)| (at * 1_000, people.to_vec())).collect()
    }

    fn turns_of(list: &[(u64, &[usize])]) -> Vec<(u64, usize)> {
        turns(&lists(list)).into_iter().map(|turn| (turn.from / 1_000, turn.person)).collect()
    }

    #[test]
    fn the_picture_goes_to_whoever_speaks_for_long_and_from_the_first_word() {
        /// What it is about, who spoke from when on, and whose turn begins when.
        type Row = (&'static str, &'static [(u64, &'static [usize])], &'static [(u64, usize)]);
        let table: &[Row] = &[
            ("one after the other", &[(0, &[0]), (5_000, &[1]), (9_000, &[])], &[(0, 0), (5_000, 1)]),
            ("an interjection", &[(0, &[0]), (5_000, &[1]), (6_500, &[0]), (9_000, &[])], &[(0, 0)]),
            (
                "a cough before silence",
                &[(0, &[0]), (5_000, &[]), (6_000, &[1]), (6_300, &[]), (20_000, &[])],
                &[(0, 0)],
            ),
            ("over one another", &[(0, &[0]), (3_000, &[0, 1]), (6_000, &[1, 0]), (9_000, &[])], &[(0, 0), (6_000, 1)]),
            ("breaks", &[(0, &[0]), (1_000, &[]), (1_500, &[0]), (4_000, &[])], &[(0, 0)]),
            ("nobody", &[(0, &[]), (9_000, &[])], &[]),
        ];
        for (what, list, wanted) in table {
            assert_eq!(&turns_of(list), wanted, "{what}");
        }
    }

    #[test]
    fn the_frame_around_a_speaker_does_not_flicker() {
        let list = lists(&[(0, &[0]), (1_000, &[]), (1_500, &[0]), (3_000, &[]), (9_000, &[0]), (9_100, &[])]);
        assert_eq!(speaking(&list, 0), Spans::one(Span::new(0, 3_000_000)));
        assert!(speaking(&list, 1).is_empty());
    }

    proptest! {
        #[test]
        fn no_turn_is_short(steps in proptest::collection::vec((0u64..3_000, proptest::option::of(0usize..4)), 0..60)) {
            let mut at = 0;
            let list: Vec<_> = steps.into_iter().map(|(wait, who)| { at += wait * 1_000; (at, who.into_iter().collect()) }).collect();
            for pair in turns(&list).windows(2) {
                prop_assert!(pair[1].from - pair[0].from >= SHORTEST_TURN);
                prop_assert!(pair[0].person != pair[1].person);
            }
        }
    }
}
