//! Members whose media comes over a trunk: how they are described to the other end, and how the other end makes its copy of
//! them equal to that.
//!
//! A member is described whole, so that whoever gets it only has to match it, whatever was said before.

use livekit_protocol as proto;
use proto::TrackType;
use sfu::{Codec, Kind, Layer, MidName, ParticipantKey, TrackKey, TrackSpec};

use crate::membership::grant::{Grant, SubscriptionRule};
use crate::membership::member::{Origin, Stage};
use crate::room::Room;
use crate::shards::ShardId;
use crate::tracks::{Track, layer_specs};
use crate::trunk::Trunk;

/// A member with its tracks as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberState {
    /// The member as others see it, with its published tracks.
    pub info: proto::ParticipantInfo,
    /// The shard that its media comes from; `None`: whoever sends this.
    pub(crate) at: Option<ShardId>,
    pub(crate) rule: SubscriptionRule,
    /// The tracks of `info`, in its order.
    pub(crate) tracks: Vec<TrackState>,
}

/// What the other end has to know of a track besides its description.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TrackState {
    /// Its key where its publisher is.
    key: TrackKey,
    /// The encodings that its packets come in.
    layers: Vec<Layer>,
    /// Its other codecs.
    backups: Vec<BackupState>,
}

#[derive(Debug, Clone, PartialEq)]
struct BackupState {
    key: TrackKey,
    codec: Codec,
    /// Empty while its publisher does not send it.
    layers: Vec<Layer>,
}

impl Room {
    /// A member as it is described to the other end of a trunk. `at`: the shard that its media comes from, where that is not
    /// this one.
    pub(crate) fn state_of(&self, key: ParticipantKey, at: Option<ShardId>) -> Option<MemberState> {
        let info = self.membership.info(key)?;
        let member = self.membership.members.get(&key)?;
        let name = |track: TrackKey| match (at, self.trunks.there(track)) {
            (Some(_), Some((_, there))) => there,
            (Some(_), None) | (None, _) => track,
        };
        let tracks = member.tracks.iter().filter_map(|track| self.membership.tracks.get(track));
        let tracks = tracks.filter(|track| track.is_published()).map(|track| {
            let backups = track.backup_codecs().map(|(key, codec)| BackupState {
                key: name(key),
                codec,
                layers: self.media.bound_layers(key),
            });
            TrackState { key: name(track.key), layers: self.media.bound_layers(track.key), backups: backups.collect() }
        });
        Some(MemberState { info, at, rule: member.rule.clone(), tracks: tracks.collect() })
    }

    /// Makes a member here equal to what the other end says of it.
    pub(crate) fn match_state(&mut self, trunk: Trunk, key: ParticipantKey, state: MemberState) {
        let Some(member) = self.membership.members.get_mut(&key) else { return };
        let info = &state.info;
        member.is_publisher = info.is_publisher;
        member.name.clone_from(&info.name);
        member.metadata.clone_from(&info.metadata);
        member.attributes.clone_from(&info.attributes);
        let (was_hidden, was_dependent) = (member.grant.hidden, member.is_dependent());
        let mut rule_changed = false;
        if matches!(member.origin, Origin::Shard(_)) {
            // The same member, and not only someone who is shown here.
            member.grant = Grant::permitted(&info.permission.clone().unwrap_or_default(), info.kind());
            member.version = info.version;
            member.kind_details.clone_from(&info.kind_details);
            rule_changed = std::mem::replace(&mut member.rule, state.rule.clone()) != state.rule;
            let was = std::mem::replace(&mut member.data_tracks, info.data_tracks.clone());
            let gone = was.into_iter().filter(|track| !info.data_tracks.iter().any(|now| now.sid == track.sid));
            for track in gone.collect::<Vec<_>>() {
                self.forget_data_track(&track.sid);
            }
        }
        if state.info.state() == proto::participant_info::State::Active {
            self.mirror_active(key);
        }
        self.match_tracks(trunk, key, state);
        let Some(member) = self.membership.members.get(&key) else { return };
        let (hides, changed_sides) = (member.grant.hidden && !was_hidden, member.is_dependent() != was_dependent);
        if hides {
            self.vanish(key);
        }
        if changed_sides {
            self.membership.count_changed(self.now);
        }
        if rule_changed {
            for track in self.membership.own_tracks(key) {
                self.reconcile_track(track);
            }
        }
        self.membership.mark_changed(key);
    }

    fn mirror_active(&mut self, key: ParticipantKey) {
        let Some(member) = self.membership.members.get_mut(&key) else { return };
        if std::mem::replace(&mut member.stage, Stage::Active) != Stage::Active {
            self.hook_joined(key);
        }
    }

    fn match_tracks(&mut self, trunk: Trunk, key: ParticipantKey, state: MemberState) {
        for own in self.membership.own_tracks(key) {
            let there = self.trunks.there(own).map(|(_, there)| there);
            if !state.tracks.iter().any(|track| Some(track.key) == there) {
                self.withdraw(own);
            }
        }
        for (track, info) in state.tracks.into_iter().zip(state.info.tracks) {
            let here = match self.trunks.here(trunk, track.key) {
                Some(here) => {
                    self.change_mirrored(here, info);
                    here
                }
                None => self.publish_mirrored(trunk, key, &track, info),
            };
            self.match_backups(trunk, here, track.backups);
        }
    }

    fn change_mirrored(&mut self, track: TrackKey, info: proto::TrackInfo) {
        self.set_muted(track, info.muted);
        if let Some(entry) = self.membership.tracks.get_mut(&track) {
            let sid = std::mem::take(&mut entry.info.sid);
            entry.info = proto::TrackInfo { sid, ..info };
        }
    }

    #[allow(deprecated)]
    fn publish_mirrored(
        &mut self,
        trunk: Trunk,
        key: ParticipantKey,
        state: &TrackState,
        mut info: proto::TrackInfo,
    ) -> TrackKey {
        let kind = if info.r#type() == TrackType::Audio { Kind::Audio } else { Kind::Video };
        let spec = TrackSpec {
            kind,
            screen: info.source() == proto::TrackSource::ScreenShare,
            muted: info.muted,
            layers: layer_specs(&info.layers),
        };
        let track = self.media.publish(self.now, key, spec);
        if let Trunk::Cascade(_) = trunk {
            // One of its own: the same participant may be shown in many rooms, and come to one of them itself.
            let prefix: String = info.sid.chars().take_while(|c| *c != '_').collect();
            info.sid = crate::id::sid(&mut self.rng, &format!("{prefix}_"));
        }
        let mid = MidName(info.mid.clone());
        self.trunks.join(trunk, state.key, track);
        self.membership.track_sids.insert(info.sid.clone(), track);
        self.membership.tracks.insert(track, Track::mirrored(track, key, kind, info.clone(), mid));
        self.expect_media(track);
        if let Some(member) = self.membership.members.get_mut(&key) {
            member.tracks.push(track);
        }
        self.media.bind_tapped(self.now, track, &state.layers);
        self.reconcile_track(track);
        self.hook_track(key, &info, true);
        track
    }

    fn match_backups(&mut self, trunk: Trunk, track: TrackKey, backups: Vec<BackupState>) {
        for BackupState { key: there, codec, layers } in backups {
            let known = self.trunks.here(trunk, there);
            let Some(here) = known.or_else(|| self.mirror_backup(track, codec)) else { continue };
            if known.is_none() {
                self.trunks.join(trunk, there, here);
            }
            self.bind_mirrored_backup(track, here, &layers);
        }
    }
}
