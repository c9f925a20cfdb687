//! Other codecs of a track, for subscribers that cannot take its first.
//!
//! Each is a track of its own to this room, which comes over an m-line of its own and is sent only once somebody wants it. A
//! subscription can be moved from one to the other without its subscriber's notice: m-line, SSRC and numbering stay.

use std::time::Instant;

use super::track::Track;
use super::{REVIEW_INTERVAL, Room};
use crate::types::{Codec, LayerSpec, ParticipantKey, TrackKey, TrackSpec};

impl Room {
    /// Announces another codec of a track. `None`: there is no such track.
    pub fn publish_backup(
        &mut self,
        now: Instant,
        of: TrackKey,
        codec: Codec,
        layers: Vec<LayerSpec>,
    ) -> Option<TrackKey> {
        let first = self.tracks.get(of)?;
        let (owner, spec) = (first.owner, TrackSpec { layers, ..first.spec.clone() });
        let trailer = std::sync::Arc::clone(&first.expected.trailer);
        let key = TrackKey(self.new_key());
        self.tracks.insert(key, Track::backup(owner, spec));
        self.expect_media(key, Some(codec), trailer);
        self.review_at.get_or_insert(now + REVIEW_INTERVAL);
        Some(key)
    }

    /// Feeds a subscription from another codec of the same track from now on.
    pub fn move_subscription(&mut self, now: Instant, subscriber: ParticipantKey, from: TrackKey, to: TrackKey) {
        let owner = |track| self.tracks.get(track).map(|known| known.owner);
        let Some(participant) = self.participants.get_mut(subscriber) else { return };
        if from == to || owner(from).is_none() || owner(from) != owner(to) {
            return;
        }
        let taken = self.tracks.get_mut(from).and_then(|known| known.subscriptions.remove(subscriber));
        let (Some(mut subscription), Some(target)) = (taken, self.tracks.get_mut(to)) else { return };
        subscription.forwarder.pause();
        target.subscriptions.insert(subscriber, subscription);
        participant.subscribed.iter_mut().filter(|track| **track == from).for_each(|track| *track = to);
        self.await_media(now, subscriber, to);
        self.unsettle(subscriber);
        self.settle(now);
        self.review_demand(now, from);
        self.review_demand(now, to);
    }
}
