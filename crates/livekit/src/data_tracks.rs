//! Data tracks: frames of one publisher on the `_data_track` channel, each subscriber under a handle of its own.

use std::collections::{BTreeMap, HashMap};

use livekit_protocol as proto;
use proto::request_response::{Reason, Request};
use proto::signal_response::Message;
use sfu::{DataLane, ParticipantKey};

use crate::limits::{LONGEST_NAME, MOST_DATA_TRACKS, MOST_WISHES};
use crate::membership::member::Member;
use crate::room::Room;

/// Length of the fixed part of a frame's header, in bytes. The handle is at 2 and 3.
const HEADER: usize = 12;

/// Where a handle of a subscriber leads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    publisher: ParticipantKey,
    sid: String,
}

/// The data tracks that a client has subscribed to, each under a handle of its own.
#[derive(Debug, Default)]
pub(crate) struct DataHandles {
    subscribed: BTreeMap<u16, Source>,
    next_handle: u16,
}

impl DataHandles {
    fn handle_of(&self, sid: &str) -> Option<u16> {
        self.subscribed.iter().find(|(_, source)| source.sid == sid).map(|(handle, _)| *handle)
    }

    /// False where it was subscribed already, or no handle is free.
    fn subscribe(&mut self, source: Source) -> bool {
        if self.handle_of(&source.sid).is_some() || self.subscribed.len() >= MOST_WISHES {
            return false;
        }
        loop {
            self.next_handle = self.next_handle.checked_add(1).unwrap_or(1);
            if !self.subscribed.contains_key(&self.next_handle) {
                break;
            }
        }
        self.subscribed.insert(self.next_handle, source);
        true
    }

    fn unsubscribe(&mut self, sid: &str) -> bool {
        let before = self.subscribed.len();
        self.subscribed.retain(|_, source| source.sid != sid);
        before != self.subscribed.len()
    }
}

impl Room {
    /// The client wants to publish a data track.
    pub(crate) fn publish_data_track(&mut self, key: ParticipantKey, request: proto::PublishDataTrackRequest) {
        let Some(member) = self.membership.members.get(&key) else { return };
        if let Err((reason, message)) = admit(member, &request) {
            self.respond(key, 0, reason, message, Some(Request::PublishDataTrack(request)));
            return;
        }
        let info = proto::DataTrackInfo {
            pub_handle: request.pub_handle,
            sid: crate::id::sid(&mut self.rng, "DTR_"),
            name: request.name,
            encryption: request.encryption,
            frame_encoding: request.frame_encoding,
            schema: request.schema,
        };
        if let Some(member) = self.membership.members.get_mut(&key) {
            member.data_tracks.push(info.clone());
            member.is_publisher = true;
        }
        self.send(key, Message::PublishDataTrackResponse(proto::PublishDataTrackResponse { info: Some(info) }));
        self.membership.mark_changed(key);
    }

    /// The client ends a data track.
    pub(crate) fn unpublish_data_track(&mut self, key: ParticipantKey, request: proto::UnpublishDataTrackRequest) {
        let Some(member) = self.membership.members.get_mut(&key) else { return };
        let published = &mut member.data_tracks;
        let Some(at) = published.iter().position(|track| track.pub_handle == request.pub_handle) else {
            self.respond(key, 0, Reason::NotFound, "", Some(Request::UnpublishDataTrack(request)));
            return;
        };
        let info = published.remove(at);
        self.forget_data_track(&info.sid);
        self.send(key, Message::UnpublishDataTrackResponse(proto::UnpublishDataTrackResponse { info: Some(info) }));
        self.membership.mark_changed(key);
    }

    /// Nobody gets this data track any more.
    pub(crate) fn forget_data_track(&mut self, sid: &str) {
        let had: Vec<_> = self
            .sessions
            .values_mut()
            .filter_map(|session| session.data_handles.unsubscribe(sid).then_some(session.key))
            .collect();
        for key in had {
            self.tell_data_handles(key);
        }
    }

    /// A participant is gone, and its data tracks with it.
    pub(crate) fn drop_data_tracks_of(&mut self, member: &Member) {
        for track in &member.data_tracks {
            self.forget_data_track(&track.sid);
        }
    }

    /// Every data track of a participant is over.
    pub(crate) fn end_data_tracks(&mut self, key: ParticipantKey) {
        let published = self.membership.members.get(&key).map(|member| member.data_tracks.clone()).unwrap_or_default();
        for proto::DataTrackInfo { pub_handle, .. } in published {
            self.unpublish_data_track(key, proto::UnpublishDataTrackRequest { pub_handle });
        }
    }

    /// The client subscribes to data tracks, or ends that.
    pub(crate) fn update_data_subscription(&mut self, key: ParticipantKey, update: proto::UpdateDataSubscription) {
        for update in update.updates.into_iter().take(MOST_WISHES) {
            let mut publishers = self.membership.members.values();
            let publisher = publishers.find(|member| member.publishes_data(&update.track_sid));
            let Some(member) = self.membership.members.get(&key) else { return };
            let allowed = publisher
                .filter(|publisher| member.grant.subscribe && publisher.lets_have(member, &update.track_sid))
                .map(|publisher| publisher.key);
            let Some(session) = self.sessions.get_mut(&key) else { return };
            match (update.subscribe, allowed) {
                (true, Some(publisher)) => {
                    session.data_handles.subscribe(Source { publisher, sid: update.track_sid });
                }
                (true, None) => {}
                (false, _) => {
                    session.data_handles.unsubscribe(&update.track_sid);
                }
            }
        }
        self.tell_data_handles(key);
    }

    /// Which handle is which data track.
    pub(crate) fn tell_data_handles(&mut self, key: ParticipantKey) {
        let Some(session) = self.sessions.get(&key) else { return };
        let handles = session.data_handles.subscribed.iter().filter_map(|(handle, source)| {
            let publisher = self.membership.members.get(&source.publisher)?;
            let track = proto::data_track_subscriber_handles::PublishedDataTrack {
                publisher_identity: publisher.identity.clone(),
                publisher_sid: publisher.sid.clone(),
                track_sid: source.sid.clone(),
            };
            Some((u32::from(*handle), track))
        });
        let sub_handles: HashMap<_, _> = handles.collect();
        self.send(key, Message::DataTrackSubscriberHandles(proto::DataTrackSubscriberHandles { sub_handles }));
    }

    /// A frame of a data track, to its subscribers.
    pub(crate) fn data_track_frame(&mut self, key: ParticipantKey, frame: Vec<u8>) {
        let Some(handle) = handle(&frame) else { return };
        let Some(member) = self.membership.members.get(&key) else { return };
        let track = member.data_tracks.iter().find(|track| track.pub_handle == u32::from(handle));
        let Some(sid) = track.map(|track| track.sid.clone()) else { return };
        self.share_frame(&sid, &frame);
        self.hand_on_frame(&sid, frame);
    }

    /// A frame of a data track, to those of its subscribers that are connected here.
    pub(crate) fn hand_on_frame(&mut self, sid: &str, mut frame: Vec<u8>) {
        if handle(&frame).is_none() {
            return;
        }
        for session in self.sessions.values() {
            if let Some(handle) = session.data_handles.handle_of(sid) {
                frame[2..4].copy_from_slice(&handle.to_be_bytes());
                self.media.send_data(self.now, session.peers.subscriber(), DataLane::Track, &frame);
            }
        }
    }
}

fn handle(frame: &[u8]) -> Option<u16> {
    let header = frame.get(..HEADER)?;
    Some(u16::from_be_bytes([header[2], header[3]]))
}

fn admit(member: &Member, request: &proto::PublishDataTrackRequest) -> Result<(), (Reason, &'static str)> {
    let published = &member.data_tracks;
    match request.pub_handle {
        _ if !member.grant.data => Err((Reason::NotAllowed, "does not have permission to publish data")),
        0 | 65_536.. => Err((Reason::InvalidHandle, "handle should be > 0 AND < 65536")),
        _ if request.name.is_empty() || request.name.len() > LONGEST_NAME => {
            Err((Reason::InvalidName, "name should not be empty and should not exceed 256 characters"))
        }
        handle if published.iter().any(|track| track.pub_handle == handle) => {
            Err((Reason::DuplicateHandle, "a data track with same handle already exists"))
        }
        _ if published.iter().any(|track| track.name == request.name) => {
            Err((Reason::DuplicateName, "a data track with same name already exists"))
        }
        _ if published.len() >= MOST_DATA_TRACKS => Err((Reason::LimitExceeded, "too many data tracks")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_unique_and_never_zero() {
        let mut tracks = DataHandles { next_handle: u16::MAX - 1, ..Default::default() };
        for sid in ["a", "b", "c"] {
            assert!(tracks.subscribe(Source { publisher: ParticipantKey(1), sid: sid.into() }));
        }
        assert_eq!(["a", "b", "c"].map(|sid| tracks.handle_of(sid)), [Some(65_535), Some(1), Some(2)]);
        assert!(!tracks.subscribe(Source { publisher: ParticipantKey(1), sid: "b".into() }));
        assert!(tracks.unsubscribe("b") && !tracks.unsubscribe("b"));
    }

    #[test]
    fn a_frame_shorter_than_its_header_has_no_handle() {
        assert_eq!(handle(&[0; HEADER - 1]), None);
        assert_eq!(handle(&[0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0]), Some(0x102));
    }
}
