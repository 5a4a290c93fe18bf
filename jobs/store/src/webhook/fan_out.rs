//! From what happened to what is delivered: events that were written with their commits become messages, and a delivery for each
//! who listens.

use std::collections::HashMap;

use jobs_core::{DeliveryId, LaneId, MessageId, ProjectId, State, Task, TaskId, WebhookId, task::TaskWebhook};
use serde_json::value::RawValue;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Artifact, Store, StoreError};

/// Something that happened, and of which nobody has been told.
#[derive(Debug, Clone)]
pub struct Happened {
    /// Its place among all that happened.
    pub place: i64,
    /// When.
    pub at: OffsetDateTime,
    /// Where.
    pub project: ProjectId,
    /// What, as endpoints hear it: `task.succeeded`.
    pub event_type: String,
    /// To what.
    pub about: About,
}

/// What something happened to.
#[derive(Debug, Clone)]
pub enum About {
    /// A task.
    Task(Box<Moved>),
    /// Anything else, told in these words.
    Other(Box<RawValue>),
}

/// A task that moved.
#[derive(Debug, Clone)]
pub struct Moved {
    /// The task.
    pub task: TaskId,
    /// The number of the move in its history.
    pub seq: i64,
    /// What endpoints may ask of the task; none when it has been removed.
    pub subject: Option<Subject>,
    /// Where the move led, and what it said.
    pub moment: Option<Moment>,
    /// The receiver of its own.
    pub own: Option<TaskWebhook>,
}

/// What endpoints may ask of a task.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Which kind of job it is.
    pub kind: String,
    /// Its group.
    pub group: String,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A moment of a task's history.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When it was.
    pub at: OffsetDateTime,
    /// Where the task stood behind it.
    pub state: State,
    /// Its attempt.
    pub attempt: u32,
    /// What it said: for a retry, why and until when.
    pub data: Option<Box<RawValue>>,
}

/// A message to be sent.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// What it tells, by its place among all that happened.
    pub place: i64,
    /// Its name.
    pub id: MessageId,
    /// Whose event it is.
    pub project: ProjectId,
    /// Which sort of event it is.
    pub event_type: String,
    /// The task that it is about.
    pub task: Option<TaskId>,
    /// When that happened.
    pub at: OffsetDateTime,
    /// What is sent.
    pub body: String,
}

/// A message for one receiver.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// What it tells, by its place among all that happened.
    pub place: i64,
    /// Its message.
    pub message: MessageId,
    /// Whose turn it takes.
    pub lane: LaneId,
    /// Whose event it is.
    pub project: ProjectId,
    /// The endpoint; none for the receiver of the task itself.
    pub webhook: Option<WebhookId>,
    /// The task that it is about.
    pub task: Option<TaskId>,
}

/// What became of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// So many deliveries were made.
    pub deliveries: u64,
}

impl Store {
    /// What happened first of what nobody has been told of: at most `limit` events.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn happened(&self, limit: u32) -> Result<Vec<Happened>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT o.id, o.at, o.project, o.type, o.task, o.seq, o.data AS "data: Json<Box<RawValue>>",
                    t.kind AS "kind?", t."group" AS "group?", t.tags AS "tags?", t.webhook AS "webhook: Json<TaskWebhook>",
                    m.at AS "moved_at?", m.state AS "state?", m.attempt AS "attempt?", m.data::json AS "said: Json<Box<RawValue>>"
                FROM (SELECT * FROM webhook_outbox ORDER BY id LIMIT $1) AS o LEFT JOIN tasks t ON t.id = o.task
                LEFT JOIN LATERAL (SELECT (h).* FROM unnest(t.history) AS h WHERE h.seq = o.seq) AS m ON true
                ORDER BY o.id"#,
                i64::from(limit),
            ),
            fetch_all
        )?;
        let happened = rows.into_iter().map(|row| {
            let about = match (row.task, row.data) {
                (Some(task), _) => {
                    let subject = row.kind.zip(row.group).zip(row.tags);
                    let moment = match (row.moved_at, row.state, row.attempt) {
                        (Some(at), Some(state), Some(attempt)) => Some(Moment {
                            at,
                            state: state.parse().map_err(StoreError::broken)?,
                            attempt: attempt.unsigned_abs(),
                            data: row.said.map(|json| json.0),
                        }),
                        _ => None,
                    };
                    About::Task(Box::new(Moved {
                        task: TaskId(task),
                        seq: row.seq.unwrap_or_default(),
                        subject: subject.map(|((kind, group), tags)| Subject { kind, group, tags }),
                        moment,
                        own: row.webhook.map(|json| json.0),
                    }))
                }
                (None, Some(Json(data))) => About::Other(data),
                (None, None) => return Err(StoreError::broken("an event about nothing")),
            };
            Ok(Happened { place: row.id, at: row.at, project: ProjectId(row.project), event_type: row.r#type, about })
        });
        happened.collect()
    }

    /// These tasks as they stand, with the artifacts of those that succeeded; those that are gone are missing.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn wholes(&self, ids: &[TaskId]) -> Result<HashMap<TaskId, (Task, Vec<Artifact>)>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = run!(self, whole_query!("SELECT", ["FROM tasks t WHERE id = ANY($1)"], &ids), fetch_all)?;
        rows.into_iter().map(|row| Ok((TaskId(row.id), row.whole()?))).collect()
    }

    /// Takes events away, and makes the messages and deliveries of those that were still there, in one commit. So whoever else tells
    /// of the same events at the same time, each is told of once.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn tell_of(
        &self,
        places: &[i64],
        messages: &[NewMessage],
        deliveries: &[NewDelivery],
    ) -> Result<Told, StoreError> {
        let message_places: Vec<i64> = messages.iter().map(|message| message.place).collect();
        let ids: Vec<Uuid> = messages.iter().map(|message| message.id.0).collect();
        let projects: Vec<i32> = messages.iter().map(|message| message.project.0).collect();
        let types: Vec<String> = messages.iter().map(|message| message.event_type.clone()).collect();
        let tasks: Vec<Option<Uuid>> = messages.iter().map(|message| message.task.map(|id| id.0)).collect();
        let times: Vec<OffsetDateTime> = messages.iter().map(|message| message.at).collect();
        let bodies: Vec<String> = messages.iter().map(|message| message.body.clone()).collect();
        let delivery_places: Vec<i64> = deliveries.iter().map(|delivery| delivery.place).collect();
        let names: Vec<Uuid> = deliveries.iter().map(|_| DeliveryId::new().0).collect();
        let lanes: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.lane.0).collect();
        let of: Vec<Uuid> = deliveries.iter().map(|delivery| delivery.message.0).collect();
        let owners: Vec<i32> = deliveries.iter().map(|delivery| delivery.project.0).collect();
        let webhooks: Vec<Option<Uuid>> = deliveries.iter().map(|delivery| delivery.webhook.map(|id| id.0)).collect();
        let about: Vec<Option<Uuid>> = deliveries.iter().map(|delivery| delivery.task.map(|id| id.0)).collect();
        let made = run!(
            self,
            sqlx::query_scalar!(
                r#"WITH taken AS (
                    DELETE FROM webhook_outbox WHERE id = ANY($1) RETURNING id
                ), messages AS (
                    INSERT INTO webhook_messages (id, project, type, task, at, body)
                    SELECT m.id, m.project, m.type, m.task, m.at, m.body
                    FROM unnest($2::bigint[], $3::uuid[], $4::int[], $5::text[], $6::uuid[], $7::timestamptz[], $8::text[])
                        AS m (place, id, project, type, task, at, body)
                    JOIN taken ON taken.id = m.place
                ), asked AS (
                    SELECT d.* FROM unnest($9::bigint[], $10::uuid[], $11::uuid[], $12::uuid[], $13::int[], $14::uuid[], $15::uuid[])
                        WITH ORDINALITY AS d (place, id, lane, message, project, webhook, task, nth)
                    JOIN taken ON taken.id = d.place
                ), lanes AS (
                    INSERT INTO webhook_lanes AS l (id, project)
                    SELECT DISTINCT lane, project FROM asked ORDER BY lane
                    ON CONFLICT (id) DO UPDATE SET stirred = l.stirred + 1,
                        due_at = greatest(least(l.due_at, now()), l.slow_until)
                ), made AS (
                    INSERT INTO webhook_deliveries (id, lane, message, project, webhook, task)
                    SELECT id, lane, message, project, webhook, task FROM asked ORDER BY nth
                    RETURNING 1
                ), counted AS (SELECT count(*) AS n FROM made)
                SELECT CASE WHEN n > 0 THEN n + 0 * length(pg_notify('longshore_deliver', '')::text) ELSE 0 END AS "n!" FROM counted"#,
                places,
                &message_places,
                &ids,
                &projects,
                &types,
                &tasks as &[Option<Uuid>],
                &times,
                &bodies,
                &delivery_places,
                &names,
                &lanes,
                &of,
                &owners,
                &webhooks as &[Option<Uuid>],
                &about as &[Option<Uuid>],
            ),
            fetch_one
        )?;
        Ok(Told { deliveries: made.unsigned_abs() })
    }
}
