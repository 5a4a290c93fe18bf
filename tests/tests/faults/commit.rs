//! The answer to a commit is lost: whoever asked does not know whether it happened.

use std::time::Duration;

use e2e::{Proxy, System, eventually};
use jobs_core::TaskId;
use reqwest::Method;
use serde_json::json;

use crate::{LONG, SOON, none, submit_through, until_ended};

const TIMES: usize = 200;

#[tokio::test]
async fn a_submission_whose_commit_was_not_heard_of_is_a_503_and_its_repetition_finds_the_task() {
    let mut system = System::builder().without_api().start().await;
    let proxy = Proxy::before(&system.database.url).await;
    system.start_api_with(&[("DATABASE_URL", &proxy.url)]).await;
    let key = |n: usize| format!("commit-{n}.");
    for n in 0..TIMES {
        proxy.drop_answer_to(key(n));
        let request = system.client.request(Method::POST, "/tasks").header("idempotency-key", key(n));
        let answer = system.client.send(request.json(&json!({ "kind": "echo", "input": {} }))).await.expect(503);
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(proxy.to_drop(), 0);
    let committed = system.database.count("SELECT count(*) FROM tasks").await;
    assert_eq!(committed, TIMES as i64, "tasks that were committed and not promised");

    let mut ids = Vec::new();
    for n in 0..TIMES {
        ids.push(submit_through(&system.client, &key(n), &none()).await);
    }
    system.start_worker("default=8").await;
    until_ended(&system, TIMES).await;
    system.holds(&ids).await;
}

#[tokio::test]
async fn a_worker_that_did_not_hear_of_its_commit_recognises_it() {
    let mut system = System::builder().start().await;
    let proxy = Proxy::before(&system.database.url).await;
    let mut ids = Vec::new();
    for n in 0..TIMES {
        // What a task answers is what the worker commits.
        let text = format!("answer-{n}.");
        proxy.drop_answer_to(&text);
        ids.push(system.client.submit("echo", json!({ "text": text }), none()).await);
    }
    system.start_worker_with("default=2", &[("DATABASE_URL", &proxy.url)]).await;
    until_ended(&system, TIMES).await;
    eventually("every answer was dropped", LONG, async || (proxy.to_drop() == 0).then_some(())).await;
    for id in &ids {
        assert_eq!(system.client.moves(id).await, ["submit", "start", "succeed"]);
    }
    // It goes on as ever, and was told of nothing that it did not do.
    let last = system.client.submit("echo", none(), none()).await;
    system.client.wait(&last, "succeeded", SOON).await;
    assert_eq!(system.executions().late_words(), 0);
    ids.push(last);
    system.holds(&ids).await;
}

#[tokio::test]
async fn a_claim_that_was_not_heard_of_is_given_back_at_once() {
    let mut system = System::builder().start().await;
    let proxy = Proxy::before(&system.database.url).await;
    let id = system.client.submit("echo", none(), none()).await;
    // As Postgres is told of it: its claim is the first that names it.
    proxy.drop_answer_to(id.parse::<TaskId>().expect("an id").0.as_bytes());
    system.start_worker_with("default=1", &[("DATABASE_URL", &proxy.url)]).await;
    system.client.wait(&id, "succeeded", Duration::from_secs(10)).await;
    assert_eq!(proxy.to_drop(), 0);
    assert_eq!(system.client.moves(&id).await, ["submit", "start", "release", "start", "succeed"]);
    system.holds(&[id]).await;
}
