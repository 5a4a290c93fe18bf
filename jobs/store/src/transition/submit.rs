//! Submit: tasks come into being, many in one statement, each under its idempotency key if it has one.

use std::collections::HashMap;

use jobs_core::{
    NewTask, ProjectId, State, Task, TaskId,
    task::{Coalesce, Start},
};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Channel, Store, StoreError, row::millis};

/// So often a submission is tried while others of the same work come and go.
const SHARE_TRIES: u32 = 10;

/// The answer to one submission.
#[derive(Debug, Clone)]
pub enum Submitted {
    /// The task is accepted: its row is committed.
    Accepted(Box<Task>),
    /// The same request came before under the same key; this is its task, as it is now.
    Replayed(Box<Task>),
    /// The same work was submitted before: this is its task, as it is now. Nothing is stored.
    Joined(Box<Task>),
    /// Another request came before under the same key.
    KeyTaken,
    /// The same request came before under the same key, and its task has been removed since.
    Removed,
    /// Nothing is stored: what it met on its way is gone already, a request of the same key, a task of the same work, or one that
    /// it was to wait for. Submit again.
    Forgotten,
}

/// What Postgres decides of a task that it stores. All the rest is as it was asked for, and need not be sent back.
pub(super) struct Stored {
    pub(super) id: Uuid,
    pub(super) state: String,
    created_at: OffsetDateTime,
    due_at: Option<OffsetDateTime>,
    pub(super) queued_at: Option<OffsetDateTime>,
}

/// A checked query that stores the tasks of `$new`, a [`Columns`], and gives [`Stored`]. `$asked` are more arrays of what was asked
/// for and `$names` their names; `$links` is looked up beforehand, and `$source` are those that can be stored; `$begin` says which
/// begin in another state than usual; `$after` happens in the same commit; `$heard` says which have a receiver of their own; `$columns` and
/// `$values` are what else is stored of each. Whether anybody listens to a project is looked up once for all of them.
macro_rules! insert_query {
    ($new:expr, $asked:tt, $names:tt, $links:tt, $source:tt, $begin:tt, $after:tt, $heard:tt, $columns:tt, $values:tt $(, $arg:expr)* $(,)?) => {
        sqlx::query_as!(
            Stored,
            r#"WITH timed AS (
                SELECT *, CASE WHEN start_after_ms IS NULL THEN start_at
                    ELSE now() + start_after_ms * interval '1 millisecond' END AS due
                FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[], $7::int[],
                    $8::text[], $9::bigint[], $10::timestamptz[], $11::bigint[], $12::timestamptz[], $13::text[],
                    $14::text[], $15::text[], $16::text[], $17::bytea[], $18::uuid[], $19::int[]"# + $asked + r#")
                AS asked (id, kind, queue, "group", priority, input, max_attempts, retry, timeout_ms, start_at,
                    start_after_ms, deadline, tags, metadata, request_id, key, fingerprint, head, project"# + $names + ")), "
                + $links + "keyed AS (
                INSERT INTO idempotency_keys (key, fingerprint, task_id)
                SELECT qualified(project, key), fingerprint, id FROM " + $source + " WHERE key IS NOT NULL
                ON CONFLICT (key) DO NOTHING RETURNING task_id
            ), fresh AS (
                SELECT *, CASE " + $begin + "WHEN due > now() THEN 'scheduled' ELSE 'queued' END AS state FROM " + $source + r#"
                WHERE (key IS NULL AND head IS NULL) OR COALESCE(head, id) IN (SELECT task_id FROM keyed)
            )"# + $after + r#"
            INSERT INTO tasks (id, project, kind, queue, "group", priority, state, input, max_attempts, retry, timeout_ms, due_at,
                queued_at, deadline, tags, metadata, request_id, idempotency_key, history, announced"# + $columns + ")
            SELECT id, project, kind, queue, \"group\", priority, state, input::json, max_attempts, retry::json, timeout_ms, due,
                CASE state WHEN 'queued' THEN now() END, deadline,
                ARRAY(SELECT json_array_elements_text(fresh.tags::json)), metadata::jsonb, request_id, key,
                ARRAY[moment(1, 'submit', state, 0, 0)],
                " + $heard + "project = ANY(ARRAY(SELECT p.id FROM projects p WHERE p.announces AND p.id = ANY($19)))" + $values + "
            FROM fresh
            ON CONFLICT (id) DO NOTHING
            RETURNING id, state, created_at, due_at, queued_at",
            &$new.ids,
            &$new.kinds,
            &$new.queues,
            &$new.groups,
            &$new.priorities,
            &$new.inputs,
            &$new.max_attempts,
            &$new.retries,
            &$new.timeouts,
            &$new.starts_at as &[Option<OffsetDateTime>],
            &$new.starts_after as &[Option<i64>],
            &$new.deadlines as &[Option<OffsetDateTime>],
            &$new.tags,
            &$new.metadata,
            &$new.requests as &[Option<String>],
            &$new.keys as &[Option<String>],
            &$new.fingerprints as &[Option<Vec<u8>>],
            &$new.heads as &[Option<Uuid>],
            &$new.projects,
            $($arg),*
        )
    };
}

impl Store {
    /// Accepts tasks: all of them are committed when this returns, or none is. Answers come in the order of `new`. Tasks that callers
    /// may share are an exception: each stands for itself.
    ///
    /// # Errors
    /// When Postgres is not available. The tasks may have been accepted all the same: a client that repeats its request
    /// under the same idempotency key gets the same task.
    pub async fn submit(&self, new: &[NewTask]) -> Result<Vec<Submitted>, StoreError> {
        let plain: Vec<&NewTask> = new.iter().filter(|task| task.coalesce.is_none()).collect();
        let mut accepted = self.accept(&plain).await?.into_iter();
        let mut answers = Vec::with_capacity(new.len());
        for task in new {
            answers.push(match &task.coalesce {
                Some(coalesce) => self.share(task, coalesce).await?,
                None => accepted.next().unwrap_or(Submitted::Forgotten),
            });
        }
        Ok(answers)
    }

    async fn accept(&self, new: &[&NewTask]) -> Result<Vec<Submitted>, StoreError> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let mut fresh = self.insert(new).await?;
        let missing: Vec<&NewTask> = new.iter().copied().filter(|task| !fresh.contains_key(&task.id.0)).collect();
        // A row of the same id is this very task: an earlier call stored it, and its answer was lost.
        fresh.extend(self.by_ids(missing.iter().map(|task| task.id.0).collect()).await?);
        let earlier = self.earlier(&missing).await?;
        let heads: HashMap<TaskId, &NewTask> = new.iter().map(|task| (task.id, *task)).collect();
        // The key of a task, or of the batch it belongs to; and what was stored under it before, in the task's place.
        let before = |task: &NewTask| {
            let head = task.head.map_or(Some(task), |head| heads.get(&head).copied())?;
            let key = head.idempotency.as_ref()?;
            let (fingerprint, first) = earlier.get(&head.project.qualify(&key.key))?;
            let place = first.nth(task.id.0.as_u128().wrapping_sub(head.id.0.as_u128()));
            Some((key.fingerprint == *fingerprint, place))
        };
        let places = missing.iter().filter_map(|task| before(task)).filter(|(is_same, _)| *is_same);
        let replayed = self.by_ids(places.map(|(_, place)| place.0).collect()).await?;
        let answer = |task: &NewTask| {
            if let Some(task) = fresh.remove(&task.id.0) {
                return Submitted::Accepted(Box::new(task));
            }
            match before(task) {
                Some((false, _)) => Submitted::KeyTaken,
                Some((true, place)) => replayed
                    .get(&place.0)
                    .map_or(Submitted::Removed, |first| Submitted::Replayed(Box::new(first.clone()))),
                None => Submitted::Forgotten,
            }
        };
        Ok(new.iter().copied().map(answer).collect())
    }

    /// Accepts a task unless the same work is there already. It goes by itself: of two statements that both bring several such tasks
    /// each could wait for the other one.
    async fn share(&self, task: &NewTask, coalesce: &Coalesce) -> Result<Submitted, StoreError> {
        for _ in 0..SHARE_TRIES {
            if let Some(before) = self.before(task).await? {
                return Ok(before);
            }
            if let Some(shared) = self.shared(task.project, coalesce).await? {
                // From now on the key stands for what was joined, even when that has ended and another one came after it.
                if self.keep_key(task, shared.id).await? {
                    return Ok(Submitted::Joined(Box::new(shared)));
                }
                continue;
            }
            match self.accept(&[task]).await {
                Ok(mut accepted) => return Ok(accepted.pop().unwrap_or(Submitted::Forgotten)),
                // Somebody was faster.
                Err(error) if error.is_conflict_on("tasks_coalesced") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Submitted::Forgotten)
    }

    /// What was stored for the key of a task before, if it has one.
    async fn before(&self, task: &NewTask) -> Result<Option<Submitted>, StoreError> {
        let Some(key) = &task.idempotency else { return Ok(None) };
        let Some((fingerprint, first)) = self.earlier(&[task]).await?.remove(&task.project.qualify(&key.key)) else {
            return Ok(None);
        };
        if fingerprint != key.fingerprint {
            return Ok(Some(Submitted::KeyTaken));
        }
        let known = self.by_ids(vec![first.0]).await?.remove(&first.0);
        Ok(Some(known.map_or(Submitted::Removed, |task| Submitted::Replayed(Box::new(task)))))
    }

    /// The task of the same work that has not ended, or the last one that succeeded if it is young enough.
    async fn shared(&self, project: ProjectId, coalesce: &Coalesce) -> Result<Option<Task>, StoreError> {
        let row = run!(
            self,
            task_query!(
                "SELECT",
                "FROM tasks WHERE project = $3 AND id = COALESCE(
                    (SELECT id FROM tasks WHERE coalesce_key = $1
                        AND state IN ('scheduled', 'blocked', 'queued', 'running', 'retrying')),
                    (SELECT id FROM tasks WHERE coalesce_key = $1 AND state = 'succeeded'
                        AND finished_at > now() - $2::bigint * interval '1 millisecond'
                    ORDER BY finished_at DESC LIMIT 1))",
                project.qualify(&coalesce.key),
                coalesce.max_age.map(millis),
                project.0,
            ),
            fetch_optional
        )?;
        row.map(Task::try_from).transpose()
    }

    /// Lets the key of a submission, if it has one, stand for a task. `false` when it stands for something already.
    async fn keep_key(&self, task: &NewTask, stands_for: TaskId) -> Result<bool, StoreError> {
        let Some(key) = &task.idempotency else { return Ok(true) };
        let kept = run!(
            self,
            sqlx::query!(
                "INSERT INTO idempotency_keys (key, fingerprint, task_id) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING",
                task.project.qualify(&key.key),
                key.fingerprint,
                stands_for.0,
            ),
            execute
        )?;
        Ok(kept.rows_affected() > 0)
    }

    async fn insert(&self, new: &[&NewTask]) -> Result<HashMap<Uuid, Task>, StoreError> {
        let columns = Columns::of(new)?;
        // What most tasks do without costs them nothing.
        let is_linked = |task: &&NewTask| {
            let is_told = task.webhook.is_some();
            is_told || !task.depends_on.is_empty() || task.coalesce.is_some() || task.replayed_from.is_some()
        };
        let rows = match new.iter().any(is_linked) {
            true => self.insert_linked(&columns, new).await?,
            false => self.insert_plain(&columns).await?,
        };
        let mut rows: HashMap<Uuid, Stored> = rows.into_iter().map(|row| (row.id, row)).collect();
        let mut fresh = HashMap::with_capacity(rows.len());
        for task in new {
            if let Some(stored) = rows.remove(&task.id.0) {
                fresh.insert(task.id.0, stored.task(task)?);
            }
        }
        if fresh.values().any(|task| task.state == State::Scheduled || task.deadline.is_some()) {
            self.tell(Channel::Due, "").await;
        }
        Ok(fresh)
    }

    async fn insert_plain(&self, columns: &Columns) -> Result<Vec<Stored>, StoreError> {
        run!(self, insert_query!(columns, "", "", "", "timed", "", "", "", "", ""), fetch_all)
    }

    async fn insert_linked(&self, columns: &Columns, new: &[&NewTask]) -> Result<Vec<Stored>, StoreError> {
        let ids = |task: &&NewTask| task.depends_on.iter().map(|id| id.0).collect::<Vec<_>>();
        let depends_on: Vec<String> = new.iter().map(|task| json(&ids(task))).collect::<Result<_, _>>()?;
        let shared: Vec<Option<String>> =
            new.iter().map(|task| task.coalesce.as_ref().map(|coalesce| task.project.qualify(&coalesce.key))).collect();
        let replayed: Vec<Option<Uuid>> = new.iter().map(|task| task.replayed_from.map(|id| id.0)).collect();
        let webhooks = webhooks(new)?;
        run!(
            self,
            insert_query!(
                columns,
                ", $20::text[], $21::text[], $22::uuid[], $23::text[]",
                ", depends_on, coalesce_key, replayed_from, webhook",
                // Locked, so that each has ended by now, or whoever ends it finds the mark.
                "asked_for AS (
                    SELECT timed.id AS task, timed.project, dependency::uuid AS id
                    FROM timed CROSS JOIN json_array_elements_text(timed.depends_on::json) AS dependency
                ), known AS (
                    SELECT id, state FROM tasks WHERE (id, project) IN (SELECT id, project FROM asked_for)
                    ORDER BY id FOR NO KEY UPDATE
                ), waits AS (
                    SELECT a.task, a.id FROM asked_for a LEFT JOIN known USING (id) WHERE known.state IS DISTINCT FROM 'succeeded'
                ), wanted AS (
                    SELECT * FROM timed WHERE id NOT IN (SELECT task FROM asked_for
                        WHERE id NOT IN (SELECT id FROM known) AND id NOT IN (SELECT id FROM timed))
                ), ",
                "wanted",
                "WHEN id IN (SELECT task FROM waits) THEN 'blocked' ",
                ", linked AS (
                    INSERT INTO task_dependencies (task, depends_on)
                    SELECT waits.task, waits.id FROM waits JOIN fresh ON fresh.id = waits.task ON CONFLICT DO NOTHING
                    RETURNING depends_on
                ), marked AS (
                    -- Also where there is a mark: it may be taken away at this moment.
                    UPDATE tasks SET has_dependents = true WHERE id IN (SELECT depends_on FROM linked)
                )",
                "webhook IS NOT NULL OR ",
                ", depends_on, coalesce_key, replayed_from, webhook, blockers, has_dependents",
                ", NULLIF(ARRAY(SELECT dependency::uuid FROM json_array_elements_text(fresh.depends_on::json) AS dependency), '{}'),
                    coalesce_key, replayed_from, webhook::json, (SELECT NULLIF(count(*), 0) FROM waits WHERE waits.task = fresh.id),
                    EXISTS (SELECT FROM waits WHERE waits.id = fresh.id)",
                &depends_on,
                &shared as &[Option<String>],
                &replayed as &[Option<Uuid>],
                &webhooks as &[Option<String>],
            ),
            fetch_all
        )
    }

    /// What was submitted before under keys of `new`, by the key as it is stored: the digest of the request, and its first task.
    async fn earlier(&self, new: &[&NewTask]) -> Result<HashMap<String, (Vec<u8>, TaskId)>, StoreError> {
        let key = |task: &&NewTask| Some(task.project.qualify(&task.idempotency.as_ref()?.key));
        let keys: Vec<String> = new.iter().filter_map(key).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let known = run!(
            self,
            sqlx::query!("SELECT key, fingerprint, task_id FROM idempotency_keys WHERE key = ANY($1)", &keys),
            fetch_all
        )?;
        Ok(known.into_iter().map(|row| (row.key, (row.fingerprint, TaskId(row.task_id)))).collect())
    }

    async fn by_ids(&self, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Task>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = run!(self, task_query!("SELECT", "FROM tasks WHERE id = ANY($1)", &ids), fetch_all)?;
        rows.into_iter().map(|row| Ok((row.id, row.try_into()?))).collect()
    }

    /// Says a word to whoever listens. Nobody depends on it, so a failure is only logged.
    pub(crate) async fn tell(&self, channel: Channel, word: &str) {
        let said = async { run!(self, sqlx::query!("SELECT pg_notify($1, $2)", channel.name(), word), fetch_one) };
        if let Err(error) = said.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "could not wake the others");
        }
    }
}

impl Stored {
    /// The task as it stands now.
    fn task(self, new: &NewTask) -> Result<Task, StoreError> {
        Ok(Task {
            id: new.id,
            project: new.project,
            kind: new.kind.clone(),
            queue: new.queue.clone(),
            group: new.group.clone(),
            priority: new.priority,
            state: self.state.parse().map_err(StoreError::broken)?,
            input: new.input.clone(),
            output: None,
            error: None,
            progress: None,
            progress_at: None,
            attempt: 0,
            lost: 0,
            max_attempts: new.max_attempts,
            retry: new.retry,
            timeout: new.timeout,
            tags: new.tags.clone(),
            metadata: new.metadata.clone(),
            depends_on: new.depends_on.clone(),
            replayed_from: new.replayed_from,
            schedule: None,
            request_id: new.request_id.clone(),
            idempotency_key: new.idempotency.as_ref().map(|idempotency| idempotency.key.clone()),
            worker: None,
            created_at: self.created_at,
            due_at: self.due_at,
            queued_at: self.queued_at,
            started_at: None,
            cancel_requested_at: None,
            finished_at: None,
            deadline: new.deadline,
            seq: 1,
        })
    }
}

/// Stores tasks that schedules make, inside of the transaction that says so.
pub(super) async fn insert_scheduled(
    connection: &mut PgConnection,
    columns: &Columns,
    schedules: &[Uuid],
    webhooks: &[Option<String>],
) -> sqlx::Result<Vec<Stored>> {
    let query = insert_query!(
        columns,
        ", $20::uuid[], $21::text[]",
        ", schedule_id, webhook",
        "",
        "timed",
        "",
        "",
        "webhook IS NOT NULL OR ",
        ", schedule_id, webhook",
        ", schedule_id, webhook::json",
        schedules,
        webhooks as &[Option<String>],
    );
    query.fetch_all(connection).await
}

/// New tasks as the arrays of a statement.
#[derive(Default)]
pub(super) struct Columns {
    ids: Vec<Uuid>,
    projects: Vec<i32>,
    kinds: Vec<String>,
    queues: Vec<String>,
    groups: Vec<String>,
    priorities: Vec<i16>,
    inputs: Vec<String>,
    max_attempts: Vec<i32>,
    retries: Vec<String>,
    timeouts: Vec<i64>,
    starts_at: Vec<Option<OffsetDateTime>>,
    starts_after: Vec<Option<i64>>,
    deadlines: Vec<Option<OffsetDateTime>>,
    tags: Vec<String>,
    metadata: Vec<String>,
    requests: Vec<Option<String>>,
    keys: Vec<Option<String>>,
    fingerprints: Vec<Option<Vec<u8>>>,
    heads: Vec<Option<Uuid>>,
}

impl Columns {
    pub(super) fn of(new: &[&NewTask]) -> Result<Self, StoreError> {
        let mut columns = Self::default();
        for task in new {
            columns.ids.push(task.id.0);
            columns.projects.push(task.project.0);
            columns.kinds.push(task.kind.clone());
            columns.queues.push(task.queue.clone());
            columns.groups.push(task.group.clone());
            columns.priorities.push(i16::from(task.priority));
            columns.inputs.push(task.input.get().to_owned());
            columns.max_attempts.push(task.max_attempts.cast_signed());
            columns.retries.push(json(&task.retry)?);
            columns.timeouts.push(millis(task.timeout));
            columns.starts_at.push(if let Some(Start::At(at)) = task.start { Some(at) } else { None });
            columns.starts_after.push(if let Some(Start::After(wait)) = task.start {
                Some(millis(wait))
            } else {
                None
            });
            columns.deadlines.push(task.deadline);
            // An array of arrays would be flattened on its way, so the inner ones travel as JSON.
            columns.tags.push(json(&task.tags)?);
            columns.metadata.push(json(&task.metadata)?);
            columns.requests.push(task.request_id.clone());
            columns.keys.push(task.idempotency.as_ref().map(|idempotency| idempotency.key.clone()));
            columns.fingerprints.push(task.idempotency.as_ref().map(|idempotency| idempotency.fingerprint.clone()));
            columns.heads.push(task.head.map(|head| head.0));
        }
        Ok(columns)
    }
}

/// Who is told of each, as JSON.
pub(super) fn webhooks(new: &[&NewTask]) -> Result<Vec<Option<String>>, StoreError> {
    new.iter().map(|task| task.webhook.as_ref().map(json).transpose()).collect()
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::broken)
}
