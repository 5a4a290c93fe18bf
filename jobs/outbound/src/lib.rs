//! The one client for everything that goes out to foreign addresses: webhooks, scrapes, calls, assets, `robots.txt`.
//!
//! Who may give us a URL may otherwise make us ask whatever we can reach: databases, metadata services of clouds, the machine
//! itself (server-side request forgery). The rule is enforced at one place that nothing can go round, the connector:
//!
//! - [`Target`] refuses what is no plain `http` or `https` URL, and judges literal addresses in every spelling.
//! - The connector resolves a name once, refuses it if *any* of its addresses is bad, and connects to exactly those that it judged.
//!   There is no second look-up that could answer otherwise. It looks at the socket again before the first byte.
//! - Every redirect passes both again, with its method and headers as RFC 9110 wants them, and without credentials at another origin.
//! - Proxies of the environment do not exist here: there is no code that would ask for them.
//! - [`address`] is the law, a table; [`Allowed`] is what an operator makes of it.
//!
//! Answers are bounded in time and size, their heads and their bodies, as they come and as they are decoded.
//!
//! It stands on hyper and its pool, not on a client of a higher level: those resolve names but not literals through what they are
//! given, look at addresses after the fact, and know neither a limit of heads nor the time that a connection took.

pub mod address;
mod allowed;
mod body;
mod config;
mod connection;
mod connector;
mod error;
mod exchange;
mod outbound;
mod redirect;
mod request;
mod resolve;
mod target;
mod timing;

pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

pub use crate::{
    allowed::{Allowed, HostPattern},
    body::Body,
    config::{Dns, Limits, OutboundConfig},
    error::{Cause, ConfigError, Error, Failure, Phase, Refused},
    outbound::{Answer, Outbound},
    request::{Redirects, Request},
    target::Target,
    timing::Timings,
};
