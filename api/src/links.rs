//! The addresses in answers. Clients follow them and never build one.

use std::ops::Deref;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Uri, header, request::Parts},
};

use crate::{
    app::App,
    problem::{Code, Problem},
};

/// Makes addresses that the client of a request can reach.
#[derive(Debug, Clone)]
pub(crate) struct Links(jobs_view::Links);

impl Links {
    /// For the server at `public_url`, or at the address that the request was sent to.
    pub(crate) fn of(app: &App, headers: &HeaderMap, uri: &Uri) -> Self {
        let base = base(app.public_url.as_deref(), headers, uri);
        Self(jobs_view::Links::new(base, app.signer.clone()))
    }
}

impl Deref for Links {
    type Target = jobs_view::Links;

    fn deref(&self) -> &jobs_view::Links {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Links {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The layer around all routes puts them there.
        let made = parts.extensions.get::<Self>().cloned();
        made.ok_or_else(|| Problem::new(Code::Internal, "the log has the cause under the request id"))
    }
}

fn base(public_url: Option<&str>, headers: &HeaderMap, uri: &Uri) -> String {
    if let Some(url) = public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    // Without an honest host the addresses are relative to the request's.
    host.filter(|host| is_host(host)).map(|host| format!("http://{host}")).unwrap_or_default()
}

/// Whether a text is a host and a port, so that it can stand in an address.
fn is_host(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn base(public: Option<&str>, host: &'static str) -> String {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        super::base(public, &headers, &Uri::from_static("/"))
    }

    #[test]
    fn addresses_are_those_that_the_client_used_unless_the_operator_says_otherwise() {
        assert_eq!(base(None, "localhost:8080"), "http://localhost:8080");
        assert_eq!(base(None, "[::1]:8080"), "http://[::1]:8080");
        assert_eq!(base(None, "evil/?x=\"<script>"), "");
        assert_eq!(base(Some("https://jobs.example/"), "localhost"), "https://jobs.example");
    }
}
