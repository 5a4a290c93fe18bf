//! A system that has nothing to do: what it costs, and how fast it wakes up.

use std::time::{Duration, Instant};

use e2e::{Servers, System, eventually, quantile};
use reqwest::Method;
use serde_json::json;

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

/// The statements that Postgres was sent, from a place in its log on.
fn statements(log: &str) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    for line in log.lines() {
        // An entry begins with its time, and its further lines with a tab.
        match line.split_once("LOG:  execute ").or_else(|| line.split_once("LOG:  statement: ")) {
            Some((_, statement)) => statements.push(statement.to_owned()),
            None if line.starts_with('\t') => {
                if let Some(last) = statements.last_mut() {
                    last.push(' ');
                    last.push_str(line.trim());
                }
            }
            None => {}
        }
    }
    statements
}

#[tokio::test]
async fn an_idle_system_beats_its_hearts_and_does_nothing_else() {
    // Its own servers, so that nobody else is counted.
    let servers = Servers::private();
    let system = System::builder().on(&servers).worker("default=4,video=1").worker("default=4").start().await;
    // Not untouched: idle again after it had work, with a client that waits.
    let id = system.client.submit("echo", json!({ "sleep_ms": 100 }), json!({})).await;
    system.client.wait(&id, "succeeded", SOON).await;
    // Its worker writes down how that went, once.
    let written = "SELECT (SELECT count(*) FROM outcomes) * (SELECT count(*) FROM measured_times)";
    eventually("what was measured is written down", SOON, async || {
        (system.database.count(written).await > 0).then_some(())
    })
    .await;
    let mut redis = system.redis().await;
    let mut before = commands(&mut redis).await;
    eventually("Redis is silent", SOON, async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = commands(&mut redis).await;
        (std::mem::replace(&mut before, now.clone()) == now).then_some(())
    })
    .await;
    system.database.execute("ALTER SYSTEM SET log_statement = 'all'").await;
    system.database.execute("SELECT pg_reload_conf()").await;
    system.database.pool.close().await;
    let path = servers.own().dir().join("logs/postgres.log");
    let log = || String::from_utf8_lossy(&std::fs::read(&path).expect("the log of Postgres")).into_owned();
    eventually("Postgres logs statements", SOON, async || (!statements(&log()).is_empty()).then_some(())).await;
    let start = log().len();

    tokio::time::sleep(SILENCE).await;
    let statements = statements(&log()[start..]);
    let after = commands(&mut redis).await;
    let told: Vec<&str> = after.iter().filter(|line| !before.contains(line)).map(|(name, _)| name.as_str()).collect();
    let is_beat = |statement: &&String| statement.contains("UPDATE workers SET beat_at");
    let is_pulse = |statement: &&String| statement.contains("\"silent!\"");
    let (beats, pulses) = (statements.iter().filter(is_beat).count(), statements.iter().filter(is_pulse).count());
    println!(
        "idle for {SILENCE:?}, 2 workers, 1 scheduler: {beats} beats and {pulses} looks in Postgres, in Redis {told:?}"
    );
    let others: Vec<&String> =
        statements.iter().filter(|statement| !is_beat(statement) && !is_pulse(statement)).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(told.is_empty(), "{told:?}");
    // One a second of each process, give or take the edges.
    assert!((16..=22).contains(&beats) && (8..=11).contains(&pulses), "{beats} beats, {pulses} looks");
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
    println!(
        "queued to started: p50 {p50:.1?}, p99 {p99:.1?}; submitted to answered: p50 {trip50:.1?}, p99 {trip99:.1?}"
    );
    // Loose: debug builds on a machine that runs other tests. What matters is that nobody polls.
    assert!(p50 <= Duration::from_millis(25), "{p50:?}");
    assert!(trip50 <= Duration::from_millis(100), "{trip50:?}");
}
