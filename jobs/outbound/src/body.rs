//! The body of an answer: read piece by piece, decoded, and never longer than allowed.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_compression::{
    tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder},
    zstd::DParameter,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{HeaderMap, header::CONTENT_ENCODING};
use http_body_util::BodyDataStream;
use hyper::body::{Body as _, Incoming};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout_at},
};
use tokio_util::io::StreamReader;

use crate::{
    config::Limits,
    error::{Failure, Phase},
    exchange,
};

/// What is asked for in `Accept-Encoding`, and understood.
pub(crate) const ENCODINGS: &str = "gzip, br, zstd, deflate";
/// The longest window of zstd that a decoder on the Web must have (RFC 9659): more would be memory that a stranger chooses.
const ZSTD_WINDOW_LOG: u32 = 23;
const PIECE_BYTES: usize = 16 << 10;

/// A body that is being read. A body that is dropped before its end closes its connection.
pub struct Body {
    reader: Result<Pin<Box<dyn AsyncRead + Send>>, Failure>,
    wire: Arc<AtomicU64>,
    is_encoded: bool,
    read: u64,
    limit: u64,
    deadline: Instant,
    total: Duration,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, headers: &HeaderMap, limits: &Limits, deadline: Instant) -> Self {
        let encoding = if incoming.is_end_stream() { Ok(None) } else { encoding(headers) };
        let wire = Arc::default();
        let is_too_long = incoming.size_hint().lower() > limits.wire_bytes;
        let is_encoded = !matches!(encoding, Ok(None));
        let reader = match encoding {
            _ if is_too_long => Err(Failure::Body { limit: limits.wire_bytes, decoded: false }),
            Ok(encoding) => Ok(decoder(encoding, counted(incoming, Arc::clone(&wire), limits.wire_bytes))),
            Err(failure) => Err(failure),
        };
        Self { reader, wire, is_encoded, read: 0, limit: limits.body_bytes, deadline, total: limits.total }
    }

    /// The next piece, decoded, or `None` at the end.
    ///
    /// # Errors
    /// [`Failure`]: too long, too late, not what its encoding says, or cut off. Every later call says the same.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        let reader = self.reader.as_mut().map_err(|failure| failure.clone())?;
        let mut buffer = BytesMut::with_capacity(PIECE_BYTES);
        let failure = match timeout_at(self.deadline, reader.read_buf(&mut buffer)).await {
            Ok(Ok(0)) => return Ok(None),
            Ok(Ok(length)) => {
                self.read += length as u64;
                if self.read <= self.limit {
                    return Ok(Some(buffer.freeze()));
                }
                Failure::Body { limit: self.limit, decoded: self.is_encoded }
            }
            Ok(Err(err)) => failure(&err),
            Err(_) => Failure::Timeout { phase: Phase::Body, after: self.total },
        };
        // With the reader goes the connection.
        self.reader = Err(failure.clone());
        Err(failure)
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`piece`](Self::piece).
    pub async fn all(&mut self) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Its beginning, and whether there is more. A body that ends within `length` bytes leaves its connection to be used again.
    ///
    /// # Errors
    /// As [`piece`](Self::piece).
    pub async fn head(&mut self, length: usize) -> Result<(Bytes, bool), Failure> {
        let mut head = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            head.extend_from_slice(&piece);
            if head.len() > length {
                head.truncate(length);
                return Ok((head.freeze(), true));
            }
        }
        Ok((head.freeze(), false))
    }

    /// Bytes that came over the wire so far.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        self.wire.load(Ordering::Relaxed)
    }
}

/// The one coding of a body. Several on top of each other are a way to make bombs, and nobody else needs them.
fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Failure> {
    let values = headers.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let said = values.collect::<Vec<_>>().join(",").to_ascii_lowercase();
    let mut codings = said.split(',').map(str::trim).filter(|coding| !["", "identity"].contains(coding));
    let coding = match (codings.next(), codings.next()) {
        (None, _) => return Ok(None),
        (Some("gzip" | "x-gzip"), None) => Encoding::Gzip,
        (Some("br"), None) => Encoding::Brotli,
        (Some("zstd"), None) => Encoding::Zstd,
        (Some("deflate"), None) => Encoding::Zlib,
        _ => return Err(Failure::Encoding(said)),
    };
    Ok(Some(coding))
}

enum Encoding {
    Gzip,
    Brotli,
    Zstd,
    /// What RFC 9110 calls `deflate`.
    Zlib,
}

fn decoder<R: tokio::io::AsyncBufRead + Send + 'static>(
    encoding: Option<Encoding>,
    reader: R,
) -> Pin<Box<dyn AsyncRead + Send>> {
    match encoding {
        None => Box::pin(reader),
        Some(Encoding::Gzip) => {
            let mut decoder = GzipDecoder::new(reader);
            // A file of gzip is a row of members (RFC 1952, section 2.2).
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Some(Encoding::Brotli) => Box::pin(BrotliDecoder::new(reader)),
        Some(Encoding::Zstd) => {
            let mut decoder = ZstdDecoder::with_params(reader, &[DParameter::window_log_max(ZSTD_WINDOW_LOG)]);
            // As are frames of zstd (RFC 8878, section 3).
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Some(Encoding::Zlib) => Box::pin(ZlibDecoder::new(reader)),
    }
}

/// The bytes of the wire, as long as there are not too many.
fn counted(incoming: Incoming, wire: Arc<AtomicU64>, limit: u64) -> impl tokio::io::AsyncBufRead + Send {
    let pieces = BodyDataStream::new(incoming).map(move |piece| {
        let piece = piece.map_err(|err| io::Error::other(exchange::failure(&err)))?;
        let length = piece.len() as u64;
        let so_far = wire.fetch_add(length, Ordering::Relaxed) + length;
        if so_far > limit {
            return Err(io::Error::other(Failure::Body { limit, decoded: false }));
        }
        Ok(piece)
    });
    StreamReader::new(pieces)
}

/// What a reader met: our own word, carried through the decoder, or what the decoder says.
fn failure(err: &io::Error) -> Failure {
    let ours = err.get_ref().and_then(|inner| inner.downcast_ref::<Failure>());
    ours.cloned().unwrap_or(Failure::Corrupt)
}
