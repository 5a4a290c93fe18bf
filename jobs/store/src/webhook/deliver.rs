//! Delivering: lanes are leased and fenced as tasks are, and what deliverers say of attempts is written in batches.

use std::{collections::HashMap, time::Duration};

use jobs_core::{DelivererId, DeliveryId, LaneId, MessageId, WebhookId, task::TaskWebhook};
use serde_json::value::RawValue;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Sealed;
use crate::{Store, StoreError, row::millis};

/// A lane that a deliverer holds, with what it is to deliver now.
#[derive(Debug, Clone)]
pub struct Hand {
    /// The lane.
    pub lane: LaneId,
    /// The fencing token of whoever holds it.
    pub epoch: i32,
    /// Whether it answered lately.
    pub answered: bool,
    /// How often in a row it failed.
    pub failures: u32,
    /// What to deliver, in this order.
    pub deliveries: Vec<Claimed>,
}

/// A delivery that is to be attempted.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its name.
    pub id: DeliveryId,
    /// What is sent.
    pub message: MessageId,
    /// As it is sent.
    pub body: String,
    /// How often it was attempted.
    pub attempts: u32,
    /// How often since it was last asked for.
    pub tried: u32,
    /// Who is told; nobody any more when it is none.
    pub receiver: Option<Receiver>,
}

/// Who is told.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// The endpoint; none for the receiver of a task.
    pub webhook: Option<WebhookId>,
    /// Where.
    pub url: String,
    /// What requests are signed with.
    pub sealed: Sealed,
    /// Whether they carry a signature of ed25519, too.
    pub ed25519: bool,
}

/// What a deliverer holds already.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Lanes of its own that want more.
    pub hungry: Vec<LaneId>,
    /// Deliveries that are not to be given again.
    pub in_hand: Vec<DeliveryId>,
    /// So many lanes more that answered lately.
    pub sure: u32,
    /// So many that did not.
    pub doubtful: u32,
    /// So many deliveries of a lane at most.
    pub each: u32,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was received.
    Succeeded,
    /// It is tried again after this long.
    Retry(Duration),
    /// It was not received, and is not tried again.
    Failed,
    /// There is nobody to receive it any more.
    Canceled,
}

/// What a deliverer says of one delivery.
#[derive(Debug, Clone)]
pub struct Attempted {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its lane.
    pub lane: LaneId,
    /// The fencing token of the lane.
    pub epoch: i32,
    /// What became of it.
    pub outcome: Outcome,
    /// How the attempt went, if there was one.
    pub attempt: Option<Report>,
}

/// How an attempt went.
#[derive(Debug, Clone)]
pub struct Report {
    /// Where it went.
    pub url: String,
    /// What was answered.
    pub status: Option<u16>,
    /// Why it did not succeed, in one word.
    pub error: Option<String>,
    /// What was sent and answered.
    pub details: Box<RawValue>,
    /// How long it took.
    pub took: Duration,
}

/// What a deliverer says of a lane.
#[derive(Debug, Clone)]
pub struct LaneNews {
    /// The lane.
    pub lane: LaneId,
    /// The fencing token of whoever holds it.
    pub epoch: i32,
    /// Whether it answers.
    pub answered: bool,
    /// How often in a row it failed by now.
    pub failures: u32,
    /// Whether anything was received since it was said last.
    pub has_received: bool,
    /// It is left alone for so long.
    pub slow: Option<Duration>,
}

/// What became of a batch of words.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// The lanes that were still the deliverer's, each with how long every attempt has failed by now. Of all others nothing was written.
    pub lanes: HashMap<LaneId, Option<Duration>>,
}

impl Store {
    /// Takes lanes in which there is something to deliver, for so long, and gives what is to be delivered; also of the lanes that
    /// `me` holds and that want more. What was told of a task before and has not ended is ahead of what was told later: only the first of them is
    /// given.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn claim_lanes(&self, me: DelivererId, lease: Duration, known: &Known) -> Result<Vec<Hand>, StoreError> {
        let hungry: Vec<Uuid> = known.hungry.iter().map(|lane| lane.0).collect();
        let in_hand: Vec<Uuid> = known.in_hand.iter().map(|delivery| delivery.0).collect();
        let rows = run!(
            self,
            sqlx::query!(
                r#"WITH sure AS (
                    SELECT id FROM webhook_lanes WHERE holder IS NULL AND answered AND due_at <= now()
                    ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
                ), doubtful AS (
                    SELECT id FROM webhook_lanes WHERE holder IS NULL AND NOT answered AND due_at <= now()
                    ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED
                ), sure_lapsed AS (
                    SELECT id FROM webhook_lanes WHERE holder IS NOT NULL AND answered AND lease_until < now()
                    ORDER BY lease_until LIMIT $3 FOR UPDATE SKIP LOCKED
                ), doubtful_lapsed AS (
                    SELECT id FROM webhook_lanes WHERE holder IS NOT NULL AND NOT answered AND lease_until < now()
                    ORDER BY lease_until LIMIT $4 FOR UPDATE SKIP LOCKED
                ), taken AS (
                    UPDATE webhook_lanes l SET holder = $1, epoch = l.epoch + 1,
                        lease_until = now() + $2::bigint * interval '1 millisecond'
                    FROM (SELECT id FROM sure UNION ALL SELECT id FROM doubtful
                        UNION ALL SELECT id FROM sure_lapsed UNION ALL SELECT id FROM doubtful_lapsed) AS free
                    WHERE l.id = free.id RETURNING l.id, l.epoch, l.answered, l.failures
                ), open AS (
                    SELECT id, epoch, answered, failures FROM taken
                    UNION ALL
                    SELECT id, epoch, answered, failures FROM webhook_lanes
                    WHERE id = ANY($5) AND holder = $1 AND lease_until > now() AND (slow_until IS NULL OR slow_until <= now())
                )
                SELECT open.id AS "lane!", open.epoch AS "epoch!", open.answered AS "answered!", open.failures AS "failures!",
                    d.id AS "delivery?", d.attempts AS "attempts?", d.tried AS "tried?", d.message AS "message?", m.body AS "body?",
                    d.webhook AS "webhook?", CASE WHEN w.enabled THEN w.url END AS url, w.ed25519 AS "ed25519?", w.sealed AS "sealed?",
                    CASE WHEN w.before_until > now() THEN w.sealed_before END AS sealed_before,
                    t.webhook AS "own: Json<TaskWebhook>"
                FROM open LEFT JOIN webhooks w ON w.id = open.id
                LEFT JOIN LATERAL (
                    SELECT * FROM webhook_deliveries d
                    WHERE d.lane = open.id AND d.status = 'pending' AND d.due_at <= now() AND d.id <> ALL($6)
                        AND NOT EXISTS (SELECT FROM webhook_deliveries e WHERE e.lane = d.lane AND e.task = d.task
                            AND e.status = 'pending' AND e.nth < d.nth)
                    -- One that does not answer is asked with one delivery; one that is told nothing any more is not asked at all.
                    ORDER BY d.due_at, d.nth LIMIT CASE WHEN open.answered OR NOT w.enabled THEN $7::bigint ELSE 1 END
                ) AS d ON true
                LEFT JOIN webhook_messages m ON m.id = d.message
                LEFT JOIN tasks t ON t.id = d.task AND d.webhook IS NULL
                ORDER BY open.id, d.due_at, d.nth"#,
                me.0,
                millis(lease),
                i64::from(known.sure),
                i64::from(known.doubtful),
                &hungry,
                &in_hand,
                i64::from(known.each),
            ),
            fetch_all
        )?;
        let mut hands: Vec<Hand> = Vec::new();
        for row in rows {
            let lane = LaneId(row.lane);
            if hands.last().is_none_or(|hand| hand.lane != lane) {
                let failures = row.failures.unsigned_abs();
                hands.push(Hand { lane, epoch: row.epoch, answered: row.answered, failures, deliveries: Vec::new() });
            }
            let (Some(id), Some(message), Some(hand)) = (row.delivery, row.message, hands.last_mut()) else { continue };
            let receiver = match (row.webhook, row.url, row.own) {
                (Some(webhook), Some(url), _) => Some(Receiver {
                    webhook: Some(WebhookId(webhook)),
                    url,
                    sealed: Sealed { now: row.sealed, before: row.sealed_before },
                    ed25519: row.ed25519.unwrap_or_default(),
                }),
                (None, _, Some(Json(own))) => {
                    let sealed = own.sealed.map(hex::decode).transpose().map_err(StoreError::broken)?;
                    let sealed = Sealed { now: sealed, before: None };
                    Some(Receiver { webhook: None, url: own.url, sealed, ed25519: false })
                }
                _ => None,
            };
            // What is kept no longer is told to nobody.
            let receiver = receiver.filter(|_| row.body.is_some());
            hand.deliveries.push(Claimed {
                id: DeliveryId(id),
                message: MessageId(message),
                body: row.body.unwrap_or_default(),
                attempts: row.attempts.unwrap_or_default().unsigned_abs(),
                tried: row.tried.unwrap_or_default().unsigned_abs(),
                receiver,
            });
        }
        Ok(hands)
    }

    /// Goes on holding those of `lanes` that are still held, and gives them.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn renew_lanes(
        &self,
        me: DelivererId,
        lease: Duration,
        lanes: &[LaneId],
    ) -> Result<Vec<LaneId>, StoreError> {
        let ids: Vec<Uuid> = lanes.iter().map(|lane| lane.0).collect();
        let held = run!(
            self,
            sqlx::query_scalar!(
                "WITH held AS (SELECT id FROM webhook_lanes WHERE id = ANY($3) AND holder = $1 ORDER BY id FOR NO KEY UPDATE)
                UPDATE webhook_lanes l SET lease_until = now() + $2::bigint * interval '1 millisecond'
                FROM held WHERE l.id = held.id RETURNING l.id",
                me.0,
                millis(lease),
                &ids,
            ),
            fetch_all
        )?;
        Ok(held.into_iter().map(LaneId).collect())
    }

    /// Gives lanes back.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn release_lanes(&self, me: DelivererId, lanes: &[LaneId]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = lanes.iter().map(|lane| lane.0).collect();
        let released = run!(
            self,
            sqlx::query!(
                "WITH held AS (SELECT id FROM webhook_lanes WHERE id = ANY($2) AND holder = $1 ORDER BY id FOR NO KEY UPDATE)
                UPDATE webhook_lanes l SET holder = NULL, lease_until = NULL,
                    -- What came in since then has not been seen here.
                    due_at = CASE WHEN l.stirred <> seen.stirred THEN greatest(now(), l.slow_until)
                        WHEN seen.next IS NOT NULL THEN greatest(seen.next, l.slow_until) END
                FROM held JOIN LATERAL (
                    SELECT w.id, w.stirred, (SELECT d.due_at FROM webhook_deliveries d
                        WHERE d.lane = w.id AND d.status = 'pending'
                            AND NOT EXISTS (SELECT FROM webhook_deliveries e WHERE e.lane = d.lane AND e.task = d.task
                                AND e.status = 'pending' AND e.nth < d.nth)
                        ORDER BY d.due_at LIMIT 1) AS next
                    FROM webhook_lanes w WHERE w.id = held.id
                ) AS seen ON true
                WHERE l.id = held.id",
                me.0,
                &ids,
            ),
            execute
        );
        released.map(drop)
    }

    /// How long until there is something to do in a lane that is free, or in one whose holder may be gone, of those that `answered` lately or
    /// did not; nothing when there is none.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn next_lane(&self, me: DelivererId, answered: bool) -> Result<Option<Duration>, StoreError> {
        let seconds = run!(
            self,
            sqlx::query_scalar!(
                "SELECT extract(epoch FROM least(
                    (SELECT min(due_at) FROM webhook_lanes WHERE holder IS NULL AND answered = $2),
                    (SELECT min(lease_until) FROM webhook_lanes WHERE holder IS NOT NULL AND holder <> $1 AND answered = $2)
                ) - clock_timestamp())::float8",
                me.0,
                answered,
            ),
            fetch_one
        )?;
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)))
    }

    /// Writes down what became of deliveries, and what is known of their lanes. What is said of a lane that `me` does not hold any more
    /// changes nothing. Repeating it changes nothing.
    ///
    /// # Errors
    /// When Postgres is not available: try again until it is.
    pub async fn record_deliveries(
        &self,
        me: DelivererId,
        said: &[Attempted],
        news: &[LaneNews],
    ) -> Result<Recorded, StoreError> {
        let mut ids = Vec::with_capacity(said.len());
        let mut lanes = Vec::with_capacity(said.len());
        let mut epochs = Vec::with_capacity(said.len());
        let mut statuses = Vec::with_capacity(said.len());
        let mut waits = Vec::with_capacity(said.len());
        let mut urls = Vec::with_capacity(said.len());
        let mut answers = Vec::with_capacity(said.len());
        let mut errors = Vec::with_capacity(said.len());
        let mut details = Vec::with_capacity(said.len());
        let mut took = Vec::with_capacity(said.len());
        for Attempted { delivery, lane, epoch, outcome, attempt } in said {
            ids.push(delivery.0);
            lanes.push(lane.0);
            epochs.push(*epoch);
            statuses.push(outcome.status().to_owned());
            waits.push(if let Outcome::Retry(wait) = outcome { millis(*wait) } else { 0 });
            urls.push(attempt.as_ref().map(|attempt| attempt.url.clone()));
            answers.push(attempt.as_ref().and_then(|attempt| attempt.status).map(u16::cast_signed));
            errors.push(attempt.as_ref().and_then(|attempt| attempt.error.clone()));
            details.push(attempt.as_ref().map(|attempt| attempt.details.get().to_owned()));
            let took_ms = attempt.as_ref().map_or(0, |attempt| attempt.took.as_millis());
            took.push(i32::try_from(took_ms).unwrap_or(i32::MAX));
        }
        let news_lanes: Vec<Uuid> = news.iter().map(|news| news.lane.0).collect();
        let news_epochs: Vec<i32> = news.iter().map(|news| news.epoch).collect();
        let answered: Vec<bool> = news.iter().map(|news| news.answered).collect();
        let failures: Vec<i32> = news.iter().map(|news| news.failures.cast_signed()).collect();
        let received: Vec<bool> = news.iter().map(|news| news.has_received).collect();
        let slow: Vec<Option<i64>> = news.iter().map(|news| news.slow.map(millis)).collect();
        let rows = run!(
            self,
            sqlx::query!(
                r#"WITH mine AS (
                    SELECT l.id, news.answered, news.failures, news.received, news.slow_ms
                    FROM unnest($12::uuid[], $13::int[], $14::bool[], $15::int[], $16::bool[], $17::bigint[])
                        AS news (lane, epoch, answered, failures, received, slow_ms)
                    JOIN webhook_lanes l ON l.id = news.lane AND l.epoch = news.epoch AND l.holder = $1
                    ORDER BY l.id FOR NO KEY UPDATE OF l
                ), said AS (
                    SELECT said.* FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::bigint[], $7::text[], $8::smallint[],
                        $9::text[], $10::text[], $11::int[])
                        AS said (id, lane, epoch, status, wait_ms, url, answer, error, details, took_ms)
                    JOIN mine ON mine.id = said.lane
                ), written AS (
                    UPDATE webhook_deliveries d SET status = said.status,
                        attempts = d.attempts + (said.url IS NOT NULL)::int, tried = d.tried + (said.url IS NOT NULL)::int,
                        due_at = CASE said.status WHEN 'pending' THEN now() + said.wait_ms * interval '1 millisecond' ELSE d.due_at END,
                        ended_at = CASE WHEN said.status <> 'pending' THEN now() END
                    FROM said WHERE d.id = said.id AND d.status = 'pending'
                    RETURNING d.id, d.lane, d.task, d.nth, d.status, d.due_at, d.attempts
                ), logged AS (
                    INSERT INTO webhook_attempts (delivery, attempt, at, url, status, error, details, took_ms)
                    SELECT said.id, written.attempts, now() - said.took_ms * interval '1 millisecond', said.url, said.answer, said.error,
                        said.details::json, said.took_ms
                    FROM said JOIN written USING (id) WHERE said.url IS NOT NULL
                    ON CONFLICT DO NOTHING
                ), moved AS (
                    -- What is told of the same task later waits as long as this, or not any more.
                    UPDATE webhook_deliveries n SET due_at = CASE written.status WHEN 'pending' THEN written.due_at ELSE now() END
                    FROM written
                    WHERE n.lane = written.lane AND n.task = written.task AND n.status = 'pending' AND n.nth > written.nth
                        AND (written.status = 'pending' OR n.due_at > now())
                )
                UPDATE webhook_lanes l SET answered = mine.answered, failures = mine.failures,
                    failing_since = CASE WHEN mine.failures = 0 THEN NULL WHEN mine.received THEN now()
                        ELSE COALESCE(l.failing_since, now()) END,
                    slow_until = CASE WHEN mine.slow_ms IS NOT NULL THEN now() + mine.slow_ms * interval '1 millisecond'
                        WHEN mine.received THEN NULL ELSE l.slow_until END
                FROM mine WHERE l.id = mine.id
                RETURNING l.id, extract(epoch FROM now() - l.failing_since)::float8 AS failing_s"#,
                me.0,
                &ids,
                &lanes,
                &epochs,
                &statuses,
                &waits,
                &urls as &[Option<String>],
                &answers as &[Option<i16>],
                &errors as &[Option<String>],
                &details as &[Option<String>],
                &took,
                &news_lanes,
                &news_epochs,
                &answered,
                &failures,
                &received,
                &slow as &[Option<i64>],
            ),
            fetch_all
        )?;
        let lanes = rows.into_iter().map(|row| {
            let failing =
                row.failing_s.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default());
            (LaneId(row.id), failing)
        });
        Ok(Recorded { lanes: lanes.collect() })
    }

    /// Forgets at most `limit` messages, and as many deliveries, that were made before a time, and gives how many are gone.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn forget_messages(&self, before: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        let before = jobs_core::TaskId::first_at(before.into()).0;
        let gone = run!(
            self,
            sqlx::query_scalar!(
                r#"WITH messages AS (
                    DELETE FROM webhook_messages WHERE id IN (
                        SELECT id FROM webhook_messages WHERE id < $1 ORDER BY id LIMIT $2) RETURNING 1
                ), deliveries AS (
                    DELETE FROM webhook_deliveries WHERE id IN (
                        SELECT id FROM webhook_deliveries WHERE id < $1 ORDER BY id LIMIT $2) RETURNING id
                ), attempts AS (
                    DELETE FROM webhook_attempts WHERE delivery IN (SELECT id FROM deliveries)
                )
                SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM deliveries) AS "n!""#,
                before,
                i64::from(limit),
            ),
            fetch_one
        )?;
        Ok(gone.unsigned_abs())
    }

    /// Forgets lanes of hosts, and of endpoints that are gone, in which there has been nothing to do for `age`.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn forget_lanes(&self, limit: u32) -> Result<u64, StoreError> {
        let gone = run!(
            self,
            sqlx::query!(
                "DELETE FROM webhook_lanes WHERE id IN (
                    SELECT id FROM webhook_lanes l WHERE holder IS NULL AND due_at IS NULL
                        AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.lane = l.id AND d.status = 'pending')
                        AND NOT EXISTS (SELECT FROM webhooks w WHERE w.id = l.id)
                    LIMIT $1 FOR UPDATE SKIP LOCKED)",
                i64::from(limit),
            ),
            execute
        )?;
        Ok(gone.rows_affected())
    }
}

impl Outcome {
    fn status(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Retry(_) => "pending",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}
