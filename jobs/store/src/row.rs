//! A row of `tasks` as a task.

use std::time::Duration;

use jobs_core::{GroupKey, Progress, ProjectId, RetryPolicy, ScheduleId, Task, TaskError, TaskId, WorkerId};
use serde_json::{Map, Value, value::RawValue};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Artifact, StoreError};

// The names of columns carry these types into checked queries, and Postgres cuts a name after 63 bytes.
pub(crate) type Raw = Json<Box<RawValue>>;
pub(crate) type Object = Json<Map<String, Value>>;
pub(crate) type Error = Json<TaskError>;
pub(crate) type Said = Json<Progress>;
pub(crate) type Retry = Json<RetryPolicy>;
pub(crate) type Files = Json<Vec<Artifact>>;

/// A row of `tasks`, as it lies there. Its columns are listed once, in `task_query!`.
pub(crate) struct TaskRow {
    pub(crate) id: Uuid,
    pub(crate) project: i32,
    pub(crate) kind: String,
    pub(crate) queue: String,
    pub(crate) group: String,
    pub(crate) priority: i16,
    pub(crate) state: String,
    pub(crate) input: Raw,
    pub(crate) output: Option<Raw>,
    pub(crate) error: Option<Error>,
    pub(crate) progress: Option<Said>,
    pub(crate) progress_at: Option<OffsetDateTime>,
    pub(crate) attempt: i32,
    pub(crate) lost: i32,
    pub(crate) max_attempts: i32,
    pub(crate) retry: Retry,
    pub(crate) timeout_ms: i64,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Object,
    pub(crate) depends_on: Option<Vec<Uuid>>,
    pub(crate) replayed_from: Option<Uuid>,
    pub(crate) schedule_id: Option<Uuid>,
    pub(crate) request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) worker: Option<Uuid>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) due_at: Option<OffsetDateTime>,
    pub(crate) queued_at: Option<OffsetDateTime>,
    pub(crate) started_at: Option<OffsetDateTime>,
    pub(crate) cancel_requested_at: Option<OffsetDateTime>,
    pub(crate) finished_at: Option<OffsetDateTime>,
    pub(crate) deadline: Option<OffsetDateTime>,
    pub(crate) seq: i64,
    /// The files of the attempt that succeeded, where they were asked for.
    pub(crate) artifacts: Option<Files>,
}

/// A checked query that gives [`TaskRow`]s without artifacts: the columns of a task are put between `$head` and `$tail`. A head of several
/// pieces stands in brackets.
macro_rules! task_query {
    ([$($head:tt)+], $tail:tt $(, $arg:expr)* $(,)?) => { row_query!("NULL::json", [$($head)+], [$tail] $(, $arg)*) };
    ($head:tt, $tail:tt $(, $arg:expr)* $(,)?) => { row_query!("NULL::json", [$head], [$tail] $(, $arg)*) };
}

/// A checked query that gives [`TaskRow`]s with artifacts. `$tail` calls the tasks `t`.
macro_rules! whole_query {
    ($head:tt, [$($tail:tt)+] $(, $arg:expr)* $(,)?) => {
        row_query!(
            "(SELECT json_agg(json_build_object('name', a.name, 'epoch', a.epoch, 'content_type', a.content_type,
                    'size_bytes', a.size_bytes, 'sha256', a.sha256, 'created_at', a.created_at) ORDER BY a.name)
                FROM artifacts a WHERE a.task_id = t.id AND a.epoch = t.epoch AND t.state = 'succeeded')",
            [$head],
            [$($tail)+]
            $(, $arg)*
        )
    };
}

/// What both have in common. `$artifacts` gives the files of a task as JSON.
macro_rules! row_query {
    ($artifacts:tt, [$($head:tt)+], [$($tail:tt)+] $(, $arg:expr)*) => {
        sqlx::query_as!(
            $crate::row::TaskRow,
            $($head)+ + r#"
                id as "id!", project as "project!", kind as "kind!", queue as "queue!", "group" as "group!", priority as "priority!",
                state as "state!", input as "input!: crate::row::Raw",
                output as "output: crate::row::Raw",
                error as "error: crate::row::Error",
                progress as "progress: crate::row::Said", progress_at,
                attempt as "attempt!", lost as "lost!", max_attempts as "max_attempts!",
                retry as "retry!: crate::row::Retry", timeout_ms as "timeout_ms!",
                tags as "tags!", metadata as "metadata!: crate::row::Object",
                depends_on, replayed_from, schedule_id, request_id, idempotency_key, worker, created_at as "created_at!", due_at, queued_at, started_at,
                cancel_requested_at, finished_at, deadline, seq as "seq!", "# + $artifacts + r#" as "artifacts: crate::row::Files"
            "# + $($tail)+
            $(, $arg)*
        )
    };
}

impl TryFrom<TaskRow> for Task {
    type Error = StoreError;

    fn try_from(row: TaskRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: TaskId(row.id),
            project: ProjectId(row.project),
            kind: row.kind,
            queue: row.queue,
            group: row.group,
            priority: u8::try_from(row.priority).map_err(StoreError::broken)?,
            state: row.state.parse().map_err(StoreError::broken)?,
            input: row.input.0,
            output: row.output.map(|json| json.0),
            error: row.error.map(|json| json.0),
            progress: row.progress.map(|json| json.0),
            progress_at: row.progress_at,
            attempt: row.attempt.unsigned_abs(),
            lost: row.lost.unsigned_abs(),
            max_attempts: row.max_attempts.unsigned_abs(),
            retry: row.retry.0,
            timeout: Duration::from_millis(row.timeout_ms.unsigned_abs()),
            tags: row.tags,
            metadata: row.metadata.0,
            depends_on: row.depends_on.unwrap_or_default().into_iter().map(TaskId).collect(),
            replayed_from: row.replayed_from.map(TaskId),
            schedule: row.schedule_id.map(ScheduleId),
            request_id: row.request_id,
            idempotency_key: row.idempotency_key,
            worker: row.worker.map(WorkerId),
            created_at: row.created_at,
            due_at: row.due_at,
            queued_at: row.queued_at,
            started_at: row.started_at,
            cancel_requested_at: row.cancel_requested_at,
            finished_at: row.finished_at,
            deadline: row.deadline,
            seq: row.seq,
        })
    }
}

impl TaskRow {
    /// The task with its artifacts.
    pub(crate) fn whole(mut self) -> Result<(Task, Vec<Artifact>), StoreError> {
        let artifacts = self.artifacts.take().map(|json| json.0).unwrap_or_default();
        Ok((self.try_into()?, artifacts))
    }
}

/// The group of a row as the index calls it.
pub(crate) fn group_key(project: i32, group: &str) -> GroupKey {
    GroupKey::new(ProjectId(project), group)
}

/// A duration as Postgres is told it.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
