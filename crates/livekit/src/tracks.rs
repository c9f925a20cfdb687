//! Publishing: announced tracks, their m-lines, their description to the others.

use livekit_protocol as proto;
use proto::request_response::{Reason, Request};
use proto::signal_response::Message;
use proto::video_layer::Mode;
use proto::{BackupCodecPolicy, TrackSource, TrackType};
use sfu::{Codec, Kind, Layer, LayerSpec, MidName, OfferedMedia, ParticipantKey, TrackKey, TrackSpec};

use crate::backups::Backup;
use crate::limits::{LONGEST_NAME, LONGEST_TRACK_TEXT, MOST_TRACKS};
use crate::membership::member::Shown;
use crate::room::Room;
use crate::sdp::AudioWishes;
use crate::types::RoomEvent;

/// How far a track has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The client has said that it will come. Only the client knows.
    Announced,
    /// It has an m-line.
    Published(MidName),
}

/// One track of one participant.
#[derive(Debug)]
pub(crate) struct Track {
    pub key: TrackKey,
    pub publisher: ParticipantKey,
    pub kind: Kind,
    /// As the others see it.
    pub info: proto::TrackInfo,
    /// What the client calls it.
    cid: String,
    state: State,
    /// The publisher was told that someone receives it.
    pub seen: bool,
    /// Its other codecs.
    pub backups: Vec<Backup>,
    /// The highest layer anyone wants of its first codec.
    pub wanted: Option<Layer>,
}

impl Track {
    /// Others may subscribe.
    pub fn is_published(&self) -> bool {
        matches!(self.state, State::Published(_))
    }

    /// Its m-line.
    pub fn mid(&self) -> Option<&MidName> {
        match &self.state {
            State::Published(mid) => Some(mid),
            State::Announced => None,
        }
    }

    /// Its codec as `a=rtpmap` names it; empty where neither the client said nor its media has told.
    pub fn codec_name(&self) -> &str {
        self.info.mime_type.split_once('/').map_or("", |(_, codec)| codec)
    }

    /// Its first codec, where it is known.
    pub fn codec(&self) -> Option<Codec> {
        codec_named(&self.info.mime_type)
    }

    /// What it is played in step with, as LiveKit groups it.
    pub fn stream(&self) -> Option<&'static str> {
        match self.info.source() {
            TrackSource::Camera | TrackSource::Microphone => Some("camera"),
            TrackSource::ScreenShare | TrackSource::ScreenShareAudio => Some("screen"),
            TrackSource::Unknown => None,
        }
    }

    /// How the client should send it in a codec; no name: in Opus.
    pub fn audio_wishes(&self, codec: &str) -> AudioWishes {
        let has = |feature: proto::AudioTrackFeature| self.info.audio_features.contains(&feature.into());
        let other = codec_named(codec).filter(|codec| !matches!(codec, Codec::Opus | Codec::Red));
        AudioWishes {
            other: other.map(|_| codec.to_owned()),
            red: !self.info.disable_red && !self.is_encrypted(),
            dtx: !has(proto::AudioTrackFeature::TfNoDtx),
            stereo: has(proto::AudioTrackFeature::TfStereo),
        }
    }

    /// What the client will send on an m-line where it named these: what the answer puts first.
    fn likely_codec(&self, named: &[Codec]) -> Option<Codec> {
        let wished: &[Codec] = match self.kind {
            Kind::Audio if self.audio_wishes("").red => &[Codec::Red, Codec::Opus],
            Kind::Audio => &[Codec::Opus],
            Kind::Video => &[],
        };
        wished.iter().find(|codec| named.contains(codec)).or(named.first()).copied()
    }

    /// It is sent in this codec. False: that was known.
    fn set_codec(&mut self, codec: Codec) -> bool {
        let mime = mime_of(codec);
        if self.info.mime_type.eq_ignore_ascii_case(mime) {
            return false;
        }
        self.info.mime_type = mime.to_owned();
        if let Some(codec) = self.info.codecs.first_mut() {
            codec.mime_type = mime.to_owned();
        }
        true
    }

    /// The packets of an encoding of one of its codecs come with this SSRC.
    #[allow(deprecated)]
    pub fn set_ssrc(&mut self, media: TrackKey, at: usize, ssrc: u32) {
        let codec = self.keys().position(|key| key == media).unwrap_or(0);
        let Some(info) = self.info.codecs.get_mut(codec) else { return };
        // A later one, of an encoder that began anew, is no news to anybody.
        if let Some(layer) = info.layers.get_mut(at).filter(|layer| layer.ssrc == 0) {
            layer.ssrc = ssrc;
        }
        if codec == 0 {
            self.info.layers.clone_from(&info.layers);
        }
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.info.encryption != i32::from(proto::encryption::Type::None)
    }

    /// One whose packets come over a trunk.
    pub fn mirrored(
        key: TrackKey,
        publisher: ParticipantKey,
        kind: Kind,
        info: proto::TrackInfo,
        mid: MidName,
    ) -> Self {
        let (cid, state, wanted) = (String::new(), State::Published(mid), Some(Layer::High));
        Self { key, publisher, kind, info, cid, state, seen: true, backups: Vec::new(), wanted }
    }

    fn source(&self) -> TrackSource {
        self.info.source()
    }
}

impl Room {
    /// The client announces a track.
    pub(crate) fn add_track(&mut self, key: ParticipantKey, request: proto::AddTrackRequest) {
        if let Some(track) = self.membership.own_track(key, &request.sid).filter(|_| is_bounded(&request)) {
            self.add_codec(key, track, request);
            return;
        }
        if let Err(reason) = self.admit_track(key, &request) {
            self.respond(key, 0, reason, "", Some(Request::AddTrack(request)));
            return;
        }
        self.drop_stale(key, &request.cid);
        let sid = crate::id::sid(&mut self.rng, sid_prefix(&request));
        let mut info = track_info(&request, sid.clone());
        info.version = Some(proto::TimedVersion { unix_micro: self.timestamp().as_millis() * 1_000, ticks: 0 });
        let kind = if info.r#type() == TrackType::Audio { Kind::Audio } else { Kind::Video };
        let spec = TrackSpec {
            kind,
            screen: info.source() == TrackSource::ScreenShare,
            muted: info.muted,
            layers: layer_specs(&layers(&request, request.simulcast_codecs.first())),
        };
        let track = self.media.publish(self.now, key, spec);
        self.membership.track_sids.insert(sid, track);
        let (cid, state, wanted) = (request.cid.clone(), State::Announced, Some(Layer::High));
        let (backups, publisher) = (Vec::new(), key);
        let entry = Track { key: track, publisher, kind, info, cid, state, seen: false, backups, wanted };
        self.membership.tracks.insert(track, entry);
        self.expect_media(track);
        if let Some(member) = self.membership.members.get_mut(&key) {
            member.tracks.push(track);
        }
        self.announce_backups(track, &request);
        let info = self.membership.tracks.get(&track).map(|entry| entry.info.clone());
        self.send(key, Message::TrackPublished(proto::TrackPublishedResponse { cid: request.cid, track: info }));
        self.assign_unclaimed(key);
    }

    /// Tells the media room what will come of a track.
    pub(crate) fn expect_media(&mut self, track: TrackKey) {
        let Some(entry) = self.membership.tracks.get(&track) else { return };
        let trailer = if entry.is_encrypted() { self.membership.facts.sif_trailer.as_slice() } else { &[] };
        self.media.expect_media(self.now, track, entry.codec(), trailer.into());
    }

    /// What is announced may have been offered first.
    pub(crate) fn assign_unclaimed(&mut self, key: ParticipantKey) {
        let unclaimed = self.sessions.get_mut(&key).map(|session| std::mem::take(&mut session.negotiation.unclaimed));
        self.assign_media(key, unclaimed.unwrap_or_default());
    }

    fn admit_track(&self, key: ParticipantKey, request: &proto::AddTrackRequest) -> Result<(), Reason> {
        let member = self.membership.members.get(&key).ok_or(Reason::NotFound)?;
        if !member.grant.may_publish(request.source()) {
            return Err(Reason::NotAllowed);
        }
        match TrackType::try_from(request.r#type) {
            Ok(TrackType::Audio | TrackType::Video) => {}
            Ok(TrackType::Data) | Err(_) => return Err(Reason::UnsupportedType),
        }
        let own = member.tracks.iter().filter_map(|track| self.membership.tracks.get(track));
        let published = own.filter(|track| track.is_published());
        if !is_bounded(request) || published.count() >= MOST_TRACKS {
            return Err(Reason::LimitExceeded);
        }
        Ok(())
    }

    /// Announcements that came to nothing: the same track announced again, and the oldest of too many.
    fn drop_stale(&mut self, key: ParticipantKey, cid: &str) {
        let count = self.membership.members.get(&key).map_or(0, |member| member.tracks.len());
        let again = self.announced(key).find(|track| track.cid == cid).map(|track| track.key);
        let oldest = self.announced(key).next().map(|track| track.key).filter(|_| count >= MOST_TRACKS);
        if let Some(stale) = again.or(oldest) {
            self.withdraw(stale);
        }
    }

    /// An offer of the client: which of its m-lines carry which of its tracks.
    pub(crate) fn claim_media(&mut self, key: ParticipantKey, media: &[OfferedMedia]) {
        for track in &self.membership.own_tracks(key) {
            let Some(mid) = self.membership.tracks.get(track).and_then(Track::mid) else { continue };
            let Some(line) = media.iter().find(|line| line.mid == *mid) else { continue };
            if !line.sends || self.is_replaced(key, *track, line) {
                self.withdraw(*track);
                self.media_state(key);
            }
        }
        self.release_backups(key, media);
        let own = self.membership.own_tracks(key);
        let taken = own.iter().filter_map(|track| self.membership.tracks.get(track)).flat_map(Track::mids);
        let taken: Vec<MidName> = taken.cloned().collect();
        let free = media.iter().filter(|line| line.sends && !taken.contains(&line.mid)).cloned().collect();
        self.assign_media(key, free);
    }

    /// The m-line now names another announced track.
    fn is_replaced(&self, key: ParticipantKey, track: TrackKey, line: &OfferedMedia) -> bool {
        self.announced(key).any(|other| other.key != track && is_named(&other.cid, other.kind, line))
    }

    fn announced(&self, key: ParticipantKey) -> impl Iterator<Item = &Track> {
        let own = self.membership.members.get(&key).map(|member| member.tracks.as_slice()).unwrap_or_default();
        own.iter().filter_map(|track| self.membership.tracks.get(track)).filter(|track| !track.is_published())
    }

    /// Gives sending m-lines to announced tracks: by name, and what then remains by kind, in order.
    fn assign_media(&mut self, key: ParticipantKey, mut media: Vec<OfferedMedia>) {
        self.claim_backups(key, &mut media, true);
        let mut pairs = Vec::new();
        media.retain(|line| {
            let is_named = |track: &&Track| is_named(&track.cid, track.kind, line);
            let named = self.announced(key).find(is_named).map(|track| track.key);
            let named = named.filter(|track| !pairs.iter().any(|(taken, _)| taken == track));
            named.inspect(|track| pairs.push((*track, line.clone()))).is_none()
        });
        media.retain(|line| {
            let fits = |track: &&Track| track.kind == line.kind && !pairs.iter().any(|(taken, _)| *taken == track.key);
            let next = self.announced(key).find(fits).map(|track| track.key);
            next.inspect(|track| pairs.push((*track, line.clone()))).is_none()
        });
        for (track, line) in pairs {
            self.published(key, track, &line);
        }
        self.claim_backups(key, &mut media, false);
        if let Some(session) = self.sessions.get_mut(&key) {
            session.negotiation.unclaimed = media;
        }
    }

    #[allow(deprecated)]
    fn published(&mut self, key: ParticipantKey, track: TrackKey, line: &OfferedMedia) {
        let Some(member) = self.membership.members.get_mut(&key) else { return };
        member.is_publisher = true;
        let Some(session) = self.sessions.get(&key) else { return };
        let peer = session.peers.publisher();
        let named = self.media.offered_codecs(peer, &line.mid);
        let Some(entry) = self.membership.tracks.get_mut(&track) else { return };
        entry.state = State::Published(line.mid.clone());
        entry.info.mid = line.mid.0.clone();
        entry.info.simulcast = line.rids.len() > 1;
        if let Some(codec) = entry.info.codecs.first_mut() {
            codec.mid = line.mid.0.clone();
        }
        // Until its media tells for certain.
        if let Some(codec) = entry.likely_codec(&named).filter(|_| entry.codec().is_none()) {
            entry.set_codec(codec);
        }
        if let Some(ssrc) = line.ssrc.filter(|_| line.rids.is_empty()) {
            entry.set_ssrc(track, 0, ssrc);
        }
        let info = entry.info.clone();
        self.media.bind_track(self.now, track, peer, line.mid.clone(), &line.rids);
        self.media_state(key);
        self.membership.mark_changed(key);
        self.reconcile_track(track);
        self.hook_track(key, &info, true);
    }

    /// First media is there: the codec is certain.
    pub(crate) fn track_started(&mut self, track: TrackKey, codec: Codec) {
        let Some(entry) = self.membership.tracks.get_mut(&track) else { return };
        if !entry.set_codec(codec) {
            return;
        }
        let publisher = entry.publisher;
        self.membership.mark_changed(publisher);
        self.feed(track);
    }

    /// An encoding is there. Its SSRC is nothing that the others have to be told at once.
    pub(crate) fn encoding_started(&mut self, media: TrackKey, layer: Layer, ssrc: u32) {
        let at = if self.media.bound_layers(media).len() > 1 { layer as usize } else { 0 };
        let track = self.track_of(media);
        if let Some(entry) = self.membership.tracks.get_mut(&track) {
            entry.set_ssrc(media, at, ssrc);
        }
    }

    /// A track is over.
    pub(crate) fn withdraw(&mut self, track: TrackKey) {
        let Some(gone) = self.membership.tracks.remove(&track) else { return };
        self.membership.track_sids.remove(&gone.info.sid);
        for media in gone.keys() {
            self.forget_trunks_of(media);
            self.media.unpublish(self.now, media);
        }
        self.forget_backups(&gone);
        for session in self.sessions.values_mut() {
            session.wishes.remove(&track);
            session.preferences.remove(&track);
            session.subscribed.remove(&track);
            session.fed.remove(&track);
            session.denied.remove(&track);
        }
        if let Some(member) = self.membership.members.get_mut(&gone.publisher) {
            member.tracks.retain(|own| *own != track);
        }
        if gone.is_published() {
            self.membership.mark_changed(gone.publisher);
            self.hook_track(gone.publisher, &gone.info, false);
        }
    }

    /// Every track of a participant is over.
    pub(crate) fn withdraw_all(&mut self, key: ParticipantKey) {
        for track in self.membership.own_tracks(key) {
            self.withdraw(track);
        }
    }

    /// The client mutes or unmutes a track of its own.
    pub(crate) fn mute(&mut self, key: ParticipantKey, request: &proto::MuteTrackRequest) {
        if let Some(track) = self.membership.own_track(key, &request.sid) {
            self.set_muted(track, request.muted);
        }
    }

    /// The server mutes a track; unmuting is its publisher's own affair.
    pub(crate) fn mute_by_server(&mut self, key: ParticipantKey, track: TrackKey) {
        let Some(sid) = self.membership.tracks.get(&track).map(|track| track.info.sid.clone()) else { return };
        self.set_muted(track, true);
        self.send(key, Message::Mute(proto::MuteTrackRequest { sid, muted: true }));
    }

    pub(crate) fn set_muted(&mut self, track: TrackKey, muted: bool) {
        let Some(entry) = self.membership.tracks.get_mut(&track) else { return };
        if std::mem::replace(&mut entry.info.muted, muted) == muted {
            return;
        }
        let (publisher, published) = (entry.publisher, entry.is_published());
        for media in entry.keys() {
            self.media.set_track_muted(self.now, media, muted);
        }
        if published {
            self.media_state(publisher);
            self.membership.mark_changed(publisher);
        }
    }

    /// The features of an audio track changed.
    pub(crate) fn update_audio_track(&mut self, key: ParticipantKey, update: proto::UpdateLocalAudioTrack) {
        let Some(track) = self.membership.own_track(key, &update.track_sid) else { return };
        let Some(entry) = self.membership.tracks.get_mut(&track).filter(|_| update.features.len() <= 16) else {
            return;
        };
        entry.info.audio_features = update.features;
        self.membership.mark_changed(key);
    }

    /// The size of a video track changed.
    pub(crate) fn update_video_track(&mut self, key: ParticipantKey, update: proto::UpdateLocalVideoTrack) {
        let Some(track) = self.membership.own_track(key, &update.track_sid) else { return };
        let Some(entry) = self.membership.tracks.get_mut(&track) else { return };
        (entry.info.width, entry.info.height) = (update.width, update.height);
        self.membership.mark_changed(key);
    }

    /// Says what a participant shows, where that changed.
    pub(crate) fn media_state(&mut self, key: ParticipantKey) {
        let Some(member) = self.membership.members.get(&key).filter(|_| self.sessions.contains_key(&key)) else {
            return;
        };
        let live = |source| {
            let mut own = member.tracks.iter().filter_map(|track| self.membership.tracks.get(track));
            own.any(|track| track.is_published() && !track.info.muted && track.source() == source)
        };
        let shown = Shown {
            is_muted: !live(TrackSource::Microphone),
            is_video_enabled: live(TrackSource::Camera),
            is_screen_sharing: live(TrackSource::ScreenShare),
        };
        let identity = member.identity.clone();
        let Some(member) = self.membership.members.get_mut(&key) else { return };
        if member.reported.replace(shown) == Some(shown) {
            return;
        }
        let Shown { is_muted, is_video_enabled, is_screen_sharing } = shown;
        self.event(RoomEvent::MediaState { identity, is_muted, is_video_enabled, is_screen_sharing });
    }
}

/// The request keeps to the limits.
fn is_bounded(request: &proto::AddTrackRequest) -> bool {
    let cids = request.simulcast_codecs.iter().flat_map(|codec| [&codec.cid, &codec.codec]);
    let mut texts = cids.chain([&request.cid, &request.stream, &request.sid]);
    let layers = request.simulcast_codecs.iter().map(|codec| codec.layers.len()).max().unwrap_or_default();
    request.layers.len().max(layers).max(request.simulcast_codecs.len()) <= 8
        && texts.all(|text| text.len() <= LONGEST_TRACK_TEXT)
        && request.name.len() <= LONGEST_NAME
}

/// The m-line's msid names the track as its client does. Some browsers put braces around.
pub(crate) fn is_named(cid: &str, kind: Kind, line: &OfferedMedia) -> bool {
    let bare = |text: &str| text.trim_matches(['{', '}']).to_owned();
    let named = line.msid.as_ref().is_some_and(|(_, id)| bare(id) == bare(cid));
    named && kind == line.kind && !cid.is_empty()
}

fn sid_prefix(request: &proto::AddTrackRequest) -> &'static str {
    match (request.r#type(), request.source()) {
        (TrackType::Audio, TrackSource::ScreenShareAudio) => "TR_AS",
        (TrackType::Audio, _) => "TR_AM",
        (_, TrackSource::ScreenShare) => "TR_VS",
        _ => "TR_VC",
    }
}

/// A codec by its name as clients write it; `None` where it cannot be forwarded.
pub(crate) fn codec_named(name: &str) -> Option<Codec> {
    let name = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    match name.as_str() {
        "opus" => Some(Codec::Opus),
        "red" => Some(Codec::Red),
        "pcmu" => Some(Codec::Pcmu),
        "pcma" => Some(Codec::Pcma),
        "vp8" => Some(Codec::Vp8),
        "h264" => Some(Codec::H264),
        "h265" => Some(Codec::H265),
        "vp9" => Some(Codec::Vp9),
        "av1" => Some(Codec::Av1),
        _ => None,
    }
}

/// A codec's mime type as LiveKit writes it.
pub(crate) fn mime_of(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "audio/opus",
        Codec::Red => "audio/red",
        Codec::Pcmu => "audio/PCMU",
        Codec::Pcma => "audio/PCMA",
        Codec::Vp8 => "video/VP8",
        Codec::H264 => "video/H264",
        Codec::H265 => "video/H265",
        Codec::Vp9 => "video/VP9",
        Codec::Av1 => "video/AV1",
    }
}

#[allow(deprecated)]
fn track_info(request: &proto::AddTrackRequest, sid: String) -> proto::TrackInfo {
    let video = request.r#type() == TrackType::Video;
    let wanted = request.simulcast_codecs.first();
    let fallback = if video { "video/VP8" } else { "audio/opus" };
    let kind = if video { Kind::Video } else { Kind::Audio };
    let named = |name| codec_named(name).filter(|codec| codec.kind() == kind);
    let mime = wanted.map(|codec| named(&codec.codec).map_or(fallback, mime_of));
    let layers = layers(request, wanted);
    let first = proto::SimulcastCodecInfo {
        mime_type: mime.unwrap_or_default().to_owned(),
        cid: wanted.map_or(&request.cid, |codec| &codec.cid).clone(),
        layers: layers.clone(),
        video_layer_mode: wanted.map_or(Mode::OneSpatialLayerPerStream, |codec| layer_mode(codec, kind)).into(),
        ..Default::default()
    };
    let mut audio_features = request.audio_features.clone();
    audio_features.truncate(16);
    let mut flag = |on: bool, feature: proto::AudioTrackFeature| {
        if on && !video && !audio_features.contains(&feature.into()) {
            audio_features.push(feature.into());
        }
    };
    flag(request.stereo, proto::AudioTrackFeature::TfStereo);
    flag(request.disable_dtx, proto::AudioTrackFeature::TfNoDtx);
    let has = |feature: proto::AudioTrackFeature| audio_features.contains(&feature.into());
    proto::TrackInfo {
        sid,
        r#type: request.r#type,
        name: request.name.clone(),
        muted: request.muted,
        width: request.width,
        height: request.height,
        simulcast: layers.len() > 1,
        disable_dtx: has(proto::AudioTrackFeature::TfNoDtx),
        source: request.source,
        mime_type: mime.unwrap_or_default().to_owned(),
        codecs: vec![first],
        layers,
        stereo: has(proto::AudioTrackFeature::TfStereo),
        disable_red: request.disable_red,
        encryption: request.encryption,
        stream: stream(request),
        audio_features: audio_features.clone(),
        backup_codec_policy: backup_codec_policy(request).into(),
        packet_trailer_features: request.packet_trailer_features.iter().copied().take(16).collect(),
        ..Default::default()
    }
}

/// Where each layer of a codec is, as its client says, or else as LiveKit has it; of audio only as the client says.
pub(crate) fn layer_mode(codec: &proto::SimulcastCodec, kind: Kind) -> Mode {
    match (codec.video_layer_mode(), codec_named(&codec.codec)) {
        (Mode::Unused, _) if kind == Kind::Audio => Mode::Unused,
        (Mode::Unused, Some(Codec::Vp9 | Codec::Av1)) => Mode::MultipleSpatialLayersPerStream,
        (Mode::Unused, _) => Mode::OneSpatialLayerPerStream,
        (said, _) => said,
    }
}

/// Audio changes to another codec for all only where its client says so.
fn backup_codec_policy(request: &proto::AddTrackRequest) -> BackupCodecPolicy {
    match (request.r#type(), request.backup_codec_policy()) {
        (TrackType::Audio, BackupCodecPolicy::PreferRegression) => BackupCodecPolicy::Simulcast,
        (_, policy) => policy,
    }
}

/// Tracks that belong together: camera with microphone, a screen with its sound.
fn stream(request: &proto::AddTrackRequest) -> String {
    if !request.stream.is_empty() {
        return request.stream.clone();
    }
    match request.source() {
        TrackSource::Camera | TrackSource::Microphone => "camera",
        TrackSource::ScreenShare | TrackSource::ScreenShareAudio => "screen_share",
        TrackSource::Unknown => "",
    }
    .to_owned()
}

/// The layers a client announced for a codec, whichever way it did, with the rids they will have.
pub(crate) fn layers(
    request: &proto::AddTrackRequest,
    codec: Option<&proto::SimulcastCodec>,
) -> Vec<proto::VideoLayer> {
    let codec = codec.map(|codec| codec.layers.as_slice()).unwrap_or_default();
    let mut layers = if codec.is_empty() { request.layers.clone() } else { codec.to_vec() };
    layers.truncate(3);
    layers.sort_by_key(|layer| layer.quality);
    let rids = if layers.len() > 1 { &["q", "h", "f"][..] } else { &[""] };
    for (at, (layer, rid)) in layers.iter_mut().zip(rids).enumerate() {
        layer.spatial_layer = at as i32;
        if layer.rid.is_empty() || layer.rid.len() > 16 {
            layer.rid = (*rid).to_owned();
        }
    }
    layers
}

/// The same in the media room's words.
pub(crate) fn layer_specs(layers: &[proto::VideoLayer]) -> Vec<LayerSpec> {
    let one = layers.len() == 1;
    let specs = layers.iter().enumerate().map(|(at, layer)| LayerSpec {
        layer: match at {
            _ if one => Layer::High,
            0 => Layer::Low,
            1 => Layer::Medium,
            _ => Layer::High,
        },
        width: layer.width,
        height: layer.height,
        bitrate: model::Bitrate(layer.bitrate.into()),
    });
    specs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::VideoQuality::{High, Low, Medium};

    fn layer(quality: proto::VideoQuality, width: u32) -> proto::VideoLayer {
        proto::VideoLayer { quality: quality.into(), width, bitrate: width * 100, ..Default::default() }
    }

    fn camera(codec: &str, layers: Vec<proto::VideoLayer>) -> proto::AddTrackRequest {
        let codec = proto::SimulcastCodec { codec: codec.into(), cid: "c".into(), ..Default::default() };
        proto::AddTrackRequest {
            cid: "c".into(),
            r#type: TrackType::Video.into(),
            source: TrackSource::Camera.into(),
            simulcast_codecs: vec![codec],
            layers,
            ..Default::default()
        }
    }

    #[test]
    fn a_codec_is_taken_as_asked_where_it_can_be_forwarded() {
        for (asked, mime) in [
            ("vp8", "video/VP8"),
            ("VP9", "video/VP9"),
            ("video/h264", "video/H264"),
            ("av1", "video/AV1"),
            ("opus", "video/VP8"),
            ("H265", "video/H265"),
            ("h266", "video/VP8"),
            ("", "video/VP8"),
        ] {
            let info = track_info(&camera(asked, vec![]), "TR_VC1".into());
            assert_eq!((info.mime_type.as_str(), info.codecs[0].mime_type.as_str()), (mime, mime), "{asked}");
        }
        let pcmu = proto::AddTrackRequest { r#type: TrackType::Audio.into(), ..camera("audio/PCMU", vec![]) };
        assert_eq!(track_info(&pcmu, String::new()).mime_type, "audio/PCMU");
        let plain = proto::AddTrackRequest { r#type: TrackType::Audio.into(), ..Default::default() };
        assert_eq!(track_info(&plain, String::new()).codecs[0].mime_type, "", "its media will tell");
    }

    #[test]
    fn a_track_has_a_codec_with_layers_where_its_client_announced_none() {
        let request = proto::AddTrackRequest { simulcast_codecs: vec![], ..camera("", vec![layer(Low, 320)]) };
        let info = track_info(&request, String::new());
        let [codec] = info.codecs.as_slice() else { panic!("one codec, not {:?}", info.codecs) };
        assert_eq!((codec.cid.as_str(), codec.mime_type.as_str()), ("c", ""));
        assert_eq!(codec.layers, layers(&request, None));
        assert_eq!(codec.video_layer_mode(), Mode::OneSpatialLayerPerStream);
    }

    #[test]
    fn where_layers_are_is_said_of_every_codec_of_video() {
        let scalable = Mode::MultipleSpatialLayersPerStream;
        for (codec, kind, said, mode) in [
            ("vp8", Kind::Video, Mode::Unused, Mode::OneSpatialLayerPerStream),
            ("av1", Kind::Video, Mode::Unused, scalable),
            ("video/VP9", Kind::Video, Mode::Unused, scalable),
            ("vp9", Kind::Video, Mode::OneSpatialLayerPerStream, Mode::OneSpatialLayerPerStream),
            ("opus", Kind::Audio, Mode::Unused, Mode::Unused),
        ] {
            let codec =
                proto::SimulcastCodec { codec: codec.into(), video_layer_mode: said.into(), ..Default::default() };
            assert_eq!(layer_mode(&codec, kind), mode, "{codec:?}");
        }
    }

    #[test]
    #[allow(deprecated)]
    fn a_layer_keeps_the_ssrc_it_was_first_sent_with() {
        let request = camera("vp8", vec![layer(Low, 320), layer(Medium, 640), layer(High, 1280)]);
        let info = track_info(&request, String::new());
        let (key, mid) = (TrackKey(1), MidName("0".into()));
        let mut track = Track::mirrored(key, ParticipantKey(1), Kind::Video, info, mid);
        for (at, ssrc) in [(1, 5), (0, 7), (1, 6), (3, 8)] {
            track.set_ssrc(key, at, ssrc);
        }
        assert_eq!(track.info.layers.iter().map(|layer| layer.ssrc).collect::<Vec<_>>(), [7, 5, 0]);
        assert_eq!(track.info.codecs[0].layers, track.info.layers);
    }

    #[test]
    fn audio_falls_back_for_those_who_need_it_only() {
        use BackupCodecPolicy::{PreferRegression, Regression, Simulcast};
        for (kind, asked, policy) in [
            (TrackType::Audio, PreferRegression, Simulcast),
            (TrackType::Audio, Regression, Regression),
            (TrackType::Video, PreferRegression, PreferRegression),
        ] {
            let request =
                proto::AddTrackRequest { r#type: kind.into(), backup_codec_policy: asked.into(), ..Default::default() };
            assert_eq!(track_info(&request, String::new()).backup_codec_policy(), policy, "{kind:?} {asked:?}");
        }
    }

    #[test]
    fn layers_get_rids_from_small_to_large() {
        let request = camera("vp8", vec![layer(High, 1280), layer(Low, 320), layer(Medium, 640)]);
        let layers = |request: &proto::AddTrackRequest| super::layers(request, request.simulcast_codecs.first());
        let named: Vec<_> = layers(&request).into_iter().map(|layer| (layer.rid, layer.width)).collect();
        assert_eq!(named, [("q".into(), 320), ("h".into(), 640), ("f".into(), 1280)]);
        let specs: Vec<_> = layer_specs(&layers(&request)).iter().map(|spec| (spec.layer, spec.width)).collect();
        assert_eq!(specs, [(Layer::Low, 320), (Layer::Medium, 640), (Layer::High, 1280)]);
        let one = camera("vp8", vec![layer(High, 1280)]);
        assert_eq!(layers(&one)[0].rid, "");
        assert_eq!(layer_specs(&layers(&one))[0].layer, Layer::High);
    }

    #[test]
    #[allow(deprecated)]
    fn older_flags_of_audio_count_as_features() {
        let request = proto::AddTrackRequest { stereo: true, disable_dtx: true, ..Default::default() };
        let info = track_info(&request, String::new());
        assert_eq!(info.audio_features, [0, 1]);
    }
}
