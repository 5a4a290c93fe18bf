//! One request to a foreign host, from its check to its text.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context;
use futures::{FutureExt, future::BoxFuture};
use ipnet::IpNet;
use jobs_core::port::web::{Ask, FetchError, FetchFault, Fetched, Place, WebEngine};
use jobs_outbound::{
    Allowed, Answer, Cause, Failure, HeaderName, HeaderValue, Limits, Method, Outbound, OutboundConfig, Redirects,
    Request, StatusCode, header,
};
use jobs_queue::{Queue, Visit};
use jobs_runtime::config::Config;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    charset,
    door::{Doors, cancelled},
    robots,
    secrets::Secrets,
};

/// How a page is asked for by somebody who reads it.
const ACCEPT: &str = "text/html,application/json,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.5";
/// The name that hosts know this crawler by.
const PRODUCT: &str = "longshore";
/// Bytes of an answer, over the wire and decoded: the longest that are known (the spot prices of a large cloud) have a few million.
const BODY_BYTES: u64 = 32 << 20;
/// For all of an answer, unless the request says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTS: u8 = 5;
/// A host that is broken or busy and does not say for how long is left alone for this long.
const ALONE: Duration = Duration::from_secs(5);
/// No host says more than this.
const ALONE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Fetches from foreign hosts.
pub(crate) struct WebClient {
    pub(crate) outbound: Outbound,
    pub(super) doors: Doors,
    pub(super) queue: Queue,
    secrets: Secrets,
}

impl WebClient {
    /// The engine of a worker with these settings.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Arc<Self>> {
        let settings = &config.outbound;
        let mut allowed = Allowed::default();
        for text in &settings.allow {
            let network: Result<IpNet, _> =
                text.parse().or_else(|_| text.parse().map(|address: IpAddr| address.into()));
            match network {
                Ok(network) => allowed.networks.push(network),
                Err(_) => allowed.hosts.push(text.parse().with_context(|| format!("outbound.allow: {text}"))?),
            }
        }
        let contact = settings.contact.as_ref().map(|contact| format!(" (+{contact})")).unwrap_or_default();
        let user_agent = format!("{PRODUCT}/{}{contact}", env!("CARGO_PKG_VERSION"));
        let outbound = OutboundConfig { allowed, user_agent, ..OutboundConfig::default() };
        let outbound = Outbound::new(outbound).context("make a client for foreign hosts")?;
        // A connection of its own: what kinds do to their threads is not to hold up the control side.
        let redis_url = config.redis.url.as_deref().context("REDIS_URL is not set")?;
        let queue = Queue::open(redis_url, &config.redis.prefix).context("read REDIS_URL")?;
        let secrets = settings.secrets_file.as_deref().map(Secrets::read).transpose()?.unwrap_or_default();
        let doors = Doors::new(queue.clone(), settings.pause, settings.at_once.max(1));
        Ok(Arc::new(Self { outbound, doors, queue, secrets }))
    }

    async fn run(&self, ask: &Ask, cancel: &CancellationToken) -> Result<Fetched, FetchError> {
        let began = Instant::now();
        let target = self.outbound.check(&ask.url).map_err(|refused| policy(&Cause::Refused(refused)))?;
        let url = target.url().clone();
        let mut pause = ask.pause;
        if ask.is_crawl {
            pause = pause.max(self.permit(&url, cancel).await?);
        }
        let request = self.request(ask, &url)?;
        let turn = self.doors.enter(&door_of(&url), pause, cancel).await?;
        let at = Instant::now();
        let answered = async {
            let mut answer = self.outbound.send(request).await.map_err(|error| error.cause)?;
            let body = if answer.status.is_success() { answer.body.all().await? } else { bytes::Bytes::new() };
            Ok((answer, body))
        };
        let answered: Result<(Answer, bytes::Bytes), Cause> = tokio::select! {
            answered = answered => answered,
            () = cancel.cancelled() => {
                self.doors.leave(turn, Visit::Fine, Duration::ZERO).await;
                return Err(cancelled());
            }
        };
        let (visit, alone) = manners(&answered);
        self.doors.leave(turn, visit, alone).await;
        let (answer, body) = answered.map_err(|cause| failed(&cause))?;
        let not_modified = answer.status == StatusCode::NOT_MODIFIED;
        if !answer.status.is_success() && !not_modified {
            return Err(refused(answer.status, alone));
        }
        if ask.is_crawl && answer.url.origin() != url.origin() {
            self.permit(&answer.url, cancel).await?;
        }
        let header =
            |name: HeaderName| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Fetched {
            url: answer.url.to_string(),
            text: charset::text(&body, header(header::CONTENT_TYPE).as_deref()),
            not_modified,
            etag: header(header::ETAG),
            last_modified: header(header::LAST_MODIFIED),
            at,
            took: began.elapsed(),
        })
    }

    /// Whether the host lets crawlers there, and how long they are to pause.
    async fn permit(&self, url: &Url, cancel: &CancellationToken) -> Result<Option<Duration>, FetchError> {
        let robots = self.robots(url, cancel).await?;
        if robots.allows(PRODUCT, url.as_str()) {
            return Ok(robots.crawl_delay(PRODUCT));
        }
        let is_closed = robots == jobs_prices::robots::Robots::of_status(500);
        let message = match is_closed {
            true => format!("the robots.txt of {} is not to be had", robots::host(url)),
            false => format!("the robots.txt of {} does not allow it", robots::host(url)),
        };
        let again = is_closed.then_some(robots::HOLD_FAILURE);
        Err(FetchError { fault: FetchFault::Robots, code: "blocked_by_robots", message, again })
    }

    fn request(&self, ask: &Ask, url: &Url) -> Result<Request, FetchError> {
        let wrong =
            |message: String| FetchError { fault: FetchFault::Policy, code: "request_invalid", message, again: None };
        let host = url.host_str().unwrap_or_default();
        let mut url = url.clone();
        let method = Method::from_bytes(ask.method.as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let limits = Limits {
            total: ask.timeout.unwrap_or(TIMEOUT),
            first_byte: ask.timeout.unwrap_or(TIMEOUT),
            wire_bytes: BODY_BYTES,
            body_bytes: BODY_BYTES,
        };
        let mut headers: Vec<(String, String, bool)> = vec![("accept".into(), ACCEPT.into(), false)];
        headers.extend(ask.headers.iter().map(|(name, value)| (name.clone(), value.clone(), false)));
        let conditions = [("if-none-match", &ask.etag), ("if-modified-since", &ask.last_modified)];
        let conditions = conditions.into_iter().filter_map(|(name, value)| Some((name.into(), value.clone()?, false)));
        headers.extend(conditions);
        for secret in &ask.secrets {
            let value = self.secrets.of(&secret.name, host).map_err(|error| wrong(error.to_string()))?;
            match &secret.place {
                Place::Bearer => headers.push(("authorization".into(), format!("Bearer {value}"), true)),
                Place::Header(name) => headers.push((name.clone(), value.to_owned(), true)),
                Place::Query(name) => drop(url.query_pairs_mut().append_pair(name, value)),
            }
        }
        let has_query_secret = ask.secrets.iter().any(|secret| matches!(secret.place, Place::Query(_)));
        // An address with a secret in it is nobody's to repeat elsewhere.
        let redirects = if has_query_secret { Redirects::Answer } else { Redirects::Follow(REDIRECTS) };
        let mut request = Request::new(method, url).redirects(redirects).limits(limits).body(ask.body.clone());
        for (name, value, is_secret) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| wrong(error.to_string()))?;
            // The value is not repeated: it may be a secret.
            let mut value =
                HeaderValue::try_from(value).map_err(|_| wrong(format!("the header {name} has no valid value")))?;
            value.set_sensitive(is_secret);
            request = request.header(name, value);
        }
        Ok(request)
    }
}

impl WebEngine for WebClient {
    fn fetch<'a>(&'a self, ask: &'a Ask, cancel: &'a CancellationToken) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        self.run(ask, cancel).boxed()
    }
}

/// The door of an address: its host, and its port where that is not the usual one.
pub(super) fn door_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What an answer teaches of its host, and how long that asked to be left alone.
fn manners(answered: &Result<(Answer, bytes::Bytes), Cause>) -> (Visit, Duration) {
    match answered {
        Ok((answer, _)) => match answer.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                (Visit::Busy, alone(answer).unwrap_or(ALONE))
            }
            status if status.is_server_error() => (Visit::Failed, alone(answer).unwrap_or_default()),
            _ => (Visit::Fine, Duration::ZERO),
        },
        Err(Cause::Refused(_)) => (Visit::Fine, Duration::ZERO),
        Err(Cause::Failed(failure)) => match failure {
            // The host is there, and says more or other things than we want to hear.
            Failure::Body { .. } | Failure::Encoding(_) | Failure::Redirects(_) | Failure::Location => {
                (Visit::Fine, Duration::ZERO)
            }
            _ => (Visit::Failed, Duration::ZERO),
        },
    }
}

/// How long a host asks to be left alone: seconds, or a date.
fn alone(answer: &Answer) -> Option<Duration> {
    let by_date = || {
        let date = httpdate::parse_http_date(answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?).ok()?;
        date.duration_since(SystemTime::now()).ok()
    };
    answer.retry_after().or_else(by_date).map(|alone| alone.min(ALONE_MAX))
}

fn policy(cause: &Cause) -> FetchError {
    FetchError { fault: FetchFault::Policy, code: cause.code(), message: cause.to_string(), again: None }
}

fn failed(cause: &Cause) -> FetchError {
    let Cause::Failed(failure) = cause else { return policy(cause) };
    let is_lasting = matches!(
        failure,
        Failure::Body { .. } | Failure::Encoding(_) | Failure::Head { .. } | Failure::Redirects(_) | Failure::Location
    );
    let again = (!is_lasting).then_some(Duration::ZERO);
    FetchError { fault: FetchFault::Failed, code: cause.code(), message: cause.to_string(), again }
}

fn refused(status: StatusCode, alone: Duration) -> FetchError {
    let is_passing = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY);
    FetchError {
        fault: FetchFault::Failed,
        code: "status",
        message: format!("the host answered with {status}"),
        again: is_passing.then_some(alone),
    }
}
