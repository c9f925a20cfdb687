//! The web listeners: plain and over TLS, on every configured address, stopped together.

mod exchange;
mod listener;
mod stream;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::time::Duration;

use axum::{Extension, Router};
use axum_server::accept::{Accept, DefaultAcceptor};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;
use turn::framing::Sniffed;

use self::exchange::Served;
use self::listener::{Client, Doorway};
use self::stream::Guarded;
use crate::admission::{Admission, Overdue};
use crate::config::Listen;
use crate::failure::Failure;
use crate::media::listen;
use crate::turn::{Door, Inside, Rewound, tuple};

/// How long a TLS handshake may take: longer than the connection itself allows, which says so.
const HANDSHAKE: Duration = Duration::from_secs(3_600);

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
                    "port {} is in use by another program; stop that one, or choose another port with {flag}",
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

    /// Where, first of all.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listeners.first()?.local_addr().ok()
    }
}

/// The running web side.
#[derive(Default)]
pub struct Web {
    handles: Vec<axum_server::Handle<Client>>,
    serving: JoinSet<io::Result<()>>,
}

impl Web {
    /// Serves `router` in clear.
    pub fn serve(&mut self, router: &Router, bound: Bound, admission: &Admission) -> io::Result<()> {
        for listener in bound.listeners {
            let server = self.server(listener, admission)?.acceptor(Clear);
            let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
            self.serving.spawn(server.serve(service));
        }
        Ok(())
    }

    /// Serves `router` over TLS. TURN is welcome, too, where there is a door for it.
    pub fn serve_tls(
        &mut self,
        router: &Router,
        (bound, config): (Bound, RustlsConfig),
        turn: Option<&Door>,
        admission: &Admission,
    ) -> io::Result<()> {
        let router = router.clone().layer(Extension(api::OverTls));
        let tls = RustlsAcceptor::new(config).handshake_timeout(HANDSHAKE);
        for listener in bound.listeners {
            let acceptor = Encrypted { door: turn.cloned(), tls: tls.clone() };
            let server = self.server(listener, admission)?.acceptor(acceptor);
            let service = router.clone().into_make_service_with_connect_info::<SocketAddr>();
            self.serving.spawn(server.serve(service));
        }
        Ok(())
    }

    fn server(&mut self, listener: TcpListener, admission: &Admission) -> io::Result<axum_server::Server<Client>> {
        let handle = axum_server::Handle::new();
        self.handles.push(handle.clone());
        let mut server = axum_server::Server::from_listener(Doorway::new(listener, admission)?).handle(handle);
        // The connection is held to time as a whole (`stream`), between requests, too.
        server.http_builder().http1().header_read_timeout(None);
        Ok(server)
    }

    /// Stops accepting and waits for what is under way, but not longer than `grace`.
    pub async fn stop(mut self, grace: Duration) {
        for handle in &self.handles {
            handle.graceful_shutdown(Some(grace));
        }
        while let Some(served) = self.serving.join_next().await {
            if let Ok(Err(error)) = served {
                tracing::warn!(%error, "a web listener failed");
            }
        }
    }
}

/// Takes requests as they come.
#[derive(Clone)]
struct Clear;

impl<S> Accept<Guarded, S> for Clear {
    type Stream = Guarded;
    type Service = Served<S>;
    type Future = std::future::Ready<io::Result<(Guarded, Served<S>)>>;

    fn accept(&self, stream: Guarded, service: S) -> Self::Future {
        let service = Served::new(service, stream.place().connection());
        std::future::ready(Ok((stream, service)))
    }
}

/// Accepts TLS for the web app, and shows TURN and ICE-TCP, in TLS or in clear, to where they belong.
#[derive(Clone)]
struct Encrypted {
    door: Option<Door>,
    tls: RustlsAcceptor<DefaultAcceptor>,
}

impl<S: Send + 'static> Accept<Guarded, S> for Encrypted {
    type Stream = Rewound<TlsStream<Guarded>>;
    type Service = Served<S>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Served<S>)>> + Send>>;

    fn accept(&self, stream: Guarded, service: S) -> Self::Future {
        let Self { door, tls } = self.clone();
        Box::pin(async move {
            let connection = std::sync::Arc::clone(stream.place().connection());
            connection.shakes_hands();
            let service = Served::new(service, &connection);
            let Some(door) = door else {
                let (stream, service) = tls.accept(stream, service).await?;
                connection.shook_hands();
                return Ok((Rewound::new(stream, Vec::new()), service));
            };
            // Its connection is not the web's: to the web listener it ends here.
            let taken = || io::Error::new(io::ErrorKind::ConnectionAborted, "TURN or ICE-TCP");
            let (stream, place) = stream.into_parts();
            let seen = tokio::select! {
                seen = door.look_at(&stream) => seen,
                shown_out = connection.must_leave() => return Err(shown_out),
            };
            let seen = seen.inspect_err(|error| {
                if error.kind() == io::ErrorKind::TimedOut {
                    connection.overdue(Overdue::Handshake);
                }
            })?;
            let tuple = tuple(&stream, turn::Transport::Tls)?;
            let stream = match seen {
                Sniffed::Turn | Sniffed::IceTcp => {
                    connection.keep();
                    door.take(stream, seen).await?;
                    return Err(taken());
                }
                // What is none of ours gets the handshake's own error.
                Sniffed::Tls | Sniffed::NeedMore | Sniffed::Unknown => Guarded::new(stream, place),
            };
            let (stream, service) = tls.accept(stream, service).await?;
            connection.shook_hands();
            match door.look_inside(stream).await? {
                Inside::Web(stream) => Ok((stream, service)),
                Inside::Turn(stream, begun) => {
                    connection.keep();
                    door.carry(stream, tuple, begun).await;
                    Err(taken())
                }
            }
        })
    }
}
