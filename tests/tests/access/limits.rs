//! How often somebody may ask, and how many at once.

use std::time::Duration;

use e2e::{Answer, Client, System, eventually};
use futures::{StreamExt as _, future::join_all, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{SOON, make_key, new_project, second_api};

fn briefing() -> Value {
    json!({ "title": "A quay", "description": "Ships come. Ships go.", "duration": 15, "style": "minimal", "tone": "calm" })
}

async fn ask_for_video(client: &Client, forwarded: &str) -> Answer {
    let request = client.request(Method::POST, "/videos/generate").header("x-forwarded-for", forwarded);
    client.send(request.json(&briefing())).await
}

#[tokio::test]
async fn a_thousand_requests_with_made_up_addresses_pass_no_more_than_the_limit() {
    const LIMIT: usize = 100;
    let env = ("LONGSHORE_API_RATE_LIMITS", "read=100/1h");
    let system = System::builder().env(env.0, env.1).env("LONGSHORE_NO_AUTH", "true").without_scheduler().start().await;
    // Without a key it is the address that counts, and two servers count together.
    let (_api, second) = second_api(&system).await;
    let clients = [system.client.with_key(""), second.with_key("")];
    let clients = &clients;
    let ask = async |n: usize| {
        let request = clients[n % 2].request(Method::GET, "/kinds");
        let forwarded = format!("198.51.{}.{}, 2001:db8::{n:x}", n / 250, n % 250);
        let answer = clients[n % 2].send(request.header("x-forwarded-for", forwarded)).await;
        assert!(answer.header("ratelimit-policy") == Some("\"hour\";q=100;w=3600"), "{answer:?}");
        answer.status.as_u16()
    };
    let statuses: Vec<u16> = stream::iter(0..1_000).map(ask).buffer_unordered(32).collect().await;
    let passed = statuses.iter().filter(|status| **status == 200).count();
    println!("{passed} of 1,000 passed a limit of {LIMIT}");
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    assert!((LIMIT..=LIMIT + LIMIT / 10).contains(&passed), "{passed}");
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_limit() {
    let system = System::builder()
        .env("LONGSHORE_API_RATE_LIMITS", "read=2/1h")
        .env("LONGSHORE_API_TRUSTED_PROXIES", "127.0.0.0/8")
        .env("LONGSHORE_NO_AUTH", "true")
        .without_scheduler()
        .start()
        .await;
    let from = async |forwarded: &str| {
        let request = system.client.request(Method::GET, "/kinds").header("x-forwarded-for", forwarded);
        system.client.send(request).await.status.as_u16()
    };
    for client in ["198.51.100.1", "198.51.100.2", "2001:db8:1:2::1"] {
        assert_eq!((from(client).await, from(client).await, from(client).await), (200, 200, 429), "{client}");
    }
    // What a client says itself stands in front and counts for nothing; a network of IPv6 is one client.
    assert_eq!(from("203.0.113.9, 198.51.100.1").await, 429);
    assert_eq!(from("2001:db8:1:2:ffff::9").await, 429);
}

#[tokio::test]
async fn five_videos_a_minute_are_what_a_key_may_ask_for_and_its_own_limits_win() {
    let mut system = System::builder().without_scheduler().start().await;
    let client = new_project(&system, "films").await;
    for left in (0..5).rev() {
        let answer = ask_for_video(&client, "198.51.100.1").await.expect(202);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"minute\";q=5;w=60"));
        let said = answer.header("ratelimit").expect("a header").to_owned();
        assert!(said.starts_with(&format!("\"minute\";r={left};t=")), "{said}");
    }
    let refused = ask_for_video(&client, "198.51.100.2").await.expect(429);
    let wait: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("a number");
    assert!((1..=12).contains(&wait), "{wait}");
    assert_eq!(refused.json()["error"], "rate_limited");
    // Another key is another caller; what is not limited says nothing of limits.
    ask_for_video(&new_project(&system, "others").await, "x").await.expect(202);
    assert_eq!(client.get("/tasks").await.expect(200).header("ratelimit"), None);

    let limits = json!({ "videos": { "limit": 1, "per_ms": 3_600_000 } });
    let body = json!({ "name": "less", "scopes": ["tasks:write"], "limits": limits });
    let (id, key) = make_key(&system.client, body).await;
    let less = system.client.with_key(&key);
    ask_for_video(&less, "x").await.expect(202);
    ask_for_video(&less, "x").await.expect(429);
    let row = system.client.get(&format!("/keys/{id}")).await.expect(200).json();
    assert_eq!(row["limits"]["videos"]["limit"], 1);

    // Without Redis each process counts for itself.
    system.api = None;
    system.start_api_with(&[("REDIS_URL", "redis://127.0.0.1:1")]).await;
    let client = system.client.with_key(&client.key);
    let statuses: Vec<u16> =
        join_all((0..8).map(|_| ask_for_video(&client, "x"))).await.iter().map(|a| a.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 5, "{statuses:?}");
}

#[tokio::test]
async fn what_is_too_much_at_once_is_refused_and_health_is_answered() {
    let system = System::builder().env("LONGSHORE_API_MAX_WAITING", "2").without_scheduler().start().await;
    let client = &system.client;
    let id = client.submit("echo", json!({}), json!({ "delay_ms": 3_600_000 })).await;
    let mut streams = vec![client.events(&id, None).await, client.events(&id, None).await];
    let third = client.get(&format!("/tasks/{id}?wait=5")).await.expect(503);
    assert_eq!((third.code().as_str(), third.header("retry-after")), ("overloaded", Some("1")));
    client.get("/health").await.expect(200);
    client.task(&id).await;
    // A stream that is gone leaves its place.
    streams.pop();
    eventually("there is a place", SOON, async || {
        (client.get(&format!("/tasks/{id}?wait=1")).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn strangers_who_try_keys_are_slowed_down_by_address() {
    let env = ("LONGSHORE_API_RATE_LIMITS", "strangers=10/1h");
    let system = System::builder().env(env.0, env.1).without_scheduler().start().await;
    let stranger = system.client.with_key("a-guess");
    let statuses: Vec<u16> =
        join_all((0..20).map(|_| stranger.get("/tasks"))).await.iter().map(|a| a.status.as_u16()).collect();
    let count = |status: u16| statuses.iter().filter(|found| **found == status).count();
    assert_eq!((count(401), count(429)), (10, 10), "{statuses:?}");
    // Who has a key is not meant.
    system.client.get("/tasks").await.expect(200);
    tokio::time::timeout(Duration::from_secs(1), stranger.get("/health")).await.expect("an answer").expect(200);
}

#[tokio::test]
async fn a_deeply_nested_body_is_refused_and_costs_nothing() {
    let system = System::builder().without_scheduler().start().await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let body = format!("{{\"kind\":\"echo\",\"input\":{}1{}}}", open.repeat(100_000), close.repeat(100_000));
        let request = system.client.request(Method::POST, "/tasks").header("content-type", "application/json");
        let answer = system.client.send(request.body(body)).await.expect(400);
        assert_eq!(answer.code(), "malformed");
    }
    system.client.get("/health").await.expect(200);
}
