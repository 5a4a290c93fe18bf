//! Clocks that are wrong: only Postgres tells the time.

use std::process::Command;

use e2e::System;
use serde_json::json;

use crate::{SOON, none, submit_many};

/// What gives a process another time of day; its intervals stay what they are.
fn shifted(by: &str) -> Vec<(String, String)> {
    let output = Command::new("faketime").args(["-m", "-f", by, "printenv", "LD_PRELOAD"]).output();
    let output = output.expect("faketime, which bin/setup --tests installs");
    let library = String::from_utf8(output.stdout).expect("a path").trim().to_owned();
    let variables = [("LD_PRELOAD", library.as_str()), ("FAKETIME", by), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn borrow(env: &[(String, String)]) -> Vec<(&str, &str)> {
    env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn processes_whose_clocks_are_hours_apart_agree_on_everything() {
    let (early, late) = (shifted("+2h"), shifted("-2h"));
    let (early, late) = (borrow(&early), borrow(&late));
    let mut system = System::builder().without_api().without_scheduler().start().await;
    system.start_api_with(&early).await;
    system.start_scheduler_with(&late).await;
    system.start_worker_with("default=4", &early).await;
    system.start_worker_with("default=4", &late).await;

    let mut ids = submit_many(&system.client, 40, &json!({ "sleep_ms": 20 })).await;
    let delayed = system.client.submit("echo", none(), json!({ "delay_ms": 1_000 })).await;
    let long = system.client.submit("echo", json!({ "sleep_ms": 3_000 }), none()).await;
    let holder = system.holder(&long, SOON).await;
    system.workers[holder].kill9();
    ids.extend([delayed, long.clone()]);
    for id in &ids {
        system.client.wait(id, "succeeded", SOON).await;
    }
    assert_eq!(system.client.moves(&long).await, ["submit", "start", "lose", "start", "succeed"]);
    let sql = "SELECT (extract(epoch FROM started_at - created_at) * 1000)::bigint FROM tasks WHERE due_at IS NOT NULL";
    let waited_ms = system.database.count(sql).await;
    assert!((1_000..5_000).contains(&waited_ms), "due after 1 s, started after {waited_ms} ms");
    let ends = system.executions().all.into_iter().filter_map(|execution| execution.ended);
    let hours = ends.map(|(at, _)| at.hour()).collect::<std::collections::BTreeSet<_>>();
    assert!(hours.len() >= 2, "the clocks were not shifted: {hours:?}");
    // What the workers say is on their clocks: only the rows are asked.
    assert_eq!(e2e::faults(&system.database.pool, &ids).await, []);
}
