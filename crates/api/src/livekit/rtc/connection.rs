//! One LiveKit signalling connection: a WebSocket on one side, the room's queues on the other, both bounded.

use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use control::{SignalFrame, SignalLink, SignalRequestFrame};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use livekit::{SignalRequest, SignalResponse};
use tokio::time::{MissedTickBehavior, interval, sleep, sleep_until, timeout};

use crate::config::Limits;
use crate::signalling::pace::{Pace, Verdict};

/// A room that has not answered a join by then will not; clients wait no longer either.
const FIRST_ANSWER: Duration = Duration::from_secs(5);
/// A client that does not take a frame for so long is gone.
const WRITE: Duration = Duration::from_secs(10);
/// How long a closing handshake may take.
const GOODBYE: Duration = Duration::from_secs(2);
const OVERTAKING: Duration = Duration::from_secs(1);
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// A client of which nothing was heard for so long is gone.
const SILENCE: Duration = Duration::from_secs(35);

/// Why a connection ends: the close frame's code and text.
struct End(u16, &'static str);

pub(super) struct SignalConnection {
    from_client: SplitStream<WebSocket>,
    to_client: SplitSink<WebSocket, Message>,
    room: SignalLink,
    pace: Pace,
    /// Read from the client, not yet taken by the room; nothing more is read before it is.
    pending: Option<Box<SignalRequest>>,
    read_after: Option<Instant>,
    heard: Instant,
    answered: bool,
    /// The client sends text frames and gets text frames.
    is_json: bool,
}

impl SignalConnection {
    pub fn new(socket: WebSocket, room: SignalLink, limits: &Limits) -> Self {
        let (to_client, from_client) = socket.split();
        let now = Instant::now();
        Self {
            from_client,
            to_client,
            room,
            pace: Pace::new(now, limits),
            pending: None,
            read_after: None,
            heard: now,
            answered: false,
            is_json: false,
        }
    }

    /// Carries frames both ways until either side ends it.
    pub async fn run(mut self) {
        let end = self.carry().await;
        let Self { mut from_client, mut to_client, room, .. } = self;
        // The room learns of the end by its queues, before the goodbyes.
        drop(room);
        let closing = async {
            match end {
                // The client has closed, or is gone.
                None => _ = to_client.close().await,
                Some(End(code, reason)) => {
                    tracing::debug!(code, reason, "closing a LiveKit connection");
                    let frame = CloseFrame { code, reason: reason.into() };
                    if to_client.send(Message::Close(Some(frame))).await.is_err() {
                        return;
                    }
                    // A socket that is dropped with unread bytes resets, and the reason may be lost: what still comes is
                    // read, or, past a frame that was too long, given time to be overtaken by the reason.
                    while let Some(Ok(_)) = from_client.next().await {}
                    if code == close_code::SIZE {
                        sleep(OVERTAKING).await;
                    }
                }
            }
        };
        _ = timeout(GOODBYE, closing).await;
    }

    /// `None`: the client is gone.
    async fn carry(&mut self) -> Option<End> {
        let started = Instant::now();
        let requests = self.room.requests.clone();
        let mut pings = interval(PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reads = self.pending.is_none() && self.read_after.is_none();
            tokio::select! {
                frame = self.room.responses.recv() => {
                    self.answered = true;
                    match frame {
                        Some(SignalFrame::Message(message)) => self.send(&message).await?,
                        Some(SignalFrame::Close(reason)) => return Some(End(close_code::NORMAL, reason)),
                        None => return Some(End(close_code::AWAY, "the room is gone")),
                    }
                }
                permit = requests.reserve(), if self.pending.is_some() => match (permit, self.pending.take()) {
                    (Ok(permit), Some(message)) => permit.send(SignalRequestFrame::Message(message)),
                    _ => return Some(End(close_code::AWAY, "the room is gone")),
                },
                frame = self.from_client.next(), if reads => {
                    if let Err(end) = self.handle_frame(frame) {
                        return end;
                    }
                }
                () = until(self.read_after), if self.read_after.is_some() => self.read_after = None,
                _ = pings.tick() => {
                    if self.heard.elapsed() > SILENCE && reads {
                        return Some(End(close_code::POLICY, "no signal or pong from the client"));
                    }
                    self.write(Message::Ping(Default::default())).await?;
                }
                () = until(Some(started + FIRST_ANSWER)), if !self.answered => {
                    return Some(End(close_code::AGAIN, "the room did not answer"));
                }
            }
        }
    }

    /// Takes a frame of the client. `Err(None)`: it is gone.
    fn handle_frame(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), Option<End>> {
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Err(unreadable(&error)),
            None => return Err(None),
        };
        self.heard = Instant::now();
        match self.pace.handle_frame(self.heard) {
            Verdict::Take => {}
            Verdict::Slow(until) => self.read_after = Some(until),
            Verdict::Close => return Err(Some(End(close_code::POLICY, "too many signal messages"))),
        }
        let decoded = match &frame {
            Message::Binary(bytes) => livekit::decode_signal(bytes),
            Message::Text(text) => {
                self.is_json = true;
                livekit::decode_signal_json(text)
            }
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(None),
        };
        let message = decoded.map_err(|_| Some(End(close_code::INVALID, "not a signal message")))?;
        self.pending = Some(Box::new(message));
        Ok(())
    }

    async fn send(&mut self, message: &SignalResponse) -> Option<()> {
        let frame = if self.is_json {
            Message::Text(livekit::encode_signal_json(message).into())
        } else {
            Message::Binary(livekit::encode_signal(message).into())
        };
        self.write(frame).await
    }

    /// `None`: the client is gone.
    async fn write(&mut self, frame: Message) -> Option<()> {
        timeout(WRITE, self.to_client.send(frame)).await.ok()?.ok()
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// What a broken read means: too long, or gone. The error's type is that of a crate behind axum; its text is tested.
fn unreadable(error: &axum::Error) -> Option<End> {
    error.to_string().contains("too long").then_some(End(close_code::SIZE, "a frame must not exceed 1 MiB"))
}
