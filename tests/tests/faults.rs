//! Faults: processes and servers die, and what was accepted is done all the same, each task once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use e2e::{Client, Servers, System, eventually};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(120);

fn none() -> Value {
    json!({})
}

async fn ended(system: &System) -> i64 {
    let sql = "SELECT count(*) FROM tasks WHERE finished_at IS NOT NULL";
    sqlx::query_scalar(sql).fetch_one(&system.database.pool).await.unwrap_or(-1)
}

/// Waits until so many tasks have ended, through outages.
async fn until_ended(system: &System, count: i64) {
    eventually(&format!("{count} tasks have ended"), LONG, async || (ended(system).await >= count).then_some(())).await;
}

/// Submits until it is accepted, under one key: as a client does that was told to try again.
async fn submit_through(client: &Client, key: &str, input: &Value) -> String {
    let body = json!({ "kind": "echo", "input": input });
    eventually("the task is accepted", SOON, async || {
        let request = client.request(Method::POST, "/tasks").header("idempotency-key", key).json(&body);
        let answer = client.try_send(request).await.ok()?;
        if answer.status.as_u16() == 503 {
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            return None;
        }
        Some(answer.expect(202).json()["id"].as_str().expect("an id").to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_tasks_survive_a_kill_a_flush_and_the_restart_of_both_servers() {
    let servers = Servers::private();
    let mut system =
        System::builder().on(&servers).worker("default=2").worker("default=2").worker("default=2").start().await;
    let mut accepted = Vec::new();
    for n in 0..200 {
        accepted.push(submit_through(&system.client, &format!("task-{n}"), &json!({ "sleep_ms": 100 })).await);
    }
    let pids = [system.workers[1].pid(), system.workers[2].pid()];
    let began = Instant::now();

    until_ended(&system, 20).await;
    system.workers[0].kill9();
    println!("{:?}: killed a worker", began.elapsed());
    until_ended(&system, 60).await;
    let () = redis::cmd("FLUSHALL").query_async(&mut system.redis().await).await.expect("FLUSHALL");
    println!("{:?}: FLUSHALL", began.elapsed());
    until_ended(&system, 90).await;
    servers.own().stop_redis().expect("stop Redis");
    servers.own().start_redis().expect("start Redis");
    println!("{:?}: Redis was restarted", began.elapsed());
    until_ended(&system, 120).await;
    servers.own().restart_postgres(true).expect("restart Postgres");
    println!("{:?}: Postgres was restarted as after a crash", began.elapsed());

    until_ended(&system, 200).await;
    println!("{:?}: all have ended", began.elapsed());
    for (place, pid) in [(1, pids[0]), (2, pids[1])] {
        assert!(system.workers[place].is_alive(), "worker {place} ended");
        assert_eq!(system.workers[place].pid(), pid);
    }
    let succeeded = system.database.count("SELECT count(*) FROM tasks WHERE state = 'succeeded'").await;
    assert_eq!(succeeded, 200);
    system.holds(&accepted).await;
    let again = system.database.count("SELECT (sum(epoch) - 200)::bigint FROM tasks").await;
    println!("{again} attempts were made again");
}

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
async fn a_worker_that_is_asked_to_stop_finishes_what_it_can() {
    let mut system = System::with_worker("default=2").await;
    let short = system.client.submit("echo", json!({ "sleep_ms": 1_000 }), none()).await;
    system.client.wait(&short, "running", SOON).await;
    system.workers[0].sigterm();
    // It takes nothing new.
    eventually("it drains", SOON, async || system.workers[0].log().contains("draining").then_some(())).await;
    let later = system.client.submit("echo", none(), none()).await;
    assert_eq!(system.workers[0].exit_code(SOON).await, 0);
    assert_eq!(system.client.task(&short).await["status"], "succeeded");
    assert_eq!(system.client.task(&later).await["status"], "queued");
    system.start_worker("default=2").await;
    system.client.wait(&later, "succeeded", SOON).await;
    assert_eq!(system.client.moves(&later).await, ["submit", "start", "succeed"]);
    system.holds(&[short, later]).await;
}

#[tokio::test]
async fn a_worker_that_stops_gives_back_what_it_cannot_finish_without_blame() {
    let mut system = System::builder().env("LONGSHORE_WORKER_DRAIN", "500ms").worker("default=2").start().await;
    let id = system.client.submit("echo", json!({ "sleep_ms": 600_000 }), json!({ "max_attempts": 1 })).await;
    system.client.wait(&id, "running", SOON).await;
    system.workers[0].sigterm();
    let asked = Instant::now();
    assert_eq!(system.workers[0].exit_code(SOON).await, 0);
    println!("stopped after {:?}", asked.elapsed());
    let task = system.client.task(&id).await;
    assert_eq!((&task["status"], &task["attempt"]), (&json!("queued"), &json!(0)), "{task:#}");
    assert_eq!(system.client.moves(&id).await, ["submit", "start", "release"]);

    // A second signal does not wait for the end of the drain.
    let patient = system.start_worker_with("default=2", &[("LONGSHORE_WORKER_DRAIN", "25s")]).await;
    system.client.wait(&id, "running", SOON).await;
    system.workers[patient].sigterm();
    eventually("it drains", SOON, async || system.workers[patient].log().contains("draining").then_some(())).await;
    let asked = Instant::now();
    system.workers[patient].sigterm();
    assert_eq!(system.workers[patient].exit_code(SOON).await, 0);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    system.client.cancel(&id).await.expect(200);
    system.holds(&[id]).await;
}

#[tokio::test]
async fn a_rolling_restart_loses_and_blames_nothing() {
    let mut system = System::builder().worker("default=4").worker("default=4").start().await;
    let mut ids = Vec::new();
    for round in 0..4 {
        for _ in 0..25 {
            ids.push(system.client.submit("echo", json!({ "sleep_ms": 50 }), json!({ "max_attempts": 1 })).await);
        }
        let next = system.start_worker("default=4").await;
        system.workers[next - 2].sigterm();
        assert_eq!(system.workers[next - 2].exit_code(SOON).await, 0, "round {round}");
    }
    for id in &ids {
        let task = system.client.wait(id, "succeeded", SOON).await;
        assert_eq!(task["attempt"], 1);
    }
    assert_eq!(system.database.count("SELECT count(*) FROM task_events WHERE event IN ('lose', 'fail')").await, 0);
    system.holds(&ids).await;
}

#[tokio::test]
async fn a_worker_that_was_paused_for_longer_than_its_lease_is_not_believed() {
    let mut system = System::builder()
        .env("LONGSHORE_WORKER_LEASE", "2s")
        .env("LONGSHORE_WORKER_HEARTBEAT", "500ms")
        .worker("default=1")
        .start()
        .await;
    // It would still be at work, and then have a result to tell, when it goes on.
    let id = system.client.submit("echo", json!({ "sleep_ms": 3_000, "steps": 30 }), none()).await;
    system.client.until(&id, "under way", SOON, |task| task["progress"]["percent"].as_f64() > Some(5.0)).await;
    system.workers[0].sigstop();
    let next = system.start_worker("default=1").await;
    let task = system.client.until(&id, "taken back", SOON, |task| task["attempt"] == 2).await;
    assert_eq!(task["status"], "running");
    assert_eq!(system.holder(&id, SOON).await, next);
    system.workers[0].sigcont();
    eventually("the late worker starts anew", SOON, async || {
        let log = system.workers[0].log();
        (log.contains("the lease has ended") || log.contains("no beat got through")).then_some(())
    })
    .await;
    system.client.wait(&id, "succeeded", SOON).await;
    assert_eq!(system.client.moves(&id).await, ["submit", "start", "lose", "start", "succeed"]);
    assert!(system.workers[0].is_alive());
    let late = system.database.count(
        "SELECT count(*) FROM task_events l JOIN task_events e ON e.task_id = l.task_id AND e.event = 'lose' AND l.epoch = e.epoch
            AND l.seq > e.seq",
    );
    assert_eq!(late.await, 0, "words of the late worker");
    // It has a new life, and works again.
    system.workers[next].kill9();
    let again = system.client.submit("echo", none(), none()).await;
    system.client.wait(&again, "succeeded", SOON).await;
    system.holds(&[id, again]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_tasks_are_accepted_and_run() {
    let servers = Servers::private();
    let mut system = System::builder().on(&servers).worker("default=2").start().await;
    let pid = system.workers[0].pid();
    servers.own().stop_redis().expect("stop Redis");
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(system.client.submit("echo", none(), none()).await);
    }
    let delayed = system.client.submit("echo", none(), json!({ "delay_ms": 500 })).await;
    ids.push(delayed);
    for id in &ids {
        system.client.wait(id, "succeeded", SOON).await;
    }
    let ready = system.client.get("/ready").await.expect(200).json();
    assert_eq!(ready["status"], "degraded", "{ready:#}");

    servers.own().start_redis().expect("start Redis");
    eventually("Redis is used again", SOON, async || {
        let ready = system.client.get("/ready").await.json();
        (ready["status"] == "ok").then_some(())
    })
    .await;
    for _ in 0..10 {
        let id = system.client.submit("echo", none(), none()).await;
        system.client.wait(&id, "succeeded", SOON).await;
        ids.push(id);
    }
    assert!(system.workers[0].is_alive() && system.workers[0].pid() == pid);
    system.holds(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgres_nothing_is_promised_and_everything_heals_by_itself() {
    let servers = Servers::private();
    let mut system = System::builder().on(&servers).worker("default=2").start().await;
    let pids: Vec<u32> = system.workers.iter().map(e2e::Process::pid).collect();
    let running = system.client.submit("echo", json!({ "sleep_ms": 1_500 }), none()).await;
    system.client.wait(&running, "running", SOON).await;
    servers.own().stop_postgres(true).expect("stop Postgres");

    // Longer than a lease: nobody may be blamed for it.
    let down = Instant::now();
    let mut refused = 0;
    while down.elapsed() < Duration::from_secs(6) {
        let answer = system.client.post("/tasks", &json!({ "kind": "echo", "input": {} })).await.expect(503);
        assert!(answer.header("retry-after").is_some());
        assert!(!answer.code().is_empty());
        system.client.get(&format!("/tasks/{running}")).await.expect(503);
        refused += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("{refused} submissions were refused in {:?}", down.elapsed());
    assert!(refused >= 5, "an answer took too long: {refused} in {:?}", down.elapsed());
    system.client.get("/ready").await.expect(503);
    system.client.get("/health").await.expect(200);

    servers.own().start_postgres().expect("start Postgres");
    let up = Instant::now();
    let task = system.client.wait(&running, "succeeded", SOON).await;
    assert_eq!(task["attempt"], 1, "it was not taken back: {task:#}");
    let id = submit_through(&system.client, "after", &none()).await;
    system.client.wait(&id, "succeeded", SOON).await;
    println!("healed {:?} after Postgres was back", up.elapsed());
    assert!(up.elapsed() < Duration::from_secs(10));
    let mut all = system.workers.iter_mut().chain(system.api.as_mut()).chain(system.scheduler.as_mut());
    assert!(all.all(e2e::Process::is_alive), "a process ended");
    assert_eq!(system.workers.iter().map(e2e::Process::pid).collect::<Vec<_>>(), pids);
    system.holds(&[running, id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_was_answered_with_202_is_there_after_postgres_crashes_in_between() {
    let servers = Servers::private();
    let system = System::builder().on(&servers).worker("default=8").start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (client, stop) = (system.client.clone(), stop.clone());
            tokio::spawn(async move {
                let mut accepted = Vec::new();
                while !stop.load(Relaxed) {
                    let answer = client.post("/tasks", &json!({ "kind": "echo", "input": {} })).await;
                    match answer.status.as_u16() {
                        202 => accepted.push(answer.json()["id"].as_str().expect("an id").to_owned()),
                        503 => tokio::time::sleep(Duration::from_millis(20)).await,
                        _ => panic!("{answer:?}"),
                    }
                }
                accepted
            })
        })
        .collect();
    for _ in 0..3 {
        let before = ended(&system).await;
        until_ended(&system, before + 50).await;
        servers.own().restart_postgres(true).expect("restart Postgres");
    }
    let before = ended(&system).await.max(0);
    until_ended(&system, before + 50).await;
    stop.store(true, Relaxed);
    let mut accepted = Vec::new();
    for client in clients {
        accepted.extend(client.await.expect("a client"));
    }
    eventually("everything has ended", LONG, async || {
        let sql = "SELECT count(*) FROM tasks WHERE finished_at IS NULL";
        let open: i64 = sqlx::query_scalar(sql).fetch_one(&system.database.pool).await.ok()?;
        (open == 0).then_some(())
    })
    .await;
    // A submission whose answer was 503 may have been committed: that is no promise, and no fault.
    let unpromised: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT id FROM tasks").fetch_all(&system.database.pool).await.expect("the rows");
    let rows: Vec<String> = unpromised.into_iter().map(|id| jobs_core::TaskId(id).to_string()).collect();
    let lost: Vec<&String> = accepted.iter().filter(|id| !rows.contains(id)).collect();
    println!("{} accepted, {} more committed, {} lost", accepted.len(), rows.len() - accepted.len(), lost.len());
    assert!(lost.is_empty(), "{lost:?}");
    system.holds(&rows).await;
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

#[tokio::test]
async fn an_api_that_is_killed_keeps_what_it_promised_and_the_dispatcher_finds_it() {
    let mut system = System::with_worker("default=2").await;
    let id = system.client.submit("echo", json!({ "sleep_ms": 300 }), none()).await;
    system.api.as_mut().expect("an API").kill9();
    // As if it had died between its commit and the push: a row that is nowhere in Redis.
    let orphan = jobs_core::TaskId::new();
    system
        .database
        .execute(&format!(
            r#"INSERT INTO tasks (id, kind, queue, "group", priority, state, input, max_attempts, retry, timeout_ms, queued_at)
            VALUES ('{0}', 'echo', 'default', 'default', 0, 'queued', '{{}}', 3,
                '{{"initial_ms":1000,"factor":2,"max_ms":300000,"jitter":true}}', 60000, now());
            INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch)
            VALUES ('{0}', 1, 'status', 'submit', 'queued', 0, 0)"#,
            orphan.0
        ))
        .await;
    let committed = Instant::now();
    system.start_api().await;
    let orphan = orphan.to_string();
    for id in [&id, &orphan] {
        system.client.wait(id, "succeeded", SOON).await;
    }
    let sql = "SELECT (extract(epoch FROM started_at - queued_at) * 1000)::bigint FROM tasks ORDER BY id DESC LIMIT 1";
    let waited_ms = system.database.count(sql).await;
    println!("found and started after {waited_ms} ms ({:?} with the restart)", committed.elapsed());
    assert!(waited_ms <= 3_500, "{waited_ms} ms");
    system.holds(&[id, orphan]).await;
}

#[tokio::test]
async fn another_scheduler_leads_when_the_leader_dies() {
    let mut system = System::with_worker("default=2").await;
    let mut ids = Vec::new();
    let mut spare = system.scheduler.take().expect("a scheduler");
    for _ in 0..2 {
        let id = system.client.submit("echo", none(), json!({ "delay_ms": 1_000 })).await;
        ids.push(id.clone());
        spare.kill9();
        // `start_scheduler` returns when it leads.
        system.start_scheduler().await;
        spare = system.scheduler.take().expect("a scheduler");
        system.client.wait(&id, "succeeded", SOON).await;
    }
    system.scheduler = Some(spare);
    system.holds(&ids).await;
}
