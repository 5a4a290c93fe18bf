//! Tasks that are tried again, repeated, deleted; one by one, and all that match.

use serde_json::{Value, json};

use super::super::exit::Exit;
use super::longshore;
use super::server::{Answer, Server, task};

#[tokio::test]
async fn a_task_is_tried_again_repeated_and_deleted() {
    let server = Server::start().await;
    server.on("POST /api/v1/tasks/a/retry", Answer::json(202, &task("a", "queued")));
    server.on("POST /api/v1/tasks/a/replay", Answer::json(202, &task("b", "queued")));
    server.on("DELETE /api/v1/tasks/a", Answer::bytes(204, ""));

    let (exit, seen) = longshore(&server.url, &["retry", "a"]).await;
    assert_eq!((exit, seen.out().as_str()), (Exit::Ok, "a is queued\n"));
    let arguments = ["replay", "a", "--input", r#"{"text":"other"}"#, "--priority", "9"];
    let (exit, seen) = longshore(&server.url, &arguments).await;
    assert_eq!((exit, seen.out().as_str()), (Exit::Ok, "b\n"));
    let bodies =
        server.asked("POST /api/v1/tasks/a/replay", |asked| serde_json::from_slice::<Value>(&asked.body).unwrap());
    assert_eq!(bodies, [json!({ "input": { "text": "other" }, "priority": 9 })]);
    let (exit, seen) = longshore(&server.url, &["delete", "a"]).await;
    assert_eq!((exit, seen.out().as_str()), (Exit::Ok, "a deleted\n"));
}

#[tokio::test]
async fn all_that_match_are_gone_through_page_by_page() {
    const LINE: &str = "POST /api/v1/tasks/actions/cancel";
    let server = Server::start().await;
    let page = |next: Value| {
        json!({ "matched": 10, "changed": 7, "skipped": 3, "reasons": { "not_cancelable": 3 }, "dry_run": false,
            "has_more": next.is_string(), "next_cursor": next })
    };
    server.on(LINE, Answer::json(200, &page(json!("c1"))));
    server.on(LINE, Answer::json(200, &page(json!(null))));

    let arguments = ["cancel", "--status", "queued", "--status", "blocked", "--tag", "t", "--meta", "k=v"];
    let (exit, seen) = longshore(&server.url, &arguments).await;
    assert_eq!(exit, Exit::Ok, "{}", seen.err());
    assert_eq!(seen.out(), "14 of 20 tasks are canceled, or told to stop\n  6 left as they are: not_cancelable\n");
    let bodies = server.asked(LINE, |asked| serde_json::from_slice::<Value>(&asked.body).unwrap());
    let first = json!({ "status": ["queued", "blocked"], "tag": "t", "metadata": { "k": "v" }, "all": false,
        "dry_run": false, "limit": 10_000 });
    let mut second = first.clone();
    second["cursor"] = json!("c1");
    assert_eq!(bodies, [first, second]);

    // Nothing that is not said to be meant is touched.
    let (exit, seen) = longshore(&server.url, &["delete"]).await;
    assert_eq!(exit, Exit::Refused);
    assert!(seen.err().contains("--all"), "{}", seen.err());
}
