//! Submit: tasks come into being, many in one statement, each under its idempotency key if it has one.

use std::collections::HashMap;

use jobs_core::{NewTask, Task, TaskId, task::Start};
use uuid::Uuid;

use crate::{
    Channel, Store, StoreError,
    row::{TaskRow, millis},
};

/// The answer to one submission.
#[derive(Debug, Clone)]
pub enum Submitted {
    /// The task is accepted: its row is committed.
    Accepted(Box<Task>),
    /// The same request came before under the same key; this is its task, as it is now.
    Replayed(Box<Task>),
    /// Another request came before under the same key.
    KeyTaken,
    /// A request came before under the same key, and was forgotten just now. Nothing is stored: submit again.
    Forgotten,
}

impl Store {
    /// Accepts tasks: all of them are committed when this returns, or none is. Answers come in the order of `new`.
    ///
    /// # Errors
    /// When Postgres is not available. The tasks may have been accepted all the same: a client that repeats its request
    /// under the same idempotency key gets the same task.
    pub async fn submit(&self, new: &[NewTask]) -> Result<Vec<Submitted>, StoreError> {
        let mut fresh = self.insert(new).await?;
        let missing: Vec<&NewTask> = new.iter().filter(|task| !fresh.contains_key(&task.id.0)).collect();
        // A row of the same id is this very task: an earlier call stored it, and its answer was lost.
        fresh.extend(self.by_ids(missing.iter().map(|task| task.id.0).collect()).await?);
        let earlier = self.earlier(&missing).await?;
        let heads: HashMap<TaskId, &NewTask> = new.iter().map(|task| (task.id, task)).collect();
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
                    .map_or(Submitted::Forgotten, |first| Submitted::Replayed(Box::new(first.clone()))),
                None => Submitted::Forgotten,
            }
        };
        Ok(new.iter().map(answer).collect())
    }

    async fn insert(&self, new: &[NewTask]) -> Result<HashMap<Uuid, Task>, StoreError> {
        let mut ids = Vec::with_capacity(new.len());
        let mut projects = Vec::with_capacity(new.len());
        let mut kinds = Vec::with_capacity(new.len());
        let mut queues = Vec::with_capacity(new.len());
        let mut groups = Vec::with_capacity(new.len());
        let mut priorities = Vec::with_capacity(new.len());
        let mut inputs = Vec::with_capacity(new.len());
        let mut max_attempts = Vec::with_capacity(new.len());
        let mut retries = Vec::with_capacity(new.len());
        let mut timeouts = Vec::with_capacity(new.len());
        let mut starts_at = Vec::with_capacity(new.len());
        let mut starts_after = Vec::with_capacity(new.len());
        let mut deadlines = Vec::with_capacity(new.len());
        let mut tags = Vec::with_capacity(new.len());
        let mut metadata = Vec::with_capacity(new.len());
        let mut requests = Vec::with_capacity(new.len());
        let mut keys = Vec::with_capacity(new.len());
        let mut fingerprints = Vec::with_capacity(new.len());
        let mut heads = Vec::with_capacity(new.len());
        for task in new {
            ids.push(task.id.0);
            projects.push(task.project.0);
            kinds.push(task.kind.clone());
            queues.push(task.queue.clone());
            groups.push(task.group.clone());
            priorities.push(i16::from(task.priority));
            inputs.push(task.input.get().to_owned());
            max_attempts.push(task.max_attempts.cast_signed());
            retries.push(json(&task.retry)?);
            timeouts.push(millis(task.timeout));
            starts_at.push(if let Some(Start::At(at)) = task.start { Some(at) } else { None });
            starts_after.push(if let Some(Start::After(wait)) = task.start { Some(millis(wait)) } else { None });
            deadlines.push(task.deadline);
            // An array of arrays would be flattened on its way, so the inner ones travel as JSON.
            tags.push(json(&task.tags)?);
            metadata.push(json(&task.metadata)?);
            requests.push(task.request_id.clone());
            keys.push(task.idempotency.as_ref().map(|idempotency| idempotency.key.clone()));
            fingerprints.push(task.idempotency.as_ref().map(|idempotency| idempotency.fingerprint.clone()));
            heads.push(task.head.map(|head| head.0));
        }
        let rows: Vec<TaskRow> = run!(
            self,
            task_query!(
                r#"WITH timed AS (
                    SELECT *, CASE WHEN start_after_ms IS NULL THEN start_at
                        ELSE now() + start_after_ms * interval '1 millisecond' END AS due
                    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[], $7::int[],
                        $8::text[], $9::bigint[], $10::timestamptz[], $11::bigint[], $12::timestamptz[], $13::text[],
                        $14::text[], $15::text[], $16::text[], $17::bytea[], $18::uuid[], $19::int[])
                    AS asked (id, kind, queue, "group", priority, input, max_attempts, retry, timeout_ms, start_at,
                        start_after_ms, deadline, tags, metadata, request_id, key, fingerprint, head, project)
                ), keyed AS (
                    INSERT INTO idempotency_keys (key, fingerprint, task_id)
                    SELECT qualified(project, key), fingerprint, id FROM timed WHERE key IS NOT NULL
                    ON CONFLICT (key) DO NOTHING RETURNING task_id
                ), fresh AS (
                    SELECT *, CASE WHEN due > now() THEN 'scheduled' ELSE 'queued' END AS state FROM timed
                    WHERE (key IS NULL AND head IS NULL) OR COALESCE(head, id) IN (SELECT task_id FROM keyed)
                )
                INSERT INTO tasks (id, project, kind, queue, "group", priority, state, input, max_attempts, retry, timeout_ms, due_at,
                    queued_at, deadline, tags, metadata, request_id, idempotency_key, history)
                SELECT id, project, kind, queue, "group", priority, state, input::json, max_attempts, retry::json, timeout_ms, due,
                    CASE state WHEN 'queued' THEN now() END, deadline,
                    ARRAY(SELECT json_array_elements_text(fresh.tags::json)), metadata::jsonb, request_id, key,
                    ARRAY[moment(1, 'submit', state, 0, 0)]
                FROM fresh
                ON CONFLICT (id) DO NOTHING
                RETURNING"#,
                "",
                &ids,
                &kinds,
                &queues,
                &groups,
                &priorities,
                &inputs,
                &max_attempts,
                &retries,
                &timeouts,
                &starts_at as &[Option<time::OffsetDateTime>],
                &starts_after as &[Option<i64>],
                &deadlines as &[Option<time::OffsetDateTime>],
                &tags,
                &metadata,
                &requests as &[Option<String>],
                &keys as &[Option<String>],
                &fingerprints as &[Option<Vec<u8>>],
                &heads as &[Option<Uuid>],
                &projects,
            ),
            fetch_all
        )?;
        let timed = rows.iter().any(|row| row.state == "scheduled" || row.deadline.is_some());
        if timed {
            self.tell(Channel::Due, "").await;
        }
        rows.into_iter().map(|row| Ok((row.id, row.try_into()?))).collect()
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

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::broken)
}
