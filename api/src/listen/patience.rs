//! How long the head of a request may take once it has begun: a client that sends a letter a second holds a connection no longer than
//! others do. Between requests a connection may be idle for longer; the server of HTTP counts that.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use super::places::Place;

/// What a client is told whose request does not come.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// How every connection of HTTP/2 begins (RFC 9113, 3.4). It has no heads that can be waited for; it is asked whether it is there.
const HTTP2: &[u8] = b"PRI * HTTP/2.0";

/// What a connection is doing, as its reader and those who answer its requests know it.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// So many heads were read to their end.
    heads: AtomicU64,
    /// So many requests are not answered yet.
    busy: AtomicUsize,
    /// There are no heads any more.
    stopped: AtomicBool,
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy(Clock);

impl Clock {
    /// A head is complete, and its request is being answered until what this gives is dropped.
    pub(super) fn begin(&self) -> Busy {
        self.0.heads.fetch_add(1, Relaxed);
        self.0.busy.fetch_add(1, Relaxed);
        Busy(self.clone())
    }

    /// From now on the connection speaks another protocol.
    pub(super) fn stop(&self) {
        self.0.stopped.store(true, Relaxed);
    }

    fn is_awaiting_head(&self) -> bool {
        !self.0.stopped.load(Relaxed) && self.0.busy.load(Relaxed) == 0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.busy.fetch_sub(1, Relaxed);
    }
}

impl Busy {
    /// The body, with the request being answered until it ends.
    pub(super) fn until_end_of(self, body: Body) -> Body {
        Body::new(Streamed { body, _busy: self })
    }
}

/// A body that keeps its connection busy.
struct Streamed {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// A head that has begun.
struct Head {
    since: Instant,
    /// So many were before it.
    before: u64,
    /// Made when the client is waited for: most heads come at once.
    end: Option<Pin<Box<Sleep>>>,
}

/// A connection whose client is waited for only so long.
pub(super) struct Patient {
    stream: TcpStream,
    patience: Duration,
    clock: Clock,
    waiting: Option<Head>,
    has_read: bool,
    _place: Place,
}

impl Patient {
    pub(super) fn new(stream: TcpStream, patience: Duration, clock: Clock, place: Place) -> Self {
        Self { stream, patience, clock, waiting: None, has_read: false, _place: place }
    }

    /// Notes that something of a head has come.
    fn note(&mut self, bytes: &[u8]) {
        if !self.has_read && !bytes.is_empty() {
            self.has_read = true;
            if HTTP2.starts_with(&bytes[..bytes.len().min(HTTP2.len())]) {
                self.clock.stop();
            }
        }
        let heads = self.clock.0.heads.load(Relaxed);
        let is_new = self.waiting.as_ref().is_none_or(|head| head.before != heads);
        if is_new && !bytes.is_empty() && self.clock.is_awaiting_head() {
            self.waiting = Some(Head { since: Instant::now(), before: heads, end: None });
        }
    }

    /// Whether a head has begun too long ago.
    fn is_too_slow(&mut self, cx: &mut Context<'_>) -> bool {
        let heads = self.clock.0.heads.load(Relaxed);
        let Some(head) = self.waiting.as_mut().filter(|head| head.before == heads) else {
            self.waiting = None;
            return false;
        };
        if !self.clock.is_awaiting_head() {
            return false;
        }
        let end = head.since + self.patience;
        head.end.get_or_insert_with(|| Box::pin(sleep_until(end))).as_mut().poll(cx).is_ready()
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_ready() {
            self.note(&buf.filled()[before..]);
            return read;
        }
        if self.is_too_slow(cx) {
            // Nothing else is being written: no answer is under way.
            drop(self.stream.try_write(TOO_SLOW));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
