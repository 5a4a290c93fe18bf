//! Fires while the task of an earlier one has not ended.

use e2e::System;
use reqwest::Method;
use serde_json::json;

use crate::{SOON, count, create, get, patch, post, runs, schedule, text, until_runs};

/// A schedule that fires every second, and whose tasks take long.
fn slow(overlap: &str, sleep_ms: u64) -> serde_json::Value {
    let task = json!({ "kind": "echo", "input": { "sleep_ms": sleep_ms } });
    schedule("slow", json!({ "every_ms": 1_000, "overlap": overlap, "task": task }))
}

#[tokio::test]
async fn skip_makes_no_task_while_one_runs() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = create(client, &slow("skip", 60_000)).await;
    let seen = until_runs(client, &id, "two are skipped", |runs| count(runs, "skipped") >= 2).await;
    assert_eq!(count(&seen, "fired"), 1, "{seen:#?}");
    let skipped = seen.iter().find(|run| run["outcome"] == "skipped").expect("it");
    assert_eq!((&skipped["reason"]["code"], skipped.get("task_id")), (&json!("overlap"), None));
    // Also when somebody asks for it, unless it is to run beside the other one.
    assert_eq!(post(client, &id, "run").await["outcome"], "skipped");
    let beside = client.post(&format!("/schedules/{id}/run"), &json!({ "overlap": "allow" })).await.expect(202).json();
    assert_eq!(beside["outcome"], "fired");

    // The schedule goes, and what it started goes on.
    let first = text(&seen.last().expect("a run")["task_id"]);
    client.until(&first, "running", SOON, |task| task["status"] == "running").await;
    client.send(client.request(Method::DELETE, &format!("/schedules/{id}"))).await.expect(204);
    assert_eq!(client.task(&first).await["status"], "running");
    for task in [first, text(&beside["task_id"])] {
        client.cancel(&task).await;
        client.wait(&task, "canceled", SOON).await;
    }
}

#[tokio::test]
async fn queue_lets_one_wait_and_starts_it_when_the_earlier_one_ends() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = create(client, &slow("queue", 60_000)).await;
    let seen = until_runs(client, &id, "one waits, one is skipped", |runs| {
        count(runs, "waiting") == 1 && count(runs, "skipped") >= 1
    })
    .await;
    assert_eq!(count(&seen, "fired"), 1, "{seen:#?}");
    let waiting = text(&seen.iter().find(|run| run["outcome"] == "waiting").expect("it")["fire_at"]);
    assert_eq!(get(client, &id).await["waiting_fire_at"], json!(waiting));
    let first = text(&seen.last().expect("a run")["task_id"]);
    // However it ends.
    client.until(&first, "running", SOON, |task| task["status"] == "running").await;
    client.cancel(&first).await;
    let seen = until_runs(client, &id, "the waiting one starts", |runs| {
        runs.iter().any(|run| run["fire_at"] == json!(waiting) && run["outcome"] == "fired")
    })
    .await;
    let second = text(&seen.iter().find(|run| run["fire_at"] == json!(waiting)).expect("it")["task_id"]);
    let ended = client.task(&first).await["finished_at"].clone();
    let made = client.task(&second).await["created_at"].clone();
    let gap = crate::instant(&made) - crate::instant(&ended);
    println!("started {gap} after the end of the one before");
    assert!(!gap.is_negative() && gap < std::time::Duration::from_millis(900), "{gap}");

    // What waits when it is paused is given up.
    until_runs(client, &id, "another one waits", |runs| count(runs, "waiting") == 1).await;
    post(client, &id, "pause").await;
    let seen = runs(client, &id).await;
    assert_eq!(count(&seen, "waiting"), 0);
    assert!(seen.iter().any(|run| run["reason"]["code"] == "paused"), "{seen:#?}");
    client.cancel(&second).await;
    client.wait(&second, "canceled", SOON).await;
    assert_eq!(runs(client, &id).await, seen, "nothing was left to start");
}

#[tokio::test]
async fn what_waits_starts_although_the_word_of_the_end_was_lost_with_the_leader() {
    let mut system = System::with_worker("default=4").await;
    let client = system.client.clone();
    let id = create(&client, &slow("queue", 60_000)).await;
    let seen = until_runs(&client, &id, "one waits", |runs| count(runs, "waiting") == 1).await;
    let first = text(&seen.last().expect("a run")["task_id"]);
    let waiting = seen.iter().find(|run| run["outcome"] == "waiting").expect("it")["fire_at"].clone();
    system.scheduler.take().expect("a scheduler").kill9();
    client.until(&first, "running", SOON, |task| task["status"] == "running").await;
    client.cancel(&first).await;
    client.wait(&first, "canceled", SOON).await;
    system.start_scheduler().await;
    until_runs(&client, &id, "it starts", |runs| {
        runs.iter().any(|run| run["fire_at"] == waiting && run["outcome"] == "fired")
    })
    .await;
}

#[tokio::test]
async fn replace_cancels_what_runs() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = create(client, &slow("replace", 60_000)).await;
    let seen = until_runs(client, &id, "three fires", |runs| count(runs, "fired") >= 3).await;
    patch(client, &id, json!({ "enabled": false })).await;
    assert_eq!(count(&seen, "skipped"), 0, "{seen:#?}");
    for run in &seen[1..] {
        client.wait(&text(&run["task_id"]), "canceled", SOON).await;
    }
    let last = text(&runs(client, &id).await[0]["task_id"]);
    client.until(&last, "running", SOON, |task| task["status"] == "running").await;
}

#[tokio::test]
async fn allow_lets_them_run_beside_each_other() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = create(client, &slow("allow", 60_000)).await;
    let seen = until_runs(client, &id, "three fires", |runs| count(runs, "fired") >= 3).await;
    post(client, &id, "pause").await;
    for run in &seen {
        client.until(&text(&run["task_id"]), "running", SOON, |task| task["status"] == "running").await;
    }
}
