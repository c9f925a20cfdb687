//! Participants on hold: no media passes between them and anyone else, in either direction.
//!
//! To clients, this looks like something they know. The others see the tracks of someone on hold as muted, and someone
//! on hold sees everyone's tracks as muted. What a participant publishes stays as it is, so resuming restores what was
//! there. Hold is kept by identity: someone who reconnects is still on hold.

use livekit_protocol as proto;
use proto::signal_response::Message;
use sfu::{ParticipantKey, TrackKey, TrackPreference};

use crate::limits::MOST_HELD;
use crate::requests::{RoomAnswer, RoomRefusal};
use crate::room::Room;

impl Room {
    /// Puts a participant on hold, or resumes it; one who is not there yet finds it so.
    pub(crate) fn hold(&mut self, identity: &str, on: bool) -> Result<RoomAnswer, RoomRefusal> {
        if on && self.membership.held.len() >= MOST_HELD && !self.membership.held.contains(identity) {
            return Err(RoomRefusal::Busy);
        }
        let changed =
            if on { self.membership.held.insert(identity.to_owned()) } else { self.membership.held.remove(identity) };
        if let Some(key) = self.membership.identities.get(identity).copied().filter(|_| changed) {
            self.aim_around(key);
            self.aim_trunks_of(key);
            self.membership.mark_changed(key);
            let participants = self.membership.visible_infos(Some(key));
            if !participants.is_empty() {
                self.send(key, Message::Update(proto::ParticipantUpdate { participants }));
            }
            self.hush(key, on);
        }
        Ok(RoomAnswer::Done)
    }

    /// What a subscriber can use of a track: nothing where one of the two is on hold. `None`: what everyone can.
    pub(crate) fn usable(&self, subscriber: ParticipantKey, track: TrackKey) -> Option<TrackPreference> {
        let own = self.sessions.get(&subscriber)?.preferences.get(&track).copied();
        let publisher = self.membership.tracks.get(&track)?.publisher;
        if self.membership.is_held(subscriber) || self.membership.is_held(publisher) {
            return Some(TrackPreference { disabled: true, ..own.unwrap_or_default() });
        }
        own
    }

    /// Every subscription from and to a participant is given what it can use now.
    fn aim_around(&mut self, key: ParticipantKey) {
        let pairs = self.sessions.values().flat_map(|session| {
            let tracks = session.subscribed.iter().copied();
            tracks.map(|track| (session.key, track))
        });
        let around = |(subscriber, track): &(ParticipantKey, TrackKey)| {
            *subscriber == key || self.membership.tracks.get(track).is_some_and(|track| track.publisher == key)
        };
        let pairs: Vec<_> = pairs.filter(around).collect();
        for (subscriber, track) in pairs {
            let preference = self.usable(subscriber, track).unwrap_or_default();
            let media = self.fed_by(subscriber, track);
            self.media.set_preference(self.now, subscriber, media, preference);
        }
    }

    /// Who goes on hold speaks to nobody and hears nobody speak.
    fn hush(&mut self, key: ParticipantKey, on: bool) {
        if !on {
            self.tell_speakers_to(key);
            return;
        }
        let hushed = |room: &Self, key: &ParticipantKey| {
            let member = room.membership.members.get(key).filter(|member| !member.grant.hidden)?;
            Some(proto::SpeakerInfo { sid: member.sid.clone(), level: 0.0, active: false })
        };
        let all: Vec<_> = self.speaking.keys().filter_map(|speaker| hushed(self, speaker)).collect();
        let own = self.speaking.remove(&key).and_then(|_| hushed(self, &key));
        if !all.is_empty() {
            self.send(key, Message::SpeakersChanged(proto::SpeakersChanged { speakers: all }));
        }
        let Some(own) = own else { return };
        let others: Vec<_> = self.sessions.keys().copied().filter(|other| *other != key).collect();
        for other in others {
            self.send(other, Message::SpeakersChanged(proto::SpeakersChanged { speakers: vec![own.clone()] }));
        }
    }
}
