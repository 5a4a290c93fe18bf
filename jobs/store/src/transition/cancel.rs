//! Cancel: somebody asks to stop a task. One that waits ends at once; one that runs is told.

use jobs_core::{Event, ProjectId, State, Task, TaskId};

use crate::{Channel, Store, StoreError};

impl Store {
    /// Cancels a task of a project and gives it as it is now. Asking again changes nothing.
    ///
    /// # Errors
    /// When the project has no such task, when it ended in another way, when Postgres is not available.
    pub async fn cancel(&self, project: ProjectId, id: TaskId) -> Result<Task, StoreError> {
        let moved = run!(
            self,
            task_query!(
                r#"UPDATE tasks SET
                    state = CASE state WHEN 'running' THEN 'canceling' ELSE 'canceled' END,
                    finished_at = CASE state WHEN 'running' THEN NULL ELSE now() END,
                    cancel_requested_at = now(), seq = seq + 1,
                    history = history || moment(seq + 1, 'cancel',
                        CASE state WHEN 'running' THEN 'canceling' ELSE 'canceled' END, attempt, epoch)
                WHERE id = $1 AND project = $2 AND state IN ('scheduled', 'blocked', 'queued', 'running', 'retrying')
                RETURNING"#,
                "",
                id.0,
                project.0,
            ),
            fetch_optional
        )?;
        let Some(row) = moved else {
            let task = self.get(project, id).await?;
            task.state.on(Event::Cancel)?;
            return Ok(task);
        };
        let task = Task::try_from(row)?;
        if let (State::Canceling, Some(worker)) = (task.state, task.worker) {
            self.tell(Channel::Cancel, &worker.0.to_string()).await;
        }
        Ok(task)
    }
}
