//! Many schedulers, and many schedules.

use std::time::{Duration, Instant};

use e2e::{Process, System, eventually, quantile};
use futures::{StreamExt as _, stream};
use serde_json::json;

use crate::{SOON, create, post, schedule};

/// So many ticks of a second are watched.
const TICKS: i64 = 120;
/// One scheduler is killed this often.
const KILL: Duration = Duration::from_secs(2);

fn spawn(system: &System, name: &str) -> Process {
    Process::spawn(name, system.command(&["scheduler"]), system.dir().join(format!("{name}.log")))
}

#[tokio::test]
async fn of_three_schedulers_one_is_killed_every_two_seconds_and_each_tick_fires_once() {
    let system = System::builder().without_scheduler().worker("default=8").start().await;
    let names = ["scheduler-a", "scheduler-b", "scheduler-c"];
    let mut schedulers: Vec<Process> = names.iter().map(|name| spawn(&system, name)).collect();
    let client = &system.client;
    let id = create(client, &schedule("tick", json!({ "cron": "* * * * * *", "overlap": "allow" }))).await;
    let ticks = "SELECT count(*) FROM schedule_runs WHERE outcome = 'fired'";
    eventually("the first tick", SOON, async || (system.database.count(ticks).await > 0).then_some(())).await;

    let (mut killed, began) = (0, Instant::now());
    while system.database.count(ticks).await < TICKS {
        assert!(began.elapsed() < Duration::from_secs(240), "{} ticks", system.database.count(ticks).await);
        let next = killed % schedulers.len();
        schedulers[next].kill9();
        schedulers[next] = spawn(&system, names[next]);
        killed += 1;
        tokio::time::sleep(KILL).await;
    }
    post(client, &id, "pause").await;
    let fires = system.database.count(ticks).await;
    let sql = "SELECT extract(epoch FROM max(fire_at) - min(fire_at))::bigint + 1 FROM schedule_runs";
    let seconds = system.database.count(sql).await;
    let sql = "SELECT (max(extract(epoch FROM decided_at - due_at)) * 1000)::bigint FROM schedule_runs";
    println!(
        "{fires} ticks in {seconds} s, {killed} kills, the latest late by {} ms",
        system.database.count(sql).await
    );
    assert_eq!(fires, seconds, "each second once");
    assert_eq!(system.database.count("SELECT count(*) FROM schedule_runs WHERE outcome <> 'fired'").await, 0);
    let sql = "SELECT count(*) FROM tasks t JOIN schedule_runs r ON r.task = t.id AND r.schedule = t.schedule_id";
    assert_eq!(system.database.count(sql).await, fires, "each fire has its task");
    assert_eq!(system.database.count("SELECT count(*) FROM tasks").await, fires, "and there are no others");
    let ended = "SELECT count(*) FROM tasks WHERE state = 'succeeded'";
    eventually("all of them run", SOON, async || (system.database.count(ended).await == fires).then_some(())).await;
}

#[tokio::test]
async fn a_thousand_schedules_of_one_second_start_at_its_time() {
    const SCHEDULES: i64 = 1_000;
    let system = System::builder().start().await;
    let client = &system.client;
    let numbers = stream::iter(0..SCHEDULES);
    let body = |n| schedule(&format!("tick-{n}"), json!({ "cron": "* * * * * *", "overlap": "allow" }));
    let made = numbers.map(async |n| create(client, &body(n)).await).buffer_unordered(32).count().await;
    assert_eq!(made, 1_000);
    let now = system.database.count("SELECT extract(epoch FROM now())::bigint").await;
    let (first, last) = (now + 5, now + 14);
    let within = format!("fire_at >= to_timestamp({first}) AND fire_at <= to_timestamp({last})");
    let fired = format!("SELECT count(*) FROM schedule_runs WHERE outcome = 'fired' AND {within}");
    let wanted = SCHEDULES * (last - first + 1);
    eventually("ten seconds have fired", Duration::from_secs(60), async || {
        (system.database.count(&fired).await == wanted).then_some(())
    })
    .await;
    let sql = format!(
        "SELECT (extract(epoch FROM decided_at - due_at) * 1000000)::bigint FROM schedule_runs WHERE outcome = 'fired' AND {within}"
    );
    let late: Vec<i64> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&system.database.pool).await.expect("runs");
    let mut late: Vec<Duration> = late.into_iter().map(|micros| Duration::from_micros(micros.unsigned_abs())).collect();
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| quantile(&mut late, share));
    println!(
        "{} fires of {SCHEDULES} schedules a second: late by p50 {p50:?}, p99 {p99:?}, at most {max:?}",
        late.len()
    );
    // What is measured here is a debug build beside other tests. It keeps up.
    assert!(p50 < Duration::from_millis(500), "{p50:?}");
    let double = "SELECT count(*) - count(DISTINCT (schedule_id, task)) FROM tasks JOIN schedule_runs ON task = id";
    assert_eq!(system.database.count(double).await, 0);
}
