//! Files from foreign addresses, and what fetches them.

use std::path::Path;

use futures::future::BoxFuture;

/// Fetches files from foreign addresses, and from no address that clients must not reach.
pub trait Fetch: Send + Sync {
    /// Writes what is at `url` to a new file `to`, and returns its size in bytes. A file of more than `most_bytes` is an error, and
    /// so is any answer but a success. Dropping the future ends it; part of the file may be left.
    fn fetch<'a>(&'a self, url: &'a str, to: &'a Path, most_bytes: u64) -> BoxFuture<'a, Result<u64, FetchError>>;
}

/// Why there is no file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FetchError {
    /// For people: lower case, no full stop.
    pub message: String,
    /// Whether the same request may well succeed another time.
    pub retryable: bool,
}
