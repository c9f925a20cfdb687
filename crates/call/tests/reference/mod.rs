//! The rules of calling once more, as plainly as they can be written: flat records, words for states, every answer found by looking
//! through everything, nothing derived and nothing indexed. It shares no code with the switchboard and says what that must say.

mod acts;
mod glare;
mod passing;
mod recording;
mod rules;
mod text;
mod topology;

use std::collections::{BTreeMap, BTreeSet};

use call::Config;
use model::CallId;

/// Users, devices and channels are named by words of the test.
pub type Name = &'static str;

/// Peer-to-peer, through the server; `None`: it does not say.
pub type Can = Option<(bool, bool)>;

pub struct Reference {
    pub config: Config,
    pub now: i64,
    /// Connections of each device.
    pub devices: BTreeMap<(Name, Name), u32>,
    /// What devices said of themselves: what they can do, and whether a second call may knock.
    pub said: BTreeMap<(Name, Name), (Can, bool)>,
    /// Users whose last device went away, and when they are offline.
    pub linger: BTreeMap<Name, i64>,
    pub told: BTreeMap<Name, &'static str>,
    pub channels: BTreeMap<Name, Vec<Name>>,
    pub calls: BTreeMap<CallId, Call>,
    pub users: Vec<Name>,
    pub out: Vec<String>,
    pub touched: BTreeSet<CallId>,
}

#[derive(Clone)]
pub struct Call {
    pub id: CallId,
    pub one_to_one: bool,
    pub media: &'static str,
    pub status: &'static str,
    pub caller: Name,
    pub channel: Option<Name>,
    pub in_channel: bool,
    pub created: i64,
    pub started: Option<i64>,
    pub connected: Option<i64>,
    pub ended: Option<i64>,
    pub reason: Option<&'static str>,
    pub by: Option<Name>,
    pub ring: i64,
    pub max: usize,
    pub metadata: &'static str,
    pub request: Option<String>,
    pub parts: Vec<Part>,
    pub caller_lost: Option<i64>,
    pub recovery: Option<(i64, i64)>,
    pub empty_since: Option<i64>,
    pub forget: i64,
    pub topology: &'static str,
    pub into: Option<CallId>,
    pub passes: Option<Passing>,
    pub rec: Option<Rec>,
    pub was_recorded: bool,
    pub starts: Vec<i64>,
}

/// The latest recording of a call.
#[derive(Clone)]
pub struct Rec {
    pub status: &'static str,
    pub policy: &'static str,
    pub leave: bool,
    pub by: Option<Name>,
    pub started: i64,
    pub began: Option<i64>,
    pub ended: Option<i64>,
    pub ended_by: Option<Name>,
    pub error: Option<Name>,
    pub audio: bool,
}

/// A transfer.
#[derive(Clone)]
pub struct Passing {
    pub by: Name,
    pub target: Name,
    pub mode: &'static str,
    pub held: Vec<Name>,
}

#[derive(Clone)]
pub struct Part {
    pub user: Name,
    pub status: &'static str,
    pub device: Option<Name>,
    pub invited: i64,
    pub joined: Option<i64>,
    pub left: Option<i64>,
    pub why: Option<&'static str>,
    pub past: i64,
    pub from: Option<i64>,
    pub in_room: bool,
    /// In the call for the others only.
    pub helps: bool,
    pub absent_since: i64,
    pub lost_since: i64,
    pub lost_until: i64,
    pub muted: bool,
    pub video: bool,
    pub screen: bool,
    pub quality: &'static str,
    pub held: bool,
    pub shut: bool,
    /// Whether they agree to be recorded, and when they said so.
    pub yes: Option<(bool, i64)>,
    /// What the device it came with can do.
    pub can: Can,
    /// Since when its line is poor, whether that was told, and when its client last said how it is.
    pub poor: Option<i64>,
    pub alerted: bool,
    pub reported: Option<i64>,
}

/// What a command comes to: whether the answer carries nothing, the call or the asker's part, or the code of the refusal.
pub type Outcome = Result<&'static str, &'static str>;

pub struct Request {
    pub id: Option<CallId>,
    pub caller: Name,
    pub device: Name,
    pub channel: Option<Name>,
    /// Nobody named: the channel's members.
    pub users: Option<(Vec<Name>, bool)>,
    pub media: &'static str,
    pub ring: Option<i64>,
    pub metadata: &'static str,
}

impl Call {
    pub fn over(&self) -> bool {
        self.ended.is_some()
    }

    pub fn waiting(&self) -> bool {
        self.status == "initiating" || self.status == "ringing"
    }

    pub fn running(&self) -> bool {
        self.status == "connecting" || self.status == "connected"
    }

    pub fn part(&self, user: Name) -> Option<&Part> {
        self.parts.iter().find(|part| part.user == user)
    }

    pub fn joined(&self) -> usize {
        self.parts.iter().filter(|part| part.joined_now()).count()
    }

    /// Who is there for the others takes no place.
    pub fn places_taken(&self) -> usize {
        self.parts.iter().filter(|part| part.engaged() && !(part.joined_now() && part.helps)).count()
    }

    /// All who are in it are there for the others.
    pub fn deserted(&self) -> bool {
        !self.parts.iter().any(|part| part.joined_now() && !part.helps)
    }
}

impl Part {
    pub fn new(user: Name, now: i64, media: &str) -> Part {
        Part {
            user,
            status: "invited",
            device: None,
            invited: now,
            joined: None,
            left: None,
            why: None,
            past: 0,
            from: None,
            in_room: false,
            helps: false,
            absent_since: now,
            lost_since: 0,
            lost_until: 0,
            muted: false,
            video: media == "video",
            screen: false,
            quality: "720p",
            held: false,
            shut: false,
            yes: None,
            can: None,
            poor: None,
            alerted: false,
            reported: None,
        }
    }

    pub fn pending(&self) -> bool {
        self.status == "invited" || self.status == "ringing"
    }

    pub fn joined_now(&self) -> bool {
        self.status == "connecting" || self.status == "connected" || self.status == "disconnected"
    }

    pub fn engaged(&self) -> bool {
        self.pending() || self.joined_now()
    }

    pub fn absent(&self) -> bool {
        self.status == "connecting" && !self.in_room
    }

    pub fn enter(&mut self, now: i64, device: Name) {
        self.status = "connecting";
        self.device = Some(device);
        self.joined = self.joined.or(Some(now));
        self.left = None;
        self.why = None;
        self.from = Some(now);
        self.held = false;
        self.still_unknown();
        self.in_room = false;
        self.helps = false;
        self.absent_since = now;
    }

    /// Nobody has said yet how the line is.
    pub fn still_unknown(&mut self) {
        (self.poor, self.alerted, self.reported) = (None, false, None);
    }

    pub fn go(&mut self, at: i64, status: &'static str, why: &'static str) {
        if let (true, Some(from)) = (self.joined_now(), self.from) {
            let until = if self.status == "disconnected" { self.lost_since } else { at };
            self.past += (until - from).max(0);
        }
        self.status = status;
        self.held = false;
        self.left = Some(at);
        self.why = Some(why);
    }
}

impl Reference {
    pub fn new(config: Config, users: &[Name]) -> Self {
        Reference {
            config,
            now: 0,
            devices: BTreeMap::new(),
            said: BTreeMap::new(),
            linger: BTreeMap::new(),
            told: BTreeMap::new(),
            channels: BTreeMap::new(),
            calls: BTreeMap::new(),
            users: users.to_vec(),
            out: Vec::new(),
            touched: BTreeSet::new(),
        }
    }

    pub fn reconnect(&self) -> i64 {
        self.config.reconnect_window.as_millis() as i64
    }

    pub fn connected(&self, user: Name) -> bool {
        self.devices.keys().any(|(owner, _)| *owner == user)
    }

    pub fn member(&self, channel: Name, user: Name) -> bool {
        self.channels.get(channel).is_some_and(|members| members.contains(&user))
    }

    /// The call that an id names.
    pub fn name(&self, id: CallId) -> CallId {
        self.calls.get(&id).and_then(|call| call.into).unwrap_or(id)
    }

    pub fn part(&mut self, id: CallId, user: Name) -> &mut Part {
        self.calls.get_mut(&id).unwrap().parts.iter_mut().find(|part| part.user == user).unwrap()
    }

    // Saying things.

    pub fn log(&mut self, id: CallId, event: &str, by: Option<Name>, payload: &str) {
        self.touched.insert(id);
        let line = format!("log {event} at {} by {} {payload} | {}", self.now, by.unwrap_or("-"), self.text(id));
        self.out.push(line);
    }

    pub fn tell(&mut self, user: Name, what: &str) {
        if self.connected(user) {
            self.out.push(format!("{user} < {what}"));
        }
    }

    pub fn tell_others(&mut self, id: CallId, user: Name, what: &str) {
        for part in self.calls[&id].parts.clone() {
            if part.engaged() && part.user != user {
                self.tell(part.user, what);
            }
        }
    }

    // What is seen from outside.

    pub fn presence(&self, user: Name) -> &'static str {
        let in_call = |call: &Call| !call.over() && call.part(user).is_some_and(Part::joined_now);
        if self.calls.values().any(in_call) {
            "in_call"
        } else if self.connected(user) || self.linger.contains_key(user) {
            "online"
        } else {
            "offline"
        }
    }

    pub fn may_enter(&self, id: CallId, user: Name) -> bool {
        let id = self.name(id);
        self.calls.get(&id).is_some_and(|call| !call.over() && call.part(user).is_some_and(Part::engaged))
    }

    pub fn active(&self, user: Name) -> Vec<CallId> {
        let mine = |call: &&Call| !call.over() && call.part(user).is_some_and(Part::engaged);
        let mut mine: Vec<&Call> = self.calls.values().filter(mine).collect();
        mine.sort_by_key(|call| std::cmp::Reverse((call.created, call.id)));
        mine.iter().map(|call| call.id).collect()
    }
}
