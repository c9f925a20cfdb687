//! A client's Socket.IO connection: who it belongs to, how much it may ask, and how it comes and goes. Every namespace has its own
//! sockets of this kind.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use ::call::Ability;
use arc_swap::ArcSwap;
use axum::http::request::Parts;
use governor::{DefaultDirectRateLimiter, RateLimiter};
use model::DeviceId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, SocketRef, State, TryData};
use tokio::sync::Mutex;

use super::registry::Registry;
use crate::access::caller::Caller;
use crate::access::identify;
use crate::access::standing::{Number, Proof, WeakClientSocket};
use crate::http::error::{ApiError, ApiResult};
use crate::http::limits::quota;
use crate::http::origin::client_address;
use crate::state::AppState;

/// So many events over the rate, and the socket is cut off.
const MOST_STRIKES: u32 = 200;

/// What a client says of itself when it connects.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credentials {
    token: Option<String>,
    device_id: Option<String>,
    #[serde(flatten)]
    says: Says,
}

/// What a device says that it can do.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Says {
    media: Option<Vec<Way>>,
    call_waiting: Option<bool>,
}

/// A way of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    P2p,
    Sfu,
}

impl Says {
    /// Which ways of media; a list that names none says nothing.
    fn ability(&self) -> Option<Ability> {
        let ways = self.media.as_deref().filter(|ways| !ways.is_empty())?;
        Some(Ability { p2p: ways.contains(&Way::P2p), sfu: ways.contains(&Way::Sfu) })
    }

    /// Tells the control plane, if there is anything to tell.
    pub async fn declare(&self, state: &AppState, caller: &Caller) -> ApiResult<()> {
        if self.media.is_none() && self.call_waiting.is_none() {
            return Ok(());
        }
        let waiting = self.call_waiting.unwrap_or(false);
        Ok(state.handle().device_declared(&caller.user, &caller.device, self.ability(), waiting).await?)
    }
}

/// Who a socket belongs to, and how much it has asked of us.
#[derive(Clone)]
pub(crate) struct Connection(Arc<ConnectionState>);

struct ConnectionState {
    /// User and device stay the same; a fresh token may permit more or less.
    caller: ArcSwap<Caller>,
    says: Says,
    rate: DefaultDirectRateLimiter,
    strikes: AtomicU32,
    /// What it was let in by, until it has arrived.
    proof: std::sync::Mutex<Option<Proof>>,
    /// Its number in [`Standings`](crate::access::standing::Standings), once it has arrived.
    number: OnceLock<Number>,
    /// Held while the device is announced, so that it cannot be taken back before.
    announced: Mutex<bool>,
}

impl Connection {
    /// Who it is.
    pub fn caller(&self) -> Arc<Caller> {
        self.0.caller.load_full()
    }

    /// Its client has handed in another token.
    pub fn renew(&self, state: &AppState, caller: Caller, proof: Proof) {
        if let Some(number) = self.0.number.get() {
            state.standings.renew(*number, proof);
        }
        self.0.caller.store(caller.into());
    }

    /// Counts one event.
    pub fn count(&self, socket: &SocketRef) -> ApiResult<()> {
        if self.0.rate.check().is_ok() {
            return Ok(());
        }
        if self.0.strikes.fetch_add(1, Ordering::Relaxed) == MOST_STRIKES {
            tracing::info!(user = %self.caller().user, "disconnecting a socket that sent too many events");
            _ = socket.clone().disconnect();
        }
        Err(ApiError::rate_limited(1))
    }
}

/// The code is the message of the client's `connect_error`.
#[derive(Debug)]
pub(crate) struct Refused(&'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

pub(crate) async fn authenticate(
    socket: SocketRef,
    State(state): State<AppState>,
    TryData(credentials): TryData<Option<Credentials>>,
) -> Result<(), Refused> {
    let credentials = credentials.ok().flatten().unwrap_or_default();
    let says = credentials.says.clone();
    let address = client_address(socket.req_parts(), &state.config);
    state.limits.addresses.check(&address).map_err(|error| Refused(error.code.as_str()))?;
    let (caller, proof) =
        identify(&state, socket.req_parts(), credentials).await.map_err(|error| Refused(error.code.as_str()))?;
    let limits = &state.config.limits;
    let rate = RateLimiter::direct(quota(limits.events_a_second, limits.event_burst, Duration::from_secs(1)));
    socket.extensions.insert(Connection(Arc::new(ConnectionState {
        caller: ArcSwap::from_pointee(caller),
        says,
        rate,
        strikes: AtomicU32::new(0),
        proof: std::sync::Mutex::new(Some(proof)),
        number: OnceLock::new(),
        announced: Mutex::new(false),
    })));
    Ok(())
}

async fn identify(state: &AppState, parts: &Parts, credentials: Credentials) -> ApiResult<(Caller, Proof)> {
    let device = match credentials.device_id {
        Some(id) => DeviceId::new(id).map_err(|error| ApiError::invalid_id("deviceId", &error))?,
        None => DeviceId::unnamed(),
    };
    identify::by_handshake(state, parts, credentials.token.as_deref(), device).await
}

/// Admits a socket: from now on it receives its user's events and may be disconnected. `false`: it was refused, or is already gone.
pub(crate) async fn arrive(state: &AppState, sockets: &Registry, socket: &SocketRef, connection: &Connection) -> bool {
    let mut announced = connection.0.announced.lock().await;
    let caller = connection.caller();
    let proof = connection.0.proof.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(proof) = proof {
        let number = state.standings.begin(&caller.user, proof, WeakClientSocket::SocketIo(socket.clone()));
        connection.0.number.get_or_init(|| number);
    }
    // In the registry first: announcing the device may make calls ring on it.
    sockets.add(&caller, socket);
    state.people.prepare([&caller.user]);
    if let Err(error) = connection.0.says.declare(state, &caller).await {
        tracing::debug!(?error, "cannot read what a device says about itself");
    }
    if let Err(error) = state.handle().device_connected(&caller.user, &caller.device).await {
        tracing::debug!(%error, "cannot register a device");
        // The reason first: a bare disconnect looks like a lost line.
        _ = socket.emit("refused", &json!(ApiError::from(error).body()));
        _ = socket.clone().disconnect();
        return false;
    }
    *announced = true;
    drop(announced);
    // One that went before anybody listened for that has told nobody.
    if !socket.connected() {
        depart(state, sockets, socket, connection).await;
        return false;
    }
    true
}

/// A socket is gone: takes back all that came with it.
pub(crate) async fn depart(state: &AppState, sockets: &Registry, socket: &SocketRef, connection: &Connection) {
    let caller = connection.caller();
    sockets.remove(&caller, socket.id);
    if let Some(number) = connection.0.number.get() {
        state.standings.finish(*number);
    }
    if std::mem::take(&mut *connection.0.announced.lock().await) {
        state.handle().device_disconnected(&caller.user, &caller.device).await;
    }
}

/// Counts, reads, carries out and answers one event.
pub(crate) async fn act<T: DeserializeOwned>(
    socket: &SocketRef,
    connection: &Connection,
    TryData(data): TryData<T>,
    ack: AckSender,
    carry_out: impl AsyncFnOnce(T) -> ApiResult<Value>,
) {
    let result = async {
        connection.count(socket)?;
        let body = data.map_err(|_| ApiError::invalid("payload", "does not match what this event expects"))?;
        carry_out(body).await
    };
    answer(ack, result.await);
}

/// Acknowledges one event.
pub(crate) fn answer(ack: AckSender, result: ApiResult<Value>) {
    let answer = match result {
        Ok(mut answer) => {
            answer["ok"] = json!(true);
            answer
        }
        Err(error) => {
            let mut answer = json!(error.body());
            answer["ok"] = json!(false);
            answer
        }
    };
    // A client that is gone needs no answer.
    _ = ack.send(&answer);
}
