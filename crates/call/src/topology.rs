//! Which path a call's media takes: what the devices support, and what changes it during the call.

use model::{CallId, CallKind, DeviceId, RecordingPolicy, Timestamp, Topology, TopologyReason, UserId};

use crate::call::Call;
use crate::change::Change;
use crate::command::{Answer, CommandError};
use crate::devices::Ability;
use crate::part::{Connection, Part};
use crate::switchboard::Switchboard;

/// What a device is known to do; `None`: it does not say, and takes what the others need.
type Said = Option<Ability>;

/// What a call between these begins as; `None`: there is nothing that all can do.
pub(crate) fn at_start(kind: CallKind, said: &[Said]) -> Option<Topology> {
    let all_p2p = said.iter().all(|said| said.is_none_or(|can| can.p2p));
    let all_sfu = said.iter().all(|said| said.is_none_or(|can| can.sfu));
    match kind {
        CallKind::OneToOne if all_p2p && said.iter().all(Option::is_some) => Some(Topology::P2p),
        CallKind::OneToOne | CallKind::Group if all_sfu => Some(Topology::Sfu),
        CallKind::OneToOne if all_p2p => Some(Topology::P2p),
        CallKind::Group if all_p2p => Some(Topology::Mesh),
        CallKind::OneToOne | CallKind::Group => None,
    }
}

/// What has to change before one more comes; an error where nothing suits all. `recorder`: what records the call, or will.
fn for_one_more(
    call: &Call,
    user: &UserId,
    coming: Said,
    recorder: Option<Said>,
) -> Result<Option<(Topology, TopologyReason)>, CommandError> {
    let others: Vec<Said> = call.joined_beside(user).filter_map(Part::stay).map(|stay| stay.ability).collect();
    let in_room = call
        .joined_beside(user)
        .filter_map(Part::stay)
        .any(|stay| matches!(stay.connection, Connection::InRoom | Connection::Up));
    let all =
        |can: fn(Ability) -> bool| others.iter().chain([&coming]).chain(&recorder).all(|said| said.is_none_or(can));
    let (all_p2p, all_sfu) = (all(|can| can.p2p), all(|can| can.sfu));
    let (third, reason) = (others.len() >= 2, TopologyReason::ThirdJoined);
    let to_room = |reason| if all_sfu { Some((Topology::Sfu, reason)) } else { None };
    let change = match call.topology {
        Topology::P2p if third => to_room(reason).or(all_p2p.then_some((Topology::Mesh, reason))),
        Topology::P2p | Topology::Mesh if all_p2p => return Ok(None),
        Topology::P2p | Topology::Mesh => to_room(TopologyReason::DeviceMedia),
        Topology::Sfu if all_sfu => return Ok(None),
        Topology::Sfu => (all_p2p && !in_room).then(|| (between_peers(call), TopologyReason::DeviceMedia)),
    };
    change.map(Some).ok_or(CommandError::NoCommonMedia)
}

fn between_peers(call: &Call) -> Topology {
    match call.kind {
        CallKind::OneToOne => Topology::P2p,
        CallKind::Group => Topology::Mesh,
    }
}

/// What a recording needs: to hear the call through the server.
const RECORDER: Said = Some(Ability { p2p: false, sfu: true });

impl Switchboard {
    /// What every call is recorded by, where that is the policy.
    pub(crate) fn recorder(&self) -> Option<Said> {
        let always = self.config.call_recording && self.config.recording_policy == RecordingPolicy::Always;
        always.then_some(RECORDER)
    }

    /// What a call is recorded by, or will be.
    fn recorder_of(&self, call: &Call) -> Option<Said> {
        self.recorder().or_else(|| call.recordings.running().map(|_| RECORDER))
    }

    /// Brings the call onto a way of media that suits one more device, before it comes.
    pub(crate) fn make_way(
        &mut self,
        now: Timestamp,
        id: CallId,
        user: &UserId,
        device: &DeviceId,
    ) -> Result<Said, CommandError> {
        let coming = self.devices.ability(user, device);
        if let Some((topology, reason)) = for_one_more(self.known(id), user, coming, self.recorder_of(self.known(id)))?
        {
            self.transition(now, id, Change::Topology { topology, reason, by: Some(user.clone()) });
        }
        Ok(coming)
    }

    /// From device to device no more, where everyone else in the call can do without.
    pub(crate) fn move_to_room(
        &mut self,
        now: Timestamp,
        id: CallId,
        reason: TopologyReason,
        by: Option<&UserId>,
    ) -> Result<(), CommandError> {
        let call = self.known(id);
        if !call.is_between_peers() {
            return Ok(());
        }
        let mut stays = call.parts.iter().filter(|part| Some(&part.user) != by).filter_map(Part::stay);
        if !stays.all(|stay| stay.ability.is_none_or(|can| can.sfu)) {
            return Err(CommandError::NoCommonMedia);
        }
        self.transition(now, id, Change::Topology { topology: Topology::Sfu, reason, by: by.cloned() });
        Ok(())
    }

    pub(crate) fn media_failed(&mut self, now: Timestamp, id: CallId, user: UserId) -> Result<Answer, CommandError> {
        let (call, part) = self.in_it(id, &user)?;
        let own = part.stay().and_then(|stay| stay.ability);
        if call.is_between_peers() && own.is_some_and(|can| !can.sfu) {
            return Err(CommandError::NoCommonMedia);
        }
        self.move_to_room(now, id, TopologyReason::MediaFailed, Some(&user))?;
        self.answer(id)
    }

    pub(crate) fn peer_signalled(&mut self, now: Timestamp, id: CallId, user: UserId) -> Result<Answer, CommandError> {
        let (call, _) = self.in_it(id, &user)?;
        let absent = |part: &Part| {
            part.stay().is_none_or(|stay| !matches!(stay.connection, Connection::InRoom | Connection::Up))
        };
        // Who can do both says itself when peers do not reach each other: a late answer must not undo that.
        let can = |part: &Part| part.stay().is_none_or(|stay| stay.ability.is_none_or(|can| can.p2p && !can.sfu));
        let recorded = self.recorder_of(call).is_some();
        if !call.is_between_peers()
            && !recorded
            && call.is_running()
            && call.parts.iter().all(|part| absent(part) && can(part))
        {
            let (topology, reason) = (between_peers(call), TopologyReason::PeerSignalling);
            self.transition(now, id, Change::Topology { topology, reason, by: Some(user) });
        }
        Ok(Answer::Done)
    }

    /// A device's signalling connection went: who is between peers on it is lost, and has the window to come back.
    pub(crate) fn peer_gone(&mut self, now: Timestamp, user: &UserId, device: &DeviceId) {
        for id in self.peer_stays(user, device, |connection| connection == Connection::Up) {
            let until = now + self.known(id).windows.reconnect;
            self.transition(now, id, Change::Lost { user: user.clone(), until });
        }
    }

    /// And when it comes back.
    pub(crate) fn peer_back(&mut self, now: Timestamp, user: &UserId, device: &DeviceId) {
        for id in self.peer_stays(user, device, |connection| matches!(connection, Connection::Lost { .. })) {
            self.transition(now, id, Change::Returned { user: user.clone(), device: device.clone() });
        }
    }

    fn peer_stays(&self, user: &UserId, device: &DeviceId, such: fn(Connection) -> bool) -> Vec<CallId> {
        let mine = |call: &&Call| {
            let stay = call.part(user).and_then(Part::stay);
            call.is_running()
                && call.is_between_peers()
                && stay.is_some_and(|stay| &stay.device == device && such(stay.connection))
        };
        self.calls_of(user).filter(mine).map(|call| call.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_begins_with_what_all_can_do() {
        const BOTH: Said = Some(Ability { p2p: true, sfu: true });
        const PEER: Said = Some(Ability { p2p: true, sfu: false });
        const ROOM: Said = Some(Ability { p2p: false, sfu: true });
        use CallKind::{Group, OneToOne};
        for (kind, said, begins) in [
            (OneToOne, vec![BOTH, BOTH], Some(Topology::P2p)),
            (OneToOne, vec![BOTH, PEER], Some(Topology::P2p)),
            (OneToOne, vec![BOTH, ROOM], Some(Topology::Sfu)),
            (OneToOne, vec![BOTH, None], Some(Topology::Sfu)),
            (OneToOne, vec![None, PEER], Some(Topology::P2p)),
            (OneToOne, vec![ROOM, PEER], None),
            (Group, vec![BOTH, BOTH, BOTH], Some(Topology::Sfu)),
            (Group, vec![BOTH, PEER, None], Some(Topology::Mesh)),
            (Group, vec![BOTH, PEER, ROOM], None),
        ] {
            assert_eq!(at_start(kind, &said), begins, "{kind} {said:?}");
        }
    }
}
