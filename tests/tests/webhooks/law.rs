//! The law of retries: what each sort of answer leads to, and that nobody suffers from another's silence.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};

use e2e::{Received, Receiver, Reply, eventually, quantile};
use futures::{StreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{SOON, delivery, echo, endpoint, system};

/// The waits of the law in seconds, at this pace.
fn waits(pace: f64) -> Vec<f64> {
    [5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0]
        .map(|wait: f64| wait / pace)
        .to_vec()
}

/// The times between requests in seconds.
fn gaps(seen: &[Received]) -> Vec<f64> {
    seen.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect()
}

async fn test_event(client: &e2e::Client, webhook: &str) {
    client.send(client.request(Method::POST, &format!("/webhooks/{webhook}/test"))).await.expect(202);
}

#[tokio::test]
async fn what_is_answered_with_500_is_tried_ten_times_at_the_documented_times() {
    // Three days are fourteen seconds.
    let pace = 20_000.0;
    let system = system(&pace.to_string()).await;
    let receiver = Receiver::start(|_| Reply::status(500)).await;
    let (id, _) = endpoint(&system.client, &receiver.url("/"), json!({})).await;
    test_event(&system.client, &id).await;
    let seen = receiver.wait(10, Duration::from_secs(60)).await;
    for (gap, wait) in gaps(&seen).into_iter().zip(waits(pace)) {
        // A tenth of jitter, and what a busy machine adds.
        assert!(gap >= wait * 0.89 && gap <= wait * 1.11 + 1.0, "{gap} s instead of {wait} s");
    }
    let failed = delivery(&system.client, &id, "it is given up", |delivery| delivery["status"] == "failed").await;
    assert_eq!(failed["attempts"].as_array().map(Vec::len), Some(10));
    assert!(seen.iter().all(|other| other.id() == seen[0].id() && other.body == seen[0].body));
    assert_eq!(receiver.count(), 10);
}

#[tokio::test]
async fn a_redirect_is_not_followed_a_reset_and_a_silence_are_failures_and_the_log_has_a_word_for_each() {
    let builder = e2e::System::builder().env("LONGSHORE_OUTBOUND_ALLOW", "127.0.0.0/8");
    let system = builder.env("LONGSHORE_WEBHOOKS_TIMEOUT", "300ms").start().await;
    let elsewhere = Receiver::ok().await;
    let location = elsewhere.url("/");
    let redirecting = Receiver::start(move |_| Reply::Status(307, vec![("location", location.clone())])).await;
    let resetting = Receiver::start(|_| Reply::Reset).await;
    let hanging = Receiver::start(|_| Reply::Hang).await;
    let nobody = Receiver::ok().await.url("/");
    for (url, error, status) in [
        (redirecting.url("/"), "redirected", json!(307)),
        (resetting.url("/"), "closed", Value::Null),
        (hanging.url("/"), "timeout", Value::Null),
        (nobody, "connect_failed", Value::Null),
    ] {
        let (id, _) = endpoint(&system.client, &url, json!({})).await;
        test_event(&system.client, &id).await;
        let tried = delivery(&system.client, &id, error, |delivery| delivery["attempts"][0].is_object()).await;
        assert_eq!(
            (&tried["attempts"][0]["error"], &tried["attempts"][0]["status"]),
            (&json!(error), &status),
            "{tried:#}"
        );
        assert_eq!(tried["status"], "pending");
        assert!(tried["next_attempt_at"].is_string(), "{tried:#}");
    }
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn whoever_says_410_is_disabled_and_the_others_of_its_project_hear_of_it() {
    let system = system("1").await;
    let client = &system.client;
    let gone = Receiver::start(|_| Reply::status(410)).await;
    let other = Receiver::ok().await;
    let (id, _) = endpoint(client, &gone.url("/"), json!({ "events": ["task.succeeded"] })).await;
    endpoint(client, &other.url("/"), json!({ "events": ["webhook.*"] })).await;
    echo(client, json!({})).await;
    let seen = other.wait(1, SOON).await;
    let told = seen[0].json();
    assert_eq!(
        (&told["type"], &told["data"]["id"], &told["data"]["reason"]),
        (&json!("webhook.disabled"), &json!(id), &json!("gone"))
    );
    let read = client.get(&format!("/webhooks/{id}")).await.expect(200).json();
    assert_eq!((&read["enabled"], &read["disabled_reason"]), (&json!(false), &json!("gone")));
    let again = echo(client, json!({})).await;
    client.wait(&again, "succeeded", SOON).await;
    assert_eq!(gone.count(), 1);
}

#[tokio::test]
async fn an_endpoint_that_fails_for_five_days_is_disabled() {
    // Five days are two seconds.
    let system = system("216000").await;
    let client = &system.client;
    let failing = Receiver::start(|_| Reply::status(500)).await;
    let other = Receiver::ok().await;
    let (id, _) = endpoint(client, &failing.url("/"), json!({ "events": ["task.succeeded"] })).await;
    endpoint(client, &other.url("/"), json!({ "events": ["webhook.disabled"] })).await;
    let began = Instant::now();
    while other.count() == 0 {
        echo(client, json!({})).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(began.elapsed() < SOON, "it is still told");
    }
    assert!(began.elapsed() > Duration::from_secs(2), "too early");
    let read = client.get(&format!("/webhooks/{id}")).await.expect(200).json();
    assert_eq!(read["disabled_reason"], "failing");
    // What it was still to be told is canceled.
    let pending = "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending' AND webhook IS NOT NULL";
    eventually("nothing is pending", SOON, async || (system.database.count(pending).await == 0).then_some(())).await;
}

#[tokio::test]
async fn an_endpoint_that_asks_for_rest_gets_it_for_all_that_it_is_told() {
    let system = system("1").await;
    let receiver = Receiver::start({
        let count = AtomicUsize::new(0);
        move |_| match count.fetch_add(1, SeqCst) {
            0 => Reply::status(204),
            1 => Reply::Status(429, vec![("retry-after", "3".to_owned())]),
            _ => Reply::status(204),
        }
    })
    .await;
    endpoint(&system.client, &receiver.url("/"), json!({ "events": ["task.succeeded"] })).await;
    for _ in 0..2 {
        echo(&system.client, json!({})).await;
    }
    receiver.wait(2, SOON).await;
    let third = echo(&system.client, json!({})).await;
    let seen = receiver.wait(3, SOON).await;
    // The one behind waits, too, although it is new.
    assert_eq!(seen[2].json()["data"]["id"], json!(third));
    let rest = (seen[2].at - seen[1].at).as_secs_f64();
    assert!((2.9..6.0).contains(&rest), "{rest} s");
}

#[tokio::test]
async fn what_is_told_of_a_task_waits_for_what_was_told_of_it_before() {
    let system = system("50").await;
    let receiver = Receiver::start({
        let count = AtomicUsize::new(0);
        // What comes first is received at the third attempt: after a bit more than six seconds.
        move |_| Reply::status(if count.fetch_add(1, SeqCst) < 2 { 500 } else { 204 })
    })
    .await;
    endpoint(&system.client, &receiver.url("/"), json!({})).await;
    echo(&system.client, json!({})).await;
    let seen = receiver.wait(5, Duration::from_secs(60)).await;
    let told: Vec<String> = seen.iter().map(Received::event).collect();
    assert_eq!(told, ["task.queued", "task.queued", "task.queued", "task.started", "task.succeeded"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_dead_endpoints_do_not_slow_a_living_one() {
    const TASKS: usize = 100;
    let builder = e2e::System::builder().env("LONGSHORE_OUTBOUND_ALLOW", "127.0.0.0/8");
    let system = builder.env("LONGSHORE_API_RATE_LIMITS", "").worker("default=8").start().await;
    let client = &system.client;
    let receiver = Receiver::ok().await;
    let hanging = Receiver::start(|_| Reply::Hang).await;
    let nobody = Receiver::ok().await.url("/");
    let measure = async || {
        let before = receiver.count();
        for _ in 0..TASKS {
            echo(client, json!({ "group": "alive" })).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let seen = receiver.wait(before + TASKS, Duration::from_secs(60)).await;
        let mut late: Vec<Duration> = seen[before..].iter().map(lateness).collect();
        (quantile(&mut late, 0.5), quantile(&mut late, 0.99))
    };
    endpoint(client, &receiver.url("/"), json!({ "events": ["task.succeeded"], "groups": ["alive"] })).await;
    measure().await;
    let alone = measure().await;
    let dead = |n: usize| if n.is_multiple_of(2) { hanging.url("/") } else { nobody.clone() };
    let made = stream::iter(0..1_000).map(|n| {
        let body = json!({ "url": dead(n), "events": ["task.succeeded"], "groups": ["dead"] });
        async move { client.post("/webhooks", &body).await.expect(201) }
    });
    made.buffer_unordered(8).for_each(async |_| {}).await;
    // All of them are told of much, and hold what they can.
    for _ in 0..10 {
        echo(client, json!({ "group": "dead" })).await;
    }
    hanging.wait(500, Duration::from_secs(60)).await;
    // Making the deliveries is work; what is measured is what those that are dead cost.
    let made = "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'";
    eventually("all deliveries are made", SOON, async || (system.database.count(made).await == 10_000).then_some(()))
        .await;
    let beside = measure().await;
    println!(
        "from the end of a task to its receipt: p50 {:?}, p99 {:?} alone; p50 {:?}, p99 {:?} beside 1,000 dead",
        alone.0, alone.1, beside.0, beside.1
    );
    // A test of the law and not of the machine: the figure that counts is printed. Whoever waited for one silence waited 15 s.
    assert!(beside.1 < Duration::from_secs(2), "{beside:?}");
}

/// How long after its event a request came.
fn lateness(seen: &Received) -> Duration {
    let said = seen.json()["timestamp"].as_str().expect("a time").to_owned();
    let format = &time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(&said, format).expect("a time");
    let received = std::time::SystemTime::now() - seen.at.elapsed();
    received.duration_since(at.into()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_delivered_at_once_and_each_of_it_once() {
    const TASKS: usize = 3_000;
    let mut system = e2e::System::builder()
        .env("LONGSHORE_OUTBOUND_ALLOW", "127.0.0.0/8")
        .env("LONGSHORE_API_RATE_LIMITS", "")
        .without_scheduler()
        .start()
        .await;
    let receiver = Receiver::ok().await;
    endpoint(&system.client, &receiver.url("/"), json!({ "events": ["task.queued"] })).await;
    for _ in 0..TASKS / 1_000 {
        let batch: Vec<Value> = (0..1_000).map(|_| json!({ "kind": "echo", "input": {} })).collect();
        system.client.post("/tasks/batch", &batch.into()).await.expect(202);
    }
    system.start_scheduler().await;
    let written = "SELECT count(*) FROM webhook_deliveries WHERE status = 'succeeded'";
    let all = i64::try_from(TASKS).expect("a number");
    eventually("all are written down", Duration::from_secs(60), async || {
        (system.database.count(written).await == all).then_some(())
    })
    .await;
    let seen = receiver.seen();
    let took = seen[TASKS - 1].at - seen[0].at;
    let connections = seen.iter().filter(|seen| seen.nth == 0).count();
    println!("{:.0} deliveries a second, over {connections} connections", TASKS as f64 / took.as_secs_f64());
    let ids: std::collections::BTreeSet<&str> = seen.iter().map(Received::id).collect();
    assert_eq!((seen.len(), ids.len()), (TASKS, TASKS));
    assert!(connections <= 16, "connections are kept: {connections}");
}
