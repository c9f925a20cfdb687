//! What comes in over TCP: tells TURN, ICE-TCP and TLS apart by the first bytes, and in TLS TURN from the web by ALPN or by
//! the first byte inside. Whoever says nothing in time is shown out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use turn::framing::{Sniffed, sniff};
use turn::{FiveTuple, Transport};

use super::shard::ShardHandle;
use super::stream;
use crate::media::{Addresses, WorkerHandle, tcp_listener};

/// How long a client may take to show what it wants.
const FIRST_BYTES: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 5 });
/// How long it may take over a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });
/// Between two looks at a stream whose first bytes come one by one.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Streams at once; more wait in the kernel.
const STREAMS: usize = 16_384;
/// Pause after the kernel refuses to accept (out of descriptors).
const REFUSED_PAUSE: Duration = Duration::from_millis(100);
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
    streams: Arc<Semaphore>,
}

/// What a stream in clear is.
pub enum Clear {
    /// A TLS handshake begins.
    Tls(TcpStream),
    /// It went where it belongs.
    Taken,
    /// None of ours.
    Unknown(TcpStream),
}

impl Door {
    /// A door to these workers.
    pub fn new(shards: Arc<[ShardHandle]>, ice_tcp: Option<IceTcp>) -> Self {
        Self { shards, ice_tcp, streams: Arc::new(Semaphore::new(STREAMS)) }
    }

    /// Accepts on a port of TURN's own, until it is aborted.
    pub async fn serve(self, listener: TcpListener, tls: Option<RustlsConfig>) {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&self.streams).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, remote)) => {
                    let (door, tls) = (self.clone(), tls.clone());
                    tokio::spawn(async move {
                        let _permit = permit;
                        if let Err(error) = door.let_in(stream, tls).await {
                            tracing::debug!(%remote, %error, "a TURN stream was refused");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting on a TURN port failed");
                    tokio::time::sleep(REFUSED_PAUSE).await;
                }
            }
        }
    }

    async fn let_in(&self, stream: TcpStream, tls: Option<RustlsConfig>) -> io::Result<()> {
        let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let stream = match self.look_at(stream).await? {
            Clear::Taken => return Ok(()),
            Clear::Unknown(_) => return Err(refused("neither TURN nor ICE-TCP nor TLS")),
            Clear::Tls(stream) => stream,
        };
        let tls = tls.ok_or_else(|| refused("there is no certificate for TLS"))?;
        let tuple = tuple(&stream, Transport::Tls)?;
        let stream = timeout(HANDSHAKE, TlsAcceptor::from(tls.get_inner()).accept(stream)).await??;
        match self.look_inside(stream).await? {
            Inside::Turn(stream, begun) => self.carry(stream, tuple, begun).await,
            Inside::Web(_) => return Err(refused("the web is on another port")),
        }
        Ok(())
    }

    /// Looks at the first bytes of a stream; what is ours in clear is carried to its end.
    pub async fn look_at(&self, stream: TcpStream) -> io::Result<Clear> {
        let seen = timeout(FIRST_BYTES, first_bytes(&stream)).await?;
        match seen? {
            Sniffed::Tls => Ok(Clear::Tls(stream)),
            Sniffed::Turn => {
                let tuple = tuple(&stream, Transport::Tcp)?;
                let _ = stream.set_nodelay(true);
                self.carry(stream, tuple, Vec::new()).await;
                Ok(Clear::Taken)
            }
            Sniffed::IceTcp => {
                let Some(ice_tcp) = &self.ice_tcp else { return Ok(Clear::Unknown(stream)) };
                let remote = stream.peer_addr()?;
                tcp_listener::hand_over(stream, remote, ice_tcp.port, &ice_tcp.addresses, &ice_tcp.workers).await?;
                Ok(Clear::Taken)
            }
            Sniffed::NeedMore | Sniffed::Unknown => Ok(Clear::Unknown(stream)),
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
    /// The web.
    Web(Rewound<TlsStream<S>>),
}

/// A stream of which the first bytes were read and are given again.
pub struct Rewound<S> {
    stream: S,
    begun: Vec<u8>,
    at: usize,
}

impl<S> Rewound<S> {
    fn new(stream: S, begun: Vec<u8>) -> Self {
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
