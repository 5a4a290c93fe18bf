//! The engine that fetches pages and answers of foreign hosts: guarded, polite, and honest about who asks.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::JobError;

/// Fetches from foreign hosts.
pub trait WebEngine: Send + Sync {
    /// Asks once. Waits for its turn at the host, which all workers share; where that is far away, the error says when.
    fn fetch<'a>(&'a self, ask: &'a Ask, cancel: &'a CancellationToken) -> BoxFuture<'a, Result<Fetched, FetchError>>;
}

/// What to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// `GET` or `POST`.
    pub method: String,
    /// Where.
    pub url: String,
    /// Headers, none of which is a secret.
    pub headers: Vec<(String, String)>,
    /// Secrets that go along, by name.
    pub secrets: Vec<Secret>,
    /// The body; empty for none.
    pub body: String,
    /// Only if it is not this any more: the entity tag of what is known.
    pub etag: Option<String>,
    /// Only if it changed since: the date of what is known, as the host wrote it.
    pub last_modified: Option<String>,
    /// How long to wait for all of the answer.
    pub timeout: Option<Duration>,
    /// Requests to this host come no sooner after each other, whatever else is known of it.
    pub pause: Option<Duration>,
    /// It is a page for people: its host's `robots.txt` is asked first. Interfaces for programs have terms of their own.
    pub is_crawl: bool,
}

/// A secret that goes along with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name, as the operator gave it.
    pub name: String,
    /// Where it stands in the request.
    pub place: Place,
}

/// Where a secret stands in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `Authorization: Bearer …`
    Bearer,
    /// A header of this name.
    Header(String),
    /// A parameter of the address.
    Query(String),
}

/// An answer with status 200, or one that says that nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it came from, after redirects.
    pub url: String,
    /// The body as text; empty where nothing changed.
    pub text: String,
    /// The host says that it is what is known already (`304`).
    pub not_modified: bool,
    /// Its entity tag.
    pub etag: Option<String>,
    /// When the host says that it changed last, as it wrote it.
    pub last_modified: Option<String>,
    /// When it was asked for.
    pub at: Instant,
    /// How long it took, turns and redirects included.
    pub took: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    /// What came of it.
    pub fault: FetchFault,
    /// A stable word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
    /// Asking again may help, no sooner than this; `None` where it does not help.
    pub again: Option<Duration>,
}

/// Whose fault it is that there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchFault {
    /// The host's, or that of the way there.
    Failed,
    /// The host does not want crawlers there.
    Robots,
    /// A rule of this installation forbids it.
    Policy,
    /// It is too soon to ask this host again.
    TooSoon,
    /// The attempt was asked to stop.
    Cancelled,
}

impl From<FetchError> for JobError {
    fn from(error: FetchError) -> Self {
        match error.again {
            Some(after) => Self::retry(error.code, error).after(after),
            None => Self::fail(error.code, error),
        }
    }
}
