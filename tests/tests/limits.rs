//! Limits of queues and groups, as operators set them and clients meet them.

use std::time::{Duration, Instant};

use e2e::{System, eventually};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

async fn put(system: &System, path: &str, settings: &Value) -> Value {
    let request = system.client.request(Method::PUT, path).json(settings);
    system.client.send(request).await.expect(200).json()
}

async fn most_at_once(system: &System) -> i64 {
    let sql = "WITH steps AS (
            SELECT started_at AS at, 1 AS step FROM tasks UNION ALL SELECT finished_at, -1 FROM tasks
        ) SELECT max(n)::bigint FROM (SELECT sum(step) OVER (ORDER BY at, step) AS n FROM steps) runs";
    system.database.count(sql).await
}

#[tokio::test]
async fn a_queue_with_a_limit_never_runs_more_at_once_on_all_workers() {
    let system = System::builder().worker("default=10").worker("default=10").start().await;
    let queue = put(&system, "/queues/default", &json!({ "concurrency": 3 })).await;
    assert_eq!(queue["settings"]["concurrency"], 3);
    let mut ids = Vec::new();
    for n in 0..24 {
        let name = ["a", "b", "c", "d"][n % 4];
        let group = json!({ "group": name });
        ids.push(system.client.submit("echo", json!({ "sleep_ms": 50 }), group).await);
    }
    // The index is lost on the way, and with it the count: what runs is counted anew.
    eventually("some have ended", SOON, async || {
        (system.database.count("SELECT count(*) FROM tasks WHERE finished_at IS NOT NULL").await >= 4).then_some(())
    })
    .await;
    let seen = most_at_once(&system).await;
    assert!((1..=3).contains(&seen), "{seen}");
    let () = redis::cmd("FLUSHALL").query_async(&mut system.redis().await).await.expect("FLUSHALL");
    for id in &ids {
        system.client.wait(id, "succeeded", SOON).await;
    }
    system.holds(&ids).await;
    eventually("nothing is held", SOON, async || {
        let counts = system.client.get("/queues/default").await.expect(200).json()["counts"].clone();
        (counts["queued"] == 0 && counts["running"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_group_with_a_rate_does_not_hold_up_the_others() {
    let system = System::with_worker("default=10").await;
    put(&system, "/queues/default/groups/slow", &json!({ "rate": { "limit": 5, "per_ms": 1_000 } })).await;
    let began = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..6 {
        slow.push(system.client.submit("echo", json!({}), json!({ "group": "slow" })).await);
    }
    let quick = system.client.submit("echo", json!({}), json!({ "group": "quick" })).await;
    system.client.wait(&quick, "succeeded", SOON).await;
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    for id in &slow {
        system.client.wait(id, "succeeded", SOON).await;
    }
    // One at once, and five more 200 ms apart.
    let spread = system.database.count(
        "SELECT (1000 * extract(epoch FROM max(started_at) - min(started_at)))::bigint FROM tasks WHERE \"group\" = 'slow'",
    );
    let spread = spread.await;
    assert!((980..2_000).contains(&spread), "{spread} ms");
}

#[tokio::test]
async fn a_paused_queue_starts_nothing_until_it_may_go_on() {
    let system = System::with_worker("default=4").await;
    let paused = system.client.post("/queues/default/pause", &json!({})).await.expect(200).json();
    assert_eq!(paused["settings"]["paused"], true);
    let id = system.client.submit("echo", json!({}), json!({})).await;
    eventually("it is counted", SOON, async || {
        let queue = system.client.get("/queues/default").await.expect(200).json();
        (queue["counts"]["queued"] == 1).then_some(())
    })
    .await;
    // Also by the rows nothing may be started: a worker that has to do without Redis asks them.
    let waiting = "SELECT count(*) FROM queues WHERE limits_starts(settings)";
    assert_eq!(system.database.count(waiting).await, 1);
    assert_eq!(system.client.task(&id).await["status"], "queued");
    system.client.post("/queues/default/resume", &json!({})).await.expect(200);
    system.client.wait(&id, "succeeded", SOON).await;
}

#[tokio::test]
async fn a_full_queue_refuses_what_does_not_fit_and_says_why() {
    let system = System::builder().start().await;
    put(&system, "/queues/default", &json!({ "max_queued": 30, "group_defaults": { "max_queued": 20 } })).await;
    // The server that took the limits and the one that counts may be two: it looks within a second.
    let submit = async |group: &str| {
        let body = json!({ "kind": "echo", "input": {}, "group": group });
        system.client.post("/tasks", &body).await
    };
    eventually("the limit holds", SOON, async || (submit("x").await.status == 429).then_some(())).await;
    let full = submit("x").await.expect(429);
    assert_eq!((full.code().as_str(), full.header("retry-after")), ("group_full", Some("1")));
    assert_eq!(system.database.count("SELECT count(*) FROM tasks").await, 20);

    // Many at once: the bound is kept.
    let many = futures::future::join_all((0..40).map(|_| submit("y"))).await;
    let accepted = many.iter().filter(|answer| answer.status == 202).count();
    assert_eq!(accepted, 10);
    assert!(many.iter().all(|answer| answer.status == 202 || answer.code() == "queue_full"));
    assert_eq!(system.database.count("SELECT count(*) FROM tasks").await, 30);
    // A batch that does not fit is refused whole; another queue has room.
    let batch: Vec<Value> = (0..5).map(|_| json!({ "kind": "echo", "input": {} })).collect();
    system.client.post("/tasks/batch", &json!(batch)).await.expect(429);
    system.client.submit("echo", json!({}), json!({ "queue": "other" })).await;
    system.client.submit("echo", json!({}), json!({ "delay_ms": 60_000 })).await;
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_with_all_their_faults() {
    let system = System::builder().start().await;
    let wrong = json!({ "concurrency": 0, "rate": { "limit": 1 }, "group_defaults": { "weight": 0 }, "colour": "red" });
    let refused = system.client.send(system.client.request(Method::PUT, "/queues/default").json(&wrong)).await;
    let mut pointers = refused.expect(422).pointers();
    pointers.sort();
    assert_eq!(pointers, ["/colour", "/concurrency", "/group_defaults/weight", "/rate/per_ms"]);
    assert_eq!(system.client.get("/queues/a%20b").await.expect(404).code(), "queue_not_found");

    let path = "/queues/default/groups/g";
    put(&system, "/queues/default", &json!({ "group_defaults": { "concurrency": 7 } })).await;
    let group = put(&system, path, &json!({ "weight": 2 })).await;
    assert_eq!((&group["effective"]["concurrency"], &group["effective"]["weight"]), (&7.into(), &2.into()));
    let reset = system.client.send(system.client.request(Method::DELETE, path)).await.expect(200).json();
    assert_eq!(reset["settings"], json!({}));
    let queues = system.client.get("/queues").await.expect(200).json();
    let names: Vec<&str> = queues["data"].as_array().unwrap().iter().map(|q| q["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"default"), "{names:?}");
}
