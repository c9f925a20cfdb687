//! Two people call each other at the same moment: the lower call ID wins, the other call is merged into it, and both
//! are connected.

use model::{CallId, CallKind, CallStatus, DeviceId, EndReason, Timestamp, UserId};

use crate::call::{Call, Phase};
use crate::change::{Change, Ending};
use crate::command::{Answer, CommandError, InitiateCall};
use crate::initiate::Called;
use crate::output::{CallEvent, Delivery, Output};
use crate::part::{Part, PartState};
use crate::switchboard::Switchboard;
use crate::topology;

impl Switchboard {
    /// The call in which the one who is now called is calling the caller.
    pub(crate) fn met_by(&self, caller: &UserId, called: &Called) -> Option<CallId> {
        let [user] = called.users.as_slice() else { return None };
        let meets = |call: &&Call| {
            call.is_waiting()
                && call.kind == CallKind::OneToOne
                && &call.initiator == user
                && call.part(caller).is_some_and(Part::is_pending)
        };
        self.calls_of(caller).filter(|_| called.kind == CallKind::OneToOne).find(meets).map(|call| call.id)
    }

    /// Makes one of the call that is there and the one that is asked for.
    pub(crate) fn merge(
        &mut self,
        now: Timestamp,
        there: CallId,
        request: InitiateCall,
        called: Called,
    ) -> Result<Answer, CommandError> {
        let id = request.id.unwrap_or_else(|| self.new_call_id(now));
        if id < there {
            return self.merge_into_the_new(now, there, InitiateCall { id: Some(id), ..request }, called);
        }
        let (caller, device) = (request.caller.clone(), request.device.clone());
        self.take(now, there, &caller, device)?;
        if request.id.is_some() {
            let topology = self.known(there).topology;
            let loser = self.build(now, request, called, topology, false);
            self.calls.insert(id, loser);
            self.transition(now, id, Change::Initiated { by: caller });
            self.end_as_merged(now, id, there);
        }
        self.answer(there)
    }

    fn merge_into_the_new(
        &mut self,
        now: Timestamp,
        there: CallId,
        request: InitiateCall,
        called: Called,
    ) -> Result<Answer, CommandError> {
        let old = self.known(there);
        let user = old.initiator.clone();
        let stay = old.part(&user).and_then(Part::stay).expect("a caller is in a call that waits");
        let device = stay.device.clone();
        let said = [self.devices.ability(&request.caller, &request.device), self.devices.ability(&user, &device)];
        let said: Vec<_> = said.into_iter().chain(self.recorder()).collect();
        let topology = topology::at_start(CallKind::OneToOne, &said).ok_or(CommandError::NoCommonMedia)?;
        let by = request.caller.clone();
        let call = self.build(now, request, called, topology, false);
        let id = call.id;
        self.calls.insert(id, call);
        self.transition(now, id, Change::Initiated { by });
        self.take(now, id, &user, device)?;
        self.end_as_merged(now, there, id);
        self.answer(id)
    }

    fn end_as_merged(&mut self, now: Timestamp, loser: CallId, winner: CallId) {
        let call = self.known(loser);
        let rings = |part: &&Part| matches!(part.state, PartState::Ringing);
        let rang: Vec<UserId> = call.parts.iter().filter(rings).map(|part| part.user.clone()).collect();
        let by = Some(call.initiator.clone());
        let ending = Ending::new(CallStatus::Cancelled, EndReason::Cancelled, now);
        self.transition(now, loser, Change::Ended(Ending { by, merged_into: Some(winner), ..ending }));
        let told = merged(self.known(winner), loser, &rang, now);
        for delivery in told {
            if self.devices.reaches(&delivery) {
                self.push(Output::Deliver(delivery));
            }
        }
    }

    /// The call that an id names now.
    pub(crate) fn resolve(&self, id: CallId) -> CallId {
        match self.calls.get(&id).map(|call| &call.phase) {
            Some(Phase::Over(over)) => over.ending.merged_into.unwrap_or(id),
            Some(Phase::Waiting { .. } | Phase::Running(_)) | None => id,
        }
    }

    /// Whether a call that is over is still another name of one that is not.
    pub(crate) fn is_needed_as_a_name(&self, id: CallId) -> bool {
        let winner = self.resolve(id);
        winner != id && self.calls.get(&winner).is_some_and(|call| !call.is_over())
    }
}

/// What devices are told of a call that became this one. What rang under the name that is gone stops first: the device that is in the
/// call now rang too, and not every client knows what a merger is.
fn merged(call: &Call, loser: CallId, rang: &[UserId], at: Timestamp) -> Vec<Delivery> {
    let inside = |part: &Part| Some((part.user.clone(), part.stay()?.device.clone()));
    let parts: Vec<(UserId, DeviceId)> = call.parts.iter().filter_map(inside).collect();
    let mut told = Vec::new();
    for (user, device) in parts.iter().filter(|(user, _)| rang.contains(user)) {
        let to = Delivery {
            user: user.clone(),
            device: None,
            except: None,
            event: CallEvent::Cancelled { call: loser, at },
        };
        let elsewhere = CallEvent::AnsweredElsewhere { call: loser, at, device: Some(device.clone()) };
        told.push(Delivery { except: Some(device.clone()), event: elsewhere, ..to.clone() });
        told.push(Delivery { device: Some(device.clone()), ..to });
    }
    let snapshot = Box::new(call.snapshot());
    told.extend(parts.into_iter().map(|(user, device)| {
        let event = CallEvent::Merged { call: snapshot.clone(), at, merged: loser, device };
        Delivery { user, device: None, except: None, event }
    }));
    told
}
