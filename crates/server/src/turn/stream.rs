//! A client's stream, plain or over TLS: split into frames on the way in, written in batches on the way out.
//!
//! Each stream has a task, which hands whole frames to the worker. A stalled stream loses only its own data: the worker
//! never waits for it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use turn::FiveTuple;
use turn::framing::StreamReader;

use super::shard::{Command, ShardHandle};

/// What may wait for a slow reader: more would only be late.
const WAITING: usize = 512 << 10;
/// Batches that may wait.
const BATCHES: usize = 256;
/// How long a frame may take to become whole, and a stream may last without an allocation or a request.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 30 });
/// How long a stream with an allocation may say nothing: permissions are renewed every five minutes.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// How long the last words of a closing stream may take.
const FAREWELL: Duration = Duration::from_secs(2);
const READ: usize = 32 << 10;

/// What a stream's task and its worker share.
#[derive(Debug, Default)]
pub struct StreamState {
    waiting: AtomicUsize,
    allocated: AtomicBool,
}

/// The worker's end of a stream.
#[derive(Debug)]
pub struct ClientStream {
    tuple: FiveTuple,
    batch: Vec<u8>,
    out: mpsc::Sender<Vec<u8>>,
    state: Arc<StreamState>,
}

impl ClientStream {
    /// The client and the server's address that the stream connects.
    pub fn tuple(&self) -> FiveTuple {
        self.tuple
    }

    /// Whether the stream has this state.
    pub fn is_of(&self, state: &Arc<StreamState>) -> bool {
        Arc::ptr_eq(&self.state, state)
    }

    /// Says whether the stream has an allocation.
    pub fn set_allocated(&self, is: bool) {
        self.state.allocated.store(is, Relaxed);
    }

    /// Whether nothing was pushed since the last flush.
    pub fn is_idle(&self) -> bool {
        self.batch.is_empty()
    }

    /// Adds a frame; `false`: the reader is too slow, and the frame is dropped.
    pub fn push(&mut self, parts: [&[u8]; 3]) -> bool {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.state.waiting.load(Relaxed) + self.batch.len() + length > WAITING {
            return false;
        }
        for part in parts {
            self.batch.extend_from_slice(part);
        }
        true
    }

    /// Hands over what was pushed; `false`: it was dropped.
    pub fn flush(&mut self) -> bool {
        let batch = std::mem::take(&mut self.batch);
        let length = batch.len();
        if length == 0 {
            return true;
        }
        self.state.waiting.fetch_add(length, Relaxed);
        let sent = self.out.try_send(batch).is_ok();
        if !sent {
            self.state.waiting.fetch_sub(length, Relaxed);
        }
        sent
    }
}

/// Carries a stream until either side ends it. `begun` was read from it already.
pub async fn run<S: AsyncRead + AsyncWrite>(stream: S, tuple: FiveTuple, begun: Vec<u8>, shard: ShardHandle) {
    let (out, batches) = mpsc::channel(BATCHES);
    let state = Arc::new(StreamState::default());
    let handle = ClientStream { tuple, batch: Vec::new(), out, state: Arc::clone(&state) };
    if !shard.send(Command::Opened(handle)).await {
        return;
    }
    let (read, write) = tokio::io::split(stream);
    tokio::select! {
        () = read_frames(read, tuple, begun, &shard, &state) => {}
        () = write_batches(write, batches, &state) => {}
    }
    shard.send(Command::Closed(tuple, state)).await;
}

async fn read_frames<S: AsyncRead + AsyncWrite>(
    mut read: ReadHalf<S>,
    tuple: FiveTuple,
    begun: Vec<u8>,
    shard: &ShardHandle,
    state: &StreamState,
) {
    let mut frames = StreamReader::new();
    let mut buffer = vec![0; READ];
    frames.push(&begun);
    let mut begun_at = None;
    loop {
        let mut whole = Vec::new();
        loop {
            match frames.next_frame() {
                Ok(Some(frame)) => whole.extend_from_slice(frame),
                Ok(None) => break,
                Err(_) => return,
            }
        }
        if !whole.is_empty() {
            begun_at = None;
            if !shard.send(Command::Frames(tuple, whole)).await {
                return;
            }
        }
        let heard = Instant::now();
        loop {
            // A frame that comes byte by byte has one deadline, however often a byte comes.
            let deadline = if frames.pending() > 0 {
                *begun_at.get_or_insert(heard + PATIENCE)
            } else if state.allocated.load(Relaxed) {
                heard + IDLE
            } else {
                heard + PATIENCE
            };
            match timeout_at(deadline, read.read(&mut buffer)).await {
                Ok(Ok(length)) if length > 0 => break frames.push(&buffer[..length]),
                // The allocation that was asked for last has come to be meanwhile.
                Err(_) if frames.pending() == 0 && deadline < heard + IDLE && state.allocated.load(Relaxed) => {}
                _ => return,
            }
        }
    }
}

async fn write_batches<S: AsyncRead + AsyncWrite>(
    mut write: WriteHalf<S>,
    mut batches: mpsc::Receiver<Vec<u8>>,
    state: &StreamState,
) {
    while let Some(batch) = batches.recv().await {
        let written = timeout(IDLE, async {
            write.write_all(&batch).await?;
            write.flush().await
        });
        let done = written.await;
        state.waiting.fetch_sub(batch.len(), Relaxed);
        if !matches!(done, Ok(Ok(()))) {
            return;
        }
    }
    let _ = timeout(FAREWELL, write.shutdown()).await;
}
