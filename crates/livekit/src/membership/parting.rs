//! Those who have gone, and those who are going.

use std::time::Instant;

use livekit_protocol as proto;
use proto::DisconnectReason;
use sfu::ParticipantKey;

use super::Membership;
use crate::limits::{MOST_DEPARTED, SECOND_THOUGHTS};

/// One who is gone, remembered for those who resume.
#[derive(Debug)]
pub(crate) struct Departed {
    pub at: Instant,
    pub info: proto::ParticipantInfo,
}

impl Membership {
    /// What the others are told of one who is going.
    pub fn farewell(&mut self, key: ParticipantKey, reason: DisconnectReason) -> Option<proto::ParticipantInfo> {
        self.members.get_mut(&key)?.version += 1;
        let mut info = self.info(key)?;
        info.state = proto::participant_info::State::Disconnected.into();
        info.disconnect_reason = reason.into();
        info.tracks.clear();
        info.data_tracks.clear();
        Some(info)
    }

    /// One is gone: it is told at the end of the turn, and to those who resume.
    pub fn take_leave(&mut self, now: Instant, farewell: proto::ParticipantInfo) {
        if self.departed.len() == MOST_DEPARTED {
            self.departed.pop_front();
        }
        self.departed.push_back(Departed { at: now, info: farewell.clone() });
        self.farewells.push(farewell);
    }

    /// Those who left since then and are not back. Clients know participants by identity: one who is back must not be taken
    /// out again.
    pub fn gone_since(&self, since: Instant) -> Vec<proto::ParticipantInfo> {
        let is_gone = |departed: &&Departed| !self.identities.contains_key(&departed.info.identity);
        let gone = self.departed.iter().filter(|departed| departed.at >= since).filter(is_gone);
        gone.map(|departed| departed.info.clone()).collect()
    }

    /// One says goodbye. It is believed later: clients say so to come back from scratch.
    pub fn say_goodbye(&mut self, now: Instant, identity: String) {
        self.goodbyes.push((now + SECOND_THOUGHTS, identity));
    }

    /// One is back at once: it never left.
    pub fn is_back(&mut self, identity: &str) {
        self.goodbyes.retain(|(_, gone)| gone != identity);
    }

    /// Those whose goodbye was said long enough before `until`; `None`: all of them.
    pub fn take_goodbyes(&mut self, until: Option<Instant>) -> Vec<String> {
        let due = |at: Instant| until.is_none_or(|until| at <= until);
        let (left, goodbyes) = std::mem::take(&mut self.goodbyes).into_iter().partition(|(at, _)| due(*at));
        self.goodbyes = goodbyes;
        let left: Vec<(Instant, String)> = left;
        left.into_iter().map(|(_, identity)| identity).collect()
    }

    /// When the next goodbye is to be believed.
    pub fn goodbye_due(&self) -> Option<Instant> {
        self.goodbyes.iter().map(|(at, _)| *at).min()
    }
}
