//! The client: it submits tasks under idempotency keys and repeats until each is accepted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use e2e::Client;
use futures::future::join_all;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

/// So many submissions are on their way at once.
const AT_ONCE: usize = 16;
/// Whoever was told to try again does so after this long.
const AGAIN: Duration = Duration::from_millis(100);
/// Every so manieth accepted task is submitted a second time.
const REPEATED: u64 = 20;
/// Every so manieth task is long: those are running somewhere at any time.
const LONG: u64 = 10;

/// What the client was told.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    /// The id of each task, by its number.
    pub(crate) ids: BTreeMap<u64, String>,
    /// Tasks that got another id when they were submitted again, and answers that make no sense.
    pub(crate) wrong: Vec<String>,
}

/// Submits `tasks` tasks, spread over this time, and returns when all are accepted.
pub(crate) async fn submit(client: Client, seed: u64, tasks: u64, spread: Duration) -> Accepted {
    let next = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let submitters = (0..AT_ONCE).map(|_| {
        let (client, next) = (client.clone(), next.clone());
        async move {
            let mut accepted = Accepted::default();
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= tasks {
                    return accepted;
                }
                tokio::time::sleep_until(began + spread.mul_f64(number as f64 / tasks as f64)).await;
                accepted.submit(&client, seed, number).await;
            }
        }
    });
    let mut all = Accepted::default();
    for mut one in join_all(submitters).await {
        all.ids.append(&mut one.ids);
        all.wrong.append(&mut one.wrong);
    }
    all
}

impl Accepted {
    async fn submit(&mut self, client: &Client, seed: u64, number: u64) {
        let key = format!("faults-{seed}-{number}");
        let body = json!({ "kind": "echo", "input": input(seed, number) });
        let times = if number.is_multiple_of(REPEATED) { 2 } else { 1 };
        for _ in 0..times {
            match until_accepted(client, &key, &body).await {
                Ok(id) => {
                    let first = self.ids.entry(number).or_insert_with(|| id.clone());
                    if *first != id {
                        self.wrong.push(format!("task {number} was accepted as {first} and again as {id}"));
                    }
                }
                Err(answer) => self.wrong.push(format!("task {number} was answered with {answer}")),
            }
        }
    }
}

/// Submits until the task is accepted, and gives its id; or what else was answered.
async fn until_accepted(client: &Client, key: &str, body: &Value) -> Result<String, String> {
    loop {
        let request = client.request(Method::POST, "/tasks").header("idempotency-key", key).json(body);
        if let Ok(answer) = client.try_send(request).await {
            let id = answer.status.is_success().then(|| answer.json()["id"].as_str().map(str::to_owned)).flatten();
            match id {
                Some(id) => return Ok(id),
                None if answer.status.as_u16() == 503 => {}
                None => return Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.bytes))),
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The input of a task: how long it takes depends on nothing but the seed and its number.
fn input(seed: u64, number: u64) -> Value {
    let mut rng = StdRng::seed_from_u64(seed.wrapping_add(number));
    let sleep_ms = if number.is_multiple_of(LONG) { rng.random_range(1_000..2_000) } else { rng.random_range(0..120) };
    json!({ "text": number.to_string(), "sleep_ms": sleep_ms })
}
