//! The main Socket.IO namespace: events of calls, presence and channels go out, a few actions come in.
//!
//! A socket is one connection of one device. Notices of the control plane reach the sockets of their user in the order
//! in which they were published. A client that may have missed some gets `sync`, or is disconnected, and fetches the
//! state again.

mod acts;
mod events;
mod in_call;
mod names;
mod peer_signalling;

use ::call::PresenceState;
use model::UserId;
use serde::{Serialize, Serializer};
use socketioxide::SocketIo;
use socketioxide::extract::{Extension, SocketRef, State};
use socketioxide::handler::ConnectHandler;

use crate::signalling::connection::{Connection, arrive, authenticate, depart};
use crate::signalling::refresh;
use crate::state::AppState;

/// Opens the namespace, and starts the task that feeds it.
pub(crate) fn open(io: &SocketIo, state: &AppState) {
    io.ns("/", connected.with(authenticate));
    tokio::spawn(events::carry(state.clone(), state.handle().notices()));
}

async fn connected(socket: SocketRef, State(state): State<AppState>, Extension(connection): Extension<Connection>) {
    refresh::listen(&socket);
    acts::listen(&socket);
    peer_signalling::listen(&socket, &state, &connection);
    socket.on_disconnect(disconnected);
    if !arrive(&state, &state.sockets, &socket, &connection).await {
        return;
    }
    let visible = state.handle().visible_presence(&connection.caller().user).await;
    _ = socket.emit("presence:state", &Visible { users: visible });
}

/// `presence:state`. May be long, so it is written as it is, without a copy.
#[derive(Serialize)]
struct Visible {
    #[serde(serialize_with = "as_map")]
    users: Vec<(UserId, PresenceState)>,
}

fn as_map<S: Serializer>(users: &[(UserId, PresenceState)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(users.iter().map(|(user, presence)| (user.as_str(), presence)))
}

async fn disconnected(socket: SocketRef, State(state): State<AppState>, Extension(connection): Extension<Connection>) {
    depart(&state, &state.sockets, &socket, &connection).await;
}
