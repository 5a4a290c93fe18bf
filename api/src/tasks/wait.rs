//! Waiting for a task within a request.

use std::time::Duration;

use jobs_core::{ProjectId, Task, TaskId};
use jobs_queue::Watch;
use jobs_store::StoreError;
use tokio::time::{Instant, sleep_until};

use crate::app::App;

/// The task when `done` says so, when it has ended, or when the time is over; whichever is first. `watch` was made before
/// the task was read for the first time.
pub(crate) async fn until(
    app: &App,
    project: ProjectId,
    id: TaskId,
    watch: &mut Watch,
    patience: Duration,
    done: impl Fn(&Task) -> bool,
) -> Result<Task, StoreError> {
    let deadline = Instant::now() + patience;
    loop {
        let task = app.store.get(project, id).await?;
        if task.state.is_terminal() {
            // What was kept of it holds no more, also if the word of that is still on its way.
            app.hub.note(id);
        }
        if done(&task) || task.state.is_terminal() || app.stopping.is_cancelled() || Instant::now() >= deadline {
            return Ok(task);
        }
        tokio::select! {
            () = watch.changed() => {}
            () = sleep_until(deadline) => {}
            () = app.stopping.cancelled() => {}
        }
    }
}
