//! Hosts are asked as they want to be asked.

use std::time::Duration;

use e2e::eventually;
use serde_json::json;

use crate::{
    SCRAPE,
    host::{Host, offer, page, status},
    scrape, system, texts,
};

#[tokio::test]
async fn robots_are_asked_once_and_obeyed() {
    let (system, host) = (system().await, Host::start().await);
    host.says("/robots.txt", [page("User-agent: *\nDisallow: /private\n")]);
    host.says("/private/kettle", [offer("1.00")]);
    host.says("/kettle", [offer("2.00")]);
    let output = scrape(&system, json!({ "url": host.at("/private/kettle") })).await;
    assert_eq!((&output["outcome"], host.heard("/private/kettle").len()), (&json!("blocked_by_robots"), 0));
    assert_eq!(scrape(&system, json!({ "url": host.at("/kettle") })).await["outcome"], "ok");
    assert_eq!(host.heard("/robots.txt").len(), 1);
}

#[tokio::test]
async fn an_address_that_is_not_public_is_refused() {
    let system = e2e::System::with_worker("default").await;
    let host = Host::start().await;
    let output = scrape(&system, json!({ "url": host.at("/") })).await;
    assert_eq!(output["outcome"], "blocked_by_policy");
    assert!(host.heard("/robots.txt").is_empty() && host.heard("/").is_empty());
}

#[tokio::test]
async fn a_host_that_wants_to_be_left_alone_is_asked_again_when_it_said() {
    let (system, host) = (system().await, Host::start().await);
    host.says("/kettle", [status(429).header("retry-after", "3"), offer("5.00")]);
    let id = system.client.submit("price.scrape", json!({ "url": host.at("/kettle") }), json!({})).await;
    // The worker does not sleep over it: the task waits, and with it when it goes on.
    let waiting = system.client.until(&id, "retrying", SCRAPE, |task| task["status"] == "retrying").await;
    assert_eq!(waiting["error"]["code"], "status", "{waiting:#}");
    assert_eq!(texts(&system, "SELECT outcome FROM price_runs").await, ["fetch"]);
    let task = system.client.wait(&id, "succeeded", SCRAPE).await;
    assert_eq!((&task["output"]["outcome"], &task["attempt"]), (&json!("ok"), &json!(2)));
    let heard = host.heard("/kettle");
    assert!(heard[1].at - heard[0].at >= Duration::from_millis(2_900), "{:?}", heard[1].at - heard[0].at);
    assert_eq!(texts(&system, "SELECT outcome FROM price_runs").await, ["ok"]);
}

#[tokio::test]
async fn all_workers_together_ask_a_host_no_faster_than_it_wants() {
    let mut system = system().await;
    system.start_worker("default=8").await;
    let host = Host::start().await;
    host.says("/robots.txt", [page("User-agent: longshore\nCrawl-delay: 0.3\n")]);
    for number in 0..6 {
        host.says(&format!("/{number}"), [offer("5.00")]);
    }
    // The rules are known before the others ask.
    scrape(&system, json!({ "url": host.at("/0") })).await;
    let mut ids = Vec::new();
    for number in 1..6 {
        ids.push(
            system.client.submit("price.scrape", json!({ "url": host.at(&format!("/{number}")) }), json!({})).await,
        );
    }
    for id in &ids {
        system.client.wait(id, "succeeded", SCRAPE).await;
    }
    let mut times: Vec<_> = (0..6).flat_map(|number| host.heard(&format!("/{number}"))).map(|heard| heard.at).collect();
    times.sort_unstable();
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Turns are given by the clock of Redis, and taken a few milliseconds later.
    assert!(gaps.iter().all(|gap| *gap >= Duration::from_millis(250)), "{gaps:?}");
}

#[tokio::test]
async fn a_host_that_fails_is_left_alone_by_everybody() {
    let (system, host) = (system().await, Host::start().await);
    host.says("/broken", [status(500)]);
    host.says("/kettle", [offer("5.00")]);
    let options = json!({ "max_attempts": 5, "retry": { "initial_ms": 1, "max_ms": 50 } });
    let id = system.client.submit("price.scrape", json!({ "url": host.at("/broken") }), options).await;
    let task = system.client.wait(&id, "failed", SCRAPE).await;
    assert_eq!(task["error"]["code"], "status");
    assert_eq!(host.heard("/broken").len(), 5);
    // The circuit is open: another task is told when to come again, and nobody asks.
    let id = system.client.submit("price.scrape", json!({ "url": host.at("/kettle") }), json!({})).await;
    let waiting = system.client.until(&id, "retrying", SCRAPE, |task| task["status"] == "retrying").await;
    assert_eq!((&waiting["error"]["code"], host.heard("/kettle").len()), (&json!("host_busy"), 0));
    eventually("the run that failed is in the book", SCRAPE, async || {
        (texts(&system, "SELECT outcome FROM price_runs").await == ["fetch"]).then_some(())
    })
    .await;
}
