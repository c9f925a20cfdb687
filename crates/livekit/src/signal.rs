//! Dispatches what clients send to the module that handles it.

use std::time::Instant;

use livekit_protocol as proto;
use proto::request_response::{Reason, Request};
use proto::signal_request::Message as Said;
use proto::signal_response::Message;
use sfu::ParticipantKey;

use crate::leave::{Departure, leave};
use crate::room::Room;
use crate::types::{ConnectionId, Output};

impl Room {
    /// A message of a client. One from a connection that is not (or no longer) a participant's is ignored.
    pub fn handle_signal(&mut self, now: Instant, connection: ConnectionId, message: proto::SignalRequest) {
        self.begin(now);
        let Some(key) = self.connections.get(&connection).copied() else { return };
        let Some(session) = self.sessions.get_mut(&key) else { return };
        session.heard = now;
        if let Some(message) = message.message {
            self.dispatch(key, connection, message);
        }
    }

    #[allow(deprecated)]
    fn dispatch(&mut self, key: ParticipantKey, connection: ConnectionId, message: Said) {
        match message {
            Said::Offer(description) => self.handle_offer(key, description),
            Said::Answer(description) => self.handle_answer(key, description),
            Said::Trickle(trickle) => self.trickle(key, &trickle),
            Said::AddTrack(request) => self.add_track(key, request),
            Said::Mute(request) => self.mute(key, &request),
            Said::Subscription(update) => self.update_subscription(key, update),
            Said::TrackSetting(settings) => self.track_setting(key, &settings),
            Said::Leave(_) => self.depart(key, Departure::ClientLeft),
            Said::UpdateLayers(_) => {}
            Said::SubscriptionPermission(permission) => self.subscription_permission(key, permission),
            Said::SyncState(state) => self.sync_state(key, state),
            Said::Simulate(scenario) => self.simulate(key, connection, scenario),
            Said::Ping(_) => self.ping(key, None),
            Said::PingReq(ping) => self.ping(key, Some(ping.timestamp)),
            Said::UpdateMetadata(update) => self.update_metadata(key, update),
            Said::UpdateAudioTrack(update) => self.update_audio_track(key, update),
            Said::UpdateVideoTrack(update) => self.update_video_track(key, update),
            Said::PublishDataTrackRequest(request) => self.publish_data_track(key, request),
            Said::UnpublishDataTrackRequest(request) => self.unpublish_data_track(key, request),
            Said::UpdateDataSubscription(update) => self.update_data_subscription(key, update),
            Said::StoreDataBlobRequest(proto::StoreDataBlobRequest { request_id, .. })
            | Said::GetDataBlobRequest(proto::GetDataBlobRequest { request_id, .. }) => {
                self.respond(key, request_id, Reason::UnsupportedType, "data blobs are not kept here", None);
            }
        }
    }

    fn ping(&mut self, key: ParticipantKey, last_ping_timestamp: Option<i64>) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.pinged = true;
        }
        let timestamp = self.timestamp().as_millis();
        let message = match last_ping_timestamp {
            Some(last_ping_timestamp) => Message::PongResp(proto::Pong { last_ping_timestamp, timestamp }),
            None => Message::Pong(timestamp),
        };
        self.send(key, message);
    }

    /// What became of a request. `request`: for clients that know their requests by content.
    pub(crate) fn respond(
        &mut self,
        key: ParticipantKey,
        request_id: u32,
        reason: Reason,
        message: &str,
        request: Option<Request>,
    ) {
        let response =
            proto::RequestResponse { request_id, reason: reason.into(), message: message.to_owned(), request };
        self.send(key, Message::RequestResponse(response));
    }

    /// Failures on demand, for the tests of client SDKs.
    fn simulate(&mut self, key: ParticipantKey, connection: ConnectionId, scenario: proto::SimulateScenario) {
        use proto::simulate_scenario::Scenario;
        match scenario.scenario {
            Some(Scenario::NodeFailure(true)) => {
                self.out(Output::Close(connection, "simulated failure"));
                self.connections.remove(&connection);
                if let Some(session) = self.sessions.get_mut(&key) {
                    // Without a connection it goes without a word.
                    session.signalling = crate::session::Signalling::Lost { since: self.now, until: self.now };
                }
                self.depart(key, Departure::Vanished);
            }
            Some(Scenario::ServerLeave(true)) => self.depart(key, Departure::Removed),
            Some(Scenario::LeaveRequestFullReconnect(true)) => self.depart(key, Departure::MediaLost),
            Some(Scenario::Migration(true) | Scenario::SwitchCandidateProtocol(_)) => {
                let resume = proto::leave_request::Action::Resume;
                self.send(key, leave(proto::DisconnectReason::Migration, resume));
            }
            Some(Scenario::DisconnectSignalOnResume(true) | Scenario::DisconnectSignalOnResumeNoMessages(true)) => {
                if let Some(session) = self.sessions.get_mut(&key) {
                    session.cut_at_resume = true;
                }
            }
            Some(
                Scenario::NodeFailure(false)
                | Scenario::ServerLeave(false)
                | Scenario::LeaveRequestFullReconnect(false)
                | Scenario::Migration(false)
                | Scenario::DisconnectSignalOnResume(false)
                | Scenario::DisconnectSignalOnResumeNoMessages(false)
                | Scenario::SpeakerUpdate(_)
                | Scenario::SubscriberBandwidth(_),
            )
            | None => {}
        }
    }
}
