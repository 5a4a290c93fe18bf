//! Tasks that are tried again under their own id, and tasks that are repeated as new ones.

use std::time::Duration;

use e2e::{Answer, Client, System};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

async fn retry(client: &Client, id: &str) -> Answer {
    client.send(client.request(Method::POST, &format!("/tasks/{id}/retry"))).await
}

fn quick() -> Value {
    json!({ "max_attempts": 2, "retry": { "initial_ms": 1, "factor": 1.0, "max_ms": 1, "jitter": false } })
}

#[tokio::test]
async fn a_task_that_failed_is_tried_again_with_all_its_attempts_and_keeps_its_history() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = client.submit("echo", json!({ "fault": "retry", "fault_attempts": 3, "text": "x" }), quick()).await;
    let failed = client.wait(&id, "failed", SOON).await;
    assert_eq!((&failed["attempt"], &failed["max_attempts"]), (&json!(2), &json!(2)));

    let reopened = retry(client, &id).await.expect(202).json();
    assert_eq!((&reopened["status"], &reopened["id"]), (&json!("queued"), &json!(id)));
    assert!(reopened.get("error").is_none() && reopened.get("finished_at").is_none(), "{reopened:#}");
    let done = client.wait(&id, "succeeded", SOON).await;
    assert_eq!((&done["attempt"], &done["output"]["text"]), (&json!(4), &json!("x")));
    assert_eq!(
        client.moves(&id).await,
        ["submit", "start", "retry", "due", "start", "fail", "reopen", "start", "retry", "due", "start", "succeed"]
    );
    let attempts = client.get(&format!("/tasks/{id}/attempts")).await.expect(200).json();
    let attempts: Vec<(&Value, &Value)> =
        attempts["data"].as_array().expect("attempts").iter().map(|of| (&of["attempt"], &of["outcome"])).collect();
    let expected = [(1, "failed"), (2, "failed"), (3, "failed"), (4, "succeeded")].map(|of| (json!(of.0), json!(of.1)));
    assert!(attempts.into_iter().eq(expected.iter().map(|(nth, outcome)| (nth, outcome))));
    // A result is not thrown away.
    assert_eq!(retry(client, &id).await.expect(409).code(), "not_retryable");
    assert_eq!(retry(client, &jobs_core::TaskId::new().to_string()).await.expect(404).code(), "task_not_found");
    system.holds(&[id]).await;
}

#[tokio::test]
async fn what_was_canceled_or_expired_is_tried_again_and_what_has_not_ended_is_left_alone() {
    let system = System::with_worker("default=2").await;
    let client = &system.client;
    let later = json!({ "delay_ms": 600_000 });
    let canceled = client.submit("echo", json!({}), later.clone()).await;
    assert_eq!(retry(client, &canceled).await.expect(200).json()["status"], "scheduled");
    client.cancel(&canceled).await.expect(200);
    retry(client, &canceled).await.expect(202);
    client.wait(&canceled, "succeeded", SOON).await;
    assert_eq!(client.moves(&canceled).await, ["submit", "cancel", "reopen", "start", "succeed"]);

    let past = json!({ "delay_ms": 600_000, "deadline": "2020-01-01T00:00:00Z" });
    let expired = client.submit("echo", json!({}), past).await;
    client.wait(&expired, "expired", SOON).await;
    let task = retry(client, &expired).await.expect(202).json();
    assert!(task.get("deadline").is_none(), "it would expire at once: {task:#}");
    client.wait(&expired, "succeeded", SOON).await;

    // Again and again, each time with a history that goes on.
    let stubborn = client.submit("echo", json!({ "fault": "fail" }), json!({})).await;
    for round in 1..=3_usize {
        client.wait(&stubborn, "failed", SOON).await;
        assert_eq!(client.moves(&stubborn).await.len(), 3 * round);
        retry(client, &stubborn).await.expect(202);
        client.until(&stubborn, "over", SOON, |task| task["finished_at"].is_string()).await;
    }
    // A stream that begins behind the first end tells of the second.
    let events = client.events(&stubborn, Some(3)).await.rest(SOON).await;
    let told: Vec<&str> = events.iter().filter_map(|event| event.data["event"].as_str()).collect();
    assert_eq!(told[..3], ["reopen", "start", "fail"]);
    assert_eq!(events.last().map(|event| event.name.as_str()), Some("done"));
    system.holds(&[canceled, expired, stubborn]).await;
}

#[tokio::test]
async fn a_task_is_repeated_as_a_new_one_with_what_is_to_be_otherwise() {
    let system = System::with_worker("default=2").await;
    let client = &system.client;
    let options = json!({ "tags": ["a"], "metadata": { "k": "v" }, "max_attempts": 7, "timeout_ms": 12_345 });
    let old = client.submit("echo", json!({ "text": "old" }), options).await;
    client.wait(&old, "succeeded", SOON).await;
    let path = format!("/tasks/{old}/replay");

    let same = client.send(client.request(Method::POST, &path)).await.expect(202);
    let task = same.json();
    assert_eq!(same.header("location"), task["urls"]["self"].as_str());
    assert_ne!(task["id"], json!(old));
    for field in ["input", "tags", "metadata", "max_attempts", "timeout_ms", "queue", "group", "priority", "retry"] {
        assert_eq!(task[field], client.task(&old).await[field], "{field}");
    }
    assert_eq!(task["replayed_from"], json!(old));

    let changes = json!({ "input": { "text": "new" }, "priority": 9, "tags": ["b"] });
    let request = || client.request(Method::POST, &path).header("idempotency-key", "once").header("prefer", "wait=20");
    let other = client.send(request().json(&changes)).await.expect(200).json();
    assert_eq!(
        (&other["output"]["text"], &other["priority"], &other["tags"]),
        (&json!("new"), &json!(9), &json!(["b"]))
    );
    let again = client.send(request().json(&changes)).await.expect(200);
    assert_eq!((&again.json()["id"], again.header("idempotency-replayed")), (&other["id"], Some("true")));
    client.send(request().json(&json!({ "priority": 8 }))).await.expect(422);

    let wrong = json!({ "input": { "colour": "red" }, "priority": 10 });
    let refused = client.post(&path, &wrong).await.expect(422);
    assert_eq!(refused.pointers(), ["/input/colour", "/priority"]);
    assert_eq!(client.post(&path, &json!({ "kind": "echo" })).await.expect(422).pointers(), ["/kind"]);
    client.post(&format!("/tasks/{}/replay", jobs_core::TaskId::new()), &json!({})).await.expect(404);
    let all: Vec<String> = [json!(old), task["id"].clone(), other["id"].clone()]
        .iter()
        .map(|id| id.as_str().expect("an id").to_owned())
        .collect();
    client.wait(&all[1], "succeeded", SOON).await;
    system.holds(&all).await;
}
