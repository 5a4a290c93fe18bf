//! Metrics: every process says what it counts, in a form that Prometheus reads, and the numbers are those of what happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use e2e::{Client, System, eventually};
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

/// A page, read strictly: samples by name and labels.
struct Page {
    types: BTreeMap<String, String>,
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

/// Reads labels, `a="b",c="d"`, with their escapes.
fn labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {rest}"));
        assert!(is_name(name) && !name.contains(':'), "{name}");
        let (mut read, mut chars) = (String::new(), value.char_indices());
        let end = loop {
            match chars.next().unwrap_or_else(|| panic!("no end: {text}")) {
                (at, '"') => break at,
                (_, '\\') => match chars.next() {
                    Some((_, 'n')) => read.push('\n'),
                    Some((_, char @ ('\\' | '"'))) => read.push(char),
                    other => panic!("no escape: {other:?} in {text}"),
                },
                (_, char) => read.push(char),
            }
        };
        assert!(labels.insert(name.to_owned(), read).is_none(), "{name} twice: {text}");
        rest = &value[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    labels
}

fn is_name(text: &str) -> bool {
    let allowed = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == ':';
    text.chars().all(allowed) && text.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

impl Page {
    /// Reads the text format 0.0.4 and refuses whatever `promtool check metrics` would.
    fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let mut page = Self { types: BTreeMap::new(), samples: BTreeMap::new() };
        let (mut helped, mut current) = (BTreeSet::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help");
                assert!(is_name(name) && !help.is_empty() && helped.insert(name.to_owned()), "{line}");
                name.clone_into(&mut current);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, sort) = rest.split_once(' ').expect("a type");
                assert!(["counter", "gauge", "histogram"].contains(&sort), "{line}");
                assert_eq!(name, current, "the help comes right before the type");
                assert_eq!(sort == "counter", name.ends_with("_total"), "{line}");
                assert!(page.types.insert(name.to_owned(), sort.to_owned()).is_none(), "{name} twice");
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
                let (name, inner) = series.split_once('{').unwrap_or((series, "}"));
                let base = ["_bucket", "_sum", "_count"].into_iter().find_map(|suffix| name.strip_suffix(suffix));
                let base = base.filter(|base| page.types.get(*base).is_some_and(|sort| sort == "histogram"));
                assert_eq!(base.unwrap_or(name), current, "a sample outside of its family: {line}");
                let labels = labels(inner.strip_suffix('}').expect("the end of the labels"));
                let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
                assert!(page.samples.insert((name.to_owned(), labels), value).is_none(), "twice: {line}");
            }
        }
        page.check_histograms();
        page
    }

    /// Buckets rise, and the last one is the count.
    fn check_histograms(&self) {
        for name in self.types.iter().filter(|(_, sort)| *sort == "histogram").map(|(name, _)| name) {
            let mut last: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
            for ((_, labels), value) in
                self.samples.iter().filter(|((sample, _), _)| *sample == format!("{name}_bucket"))
            {
                let mut labels = labels.clone();
                let bound = labels.remove("le").expect("a bound");
                last.entry(labels).or_default().push((bound.parse().expect("a number"), *value));
            }
            for (labels, mut buckets) in last {
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name} {labels:?}: {buckets:?}");
                let (bound, count) = *buckets.last().expect("buckets");
                assert!(bound.is_infinite(), "{name} {labels:?}");
                assert_eq!(self.samples[&(format!("{name}_count"), labels)], count);
            }
        }
    }

    /// The sum of a name's samples that have these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |own: &BTreeMap<String, String>| {
            labels.iter().all(|(name, value)| own.get(*name).is_some_and(|v| v == value))
        };
        self.samples.iter().filter(|((own, labels), _)| own == name && fits(labels)).map(|(_, value)| value).sum()
    }
}

/// Where a process says that its metrics are.
async fn address(log: impl Fn() -> String) -> String {
    eventually("a listener", SOON, async || {
        let log = log();
        let (_, rest) = log.split_once("metrics are at http://")?;
        Some(format!("http://{}", rest.split('"').next()?))
    })
    .await
}

async fn read(client: &Client, url: &str) -> Page {
    let answer = client.get(url).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    Page::read(std::str::from_utf8(&answer.bytes).expect("UTF-8"))
}

#[tokio::test]
async fn every_process_says_what_it_counts_and_the_numbers_are_true() {
    let system = System::builder().env("LONGSHORE_METRICS_BIND", "127.0.0.1:0").worker("default=1").start().await;
    let client = &system.client;
    for fault in [json!({}), json!({}), json!({ "fault": "fail" })] {
        let id = client.submit("echo", fault, json!({})).await;
        client.until(&id, "over", SOON, |task| task["finished_at"].is_string()).await;
    }
    let running = client.submit("echo", json!({ "sleep_ms": 600_000 }), json!({})).await;
    client.wait(&running, "running", SOON).await;
    for _ in 0..3 {
        client.submit("echo", json!({}), json!({})).await;
    }

    let api = read(client, &address(|| system.api.as_ref().expect("the API").log()).await).await;
    let kind = [("queue", "default"), ("kind", "echo")];
    assert_eq!(api.sum("longshore_build_info", &[("role", "api")]), 1.0);
    assert_eq!(api.sum("longshore_queue_depth", &[("queue", "default")]), 3.0);
    assert_eq!(api.sum("longshore_tasks_waiting", &kind), 3.0);
    assert_eq!(api.sum("longshore_tasks_running", &kind), 1.0);
    assert!(api.sum("longshore_tasks_oldest_seconds", &kind) < 60.0);
    assert_eq!(api.sum("longshore_workers_needed", &[("queue", "default")]), 4.0);
    let submits = [("route", "/api/v1/tasks"), ("method", "POST"), ("status", "2xx")];
    assert_eq!(api.sum("longshore_http_requests_total", &submits), 7.0);
    assert_eq!(api.sum("longshore_http_request_duration_seconds_count", &submits[..2]), 7.0);

    let worker = read(client, &address(|| system.workers[0].log()).await).await;
    let attempts = |outcome| worker.sum("longshore_attempts_total", &[kind[0], kind[1], ("outcome", outcome)]);
    assert_eq!((attempts("succeed"), attempts("fail"), attempts("retry")), (2.0, 1.0, 0.0));
    assert_eq!(worker.sum("longshore_attempts_running", &kind), 1.0);
    assert_eq!(worker.sum("longshore_task_wait_seconds_count", &kind), 4.0);
    assert_eq!(worker.sum("longshore_task_run_seconds_count", &kind), 3.0);

    let scheduler = read(client, &address(|| system.scheduler.as_ref().expect("a scheduler").log()).await).await;
    assert_eq!(scheduler.sum("longshore_scheduler_leading", &[]), 1.0);
    assert!(scheduler.sum("longshore_postgres_connects_total", &[]) >= 1.0);
}

#[tokio::test]
async fn the_api_shows_its_metrics_to_operators_alone() {
    let system = System::builder().start().await;
    read(&system.client, "/metrics").await;
    system.client.with_key("").get("/metrics").await.expect(401);
}
