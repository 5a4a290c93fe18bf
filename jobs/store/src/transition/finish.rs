//! Succeed, fail, retry, stop, release: a worker says how attempts ended, many in one statement, and is believed only for
//! the attempts that are still its own.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use jobs_core::{Event, State, TaskError, TaskId, Ticket, WorkerId};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    Channel, Store, StoreError,
    row::{group_key, millis},
};

/// How one attempt ended.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The task.
    pub task: TaskId,
    /// The attempt's fencing token.
    pub epoch: i32,
    /// What happened: succeed, fail, retry, stop or release.
    pub event: Event,
    /// What it gave, when it succeeded.
    pub output: Option<Box<RawValue>>,
    /// Why it did not succeed.
    pub error: Option<TaskError>,
    /// How long to wait for the next attempt, when there is one.
    pub wait: Duration,
}

/// What became of one [`Finish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It is written down, and the task is in this state now.
    Yes(State),
    /// It had been written down before: the answer to that was lost.
    Before,
    /// The attempt was not this worker's any more; nothing was changed.
    Fenced,
}

/// What became of a batch.
#[derive(Debug, Clone, Default)]
pub struct Finished {
    /// A verdict for each [`Finish`], in their order.
    pub recorded: Vec<Recorded>,
    /// The tasks that are ready again.
    pub ready: Vec<Ticket>,
}

impl Store {
    /// Writes down how attempts of `worker` ended. Repeating it changes nothing.
    ///
    /// # Errors
    /// When Postgres is not available: try again until it is. When the law knows no such end of an attempt.
    pub async fn finish(&self, worker: WorkerId, ends: &[Finish]) -> Result<Finished, StoreError> {
        let mut ids = Vec::with_capacity(ends.len());
        let mut epochs = Vec::with_capacity(ends.len());
        let mut events = Vec::with_capacity(ends.len());
        let mut if_running = Vec::with_capacity(ends.len());
        let mut if_canceling = Vec::with_capacity(ends.len());
        let mut ended = Vec::with_capacity(ends.len());
        let mut outputs = Vec::with_capacity(ends.len());
        let mut errors = Vec::with_capacity(ends.len());
        let mut waits = Vec::with_capacity(ends.len());
        for end in ends {
            // The law decides here; the statement only looks which of the two cases it is.
            let canceling = State::Canceling.on(end.event)?;
            let running = State::Running.on(end.event).ok();
            ids.push(end.task.0);
            epochs.push(end.epoch);
            events.push(end.event.name().to_owned());
            if_running.push(running.map(|state| state.name().to_owned()));
            if_canceling.push(canceling.name().to_owned());
            ended.push(running.is_some_and(State::is_terminal));
            outputs.push(end.output.as_ref().map(|output| output.get().to_owned()));
            errors.push(end.error.as_ref().map(serde_json::to_string).transpose().map_err(StoreError::broken)?);
            waits.push(millis(end.wait));
        }
        let rows = run!(
            self,
            sqlx::query!(
                r#"WITH said AS (
                    SELECT * FROM unnest($2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::text[],
                        $9::text[], $10::bigint[])
                    AS said (id, epoch, event, if_running, if_canceling, ends, output, error, wait_ms)
                    -- As reports do it: statements that lock in one order do not lock each other out.
                    ORDER BY id
                )
                UPDATE tasks t SET
                    state = CASE t.state WHEN 'running' THEN said.if_running ELSE said.if_canceling END,
                    finished_at = CASE WHEN said.ends OR t.state = 'canceling' THEN now() END,
                    output = CASE WHEN said.event = 'succeed' THEN said.output::json END,
                    error = CASE WHEN said.event = 'succeed' THEN NULL WHEN t.state = 'running'
                        THEN COALESCE(said.error::json, t.error) ELSE t.error END,
                    due_at = CASE WHEN said.event = 'retry' THEN now() + said.wait_ms * interval '1 millisecond'
                        ELSE t.due_at END,
                    queued_at = CASE WHEN said.event = 'release' THEN now() ELSE t.queued_at END,
                    attempt = t.attempt - CASE WHEN said.event = 'release' THEN 1 ELSE 0 END,
                    seq = t.seq + 1,
                    history = t.history || moment(t.seq + 1, said.event,
                        CASE t.state WHEN 'running' THEN said.if_running ELSE said.if_canceling END,
                        t.attempt - CASE WHEN said.event = 'release' THEN 1 ELSE 0 END, t.epoch, t.worker,
                        CASE WHEN t.state = 'running' AND said.event IN ('fail', 'retry') THEN json_build_object(
                            'error', said.error::json, 'due_at', CASE WHEN said.event = 'retry'
                                THEN now() + said.wait_ms * interval '1 millisecond' END) END)
                FROM said
                -- The state is hidden in an expression, so that rows are found by their ids. Its indexes would lead through
                -- everything that the worker holds, or that ever waited since the last vacuum.
                WHERE t.id = said.id AND t.epoch = said.epoch AND t.worker = $1
                    AND (t.state || '' = 'canceling' OR (t.state || '' = 'running' AND said.if_running IS NOT NULL))
                RETURNING t.id, t.epoch, state, project, queue, "group", priority,
                    (extract(epoch FROM queued_at) * 1000)::bigint AS ready_ms"#,
                worker.0,
                &ids,
                &epochs,
                &events,
                &if_running as &[Option<String>],
                &if_canceling,
                &ended,
                &outputs as &[Option<String>],
                &errors as &[Option<String>],
                &waits,
            ),
            fetch_all
        )?;
        let mut finished = Finished::default();
        let mut states = HashMap::with_capacity(rows.len());
        for row in rows {
            let state: State = row.state.parse().map_err(StoreError::broken)?;
            states.insert((row.id, row.epoch), state);
            if state == State::Queued {
                finished.ready.push(Ticket {
                    task: TaskId(row.id),
                    queue: row.queue,
                    group: group_key(row.project, &row.group),
                    priority: u8::try_from(row.priority).map_err(StoreError::broken)?,
                    ready_ms: row.ready_ms.unwrap_or_default(),
                });
            }
        }
        if states.values().any(|state| *state == State::Retrying) {
            self.tell(Channel::Due, "").await;
        }
        let missing: Vec<Uuid> =
            ends.iter().filter(|end| !states.contains_key(&(end.task.0, end.epoch))).map(|end| end.task.0).collect();
        let mine = self.recorded_before(worker, &missing).await?;
        finished.recorded = ends
            .iter()
            .map(|end| match states.get(&(end.task.0, end.epoch)) {
                Some(state) => Recorded::Yes(*state),
                None if mine.contains(&(end.task.0, end.epoch)) => Recorded::Before,
                None => Recorded::Fenced,
            })
            .collect();
        Ok(finished)
    }

    /// The attempts among `ids` that this worker was the last to end.
    async fn recorded_before(&self, worker: WorkerId, ids: &[Uuid]) -> Result<HashSet<(Uuid, i32)>, StoreError> {
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT task_id AS "task_id!", epoch AS "epoch!" FROM task_history
                WHERE task_id = ANY($1) AND worker = $2 AND type = 'status'
                    AND event IN ('succeed', 'fail', 'retry', 'stop', 'release')"#,
                ids,
                worker.0,
            ),
            fetch_all
        )?;
        Ok(rows.into_iter().map(|row| (row.task_id, row.epoch)).collect())
    }
}
