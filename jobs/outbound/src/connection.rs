//! A connection to a checked address, plain or under TLS, and what is remembered of how it was made.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection as Described},
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::timing::Timings;

/// What carries requests.
pub(crate) struct Connection {
    stream: Stream,
    made: Made,
}

enum Stream {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

/// How a connection was made. Each request that it carries finds this in its extensions.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    timings: Timings,
    used: Arc<AtomicBool>,
}

impl Made {
    pub(crate) fn new(timings: Timings) -> Self {
        Self { timings, used: Arc::default() }
    }

    /// What a request says of its connection. The first one that asks has waited for it to be made.
    pub(crate) fn timings(&self) -> Timings {
        if self.used.swap(true, Ordering::Relaxed) {
            return Timings { reused: true, ..Timings::default() };
        }
        self.timings
    }
}

impl Connection {
    pub(crate) fn plain(stream: TcpStream, made: Made) -> Self {
        Self { stream: Stream::Plain(TokioIo::new(stream)), made }
    }

    pub(crate) fn tls(stream: TlsStream<TcpStream>, made: Made) -> Self {
        Self { stream: Stream::Tls(Box::new(TokioIo::new(stream))), made }
    }
}

impl Described for Connection {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.made.clone())
    }
}

impl Read for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl Write for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }
}
