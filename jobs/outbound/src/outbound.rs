//! The client.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT_ENCODING, USER_AGENT},
};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, crypto::aws_lc_rs};
use rustls_platform_verifier::Verifier;
use tokio::time::Instant;
use url::Url;

use crate::{
    allowed::Allowed,
    body::{Body, ENCODINGS},
    config::{Limits, OutboundConfig},
    connector::Connector,
    error::{Cause, ConfigError, Error, Failure},
    exchange::{HEAD_BYTES, Pool, exchange},
    redirect,
    request::{Redirects, Request},
    resolve::Resolve,
    target::Target,
    timing::Timings,
};

/// Sends requests to foreign addresses, and to no others. Cheap to clone; clones share their connections.
///
/// A kept connection carries requests for the scheme, host and port that it was opened for, and goes to an address that was
/// judged when it was opened. The judgement holds as long as the connection, because what is allowed never changes in the life of
/// an `Outbound`: other rules are another `Outbound`, with connections of its own. When a name moves, the connections to its old
/// address live on while they are used (their address is still one that may be requested); after
/// [`idle`](OutboundConfig::idle) without use they are closed.
#[derive(Clone)]
pub struct Outbound {
    pool: Pool,
    allowed: Arc<Allowed>,
    limits: Limits,
    user_agent: HeaderValue,
}

/// The head of an answer, and its body, which is still to be read.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers. `Content-Encoding` and `Content-Length` are those of the wire; [`Body`] is decoded.
    pub headers: HeaderMap,
    /// Where it came from, after redirects.
    pub url: Url,
    /// How often it was redirected.
    pub redirects: u8,
    /// How long it took.
    pub timings: Timings,
    /// The rest.
    pub body: Body,
}

impl Outbound {
    /// A client with these rules.
    ///
    /// # Errors
    /// [`ConfigError`] when there is nothing to ask for names, or no authority to trust.
    pub fn new(config: OutboundConfig) -> Result<Self, ConfigError> {
        let allowed = Arc::new(config.allowed);
        let user_agent = HeaderValue::try_from(config.user_agent).map_err(|_| ConfigError::UserAgent)?;
        let resolve = Resolve::new(&config.dns)?;
        let tls = tls(config.authorities)?;
        let connector = Connector::new(Arc::clone(&allowed), resolve, Arc::new(tls), config.connect);
        let pool = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle)
            .pool_max_idle_per_host(config.idle_per_host)
            .http1_max_buf_size(HEAD_BYTES)
            .build(connector);
        Ok(Self { pool, allowed, limits: config.limits, user_agent })
    }

    /// Checks a URL as [`send`](Self::send) would, as far as that can be told without asking for its name: for telling somebody
    /// early. It promises nothing about where the name leads, neither now nor later.
    ///
    /// # Errors
    /// [`Refused`](crate::Refused).
    pub fn check(&self, url: &str) -> Result<Target, crate::Refused> {
        Target::parse(url, &self.allowed)
    }

    /// Sends `request`, follows redirects where it says so, and waits for the head of the answer. Any status is an answer.
    ///
    /// # Errors
    /// [`Error`]: refused, failed, or too late.
    pub async fn send(&self, mut request: Request) -> Result<Answer, Error> {
        let start = Instant::now();
        let limits = request.limits.unwrap_or(self.limits);
        let deadline = start + limits.total;
        let fail =
            |cause: Cause, timings: Timings| Error { cause, timings: Timings { total: start.elapsed(), ..timings } };

        let target = request.check().and_then(|()| Target::parse(&request.url, &self.allowed));
        let mut target = target.map_err(|refused| fail(refused.into(), Timings::default()))?;
        request.headers.entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        request.headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(ENCODINGS));

        let mut redirects = 0;
        loop {
            let answered = self.exchange(&request, &target, &limits, deadline).await;
            let (response, timings) = answered.map_err(|(cause, timings)| fail(cause, timings))?;
            let (head, body) = response.into_parts();
            let next = match request.redirects {
                Redirects::Answer => None,
                Redirects::Follow(most) => {
                    let location = redirect::location(head.status, &head.headers);
                    let location = location.map_err(|failure| fail(failure.into(), timings))?;
                    location.map(|location| (location, most))
                }
            };
            let Some((location, most)) = next else {
                let body = Body::new(body, &head.headers, &limits, deadline);
                let timings = Timings { total: start.elapsed(), ..timings };
                let url = target.url().clone();
                return Ok(Answer { status: head.status, headers: head.headers, url, redirects, timings, body });
            };
            if redirects == most {
                return Err(fail(Failure::Redirects(most).into(), timings));
            }
            redirects += 1;
            let next = target.join(&location, &self.allowed).map_err(|refused| fail(refused.into(), timings))?;
            redirect::adapt(&mut request, head.status, next.is_of_the_origin_of(&target));
            target = next;
        }
    }

    /// Sends once, and once more over another connection when a kept one was closed by its other end just then: the request most
    /// likely never arrived, but that cannot be known, so it must be one that may be repeated.
    async fn exchange(
        &self,
        request: &Request,
        target: &Target,
        limits: &Limits,
        deadline: Instant,
    ) -> Result<(hyper::Response<hyper::body::Incoming>, Timings), (Cause, Timings)> {
        let first = exchange(&self.pool, request, target, limits, deadline).await;
        match &first {
            Err((Cause::Failed(Failure::Closed), timings)) if timings.reused && request.repeatable => {
                exchange(&self.pool, request, target, limits, deadline).await
            }
            _ => first,
        }
    }
}

impl Answer {
    /// How long the sender of the answer asks to be left alone: `Retry-After` in seconds. A date is left to the caller, who has a
    /// clock.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(http::header::RETRY_AFTER)?.to_str().ok()?;
        value.trim().parse().ok().map(Duration::from_secs)
    }
}

fn tls(authorities: Vec<rustls::pki_types::CertificateDer<'static>>) -> Result<ClientConfig, ConfigError> {
    let broken = |err: rustls::Error| ConfigError::Tls(err.to_string());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(authorities, Arc::clone(&provider)).map_err(broken)?;
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(broken)?;
    let verified = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = verified.with_no_client_auth();
    // One protocol on purpose: what HTTP/2 would save, its frames, tables and streams would cost in limits to keep.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
