//! One allocation on a TURN server, over UDP, requested as a browser would. This happens before the load.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use model::{Secret, UserId};
use turn::credentials::Credentials;
use turn::message::{Builder, Class, Key, Message, Method, TransactionId, attr, xor_address};

/// How long credentials are good.
const CREDENTIALS: Duration = Duration::from_secs(6 * 3600);
/// How long an answer may take; a server caps how often it challenges one source in a second.
const PATIENCE: Duration = Duration::from_millis(500);
const ATTEMPTS: usize = 20;
/// UDP, as REQUESTED-TRANSPORT has it.
const UDP: u32 = 17 << 24;

/// A client with a relayed address.
#[derive(Debug)]
pub(crate) struct Allocation {
    /// Connected to the server.
    pub(crate) socket: UdpSocket,
    /// Where peers see it.
    pub(crate) relayed: SocketAddr,
    login: Login,
}

#[derive(Debug, Clone)]
struct Login {
    username: String,
    key: Key,
    realm: Vec<u8>,
    nonce: Vec<u8>,
}

impl Allocation {
    /// Asks for a relayed address from a socket that is connected to the server, with credentials of the secret.
    pub(crate) fn make(secret: &Secret<String>, user: &str, socket: UdpSocket) -> anyhow::Result<Self> {
        let user = UserId::new(user).map_err(|_| anyhow::anyhow!("{user:?} is not a valid user ID"))?;
        let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + CREDENTIALS;
        let credentials = Credentials::mint(secret, &user, expires.as_secs());
        socket.set_read_timeout(Some(PATIENCE))?;
        let wish = |builder: Builder| builder.number(attr::REQUESTED_TRANSPORT, UDP);
        let challenge = ask(&socket, None, Method::Allocate, wish)?;
        ensure!(
            challenge.code == 401,
            "the TURN server answers Allocate with {} instead of a challenge",
            challenge.code
        );
        let (realm, nonce) = (challenge.value(attr::REALM), challenge.value(attr::NONCE));
        let realm_text = String::from_utf8(realm.clone()).context("the realm is not text")?;
        let key = Key::long_term(&credentials.username, &realm_text, credentials.password.reveal());
        let login = Login { username: credentials.username, key, realm, nonce };
        let answer = ask(&socket, Some(&login), Method::Allocate, wish)?;
        ensure!(answer.code == 0, "the TURN server refused an allocation: {}", answer.code);
        let relayed = xor_address(&answer.value(attr::XOR_RELAYED_ADDRESS), answer.transaction);
        Ok(Self { socket, relayed: relayed.context("the allocation has no address")?, login })
    }

    /// Binds a channel to a peer, which permits it as well.
    pub(crate) fn bind(&self, channel: u16, peer: SocketAddr) -> anyhow::Result<()> {
        let answer = ask(&self.socket, Some(&self.login), Method::ChannelBind, |builder| {
            builder.number(attr::CHANNEL_NUMBER, u32::from(channel) << 16).address(attr::XOR_PEER_ADDRESS, peer)
        })?;
        ensure!(answer.code == 0, "the TURN server refused a channel to {peer}: {}", answer.code);
        Ok(())
    }

    /// Gives the address back, without waiting for the answer.
    pub(crate) fn release(&self) {
        let request = request(Some(&self.login), Method::Refresh, transaction(), |b| b.number(attr::LIFETIME, 0));
        let _ = self.socket.send(&request);
    }
}

/// A socket of an address of this host that is connected to the server.
pub(crate) fn socket(local: SocketAddr, server: SocketAddr, receive_buffer: usize) -> io::Result<UdpSocket> {
    let domain = socket2::Domain::for_address(server);
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, Some(socket2::Protocol::UDP))?;
    let _ = socket.set_recv_buffer_size(receive_buffer);
    socket.bind(&local.into())?;
    socket.connect(&server.into())?;
    Ok(socket.into())
}

struct Answer {
    /// 0 for a success.
    code: u16,
    transaction: TransactionId,
    bytes: Vec<u8>,
}

impl Answer {
    fn value(&self, kind: u16) -> Vec<u8> {
        let message = Message::parse(&self.bytes).ok();
        message.and_then(|message| message.attribute(kind)).unwrap_or_default().to_vec()
    }
}

fn ask(
    socket: &UdpSocket,
    login: Option<&Login>,
    method: Method,
    fill: impl Fn(Builder) -> Builder,
) -> anyhow::Result<Answer> {
    let transaction = transaction();
    let request = request(login, method, transaction, fill);
    for _ in 0..ATTEMPTS {
        socket.send(&request)?;
        match answer_to(socket, transaction) {
            Ok(answer) => return Ok(answer),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("the TURN server does not answer")
}

fn answer_to(socket: &UdpSocket, transaction: TransactionId) -> io::Result<Answer> {
    let mut buffer = [0; 2_048];
    loop {
        let length = socket.recv(&mut buffer)?;
        let Ok(message) = Message::parse(&buffer[..length]) else { continue };
        if message.transaction() != transaction {
            continue;
        }
        let code = match (message.class(), message.attribute(attr::ERROR_CODE)) {
            (Class::Success, _) => 0,
            (Class::Error, Some(&[_, _, class, number, ..])) => u16::from(class) * 100 + u16::from(number),
            (Class::Error | Class::Request | Class::Indication, _) => continue,
        };
        return Ok(Answer { code, transaction, bytes: buffer[..length].to_vec() });
    }
}

fn request(
    login: Option<&Login>,
    method: Method,
    transaction: TransactionId,
    fill: impl Fn(Builder) -> Builder,
) -> Vec<u8> {
    let builder = fill(Builder::new(Class::Request, method, transaction));
    match login {
        None => builder.finish(),
        Some(login) => builder
            .attribute(attr::USERNAME, login.username.as_bytes())
            .attribute(attr::REALM, &login.realm)
            .attribute(attr::NONCE, &login.nonce)
            .integrity(&login.key)
            .finish(),
    }
}

fn transaction() -> TransactionId {
    let mut id = [0; 12];
    fastrand::fill(&mut id);
    TransactionId(id)
}
