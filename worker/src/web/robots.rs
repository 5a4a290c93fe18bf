//! What hosts say to crawlers, fetched once a day for all workers (RFC 9309).

use std::time::Duration;

use jobs_core::port::web::FetchError;
use jobs_outbound::{Limits, Method, Redirects, Request};
use jobs_prices::robots::{MAX_SIZE_BYTES, Robots};
use jobs_queue::Visit;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::client::WebClient;

/// Rules hold for so long (RFC 9309, section 2.4).
const HOLD: Duration = Duration::from_secs(24 * 3_600);
/// A host that could not say its rules is asked for them again after this.
pub(super) const HOLD_FAILURE: Duration = Duration::from_secs(300);
/// "At least five hops" (RFC 9309, section 2.3.1.2).
const REDIRECTS: u8 = 5;
/// What a file and an answer without one begin with, as they are kept.
const FILE: u8 = b'f';
const STATUS: u8 = b's';

impl WebClient {
    /// The rules of the host of an address.
    ///
    /// # Errors
    /// When its turn is too far away, or the attempt is asked to stop.
    pub(super) async fn robots(&self, url: &Url, cancel: &CancellationToken) -> Result<Robots, FetchError> {
        let origin = url.origin().ascii_serialization();
        if let Ok(Some(kept)) = self.queue.robots(&origin).await {
            return Ok(read(&kept));
        }
        let kept = self.ask(&origin, url, cancel).await?;
        let robots = read(&kept);
        let hold = if kept.first() == Some(&STATUS) && robots == Robots::of_status(500) { HOLD_FAILURE } else { HOLD };
        // Without Redis they are asked for again, which costs a request.
        let _ = self.queue.keep_robots(&origin, &kept, hold).await;
        Ok(robots)
    }

    async fn ask(&self, origin: &str, url: &Url, cancel: &CancellationToken) -> Result<Vec<u8>, FetchError> {
        let turn = self.doors.enter(&super::client::door_of(url), None, cancel).await?;
        let limits = Limits { body_bytes: 64 << 20, wire_bytes: 64 << 20, ..Limits::default() };
        let request = Request::new(Method::GET, format!("{origin}/robots.txt"));
        let request = request.redirects(Redirects::Follow(REDIRECTS)).limits(limits);
        let answer = tokio::select! {
            answer = self.outbound.send(request) => answer,
            () = cancel.cancelled() => {
                self.doors.leave(turn, Visit::Fine, Duration::ZERO).await;
                return Err(super::door::cancelled());
            }
        };
        let of_status = |status: u16| [&[STATUS][..], status.to_string().as_bytes()].concat();
        let (kept, visit) = match answer {
            Ok(mut answer) if answer.status.is_success() => match answer.body.head(MAX_SIZE_BYTES).await {
                Ok((file, _)) => ([&[FILE][..], &file].concat(), Visit::Fine),
                Err(_) => (of_status(500), Visit::Failed),
            },
            // A redirect that leads nowhere is a file that is not there.
            Ok(answer) if answer.status.is_redirection() => (of_status(404), Visit::Fine),
            Ok(answer) if answer.status.is_client_error() => (of_status(answer.status.as_u16()), Visit::Fine),
            Ok(_) => (of_status(500), Visit::Failed),
            Err(error) if error.cause.code() == "too_many_redirects" => (of_status(404), Visit::Fine),
            Err(_) => (of_status(500), Visit::Failed),
        };
        self.doors.leave(turn, visit, Duration::ZERO).await;
        Ok(kept)
    }
}

/// How people name the host of an address.
pub(super) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

fn read(kept: &[u8]) -> Robots {
    match kept.split_first() {
        Some((&FILE, file)) => Robots::parse(file),
        Some((_, status)) => Robots::of_status(String::from_utf8_lossy(status).parse().unwrap_or(500)),
        None => Robots::of_status(500),
    }
}
