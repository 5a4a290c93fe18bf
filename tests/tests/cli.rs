//! The command line, as scripts use it: exit codes, and JSON that can be read.

use std::process::Output;

use e2e::System;
use serde_json::{Value, json};

/// Runs a command, and gives its exit code and what it wrote.
async fn run(system: &System, arguments: &[&str]) -> (i32, Output) {
    let mut command = tokio::process::Command::from(system.command(arguments));
    let output = command.stdin(std::process::Stdio::null()).kill_on_drop(true).output();
    let output =
        e2e::soon(&format!("{arguments:?}"), std::time::Duration::from_secs(30), output).await.expect("a command");
    (output.status.code().unwrap_or_else(|| panic!("{arguments:?}: {output:?}")), output)
}

/// The same, for a command whose answer is one JSON document.
async fn json_of(system: &System, arguments: &[&str], code: i32) -> Value {
    let (found, output) = run(system, arguments).await;
    assert_eq!(found, code, "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {output:?}"))
}

#[tokio::test]
async fn a_script_submits_watches_and_reads_a_task() {
    let system = System::with_worker("default=4").await;
    let task = json_of(&system, &["submit", "echo", "--input", r#"{"text":"hi"}"#, "--json"], 0).await;
    let id = task["id"].as_str().expect("an id").to_owned();
    let (code, output) = run(&system, &["watch", &id]).await;
    assert_eq!(code, 0, "{output:?}");
    let task = json_of(&system, &["get", &id, "--json"], 0).await;
    assert_eq!((&task["status"], &task["output"]["text"]), (&json!("succeeded"), &json!("hi")));
    let (code, output) = run(&system, &["get", &id]).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(code == 0 && text.contains("succeeded") && !text.contains('\u{1b}'), "no colours in a pipe: {text}");
    // Several lines of events, each a document.
    let (code, output) = run(&system, &["watch", &id, "--json"]).await;
    assert_eq!(code, 0, "{output:?}");
    let lines = String::from_utf8_lossy(&output.stdout);
    assert!(!lines.is_empty() && lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines}");
    system.holds(&[id]).await;
}

#[tokio::test]
async fn the_exit_code_says_how_it_ended() {
    let system = System::with_worker("default=4").await;
    let submit = async |input: &str| run(&system, &["submit", "echo", "--input", input, "--watch"]).await.0;
    assert_eq!(submit("{}").await, 0);
    assert_eq!(submit(r#"{"fault":"fail"}"#).await, 1);

    assert_eq!(run(&system, &["submit", "echo", "--input", r#"{"colour":1}"#]).await.0, 2, "refused by the server");
    assert_eq!(run(&system, &["submit", "echo", "--input", "{"]).await.0, 2, "not JSON");
    assert_eq!(run(&system, &["submit", "no.such", "--input", "{}"]).await.0, 2);
    assert_eq!(run(&system, &["no-such-command"]).await.0, 2);
    let nobody = jobs_core::TaskId::new().to_string();
    for command in ["get", "watch", "cancel"] {
        assert_eq!(run(&system, &[command, &nobody]).await.0, 3, "{command}");
    }
    assert_eq!(run(&system, &["kinds", "no.such"]).await.0, 3);

    let id = system.client.submit("echo", json!({ "sleep_ms": 600_000 }), json!({})).await;
    let watch = ["watch", id.as_str()];
    let (watched, canceled) = tokio::join!(run(&system, &watch), async {
        system.client.wait(&id, "running", std::time::Duration::from_secs(20)).await;
        run(&system, &["cancel", &id]).await
    });
    assert_eq!((watched.0, canceled.0), (4, 0), "{watched:?} {canceled:?}");

    let mut command = system.command(&["get", &id]);
    command.env("LONGSHORE_URL", "http://127.0.0.1:1");
    assert_eq!(command.output().expect("a command").status.code(), Some(5), "nobody there");
}

#[tokio::test]
async fn lists_and_kinds_are_read_by_scripts() {
    let system = System::with_worker("default=4").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(system.client.submit("echo", json!({}), json!({ "tags": ["x"] })).await);
    }
    ids.reverse();
    for id in &ids {
        system.client.wait(id, "succeeded", std::time::Duration::from_secs(20)).await;
    }
    let listed = json_of(&system, &["list", "--json"], 0).await;
    let tasks = listed.as_array().or_else(|| listed["data"].as_array()).unwrap_or_else(|| panic!("{listed:#}"));
    assert_eq!(tasks.iter().map(|task| task["id"].as_str().expect("an id")).collect::<Vec<_>>(), ids);
    let (code, output) = run(&system, &["list", "--status", "running"]).await;
    assert_eq!(code, 0, "{output:?}");

    let kinds = json_of(&system, &["kinds", "--json"], 0).await;
    let text = kinds.to_string();
    assert!(text.contains("echo") && text.contains("video.generate"), "{text}");
    let echo = json_of(&system, &["kinds", "echo", "--json"], 0).await;
    assert!(echo.to_string().contains("sleep_ms"), "{echo}");
}

#[tokio::test]
async fn a_migration_that_was_done_is_done() {
    let system = System::builder().without_scheduler().start().await;
    let (code, output) = run(&system, &["migrate"]).await;
    assert_eq!((code, &*String::from_utf8_lossy(&output.stdout)), (0, "The database is up to date.\n"));
    system.database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    let (code, output) = run(&system, &["migrate"]).await;
    assert!(code == 0 && String::from_utf8_lossy(&output.stdout).starts_with("Applied "), "{output:?}");
}
