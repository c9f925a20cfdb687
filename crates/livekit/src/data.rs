//! Data packets: stamped with their sender, handed on to whom they are meant for, kept for those who resume.

use std::collections::VecDeque;
use std::sync::Arc;

use livekit_protocol as proto;
use prost::Message;
use proto::data_packet::Value;
use sfu::{DataLane, ParticipantKey, PeerKey};

use crate::limits::{LONGEST_DATA, MOST_REPLAY_DATA, MOST_WAITING_DATA};
use crate::room::Room;
use crate::session::Session;

/// Reliable packets on their way to one participant.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    /// What its channel does not take yet.
    waiting: VecDeque<Arc<[u8]>>,
    bytes: usize,
    /// Its reliable channel is open.
    open: bool,
    /// Number of the last reliable packet *from* it.
    pub last_sequence: u32,
}

impl Mailbox {
    fn push(&mut self, packet: Arc<[u8]>) {
        self.bytes += packet.len();
        self.waiting.push_back(packet);
        while self.bytes > MOST_WAITING_DATA {
            let Some(oldest) = self.waiting.pop_front() else { break };
            self.bytes -= oldest.len();
            tracing::debug!("a receiver is too slow for reliable data: dropped the oldest packet");
        }
    }

    /// Something waits that could be tried again.
    pub fn is_waiting(&self) -> bool {
        self.open && !self.waiting.is_empty()
    }
}

/// A reliable packet as it was handed on.
#[derive(Debug)]
struct Kept {
    sender: String,
    sequence: u32,
    destinations: Vec<String>,
    packet: Arc<[u8]>,
}

/// The latest reliable packets of the room.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl Replay {
    fn keep(&mut self, kept: Kept) {
        self.bytes += kept.packet.len();
        self.kept.push_back(kept);
        while self.bytes > MOST_REPLAY_DATA {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.packet.len();
        }
    }

    /// What `identity` has not had of a sender after `sequence`.
    fn after<'a>(&'a self, sender: &'a str, sequence: u32, identity: &'a str) -> impl Iterator<Item = &'a Arc<[u8]>> {
        self.kept
            .iter()
            .filter(move |kept| {
                kept.sender == sender && kept.sequence > sequence && is_for(&kept.destinations, identity)
            })
            .map(|kept| &kept.packet)
    }
}

fn is_for(destinations: &[String], identity: &str) -> bool {
    destinations.is_empty() || destinations.iter().any(|destination| destination == identity)
}

/// Who sends, as far as its packets show it.
struct Sender<'a> {
    sid: &'a str,
    identity: &'a str,
    hidden: bool,
    agent: bool,
}

impl Room {
    pub(crate) fn data_open(&mut self, peer: PeerKey, lane: DataLane) {
        let Some(key) = self.peers.get(&peer).copied() else { return };
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.peers.subscriber() == peer && lane == DataLane::Reliable {
            session.mailbox.open = true;
            self.retry_data(key);
        }
    }

    pub(crate) fn data_received(&mut self, peer: PeerKey, lane: DataLane, bytes: Vec<u8>) {
        let Some(key) = self.peers.get(&peer).copied() else { return };
        let Some(member) = self.membership.members.get(&key) else { return };
        if !member.grant.data || bytes.len() > LONGEST_DATA {
            return;
        }
        match lane {
            DataLane::Reliable | DataLane::Lossy => self.packet_received(key, lane, &bytes),
            DataLane::Track => self.data_track_frame(key, bytes),
        }
    }

    #[allow(deprecated)]
    fn packet_received(&mut self, key: ParticipantKey, lane: DataLane, bytes: &[u8]) {
        let Ok(mut packet) = proto::DataPacket::decode(bytes) else { return };
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let reliable = lane == DataLane::Reliable;
        if reliable && packet.sequence > 0 {
            if packet.sequence <= session.mailbox.last_sequence {
                return;
            }
            session.mailbox.last_sequence = packet.sequence;
        }
        if self.take_rpc_answer(key, &packet) {
            return;
        }
        let Some(member) = self.membership.members.get(&key) else { return };
        let sender = Sender {
            sid: &member.sid,
            identity: &member.identity,
            hidden: member.grant.hidden,
            agent: member.grant.agent,
        };
        if !stamp(&mut packet, &sender) {
            return;
        }
        let kind = if reliable { proto::data_packet::Kind::Reliable } else { proto::data_packet::Kind::Lossy };
        packet.kind = kind.into();
        let sid = member.sid.clone();
        let cascaded = may_be_cascaded(&packet);
        let encoded = self.deliver(key, lane, sid, packet);
        if cascaded {
            self.cascade_data(key, lane, &encoded);
        }
    }

    /// A packet of a participant of another room who is shown here: its sender has another sid here.
    #[allow(deprecated)]
    pub(crate) fn data_cascaded(&mut self, key: ParticipantKey, lane: DataLane, bytes: &[u8]) {
        let Ok(mut packet) = proto::DataPacket::decode(bytes) else { return };
        let Some(sid) = self.membership.members.get(&key).map(|member| member.sid.clone()) else { return };
        packet.participant_sid.clone_from(&sid);
        if let Some(Value::User(user)) = &mut packet.value
            && !user.participant_sid.is_empty()
        {
            user.participant_sid.clone_from(&sid);
        }
        self.deliver(key, lane, sid, packet);
    }

    /// To whom it is meant for, here and on the other shards.
    fn deliver(&mut self, from: ParticipantKey, lane: DataLane, sid: String, packet: proto::DataPacket) -> Arc<[u8]> {
        let encoded: Arc<[u8]> = packet.encode_to_vec().into();
        self.share_data(&sid, lane, &encoded);
        self.hand_on_kept(Some(from), lane, sid, packet, &encoded);
        encoded
    }

    /// To those connected here whom it is meant for; a numbered one is kept for those who resume.
    pub(crate) fn hand_on_kept(
        &mut self,
        from: Option<ParticipantKey>,
        lane: DataLane,
        sid: String,
        packet: proto::DataPacket,
        encoded: &Arc<[u8]>,
    ) {
        let sequence = packet.sequence;
        let destinations = packet.destination_identities;
        self.hand_on(from, lane, &destinations, encoded);
        if lane == DataLane::Reliable && sequence > 0 {
            self.replay.keep(Kept { sender: sid, sequence, destinations, packet: Arc::clone(encoded) });
        }
    }

    /// Data of the server itself, to everyone or to these identities.
    #[allow(deprecated)]
    pub fn send_data(&mut self, now: std::time::Instant, mut packet: proto::DataPacket, reliable: bool) {
        self.begin(now);
        let (kind, lane) = match reliable {
            true => (proto::data_packet::Kind::Reliable, DataLane::Reliable),
            false => (proto::data_packet::Kind::Lossy, DataLane::Lossy),
        };
        packet.kind = kind.into();
        let encoded: Arc<[u8]> = packet.encode_to_vec().into();
        self.share_data("", lane, &encoded);
        self.hand_on(None, lane, &packet.destination_identities, &encoded);
    }

    fn hand_on(&mut self, from: Option<ParticipantKey>, lane: DataLane, destinations: &[String], packet: &Arc<[u8]>) {
        for (key, session) in &mut self.sessions {
            let member = self.membership.members.get(key);
            if Some(*key) == from || !member.is_some_and(|member| is_for(destinations, &member.identity)) {
                continue;
            }
            let peer = session.peers.subscriber();
            match lane {
                DataLane::Reliable => {
                    let first = session.mailbox.waiting.is_empty() && session.mailbox.open;
                    if !first || !self.media.send_data(self.now, peer, lane, packet) {
                        session.mailbox.push(packet.clone());
                    }
                }
                // Lost is lost.
                DataLane::Lossy | DataLane::Track => {
                    self.media.send_data(self.now, peer, lane, packet);
                }
            }
        }
    }

    /// Sends what waits, as far as the channel takes it.
    pub(crate) fn retry_data(&mut self, key: ParticipantKey) {
        let Some(Session { mailbox, peers, .. }) = self.sessions.get_mut(&key) else { return };
        if !mailbox.open {
            return;
        }
        while let Some(packet) = mailbox.waiting.front() {
            if !self.media.send_data(self.now, peers.subscriber(), DataLane::Reliable, packet) {
                return;
            }
            mailbox.bytes -= packet.len();
            mailbox.waiting.pop_front();
        }
    }

    /// After a resume: what the client says it has had last of each sender, and what came after that.
    pub(crate) fn replay_to(&mut self, key: ParticipantKey, states: &[proto::DataChannelReceiveState]) {
        let (Some(session), Some(member)) = (self.sessions.get_mut(&key), self.membership.members.get(&key)) else {
            return;
        };
        for state in states {
            for packet in self.replay.after(&state.publisher_sid, state.last_seq, &member.identity) {
                session.mailbox.push(packet.clone());
            }
        }
        self.retry_data(key);
    }
}

/// Whether a packet is also for the rooms that its sender is shown in: a call of a method is not, its answer would find no way back.
pub(crate) fn may_be_cascaded(packet: &proto::DataPacket) -> bool {
    !matches!(packet.value, Some(Value::RpcRequest(_) | Value::RpcAck(_) | Value::RpcResponse(_)))
}

/// Writes the sender into a packet. False where the packet is not to be handed on.
#[allow(deprecated)]
fn stamp(packet: &mut proto::DataPacket, sender: &Sender<'_>) -> bool {
    packet.participant_sid = sender.sid.to_owned();
    let shown = |text: &str| if sender.hidden { String::new() } else { text.to_owned() };
    let behalf =
        sender.agent && !packet.participant_identity.is_empty() && packet.participant_identity != sender.identity;
    let mut keep_identity = false;
    match &mut packet.value {
        Some(Value::User(user)) => {
            (user.participant_sid, user.participant_identity) = (shown(sender.sid), shown(sender.identity));
            if packet.destination_identities.is_empty() {
                packet.destination_identities.clone_from(&user.destination_identities);
            } else {
                user.destination_identities.clone_from(&packet.destination_identities);
            }
        }
        Some(Value::Transcription(_)) if !sender.agent => return false,
        Some(Value::ChatMessage(message)) if behalf => {
            message.generated = true;
            keep_identity = true;
        }
        Some(Value::StreamHeader(header)) if behalf => {
            if let Some(proto::data_stream::header::ContentHeader::TextHeader(text)) = &mut header.content_header {
                text.generated = true;
                keep_identity = true;
            }
        }
        // Speakers are the server's to tell; metrics are for nobody in the room.
        Some(Value::Speaker(_) | Value::Metrics(_)) | None => return false,
        Some(
            Value::Transcription(_)
            | Value::ChatMessage(_)
            | Value::StreamHeader(_)
            | Value::SipDtmf(_)
            | Value::RpcRequest(_)
            | Value::RpcAck(_)
            | Value::RpcResponse(_)
            | Value::StreamChunk(_)
            | Value::StreamTrailer(_)
            | Value::EncryptedPacket(_),
        ) => {}
    }
    if !keep_identity {
        packet.participant_identity = shown(sender.identity);
    }
    true
}

#[cfg(test)]
#[allow(deprecated)]
mod tests {
    use super::*;

    const BOB: Sender<'_> = Sender { sid: "PA_b", identity: "bob", hidden: false, agent: false };
    const AGENT: Sender<'_> = Sender { sid: "PA_a", identity: "agent", hidden: false, agent: true };
    const HIDDEN: Sender<'_> = Sender { sid: "PA_h", identity: "ghost", hidden: true, agent: false };

    fn packet(value: Value) -> proto::DataPacket {
        proto::DataPacket { participant_identity: "mallory".into(), value: Some(value), ..Default::default() }
    }

    #[test]
    fn nobody_speaks_for_another() {
        for (sender, identity) in [(&BOB, "bob"), (&HIDDEN, ""), (&AGENT, "agent")] {
            let mut packet = packet(Value::User(proto::UserPacket::default()));
            assert!(stamp(&mut packet, sender));
            assert_eq!((packet.participant_identity.as_str(), packet.participant_sid.as_str()), (identity, sender.sid));
            let Some(Value::User(user)) = packet.value else { panic!("a user packet stays one") };
            assert_eq!(user.participant_identity, identity);
        }
    }

    #[test]
    fn an_agent_may_write_for_another_and_it_shows() {
        let mut message = packet(Value::ChatMessage(proto::ChatMessage::default()));
        assert!(stamp(&mut message, &AGENT));
        assert_eq!(message.participant_identity, "mallory");
        assert!(matches!(message.value, Some(Value::ChatMessage(message)) if message.generated));
        let mut message = packet(Value::ChatMessage(proto::ChatMessage::default()));
        assert!(stamp(&mut message, &BOB));
        assert_eq!(message.participant_identity, "bob");
    }

    #[test]
    fn some_packets_are_not_handed_on() {
        for (value, sender, passes) in [
            (Value::Transcription(proto::Transcription::default()), &BOB, false),
            (Value::Transcription(proto::Transcription::default()), &AGENT, true),
            (Value::Metrics(proto::MetricsBatch::default()), &BOB, false),
            (Value::Speaker(proto::ActiveSpeakerUpdate::default()), &BOB, false),
            (Value::RpcRequest(proto::RpcRequest::default()), &BOB, true),
        ] {
            assert_eq!(stamp(&mut packet(value), sender), passes);
        }
        assert!(!stamp(&mut proto::DataPacket::default(), &BOB));
    }

    #[test]
    fn destinations_may_stand_in_either_place() {
        let old = proto::UserPacket { destination_identities: vec!["carol".into()], ..Default::default() };
        let mut packet = packet(Value::User(old));
        assert!(stamp(&mut packet, &BOB));
        assert_eq!(packet.destination_identities, ["carol"]);
    }

    #[test]
    fn what_came_after_is_sent_again_to_whom_it_was_for() {
        let mut replay = Replay::default();
        for (sequence, destinations) in [(1, vec![]), (2, vec!["carol".to_owned()]), (3, vec![])] {
            let packet = Arc::from([sequence as u8].as_slice());
            replay.keep(Kept { sender: "PA_b".into(), sequence, destinations, packet });
        }
        let after = |sender: &'static str, sequence, identity: &'static str| -> Vec<u8> {
            replay.after(sender, sequence, identity).map(|packet| packet[0]).collect()
        };
        assert_eq!(after("PA_b", 0, "carol"), [1, 2, 3]);
        assert_eq!(after("PA_b", 1, "dave"), [3]);
        assert_eq!(after("PA_x", 0, "carol"), [0u8; 0]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (mut replay, mut mailbox) = (Replay::default(), Mailbox::default());
        for sequence in 0..200 {
            let packet: Arc<[u8]> = vec![0; 60_000].into();
            mailbox.push(packet.clone());
            replay.keep(Kept { sender: String::new(), sequence, destinations: vec![], packet });
        }
        assert!(replay.bytes <= MOST_REPLAY_DATA && replay.kept.len() == MOST_REPLAY_DATA / 60_000);
        assert!(mailbox.bytes <= MOST_WAITING_DATA && mailbox.waiting.len() == MOST_WAITING_DATA / 60_000);
    }
}
