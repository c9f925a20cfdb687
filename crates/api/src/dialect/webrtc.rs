//! The `/webrtc` Socket.IO namespace: a mesh of sockets in one call that address each other by socket ID, as clients of
//! a NestJS gateway do.
//!
//! `call.join` joins the call (for someone being called, it accepts) and the call's meeting. `call.leave` is `leave`. A
//! `userId` in a body is ignored: the token says who it is.

use ::call::CallEvent;
use control::{Notice, NoticeBody};
use model::{CallId, ErrorCode};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{Extension, SocketRef, State};
use socketioxide::handler::ConnectHandler;
use tokio::sync::mpsc;

use super::bare::Kind;
use crate::http::error::{ApiError, ApiResult};
use crate::signalling::connection::{Connection, arrive, authenticate, depart};
use crate::signalling::lane::{Lane, Letter};
use crate::signalling::meetings::{ClientSocket, Peer, Signal, join_meeting};
use crate::signalling::{note_peer, refresh, signalling_call};
use crate::state::AppState;

const EVENTS: [&str; 7] =
    ["call.join", "call.leave", "call.offer", "call.answer", "call.ice-candidate", "call.mute", "call.video-toggle"];

/// Opens the namespace.
pub(crate) fn open(io: &SocketIo) {
    io.ns("/webrtc", connected.with(authenticate));
}

async fn connected(socket: SocketRef, State(state): State<AppState>, Extension(connection): Extension<Connection>) {
    let (shared, whose) = (state.clone(), connection.clone());
    let lane = Lane::new(move |queue| _ = tokio::spawn(carry(shared.clone(), whose.clone(), queue)));
    EVENTS.into_iter().for_each(|event| lane.take(&socket, event));
    refresh::listen(&socket);
    socket.on_disconnect(disconnected);
    arrive(&state, &state.webrtc, &socket, &connection).await;
}

async fn disconnected(socket: SocketRef, State(state): State<AppState>, Extension(connection): Extension<Connection>) {
    state.meetings.disconnect(socket.id.as_str());
    depart(&state, &state.webrtc, &socket, &connection).await;
}

async fn carry(state: AppState, connection: Connection, mut queue: mpsc::Receiver<Letter>) {
    while let Some(mut letter) = queue.recv().await {
        let result = match connection.count(&letter.socket) {
            Ok(()) => handle(&state, &connection, &mut letter).await,
            Err(error) => Err(error),
        };
        letter.answer(result);
    }
}

async fn handle(state: &AppState, connection: &Connection, letter: &mut Letter) -> ApiResult<()> {
    match letter.event {
        "call.join" => join(state, connection, letter).await,
        "call.leave" => leave(state, connection, letter).await,
        "call.mute" => mute(state, connection, letter).await,
        "call.video-toggle" => video(state, connection, letter).await,
        _ => relay(state, connection, letter).await,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfCall {
    call_id: String,
    is_muted: Option<bool>,
    is_video_enabled: Option<bool>,
}

impl OfCall {
    fn id(&self) -> ApiResult<CallId> {
        super::call_id(&self.call_id)
    }
}

async fn join(state: &AppState, connection: &Connection, letter: &mut Letter) -> ApiResult<()> {
    let id = letter.read::<OfCall>()?.id()?;
    let caller = connection.caller();
    let call = super::join(state, &caller, id).await?;
    let peer = Peer {
        id: letter.socket.id.to_string(),
        user: caller.user.clone(),
        device: caller.device.clone(),
        socket: ClientSocket::SocketIo(letter.socket.clone()),
        arrival: state.meetings.arrive(),
    };
    join_meeting(state, &call, peer).await
}

async fn leave(state: &AppState, connection: &Connection, letter: &mut Letter) -> ApiResult<()> {
    let id = letter.read::<OfCall>()?.id()?;
    let caller = connection.caller();
    // Ids that were merged into another call lead to it.
    let call = state.handle().call(id, &caller.user).await?.id;
    if state.meetings.leave(call, letter.socket.id.as_str()) != Some(true) {
        state.handle().leave(call, &caller.user).await?;
    }
    Ok(())
}

async fn mute(state: &AppState, connection: &Connection, letter: &mut Letter) -> ApiResult<()> {
    let body = letter.read::<OfCall>()?;
    let muted = body.is_muted.ok_or_else(|| ApiError::invalid("isMuted", "must be true or false"))?;
    media(state, connection, letter, body.id()?, Some(muted), None).await
}

async fn video(state: &AppState, connection: &Connection, letter: &mut Letter) -> ApiResult<()> {
    let body = letter.read::<OfCall>()?;
    let video = body.is_video_enabled.ok_or_else(|| ApiError::invalid("isVideoEnabled", "must be true or false"))?;
    media(state, connection, letter, body.id()?, None, Some(video)).await
}

async fn media(
    state: &AppState,
    connection: &Connection,
    letter: &Letter,
    id: CallId,
    muted: Option<bool>,
    video: Option<bool>,
) -> ApiResult<()> {
    let caller = connection.caller();
    let user = &caller.user;
    let call = signalling_call(state, id, user).await?.id;
    let socket = letter.socket.id.as_str();
    if !state.meetings.has_peer(call, socket) {
        return Err(not_joined());
    }
    // Noted first: the event that follows from it is not to be told a second time.
    let before = state.meetings.note_media(call, user, (muted, video));
    if let Err(refused) = state.handle().set_media_state(call, user, muted, video, None, None).await {
        if let Some((muted, video)) = before {
            state.meetings.note_media(call, user, (Some(muted), Some(video)));
        }
        return Err(refused.into());
    }
    state.meetings.media(call, user, Some(socket), muted, video);
    Ok(())
}

/// What one socket says to another. The value goes on as it came.
#[derive(Deserialize)]
struct ToPeer {
    to: String,
    offer: Option<Value>,
    answer: Option<Value>,
    candidate: Option<Value>,
}

async fn relay(state: &AppState, connection: &Connection, letter: &mut Letter) -> ApiResult<()> {
    let body = letter.read::<ToPeer>()?;
    let missing = |field| ApiError::invalid(field, "is missing");
    let signal = match letter.event {
        "call.offer" => Signal::Offer(body.offer.ok_or_else(|| missing("offer"))?),
        "call.answer" => Signal::Answer(body.answer.ok_or_else(|| missing("answer"))?),
        // The end of candidates is null.
        _ => Signal::Candidate(body.candidate.unwrap_or(Value::Null)),
    };
    let from = letter.socket.id.as_str();
    for call in state.meetings.shared(from, &body.to) {
        let Ok(snapshot) = signalling_call(state, call, &connection.caller().user).await else { continue };
        if state.meetings.relay(state.handle().now(), call, from, &body.to, &signal) {
            note_peer(state, &snapshot, &connection.caller().user).await;
            return Ok(());
        }
    }
    // A socket of another call and one that does not exist are not told apart.
    Err(ApiError::new(ErrorCode::NotFound, "your call has no such participant"))
}

fn not_joined() -> ApiError {
    ApiError::new(ErrorCode::InvalidState, "join the call first")
}

/// Events of calls, for the namespace's sockets.
pub(super) fn tell(state: &AppState, notice: &Notice) {
    let NoticeBody::Call(event) = &notice.body else { return };
    if !state.webrtc.has(&notice.users) {
        return;
    }
    let (name, mut data) = match &**event {
        CallEvent::Incoming { call, .. } | CallEvent::Waiting { call, .. } => {
            let data = json!({"callId": call.id, "callType": Kind::of(call.media), "initiator": call.initiator});
            ("call.incoming", data)
        }
        // A ring that is not called off rings on.
        CallEvent::Cancelled { call, .. } => ("call.cancelled", json!({"callId": call})),
        CallEvent::Missed { call, .. } => ("call.missed", json!({"callId": call})),
        CallEvent::AnsweredElsewhere { call, .. } => ("call.answered-elsewhere", json!({"callId": call})),
        // What happens in a call is told to those who are in its meeting.
        _ => return,
    };
    data["event"] = json!(name);
    state.webrtc.emit(&notice.users, notice.device.as_ref(), notice.except.as_ref(), &[(name, data)]);
}
