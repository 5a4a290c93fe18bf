//! Cancel, reopen, remove: what clients do to tasks, to one or to all of a sort, a page in a statement.

use std::collections::BTreeSet;

use jobs_core::{GroupKey, ProjectId, State, TaskId, Ticket, task::SUSPECT_LOSSES};
use time::OffsetDateTime;
use uuid::Uuid;

use super::remove::removing;
use crate::{Channel, Filter, Store, StoreError};

/// What is done to tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing: they are only looked at.
    Look,
    /// Those that have not ended are canceled, or told to stop.
    Cancel,
    /// Those that ended without success are opened again. What was before stays in their histories and counts no more. They start as
    /// soon as they can, whatever they waited for at first, and a deadline that has passed is forgotten.
    Reopen,
    /// Those that have ended are removed, with their histories. Their files are noted, and removed afterwards.
    Remove,
}

/// Which tasks are meant.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// What they are.
    pub filter: Filter,
    /// They are some of these, if it says any.
    pub ids: Option<Vec<TaskId>>,
}

/// A task that was met.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The task.
    pub task: TaskId,
    /// The state in which it was.
    pub was: State,
    /// What became of it, if it was changed: its new state, or the last one if it is gone; and its place in the queue, should it
    /// belong there or have belonged there.
    pub now: Option<(State, Ticket)>,
}

/// A row of a page.
struct HitRow {
    id: Uuid,
    was: String,
    now: Option<String>,
    queue: Option<String>,
    project: Option<i32>,
    group: Option<String>,
    priority: Option<i16>,
    ready_ms: Option<i64>,
    worker: Option<Uuid>,
}

/// A selection as the arguments of a statement.
struct Page {
    project: i32,
    after: Option<Uuid>,
    states: Option<Vec<String>>,
    kind: Option<String>,
    queue: Option<String>,
    group: Option<String>,
    tag: Option<String>,
    metadata: Option<serde_json::Value>,
    created_after: Option<OffsetDateTime>,
    created_before: Option<OffsetDateTime>,
    ids: Option<Vec<Uuid>>,
    limit: i64,
}

/// A checked query that meets a page of tasks in the order of their ids. `$does` says what becomes of those that are `met`, and calls
/// those that it changed `changed`.
macro_rules! page_query {
    ($page:expr, $does:tt) => {
        sqlx::query_as!(
            HitRow,
            // Tasks are found by their ids, or one after the other: never the one by way of the other. So the conditions stand twice.
            r#"WITH met AS MATERIALIZED (
                (SELECT id, state FROM tasks
                WHERE id = ANY($10) AND project = $12 AND ($1::uuid IS NULL OR id > $1)
                    AND ($2::text[] IS NULL OR state = ANY($2))
                    AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR queue = $4)
                    AND ($5::text IS NULL OR "group" = $5) AND ($6::text IS NULL OR $6 = ANY(tags))
                    AND ($7::jsonb IS NULL OR metadata @> $7) AND ($8::timestamptz IS NULL OR created_at >= $8)
                    AND ($9::timestamptz IS NULL OR created_at < $9)
                ORDER BY id LIMIT $11)
                UNION ALL
                (SELECT id, state FROM tasks
                WHERE $10::uuid[] IS NULL AND project = $12
                    AND id > COALESCE($1, '00000000-0000-0000-0000-000000000000') AND ($2::text[] IS NULL OR state = ANY($2))
                    AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR queue = $4)
                    AND ($5::text IS NULL OR "group" = $5) AND ($6::text IS NULL OR $6 = ANY(tags))
                    AND ($7::jsonb IS NULL OR metadata @> $7) AND ($8::timestamptz IS NULL OR created_at >= $8)
                    AND ($9::timestamptz IS NULL OR created_at < $9)
                ORDER BY id LIMIT $11)
            ), "# + $does + r#"
            SELECT id AS "id!", was AS "was!", state AS "now?", queue AS "queue?", project AS "project?", "group" AS "group?",
                priority AS "priority?", worker AS "worker?", (extract(epoch FROM queued_at) * 1000)::bigint AS "ready_ms?"
            FROM changed
            UNION ALL
            SELECT id, state, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM met WHERE id NOT IN (SELECT id FROM changed)"#,
            $page.after as Option<Uuid>,
            $page.states.as_deref() as Option<&[String]>,
            $page.kind as Option<String>,
            $page.queue as Option<String>,
            $page.group as Option<String>,
            $page.tag as Option<String>,
            $page.metadata as Option<serde_json::Value>,
            $page.created_after as Option<OffsetDateTime>,
            $page.created_before as Option<OffsetDateTime>,
            $page.ids.as_deref() as Option<&[Uuid]>,
            $page.limit,
            $page.project,
        )
    };
}

impl Store {
    /// Does something to the next `limit` tasks of a project that are selected, behind one, in the order of their ids, and gives all that were met. Fewer
    /// than `limit` are the last ones.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn act(
        &self,
        project: ProjectId,
        act: Act,
        selection: &Selection,
        after: Option<TaskId>,
        limit: u32,
    ) -> Result<Vec<Hit>, StoreError> {
        let page = Page::new(project, selection, after, limit);
        let rows = match act {
            Act::Look => self.look(page).await,
            Act::Cancel => self.cancel_page(page).await,
            Act::Reopen => self.reopen_page(page).await,
            Act::Remove => self.remove_page(page).await,
        }?;
        let holders = rows.iter().filter(|row| row.now.as_deref() == Some(State::Canceling.name()));
        for worker in holders.filter_map(|row| row.worker).collect::<BTreeSet<_>>() {
            self.tell(Channel::Cancel, &worker.to_string()).await;
        }
        let mut hits = rows.into_iter().map(Hit::try_from).collect::<Result<Vec<_>, _>>()?;
        hits.sort_unstable_by_key(|hit| hit.task);
        Ok(hits)
    }

    async fn look(&self, page: Page) -> Result<Vec<HitRow>, StoreError> {
        run!(self, page_query!(page, "changed AS (SELECT *, state AS was FROM tasks WHERE false)"), fetch_all)
    }

    async fn cancel_page(&self, page: Page) -> Result<Vec<HitRow>, StoreError> {
        run!(
            self,
            page_query!(
                page,
                "changed AS (
                    UPDATE tasks t SET
                        state = CASE t.state WHEN 'running' THEN 'canceling' ELSE 'canceled' END,
                        finished_at = CASE t.state WHEN 'running' THEN NULL ELSE now() END,
                        cancel_requested_at = now(), seq = t.seq + 1,
                        history = t.history || moment(t.seq + 1, 'cancel',
                            CASE t.state WHEN 'running' THEN 'canceling' ELSE 'canceled' END, t.attempt, t.epoch)
                    FROM met WHERE t.id = met.id AND t.state || '' IN ('scheduled', 'blocked', 'queued', 'running', 'retrying')
                    RETURNING t.*, met.state AS was
                )"
            ),
            fetch_all
        )
    }

    async fn reopen_page(&self, page: Page) -> Result<Vec<HitRow>, StoreError> {
        // As many losses as a task has that goes on alone; it may lose some more then.
        const { assert!(SUSPECT_LOSSES == 2) };
        run!(
            self,
            page_query!(
                page,
                "changed AS (
                    UPDATE tasks t SET state = 'queued', queued_at = now(), finished_at = NULL, cancel_requested_at = NULL,
                        deadline = CASE WHEN t.deadline > now() THEN t.deadline END,
                        error = NULL, progress = NULL, progress_at = NULL,
                        lost = LEAST(t.lost, 2), forgiven = GREATEST(t.attempt - LEAST(t.lost, 2), 0),
                        -- Another one may have taken its place meanwhile.
                        coalesce_key = NULL,
                        announced = t.announced OR EXISTS (SELECT FROM projects p WHERE p.id = t.project AND p.announces),
                        seq = t.seq + 1, history = t.history || moment(t.seq + 1, 'reopen', 'queued', t.attempt, t.epoch)
                    FROM met WHERE t.id = met.id AND t.state || '' IN ('failed', 'canceled', 'expired')
                    RETURNING t.*, met.state AS was
                )"
            ),
            fetch_all
        )
    }

    async fn remove_page(&self, page: Page) -> Result<Vec<HitRow>, StoreError> {
        run!(self, removing!(page_query, page), fetch_all)
    }
}

impl Selection {
    /// One task.
    #[must_use]
    pub fn one(task: TaskId) -> Self {
        Self { ids: Some(vec![task]), ..Self::default() }
    }
}

impl Page {
    fn new(project: ProjectId, selection: &Selection, after: Option<TaskId>, limit: u32) -> Self {
        let filter = selection.filter.clone();
        let states = filter.states.iter().map(|state| state.name().to_owned()).collect::<Vec<_>>();
        Self {
            project: project.0,
            after: after.map(|id| id.0),
            states: (!states.is_empty()).then_some(states),
            kind: filter.kind,
            queue: filter.queue,
            group: filter.group,
            tag: filter.tag,
            metadata: (!filter.metadata.is_empty()).then(|| serde_json::Value::Object(filter.metadata)),
            created_after: filter.created_after,
            created_before: filter.created_before,
            ids: selection.ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect()),
            limit: i64::from(limit),
        }
    }
}

impl TryFrom<HitRow> for Hit {
    type Error = StoreError;

    fn try_from(row: HitRow) -> Result<Self, StoreError> {
        let task = TaskId(row.id);
        let now = match (row.now, row.queue, row.project.zip(row.group), row.priority) {
            (Some(state), Some(queue), Some((project, group)), Some(priority)) => {
                let group = GroupKey::new(ProjectId(project), &group);
                let priority = u8::try_from(priority).map_err(StoreError::broken)?;
                let ready_ms = row.ready_ms.unwrap_or_default();
                let ticket = Ticket { task, queue, group, priority, ready_ms };
                Some((state.parse().map_err(StoreError::broken)?, ticket))
            }
            _ => None,
        };
        Ok(Self { task, was: row.was.parse().map_err(StoreError::broken)?, now })
    }
}
