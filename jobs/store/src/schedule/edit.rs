//! Making, changing and removing schedules.

use jobs_core::{ProjectId, ScheduleId, task::Idempotency};
use jobs_schedules::{CatchUp, Fire, LeftOut, Overlap, Spec};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::ScheduleRow;
use crate::{Channel, Store, StoreError};

/// A schedule to be made.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    /// Its name for programs.
    pub id: ScheduleId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// Its name for people: one in a project.
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
    /// Who keeps it.
    pub managed_by: Option<String>,
    /// Its first fire.
    pub next: Option<Fire>,
}

/// What became of a wish for a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is made.
    Yes,
    /// The project has one of this name.
    NameTaken,
    /// The same request came before under the same key and made this one.
    Replayed(ScheduleId),
    /// Another request came before under the same key.
    KeyTaken,
}

impl Store {
    /// Makes a schedule.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn create_schedule(&self, new: &NewSchedule, key: Option<&Idempotency>) -> Result<Created, StoreError> {
        let spec = &new.spec;
        let qualified = key.map(|key| new.project.qualify(&key.key));
        let made = run!(
            self,
            sqlx::query!(
                "WITH keyed AS (
                    INSERT INTO idempotency_keys (key, fingerprint, task_id) SELECT $1::text, $2::bytea, $3::uuid
                    WHERE $1 IS NOT NULL ON CONFLICT (key) DO NOTHING RETURNING key
                )
                INSERT INTO schedules (id, project, name, cron, every_ms, timezone, dst, jitter_ms, starts_at, ends_at, task,
                    overlap, catch_up, catch_up_max, enabled, managed_by, next_at, next_due_at)
                SELECT $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::json, $14, $15, $16, $17, $18, $19, $20
                WHERE $1 IS NULL OR EXISTS (SELECT FROM keyed)",
                qualified.as_deref() as Option<&str>,
                key.map(|key| key.fingerprint.as_slice()) as Option<&[u8]>,
                new.id.0,
                new.project.0,
                new.name,
                spec.cron.as_deref() as Option<&str>,
                spec.every_ms.map(u64::cast_signed) as Option<i64>,
                spec.timezone,
                spec.dst.name(),
                spec.jitter_ms.cast_signed(),
                spec.starts_at as Option<OffsetDateTime>,
                spec.ends_at as Option<OffsetDateTime>,
                new.task.get(),
                new.overlap.name(),
                new.catch_up.name(),
                new.catch_up_max.cast_signed(),
                new.enabled,
                new.managed_by.as_deref() as Option<&str>,
                new.next.as_ref().map(|fire| fire.at) as Option<OffsetDateTime>,
                new.next.as_ref().filter(|_| new.enabled).map(|fire| fire.due) as Option<OffsetDateTime>,
            ),
            execute
        );
        match made {
            Ok(made) if made.rows_affected() > 0 => {
                self.tell_of_schedule(new.id).await;
                Ok(Created::Yes)
            }
            Ok(_) => self.created_before(qualified.as_deref(), key).await,
            Err(error) if error.is_conflict_on("schedules_project_name_key") => {
                // A repetition finds its own name.
                match self.created_before(qualified.as_deref(), key).await? {
                    Created::Yes => Ok(Created::NameTaken),
                    before => Ok(before),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// What was made under a key before; `Yes` when that is nothing.
    async fn created_before(&self, qualified: Option<&str>, key: Option<&Idempotency>) -> Result<Created, StoreError> {
        let (Some(qualified), Some(key)) = (qualified, key) else { return Ok(Created::Yes) };
        let known = run!(
            self,
            sqlx::query!("SELECT fingerprint, task_id FROM idempotency_keys WHERE key = $1", qualified),
            fetch_optional
        )?;
        Ok(match known {
            None => Created::Yes,
            Some(known) if known.fingerprint == key.fingerprint => Created::Replayed(ScheduleId(known.task_id)),
            Some(_) => Created::KeyTaken,
        })
    }

    /// Puts `now` in the place of `was`, unless that was changed or has fired since. What was left out meanwhile is noted; a task
    /// that waited and waits no more is left out.
    ///
    /// # Errors
    /// When Postgres is not available. When the project has another schedule of this name: see [`StoreError::is_schedule_name_taken`].
    pub async fn replace_schedule(
        &self,
        was: &ScheduleRow,
        now: &ScheduleRow,
        left_out: Option<&LeftOut>,
    ) -> Result<bool, StoreError> {
        let spec = &now.spec;
        let given_up = was.waiting_at.filter(|_| now.waiting_at.is_none());
        let replaced = run!(
            self,
            sqlx::query_scalar!(
                r#"WITH replaced AS (
                    UPDATE schedules SET name = $6, cron = $7, every_ms = $8, timezone = $9, dst = $10, jitter_ms = $11,
                        starts_at = $12, ends_at = $13, task = $14::text::json, overlap = $15, catch_up = $16, catch_up_max = $17,
                        enabled = $18, note = $19, managed_by = $20, next_at = $21, next_due_at = $22, waiting_at = $23,
                        skipped = skipped + CASE WHEN $24::timestamptz IS NULL THEN 0 ELSE 1 END
                            + CASE WHEN $27::timestamptz IS NULL THEN 0 ELSE 1 END,
                        version = version + 1, updated_at = now()
                    WHERE id = $1 AND project = $2 AND version = $3 AND next_at IS NOT DISTINCT FROM $4
                        AND waiting_at IS NOT DISTINCT FROM $5
                    RETURNING id
                ), noted AS (
                    INSERT INTO schedule_runs (schedule, fire_at, due_at, outcome, reason, until_at, decided_at)
                    SELECT id, $24, $24, 'skipped', $25, $26, schedule_now() FROM replaced WHERE $24 IS NOT NULL
                    ON CONFLICT DO NOTHING
                ), given_up AS (
                    UPDATE schedule_runs r SET outcome = 'skipped', reason = 'paused' FROM replaced
                    WHERE r.schedule = replaced.id AND r.fire_at = $27 AND r.outcome = 'waiting'
                )
                SELECT count(*) AS "count!" FROM replaced"#,
                was.id.0,
                was.project.0,
                was.version,
                was.next_at as Option<OffsetDateTime>,
                was.waiting_at as Option<OffsetDateTime>,
                now.name,
                spec.cron.as_deref() as Option<&str>,
                spec.every_ms.map(u64::cast_signed) as Option<i64>,
                spec.timezone,
                spec.dst.name(),
                spec.jitter_ms.cast_signed(),
                spec.starts_at as Option<OffsetDateTime>,
                spec.ends_at as Option<OffsetDateTime>,
                now.task.get(),
                now.overlap.name(),
                now.catch_up.name(),
                now.catch_up_max.cast_signed(),
                now.enabled,
                now.note.as_deref() as Option<&str>,
                now.managed_by.as_deref() as Option<&str>,
                now.next_at as Option<OffsetDateTime>,
                now.next_due_at as Option<OffsetDateTime>,
                now.waiting_at as Option<OffsetDateTime>,
                left_out.map(|left| left.first) as Option<OffsetDateTime>,
                left_out.map(|left| left.why.name()) as Option<&str>,
                left_out.map(|left| left.until) as Option<OffsetDateTime>,
                given_up as Option<OffsetDateTime>,
            ),
            fetch_one
        )?;
        if replaced > 0 {
            self.tell_of_schedule(was.id).await;
        }
        Ok(replaced > 0)
    }

    /// Removes a schedule of a project and what is known of its fires, if it is in this version, should one be said. Its tasks stay.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn delete_schedule(
        &self,
        project: ProjectId,
        id: ScheduleId,
        version: Option<i64>,
    ) -> Result<bool, StoreError> {
        let gone = run!(
            self,
            sqlx::query!(
                "DELETE FROM schedules WHERE id = $1 AND project = $2 AND ($3::bigint IS NULL OR version = $3)",
                id.0,
                project.0,
                version as Option<i64>,
            ),
            execute
        )?;
        if gone.rows_affected() > 0 {
            self.tell_of_schedule(id).await;
        }
        Ok(gone.rows_affected() > 0)
    }

    async fn tell_of_schedule(&self, id: ScheduleId) {
        self.tell(Channel::Schedules, &id.0.to_string()).await;
    }
}
