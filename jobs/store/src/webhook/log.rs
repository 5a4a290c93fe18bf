//! The log of deliveries: what was sent, what came of it, and sending it again.

use std::time::Duration;

use jobs_core::{DeliveryId, MessageId, ProjectId, TaskId, WebhookId};
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::NewMessage;
use crate::{Channel, Store, StoreError};

/// Of the last so many deliveries statistics are made.
const COUNTED: i64 = 10_000;

/// Whose deliveries are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Those of an endpoint.
    Endpoint(WebhookId),
    /// Those of the receiver of a task.
    Task(TaskId),
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// It is still to be received.
    Pending,
    /// It was received.
    Succeeded,
    /// It was not, and is not tried again.
    Failed,
    /// There is nobody to receive it any more.
    Canceled,
}

impl DeliveryStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Succeeded, Self::Failed, Self::Canceled];

    /// Its spelling in the database and on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

/// A delivery as it stands.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    /// Its name.
    pub id: DeliveryId,
    /// What is sent.
    pub message: MessageId,
    /// Which sort of event that tells.
    pub event_type: String,
    /// The task that it is about.
    pub task: Option<TaskId>,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// When it is tried next, while it is pending.
    pub due_at: OffsetDateTime,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it ended.
    pub ended_at: Option<OffsetDateTime>,
    /// How it went so far, the first attempt first.
    pub attempts: Vec<AttemptRow>,
    /// What is sent; only of a single delivery.
    pub body: Option<String>,
}

/// An attempt to deliver.
#[derive(Debug, Clone, Deserialize)]
pub struct AttemptRow {
    /// Its number, from 1.
    pub attempt: u32,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Where it went.
    pub url: String,
    /// What was answered.
    pub status: Option<u16>,
    /// Why it did not succeed, in one word.
    pub error: Option<String>,
    /// What was sent and answered.
    pub details: Box<RawValue>,
    /// How long it took.
    pub took_ms: u64,
}

/// How it went lately.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeliveryStats {
    /// Deliveries of the last day that were looked at.
    pub deliveries: u64,
    /// Those that were received.
    pub succeeded: u64,
    /// Those that were not.
    pub failed: u64,
    /// Those that are still to be received, however old.
    pub pending: u64,
    /// How old the oldest of them is.
    pub oldest_pending: Option<Duration>,
    /// How often it was tried.
    pub attempts: u64,
    /// The time that an attempt takes: half of them take no longer, and 95 of a hundred.
    pub took_ms: Option<(u64, u64)>,
}

struct Row {
    id: Uuid,
    message: Uuid,
    r#type: String,
    task: Option<Uuid>,
    status: String,
    due_at: OffsetDateTime,
    created_at: OffsetDateTime,
    ended_at: Option<OffsetDateTime>,
    attempts: Option<Json<Vec<AttemptRow>>>,
    body: Option<String>,
}

/// A checked query that gives deliveries with their attempts: `$body` is what is said of bodies, `$tail` which, of those that it calls `d`.
macro_rules! delivery_query {
    ($body:tt, $tail:tt $(, $arg:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT d.id AS "id!", d.message AS "message!", COALESCE(m.type, '') AS "type!", d.task, d.status AS "status!",
                d.due_at AS "due_at!", d.created_at AS "created_at!", d.ended_at, "# + $body + r#" AS body,
                (SELECT json_agg(json_build_object('attempt', a.attempt, 'at', to_char(a.at AT TIME ZONE 'UTC',
                        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'url', a.url, 'status', a.status, 'error', a.error,
                        'details', a.details, 'took_ms', a.took_ms) ORDER BY a.attempt)
                    FROM webhook_attempts a WHERE a.delivery = d.id) AS "attempts: Json<Vec<AttemptRow>>"
            FROM webhook_deliveries d LEFT JOIN webhook_messages m ON m.id = d.message "# + $tail
            $(, $arg)*
        )
    };
}

impl Store {
    /// Deliveries of a project, the newest first: at most `limit`, older than `before`, and only those of a status or of a sort of event if
    /// any is said.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn deliveries(
        &self,
        project: ProjectId,
        whose: Whose,
        status: Option<DeliveryStatus>,
        event_type: Option<&str>,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let before = before.map(|id| id.0);
        let status = status.map(DeliveryStatus::name);
        let rows = match whose {
            Whose::Endpoint(id) => {
                let query = delivery_query!(
                    "NULL::text",
                    "WHERE d.webhook = $1 AND d.project = $2 AND ($3::uuid IS NULL OR d.id < $3) AND ($4::text IS NULL OR d.status = $4)
                        AND ($5::text IS NULL OR m.type = $5)
                    ORDER BY d.id DESC LIMIT $6",
                    id.0,
                    project.0,
                    before as Option<Uuid>,
                    status,
                    event_type,
                    i64::from(limit),
                );
                run!(self, query, fetch_all)?
            }
            Whose::Task(id) => {
                let query = delivery_query!(
                    "NULL::text",
                    "WHERE d.task = $1 AND d.webhook IS NULL AND d.project = $2 AND ($3::uuid IS NULL OR d.id < $3)
                        AND ($4::text IS NULL OR d.status = $4) AND ($5::text IS NULL OR m.type = $5)
                    ORDER BY d.id DESC LIMIT $6",
                    id.0,
                    project.0,
                    before as Option<Uuid>,
                    status,
                    event_type,
                    i64::from(limit),
                );
                run!(self, query, fetch_all)?
            }
        };
        rows.into_iter().map(DeliveryRow::try_from).collect()
    }

    /// A delivery to an endpoint of a project, with what is sent.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn delivery(
        &self,
        project: ProjectId,
        webhook: WebhookId,
        id: DeliveryId,
    ) -> Result<Option<DeliveryRow>, StoreError> {
        let query = delivery_query!(
            "m.body",
            "WHERE d.id = $1 AND d.webhook = $2 AND d.project = $3",
            id.0,
            webhook.0,
            project.0
        );
        run!(self, query, fetch_optional)?.map(DeliveryRow::try_from).transpose()
    }

    /// Begins a delivery to an endpoint of a project again, however it ended; one that is pending is tried at once. `false` when there is none.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn redeliver(&self, project: ProjectId, webhook: WebhookId, id: DeliveryId) -> Result<bool, StoreError> {
        let again = run!(
            self,
            sqlx::query!(
                "WITH again AS (
                    UPDATE webhook_deliveries SET status = 'pending', tried = 0, due_at = now(), ended_at = NULL
                    WHERE id = $1 AND webhook = $2 AND project = $3 RETURNING lane
                ), stirred AS (
                    UPDATE webhook_lanes l SET due_at = now(), slow_until = NULL, stirred = l.stirred + 1 FROM again WHERE l.id = again.lane
                )
                SELECT lane FROM again",
                id.0,
                webhook.0,
                project.0,
            ),
            fetch_optional
        )?;
        self.tell(Channel::Deliver, "").await;
        Ok(again.is_some())
    }

    /// Begins the next `limit` deliveries to an endpoint of a project again that were not received, of those that were made between two times
    /// and after one. Gives how many, and after which to go on; nothing at the end.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn recover(
        &self,
        project: ProjectId,
        webhook: WebhookId,
        (since, until): (OffsetDateTime, OffsetDateTime),
        after: Option<DeliveryId>,
        limit: u32,
    ) -> Result<(u64, Option<DeliveryId>), StoreError> {
        let row = run!(
            self,
            sqlx::query!(
                r#"WITH seen AS MATERIALIZED (
                    SELECT id, status FROM webhook_deliveries
                    WHERE webhook = $1 AND project = $2 AND id > $3 AND created_at >= $4 AND created_at < $5 ORDER BY id LIMIT $6
                ), again AS (
                    UPDATE webhook_deliveries d SET status = 'pending', tried = 0, due_at = now(), ended_at = NULL
                    FROM seen WHERE d.id = seen.id AND d.status IN ('failed', 'canceled') RETURNING d.lane
                ), stirred AS (
                    UPDATE webhook_lanes l SET due_at = now(), slow_until = NULL, stirred = l.stirred + 1
                    WHERE l.id IN (SELECT lane FROM again)
                )
                SELECT (SELECT count(*) FROM again) AS "count!", (SELECT id FROM seen ORDER BY id OFFSET $6 - 1) AS next"#,
                webhook.0,
                project.0,
                after.map_or_else(|| TaskId::first_at(since.into()).0, |id| id.0),
                since,
                until,
                i64::from(limit),
            ),
            fetch_one
        )?;
        if row.count > 0 {
            self.tell(Channel::Deliver, "").await;
        }
        Ok((row.count.unsigned_abs(), row.next.map(DeliveryId)))
    }

    /// Sends a message to one endpoint of a project, whatever it listens to. Nothing when there is no such endpoint, or it is told nothing.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn send_to(&self, webhook: WebhookId, message: &NewMessage) -> Result<Option<DeliveryId>, StoreError> {
        let delivery = run!(
            self,
            sqlx::query_scalar!(
                "WITH endpoint AS (SELECT id, project FROM webhooks WHERE id = $1 AND project = $2 AND enabled), message AS (
                    INSERT INTO webhook_messages (id, project, type, at, body) SELECT $3, project, $4, $5, $6 FROM endpoint
                ), lane AS (
                    INSERT INTO webhook_lanes AS l (id, project) SELECT id, project FROM endpoint
                    ON CONFLICT (id) DO UPDATE SET stirred = l.stirred + 1, due_at = now(), slow_until = NULL
                )
                INSERT INTO webhook_deliveries (id, lane, message, project, webhook)
                SELECT $7, id, $3, project, id FROM endpoint RETURNING id",
                webhook.0,
                message.project.0,
                message.id.0,
                message.event_type,
                message.at,
                message.body,
                DeliveryId::new().0,
            ),
            fetch_optional
        )?;
        self.tell(Channel::Deliver, "").await;
        Ok(delivery.map(DeliveryId))
    }

    /// How deliveries to an endpoint of a project went in the last day.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn delivery_stats(&self, project: ProjectId, webhook: WebhookId) -> Result<DeliveryStats, StoreError> {
        let row = run!(
            self,
            sqlx::query!(
                r#"WITH lately AS MATERIALIZED (
                    SELECT id, status FROM webhook_deliveries
                    WHERE webhook = $1 AND project = $2 AND id >= $3 ORDER BY id DESC LIMIT $4
                ), tried AS (
                    SELECT took_ms FROM webhook_attempts WHERE delivery IN (SELECT id FROM lately)
                ), waiting AS MATERIALIZED (
                    SELECT created_at FROM webhook_deliveries WHERE lane = $1 AND project = $2 AND status = 'pending'
                    ORDER BY due_at LIMIT $4
                )
                SELECT (SELECT count(*) FROM lately) AS "deliveries!",
                    (SELECT count(*) FROM lately WHERE status = 'succeeded') AS "succeeded!",
                    (SELECT count(*) FROM lately WHERE status = 'failed') AS "failed!",
                    (SELECT count(*) FROM waiting) AS "pending!",
                    extract(epoch FROM now() - (SELECT min(created_at) FROM waiting))::float8 AS oldest_s,
                    (SELECT count(*) FROM tried) AS "attempts!",
                    (SELECT percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY took_ms) FROM tried) AS took_ms"#,
                webhook.0,
                project.0,
                a_day_ago(),
                COUNTED,
            ),
            fetch_one
        )?;
        let took = row.took_ms.as_deref().and_then(|took| match took {
            [half, most] => Some((u64::from(half.unsigned_abs()), u64::from(most.unsigned_abs()))),
            _ => None,
        });
        Ok(DeliveryStats {
            deliveries: row.deliveries.unsigned_abs(),
            succeeded: row.succeeded.unsigned_abs(),
            failed: row.failed.unsigned_abs(),
            pending: row.pending.unsigned_abs(),
            oldest_pending: row
                .oldest_s
                .map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default()),
            attempts: row.attempts.unsigned_abs(),
            took_ms: took,
        })
    }
}

/// The smallest id that was made in the last day, by the clock of this machine: ids are made by it, too.
fn a_day_ago() -> Uuid {
    let now = std::time::SystemTime::now();
    TaskId::first_at(now.checked_sub(Duration::from_secs(86_400)).unwrap_or(std::time::SystemTime::UNIX_EPOCH)).0
}

impl TryFrom<Row> for DeliveryRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let status = DeliveryStatus::ALL.into_iter().find(|status| status.name() == row.status);
        let status =
            status.ok_or_else(|| StoreError::broken(format!("`{}` is no status of a delivery", row.status)))?;
        Ok(Self {
            id: DeliveryId(row.id),
            message: MessageId(row.message),
            event_type: row.r#type,
            task: row.task.map(TaskId),
            status,
            due_at: row.due_at,
            created_at: row.created_at,
            ended_at: row.ended_at,
            attempts: row.attempts.map(|json| json.0).unwrap_or_default(),
            body: row.body,
        })
    }
}
