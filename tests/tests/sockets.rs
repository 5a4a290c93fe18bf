//! WebSockets: the events of many tasks over one connection.

use std::{collections::HashMap, time::Duration};

use e2e::{Socket, System};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

async fn socket(system: &System) -> Socket {
    Socket::open(&system.client).await
}

/// The numbers of the events of a task.
fn numbers(messages: &[Value], task: &str) -> Vec<i64> {
    let events = messages.iter().filter(|message| message["type"] == "event" && message["task"] == task);
    events.map(|event| event["seq"].as_i64().expect("a number")).collect()
}

fn is_done(task: &str) -> impl Fn(&Value) -> bool {
    move |message| message["event"] == "done" && message["task"] == task
}

#[tokio::test]
async fn a_socket_tells_the_same_as_a_stream_and_goes_on_where_it_was() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = client.submit("echo", json!({ "sleep_ms": 1_500, "steps": 30, "log_lines": 3 }), json!({})).await;
    let mut first = socket(&system).await;
    first.say(&json!({ "type": "subscribe", "id": "mine", "tasks": [id] })).await;
    assert_eq!(first.hear(SOON).await, json!({ "type": "subscribed", "id": "mine" }));
    let mut told = first.until(SOON, |message| message["event"] == "progress").await;
    drop(first);

    let mut second = socket(&system).await;
    let after = *numbers(&told, &id).last().expect("events");
    second.say(&json!({ "type": "subscribe", "id": "again", "tasks": [id], "after": { &id: after } })).await;
    told.extend(second.until(SOON, |message| message["type"] == "completed").await);

    let streamed = client.events(&id, None).await.rest(SOON).await;
    assert_eq!(numbers(&told, &id), streamed.iter().map(|event| event.id).collect::<Vec<_>>());
    let events = told.iter().filter(|message| message["type"] == "event");
    for (event, streamed) in events.zip(&streamed) {
        assert_eq!((event["event"].as_str(), &event["data"]), (Some(&*streamed.name), &streamed.data));
        assert_eq!(event.get("snapshot"), None);
    }
}

#[tokio::test]
async fn new_tasks_of_a_tag_and_of_a_group_appear_by_themselves() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let old = client.submit("echo", json!({ "sleep_ms": 600_000 }), json!({ "tags": ["night"] })).await;
    client.wait(&old, "running", SOON).await;
    let mut socket = socket(&system).await;
    socket.say(&json!({ "type": "subscribe", "id": "tag", "tag": "night" })).await;
    socket.say(&json!({ "type": "subscribe", "id": "group", "group": "alice" })).await;
    // What there is comes as it stands.
    let told = socket.until(SOON, |message| message["id"] == "group").await;
    let known = told.iter().find(|message| message["type"] == "event").expect("the task that there was");
    assert_eq!((&known["task"], &known["event"], &known["snapshot"]), (&json!(old), &json!("snapshot"), &json!(true)));
    assert_eq!(known["seq"], known["data"]["version"]);

    let none = client.submit("echo", json!({}), json!({ "tags": ["day"], "group": "bob" })).await;
    client.wait(&none, "succeeded", SOON).await;
    let tagged = client.submit("echo", json!({}), json!({ "tags": ["night", "x"] })).await;
    let told = socket.until(SOON, is_done(&tagged)).await;
    assert_eq!(numbers(&told, &tagged), [1, 2, 3, 4], "{told:?}");
    assert!(told.iter().all(|message| message["id"] == "tag"), "{told:?}");
    // Also one that is not ready yet.
    let later = client.submit("echo", json!({}), json!({ "group": "alice", "delay_ms": 1_000 })).await;
    let told = socket.until(SOON, is_done(&later)).await;
    assert_eq!(numbers(&told, &later), [1, 2, 3, 4, 5], "{told:?}");
    assert!(told.iter().all(|message| message["id"] == "group"), "{told:?}");

    client.cancel(&old).await.expect(202);
    let told = socket.until(SOON, is_done(&old)).await;
    assert_eq!(told.last().map(|done| &done["data"]["status"]), Some(&json!("canceled")));
    socket.say(&json!({ "type": "unsubscribe", "id": "tag" })).await;
    assert_eq!(socket.hear(SOON).await, json!({ "type": "unsubscribed", "id": "tag" }));
    client.submit("echo", json!({}), json!({ "tags": ["night"] })).await;
    socket.say(&json!({ "type": "ping", "id": "7" })).await;
    assert_eq!(socket.hear(SOON).await, json!({ "type": "pong", "id": "7" }));
}

#[tokio::test]
async fn what_is_wrong_with_a_message_is_said_and_the_socket_goes_on() {
    let system = System::builder().start().await;
    let id = system.client.submit("echo", json!({}), json!({})).await;
    let mut socket = socket(&system).await;
    let unknown = "task_0190163d8694739bae6a0ee6a52d8d4e";
    for (message, code) in [
        (json!({ "type": "sing" }), "malformed"),
        (json!({ "type": "subscribe", "id": "a", "colour": "red" }), "malformed"),
        (json!({ "type": "subscribe", "id": "a" }), "invalid"),
        (json!({ "type": "subscribe", "id": "a", "tasks": [id, unknown] }), "task_not_found"),
        (json!({ "type": "subscribe", "id": "a", "tasks": ["x"] }), "task_not_found"),
    ] {
        socket.say(&message).await;
        let answer = socket.hear(SOON).await;
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)), "{message}");
    }
    socket.say(&json!({ "type": "subscribe", "id": "a", "tasks": [id] })).await;
    assert_eq!(socket.hear(SOON).await["type"], "subscribed");
    assert_eq!(socket.hear(SOON).await["seq"], 1);
    socket.say(&json!({ "type": "subscribe", "id": "a", "tag": "x" })).await;
    let taken = socket.hear(SOON).await;
    assert_eq!((&taken["id"], &taken["errors"][0]["pointer"]), (&json!("a"), &json!("/id")));
    for number in 1..50 {
        socket.say(&json!({ "type": "subscribe", "id": number.to_string(), "tag": "x" })).await;
        assert_eq!(socket.hear(SOON).await["type"], "subscribed");
    }
    socket.say(&json!({ "type": "subscribe", "id": "one more", "tag": "x" })).await;
    assert_eq!(socket.hear(SOON).await["code"], "invalid");

    socket.say_text(format!("\"{}\"", "x".repeat(70_000))).await;
    assert_eq!(socket.closed(SOON).await, 1009);
}

#[tokio::test]
async fn a_reader_that_is_slow_gets_tasks_as_they_stand_and_costs_no_memory() {
    let system = System::with_worker("default=40").await;
    let client = &system.client;
    let mut slow = Socket::open_narrow(client).await;
    slow.say(&json!({ "type": "subscribe", "id": "all", "tag": "loud" })).await;
    assert_eq!(slow.hear(SOON).await["type"], "subscribed");
    let mut loud = Vec::new();
    for _ in 0..40 {
        let input = json!({ "log_lines": 1_000, "sleep_ms": 6_000, "steps": 2_000, "text": "x".repeat(9_000) });
        loud.push(client.submit("echo", input, json!({ "tags": ["loud"] })).await);
    }
    for id in &loud {
        client.wait(id, "succeeded", Duration::from_secs(60)).await;
    }
    // Now it reads. Of each task it hears how it ended; what it does not hear of lies before a task as it stood.
    let (mut left, mut last, mut snapshots) = (loud.len(), HashMap::new(), 0);
    while left > 0 {
        let message = slow.hear(SOON).await;
        let seq = message["seq"].as_i64().expect("a number");
        let before = last.insert(message["task"].clone(), seq).unwrap_or(0);
        let is_snapshot = message["snapshot"] == true;
        assert!(seq == before + 1 || is_snapshot && seq > before, "{seq} comes behind {before}: {message}");
        snapshots += usize::from(is_snapshot);
        left -= usize::from(message["event"] == "done");
    }
    assert!(snapshots > 0, "{last:?}");
}

#[tokio::test]
async fn a_socket_is_told_when_the_server_stops() {
    let mut system = System::builder().start().await;
    let mut socket = socket(&system).await;
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.hear(SOON).await, json!({ "type": "pong" }));
    let api = system.api.take().expect("the API");
    api.sigterm();
    assert_eq!(socket.closed(SOON).await, 1001);
}

#[tokio::test]
async fn a_key_comes_with_the_request_or_as_the_first_message_and_opens_its_own_project_alone() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let own = client.submit("echo", json!({}), json!({ "tags": ["x"] })).await;
    let nobody = client.with_key("");
    let ping = json!({ "type": "ping" });

    let mut silent = Socket::open(&nobody).await;
    silent.say(&ping).await;
    assert_eq!(silent.closed(SOON).await, 4401);
    let mut wrong = Socket::open(&nobody).await;
    wrong.say(&json!({ "type": "auth", "key": "ls_live_x_y" })).await;
    assert_eq!(wrong.hear(SOON).await["code"], "unauthorized");
    assert_eq!(wrong.closed(SOON).await, 4401);
    let mut late = Socket::open(&nobody).await;
    assert_eq!(late.closed(SOON).await, 4401);
    let mut good = Socket::open(&nobody).await;
    good.say(&json!({ "type": "auth", "key": client.key })).await;
    assert_eq!(good.hear(SOON).await, json!({ "type": "authenticated" }));
    good.say(&ping).await;
    assert_eq!(good.hear(SOON).await, json!({ "type": "pong" }));

    let project = client.post("/projects", &json!({ "name": "other" })).await.expect(201).json();
    let make = async |scopes: Value| {
        let body = json!({ "name": "k", "project": project["id"], "scopes": scopes });
        let made = client.post("/keys", &body).await.expect(201).json();
        (made["key"]["id"].as_str().expect("an id").to_owned(), made["secret"].as_str().expect("a key").to_owned())
    };
    let (_, writer) = make(json!(["tasks:write"])).await;
    let mut forbidden = Socket::open(&nobody).await;
    forbidden.say(&json!({ "type": "auth", "key": writer })).await;
    assert_eq!(forbidden.hear(SOON).await["code"], "insufficient_scope");
    assert_eq!(forbidden.closed(SOON).await, 4403);

    let (id, reader) = make(json!(["tasks:read", "tasks:write"])).await;
    let stranger = client.with_key(&reader);
    let mut other = Socket::open(&stranger).await;
    other.say(&json!({ "type": "subscribe", "id": "a", "tasks": [own] })).await;
    let unknown = other.hear(SOON).await;
    assert_eq!(
        (&unknown["code"], &unknown["detail"]),
        (&json!("task_not_found"), &json!(format!("there is no task `{own}`")))
    );
    other.say(&json!({ "type": "subscribe", "id": "b", "tag": "x" })).await;
    assert_eq!(other.hear(SOON).await["type"], "subscribed");
    client.submit("echo", json!({}), json!({ "tags": ["x"] })).await;
    let theirs = stranger.submit("echo", json!({}), json!({ "tags": ["x"] })).await;
    let told = other.until(SOON, is_done(&theirs)).await;
    assert!(told.iter().all(|message| message["task"] == json!(theirs)), "{told:?}");

    // What was opened with a key is closed with it.
    client.send(client.request(Method::POST, &format!("/keys/{id}/revoke"))).await;
    assert_eq!(other.hear(SOON).await["code"], "unauthorized");
    assert_eq!(other.closed(SOON).await, 4401);
}
