//! What is told: the events of a task, in order, with the task as the API shows it.

use e2e::{Receiver, eventually};
use reqwest::Method;
use serde_json::json;

use crate::{SOON, change, echo, endpoint, system};

#[tokio::test]
async fn an_endpoint_hears_every_move_of_a_task_in_order_and_reads_it_as_the_api_shows_it() {
    let system = system("1").await;
    let receiver = Receiver::ok().await;
    endpoint(&system.client, &receiver.url("/hook"), json!({})).await;
    let id = echo(&system.client, json!({ "tags": ["quay"], "metadata": { "ship": "Anna" } })).await;
    let seen = receiver.wait(3, SOON).await;
    let told: Vec<String> = seen.iter().map(e2e::Received::event).collect();
    assert_eq!(told, ["task.queued", "task.started", "task.succeeded"]);
    let statuses: Vec<_> = seen.iter().map(|seen| seen.json()["data"]["status"].clone()).collect();
    assert_eq!(statuses, ["queued", "running", "succeeded"]);
    let versions: Vec<_> = seen.iter().map(|seen| seen.json()["data"]["version"].clone()).collect();
    assert_eq!(versions, [1, 2, 3]);
    assert!(seen[1].json()["data"].get("finished_at").is_none(), "{}", seen[1].body);

    // But for the base of the addresses, which nobody told the scheduler.
    let task = system.client.task(&id).await.to_string().replace(&system.client.url, "");
    assert_eq!(seen[2].json()["data"].to_string(), task);
    let ids: std::collections::BTreeSet<&str> = seen.iter().map(e2e::Received::id).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| id.starts_with("msg_")), "{ids:?}");
}

#[tokio::test]
async fn a_task_tells_its_own_receiver_how_it_ended_and_needs_no_endpoint() {
    let system = system("1").await;
    let receiver = Receiver::ok().await;
    let id = echo(&system.client, json!({ "webhook": { "url": receiver.url("/own") } })).await;
    let other = echo(&system.client, json!({})).await;
    let seen = receiver.wait(1, SOON).await;
    assert_eq!((seen[0].event().as_str(), &seen[0].json()["data"]["id"]), ("task.succeeded", &json!(id)));
    assert_eq!(seen[0].header("webhook-signature"), None, "it named no secret");
    let deliveries = eventually("the delivery is written down", SOON, async || {
        let page = system.client.get(&format!("/tasks/{id}/deliveries")).await.expect(200).json();
        (page["data"][0]["status"] == "succeeded").then_some(page)
    })
    .await;
    assert_eq!(deliveries["data"][0]["attempts"][0]["status"], 204, "{deliveries:#}");
    system.client.wait(&other, "succeeded", SOON).await;
    let batch = json!([
        { "kind": "echo", "input": {}, "webhook": { "url": receiver.url("/a"), "events": ["task.started"] } },
        { "kind": "echo", "input": {} },
        { "kind": "echo", "input": {}, "webhook": { "url": receiver.url("/b"), "events": ["task.*"] } },
    ]);
    system.client.post("/tasks/batch", &batch).await.expect(202);
    let seen = receiver.wait(5, SOON).await;
    let of = |path: &str| seen.iter().filter(|seen| seen.path == path).map(e2e::Received::event).collect::<Vec<_>>();
    assert_eq!(
        (of("/a"), of("/b")),
        (
            vec!["task.started".to_owned()],
            ["queued", "started", "succeeded"].map(|word| format!("task.{word}")).to_vec()
        )
    );
}

#[tokio::test]
async fn filters_choose_by_event_kind_tag_and_group_and_a_disabled_endpoint_hears_nothing() {
    let system = system("1").await;
    let receiver = Receiver::ok().await;
    let tags = json!({ "events": ["task.succeeded"], "tags": ["quay"] });
    endpoint(&system.client, &receiver.url("/tags"), tags).await;
    endpoint(&system.client, &receiver.url("/groups"), json!({ "events": ["task.succeeded"], "groups": ["harbour"] }))
        .await;
    endpoint(&system.client, &receiver.url("/kinds"), json!({ "kinds": ["video.generate"] })).await;
    endpoint(&system.client, &receiver.url("/failed"), json!({ "events": ["task.failed"] })).await;
    let (off, _) = endpoint(&system.client, &receiver.url("/off"), json!({ "enabled": false })).await;
    for options in [json!({ "tags": ["quay", "x"] }), json!({ "group": "harbour" }), json!({})] {
        let id = echo(&system.client, options).await;
        system.client.wait(&id, "succeeded", SOON).await;
    }
    // Whoever is enabled is told of what nobody has looked at yet, too.
    let unseen = "SELECT count(*) FROM webhook_outbox";
    eventually("all of it is looked at", SOON, async || (system.database.count(unseen).await == 0).then_some(())).await;
    // The last one that could have told anybody anything.
    change(&system.client, &off, json!({ "enabled": true, "events": ["task.succeeded"] })).await;
    let last = echo(&system.client, json!({})).await;
    let seen = eventually("the endpoint that was enabled hears", SOON, async || {
        Some(receiver.seen()).filter(|seen| seen.iter().any(|seen| seen.path == "/off"))
    })
    .await;
    let mut paths: Vec<&str> = seen.iter().map(|seen| seen.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/groups", "/off", "/tags"]);
    let off = seen.iter().find(|seen| seen.path == "/off").expect("it was there");
    assert_eq!(off.json()["data"]["id"], json!(last));
}

#[tokio::test]
async fn tasks_that_were_there_before_the_first_endpoint_are_told_of_from_then_on() {
    let system = system("1").await;
    let waiting = echo(&system.client, json!({ "delay_ms": 3_600_000 })).await;
    let ended = echo(&system.client, json!({})).await;
    system.client.wait(&ended, "succeeded", SOON).await;
    let receiver = Receiver::ok().await;
    endpoint(&system.client, &receiver.url("/"), json!({})).await;
    let sql = "SELECT count(*) FROM webhook_marks";
    eventually("the tasks are marked", SOON, async || (system.database.count(sql).await == 0).then_some(())).await;
    system.client.cancel(&waiting).await.expect(200);
    let seen = receiver.wait(1, SOON).await;
    assert_eq!((seen[0].event().as_str(), &seen[0].json()["data"]["id"]), ("task.canceled", &json!(waiting)));
}

#[tokio::test]
async fn a_long_task_is_told_thin() {
    let system = system("1").await;
    let receiver = Receiver::ok().await;
    endpoint(&system.client, &receiver.url("/"), json!({ "events": ["task.succeeded"] })).await;
    // It is in the input, and in the output.
    let text = "x".repeat(10_000);
    let id = system.client.submit("echo", json!({ "text": text }), json!({})).await;
    let seen = receiver.wait(1, SOON).await;
    assert!(seen[0].body.len() < 3_000, "{}", seen[0].body.len());
    let data = &seen[0].json()["data"];
    assert_eq!((&data["id"], &data["status"], &data["thin"]), (&json!(id), &json!("succeeded"), &json!(true)));
    let itself = data["urls"]["self"].as_str().expect("an address");
    let whole = system.client.send(system.client.request(Method::GET, &format!("{}{itself}", system.client.url))).await;
    assert_eq!(whole.expect(200).json()["input"]["text"], text);
}
