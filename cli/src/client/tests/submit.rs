//! Submitting: the body, the answer, the refusals.

use serde_json::{Value, json};

use super::super::exit::Exit;
use super::server::{Answer, Server, event, task};
use super::{longshore, longshore_at_terminal};

const SUBMIT: &str = "POST /api/v1/tasks";

async fn server() -> Server {
    let server = Server::start().await;
    server.on(SUBMIT, Answer::json(202, &task("task_1", "queued")));
    server
}

fn bodies(server: &Server) -> Vec<Value> {
    server.asked(SUBMIT, |asked| serde_json::from_slice(&asked.body).unwrap())
}

#[tokio::test]
async fn options_become_the_fields_of_the_task() {
    let server = server().await;
    let arguments = [
        "submit",
        "echo",
        "--input",
        r#"{"text":"hi"}"#,
        "--queue",
        "q",
        "--priority",
        "9",
        "--delay",
        "5s",
        "--deadline",
        "2030-01-01T00:00:00Z",
        "--timeout",
        "1m30s",
        "--max-attempts",
        "4",
        "--group",
        "g",
        "--tag",
        "a",
        "--tag",
        "b",
        "--meta",
        "k=v=w",
        "--depends-on",
        "task_0",
        "--max-age",
        "2m",
        "--coalesce",
        "--idempotency-key",
        "once",
        "--api-key",
        "ls_live_1",
    ];

    let (exit, seen) = longshore(&server.url, &arguments).await;

    assert_eq!((exit, seen.out().as_str(), seen.err().as_str()), (Exit::Ok, "task_1\n", ""));
    let expected = json!({
        "kind": "echo", "input": { "text": "hi" }, "queue": "q", "priority": 9, "delay_ms": 5000,
        "deadline": "2030-01-01T00:00:00Z", "timeout_ms": 90_000, "max_attempts": 4, "group": "g",
        "depends_on": ["task_0"], "coalesce": { "max_age_ms": 120_000 }, "tags": ["a", "b"], "metadata": { "k": "v=w" },
    });
    assert_eq!(bodies(&server), [expected]);
    let headers = server.asked(SUBMIT, |asked| {
        ["idempotency-key", "authorization"].map(|name| asked.headers[name].to_str().unwrap().to_owned())
    });
    assert_eq!(headers, [["once".to_owned(), "Bearer ls_live_1".to_owned()]]);
}

#[tokio::test]
async fn a_file_is_a_whole_task_or_an_input() {
    let server = server().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let whole = path("whole.json", r#"{"kind":"echo","input":{"text":"hi"},"priority":1,"run_at":"x"}"#);
    let input = path("input.json", r#"{"text":"hi"}"#);
    let at_input = format!("@{input}");

    for arguments in [
        &["submit", "--file", &whole, "--priority", "8", "--delay", "1s"][..],
        &["submit", "echo", "--file", &input],
        &["submit", "echo", "--input", &at_input],
        &["submit", "echo"],
    ] {
        let (exit, seen) = longshore(&server.url, arguments).await;
        assert_eq!(exit, Exit::Ok, "{}", seen.err());
    }

    let plain = json!({ "kind": "echo", "input": { "text": "hi" } });
    let mut with_options = plain.clone();
    with_options["priority"] = 8.into();
    with_options["delay_ms"] = 1000.into();
    let empty = json!({ "kind": "echo", "input": {} });
    assert_eq!(bodies(&server), [with_options, plain.clone(), plain, empty]);

    for arguments in
        [&["submit", "--file", &input][..], &["submit", "--file", "/nowhere"], &["submit", "echo", "--input", "{"]]
    {
        let (exit, _) = longshore(&server.url, arguments).await;
        assert_eq!(exit, Exit::Refused);
    }
    assert_eq!(bodies(&server).len(), 4, "what cannot be read is not sent");
}

#[tokio::test]
async fn a_refusal_names_every_field() {
    let server = Server::start().await;
    let problem = json!({
        "title": "invalid task", "status": 422, "code": "invalid", "detail": "two faults", "request_id": "req_9",
        "errors": [{ "pointer": "/input/a", "detail": "required" }, { "pointer": "/input/bb", "detail": "unknown field" }],
    });
    server.on(SUBMIT, Answer::problem(422, &problem));

    let (exit, seen) = longshore(&server.url, &["submit", "echo"]).await;
    assert_eq!((exit, seen.out().as_str()), (Exit::Refused, ""));
    let expected = "error: invalid task (422 invalid)\n  two faults\n  /input/a   required\n  \
                    /input/bb  unknown field\n  request id: req_9\n";
    assert_eq!(seen.err(), expected);

    let (exit, seen) = longshore(&server.url, &["submit", "echo", "--json"]).await;
    assert_eq!(exit, Exit::Refused);
    let error: Value = serde_json::from_str(&seen.err()).unwrap();
    assert_eq!((&error["error"]["errors"], &error["error"]["exit_code"]), (&problem["errors"], &json!(2)));
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_broken_one_is_not() {
    let server = Server::start().await;
    server.on(SUBMIT, Answer::problem(503, &json!({})).with("retry-after", "0"));
    server.on(SUBMIT, Answer::json(202, &task("task_1", "queued")));
    let (exit, seen) = longshore(&server.url, &["submit", "echo"]).await;
    assert_eq!((exit, seen.out().as_str()), (Exit::Ok, "task_1\n"));
    assert!(seen.err().starts_with("the server is busy (503); asking again in 0 ms (1 of 3)"));

    let server = Server::start().await;
    server.on(SUBMIT, Answer::bytes(500, "oops"));
    let (exit, seen) = longshore(&server.url, &["submit", "echo"]).await;
    assert_eq!((exit, bodies(&server).len()), (Exit::Unreachable, 1));
    assert!(seen.err().contains("error: internal server error (500)"), "{}", seen.err());
}

#[tokio::test]
async fn a_person_is_told_what_to_do_next() {
    let server = server().await;
    let (exit, seen) = longshore_at_terminal(&server.url, &["submit", "echo"]).await;
    assert_eq!(exit, Exit::Ok);
    let url = &server.url;
    for what in ["accepted", "task_1", &format!("longshore watch task_1 --url {url}"), "longshore cancel task_1"] {
        assert!(seen.out().contains(what), "{what} is not in {}", seen.out());
    }
}

#[tokio::test]
async fn waiting_ends_with_the_tasks_result() {
    let server = server().await;
    let stream = event("status", 1, &json!({ "status": "running" })) + &event("done", 2, &task("task_1", "failed"));
    server.on("GET /api/v1/tasks/task_1/events", Answer::events(stream));

    let (exit, seen) = longshore(&server.url, &["submit", "echo", "--wait"]).await;
    assert_eq!((exit, seen.out().as_str(), seen.err().as_str()), (Exit::Failed, "task_1\n", ""));

    let (exit, seen) = longshore(&server.url, &["submit", "echo", "--wait", "--json"]).await;
    assert_eq!(exit, Exit::Failed);
    assert_eq!(serde_json::from_str::<Value>(&seen.out()).unwrap()["status"], "failed");

    let (exit, seen) = longshore(&server.url, &["submit", "echo", "--watch"]).await;
    assert_eq!((exit, seen.out().as_str()), (Exit::Failed, "task_1\n"));
    assert_eq!(seen.err(), "running\n✗ echo task_1 failed after 4.2 s\n");

    let (_, seen) = longshore(&server.url, &["submit", "echo", "--watch", "--json"]).await;
    let events = seen.out();
    let names = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].take());
    assert_eq!(names.collect::<Vec<_>>(), ["accepted", "status", "done"]);
}
