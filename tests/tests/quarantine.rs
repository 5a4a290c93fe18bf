//! Quarantine: a task that lost its worker twice runs alone, in a process of its own, and nothing goes down with it again.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use e2e::{Builder, Client, Servers, System, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(120);

fn none() -> Value {
    json!({})
}

/// A system where the dead are noticed soon, and a task may kill its process.
fn dangerous() -> Builder {
    System::builder()
        .env("LONGSHORE_WORKER_ECHO_FAULTS", "true")
        .env("LONGSHORE_WORKER_LEASE", "1s")
        .env("LONGSHORE_WORKER_HEARTBEAT", "250ms")
        .env("LONGSHORE_SCHEDULER_TICK", "200ms")
}

/// Submits a task that has lost two workers already.
async fn suspect(system: &System, input: Value) -> String {
    let id = system.client.submit("echo", input, json!({ "queue": "aside" })).await;
    let uuid = id.parse::<jobs_core::TaskId>().expect("an id").0;
    system.database.execute(&format!("UPDATE tasks SET lost = 2 WHERE id = '{uuid}'")).await;
    id
}

/// The process that runs a task.
async fn pid_of(system: &System, id: &str) -> u32 {
    let uuid = id.parse::<jobs_core::TaskId>().expect("an id").0;
    let pid: i32 = eventually("somebody runs the task", SOON, async || {
        let sql = "SELECT w.pid FROM tasks t JOIN workers w ON w.id = t.worker WHERE t.id = $1 AND t.state = 'running'";
        sqlx::query_scalar(sql).bind(uuid).fetch_optional(&system.database.pool).await.expect("the rows")
    })
    .await;
    pid.unsigned_abs()
}

/// The limit of a process that the system calls `name`.
#[cfg(target_os = "linux")]
fn limit(pid: u32, name: &str) -> String {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("the limits of a process");
    let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}: {limits}"));
    line.split_whitespace().next().expect("a limit").to_owned()
}

async fn logged(client: &Client, id: &str, words: &str) -> bool {
    let history = client.history(id).await;
    history.iter().any(|event| event["message"].as_str().is_some_and(|line| line.contains(words)))
}

#[tokio::test]
async fn a_task_that_takes_its_workers_down_takes_two_and_then_nobody_else() {
    let mut system = dangerous().start().await;
    let poison =
        system.client.submit("echo", json!({ "fault": "crash", "sleep_ms": 300 }), json!({ "max_attempts": 1 })).await;
    // They are struck with it, and cannot be told from it.
    let mut beside = Vec::new();
    for _ in 0..2 {
        beside.push(system.client.submit("echo", json!({ "sleep_ms": 1_000 }), json!({ "max_attempts": 1 })).await);
    }
    for death in 0..2 {
        system.spawn_worker("default=4", &[]);
        eventually("the worker dies", SOON, async || (!system.workers[death].is_alive()).then_some(())).await;
    }
    let place = system.start_worker("default=4").await;
    let (pid, began) = (system.workers[place].pid(), Instant::now());
    // From here on its neighbours run as if it were not there, however long they take.
    let mut neighbours = Vec::new();
    for _ in 0..3 {
        neighbours.push(system.client.submit("echo", json!({ "sleep_ms": 8_000 }), json!({ "max_attempts": 1 })).await);
    }

    let task = system.client.wait(&poison, "failed", LONG).await;
    println!("poison {:?} after the second death", began.elapsed());
    assert_eq!((&task["error"]["type"], &task["error"]["code"]), (&json!("poison"), &json!("poison")), "{task:#}");
    assert_eq!(task["attempt"], 8);
    assert!(logged(&system.client, &poison, "runs alone").await);
    for id in &beside {
        let task = system.client.wait(id, "succeeded", LONG).await;
        assert_eq!(task["attempt"], 3, "{task:#}");
        assert!(logged(&system.client, id, "runs alone").await);
    }
    for id in &neighbours {
        let task = system.client.wait(id, "succeeded", LONG).await;
        assert_eq!(task["attempt"], 1, "{task:#}");
        assert!(!logged(&system.client, id, "runs alone").await);
    }
    assert!(system.workers[place].is_alive() && system.workers[place].pid() == pid);
    assert_eq!(system.database.count("SELECT count(*) FROM workers WHERE end_reason = 'lost'").await, 8);
    let ids = [vec![poison], beside, neighbours].concat();
    system.holds(&ids).await;
}

#[tokio::test]
async fn a_process_that_is_killed_with_its_one_task_is_missed_at_once_and_not_after_its_lease() {
    let mut system = System::builder().env("LONGSHORE_WORKER_LEASE", "20s").start().await;
    let id = suspect(&system, json!({ "sleep_ms": 2_000 })).await;
    let worker = system.start_worker("aside=2").await;
    let alone = pid_of(&system, &id).await;
    assert_ne!(alone, system.workers[worker].pid());
    let killed = Instant::now();
    kill_process(Pid::from_raw(alone.cast_signed()).expect("a process"), Signal::KILL).expect("kill");
    system.client.until(&id, "started again", SOON, |task| task["attempt"] == 2).await;
    println!("kill -9 of a process in quarantine: started again after {:?}", killed.elapsed());
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    assert_ne!(pid_of(&system, &id).await, alone);
    system.client.wait(&id, "succeeded", SOON).await;
    assert_eq!(system.client.moves(&id).await, ["submit", "start", "lose", "start", "succeed"]);
    system.holds(&[id]).await;
}

#[tokio::test]
async fn a_task_that_runs_alone_is_given_back_when_its_worker_stops_or_dies_and_can_be_canceled() {
    let mut system = System::builder().env("LONGSHORE_WORKER_DRAIN", "500ms").start().await;
    let id = suspect(&system, json!({ "sleep_ms": 600_000 })).await;
    let first = system.start_worker("aside=2").await;
    pid_of(&system, &id).await;
    system.workers[first].sigterm();
    assert_eq!(system.workers[first].exit_code(SOON).await, 0);
    let task = system.client.until(&id, "given back", SOON, |task| task["status"] == "queued").await;
    assert_eq!(task["attempt"], 0, "no attempt was consumed: {task:#}");

    let second = system.start_worker("aside=2").await;
    let alone = pid_of(&system, &id).await;
    system.workers[second].kill9();
    eventually("its process is gone", SOON, async || (!Path::new(&format!("/proc/{alone}")).exists()).then_some(()))
        .await;
    assert_eq!(system.client.task(&id).await["attempt"], 0, "nor was another");

    system.start_worker("aside=2").await;
    pid_of(&system, &id).await;
    system.client.cancel(&id).await.expect(202);
    system.client.wait(&id, "canceled", SOON).await;
    let moves = ["submit", "start", "release", "start", "release", "start", "cancel", "stop"];
    assert_eq!(system.client.moves(&id).await, moves);
    system.holds(&[id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_suspects_run_alone_and_keep_nobody_waiting() {
    let servers = Servers::private();
    let mut system = System::builder().on(&servers).start().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(suspect(&system, json!({ "sleep_ms": 2_000 })).await);
    }
    servers.own().stop_redis().expect("stop Redis");
    let worker = system.start_worker("aside=1").await;
    let alone = pid_of(&system, &ids[0]).await;
    assert_ne!(alone, system.workers[worker].pid());
    // The only slot of the worker is free all the while.
    let began = Instant::now();
    for _ in 0..4 {
        let id = system.client.submit("echo", none(), json!({ "queue": "aside" })).await;
        system.client.wait(&id, "succeeded", SOON).await;
        ids.push(id);
    }
    println!("4 neighbours ended {:?} after they were submitted", began.elapsed());
    for id in &ids {
        let task = system.client.wait(id, "succeeded", SOON).await;
        assert_eq!(task["attempt"], 1, "{task:#}");
    }
    system.holds(&ids).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_process_of_one_task_is_held_to_the_limits_of_an_attempt_and_its_worker_is_not() {
    let mut system = System::builder()
        .env("LONGSHORE_WORKER_ATTEMPT_MEMORY", "1GiB")
        .env("LONGSHORE_WORKER_ATTEMPT_DISK", "2GiB")
        .start()
        .await;
    let id = suspect(&system, json!({ "sleep_ms": 1_500 })).await;
    let worker = system.start_worker("aside=1").await;
    let (alone, worker) = (pid_of(&system, &id).await, system.workers[worker].pid());
    assert_eq!(limit(alone, "Max data size"), (1_u64 << 30).to_string());
    assert_eq!(limit(alone, "Max file size"), (2_u64 << 30).to_string());
    assert_ne!(limit(worker, "Max data size"), limit(alone, "Max data size"));
    system.client.wait(&id, "succeeded", SOON).await;
    system.holds(&[id]).await;
}
