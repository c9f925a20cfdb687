//! Participants that also appear in another room: what this room sends there about one of its own, and how it shows one
//! of another room.
//!
//! The two rooms may be on different workers; they exchange [`RelayMessage`]s. State is sent whole, so that the far end
//! only has to match it. Packets are sent as they came in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use livekit_protocol as proto;
use proto::TrackType;
use sfu::room::packet::Packet;
use sfu::{DataLane, Kind, Layer, LayerSpec, MidName, ParticipantKey, TrackKey, TrackSpec};

use crate::leave::Departure;
use crate::limits::MOST_RELAYS;
use crate::requests::RoomRefusal;
use crate::room::Room;
use crate::session::Session;
use crate::tracks::Track;
use crate::types::Output;

/// One participant's way from one room to one other; unique in the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayId(pub u64);

/// What passes between the two rooms of a relay.
#[derive(Debug, Clone)]
pub enum RelayMessage {
    /// To where it is shown: the participant and its tracks as they are now.
    State(Box<RelayedState>),
    /// To where it is shown: a packet of a track, by the key it has where it comes from.
    Packet(TrackKey, Layer, Arc<Packet>),
    /// To where it is shown: a data packet of the participant, encoded as the others in its room get it.
    Data(DataLane, Arc<[u8]>),
    /// To where it comes from: somebody cannot go on without a keyframe.
    Keyframe(TrackKey, Layer),
    /// To either: it is over.
    End,
}

/// A participant with its tracks.
#[derive(Debug, Clone, PartialEq)]
pub struct RelayedState {
    /// Who, as the others see it.
    pub info: proto::ParticipantInfo,
    /// The tracks of `info`, in its order: their keys and the encodings that come.
    pub tracks: Vec<(TrackKey, Vec<Layer>)>,
}

/// The relays of a room.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    out: BTreeMap<RelayId, ParticipantKey>,
    into: BTreeMap<RelayId, Shown>,
}

/// One shown here that is elsewhere.
#[derive(Debug, Default)]
struct Shown {
    /// None until its first state is here.
    participant: Option<ParticipantKey>,
    /// The key of a track there → the key of the same here.
    tracks: BTreeMap<TrackKey, TrackKey>,
}

impl Relays {
    fn of(&self, participant: ParticipantKey) -> Vec<RelayId> {
        self.out.iter().filter(|(_, of)| **of == participant).map(|(id, _)| *id).collect()
    }
}

impl Room {
    /// Shows a participant in another room, too, from now on.
    pub fn relay_out(&mut self, now: Instant, id: RelayId, identity: &str) -> Result<(), RoomRefusal> {
        self.begin(now);
        let key = self.known(identity)?;
        if self.relays.out.len() >= MOST_RELAYS {
            return Err(RoomRefusal::Busy);
        }
        self.relays.out.insert(id, key);
        let tracks = self.sessions.get(&key).map(|session| session.tracks.clone()).unwrap_or_default();
        for track in tracks {
            self.media.set_relayed(now, track, true);
        }
        self.relay_state(key);
        Ok(())
    }

    /// A participant of another room is going to be shown here. `dependent`: see [`crate::is_dependent`].
    pub fn relay_in(&mut self, now: Instant, id: RelayId, identity: &str, dependent: bool) -> Result<(), RoomRefusal> {
        self.begin(now);
        if self.identities.contains_key(identity) {
            return Err(RoomRefusal::IdentityTaken);
        }
        if (self.is_full() && !dependent) || self.closed || self.relays.into.len() >= MOST_RELAYS {
            return Err(RoomRefusal::Busy);
        }
        self.relays.into.insert(id, Shown::default());
        Ok(())
    }

    /// What the other room of a relay says.
    pub fn handle_relay(&mut self, now: Instant, id: RelayId, message: RelayMessage) {
        match message {
            RelayMessage::Packet(track, layer, packet) => {
                self.now = now;
                if let Some(own) = self.relays.into.get(&id).and_then(|shown| shown.tracks.get(&track)).copied() {
                    self.media.handle_relayed(now, own, layer, &packet);
                }
            }
            RelayMessage::State(state) => {
                self.begin(now);
                self.take_state(id, *state);
            }
            RelayMessage::Data(lane, packet) => {
                self.begin(now);
                if let Some(key) = self.relays.into.get(&id).and_then(|shown| shown.participant) {
                    self.data_relayed(key, lane, &packet);
                }
            }
            RelayMessage::Keyframe(track, layer) => {
                self.now = now;
                let publisher = self.tracks.get(&track).map(|track| track.publisher);
                if publisher.is_some() && publisher == self.relays.out.get(&id).copied() {
                    self.media.request_keyframe(now, track, layer);
                }
            }
            RelayMessage::End => {
                self.begin(now);
                self.end_relay(id);
            }
        }
    }

    /// Sends on what has changed of a participant that is shown elsewhere.
    pub(crate) fn relay_state(&mut self, key: ParticipantKey) {
        let relays = self.relays.of(key);
        if relays.is_empty() {
            return;
        }
        let (Some(mut info), Some(session)) = (self.info(key), self.sessions.get(&key)) else { return };
        if self.is_held(key) {
            info.tracks.iter_mut().for_each(|track| track.muted = true);
        }
        let tracks = session.tracks.iter().filter_map(|track| self.tracks.get(track));
        let tracks = tracks.filter(|track| track.is_published());
        let tracks = tracks.map(|track| (track.key, self.media.bound_layers(track.key))).collect();
        let state = RelayedState { info, tracks };
        for id in relays {
            self.out(Output::Relay(id, RelayMessage::State(Box::new(state.clone()))));
        }
    }

    /// A track of a participant that is shown elsewhere is there.
    pub(crate) fn relay_track(&mut self, key: ParticipantKey, track: TrackKey) {
        if !self.relays.of(key).is_empty() {
            self.media.set_relayed(self.now, track, true);
        }
    }

    pub(crate) fn relay_packet(&mut self, track: TrackKey, layer: Layer, packet: &Arc<Packet>) {
        let Some(publisher) = self.tracks.get(&track).map(|track| track.publisher) else { return };
        if self.is_held(publisher) {
            return;
        }
        for id in self.relays.of(publisher) {
            self.out(Output::Relay(id, RelayMessage::Packet(track, layer, Arc::clone(packet))));
        }
    }

    pub(crate) fn relay_data(&mut self, key: ParticipantKey, lane: DataLane, packet: &Arc<[u8]>) {
        for id in self.relays.of(key) {
            self.out(Output::Relay(id, RelayMessage::Data(lane, Arc::clone(packet))));
        }
    }

    /// A track shown here that is elsewhere owes a keyframe.
    pub(crate) fn keyframe_wanted(&mut self, track: TrackKey, layer: Layer) {
        let found = self.relays.into.iter().find_map(|(id, shown)| {
            let there = shown.tracks.iter().find(|(_, own)| **own == track)?;
            Some((*id, *there.0))
        });
        if let Some((id, there)) = found {
            self.out(Output::Relay(id, RelayMessage::Keyframe(there, layer)));
        }
    }

    /// A participant goes: where it is shown, or where it comes from, is told.
    pub(crate) fn end_relays_of(&mut self, key: ParticipantKey) {
        let shown = self.relays.into.iter().filter(|(_, shown)| shown.participant == Some(key));
        let over: Vec<RelayId> = self.relays.of(key).into_iter().chain(shown.map(|(id, _)| *id)).collect();
        for id in over {
            self.relays.out.remove(&id);
            self.relays.into.remove(&id);
            self.out(Output::Relay(id, RelayMessage::End));
        }
    }

    fn end_relay(&mut self, id: RelayId) {
        if let Some(shown) = self.relays.into.remove(&id)
            && let Some(key) = shown.participant
        {
            self.depart(key, Departure::ClientLeft);
        }
        let Some(key) = self.relays.out.remove(&id) else { return };
        if !self.relays.of(key).is_empty() {
            return;
        }
        let tracks = self.sessions.get(&key).map(|session| session.tracks.clone()).unwrap_or_default();
        for track in tracks {
            self.media.set_relayed(self.now, track, false);
        }
    }

    fn take_state(&mut self, id: RelayId, state: RelayedState) {
        let Some(shown) = self.relays.into.get(&id) else { return };
        let key = match shown.participant {
            Some(key) => key,
            None if self.closed || self.identities.contains_key(&state.info.identity) => {
                // Somebody of that name came in the meantime.
                self.relays.into.remove(&id);
                self.out(Output::Relay(id, RelayMessage::End));
                return;
            }
            None => self.show(id, &state.info),
        };
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.name.clone_from(&state.info.name);
        session.metadata.clone_from(&state.info.metadata);
        session.attributes.clone_from(&state.info.attributes);
        self.take_tracks(id, key, state);
        self.mark_changed(key);
    }

    fn show(&mut self, id: RelayId, info: &proto::ParticipantInfo) -> ParticipantKey {
        let key = self.media.join(self.now, sfu::Rights { publish: true, subscribe: false });
        let sid = crate::id::sid(&mut self.rng, "PA_");
        let session = Session::shown(key, sid, info, self.now, self.timestamp());
        self.identities.insert(session.identity.clone(), key);
        self.sessions.insert(key, session);
        if let Some(shown) = self.relays.into.get_mut(&id) {
            shown.participant = Some(key);
        }
        self.count_changed();
        self.hook_joined(key);
        key
    }

    /// Makes the tracks here equal to those there.
    fn take_tracks(&mut self, id: RelayId, key: ParticipantKey, state: RelayedState) {
        let Some(shown) = self.relays.into.get(&id) else { return };
        let known = shown.tracks.clone();
        for (there, here) in &known {
            if !state.tracks.iter().any(|(track, _)| track == there) {
                self.withdraw(*here);
            }
        }
        let mut tracks = BTreeMap::new();
        for ((there, layers), info) in state.tracks.into_iter().zip(state.info.tracks) {
            let here = match known.get(&there) {
                Some(here) => {
                    self.change_shown(*here, info);
                    *here
                }
                None => self.publish_shown(key, info, &layers),
            };
            tracks.insert(there, here);
        }
        if let Some(shown) = self.relays.into.get_mut(&id) {
            shown.tracks = tracks;
        }
    }

    fn change_shown(&mut self, track: TrackKey, info: proto::TrackInfo) {
        self.set_muted(track, info.muted);
        if let Some(entry) = self.tracks.get_mut(&track) {
            let sid = std::mem::take(&mut entry.info.sid);
            entry.info = proto::TrackInfo { sid, ..info };
        }
    }

    fn publish_shown(&mut self, key: ParticipantKey, mut info: proto::TrackInfo, layers: &[Layer]) -> TrackKey {
        let kind = if info.r#type() == TrackType::Audio { Kind::Audio } else { Kind::Video };
        let spec = TrackSpec {
            kind,
            screen: info.source() == proto::TrackSource::ScreenShare,
            muted: info.muted,
            layers: specs(&info),
        };
        let track = self.media.publish(self.now, key, spec);
        // One of its own: the same participant may be shown in many rooms, and come to one of them itself.
        let prefix: String = info.sid.chars().take_while(|c| *c != '_').collect();
        info.sid = crate::id::sid(&mut self.rng, &format!("{prefix}_"));
        let mid = MidName(info.mid.clone());
        self.track_sids.insert(info.sid.clone(), track);
        self.tracks.insert(track, Track::shown(track, key, kind, info.clone(), mid));
        self.expect_media(track);
        if let Some(session) = self.sessions.get_mut(&key) {
            session.tracks.push(track);
        }
        self.media.bind_relayed(self.now, track, layers);
        self.reconcile_track(track);
        self.hook_track(key, &info, true);
        track
    }
}

/// The layers of a track as its publisher announced them.
#[allow(deprecated)]
fn specs(info: &proto::TrackInfo) -> Vec<LayerSpec> {
    let one = info.layers.len() == 1;
    let layer = |at: usize| match at {
        _ if one => Layer::High,
        0 => Layer::Low,
        1 => Layer::Medium,
        _ => Layer::High,
    };
    let specs = info.layers.iter().enumerate().map(|(at, spec)| LayerSpec {
        layer: layer(at),
        width: spec.width,
        height: spec.height,
        bitrate: model::Bitrate(spec.bitrate.into()),
    });
    specs.take(3).collect()
}
