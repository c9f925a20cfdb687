//! Other codecs of a track, for those who cannot decode its first.
//!
//! A publisher names them when it announces the track and sends one only once it is told that somebody wants it. To clients it is one
//! track with one sid. In the media room each codec is a track of its own; which of them feeds a subscription is decided here, by
//! what the subscriber's m-line takes. Those who take the first get the first, and only where the publisher wants all to change
//! with one (`REGRESSION`) do all who can.

use livekit_protocol as proto;
use proto::signal_response::Message;
use proto::{BackupCodecPolicy, SubscribedAudioCodec, SubscribedCodec};
use sfu::{Codec, Kind, Layer, MidName, OfferedMedia, ParticipantKey, TrackKey};

use crate::feedback::qualities;
use crate::limits::MOST_BACKUPS;
use crate::room::Room;
use crate::tracks::{Track, codec_named, is_named, layer_mode, layer_specs, layers, mime_of};

/// Another codec of a track.
#[derive(Debug)]
pub(crate) struct Backup {
    /// The track it is to the media room.
    pub key: TrackKey,
    codec: Codec,
    /// What the client calls it, once it has said.
    cid: String,
    /// The client has said that it will come now.
    coming: bool,
    mid: Option<MidName>,
    /// The highest layer anyone wants.
    wanted: Option<Layer>,
}

/// The other codecs that a request names: known ones of the right kind, each once.
fn others(request: &proto::AddTrackRequest, kind: Kind, first: Option<Codec>) -> Vec<(Codec, &proto::SimulcastCodec)> {
    let mut others: Vec<(Codec, &proto::SimulcastCodec)> = Vec::new();
    for asked in request.simulcast_codecs.iter().skip(1) {
        let Some(codec) = codec_named(&asked.codec).filter(|codec| codec.kind() == kind) else { continue };
        if Some(codec) != first && others.iter().all(|(known, _)| *known != codec) && others.len() < MOST_BACKUPS {
            others.push((codec, asked));
        }
    }
    others
}

/// A codec as others learn about it.
fn codec_info(
    codec: Codec,
    asked: &proto::SimulcastCodec,
    layers: Vec<proto::VideoLayer>,
) -> proto::SimulcastCodecInfo {
    proto::SimulcastCodecInfo {
        mime_type: mime_of(codec).to_owned(),
        cid: asked.cid.clone(),
        layers,
        video_layer_mode: layer_mode(asked, codec.kind()).into(),
        ..Default::default()
    }
}

/// Which of a track's codecs a subscriber gets: the first that it takes; the first of all where it takes none.
fn choose(codecs: &[Codec], takes: &[Codec]) -> usize {
    codecs.iter().position(|codec| can_take(takes, *codec)).unwrap_or(0)
}

fn can_take(takes: &[Codec], codec: Codec) -> bool {
    // RED is unwrapped for those who do not take it.
    takes.contains(&codec) || (codec == Codec::Red && takes.contains(&Codec::Opus))
}

/// The one to which all go who can, where the publisher wants that: the first backup that somebody cannot do without, once it is there.
fn regression(chosen: &[usize], there: impl Fn(usize) -> bool) -> Option<usize> {
    chosen.iter().copied().filter(|at| *at > 0 && there(*at)).min()
}

impl Track {
    /// What it is sent in on an m-line, as `a=rtpmap` names it. `None`: it is not sent there.
    pub fn codec_on(&self, mid: &MidName) -> Option<&str> {
        if self.mid() == Some(mid) {
            return Some(self.codec_name());
        }
        let backup = self.backups.iter().find(|backup| backup.mid.as_ref() == Some(mid))?;
        mime_of(backup.codec).split_once('/').map(|(_, name)| name)
    }

    /// Every m-line it is sent on.
    pub fn mids(&self) -> impl Iterator<Item = &MidName> {
        self.mid().into_iter().chain(self.backups.iter().filter_map(|backup| backup.mid.as_ref()))
    }

    /// Its keys in the media room.
    pub fn keys(&self) -> impl Iterator<Item = TrackKey> + '_ {
        std::iter::once(self.key).chain(self.backups.iter().map(|backup| backup.key))
    }

    /// Its other codecs, by their keys in the media room.
    pub fn backup_codecs(&self) -> impl Iterator<Item = (TrackKey, Codec)> + '_ {
        self.backups.iter().map(|backup| (backup.key, backup.codec))
    }

    fn codec_info(&mut self, codec: Codec) -> Option<&mut proto::SimulcastCodecInfo> {
        self.info.codecs.iter_mut().find(|info| info.mime_type == mime_of(codec))
    }
}

impl Room {
    /// The track of which the media room's is the first or another codec.
    pub(crate) fn track_of(&self, media: TrackKey) -> TrackKey {
        self.backups.get(&media).copied().unwrap_or(media)
    }

    /// The media room's track that a subscription to a track is to.
    pub(crate) fn fed_by(&self, subscriber: ParticipantKey, track: TrackKey) -> TrackKey {
        let session = self.sessions.get(&subscriber);
        session.and_then(|session| session.fed.get(&track)).copied().unwrap_or(track)
    }

    /// A track was announced, perhaps with other codecs than its first.
    pub(crate) fn announce_backups(&mut self, track: TrackKey, request: &proto::AddTrackRequest) {
        let Some(entry) = self.membership.tracks.get(&track) else { return };
        for (codec, asked) in others(request, entry.kind, entry.codec()) {
            self.add_backup(track, codec, asked, request);
        }
    }

    fn add_backup(
        &mut self,
        track: TrackKey,
        codec: Codec,
        asked: &proto::SimulcastCodec,
        request: &proto::AddTrackRequest,
    ) {
        let layers = layers(request, Some(asked));
        let Some(key) = self.media.publish_backup(self.now, track, codec, layer_specs(&layers)) else { return };
        let Some(entry) = self.membership.tracks.get_mut(&track) else { return };
        let cid = asked.cid.clone();
        entry.backups.push(Backup { key, codec, cid, coming: false, mid: None, wanted: None });
        entry.info.codecs.push(codec_info(codec, asked, layers));
        self.backups.insert(key, track);
    }

    /// The client is about to send another codec of a track that is there.
    pub(crate) fn add_codec(&mut self, key: ParticipantKey, track: TrackKey, request: proto::AddTrackRequest) {
        for asked in request.simulcast_codecs.iter().take(1 + MOST_BACKUPS) {
            self.expect_backup(track, asked, &request);
        }
        let track_info = self.membership.tracks.get(&track).map(|entry| entry.info.clone());
        let response = proto::TrackPublishedResponse { cid: request.cid, track: track_info };
        self.send(key, Message::TrackPublished(response));
        self.feed(track);
        self.assign_unclaimed(key);
    }

    fn expect_backup(&mut self, track: TrackKey, asked: &proto::SimulcastCodec, request: &proto::AddTrackRequest) {
        let Some(entry) = self.membership.tracks.get(&track) else { return };
        let Some(codec) = codec_named(&asked.codec).filter(|codec| codec.kind() == entry.kind) else { return };
        let known = entry.backups.iter().any(|backup| backup.codec == codec);
        if !known && (entry.codec().is_none_or(|first| first == codec) || entry.backups.len() >= MOST_BACKUPS) {
            return;
        }
        if !known {
            self.add_backup(track, codec, asked, request);
        }
        let Some(entry) = self.membership.tracks.get_mut(&track) else { return };
        let cid = if asked.cid.is_empty() { &request.cid } else { &asked.cid };
        if let Some(info) = entry.codec_info(codec) {
            info.cid.clone_from(cid);
        }
        if let Some(backup) = entry.backups.iter_mut().find(|backup| backup.codec == codec) {
            backup.cid.clone_from(cid);
            backup.coming = backup.mid.is_none();
        }
    }

    /// An offer of the client: what it no longer sends.
    pub(crate) fn release_backups(&mut self, key: ParticipantKey, media: &[OfferedMedia]) {
        for track in self.membership.own_tracks(key) {
            let Some(entry) = self.membership.tracks.get_mut(&track) else { continue };
            let sent = |mid: &MidName| media.iter().find(|line| line.mid == *mid).is_none_or(|line| line.sends);
            let stopped = entry.backups.iter_mut().filter(|backup| backup.mid.as_ref().is_some_and(|mid| !sent(mid)));
            let stopped: Vec<_> = stopped.map(|backup| (backup.key, backup.codec, backup.mid.take())).collect();
            for (media, codec, _) in stopped {
                if let Some(info) = entry.codec_info(codec) {
                    info.mid.clear();
                }
                self.media.unbind_track(self.now, media);
            }
        }
    }

    /// Takes the m-lines that carry other codecs of tracks: those named so, or any for what is about to come.
    pub(crate) fn claim_backups(&mut self, key: ParticipantKey, media: &mut Vec<OfferedMedia>, named: bool) {
        let own = self.membership.own_tracks(key);
        let mut claimed = Vec::new();
        media.retain(|line| {
            let fits = |track: &Track, backup: &Backup| {
                let coming = backup.coming && track.is_published();
                let takes = if named { is_named(&backup.cid, track.kind, line) } else { coming };
                let free = backup.mid.is_none() && !claimed.iter().any(|(_, taken, _)| *taken == backup.key);
                takes && free && track.kind == line.kind
            };
            let mut tracks = own.iter().filter_map(|track| self.membership.tracks.get(track));
            let found = tracks.find_map(|track| {
                track.backups.iter().find(|backup| fits(track, backup)).map(|backup| (track.key, backup.key))
            });
            found.inspect(|(track, backup)| claimed.push((*track, *backup, line.clone()))).is_none()
        });
        for (track, backup, line) in claimed {
            self.backup_published(key, track, backup, &line);
        }
    }

    fn backup_published(&mut self, key: ParticipantKey, track: TrackKey, media: TrackKey, line: &OfferedMedia) {
        let Some(peer) = self.sessions.get(&key).map(|session| session.peers.publisher()) else { return };
        let Some(entry) = self.membership.tracks.get_mut(&track) else { return };
        let Some(backup) = entry.backups.iter_mut().find(|backup| backup.key == media) else { return };
        (backup.mid, backup.coming) = (Some(line.mid.clone()), false);
        let codec = backup.codec;
        if let Some(info) = entry.codec_info(codec) {
            info.mid.clone_from(&line.mid.0);
        }
        self.media.bind_track(self.now, media, peer, line.mid.clone(), &line.rids);
        self.membership.mark_changed(key);
        self.feed(track);
    }

    /// Another codec of a track whose packets come over a trunk. `None`: its description does not name it, or it cannot be had.
    pub(crate) fn mirror_backup(&mut self, track: TrackKey, codec: Codec) -> Option<TrackKey> {
        let info = self.membership.tracks.get_mut(&track)?.codec_info(codec)?;
        let layers = layer_specs(&info.layers);
        let key = self.media.publish_backup(self.now, track, codec, layers)?;
        let entry = self.membership.tracks.get_mut(&track)?;
        entry.backups.push(Backup { key, codec, cid: String::new(), coming: false, mid: None, wanted: None });
        self.backups.insert(key, track);
        Some(key)
    }

    /// It comes in these encodings now. Empty: its publisher does not send it.
    pub(crate) fn bind_mirrored_backup(&mut self, track: TrackKey, media: TrackKey, layers: &[Layer]) {
        let Some(entry) = self.membership.tracks.get_mut(&track) else { return };
        let Some(backup) = entry.backups.iter_mut().find(|backup| backup.key == media) else { return };
        if backup.mid.is_some() != layers.is_empty() {
            return;
        }
        let codec = backup.codec;
        backup.mid = None;
        if layers.is_empty() {
            self.media.unbind_track(self.now, media);
            return;
        }
        let mid = entry.codec_info(codec).map(|info| MidName(info.mid.clone()));
        if let Some(backup) = entry.backups.iter_mut().find(|backup| backup.key == media) {
            backup.mid = mid;
        }
        self.media.bind_tapped(self.now, media, layers);
        self.feed(track);
    }

    /// A track is over, and its other codecs with it.
    pub(crate) fn forget_backups(&mut self, gone: &Track) {
        for backup in &gone.backups {
            self.backups.remove(&backup.key);
        }
    }

    /// Gives each subscriber of a track the codec that it can take.
    pub(crate) fn feed(&mut self, track: TrackKey) {
        let Some(entry) = self.membership.tracks.get(&track).filter(|entry| !entry.backups.is_empty()) else { return };
        let Some(first) = entry.codec() else { return };
        let codecs: Vec<Codec> = std::iter::once(first).chain(entry.backups.iter().map(|one| one.codec)).collect();
        let keys: Vec<TrackKey> = entry.keys().collect();
        let there = |at: usize| entry.backups.get(at - 1).is_some_and(|backup| backup.mid.is_some());
        let takes =
            self.sessions.values().filter(|session| session.subscribed.contains(&track)).filter_map(|session| {
                let mid = session.negotiation.sections.mid_of(track)?;
                let takes = self.media.line_codecs(session.peers.subscriber(), mid);
                (!takes.is_empty()).then_some((session.key, takes))
            });
        let takes: Vec<(ParticipantKey, Vec<Codec>)> = takes.collect();
        let mut chosen: Vec<usize> = takes.iter().map(|(_, takes)| choose(&codecs, takes)).collect();
        if entry.info.backup_codec_policy() == BackupCodecPolicy::Regression
            && let Some(to) = regression(&chosen, there)
        {
            let all = chosen.iter_mut().zip(&takes).filter(|(_, (_, takes))| can_take(takes, codecs[to]));
            all.for_each(|(at, _)| *at = to);
        }
        for ((subscriber, _), at) in takes.into_iter().zip(chosen) {
            self.feed_from(subscriber, track, keys[at]);
        }
    }

    fn feed_from(&mut self, subscriber: ParticipantKey, track: TrackKey, to: TrackKey) {
        let from = self.fed_by(subscriber, track);
        if from == to {
            return;
        }
        self.media.move_subscription(self.now, subscriber, from, to);
        let Some(session) = self.sessions.get_mut(&subscriber) else { return };
        if to == track {
            session.fed.remove(&track);
        } else {
            session.fed.insert(track, to);
        }
    }

    /// What a subscriber's m-lines take was negotiated.
    pub(crate) fn feed_lines(&mut self, subscriber: ParticipantKey) {
        let Some(session) = self.sessions.get(&subscriber) else { return };
        let carried = session.negotiation.sections.carried().map(|(_, track)| track);
        for track in carried.collect::<Vec<_>>() {
            self.feed(track);
        }
    }

    /// Which layers of one of a track's codecs anyone wants.
    pub(crate) fn layer_demand(&mut self, media: TrackKey, highest: Option<Layer>) {
        if self.pass_on_demand(media, highest) {
            return;
        }
        let track = self.track_of(media);
        let Some(entry) = self.membership.tracks.get_mut(&track) else { return };
        match entry.backups.iter_mut().find(|backup| backup.key == media) {
            Some(backup) => backup.wanted = highest,
            None => entry.wanted = highest,
        }
        let (publisher, demand) = (entry.publisher, entry.demand());
        self.send(publisher, demand);
    }
}

impl Track {
    /// What its publisher is to send, codec by codec.
    #[allow(deprecated)]
    fn demand(&self) -> Message {
        let track_sid = self.info.sid.clone();
        let name = |codec: Codec| mime_of(codec).rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let first = self.codec_name().to_ascii_lowercase();
        let first = (!first.is_empty()).then_some((first, self.wanted));
        let backups = self.backups.iter().map(|backup| (name(backup.codec), backup.wanted));
        let codecs = first.into_iter().chain(backups);
        if self.kind == Kind::Audio {
            let codec =
                |(codec, wanted): (String, Option<Layer>)| SubscribedAudioCodec { codec, enabled: wanted.is_some() };
            let subscribed_audio_codecs = codecs.map(codec).collect();
            let update = proto::SubscribedAudioCodecUpdate { track_sid, subscribed_audio_codecs };
            return Message::SubscribedAudioCodecUpdate(update);
        }
        let codec = |(codec, wanted)| SubscribedCodec { codec, qualities: qualities(wanted) };
        Message::SubscribedQualityUpdate(proto::SubscribedQualityUpdate {
            track_sid,
            subscribed_qualities: qualities(self.wanted),
            subscribed_codecs: codecs.map(codec).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Codec::{Av1, H264, Opus, Pcmu, Red, Vp8, Vp9};

    #[test]
    fn a_subscriber_gets_the_first_codec_it_takes() {
        for (codecs, takes, expected) in [
            (&[Vp8, H264][..], &[Vp8, H264][..], 0),
            (&[Vp8, H264], &[H264], 1),
            (&[Av1, Vp9, Vp8], &[Vp8, Vp9], 1),
            (&[Vp8, H264], &[Av1], 0),
            (&[Red, Pcmu], &[Opus, Pcmu], 0),
            (&[Pcmu, Opus], &[Opus], 1),
        ] {
            assert_eq!(choose(codecs, takes), expected, "{codecs:?} {takes:?}");
        }
    }

    #[test]
    fn nobody_changes_with_another_before_the_backup_is_there() {
        assert_eq!(regression(&[0, 1, 0], |_| true), Some(1));
        assert_eq!(regression(&[0, 1, 0], |_| false), None);
        assert_eq!(regression(&[0, 0], |_| true), None);
    }

    #[test]
    fn what_cannot_be_forwarded_is_no_backup() {
        let asked = ["vp9", "h266", "opus", "vp9", "vp8", "VP8", "h264", "av1"];
        let simulcast_codecs = asked.map(|codec| proto::SimulcastCodec { codec: codec.into(), ..Default::default() });
        let request = proto::AddTrackRequest { simulcast_codecs: simulcast_codecs.to_vec(), ..Default::default() };
        let found: Vec<_> = others(&request, Kind::Video, Some(Vp9)).into_iter().map(|(codec, _)| codec).collect();
        assert_eq!(found, [Vp8, H264]);
    }
}
