//! One call: its state machine. `apply` is the only place where a call's state changes.
//!
//! Which changes are allowed, and what follows from them, is decided elsewhere (`acts`, `rules`). Who hears of
//! them is up to `deliver`.

use std::time::Duration;

use model::{CallId, CallKind, CallMedia, CallStatus, ChannelId, EndReason, Timestamp, Topology, TransferMode, UserId};

use crate::change::{Change, Ending, Newcomer};
use crate::part::{Connection, Gone, Part, PartState, Stay};
use crate::recording::{self, Recordings};
use crate::request::Origin;
use crate::snapshot::{CallSnapshot, Transfer};

/// A call and everyone who has or had a part in it.
#[derive(Debug)]
pub(crate) struct Call {
    pub id: CallId,
    pub kind: CallKind,
    pub media: CallMedia,
    pub topology: Topology,
    pub initiator: UserId,
    pub channel: Option<ChannelId>,
    pub in_channel: bool,
    pub created_at: Timestamp,
    /// How long it rings for each who is called.
    pub ring_for: Duration,
    pub max_participants: usize,
    pub metadata: serde_json::Value,
    /// The request it came from; `None` after a restart.
    pub origin: Option<Origin>,
    pub windows: Windows,
    pub phase: Phase,
    /// Under way.
    pub transfer: Option<Transfer>,
    pub recordings: Recordings,
    /// In the order they were added, the caller first.
    pub parts: Vec<Part>,
}

/// The times after which something is given up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    pub reconnect: Duration,
    pub empty: Duration,
}

/// The status of a call.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    /// Nobody has taken it. `caller_lost`: since when none of the caller's devices is connected, had there been one.
    Waiting { told: bool, caller_lost: Option<Timestamp> },
    /// Somebody took it.
    Running(Running),
    /// It has ended.
    Over(Over),
}

/// A call that somebody took.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub started_at: Timestamp,
    pub connected_at: Option<Timestamp>,
    /// Since when nobody has media.
    pub empty_since: Option<Timestamp>,
    pub recovery: Option<Recovery>,
}

/// After a restart, until the first participant is back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recovery {
    /// The last moment the call is known to have run.
    pub seen: Timestamp,
    /// When it is given up.
    pub until: Timestamp,
}

/// A call that is over.
#[derive(Debug, Clone)]
pub(crate) struct Over {
    pub ending: Ending,
    pub started_at: Option<Timestamp>,
    pub connected_at: Option<Timestamp>,
    /// When even its id is forgotten.
    pub forget_at: Timestamp,
}

/// How long a finished call is kept, so that a repeated request finds it.
pub(crate) const KEPT_FOR: Duration = Duration::from_secs(600);

impl Call {
    /// Its status, as one word.
    pub fn status(&self) -> CallStatus {
        match &self.phase {
            Phase::Waiting { told: false, .. } => CallStatus::Initiating,
            Phase::Waiting { told: true, .. } => CallStatus::Ringing,
            Phase::Running(Running { connected_at: None, .. }) => CallStatus::Connecting,
            Phase::Running(Running { connected_at: Some(_), .. }) => CallStatus::Connected,
            Phase::Over(over) => over.ending.status,
        }
    }

    /// Whether nobody has taken it yet.
    pub fn is_waiting(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. })
    }

    /// Whether somebody took it and it is not over.
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running(_))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over(_))
    }

    /// The part of one user.
    pub fn part(&self, user: &UserId) -> Option<&Part> {
        self.parts.iter().find(|part| &part.user == user)
    }

    fn part_mut(&mut self, user: &UserId) -> &mut Part {
        self.parts.iter_mut().find(|part| &part.user == user).expect("a change names only who has a part")
    }

    /// Those who are being rung or about to be.
    pub fn pending(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.is_pending())
    }

    /// How many are in the call, lost ones included.
    pub fn joined(&self) -> usize {
        self.parts.iter().filter(|part| part.is_joined()).count()
    }

    /// When the ringing of one part ends.
    pub fn ring_until(&self, part: &Part) -> Timestamp {
        part.invited_at + self.ring_for
    }

    /// Makes one change. The one door for the state of a call.
    pub fn apply(&mut self, now: Timestamp, change: &Change) {
        match change {
            Change::Initiated { .. } | Change::Restored => {}
            Change::Rang { users, .. } => self.apply_rang(users),
            Change::Accepted { user, device, ability } => {
                let connection = self.first_connection(now);
                self.part_mut(user).join(now, device.clone(), connection, *ability);
                self.start(now);
                self.recovered();
            }
            Change::Joined { user, device, ability, id } => {
                if self.part(user).is_none() {
                    self.parts.push(Part::invited(*id, user.clone(), now, self.media));
                }
                let connection = self.first_connection(now);
                self.part_mut(user).join(now, device.clone(), connection, *ability);
                self.start(now);
                self.recovered();
            }
            Change::Returned { user, device } => {
                let connection = self.first_connection(now);
                self.set_connection(user, connection);
                self.stay_on(user, device);
            }
            Change::EnteredRoom { user, device, is_dependent } => {
                let connection = self.part(user).and_then(Part::stay).map(|stay| stay.connection);
                // A second session of one who has media does not take the media away.
                if connection != Some(Connection::Up) {
                    self.set_connection(user, Connection::InRoom);
                }
                self.stay_on(user, device).is_dependent = *is_dependent;
            }
            Change::MediaUp { user } => self.set_connection(user, Connection::Up),
            Change::Connected => self.apply_connected(now),
            Change::Lost { user, until } => self.set_connection(user, Connection::Lost { since: now, until: *until }),
            Change::Left { user, reason, .. } => self.part_mut(user).leave(now, Gone::Left(*reason)),
            Change::Declined { user, busy } => {
                let how = if *busy { Gone::Busy } else { Gone::Declined };
                self.part_mut(user).leave(now, how);
            }
            Change::Missed { users } => users.iter().for_each(|user| self.miss(now, user)),
            Change::Invited { newcomers, .. } => self.apply_invited(now, newcomers),
            Change::Media { user, state } => self.part_mut(user).media = *state,
            Change::Held { user, on, .. } => self.part_mut(user).is_on_hold = *on,
            Change::Muted { users, hard, .. } => {
                for user in users {
                    let part = self.part_mut(user);
                    part.media.is_muted = true;
                    part.is_hard_muted |= *hard;
                }
            }
            Change::MuteLifted { users, .. } => {
                users.iter().for_each(|user| self.part_mut(user).is_hard_muted = false);
            }
            Change::Removed { user, .. } => self.part_mut(user).leave(now, Gone::Left(EndReason::Removed)),
            Change::TransferStarted { by, target, mode, held } => {
                let kind = self.kind;
                self.apply_invited(now, std::slice::from_ref(target));
                self.kind = kind;
                held.iter().for_each(|user| self.part_mut(user).is_on_hold = true);
                let (by, target, held) = (by.clone(), target.user.clone(), held.clone());
                self.transfer = Some(Transfer { by, target, mode: *mode, held });
            }
            Change::TransferReleased { .. } => self.apply_released(),
            Change::Transferred => drop(self.end_transfer()),
            Change::TransferFailed { .. } => {
                let target = self.end_transfer();
                if let Some(target) = target.filter(|target| self.part(target).is_some_and(Part::is_pending)) {
                    self.part_mut(&target).leave(now, Gone::Left(EndReason::Cancelled));
                }
            }
            Change::Topology { topology, .. } => self.apply_topology(now, *topology),
            Change::QualityAlert { .. } => {}
            Change::Recording(change) => recording::apply(self, now, change),
            Change::Ended(ending) => self.apply_ended(now, ending),
        }
        self.note_empty(now);
    }

    fn apply_rang(&mut self, users: &[UserId]) {
        for user in users {
            self.part_mut(user).state = PartState::Ringing;
        }
        if let Phase::Waiting { told, .. } = &mut self.phase {
            *told = true;
        }
    }

    fn apply_connected(&mut self, now: Timestamp) {
        if let Phase::Running(running) = &mut self.phase {
            running.connected_at = Some(now);
        }
    }

    fn apply_invited(&mut self, now: Timestamp, newcomers: &[Newcomer]) {
        self.kind = CallKind::Group;
        for newcomer in newcomers {
            if self.part(&newcomer.user).is_none() {
                self.parts.push(Part::invited(newcomer.id, newcomer.user.clone(), now, self.media));
            }
            let part = self.part_mut(&newcomer.user);
            part.invited_at = now;
            part.state = PartState::Invited;
            if newcomer.busy {
                part.leave(now, Gone::Busy);
            }
        }
    }

    /// The transfer is over: who was held for it is resumed. Gives its target.
    fn end_transfer(&mut self) -> Option<UserId> {
        let transfer = self.transfer.take()?;
        self.resume(&transfer.held);
        Some(transfer.target)
    }

    fn apply_released(&mut self) {
        if let Some(transfer) = &mut self.transfer {
            transfer.mode = TransferMode::Blind;
            let held = std::mem::take(&mut transfer.held);
            self.resume(&held);
        }
    }

    fn resume(&mut self, users: &[UserId]) {
        for part in self.parts.iter_mut().filter(|part| users.contains(&part.user)) {
            part.is_on_hold = false;
        }
    }

    /// Between peers a stay alone counts as connected; in a room everyone has to show up.
    fn apply_topology(&mut self, now: Timestamp, topology: Topology) {
        self.topology = topology;
        if !self.is_running() {
            return;
        }
        let peers = self.is_between_peers();
        for stay in self.parts.iter_mut().filter_map(Part::stay_mut) {
            stay.connection = match stay.connection {
                Connection::Absent { .. } | Connection::InRoom | Connection::Up if peers => Connection::Up,
                Connection::Up => Connection::Absent { since: now },
                other @ (Connection::Absent { .. } | Connection::InRoom | Connection::Lost { .. }) => other,
            };
        }
    }

    /// Whether the media goes from device to device.
    pub fn is_between_peers(&self) -> bool {
        match self.topology {
            Topology::P2p | Topology::Mesh => true,
            Topology::Sfu => false,
        }
    }

    /// What is known of the media of one who enters.
    fn first_connection(&self, now: Timestamp) -> Connection {
        if self.is_between_peers() { Connection::Up } else { Connection::Absent { since: now } }
    }

    /// Who hands the call over and is released as soon as the target has it.
    pub fn blind_transferrer(&self) -> Option<&UserId> {
        let transfer = self.transfer.as_ref().filter(|transfer| transfer.mode == TransferMode::Blind);
        transfer.map(|transfer| &transfer.by)
    }

    /// How many are in the call and stay in it when `user` comes: who hands it to them goes.
    pub fn joined_beside(&self, user: &UserId) -> impl Iterator<Item = &Part> {
        let target = self.transfer.as_ref().is_some_and(|transfer| &transfer.target == user);
        let going = self.blind_transferrer().filter(|_| target).cloned();
        let user = user.clone();
        self.parts
            .iter()
            .filter(move |part| part.is_joined() && part.user != user && Some(&part.user) != going.as_ref())
    }

    fn apply_ended(&mut self, now: Timestamp, ending: &Ending) {
        let (started_at, connected_at) = match &self.phase {
            Phase::Waiting { .. } => (None, None),
            Phase::Running(running) => (Some(running.started_at), running.connected_at),
            Phase::Over(_) => unreachable!("a call ends once"),
        };
        for part in &mut self.parts {
            let reason = match (&part.state, ending.reason) {
                (PartState::Gone { .. }, _) => continue,
                (PartState::Joined(_), reason) => reason,
                (PartState::Ringing, EndReason::NoAnswer | EndReason::Timeout) => EndReason::NoAnswer,
                (PartState::Invited, EndReason::NoAnswer | EndReason::Timeout) => EndReason::Timeout,
                (PartState::Ringing | PartState::Invited, _) => EndReason::Cancelled,
            };
            part.leave(ending.at, Gone::Left(reason));
        }
        self.transfer = None;
        self.phase = Phase::Over(Over { ending: ending.clone(), started_at, connected_at, forget_at: now + KEPT_FOR });
    }

    /// The first accept: the caller is in the call from now on, and has as long as anyone to bring media.
    fn start(&mut self, now: Timestamp) {
        if !self.is_waiting() {
            return;
        }
        let caller_lost = match &self.phase {
            Phase::Waiting { caller_lost, .. } => *caller_lost,
            Phase::Running(_) | Phase::Over(_) => None,
        };
        let (peers, until) = (self.is_between_peers(), now + self.windows.reconnect);
        self.phase = Phase::Running(Running { started_at: now, connected_at: None, empty_since: None, recovery: None });
        for part in self.parts.iter_mut().filter(|part| part.is_joined()) {
            part.joined_at.get_or_insert(now);
            let stay = part.stay_mut().expect("filtered by is_joined");
            stay.from.get_or_insert(now);
            if let Connection::Absent { .. } = stay.connection {
                stay.connection = match caller_lost {
                    Some(since) if peers => Connection::Lost { since, until },
                    None if peers => Connection::Up,
                    Some(_) | None => Connection::Absent { since: now },
                };
            }
        }
    }

    /// What is known of someone's media. A sign of life also ends the wait for a caller whose devices vanished and
    /// the recovery after a restart.
    fn set_connection(&mut self, user: &UserId, connection: Connection) {
        let stay = self.part_mut(user).stay_mut().expect("only who is in the call has a connection");
        stay.connection = connection;
        if !matches!(connection, Connection::Lost { .. }) {
            self.recovered();
        }
    }

    fn recovered(&mut self) {
        match &mut self.phase {
            Phase::Waiting { caller_lost, .. } => *caller_lost = None,
            Phase::Running(running) => running.recovery = None,
            Phase::Over(_) => {}
        }
    }

    fn stay_on(&mut self, user: &UserId, device: &model::DeviceId) -> &mut Stay {
        let stay = self.part_mut(user).stay_mut().expect("only who is in the call has a device in it");
        stay.device = device.clone();
        stay
    }

    fn miss(&mut self, now: Timestamp, user: &UserId) {
        let part = self.part_mut(user);
        let reason = if matches!(part.state, PartState::Ringing) { EndReason::NoAnswer } else { EndReason::Timeout };
        part.leave(now, Gone::Left(reason));
    }

    fn note_empty(&mut self, now: Timestamp) {
        let somebody = self.parts.iter().any(|part| part.is_up() && part.counts());
        if let Phase::Running(running) = &mut self.phase {
            if somebody {
                running.empty_since = None;
            } else {
                running.empty_since.get_or_insert(now);
            }
        }
    }

    /// As others see it.
    pub fn snapshot(&self) -> CallSnapshot {
        let (started_at, connected_at, ending) = match &self.phase {
            Phase::Waiting { .. } => (None, None, None),
            Phase::Running(running) => (Some(running.started_at), running.connected_at, None),
            Phase::Over(over) => (over.started_at, over.connected_at, Some(&over.ending)),
        };
        CallSnapshot {
            id: self.id,
            kind: self.kind,
            media: self.media,
            topology: self.topology,
            status: self.status(),
            initiator: self.initiator.clone(),
            channel: self.channel.clone(),
            in_channel: self.in_channel,
            created_at: self.created_at,
            started_at,
            connected_at,
            ended_at: ending.map(|ending| ending.at),
            end_reason: ending.map(|ending| ending.reason),
            ended_by: ending.and_then(|ending| ending.by.clone()),
            ring_until: self.created_at + self.ring_for,
            max_participants: self.max_participants,
            metadata: self.metadata.clone(),
            merged_into: ending.and_then(|ending| ending.merged_into),
            transfer: self.transfer.clone(),
            recording: self.recordings.latest.clone(),
            is_recorded: self.recordings.any,
            participants: self.parts.iter().map(Part::snapshot).collect(),
        }
    }
}
