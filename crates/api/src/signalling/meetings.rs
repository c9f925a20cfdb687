//! Which signalling connections are in which call: the state behind the `/webrtc` namespace and the raw WebSocket.
//!
//! A peer is one connection in one call. The peers of a call hear each other, whichever of the two kinds they are. Each
//! time something is relayed, the call itself is asked whether the user may be in it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ::call::CallSnapshot;
use model::{CallId, DeviceId, ErrorCode, Timestamp, UserId};
use serde_json::{Value, json};
use socketioxide::extract::SocketRef;
use tokio::sync::mpsc;

use super::signalling_call;
use crate::http::error::{ApiError, ApiResult};
use crate::state::AppState;

/// Peers of one user in one call: tabs that were never closed properly go after a while.
const MOST_OF_ONE_USER: usize = 8;
/// What is kept for a peer that is not there yet, in messages and in bytes.
const MOST_HELD: usize = 128;
const MOST_HELD_BYTES: usize = 256 * 1024;

/// What a connection is told whose device has a newer one.
const REPLACED: (u16, &str) = (4_001, "replaced by a newer connection");

/// What peers say to each other; the values are opaque.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Signal {
    Offer(Value),
    Answer(Value),
    Candidate(Value),
    Text { message: Value, timestamp: Value },
    State(String),
}

/// What a raw WebSocket is told.
#[derive(Debug)]
pub(crate) enum ToRaw {
    /// A message for the client.
    Message(Value),
    /// The connection is to end.
    Close(u16, &'static str),
}

/// The connection to a peer's client.
#[derive(Clone)]
pub(crate) enum ClientSocket {
    SocketIo(SocketRef),
    Raw(mpsc::Sender<ToRaw>),
}

impl ClientSocket {
    fn is_open(&self) -> bool {
        match self {
            ClientSocket::SocketIo(socket) => socket.connected(),
            ClientSocket::Raw(queue) => !queue.is_closed(),
        }
    }

    fn is_raw(&self) -> bool {
        matches!(self, ClientSocket::Raw(_))
    }

    /// To a Socket.IO client. One too slow to take what it is sent is cut off.
    pub fn emit(&self, event: &str, data: &Value) {
        if let ClientSocket::SocketIo(socket) = self
            && socket.emit(event, data).is_err()
            && socket.connected()
        {
            _ = socket.clone().disconnect();
        }
    }

    /// To a raw WebSocket. One too slow loses its queue and with it the connection.
    pub fn tell(&self, message: Value) -> bool {
        match self {
            ClientSocket::Raw(queue) => queue.try_send(ToRaw::Message(message)).is_ok(),
            ClientSocket::SocketIo(_) => false,
        }
    }

    /// Ends a raw WebSocket; `false`: it is no such, or its queue is full.
    pub fn close(&self, code: u16, reason: &'static str) -> bool {
        match self {
            ClientSocket::Raw(queue) => queue.try_send(ToRaw::Close(code, reason)).is_ok(),
            ClientSocket::SocketIo(_) => false,
        }
    }
}

/// One connection in one call.
#[derive(Clone)]
pub(crate) struct Peer {
    /// The socket's id, or one made for a raw WebSocket.
    pub id: String,
    pub user: UserId,
    pub device: DeviceId,
    pub socket: ClientSocket,
    /// Of two connections of a device, the one that arrived later stays, whichever is served first.
    pub arrival: Arrival,
}

/// When a connection arrived, among all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrival(u64);

impl Peer {
    fn shown(&self) -> Value {
        json!({"socketId": self.id, "userId": self.user})
    }

    fn hear(&self, from: &Peer, signal: &Signal) {
        match &self.socket {
            ClientSocket::SocketIo(_) => {
                let (event, data) = match signal {
                    Signal::Offer(offer) => ("call.offer", json!({"from": from.id, "offer": offer})),
                    Signal::Answer(answer) => ("call.answer", json!({"from": from.id, "answer": answer})),
                    Signal::Candidate(candidate) => {
                        ("call.ice-candidate", json!({"from": from.id, "candidate": candidate}))
                    }
                    // These have no name there.
                    Signal::Text { .. } | Signal::State(_) => return,
                };
                self.socket.emit(event, &data);
            }
            ClientSocket::Raw(_) => _ = self.socket.tell(raw_message(signal)),
        }
    }
}

fn raw_message(signal: &Signal) -> Value {
    match signal {
        Signal::Offer(offer) => json!({"type": "offer", "offer": offer}),
        Signal::Answer(answer) => json!({"type": "answer", "answer": answer}),
        Signal::Candidate(candidate) => json!({"type": "ice_candidate", "candidate": candidate}),
        Signal::Text { message, timestamp } => json!({"type": "text", "message": message, "timestamp": timestamp}),
        Signal::State(state) => json!({"type": "connection_state", "state": state}),
    }
}

/// A call with peers, as the debug endpoints show it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MeetingView {
    pub call: CallId,
    /// The last state that a client reported, or `new` before any report.
    pub state: String,
    pub candidates: u64,
    pub since: Timestamp,
    pub changed: Timestamp,
    pub users: Vec<UserId>,
}

struct Meeting {
    peers: Vec<Peer>,
    state: String,
    candidates: u64,
    since: Timestamp,
    changed: Timestamp,
    /// Muted, and camera on, as the peers were last told.
    media: HashMap<UserId, (bool, bool)>,
    /// For a raw peer that is not there yet.
    held: Vec<(UserId, Signal, usize)>,
}

impl Meeting {
    fn new(now: Timestamp) -> Self {
        Self {
            peers: Vec::new(),
            state: "new".to_owned(),
            candidates: 0,
            since: now,
            changed: now,
            media: HashMap::new(),
            held: Vec::new(),
        }
    }

    fn note(&mut self, now: Timestamp, signal: &Signal) {
        self.changed = now;
        match signal {
            Signal::Offer(_) | Signal::Answer(_) if self.state == "new" => self.state = "connecting".to_owned(),
            Signal::Candidate(_) => self.candidates += 1,
            Signal::State(state) => self.state.clone_from(state),
            Signal::Offer(_) | Signal::Answer(_) | Signal::Text { .. } => {}
        }
    }

    /// Tells the others that a peer is there.
    fn announce(&self, peer: &Peer) {
        for other in self.peers.iter().filter(|other| other.id != peer.id) {
            other.socket.emit("participant.joined", &peer.shown());
            if other.user != peer.user {
                other.socket.tell(json!({"type": "peer_joined", "user_id": peer.user}));
            }
        }
    }

    fn remove(&mut self, gone: impl Fn(&Peer) -> bool) -> Vec<Peer> {
        let (out, stay) = std::mem::take(&mut self.peers).into_iter().partition(gone);
        self.peers = stay;
        let out: Vec<Peer> = out;
        for peer in &out {
            let still = self.peers.iter().any(|other| other.user == peer.user);
            if !still {
                self.held.retain(|(user, ..)| *user != peer.user);
                self.media.remove(&peer.user);
            }
            for other in &self.peers {
                other.socket.emit("participant.left", &peer.shown());
                if !still && other.user != peer.user {
                    other.socket.tell(json!({"type": "peer_left", "user_id": peer.user}));
                }
            }
        }
        out
    }

    fn join(&mut self, peer: Peer, media: (bool, bool)) -> ApiResult<()> {
        let is_twin = |old: &Peer| {
            old.socket.is_raw() && peer.socket.is_raw() && old.user == peer.user && old.device == peer.device
        };
        if self.peers.iter().any(|old| is_twin(old) && old.arrival > peer.arrival) {
            peer.socket.close(REPLACED.0, REPLACED.1);
            return Ok(());
        }
        for old in self.remove(is_twin) {
            old.socket.close(REPLACED.0, REPLACED.1);
        }
        let is_new = !self.peers.iter().any(|old| old.id == peer.id);
        if is_new && self.peers.iter().filter(|old| old.user == peer.user).count() >= MOST_OF_ONE_USER {
            return Err(ApiError::new(ErrorCode::InvalidState, "too many connections in this call"));
        }
        // A connection that has been lost meanwhile was taken out before, and must not come back.
        if !peer.socket.is_open() {
            return Ok(());
        }
        self.media.insert(peer.user.clone(), media);
        let others: Vec<Value> = self.peers.iter().filter(|old| old.id != peer.id).map(Peer::shown).collect();
        peer.socket.emit("call.participants", &json!({"participants": others}));
        if !is_new {
            return Ok(());
        }
        for user in users(&self.peers).iter().filter(|user| **user != peer.user) {
            peer.socket.tell(json!({"type": "peer_joined", "user_id": user}));
        }
        self.announce(&peer);
        if peer.socket.is_raw() {
            let held = std::mem::take(&mut self.held);
            let (mine, of_others): (Vec<_>, Vec<_>) = held.into_iter().partition(|(from, ..)| *from == peer.user);
            of_others.iter().for_each(|(_, signal, _)| _ = peer.socket.tell(raw_message(signal)));
            self.held = mine;
        }
        self.peers.push(peer);
        Ok(())
    }

    fn hold(&mut self, user: &UserId, signal: Signal) {
        if matches!(signal, Signal::Offer(_)) {
            self.held.retain(|(held, ..)| held != user);
        }
        let size = raw_message(&signal).to_string().len();
        let bytes: usize = self.held.iter().map(|(_, _, size)| size).sum();
        if self.held.len() < MOST_HELD && bytes + size <= MOST_HELD_BYTES {
            self.held.push((user.clone(), signal, size));
        }
    }
}

/// Brings a peer into a call's meeting, for as long as the call and its user's part in it last.
pub(crate) async fn join_meeting(state: &AppState, call: &CallSnapshot, peer: Peer) -> ApiResult<()> {
    let part = call.participant(&peer.user).ok_or_else(ApiError::internal)?;
    let (meetings, id, user) = (&state.meetings, peer.id.clone(), peer.user.clone());
    meetings.join(state.handle().now(), call.id, peer, (part.is_muted, part.is_video_enabled))?;
    // What happened to the call between the look and the join was told to those who were in the meeting.
    match signalling_call(state, call.id, &user).await {
        Ok(now) => meetings.merge(state.handle().now(), call.id, now.id),
        Err(error) => {
            meetings.leave(call.id, &id);
            return Err(error);
        }
    }
    Ok(())
}

/// Every call that has peers.
#[derive(Default)]
pub(crate) struct Meetings {
    calls: Mutex<HashMap<CallId, Meeting>>,
    arrivals: AtomicU64,
}

impl Meetings {
    /// The next connection is here.
    pub fn arrive(&self) -> Arrival {
        Arrival(self.arrivals.fetch_add(1, Ordering::Relaxed))
    }

    /// A peer joins: the others learn of it, the newcomer of them. `media`: muted, and camera on.
    pub fn join(&self, now: Timestamp, call: CallId, peer: Peer, media: (bool, bool)) -> ApiResult<()> {
        self.with(|calls| {
            let taken = calls.entry(call).or_insert_with(|| Meeting::new(now)).join(peer, media);
            forget_empty(calls, call);
            taken
        })
    }

    /// Whether this connection is one of the call's peers.
    pub fn has_peer(&self, call: CallId, peer: &str) -> bool {
        self.with(|calls| calls.get(&call).is_some_and(|meeting| meeting.peers.iter().any(|other| other.id == peer)))
    }

    /// A peer leaves; whether its user has another one in the call. `None`: there was no such peer.
    pub fn leave(&self, call: CallId, peer: &str) -> Option<bool> {
        self.with(|calls| {
            let meeting = calls.get_mut(&call)?;
            let gone = meeting.remove(|other| other.id == peer).into_iter().next()?;
            let more = meeting.peers.iter().any(|other| other.user == gone.user);
            forget_empty(calls, call);
            Some(more)
        })
    }

    /// A connection is lost: it leaves every call, and these are given.
    pub fn disconnect(&self, peer: &str) -> Vec<CallId> {
        self.with(|calls| {
            let mut left = Vec::new();
            for (call, meeting) in calls.iter_mut() {
                if !meeting.remove(|other| other.id == peer).is_empty() {
                    left.push(*call);
                }
            }
            left.iter().for_each(|call| forget_empty(calls, *call));
            left
        })
    }

    /// A user is out of a call.
    pub fn remove_user(&self, call: CallId, user: &UserId) {
        self.with(|calls| {
            let Some(meeting) = calls.get_mut(&call) else { return };
            for peer in meeting.remove(|other| other.user == *user) {
                peer.socket.close(1_000, "you left the call");
            }
            forget_empty(calls, call);
        });
    }

    /// A call has become another: who was in it is in that one. What they said into the old one is said no more: in the call that is
    /// left it is the other side that called.
    pub fn merge(&self, now: Timestamp, gone: CallId, into: CallId) {
        if gone == into {
            return;
        }
        self.with(|calls| {
            let Some(old) = calls.remove(&gone) else { return };
            let new = calls.entry(into).or_insert_with(|| Meeting::new(now));
            for peer in old.peers {
                let media = old.media.get(&peer.user).copied().unwrap_or((false, true));
                let socket = peer.socket.clone();
                if new.join(peer, media).is_err() {
                    socket.close(1_000, "too many connections in this call");
                }
            }
            forget_empty(calls, into);
        });
    }

    /// A call is over.
    pub fn end(&self, call: CallId, reason: &str) {
        let Some(meeting) = self.with(|calls| calls.remove(&call)) else { return };
        for peer in &meeting.peers {
            peer.socket.emit("call.ended", &json!({"callId": call, "reason": reason}));
            peer.socket.tell(json!({"type": "error", "code": "call_over", "message": "the call is over"}));
            peer.socket.close(1_000, "the call is over");
        }
    }

    /// The calls that have two connections, this one and the addressed one, in common.
    pub fn shared(&self, from: &str, to: &str) -> Vec<CallId> {
        self.with(|calls| {
            let has = |meeting: &Meeting, id: &str| meeting.peers.iter().any(|peer| peer.id == id);
            let both = calls.iter().filter(|(_, meeting)| has(meeting, from) && has(meeting, to));
            both.map(|(call, _)| *call).collect()
        })
    }

    /// From one peer to another in the same call; whether both are there.
    pub fn relay(&self, now: Timestamp, call: CallId, from: &str, to: &str, signal: &Signal) -> bool {
        self.with(|calls| {
            let Some(meeting) = calls.get_mut(&call) else { return false };
            let find = |id: &str| meeting.peers.iter().find(|peer| peer.id == id).cloned();
            let (Some(from), Some(to)) = (find(from), find(to)) else { return false };
            meeting.note(now, signal);
            to.hear(&from, signal);
            true
        })
    }

    /// From a raw WebSocket to everyone else in the call. Where nobody is, what opens a connection is kept for who comes;
    /// `false`: there is nobody, and it was not kept.
    pub fn spread(&self, now: Timestamp, call: CallId, from: &str, signal: Signal) -> bool {
        self.with(|calls| {
            let Some(meeting) = calls.get_mut(&call) else { return false };
            let Some(from) = meeting.peers.iter().find(|peer| peer.id == from).cloned() else { return false };
            meeting.note(now, &signal);
            let others: Vec<&Peer> = meeting.peers.iter().filter(|peer| peer.user != from.user).collect();
            if !others.is_empty() {
                others.into_iter().for_each(|peer| peer.hear(&from, &signal));
                return true;
            }
            match signal {
                Signal::Offer(_) | Signal::Answer(_) | Signal::Candidate(_) => meeting.hold(&from.user, signal),
                Signal::State(_) => {}
                Signal::Text { .. } => return false,
            }
            true
        })
    }

    /// Takes over a user's media state and tells the others what is new in it. `from`: the socket that said so.
    pub fn media(&self, call: CallId, user: &UserId, from: Option<&str>, muted: Option<bool>, video: Option<bool>) {
        self.with(|calls| {
            let Some(meeting) = calls.get_mut(&call) else { return };
            let known = meeting.media.get(user).copied();
            // What a socket said is told even where it is nothing new: its peers may have been told otherwise by hand.
            let say_muted = muted.filter(|now| from.is_some() || known.is_some_and(|(was, _)| was != *now));
            let say_video = video.filter(|now| from.is_some() || known.is_some_and(|(_, was)| was != *now));
            let (was_muted, had_video) = known.unwrap_or((false, true));
            meeting.media.insert(user.clone(), (muted.unwrap_or(was_muted), video.unwrap_or(had_video)));
            let speaker = meeting.peers.iter().find(|peer| match from {
                Some(id) => peer.id == id,
                None => peer.user == *user,
            });
            let Some(mut shown) = speaker.map(Peer::shown) else { return };
            for other in meeting.peers.iter().filter(|peer| peer.user != *user) {
                if let Some(muted) = say_muted {
                    shown["isMuted"] = json!(muted);
                    other.socket.emit("participant.muted", &shown);
                    shown.as_object_mut().map(|shown| shown.remove("isMuted"));
                }
                if let Some(video) = say_video {
                    shown["isVideoEnabled"] = json!(video);
                    other.socket.emit("participant.video-toggled", &shown);
                    shown.as_object_mut().map(|shown| shown.remove("isVideoEnabled"));
                }
            }
        });
    }

    /// Takes over a user's media state and tells nobody: whoever does has told, or will. Gives what it was.
    pub fn note_media(&self, call: CallId, user: &UserId, media: (Option<bool>, Option<bool>)) -> Option<(bool, bool)> {
        self.with(|calls| {
            let known = calls.get_mut(&call)?.media.get_mut(user)?;
            let (muted, video) = media;
            Some(std::mem::replace(known, (muted.unwrap_or(known.0), video.unwrap_or(known.1))))
        })
    }

    /// Every call with peers, and whose they are.
    pub fn views(&self) -> Vec<MeetingView> {
        self.with(|calls| {
            let view = |(call, meeting): (&CallId, &Meeting)| MeetingView {
                call: *call,
                state: meeting.state.clone(),
                candidates: meeting.candidates,
                since: meeting.since,
                changed: meeting.changed,
                users: users(&meeting.peers),
            };
            let mut views: Vec<MeetingView> = calls.iter().map(view).collect();
            views.sort_by_key(|view| view.call);
            views
        })
    }

    /// Ends every raw connection: the server stops.
    pub fn close_all(&self) {
        self.with(|calls| {
            let peers = calls.values().flat_map(|meeting| &meeting.peers);
            peers.for_each(|peer| _ = peer.socket.close(1_001, "the server is stopping"));
        });
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<CallId, Meeting>) -> T) -> T {
        f(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn forget_empty(calls: &mut HashMap<CallId, Meeting>, call: CallId) {
    if calls.get(&call).is_some_and(|meeting| meeting.peers.is_empty()) {
        calls.remove(&call);
    }
}

fn users(peers: &[Peer]) -> Vec<UserId> {
    let mut users: Vec<UserId> = peers.iter().map(|peer| peer.user.clone()).collect();
    users.sort();
    users.dedup();
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_served_late_does_not_replace_a_newer_one() {
        let meetings = Meetings::default();
        let call: CallId = "00000000-0000-4000-8000-000000000001".parse().unwrap();
        let (now, user) = (Timestamp(0), UserId::new("bob").unwrap());
        let connection = |id: &str, arrival| {
            let (tell, told) = mpsc::channel(8);
            let (id, device) = (id.to_owned(), DeviceId::unnamed());
            (Peer { id, user: user.clone(), device, socket: ClientSocket::Raw(tell), arrival }, told)
        };
        let (first, mut first_told) = connection("first", meetings.arrive());
        let (second, mut second_told) = connection("second", meetings.arrive());
        let (third, mut third_told) = connection("third", meetings.arrive());
        meetings.join(now, call, second, (false, true)).unwrap();
        meetings.join(now, call, first, (false, true)).unwrap();
        assert!(matches!(first_told.try_recv(), Ok(ToRaw::Close(4_001, _))), "the late one goes");
        assert!(
            second_told.try_recv().is_err() && meetings.has_peer(call, "second") && !meetings.has_peer(call, "first")
        );
        meetings.join(now, call, third, (false, true)).unwrap();
        assert!(matches!(second_told.try_recv(), Ok(ToRaw::Close(4_001, _))), "a newer one takes its place");
        assert!(third_told.try_recv().is_err() && meetings.has_peer(call, "third"));
    }
}
