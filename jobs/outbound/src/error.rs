//! Why a request was not sent, or was not answered.
//!
//! The texts are fit for the project that asked for the request: they name what it named itself, and neither an address of
//! the operator's network nor a secret. Fields hold more, for logs of the operator.

use std::{io, net::IpAddr, time::Duration};

use crate::{address::Range, timing::Timings};

/// A request that has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{cause}")]
pub struct Error {
    /// Why.
    pub cause: Cause,
    /// How far it came. Of the hop that failed, but `total` is of the whole.
    pub timings: Timings,
}

/// Whether we would not, or could not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// We would not: it is the same at any other time, and nothing was connected to.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// We could not: it may be otherwise later.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// A rule of ours forbids the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// This is no URL.
    #[error("the URL cannot be read: {0}")]
    Url(String),
    /// Only `http` and `https` are requested.
    #[error("the scheme {0:?} is not http or https")]
    Scheme(String),
    /// A password in a URL ends up in logs; `http://trusted@evil` is read wrongly.
    #[error("the URL has a user name or a password")]
    UserInfo,
    /// Not a port of a web server, and none that the operator allows.
    #[error("the port {0} is not allowed")]
    Port(u16),
    /// The host leads into a network that is not the public Internet.
    #[error("the host {host:?} leads to an address that may not be requested")]
    Address {
        /// The host, as the URL names it.
        host: String,
        /// Where it leads. Not for projects: it may be of the operator's network.
        address: IpAddr,
        /// Why that is refused. Not for projects either.
        range: Range,
    },
    /// `CONNECT` and `TRACE` are for proxies and for debugging.
    #[error("the method {0} is not allowed")]
    Method(String),
    /// The framing of a message, the host and the connection are ours to say.
    #[error("the header {0:?} may not be set")]
    Header(String),
}

/// Something went wrong outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The name leads to no address.
    #[error("the name {host:?} cannot be resolved")]
    Resolve {
        /// The name.
        host: String,
        /// It is certain that there is no such name; otherwise nobody could say.
        unknown: bool,
    },
    /// No connection to any of the addresses.
    #[error("cannot connect: {}", said(*.0))]
    Connect(io::ErrorKind),
    /// No common TLS, or a certificate that is not the host's.
    #[error("TLS: {0}")]
    Tls(String),
    /// It took too long.
    #[error("timed out after {after:?} {phase}")]
    Timeout {
        /// What was waited for.
        phase: Phase,
        /// The limit.
        after: Duration,
    },
    /// The connection ended before the answer did.
    #[error("the connection was closed before the answer was complete")]
    Closed,
    /// What was answered is not HTTP/1.1.
    #[error("the answer is not HTTP: {0}")]
    Protocol(String),
    /// Status line and headers are longer than the limit.
    #[error("the head of the answer is longer than {limit} bytes, or has too many headers")]
    Head {
        /// In bytes.
        limit: usize,
    },
    /// The body is longer than the limit.
    #[error("the body of the answer is longer than {limit} bytes{}", if *.decoded { " when it is decoded" } else { "" })]
    Body {
        /// In bytes.
        limit: u64,
        /// The limit of what comes out of the decoder; otherwise that of what comes over the wire.
        decoded: bool,
    },
    /// A `Content-Encoding` that we do not know, or more than one.
    #[error("the content encoding {0:?} is unknown")]
    Encoding(String),
    /// The body is not what its `Content-Encoding` says.
    #[error("the body of the answer cannot be decoded")]
    Corrupt,
    /// A redirect too many.
    #[error("redirected more than {0} times")]
    Redirects(u8),
    /// A redirect without a place to go.
    #[error("redirected without a location")]
    Location,
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// For the connection: name, TCP and TLS.
    Connect,
    /// For the head of the answer.
    Head,
    /// For the rest of it.
    Body,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "while connecting",
            Self::Head => "while waiting for an answer",
            Self::Body => "while reading the answer",
        })
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither a name nor `*.` and a name.
    #[error("{0:?} is not a host name or *.name; addresses are allowed as networks")]
    HostPattern(String),
    /// No authority to trust, or one that cannot be read.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// The resolver cannot be set up.
    #[error("cannot set up DNS: {0}")]
    Dns(String),
    /// The name that we give ourselves is no header value.
    #[error("the user agent is not a header value")]
    UserAgent,
}

impl Cause {
    /// A short name that is kept for ever: for rows, metrics and clients.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refused) => match refused {
                Refused::Url(_) => "url_invalid",
                Refused::Scheme(_) => "scheme_refused",
                Refused::UserInfo => "userinfo_refused",
                Refused::Port(_) => "port_refused",
                Refused::Address { .. } => "address_refused",
                Refused::Method(_) => "method_refused",
                Refused::Header(_) => "header_refused",
            },
            Self::Failed(failure) => match failure {
                Failure::Resolve { unknown: true, .. } => "name_unknown",
                Failure::Resolve { .. } => "name_unresolved",
                Failure::Connect(_) => "connect_failed",
                Failure::Tls(_) => "tls_failed",
                Failure::Timeout { phase: Phase::Connect, .. } => "connect_timeout",
                Failure::Timeout { .. } => "timeout",
                Failure::Closed => "closed",
                Failure::Protocol(_) => "not_http",
                Failure::Head { .. } => "head_too_large",
                Failure::Body { .. } => "body_too_large",
                Failure::Encoding(_) => "encoding_unknown",
                Failure::Corrupt => "body_corrupt",
                Failure::Redirects(_) => "too_many_redirects",
                Failure::Location => "redirect_without_location",
            },
        }
    }
}

/// The usual reasons in plain words; the others say little more than "failed".
fn said(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        io::ErrorKind::TimedOut => "timed out",
        _ => "failed",
    }
}
