//! The one door: commands and time in, outputs out. Every change of every call goes through `transition`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use model::{CallId, ChannelId, DeviceId, RecordingDecline, RecordingPolicy, Timestamp, UserId};

use crate::call::{Call, KEPT_FOR, Phase};
use crate::change::Change;
use crate::channels::Channels;
use crate::command::{Answer, Command, CommandError};
use crate::deliver;
use crate::devices::{Devices, Disconnected, OFFLINE_AFTER};
use crate::moderate::Host;
use crate::output::{CallEvent, Delivery, Output, Record};
use crate::part::{Part, PartState};
use crate::recording::RecordingChange;
use crate::rules::{self, Deadline};
use crate::snapshot::{CallSnapshot, ChannelSnapshot, PresenceState};
use crate::timers::{Timer, Timers};

/// The most finished calls that are kept, whatever their age.
const MOST_FINISHED: usize = 4_096;

/// The switchboard's settings, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// How long a call rings if the request does not say (5–180 s).
    pub ring_timeout: Duration,
    /// How long a disconnected participant has to come back.
    pub reconnect_window: Duration,
    /// How long a call lasts with nobody connected.
    pub empty_timeout: Duration,
    /// The most participants a call may have.
    pub max_participants: usize,
    /// Voice calls allowed.
    pub voice_calls: bool,
    /// Video calls allowed.
    pub video_calls: bool,
    /// Group calls allowed.
    pub group_calls: bool,
    /// Screen sharing calls allowed.
    pub screen_sharing: bool,
    /// Recording allowed.
    pub call_recording: bool,
    /// Under which rule calls are recorded, where recording is allowed.
    pub recording_policy: RecordingPolicy,
    /// What becomes of those who do not want to be recorded.
    pub recording_decline: RecordingDecline,
    /// A second call may ring on devices that support call waiting; otherwise the caller hears that the user is busy.
    pub call_waiting: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ring_timeout: Duration::from_secs(30),
            reconnect_window: Duration::from_secs(30),
            empty_timeout: Duration::from_secs(300),
            max_participants: 100,
            voice_calls: true,
            video_calls: true,
            group_calls: true,
            screen_sharing: true,
            call_recording: false,
            recording_policy: RecordingPolicy::Ask,
            recording_decline: RecordingDecline::Exclude,
            call_waiting: true,
        }
    }
}

/// Every device, channel and running call of this server.
#[derive(Debug)]
pub struct Switchboard {
    pub(crate) config: Config,
    pub(crate) rng: fastrand::Rng,
    pub(crate) channels: Channels,
    pub(crate) devices: Devices,
    pub(crate) calls: BTreeMap<CallId, Call>,
    /// The calls that ring for a user or that the user is in.
    of_user: BTreeMap<UserId, BTreeSet<CallId>>,
    /// The finished calls, oldest first.
    finished: BTreeSet<(Timestamp, CallId)>,
    timers: Timers,
    /// The latest time passed in: time never goes backwards.
    clock: Timestamp,
    /// The calls that the current input changed.
    touched: BTreeSet<CallId>,
    /// The user whose devices it changed.
    moved: Option<UserId>,
    outputs: VecDeque<Output>,
}

impl Switchboard {
    /// An empty switchboard. `seed` determines the IDs it makes.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            rng: fastrand::Rng::with_seed(seed),
            channels: Channels::default(),
            devices: Devices::default(),
            calls: BTreeMap::new(),
            of_user: BTreeMap::new(),
            finished: BTreeSet::new(),
            timers: Timers::default(),
            clock: Timestamp(i64::MIN),
            touched: BTreeSet::new(),
            moved: None,
            outputs: VecDeque::new(),
        }
    }

    /// Carries out one command, or refuses it and changes nothing. Timers that were due before run first.
    pub fn handle_command(&mut self, now: Timestamp, command: Command) -> Result<Answer, CommandError> {
        let now = self.advance(now);
        let answer = self.dispatch(now, command);
        self.finish_command(now);
        answer
    }

    /// `Command::Restore` for one who knows `seen`, the last moment the call is known to have run: that is when it counts as over if
    /// nobody comes back. Without it, the latest time that the call itself names is taken.
    pub fn restore(&mut self, now: Timestamp, stored: CallSnapshot, seen: Timestamp) -> Result<Answer, CommandError> {
        let now = self.advance(now);
        let answer = self.take_up(now, stored, Some(seen));
        self.finish_command(now);
        answer
    }

    /// Announces presence, and fires timers that are already due: the windows of a restored call may have run out in the meantime.
    fn finish_command(&mut self, now: Timestamp) {
        self.tell_presence(now);
        self.advance(now);
    }

    fn dispatch(&mut self, now: Timestamp, mut command: Command) -> Result<Answer, CommandError> {
        if let Some(id) = command.call_id_mut() {
            *id = self.resolve(*id);
        }
        match command {
            Command::DeviceConnected { user, device } => self.device_connected(now, user, device),
            Command::DeviceDisconnected { user, device } => self.device_disconnected(now, user, device),
            Command::DeviceDeclared { user, device, media, call_waiting } => {
                self.devices.declare(&user, &device, media, call_waiting);
                Ok(Answer::Done)
            }
            Command::ChannelUpserted { id, members } => {
                self.channels.upsert(id, members);
                Ok(Answer::Done)
            }
            Command::ChannelDeleted { id } => {
                self.channels.delete(&id);
                Ok(Answer::Done)
            }
            Command::Initiate(request) => self.initiate(now, request),
            Command::Accept { call, user, device } => self.accept(now, call, user, device),
            Command::Decline { call, user, busy } => self.decline(now, call, user, busy),
            Command::Cancel { call, user } => self.cancel(now, call, user),
            Command::Join { call, user, device } => self.join(now, call, user, device),
            Command::Leave { call, user } => self.leave(now, call, user),
            Command::End { call, user, reason } => self.end(now, call, user, reason),
            Command::Invite { call, user, users } => self.invite(now, call, user, users),
            Command::SetMediaState { call, user, is_muted, is_video_enabled, is_screen_sharing, video_quality } => {
                let asked = crate::acts::MediaWish { is_muted, is_video_enabled, is_screen_sharing, video_quality };
                self.set_media_state(now, call, user, asked)
            }
            Command::Hold { call, user, on } => self.hold(now, call, user, on),
            Command::Transfer { call, user, target, mode } => self.transfer(now, call, user, target, mode),
            Command::CompleteTransfer { call, user } => self.complete_transfer(now, call, user),
            Command::CancelTransfer { call, user } => self.cancel_transfer(now, call, user),
            Command::Remove { call, by, admin, user } => self.remove(now, call, Host { user: by, admin }, user),
            Command::Mute { call, by, admin, user, hard } => self.mute(now, call, Host { user: by, admin }, user, hard),
            Command::LiftMute { call, by, admin, user } => self.lift_mute(now, call, Host { user: by, admin }, user),
            Command::MediaFailed { call, user } => self.media_failed(now, call, user),
            Command::PeerSignalled { call, user } => self.peer_signalled(now, call, user),
            Command::Quality { call, user, reports, by_server } => self.quality(now, call, user, reports, by_server),
            Command::StartRecording { call, by, admin, options } => {
                self.start_recording(now, call, Host { user: by, admin }, options)
            }
            Command::PauseRecording { call, by, admin, on } => {
                self.pause_recording(now, call, Host { user: by, admin }, on)
            }
            Command::StopRecording { call, by, admin } => self.stop_recording(now, call, Host { user: by, admin }),
            Command::RecordingConsent { call, user, given } => self.consent_to_recording(now, call, user, given),
            Command::RecordingBegan { call, recording } => {
                self.recording_seen(now, call, recording, RecordingChange::Began)
            }
            Command::RecordingEnded { call, recording } => {
                self.recording_seen(now, call, recording, RecordingChange::Stopped { by: None, at: now })
            }
            Command::RecordingFailed { call, recording, code } => {
                self.recording_seen(now, call, recording, RecordingChange::Failed { code })
            }
            Command::MediaSeen { call, user, is_muted, is_video_enabled, is_screen_sharing } => {
                let seen = crate::acts::MediaWish {
                    is_muted: Some(is_muted),
                    is_video_enabled: Some(is_video_enabled),
                    is_screen_sharing: Some(is_screen_sharing),
                    video_quality: None,
                };
                self.media_seen(now, call, user, seen)
            }
            Command::MediaJoined { call, user, device, is_dependent } => {
                self.media_joined(now, call, user, device, is_dependent)
            }
            Command::MediaConnected { call, user } => self.media_connected(now, call, user),
            Command::MediaLeft { call, user, clean } => self.media_left(now, call, user, clean),
            Command::Restore(stored) => self.take_up(now, *stored, None),
        }
    }

    /// Fires every timer that is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.advance(now);
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        self.timers.next().map_or(Output::Idle, Output::Timeout)
    }

    /// A running call (a finished one is kept for the idempotency window only).
    pub fn call(&self, id: CallId) -> Option<CallSnapshot> {
        self.calls.get(&self.resolve(id)).map(Call::snapshot)
    }

    /// The number of calls that are ringing or running, and the newest of them.
    pub fn running(&self, most: usize) -> (usize, Vec<CallSnapshot>) {
        let running: Vec<&Call> = self.calls.values().filter(|call| !call.is_over()).collect();
        let count = running.len();
        let mut newest = running;
        newest.sort_by_key(|call| (std::cmp::Reverse(call.created_at), call.id));
        (count, newest.into_iter().take(most).map(Call::snapshot).collect())
    }

    /// Forgets the finished calls of a user who was erased, before their time: they are in the store, under another name.
    pub fn forget_finished(&mut self, user: &UserId) {
        let finished: Vec<CallId> = self
            .calls
            .values()
            .filter(|call| call.is_over() && call.part(user).is_some())
            .map(|call| call.id)
            .collect();
        for id in finished {
            self.finished.retain(|(_, kept)| *kept != id);
            self.calls.remove(&id);
        }
    }

    /// The running calls a user rings for or is in, newest first.
    pub fn active_calls(&self, user: &UserId) -> Vec<CallSnapshot> {
        let mut active: Vec<&Call> = self.calls_of(user).collect();
        active.sort_by_key(|call| std::cmp::Reverse((call.created_at, call.id)));
        active.into_iter().map(Call::snapshot).collect()
    }

    /// Whether this user may enter the call's media room now: accepted, joined, or being rung.
    pub fn may_enter(&self, call: CallId, user: &UserId) -> bool {
        let call = self.calls.get(&self.resolve(call)).filter(|call| !call.is_over());
        call.and_then(|call| call.part(user)).is_some_and(Part::is_engaged)
    }

    /// Presence of a user.
    pub fn presence(&self, user: &UserId) -> PresenceState {
        if self.calls_of(user).any(|call| call.part(user).is_some_and(Part::is_joined)) {
            PresenceState::InCall
        } else if self.devices.is_online(user) {
            PresenceState::Online
        } else {
            PresenceState::Offline
        }
    }

    /// A channel, its members and its running call.
    pub fn channel(&self, id: &ChannelId) -> Option<ChannelSnapshot> {
        self.channels.snapshot(id)
    }

    /// The calls that ring for a user or that the user is in, in the order of their ids.
    pub(crate) fn calls_of(&self, user: &UserId) -> impl Iterator<Item = &Call> {
        self.of_user.get(user).into_iter().flatten().filter_map(|id| self.calls.get(id))
    }

    /// One output that is not a change of a call.
    pub(crate) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Applies a change and everything that follows from it: first for the journal, then for devices, then for the media side.
    pub(crate) fn transition(&mut self, now: Timestamp, id: CallId, change: Change) {
        let mut next = Some(change);
        let mut connected = false;
        while let Some(change) = next {
            if let Some(first) = rules::precedes(self.known(id), &change) {
                self.make(now, id, &first);
            }
            self.make(now, id, &change);
            next = rules::consequence(self.known(id), &change, now);
            connected |= matches!(change, Change::Connected);
            self.index(id);
        }
        if connected && self.known(id).is_running() {
            self.record_by_itself(now, id);
        }
    }

    fn make(&mut self, now: Timestamp, id: CallId, change: &Change) {
        let caller = self.presence(&self.known(id).initiator);
        let call = self.calls.get_mut(&id).expect("the change is of a call that is here");
        let before = deliver::Before::of(call, caller);
        call.apply(now, change);
        tracing::debug!(call = %id, event = change.event(), status = %call.status(), "transition");
        let call = self.calls.get(&id).expect("the call is here until it is forgotten");
        self.outputs.push_back(Output::Record(Box::new(Record {
            at: now,
            event: change.event().to_owned(),
            user: change.actor().cloned(),
            payload: change.payload(),
            call: call.snapshot(),
        })));
        let deliveries = deliver::deliveries(call, change, &before, now);
        let reached = deliveries.into_iter().filter(|delivery| self.devices.reaches(delivery));
        let told: Vec<Output> = reached.map(|delivery| Output::Deliver(self.as_it_knocks(delivery))).collect();
        self.outputs.extend(told);
        self.outputs.extend(deliver::room_acts(call, change, &before).into_iter().map(Output::Room));
    }

    /// Ringing someone who is in another call and has call waiting on is announced as call waiting.
    fn as_it_knocks(&self, delivery: Delivery) -> Delivery {
        match delivery.event {
            CallEvent::Incoming { call, ring_until, caller } => {
                let event = match self.knocked_on(&delivery.user) {
                    Some(active) => CallEvent::Waiting { call, ring_until, caller, active },
                    None => CallEvent::Incoming { call, ring_until, caller },
                };
                Delivery { event, ..delivery }
            }
            event => Delivery { event, ..delivery },
        }
    }

    /// Brings what is derived from a call in line with it: whose it is, its channel's, its timer.
    pub(crate) fn index(&mut self, id: CallId) {
        self.touched.insert(id);
        let call = self.calls.get(&id).expect("the call is here until it is forgotten");
        for part in &call.parts {
            if part.is_engaged() && !call.is_over() {
                self.of_user.entry(part.user.clone()).or_default().insert(id);
            } else if let Some(calls) = self.of_user.get_mut(&part.user) {
                calls.remove(&id);
                if calls.is_empty() {
                    self.of_user.remove(&part.user);
                }
            }
        }
        if let Some(channel) = call.channel.as_ref().filter(|_| call.in_channel) {
            if call.is_over() {
                self.channels.call_ended(channel, id);
            } else {
                self.channels.call_began(channel, id);
            }
        }
        if let Phase::Over(over) = &call.phase {
            self.finished.insert((over.forget_at, id));
        }
        self.arm(id);
    }

    fn arm(&mut self, id: CallId) {
        let deadline = self.calls.get(&id).and_then(rules::next_deadline);
        self.timers.set(Timer::Call(id), deadline.map(|(at, _)| at));
    }

    fn forget_the_oldest(&mut self) {
        while self.finished.len() > MOST_FINISHED {
            if let Some((_, id)) = self.finished.pop_first() {
                self.calls.remove(&id);
                self.arm(id);
            }
        }
    }

    fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.clock = self.clock.max(now);
        let now = self.clock;
        self.forget_the_oldest();
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Call(id) => self.call_is_due(now, id),
                Timer::Offline(user) => {
                    self.devices.give_up(&user);
                    self.moved = Some(user);
                }
            }
            self.tell_presence(now);
        }
        now
    }

    fn call_is_due(&mut self, now: Timestamp, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some((at, deadline)) = rules::next_deadline(call) else { return };
        debug_assert!(at <= now, "every change of a call arms its timer anew");
        if deadline == Deadline::Forget && self.is_needed_as_a_name(id) {
            self.finished.remove(&(at, id));
            if let Some(Phase::Over(over)) = self.calls.get_mut(&id).map(|call| &mut call.phase) {
                over.forget_at = now + KEPT_FOR;
            }
            self.index(id);
        } else if deadline == Deadline::Forget {
            self.finished.remove(&(at, id));
            self.calls.remove(&id);
        } else if let Some(change) = rules::fire(call, deadline, now) {
            self.transition(now, id, change);
        }
    }

    fn device_connected(&mut self, now: Timestamp, user: UserId, device: DeviceId) -> Result<Answer, CommandError> {
        if !self.devices.connect(&user, &device) {
            return Err(CommandError::InvalidState("too many devices"));
        }
        self.moved = Some(user.clone());
        self.timers.set(Timer::Offline(user.clone()), None);
        let calls: Vec<CallId> = self.calls_of(&user).map(|call| call.id).collect();
        for id in calls {
            self.note_caller(id, &user, None);
            let call = self.calls.get(&id).expect("the call is here until it is forgotten");
            match call.part(&user).map(|part| &part.state) {
                Some(PartState::Invited) => {
                    let rang = Change::Rang { users: vec![user.clone()], device: Some(device.clone()) };
                    self.transition(now, id, rang);
                }
                Some(PartState::Ringing) => {
                    let caller = self.presence(&call.initiator);
                    let incoming = Delivery { device: Some(device.clone()), ..deliver::incoming(call, &user, caller) };
                    let incoming = self.as_it_knocks(incoming);
                    self.outputs.push_back(Output::Deliver(incoming));
                }
                Some(PartState::Joined(_) | PartState::Gone { .. }) | None => {}
            }
        }
        self.peer_back(now, &user, &device);
        Ok(Answer::Done)
    }

    fn device_disconnected(&mut self, now: Timestamp, user: UserId, device: DeviceId) -> Result<Answer, CommandError> {
        self.moved = Some(user.clone());
        let gone = self.devices.disconnect(&user, &device);
        if gone == Disconnected::Nothing {
            return Ok(Answer::Done);
        }
        self.peer_gone(now, &user, &device);
        if gone == Disconnected::LastDevice {
            self.timers.set(Timer::Offline(user.clone()), Some(now + OFFLINE_AFTER));
            let calls: Vec<CallId> = self.calls_of(&user).map(|call| call.id).collect();
            for id in calls {
                self.note_caller(id, &user, Some(now));
            }
        }
        Ok(Answer::Done)
    }

    /// Notes since when a caller whose call is not taken yet has no device. No transition: nothing that others see.
    fn note_caller(&mut self, id: CallId, user: &UserId, lost: Option<Timestamp>) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| &call.initiator == user) else { return };
        if let Phase::Waiting { caller_lost, .. } = &mut call.phase {
            *caller_lost = lost;
            self.arm(id);
        }
    }

    /// Announces every presence that the input changed.
    fn tell_presence(&mut self, at: Timestamp) {
        let touched = std::mem::take(&mut self.touched);
        let mut candidates: BTreeSet<UserId> = self.moved.take().into_iter().collect();
        let calls = touched.iter().filter_map(|id| self.calls.get(id));
        candidates.extend(calls.flat_map(|call| &call.parts).map(|part| part.user.clone()));
        for user in candidates {
            let state = self.presence(&user);
            if self.devices.tell(&user, state) {
                let beside = self.beside(&user, &touched);
                self.outputs.push_back(Output::Presence { user, at, state, beside });
            }
        }
    }

    /// Those who share a call with the user; one that just ended counts.
    fn beside(&self, user: &UserId, touched: &BTreeSet<CallId>) -> BTreeSet<UserId> {
        let running = self.calls_of(user).flat_map(|call| call.parts.iter().filter(|part| part.is_engaged()));
        let just_now = touched.iter().filter_map(|id| self.calls.get(id)).filter(|call| call.part(user).is_some());
        let all = running.chain(just_now.flat_map(|call| &call.parts)).map(|part| &part.user);
        all.filter(|other| *other != user).cloned().collect()
    }
}
