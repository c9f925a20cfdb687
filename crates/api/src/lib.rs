//! The edge: REST, Socket.IO, LiveKit's signalling endpoints and the web app, on one axum router.
//!
//! Owns how things look on the wire, who may ask, and how much. Every handler is a translation to one use case of
//! [`control::Handle`]; no rule of a call is here.
//!
//! A server hands in an [`ApiConfig`], takes the [`Api::router`], and serves it with connect info
//! (`into_make_service_with_connect_info::<SocketAddr>()`); on a TLS listener it adds `Extension(OverTls)`.

mod audit;
mod body;
mod caller;
mod config;
mod cors;
mod dialect;
mod error;
mod ice;
mod keys;
mod layers;
mod limits;
mod origin;
mod people;
mod routes;
mod rtc;
mod sessions;
mod socket;
mod state;
mod turn;
mod twirp;
mod web;
mod wire;

use axum::Router;

pub use crate::turn::{BuiltInTurn, IceClient};
pub use config::{ApiConfig, Features, IceServer, Limits, MediaPorts, MetricsText, OverTls, TurnHandout};
pub use routes::openapi_json;

use state::AppState;

/// The edge, running.
pub struct Api {
    router: Router,
    state: AppState,
}

impl Api {
    /// Builds the edge and starts the task that carries notices to sockets; needs a tokio runtime.
    pub fn start(config: ApiConfig) -> Self {
        let state = AppState::new(config);
        let routes = routes::router(state.clone())
            .merge(socket::router(&state))
            .merge(rtc::router(&state))
            .merge(twirp::router(&state))
            .merge(web::router(&state));
        Self { router: layers::wrap(routes, &state), state }
    }

    /// Everything that is served over HTTP.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Closes every signalling connection, so that clients look for the server again rather than wait for it.
    pub fn close(&self) {
        self.state.sockets.disconnect_all();
        self.state.webrtc.disconnect_all();
        self.state.meetings.close_all();
    }
}
