//! Offers and answers, both ways.

use std::collections::BTreeMap;

use livekit_protocol as proto;
use proto::signal_response::Message;
use sfu::{Kind, MidName, OfferedMedia, ParticipantKey, TrackKey};

use crate::leave::Departure;
use crate::limits::{MOST_MEDIA, MOST_TRACKS, OFFER_PATIENCE, OWN_OFFER_PATIENCE};
use crate::room::Room;
use crate::sdp::{DescriptionError, LineUse, Sent, check_description, rewrite_answer, rewrite_offer};
use crate::session::{Outstanding, Peers, ServerOffer, Session};
use crate::types::Output;

impl Room {
    /// The offer that came with the join.
    pub(crate) fn handle_first_offer(&mut self, key: ParticipantKey, offer: proto::SessionDescription) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.applies_offer_late() {
            session.negotiation.held_offer = Some((self.now + OWN_OFFER_PATIENCE, offer));
        } else {
            self.handle_offer(key, offer);
        }
    }

    /// The client has applied its offer, or has had the time.
    pub(crate) fn release_offer(&mut self, key: ParticipantKey) {
        let held = self.sessions.get_mut(&key).and_then(|session| session.negotiation.held_offer.take());
        if let Some((_, offer)) = held {
            self.handle_offer(key, offer);
        }
    }

    /// The client offers: publishing, and receiving where it has one connection.
    pub(crate) fn handle_offer(&mut self, key: ParticipantKey, offer: proto::SessionDescription) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.negotiation.held_offer = None;
        let (peers, peer) = (session.peers, session.peers.publisher());
        if let Err(error) = check_description(&offer.sdp) {
            self.depart(key, Departure::Offence(reason(error)));
            return;
        }
        let negotiated = match self.media.accept_offer(self.now, peer, &offer.sdp) {
            Ok(negotiated) => negotiated,
            Err(error) => {
                tracing::debug!(%error, "refused an offer");
                self.depart(key, Departure::Offence("unacceptable offer"));
                return;
            }
        };
        self.claim_media(key, &negotiated.media);
        if let (Peers::Single(_), Some(session)) = (peers, self.sessions.get_mut(&key)) {
            let lines = &mut session.negotiation.sections;
            lines.offered(negotiated.media.iter().map(|m| (m.mid.clone(), m.kind, m.receives, m.sends)));
            lines.fill();
            session.negotiation.asked = None;
            session.negotiation.offered = true;
        }
        let uses = self.line_uses(key, &negotiated.media);
        // The client must know a participant before it gets a stream of it.
        self.tell_changes();
        let answer = proto::SessionDescription {
            r#type: "answer".to_owned(),
            sdp: rewrite_answer(&negotiated.answer, &uses),
            id: offer.id,
            mid_to_track_id: mid_to_track(uses.iter().filter_map(|(mid, line)| match line {
                LineUse::Send(sent) => Some((mid, sent)),
                _ => None,
            })),
        };
        self.send(key, Message::Answer(answer));
        if let Peers::Single(_) = peers {
            self.bind_lines(key);
            self.renegotiate.remove(&key);
            let lines = self.sessions.get(&key).map(|session| &session.negotiation.sections);
            if lines.is_some_and(|lines| lines.lacking() != (0, 0) && lines.count() + MOST_TRACKS < MOST_MEDIA) {
                self.renegotiate.insert(key);
            }
        }
    }

    fn bind_lines(&mut self, key: ParticipantKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let peer = session.peers.subscriber();
        for (track, mid) in session.negotiation.sections.take_unbound() {
            let media = self.fed_by(key, track);
            self.media.bind_subscription(self.now, key, media, peer, mid);
        }
        self.feed_lines(key);
    }

    fn line_uses(&self, key: ParticipantKey, media: &[OfferedMedia]) -> BTreeMap<String, LineUse> {
        media.iter().map(|offered| (offered.mid.0.clone(), self.line_use(key, offered))).collect()
    }

    fn line_use(&self, key: ParticipantKey, offered: &OfferedMedia) -> LineUse {
        let Some(session) = self.sessions.get(&key) else { return LineUse::Other };
        if let Some(sent) =
            session.negotiation.sections.track_of(&offered.mid).and_then(|track| self.sent(session, track))
        {
            return LineUse::Send(sent);
        }
        if !offered.sends {
            return LineUse::Idle;
        }
        let own = self.membership.members.get(&key).map(|member| member.tracks.as_slice()).unwrap_or_default();
        let own = own.iter().filter_map(|track| self.membership.tracks.get(track));
        let mut own = own.filter_map(|track| Some((track, track.codec_on(&offered.mid)?)));
        match (own.next(), offered.kind) {
            (Some((track, codec)), Kind::Audio) => LineUse::ReceiveAudio(track.audio_wishes(codec)),
            (Some((_, codec)), Kind::Video) => LineUse::ReceiveVideo { codec: codec.to_owned() },
            (None, _) => LineUse::Other,
        }
    }

    /// What a subscriber learns about the track on an m-line.
    fn sent(&self, subscriber: &Session, track: TrackKey) -> Option<Sent> {
        let track = self.membership.tracks.get(&track)?;
        let participant = self.membership.members.get(&track.publisher)?.sid.clone();
        let in_step = self.membership.facts.sync_streams && subscriber.takes_synced_streams();
        Some(Sent { participant, track: track.info.sid.clone(), stream: track.stream().filter(|_| in_step) })
    }

    /// Those whose m-lines no longer say what they should get what they need for it.
    pub(crate) fn negotiate_all(&mut self) {
        for key in std::mem::take(&mut self.renegotiate) {
            let Some(session) = self.sessions.get(&key) else { continue };
            match session.peers {
                // A lost client offers anew when it resumes.
                _ if session.connection().is_none() => {}
                Peers::Single(_) if !session.negotiation.offered => {}
                Peers::Single(_) => self.ask_for_offer(key),
                Peers::Dual { .. } => self.offer(key),
            }
        }
    }

    /// One connection: the client offers, with as many more m-lines as are missing.
    fn ask_for_offer(&mut self, key: ParticipantKey) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let negotiation = &mut session.negotiation;
        negotiation.sections.fill();
        let (audios, videos) = negotiation.sections.lacking();
        // No more than the client may offer, some left for what it publishes.
        let left = MOST_MEDIA.saturating_sub(negotiation.sections.count() + MOST_TRACKS) as u32;
        let (audios, videos) = (audios.min(left), videos.min(left.saturating_sub(audios)));
        let request = match negotiation.asked {
            // Its offer is on the way, and has all the m-lines it takes.
            Some((at, a, v)) if audios <= a && videos <= v && now < at + OFFER_PATIENCE => return,
            Some((at, a, v)) if now < at + OFFER_PATIENCE => (audios.saturating_sub(a), videos.saturating_sub(v)),
            Some(_) | None => (audios, videos),
        };
        negotiation.asked = Some((now, audios, videos));
        let (num_audios, num_videos) = request;
        let requirement = proto::MediaSectionsRequirement { num_audios, num_videos };
        self.send(key, Message::MediaSectionsRequirement(requirement));
    }

    /// Asks again where no offer came.
    pub(crate) fn retry_asking(&mut self, key: ParticipantKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        if session.negotiation.asked.is_some_and(|(at, ..)| at + OFFER_PATIENCE <= self.now) {
            session.negotiation.asked = None;
            self.renegotiate.insert(key);
        }
    }

    /// Two connections: the server offers what it sends.
    fn offer(&mut self, key: ParticipantKey) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let peer = session.peers.subscriber();
        let negotiation = &mut session.negotiation;
        if !negotiation.restart_ice && negotiation.offer.as_ref().is_some_and(|offer| offer.outstanding.is_some()) {
            // Goes on when the answer is there.
            return;
        }
        let (audios, videos) = negotiation.sections.lacking();
        for kind in
            std::iter::repeat_n(Kind::Audio, audios as usize).chain(std::iter::repeat_n(Kind::Video, videos as usize))
        {
            let mid = self.media.add_send_media(self.now, peer, kind);
            negotiation.sections.add(mid, kind);
        }
        negotiation.sections.fill();
        let restart_ice = std::mem::take(&mut negotiation.restart_ice);
        let made = self.media.create_offer(self.now, peer, restart_ice);
        let carried: Vec<(MidName, TrackKey)> =
            negotiation.sections.carried().map(|(mid, t)| (mid.clone(), t)).collect();
        let (sdp, outstanding) = match (made, negotiation.offer.take()) {
            (Ok(Some(sdp)), _) => (sdp, Outstanding::Stack),
            (Ok(None), Some(last)) if last.told != carried => (last.sdp, Outstanding::Text),
            (Ok(None), last) => {
                negotiation.offer = last;
                return;
            }
            (Err(error), last) => {
                tracing::warn!(%error, "cannot make an offer");
                negotiation.offer = last;
                return;
            }
        };
        negotiation.offers += 1;
        let id = negotiation.offers;
        negotiation.offer =
            Some(ServerOffer { sdp: sdp.clone(), told: carried.clone(), outstanding: Some(outstanding) });
        let Some(session) = self.sessions.get(&key) else { return };
        let sent = carried.into_iter().filter_map(|(mid, track)| Some((mid.0, self.sent(session, track)?)));
        let sent: BTreeMap<String, Sent> = sent.collect();
        let offer = proto::SessionDescription {
            r#type: "offer".to_owned(),
            sdp: rewrite_offer(&sdp, id.into(), &sent),
            id,
            mid_to_track_id: mid_to_track(sent.iter()),
        };
        self.send(key, Message::Offer(offer));
    }

    /// The client answers the server's offer.
    pub(crate) fn handle_answer(&mut self, key: ParticipantKey, answer: proto::SessionDescription) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        let Peers::Dual { subscriber, .. } = session.peers else { return };
        if let Err(error) = check_description(&answer.sdp) {
            self.depart(key, Departure::Offence(reason(error)));
            return;
        }
        let current = session.negotiation.offers;
        let Some(offer) = session.negotiation.offer.as_mut() else { return };
        if answer.id != 0 && answer.id != current {
            return;
        }
        match offer.outstanding.take() {
            Some(Outstanding::Stack) => {
                if let Err(error) = self.media.accept_answer(self.now, subscriber, &answer.sdp) {
                    tracing::debug!(%error, "refused an answer");
                    self.depart(key, Departure::Offence("unacceptable answer"));
                    return;
                }
            }
            Some(Outstanding::Text) => {}
            None => return,
        }
        // Only what the client has been told of; the rest comes with the next offer.
        let told = offer.told.clone();
        for (mid, track) in told {
            let Some(session) = self.sessions.get_mut(&key) else { return };
            if session.negotiation.sections.bind(&mid, track) {
                let media = self.fed_by(key, track);
                self.media.bind_subscription(self.now, key, media, subscriber, mid);
            }
        }
        self.feed_lines(key);
        self.renegotiate.insert(key);
    }

    /// A candidate of the client.
    pub(crate) fn trickle(&mut self, key: ParticipantKey, trickle: &proto::TrickleRequest) {
        // Candidates are gathered for an offer that was applied.
        self.release_offer(key);
        let Some(session) = self.sessions.get(&key) else { return };
        let peer = match proto::SignalTarget::try_from(trickle.target) {
            Ok(proto::SignalTarget::Subscriber) => session.peers.subscriber(),
            Ok(proto::SignalTarget::Publisher) | Err(_) => session.peers.publisher(),
        };
        let init: serde_json::Value = serde_json::from_str(&trickle.candidate_init).unwrap_or_default();
        let candidate = init.get("candidate").and_then(serde_json::Value::as_str).unwrap_or_default();
        if !candidate.is_empty()
            && let Err(error) = self.media.add_remote_candidate(self.now, peer, candidate)
        {
            // Host names of mDNS, foreign transports: others will do.
            tracing::trace!(%error, "skipped a candidate");
        }
    }

    /// A connection is addressed by another ufrag, too.
    pub(crate) fn ice_ufrag(&mut self, peer: sfu::PeerKey, ufrag: String) {
        if self.peers.contains_key(&peer) {
            self.out(Output::PeerOpened(peer, ufrag));
        }
    }
}

fn mid_to_track<'a>(sent: impl Iterator<Item = (&'a String, &'a Sent)>) -> std::collections::HashMap<String, String> {
    sent.map(|(mid, sent)| (mid.clone(), sent.track.clone())).collect()
}

fn reason(error: DescriptionError) -> &'static str {
    match error {
        DescriptionError::TooLong => "session description too long",
        DescriptionError::TooManyMedia => "too many m-lines",
    }
}
