//! Offers and answers, in both directions.

use std::collections::VecDeque;

use str0m::Candidate;
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::channel::{ChannelConfig, Reliability};
use str0m::media::{Direction, MediaKind, Mid};

use super::offered::{MAX_MEDIA, count_media, offered_media};
use super::{Peer, PeerEvent};
use crate::types::{Kind, MidName, Negotiated, NegotiationError, PeerRole};

/// An m-line that goes into the next offer.
///
/// The stack names m-lines at random when it makes the offer, but the caller needs the name before. The random
/// numbers are the thread's `fastrand`, so the seed that gives a name is kept, and gives it again.
#[derive(Debug, Clone, Copy)]
pub(super) struct WantedMedia {
    mid: Mid,
    seed: u64,
    kind: Kind,
}

impl WantedMedia {
    pub(super) fn mid(&self) -> Mid {
        self.mid
    }
}

impl Peer {
    /// Takes an offer of the client and answers it.
    pub(crate) fn accept_offer(
        &mut self,
        sdp: &str,
        events: &mut VecDeque<PeerEvent>,
    ) -> Result<Negotiated, NegotiationError> {
        let offer = self.parse(sdp, SdpOffer::from_sdp_string)?;
        let before = self.local_ufrag();
        self.pending = None;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(refused)?;
        self.take_renewed();
        self.renegotiated();
        self.tell_ufrag(before, events);
        Ok(Negotiated { answer: answer.to_sdp_string(), media: offered_media(sdp) })
    }

    /// Makes an offer. `None`: nothing to negotiate, or one is outstanding.
    pub(crate) fn create_offer(&mut self, ice_restart: bool, events: &mut VecDeque<PeerEvent>) -> Option<String> {
        if self.pending.is_some() && !ice_restart {
            return None;
        }
        let first = self.config.role == PeerRole::Subscriber && self.channels_unmade();
        let rest = fastrand::u64(..);
        let renewed = self.take_renewed();
        let mut api = self.rtc.sdp_api();
        for mid in renewed {
            // The stack knows no change of SSRC; a change of direction and back makes it offer the line anew.
            api.set_direction(mid, Direction::Inactive);
            api.set_direction(mid, Direction::SendOnly);
        }
        for wanted in &self.wanted {
            fastrand::seed(wanted.seed);
            let kind = media_kind(wanted.kind);
            let mid = api.add_media(kind, Direction::SendOnly, None, None, None);
            debug_assert_eq!(mid, wanted.mid, "the stack names m-lines by the thread's random numbers");
        }
        fastrand::seed(rest);
        if first {
            for config in server_channels() {
                api.add_channel_with_config(config);
            }
        }
        let restarted = ice_restart.then(|| api.ice_restart(true));
        let (offer, pending) = api.apply()?;
        if let Some(creds) = restarted {
            events.push_back(PeerEvent::IceUfrag(creds.ufrag));
        }
        self.pending = Some(pending);
        self.offered_channels |= first;
        Some(offer.to_sdp_string())
    }

    /// Takes the client's answer to the outstanding offer.
    pub(crate) fn accept_answer(&mut self, sdp: &str) -> Result<(), NegotiationError> {
        let answer = self.parse(sdp, SdpAnswer::from_sdp_string)?;
        let pending = self.pending.take().ok_or(NegotiationError::NoOffer)?;
        self.rtc.sdp_api().accept_answer(pending, answer).map_err(refused)?;
        let rtc = &self.rtc;
        self.wanted.retain(|wanted| rtc.media(wanted.mid).is_none());
        self.renegotiated();
        Ok(())
    }

    /// Adds a candidate the client trickled, if this side has a use for it: see [`without_candidates`].
    pub(crate) fn add_remote_candidate(&mut self, candidate: &str) -> Result<(), NegotiationError> {
        let candidate = candidate.trim().trim_start_matches("a=");
        // An empty candidate says that there are no more. Names under .local are for peers on the same network.
        if candidate.is_empty() || candidate.contains(".local ") {
            return Ok(());
        }
        let parsed = Candidate::from_sdp_string(candidate).map_err(|error| NegotiationError::Sdp(error.to_string()))?;
        if !self.config.ice_lite {
            self.rtc.add_remote_candidate(parsed);
        }
        Ok(())
    }

    /// Reserves an m-line for the next offer.
    pub(crate) fn add_send_media(&mut self, kind: Kind) -> MidName {
        let rest = fastrand::u64(..);
        let wanted = loop {
            let seed = fastrand::u64(..);
            fastrand::seed(seed);
            let mid = Mid::new();
            fastrand::seed(seed ^ rest);
            let taken = self.rtc.media(mid).is_some() || self.wanted.iter().any(|wanted| wanted.mid == mid);
            if !taken {
                break WantedMedia { mid, seed, kind };
            }
        };
        fastrand::seed(rest);
        self.wanted.push(wanted);
        MidName(wanted.mid.to_string())
    }

    fn parse<T, E: std::fmt::Display>(
        &self,
        sdp: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, NegotiationError> {
        if count_media(sdp) > MAX_MEDIA {
            return Err(NegotiationError::TooManyMedia(MAX_MEDIA));
        }
        if self.config.ice_lite {
            return parse(&without_candidates(sdp)).map_err(refused);
        }
        parse(sdp).map_err(refused)
    }

    fn renegotiated(&mut self) {
        self.inbound.renegotiated(&self.rtc);
        self.outbound.renegotiated(&mut self.rtc);
    }

    fn channels_unmade(&self) -> bool {
        !self.offered_channels
    }

    fn local_ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    fn tell_ufrag(&mut self, before: String, events: &mut VecDeque<PeerEvent>) {
        let ufrag = self.local_ufrag();
        if ufrag != before {
            events.push_back(PeerEvent::IceUfrag(ufrag));
        }
    }
}

/// The channels LiveKit's clients expect a server to open.
fn server_channels() -> [ChannelConfig; 3] {
    let unreliable = Reliability::MaxRetransmits { retransmits: 0 };
    let channel = |label: &str, ordered, reliability| ChannelConfig {
        label: label.to_owned(),
        ordered,
        reliability,
        ..ChannelConfig::default()
    };
    [
        channel("_reliable", true, Reliability::Reliable),
        channel("_lossy", false, unreliable),
        channel("_data_track", false, unreliable),
    ]
}

/// A lite agent checks nothing, so it needs no address of the client's: it learns each from the first check that comes
/// from there (RFC 8445 §7.3.1.3). Clients that bundle late announce one set of addresses for each m-line, and pairs
/// made of these would push those in use off the list.
fn without_candidates(sdp: &str) -> String {
    sdp.split_inclusive('\n').filter(|line| !line.starts_with("a=candidate:")).collect()
}

fn media_kind(kind: Kind) -> MediaKind {
    match kind {
        Kind::Audio => MediaKind::Audio,
        Kind::Video => MediaKind::Video,
    }
}

fn refused(error: impl std::fmt::Display) -> NegotiationError {
    NegotiationError::Sdp(error.to_string())
}
