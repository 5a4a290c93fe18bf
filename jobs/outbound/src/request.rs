//! What is sent.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
};

use crate::{config::Limits, error::Refused};

/// A request to a foreign address.
///
/// It has no `Debug`: a URL or a header may hold a secret.
#[derive(Clone)]
pub struct Request {
    /// What to do.
    pub method: Method,
    /// Where. It is checked when the request is sent.
    pub url: String,
    /// Headers. Those whose value is marked as sensitive ([`HeaderValue::set_sensitive`]) do not follow a redirect to another
    /// origin, and neither do `Authorization` and `Cookie`.
    pub headers: HeaderMap,
    /// The body, empty for none.
    pub body: Bytes,
    /// What to do with a 3xx.
    pub redirects: Redirects,
    /// What it bears, where that is not what the client bears.
    pub limits: Option<Limits>,
    /// Sending it twice does what sending it once does: then it is sent again, once, when a connection that had been used before
    /// turns out to be closed. True for the methods that RFC 9110 calls idempotent; a webhook has an id, and may say so.
    pub repeatable: bool,
}

/// What to do with a 3xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// It is the answer.
    Answer,
    /// Go there, up to so many times. Each place is checked as the first one was.
    Follow(u8),
}

impl Request {
    /// A request without headers and body, that follows no redirect.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        let repeatable = method.is_idempotent();
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            redirects: Redirects::Answer,
            limits: None,
            repeatable,
        }
    }

    /// With this header instead of others of its name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// With this treatment of a 3xx.
    #[must_use]
    pub fn redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// With limits of its own.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Whether it may be sent again when a kept connection was closed under it.
    #[must_use]
    pub fn repeatable(mut self, repeatable: bool) -> Self {
        self.repeatable = repeatable;
        self
    }

    /// Method and headers, checked.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        if [Method::CONNECT, Method::TRACE].contains(&self.method) {
            return Err(Refused::Method(self.method.to_string()));
        }
        match OURS.iter().find(|name| self.headers.contains_key(*name)) {
            Some(name) => Err(Refused::Header(name.to_string())),
            None => Ok(()),
        }
    }
}

/// Headers that say where a message ends, who it is for, and what becomes of the connection. Two opinions about them are how
/// requests are smuggled (RFC 9112, section 11.2).
const OURS: [HeaderName; 11] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
