//! What happened, without the picture: who was there and when, which tracks had something to show, who spoke, and which stretches of
//! the recording are kept. Pure.

use std::collections::{BTreeMap, HashMap};

use model::recording_folder::{Event, Source, Speaker, What};

use crate::fragments::{LONGEST, Part};
use crate::span::{Micros, Span, Spans};
use crate::speakers::{self, Turn};

/// A camera that sends nothing for longer is shown as off.
const FROZEN: Micros = 3_000_000;
/// A hole that a restart leaves and that is shorter is not cut out.
const HOLE: Micros = 500_000;

/// A recording, told in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Story {
    /// Everyone who was ever there, in the order in which they came.
    pub people: Vec<Person>,
    /// What they published, in the order of publishing.
    pub tracks: Vec<Track>,
    /// What is kept: all but pauses, and the time in which the server was away.
    pub kept: Spans,
    /// Whose turn it was to speak, in order.
    pub turns: Vec<Turn>,
}

/// Someone who took part. Whoever comes back under the same identity is the same person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// As they gave it; may be empty or hostile.
    pub name: String,
    /// When they were there.
    pub present: Spans,
    /// When they spoke.
    pub speaking: Spans,
}

/// A published track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Whose, among the people.
    pub person: usize,
    /// What it shows or carries.
    pub source: Source,
    /// When it was published and not muted.
    pub on: Spans,
    /// When there is something of it to show.
    pub shown: Spans,
    /// Its parts, by their path in the folder.
    pub parts: Vec<String>,
    /// Whether it is a picture.
    pub is_video: bool,
}

impl Track {
    /// Whether it is somebody's screen.
    pub fn is_share(&self) -> bool {
        self.is_video && self.source == Source::ScreenShare
    }
}

impl Story {
    /// Tells what happened, from the events and the parts that can be used.
    pub fn tell(events: &[Event], parts: &BTreeMap<String, Part>) -> Self {
        let mut teller = Teller { parts, ..Teller::new(parts) };
        for line in events {
            let at = line.at.saturating_mul(1_000).min(LONGEST);
            teller.hear(at.max(teller.now), &line.what);
        }
        teller.finish()
    }
}

/// Reads the events in order.
struct Teller<'a> {
    parts: &'a BTreeMap<String, Part>,
    now: Micros,
    story: Story,
    by_identity: HashMap<String, usize>,
    by_participant: HashMap<String, Option<usize>>,
    by_track: HashMap<String, usize>,
    here: HashMap<String, Micros>,
    publishing: HashMap<String, Publishing>,
    spoken: Vec<(Micros, Vec<usize>)>,
    cut: Spans,
    paused: Option<Micros>,
    stopped: Option<Micros>,
    written: Micros,
}

/// A track that is published now.
struct Publishing {
    participant: String,
    since: Option<Micros>,
}

impl<'a> Teller<'a> {
    fn new(parts: &'a BTreeMap<String, Part>) -> Self {
        Self {
            parts,
            now: 0,
            story: Story::default(),
            by_identity: HashMap::new(),
            by_participant: HashMap::new(),
            by_track: HashMap::new(),
            here: HashMap::new(),
            publishing: HashMap::new(),
            spoken: Vec::new(),
            cut: Spans::default(),
            paused: None,
            stopped: None,
            written: 0,
        }
    }

    fn hear(&mut self, at: Micros, event: &What) {
        // A lost last line and a restart are all that may follow the end.
        self.stopped = None;
        match event {
            What::WentOn { .. } => self.went_on(at),
            What::Joined { participant, identity, name, kind } => self.joined(at, participant, identity, name, kind),
            What::Left { participant } => self.left(at, participant),
            What::Track { track, participant, source, .. } => self.track(at, track, participant, *source),
            What::Part { track, file, .. } => self.part(at, track, file),
            What::TrackEnded { track } => {
                self.mute(at, track);
                self.publishing.remove(track);
            }
            What::Muted { track } => self.mute(at, track),
            What::Unmuted { track } => self.unmute(at, track),
            What::Speakers { speakers } => self.speakers(at, speakers),
            What::Paused => self.paused = self.paused.or(Some(at)),
            What::Resumed => self.resume(at),
            What::Stopped => self.stopped = Some(at),
            What::Started { .. } | What::Clock { .. } | What::Gap { .. } | What::Marked { .. } | What::Other => {}
        }
        self.now = at;
    }

    /// Everyone's connection ended with the server; who comes back is announced again.
    fn went_on(&mut self, at: Micros) {
        let until = self.now.max(self.written).min(at);
        self.clear(until);
        if at - until >= HOLE {
            self.cut.add(Span::new(until, at), 0);
        }
    }

    fn clear(&mut self, at: Micros) {
        let here: Vec<String> = self.here.keys().cloned().collect();
        for participant in here {
            self.left(at, &participant);
        }
        self.spoken.push((at, Vec::new()));
    }

    fn joined(&mut self, at: Micros, participant: &str, identity: &str, name: &str, kind: &str) {
        if kind.eq_ignore_ascii_case("egress") {
            self.by_participant.insert(participant.to_owned(), None);
            return;
        }
        let key = if identity.is_empty() { participant } else { identity };
        let people = &mut self.story.people;
        let person = *self.by_identity.entry(key.to_owned()).or_insert_with(|| {
            people.push(Person::default());
            people.len() - 1
        });
        let shown = if name.trim().is_empty() { identity } else { name };
        if !shown.is_empty() {
            shown.clone_into(&mut people[person].name);
        }
        self.by_participant.insert(participant.to_owned(), Some(person));
        self.here.entry(participant.to_owned()).or_insert(at);
    }

    fn left(&mut self, at: Micros, participant: &str) {
        let theirs: Vec<String> = self
            .publishing
            .iter()
            .filter(|(_, one)| one.participant == participant)
            .map(|(sid, _)| sid.clone())
            .collect();
        for track in theirs {
            self.mute(at, &track);
            self.publishing.remove(&track);
        }
        if let (Some(since), Some(Some(person))) = (self.here.remove(participant), self.by_participant.get(participant))
        {
            self.story.people[*person].present.add(Span::new(since, at), 0);
        }
    }

    /// The person of a participant who does something, whether or not their coming was noted.
    fn person(&mut self, at: Micros, participant: &str) -> Option<usize> {
        match self.by_participant.get(participant) {
            None => self.joined(at, participant, "", "", ""),
            Some(Some(_)) => {
                self.here.entry(participant.to_owned()).or_insert(at);
            }
            Some(None) => {}
        }
        self.by_participant[participant]
    }

    fn track(&mut self, at: Micros, track: &str, participant: &str, source: Source) {
        let Some(person) = self.person(at, participant) else { return };
        let tracks = &mut self.story.tracks;
        self.by_track.entry(track.to_owned()).or_insert_with(|| {
            let empty = Spans::default();
            tracks.push(Track { person, source, on: empty.clone(), shown: empty, parts: Vec::new(), is_video: false });
            tracks.len() - 1
        });
        let publishing = Publishing { participant: participant.to_owned(), since: Some(at) };
        self.publishing.entry(track.to_owned()).or_insert(publishing);
    }

    fn part(&mut self, at: Micros, sid: &str, file: &str) {
        let (Some(index), Some(part)) = (self.by_track.get(sid), self.parts.get(file)) else { return };
        let track = &mut self.story.tracks[*index];
        track.is_video = part.is_video();
        if !track.parts.iter().any(|one| one == file) {
            track.parts.push(file.to_owned());
        }
        self.written = self.written.max(part.covered.iter().last().map_or(0, |span| span.to));
        // It goes on after a restart that noted nothing else about it.
        if !self.publishing.contains_key(sid)
            && let Some(participant) = self.owner(*index)
        {
            self.person(at, &participant);
            self.publishing.insert(sid.to_owned(), Publishing { participant, since: Some(at) });
        }
    }

    fn owner(&self, track: usize) -> Option<String> {
        let person = self.story.tracks[track].person;
        let mut theirs: Vec<&String> =
            self.by_participant.iter().filter(|(_, one)| **one == Some(person)).map(|(sid, _)| sid).collect();
        theirs.sort();
        theirs.last().map(|sid| (*sid).clone())
    }

    fn mute(&mut self, at: Micros, track: &str) {
        if let Some(since) = self.publishing.get_mut(track).and_then(|one| one.since.take()) {
            self.story.tracks[self.by_track[track]].on.add(Span::new(since, at), 0);
        }
    }

    fn unmute(&mut self, at: Micros, track: &str) {
        if let Some(one) = self.publishing.get_mut(track) {
            one.since = one.since.or(Some(at));
        }
    }

    fn speakers(&mut self, at: Micros, speakers: &[Speaker]) {
        let mut loudest: Vec<&Speaker> = speakers.iter().collect();
        loudest.sort_by(|a, b| b.level.total_cmp(&a.level));
        let people = loudest.iter().filter_map(|one| *self.by_participant.get(&one.participant)?).collect();
        self.spoken.push((at, people));
    }

    fn resume(&mut self, at: Micros) {
        if let Some(since) = self.paused.take() {
            self.cut.add(Span::new(since, at), 0);
        }
    }

    fn finish(mut self) -> Story {
        let end = self.stopped.unwrap_or(self.now.max(self.written));
        self.clear(end);
        self.resume(end);
        let mut story = self.story;
        story.kept = Spans::one(Span::new(0, end)).without(&self.cut);
        for track in &mut story.tracks {
            let covered: Spans = track.parts.iter().flat_map(|part| self.parts[part].covered.iter()).collect();
            // A screen that does not change may send nothing for long.
            let gap = if track.is_share() { LONGEST } else { FROZEN };
            track.shown = covered.bridged(gap).within(&track.on);
        }
        for (number, person) in story.people.iter_mut().enumerate() {
            person.speaking = speakers::speaking(&self.spoken, number);
        }
        story.turns = speakers::turns(&self.spoken);
        story
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::tests::part_of;

    /// Events as they stand in the file, one JSON object each.
    fn events(lines: &[&str]) -> Vec<Event> {
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
    }

    /// A file, whether it is video, and from when to when its fragments last, in milliseconds.
    type Fragments<'a> = (&'a str, bool, &'a [(u64, u64)]);

    fn parts(list: &[Fragments<'_>]) -> BTreeMap<String, Part> {
        list.iter().map(|(file, is_video, spans)| ((*file).to_owned(), part_of(*is_video, spans))).collect()
    }

    fn ms(spans: &Spans) -> Vec<(u64, u64)> {
        spans.iter().map(|span| (span.from / 1_000, span.to / 1_000)).collect()
    }

    const JOINED: &str =
        r#"{"at":1000,"type":"joined","participant":"PA","identity":"ann","name":"Ann","kind":"standard"}"#;
    const TRACK: &str =
        r#"{"at":2000,"type":"track","track":"TR","participant":"PA","kind":"video","source":"camera","codec":"vp8"}"#;
    const PART: &str = r#"{"at":3000,"type":"part","track":"TR","file":"tracks/TR-1.mp4"}"#;

    #[test]
    fn a_camera_is_shown_while_it_is_published_unmuted_and_sends() {
        let events = events(&[
            JOINED,
            TRACK,
            PART,
            r#"{"at":9000,"type":"muted","track":"TR"}"#,
            r#"{"at":12000,"type":"unmuted","track":"TR"}"#,
            r#"{"at":30000,"type":"track_ended","track":"TR"}"#,
            r#"{"at":40000,"type":"stopped"}"#,
        ]);
        let parts = parts(&[(
            "tracks/TR-1.mp4",
            true,
            &[(2_500, 9_000), (12_500, 15_000), (17_000, 20_000), (26_000, 30_000)],
        )]);
        let story = Story::tell(&events, &parts);
        assert_eq!(ms(&story.people[0].present), [(1_000, 40_000)]);
        assert_eq!(ms(&story.tracks[0].shown), [(2_500, 9_000), (12_500, 20_000), (26_000, 30_000)]);
        assert_eq!(ms(&story.kept), [(0, 40_000)]);
    }

    #[test]
    fn pauses_and_the_time_in_which_the_server_was_away_are_cut_out() {
        let events = events(&[
            JOINED,
            TRACK,
            PART,
            r#"{"at":5000,"type":"paused"}"#,
            r#"{"at":8000,"type":"resumed"}"#,
            r#"{"at":60000,"type":"went_on","wall_ms":1}"#,
            r#"{"at":61000,"type":"joined","participant":"PB","identity":"ann","name":"Ann","kind":"standard"}"#,
            r#"{"at":70000,"type":"paused"}"#,
            r#"{"at":80000,"type":"stopped"}"#,
        ]);
        let parts = parts(&[("tracks/TR-1.mp4", true, &[(2_500, 20_000)])]);
        let story = Story::tell(&events, &parts);
        assert_eq!(ms(&story.kept), [(0, 5_000), (8_000, 20_000), (60_000, 70_000)]);
        assert_eq!(story.people.len(), 1, "whoever comes back is the same person");
        assert_eq!(ms(&story.people[0].present), [(1_000, 20_000), (61_000, 80_000)]);
        assert_eq!(ms(&story.tracks[0].on), [(2_000, 20_000)]);
    }

    #[test]
    fn a_track_that_goes_on_after_a_restart_is_shown_though_nobody_said_that_its_owner_came_back() {
        let events = events(&[
            JOINED,
            TRACK,
            PART,
            r#"{"at":60000,"type":"went_on","wall_ms":1}"#,
            r#"{"at":62000,"type":"part","track":"TR","file":"tracks/TR-2.mp4"}"#,
            r#"{"at":70000,"type":"stopped"}"#,
        ]);
        let parts =
            parts(&[("tracks/TR-1.mp4", true, &[(2_500, 20_000)]), ("tracks/TR-2.mp4", true, &[(61_500, 70_000)])]);
        let story = Story::tell(&events, &parts);
        assert_eq!(ms(&story.tracks[0].shown), [(2_500, 20_000), (62_000, 70_000)]);
        assert_eq!(ms(&story.people[0].present), [(1_000, 20_000), (62_000, 70_000)]);
    }

    #[test]
    fn without_an_end_it_lasts_as_long_as_there_is_media() {
        let parts = parts(&[("tracks/TR-1.mp4", true, &[(2_500, 20_000)])]);
        assert_eq!(ms(&Story::tell(&events(&[JOINED, TRACK, PART]), &parts).kept), [(0, 20_000)]);
        assert!(Story::tell(&[], &parts).kept.is_empty());
    }

    #[test]
    fn a_screen_that_does_not_change_stays() {
        let track = TRACK.replace("camera", "screen_share");
        let events = events(&[JOINED, &track, PART, r#"{"at":90000,"type":"stopped"}"#]);
        let parts = parts(&[("tracks/TR-1.mp4", true, &[(2_500, 3_000), (80_000, 81_000)])]);
        assert_eq!(ms(&Story::tell(&events, &parts).tracks[0].shown), [(2_500, 81_000)]);
    }
}
