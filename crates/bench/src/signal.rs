//! The signalling side of a participant: a WebSocket that carries whole messages between the server and its load thread.

use std::sync::Arc;

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// What a WebSocket tells its load thread.
#[derive(Debug)]
pub(crate) enum FromServer {
    /// A message for a participant.
    Signal(usize, Vec<u8>),
    /// A participant's WebSocket is gone.
    Gone(usize),
}

/// Where a WebSocket tells it.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    pub(crate) sender: crossbeam_channel::Sender<FromServer>,
    pub(crate) waker: Arc<mio::Waker>,
}

impl Inbox {
    fn tell(&self, what: FromServer) {
        if self.sender.send(what).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

/// Carries messages until one side is gone.
pub(crate) async fn carry(
    participant: usize,
    url: String,
    mut outgoing: mpsc::UnboundedReceiver<Vec<u8>>,
    inbox: Inbox,
) {
    if let Err(error) = connected(participant, &url, &mut outgoing, &inbox).await {
        tracing::debug!(participant, %error, "signalling ended");
    }
    inbox.tell(FromServer::Gone(participant));
}

async fn connected(
    participant: usize,
    url: &str,
    outgoing: &mut mpsc::UnboundedReceiver<Vec<u8>>,
    inbox: &Inbox,
) -> anyhow::Result<()> {
    let (socket, _) = tokio_tungstenite::connect_async(url).await.context("the server did not admit a participant")?;
    let (mut to_server, mut from_server) = socket.split();
    loop {
        tokio::select! {
            message = from_server.next() => match message.context("closed")?? {
                Message::Binary(bytes) => inbox.tell(FromServer::Signal(participant, bytes.into())),
                Message::Close(_) => return Ok(()),
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            },
            message = outgoing.recv() => match message {
                Some(bytes) => to_server.send(Message::Binary(bytes.into())).await?,
                None => return Ok(to_server.close().await?),
            },
        }
    }
}
