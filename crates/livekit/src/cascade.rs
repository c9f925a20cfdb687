//! Participants that also appear in another room: what this room sends there about one of its own, and how it shows one
//! of another room.
//!
//! The two rooms may be on different workers; they exchange [`CascadeMessage`]s. State is sent whole, so that the far end
//! only has to match it. Packets are sent as they came in: the cascade taps each track of the participant.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use livekit_protocol as proto;
use proto::TrackType;
use sfu::{
    DataLane, Kind, Layer, LayerSpec, MidName, ParticipantKey, TapEvent, TapId, TapLayers, TapPacket, Tapped, TrackKey,
    TrackSpec,
};

use crate::leave::Departure;
use crate::limits::MOST_CASCADES;
use crate::membership::grant::Grant;
use crate::membership::member::{Member, Origin};
use crate::requests::RoomRefusal;
use crate::room::Room;
use crate::tracks::Track;
use crate::types::Output;

/// One participant's way from one room to one other; unique in the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CascadeId(pub u64);

/// What passes between the two rooms of a cascade.
#[derive(Debug, Clone)]
pub enum CascadeMessage {
    /// To where it is shown: the participant and its tracks as they are now.
    State(Box<CascadeState>),
    /// To where it is shown: a packet of a track, by the key it has where it comes from.
    Packet(TrackKey, TapPacket),
    /// To where it is shown: a data packet of the participant, encoded as the others in its room get it.
    Data(DataLane, Arc<[u8]>),
    /// To where it comes from: somebody cannot go on without a keyframe.
    Keyframe(TrackKey, Layer),
    /// To either: it is over.
    End,
}

/// A participant with its tracks.
#[derive(Debug, Clone, PartialEq)]
pub struct CascadeState {
    /// Who, as the others see it.
    pub info: proto::ParticipantInfo,
    /// The tracks of `info`, in its order: their keys and the encodings that come.
    pub tracks: Vec<(TrackKey, Vec<Layer>)>,
}

/// The cascades of a room.
#[derive(Debug, Default)]
pub(crate) struct Cascades {
    out: BTreeMap<CascadeId, Source>,
    into: BTreeMap<CascadeId, Shown>,
    /// Whose taps they are.
    taps: BTreeMap<TapId, CascadeId>,
}

/// One of here that is also shown elsewhere.
#[derive(Debug)]
struct Source {
    participant: ParticipantKey,
    /// The cascade's tap on each of its tracks.
    taps: BTreeMap<TrackKey, TapId>,
}

/// One shown here that is elsewhere.
#[derive(Debug, Default)]
struct Shown {
    /// None until its first state is here.
    participant: Option<ParticipantKey>,
    /// The key of a track there → the key of the same here.
    tracks: BTreeMap<TrackKey, TrackKey>,
}

impl Cascades {
    fn of(&self, participant: ParticipantKey) -> Vec<CascadeId> {
        self.out.iter().filter(|(_, source)| source.participant == participant).map(|(id, _)| *id).collect()
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
        self.cascades.out.insert(id, Source { participant: key, taps: BTreeMap::new() });
        self.tap_tracks(key);
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
        self.cascades.into.insert(id, Shown::default());
        Ok(())
    }

    /// What the other room of a cascade says.
    pub fn handle_cascade(&mut self, now: Instant, id: CascadeId, message: CascadeMessage) {
        match message {
            CascadeMessage::Packet(track, packet) => {
                self.now = now;
                if let Some(own) = self.cascades.into.get(&id).and_then(|shown| shown.tracks.get(&track)).copied() {
                    self.media.handle_tapped(now, own, &packet);
                }
            }
            CascadeMessage::State(state) => {
                self.begin(now);
                self.take_state(id, *state);
            }
            CascadeMessage::Data(lane, packet) => {
                self.begin(now);
                if let Some(key) = self.cascades.into.get(&id).and_then(|shown| shown.participant) {
                    self.data_cascaded(key, lane, &packet);
                }
            }
            CascadeMessage::Keyframe(track, layer) => {
                self.now = now;
                let tap = self.cascades.out.get(&id).and_then(|source| source.taps.get(&track));
                if let Some(tap) = tap.copied() {
                    self.media.handle_tap_keyframe_request(now, track, tap, Some(layer));
                }
            }
            CascadeMessage::End => {
                self.begin(now);
                self.end_cascade(id);
            }
        }
    }

    /// Sends on what has changed of a participant that is shown elsewhere.
    pub(crate) fn cascade_state(&mut self, key: ParticipantKey) {
        let cascades = self.cascades.of(key);
        if cascades.is_empty() {
            return;
        }
        let (Some(mut info), Some(member)) = (self.membership.info(key), self.membership.members.get(&key)) else {
            return;
        };
        if self.membership.is_held(key) {
            info.tracks.iter_mut().for_each(|track| track.muted = true);
        }
        let tracks = member.tracks.iter().filter_map(|track| self.membership.tracks.get(track));
        let tracks = tracks.filter(|track| track.is_published());
        let tracks = tracks.map(|track| (track.key, self.media.bound_layers(track.key))).collect();
        let state = CascadeState { info, tracks };
        for id in cascades {
            self.out(Output::Cascade(id, CascadeMessage::State(Box::new(state.clone()))));
        }
    }

    /// Makes the taps of a participant's cascades match its tracks; on hold, it has none.
    pub(crate) fn tap_tracks(&mut self, key: ParticipantKey) {
        let ids = self.cascades.of(key);
        if ids.is_empty() {
            return;
        }
        let mut tracks = if self.membership.is_held(key) { Vec::new() } else { self.membership.own_tracks(key) };
        tracks.retain(|track| self.membership.tracks.get(track).is_some_and(Track::is_published));
        for id in ids {
            let Some(source) = self.cascades.out.get_mut(&id) else { continue };
            source.taps.retain(|track, tap| {
                let stays = tracks.contains(track);
                if !stays {
                    self.media.remove_tap(self.now, *track, *tap);
                    self.cascades.taps.remove(tap);
                }
                stays
            });
            for track in &tracks {
                if source.taps.contains_key(track) {
                    continue;
                }
                if let Some(tap) = self.media.add_tap(self.now, *track, TapLayers::All) {
                    source.taps.insert(*track, tap);
                    self.cascades.taps.insert(tap, id);
                }
            }
        }
    }

    /// What the cascades' taps get.
    pub(crate) fn take_tapped(&mut self, tapped: Tapped) {
        match tapped {
            Tapped::Packet { track, taps, packet } => {
                for tap in taps.iter() {
                    if let Some(id) = self.cascades.taps.get(tap).copied() {
                        self.out(Output::Cascade(id, CascadeMessage::Packet(track, packet.clone())));
                    }
                }
            }
            Tapped::Event { track, tap, event: TapEvent::Ended } => {
                let id = self.cascades.taps.remove(&tap);
                if let Some(source) = id.and_then(|id| self.cascades.out.get_mut(&id)) {
                    source.taps.remove(&track);
                }
            }
            // The state says what the other room has to know of these.
            Tapped::Event { event: TapEvent::Began { .. } | TapEvent::Paused, .. } => {}
        }
    }

    pub(crate) fn cascade_data(&mut self, key: ParticipantKey, lane: DataLane, packet: &Arc<[u8]>) {
        for id in self.cascades.of(key) {
            self.out(Output::Cascade(id, CascadeMessage::Data(lane, Arc::clone(packet))));
        }
    }

    /// A track shown here that is elsewhere owes a keyframe.
    pub(crate) fn keyframe_wanted(&mut self, track: TrackKey, layer: Layer) {
        let found = self.cascades.into.iter().find_map(|(id, shown)| {
            let there = shown.tracks.iter().find(|(_, own)| **own == track)?;
            Some((*id, *there.0))
        });
        if let Some((id, there)) = found {
            self.out(Output::Cascade(id, CascadeMessage::Keyframe(there, layer)));
        }
    }

    /// A participant goes: where it is shown, or where it comes from, is told.
    pub(crate) fn end_cascades_of(&mut self, key: ParticipantKey) {
        let shown = self.cascades.into.iter().filter(|(_, shown)| shown.participant == Some(key));
        let over: Vec<CascadeId> = self.cascades.of(key).into_iter().chain(shown.map(|(id, _)| *id)).collect();
        for id in over {
            self.stop_sending(id);
            self.cascades.into.remove(&id);
            self.out(Output::Cascade(id, CascadeMessage::End));
        }
    }

    fn end_cascade(&mut self, id: CascadeId) {
        if let Some(shown) = self.cascades.into.remove(&id)
            && let Some(key) = shown.participant
        {
            self.depart(key, Departure::ClientLeft);
        }
        self.stop_sending(id);
    }

    fn stop_sending(&mut self, id: CascadeId) {
        let Some(source) = self.cascades.out.remove(&id) else { return };
        for (track, tap) in source.taps {
            self.media.remove_tap(self.now, track, tap);
            self.cascades.taps.remove(&tap);
        }
    }

    fn take_state(&mut self, id: CascadeId, state: CascadeState) {
        let Some(shown) = self.cascades.into.get(&id) else { return };
        let key = match shown.participant {
            Some(key) => key,
            None if self.membership.closed || self.membership.identities.contains_key(&state.info.identity) => {
                // Somebody of that name came in the meantime.
                self.cascades.into.remove(&id);
                self.out(Output::Cascade(id, CascadeMessage::End));
                return;
            }
            None => self.show(id, &state.info),
        };
        let Some(member) = self.membership.members.get_mut(&key) else { return };
        member.is_publisher = state.info.is_publisher;
        member.name.clone_from(&state.info.name);
        member.metadata.clone_from(&state.info.metadata);
        member.attributes.clone_from(&state.info.attributes);
        self.take_tracks(id, key, state);
        self.membership.mark_changed(key);
    }

    fn show(&mut self, id: CascadeId, info: &proto::ParticipantInfo) -> ParticipantKey {
        let key = self.media.join(self.now, sfu::Rights { publish: true, subscribe: false });
        let sid = crate::id::sid(&mut self.rng, "PA_");
        let mut member = Member::described(key, sid, Origin::Forwarded, info, self.timestamp());
        // What it may do there is no matter of this room: here it is only shown.
        let Grant { recorder, agent, .. } = member.grant;
        let shown = Grant::new(&auth::VideoGrant::default(), member.kind);
        member.grant = Grant { subscribe: false, data: false, recorder, agent, ..shown };
        self.membership.insert(member);
        if let Some(shown) = self.cascades.into.get_mut(&id) {
            shown.participant = Some(key);
        }
        self.membership.count_changed(self.now);
        self.hook_joined(key);
        key
    }

    /// Makes the tracks here equal to those there.
    fn take_tracks(&mut self, id: CascadeId, key: ParticipantKey, state: CascadeState) {
        let Some(shown) = self.cascades.into.get(&id) else { return };
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
        if let Some(shown) = self.cascades.into.get_mut(&id) {
            shown.tracks = tracks;
        }
    }

    fn change_shown(&mut self, track: TrackKey, info: proto::TrackInfo) {
        self.set_muted(track, info.muted);
        if let Some(entry) = self.membership.tracks.get_mut(&track) {
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
        self.membership.track_sids.insert(info.sid.clone(), track);
        self.membership.tracks.insert(track, Track::shown(track, key, kind, info.clone(), mid));
        self.expect_media(track);
        if let Some(member) = self.membership.members.get_mut(&key) {
            member.tracks.push(track);
        }
        self.media.bind_tapped(self.now, track, layers);
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
