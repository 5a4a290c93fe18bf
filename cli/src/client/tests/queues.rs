//! The queues of a server.

use serde_json::json;

use super::super::exit::Exit;
use super::longshore;
use super::server::{Answer, Server};

#[tokio::test]
async fn queues_are_listed_with_their_limits_and_can_be_paused() {
    let server = Server::start().await;
    let settings =
        json!({ "concurrency": 50, "group_defaults": { "rate": { "limit": 100, "per_ms": 60_000, "burst": 1 } } });
    let counts = json!({ "queued": 12, "running": 3, "groups_ready": 1, "groups_limited": 0 });
    let queue = json!({ "name": "default", "settings": settings, "counts": counts, "workers": 2, "slots": 16 });
    let paused = json!({ "name": "video", "settings": { "paused": true }, "workers": 0, "slots": 0 });
    server.on("GET /api/v1/queues", Answer::json(200, &json!({ "data": [queue, paused], "has_more": false })));
    server.on("POST /api/v1/queues/video/pause", Answer::json(200, &paused));

    let (exit, seen) = longshore(&server.url, &["queues"]).await;
    assert_eq!(exit, Exit::Ok);
    let out = seen.out();
    assert!(out.contains("default  12      3        2        16     50 running, 100 in 1m 00s a group\n"), "{out}");
    assert!(out.contains("video    ?       ?        0        0      paused\n"), "{out}");

    let (exit, seen) = longshore(&server.url, &["queues", "video", "pause"]).await;
    assert_eq!(exit, Exit::Ok);
    assert!(seen.out().contains("paused"), "{}", seen.out());
}
