//! Forecasts of a few tasks, kept to be compared with what comes: at most one a second of each process, whoever asks for what.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jobs_core::{Expected, State, Task};
use jobs_store::{Forecast, Foretold};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{app::Shared, clock::now, tasks::explain::Told};

/// So often a forecast is kept at most.
const EVERY: Duration = Duration::from_secs(1);

/// Takes care that forecasts are few.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: Mutex<Option<Instant>>,
}

impl Turns {
    /// Whether it is time for one; then it is not for a while.
    fn take(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|at| at.elapsed() >= EVERY);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

/// Foretells the start and the end of a task that somebody reads, on the side, if it is time for that.
pub(crate) fn consider(app: &Shared, task: &Task) {
    if !matches!(task.state, State::Queued | State::Running) || !app.forecasts.take() {
        return;
    }
    let (app, task) = (Arc::clone(app), task.clone());
    tokio::spawn(async move {
        match Told::of(&app, &task).await {
            Ok(told) => keep(&app, &task, told.start, told.finish).await,
            // There is another one in a second.
            Err(problem) => tracing::debug!(code = problem.code.name(), "nothing was foretold"),
        }
    });
}

/// Keeps what was foretold of a task.
async fn keep(app: &Shared, task: &Task, start: Option<Expected>, finish: Option<Expected>) {
    let now = now();
    let forecast = Forecast {
        task: task.id,
        start: start.and_then(|start| at(start, now)),
        finish: finish.and_then(|finish| at(finish, now)),
    };
    if forecast.start.is_none() && forecast.finish.is_none() {
        return;
    }
    if let Err(error) = app.store.foretell(task.project, &forecast).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "a forecast was not kept");
    }
}

fn at(expected: Expected, now: OffsetDateTime) -> Option<Foretold> {
    let after = |wait: Duration| now.checked_add(wait.try_into().ok()?);
    Some(Foretold { p50: after(expected.p50)?, p90: after(expected.p90)? })
}
