//! Files of attempts: what the database knows of them. Their bytes lie elsewhere.

use std::collections::HashMap;

use jobs_core::{ProjectId, TaskId, WorkerId};
use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Store, StoreError};

/// A file that an attempt left.
#[derive(Debug, Clone, Deserialize)]
pub struct Artifact {
    /// Its name, unique within the attempt.
    pub name: String,
    /// The epoch of the attempt that made it; part of where its bytes lie.
    pub epoch: i32,
    /// Its media type.
    pub content_type: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// When it was uploaded.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

impl Store {
    /// Notes a file of a running attempt, with a row in the task's history. `false` when the attempt is not the
    /// worker's any more.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn add_artifact(
        &self,
        worker: WorkerId,
        task: TaskId,
        epoch: i32,
        artifact: &Artifact,
    ) -> Result<bool, StoreError> {
        let size = i64::try_from(artifact.size_bytes).map_err(StoreError::broken)?;
        let added = run!(
            self,
            sqlx::query_scalar!(
                r#"WITH told AS (
                    UPDATE tasks SET seq = seq + 1
                    WHERE id = $1 AND epoch = $2 AND worker = $3 AND state IN ('running', 'canceling')
                    RETURNING id, seq, attempt, epoch, worker
                ), noted AS (
                    INSERT INTO artifacts (task_id, epoch, name, content_type, size_bytes, sha256)
                    SELECT id, epoch, $4, $5, $6, $7 FROM told
                    ON CONFLICT (task_id, epoch, name) DO UPDATE
                        SET content_type = excluded.content_type, size_bytes = excluded.size_bytes, sha256 = excluded.sha256
                )
                INSERT INTO task_events (task_id, seq, type, attempt, epoch, worker, data)
                SELECT id, seq, 'artifact', attempt, epoch, worker,
                    json_build_object('name', $4::text, 'content_type', $5::text, 'size', $6::bigint, 'sha256', $7::text)
                FROM told RETURNING seq"#,
                task.0,
                epoch,
                worker.0,
                artifact.name,
                artifact.content_type,
                size,
                artifact.sha256,
            ),
            fetch_optional
        )?;
        Ok(added.is_some())
    }

    /// The files of the attempt of a project's task that succeeded, by name; none while there is none.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn artifacts(&self, project: ProjectId, task: TaskId) -> Result<Vec<Artifact>, StoreError> {
        Ok(self.artifacts_of(project, &[task]).await?.remove(&task).unwrap_or_default())
    }

    /// The files of those of `tasks` that are of a project and have succeeded, by task and by name.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn artifacts_of(
        &self,
        project: ProjectId,
        tasks: &[TaskId],
    ) -> Result<HashMap<TaskId, Vec<Artifact>>, StoreError> {
        if tasks.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<Uuid> = tasks.iter().map(|task| task.0).collect();
        let rows = run!(
            self,
            sqlx::query!(
                "SELECT a.task_id, a.name, a.epoch, a.content_type, a.size_bytes, a.sha256, a.created_at
                FROM artifacts a JOIN tasks t ON t.id = a.task_id AND t.epoch = a.epoch
                WHERE a.task_id = ANY($1) AND t.project = $2 AND t.state = 'succeeded' ORDER BY a.name",
                &ids,
                project.0,
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
