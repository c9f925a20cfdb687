//! The switchboard against the reference model under random commands: the same answers, the same states, every event once and in
//! order. A failure prints its seed; `STOA_SEED=n` runs that one alone, `STOA_SEEDS=n` that many.

mod coverage;
mod desk;
mod reference;

use call::{Ability, Answer, Command, Config, InitiateCall, QualityReport, RecordingOptions, Switchboard, Target};
use coverage::{Seen, kind};
use desk::{Watch, call_id, channel, device, full_call, full_line, user};
use fastrand::Rng;
use model::{
    CallId, CallMedia, RecordingDecline, RecordingId, RecordingPolicy, RecordingStatus, Timestamp, TransferMode,
    VideoQuality,
};
use reference::{Name, Outcome, Part, Reference, Request};

const USERS: [Name; 6] = ["ann", "bob", "cat", "dan", "eve", "fay"];
const DEVICES: [Name; 3] = ["d1", "d2", "d3"];
const CHANNELS: [Name; 2] = ["x", "y"];
const START: i64 = 1_700_000_000_000;

/// Both, side by side.
struct Run {
    rng: Rng,
    board: Switchboard,
    model: Reference,
    watch: Watch,
    config: Config,
    /// As the outside sees it; it may stumble.
    clock: i64,
    next: Option<Timestamp>,
    ids: Vec<CallId>,
    made: u64,
    seen: Seen,
}

impl Run {
    fn new(seed: u64) -> Self {
        use RecordingPolicy::{Always, Announce, Ask, Off};
        let mut rng = Rng::with_seed(seed);
        let config = Config {
            max_participants: if rng.bool() { 100 } else { rng.usize(2..5) },
            group_calls: rng.u8(..10) > 0,
            video_calls: rng.u8(..10) > 0,
            screen_sharing: rng.u8(..10) > 0,
            call_recording: rng.u8(..10) > 0,
            // Most often what has the most rules.
            recording_policy: [Ask, Ask, Ask, Announce, Always, Off][rng.usize(..6)],
            recording_decline: RecordingDecline::ALL[rng.usize(..2)],
            ..Config::default()
        };
        Self {
            board: Switchboard::new(config.clone(), seed),
            model: Reference::new(config.clone(), &USERS),
            watch: Watch::default(),
            config,
            clock: START,
            next: None,
            ids: Vec::new(),
            made: 0,
            seen: Seen::new(),
            rng,
        }
    }

    fn go(&mut self) {
        for name in CHANNELS {
            self.channel(name);
        }
        for name in USERS {
            let count = [0, 1, 1, 2, 3][self.rng.usize(..5)];
            DEVICES[..count].iter().for_each(|on| self.device(name, on, true));
        }
        for _ in 0..self.rng.usize(60..=100) {
            self.pass();
            self.step();
        }
        self.until(self.clock + 2_000_000, false);
        self.finish();
    }

    /// Only calls that somebody has media in are left, and they, too, come to an end when the media goes.
    fn finish(&mut self) {
        // And names of those.
        let left = self.model.calls.clone().into_iter().filter(|(_, call)| call.into.is_none());
        for (id, call) in left.collect::<Vec<_>>() {
            let up = call.parts.iter().filter(|part| part.status == "connected");
            let up: Vec<Name> = up.map(|part| part.user).collect();
            assert!(call.running() && !up.is_empty(), "left over: {}", self.model.text(id));
            for name in up {
                if call.topology != "sfu" {
                    self.run(Command::Leave { call: id, user: user(name) }, |model| model.leave(id, name));
                    continue;
                }
                let left = Command::MediaLeft { call: id, user: user(name), clean: false };
                self.run(left, |model| model.media_left(id, name, false));
            }
        }
        self.until(self.clock + 2_000_000, false);
        assert_eq!(self.model.calls.len(), 0, "everything is over and forgotten");
        assert!(self.ids.iter().all(|id| self.board.call(*id).is_none()));
        for name in self.model.devices.keys().map(|(name, _)| *name).collect::<Vec<_>>() {
            assert_eq!(self.board.presence(&user(name)), call::PresenceState::Online);
        }
    }

    fn pass(&mut self) {
        let millis = match self.rng.u8(..100) {
            0..30 => 0,
            30..80 => self.rng.i64(1..3_000),
            80..94 => self.rng.i64(1_000..30_000),
            94..98 => self.rng.i64(30_000..=60_000),
            _ => self.rng.i64(60_000..700_000),
        };
        let late = self.rng.u8(..4) == 0;
        self.until(self.clock + millis, late);
        if self.rng.u8(..50) == 0 {
            self.clock -= self.rng.i64(1..2_000);
        }
    }

    /// Lets time pass; timers fire when they are due, or all of them late.
    fn until(&mut self, end: i64, late: bool) {
        while let Some(next) = self.next.filter(|next| !late && next.0 <= end) {
            self.board.handle_timeout(next);
            self.model.advance(next.0);
            self.compare("time");
        }
        self.clock = end;
        if self.rng.bool() {
            self.board.handle_timeout(Timestamp(end));
            self.model.advance(end);
            self.compare("time");
        }
    }

    fn user(&mut self) -> Name {
        USERS[self.rng.usize(..USERS.len())]
    }

    fn some_device(&mut self) -> Name {
        DEVICES[[0, 0, 0, 1, 2][self.rng.usize(..5)]]
    }

    /// Mostly a call that goes on, at times a finished one or one that never was.
    fn call(&mut self) -> CallId {
        let live: Vec<CallId> = self.model.calls.values().filter(|call| !call.over()).map(|call| call.id).collect();
        match self.rng.u8(..20) {
            0 => call_id(999_999),
            1..3 if !self.ids.is_empty() => self.ids[self.rng.usize(..self.ids.len())],
            _ if !live.is_empty() => live[self.rng.usize(..live.len())],
            _ => self.ids.last().copied().unwrap_or(call_id(1)),
        }
    }

    /// Mostly somebody whose part in the call is such, at times anybody.
    fn someone(&mut self, id: CallId, such: impl Fn(&Part) -> bool) -> Name {
        let parts = self.model.calls.get(&id).map(|call| call.parts.as_slice()).unwrap_or_default();
        let such: Vec<Name> = parts.iter().filter(|part| such(part)).map(|part| part.user).collect();
        match self.rng.u8(..8) {
            0 => self.user(),
            1 if !parts.is_empty() => parts[self.rng.usize(..parts.len())].user,
            _ if !such.is_empty() => such[self.rng.usize(..such.len())],
            _ => self.user(),
        }
    }

    fn step(&mut self) {
        match self.rng.u8(..100) {
            0..7 => {
                let (name, on) = (self.user(), self.some_device());
                self.device(name, on, true);
            }
            7..13 => {
                let (name, on) = (self.user(), self.some_device());
                self.device(name, on, false);
            }
            13..16 => {
                let name = CHANNELS[self.rng.usize(..2)];
                self.channel(name);
            }
            16..28 => self.initiate(),
            28..42 => self.accept_or_join(false),
            42..49 => self.accept_or_join(true),
            49..71 => self.media(),
            71..73 => self.declare(),
            73 => self.quality(),
            74..77 => self.hold(),
            77..80 => self.transfer(),
            80..82 => self.moderate(),
            82 => self.set_media(),
            83 => self.ways(),
            84..87 => self.invite(),
            87..89 => self.recording(),
            89..99 => self.part_with(),
            _ => self.crash(),
        }
    }

    fn run(&mut self, command: Command, act: impl FnOnce(&mut Reference) -> Outcome) {
        let what = format!("{command:?}");
        let noted = command.clone();
        let answer = self.board.handle_command(Timestamp(self.clock), command);
        if answer.is_ok() {
            self.watch.note(&noted);
        }
        self.model.advance(self.clock);
        let expected = act(&mut self.model);
        self.model.step_is_over();
        let got = match &answer {
            Ok(Answer::Done) => Ok("done"),
            Ok(Answer::Call(call)) => {
                assert_eq!(full_call(call), self.model.text(call.id), "{what}");
                Ok("call")
            }
            Ok(Answer::Joined { call, participant }) => {
                assert_eq!(full_call(call), self.model.text(call.id), "{what}");
                assert_eq!(call.participant(&participant.user), Some(&**participant), "{what}");
                Ok("joined")
            }
            Err(error) => Err(error.code().as_str()),
        };
        assert_eq!(got, expected, "{what}: {answer:?}");
        self.compare(&what);
    }

    /// What was said, what is waited for, and everything that can be asked.
    fn compare(&mut self, what: &str) {
        let (said, next) = self.watch.drain(&mut self.board, Timestamp(self.model.now));
        let expected = std::mem::take(&mut self.model.out);
        let said: Vec<String> = said.iter().map(full_line).collect();
        if said != expected {
            let differs =
                said.iter().zip(&expected).position(|(a, b)| a != b).unwrap_or(said.len().min(expected.len()));
            panic!(
                "after {what}, line {differs}:\n said     {:?}\n expected {:?}\n all said {said:#?}\n all expected {expected:#?}",
                said.get(differs),
                expected.get(differs)
            );
        }
        said.iter().for_each(|line| *self.seen.entry(kind(line)).or_default() += 1);
        assert_eq!(next.map(|next| next.0), self.model.next(), "the next moment after {what}");
        self.next = next;
        for name in USERS {
            let presence = match self.board.presence(&user(name)) {
                call::PresenceState::Offline => "offline",
                call::PresenceState::Online => "online",
                call::PresenceState::InCall => "in_call",
            };
            assert_eq!(presence, self.model.presence(name), "{name} after {what}");
            let active: Vec<CallId> = self.board.active_calls(&user(name)).iter().map(|call| call.id).collect();
            assert_eq!(active, self.model.active(name), "calls of {name} after {what}");
        }
        for id in self.ids.iter().rev().take(4) {
            let known = self.board.call(*id).map(|call| full_call(&call));
            let named = self.model.name(*id);
            let expected = self.model.calls.contains_key(&named).then(|| self.model.text(named));
            assert_eq!(known, expected, "the call after {what}");
            for name in USERS {
                let may = self.board.may_enter(*id, &user(name));
                assert_eq!(may, self.model.may_enter(*id, name), "{name} at the door after {what}");
            }
        }
    }

    fn device(&mut self, name: Name, on: Name, up: bool) {
        let (user, device) = (user(name), device(on));
        if up {
            self.run(Command::DeviceConnected { user, device }, |model| model.device_connected(name, on));
        } else {
            self.run(Command::DeviceDisconnected { user, device }, |model| model.device_disconnected(name, on));
        }
    }

    fn channel(&mut self, name: Name) {
        if self.rng.u8(..10) == 0 {
            self.run(Command::ChannelDeleted { id: channel(name) }, |model| model.channel_deleted(name));
            return;
        }
        let mut members: Vec<Name> = USERS.into_iter().filter(|_| self.rng.u8(..3) > 0).collect();
        self.rng.shuffle(&mut members);
        let command =
            Command::ChannelUpserted { id: channel(name), members: members.iter().map(|name| user(name)).collect() };
        self.run(command, |model| model.channel_upserted(name, members));
    }

    fn initiate(&mut self) {
        let request = self.request();
        let target = match (&request.users, request.channel) {
            (Some((users, one_to_one)), context) => Target::Users {
                users: users.iter().map(|name| user(name)).collect(),
                channel: context.map(channel),
                one_to_one: *one_to_one,
            },
            (None, name) => Target::Channel(channel(name.unwrap())),
        };
        let command = Command::Initiate(InitiateCall {
            id: request.id,
            caller: user(request.caller),
            device: device(request.device),
            target,
            media: request.media.parse().unwrap(),
            ring_timeout: request.ring.map(|millis| std::time::Duration::from_millis(millis as u64)),
            metadata: serde_json::from_str(request.metadata).unwrap(),
        });
        match request.id {
            Some(id) => {
                if !self.ids.contains(&id) {
                    self.ids.push(id);
                }
                self.run(command, |model| model.initiate(request, id));
            }
            None => self.initiate_nameless(command, request),
        }
    }

    /// The server makes the id: the model is told which.
    fn initiate_nameless(&mut self, command: Command, request: Request) {
        let answer = self.board.handle_command(Timestamp(self.clock), command);
        let id = match &answer {
            Ok(Answer::Call(call)) => call.id,
            Ok(other) => panic!("{other:?}"),
            Err(_) => call_id(999_998),
        };
        self.model.advance(self.clock);
        // It met a call that was there: the server's own id, which is later than all, is never heard of.
        let id = if self.model.calls.contains_key(&id) {
            "ffffffff-ffff-4fff-8fff-ffffffffffff".parse().unwrap()
        } else {
            id
        };
        let expected = self.model.initiate(request, id);
        self.model.step_is_over();
        assert_eq!(answer.as_ref().map(|_| "call").map_err(|error| error.code().as_str()), expected, "{answer:?}");
        if answer.is_ok() && self.model.calls.contains_key(&id) {
            self.ids.push(id);
        }
        self.compare("a call without an id");
    }

    fn request(&mut self) -> Request {
        let id = match self.rng.u8(..20) {
            0 => None,
            1..4 if !self.ids.is_empty() => Some(self.ids[self.rng.usize(..self.ids.len())]),
            _ => {
                self.made += 1;
                // Ids are no clock: a later call may have a lower one.
                Some(call_id(self.made * 7_919 % 1_000))
            }
        };
        // Often the same body once more.
        let known = id.and_then(|id| self.model.calls.get(&id)).cloned();
        if let Some(call) = known.filter(|_| self.rng.bool()) {
            let called: Vec<Name> = call.parts.iter().skip(1).map(|part| part.user).collect();
            let users = (!call.in_channel).then_some((called, call.one_to_one));
            let channel = call.channel;
            return Request {
                id,
                caller: call.caller,
                device: "d1",
                channel,
                users,
                media: call.media,
                ring: None,
                metadata: call.metadata,
            };
        }
        let by_channel = self.rng.u8(..3) == 0;
        let channel = (by_channel || self.rng.u8(..4) == 0).then(|| CHANNELS[self.rng.usize(..2)]);
        let one_to_one = self.rng.u8(..3) > 0;
        let count = if one_to_one { 1 } else { self.rng.usize(1..5) };
        let users = (!by_channel).then(|| ((0..count).map(|_| self.user()).collect(), one_to_one));
        Request {
            id,
            caller: self.user(),
            device: self.some_device(),
            channel,
            users,
            media: CallMedia::ALL[[0, 0, 1, 1, 2][self.rng.usize(..5)]].as_str(),
            ring: [None, None, Some(10_000), Some(120_000), Some(1)][self.rng.usize(..5)],
            metadata: ["null", "{\"k\":1}"][self.rng.usize(..2)],
        }
    }

    fn accept_or_join(&mut self, join: bool) {
        let call = self.call();
        let such = |part: &Part| if join { !part.pending() } else { part.pending() };
        let (name, on) = (self.someone(call, such), self.some_device());
        let (user, device) = (user(name), device(on));
        if join {
            self.run(Command::Join { call, user, device }, |model| model.join(call, name, on));
        } else {
            self.run(Command::Accept { call, user, device }, |model| model.accept(call, name, on));
        }
    }

    fn media(&mut self) {
        let call = self.call();
        let pick = self.rng.u8(..10);
        let such =
            |part: &Part| if pick < 7 { part.joined_now() && part.status != "connected" } else { part.joined_now() };
        let (name, on) = (self.someone(call, such), self.some_device());
        // Where one is in the call, mostly from there.
        let known = self.model.calls.get(&call).and_then(|call| call.part(name)).and_then(|part| part.device);
        let on = known.filter(|_| self.rng.u8(..6) > 0).unwrap_or(on);
        let (who, device) = (user(name), device(on));
        match pick {
            0..5 => {
                let is_dependent = self.rng.u8(..16) == 0;
                self.run(Command::MediaJoined { call, user: who, device, is_dependent }, |model| {
                    model.media_joined(call, name, on, is_dependent)
                });
                if self.rng.u8(..3) > 0 {
                    self.run(Command::MediaConnected { call, user: user(name) }, |model| {
                        model.media_connected(call, name)
                    });
                }
            }
            5..7 => self.run(Command::MediaConnected { call, user: who }, |model| model.media_connected(call, name)),
            pick => {
                let clean = pick == 9;
                self.run(Command::MediaLeft { call, user: who, clean }, |model| model.media_left(call, name, clean));
            }
        }
    }

    fn declare(&mut self) {
        let (name, on) = (self.user(), self.some_device());
        // Only of connected devices: what others say is forgotten in no time that the outside could name.
        if !self.model.devices.contains_key(&(name, on)) {
            return;
        }
        let can = [None, None, Some((true, true)), Some((true, true)), Some((true, false)), Some((false, true))];
        let can = can[self.rng.usize(..can.len())];
        let call_waiting = self.rng.bool();
        let media = can.map(|(p2p, sfu)| Ability { p2p, sfu });
        let command = Command::DeviceDeclared { user: user(name), device: device(on), media, call_waiting };
        self.run(command, |model| model.declared(name, on, can, call_waiting));
    }

    /// The ID of the call's latest recording; at times of one that never was.
    fn recording_id(&mut self, id: CallId) -> (RecordingId, bool) {
        let known = self.board.call(id).and_then(|call| call.recording).map(|recording| recording.id);
        match known.filter(|_| self.rng.u8(..10) > 0) {
            Some(id) => (id, true),
            None => ("00000000-0000-7000-8000-000000000001".parse().unwrap(), false),
        }
    }

    /// Several steps in a row: what comes of a recording takes more than one.
    fn recording(&mut self) {
        let running = self.model.calls.values().filter(|call| call.running()).map(|call| call.id);
        let running: Vec<CallId> = running.collect();
        let call = if running.is_empty() { self.call() } else { running[self.rng.usize(..running.len())] };
        for _ in 0..self.rng.usize(3..12) {
            self.recording_step(call);
            if self.rng.u8(..3) == 0 {
                self.pass();
            }
        }
    }

    fn recording_step(&mut self, call: CallId) {
        let admin = self.rng.u8(..8) == 0;
        let name = if admin { self.user() } else { self.someone(call, Part::joined_now) };
        let by = user(name);
        match self.rng.u8(..20) {
            0..6 => {
                let audio = self.rng.bool();
                let options = RecordingOptions { audio_only: audio, ..RecordingOptions::default() };
                self.run(Command::StartRecording { call, by, admin, options }, |model| {
                    model.start_recording(call, name, admin, audio)
                });
            }
            6..10 => {
                let (recording, same) = self.recording_id(call);
                self.run(Command::RecordingBegan { call, recording }, |model| model.recording_began(call, same));
            }
            10..13 => {
                // Mostly what changes something.
                let recording = self.board.call(call).and_then(|call| call.recording);
                let paused = recording.is_some_and(|recording| recording.status == RecordingStatus::Paused);
                let on = if self.rng.u8(..5) == 0 { paused } else { !paused };
                self.run(Command::PauseRecording { call, by, admin, on }, |model| {
                    model.pause_recording(call, name, admin, on)
                });
            }
            13..17 => {
                let given = self.rng.u8(..3) > 0;
                self.run(Command::RecordingConsent { call, user: by, given }, |model| model.consent(call, name, given));
            }
            17 => self.run(Command::StopRecording { call, by, admin }, |model| model.stop_recording(call, name, admin)),
            18 => {
                let (recording, same) = self.recording_id(call);
                self.run(Command::RecordingEnded { call, recording }, |model| model.recording_ended(call, same));
            }
            _ => {
                let (recording, same) = self.recording_id(call);
                let code = "disk_full".to_owned();
                self.run(Command::RecordingFailed { call, recording, code }, |model| {
                    model.recording_failed(call, same, "disk_full")
                });
            }
        }
    }

    fn hold(&mut self) {
        let call = self.call();
        let name = self.someone(call, Part::joined_now);
        let on = self.rng.u8(..3) > 0;
        self.run(Command::Hold { call, user: user(name), on }, |model| model.hold(call, name, on));
    }

    fn transfer(&mut self) {
        let call = self.call();
        let passing = self.model.calls.get(&call).and_then(|call| call.passes.clone());
        let Some(passing) = passing.filter(|_| self.rng.u8(..4) > 0) else {
            let by = self.someone(call, Part::joined_now);
            let to = self.user();
            let mode = [TransferMode::Blind, TransferMode::Attended][self.rng.usize(..2)];
            let command = Command::Transfer { call, user: user(by), target: user(to), mode };
            self.run(command, |model| model.transfer(call, by, to, mode.as_str()));
            return;
        };
        let by = if self.rng.u8(..6) == 0 { self.user() } else { passing.by };
        if self.rng.bool() {
            self.run(Command::CompleteTransfer { call, user: user(by) }, |model| model.complete(call, by));
        } else {
            self.run(Command::CancelTransfer { call, user: user(by) }, |model| model.cancel_transfer(call, by));
        }
    }

    fn moderate(&mut self) {
        let call = self.call();
        let caller = self.model.calls.get(&call).map(|call| call.caller);
        let by = caller.filter(|_| self.rng.u8(..3) > 0).unwrap_or_else(|| self.someone(call, Part::joined_now));
        let whom = self.someone(call, Part::engaged);
        let named = (self.rng.u8(..3) > 0).then_some(whom);
        // Administrators need not be in the call.
        let admin = self.rng.u8(..5) == 0;
        let by = if admin { self.user() } else { by };
        let (host, users) = (user(by), named.map(user));
        match self.rng.u8(..5) {
            0 => {
                let command = Command::Remove { call, by: host, admin, user: user(whom) };
                self.run(command, |model| model.remove(call, by, admin, whom));
            }
            1..4 => {
                let hard = self.rng.bool();
                let command = Command::Mute { call, by: host, admin, user: users, hard };
                self.run(command, |model| model.mute(call, by, admin, named, hard));
            }
            _ => {
                let command = Command::LiftMute { call, by: host, admin, user: users };
                self.run(command, |model| model.lift(call, by, admin, named));
            }
        }
    }

    fn quality(&mut self) {
        let call = self.call();
        let name = self.someone(call, Part::joined_now);
        let by_server = self.rng.u8(..3) == 0;
        let poor = self.rng.bool();
        for _ in 0..self.rng.usize(1..4) {
            let bands = [Some("excellent"), Some("good"), Some("fair"), Some("poor"), None];
            let pick = |rng: &mut Rng| if poor { Some("poor") } else { bands[rng.usize(..bands.len())] };
            let bands: Vec<Option<Name>> = (0..self.rng.usize(1..4)).map(|_| pick(&mut self.rng)).collect();
            let reports = bands.iter().map(|band| report(*band)).collect();
            let command = Command::Quality { call, user: user(name), reports, by_server };
            self.run(command, |model| model.quality(call, name, &bands, by_server));
            let later = self.clock + self.rng.i64(0..12_000);
            self.until(later, false);
        }
    }

    fn ways(&mut self) {
        let call = self.call();
        let name = self.someone(call, Part::joined_now);
        if self.rng.bool() {
            self.run(Command::MediaFailed { call, user: user(name) }, |model| model.media_failed(call, name));
        } else {
            self.run(Command::PeerSignalled { call, user: user(name) }, |model| model.peer_signalled(call, name));
        }
    }

    fn set_media(&mut self) {
        let call = self.call();
        let name = self.someone(call, Part::joined_now);
        let maybe = |rng: &mut Rng| [None, Some(true), Some(false)][rng.usize(..3)];
        let (is_muted, is_screen_sharing) = (maybe(&mut self.rng), maybe(&mut self.rng));
        let video_quality = [None, Some(VideoQuality::P180), Some(VideoQuality::P1080)][self.rng.usize(..3)];
        let user = user(name);
        let command =
            Command::SetMediaState { call, user, is_muted, is_video_enabled: None, is_screen_sharing, video_quality };
        let quality = video_quality.map(VideoQuality::as_str);
        self.run(command, |model| model.set_media(call, name, is_muted, is_screen_sharing, quality));
    }

    fn invite(&mut self) {
        let call = self.call();
        let name = self.someone(call, Part::joined_now);
        let names: Vec<Name> = (0..self.rng.usize(1..4)).map(|_| self.user()).collect();
        let users = names.iter().map(|name| user(name)).collect();
        self.run(Command::Invite { call, user: user(name), users }, |model| model.invite(call, name, names));
    }

    fn part_with(&mut self) {
        let call = self.call();
        let pick = self.rng.u8(..10);
        let such = |part: &Part| if pick < 3 { part.pending() } else { part.engaged() };
        let name = self.someone(call, such);
        let user = user(name);
        match pick {
            0..3 => {
                let busy = self.rng.bool();
                self.run(Command::Decline { call, user, busy }, |model| model.decline(call, name, busy));
            }
            3..5 => self.run(Command::Cancel { call, user }, |model| model.cancel(call, name)),
            5..8 => self.run(Command::Leave { call, user }, |model| model.leave(call, name)),
            pick => {
                let note = (pick == 9).then_some("enough");
                let reason = note.map(str::to_owned);
                self.run(Command::End { call, user, reason }, |model| model.end(call, name, note));
            }
        }
    }

    /// The process dies and starts again with what the store has.
    fn crash(&mut self) {
        let seen = self.model.now;
        self.clock = self.clock.max(seen) + self.rng.i64(0..60_000);
        let running = self.model.calls.values().filter(|call| call.into.is_none());
        let stored: Vec<_> = running.filter_map(|call| self.board.call(call.id)).collect();
        self.board = Switchboard::new(self.config.clone(), self.rng.u64(..));
        self.watch.restart();
        let kept = self.model.crash();
        self.model.now = self.clock;
        let mut kept = kept.into_iter();
        for call in stored.into_iter().filter(|call| !call.status.is_over()) {
            self.board.restore(Timestamp(self.clock), call, Timestamp(seen)).unwrap();
            self.model.advance(self.clock);
            self.model.restore(kept.next().unwrap(), seen);
            self.model.step_is_over();
            self.model.advance(self.clock);
            self.compare("a restart");
        }
        self.compare("a restart");
        for name in self.model.channels.keys().copied().collect::<Vec<_>>() {
            let members = self.model.channels[name].clone();
            let command = Command::ChannelUpserted {
                id: channel(name),
                members: members.iter().map(|name| user(name)).collect(),
            };
            self.run(command, |model| model.channel_upserted(name, members));
        }
    }
}

/// A report whose worst number is in this band.
fn report(band: Option<Name>) -> QualityReport {
    let of = |values: [f64; 4]| {
        let at = ["excellent", "good", "fair", "poor"].iter().position(|word| Some(*word) == band);
        at.map(|at| values[at])
    };
    QualityReport {
        packet_loss: of([0.9, 1.0, 3.0, 8.0]),
        jitter_ms: band.map(|_| 1.0),
        round_trip_ms: of([0.0, 299.0, 499.0, 500.0]),
    }
}

fn run(seed: u64) -> Seen {
    let mut run = Run::new(seed);
    run.go();
    run.seen
}

#[test]
fn ten_thousand_random_runs_go_as_the_rules_say() {
    #[expect(clippy::disallowed_methods, reason = "the test reads it, not the core")]
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("STOA_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("STOA_SEEDS").unwrap_or(10_000),
    };
    let mut seen = Seen::new();
    for seed in seeds.clone() {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(said) => said.into_iter().for_each(|(kind, count)| *seen.entry(kind).or_default() += count),
            Err(panic) => {
                eprintln!("failed with seed {seed}: run it alone with STOA_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{} seeds, {} outputs: {seen:#?}", seeds.end - seeds.start, seen.values().sum::<u64>());
    if seeds.end - seeds.start >= 1_000 {
        coverage::check(&seen);
    }
}

#[test]
fn the_same_seed_and_commands_give_the_same_outputs() {
    let once = || {
        let mut run = Run::new(42);
        run.model.config.group_calls = run.config.group_calls;
        let mut all = Vec::new();
        for number in 0..50 {
            let request = run.request();
            let users = vec![user(request.caller), user(USERS[number % 6])];
            let target = Target::Users { users, channel: None, one_to_one: false };
            let initiate = InitiateCall {
                id: None,
                caller: user(request.caller),
                device: device(request.device),
                target,
                media: CallMedia::Voice,
                ring_timeout: None,
                metadata: serde_json::Value::Null,
            };
            let _ = run.board.handle_command(Timestamp(START + number as i64 * 7_000), Command::Initiate(initiate));
            let (said, _) = run.watch.drain(&mut run.board, Timestamp(START + number as i64 * 7_000));
            all.extend(said);
        }
        all
    };
    let (first, second) = (once(), once());
    assert!(first.len() > 100);
    assert_eq!(first, second);
}
