//! What arrives over TCP: tells TURN, ICE-TCP and TLS apart by their first bytes, and inside TLS tells TURN from the
//! web by ALPN or by the first byte. Clients that say nothing in time are disconnected.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use turn::framing::{Sniffed, sniff};
use turn::{FiveTuple, Transport};

use super::shard::ShardHandle;
use super::stream;
use crate::admission::{Admission, Overdue, Place};
use crate::media::{Addresses, WorkerHandle, tcp_listener};

/// How long a client may take to show what it wants.
const FIRST_BYTES: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 5 });
/// How long it may take over a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });
/// Between two looks at a stream whose first bytes come one by one.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const ALPN_TURN: &[u8] = b"stun.turn";
const ALPN_ACME: &[u8] = b"acme-tls/1";
const WEB: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// What may be asked for in ALPN: the web, TURN (RFC 7443), and the proof that a certificate is asked for by this server
/// (RFC 8737). A TLS server refuses whoever names only what is not here.
pub const ALPN: [&[u8]; 4] = [WEB[0], WEB[1], ALPN_TURN, ALPN_ACME];

/// ICE-TCP, which may come in by the same port.
#[derive(Clone)]
pub struct IceTcp {
    /// The announced port.
    pub port: u16,
    /// The announced addresses.
    pub addresses: Addresses,
    /// To whom connections go.
    pub workers: Arc<[WorkerHandle]>,
}

/// Shows streams where they belong.
#[derive(Clone)]
pub struct Door {
    shards: Arc<[ShardHandle]>,
    ice_tcp: Option<IceTcp>,
    admission: Admission,
}

impl Door {
    /// A door to these workers, for those who are let in.
    pub fn new(shards: Arc<[ShardHandle]>, ice_tcp: Option<IceTcp>, admission: Admission) -> Self {
        Self { shards, ice_tcp, admission }
    }

    /// Accepts on a port of TURN's own, until it is aborted.
    pub async fn serve(self, listener: TcpListener, tls: Option<RustlsConfig>) {
        loop {
            let (stream, remote, place) = self.admission.accept(&listener).await;
            let (door, tls) = (self.clone(), tls.clone());
            tokio::spawn(async move {
                let done = tokio::select! {
                    done = door.let_in(stream, &place, tls) => done,
                    shown_out = place.connection().must_leave() => Err(shown_out),
                };
                if let Err(error) = done {
                    tracing::debug!(%remote, %error, "refused a TURN stream");
                }
            });
        }
    }

    async fn let_in(&self, stream: TcpStream, place: &Place, tls: Option<RustlsConfig>) -> io::Result<()> {
        let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let connection = place.connection();
        let late = |error: &io::Error| {
            if error.kind() == io::ErrorKind::TimedOut {
                connection.overdue(Overdue::Handshake);
            }
        };
        match self.look_at(&stream).await.inspect_err(late)? {
            Sniffed::Tls => {}
            seen @ (Sniffed::Turn | Sniffed::IceTcp) => {
                if seen == Sniffed::Turn {
                    connection.keep();
                }
                return self.take(stream, seen).await;
            }
            Sniffed::NeedMore | Sniffed::Unknown => return Err(refused("neither TURN nor ICE-TCP nor TLS")),
        }
        let tls = tls.ok_or_else(|| refused("there is no certificate for TLS"))?;
        let tuple = tuple(&stream, Transport::Tls)?;
        let handshake = timeout(HANDSHAKE, TlsAcceptor::from(tls.get_inner()).accept(stream));
        let stream = handshake.await.map_err(io::Error::from).flatten().inspect_err(late)?;
        match self.look_inside(stream).await.inspect_err(late)? {
            Inside::Turn(stream, begun) => {
                connection.keep();
                self.carry(stream, tuple, begun).await;
            }
            Inside::Web(_) => return Err(refused("the web is on another port")),
        }
        Ok(())
    }

    /// Looks at the first bytes of a stream, which stay.
    pub async fn look_at(&self, stream: &TcpStream) -> io::Result<Sniffed> {
        timeout(FIRST_BYTES, first_bytes(stream)).await?
    }

    /// Carries a stream in clear of which TURN or ICE-TCP was seen to where it belongs.
    pub async fn take(&self, stream: TcpStream, seen: Sniffed) -> io::Result<()> {
        match (seen, &self.ice_tcp) {
            (Sniffed::IceTcp, Some(ice_tcp)) => {
                let remote = stream.peer_addr()?;
                tcp_listener::hand_over(stream, remote, ice_tcp.port, &ice_tcp.addresses, &ice_tcp.workers).await
            }
            (Sniffed::Turn, _) => {
                let tuple = tuple(&stream, Transport::Tcp)?;
                let _ = stream.set_nodelay(true);
                self.carry(stream, tuple, Vec::new()).await;
                Ok(())
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "neither TURN nor ICE-TCP")),
        }
    }

    /// Tells TURN in TLS from the web.
    pub async fn look_inside<S>(&self, mut stream: TlsStream<S>) -> io::Result<Inside<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match stream.get_ref().1.alpn_protocol() {
            Some(ALPN_TURN) => return Ok(Inside::Turn(stream, Vec::new())),
            // The proof is in the handshake; nothing is said after it.
            Some(ALPN_ACME) => return Err(io::ErrorKind::ConnectionAborted.into()),
            Some(protocol) if WEB.contains(&protocol) => return Ok(Inside::Web(Rewound::new(stream, Vec::new()))),
            Some(_) | None => {}
        }
        let mut first = [0; 1];
        timeout(FIRST_BYTES, stream.read_exact(&mut first)).await??;
        Ok(match first {
            [0x00..=0x03] => Inside::Turn(stream, first.to_vec()),
            _ => Inside::Web(Rewound::new(stream, first.to_vec())),
        })
    }

    /// Carries a TURN stream to its end.
    pub async fn carry<S: AsyncRead + AsyncWrite>(&self, stream: S, tuple: FiveTuple, begun: Vec<u8>) {
        let index = FxBuildHasher.hash_one(tuple.client) as usize % self.shards.len();
        stream::run(stream, tuple, begun, self.shards[index].clone()).await;
    }
}

/// Who is at the ends of a stream.
pub fn tuple(stream: &TcpStream, transport: Transport) -> io::Result<FiveTuple> {
    let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    Ok(FiveTuple { client: plain(stream.peer_addr()?), server: plain(stream.local_addr()?), transport })
}

async fn first_bytes(stream: &TcpStream) -> io::Result<Sniffed> {
    let mut bytes = [0; 12];
    let mut before = 0;
    loop {
        let length = stream.peek(&mut bytes).await?;
        match sniff(&bytes[..length]) {
            Sniffed::NeedMore if length == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Sniffed::NeedMore if length == before => tokio::time::sleep(LOOK_AGAIN).await,
            Sniffed::NeedMore => before = length,
            seen => return Ok(seen),
        }
    }
}

/// What is inside TLS.
pub enum Inside<S> {
    /// TURN, of which these bytes were read.
    Turn(TlsStream<S>, Vec<u8>),
    /// A connection for the web server.
    Web(Rewound<TlsStream<S>>),
}

/// A stream of which the first bytes were read and are given again.
pub struct Rewound<S> {
    stream: S,
    begun: Vec<u8>,
    at: usize,
}

impl<S> Rewound<S> {
    /// One of which these bytes were read.
    pub fn new(stream: S, begun: Vec<u8>) -> Self {
        Self { stream, begun, at: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        if self.at < self.begun.len() {
            let end = self.begun.len().min(self.at + buffer.remaining());
            buffer.put_slice(&self.begun[self.at..end]);
            self.at = end;
            return std::task::Poll::Ready(Ok(()));
        }
        std::pin::Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
