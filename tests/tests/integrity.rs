//! The audit: what is out of its place is found, counted and put back, and nothing else is.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use e2e::{System, eventually};
use jobs_core::{TaskId, WorkerId};
use redis::AsyncCommands as _;
use reqwest::Method;
use serde_json::{Value, json};

/// A round, the rest between two, and the time it takes to be sure.
const SOON: Duration = Duration::from_secs(30);

/// How often each defect was found, as the API says.
async fn found(system: &System) -> BTreeMap<String, u64> {
    let answer = system.client.send(system.client.request(Method::GET, "/integrity")).await.expect(200).json();
    let defects = answer["defects"].as_array().expect("defects").iter();
    defects
        .map(|of| (of["defect"].as_str().expect("a name").to_owned(), of["found"].as_u64().expect("a number")))
        .filter(|(_, found)| *found > 0)
        .collect()
}

/// Waits until exactly these defects were found.
async fn until_found(system: &System, expected: &[(&str, u64)]) {
    let expected: BTreeMap<String, u64> = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let began = Instant::now();
    eventually("the audit found it", SOON, async || {
        let found = found(system).await;
        assert!(found.keys().all(|name| expected.contains_key(name)), "{found:?}");
        (found == expected).then_some(())
    })
    .await;
    println!("{expected:?} after {:.1?}", began.elapsed());
}

fn key(system: &System, name: &str) -> String {
    format!("{{{}:q:default}}:{name}", system.prefix)
}

fn member(id: &str) -> Vec<u8> {
    id.parse::<TaskId>().expect("an id").0.as_bytes().to_vec()
}

/// The entry of a taken task: its group behind its id.
fn entry(id: &str) -> Vec<u8> {
    [&member(id)[..], b"default"].concat()
}

/// Waits until the index is built: what is damaged before would be built anew, and never be found.
async fn until_whole(system: &System) {
    eventually("the index is whole", SOON, async || system.queue().is_whole().await.ok().filter(|is_whole| *is_whole))
        .await;
}

async fn doctor(system: &System, arguments: &[&str]) -> (bool, Value) {
    let mut command = tokio::process::Command::from(system.command(&[&["doctor", "--json"], arguments].concat()));
    let output = command.output().await.expect("longshore doctor");
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), report)
}

#[tokio::test]
async fn what_the_index_lost_or_made_up_is_put_right() {
    // Nobody takes anything: what waits stays where it is.
    let mut system = System::builder().start().await;
    let client = &system.client;
    let (lost, kept) =
        (client.submit("echo", json!({}), json!({})).await, client.submit("echo", json!({}), json!({})).await);
    until_whole(&system).await;
    let mut redis = system.redis().await;
    let ready = key(&system, "ready:default");
    eventually("both are ready", SOON, async || {
        let count: u64 = redis.zcard(&ready).await.expect("ZCARD");
        (count == 2).then_some(())
    })
    .await;

    // What was queued just now may still be on its way to Redis: that is no defect.
    eventually("both have waited for a while", SOON, async || {
        let late = "SELECT count(*) FROM tasks WHERE queued_at < now() - interval '4 seconds'";
        (system.database.count(late).await == 2).then_some(())
    })
    .await;

    let () = redis.zrem(&ready, member(&lost)).await.expect("ZREM");
    let () = redis.set(key(&system, "depth"), 9).await.expect("SET");
    let strange = TaskId::new().to_string();
    let () = redis.zadd(&ready, member(&strange), 1).await.expect("ZADD");
    let () = redis.zadd(key(&system, "held"), entry(&strange), 1).await.expect("ZADD");
    let () = redis.hset(key(&system, "running"), "default", 7).await.expect("HSET");
    let () = redis.zadd(key(&system, "held"), entry(&kept), 1).await.expect("ZADD");
    system.start_worker("other=1").await;
    // A queue that nobody serves and that has no settings is known by the tasks in it.
    eventually("all of it is repaired", SOON, async || {
        let ids: BTreeSet<Vec<u8>> = redis.zrange(&ready, 0, -1).await.expect("ZRANGE");
        let expected = BTreeSet::from([member(&lost), member(&kept)]);
        let held: u64 = redis.zcard(key(&system, "held")).await.expect("ZCARD");
        let running: Option<u64> = redis.hget(key(&system, "running"), "default").await.expect("HGET");
        let depth: Option<u64> = redis.get(key(&system, "depth")).await.expect("GET");
        (ids == expected && held == 0 && running.is_none() && depth == Some(2)).then_some(())
    })
    .await;
    // Counted after it was put right.
    let expected = ["missing", "strange_ready", "doubled", "group_count", "depth"];
    let found = eventually("all of it is counted", SOON, async || {
        let found = found(&system).await;
        expected.iter().all(|defect| found.contains_key(*defect)).then_some(found)
    })
    .await;
    println!("{found:?}");

    system.start_worker("default=2").await;
    for id in [&lost, &kept] {
        system.client.wait(id, "succeeded", SOON).await;
    }
    system.holds(&[lost, kept]).await;
}

#[tokio::test]
async fn what_a_worker_took_and_never_claimed_is_pushed_again() {
    let mut system = System::builder().start().await;
    let id = system.client.submit("echo", json!({}), json!({})).await;
    until_whole(&system).await;
    let taken = eventually("somebody took it", SOON, async || {
        let turn = system.queue().claim("default", 1).await.expect("claim");
        (!turn.taken.is_empty()).then_some(turn.taken)
    })
    .await;
    assert_eq!(taken[0].task.to_string(), id);
    until_found(&system, &[("unclaimed", 1)]).await;
    system.start_worker("default=1").await;
    system.client.wait(&id, "succeeded", SOON).await;
}

#[tokio::test]
async fn a_running_task_that_the_index_does_not_count_is_counted() {
    let system = System::with_worker("default=2").await;
    let id = system.client.submit("echo", json!({ "sleep_ms": 60_000 }), json!({})).await;
    system.client.wait(&id, "running", SOON).await;
    let mut redis = system.redis().await;
    until_whole(&system).await;
    let gone: u64 = redis.zrem(key(&system, "held"), entry(&id)).await.expect("ZREM");
    assert_eq!(gone, 1);
    eventually("it is held again", SOON, async || {
        let since: Option<f64> = redis.zscore(key(&system, "held"), entry(&id)).await.expect("ZSCORE");
        since
    })
    .await;
    eventually("its group has one running", SOON, async || {
        let running: u64 = redis.hget(key(&system, "running"), "default").await.expect("HGET");
        (running == 1).then_some(())
    })
    .await;
    // It is put right first and written down at the end of the round.
    eventually("it is counted", SOON, async || found(&system).await.contains_key("unheld").then_some(())).await;
    system.client.send(system.client.request(Method::POST, &format!("/tasks/{id}/cancel"))).await;
    system.client.wait(&id, "canceled", SOON).await;
}

#[tokio::test]
async fn a_running_task_of_a_worker_that_is_gone_is_taken_back() {
    let mut system = System::builder().start().await;
    let id = system.client.submit("echo", json!({}), json!({})).await;
    let nobody = WorkerId::new();
    let claim =
        "UPDATE tasks SET state = 'running', epoch = 1, attempt = 1, worker = $1, started_at = now(), seq = seq + 1";
    sqlx::query(claim).bind(nobody.0).execute(&system.database.pool).await.expect("a claim of nobody");
    let start = "INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch, worker)
        SELECT id, seq, 'status', 'start', state, attempt, epoch, worker FROM tasks";
    system.database.execute(start).await;
    eventually("it is taken back and counted", SOON, async || {
        (found(&system).await.get("orphaned") == Some(&1)).then_some(())
    })
    .await;
    system.start_worker("default=1").await;
    system.client.wait(&id, "succeeded", SOON).await;
    system.holds(&[id]).await;
}

#[tokio::test]
async fn a_healthy_system_under_load_has_no_defect() {
    let system = System::builder().worker("default=8").worker("default=8").start().await;
    let mut accepted = Vec::new();
    let began = Instant::now();
    // Long enough for some rounds, with tasks that end at once, that take a while, that are tried again and that are canceled.
    let mut rounds = 0;
    while began.elapsed() < Duration::from_secs(12) || (rounds == 0 && began.elapsed() < 2 * SOON) {
        let answer = system.client.send(system.client.request(Method::GET, "/integrity")).await.expect(200).json();
        rounds += u32::from(answer["last_round"]["finished_at"].is_string());
        let inputs = [json!({}), json!({ "sleep_ms": 300 }), json!({ "fault": "retry", "fault_attempts": 1 })];
        for input in inputs {
            let retry = json!({ "retry": { "initial_ms": 100, "factor": 1.0, "max_ms": 100, "jitter": false } });
            accepted.push(system.client.submit("echo", input, retry).await);
        }
        // At once: a cancel does not overtake the push of its task.
        if let Some(last) = accepted.last()
            && accepted.len().is_multiple_of(4)
        {
            system.client.send(system.client.request(Method::POST, &format!("/tasks/{last}/cancel"))).await;
        }
    }
    eventually("all have ended", SOON, async || {
        let left = "SELECT count(*) FROM tasks WHERE finished_at IS NULL";
        (system.database.count(left).await == 0).then_some(())
    })
    .await;
    let answer = system.client.send(system.client.request(Method::GET, "/integrity")).await.expect(200).json();
    println!("{} tasks: {answer}", accepted.len());
    assert!(rounds > 0, "no round of the audit ended: {answer}");
    assert_eq!(found(&system).await, BTreeMap::new());
    let (well, report) = doctor(&system, &[]).await;
    assert!(well, "{report:#}");
}

#[tokio::test]
async fn the_doctor_finds_what_nobody_looks_after_and_repairs_it_when_asked() {
    let mut system = System::builder().start().await;
    let id = system.client.submit("echo", json!({}), json!({})).await;
    let status = |report: &Value, check: &str| {
        let mut checks = report["checks"].as_array().expect("checks").iter();
        let found = checks.find(|of| of["check"] == check).unwrap_or_else(|| panic!("{check} in {report:#}"));
        found["status"].as_str().expect("a status").to_owned()
    };
    let mut redis = system.redis().await;
    let ready = key(&system, "ready:default");
    eventually("it is ready", SOON, async || {
        let count: u64 = redis.zcard(&ready).await.expect("ZCARD");
        (count == 1).then_some(())
    })
    .await;
    until_whole(&system).await;
    drop(system.scheduler.take());
    eventually("nobody leads", SOON, async || {
        let answer = system.client.send(system.client.request(Method::GET, "/integrity")).await.expect(200).json();
        (answer["status"] == "unattended").then_some(())
    })
    .await;
    let () = redis.zrem(&ready, member(&id)).await.expect("ZREM");

    let (well, report) = doctor(&system, &[]).await;
    assert!(!well, "{report:#}");
    assert_eq!(status(&report, "postgres"), "ok");
    assert_eq!(status(&report, "redis"), "ok");
    assert_eq!(status(&report, "scheduler"), "fault");
    assert_eq!(status(&report, "queue default"), "fault");
    assert_eq!(status(&report, "integrity"), "fault");
    let count: u64 = redis.zcard(&ready).await.expect("ZCARD");
    assert_eq!(count, 0, "it only looked");

    let (_, report) = doctor(&system, &["--repair"]).await;
    assert_eq!(status(&report, "integrity"), "warning", "{report:#}");
    let count: u64 = redis.zcard(&ready).await.expect("ZCARD");
    assert_eq!(count, 1, "it was pushed");
    let (_, report) = doctor(&system, &[]).await;
    assert_eq!(status(&report, "integrity"), "ok", "{report:#}");
}
