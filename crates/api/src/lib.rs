//! The edge: REST, Socket.IO, LiveKit's signalling endpoints and the web app, on one axum router.
//!
//! Owns the wire format, authentication and rate limits. Every handler translates to one use case of
//! [`control::Handle`]; the rules of a call are not here.
//!
//! A server passes in an [`ApiConfig`], takes the [`Api::router`], and serves it with connect info
//! (`into_make_service_with_connect_info::<SocketAddr>()`). On a TLS listener it adds `Extension(OverTls)`.

mod access;
mod admin;
mod config;
mod dialect;
mod http;
mod ice;
mod livekit;
mod openapi;
mod people;
mod presentation;
mod rest;
mod signalling;
mod socket;
mod state;
mod web;

use std::sync::Arc;

use axum::Router;

pub use crate::http::origin::customer;
pub use crate::ice::turn::{BuiltInTurn, IceClient};
pub use config::{AdminCodes, ApiConfig, Features, IceServer, Limits, MediaPorts, OverTls, TurnHandout};
pub use openapi::openapi_json;

use access::standing;
use state::AppState;

/// The edge, running.
pub struct Api {
    router: Router,
    state: AppState,
}

impl Api {
    /// Builds the edge and starts the tasks that carry notices to sockets and end those whose time is over; needs a tokio runtime.
    pub fn start(config: ApiConfig) -> Self {
        let state = AppState::new(config);
        let (users, handle) = (Arc::clone(&state.config.users), state.handle().clone());
        tokio::spawn(standing::watch(Arc::clone(&state.standings), users, handle));
        let (sockets, io) = signalling::transport::open(&state);
        socket::open(&io, &state);
        dialect::open(&io, &state);
        let routes = openapi::router(state.clone())
            .merge(sockets)
            .merge(crate::livekit::router(&state))
            .merge(web::router(&state));
        Self { router: crate::http::layers::wrap(routes, &state), state }
    }

    /// Everything that is served over HTTP.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The server stops: says so to the connections that understand it.
    ///
    /// To Socket.IO's nothing is said: a client comes back by itself where its transport breaks, as it does when the process ends, while
    /// DISCONNECT, and to python-socketio Engine.IO's close as well, means that the server wants to be rid of it.
    pub fn close(&self) {
        self.state.meetings.close_all();
    }
}
