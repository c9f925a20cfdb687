//! How long an open connection lasts: until its token expires, the key that signed it is revoked, its session ends or
//! its user is erased. Before a token expires, the connection is told and can send a newer one.
//!
//! There is one list for connections of every kind, and one moment to wait for, however many there are. LiveKit's
//! connections are not in it: the call decides who may be in a room, so an expiring token disconnects nobody there.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use auth::UserVerifier;
use axum::extract::ws::close_code;
use control::Handle;
use model::{ErrorCode, Secret, Timestamp, UserId};
use serde_json::json;
use socketioxide::extract::SocketRef;
use tokio::sync::Notify;
use tokio::sync::mpsc::WeakSender;
use tokio::time::sleep;

use crate::http::error::ApiError;
use crate::presentation::time;
use crate::signalling::meetings::{ClientSocket, ToRaw};

/// How long before its token expires a connection is told.
const WARNING: Duration = Duration::from_secs(60);
/// For so long a token is taken after it has expired: clocks differ.
const LEEWAY: Duration = Duration::from_secs(auth::LEEWAY_SECONDS);
/// How often the clock and the keys are looked at where nothing is due.
const LOOK: Duration = Duration::from_secs(2);
/// How long until a connection that accepts nothing more is disconnected again.
const ONCE_MORE: Duration = Duration::from_secs(1);
/// How many tokens are verified again before others get their turn.
const AT_ONCE: usize = 100;

/// What a connection was let in by.
pub(crate) enum Proof {
    /// A user's token, until its time.
    Token { text: Secret<String>, expires: Timestamp },
    /// The web app's session, by its hash, until its time.
    Session { hash: [u8; 32], expires: Timestamp },
}

impl Proof {
    pub fn token(text: &str, expires: Timestamp) -> Self {
        Proof::Token { text: Secret::new(text.to_owned()), expires }
    }

    /// When it says that it expires.
    pub fn expires(&self) -> Timestamp {
        match self {
            Proof::Token { expires, .. } | Proof::Session { expires, .. } => *expires,
        }
    }

    /// When the connection is told, where it can do something about it.
    fn warning(&self) -> Option<Timestamp> {
        match self {
            Proof::Token { expires, .. } => Some(Timestamp(expires.0.saturating_sub(WARNING.as_millis() as i64))),
            Proof::Session { .. } => None,
        }
    }

    /// When it is taken no longer.
    fn end(&self) -> Timestamp {
        match self {
            Proof::Token { expires, .. } => *expires + LEEWAY,
            Proof::Session { expires, .. } => *expires,
        }
    }
}

/// A connection in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Number(u64);

/// A client's connection, held weakly: a raw WebSocket ends with its last place in a meeting.
pub(crate) enum WeakClientSocket {
    SocketIo(SocketRef),
    Raw(WeakSender<ToRaw>),
}

impl WeakClientSocket {
    fn upgrade(&self) -> Option<ClientSocket> {
        match self {
            WeakClientSocket::SocketIo(socket) => Some(ClientSocket::SocketIo(socket.clone())),
            WeakClientSocket::Raw(queue) => queue.upgrade().map(ClientSocket::Raw),
        }
    }
}

struct Standing {
    user: UserId,
    proof: Proof,
    socket: WeakClientSocket,
    /// When something is to be done about it.
    due: Timestamp,
    warned: bool,
    /// Why it is to go, from when it has been told so.
    over: Option<&'static str>,
}

/// Every open connection of a user.
#[derive(Default)]
pub(crate) struct Standings {
    list: Mutex<List>,
    /// The first moment has changed.
    sooner: Notify,
}

#[derive(Default)]
struct List {
    last: u64,
    all: HashMap<Number, Standing>,
    due: BTreeSet<(Timestamp, Number)>,
}

impl List {
    fn set_due(&mut self, number: Number, at: Timestamp) {
        if let Some(standing) = self.all.get_mut(&number) {
            self.due.remove(&(standing.due, number));
            standing.due = at;
            self.due.insert((at, number));
        }
    }

    fn remove(&mut self, number: Number) {
        if let Some(standing) = self.all.remove(&number) {
            self.due.remove(&(standing.due, number));
        }
    }
}

impl Standings {
    /// Takes a connection in.
    pub fn begin(&self, user: &UserId, proof: Proof, socket: WeakClientSocket) -> Number {
        let number = self.with(|list| {
            list.last += 1;
            let number = Number(list.last);
            let due = proof.warning().unwrap_or_else(|| proof.end());
            list.all.insert(number, Standing { user: user.clone(), proof, socket, due, warned: false, over: None });
            list.due.insert((due, number));
            number
        });
        self.sooner.notify_one();
        number
    }

    /// A connection has handed in another proof.
    pub fn renew(&self, number: Number, proof: Proof) {
        self.with(|list| {
            let Some(standing) = list.all.get_mut(&number).filter(|standing| standing.over.is_none()) else { return };
            // The same token once more is no reason to say the same once more.
            standing.warned &= proof.expires() <= standing.proof.expires();
            let due = proof.warning().filter(|_| !standing.warned).unwrap_or_else(|| proof.end());
            standing.proof = proof;
            list.set_due(number, due);
        });
        self.sooner.notify_one();
    }

    /// A connection is gone.
    pub fn finish(&self, number: Number) {
        self.with(|list| list.remove(number));
    }

    /// A session was closed: its connections end.
    pub fn end_session(&self, closed: &[u8; 32]) {
        let of_it = |standing: &Standing| matches!(&standing.proof, Proof::Session { hash, .. } if hash == closed);
        self.end("the session has ended", of_it);
    }

    /// A user was erased: their connections end.
    pub fn end_user(&self, user: &UserId) {
        self.end("the user was erased", |standing| standing.user == *user);
    }

    fn end(&self, why: &'static str, goes: impl Fn(&Standing) -> bool) {
        self.with(|list| {
            let out: Vec<Number> = list.all.iter().filter(|(_, one)| goes(one)).map(|(number, _)| *number).collect();
            for number in out {
                list.all.get_mut(&number).expect("just found").over = Some(why);
                list.set_due(number, Timestamp(i64::MIN));
            }
        });
        self.sooner.notify_one();
    }

    /// Does what is due; when the next thing is.
    fn pass(&self, now: Timestamp) -> Option<Timestamp> {
        self.with(|list| {
            while let Some((_, number)) = list.due.first().copied().filter(|(at, _)| *at <= now) {
                let standing = list.all.get_mut(&number).expect("what is due stands");
                if standing.over.is_none() && standing.proof.end() <= now {
                    standing.over = Some("the token has expired");
                }
                let socket = standing.socket.upgrade();
                let next = match (socket, standing.over) {
                    (Some(socket), None) => {
                        standing.warned = true;
                        warn(&socket, now, standing.proof.expires());
                        Some(standing.proof.end())
                    }
                    (Some(socket), Some(why)) if !put_out(&socket, why) => Some(now + ONCE_MORE),
                    (Some(_), Some(_)) | (None, _) => None,
                };
                match next {
                    Some(at) => list.set_due(number, at),
                    None => list.remove(number),
                }
            }
            list.due.first().map(|(at, _)| *at)
        })
    }

    /// The keys are others now: whose token no longer verifies goes.
    async fn check_tokens(&self, users: &UserVerifier, now: Timestamp) {
        let tokens: Vec<(Number, Secret<String>)> = self.with(|list| {
            let token = |(number, standing): (&Number, &Standing)| match &standing.proof {
                Proof::Token { text, .. } => Some((*number, text.clone())),
                Proof::Session { .. } => None,
            };
            list.all.iter().filter_map(token).collect()
        });
        for some in tokens.chunks(AT_ONCE) {
            for (number, text) in some {
                if users.verify(now, text.reveal()).is_err() {
                    self.refuse_token(*number, text);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Ends a connection, unless it has handed in another token meanwhile.
    fn refuse_token(&self, number: Number, refused: &Secret<String>) {
        self.with(|list| {
            let Some(standing) = list.all.get_mut(&number) else { return };
            if matches!(&standing.proof, Proof::Token { text, .. } if text.reveal() == refused.reveal()) {
                standing.over = Some("the token is no longer accepted");
                list.set_due(number, Timestamp(i64::MIN));
            }
        });
        self.sooner.notify_one();
    }

    fn with<T>(&self, f: impl FnOnce(&mut List) -> T) -> T {
        f(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Ends connections when their time has come.
pub(crate) async fn watch(standings: Arc<Standings>, users: Arc<ArcSwap<UserVerifier>>, handle: Handle) {
    let mut known = users.load_full();
    loop {
        let now = handle.now();
        let next = standings.pass(now);
        // A clock that is set and keys that are changed tell nobody.
        let pause = next.map_or(LOOK, |at| at.since(now).min(LOOK));
        tokio::select! {
            () = sleep(pause) => {}
            () = standings.sooner.notified() => {}
        }
        let current = users.load_full();
        if !Arc::ptr_eq(&known, &current) {
            standings.check_tokens(&current, handle.now()).await;
            known = current;
        }
    }
}

fn warn(socket: &ClientSocket, now: Timestamp, expires: Timestamp) {
    socket.emit("auth:expiring", &json!({"at": time(now), "expiresAt": time(expires)}));
    socket.tell(json!({"type": "auth_expiring", "expires_at": time(expires)}));
}

/// `false`: what waits for it leaves no room for as much as the end.
fn put_out(socket: &ClientSocket, why: &'static str) -> bool {
    let error = ApiError::new(ErrorCode::Unauthorized, why);
    match socket {
        ClientSocket::SocketIo(socket_io) => {
            socket.emit("refused", &json!(error.body()));
            socket_io.clone().disconnect().is_ok()
        }
        ClientSocket::Raw(_) => {
            socket.tell(json!({"type": "error", "code": error.code, "message": error.message}));
            socket.close(close_code::POLICY, why)
        }
    }
}
