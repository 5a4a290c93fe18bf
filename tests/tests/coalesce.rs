//! Submissions of the same work share one task.

use std::time::Duration;

use e2e::{Answer, System};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().expect("an id").to_owned()
}

fn is_joined(answer: &Answer) -> bool {
    answer.header("coalesced") == Some("true")
}

fn body(text: &str, coalesce: Value) -> Value {
    json!({ "kind": "echo", "input": { "text": text, "sleep_ms": 400 }, "coalesce": coalesce })
}

#[tokio::test]
async fn fifty_at_once_make_one_task_and_all_of_them_get_its_end() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let send = async |n: usize| {
        let request = client.request(Method::POST, "/tasks").header("prefer", "wait=20");
        let request = if n.is_multiple_of(5) { request.header("idempotency-key", format!("key-{n}")) } else { request };
        client.send(request.json(&body("same", json!({})))).await
    };
    let answers = join_all((0..50).map(send)).await;
    let mut tasks = Vec::new();
    let mut joined = 0;
    for answer in answers {
        let answer = answer.expect(200);
        assert_eq!(answer.json()["status"], "succeeded");
        joined += usize::from(is_joined(&answer));
        tasks.push(id(&answer));
    }
    tasks.dedup();
    assert_eq!((tasks.len(), joined), (1, 49));
    assert_eq!(system.database.count("SELECT count(*) FROM tasks").await, 1);
    // A key stands for the task that was joined, also when that has ended.
    let again = send(5).await.expect(200);
    assert_eq!((id(&again), again.header("idempotency-replayed")), (tasks[0].clone(), Some("true")));
    system.holds(&tasks).await;
}

#[tokio::test]
async fn only_the_same_work_that_may_still_succeed_is_joined() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let send = async |body: Value| client.post("/tasks", &body).await;
    let first = send(body("a", json!({}))).await.expect(202);
    assert!(!is_joined(&first));
    assert_eq!(id(&send(body("a", json!({}))).await.expect(202)), id(&first));
    // Whoever does not ask for it shares nothing; other work is other work; a key is the same work, whatever the input.
    for other in [
        json!({ "kind": "echo", "input": { "text": "a", "sleep_ms": 400 } }),
        body("b", json!({})),
        body("a", json!({ "key": "k" })),
    ] {
        assert_ne!(id(&send(other).await.expect(202)), id(&first));
    }
    let keyed = send(body("x", json!({ "key": "k" }))).await.expect(202);
    assert!(is_joined(&keyed));
    client.wait(&id(&first), "succeeded", SOON).await;

    // What has ended is not joined, unless it succeeded lately enough.
    let young = send(body("a", json!({ "max_age_ms": 60_000 }))).await.expect(200);
    assert!(is_joined(&young));
    assert_eq!((id(&young), &young.json()["status"]), (id(&first), &json!("succeeded")));
    let second = send(body("a", json!({ "max_age_ms": 1 }))).await.expect(202);
    assert!(!is_joined(&second));

    // What is canceled, or about to be, is not joined.
    let slow = |n: u64| json!({ "kind": "echo", "input": { "sleep_ms": n }, "coalesce": { "key": "slow" } });
    let slow_id = id(&send(slow(600_000)).await.expect(202));
    client.wait(&slow_id, "running", SOON).await;
    client.cancel(&slow_id).await.expect(202);
    let next = send(slow(0)).await.expect(202);
    assert!(!is_joined(&next) && id(&next) != slow_id);
    client.wait(&slow_id, "canceled", SOON).await;
    client.wait(&id(&next), "succeeded", SOON).await;

    let refused = client.post("/tasks/batch", &json!([body("a", json!({}))])).await.expect(422);
    assert_eq!(refused.pointers(), ["/0/coalesce"]);
    let refused = send(body("a", json!({ "key": "", "max_age_ms": 0, "colour": 1 }))).await.expect(422);
    assert_eq!(refused.pointers(), ["/coalesce/colour", "/coalesce/key", "/coalesce/max_age_ms"]);
}
