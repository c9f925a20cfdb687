//! Who may have a connection: so many in total, so many per address, and never the last file descriptors. When the
//! limit is reached, those who have kept the server waiting longest make room; nobody being served is disturbed.
//!
//! Owns the count and the log of what was refused. Whoever serves a connection reports what it is doing.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::net::{TcpListener, TcpStream};

use crate::throttle::Throttle;

/// Of a full house, this part makes room at once, so that a flood does not have everybody looked at for each of its own.
const ROOM: usize = 64;
/// Pause after the kernel refuses to accept.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// How many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Connections from all sources together.
    pub connections: usize,
    /// Of one address, loopback left out; none: as many as it likes.
    pub of_address: Option<usize>,
}

/// How long a client may keep the server waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a handshake, and for the head of a request from its first byte on.
    pub head: Duration,
    /// For the body of a request; and for the next bytes of an answer to be taken.
    pub body: Duration,
    /// For the next request.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: Duration::from_secs(10), body: Duration::from_secs(30), idle: Duration::from_secs(75) }
    }
}

/// What a client did not do in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// Finish its handshake.
    Handshake,
    /// Send a request's head.
    Head,
    /// Send a request's body.
    Body,
    /// Take an answer.
    Answer,
    /// Ask for anything more: no fault.
    Idle,
}

impl Overdue {
    const fn word(self) -> &'static str {
        match self {
            Overdue::Handshake => "handshake",
            Overdue::Head => "head",
            Overdue::Body => "body",
            Overdue::Answer => "answer",
            Overdue::Idle => "idle",
        }
    }

    const fn fault(self) -> Option<&'static str> {
        match self {
            Overdue::Handshake => Some("closed a connection: its handshake took too long"),
            Overdue::Head => Some("closed a connection: it did not send a request's headers in time"),
            Overdue::Body => Some("closed a connection: it did not send a request's body in time"),
            Overdue::Answer => Some("closed a connection: it did not read its response in time"),
            Overdue::Idle => None,
        }
    }
}

/// What is counted and said of one door.
#[derive(Debug)]
struct Log {
    /// What is behind it.
    door: &'static str,
    address: Throttle,
    full: Throttle,
    room: Throttle,
    accept: Throttle,
    overdue: Throttle,
}

impl Log {
    fn timed_out(&self, peer: SocketAddr, what: Overdue) {
        let door = self.door;
        counter!("stoa_connections_timed_out_total", "door" => door, "waited_for" => what.word()).increment(1);
        let Some(text) = what.fault() else { return };
        if let Some(more) = self.overdue.may_say(Instant::now()) {
            tracing::info!(door, %peer, more, "{text}");
        }
    }
}

/// Lets connections in by one or several ports of a kind.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: Most,
    patience: Patience,
    held: Mutex<Held>,
    log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Held {
    count: usize,
    next: u64,
    by_address: HashMap<IpAddr, BTreeMap<u64, Arc<Connection>>>,
}

/// Says what the counters mean.
pub fn describe() {
    describe_gauge!("stoa_connections", "Open connections, by listener.");
    describe_counter!("stoa_connections_refused_total", "Refused connections, by reason.");
    describe_counter!(
        "stoa_connections_timed_out_total",
        "Connections closed because the client was too slow, by what it was slow at."
    );
    describe_counter!("stoa_connections_made_room_total", "Waiting connections closed to make room for new ones.");
    describe_counter!("stoa_accept_errors_total", "Failed attempts to accept a connection.");
}

impl Admission {
    /// A door behind which there may be so many.
    pub fn new(door: &'static str, most: Most, patience: Patience) -> Self {
        let [address, full, room, accept, overdue] = std::array::from_fn(|_| Throttle::default());
        let log = Arc::new(Log { door, address, full, room, accept, overdue });
        Self(Arc::new(Shared { most, patience, held: Mutex::default(), log }))
    }

    /// The next connection that is let in. What the kernel refuses is logged, and tried again.
    pub async fn accept(&self, listener: &TcpListener) -> (TcpStream, SocketAddr, Place) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if let Some(place) = self.admit(peer) {
                        return (stream, peer, place);
                    }
                }
                Err(error) => self.not_accepted(&error).await,
            }
        }
    }

    async fn not_accepted(&self, error: &io::Error) {
        let door = self.0.log.door;
        counter!("stoa_accept_errors_total", "door" => door).increment(1);
        // The client has gone again: nothing of ours.
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        if let Some(more) = self.0.log.accept.may_say(Instant::now()) {
            tracing::warn!(
                door,
                %error,
                more,
                "cannot accept connections; if the error is \"too many open files\", raise the limit (nofile)"
            );
        }
        self.make_room(&mut self.held(), None);
        tokio::time::sleep(REFUSED_PAUSE).await;
    }

    /// A place for a client, if there is one.
    fn admit(&self, peer: SocketAddr) -> Option<Place> {
        let address = api::customer(peer.ip());
        let mut held = self.held();
        let of_address = held.by_address.get(&address).map_or(0, BTreeMap::len);
        let most = self.0.most.of_address.filter(|_| !peer.ip().to_canonical().is_loopback());
        if let Some(most) = most.filter(|most| of_address >= *most)
            && !self.make_room(&mut held, Some(address))
        {
            self.refused(&self.0.log.address, peer, "address", most);
            return None;
        }
        let most = self.0.most.connections;
        if held.count >= most && !self.make_room(&mut held, None) {
            self.refused(&self.0.log.full, peer, "full", most);
            return None;
        }
        let id = held.next;
        held.next += 1;
        held.count += 1;
        let connection = Arc::new(Connection::new(peer, self.0.patience, Arc::clone(&self.0.log)));
        held.by_address.entry(address).or_default().insert(id, Arc::clone(&connection));
        gauge!("stoa_connections", "door" => self.0.log.door).set(held.count as f64);
        Some(Place { connection, admission: self.clone(), address, id })
    }

    fn refused(&self, throttle: &Throttle, peer: SocketAddr, reason: &'static str, limit: usize) {
        let door = self.0.log.door;
        counter!("stoa_connections_refused_total", "door" => door, "reason" => reason).increment(1);
        let Some(more) = throttle.may_say(Instant::now()) else { return };
        match reason {
            "address" => {
                tracing::warn!(door, %peer, limit, more, "refused a connection: its address has reached the limit")
            }
            _ => {
                tracing::warn!(door, %peer, limit, more, "refused a connection: the server has reached its limit")
            }
        }
    }

    /// Closes those that have kept the server waiting longest: one of an address, or a part of all; whether there was one.
    fn make_room(&self, held: &mut Held, of: Option<IpAddr>) -> bool {
        let waiting = |places: (&IpAddr, &BTreeMap<u64, Arc<Connection>>)| {
            let address = *places.0;
            let since = places.1.iter().filter_map(move |(id, one)| Some((one.waits_since()?, address, *id)));
            since.collect::<Vec<_>>()
        };
        let mut found: Vec<(Instant, IpAddr, u64)> = match of {
            Some(address) => held.by_address.get_key_value(&address).map(waiting).unwrap_or_default(),
            None => held.by_address.iter().flat_map(waiting).collect(),
        };
        let wanted = if of.is_some() { 1 } else { (self.0.most.connections / ROOM).max(1) };
        if found.len() > wanted {
            found.select_nth_unstable(wanted);
            found.truncate(wanted);
        }
        let Some((_, address, id)) = found.first().copied() else { return false };
        let peer = held.by_address.get(&address).and_then(|places| places.get(&id)).map(|one| one.peer);
        for (_, address, id) in &found {
            if let Some(connection) = held.remove(*address, *id) {
                connection.show_out();
            }
        }
        let door = self.0.log.door;
        counter!("stoa_connections_made_room_total", "door" => door).increment(found.len() as u64);
        if let Some(more) = self.0.log.room.may_say(Instant::now()) {
            let (closed, one_address) = (found.len(), of.is_some());
            tracing::warn!(
                door,
                ?peer,
                closed,
                one_address,
                more,
                "the server has reached its connection limit: closed those that had kept it waiting longest"
            );
        }
        true
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn remove(&mut self, address: IpAddr, id: u64) -> Option<Arc<Connection>> {
        let places = self.by_address.get_mut(&address)?;
        let removed = places.remove(&id)?;
        if places.is_empty() {
            self.by_address.remove(&address);
        }
        self.count -= 1;
        Some(removed)
    }
}

/// A connection's place: given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    connection: Arc<Connection>,
    admission: Admission,
    address: IpAddr,
    id: u64,
}

impl Place {
    /// What its client does.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.admission.held();
        held.remove(self.address, self.id);
        gauge!("stoa_connections", "door" => self.admission.0.log.door).set(held.count as f64);
    }
}

/// What a client does with its connection, and whom it keeps waiting.
#[derive(Debug)]
pub struct Connection {
    peer: SocketAddr,
    patience: Patience,
    log: Arc<Log>,
    /// It is no longer a request's: a WebSocket, a TURN stream. Whoever has it sees to it.
    kept: AtomicBool,
    shown_out: AtomicBool,
    waker: AtomicWaker,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stage: Stage,
    /// When the client was last heard of as far as this stage goes.
    since: Instant,
    /// Requests under way.
    requests: u32,
    /// Those of which the body is waited for.
    reading: u32,
    /// Those that have their answer, which is being taken.
    answering: u32,
    http2: bool,
    /// Bytes of an answer wait for the client to take those before.
    stalled: bool,
}

/// The state of a connection while no request is in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was asked yet.
    First(Overdue),
    /// A request's head has begun.
    Head,
    /// Between requests.
    Idle,
}

/// The state of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The server is at work.
    Working,
    /// The client's body is waited for.
    Reading,
    /// The client takes its answer.
    Answering,
}

impl Connection {
    fn new(peer: SocketAddr, patience: Patience, log: Arc<Log>) -> Self {
        let state = State {
            stage: Stage::First(Overdue::Head),
            since: Instant::now(),
            requests: 0,
            reading: 0,
            answering: 0,
            http2: false,
            stalled: false,
        };
        let (kept, shown_out) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { peer, patience, log, kept, shown_out, waker: AtomicWaker::new(), state: Mutex::new(state) }
    }

    /// A handshake comes first.
    pub fn shakes_hands(&self) {
        self.state().stage = Stage::First(Overdue::Handshake);
    }

    /// The handshake is done: the first request is waited for.
    pub fn shook_hands(&self) {
        let mut state = self.state();
        state.stage = Stage::First(Overdue::Head);
        state.since = Instant::now();
    }

    /// It is no request's any more: no time-out of a request holds, and it is not closed for others.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Release);
    }

    /// Whether it is no request's any more.
    pub fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Acquire)
    }

    /// Bytes came.
    pub fn heard(&self) {
        let mut state = self.state();
        // HTTP/2 has more to say than requests.
        if state.stage == Stage::Idle && state.requests == 0 && !state.http2 && !state.stalled {
            state.stage = Stage::Head;
            state.since = Instant::now();
        }
    }

    /// Bytes of an answer were taken.
    pub fn took(&self) {
        let mut state = self.state();
        state.stalled = false;
        // HTTP/1 writes nothing but answers, of which the last bytes may be on their way when the request is over.
        if state.answering > 0 || (state.stage == Stage::Idle && !state.http2) {
            state.since = Instant::now();
        }
    }

    /// The client takes no bytes for now. Its request may be over all the same: what is left of the answer lies with the
    /// connection then.
    pub fn stalled(&self) {
        self.state().stalled = true;
    }

    /// A request begins.
    pub fn begin(&self, http2: bool) {
        let mut state = self.state();
        state.http2 = http2;
        state.requests += 1;
        state.stage = Stage::Idle;
        state.since = Instant::now();
    }

    /// A request goes on to its next step.
    pub fn step(&self, from: Step, to: Step) {
        let mut state = self.state();
        state.count(from, u32::wrapping_sub);
        state.count(to, u32::wrapping_add);
        // The time a body takes is counted from the request's beginning, however often a byte comes.
        if to == Step::Answering {
            state.since = Instant::now();
            drop(state);
            self.waker.wake();
        }
    }

    /// A request is over.
    pub fn end(&self, from: Step) {
        let mut state = self.state();
        state.count(from, u32::wrapping_sub);
        state.requests -= 1;
        state.since = Instant::now();
        drop(state);
        // The time until the next request begins to count.
        self.waker.wake();
    }

    /// Since when the client keeps the server waiting; none: it is being served.
    fn waits_since(&self) -> Option<Instant> {
        if self.is_kept() {
            return None;
        }
        let state = self.state();
        (state.requests == state.reading + state.answering).then_some(state.since)
    }

    /// By when it must have done what. A body's time is its reader's to keep.
    pub fn deadline(&self) -> Option<(Instant, Overdue)> {
        let Patience { head, body, idle } = self.patience;
        let state = self.state();
        match state.stage {
            Stage::First(what) => Some((state.since + head, what)),
            Stage::Head => Some((state.since + head, Overdue::Head)),
            Stage::Idle if state.requests == 0 && !state.stalled => Some((state.since + idle, Overdue::Idle)),
            Stage::Idle if state.requests == state.answering => Some((state.since + body, Overdue::Answer)),
            Stage::Idle => None,
        }
    }

    /// How long its client may keep the server waiting.
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// Counts and logs what its client did not do in time.
    pub fn overdue(&self, what: Overdue) {
        self.log.timed_out(self.peer, what);
    }

    /// Ends it to let others in.
    fn show_out(&self) {
        self.shown_out.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// An error where it is to end to let others in; otherwise `cx` is woken when that comes to be, or the deadline changes.
    pub fn check(&self, cx: &mut std::task::Context<'_>) -> io::Result<()> {
        self.waker.register(cx.waker());
        if self.shown_out.load(Ordering::Acquire) && !self.is_kept() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "closed to make room for others"));
        }
        Ok(())
    }

    /// Until it is to end to let others in.
    pub async fn must_leave(&self) -> io::Error {
        std::future::poll_fn(|cx| match self.check(cx) {
            Ok(()) => std::task::Poll::Pending,
            Err(error) => std::task::Poll::Ready(error),
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, step: Step, change: fn(u32, u32) -> u32) {
        match step {
            Step::Working => {}
            Step::Reading => self.reading = change(self.reading, 1),
            Step::Answering => self.answering = change(self.answering, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(connections: usize, of_address: Option<usize>) -> Admission {
        Admission::new("test", Most { connections, of_address }, Patience::default())
    }

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn is_out(place: &Place) -> bool {
        place.connection.shown_out.load(Ordering::Acquire)
    }

    #[test]
    fn an_address_has_so_many_and_its_own_make_room() {
        let door = door(100, Some(2));
        let first = door.admit(at("192.0.2.1:1")).expect("room");
        let second = door.admit(at("192.0.2.1:2")).expect("room");
        let other = door.admit(at("192.0.2.9:1")).expect("room");
        let third = door.admit(at("192.0.2.1:3")).expect("the first makes room");
        assert_eq!([&first, &second, &other, &third].map(is_out), [true, false, false, false]);
        second.connection.begin(false);
        third.connection.keep();
        assert!(door.admit(at("192.0.2.1:4")).is_none(), "both are being served");
        assert!(door.admit(at("192.0.2.2:1")).is_some(), "another address");
        drop(second);
        assert!(door.admit(at("192.0.2.1:5")).is_some(), "a place was given back");
    }

    #[test]
    fn ipv6_counts_by_network_and_loopback_not_at_all() {
        let door = door(100, Some(1));
        let here: Vec<_> = (1..10).map(|port| door.admit(SocketAddr::from(([127, 0, 0, 1], port)))).collect();
        assert!(here.iter().all(Option::is_some));
        let held = door.admit(at("[2001:db8::1]:1")).expect("room");
        held.connection.begin(false);
        assert!(door.admit(at("[2001:db8::ffff]:1")).is_none());
        assert!(door.admit(at("[2001:db8:0:1::1]:1")).is_some());
    }

    #[test]
    fn who_waits_longest_makes_room_and_who_is_served_stays() {
        let door = door(3, None);
        let served = door.admit(at("192.0.2.1:1")).expect("room");
        served.connection.begin(false);
        let slow = door.admit(at("192.0.2.2:1")).expect("room");
        let fresh = door.admit(at("192.0.2.3:1")).expect("room");
        let fourth = door.admit(at("192.0.2.4:1")).expect("the slow one makes room");
        assert_eq!([&served, &slow, &fresh].map(is_out), [false, true, false]);
        fresh.connection.begin(false);
        fourth.connection.begin(false);
        assert!(door.admit(at("192.0.2.5:1")).is_none(), "all are being served");
        // The client does not send its body: it keeps the server waiting, too.
        fresh.connection.step(Step::Working, Step::Reading);
        assert!(door.admit(at("192.0.2.5:1")).is_some());
        assert!(is_out(&fresh));
    }

    #[test]
    fn who_still_takes_the_end_of_an_answer_is_not_idle() {
        let door = door(1, None);
        let place = door.admit(at("192.0.2.1:1")).expect("room");
        let connection = place.connection();
        let by = || connection.deadline().map(|(by, _)| by);
        connection.begin(false);
        connection.end(Step::Working);
        let before = by();
        std::thread::sleep(Duration::from_millis(1));
        connection.took();
        assert!(by() > before);
        // HTTP/2 answers pings, too: they keep no connection.
        connection.begin(true);
        connection.end(Step::Working);
        let before = by();
        std::thread::sleep(Duration::from_millis(1));
        connection.took();
        assert_eq!(by(), before);
    }

    #[test]
    fn what_is_left_of_an_answer_when_its_request_is_over_must_be_taken() {
        let door = door(1, None);
        let place = door.admit(at("192.0.2.1:1")).expect("room");
        let connection = place.connection();
        let waits = || connection.deadline().map(|(_, what)| what);
        connection.begin(false);
        connection.step(Step::Working, Step::Answering);
        connection.stalled();
        connection.end(Step::Answering);
        connection.heard();
        assert_eq!(waits(), Some(Overdue::Answer));
        connection.took();
        assert_eq!(waits(), Some(Overdue::Idle));
    }

    #[test]
    fn every_wait_for_a_client_has_an_end_and_work_has_none() {
        let door = door(1, None);
        let place = door.admit(at("192.0.2.1:1")).expect("room");
        let connection = place.connection();
        let waits = || connection.deadline().map(|(_, what)| what);
        assert_eq!(waits(), Some(Overdue::Head));
        connection.shakes_hands();
        assert_eq!(waits(), Some(Overdue::Handshake));
        connection.shook_hands();
        connection.begin(false);
        assert_eq!(waits(), None, "a long poll");
        connection.step(Step::Working, Step::Answering);
        assert_eq!(waits(), Some(Overdue::Answer));
        connection.end(Step::Answering);
        assert_eq!(waits(), Some(Overdue::Idle));
        connection.heard();
        let (first, what) = connection.deadline().expect("a head has begun");
        connection.heard();
        assert_eq!((connection.deadline(), what), (Some((first, what)), Overdue::Head), "one deadline, whatever comes");
    }
}
