//! Schedules: what is kept of each.
//!
//! What becomes of their fires is written by [`crate::transition`], since it makes tasks.

mod ahead;
mod edit;
mod run;

use jobs_core::{ProjectId, ScheduleId, TaskId};
use jobs_schedules::{CatchUp, Overlap, Spec};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

pub use self::{
    ahead::Ahead,
    edit::{Created, NewSchedule},
    run::{Outcome, ScheduleRun},
};
use crate::{Store, StoreError, row::Raw};

/// A schedule as it stands.
#[derive(Debug, Clone)]
pub struct ScheduleRow {
    /// Its name for programs.
    pub id: ScheduleId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// Its name for people.
    pub name: String,
    /// When it fires.
    pub spec: Spec,
    /// The submission that it makes.
    pub task: Box<RawValue>,
    /// What happens while earlier tasks of it have not ended.
    pub overlap: Overlap,
    /// What happens to missed fires.
    pub catch_up: CatchUp,
    /// With how many it catches up at most, if it does with all.
    pub catch_up_max: u32,
    /// Whether it fires; else it is paused.
    pub enabled: bool,
    /// Why it is paused.
    pub note: Option<String>,
    /// Who keeps it.
    pub managed_by: Option<String>,
    /// The first fire that is not decided yet, also while it is paused; none when there is none any more.
    pub next_at: Option<OffsetDateTime>,
    /// When that starts; none while it is paused.
    pub next_due_at: Option<OffsetDateTime>,
    /// The last fire that was decided.
    pub last_at: Option<OffsetDateTime>,
    /// The last task that came of one.
    pub last_task: Option<TaskId>,
    /// The fire whose task waits until those of earlier ones have ended.
    pub waiting_at: Option<OffsetDateTime>,
    /// So many fires made a task.
    pub fired: i64,
    /// So many decisions made none.
    pub skipped: i64,
    /// So many could make none, because the task was not valid.
    pub failed: i64,
    /// Another number after every change by a client.
    pub version: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When a client changed it last.
    pub updated_at: OffsetDateTime,
    /// What time it was for schedules when it was read.
    pub now: OffsetDateTime,
}

/// A row of `schedules`. Its columns are listed once, in `schedule_query!`.
struct Row {
    id: Uuid,
    project: i32,
    name: String,
    cron: Option<String>,
    every_ms: Option<i64>,
    timezone: String,
    dst: String,
    jitter_ms: i64,
    starts_at: Option<OffsetDateTime>,
    ends_at: Option<OffsetDateTime>,
    task: Raw,
    overlap: String,
    catch_up: String,
    catch_up_max: i32,
    enabled: bool,
    note: Option<String>,
    managed_by: Option<String>,
    next_at: Option<OffsetDateTime>,
    next_due_at: Option<OffsetDateTime>,
    last_at: Option<OffsetDateTime>,
    last_task: Option<Uuid>,
    waiting_at: Option<OffsetDateTime>,
    fired: i64,
    skipped: i64,
    failed: i64,
    version: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    now: OffsetDateTime,
}

/// A checked query for schedules: `$tail` comes behind the `FROM` and says which.
macro_rules! schedule_query {
    ($tail:tt $(, $arg:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::schedule::Row,
            r#"SELECT id, project, name, cron, every_ms, timezone, dst, jitter_ms, starts_at, ends_at,
                task AS "task: crate::row::Raw", overlap, catch_up, catch_up_max, enabled, note, managed_by, next_at, next_due_at,
                last_at, last_task, waiting_at, fired, skipped, failed, version, created_at, updated_at,
                schedule_now() AS "now!"
            FROM schedules "# + $tail
            $(, $arg)*
        )
    };
}
use schedule_query;

impl Store {
    /// What time it is for schedules.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn schedule_now(&self) -> Result<OffsetDateTime, StoreError> {
        run!(self, sqlx::query_scalar!(r#"SELECT schedule_now() AS "now!""#), fetch_one)
    }

    /// A schedule of a project.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn schedule(&self, project: ProjectId, id: ScheduleId) -> Result<Option<ScheduleRow>, StoreError> {
        let query = schedule_query!("WHERE id = $1 AND project = $2", id.0, project.0);
        run!(self, query, fetch_optional)?.map(Row::read).transpose()
    }

    /// The schedules of a project by name: at most `limit`, behind a name; or the one that is called so.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn schedules(
        &self,
        project: ProjectId,
        name: Option<&str>,
        managed_by: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ScheduleRow>, StoreError> {
        let rows = run!(
            self,
            schedule_query!(
                r#"WHERE project = $1 AND ($2::text IS NULL OR name = $2) AND ($3::text IS NULL OR managed_by = $3)
                    AND ($4::text IS NULL OR name > $4) ORDER BY name LIMIT $5"#,
                project.0,
                name as Option<&str>,
                managed_by as Option<&str>,
                after as Option<&str>,
                i64::from(limit),
            ),
            fetch_all
        )?;
        rows.into_iter().map(Row::read).collect()
    }
}

impl Row {
    fn read(self) -> Result<ScheduleRow, StoreError> {
        let catch_up_max = self.catch_up_max.unsigned_abs();
        Ok(ScheduleRow {
            id: ScheduleId(self.id),
            project: ProjectId(self.project),
            name: self.name,
            spec: Spec {
                cron: self.cron,
                every_ms: self.every_ms.map(i64::unsigned_abs),
                timezone: self.timezone,
                dst: self.dst.parse().map_err(StoreError::broken)?,
                jitter_ms: self.jitter_ms.unsigned_abs(),
                starts_at: self.starts_at,
                ends_at: self.ends_at,
            },
            task: self.task.0,
            overlap: self.overlap.parse().map_err(StoreError::broken)?,
            catch_up: CatchUp::read(&self.catch_up, catch_up_max).map_err(StoreError::broken)?,
            catch_up_max,
            enabled: self.enabled,
            note: self.note,
            managed_by: self.managed_by,
            next_at: self.next_at,
            next_due_at: self.next_due_at,
            last_at: self.last_at,
            last_task: self.last_task.map(TaskId),
            waiting_at: self.waiting_at,
            fired: self.fired,
            skipped: self.skipped,
            failed: self.failed,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            now: self.now,
        })
    }
}
