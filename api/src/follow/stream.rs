//! The events of one task as a stream of server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration, vec};

use bytes::Bytes;
use futures::{Stream, stream};
use jobs_metrics::Raised;
use jobs_queue::Watch;
use jobs_store::StoreError;
use tokio::time::sleep;

use super::{Feed, Told};
use crate::{app::Shared, links::Links, metrics::STREAMS};

/// A stream is never silent for longer: by then a comment says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Nothing to clients, and a sign of life to everything in between.
const ALIVE: Bytes = Bytes::from_static(b": alive\n\n");
/// The database is asked again after this long, while it is away.
const AWAY: Duration = Duration::from_secs(1);

/// One client who follows one task.
struct Follower {
    app: Shared,
    feed: Arc<Feed>,
    watch: Watch,
    links: Links,
    /// The number of the last event that was read.
    after: i64,
    ready: vec::IntoIter<Told>,
    is_over: bool,
    _open: Raised<'static>,
}

/// The events behind number `after`, up to `done`; or until the process stops.
pub(crate) fn events(
    app: Shared,
    feed: Arc<Feed>,
    after: i64,
    links: Links,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let watch = feed.watch();
    let follower = Follower {
        app,
        feed,
        watch,
        links,
        after,
        ready: Vec::new().into_iter(),
        is_over: false,
        _open: STREAMS.raise(),
    };
    stream::unfold(follower, |mut follower| async move {
        let frame = follower.next().await?;
        Some((Ok(frame), follower))
    })
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(told) = self.ready.next() {
                return Some(told.frame());
            }
            if self.is_over || self.app.stopping.is_cancelled() {
                return None;
            }
            // On the heap while it reads: thousands wait at any time, and few read.
            let read = Box::pin(self.read()).await;
            let is_away = match read {
                Ok(true) => continue,
                Ok(false) => false,
                Err(StoreError::NotFound(_)) => return None,
                // The client keeps its stream; the rows wait.
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a stream of events waits for Postgres");
                    true
                }
            };
            tokio::select! {
                // While the database is away a word about a task is no reason to ask it sooner.
                () = self.watch.changed(), if !is_away => {}
                () = sleep(if is_away { AWAY } else { HEARTBEAT }) => if !is_away { return Some(ALIVE) },
                () = self.app.stopping.cancelled() => {}
            }
        }
    }

    /// Reads what is new; `false` when nothing is.
    async fn read(&mut self) -> Result<bool, StoreError> {
        let seen = self.watch.seen();
        let mut step = self.feed.behind(&self.app.store, seen, self.after).await?;
        if let Some(end) = &step.end {
            step.told.push(end.told(&self.links));
            self.is_over = true;
        }
        let Some(last) = step.told.last() else { return Ok(step.more) };
        self.after = last.seq;
        self.ready = step.told.into_iter();
        Ok(true)
    }
}
