//! Rows as wide as those of tasks into a table with nothing but a primary key, many a statement, each statement durable
//! before it is answered: what Postgres alone can record. And one row alone: the floor under everything that is recorded.

use std::time::Instant;

use futures::future::try_join_all;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, types::Uuid};

use super::POSTGRES;
use crate::{
    figure::{Figure, Unit},
    samples::Samples,
    stage::Stage,
};

const CONNECTIONS: u64 = 4;
const ROWS: usize = 500;

const TABLE: &str = r#"CREATE TABLE rows (
    id uuid PRIMARY KEY, kind text NOT NULL, queue text NOT NULL, "group" text NOT NULL, priority smallint NOT NULL,
    state text NOT NULL, input json NOT NULL, max_attempts integer NOT NULL, retry json NOT NULL,
    timeout_ms bigint NOT NULL, metadata jsonb NOT NULL DEFAULT '{}', created_at timestamptz NOT NULL DEFAULT now(),
    queued_at timestamptz)"#;
const INSERT: &str = r#"INSERT INTO rows
        (id, kind, queue, "group", priority, state, input, max_attempts, retry, timeout_ms, queued_at)
    SELECT id, 'echo', 'default', 'default', 0, 'queued', '{"text":"00000000"}', 3,
        '{"initial_ms":1000,"factor":2.0,"max_ms":60000,"jitter":0.1}', 60000, now() FROM unnest($1::uuid[]) AS id"#;

pub(crate) async fn insert(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let (database, url) = stage.new_database().await?;
    let mut connection = PgConnection::connect(&url).await?;
    connection.execute(AssertSqlSafe(TABLE)).await?;

    let (time, began) = (stage.options.window() / 2, Instant::now());
    let inserted = try_join_all((0..CONNECTIONS).map(async |_| {
        let mut connection = PgConnection::connect(&url).await?;
        let mut rows = 0;
        while began.elapsed() < time {
            rows += insert_rows(&mut connection, ROWS).await?;
        }
        anyhow::Ok(rows)
    }))
    .await?;
    let elapsed = began.elapsed();
    let rows: u64 = inserted.iter().sum();
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM rows").fetch_one(&mut connection).await?;
    anyhow::ensure!(stored.unsigned_abs() == rows, "of {rows} rows {stored} are there");

    let mut alone = Samples::default();
    for _ in 0..stage.options.size(500, 50) {
        let began = Instant::now();
        insert_rows(&mut connection, 1).await?;
        alone.add(began.elapsed());
    }
    connection.close().await?;
    stage.drop_database(&database).await?;
    let rate = Figure::new(POSTGRES, "postgres.insert", rows as f64 / elapsed.as_secs_f64(), Unit::PerSecond);
    let mut figures = vec![rate.with("rows_a_statement", ROWS).with("connections", CONNECTIONS)];
    figures.extend(alone.figures(POSTGRES, "postgres.commit.p50", "postgres.commit.p99"));
    Ok(figures)
}

async fn insert_rows(connection: &mut PgConnection, count: usize) -> anyhow::Result<u64> {
    let ids: Vec<Uuid> = (0..count).map(|_| jobs_core::TaskId::new().0).collect();
    Ok(sqlx::query(INSERT).bind(ids).execute(connection).await?.rows_affected())
}
