//! The body of a request: read whole before anything else looks at it, and read as JSON.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::BytesMut;
use futures::StreamExt;
use jobs_core::{
    Fault,
    schema::{Schema, plain_numbers},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::problem::{Code, Problem};

/// So much of a body that is too large is read and thrown away, so that the client gets to read the answer: a server
/// that closes the connection under a client that still sends resets it.
const DRAIN_BYTES: usize = 64 * 1024 * 1024;

/// So much is read of the body of a request that is refused unread.
const UNWANTED_BYTES: usize = 1024 * 1024;
/// And for so long.
const UNWANTED_TIME: Duration = Duration::from_secs(2);

/// The request with its body in memory: at most `limit` bytes that arrive within `patience`.
pub(crate) async fn read_whole(request: Request, limit: usize, patience: Duration) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = collect(&parts, body, limit, Instant::now() + patience).await?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// Reads a body that nobody wants, so that its client gets to read the answer; not much of it, and not for long.
pub(crate) async fn throw_away(request: Request, patience: Duration) {
    let deadline = Instant::now() + patience.min(UNWANTED_TIME);
    let mut chunks = request.into_body().into_data_stream();
    let mut seen = 0;
    while seen < UNWANTED_BYTES
        && let Ok(Some(Ok(chunk))) = timeout_at(deadline, chunks.next()).await
    {
        seen += chunk.len();
    }
}

async fn collect(parts: &Parts, body: Body, limit: usize, deadline: Instant) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Code::TooLarge, format!("the body is larger than {limit} bytes"));
    let declared = declared_length(&parts.headers);
    // Such a client waits for a word before it sends the body, and does not send it now.
    if declared.is_some_and(|length| length > limit as u64) && parts.headers.contains_key(header::EXPECT) {
        return Err(too_large());
    }
    let close = |problem: Problem| problem.with(header::CONNECTION, "close");
    let mut chunks = body.into_data_stream();
    let mut kept = BytesMut::new();
    let mut seen = 0;
    loop {
        let chunk = match timeout_at(deadline, chunks.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => {
                return Err(close(Problem::new(Code::Malformed, format!("the body breaks off: {error}"))));
            }
            Ok(None) => break,
            Err(_) if seen > limit => return Err(close(too_large())),
            Err(_) => return Err(close(Problem::new(Code::RequestTimeout, "the body did not arrive in time"))),
        };
        seen += chunk.len();
        if seen > DRAIN_BYTES {
            return Err(close(too_large()));
        }
        if seen <= limit {
            kept.extend_from_slice(&chunk);
        } else {
            kept = BytesMut::new();
        }
    }
    if seen > limit { Err(too_large()) } else { Ok(kept.freeze()) }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body of JSON, whatever it says.
pub(crate) struct JsonBody(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Problem::new(Code::Malformed, rejection.body_text()))?;
        if bytes.is_empty() {
            return Err(Problem::new(Code::Malformed, "the body is empty"));
        }
        check_type(&headers)?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|error| Problem::new(Code::Malformed, format!("the body is not JSON: {error}")))?;
        Ok(Self(value))
    }
}

/// What a body says, if it passes its schema; or everything that is wrong with it.
pub(crate) fn checked<T: DeserializeOwned + JsonSchema>(mut body: Value) -> Result<T, Problem> {
    plain_numbers(&mut body);
    let faults = Schema::of::<T>().check(&body);
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    serde_json::from_value(body).map_err(|error| Problem::invalid(vec![Fault::new("", error.to_string())]))
}

/// A body of JSON, or none.
pub(crate) struct OptionalJson(pub(crate) Option<Value>);

impl<S: Send + Sync> FromRequest<S> for OptionalJson {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // It was read whole, so its length is known.
        if axum::body::HttpBody::size_hint(request.body()).exact() == Some(0) {
            return Ok(Self(None));
        }
        JsonBody::from_request(request, state).await.map(|JsonBody(value)| Self(Some(value)))
    }
}

/// A body of JSON, or of one JSON value a line (`application/x-ndjson`), which is read as an array.
pub(crate) struct JsonLines(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for JsonLines {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let sent =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_lines = ["application/x-ndjson", "application/jsonl"].contains(&essence(sent).as_str());
        if !is_lines {
            return JsonBody::from_request(request, state).await.map(|JsonBody(value)| Self(value));
        }
        check_encoding(request.headers())?;
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| Problem::new(Code::Malformed, rejection.body_text()))?;
        let lines = bytes.split(|byte| *byte == b'\n').enumerate();
        let values = lines.filter(|(_, line)| !line.trim_ascii().is_empty()).map(|(n, line)| {
            let wrong = |error| Problem::new(Code::Malformed, format!("line {} is not JSON: {error}", n + 1));
            serde_json::from_slice(line).map_err(wrong)
        });
        values.collect::<Result<_, _>>().map(|values| Self(Value::Array(values)))
    }
}

fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let sent =
        headers.get(header::CONTENT_ENCODING).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let Some(encoding) = sent.filter(|encoding| !encoding.trim().eq_ignore_ascii_case("identity")) else {
        return Ok(());
    };
    let detail = format!("the body is encoded with `{}`; send it as it is", encoding.escape_debug());
    Err(Problem::new(Code::UnsupportedMediaType, detail).with(header::ACCEPT_ENCODING, "identity"))
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    check_encoding(headers)?;
    let unsupported = |detail: String| Problem::new(Code::UnsupportedMediaType, detail);
    let sent = headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let Some(sent) = sent else { return Err(unsupported("Content-Type is missing; send application/json".to_owned())) };
    let essence = essence(&sent);
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !is_json {
        return Err(unsupported(format!("Content-Type is `{}`; send application/json", sent.escape_debug())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn type_of(content_type: &'static str) -> Result<(), Problem> {
        check_type(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]))
    }

    #[test]
    fn json_is_json_by_any_of_its_names() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(type_of(good).is_ok(), "{good}");
        }
        for bad in ["text/plain", "application/x-www-form-urlencoded", "json", "", "text/json+json"] {
            assert!(type_of(bad).is_err(), "{bad}");
        }
        assert!(check_type(&HeaderMap::new()).is_err());
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read_and_a_larger_one_is_not() {
        for (size, fits) in [(0, true), (10, true), (11, false), (100_000, false)] {
            let request = Request::new(Body::from(vec![b'x'; size]));
            let read = read_whole(request, 10, Duration::from_secs(1)).await;
            assert_eq!(read.is_ok(), fits, "{size}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let request = Request::new(Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>()));
        let problem = read_whole(request, 10, Duration::from_secs(10)).await.unwrap_err();
        assert_eq!(problem.code, Code::RequestTimeout);
    }
}
