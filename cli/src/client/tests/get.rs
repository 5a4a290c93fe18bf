//! One task, its artifacts, and its cancellation.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::exit::Exit;
use super::longshore;
use super::server::{Answer, Server, event, task};

const GET: &str = "GET /api/v1/tasks/task_1";
const FILE: &str = "GET /files/video.mp4";
const CONTENT: &[u8] = b"not really a video";

fn with_artifact(sha256: &str) -> Value {
    let mut task = task("task_1", "succeeded");
    task["artifacts"] = json!([{
        "name": "video.mp4", "url": "/files/video.mp4", "size": CONTENT.len(), "sha256": sha256,
        "content_type": "video/mp4",
    }]);
    task
}

fn digest() -> String {
    hex::encode(Sha256::digest(CONTENT))
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_task_is_shown_whole() {
    let server = Server::start().await;
    let mut failed = with_artifact("x");
    failed["status"] = "failed".into();
    failed["progress"] = json!({ "percent": 42.4, "phase": "encode", "message": "frame 9" });
    failed["error"] = json!({ "code": "crashed", "message": "signal 11", "details": { "signal": 11 } });
    server.on(GET, Answer::json(200, &failed));

    let (exit, seen) = longshore(&server.url, &["get", "task_1"]).await;

    assert_eq!(exit, Exit::Ok);
    let out = seen.out();
    for line in [
        "task_1  echo  failed\n",
        "  progress   42 %  encode · frame 9\n",
        "  attempt    1 of 3\n",
        "  queue      default  priority 5\n",
        "  waited     3 ms\n",
        "  ran        4.2 s\n",
        "  error      crashed: signal 11\n",
        r#"             {"signal":11}"#,
        "  artifacts  video.mp4  18 B  video/mp4\n",
        "  created    2026-01-02T03:04:05.678Z  (",
    ] {
        assert!(out.contains(line), "{line:?} is not in\n{out}");
    }

    let (exit, seen) = longshore(&server.url, &["get", "task_1", "--json", "--exit-status"]).await;
    assert_eq!(exit, Exit::Failed);
    assert_eq!(serde_json::from_str::<Value>(&seen.out()).unwrap(), failed);

    let (exit, _) = longshore(&server.url, &["get", "nobody"]).await;
    assert_eq!(exit, Exit::NotFound);
}

#[tokio::test]
async fn an_artifact_that_breaks_off_is_fetched_to_its_end() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    server.on(GET, Answer::json(200, &with_artifact(&digest())));
    server.on(FILE, Answer::bytes(200, &CONTENT[..5]).and_breaks());
    server.on(FILE, Answer::bytes(206, &CONTENT[5..]));

    let folder = folder.path().join("out");
    let (exit, seen) = longshore(&server.url, &["get", "task_1", "--download", folder.to_str().unwrap()]).await;

    assert_eq!(exit, Exit::Ok, "{}", seen.err());
    assert_eq!(std::fs::read(folder.join("video.mp4")).unwrap(), CONTENT);
    assert_eq!(files(&folder), ["video.mp4"]);
    let ranges = server.asked(FILE, |asked| asked.headers.get("range").map(|range| range.to_str().unwrap().to_owned()));
    assert_eq!(ranges, [None, Some("bytes=5-".to_owned())]);
    assert!(seen.out().contains("video.mp4 (18 B)"));
}

#[tokio::test]
async fn a_server_without_ranges_sends_the_file_again() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    server.on(GET, Answer::json(200, &with_artifact(&digest())));
    server.on(FILE, Answer::bytes(200, &CONTENT[..5]).and_breaks());
    server.on(FILE, Answer::bytes(200, CONTENT));

    let (exit, _) = longshore(&server.url, &["get", "task_1", "--download", folder.path().to_str().unwrap()]).await;

    assert_eq!(exit, Exit::Ok);
    assert_eq!(std::fs::read(folder.path().join("video.mp4")).unwrap(), CONTENT);
}

#[tokio::test]
async fn a_damaged_artifact_is_not_kept() {
    let wrong = hex::encode(Sha256::digest(b"something else"));
    for (sha256, sent) in [(wrong, CONTENT), (digest(), &CONTENT[..5])] {
        let server = Server::start().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("video.mp4"), "from before").unwrap();
        server.on("GET /api/v1/tasks/task_1/events", Answer::events(event("done", 1, &with_artifact(&sha256))));
        server.on(GET, Answer::json(200, &task("task_1", "running")));
        server.on(FILE, Answer::bytes(200, sent));

        let arguments = ["watch", "task_1", "--download", folder.path().to_str().unwrap()];
        let (exit, seen) = longshore(&server.url, &arguments).await;

        assert_eq!(exit, Exit::Unreachable);
        assert!(seen.err().contains("video.mp4 is damaged"), "{}", seen.err());
        assert_eq!(files(folder.path()), ["video.mp4"]);
        assert_eq!(std::fs::read(folder.path().join("video.mp4")).unwrap(), b"from before");
    }
}

#[tokio::test]
async fn cancel_goes_through_all_ids() {
    let server = Server::start().await;
    server.on("POST /api/v1/tasks/a/cancel", Answer::json(200, &task("a", "canceled")));
    server.on("POST /api/v1/tasks/b/cancel", Answer::json(202, &task("b", "running")));
    server.on("POST /api/v1/tasks/c/cancel", Answer::problem(409, &json!({ "title": "it has ended" })));

    let (exit, seen) = longshore(&server.url, &["cancel", "nobody", "a", "b"]).await;
    assert_eq!(exit, Exit::NotFound);
    assert_eq!(seen.out(), "a canceled\nb is being canceled\n");
    assert!(seen.err().starts_with("nobody:\nerror: not found (404 not_found)"));

    let (exit, _) = longshore(&server.url, &["cancel", "c"]).await;
    assert_eq!(exit, Exit::Refused);
}
