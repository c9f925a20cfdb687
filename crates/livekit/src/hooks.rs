//! What the operator's backend hears about a room, as LiveKit webhooks. Signing and delivery happen in `server`.

use livekit_protocol as proto;
use sfu::ParticipantKey;

use crate::room::Room;
use crate::types::Output;

impl Room {
    /// The room is open.
    pub(crate) fn hook_started(&mut self) {
        self.hook("room_started", |_| {});
    }

    /// The room is over.
    pub(crate) fn hook_finished(&mut self) {
        self.hook("room_finished", |_| {});
    }

    /// A participant's media is up.
    pub(crate) fn hook_joined(&mut self, key: ParticipantKey) {
        let Some(info) = self.membership.info(key).filter(|_| self.membership.is_seen(key)) else { return };
        self.hook("participant_joined", |event| event.participant = Some(info));
    }

    /// A participant is gone; `joined`: its media was up.
    pub(crate) fn hook_left(&mut self, info: proto::ParticipantInfo, joined: bool) {
        let event = if joined { "participant_left" } else { "participant_connection_aborted" };
        self.hook(event, |event| event.participant = Some(info));
    }

    /// A track is there, or gone. Room and participant are named only, as LiveKit does it.
    pub(crate) fn hook_track(&mut self, key: ParticipantKey, track: &proto::TrackInfo, published: bool) {
        let Some(member) = self.membership.members.get(&key).filter(|_| self.init.hooks) else { return };
        let (sid, identity) = (member.sid.clone(), member.identity.clone());
        let participant = proto::ParticipantInfo { sid, identity, ..Default::default() };
        let (sid, name) = (self.membership.facts.sid.clone(), self.init.name.clone());
        let room = proto::Room { sid, name, ..Default::default() };
        let track = track.clone();
        let event = if published { "track_published" } else { "track_unpublished" };
        self.hook(event, |event| {
            (event.room, event.participant, event.track) = (Some(room), Some(participant), Some(track));
        });
    }

    fn hook(&mut self, name: &str, fill: impl FnOnce(&mut proto::WebhookEvent)) {
        if !self.init.hooks {
            return;
        }
        let mut event = proto::WebhookEvent {
            event: name.to_owned(),
            id: crate::id::sid(&mut self.rng, "EV_"),
            created_at: self.timestamp().as_millis().div_euclid(1_000),
            room: Some(self.membership.room_info()),
            ..Default::default()
        };
        fill(&mut event);
        self.out(Output::Hook(Box::new(event)));
    }
}
