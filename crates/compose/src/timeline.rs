//! From what happened to what is seen: the recording as a row of steps, in each of which nothing moves. Pure.
//!
//! Time runs on in the result where the recording was paused or away, so each step knows both its place in the result (in pictures)
//! and when it was in the recording.

use std::sync::Arc;

use model::RecordingLayout;

use crate::layout::{GRID, Rect};
use crate::options::Options;
use crate::span::{Micros, Span, Spans};
use crate::story::Story;

/// A layout that lasts shorter than this is left out.
const SHORTEST: Micros = 400_000;

/// A stretch of the result that is encoded at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    /// How many pictures come before it.
    pub first: u64,
    /// How many pictures it has.
    pub pictures: u64,
    /// When it was.
    pub span: Span,
    /// What is seen, from the back to the front.
    pub tiles: Arc<[Tile]>,
}

/// A part of the picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Where it is.
    pub at: Rect,
    /// What is in it.
    pub shows: Shows,
    /// The track that moves in it; none where something still stands for it.
    pub live: Option<usize>,
    /// Whether it covers the tiles before it in part.
    pub in_front: bool,
}

/// What a tile shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shows {
    /// A person.
    Face(usize),
    /// A person's screen.
    Screen(usize),
    /// That there are so many more.
    More(usize),
}

/// The steps of the whole recording.
pub fn steps(story: &Story, options: &Options, longest: Micros) -> Vec<Step> {
    let scene = Scene { story, options };
    let fps = u64::from(options.rate.fps());
    let cuts = if options.has_picture() { scene.cuts() } else { Vec::new() };
    let mut steps = Vec::new();
    let mut first = 0;
    for kept in story.kept.iter() {
        let total = pictures(kept.length(), fps);
        let place = |at: Micros| pictures(at - kept.from, fps);
        let within = cuts.iter().copied().filter(|cut| kept.from < *cut && *cut < kept.to);
        let mut row: Vec<(u64, Arc<[Tile]>)> = Vec::new();
        for at in std::iter::once(kept.from).chain(within) {
            let tiles: Arc<[Tile]> = scene.tiles(at).into();
            // What lasted for a moment only makes way for what follows.
            if row.last().is_some_and(|(from, _)| place(at) - from < pictures(SHORTEST, fps).max(1)) {
                row.last_mut().expect("just seen").1 = tiles;
            } else {
                row.push((place(at), tiles));
            }
            if let [.., (_, before), (_, last)] = &row[..]
                && before == last
            {
                row.pop();
            }
        }
        let ends: Vec<u64> = row.iter().skip(1).map(|(from, _)| *from).chain([total]).collect();
        for ((from, tiles), end) in row.into_iter().zip(ends) {
            for (from, pictures) in split(from, end, pictures(longest, fps).max(1)) {
                let span = Span::new(kept.from + moment(from, fps), kept.from + moment(from + pictures, fps));
                steps.push(Step { first: first + from, pictures, span, tiles: tiles.clone() });
            }
        }
        first += total;
    }
    steps
}

/// The nearest number of pictures.
fn pictures(length: Micros, fps: u64) -> u64 {
    (length * fps + 500_000) / 1_000_000
}

/// When a picture begins, from the first.
pub fn moment(picture: u64, fps: u64) -> Micros {
    picture * 1_000_000 / fps
}

/// From `from` to `end` in equal steps of at most `longest`.
fn split(from: u64, end: u64, longest: u64) -> impl Iterator<Item = (u64, u64)> {
    let length = end.saturating_sub(from);
    let count = length.div_ceil(longest);
    let place = move |number: u64| from + length * number / count.max(1);
    (0..count).map(move |number| (place(number), place(number + 1) - place(number)))
}

/// What is to be seen at a moment.
struct Scene<'a> {
    story: &'a Story,
    options: &'a Options,
}

impl Scene<'_> {
    /// The moments at which something may change, in order.
    fn cuts(&self) -> Vec<Micros> {
        let people = self.story.people.iter().map(|person| &person.present);
        let pictures = self.story.tracks.iter().filter(|track| track.is_video).map(|track| &track.shown);
        let edges = people.chain(pictures).flat_map(|spans| spans.iter().flat_map(|span| [span.from, span.to]));
        let mut cuts: Vec<Micros> = edges.chain(self.story.turns.iter().map(|turn| turn.from)).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }

    fn tiles(&self, at: Micros) -> Vec<Tile> {
        use RecordingLayout::{AudioOnly, Grid, PictureInPicture, Presentation, SingleSpeaker, Speaker};
        let size = self.options.size;
        let screens = self.screens(at);
        let main = screens.first().copied().or_else(|| self.speaker(at, None).map(Shows::Face));
        match self.options.layout {
            Grid if screens.is_empty() => self.grid(at),
            Grid | Speaker | Presentation => {
                let Some(main) = main else { return Vec::new() };
                let (large, small) = self.strip(at, main, &screens);
                std::iter::once(self.tile(at, main, large)).chain(small).collect()
            }
            SingleSpeaker => main.into_iter().map(|main| self.tile(at, main, size.whole())).collect(),
            PictureInPicture => {
                let Some(main) = main else { return Vec::new() };
                let except = if let Shows::Face(person) = main { Some(person) } else { None };
                let other = self.speaker(at, except).map(|person| self.tile(at, Shows::Face(person), size.inset()));
                let other = other.map(|tile| Tile { in_front: true, ..tile });
                std::iter::once(self.tile(at, main, size.whole())).chain(other).collect()
            }
            AudioOnly => Vec::new(),
        }
    }

    fn grid(&self, at: Micros) -> Vec<Tile> {
        let faces: Vec<Shows> = self.present(at).into_iter().map(Shows::Face).collect();
        let shown = self.few(at, faces, GRID);
        let rects = self.options.size.grid(shown.len());
        shown.into_iter().zip(rects).map(|(shows, rect)| self.tile(at, shows, rect)).collect()
    }

    fn strip(&self, at: Micros, main: Shows, screens: &[Shows]) -> (Rect, Vec<Tile>) {
        let size = self.options.size;
        let others = screens.iter().copied().chain(self.present(at).into_iter().map(Shows::Face));
        let shown = self.few(at, others.filter(|one| *one != main).collect(), size.strip_holds());
        let (large, rects) = size.beside(shown.len());
        (large, shown.into_iter().zip(rects).map(|(shows, rect)| self.tile(at, shows, rect)).collect())
    }

    /// At most `room` of them. If some have to stay out, whoever speaks does not, and the last tile tells how many do.
    fn few(&self, at: Micros, mut all: Vec<Shows>, room: usize) -> Vec<Shows> {
        if all.len() <= room {
            return all;
        }
        let places = room.saturating_sub(1);
        let speaker = self.speaker(at, None).map(Shows::Face);
        if let Some(found) = all.iter().position(|one| Some(*one) == speaker)
            && found >= places
            && places > 0
        {
            all.swap(places - 1, found);
        }
        let out = all.len() - places;
        all.truncate(places);
        all.push(Shows::More(out));
        all
    }

    fn tile(&self, at: Micros, shows: Shows, rect: Rect) -> Tile {
        let live = match shows {
            Shows::Screen(track) => Some(track),
            Shows::Face(person) => self.camera(at, person),
            Shows::More(_) => None,
        };
        Tile { at: rect, shows, live, in_front: false }
    }

    fn present(&self, at: Micros) -> Vec<usize> {
        let people = self.story.people.iter().enumerate();
        people.filter(|(_, person)| person.present.contains(at)).map(|(number, _)| number).collect()
    }

    /// Whoever has the turn, or had it last, or else came first, with a camera if someone has one.
    fn speaker(&self, at: Micros, except: Option<usize>) -> Option<usize> {
        let here = |person: usize| self.story.people[person].present.contains(at) && Some(person) != except;
        let so_far = self.story.turns.partition_point(|turn| turn.from <= at);
        let last = self.story.turns[..so_far].iter().rev().map(|turn| turn.person).find(|person| here(*person));
        let present = || self.present(at).into_iter().filter(|person| here(*person));
        last.or_else(|| present().find(|person| self.camera(at, *person).is_some())).or_else(|| present().next())
    }

    /// The camera that a person shows, the newest if there are several.
    fn camera(&self, at: Micros, person: usize) -> Option<usize> {
        let shown = |(_, track): &(usize, &crate::story::Track)| {
            track.person == person && track.is_video && !track.is_share() && track.shown.contains(at)
        };
        self.story.tracks.iter().enumerate().filter(shown).map(|(number, _)| number).next_back()
    }

    /// The screens that are shared, the newest first.
    fn screens(&self, at: Micros) -> Vec<Shows> {
        let since = |spans: &Spans| spans.iter().find(|span| span.contains(at)).map(|span| span.from);
        let tracks = self.story.tracks.iter().enumerate().filter(|(_, track)| track.is_share());
        let mut shared: Vec<(Micros, usize)> =
            tracks.filter_map(|(number, track)| Some((since(&track.shown)?, number))).collect();
        shared.sort_unstable_by(|a, b| b.cmp(a));
        shared.into_iter().map(|(_, number)| Shows::Screen(number)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Size;
    use crate::options::Rate;
    use crate::speakers::Turn;
    use crate::story::{Person, Track};
    use model::recording_folder::Source;
    use proptest::prelude::*;

    const LONGEST: Micros = 60_000_000;

    fn spans(list: &[(u64, u64)]) -> Spans {
        list.iter().map(|(from, to)| Span::new(from * 1_000, to * 1_000)).collect()
    }

    fn person(present: &[(u64, u64)]) -> Person {
        Person { present: spans(present), ..Person::default() }
    }

    fn video(person: usize, source: Source, shown: &[(u64, u64)]) -> Track {
        Track { person, source, on: spans(shown), shown: spans(shown), parts: Vec::new(), is_video: true }
    }

    /// Ann for ten seconds with a camera that is off from 4 to 6; Bob from 2 to 8 without one; Ann shares from 5 to 7.
    fn meeting() -> Story {
        Story {
            people: vec![person(&[(0, 10_000)]), person(&[(2_000, 8_000)])],
            tracks: vec![
                video(0, Source::Camera, &[(0, 4_000), (6_000, 10_000)]),
                video(0, Source::ScreenShare, &[(5_000, 7_000)]),
            ],
            kept: spans(&[(0, 10_000)]),
            turns: vec![Turn { from: 0, person: 0 }, Turn { from: 3_000_000, person: 1 }],
        }
    }

    fn told(story: &Story, layout: RecordingLayout) -> Vec<String> {
        let options = Options { layout, ..Options::default() };
        let tile = |tile: &Tile| {
            let live = if tile.live.is_some() { "*" } else { "" };
            match tile.shows {
                Shows::Face(person) => format!("{person}{live}"),
                Shows::Screen(track) => format!("screen{track}{live}"),
                Shows::More(count) => format!("+{count}"),
            }
        };
        let line = |step: &Step| {
            format!("{} {}", step.span.from / 1_000, step.tiles.iter().map(tile).collect::<Vec<_>>().join(" "))
        };
        steps(story, &options, LONGEST).iter().map(line).collect()
    }

    #[test]
    fn each_layout_shows_who_is_there() {
        use RecordingLayout::{AudioOnly, Grid, PictureInPicture, Presentation, SingleSpeaker, Speaker};
        let story = meeting();
        let table: &[(RecordingLayout, &[&str])] = &[
            (
                Grid,
                &["0 0*", "2000 0* 1", "4000 0 1", "5000 screen1* 0 1", "6000 screen1* 0* 1", "7000 0* 1", "8000 0*"],
            ),
            (
                Speaker,
                &[
                    "0 0*",
                    "2000 0* 1",
                    "3000 1 0*",
                    "4000 1 0",
                    "5000 screen1* 0 1",
                    "6000 screen1* 0* 1",
                    "7000 1 0*",
                    "8000 0*",
                ],
            ),
            (SingleSpeaker, &["0 0*", "3000 1", "5000 screen1*", "7000 1", "8000 0*"]),
            (
                Presentation,
                &[
                    "0 0*",
                    "2000 0* 1",
                    "3000 1 0*",
                    "4000 1 0",
                    "5000 screen1* 0 1",
                    "6000 screen1* 0* 1",
                    "7000 1 0*",
                    "8000 0*",
                ],
            ),
            (
                PictureInPicture,
                &["0 0*", "2000 0* 1", "3000 1 0*", "4000 1 0", "5000 screen1* 1", "7000 1 0*", "8000 0*"],
            ),
            (AudioOnly, &["0 "]),
        ];
        for (layout, wanted) in table {
            assert_eq!(told(&story, *layout), *wanted, "{layout}");
        }
    }

    #[test]
    fn pauses_are_cut_out_and_the_result_runs_on() {
        let story = Story { kept: spans(&[(0, 3_000), (7_500, 10_000)]), ..meeting() };
        let row: Vec<_> = steps(&story, &Options::default(), LONGEST)
            .iter()
            .map(|step| (step.first, step.pictures, step.span.from / 1_000))
            .collect();
        assert_eq!(row, [(0, 60, 0), (60, 30, 2_000), (90, 15, 7_500), (105, 60, 8_000)]);
    }

    #[test]
    fn a_layout_of_a_moment_is_left_out() {
        let mut story = meeting();
        story.people[1].present = spans(&[(2_000, 2_300)]);
        story.tracks.truncate(1);
        assert_eq!(told(&story, RecordingLayout::Grid), ["0 0*", "4000 0", "6000 0*"]);
    }

    #[test]
    fn of_many_people_the_last_tile_counts_the_rest_and_whoever_speaks_is_seen() {
        let story = Story {
            people: vec![person(&[(0, 5_000)]); 50],
            kept: spans(&[(0, 5_000)]),
            turns: vec![Turn { from: 0, person: 40 }],
            ..Story::default()
        };
        let steps = steps(&story, &Options::default(), LONGEST);
        let shows: Vec<Shows> = steps[0].tiles.iter().map(|tile| tile.shows).collect();
        assert_eq!((steps.len(), shows.len()), (1, GRID));
        assert_eq!(shows[22..], [Shows::Face(22), Shows::Face(40), Shows::More(26)]);
    }

    #[test]
    fn a_long_layout_is_done_in_steps() {
        let story = Story { people: vec![person(&[(0, 150_000)])], kept: spans(&[(0, 150_000)]), ..Story::default() };
        let steps = steps(&story, &Options::default(), LONGEST);
        assert_eq!(steps.iter().map(|step| step.pictures).collect::<Vec<_>>(), [1_500, 1_500, 1_500]);
    }

    proptest! {
        #[test]
        fn steps_follow_one_another_and_never_leave_what_is_kept(
            people in proptest::collection::vec((0u64..40_000, 0u64..40_000), 1..6),
            cameras in proptest::collection::vec((0usize..6, 0u64..40_000, 0u64..9_000, any::<bool>()), 0..12),
            kept in proptest::collection::vec((0u64..40_000, 1u64..9_000), 1..4),
            rate in prop_oneof![Just(Rate::Fifteen), Just(Rate::TwentyFive), Just(Rate::Thirty)],
            layout in proptest::sample::select(RecordingLayout::ALL),
        ) {
            let story = Story {
                people: people.iter().map(|(from, length)| person(&[(*from, from + length)])).collect(),
                tracks: cameras.iter().map(|(who, from, length, share)| {
                    let source = if *share { Source::ScreenShare } else { Source::Camera };
                    video(who % people.len(), source, &[(*from, from + length)])
                }).collect(),
                kept: kept.iter().map(|(from, length)| Span::new(from * 1_000, (from + length) * 1_000)).collect(),
                turns: Vec::new(),
            };
            let options = Options { layout, rate, size: Size { w: 320, h: 180 }, ..Options::default() };
            let fps = u64::from(rate.fps());
            let mut next = 0;
            for step in steps(&story, &options, 5_000_000) {
                prop_assert_eq!(step.first, next);
                prop_assert!(step.pictures > 0 && step.pictures <= 5 * fps);
                next += step.pictures;
                let place = story.kept.iter().find(|kept| kept.from <= step.span.from && step.span.from < kept.to);
                prop_assert!(place.is_some_and(|kept| step.span.to <= kept.to + 1_000_000 / fps));
                for tile in step.tiles.iter() {
                    prop_assert!(tile.at.x + tile.at.w <= 320 && tile.at.y + tile.at.h <= 180);
                }
            }
            let exact = story.kept.length() * fps;
            let slack = 1_000_000 * story.kept.iter().count() as u64;
            prop_assert!(exact.abs_diff(next * 1_000_000) <= slack);
        }
    }
}
