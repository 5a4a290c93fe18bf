//! Prices: asked for politely, read truthfully, and kept once.

mod host;
mod hostile;
mod polite;
mod routes;
mod scrape;

use std::time::Duration;

use e2e::System;
use serde_json::{Value, json};

/// A scrape takes its turn at a host, which is the slow part of it.
const SCRAPE: Duration = Duration::from_secs(40);

/// A system whose workers may ask hosts of this machine, quickly.
async fn system() -> System {
    System::builder()
        .worker("default=8")
        .env("LONGSHORE_OUTBOUND_ALLOW", "127.0.0.0/8")
        .env("LONGSHORE_OUTBOUND_PAUSE", "20ms")
        .start()
        .await
}

/// Scrapes, and gives the output.
async fn scrape(system: &System, input: Value) -> Value {
    let id = system.client.submit("price.scrape", input, json!({})).await;
    system.client.wait(&id, "succeeded", SCRAPE).await["output"].clone()
}

/// The rows of a statement that gives text.
async fn texts(system: &System, sql: &str) -> Vec<String> {
    // The statements are constants of the tests.
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&system.database.pool).await.expect("the rows")
}
