//! Keeps one socket's signalling in order. Event handlers run concurrently, and an ICE candidate that overtook its
//! offer would be lost on the other side. So events that must keep their order go through a lane, one after another.

use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, SocketRef, TryData};
use tokio::sync::mpsc;

use super::connection::answer;
use crate::http::error::{ApiError, ApiResult};

/// Events of one socket that may wait.
const WAITING_EVENTS: usize = 256;

/// One event on its way.
pub(crate) struct Letter {
    pub socket: SocketRef,
    pub event: &'static str,
    data: Option<Value>,
    ack: AckSender,
}

impl Letter {
    /// What the event brought.
    pub fn read<T: DeserializeOwned>(&mut self) -> ApiResult<T> {
        let data = self.data.take().ok_or_else(unreadable)?;
        serde_json::from_value(data).map_err(|_| unreadable())
    }

    /// Answers the event.
    pub fn answer(self, result: ApiResult<()>) {
        answer(self.ack, result.map(|()| json!({})));
    }
}

fn unreadable() -> ApiError {
    ApiError::invalid("payload", "does not match what this event expects")
}

/// Where handlers put their events. What reads them begins with the first event, since most sockets only listen, and ends when the
/// socket, which holds the handlers, is gone.
#[derive(Clone)]
pub(crate) struct Lane(Arc<Carrier>);

struct Carrier {
    letters: OnceLock<mpsc::Sender<Letter>>,
    begin: Box<dyn Fn(mpsc::Receiver<Letter>) + Send + Sync>,
}

impl Lane {
    /// `begin` starts what reads the events.
    pub fn new(begin: impl Fn(mpsc::Receiver<Letter>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Carrier { letters: OnceLock::new(), begin: Box::new(begin) }))
    }

    /// Takes events of this name from the socket.
    pub fn take(&self, socket: &SocketRef, event: &'static str) {
        let lane = self.clone();
        socket.on(event, move |socket: SocketRef, TryData(data): TryData<Value>, ack: AckSender| {
            lane.put(Letter { socket, event, data: data.ok(), ack });
            std::future::ready(())
        });
    }

    fn put(&self, letter: Letter) {
        let letters = self.0.letters.get_or_init(|| {
            let (letters, queue) = mpsc::channel(WAITING_EVENTS);
            (self.0.begin)(queue);
            letters
        });
        if let Err(refused) = letters.try_send(letter) {
            let letter = match refused {
                mpsc::error::TrySendError::Full(letter) | mpsc::error::TrySendError::Closed(letter) => letter,
            };
            letter.answer(Err(ApiError::rate_limited(1)));
        }
    }
}
