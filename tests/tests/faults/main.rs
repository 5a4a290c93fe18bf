//! Faults: processes and servers die, and what was accepted is done all the same, each task once.

mod api;
mod cancel;
mod clock;
mod commit;
mod drain;
mod headline;
mod load;
mod network;
mod postgres;
mod redis;
mod scheduler;
mod worker;

use std::time::Duration;

use e2e::{Client, Process, System, eventually};
use futures::{StreamExt as _, stream};
use jobs_core::{NewTask, task::Start};
use reqwest::Method;
use serde_json::{Value, json, value::RawValue};

const SOON: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(120);
/// So many submissions are on their way at once.
const AT_ONCE: usize = 16;

fn none() -> Value {
    json!({})
}

async fn ended(system: &System) -> i64 {
    let sql = "SELECT count(*) FROM tasks WHERE finished_at IS NOT NULL";
    sqlx::query_scalar(sql).fetch_one(&system.database.pool).await.unwrap_or(-1)
}

/// Waits until so many tasks have ended, through outages.
async fn until_ended(system: &System, count: usize) {
    let count = i64::try_from(count).expect("a count");
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
        assert!(answer.status.is_success(), "{answer:?}");
        Some(answer.json()["id"].as_str().expect("an id").to_owned())
    })
    .await
}

/// Submits so many tasks with this input, several at once, and gives their ids.
async fn submit_many(client: &Client, count: usize, input: &Value) -> Vec<String> {
    let submit = |_| client.submit("echo", input.clone(), none());
    stream::iter(0..count).map(submit).buffer_unordered(AT_ONCE).collect().await
}

/// A task as the API stores it, for tests that need more of them than they want to wait for.
fn new_task(start: Option<Start>) -> NewTask {
    NewTask { start, ..NewTask::plain("echo", RawValue::from_string("{}".into()).expect("JSON")) }
}

/// Checks that no process has ended.
fn all_live(system: &mut System) {
    let mut all = system.workers.iter_mut().chain(system.api.as_mut()).chain(system.scheduler.as_mut());
    assert!(all.all(Process::is_alive), "a process ended");
}

/// The most memory that a process ever had, in MiB.
#[cfg(target_os = "linux")]
fn most_memory_mib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).expect("the state of a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}
