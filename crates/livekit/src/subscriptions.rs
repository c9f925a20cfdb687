//! Subscribing: who gets which track, and how much of it.

use livekit_protocol as proto;
use proto::signal_response::Message;
use proto::{SubscriptionError, VideoQuality};
use sfu::{Layer, ParticipantKey, TrackKey, TrackPreference};

use crate::limits::MOST_WISHES;
use crate::membership::grant::{Allowed, SubscriptionRule};
use crate::room::Room;
use crate::session::Session;
use crate::tracks::Track;

/// Whether a participant should get a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Gets,
    DoesNotWant,
    /// It would, but the publisher withholds it.
    Denied,
}

impl Room {
    fn verdict(&self, subscriber: &Session, track: &Track) -> Verdict {
        let Some(member) = self.membership.members.get(&subscriber.key) else { return Verdict::DoesNotWant };
        let wish = subscriber.wishes.get(&track.key).copied();
        let wants = wish.unwrap_or(subscriber.client.auto_subscribe);
        if !wants || !track.is_published() || track.publisher == subscriber.key || !member.grant.subscribe {
            return Verdict::DoesNotWant;
        }
        let publisher = self.membership.members.get(&track.publisher);
        let allowed = publisher.is_some_and(|publisher| publisher.lets_have(member, &track.info.sid));
        if allowed { Verdict::Gets } else { Verdict::Denied }
    }

    /// A track came, or what its publisher allows changed.
    pub(crate) fn reconcile_track(&mut self, track: TrackKey) {
        let subscribers: Vec<_> = self.sessions.keys().copied().collect();
        for subscriber in subscribers {
            self.reconcile(subscriber, track);
        }
    }

    /// A subscriber came.
    pub(crate) fn reconcile_subscriber(&mut self, subscriber: ParticipantKey) {
        let tracks: Vec<_> = self.membership.tracks.keys().copied().collect();
        for track in tracks {
            self.reconcile(subscriber, track);
        }
    }

    fn reconcile(&mut self, subscriber: ParticipantKey, key: TrackKey) {
        let (Some(session), Some(track)) = (self.sessions.get(&subscriber), self.membership.tracks.get(&key)) else {
            return;
        };
        let verdict = self.verdict(session, track);
        let has = session.subscribed.contains(&key);
        let was_denied = session.denied.contains(&key);
        let preference = self.usable(subscriber, key);
        if verdict == Verdict::Denied && !was_denied {
            self.tell_permission(subscriber, key, false);
        } else if verdict == Verdict::Gets && was_denied {
            self.tell_permission(subscriber, key, true);
        }
        match (verdict, has) {
            (Verdict::Gets, false) => {
                self.media.subscribe(self.now, subscriber, key);
                if let Some(preference) = preference {
                    self.media.set_preference(self.now, subscriber, key, preference);
                }
            }
            (Verdict::DoesNotWant | Verdict::Denied, true) => {
                let media = self.fed_by(subscriber, key);
                self.media.unsubscribe(self.now, subscriber, media);
            }
            (Verdict::Gets, true) | (Verdict::DoesNotWant | Verdict::Denied, false) => return,
        }
        let Some(session) = self.sessions.get_mut(&subscriber) else { return };
        if verdict == Verdict::Gets {
            session.subscribed.insert(key);
        } else {
            session.subscribed.remove(&key);
            session.fed.remove(&key);
        }
    }

    fn tell_permission(&mut self, subscriber: ParticipantKey, key: TrackKey, allowed: bool) {
        if let Some(session) = self.sessions.get_mut(&subscriber) {
            if allowed {
                session.denied.remove(&key);
            } else {
                session.denied.insert(key);
            }
        }
        let Some(track) = self.membership.tracks.get(&key) else { return };
        let publisher = self.membership.members.get(&track.publisher).map(|member| member.sid.clone());
        let update = proto::SubscriptionPermissionUpdate {
            participant_sid: publisher.unwrap_or_default(),
            track_sid: track.info.sid.clone(),
            allowed,
        };
        self.send(subscriber, Message::SubscriptionPermissionUpdate(update));
    }

    /// The client asks for tracks, or against them.
    pub(crate) fn update_subscription(&mut self, key: ParticipantKey, update: proto::UpdateSubscription) {
        let of_participants = update.participant_tracks.iter().flat_map(|tracks| &tracks.track_sids);
        let sids: Vec<&String> = update.track_sids.iter().chain(of_participants).take(MOST_WISHES).collect();
        for sid in sids {
            let Some(track) = self.membership.track_sids.get(sid).copied() else {
                if update.subscribe {
                    let err = SubscriptionError::SeTrackNotfound.into();
                    let response = proto::SubscriptionResponse { track_sid: sid.clone(), err };
                    self.send(key, Message::SubscriptionResponse(response));
                }
                continue;
            };
            if let Some(session) = self.sessions.get_mut(&key) {
                session.wishes.insert(track, update.subscribe);
            }
            self.reconcile(key, track);
        }
    }

    /// What the client can use of tracks.
    pub(crate) fn track_setting(&mut self, key: ParticipantKey, settings: &proto::UpdateTrackSettings) {
        let preference = preference(settings);
        for sid in settings.track_sids.iter().take(MOST_WISHES) {
            if let Some(track) = self.membership.track_sids.get(sid).copied() {
                self.prefer(key, track, preference);
            }
        }
    }

    /// The client has switched a track off.
    pub(crate) fn disable(&mut self, key: ParticipantKey, track: TrackKey) {
        let known = self.sessions.get(&key).and_then(|session| session.preferences.get(&track)).copied();
        self.prefer(key, track, TrackPreference { disabled: true, ..known.unwrap_or_default() });
    }

    fn prefer(&mut self, key: ParticipantKey, track: TrackKey, preference: TrackPreference) {
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.preferences.insert(track, preference);
        if session.subscribed.contains(&track) {
            let preference = self.usable(key, track).unwrap_or_default();
            let media = self.fed_by(key, track);
            self.media.set_preference(self.now, key, media, preference);
        }
    }

    /// The client says who may subscribe to its tracks.
    pub(crate) fn subscription_permission(&mut self, key: ParticipantKey, permission: proto::SubscriptionPermission) {
        let identities: Vec<Option<String>> =
            permission.track_permissions.iter().take(MOST_WISHES).map(|allowed| self.identity_of(allowed)).collect();
        let Some(member) = self.membership.members.get_mut(&key) else { return };
        member.rule = if permission.all_participants {
            SubscriptionRule::Everyone
        } else {
            let allowed = identities.into_iter().zip(permission.track_permissions).filter_map(|(identity, allowed)| {
                let tracks = match allowed.all_tracks {
                    true => Allowed::All,
                    false => Allowed::Tracks(allowed.track_sids.into_iter().take(MOST_WISHES).collect()),
                };
                Some((identity?, tracks))
            });
            SubscriptionRule::Only(allowed.collect())
        };
        self.share(key);
        for track in self.membership.own_tracks(key) {
            self.reconcile_track(track);
        }
    }

    fn identity_of(&self, allowed: &proto::TrackPermission) -> Option<String> {
        if !allowed.participant_identity.is_empty() {
            return Some(allowed.participant_identity.clone());
        }
        self.membership.by_sid(&allowed.participant_sid).map(|member| member.identity.clone())
    }

    /// A subscription wants an m-line.
    pub(crate) fn subscription_wanted(&mut self, subscriber: ParticipantKey, track: TrackKey) {
        let Some(kind) = self.membership.tracks.get(&track).map(|track| track.kind) else { return };
        let Some(session) = self.sessions.get_mut(&subscriber) else { return };
        session.negotiation.sections.want(track, kind);
        self.renegotiate.insert(subscriber);
    }

    /// A subscription is over.
    pub(crate) fn subscription_ended(&mut self, subscriber: ParticipantKey, track: TrackKey) {
        let Some(session) = self.sessions.get_mut(&subscriber) else { return };
        if session.negotiation.sections.end(track) {
            self.renegotiate.insert(subscriber);
        }
    }

    /// Someone receives a track: its publisher may want to know.
    pub(crate) fn subscription_started(&mut self, track: TrackKey) {
        let Some(entry) = self.membership.tracks.get_mut(&track) else { return };
        if std::mem::replace(&mut entry.seen, true) {
            return;
        }
        let (publisher, track_sid) = (entry.publisher, entry.info.sid.clone());
        self.send(publisher, Message::TrackSubscribed(proto::TrackSubscribed { track_sid }));
    }
}

fn preference(settings: &proto::UpdateTrackSettings) -> TrackPreference {
    let quality = VideoQuality::try_from(settings.quality).unwrap_or(VideoQuality::High);
    let sized = settings.width != 0 && settings.height != 0;
    TrackPreference {
        disabled: settings.disabled || (!sized && quality == VideoQuality::Off),
        max_layer: match quality {
            _ if sized => Layer::High,
            VideoQuality::Low => Layer::Low,
            VideoQuality::Medium => Layer::Medium,
            VideoQuality::High | VideoQuality::Off => Layer::High,
        },
        width: settings.width,
        height: settings.height,
        frame_rate: settings.fps,
        priority: settings.priority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_say_what_a_client_can_use() {
        let settings = |disabled, quality: VideoQuality, width, height| proto::UpdateTrackSettings {
            disabled,
            quality: quality.into(),
            width,
            height,
            ..Default::default()
        };
        for (settings, disabled, layer, size) in [
            (settings(false, VideoQuality::Low, 0, 0), false, Layer::Low, (0, 0)),
            (settings(false, VideoQuality::Medium, 0, 0), false, Layer::Medium, (0, 0)),
            (settings(false, VideoQuality::Off, 0, 0), true, Layer::High, (0, 0)),
            // A size says more than a quality that was left at its default.
            (settings(false, VideoQuality::Low, 640, 360), false, Layer::High, (640, 360)),
            (settings(true, VideoQuality::High, 640, 360), true, Layer::High, (640, 360)),
        ] {
            let preference = preference(&settings);
            assert_eq!((preference.disabled, preference.max_layer), (disabled, layer), "{settings:?}");
            assert_eq!((preference.width, preference.height), size);
        }
    }
}
