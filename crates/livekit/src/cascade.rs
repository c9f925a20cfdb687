//! Participants that also appear in another room: what this room sends there about one of its own, and how it shows one
//! of another room.
//!
//! The two rooms may be on different workers; they exchange [`CascadeMessage`]s. State is sent whole, so that the far end
//! only has to match it ([`crate::mirror`]). Media crosses as far as somebody there wants it ([`crate::trunk`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use livekit_protocol as proto;
use sfu::{DataLane, ParticipantKey};

use crate::leave::Departure;
use crate::limits::MOST_CASCADES;
use crate::membership::grant::Grant;
use crate::membership::member::{Member, Origin, Stage};
use crate::mirror::MemberState;
use crate::requests::RoomRefusal;
use crate::room::Room;
use crate::trunk::{MediaMessage, Trunk};
use crate::types::Output;

/// One participant's way from one room to one other; unique in the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CascadeId(pub u64);

/// What passes between the two rooms of a cascade.
#[derive(Debug, Clone)]
pub enum CascadeMessage {
    /// To where it is shown: the participant and its tracks as they are now.
    State(Box<MemberState>),
    /// To either: packets of the participant's tracks, and what is wanted of them.
    Media(MediaMessage),
    /// To where it is shown: a data packet of the participant, encoded as the others in its room get it.
    Data(DataLane, Arc<[u8]>),
    /// To either: it is over.
    End,
}

/// The cascades of a room.
#[derive(Debug, Default)]
pub(crate) struct Cascades {
    /// Who of here is also shown elsewhere.
    out: BTreeMap<CascadeId, ParticipantKey>,
    /// Who is shown here that is elsewhere; `None` until its first state is here.
    into: BTreeMap<CascadeId, Option<ParticipantKey>>,
}

impl Cascades {
    fn of(&self, participant: ParticipantKey) -> Vec<CascadeId> {
        self.out.iter().filter(|(_, shown)| **shown == participant).map(|(id, _)| *id).collect()
    }
}

impl Room {
    /// Shows a participant in another room, too, from now on.
    pub fn cascade_out(&mut self, now: Instant, id: CascadeId, identity: &str) -> Result<(), RoomRefusal> {
        self.begin(now);
        let key = self.membership.known(identity)?;
        if self.cascades.out.len() >= MOST_CASCADES {
            return Err(RoomRefusal::Busy);
        }
        self.cascades.out.insert(id, key);
        self.cascade_state(key);
        Ok(())
    }

    /// A participant of another room is going to be shown here. `dependent`: see [`crate::is_dependent`].
    pub fn cascade_in(
        &mut self,
        now: Instant,
        id: CascadeId,
        identity: &str,
        dependent: bool,
    ) -> Result<(), RoomRefusal> {
        self.begin(now);
        if self.membership.identities.contains_key(identity) {
            return Err(RoomRefusal::IdentityTaken);
        }
        if (self.membership.is_full() && !dependent)
            || self.membership.closed
            || self.cascades.into.len() >= MOST_CASCADES
        {
            return Err(RoomRefusal::Busy);
        }
        self.cascades.into.insert(id, None);
        Ok(())
    }

    /// What the other room of a cascade says.
    pub fn handle_cascade(&mut self, now: Instant, id: CascadeId, message: CascadeMessage) {
        match message {
            CascadeMessage::Media(message) => {
                self.now = now;
                if self.may_cross(id, &message) {
                    self.handle_trunk(Trunk::Cascade(id), message);
                }
            }
            CascadeMessage::State(state) => {
                self.begin(now);
                self.take_state(id, *state);
            }
            CascadeMessage::Data(lane, packet) => {
                self.begin(now);
                if let Some(key) = self.cascades.into.get(&id).copied().flatten() {
                    self.data_cascaded(key, lane, &packet);
                }
            }
            CascadeMessage::End => {
                self.begin(now);
                self.end_cascade(id);
            }
        }
    }

    /// The other end may only ask for what is the participant's.
    fn may_cross(&self, id: CascadeId, message: &MediaMessage) -> bool {
        let (MediaMessage::Demand(media, _) | MediaMessage::Keyframe(media, _)) = message else { return true };
        let track = self.membership.tracks.get(&self.track_of(*media));
        track.is_some_and(|track| self.cascades.out.get(&id) == Some(&track.publisher))
    }

    /// Sends on what has changed of a participant that is shown elsewhere.
    pub(crate) fn cascade_state(&mut self, key: ParticipantKey) {
        let cascades = self.cascades.of(key);
        if cascades.is_empty() {
            return;
        }
        let Some(mut state) = self.state_of(key, None) else { return };
        if self.membership.is_held(key) {
            state.info.tracks.iter_mut().for_each(|track| track.muted = true);
        }
        for id in cascades {
            self.out(Output::Cascade(id, CascadeMessage::State(Box::new(state.clone()))));
        }
    }

    pub(crate) fn cascade_data(&mut self, key: ParticipantKey, lane: DataLane, packet: &Arc<[u8]>) {
        for id in self.cascades.of(key) {
            self.out(Output::Cascade(id, CascadeMessage::Data(lane, Arc::clone(packet))));
        }
    }

    /// A participant goes: where it is shown, or where it comes from, is told.
    pub(crate) fn end_cascades_of(&mut self, key: ParticipantKey) {
        let shown = self.cascades.into.iter().filter(|(_, shown)| **shown == Some(key));
        let over: Vec<CascadeId> = self.cascades.of(key).into_iter().chain(shown.map(|(id, _)| *id)).collect();
        for id in over {
            self.stop_sending(id);
            self.cascades.into.remove(&id);
            self.out(Output::Cascade(id, CascadeMessage::End));
        }
    }

    fn end_cascade(&mut self, id: CascadeId) {
        if let Some(key) = self.cascades.into.remove(&id).flatten() {
            self.depart(key, Departure::ClientLeft);
        }
        self.stop_sending(id);
    }

    fn stop_sending(&mut self, id: CascadeId) {
        if self.cascades.out.remove(&id).is_some() {
            self.close_trunk(Trunk::Cascade(id));
        }
    }

    fn take_state(&mut self, id: CascadeId, state: MemberState) {
        let Some(shown) = self.cascades.into.get(&id).copied() else { return };
        let key = match shown {
            Some(key) => key,
            None if self.membership.closed || self.membership.identities.contains_key(&state.info.identity) => {
                // Somebody of that name came in the meantime.
                self.cascades.into.remove(&id);
                self.out(Output::Cascade(id, CascadeMessage::End));
                return;
            }
            None => self.show(id, &state.info),
        };
        self.match_state(Trunk::Cascade(id), key, state);
    }

    fn show(&mut self, id: CascadeId, info: &proto::ParticipantInfo) -> ParticipantKey {
        let key = self.media.join(self.now, sfu::Rights { publish: true, subscribe: false });
        let sid = crate::id::sid(&mut self.rng, "PA_");
        let mut member = Member::described(key, sid, Origin::Forwarded, info, self.timestamp());
        // What it may do there is no matter of this room: here it is only shown.
        let Grant { recorder, agent, .. } = member.grant;
        let shown = Grant::new(&auth::VideoGrant::default(), member.kind);
        member.stage = Stage::Active;
        member.version = 0;
        member.kind_details = vec![proto::participant_info::KindDetail::Forwarded.into()];
        (member.client_protocol, member.capabilities) = (0, Vec::new());
        member.grant = Grant { subscribe: false, data: false, recorder, agent, ..shown };
        self.membership.insert(member);
        self.cascades.into.insert(id, Some(key));
        self.membership.count_changed(self.now);
        self.hook_joined(key);
        key
    }
}
