//! The listeners of the web side: plain and over TLS, on every address asked for, stopped together.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::{Extension, Router};
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tokio::task::JoinSet;

use crate::config::Listen;
use crate::failure::Failure;
use crate::media::listen;

/// How long a client may take over a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Bound, not yet serving.
pub struct Bound {
    listeners: Vec<TcpListener>,
}

impl Bound {
    /// Binds what was asked for; the flag is named where it cannot be had.
    pub fn bind(wanted: &Listen, flag: &str) -> Result<Self, Failure> {
        let first = listen(wanted.address).map_err(|error| {
            Failure::Setup(match error.kind() {
                std::io::ErrorKind::AddrInUse => format!(
                    "port {} is taken by another program; stop that one or choose another port with {flag}",
                    wanted.address.port()
                ),
                _ => format!("cannot listen on {}: {error}; choose another address with {flag}", wanted.address),
            })
        })?;
        let mut listeners = vec![first];
        // A host without IPv6 does without.
        listeners.extend(wanted.also.and_then(|also| listen(also).ok()));
        Ok(Self { listeners })
    }
}

/// The running web side.
pub struct Web {
    handles: Vec<axum_server::Handle<SocketAddr>>,
    serving: JoinSet<std::io::Result<()>>,
}

impl Web {
    /// Serves `router` on all listeners.
    pub fn start(router: &Router, http: Bound, https: Option<(Bound, RustlsConfig)>) -> std::io::Result<Self> {
        let mut web = Self { handles: Vec::new(), serving: JoinSet::new() };
        for listener in http.listeners {
            let server = axum_server::from_tcp(listener)?.acceptor(NoDelayAcceptor).handle(web.handle());
            let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
            web.serving.spawn(server.serve(service));
        }
        if let Some((bound, config)) = https {
            let router = router.clone().layer(Extension(api::OverTls));
            for listener in bound.listeners {
                let acceptor =
                    RustlsAcceptor::new(config.clone()).handshake_timeout(HANDSHAKE).acceptor(NoDelayAcceptor);
                let server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(web.handle());
                let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
                web.serving.spawn(server.serve(service));
            }
        }
        Ok(web)
    }

    /// Stops accepting and waits for what is under way, but not longer than `grace`.
    pub async fn stop(mut self, grace: Duration) {
        for handle in &self.handles {
            handle.graceful_shutdown(Some(grace));
        }
        while let Some(served) = self.serving.join_next().await {
            if let Ok(Err(error)) = served {
                tracing::warn!(%error, "a web listener ended with an error");
            }
        }
    }

    fn handle(&mut self) -> axum_server::Handle<SocketAddr> {
        let handle = axum_server::Handle::new();
        self.handles.push(handle.clone());
        handle
    }
}
