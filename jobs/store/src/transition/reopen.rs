//! Reopen: a task that ended without success is tried again, under its own id and with a budget of its own.

use jobs_core::{Event, ProjectId, Task, TaskId};

use crate::{
    Store, StoreError,
    transition::{Act, Selection},
};

impl Store {
    /// Puts a task of a project that failed, was canceled or expired into its queue again, as [`Act::Reopen`] says, and gives it as it is now:
    /// `true` if this call did it. One that has not ended is left as it is.
    ///
    /// # Errors
    /// When the project has no such task, when it has succeeded, when Postgres is not available.
    pub async fn reopen(&self, project: ProjectId, id: TaskId) -> Result<(Task, bool), StoreError> {
        let hits = self.act(project, Act::Reopen, &Selection::one(id), None, 1).await?;
        let is_open = hits.iter().any(|hit| hit.now.is_some());
        let task = self.get(project, id).await?;
        if !is_open && task.state.is_terminal() {
            task.state.on(Event::Reopen)?;
        }
        Ok((task, is_open))
    }
}
