//! What happens to every request, whatever it asks for: it gets an id, its body is read, its time is limited, a panic of
//! its handler is caught, and what went wrong is written down for the client.

use std::{
    net::{Ipv4Addr, SocketAddr},
    panic::AssertUnwindSafe,
    time::Duration,
};

use axum::{
    Json,
    extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use jobs_core::TaskId;
use serde_json::json;
use tokio::time::Instant;
use tracing::Instrument;
use url::form_urlencoded;
use uuid::Uuid;

use crate::{
    access::{Gate, Need},
    app::Shared,
    body,
    caller::Caller,
    clock::{Timestamp, now},
    links::Links,
    metrics,
    prefer::{self, WAIT_MAX},
    problem::{Code, Problem},
    rate::{Class, Left, Who},
    videos,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX: usize = 128;

/// The id of the request: the client's, or one made here.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let sent =
            sent.filter(|id| !id.is_empty() && id.len() <= REQUEST_ID_MAX && id.bytes().all(|b| b.is_ascii_graphic()));
        Self(sent.map_or_else(|| format!("req_{}", Uuid::now_v7().simple()), str::to_owned))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self::of(&parts.headers)))
    }
}

/// What an answer needs to know of its request.
struct Asked {
    id: RequestId,
    method: Method,
    path: String,
    links: Links,
    /// What has ended is kept for so long at least; none is for ever.
    kept: Option<Duration>,
    /// Whether clients reach the server by https: a proxy that the operator named speaks it.
    is_secure: bool,
}

/// The layer around all routes.
pub(crate) async fn around(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let asked = Asked {
        id: RequestId::of(request.headers()),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        links: Links::of(&app, request.headers(), request.uri()),
        kept: app.kept,
        is_secure: app.public_url.as_deref().is_some_and(|url| url.starts_with("https://")),
    };
    request.extensions_mut().insert(asked.id.clone());
    request.extensions_mut().insert(asked.links.clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let span = tracing::info_span!("request", request_id = asked.id.0, http.method = %asked.method, http.path = asked.path, key = tracing::field::Empty);
    async {
        let (began, in_flight) = (Instant::now(), metrics::IN_FLIGHT.raise());
        let answered = AssertUnwindSafe(answer(&app, request, next)).catch_unwind().await;
        let response = answered.unwrap_or_else(|_| {
            tracing::error!("a handler panicked");
            Problem::new(Code::Internal, "the log has the cause under the request id").into_response()
        });
        let response = asked.finish(response);
        drop(in_flight);
        let (status, took_ms) = (response.status().as_u16(), began.elapsed().as_millis());
        let route = route.as_ref().map_or("", MatchedPath::as_str);
        metrics::answered(route, &asked.method, response.status(), began.elapsed());
        match status {
            500.. => tracing::warn!(http.status = status, took_ms, "answered {status}"),
            _ => tracing::debug!(http.status = status, took_ms, "answered {status}"),
        }
        response
    }
    .instrument(span)
    .await
}

async fn answer(app: &Shared, mut request: Request, next: Next) -> Response {
    let limit = time_limit(&request, app.request_timeout);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let gate = app.access.gate(request.method(), route.as_ref().map_or("", MatchedPath::as_str));
    // Before anything is read or kept for somebody who may not come in.
    let (caller, left) = match let_in(app, gate, &mut request).await {
        Ok(admitted) => admitted,
        Err(problem) => {
            body::throw_away(request, app.request_timeout).await;
            return problem.into_response();
        }
    };
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let request = match body::read_whole(request, app.body_limit_bytes, app.request_timeout).await {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    // Not before: whoever sends slowly takes nobody's place. And whether we live is answered however many ask for other things.
    let place = match gate.need {
        Need::Nothing => None,
        _ => match app.crowd.enter(limit > app.request_timeout || gate.streams) {
            Ok(place) => Some(place),
            Err(problem) => return problem.into_response(),
        },
    };
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(Code::Timeout, "the answer took too long").retry_after(1).into_response(),
    };
    response.headers_mut().extend(left.map(|left| left.headers()).unwrap_or_default());
    match place {
        Some(place) => place.keep_for(response),
        None => response,
    }
}

/// Who asks, and what is left of its limits; if it may ask this now.
async fn let_in(app: &Shared, gate: Gate, request: &mut Request) -> Result<(Option<Caller>, Option<Left>), Problem> {
    if gate.need == Need::Nothing {
        return Ok((None, None));
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let address = app.proxies.client(peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), request.headers());
    let caller = match app.access.admit(gate, request.headers()).await {
        Ok(caller) => caller,
        Err(problem) if problem.code == Code::Unauthorized => {
            let rates = app.policies.of(Class::Strangers);
            app.limiter.take(&Who::Address(address), Class::Strangers, rates).await?;
            return Err(problem);
        }
        Err(problem) => return Err(problem),
    };
    let key = caller.as_ref().and_then(|caller| caller.key);
    if let Some(key) = key {
        tracing::Span::current().record("key", tracing::field::display(key));
    }
    let own = caller.as_ref().and_then(|caller| caller.limits.get(gate.class.name()));
    let rates = own.map_or_else(|| app.policies.of(gate.class), std::slice::from_ref);
    let who = key.map_or(Who::Address(address), |key| Who::Key(key.to_string()));
    let left = app.limiter.take(&who, gate.class, rates).await?;
    Ok((caller, left))
}

/// A client that asks to wait gets that time on top. What is streamed is limited until its first byte only.
fn time_limit(request: &Request, usual: Duration) -> Duration {
    let pairs = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let mut waits = pairs.filter(|pair| pair.0 == "wait").filter_map(|pair| pair.1.parse().ok());
    let in_query = waits.next().map(|seconds| Duration::from_secs(seconds).min(WAIT_MAX));
    usual + in_query.max(prefer::wait(request.headers())).unwrap_or_default()
}

impl Asked {
    /// Adds what every answer has, and writes the body of a problem.
    fn finish(&self, mut response: Response) -> Response {
        let status = response.status();
        let problem = response.extensions_mut().remove::<Problem>().map(|problem| self.as_gone(problem));
        let problem = problem.or_else(|| {
            // Made by the framework, in plain text: it knows the status, the table knows the words.
            let is_error = status.is_client_error() || status.is_server_error();
            let content_type = response.headers().get(header::CONTENT_TYPE);
            let is_ours = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
            (is_error && !is_ours).then(|| self.of_status(status))
        });
        if let Some(problem) = problem {
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.remove(header::CONTENT_TYPE);
            parts.status = problem.code.status();
            let body = if self.is_oma() { self.oma_body(&problem) } else { self.problem_body(&problem) };
            let body_type = parts.headers.clone();
            response = (parts.status, body).into_response();
            response.headers_mut().extend(body_type);
            if !self.is_oma() {
                let problem_json = HeaderValue::from_static("application/problem+json");
                response.headers_mut().insert(header::CONTENT_TYPE, problem_json);
            }
        }
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&self.id.0) {
            headers.insert(REQUEST_ID, id);
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        // Pages say more themselves.
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static("frame-ancestors 'none'"));
        if self.is_secure {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        }
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    }

    /// A task that is not there, and is older than what is kept, may have been there. The age of an id says nothing of whose it was.
    fn as_gone(&self, problem: Problem) -> Problem {
        let made = problem.task.filter(|_| problem.code == Code::TaskNotFound).and_then(TaskId::made_at);
        let age = made.and_then(|made| made.elapsed().ok());
        if age.zip(self.kept).is_none_or(|(age, kept)| age < kept) {
            return problem;
        }
        Problem::new(Code::Gone, format!("{}: tasks of its age may have been removed", problem.detail))
    }

    fn of_status(&self, status: StatusCode) -> Problem {
        match status {
            StatusCode::NOT_FOUND => Problem::new(Code::NotFound, format!("there is nothing at {}", self.path)),
            StatusCode::METHOD_NOT_ALLOWED => {
                Problem::new(Code::MethodNotAllowed, format!("{} does not know {}", self.path, self.method))
            }
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::TooLarge, "the body is too large"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(Code::UnsupportedMediaType, "send application/json"),
            status if status.is_client_error() => Problem::new(Code::Malformed, "the request cannot be read"),
            status => {
                tracing::error!(%status, "an answer of a status that nothing makes");
                Problem::new(Code::Internal, "the log has the cause under the request id")
            }
        }
    }

    fn problem_body(&self, problem: &Problem) -> Response {
        let mut body = json!({
            "type": self.links.api(&format!("problems/{}", problem.code.name())),
            "title": problem.code.title(),
            "status": problem.code.status().as_u16(),
            "detail": problem.detail,
            "instance": self.path,
            "code": problem.code.name(),
            "request_id": self.id.0,
            "timestamp": Timestamp(now()),
        });
        if !problem.errors.is_empty() {
            body["errors"] = json!(problem.errors);
        }
        Json(body).into_response()
    }

    /// The video routes have another API's body for errors.
    fn oma_body(&self, problem: &Problem) -> Response {
        Json(videos::ErrorBody::of(problem, &self.id)).into_response()
    }

    fn is_oma(&self) -> bool {
        self.path.starts_with("/api/v1/videos/")
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn id_of(sent: &[u8]) -> String {
        let sent = HeaderValue::from_bytes(sent).unwrap();
        RequestId::of(&HeaderMap::from_iter([(REQUEST_ID, sent)])).0
    }

    #[test]
    fn a_request_id_is_taken_or_made() {
        assert_eq!(id_of(b"abc-123"), "abc-123");
        for bad in [&b""[..], b"two words", "näh".as_bytes(), &[b'x'; 129]] {
            assert!(id_of(bad).starts_with("req_"));
        }
        assert!(RequestId::of(&HeaderMap::new()).0.starts_with("req_"));
    }

    #[test]
    fn only_those_who_wait_get_more_time() {
        let limit = |uri: &str, preference: &'static str| {
            let request = Request::builder().uri(uri).header("prefer", preference).body(Body::empty()).unwrap();
            time_limit(&request, Duration::from_secs(10)).as_secs()
        };
        assert_eq!(limit("/tasks", "wait=20"), 30);
        assert_eq!(limit("/tasks", "wait=9999"), 70);
        assert_eq!(limit("/tasks?wait=5", "respond-async"), 15);
        assert_eq!(limit("/tasks?wait=999", "wait=5"), 70);
        for usual in ["/tasks", "/tasks?wait=", "/tasks?wait=-1", "/tasks?metadata.wait=9", "/tasks?tag=wait=9"] {
            assert_eq!(limit(usual, "return=minimal"), 10, "{usual}");
        }
    }
}
