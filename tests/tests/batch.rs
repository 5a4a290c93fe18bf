//! Many tasks in one request.

use std::time::Duration;

use e2e::System;
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

fn echoes(count: usize) -> Vec<Value> {
    (0..count).map(|n| json!({ "kind": "echo", "input": { "text": n.to_string() } })).collect()
}

fn ids(body: &Value) -> Vec<String> {
    let tasks = body["data"].as_array().expect("data").iter();
    tasks.map(|task| task["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_batch_is_accepted_as_a_whole_and_in_order() {
    let system = System::with_worker("default=50").await;
    let answer = system.client.post("/tasks/batch", &json!(echoes(1_000))).await.expect(202);
    let body = answer.json();
    let ids = ids(&body);
    assert_eq!(ids.len(), 1_000);
    assert!(ids.is_sorted());
    assert_eq!(body["data"][41]["input"]["text"], "41");
    system.client.wait(&ids[999], "succeeded", SOON).await;
    for id in &ids {
        system.client.wait(id, "succeeded", SOON).await;
    }
    system.holds(&ids).await;
}

#[tokio::test]
async fn a_batch_with_a_fault_is_refused_with_all_its_faults_and_stores_nothing() {
    let system = System::builder().start().await;
    let mut items = echoes(5);
    items[1]["priority"] = 10.into();
    items[3] = json!({ "kind": "nothing", "input": {} });
    let refused = system.client.post("/tasks/batch", &json!(items)).await.expect(422);
    assert_eq!(refused.pointers(), ["/1/priority", "/3/kind"]);
    for wrong in [json!([]), json!({}), json!(echoes(1_001))] {
        system.client.post("/tasks/batch", &wrong).await.expect(422);
    }
    assert_eq!(system.database.count("SELECT count(*) FROM tasks").await, 0);

    // Each for itself: what is right is accepted.
    let answer = system.client.post("/tasks/batch?mode=partial", &json!(items)).await.expect(200).json();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&3.into(), &2.into()));
    assert_eq!(answer["data"][1]["errors"][0]["pointer"], "/priority");
    assert_eq!(answer["data"][2]["task"]["status"], "queued");
    assert_eq!(system.database.count("SELECT count(*) FROM tasks").await, 3);
    let none = system.client.post("/tasks/batch?mode=partial", &json!([{ "kind": "nothing" }])).await.expect(200);
    assert_eq!(none.json()["accepted"], 0);
    system.client.post("/tasks/batch?mode=some", &json!(echoes(1))).await.expect(422);
}

#[tokio::test]
async fn a_batch_may_come_as_lines() {
    let system = System::builder().start().await;
    let lines: Vec<String> = echoes(3).iter().map(Value::to_string).collect();
    let send = async |text: String| {
        let request =
            system.client.request(Method::POST, "/tasks/batch").header("content-type", "application/x-ndjson");
        system.client.send(request.body(text)).await
    };
    assert_eq!(ids(&send(lines.join("\n") + "\n\n").await.expect(202).json()).len(), 3);
    assert_eq!(send(format!("{}\n{{", lines[0])).await.expect(400).code(), "malformed");
}

#[tokio::test]
async fn a_batch_that_is_repeated_under_its_key_is_one() {
    let system = System::builder().start().await;
    let send = async |items: &[Value]| {
        let request = system.client.request(Method::POST, "/tasks/batch").header("idempotency-key", "monday");
        system.client.send(request.json(&items)).await
    };
    let items = echoes(20);
    let (first, second) = tokio::join!(send(&items), send(&items));
    let (first, second) = (first.expect(202), second.expect(202));
    assert_eq!(ids(&first.json()), ids(&second.json()));
    let replays = [&first, &second].iter().filter(|answer| answer.header("idempotency-replayed").is_some()).count();
    assert_eq!(replays, 1);
    assert_eq!(ids(&send(&items).await.expect(202).json()), ids(&first.json()));
    // Another batch under the same key: shorter, longer, different.
    for other in [&items[..19], &echoes(21), &echoes(20)[1..]] {
        assert_eq!(send(other).await.expect(422).code(), "idempotency_key_reused");
    }
    assert_eq!(system.database.count("SELECT count(*) FROM tasks").await, 20);
}
