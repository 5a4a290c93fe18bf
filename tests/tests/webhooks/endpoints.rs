//! The endpoints themselves: made, listed, changed, tested, rotated, removed.

use e2e::{Receiver, Reply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{SOON, change, delivery, echo, endpoint, system};

#[tokio::test]
async fn an_endpoint_is_made_read_changed_listed_and_removed() {
    let system = system("1").await;
    let client = &system.client;
    let receiver = Receiver::ok().await;
    let (first, secret) =
        endpoint(client, &receiver.url("/1"), json!({ "description": "the first", "ed25519": true })).await;
    let (second, _) = endpoint(client, &receiver.url("/2"), json!({})).await;
    assert!(secret.starts_with("whsec_"), "{secret}");
    let read = client.get(&format!("/webhooks/{first}")).await.expect(200).json();
    assert_eq!(
        (&read["description"], &read["enabled"], &read["events"]),
        (&json!("the first"), &json!(true), &json!(["*"]))
    );
    assert!(read["public_key"].as_str().is_some_and(|key| key.starts_with("whpk_")), "{read:#}");
    assert!(!read.to_string().contains(&secret), "a secret is shown once");
    let stored: String = sqlx::query_scalar(
        "SELECT w::text || l::text FROM webhooks w, (SELECT count(*) FROM webhook_lanes) AS l LIMIT 1",
    )
    .fetch_one(&system.database.pool)
    .await
    .expect("a row");
    assert!(!stored.contains(&secret[6..]), "{stored}");

    let page = client.get("/webhooks?limit=1").await.expect(200).json();
    assert_eq!((&page["data"][0]["id"], &page["has_more"]), (&json!(second), &json!(true)));
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let page = client.get(&format!("/webhooks?limit=1&cursor={cursor}")).await.expect(200).json();
    assert_eq!(
        (&page["data"][0]["id"], &page["has_more"], &page["next_cursor"]),
        (&json!(first), &json!(false), &Value::Null)
    );

    let changed = change(client, &first, json!({ "enabled": false, "kinds": ["echo"] })).await;
    assert_eq!((&changed["disabled_reason"], &changed["kinds"]), (&json!("asked"), &json!(["echo"])));
    assert_eq!(
        client.send(client.request(Method::POST, &format!("/webhooks/{first}/test"))).await.expect(409).code(),
        "webhook_disabled"
    );
    client.send(client.request(Method::DELETE, &format!("/webhooks/{first}"))).await.expect(204);
    for path in ["", "/deliveries", "/stats"] {
        assert_eq!(client.get(&format!("/webhooks/{first}{path}")).await.expect(404).code(), "webhook_not_found");
    }
    assert_eq!(client.get("/webhooks").await.expect(200).json()["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_is_wrong_with_an_endpoint_is_said_by_pointer_all_at_once() {
    let system = system("1").await;
    let wrong = json!({ "url": "http://10.0.0.1/", "events": ["task.*", "Task"], "secret": "whsec_x" });
    let problem = system.client.post("/webhooks", &wrong).await.expect(422);
    assert_eq!(problem.pointers(), ["/url", "/events/1", "/secret"]);
    assert!(problem.json().to_string().contains("LONGSHORE_OUTBOUND_ALLOW"), "{}", problem.json());
    assert_eq!(
        system.client.post("/webhooks", &json!({ "events": [] })).await.expect(422).pointers(),
        ["/events", "/url"]
    );
    let task = json!({ "kind": "echo", "input": { "sleep_ms": -1 }, "webhook": { "url": "gopher://x/", "colour": 1 } });
    let pointers = system.client.post("/tasks", &task).await.expect(422).pointers();
    assert_eq!(pointers, ["/input/sleep_ms", "/webhook/colour", "/webhook/url"]);
}

#[tokio::test]
async fn a_test_event_is_delivered_and_its_log_says_how() {
    let system = system("1").await;
    let client = &system.client;
    let receiver = Receiver::start(|_| Reply::Status(200, vec![("x-seen", "yes".to_owned())])).await;
    let (id, _) =
        endpoint(client, &receiver.url("/hook?a=b"), json!({ "events": ["task.failed"], "kinds": ["none"] })).await;
    let sent = client.send(client.request(Method::POST, &format!("/webhooks/{id}/test"))).await.expect(202).json();
    let seen = receiver.wait(1, SOON).await;
    assert_eq!((seen[0].event().as_str(), seen[0].path.as_str()), ("webhook.test", "/hook?a=b"));
    assert_eq!(sent["message_id"], seen[0].id());
    delivery(client, &id, "it is written down", |delivery| delivery["status"] == "succeeded").await;
    let delivery = sent["id"].as_str().expect("an id");
    let read = client.get(&format!("/webhooks/{id}/deliveries/{delivery}")).await.expect(200).json();
    let attempt = &read["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["attempt"]), (&json!(200), &json!(1)), "{read:#}");
    assert_eq!(attempt["details"]["request"]["headers"]["webhook-id"], seen[0].id());
    assert_eq!(attempt["details"]["response"]["headers"]["x-seen"], "yes");
    assert!(attempt["details"]["timings"]["first_byte_ms"].is_u64(), "{read:#}");
    assert_eq!(read["body"], seen[0].json());
    let stats = client.get(&format!("/webhooks/{id}/stats")).await.expect(200).json();
    assert_eq!(
        (&stats["succeeded"], &stats["pending"], &stats["success_percent"]),
        (&json!(1), &json!(0), &json!(100.0))
    );
    // The same message again, under the same id.
    client
        .send(client.request(Method::POST, &format!("/webhooks/{id}/deliveries/{delivery}/redeliver")))
        .await
        .expect(202);
    let seen = receiver.wait(2, SOON).await;
    assert_eq!((seen[0].id(), &seen[0].body), (seen[1].id(), &seen[1].body));
}

#[tokio::test]
async fn what_was_not_received_in_a_range_is_recovered() {
    let system = system("1e6").await;
    let client = &system.client;
    let receiver = Receiver::start(|_| Reply::status(500)).await;
    let well = Receiver::ok().await;
    let (id, _) = endpoint(client, &receiver.url("/"), json!({ "events": ["task.succeeded"] })).await;
    let mut tasks = Vec::new();
    for _ in 0..3 {
        tasks.push(echo(client, json!({})).await);
    }
    // All attempts are used up, or all of five days failed, whichever is sooner at this pace.
    let ended = "SELECT count(*) FROM webhook_deliveries WHERE status IN ('failed', 'canceled')";
    e2e::eventually("they are given up", SOON, async || (system.database.count(ended).await == 3).then_some(())).await;
    change(client, &id, json!({ "url": well.url("/"), "enabled": true })).await;
    let range = json!({ "since": "2020-01-01T00:00:00Z" });
    let answer = client.post(&format!("/webhooks/{id}/recover"), &range).await.expect(202).json();
    assert_eq!((&answer["recovered"], &answer["next_cursor"]), (&json!(3), &Value::Null));
    let seen = well.wait(3, SOON).await;
    let mut told: Vec<_> =
        seen.iter().map(|seen| seen.json()["data"]["id"].as_str().expect("an id").to_owned()).collect();
    told.sort_unstable();
    assert_eq!(told, tasks);
}
