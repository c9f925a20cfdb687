//! A client's TCP connection while it carries requests. It closes when its client keeps the server waiting too long or
//! must make room. Its last bytes are read first, so that the client receives the last response.
//!
//! It sits below TLS, so that a handshake has a time limit just like a request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::admission::Place;

/// How long a client that was answered early may go on sending (RFC 9112, 9.6): a connection that is closed over unread
/// bytes is reset, and the answer with it.
const FAREWELL: Duration = Duration::from_secs(5);
/// How much.
const FAREWELL_BYTES: usize = 64 << 20;

/// A connection and its place.
pub struct Guarded {
    stream: TcpStream,
    place: Place,
    timer: Pin<Box<Sleep>>,
    /// What may yet come; none: the server has more to say.
    farewell: Option<usize>,
}

impl Guarded {
    /// Holds a connection to time.
    pub fn new(stream: TcpStream, place: Place) -> Self {
        let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { stream, place, timer, farewell: None }
    }

    /// Its place.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The connection, no longer held to time, and its place.
    pub fn into_parts(self) -> (TcpStream, Place) {
        (self.stream, self.place)
    }

    /// Nothing can be done until the client does something: an error when it has not in time.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let connection = self.place.connection();
        if connection.is_kept() {
            return Poll::Pending;
        }
        connection.check(cx)?;
        let Some((deadline, what)) = connection.deadline() else { return Poll::Pending };
        ready!(self.poll_timer(cx, deadline));
        self.place.connection().overdue(what);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let deadline = tokio::time::Instant::from_std(deadline);
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        self.timer.as_mut().poll(cx)
    }

    fn written(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match done {
            Poll::Ready(Ok(_)) if !self.place.connection().is_kept() => self.place.connection().took(),
            Poll::Ready(_) => {}
            Poll::Pending => {
                self.place.connection().stalled();
                return self.wait(cx);
            }
        }
        done
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                if buffer.filled().len() > before && !this.place.connection().is_kept() {
                    this.place.connection().heard();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.wait(cx),
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.stream).poll_write_vectored(cx, bytes);
        this.written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    /// Says that nothing more comes, and reads on until the client has heard it.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.farewell.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if this.place.connection().is_kept() {
                return Poll::Ready(Ok(()));
            }
            this.farewell = Some(FAREWELL_BYTES);
            this.timer.as_mut().reset((Instant::now() + FAREWELL).into());
        }
        let mut space = [0; 8_192];
        while let Some(left) = this.farewell.filter(|left| *left > 0) {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    this.farewell = Some(left.saturating_sub(buffer.filled().len()));
                }
                // It has heard.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    if this.place.connection().check(cx).is_err() {
                        return Poll::Ready(Ok(()));
                    }
                    ready!(this.timer.as_mut().poll(cx));
                    return Poll::Ready(Ok(()));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
