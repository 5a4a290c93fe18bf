//! The events of one task as they happen: read, told, and read again when somebody says that there are more.
//!
//! The rows are the only source: what wakes us says nothing itself, so a lost or a doubled word makes neither a gap nor a
//! repetition.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::response::sse::Event;
use futures::{Stream, stream};
use jobs_core::ProjectId;
use jobs_queue::Watch;
use jobs_store::StoreError;
use tokio::time::sleep;

use crate::{app::Shared, links::Links, tasks::get::view, view::EventView};

/// A stream is never silent for longer: by then it looks again, and a comment says that it lives.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);
/// So many rows are read at once.
const BATCH: u32 = 200;
/// The database is asked again after this long, while it is away.
const AWAY: Duration = Duration::from_secs(1);

struct Follower {
    app: Shared,
    project: ProjectId,
    watch: Watch,
    links: Links,
    /// The number of the last event that was read.
    after: i64,
    ready: VecDeque<Event>,
    is_over: bool,
}

/// The events behind number `after`, up to `done`; or until the process stops.
pub(crate) fn events(
    app: Shared,
    project: ProjectId,
    watch: Watch,
    after: i64,
    links: Links,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let follower = Follower { app, project, watch, links, after, ready: VecDeque::new(), is_over: false };
    stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    })
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.is_over || self.app.stopping.is_cancelled() {
                return None;
            }
            let pause = match self.read().await {
                Ok(true) => continue,
                Ok(false) => HEARTBEAT,
                Err(StoreError::NotFound(_)) => return None,
                // The client keeps its stream; the rows wait.
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a stream of events waits for Postgres");
                    AWAY
                }
            };
            let stopping = self.app.stopping.clone();
            tokio::select! {
                // While the database is away a word about a task is no reason to ask it sooner.
                () = self.watch.changed(), if pause == HEARTBEAT => {}
                () = sleep(pause) => {}
                () = stopping.cancelled() => {}
            }
        }
    }

    /// Reads what is new; `false` when nothing is.
    async fn read(&mut self) -> Result<bool, StoreError> {
        if self.read_rows().await? > 0 {
            return Ok(true);
        }
        let task = self.app.store.get(self.project, self.watch.task()).await?;
        if !task.state.is_terminal() {
            return Ok(false);
        }
        // It may have ended since we looked at its rows; there are no more of them from here on.
        if self.read_rows().await? < BATCH as usize {
            let number = task.seq + 1;
            let view = view(&self.app, task, &self.links).await?;
            self.ready.push_back(wire("done", number, &view));
            self.is_over = true;
        }
        Ok(true)
    }

    async fn read_rows(&mut self) -> Result<usize, StoreError> {
        let rows = self.app.store.events(self.project, self.watch.task(), self.after, BATCH).await?;
        let count = rows.len();
        for row in rows {
            let event_type = row.event_type.name();
            self.after = row.seq;
            self.ready.push_back(wire(event_type, row.seq, &EventView::new(row)));
        }
        Ok(count)
    }
}

fn wire(name: &str, number: i64, data: &impl serde::Serialize) -> Event {
    let data = serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned());
    Event::default().event(name).id(number.to_string()).data(data)
}
