//! A switchboard for scripts: `alice` on device `a1` is written as `"alice/a1"`, time passes by `after`.

use call::{
    Answer, CallSnapshot, Command, CommandError, Config, InitiateCall, Output, RecordingOptions, Switchboard, Target,
};
use model::{CallMedia, Timestamp, UserId};

use super::{Watch, call_id, channel, device, short_line, user};

/// A switchboard, its clock and what it has said since it was last asked.
pub struct Desk {
    pub board: Switchboard,
    pub config: Config,
    pub now: Timestamp,
    pub next: Option<Timestamp>,
    watch: Watch,
    said: Vec<Output>,
}

/// The user and the device of `user/device`; without one the device is the unnamed one.
fn at(who: &str) -> (UserId, model::DeviceId) {
    match who.split_once('/') {
        Some((name, on)) => (user(name), device(on)),
        None => (user(who), model::DeviceId::unnamed()),
    }
}

impl Desk {
    pub fn new() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        let board = Switchboard::new(config.clone(), 7);
        let now = Timestamp(1_700_000_000_000);
        Self { board, config, now, next: None, watch: Watch::default(), said: Vec::new() }
    }

    /// One with these devices connected and nothing said.
    pub fn of(who: &[&str]) -> Self {
        let mut desk = Self::new();
        who.iter().for_each(|who| desk.connect(who));
        desk.said.clear();
        desk
    }

    pub fn run(&mut self, command: Command) -> Result<Answer, CommandError> {
        let noted = command.clone();
        let answer = self.board.handle_command(self.now, command);
        if answer.is_ok() {
            self.watch.note(&noted);
        }
        self.listen();
        answer
    }

    fn listen(&mut self) {
        let (said, next) = self.watch.drain(&mut self.board, self.now);
        self.said.extend(said);
        self.next = next;
    }

    /// Lets time pass, firing timers when they are due.
    pub fn after(&mut self, millis: i64) {
        let end = Timestamp(self.now.0 + millis);
        while let Some(next) = self.next.filter(|next| *next <= end) {
            self.now = next;
            self.board.handle_timeout(self.now);
            self.listen();
        }
        self.now = end;
        self.board.handle_timeout(self.now);
        self.listen();
    }

    pub fn seconds(&mut self, seconds: i64) {
        self.after(seconds * 1_000);
    }

    /// What was said since the last time, presence left out.
    pub fn said(&mut self) -> Vec<String> {
        let lines = self.heard();
        lines.into_iter().filter(|line| !line.contains(" is ")).collect()
    }

    /// What was said since the last time.
    pub fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said).iter().map(short_line).collect()
    }

    /// The outputs themselves.
    pub fn outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.said)
    }

    pub fn connect(&mut self, who: &str) {
        let (user, device) = at(who);
        self.run(Command::DeviceConnected { user, device }).unwrap();
    }

    pub fn disconnect(&mut self, who: &str) {
        let (user, device) = at(who);
        self.run(Command::DeviceDisconnected { user, device }).unwrap();
    }

    pub fn channel(&mut self, id: &str, members: &[&str]) {
        let members = members.iter().map(|name| user(name)).collect();
        self.run(Command::ChannelUpserted { id: channel(id), members }).unwrap();
    }

    pub fn request(&self, number: u64, who: &str, target: Target) -> InitiateCall {
        let (caller, device) = at(who);
        InitiateCall {
            id: Some(call_id(number)),
            caller,
            device,
            target,
            media: CallMedia::Voice,
            ring_timeout: None,
            metadata: serde_json::Value::Null,
        }
    }

    /// One calls another.
    pub fn call(&mut self, number: u64, who: &str, whom: &str) -> Result<CallSnapshot, CommandError> {
        let target = Target::Users { users: vec![user(whom)], channel: None, one_to_one: true };
        self.initiate(self.request(number, who, target))
    }

    /// One calls several.
    pub fn call_all(&mut self, number: u64, who: &str, whom: &[&str]) -> Result<CallSnapshot, CommandError> {
        let users = whom.iter().map(|name| user(name)).collect();
        let target = Target::Users { users, channel: None, one_to_one: false };
        self.initiate(self.request(number, who, target))
    }

    /// One calls the rest of a channel.
    pub fn call_channel(&mut self, number: u64, who: &str, id: &str) -> Result<CallSnapshot, CommandError> {
        self.initiate(self.request(number, who, Target::Channel(channel(id))))
    }

    pub fn initiate(&mut self, request: InitiateCall) -> Result<CallSnapshot, CommandError> {
        match self.run(Command::Initiate(request))? {
            Answer::Call(call) => Ok(*call),
            other => panic!("initiate answers with the call, not {other:?}"),
        }
    }

    pub fn accept(&mut self, number: u64, who: &str) -> Result<(), CommandError> {
        let (user, device) = at(who);
        self.run(Command::Accept { call: call_id(number), user, device }).map(drop)
    }

    pub fn join(&mut self, number: u64, who: &str) -> Result<(), CommandError> {
        let (user, device) = at(who);
        self.run(Command::Join { call: call_id(number), user, device }).map(drop)
    }

    pub fn decline(&mut self, number: u64, who: &str) -> Result<(), CommandError> {
        self.run(Command::Decline { call: call_id(number), user: user(who), busy: false }).map(drop)
    }

    pub fn cancel(&mut self, number: u64, who: &str) -> Result<(), CommandError> {
        self.run(Command::Cancel { call: call_id(number), user: user(who) }).map(drop)
    }

    pub fn leave(&mut self, number: u64, who: &str) -> Result<(), CommandError> {
        self.run(Command::Leave { call: call_id(number), user: user(who) }).map(drop)
    }

    pub fn end(&mut self, number: u64, who: &str) -> Result<(), CommandError> {
        self.run(Command::End { call: call_id(number), user: user(who), reason: None }).map(drop)
    }

    pub fn invite(&mut self, number: u64, who: &str, whom: &[&str]) -> Result<(), CommandError> {
        let users = whom.iter().map(|name| user(name)).collect();
        self.run(Command::Invite { call: call_id(number), user: user(who), users }).map(drop)
    }

    pub fn media_joined(&mut self, number: u64, who: &str) -> Result<(), CommandError> {
        let (user, device) = at(who);
        self.run(Command::MediaJoined { call: call_id(number), user, device, is_dependent: false }).map(drop)
    }

    /// An agent or a recorder enters the room.
    pub fn helper_joined(&mut self, number: u64, who: &str) -> Result<(), CommandError> {
        let (user, device) = at(who);
        self.run(Command::MediaJoined { call: call_id(number), user, device, is_dependent: true }).map(drop)
    }

    pub fn media_connected(&mut self, number: u64, who: &str) -> Result<(), CommandError> {
        self.run(Command::MediaConnected { call: call_id(number), user: user(who) }).map(drop)
    }

    pub fn media_left(&mut self, number: u64, who: &str, clean: bool) -> Result<(), CommandError> {
        self.run(Command::MediaLeft { call: call_id(number), user: user(who), clean }).map(drop)
    }

    /// In the room and with media.
    pub fn media_up(&mut self, number: u64, who: &str) {
        self.media_joined(number, who).unwrap();
        self.media_connected(number, who.split('/').next().unwrap()).unwrap();
    }

    /// One calls another, who accepts, and both have media.
    pub fn talk(&mut self, number: u64, who: &str, whom: &str) {
        let callee = whom.split('/').next().unwrap();
        self.call(number, who, callee).unwrap();
        self.accept(number, whom).unwrap();
        self.media_up(number, who);
        self.media_up(number, whom);
        self.said.clear();
    }

    pub fn record(&mut self, number: u64, who: &str) -> Result<(), CommandError> {
        let options = RecordingOptions::default();
        self.run(Command::StartRecording { call: call_id(number), by: user(who), admin: false, options }).map(drop)
    }

    pub fn stop_recording(&mut self, number: u64, who: &str) -> Result<(), CommandError> {
        self.run(Command::StopRecording { call: call_id(number), by: user(who), admin: false }).map(drop)
    }

    pub fn consent(&mut self, number: u64, who: &str, given: bool) -> Result<(), CommandError> {
        self.run(Command::RecordingConsent { call: call_id(number), user: user(who), given }).map(drop)
    }

    /// The media side says that the call's recording began.
    pub fn recording_began(&mut self, number: u64) {
        let recording = self.snapshot(number).recording.expect("it is recorded").id;
        self.run(Command::RecordingBegan { call: call_id(number), recording }).unwrap();
    }

    pub fn snapshot(&self, number: u64) -> CallSnapshot {
        self.board.call(call_id(number)).expect("the call is known")
    }

    pub fn status(&self, number: u64) -> &'static str {
        self.snapshot(number).status.as_str()
    }

    pub fn part(&self, number: u64, who: &str) -> &'static str {
        self.snapshot(number).participant(&user(who)).expect("has a part").status.as_str()
    }

    /// Status and reason of a call that is over.
    pub fn outcome(&self, number: u64) -> String {
        let call = self.snapshot(number);
        format!("{} {}", call.status, call.end_reason.expect("over"))
    }

    /// The process dies and starts again with the calls that ran, after a time.
    pub fn crash(&mut self, down_for: i64, restore: &[u64]) {
        let seen = self.now;
        let stored: Vec<CallSnapshot> = restore.iter().map(|number| self.snapshot(*number)).collect();
        self.board = Switchboard::new(self.config.clone(), 8);
        self.watch.restart();
        self.now = Timestamp(self.now.0 + down_for);
        for call in stored {
            self.board.restore(self.now, call, seen).unwrap();
            self.listen();
        }
    }
}
