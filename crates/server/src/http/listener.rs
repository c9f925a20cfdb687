//! A web port: everyone let in is held to the time limits from the first byte on.

use std::io;
use std::net::SocketAddr;

use axum::extract::connect_info::Connected;
use axum_server::{AddrListener, Address};
use tokio::net::TcpListener;

use super::stream::Guarded;
use crate::admission::Admission;

/// Where a client is. A type of our own, so that the listener may be.
#[derive(Debug, Clone)]
pub struct Client(SocketAddr);

impl Address for Client {
    type Stream = Guarded;
    type Listener = Doorway;
}

impl Connected<Client> for SocketAddr {
    fn connect_info(client: Client) -> Self {
        client.0
    }
}

/// A listener and who may come in by it.
pub struct Doorway {
    listener: TcpListener,
    admission: Admission,
}

impl Doorway {
    /// Lets in what comes to a bound port.
    pub fn new(listener: std::net::TcpListener, admission: &Admission) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::from_std(listener)?, admission: admission.clone() })
    }
}

impl AddrListener<Guarded, Client> for Doorway {
    /// Ports are bound before anything runs.
    async fn bind_to(_: Client) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn accept_stream(&self) -> io::Result<(Guarded, Client)> {
        let (stream, peer, place) = self.admission.accept(&self.listener).await;
        let _ = stream.set_nodelay(true);
        Ok((Guarded::new(stream, place), Client(peer)))
    }

    fn get_local_addr(&self) -> io::Result<Client> {
        self.listener.local_addr().map(Client)
    }
}
