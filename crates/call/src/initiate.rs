//! Starting a call: who it rings, and inviting more people into a running call.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{CallId, CallKind, CallMedia, Timestamp, Topology, UserId};

use crate::call::{Call, Phase, Windows};
use crate::change::{Change, Newcomer};
use crate::command::{self, Answer, CommandError, InitiateCall, Target};
use crate::part::{Connection, Gone, Part, PartState, Stay};
use crate::recording::Recordings;
use crate::request::{self, Origin};
use crate::switchboard::Switchboard;
use crate::topology;

/// The most calls that ring for one user at once; to one more the user is busy.
pub(crate) const MOST_RINGING: usize = 16;

/// The most users a call may have had in all, so that inviting and leaving in turns does not grow it for ever.
pub(crate) const MOST_EVER: usize = 1_000;

/// The shortest and longest a call may ring.
const RING_RANGE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(180));

/// Whom a request comes to.
pub(crate) struct Called {
    pub users: Vec<UserId>,
    pub kind: CallKind,
}

impl Switchboard {
    pub(crate) fn initiate(&mut self, now: Timestamp, request: InitiateCall) -> Result<Answer, CommandError> {
        if let Some(call) = request.id.and_then(|id| self.calls.get(&id)) {
            return match request::is_origin_of(&request, call) {
                true => self.answer(self.resolve(call.id)),
                false => Err(CommandError::CallIdConflict),
            };
        }
        let called = self.called(&request)?;
        self.check_features(request.media, called.kind)?;
        self.check_free(&request)?;
        let most = self.config.max_participants;
        if called.users.len() >= most {
            return Err(CommandError::CallFull(most));
        }
        if let Some(there) = self.met_by(&request.caller, &called) {
            return self.merge(now, there, request, called);
        }
        let mut said = vec![self.devices.ability(&request.caller, &request.device)];
        said.extend(called.users.iter().map(|user| self.devices.abilities(user)));
        said.extend(self.recorder());
        let topology = topology::at_start(called.kind, &said).ok_or(CommandError::NoCommonMedia)?;
        let call = self.build(now, request, called, topology, true);
        let (id, by) = (call.id, call.initiator.clone());
        self.calls.insert(id, call);
        self.transition(now, id, Change::Initiated { by });
        self.ring(now, id);
        Ok(Answer::Call(Box::new(self.known(id).snapshot())))
    }

    /// Whom the request calls, the caller left out.
    fn called(&self, request: &InitiateCall) -> Result<Called, CommandError> {
        let mut seen = BTreeSet::from([&request.caller]);
        let called = match &request.target {
            Target::Channel(channel) => {
                let members = self.channels.members(channel).ok_or(CommandError::ChannelNotFound)?;
                if !self.channels.is_member(channel, &request.caller) {
                    return Err(CommandError::ChannelNotFound);
                }
                // A channel may be larger than a call: the others can still come in while there is room.
                let most = self.config.max_participants.saturating_sub(1);
                let users = members.iter().filter(|user| seen.insert(user)).take(most).cloned().collect();
                Called { users, kind: CallKind::Group }
            }
            Target::Users { users, one_to_one, .. } => {
                let users: Vec<UserId> = users.iter().filter(|user| seen.insert(user)).cloned().collect();
                let kind = if *one_to_one && users.len() == 1 { CallKind::OneToOne } else { CallKind::Group };
                Called { users, kind }
            }
        };
        if called.users.is_empty() {
            return Err(CommandError::NobodyToCall);
        }
        Ok(called)
    }

    fn check_features(&self, media: CallMedia, kind: CallKind) -> Result<(), CommandError> {
        let (allowed, name) = match media {
            CallMedia::Voice => (self.config.voice_calls, "voice calling"),
            CallMedia::Video => (self.config.video_calls, "video calling"),
            CallMedia::ScreenShare => (self.config.screen_sharing, "screen sharing"),
        };
        if !allowed {
            return Err(CommandError::FeatureDisabled(name));
        }
        if kind == CallKind::Group && !self.config.group_calls {
            return Err(CommandError::FeatureDisabled("group calling"));
        }
        Ok(())
    }

    /// A channel has one running call, and a user starts one call at a time. Who fell out of a call, or holds it, may start another.
    fn check_free(&self, request: &InitiateCall) -> Result<(), CommandError> {
        if let Target::Channel(channel) = &request.target
            && let Some(running) = self.channels.call(channel)
        {
            return Err(CommandError::ChannelCallActive(running));
        }
        let holds_on = |call: &&Call| {
            let stay = call.part(&request.caller).and_then(Part::stay);
            let held = call.part(&request.caller).is_some_and(|part| part.is_on_hold);
            !held && stay.is_some_and(|stay| !matches!(stay.connection, Connection::Lost { .. }))
        };
        match self.calls_of(&request.caller).find(holds_on) {
            Some(call) => Err(CommandError::AlreadyInCall(call.id)),
            None => Ok(()),
        }
    }

    /// `ask`: whether who is called may be busy.
    pub(crate) fn build(
        &mut self,
        now: Timestamp,
        request: InitiateCall,
        called: Called,
        topology: Topology,
        ask: bool,
    ) -> Call {
        let id = request.id.unwrap_or_else(|| self.new_call_id(now));
        let origin = Some(Origin::of(&request));
        let (channel, in_channel) = match request.target {
            Target::Users { channel, .. } => (channel, false),
            Target::Channel(channel) => (Some(channel), true),
        };
        let mut caller = Part::invited(command::participant_id(&mut self.rng), request.caller, now, request.media);
        let ability = self.devices.ability(&caller.user, &request.device);
        let connection = Connection::Absent { since: now };
        caller.state = PartState::Joined(Stay::new(request.device, None, connection, ability));
        let initiator = caller.user.clone();
        let mut parts = vec![caller];
        for user in called.users {
            let busy = match called.kind {
                _ if !ask => false,
                CallKind::OneToOne => self.is_busy(&user),
                CallKind::Group => self.rings_too_much(&user),
            };
            let mut part = Part::invited(command::participant_id(&mut self.rng), user, now, request.media);
            if busy {
                part.leave(now, Gone::Busy);
            }
            parts.push(part);
        }
        let ring_for = request.ring_timeout.unwrap_or(self.config.ring_timeout);
        Call {
            id,
            kind: called.kind,
            media: request.media,
            topology,
            initiator,
            channel,
            in_channel,
            created_at: now,
            ring_for: ring_for.clamp(RING_RANGE.0, RING_RANGE.1),
            max_participants: self.config.max_participants,
            metadata: request.metadata,
            origin,
            windows: self.windows(),
            phase: Phase::Waiting { told: false, caller_lost: None },
            transfer: None,
            recordings: Recordings::new(None, false),
            parts,
        }
    }

    pub(crate) fn windows(&self) -> Windows {
        Windows { reconnect: self.config.reconnect_window, empty: self.config.empty_timeout }
    }

    pub(crate) fn new_call_id(&mut self, now: Timestamp) -> CallId {
        loop {
            let id = command::call_id(&mut self.rng, now);
            if !self.calls.contains_key(&id) {
                return id;
            }
        }
    }

    /// Whether the only person called is in another call and has call waiting off.
    pub(crate) fn is_busy(&self, user: &UserId) -> bool {
        self.rings_too_much(user) || (self.is_in_a_call(user).is_some() && !self.takes_waiting(user))
    }

    fn is_in_a_call(&self, user: &UserId) -> Option<CallId> {
        self.calls_of(user).find(|call| call.part(user).is_some_and(Part::is_joined)).map(|call| call.id)
    }

    fn takes_waiting(&self, user: &UserId) -> bool {
        self.config.call_waiting && self.devices.takes_waiting(user)
    }

    /// The call that a user is in when a second one comes.
    pub(crate) fn knocked_on(&self, user: &UserId) -> Option<CallId> {
        self.is_in_a_call(user).filter(|_| self.takes_waiting(user))
    }

    fn rings_too_much(&self, user: &UserId) -> bool {
        let rings = |call: &&Call| call.part(user).is_some_and(Part::is_pending);
        self.calls_of(user).filter(rings).count() >= MOST_RINGING
    }

    /// Rings all who have not been told and have a device to tell.
    pub(crate) fn ring(&mut self, now: Timestamp, id: CallId) {
        let call = self.known(id);
        let untold = call.parts.iter().filter(|part| matches!(part.state, PartState::Invited));
        let reached = untold.filter(|part| self.devices.is_connected(&part.user));
        let users: Vec<UserId> = reached.map(|part| part.user.clone()).collect();
        if !users.is_empty() {
            self.transition(now, id, Change::Rang { users, device: None });
        }
    }

    pub(crate) fn invite(
        &mut self,
        now: Timestamp,
        id: CallId,
        by: UserId,
        users: Vec<UserId>,
    ) -> Result<Answer, CommandError> {
        let (call, _) = self.seen_by(id, &by)?;
        if call.is_over() {
            return Err(CommandError::CallOver(call.status()));
        }
        if !call.part(&by).is_some_and(Part::is_joined) {
            return Err(CommandError::Forbidden("only someone in the call can invite others"));
        }
        let mut seen = BTreeSet::from([&by]);
        let named: Vec<&UserId> = users.iter().filter(|user| seen.insert(user)).collect();
        if named.is_empty() {
            return Err(CommandError::NobodyToCall);
        }
        let absent = |user: &&&UserId| !call.part(user).is_some_and(Part::is_engaged);
        let wanted: Vec<&UserId> = named.iter().filter(absent).copied().collect();
        if wanted.is_empty() {
            return Ok(Answer::Call(Box::new(call.snapshot())));
        }
        if !self.config.group_calls {
            return Err(CommandError::FeatureDisabled("group calling"));
        }
        let taken = call.parts.iter().filter(|part| part.takes_place()).count();
        let unheard_of = wanted.iter().filter(|user| call.part(user).is_none()).count();
        let most = call.max_participants;
        if taken + wanted.len() > most || call.parts.len() + unheard_of > MOST_EVER.max(most) {
            return Err(CommandError::CallFull(most));
        }
        let wanted: Vec<(UserId, bool)> =
            wanted.into_iter().map(|user| (user.clone(), self.rings_too_much(user))).collect();
        let rng = &mut self.rng;
        let newcomer = |(user, busy)| Newcomer { id: command::participant_id(rng), user, busy };
        let newcomers = wanted.into_iter().map(newcomer).collect();
        self.transition(now, id, Change::Invited { by, newcomers });
        if !self.known(id).is_over() {
            self.ring(now, id);
        }
        Ok(Answer::Call(Box::new(self.known(id).snapshot())))
    }
}
