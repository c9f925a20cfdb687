//! `livekit.RoomService`: rooms and who is in them.

use axum::response::Response;
use livekit::json::Described;
use livekit::{RoomAnswer, RoomOptions, RoomRefusal, RoomRequest};
use livekit_protocol as proto;
use model::RoomName;

use super::Call;
use super::error::{Code, TwirpError};
use super::grants::{Asker, room_name};
use crate::state::AppState;

/// The most names one list may ask for.
const MOST_NAMES: usize = 1_000;

type Answered = Result<Response, TwirpError>;

/// Carries out one method.
pub(super) async fn dispatch(state: &AppState, asker: &Asker, method: &str, call: &Call) -> Answered {
    let service = Service { state, asker, call };
    match method {
        "CreateRoom" => service.create_room().await,
        "ListRooms" => service.list_rooms().await,
        "DeleteRoom" => service.delete_room().await,
        "ListParticipants" => service.list_participants().await,
        "GetParticipant" => service.get_participant().await,
        "RemoveParticipant" => service.remove_participant().await,
        "MutePublishedTrack" => service.mute_published_track().await,
        "UpdateParticipant" => service.update_participant().await,
        "UpdateSubscriptions" => service.update_subscriptions().await,
        "SendData" => service.send_data().await,
        "UpdateRoomMetadata" => service.update_room_metadata().await,
        "MoveParticipant" => service.move_participant().await,
        "ForwardParticipant" => service.forward_participant().await,
        "PerformRpc" => service.perform_rpc().await,
        _ => Err(call.no_handler()),
    }
}

struct Service<'a> {
    state: &'a AppState,
    asker: &'a Asker,
    call: &'a Call,
}

impl Service<'_> {
    async fn create_room(&self) -> Answered {
        self.asker.may_create()?;
        let request: proto::CreateRoomRequest = self.call.read()?;
        let name = room_name(&request.name)?;
        let room = self.media().configure_room(name, RoomOptions::try_from(request)?).await?;
        Ok(self.call.write(&room))
    }

    async fn list_rooms(&self) -> Answered {
        self.asker.may_list()?;
        let request: proto::ListRoomsRequest = self.call.read()?;
        if request.names.len() > MOST_NAMES {
            return Err(TwirpError::new(Code::InvalidArgument, "too many names".to_owned()));
        }
        // A name that none can have names no room.
        let names: Vec<RoomName> = request.names.iter().filter_map(|name| RoomName::new(name).ok()).collect();
        let rooms = self.media().describe_rooms((!request.names.is_empty()).then_some(&names)).await;
        Ok(self.call.write(&proto::ListRoomsResponse { rooms }))
    }

    async fn delete_room(&self) -> Answered {
        self.asker.may_create()?;
        let request: proto::DeleteRoomRequest = self.call.read()?;
        let reason = proto::DisconnectReason::RoomDeleted;
        self.done(&room_name(&request.room)?, RoomRequest::Close { reason }, &proto::DeleteRoomResponse::default())
            .await
    }

    async fn list_participants(&self) -> Answered {
        let request: proto::ListParticipantsRequest = self.call.read()?;
        let room = self.asker.may_administer(&request.room)?;
        let participants = match self.media().ask(&room, RoomRequest::Participants).await {
            Ok(RoomAnswer::Participants(participants)) => participants,
            // Nobody is in a room that there is not.
            Err(RoomRefusal::RoomNotFound) => Vec::new(),
            Ok(other) => return Err(unexpected(&other)),
            Err(refused) => return Err(refused.into()),
        };
        Ok(self.call.write(&proto::ListParticipantsResponse { participants }))
    }

    async fn get_participant(&self) -> Answered {
        let request: proto::RoomParticipantIdentity = self.call.read()?;
        let room = self.asker.may_administer(&request.room)?;
        self.participant(&room, RoomRequest::Participant { identity: request.identity }).await
    }

    async fn remove_participant(&self) -> Answered {
        let request: proto::RoomParticipantIdentity = self.call.read()?;
        let room = self.asker.may_administer(&request.room)?;
        let remove = RoomRequest::Remove { identity: request.identity, revoke_before: request.revoke_token_ts };
        self.media().ask(&room, remove).await.map_err(of_participant)?;
        Ok(self.call.write(&proto::RemoveParticipantResponse::default()))
    }

    async fn mute_published_track(&self) -> Answered {
        let request: proto::MuteRoomTrackRequest = self.call.read()?;
        let room = self.asker.may_administer(&request.room)?;
        let proto::MuteRoomTrackRequest { identity, track_sid, muted, .. } = request;
        match self.media().ask(&room, RoomRequest::MuteTrack { identity, track_sid, muted }).await? {
            RoomAnswer::Track(track) => Ok(self.call.write(&proto::MuteRoomTrackResponse { track: Some(*track) })),
            other => Err(unexpected(&other)),
        }
    }

    async fn update_participant(&self) -> Answered {
        let request: proto::UpdateParticipantRequest = self.call.read()?;
        let room = self.asker.may_administer(&request.room)?;
        self.participant(&room, RoomRequest::UpdateParticipant(request)).await
    }

    async fn update_subscriptions(&self) -> Answered {
        let request: proto::UpdateSubscriptionsRequest = self.call.read()?;
        let room = self.asker.may_administer(&request.room)?;
        let update = RoomRequest::UpdateSubscriptions(request);
        self.done(&room, update, &proto::UpdateSubscriptionsResponse::default()).await
    }

    async fn send_data(&self) -> Answered {
        let request: proto::SendDataRequest = self.call.read()?;
        let room = self.asker.may_administer(&request.room)?;
        self.done(&room, RoomRequest::SendData(request), &proto::SendDataResponse::default()).await
    }

    async fn update_room_metadata(&self) -> Answered {
        let request: proto::UpdateRoomMetadataRequest = self.call.read()?;
        let room = self.asker.may_administer(&request.room)?;
        let options = RoomOptions { metadata: Some(request.metadata), ..RoomOptions::default() };
        match self.media().ask(&room, RoomRequest::Configure(options)).await? {
            RoomAnswer::Room(room) => Ok(self.call.write(&*room)),
            other => Err(unexpected(&other)),
        }
    }

    async fn move_participant(&self) -> Answered {
        let request: proto::MoveParticipantRequest = self.call.read()?;
        let (from, to) = self.asker.may_send(&request.room, &request.destination_room)?;
        // First whether there is anyone to move: nothing is opened for nobody.
        self.media().ask(&from, RoomRequest::Participant { identity: request.identity.clone() }).await?;
        self.admit(&to, &request.identity).await?;
        let destination = Box::new(self.media().configure_room(to, RoomOptions::default()).await?);
        let identity = request.identity;
        self.done(&from, RoomRequest::Move { identity, destination }, &proto::MoveParticipantResponse::default()).await
    }

    async fn forward_participant(&self) -> Answered {
        let request: proto::ForwardParticipantRequest = self.call.read()?;
        let (from, to) = self.asker.may_send(&request.room, &request.destination_room)?;
        self.admit(&to, &request.identity).await?;
        self.media().forward_participant(&from, &request.identity, &to).await?;
        Ok(self.call.write(&proto::ForwardParticipantResponse::default()))
    }

    async fn perform_rpc(&self) -> Answered {
        let request: proto::PerformRpcRequest = self.call.read()?;
        let room = self.asker.may_administer(&request.room)?;
        if request.destination_identity.is_empty() {
            return Err(TwirpError::from_behind(Code::InvalidArgument, "destination identity is required"));
        }
        match self.media().ask(&room, RoomRequest::PerformRpc(request)).await? {
            RoomAnswer::Rpc(payload) => Ok(self.call.write(&proto::PerformRpcResponse { payload })),
            other => Err(unexpected(&other)),
        }
    }

    fn media(&self) -> &dyn control::MediaPlane {
        &**self.state.handle().media()
    }

    /// The room of a call takes those whom the call takes.
    async fn admit(&self, room: &RoomName, identity: &str) -> Result<(), TwirpError> {
        let admitted = self.state.handle().admit(room, identity).await;
        admitted.map(drop).map_err(|error| {
            tracing::debug!(%error, %room, "a call does not admit a participant to its room");
            let code = if error.code().status() >= 500 { Code::Unavailable } else { Code::PermissionDenied };
            TwirpError::new(code, "not allowed to join this room".to_owned())
        })
    }

    async fn participant(&self, room: &RoomName, request: RoomRequest) -> Answered {
        match self.media().ask(room, request).await.map_err(of_participant)? {
            RoomAnswer::Participant(info) => Ok(self.call.write(&*info)),
            other => Err(unexpected(&other)),
        }
    }

    async fn done<T: Described>(&self, room: &RoomName, request: RoomRequest, answer: &T) -> Answered {
        self.media().ask(room, request).await?;
        Ok(self.call.write(answer))
    }
}

/// Where there is no such room, there is no such participant: which of both is missing is not said.
fn of_participant(refusal: RoomRefusal) -> TwirpError {
    match refusal {
        RoomRefusal::RoomNotFound => RoomRefusal::ParticipantNotFound.into(),
        other => other.into(),
    }
}

fn unexpected(answer: &RoomAnswer) -> TwirpError {
    tracing::error!(?answer, "a room sent an unexpected answer");
    TwirpError::new(Code::Unavailable, "the room cannot answer".to_owned())
}
