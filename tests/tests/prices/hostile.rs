//! Hosts that mean no good, or do not know better: a clear outcome, and no more memory than a page may take.

use serde_json::json;

use crate::{
    host::{Host, page, status},
    scrape, system,
};

#[tokio::test]
async fn every_hostile_body_has_a_clear_outcome() {
    let (system, host) = (system().await, Host::start().await);
    // Forty times what is read, in a hundredth of its size.
    host.says("/bomb", [page(vec![b'0'; 200 << 20]).gzipped()]);
    host.says("/loop", [status(302).header("location", "/loop")]);
    host.says("/deep", [page("<div>".repeat(10_000))]);
    let json_ld = |body: String| page(format!(r#"<script type="application/ld+json">{body}</script>"#));
    host.says("/deep-json", [json_ld("[".repeat(10_000))]);
    let controls = "{\"@type\":\"Product\",\"name\":\"a\u{1}\tb\n\",\"offers\":{\"@type\":\"Offer\",\"price\":\"7.00\",\"priceCurrency\":\"EUR\"}}";
    host.says("/controls", [json_ld(controls.to_owned())]);
    host.says("/empty", [page("")]);
    host.says("/corrupt", [page("no gzip at all").header("content-encoding", "gzip")]);
    let mut seen = Vec::new();
    for path in ["/bomb", "/loop", "/deep", "/deep-json", "/controls", "/empty", "/missing"] {
        let output = scrape(&system, json!({ "url": host.at(path) })).await;
        let detail = output["detail"].as_str().unwrap_or_default().split(':').next().unwrap_or_default().to_owned();
        seen.push((path, output["outcome"].as_str().unwrap_or_default().to_owned(), detail));
    }
    let seen: Vec<(&str, &str, &str)> =
        seen.iter().map(|(path, outcome, detail)| (*path, outcome.as_str(), detail.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("/bomb", "fetch", "body_too_large"),
            ("/loop", "fetch", "too_many_redirects"),
            ("/deep", "parse", "the page nests too deep to be read"),
            ("/deep-json", "no_price", "the page has no price"),
            ("/controls", "ok", ""),
            ("/empty", "no_price", "the page has no price"),
            ("/missing", "fetch", "status"),
        ]
    );
    let options = json!({ "max_attempts": 1 });
    let id = system.client.submit("price.scrape", json!({ "url": host.at("/corrupt") }), options).await;
    assert_eq!(system.client.wait(&id, "failed", crate::SCRAPE).await["error"]["code"], "body_corrupt");
    // A host that takes its time is given up after the time that its definition has for it.
    host.says("/slow", [page("{}").after(std::time::Duration::from_secs(20))]);
    let slow = json!({
        "id": "slow", "currency": "USD", "items": ["$"], "request": { "url": host.at("/slow"), "timeout_s": 1 },
        "fields": { "gpu": "$.gpu" }, "prices": [{ "value": "$.p", "unit": "hour", "per": "gpu", "market": "on_demand" }],
    });
    let id = system.client.submit("price.scrape", json!({ "provider": slow }), json!({ "max_attempts": 1 })).await;
    assert_eq!(system.client.wait(&id, "failed", crate::SCRAPE).await["error"]["code"], "timeout");
    // 200 MiB came out of the bomb's file; the worker held none of it.
    let pid = system.workers[0].pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let peak: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok())
        .expect("its peak");
    assert!(peak < 190 << 10, "{peak} kB at most");
}
