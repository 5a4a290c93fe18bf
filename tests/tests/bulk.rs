//! What is done to many tasks at once, and tasks that are removed.

use std::time::{Duration, Instant};

use e2e::{Answer, Client, System, eventually};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

async fn act(client: &Client, action: &str, body: Value) -> Answer {
    client.post(&format!("/tasks/actions/{action}"), &body).await
}

/// Repeats a request until it has been through everything, and gives how many tasks were met, changed and skipped, and how often it was sent.
async fn act_on_all(client: &Client, action: &str, mut body: Value) -> (u64, u64, u64, u32) {
    let (mut matched, mut changed, mut skipped, mut requests) = (0, 0, 0, 0);
    loop {
        let done = act(client, action, body.clone()).await.expect(200).json();
        let number = |name: &str| done[name].as_u64().expect("a number");
        (matched, changed, skipped) =
            (matched + number("matched"), changed + number("changed"), skipped + number("skipped"));
        requests += 1;
        if done["has_more"] == false {
            return (matched, changed, skipped, requests);
        }
        body["cursor"] = done["next_cursor"].clone();
    }
}

async fn delete(client: &Client, id: &str) -> Answer {
    client.send(client.request(Method::DELETE, &format!("/tasks/{id}"))).await
}

#[tokio::test]
async fn all_tasks_of_a_sort_are_canceled_retried_and_deleted_and_no_others() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let later = |tag: &str| json!({ "delay_ms": 600_000, "tags": [tag], "metadata": { "k": tag } });
    let mut ids = Vec::new();
    for n in 0..9 {
        ids.push(client.submit("echo", json!({ "fault": "fail" }), later(if n % 3 == 0 { "a" } else { "b" })).await);
    }
    let done = client.submit("echo", json!({}), json!({ "tags": ["b"] })).await;
    client.wait(&done, "succeeded", SOON).await;

    // First it is only said what would be done.
    let dry = act(client, "cancel", json!({ "tag": "b", "dry_run": true })).await.expect(200).json();
    assert_eq!(
        dry,
        json!({ "dry_run": true, "matched": 7, "changed": 6, "skipped": 1, "reasons": { "not_cancelable": 1 },
            "has_more": false, "next_cursor": null })
    );
    assert_eq!(system.database.count("SELECT count(*) FROM tasks WHERE state = 'scheduled'").await, 9);
    // Page by page, each task once.
    assert_eq!(act_on_all(client, "cancel", json!({ "tag": "b", "limit": 3 })).await, (7, 6, 1, 3));
    assert_eq!(act_on_all(client, "cancel", json!({ "tag": "b" })).await, (7, 0, 7, 1));
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(client.task(id).await["status"], if n % 3 == 0 { "scheduled" } else { "canceled" });
    }

    assert_eq!(act_on_all(client, "retry", json!({ "metadata": { "k": "b" } })).await, (6, 6, 0, 1));
    for id in ids.iter().enumerate().filter(|(n, _)| n % 3 != 0).map(|(_, id)| id) {
        client.wait(id, "failed", SOON).await;
        assert_eq!(client.moves(id).await, ["submit", "cancel", "reopen", "start", "fail"]);
    }
    let removed = json!({ "status": ["failed", "scheduled"], "ids": ids });
    assert_eq!(act_on_all(client, "delete", removed).await, (9, 6, 3, 1));
    assert_eq!(system.database.count("SELECT count(*) FROM tasks").await, 4);
    assert_eq!(system.database.count("SELECT count(*) FROM task_events").await, 0);

    // Not everything by mistake.
    assert_eq!(act(client, "delete", json!({})).await.expect(422).pointers(), [""]);
    let wrong = json!({ "status": ["odd"], "ids": [], "limit": 0, "colour": 1, "created_after": "soon" });
    let pointers = act(client, "delete", wrong).await.expect(422).pointers();
    assert_eq!(pointers, ["/colour", "/created_after", "/ids", "/limit", "/status/0"]);
    assert_eq!(act(client, "destroy", json!({ "all": true })).await.expect(404).code(), "not_found");
    assert_eq!(act_on_all(client, "cancel", json!({ "all": true })).await, (4, 3, 1, 1));
}

#[tokio::test]
async fn a_hundred_thousand_tasks_are_canceled_while_the_server_answers_others() {
    let system = System::builder().start().await;
    let client = &system.client;
    system
        .database
        .execute(
            r#"INSERT INTO tasks (id, kind, queue, "group", priority, state, input, max_attempts, retry, timeout_ms, queued_at, history)
            SELECT gen_random_uuid(), 'echo', 'default', 'default', 0, 'queued', '{}', 1, '{}', 1000, now(),
                ARRAY[moment(1, 'submit', 'queued', 0, 0)]
            FROM generate_series(1, 100000)"#,
        )
        .await;
    eventually("all of them are ready", Duration::from_secs(60), async || {
        (system.queue().depth("default").await.expect("the depth").ready >= 100_000).then_some(())
    })
    .await;
    let began = Instant::now();
    let mut longest = Duration::ZERO;
    let cancel = act_on_all(client, "cancel", json!({ "status": ["queued"], "limit": 10_000 }));
    tokio::pin!(cancel);
    let sum = loop {
        tokio::select! {
            sum = &mut cancel => break sum,
            () = async {
                let asked = Instant::now();
                client.submit("echo", json!({}), json!({ "delay_ms": 600_000 })).await;
                longest = longest.max(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(20)).await;
            } => {}
        }
    };
    println!(
        "100,000 canceled in {:?} by {} requests; the slowest submission meanwhile took {longest:?}",
        began.elapsed(),
        sum.3
    );
    assert_eq!((sum.0, sum.1), (100_000, 100_000));
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    eventually("Redis has none of them", SOON, async || {
        (system.queue().depth("default").await.expect("the depth").ready == 0).then_some(())
    })
    .await;
    assert_eq!(system.database.count("SELECT COALESCE(sum(found), 0)::bigint FROM integrity_defects").await, 0);
}

#[tokio::test]
async fn a_task_that_is_deleted_leaves_nothing_behind() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = client.submit("echo", json!({ "log_lines": 3, "sleep_ms": 2_000 }), json!({})).await;
    assert_eq!(delete(client, &id).await.expect(409).code(), "not_ended");
    client.wait(&id, "running", SOON).await;
    // As an attempt does it that makes a film.
    let folder = system.dir().join("artifacts").join(&id).join("1");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("film.mp4"), "frames").expect("a file");
    let uuid = id.parse::<jobs_core::TaskId>().expect("an id").0;
    system
        .database
        .execute(&format!(
            "INSERT INTO artifacts (task_id, epoch, name, content_type, size_bytes, sha256)
            VALUES ('{uuid}', 1, 'film.mp4', 'video/mp4', 6, 'x')"
        ))
        .await;
    client.wait(&id, "succeeded", SOON).await;
    assert_eq!(client.task(&id).await["artifacts"][0]["name"], "film.mp4");

    assert!(delete(client, &id).await.expect(204).bytes.is_empty());
    assert_eq!(delete(client, &id).await.expect(404).code(), "task_not_found");
    client.get(&format!("/tasks/{id}")).await.expect(404);
    client.get(&format!("/tasks/{id}/artifacts/film.mp4")).await.expect(404);
    for table in ["tasks", "task_events", "artifacts"] {
        assert_eq!(system.database.count(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    eventually("its files are gone", SOON, async || (!folder.exists()).then_some(())).await;
    eventually("and nobody looks for them any more", SOON, async || {
        (system.database.count("SELECT count(*) FROM leftovers").await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_has_ended_is_kept_for_as_long_as_the_operator_says() {
    let system = System::builder()
        .env("LONGSHORE_RETENTION_SUCCEEDED", "2s")
        .env("LONGSHORE_SCHEDULER_TICK", "500ms")
        .worker("default=4")
        .start()
        .await;
    let client = &system.client;
    let done = client.submit("echo", json!({}), json!({})).await;
    let failed = client.submit("echo", json!({ "fault": "fail" }), json!({})).await;
    let later = client.submit("echo", json!({}), json!({ "delay_ms": 600_000 })).await;
    client.wait(&failed, "failed", SOON).await;
    client.wait(&done, "succeeded", SOON).await;
    eventually("what succeeded is gone", SOON, async || {
        let answer = client.get(&format!("/tasks/{done}")).await;
        (answer.status == 410).then_some(())
    })
    .await;
    for (id, status) in [(&failed, "failed"), (&later, "scheduled")] {
        assert_eq!(client.task(id).await["status"], status);
    }
    // An id that is as new as can be was never removed.
    assert_eq!(client.get(&format!("/tasks/{}", jobs_core::TaskId::new())).await.expect(404).code(), "task_not_found");
}
