//! Fetching files that clients name by their URL.

use std::{path::Path, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use jobs_core::port::fetch::{Fetch, FetchError};
use jobs_outbound::{Cause, Failure, Limits, Method, Outbound, Redirects, Request};
use tokio::{fs::File, io::AsyncWriteExt};

const FIRST_BYTE: Duration = Duration::from_secs(20);
const TOTAL: Duration = Duration::from_secs(300);
const MAX_REDIRECTS: u8 = 3;

/// Fetches files through the guarded client.
pub(crate) struct Files(Outbound);

impl Files {
    pub(crate) fn new(outbound: Outbound) -> Self {
        Self(outbound)
    }

    async fn save(&self, url: &str, to: &Path, most_bytes: u64) -> Result<u64, FetchError> {
        let limits = Limits { first_byte: FIRST_BYTE, total: TOTAL, wire_bytes: most_bytes, body_bytes: most_bytes };
        let request = Request::new(Method::GET, url).redirects(Redirects::Follow(MAX_REDIRECTS)).limits(limits);
        let mut answer = self.0.send(request).await.map_err(|error| told(&error.cause))?;
        if !answer.status.is_success() {
            let again = answer.status.is_server_error() || [408, 425, 429].contains(&answer.status.as_u16());
            return Err(FetchError { message: format!("the answer is {}", answer.status), retryable: again });
        }
        let unwritten =
            |error: std::io::Error| FetchError { message: format!("cannot write: {error}"), retryable: true };
        let mut file = File::create_new(to).await.map_err(unwritten)?;
        let mut size = 0;
        while let Some(piece) = answer.body.piece().await.map_err(|failure| told(&Cause::Failed(failure)))? {
            file.write_all(&piece).await.map_err(unwritten)?;
            size += piece.len() as u64;
        }
        file.flush().await.map_err(unwritten)?;
        Ok(size)
    }
}

impl Fetch for Files {
    fn fetch<'a>(&'a self, url: &'a str, to: &'a Path, most_bytes: u64) -> BoxFuture<'a, Result<u64, FetchError>> {
        self.save(url, to, most_bytes).boxed()
    }
}

fn told(cause: &Cause) -> FetchError {
    let retryable = match cause {
        Cause::Refused(_) => false,
        // The same file would be as long and as wrong.
        Cause::Failed(failure) => {
            !matches!(failure, Failure::Body { .. } | Failure::Encoding(_) | Failure::Redirects(_) | Failure::Location)
        }
    };
    FetchError { message: cause.to_string(), retryable }
}
