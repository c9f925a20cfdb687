//! A request and its response as the connection sees them: the body must arrive in time, and a response that leaves it
//! unread says that the connection closes (RFC 9112, 9.6).

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Request, StatusCode, Version, header};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, timeout};
use tower::{Service, ServiceExt};

use crate::admission::{Connection, Overdue, Step};

/// What of a body nobody wanted is read before the answer, so that the connection can go on.
const DRAINED: usize = 64 << 10;
/// How long the answer waits for that.
const DRAIN: Duration = Duration::from_millis(250);
/// Every so many bytes that come in give the rest a second more: long bodies may take longer, but none may come more slowly than this.
const A_SECOND: usize = 64 << 10;
/// What of an answer is given to be sent at once.
const PIECE: usize = 64 << 10;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// A service that tells its connection what the requests do.
#[derive(Debug, Clone)]
pub struct Served<S> {
    service: S,
    connection: Arc<Connection>,
}

impl<S> Served<S> {
    /// Serves the requests of one connection.
    pub fn new(service: S, connection: &Arc<Connection>) -> Self {
        Self { service, connection: Arc::clone(connection) }
    }
}

impl<S, B> Service<Request<B>> for Served<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Failed>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Each request has a copy of the service, and waits for that.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let exchange = Arc::new(Exchange::begin(&self.connection, request.version()));
        Box::pin(answer(self.service.clone(), request, exchange))
    }
}

async fn answer<S, B>(service: S, request: Request<B>, exchange: Arc<Exchange>) -> Result<Response, Infallible>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Failed>,
{
    let (parts, body) = request.into_parts();
    let (version, expects) = (parts.version, parts.headers.contains_key(header::EXPECT));
    let upload = (!body.is_end_stream()).then(|| Upload::new(body, &exchange));
    let body = upload.clone().map_or_else(Body::empty, Body::new);
    let mut response = service.oneshot(Request::from_parts(parts, body)).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        exchange.connection.keep();
        return Ok(response);
    }
    if let Some(upload) = upload
        && version < Version::HTTP_2
        && !upload.is_read_to_its_end(expects).await
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    exchange.go(Step::Answering);
    Ok(response.map(|body| Body::new(Answer { body, rest: Bytes::new(), _exchange: exchange })))
}

/// One request under way; over when it is dropped.
#[derive(Debug)]
struct Exchange {
    connection: Arc<Connection>,
    step: Mutex<Step>,
}

impl Exchange {
    fn begin(connection: &Arc<Connection>, version: Version) -> Self {
        connection.begin(version == Version::HTTP_2);
        Self { connection: Arc::clone(connection), step: Mutex::new(Step::Working) }
    }

    fn go(&self, to: Step) {
        let mut step = self.step();
        // The server is done with it: nothing that comes after changes that.
        if *step != to && *step != Step::Answering {
            self.connection.step(*step, to);
            *step = to;
        }
    }

    fn step(&self) -> MutexGuard<'_, Step> {
        self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.connection.end(*self.step());
    }
}

/// A request's body: whoever answers reads it, and what they leave is looked after.
struct Upload<B>(Arc<Mutex<Incoming<B>>>);

struct Incoming<B> {
    body: B,
    exchange: Arc<Exchange>,
    /// When it must have come whole.
    deadline: Pin<Box<Sleep>>,
    /// What has come in that has not moved the deadline yet.
    counted: usize,
    /// Someone wanted it, and so a client that asked was told to go on.
    wanted: bool,
    ended: bool,
    /// It was said that it did not come in time.
    late: bool,
}

impl<B> Clone for Upload<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> Upload<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Failed>,
{
    fn new(body: B, exchange: &Arc<Exchange>) -> Self {
        let by = Instant::now() + exchange.connection.patience().body;
        let deadline = Box::pin(tokio::time::sleep_until(by.into()));
        let exchange = Arc::clone(exchange);
        let incoming = Incoming { body, exchange, deadline, counted: 0, wanted: false, ended: false, late: false };
        Self(Arc::new(Mutex::new(incoming)))
    }

    fn incoming(&self) -> MutexGuard<'_, Incoming<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing of it is left; a little is read to make it so.
    async fn is_read_to_its_end(&self, expects: bool) -> bool {
        let (ended, wanted) = {
            let incoming = self.incoming();
            (incoming.ended || incoming.body.is_end_stream(), incoming.wanted)
        };
        // One who waits to be told to go on sends nothing; to read would be to tell.
        if ended || (expects && !wanted) {
            return ended;
        }
        let mut left = DRAINED;
        let rest = std::future::poll_fn(|cx| {
            loop {
                match ready!(self.incoming().poll(cx)) {
                    None => return Poll::Ready(true),
                    Some(Err(_)) => return Poll::Ready(false),
                    Some(Ok(frame)) => match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                        Some(rest) => left = rest,
                        None => return Poll::Ready(false),
                    },
                }
            }
        });
        timeout(DRAIN, rest).await.unwrap_or(false)
    }
}

impl<B> Incoming<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Failed>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.wanted = true;
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            if self.deadline.as_mut().poll(cx).is_pending() {
                self.exchange.go(Step::Reading);
                return Poll::Pending;
            }
            self.exchange.go(Step::Working);
            if !std::mem::replace(&mut self.late, true) {
                self.exchange.connection.overdue(Overdue::Body);
            }
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())));
        };
        self.exchange.go(Step::Working);
        self.ended = frame.is_none();
        if let Some(Ok(frame)) = &frame {
            self.counted += frame.data_ref().map_or(0, Bytes::len);
            let seconds = self.counted / A_SECOND;
            if seconds > 0 {
                self.counted %= A_SECOND;
                let later = self.deadline.deadline() + Duration::from_secs(seconds as u64);
                self.deadline.as_mut().reset(later);
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }
}

impl<B> HttpBody for Upload<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Failed>,
{
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        self.incoming().poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        let incoming = self.incoming();
        incoming.ended || incoming.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming().body.size_hint()
    }
}

/// An answer: its request is under way until it was taken. It is given in pieces, since HTTP/2 is done with a frame of any
/// length long before the client has it.
struct Answer {
    body: Body,
    /// What of a frame is yet to be given.
    rest: Bytes,
    _exchange: Arc<Exchange>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                none => return Poll::Ready(none),
            }
        }
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(most) = body.upper() {
            hint.set_upper(most + rest);
        }
        hint
    }
}
