//! A system that has nothing to do: what it costs, and how fast it wakes up.

use std::time::{Duration, Instant};

use e2e::{Servers, System, eventually, quantile};
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

const SOON: Duration = Duration::from_secs(20);
/// How long nothing happens.
const SILENCE: Duration = Duration::from_secs(10);

/// How many commands Redis has carried out, by name.
async fn commands(redis: &mut redis::aio::MultiplexedConnection) -> Vec<(String, u64)> {
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(redis).await.expect("INFO");
    let line = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    // What the measurement itself costs.
    info.lines().filter_map(line).filter(|(name, _)| name != "info").collect()
}

/// How many transactions were committed, by all connections to the database of the test.
async fn transactions(pool: &PgPool) -> i64 {
    let sql = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    sqlx::query_scalar(sql).fetch_one(pool).await.expect("the statistics")
}

#[tokio::test]
async fn an_idle_system_beats_its_hearts_and_does_nothing_else() {
    // Its own servers, so that nobody else is counted.
    let servers = Servers::private();
    let system = System::builder().on(&servers).worker("default=4,video=1").worker("default=4").start().await;
    // Not untouched: idle again after it had work, with a client that waits.
    let id = system.client.submit("echo", json!({ "sleep_ms": 100 }), json!({})).await;
    system.client.wait(&id, "succeeded", SOON).await;
    let mut redis = system.redis().await;
    let mut last = commands(&mut redis).await;
    eventually("Redis is silent", SOON, async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = commands(&mut redis).await;
        (std::mem::replace(&mut last, now.clone()) == now).then_some(())
    })
    .await;

    let before = transactions(&system.database.pool).await;
    let began = Instant::now();
    tokio::time::sleep(SILENCE).await;
    let after = commands(&mut redis).await;
    let used = transactions(&system.database.pool).await - before;
    let seconds = began.elapsed().as_secs_f64();
    let more: Vec<String> = after.iter().filter(|line| !last.contains(line)).map(|(name, _)| name.clone()).collect();
    println!("idle for {seconds:.1} s, 2 workers, 1 scheduler: {used} transactions in Postgres, in Redis {more:?}");
    assert!(more.is_empty(), "{more:?}");
    // A beat a second of each worker, a look a second of the scheduler; and a few of Postgres' own and of this test.
    assert!(used as f64 <= 3.0 * seconds + 8.0, "{used} transactions in {seconds:.1} s");
}

#[tokio::test]
async fn an_idle_system_starts_a_task_at_once() {
    const ROUNDS: usize = 200;
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let mut round_trips = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let body = json!({ "kind": "echo", "input": {} });
        let request = client.request(Method::POST, "/tasks").header("prefer", "wait=10").json(&body);
        let began = Instant::now();
        client.send(request).await.expect(200);
        round_trips.push(began.elapsed());
    }
    let waits: Vec<i64> =
        sqlx::query_scalar("SELECT (extract(epoch FROM started_at - queued_at) * 1000000)::bigint FROM tasks")
            .fetch_all(&system.database.pool)
            .await
            .expect("the rows");
    let mut waits: Vec<Duration> = waits.into_iter().map(|us| Duration::from_micros(us.unsigned_abs())).collect();
    assert_eq!(waits.len(), ROUNDS);
    let (p50, p99) = (quantile(&mut waits, 0.5), quantile(&mut waits, 0.99));
    let (trip50, trip99) = (quantile(&mut round_trips, 0.5), quantile(&mut round_trips, 0.99));
    println!("queued to started: p50 {p50:.1?}, p99 {p99:.1?}; submitted to answered: p50 {trip50:.1?}, p99 {trip99:.1?}");
    // Loose: debug builds on a machine that runs other tests. What matters is that nobody polls.
    assert!(p50 <= Duration::from_millis(25), "{p50:?}");
    assert!(trip50 <= Duration::from_millis(100), "{trip50:?}");
}
