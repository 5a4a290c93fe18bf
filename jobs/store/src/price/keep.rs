//! Keeping a run: once for each task, by the attempt that holds it, in one statement.

use std::time::Duration;

use jobs_core::{
    TaskId, WorkerId,
    port::price::{Kept, KnownSource, LastRun, PriceRun},
};
use sqlx::types::Json;

use crate::{
    Store, StoreError,
    row::{Raw, millis},
};

/// What is usual is the median of so many good runs.
const USUAL_OF: i64 = 20;

impl Store {
    /// What is known of a source in the project of a task.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn known_source(
        &self,
        task: TaskId,
        source: &str,
        provider: Option<&str>,
    ) -> Result<KnownSource, StoreError> {
        let row = run!(
            self,
            sqlx::query!(
                r#"WITH mine AS (SELECT project FROM tasks WHERE id = $1),
                good AS (
                    SELECT r.id, r.rows, r.etag, r.last_modified, r.digest, r.unchanged FROM price_runs r, mine
                    WHERE r.project = mine.project AND r.source = $2 AND r.outcome = 'ok' ORDER BY r.id DESC LIMIT $4
                ), last AS (SELECT * FROM good ORDER BY id DESC LIMIT 1)
                SELECT (SELECT definition FROM price_providers p, mine
                        WHERE p.project = mine.project AND p.id = $3 AND p.enabled) AS definition,
                    (SELECT output FROM price_runs WHERE task = $1 AND outcome <> 'fetch') AS "before: Raw",
                    (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY rows) FROM good) AS usual,
                    (SELECT rows FROM last) AS rows,
                    (SELECT etag FROM last) AS etag,
                    (SELECT last_modified FROM last) AS last_modified,
                    (SELECT digest FROM last) AS digest"#,
                task.0,
                source,
                provider,
                USUAL_OF,
            ),
            fetch_one
        )?;
        let before = row.before.map(|before| serde_json::from_str(before.0.get())).transpose();
        let count = |rows: i32| usize::try_from(rows).unwrap_or_default();
        Ok(KnownSource {
            definition: row.definition,
            before: before.map_err(StoreError::broken)?,
            last: row.digest.map(|digest| LastRun {
                etag: row.etag,
                last_modified: row.last_modified,
                digest,
                rows: row.rows.map(count).unwrap_or_default(),
            }),
            usual: row.usual.map(count),
        })
    }

    /// Keeps a run of an attempt that a worker holds; `None` when the attempt is not the worker's any more. A run that an earlier attempt
    /// of the task kept stays as it is, and nothing is added to it, unless it found no answer. A run that is not good keeps no prices.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn keep_prices(
        &self,
        worker: WorkerId,
        task: TaskId,
        epoch: i32,
        run: &PriceRun,
    ) -> Result<Option<Kept>, StoreError> {
        let is_good = run.outcome == "ok";
        let offers = if is_good { run.offers.as_slice() } else { &[] };
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let ago: Duration = run.at.elapsed();
        let row = run!(
            self,
            sqlx::query!(
                r#"WITH mine AS (
                    SELECT id, project FROM tasks
                    WHERE id = $1 AND epoch = $2 AND worker = $3 AND state IN ('running', 'canceling') FOR UPDATE
                ), last AS (
                    SELECT max(r.id) AS id FROM price_runs r, mine
                    WHERE r.project = mine.project AND r.source = $4 AND r.outcome = 'ok'
                ), run AS (
                    INSERT INTO price_runs (task, epoch, project, source, outcome, detail, rows, skipped, unchanged, etag,
                        last_modified, digest, output, asked_at)
                    SELECT id, $2, project, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::json,
                        now() - $14::bigint * interval '1 millisecond'
                    -- A failed request may be made again by the next attempt of the task; everything else is final.
                    FROM mine ON CONFLICT (task) DO UPDATE SET id = DEFAULT, epoch = excluded.epoch, outcome = excluded.outcome,
                        detail = excluded.detail, rows = excluded.rows, skipped = excluded.skipped, unchanged = excluded.unchanged,
                        etag = excluded.etag, last_modified = excluded.last_modified, digest = excluded.digest,
                        output = excluded.output, asked_at = excluded.asked_at
                    WHERE price_runs.outcome = 'fetch'
                    RETURNING id, project, asked_at
                ), seen AS (
                    SELECT * FROM jsonb_to_recordset($15) AS seen (key text, provider text, seller text, sku text, name text, url text,
                        gpu_raw text, gpu text, vram_gb numeric, gpu_count integer, region text, market text, tier text,
                        component text, currency text, unit text, amount numeric, list_price numeric, available boolean,
                        reliability numeric, evidence jsonb)
                    UNION ALL
                    -- What did not change holds as it was.
                    SELECT o.key, o.provider, o.seller, o.sku, o.name, o.url, o.gpu_raw, o.gpu, o.vram_gb, o.gpu_count, o.region,
                        o.market, o.tier, o.component, o.currency, o.unit, o.amount, o.list_price, o.available, o.reliability, o.evidence
                    FROM price_offers o, run, last
                    WHERE $9 AND o.project = run.project AND o.source = $4 AND o.run = last.id
                ), known AS (
                    -- Read before this statement writes: what the offers were until now.
                    SELECT o.id, o.key FROM price_offers o, run
                    WHERE o.project = run.project AND o.key IN (SELECT key FROM seen)
                ), kept AS (
                    INSERT INTO price_offers AS o (project, key, source, provider, seller, sku, name, url, gpu_raw, gpu, vram_gb,
                        gpu_count, region, market, tier, component, currency, unit, amount, list_price, available, reliability,
                        evidence, task, run, first_seen_at, observed_at, changed_at)
                    SELECT run.project, s.key, $4, s.provider, s.seller, s.sku, s.name, s.url, s.gpu_raw, s.gpu, s.vram_gb,
                        s.gpu_count, s.region, s.market, s.tier, s.component, s.currency, s.unit, s.amount, s.list_price, s.available,
                        s.reliability, s.evidence, $1, run.id, run.asked_at, run.asked_at, run.asked_at
                    -- In one order, so that two runs do not wait for each other.
                    FROM run, seen s ORDER BY s.key
                    ON CONFLICT (project, key) DO UPDATE SET source = excluded.source, seller = excluded.seller, name = excluded.name,
                        url = excluded.url, gpu_raw = excluded.gpu_raw, gpu = excluded.gpu, vram_gb = excluded.vram_gb,
                        amount = excluded.amount, list_price = excluded.list_price, available = excluded.available,
                        reliability = excluded.reliability, evidence = excluded.evidence, task = excluded.task, run = excluded.run,
                        observed_at = excluded.observed_at,
                        changed_at = CASE WHEN (o.amount, o.available) IS DISTINCT FROM (excluded.amount, excluded.available)
                            THEN excluded.observed_at ELSE o.changed_at END
                    -- A run that asked earlier and ends later says nothing new.
                    WHERE o.observed_at < excluded.observed_at
                    RETURNING o.id, o.key, o.project, o.amount, o.currency, o.unit, o.market, o.available, o.evidence, o.observed_at,
                        o.changed_at
                ), facts AS (
                    INSERT INTO price_observations (offer, observed_at, project, amount, currency, unit, market, available, evidence, task)
                    SELECT id, observed_at, project, amount, currency, unit, market, available, evidence, $1 FROM kept
                ), changed AS (
                    INSERT INTO price_changes (offer, observed_at, project, amount, available, task)
                    SELECT id, observed_at, project, amount, available, $1 FROM kept WHERE changed_at = observed_at
                    RETURNING offer
                )
                SELECT EXISTS (SELECT FROM mine) AS "mine!",
                    (SELECT count(*) FROM changed WHERE offer IN (SELECT id FROM known)) AS "changed!",
                    (SELECT count(*) FROM changed WHERE offer NOT IN (SELECT id FROM known)) AS "new!""#,
                task.0,
                epoch,
                worker.0,
                run.source,
                run.outcome,
                run.detail,
                number(run.rows),
                number(run.skipped),
                run.unchanged && is_good,
                run.etag,
                run.last_modified,
                run.digest,
                run.output.to_string(),
                millis(ago),
                Json(offers) as _,
            ),
            fetch_one
        )?;
        let count = |count: i64| usize::try_from(count).unwrap_or_default();
        Ok(row.mine.then(|| Kept { changed: count(row.changed), new: count(row.new) }))
    }

    /// Forgets at most `limit` observations that are older than `age`, and gives their number. Last prices and changes stay.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn forget_observations(&self, age: Duration, limit: u32) -> Result<u64, StoreError> {
        let gone = run!(
            self,
            sqlx::query!(
                "DELETE FROM price_observations WHERE ctid = ANY(ARRAY(SELECT ctid FROM price_observations
                    WHERE observed_at < now() - $1::bigint * interval '1 millisecond' LIMIT $2))",
                millis(age),
                i64::from(limit)
            ),
            execute
        )?;
        Ok(gone.rows_affected())
    }

    /// Forgets at most `limit` runs that are older than `age` and are not the last good one of their source, and gives their number.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn forget_price_runs(&self, age: Duration, limit: u32) -> Result<u64, StoreError> {
        let gone = run!(
            self,
            sqlx::query!(
                "DELETE FROM price_runs WHERE id IN (SELECT r.id FROM price_runs r
                    WHERE r.asked_at < now() - $1::bigint * interval '1 millisecond' AND EXISTS (SELECT FROM price_runs later
                        WHERE later.project = r.project AND later.source = r.source AND later.outcome = 'ok' AND later.id > r.id)
                    LIMIT $2)",
                millis(age),
                i64::from(limit)
            ),
            execute
        )?;
        Ok(gone.rows_affected())
    }
}
