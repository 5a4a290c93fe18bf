//! Schedules, as a client sees them: each fire makes one task, whatever dies, stops or is changed.

mod file;
mod life;
mod many;
mod overlap;
mod times;

use std::time::Duration;

use e2e::{Client, System, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The bound for what takes milliseconds when the machine is idle.
const SOON: Duration = Duration::from_secs(20);

/// A schedule of an `echo`: `more` are its times, and what else it says.
fn schedule(name: &str, more: Value) -> Value {
    let mut body = json!({ "name": name, "task": { "kind": "echo", "input": { "text": name } } });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

/// Makes a schedule and gives its id.
async fn create(client: &Client, body: &Value) -> String {
    let made = client.post("/schedules", body).await.expect(201).json();
    made["id"].as_str().expect("an id").to_owned()
}

async fn get(client: &Client, id: &str) -> Value {
    client.get(&format!("/schedules/{id}")).await.expect(200).json()
}

async fn patch(client: &Client, id: &str, body: Value) -> Value {
    client.send(client.request(Method::PATCH, &format!("/schedules/{id}")).json(&body)).await.expect(200).json()
}

/// POST without a body to an address under a schedule.
async fn post(client: &Client, id: &str, action: &str) -> Value {
    let answer = client.send(client.request(Method::POST, &format!("/schedules/{id}/{action}"))).await;
    assert!(answer.status.is_success(), "{answer:?}");
    answer.json()
}

/// What became of the fires of a schedule, the latest first.
async fn runs(client: &Client, id: &str) -> Vec<Value> {
    let page = client.get(&format!("/schedules/{id}/runs?limit=100")).await.expect(200).json();
    page["data"].as_array().expect("runs").clone()
}

/// Waits until the runs of a schedule are as wanted, and gives them.
async fn until_runs(client: &Client, id: &str, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually(what, SOON, async || Some(runs(client, id).await).filter(|runs| wanted(runs))).await
}

/// How many runs have this outcome.
fn count(runs: &[Value], outcome: &str) -> usize {
    runs.iter().filter(|run| run["outcome"] == outcome).count()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn instant(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(&text(value), &Rfc3339).expect("RFC 3339")
}

/// Puts the clock of schedules: from now on it goes on from a time.
async fn put_clock(system: &System, to: &str) {
    let sql = format!(
        "DO $do$ BEGIN EXECUTE format('CREATE OR REPLACE FUNCTION schedule_now() RETURNS timestamptz LANGUAGE sql STABLE
            AS $f$ SELECT now() + interval ''%s microseconds'' $f$',
            (extract(epoch FROM '{to}'::timestamptz - clock_timestamp()) * 1000000)::bigint); END $do$"
    );
    system.database.execute(&sql).await;
}
