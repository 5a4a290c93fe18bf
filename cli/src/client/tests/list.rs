//! The list of tasks.

use serde_json::{Value, json};

use super::super::exit::Exit;
use super::longshore;
use super::server::{Answer, Server, task};

#[tokio::test]
async fn pages_are_fetched_one_or_all() {
    let server = Server::start().await;
    let first = json!({ "data": [task("a", "running"), task("b", "failed")], "has_more": true, "next_cursor": "c 2" });
    let second = json!({ "data": [task("c", "queued")], "has_more": false, "next_cursor": null });
    server.on("GET /api/v1/tasks?status=running&limit=2", Answer::json(200, &first));
    server.on("GET /api/v1/tasks?status=running&limit=2&cursor=c+2", Answer::json(200, &second));
    let arguments = ["list", "--status", "running", "--limit", "2"];

    let (exit, seen) = longshore(&server.url, &arguments).await;
    assert_eq!(exit, Exit::Ok);
    let out = seen.out();
    let lines: Vec<_> = out.lines().collect();
    let head: Vec<_> = lines[0].split_whitespace().collect();
    assert_eq!(head, ["ID", "KIND", "STATUS", "PROGRESS", "AGE", "DURATION"]);
    assert!(lines[1].starts_with("a   echo  running  -"), "{out}");
    assert!(lines[2].ends_with("4.2 s"), "{out}");
    assert!(seen.err().contains("more: add --cursor c 2"));

    let (_, seen) = longshore(&server.url, &[&arguments[..], &["--all", "--json"]].concat()).await;
    let page: Value = serde_json::from_str(&seen.out()).unwrap();
    assert_eq!(page["data"].as_array().unwrap().len(), 3);
    assert_eq!((&page["has_more"], &page["next_cursor"]), (&json!(false), &Value::Null));
}

#[tokio::test]
async fn an_empty_list_says_how_to_begin() {
    let server = Server::start().await;
    let empty = json!({ "data": [], "has_more": false, "next_cursor": null });
    server.on("GET /api/v1/tasks", Answer::json(200, &empty));
    server.on("GET /api/v1/tasks?tag=x", Answer::json(200, &empty));

    let (exit, seen) = longshore(&server.url, &["list"]).await;
    assert_eq!((exit, seen.out().as_str()), (Exit::Ok, ""));
    assert!(seen.err().contains("longshore submit echo"));

    let (_, seen) = longshore(&server.url, &["list", "--tag", "x"]).await;
    assert_eq!(seen.err(), "No task matches.\n");
}
