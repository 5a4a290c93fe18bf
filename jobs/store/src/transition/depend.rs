//! Unblock, defer, skip: a task that others wait for has ended, and they go on or end with it.
//!
//! A submission marks every task that it waits for, under that task's lock: so whoever ends the task finds the mark, and whoever
//! comes after its end finds the end. The mark stays until everybody has heard of it, whatever dies in between. Two that settle at
//! once, as when the leadership changes, leave each other's waits alone.

use std::collections::HashSet;

use jobs_core::{GroupKey, ProjectId, TaskId, Ticket};
use uuid::Uuid;

use crate::{Channel, Store, StoreError};

/// What became of tasks that waited for others.
#[derive(Debug, Clone, Default)]
pub struct Settled {
    /// These are ready.
    pub ready: Vec<Ticket>,
    /// These wait for their time.
    pub deferred: Vec<TaskId>,
    /// These ended: what they waited for did not succeed.
    pub skipped: Vec<TaskId>,
}

impl Settled {
    /// How many tasks moved.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ready.len() + self.deferred.len() + self.skipped.len()
    }

    /// All of them.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskId> {
        let ready = self.ready.iter().map(|ready| ready.task);
        ready.chain(self.deferred.iter().copied()).chain(self.skipped.iter().copied()).collect()
    }
}

/// A row of a task that waits no longer.
struct Moved {
    id: Uuid,
    queue: String,
    project: i32,
    group: String,
    priority: i16,
    state: String,
    ready_ms: Option<i64>,
}

/// A checked query that moves the tasks that `$which` calls `met`, each to its state. Everywhere here the state is hidden in an expression, so
/// that rows are found by their ids: the index of blocked tasks would lead through everything that waits.
macro_rules! unblock_query {
    ($which:tt, $($arg:expr),+ $(,)?) => {
        sqlx::query_as!(
            Moved,
            $which + r#"
            UPDATE tasks t SET blockers = met.left_over, state = met.state,
                queued_at = CASE met.state WHEN 'queued' THEN now() ELSE t.queued_at END,
                seq = t.seq + CASE met.state WHEN 'blocked' THEN 0 ELSE 1 END,
                history = CASE met.state WHEN 'blocked' THEN t.history ELSE t.history || moment(t.seq + 1,
                    CASE met.state WHEN 'queued' THEN 'unblock' ELSE 'defer' END, met.state, t.attempt, t.epoch) END
            FROM met WHERE t.id = met.id AND t.state || '' = 'blocked'
            RETURNING t.id, queue, project, "group", priority, t.state, (extract(epoch FROM queued_at) * 1000)::bigint AS ready_ms"#,
            $($arg),+
        )
    };
}

/// A checked query that ends the blocked tasks that `$which` calls `doomed`, each with a task that it waited for in vain and how that
/// one ended.
macro_rules! skip_query {
    ($which:tt, $($arg:expr),+ $(,)?) => {
        sqlx::query_scalar!(
            $which + r#", reasons AS (
                SELECT DISTINCT ON (task) task, json_build_object('type', 'dependency', 'code', 'dependency_' || how,
                    'message', 'task_' || replace(by::text, '-', '') || ', which it waited for, '
                        || CASE how WHEN 'removed' THEN 'was removed' ELSE 'ended as ' || how END,
                    'retryable', false, 'attempt', 0, 'details', json_build_object(
                        'task_id', 'task_' || replace(by::text, '-', ''), 'status', how)) AS error
                FROM doomed ORDER BY task
            )
            UPDATE tasks t SET state = 'canceled', finished_at = now(), error = reasons.error, seq = t.seq + 1,
                history = t.history || moment(t.seq + 1, 'skip', 'canceled', t.attempt, t.epoch,
                    data => json_build_object('error', reasons.error))
            FROM reasons WHERE t.id = reasons.task AND t.state || '' = 'blocked' RETURNING t.id"#,
            $($arg),+
        )
    };
}

/// A checked query that gives tasks with the version of each that waits in vain.
macro_rules! stuck_query {
    ($which:tt, $($arg:expr),+ $(,)?) => {
        sqlx::query!(
            "SELECT id, CASE WHEN NOT EXISTS (SELECT FROM task_dependencies d JOIN tasks e ON e.id = d.depends_on
                WHERE d.task = t.id AND (e.finished_at IS NULL OR e.has_dependents)) THEN seq END AS stuck
            FROM tasks t " + $which,
            $($arg),+
        )
    };
}

impl Store {
    /// Those of `ids` that are tasks of a project.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn existing(&self, project: ProjectId, ids: &[TaskId]) -> Result<HashSet<TaskId>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let known = run!(
            self,
            sqlx::query_scalar!("SELECT id FROM tasks WHERE id = ANY($1) AND project = $2", &ids, project.0),
            fetch_all
        )?;
        Ok(known.into_iter().map(TaskId).collect())
    }

    /// Tells some of the tasks that wait for one that has ended: about `limit` of them. Again until none moves and `false` comes
    /// back: then everybody has heard.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn settle(&self, limit: u32) -> Result<(Settled, bool), StoreError> {
        let skipped = self.skip(limit).await?;
        let mut settled = self.unblock(limit).await?;
        settled.skipped = skipped;
        self.unmark().await?;
        let left = run!(
            self,
            sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM tasks WHERE has_dependents AND finished_at IS NOT NULL) AS "left!""#
            ),
            fetch_one
        )?;
        Ok((settled, left))
    }

    /// Ends those that wait for what did not succeed, and those that wait for them, and so on.
    async fn skip(&self, limit: u32) -> Result<Vec<TaskId>, StoreError> {
        let skipped = run!(
            self,
            skip_query!(
                "WITH RECURSIVE vain (task, by, how) AS (
                    SELECT d.task, d.depends_on, e.state FROM tasks e JOIN task_dependencies d ON d.depends_on = e.id
                    WHERE e.has_dependents AND e.finished_at IS NOT NULL AND e.state <> 'succeeded'
                    UNION
                    SELECT d.task, d.depends_on, 'canceled' FROM vain JOIN tasks t ON t.id = vain.task AND t.state || '' = 'blocked'
                        JOIN task_dependencies d ON d.depends_on = vain.task
                ), doomed AS MATERIALIZED (
                    SELECT * FROM vain LIMIT $1
                ), heard AS (
                    DELETE FROM task_dependencies WHERE (task, depends_on) IN (
                        SELECT d.task, d.depends_on FROM task_dependencies d
                        JOIN doomed ON d.task = doomed.task AND d.depends_on = doomed.by FOR UPDATE OF d SKIP LOCKED)
                )",
                i64::from(limit),
            ),
            fetch_all
        )?;
        Ok(skipped.into_iter().map(TaskId).collect())
    }

    /// Lets those go on that wait for nothing else.
    async fn unblock(&self, limit: u32) -> Result<Settled, StoreError> {
        let rows = run!(
            self,
            unblock_query!(
                "WITH heard AS (
                    DELETE FROM task_dependencies WHERE (task, depends_on) IN (
                        SELECT d.task, d.depends_on FROM tasks e JOIN task_dependencies d ON d.depends_on = e.id
                        WHERE e.has_dependents AND e.finished_at IS NOT NULL AND e.state = 'succeeded'
                        LIMIT $1 FOR UPDATE OF d SKIP LOCKED)
                    RETURNING task
                ), counted AS (
                    SELECT task, count(*) AS count FROM heard GROUP BY task
                ), met AS (
                    -- Two that are settled at once take turns here, so that none counts what the other one has counted.
                    SELECT t.id, t.blockers - counted.count AS left_over, CASE WHEN t.blockers > counted.count THEN 'blocked'
                        WHEN t.due_at > now() THEN 'scheduled' ELSE 'queued' END AS state
                    FROM counted JOIN tasks t ON t.id = counted.task WHERE t.state || '' = 'blocked' ORDER BY t.id FOR UPDATE OF t
                )",
                i64::from(limit),
            ),
            fetch_all
        )?;
        self.settled(rows).await
    }

    /// Takes the mark from those of which everybody has heard.
    async fn unmark(&self) -> Result<(), StoreError> {
        run!(self, sqlx::query!("SELECT unmark_heard()"), fetch_one).map(drop)
    }

    /// The next `limit` tasks after one that wait for others, in the order of their ids; with the version of each that waits in vain,
    /// as nobody is left who would end its wait. There should be none.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn blocked(&self, after: Option<TaskId>, limit: u32) -> Result<Vec<(TaskId, Option<i64>)>, StoreError> {
        let rows = run!(
            self,
            stuck_query!(
                "WHERE state = 'blocked' AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2",
                after.map(|id| id.0) as Option<Uuid>,
                i64::from(limit)
            ),
            fetch_all
        )?;
        Ok(rows.into_iter().map(|row| (TaskId(row.id), row.stuck)).collect())
    }

    /// Those of `tasks` that still wait in vain in the same version.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn still_stuck(&self, tasks: &[(TaskId, i64)]) -> Result<Vec<TaskId>, StoreError> {
        let (ids, seqs): (Vec<Uuid>, Vec<i64>) = tasks.iter().map(|(task, seq)| (task.0, *seq)).unzip();
        let rows = run!(
            self,
            stuck_query!(
                "JOIN unnest($1::uuid[], $2::bigint[]) AS known (task, version) ON task = id AND version = seq
                WHERE state = 'blocked'",
                &ids,
                &seqs
            ),
            fetch_all
        )?;
        Ok(rows.into_iter().filter(|row| row.stuck.is_some()).map(|row| TaskId(row.id)).collect())
    }

    /// Moves those of `ids` that wait in vain to where they belong.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn settle_stuck(&self, ids: &[TaskId]) -> Result<Settled, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let skipped = run!(
            self,
            skip_query!(
                "WITH doomed (task, by, how) AS (
                    SELECT d.task, d.depends_on, COALESCE(e.state, 'removed')
                    FROM task_dependencies d LEFT JOIN tasks e ON e.id = d.depends_on
                    WHERE d.task = ANY($1) AND (e.id IS NULL OR e.state IN ('failed', 'canceled', 'expired'))
                )",
                &ids,
            ),
            fetch_all
        )?;
        let rows = run!(
            self,
            unblock_query!(
                "WITH met AS (
                    SELECT id, 0 AS left_over, CASE WHEN due_at > now() THEN 'scheduled' ELSE 'queued' END AS state
                    FROM tasks t WHERE id = ANY($1) AND state || '' = 'blocked'
                        AND NOT EXISTS (SELECT FROM task_dependencies d LEFT JOIN tasks e ON e.id = d.depends_on
                            WHERE d.task = t.id AND e.state IS DISTINCT FROM 'succeeded')
                    FOR UPDATE
                )",
                &ids,
            ),
            fetch_all
        )?;
        let mut settled = self.settled(rows).await?;
        settled.skipped.extend(skipped.into_iter().map(TaskId));
        Ok(settled)
    }

    async fn settled(&self, rows: Vec<Moved>) -> Result<Settled, StoreError> {
        let mut settled = Settled::default();
        for row in rows {
            let task = TaskId(row.id);
            match row.state.as_str() {
                "queued" => settled.ready.push(Ticket {
                    task,
                    queue: row.queue,
                    group: GroupKey::new(ProjectId(row.project), &row.group),
                    priority: u8::try_from(row.priority).map_err(StoreError::broken)?,
                    ready_ms: row.ready_ms.unwrap_or_default(),
                }),
                "scheduled" => settled.deferred.push(task),
                // It still waits for others.
                _ => {}
            }
        }
        if !settled.deferred.is_empty() {
            self.tell(Channel::Due, "").await;
        }
        Ok(settled)
    }
}
