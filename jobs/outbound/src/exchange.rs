//! One request, one answer, over a pooled or a new connection.

use std::error::Error as StdError;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, body::Incoming};
use hyper_util::client::legacy::{
    Client,
    connect::{CaptureConnection, capture_connection},
};
use tokio::time::{Instant, timeout_at};

use crate::{
    config::Limits,
    connection::Made,
    connector::{Connector, NotConnected},
    error::{Cause, Failure, Phase},
    request::Request,
    target::Target,
    timing::Timings,
};

/// Status line and headers of an answer, in bytes. Browsers stop at 256 KiB, servers send a few.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

pub(crate) type Pool = Client<Connector, Full<Bytes>>;

/// Sends `request` to `target` and waits for the head of the answer. The timings lack `total`, which only the caller knows.
pub(crate) async fn exchange(
    pool: &Pool,
    request: &Request,
    target: &Target,
    limits: &Limits,
    deadline: Instant,
) -> Result<(Response<Incoming>, Timings), (Cause, Timings)> {
    let mut sent = http::Request::new(Full::new(request.body.clone()));
    *sent.method_mut() = request.method.clone();
    *sent.uri_mut() = target.uri().clone();
    *sent.headers_mut() = request.headers.clone();
    let connection = capture_connection(&mut sent);

    let start = Instant::now();
    let (until, after) = match start + limits.first_byte {
        first_byte if first_byte < deadline => (first_byte, limits.first_byte),
        _ => (deadline, limits.total),
    };
    let answered = timeout_at(until, pool.request(sent)).await;
    let mut timings = made(&connection).map(|made| made.timings()).unwrap_or_default();
    match answered {
        Ok(Ok(response)) => {
            timings.first_byte = Some(start.elapsed());
            Ok((response, timings))
        }
        Ok(Err(err)) => match source::<NotConnected>(&err) {
            Some(not) => Err((not.cause.clone(), not.timings)),
            None => Err((failure(&err).into(), timings)),
        },
        Err(_) => {
            let phase = if connection.connection_metadata().is_some() { Phase::Head } else { Phase::Connect };
            Err((Failure::Timeout { phase, after }.into(), timings))
        }
    }
}

/// What an error of the HTTP layer means.
pub(crate) fn failure(err: &(dyn StdError + 'static)) -> Failure {
    // The layers below are tried first: "connection error" says less than what TLS or the socket said.
    if let Some(err) = source::<rustls::Error>(err) {
        return Failure::Tls(err.to_string());
    }
    match source::<hyper::Error>(err) {
        Some(err) if err.is_parse_too_large() => Failure::Head { limit: HEAD_BYTES },
        Some(err) if err.is_parse() => Failure::Protocol(err.to_string()),
        _ => Failure::Closed,
    }
}

fn made(connection: &CaptureConnection) -> Option<Made> {
    let mut extensions = http::Extensions::new();
    connection.connection_metadata().as_ref()?.get_extras(&mut extensions);
    extensions.remove()
}

/// The first error of type `E` among `err` and its causes.
fn source<'a, E: StdError + 'static>(err: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(err);
    while let Some(err) = next {
        if let Some(found) = err.downcast_ref::<E>() {
            return Some(found);
        }
        // An error of I/O hides what it carries from `source`.
        let carried = err.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = carried.and_then(|carried| carried.downcast_ref::<E>()) {
            return Some(found);
        }
        next = err.source();
    }
    None
}
