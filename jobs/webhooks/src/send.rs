//! One attempt: the request, and what came back.

use std::time::Duration;

use jobs_outbound::{
    Answer, Cause, HeaderMap, HeaderName, HeaderValue, Limits, Method, Outbound, Request, Timings, header,
};
use jobs_runtime::secret::DerivedSecret;
use jobs_store::webhook::{Claimed, Receiver, Report};
use jobs_view::clock::{http_date, now};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout};

use crate::{
    Secret,
    law::{Seen, Verdict},
    sign::{self, ID, SIGNATURE, TIMESTAMP},
};

/// So much is kept of the body of an answer.
const BODY_HEAD: usize = 1_024;
/// So many of its headers, and so much of each.
const HEADERS: usize = 32;
const HEADER: usize = 256;
/// A receiver that has said its status has said what matters: its body is not waited for any longer.
const BODY_WAIT: Duration = Duration::from_secs(2);

/// How an attempt went.
pub(crate) struct Sent {
    pub(crate) verdict: Verdict,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) report: Report,
}

/// Sends a delivery to its receiver, once.
pub(crate) async fn send(
    outbound: &Outbound,
    under: &DerivedSecret,
    limit: Duration,
    claimed: &Claimed,
    receiver: &Receiver,
) -> Sent {
    let began = Instant::now();
    let timestamp = now().unix_timestamp();
    let id = claimed.message.to_string();
    let Some(secrets) = secrets(receiver, under) else { return unreadable(claimed, receiver) };
    let mut sent = Map::from_iter([
        (ID.to_owned(), json!(id)),
        (TIMESTAMP.to_owned(), json!(timestamp.to_string())),
        ("content-type".to_owned(), json!("application/json")),
    ]);
    if !secrets.is_empty() {
        let signature = sign::sign(&secrets, receiver.ed25519, &id, timestamp, &claimed.body);
        sent.insert(SIGNATURE.to_owned(), signature.into());
    }
    let mut request = Request::new(Method::POST, receiver.url.clone())
        .body(claimed.body.clone())
        .limits(Limits { first_byte: limit, total: limit, ..Limits::default() })
        // The id says that it is the same.
        .repeatable(true);
    for (name, value) in &sent {
        let pair = HeaderName::try_from(name.as_str()).ok().zip(value.as_str().and_then(|value| value.parse().ok()));
        if let Some((name, value)) = pair {
            request = request.header(name, value);
        }
    }
    let sent = json!({ "method": "POST", "headers": sent });
    let report = |status: Option<u16>, error: Option<String>, response: Value, timings: Timings| {
        let details = json!({ "request": sent, "response": response, "timings": parts(timings) });
        let details = serde_json::value::to_raw_value(&details).unwrap_or_default();
        Report { url: receiver.url.clone(), status, error, details, took: began.elapsed() }
    };
    match outbound.send(request).await {
        Ok(mut answer) => {
            let status = answer.status.as_u16();
            let verdict = Verdict::of(Seen::Answered(status));
            let retry_after = retry_after(&answer.headers);
            let response = response(&mut answer).await;
            let error = (verdict != Verdict::Received).then(|| error_of(status).to_owned());
            let report = report(Some(status), error, response, answer.timings);
            Sent { verdict, retry_after, report }
        }
        Err(error) => {
            let response = json!({ "message": error.cause.to_string() });
            // What we would not do is no fault of the receiver's load.
            let verdict = match &error.cause {
                Cause::Refused(_) => Verdict::NotReceived { is_overloaded: false },
                Cause::Failed(_) => Verdict::of(Seen::Nothing),
            };
            let report = report(None, Some(error.cause.code().to_owned()), response, error.timings);
            Sent { verdict, retry_after: None, report }
        }
    }
}

/// The secrets that sign, the newest first; none at all when one cannot be read.
fn secrets(receiver: &Receiver, under: &DerivedSecret) -> Option<Vec<Secret>> {
    let sealed = [&receiver.sealed.now, &receiver.sealed.before];
    sealed.into_iter().flatten().map(|sealed| Secret::open(sealed, under)).collect()
}

/// What was not sent because it could not be signed.
fn unreadable(claimed: &Claimed, receiver: &Receiver) -> Sent {
    tracing::error!(delivery = %claimed.id, "a secret of a webhook was not encrypted under this secret key");
    let details = json!({ "request": null, "response": null, "timings": {} });
    let report = Report {
        url: receiver.url.clone(),
        status: None,
        error: Some("secret_unreadable".to_owned()),
        details: serde_json::value::to_raw_value(&details).unwrap_or_default(),
        took: Duration::ZERO,
    };
    let verdict = Verdict::NotReceived { is_overloaded: false };
    Sent { verdict, retry_after: None, report }
}

/// Why an answer is no receipt, in a word.
fn error_of(status: u16) -> &'static str {
    match status {
        300..=399 => "redirected",
        410 => "gone",
        _ => "status",
    }
}

/// The head of an answer, cut.
async fn response(answer: &mut Answer) -> Value {
    let headers = answer.headers.iter().take(HEADERS);
    let headers = headers.map(|(name, value)| (name.to_string(), Value::from(cut(&value_text(value), HEADER))));
    let headers: Map<String, Value> = headers.collect();
    let (body, is_cut) = match timeout(BODY_WAIT, answer.body.head(BODY_HEAD)).await {
        Ok(Ok((body, is_cut))) => (plain(&body), is_cut),
        _ => (String::new(), true),
    };
    json!({ "headers": headers, "body": body, "truncated": is_cut })
}

/// Bytes as a text that Postgres and JSON can hold.
fn plain(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}")
}

fn value_text(value: &HeaderValue) -> String {
    plain(value.as_bytes())
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn parts(timings: Timings) -> Value {
    let ms = |time: Option<Duration>| time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    json!({
        "dns_ms": ms(timings.dns),
        "connect_ms": ms(timings.connect),
        "tls_ms": ms(timings.tls),
        "first_byte_ms": ms(timings.first_byte),
        "total_ms": ms(Some(timings.total)),
        "reused": timings.reused,
    })
}

/// How long the receiver wants to be left alone: seconds, or a date by its own clock, as far as it says it.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(value)?;
    let said = headers.get(header::DATE).and_then(|date| http_date(date.to_str().ok()?));
    Duration::try_from(until - said.unwrap_or_else(now)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_how_long_in_seconds_or_by_its_own_clock() {
        let after = |pairs: &[(HeaderName, &'static str)]| {
            let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            retry_after(&headers.collect())
        };
        let date = (header::DATE, "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(after(&[(header::RETRY_AFTER, "120")]), Some(Duration::from_secs(120)));
        let later = (header::RETRY_AFTER, "Sun, 06 Nov 1994 08:50:07 GMT");
        assert_eq!(after(&[date.clone(), later.clone()]), Some(Duration::from_secs(30)));
        assert_eq!(after(&[later]), None, "it is long over");
        assert_eq!(after(&[(header::RETRY_AFTER, "soon"), date]), None);
    }
}
