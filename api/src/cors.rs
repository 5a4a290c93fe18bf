//! Which pages of other origins a browser lets read answers (Fetch, 3.2). None, unless the operator names them.
//!
//! Keys travel in a header, never in a cookie, so that nothing is sent on behalf of a user who did not mean it; credentials are not allowed.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::app::Shared;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// What requests of this API may carry beside what every page may send.
const ACCEPTED: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, Prefer, Range, X-API-Key, X-Request-Id",
);
/// What clients need to read beside what every page may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Accept-Ranges, Allow, Coalesced, Content-Range, ETag, Idempotency-Replayed, Link, Location, Preference-Applied, RateLimit, \
     RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id",
);
/// A browser asks again after so many seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// The origins whose pages may read answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    all: bool,
    named: Vec<HeaderValue>,
}

impl Origins {
    /// As the setting names them; `*` is all.
    pub(crate) fn new(names: &[String]) -> Self {
        let named = names.iter().filter_map(|name| HeaderValue::from_str(name).ok()).collect();
        Self { all: names.iter().any(|name| name == "*"), named }
    }

    fn is_empty(&self) -> bool {
        !self.all && self.named.is_empty()
    }

    /// The origin of a request, if its pages may read the answer.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        (self.all || self.named.contains(origin)).then(|| origin.clone())
    }
}

/// The layer around all others: whoever asks whether it may ask has no key yet.
pub(crate) async fn around(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if app.origins.is_empty() {
        return next.run(request).await;
    }
    let allowed = app.origins.allowed(request.headers());
    let asks = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if request.method() == Method::OPTIONS && asks && allowed.is_some() {
        preflight()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    // Also for those that may not: what is kept for one is not for another.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ACCEPTED),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
