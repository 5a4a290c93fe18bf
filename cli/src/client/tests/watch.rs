//! Watching: the stream, its interruptions, its end.

use serde_json::{Value, json};

use super::super::exit::Exit;
use super::longshore;
use super::server::{Answer, Server, event, task};

const EVENTS: &str = "GET /api/v1/tasks/task_1/events";

fn status(seq: u64, status: &str) -> String {
    event("status", seq, &json!({ "seq": seq, "status": status, "event": "start", "attempt": 1 }))
}

fn progress(seq: u64, percent: u64) -> String {
    let progress = json!({ "percent": percent, "phase": "encode", "message": "frames" });
    event("progress", seq, &json!({ "seq": seq, "attempt": 1, "progress": progress }))
}

fn done(seq: u64, task: &Value) -> String {
    event("done", seq, task)
}

async fn server(answers: impl IntoIterator<Item = Answer>) -> Server {
    let server = Server::start().await;
    server.on("GET /api/v1/tasks/task_1", Answer::json(200, &task("task_1", "queued")));
    for answer in answers {
        server.on(EVENTS, answer);
    }
    server
}

#[tokio::test]
async fn a_stream_that_breaks_goes_on_behind_the_last_event() {
    let first = status(1, "running") + &progress(2, 10) + "event: progress\nid: 3\ndata: {\"cut";
    // The server repeats an event that was seen: it is shown once all the same.
    let second = progress(2, 10) + &progress(3, 60) + ": heartbeat\n\n" + &done(4, &task("task_1", "succeeded"));
    let answers = [
        Answer::events(first).and_breaks(),
        Answer::problem(503, &json!({ "title": "draining", "status": 503 })),
        Answer::events(second),
    ];
    let server = server(answers).await;

    let (exit, seen) = longshore(&server.url, &["watch", "task_1"]).await;

    assert_eq!(exit, Exit::Ok, "{}", seen.err());
    let resumed =
        server.asked(EVENTS, |asked| asked.headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned()));
    assert_eq!(resumed, [None, Some("2".to_owned()), Some("2".to_owned())]);
    let out = seen.out();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[..2], ["running (attempt 1)", " 10 %  encode · frames"]);
    assert!(lines[2].starts_with("lost the server (") && lines[2].ends_with("; try 1 in 250 ms"), "{out}");
    assert_eq!(lines[3], "lost the server (503 draining); try 2 in 500 ms");
    let rest = ["the server is back", " 60 %  encode · frames", "✓ echo task_1 succeeded after 4.2 s"];
    assert_eq!(lines[4..], rest);
}

#[tokio::test]
async fn events_are_json_lines_for_a_script() {
    let log = json!({ "seq": 2, "level": "info", "message": "hi" });
    let stream = status(1, "running") + &event("log", 2, &log) + &done(3, &task("task_1", "succeeded"));
    let server = server([Answer::events(stream)]).await;

    let (exit, seen) = longshore(&server.url, &["watch", "task_1", "--json"]).await;

    assert_eq!(exit, Exit::Ok);
    let lines: Vec<Value> = seen.out().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1], json!({ "task": "task_1", "event": "log", "seq": 2, "data": log }));
    assert_eq!(lines[2]["data"]["status"], "succeeded");
}

#[tokio::test]
async fn the_end_of_the_task_is_the_exit_code() {
    for (word, expected) in [("failed", Exit::Failed), ("expired", Exit::Failed), ("canceled", Exit::Canceled)] {
        let mut ended = task("task_1", word);
        ended["error"] = json!({ "code": "boom", "message": "it\u{1b}[2J broke" });
        let server = server([Answer::events(done(1, &ended))]).await;

        let (exit, seen) = longshore(&server.url, &["watch", "task_1"]).await;

        assert_eq!(exit, expected);
        let out = seen.out();
        assert!(out.contains(&format!("task_1 {word}")) && out.contains(": boom: it\u{fffd}[2J broke"), "{out}");
    }
}

#[tokio::test]
async fn several_tasks_end_with_the_worst_result() {
    let server = Server::start().await;
    for (id, word) in [("a", "succeeded"), ("b", "failed")] {
        server.on(&format!("GET /api/v1/tasks/{id}"), Answer::json(200, &task(id, "running")));
        server.on(&format!("GET /api/v1/tasks/{id}/events"), Answer::events(done(1, &task(id, word))));
    }

    let (exit, seen) = longshore(&server.url, &["watch", "a", "b", "a"]).await;
    assert_eq!(exit, Exit::Failed);
    assert_eq!(seen.out().lines().count(), 2, "{}", seen.out());

    let (exit, seen) = longshore(&server.url, &["watch", "a", "nobody"]).await;
    assert_eq!(exit, Exit::NotFound);
    assert!(seen.out().contains("✓ echo a succeeded") && seen.err().contains("nobody:"));
}

#[tokio::test]
async fn a_stream_that_ends_early_is_checked_against_the_task() {
    let server = server([Answer::events(status(1, "running"))]).await;
    // The task ended while the stream was down, and its history is no longer kept.
    server.on("GET /api/v1/tasks/task_1", Answer::json(200, &task("task_1", "succeeded")));

    let (exit, seen) = longshore(&server.url, &["watch", "task_1"]).await;

    assert_eq!(exit, Exit::Ok);
    assert_eq!(server.asked(EVENTS, |_| ()).len(), 1, "{}", seen.err());
}

#[tokio::test]
async fn patience_comes_to_an_end() {
    let server = server([Answer::problem(503, &json!({ "title": "down" }))]).await;

    let (exit, seen) = longshore(&server.url, &["watch", "task_1", "--patience", "300ms"]).await;

    assert_eq!(exit, Exit::Unreachable);
    assert!(seen.err().contains("gave up after 2 tries"), "{}", seen.err());
}

#[tokio::test]
async fn a_task_removed_while_it_is_watched_is_not_waited_for() {
    let answers = [
        Answer::events(status(1, "running")).and_breaks(),
        Answer::problem(410, &json!({ "title": "removed", "code": "task_removed" })),
    ];
    let server = server(answers).await;

    let (exit, seen) = longshore(&server.url, &["watch", "task_1"]).await;

    assert_eq!(exit, Exit::NotFound);
    assert!(seen.err().contains("error: removed (410 task_removed)"), "{}", seen.err());
}

#[tokio::test]
async fn no_server_is_said_at_once() {
    let (exit, seen) = longshore("http://127.0.0.1:9", &["watch", "task_1"]).await;
    assert_eq!(exit, Exit::Unreachable);
    assert!(seen.err().contains("cannot reach http://127.0.0.1:9") && seen.err().contains("longshore up"));

    let (exit, seen) = longshore("http://127.0.0.1:9", &["watch", "task_1", "--json"]).await;
    assert_eq!(exit, Exit::Unreachable);
    let error: Value = serde_json::from_str(&seen.err()).unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["exit_code"]), (&json!("unreachable"), &json!(5)));
}
