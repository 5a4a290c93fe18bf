//! The files of many tasks at once, for lists.

use std::collections::HashMap;

use jobs_core::TaskId;
use uuid::Uuid;

use crate::{Artifact, Store, StoreError};

impl Store {
    /// The files of those of `tasks` that have succeeded, by task and by name.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn artifacts_of(&self, tasks: &[TaskId]) -> Result<HashMap<TaskId, Vec<Artifact>>, StoreError> {
        if tasks.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<Uuid> = tasks.iter().map(|task| task.0).collect();
        let rows = run!(
            self,
            sqlx::query!(
                "SELECT a.task_id, a.name, a.epoch, a.content_type, a.size_bytes, a.sha256, a.created_at
                FROM artifacts a JOIN tasks t ON t.id = a.task_id AND t.epoch = a.epoch
                WHERE a.task_id = ANY($1) AND t.state = 'succeeded' ORDER BY a.name",
                &ids,
            ),
            fetch_all
        )?;
        let mut artifacts: HashMap<TaskId, Vec<Artifact>> = HashMap::new();
        for row in rows {
            artifacts.entry(TaskId(row.task_id)).or_default().push(Artifact {
                name: row.name,
                epoch: row.epoch,
                content_type: row.content_type,
                size_bytes: row.size_bytes.unsigned_abs(),
                sha256: row.sha256,
                created_at: row.created_at,
            });
        }
        Ok(artifacts)
    }
}
