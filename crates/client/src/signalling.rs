//! The client's side of LiveKit's signalling: what to say and what to make of what the server says.

use base64::Engine;
use livekit_protocol as proto;
use prost::Message;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;

use crate::connection::{Client, ClientError, ClientEvent, Published, PublishedMedia, Publishing};
use crate::media::VideoConfig;

/// The protocol version of the clients of 2026.
const PROTOCOL: i32 = 16;

/// The query of `/rtc/v1` for a client whose first offer is `offer`.
pub(crate) fn join_path(offer: &str, offer_id: u32, auto_subscribe: bool) -> String {
    let info = proto::ClientInfo {
        sdk: proto::client_info::Sdk::Rust.into(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: PROTOCOL,
        ..proto::ClientInfo::default()
    };
    let settings = proto::ConnectionSettings { auto_subscribe, ..proto::ConnectionSettings::default() };
    let request = proto::JoinRequest {
        client_info: Some(info),
        connection_settings: Some(settings),
        publisher_offer: Some(offer_message(offer, offer_id)),
        ..proto::JoinRequest::default()
    };
    let wrapped = proto::WrappedJoinRequest {
        compression: proto::wrapped_join_request::Compression::None.into(),
        join_request: request.encode_to_vec(),
    };
    let text = base64::engine::general_purpose::URL_SAFE.encode(wrapped.encode_to_vec());
    format!("/rtc/v1?join_request={}", text.replace('=', "%3D"))
}

pub(crate) fn offer_message(sdp: &str, id: u32) -> proto::SessionDescription {
    proto::SessionDescription { r#type: "offer".to_owned(), sdp: sdp.to_owned(), id, ..Default::default() }
}

impl Client {
    /// Takes a message of the server: the bytes of one binary WebSocket frame.
    pub fn handle_signal(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let response = proto::SignalResponse::decode(bytes).map_err(|_| ClientError::Signal)?;
        let Some(message) = response.message else { return Ok(()) };
        match message {
            Response::Join(join) => self.handle_join(&join),
            Response::Answer(answer) => return self.handle_answer(&answer),
            Response::Trickle(trickle) => self.handle_trickle(&trickle),
            Response::TrackPublished(published) => self.handle_published(&published),
            Response::MediaSectionsRequirement(need) => {
                self.want_receivers(need.num_audios as usize, need.num_videos as usize);
            }
            Response::SubscribedQualityUpdate(update) => {
                self.publish_wanted(&update);
                self.events.push_back(ClientEvent::QualityDemand(update));
            }
            Response::Update(update) => self.events.push_back(ClientEvent::Participants(update.participants)),
            Response::SpeakersChanged(changed) => self.events.push_back(ClientEvent::Speakers(changed.speakers)),
            Response::Leave(leave) => self.events.push_back(ClientEvent::Left(leave)),
            Response::Mute(mute) => self.set_muted(&mute.sid, mute.muted),
            // The rest does not concern a client that neither shows nor decodes anything.
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn say(&mut self, message: Request) {
        let bytes = proto::SignalRequest { message: Some(message) }.encode_to_vec();
        self.signals.push_back(bytes);
    }

    pub(crate) fn say_ping(&mut self, timestamp: i64) {
        self.say(Request::PingReq(proto::Ping { timestamp, rtt: 0 }));
    }

    /// Mutes or unmutes a published track, by its sid.
    pub fn mute(&mut self, sid: &str, muted: bool) {
        self.set_muted(sid, muted);
        self.say(Request::Mute(proto::MuteTrackRequest { sid: sid.to_owned(), muted }));
    }

    /// Sends nothing more of a published track, by its sid, and does not say so.
    pub fn silence(&mut self, sid: &str) {
        self.set_muted(sid, true);
    }

    /// Says what is wanted of a track, by its sid.
    pub fn prefer(&mut self, sid: &str, disabled: bool, width: u32, height: u32) {
        let settings = proto::UpdateTrackSettings {
            track_sids: vec![sid.to_owned()],
            disabled,
            width,
            height,
            ..proto::UpdateTrackSettings::default()
        };
        self.say(Request::TrackSetting(settings));
    }

    /// Leaves the room.
    pub fn leave(&mut self) {
        let leave = proto::LeaveRequest {
            reason: proto::DisconnectReason::ClientInitiated.into(),
            ..proto::LeaveRequest::default()
        };
        self.say(Request::Leave(leave));
    }

    pub(crate) fn ask_to_publish(&mut self, cid: &str, media: PublishedMedia) {
        let (kind, source, camera) = match media {
            PublishedMedia::Camera(config) => (proto::TrackType::Video, proto::TrackSource::Camera, Some(config)),
            PublishedMedia::Microphone(_) => (proto::TrackType::Audio, proto::TrackSource::Microphone, None),
        };
        let (width, height) = if camera.is_some() { (1_280, 720) } else { (0, 0) };
        let layer = |quality: proto::VideoQuality, divisor: u32, bitrate| proto::VideoLayer {
            quality: quality.into(),
            width: width / divisor,
            height: height / divisor,
            bitrate,
            ..proto::VideoLayer::default()
        };
        let layers = match camera.map(|config| config.simulcast) {
            None => Vec::new(),
            Some(false) => vec![layer(proto::VideoQuality::High, 1, 1_700_000)],
            Some(true) => vec![
                layer(proto::VideoQuality::Low, 4, 150_000),
                layer(proto::VideoQuality::Medium, 2, 500_000),
                layer(proto::VideoQuality::High, 1, 1_700_000),
            ],
        };
        self.say(Request::AddTrack(proto::AddTrackRequest {
            cid: cid.to_owned(),
            name: cid.to_owned(),
            r#type: kind.into(),
            source: source.into(),
            width,
            height,
            layers,
            simulcast_codecs: camera.map(|config| codecs(cid, config)).unwrap_or_default(),
            backup_codec_policy: proto::BackupCodecPolicy::Simulcast.into(),
            ..proto::AddTrackRequest::default()
        }));
    }

    /// Starts to send what the server says somebody cannot do without.
    fn publish_wanted(&mut self, update: &proto::SubscribedQualityUpdate) {
        let Some(published) = self.published.iter_mut().find(|track| track.sid == update.track_sid) else { return };
        let Some(config) = published.backup else { return };
        let name = config.codec.name();
        let mut wanted = update.subscribed_codecs.iter().filter(|codec| codec.codec == name);
        if !wanted.any(|codec| codec.qualities.iter().any(|quality| quality.enabled)) {
            return;
        }
        published.backup = None;
        let (sid, cid) = (published.sid.clone(), format!("{}-{name}", published.sid));
        self.publishing.push(Publishing { cid: cid.clone(), media: PublishedMedia::Camera(config) });
        let codec = proto::SimulcastCodec { codec: name.to_owned(), cid: cid.clone(), ..Default::default() };
        self.say(Request::AddTrack(proto::AddTrackRequest {
            cid,
            sid,
            simulcast_codecs: vec![codec],
            ..proto::AddTrackRequest::default()
        }));
    }

    fn handle_join(&mut self, join: &proto::JoinResponse) {
        self.ping_every(join.ping_interval);
        let participant = join.participant.clone().unwrap_or_default();
        self.events.push_back(ClientEvent::Joined(Box::new(participant)));
        if !join.other_participants.is_empty() {
            self.events.push_back(ClientEvent::Participants(join.other_participants.clone()));
        }
        self.joined();
    }

    fn handle_published(&mut self, published: &proto::TrackPublishedResponse) {
        let sid = published.track.as_ref().map(|track| track.sid.clone()).unwrap_or_default();
        if let Some(track) = self.publishing.iter().position(|track| track.cid == published.cid) {
            let track = self.publishing.remove(track);
            self.start_publishing(&track, sid.clone());
            self.events.push_back(ClientEvent::Published { cid: track.cid, sid });
        }
    }

    fn set_muted(&mut self, sid: &str, muted: bool) {
        for Published { mid, .. } in self.published.iter().filter(|track| track.sid == sid) {
            for encoding in self.encodings.iter_mut().filter(|encoding| encoding.mid == *mid) {
                encoding.muted = muted;
            }
        }
    }
}

/// The codecs of a camera: what it sends, and what it can send besides.
fn codecs(cid: &str, config: VideoConfig) -> Vec<proto::SimulcastCodec> {
    let codec =
        |name: &str, cid: &str| proto::SimulcastCodec { codec: name.into(), cid: cid.into(), ..Default::default() };
    let backup = config.backup.map(|backup| codec(backup.name(), ""));
    std::iter::once(codec(config.codec.name(), cid)).chain(backup).collect()
}
