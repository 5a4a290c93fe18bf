//! Workers die, sleep, lose a claim, or have to do with tasks that misbehave.

use std::time::{Duration, Instant};

use e2e::{System, eventually};
use serde_json::json;

use crate::{LONG, SOON, none, submit_many, until_ended};

#[tokio::test]
async fn what_a_killed_worker_held_is_taken_back_within_five_seconds() {
    let mut system = System::builder().worker("default=1").worker("default=1").start().await;
    let mut ids = Vec::new();
    let mut slowest = Duration::ZERO;
    for _ in 0..2 {
        let id = system.client.submit("echo", json!({ "sleep_ms": 2_000 }), none()).await;
        let holder = system.holder(&id, SOON).await;
        let killed = Instant::now();
        system.workers[holder].kill9();
        system.client.until(&id, "taken back", SOON, |task| task["attempt"] == 2).await;
        slowest = slowest.max(killed.elapsed());
        println!("kill -9: taken back and started again after {:?}", killed.elapsed());
        system.client.wait(&id, "succeeded", SOON).await;
        assert_eq!(system.client.moves(&id).await, ["submit", "start", "lose", "start", "succeed"]);
        ids.push(id);
        system.start_worker("default=1").await;
    }
    assert!(slowest <= Duration::from_secs(5), "{slowest:?}");
    system.holds(&ids).await;
}

#[tokio::test]
async fn a_thousand_tasks_of_a_killed_worker_are_taken_back_within_five_seconds() {
    const TASKS: usize = 1_000;
    let mut system = System::builder().worker("default=1000").start().await;
    let ids = submit_many(&system.client, TASKS, &json!({ "sleep_ms": 8_000 })).await;
    let running = "SELECT count(*) FROM tasks WHERE state = 'running'";
    eventually("all are running", SOON, async || (system.database.count(running).await == TASKS as i64).then_some(()))
        .await;
    system.workers[0].kill9();
    let killed = Instant::now();
    eventually("all are taken back", SOON, async || (system.database.count(running).await == 0).then_some(())).await;
    println!("{TASKS} tasks were taken back {:?} after the kill", killed.elapsed());
    assert!(killed.elapsed() <= Duration::from_secs(5), "{:?}", killed.elapsed());
    assert_eq!(e2e::happened(&system.database.pool, "lose").await, TASKS as i64);
    system.start_worker("default=1000").await;
    until_ended(&system, TASKS).await;
    system.holds(&ids).await;
}

#[tokio::test]
async fn a_worker_that_was_paused_for_longer_than_its_lease_is_not_believed() {
    const LEASE: Duration = Duration::from_secs(2);
    let mut system = System::builder()
        .env("LONGSHORE_WORKER_LEASE", &format!("{}s", LEASE.as_secs()))
        .env("LONGSHORE_WORKER_HEARTBEAT", "500ms")
        .worker("default=1")
        .start()
        .await;
    // It would still be at work, and then have a result to tell, when it goes on.
    let id = system.client.submit("echo", json!({ "sleep_ms": 3_000, "steps": 30 }), none()).await;
    system.client.until(&id, "under way", SOON, |task| task["progress"]["percent"].as_f64() > Some(5.0)).await;
    system.workers[0].sigstop();
    let stopped = Instant::now();
    let next = system.start_worker("default=1").await;
    let task = system.client.until(&id, "taken back", SOON, |task| task["attempt"] == 2).await;
    assert_eq!(task["status"], "running");
    assert_eq!(system.holder(&id, SOON).await, next);
    eventually("three leases are over", SOON, async || (stopped.elapsed() >= LEASE * 3).then_some(())).await;
    system.workers[0].sigcont();
    eventually("the late worker starts anew", SOON, async || {
        let log = system.workers[0].log();
        (log.contains("the lease has ended") || log.contains("no beat got through")).then_some(())
    })
    .await;
    system.client.wait(&id, "succeeded", SOON).await;
    assert_eq!(system.client.moves(&id).await, ["submit", "start", "lose", "start", "succeed"]);
    assert!(system.workers[0].is_alive());
    // It had something to say, and nobody listened: see the oracle.
    eventually("its late words are counted", SOON, async || (system.executions().late_words() > 0).then_some(())).await;
    // It has a new life, and works again.
    system.workers[next].kill9();
    let again = system.client.submit("echo", none(), none()).await;
    system.client.wait(&again, "succeeded", SOON).await;
    system.holds(&[id, again]).await;
}

#[tokio::test]
async fn a_claim_that_the_worker_never_heard_of_is_given_back() {
    let mut system = System::builder()
        .worker("default=1")
        .env("LONGSHORE_WORKER_LEASE", "1s")
        .env("LONGSHORE_WORKER_HEARTBEAT", "250ms")
        .start()
        .await;
    let id = system.client.submit("echo", json!({}), json!({ "queue": "aside" })).await;
    let store = system.database.store();
    let worker = store.workers().await.expect("the workers")[0].id;

    // As if the answer to the worker's claim had been lost: the row says that it holds the task.
    let task: jobs_core::TaskId = id.parse().expect("an id");
    assert_eq!(store.claim(worker, &[task]).await.expect("a claim").len(), 1);

    system.client.wait(&id, "queued", LONG).await;
    system.start_worker("aside=1").await;
    system.client.wait(&id, "succeeded", LONG).await;
    assert_eq!(system.client.moves(&id).await, ["submit", "start", "release", "start", "succeed"]);
    system.holds(&[id]).await;
}

#[tokio::test]
async fn an_attempt_that_is_deaf_is_abandoned_and_its_neighbours_do_not_notice() {
    let system = System::builder().env("LONGSHORE_WORKER_ECHO_FAULTS", "true").worker("default=4").start().await;
    let options = json!({ "timeout_ms": 500, "max_attempts": 1 });
    let hang = system.client.submit("echo", json!({ "fault": "hang" }), options.clone()).await;
    let spin = system.client.submit("echo", json!({ "fault": "spin" }), options).await;
    system.client.wait(&hang, "running", SOON).await;
    system.client.wait(&spin, "running", SOON).await;
    for _ in 0..10 {
        let id = system.client.submit("echo", none(), none()).await;
        system.client.wait(&id, "succeeded", Duration::from_secs(5)).await;
    }
    for id in [hang, spin] {
        let task = system.client.wait(&id, "failed", SOON).await;
        assert_eq!(task["error"]["type"], "timeout", "{task:#}");
    }
    assert_eq!(system.database.count("SELECT count(*) FROM workers").await, 1, "the worker was not taken for dead");
}
