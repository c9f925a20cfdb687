//! What goes straight from shard to shard besides media: data, speakers, the quality of connections.

use std::sync::Arc;

use livekit_protocol as proto;
use prost::Message;
use sfu::{DataLane, Quality};

use super::ShardMessage;
use crate::data::may_be_cascaded;
use crate::room::Room;

impl Room {
    /// Passes a data packet of one who is connected here on to the other shards, or (no sid) one of the server.
    pub(crate) fn share_data(&mut self, sid: &str, lane: DataLane, packet: &Arc<[u8]>) {
        self.tell_shards(|| ShardMessage::Data { sid: sid.to_owned(), lane, packet: Arc::clone(packet) });
    }

    /// A data packet of another shard.
    pub(super) fn data_shared(&mut self, sid: String, lane: DataLane, encoded: &Arc<[u8]>) {
        let Ok(packet) = proto::DataPacket::decode(&**encoded) else { return };
        let cascaded = may_be_cascaded(&packet);
        let from = self.membership.by_sid(&sid).map(|member| member.key);
        self.hand_on_kept(from, lane, sid, packet, encoded);
        if let Some(key) = from.filter(|_| cascaded) {
            self.cascade_data(key, lane, encoded);
        }
    }

    /// Passes a frame of a data track on to the other shards.
    pub(crate) fn share_frame(&mut self, sid: &str, frame: &[u8]) {
        if !self.is_alone() {
            let frame: Arc<[u8]> = frame.into();
            self.tell_shards(|| ShardMessage::DataFrame { sid: sid.to_owned(), frame: Arc::clone(&frame) });
        }
    }

    /// Tells the other shards whose speaking changed of those who are connected here.
    pub(crate) fn share_speakers(&mut self, speakers: &[proto::SpeakerInfo]) {
        self.tell_shards(|| ShardMessage::Speakers(speakers.to_vec()));
    }

    /// Whose speaking changed of those who are connected to another shard.
    pub(super) fn speakers_shared(&mut self, speakers: Vec<proto::SpeakerInfo>) {
        let mut known = Vec::new();
        for speaker in speakers {
            let Some(key) = self.membership.by_sid(&speaker.sid).map(|member| member.key) else { continue };
            if self.membership.is_held(key) {
                continue;
            }
            self.note_speaker(key, speaker.level, speaker.active);
            known.push(speaker);
        }
        self.tell_speakers(&known);
    }

    /// Tells the other shards how the connections here do.
    pub(crate) fn share_quality(&mut self, measured: &[(sfu::ParticipantKey, Quality)]) {
        if self.is_alone() {
            return;
        }
        let sid = |key| self.membership.members.get(key).map(|member| member.sid.clone());
        let own = measured.iter().filter(|(key, _)| !self.is_elsewhere(*key));
        let measured: Vec<_> = own.filter_map(|(key, quality)| Some((sid(key)?, *quality))).collect();
        self.tell_shards(|| ShardMessage::Quality(measured.clone()));
    }

    /// How the connections to another shard do.
    pub(super) fn quality_shared(&mut self, measured: Vec<(String, Quality)>) {
        for (sid, quality) in measured {
            if let Some(key) = self.membership.by_sid(&sid).map(|member| member.key) {
                self.quality.insert(key, quality);
            }
        }
        self.tell_quality();
    }
}
