//! What the media room measures, in the form that clients are told: speakers, quality, paused streams, wanted layers.

use livekit_protocol as proto;
use proto::VideoQuality;
use proto::signal_response::Message;
use sfu::{Layer, ParticipantKey, Quality, Speaker, TrackKey};

use crate::room::Room;
use crate::session::Session;
use crate::types::RoomEvent;

impl Room {
    /// Who speaks changed: those who changed are named, to all.
    pub(crate) fn speakers_changed(&mut self, speakers: &[Speaker]) {
        let mut visible = Vec::new();
        for Speaker { participant, level, active } in speakers.iter().copied() {
            // Of those elsewhere, the shard to which they are connected tells.
            if self.membership.is_held(participant) || self.is_elsewhere(participant) {
                continue;
            }
            self.note_speaker(participant, level, active);
            if let Some(member) = self.membership.members.get(&participant).filter(|member| !member.grant.hidden) {
                visible.push(proto::SpeakerInfo { sid: member.sid.clone(), level, active });
            }
        }
        if !visible.is_empty() {
            self.share_speakers(&visible);
        }
        self.tell_speakers(&visible);
    }

    pub(crate) fn note_speaker(&mut self, key: ParticipantKey, level: f32, active: bool) {
        if active {
            self.speaking.insert(key, level.to_bits());
        } else {
            self.speaking.remove(&key);
        }
    }

    /// Names those whose speaking changed to all who are connected here, and to recordings.
    pub(crate) fn tell_speakers(&mut self, speakers: &[proto::SpeakerInfo]) {
        self.record_speakers();
        if speakers.is_empty() {
            return;
        }
        let hears = |session: &&Session| !self.membership.is_held(session.key);
        let connected: Vec<_> = self.sessions.values().filter(hears).filter_map(Session::connection).collect();
        for connection in connected {
            let speakers = speakers.to_vec();
            self.send_to(connection, Message::SpeakersChanged(proto::SpeakersChanged { speakers }));
        }
    }

    /// Who speaks now, to one who has just come.
    pub(crate) fn tell_speakers_to(&mut self, key: ParticipantKey) {
        if self.membership.is_held(key) {
            return;
        }
        let speakers: Vec<_> = self
            .speaking
            .iter()
            .filter_map(|(participant, level)| {
                let member = self.membership.members.get(participant).filter(|member| !member.grant.hidden)?;
                let level = f32::from_bits(*level);
                Some(proto::SpeakerInfo { sid: member.sid.clone(), level, active: true })
            })
            .collect();
        if !speakers.is_empty() {
            self.send(key, Message::SpeakersChanged(proto::SpeakersChanged { speakers }));
        }
    }

    /// Quality was measured. If anything changed, everyone hears about everyone.
    pub(crate) fn quality_measured(&mut self, measured: &[(ParticipantKey, Quality)]) {
        for (participant, _) in measured {
            self.tell_figures(*participant);
        }
        let mut news = false;
        for (participant, quality) in measured {
            if self.membership.members.contains_key(participant) && !self.is_elsewhere(*participant) {
                news |= self.quality.insert(*participant, *quality) != Some(*quality);
            }
        }
        if news {
            self.share_quality(measured);
            self.tell_quality();
        }
    }

    /// Tells everyone who is connected here how everyone's connection does.
    pub(crate) fn tell_quality(&mut self) {
        let infos: Vec<_> = self
            .quality
            .iter()
            .filter_map(|(participant, quality)| Some((self.membership.members.get(participant)?, *quality)))
            .map(|(member, quality)| (member.key, member.grant.hidden, quality_info(&member.sid, quality)))
            .collect();
        let connected: Vec<_> =
            self.sessions.values().filter_map(|session| Some((session.key, session.connection()?))).collect();
        for (key, connection) in connected {
            let visible = infos.iter().filter(|(other, hidden, _)| !hidden || *other == key);
            let updates = visible.map(|(_, _, info)| info.clone()).collect();
            self.send_to(connection, Message::ConnectionQuality(proto::ConnectionQualityUpdate { updates }));
        }
    }

    fn tell_figures(&mut self, participant: ParticipantKey) {
        let Some(session) = self.sessions.get(&participant) else { return };
        let peer = |peer| self.media.peer_stats(peer).filter(|stats| stats.connected);
        let (to, from) = (peer(session.peers.subscriber()), peer(session.peers.publisher()));
        // What comes from the client is the publisher connection's to know.
        let stats = match (to, from) {
            (Some(to), Some(from)) => sfu::PeerStats { loss_up: from.loss_up, rtt: to.rtt.or(from.rtt), ..to },
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return,
        };
        let Some(member) = self.membership.members.get(&participant) else { return };
        let identity = member.identity.clone();
        self.event(RoomEvent::Measured { identity, stats });
    }

    /// The server paused or resumed a subscription.
    pub(crate) fn stream_state(&mut self, subscriber: ParticipantKey, track: TrackKey, paused: bool) {
        let Some(track) = self.membership.tracks.get(&track) else { return };
        let Some(publisher) = self.membership.members.get(&track.publisher) else { return };
        let state = if paused { proto::StreamState::Paused } else { proto::StreamState::Active };
        let info = proto::StreamStateInfo {
            participant_sid: publisher.sid.clone(),
            track_sid: track.info.sid.clone(),
            state: state.into(),
        };
        self.send(subscriber, Message::StreamStateUpdate(proto::StreamStateUpdate { stream_states: vec![info] }));
    }
}

/// The layers that are wanted, up to the highest.
pub(crate) fn qualities(highest: Option<Layer>) -> Vec<proto::SubscribedQuality> {
    let layers =
        [(VideoQuality::Low, Layer::Low), (VideoQuality::Medium, Layer::Medium), (VideoQuality::High, Layer::High)];
    let quality = |(quality, layer): (VideoQuality, Layer)| proto::SubscribedQuality {
        quality: quality.into(),
        enabled: highest.is_some_and(|highest| layer <= highest),
    };
    layers.map(quality).to_vec()
}

fn quality_info(sid: &str, quality: Quality) -> proto::ConnectionQualityInfo {
    let (quality, score) = match quality {
        Quality::Excellent => (proto::ConnectionQuality::Excellent, 5.0),
        Quality::Good => (proto::ConnectionQuality::Good, 4.0),
        Quality::Poor => (proto::ConnectionQuality::Poor, 2.0),
        Quality::Lost => (proto::ConnectionQuality::Lost, 0.0),
    };
    proto::ConnectionQualityInfo { participant_sid: sid.to_owned(), quality: quality.into(), score }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_layers_are_told_as_qualities() {
        for (highest, enabled) in [
            (None, [false, false, false]),
            (Some(Layer::Low), [true, false, false]),
            (Some(Layer::Medium), [true, true, false]),
            (Some(Layer::High), [true, true, true]),
        ] {
            let told: Vec<_> = qualities(highest).iter().map(|quality| quality.enabled).collect();
            assert_eq!(told, enabled);
        }
    }
}
