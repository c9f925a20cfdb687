//! A TURN client for `stoa doctor`: talks to a server as a browser would, over each transport, and relays a packet to
//! itself.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use turn::Transport;
use turn::credentials::Credentials;
use turn::framing::StreamReader;
use turn::message::{Builder, Class, Key, Message, Method, TransactionId, attr, xor_address};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a datagram is sent before it counts as lost.
const ATTEMPTS: usize = 3;
/// The bytes that are sent through the relay.
pub const PAYLOAD: &[u8] = b"through the relay and back";

/// Where a probe ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// Nothing answers.
    #[error("no answer ({0})")]
    Unreachable(String),
    /// It answers, but gives no relayed address.
    #[error("it answers, but allocates no relayed address (error {0})")]
    Refused(u16),
    /// It gives relayed addresses, but a packet from one to the other is lost.
    #[error("it allocates relayed addresses, but packets between them get lost ({0})")]
    NotRelayed(String),
}

impl From<io::Error> for ProbeError {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// Relays a packet between two allocations; how long that took.
pub fn probe(server: SocketAddr, transport: Transport, credentials: &Credentials) -> Result<Duration, ProbeError> {
    let mut one = Client::open(server, transport, credentials)?;
    let mut other = Client::open(server, transport, credentials)?;
    let (from, to) = (one.allocate()?, other.allocate()?);
    one.permit(to)?;
    other.permit(from)?;
    let began = Instant::now();
    let lost = |error: io::Error| ProbeError::NotRelayed(error.to_string());
    let done = one
        .send_payload(to, PAYLOAD)
        .map_err(lost)
        .and_then(|()| other.receive().map_err(lost))
        .map(|()| began.elapsed());
    one.release();
    other.release();
    done
}

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, StreamReader),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>, StreamReader),
}

/// A client of a TURN server.
pub struct Client<'a> {
    wire: Wire,
    credentials: &'a Credentials,
    login: Option<(Key, Vec<u8>, Vec<u8>)>,
}

impl<'a> Client<'a> {
    /// Connects; a handshake waits until something is said.
    pub fn open(server: SocketAddr, transport: Transport, credentials: &'a Credentials) -> io::Result<Self> {
        let wire = match transport {
            Transport::Udp => {
                let any: std::net::IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
                let socket = UdpSocket::bind((any, 0))?;
                socket.connect(server)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Wire::Udp(socket)
            }
            Transport::Tcp => Wire::Tcp(connect(server)?, StreamReader::new()),
            Transport::Tls => return Self::open_tls(server, credentials, b"stun.turn"),
        };
        Ok(Self { wire, credentials, login: None })
    }

    /// Connects over TLS with this ALPN, or with none.
    pub(super) fn open_tls(server: SocketAddr, credentials: &'a Credentials, alpn: &[u8]) -> io::Result<Self> {
        let mut config = ClientConfig::builder()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth();
        config.alpn_protocols = Some(alpn.to_vec()).filter(|alpn| !alpn.is_empty()).into_iter().collect();
        let name = ServerName::from(server.ip());
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let stream = StreamOwned::new(connection, connect(server)?);
        Ok(Self { wire: Wire::Tls(Box::new(stream), StreamReader::new()), credentials, login: None })
    }

    /// Asks for a relayed address.
    pub fn allocate(&mut self) -> Result<SocketAddr, ProbeError> {
        let udp = |builder: Builder| builder.number(attr::REQUESTED_TRANSPORT, 17 << 24);
        let mut answer = self.ask(Method::Allocate, udp)?;
        if answer.code == 401 {
            let (realm, nonce) = (answer.value(attr::REALM), answer.value(attr::NONCE));
            let text = String::from_utf8_lossy(&realm).into_owned();
            let key = Key::long_term(&self.credentials.username, &text, self.credentials.password.reveal());
            self.login = Some((key, realm, nonce));
            answer = self.ask(Method::Allocate, udp)?;
        }
        let relayed = xor_address(&answer.value(attr::XOR_RELAYED_ADDRESS), answer.transaction);
        relayed.filter(|_| answer.code == 0).ok_or(ProbeError::Refused(answer.code))
    }

    /// Lets a peer in.
    pub fn permit(&mut self, peer: SocketAddr) -> Result<(), ProbeError> {
        let answer = self.ask(Method::CreatePermission, |builder| builder.address(attr::XOR_PEER_ADDRESS, peer))?;
        if answer.code == 0 { Ok(()) } else { Err(ProbeError::NotRelayed(format!("error {}", answer.code))) }
    }

    /// Gives the address back.
    pub fn release(&mut self) {
        let _ = self.ask(Method::Refresh, |builder| builder.number(attr::LIFETIME, 0));
    }

    /// Asks whether the allocation still exists, and extends it.
    #[cfg(test)]
    pub fn refresh(&mut self) -> Result<(), ProbeError> {
        let answer = self.ask(Method::Refresh, |builder| builder.number(attr::LIFETIME, 600))?;
        if answer.code == 0 { Ok(()) } else { Err(ProbeError::Refused(answer.code)) }
    }

    /// Binds a channel to a peer.
    #[cfg(test)]
    pub fn bind_channel(&mut self, channel: u16, peer: SocketAddr) -> Result<(), ProbeError> {
        let number = u32::from(channel) << 16;
        let bind =
            |builder: Builder| builder.number(attr::CHANNEL_NUMBER, number).address(attr::XOR_PEER_ADDRESS, peer);
        let answer = self.ask(Method::ChannelBind, bind)?;
        if answer.code == 0 { Ok(()) } else { Err(ProbeError::NotRelayed(format!("error {}", answer.code))) }
    }

    /// Sends on a channel, bound or not.
    #[cfg(test)]
    pub fn send_on(&mut self, channel: u16, payload: &[u8]) -> io::Result<()> {
        let length = payload.len() as u16;
        let mut bytes = [&channel.to_be_bytes(), &length.to_be_bytes(), payload].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        self.write(&bytes)
    }

    /// Completes a TLS handshake.
    #[cfg(test)]
    pub fn shake_hands(&mut self) -> io::Result<()> {
        match &mut self.wire {
            Wire::Tls(stream, _) => stream.conn.complete_io(&mut stream.sock).map(drop),
            Wire::Udp(_) | Wire::Tcp(..) => Ok(()),
        }
    }

    /// Whether the server ends the connection within a time.
    #[cfg(test)]
    pub fn is_closed_within(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while Instant::now() < until {
            match self.read() {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(_) => return true,
                Ok(_) => return false,
            }
        }
        false
    }

    /// Sends to a peer.
    pub fn send_payload(&mut self, peer: SocketAddr, payload: &[u8]) -> io::Result<()> {
        let indication = Builder::new(Class::Indication, Method::Send, TransactionId(rand::random()))
            .address(attr::XOR_PEER_ADDRESS, peer)
            .attribute(attr::DATA, payload);
        self.write(&indication.finish())
    }

    /// Waits for [`PAYLOAD`] from whomever.
    pub fn receive(&mut self) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let bytes = self.read()?;
            let data = Message::parse(&bytes).ok().filter(|message| message.method() == Method::Data);
            if data.and_then(|message| message.attribute(attr::DATA)) == Some(PAYLOAD) {
                return Ok(());
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn ask(&mut self, method: Method, fill: impl Fn(Builder) -> Builder) -> io::Result<Answer> {
        let transaction = TransactionId(rand::random());
        let mut builder = fill(Builder::new(Class::Request, method, transaction));
        if let Some((key, realm, nonce)) = &self.login {
            let username = self.credentials.username.as_bytes();
            builder = builder.attribute(attr::USERNAME, username).attribute(attr::REALM, realm);
            builder = builder.attribute(attr::NONCE, nonce).integrity(key);
        }
        let request = builder.finish();
        let attempts = if matches!(self.wire, Wire::Udp(_)) { ATTEMPTS } else { 1 };
        let mut last = io::Error::from(io::ErrorKind::TimedOut);
        for _ in 0..attempts {
            self.write(&request)?;
            match self.read() {
                Ok(bytes) => {
                    if let Some(answer) = Answer::read(bytes, transaction) {
                        return Ok(answer);
                    }
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.wire {
            Wire::Udp(socket) => socket.send(bytes).map(drop),
            Wire::Tcp(stream, _) => stream.write_all(bytes),
            Wire::Tls(stream, _) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 2_048];
        match &mut self.wire {
            Wire::Udp(socket) => socket.recv(&mut buffer).map(|length| buffer[..length].to_vec()),
            Wire::Tcp(stream, frames) => read_frame(stream, frames, &mut buffer),
            Wire::Tls(stream, frames) => read_frame(stream.as_mut(), frames, &mut buffer),
        }
    }
}

fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn read_frame(stream: &mut impl Read, frames: &mut StreamReader, buffer: &mut [u8]) -> io::Result<Vec<u8>> {
    loop {
        if let Some(frame) = frames.next_frame().map_err(io::Error::other)? {
            return Ok(frame.to_vec());
        }
        match stream.read(buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => frames.push(&buffer[..length]),
        }
    }
}

struct Answer {
    code: u16,
    transaction: TransactionId,
    bytes: Vec<u8>,
}

impl Answer {
    fn read(bytes: Vec<u8>, transaction: TransactionId) -> Option<Self> {
        let message = Message::parse(&bytes).ok().filter(|message| message.transaction() == transaction)?;
        let code = match (message.class(), message.attribute(attr::ERROR_CODE)) {
            (Class::Success, _) => 0,
            (Class::Error, Some(&[_, _, class, number, ..])) => u16::from(class) * 100 + u16::from(number),
            _ => return None,
        };
        Some(Self { code, transaction, bytes })
    }

    fn value(&self, kind: u16) -> Vec<u8> {
        let message = Message::parse(&self.bytes).ok();
        message.and_then(|message| message.attribute(kind)).unwrap_or_default().to_vec()
    }
}

/// A probe asks whether the way is open, not whose certificate it is: that is another finding.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
