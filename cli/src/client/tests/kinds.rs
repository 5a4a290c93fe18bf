//! The kinds of a server.

use serde_json::json;

use super::super::exit::Exit;
use super::longshore;
use super::server::{Answer, Server};

#[tokio::test]
async fn a_kind_comes_with_an_example_ready_to_paste() {
    let server = Server::start().await;
    let kind = json!({
        "name": "echo", "summary": "Says it again.", "queue": "default", "timeout_ms": 300_000, "max_attempts": 3,
        "input_schema": {
            "type": "object", "required": ["text"],
            "properties": { "text": { "type": "string", "maxLength": 9, "description": "What to say." } },
        },
        "example": { "text": "it's me" },
    });
    server.on("GET /api/v1/kinds", Answer::json(200, &json!({ "data": [kind] })));
    server.on("GET /api/v1/kinds/echo", Answer::json(200, &kind));

    let (exit, seen) = longshore(&server.url, &["kinds"]).await;
    assert_eq!(exit, Exit::Ok);
    assert!(seen.out().contains("echo  default  5m 00s   3         Says it again.\n"), "{}", seen.out());

    let (exit, seen) = longshore(&server.url, &["kinds", "echo"]).await;
    assert_eq!(exit, Exit::Ok);
    let out = seen.out();
    let url = &server.url;
    for part in [
        "echo  Says it again.\n",
        "  text   string  required  at most 9 characters  What to say.\n",
        "  queue default, timeout 5m 00s, 3 attempts\n",
        &format!(r#"  longshore submit echo --watch --url {url} --input '{{"text":"it'\''s me"}}'"#),
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }

    let (exit, _) = longshore(&server.url, &["kinds", "nothing"]).await;
    assert_eq!(exit, Exit::NotFound);
}
