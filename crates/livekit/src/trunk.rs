//! Media between this room and other places: another shard of it, or another room that one of its members is forwarded to.
//!
//! Whoever has subscribers asks whoever has the publisher, track by track, for the layers that somebody wants
//! ([`sfu::MediaEvent::LayerDemand`]), and gets them from a tap, packet by packet as they came in. Nothing crosses that nobody
//! wants, and a layer that nobody wants on either side is off at the publisher. Keyframe requests go the same way back.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use sfu::{Layer, ParticipantKey, TapId, TapLayers, TapPacket, Tapped, TrackKey};

use crate::cascade::{CascadeId, CascadeMessage};
use crate::room::Room;
use crate::shards::{ShardId, ShardMessage};
use crate::types::Output;

/// What passes between the two ends of a trunk. Tracks go by the key that they have where their publisher is.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaMessage {
    /// From the publisher's end: a packet of a track.
    Packet(TrackKey, TapPacket),
    /// To the publisher's end: the highest layer that anybody wants of a track; `None`: nobody wants any.
    Demand(TrackKey, Option<Layer>),
    /// To the publisher's end: somebody cannot go on without a keyframe of this layer.
    Keyframe(TrackKey, Layer),
}

/// The way to another place with which this room exchanges media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Trunk {
    /// Another shard of this room.
    Shard(ShardId),
    /// The other room of a cascade.
    Cascade(CascadeId),
}

/// What is wanted and what comes over the trunks of a room.
#[derive(Debug, Default)]
pub(crate) struct Trunks {
    /// What other ends want of tracks whose publisher is here.
    wanted: BTreeMap<(Trunk, TrackKey), Wanted>,
    /// Whose taps they are.
    taps: FxHashMap<TapId, Trunk>,
    /// The key of a track at its publisher's end → its key here.
    here: FxHashMap<(Trunk, TrackKey), TrackKey>,
    /// The same the other way round.
    there: BTreeMap<TrackKey, (Trunk, TrackKey)>,
}

#[derive(Debug)]
struct Wanted {
    highest: Layer,
    /// `None`: nothing of it is to cross for now, for its publisher is on hold.
    tap: Option<TapId>,
}

impl Trunks {
    /// A track comes over a trunk from now on.
    pub fn join(&mut self, trunk: Trunk, there: TrackKey, here: TrackKey) {
        self.here.insert((trunk, there), here);
        self.there.insert(here, (trunk, there));
    }

    /// A track no longer does.
    pub fn part(&mut self, here: TrackKey) {
        if let Some(far) = self.there.remove(&here) {
            self.here.remove(&far);
        }
    }

    /// The key here of a track that comes over a trunk.
    pub fn here(&self, trunk: Trunk, there: TrackKey) -> Option<TrackKey> {
        self.here.get(&(trunk, there)).copied()
    }

    /// The trunk that a track comes over, and its key at the other end.
    pub fn there(&self, here: TrackKey) -> Option<(Trunk, TrackKey)> {
        self.there.get(&here).copied()
    }

    fn wanted_of(&self, is_meant: impl Fn(Trunk, TrackKey) -> bool) -> Vec<(Trunk, TrackKey)> {
        self.wanted.keys().copied().filter(|(trunk, track)| is_meant(*trunk, *track)).collect()
    }
}

impl Room {
    /// What the other end of a trunk says.
    pub(crate) fn handle_trunk(&mut self, trunk: Trunk, message: MediaMessage) {
        match message {
            MediaMessage::Packet(there, packet) => {
                if let Some(track) = self.trunks.here(trunk, there) {
                    self.media.handle_tapped(self.now, track, &packet);
                }
            }
            MediaMessage::Demand(track, highest) => self.demanded(trunk, track, highest),
            MediaMessage::Keyframe(track, layer) => {
                let tap = self.trunks.wanted.get(&(trunk, track)).and_then(|wanted| wanted.tap);
                if let Some(tap) = tap {
                    self.media.handle_tap_keyframe_request(self.now, track, tap, Some(layer));
                }
            }
        }
    }

    /// Puts a message on its way.
    pub(crate) fn say(&mut self, trunk: Trunk, message: MediaMessage) {
        self.out(match trunk {
            Trunk::Shard(shard) => Output::Shard(shard, ShardMessage::Media(message)),
            Trunk::Cascade(cascade) => Output::Cascade(cascade, CascadeMessage::Media(message)),
        });
    }

    fn demanded(&mut self, trunk: Trunk, media: TrackKey, highest: Option<Layer>) {
        let track = self.track_of(media);
        let Some(publisher) = self.membership.tracks.get(&track).map(|track| track.publisher) else { return };
        let tap = self.trunks.wanted.get(&(trunk, media)).and_then(|wanted| wanted.tap);
        match highest {
            Some(highest) => {
                self.trunks.wanted.insert((trunk, media), Wanted { highest, tap });
                self.aim_trunk(trunk, media, publisher);
                self.subscription_started(track);
            }
            None => self.stop_wanting(trunk, media),
        }
    }

    /// Taps a track as it is wanted; while its publisher is on hold, nothing crosses.
    fn aim_trunk(&mut self, trunk: Trunk, media: TrackKey, publisher: ParticipantKey) {
        let held = self.membership.is_held(publisher);
        let Some(wanted) = self.trunks.wanted.get_mut(&(trunk, media)) else { return };
        let layers = TapLayers::UpTo(wanted.highest);
        match wanted.tap {
            Some(tap) if held => {
                wanted.tap = None;
                self.trunks.taps.remove(&tap);
                self.media.remove_tap(self.now, media, tap);
            }
            Some(tap) => self.media.set_tap(self.now, media, tap, layers),
            None if held => {}
            None => {
                wanted.tap = self.media.add_tap(self.now, media, layers);
                self.trunks.taps.extend(wanted.tap.map(|tap| (tap, trunk)));
            }
        }
    }

    /// A member went on hold, or is back.
    pub(crate) fn aim_trunks_of(&mut self, publisher: ParticipantKey) {
        let own: Vec<TrackKey> = self.membership.own_tracks(publisher);
        for (trunk, media) in self.trunks.wanted_of(|_, media| own.contains(&self.track_of(media))) {
            self.aim_trunk(trunk, media, publisher);
        }
    }

    fn stop_wanting(&mut self, trunk: Trunk, media: TrackKey) {
        let Some(wanted) = self.trunks.wanted.remove(&(trunk, media)) else { return };
        if let Some(tap) = wanted.tap {
            self.trunks.taps.remove(&tap);
            self.media.remove_tap(self.now, media, tap);
        }
    }

    /// Nobody is at the other end any more.
    pub(crate) fn close_trunk(&mut self, trunk: Trunk) {
        for (trunk, media) in self.trunks.wanted_of(|other, _| other == trunk) {
            self.stop_wanting(trunk, media);
        }
    }

    /// A track is over, by one of its keys in the media room.
    pub(crate) fn forget_trunks_of(&mut self, media: TrackKey) {
        self.trunks.part(media);
        for (trunk, media) in self.trunks.wanted_of(|_, wanted| wanted == media) {
            self.stop_wanting(trunk, media);
        }
    }

    /// What the taps of trunks and recordings get.
    pub(crate) fn take_tapped(&mut self, tapped: Tapped) {
        match tapped {
            Tapped::Packet { track, taps, packet } => {
                for tap in taps.iter() {
                    match self.trunks.taps.get(tap).copied() {
                        Some(trunk) => self.say(trunk, MediaMessage::Packet(track, packet.clone())),
                        None => self.take_recorded(track, *tap, &packet),
                    }
                }
            }
            // Of trunks: the state of a member says what the other end has to know, and a track's end ends what is wanted of it.
            Tapped::Event { track, tap, event } => self.take_recorded_event(track, tap, event),
        }
    }

    /// Which layers of a track that comes over a trunk anyone wants here. False: it does not come over one.
    pub(crate) fn pass_on_demand(&mut self, media: TrackKey, highest: Option<Layer>) -> bool {
        let Some((trunk, there)) = self.trunks.there(media) else { return false };
        self.say(trunk, MediaMessage::Demand(there, highest));
        true
    }

    /// A track that comes over a trunk owes a keyframe.
    pub(crate) fn keyframe_wanted(&mut self, media: TrackKey, layer: Layer) {
        if let Some((trunk, there)) = self.trunks.there(media) {
            self.say(trunk, MediaMessage::Keyframe(there, layer));
        }
    }
}
