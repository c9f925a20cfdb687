//! The listeners of the web side: plain and over TLS, on every address asked for, stopped together.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::time::Duration;

use axum::{Extension, Router};
use axum_server::accept::{Accept, NoDelayAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use crate::config::Listen;
use crate::failure::Failure;
use crate::media::listen;
use crate::turn::{Clear, Door, Inside, Rewound, tuple};

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
    /// On those over TLS, TURN is welcome too where there is a door for it.
    pub fn start(
        router: &Router,
        http: Bound,
        https: Option<(Bound, RustlsConfig)>,
        turn: Option<&Door>,
    ) -> std::io::Result<Self> {
        let mut web = Self { handles: Vec::new(), serving: JoinSet::new() };
        for listener in http.listeners {
            let server = axum_server::from_tcp(listener)?.acceptor(NoDelayAcceptor).handle(web.handle());
            let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
            web.serving.spawn(server.serve(service));
        }
        if let Some((bound, config)) = https {
            let router = router.clone().layer(Extension(api::OverTls));
            for listener in bound.listeners {
                let tls = RustlsAcceptor::new(config.clone()).handshake_timeout(HANDSHAKE).acceptor(NoDelayAcceptor);
                let server = axum_server::from_tcp(listener)?.handle(web.handle());
                let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
                match turn {
                    Some(door) => {
                        let acceptor = SharedAcceptor { door: door.clone(), tls };
                        web.serving.spawn(server.acceptor(acceptor).serve(service))
                    }
                    None => web.serving.spawn(server.acceptor(tls).serve(service)),
                };
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

/// Accepts TLS for the web app, and shows TURN and ICE-TCP, in TLS or in clear, to where they belong.
#[derive(Clone)]
struct SharedAcceptor {
    door: Door,
    tls: RustlsAcceptor<NoDelayAcceptor>,
}

impl<S: Send + 'static> Accept<TcpStream, S> for SharedAcceptor {
    type Stream = Rewound<TlsStream<TcpStream>>;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, S)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Self { door, tls } = self.clone();
        Box::pin(async move {
            // Its connection is not the web's: to the web listener it ends here.
            let taken = || io::Error::new(io::ErrorKind::ConnectionAborted, "TURN or ICE-TCP");
            let stream = match door.look_at(stream).await? {
                // What is neither gets the handshake's own error.
                Clear::Tls(stream) | Clear::Unknown(stream) => stream,
                Clear::Taken => return Err(taken()),
            };
            let tuple = tuple(&stream, turn::Transport::Tls)?;
            let (stream, service) = tls.accept(stream, service).await?;
            match door.look_inside(stream).await? {
                Inside::Web(stream) => Ok((stream, service)),
                Inside::Turn(stream, begun) => {
                    door.carry(stream, tuple, begun).await;
                    Err(taken())
                }
            }
        })
    }
}
