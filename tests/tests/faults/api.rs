//! The API dies, before, between and after its commits.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

use e2e::{System, eventually};
use futures::{StreamExt as _, stream};
use serde_json::json;

use crate::{AT_ONCE, LONG, SOON, none, submit_through, until_ended};

#[tokio::test]
async fn an_api_that_is_killed_keeps_what_it_promised_and_the_dispatcher_finds_it() {
    let mut system = System::with_worker("default=2").await;
    let id = system.client.submit("echo", json!({ "sleep_ms": 300 }), none()).await;
    system.api.as_mut().expect("an API").kill9();
    // As if it had died between its commit and the push: a row that is nowhere in Redis.
    let orphan = jobs_core::TaskId::new();
    system
        .database
        .execute(&format!(
            r#"INSERT INTO tasks (id, kind, queue, "group", priority, state, input, max_attempts, retry, timeout_ms, queued_at)
            VALUES ('{0}', 'echo', 'default', 'default', 0, 'queued', '{{}}', 3,
                '{{"initial_ms":1000,"factor":2,"max_ms":300000,"jitter":true}}', 60000, now());
            INSERT INTO task_events (task_id, seq, type, event, state, attempt, epoch)
            VALUES ('{0}', 1, 'status', 'submit', 'queued', 0, 0)"#,
            orphan.0
        ))
        .await;
    let committed = Instant::now();
    system.start_api().await;
    let orphan = orphan.to_string();
    for id in [&id, &orphan] {
        system.client.wait(id, "succeeded", SOON).await;
    }
    let sql = "SELECT (extract(epoch FROM started_at - queued_at) * 1000)::bigint FROM tasks ORDER BY id DESC LIMIT 1";
    let waited_ms = system.database.count(sql).await;
    println!("found and started after {waited_ms} ms ({:?} with the restart)", committed.elapsed());
    assert!(waited_ms <= 3_500, "{waited_ms} ms");
    system.holds(&[id, orphan]).await;
}

#[tokio::test]
async fn submissions_through_kills_of_the_api_become_one_task_each_and_start_within_seconds() {
    const TASKS: usize = 300;
    const KILLS: usize = 4;
    let mut system = System::with_worker("default=8").await;
    let client = system.client.clone();
    let accepted = AtomicUsize::new(0);
    let submit = async |n: usize| {
        let id = submit_through(&client, &format!("through-{n}"), &none()).await;
        accepted.fetch_add(1, Relaxed);
        id
    };
    let submissions = stream::iter(0..TASKS).map(submit).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let kills = async {
        for kill in 1..=KILLS {
            let reached = || (accepted.load(Relaxed) >= kill * TASKS / (KILLS + 1)).then_some(());
            eventually("enough are accepted", LONG, async || reached()).await;
            system.api.as_mut().expect("an API").kill9();
            system.restart_api().await;
        }
    };
    let (ids, ()) = futures::join!(submissions, kills);
    until_ended(&system, TASKS).await;
    let sql = "SELECT (extract(epoch FROM max(started_at - queued_at)) * 1000)::bigint FROM tasks";
    let slowest_ms = system.database.count(sql).await;
    println!("{KILLS} kills; the slowest of {TASKS} tasks started after {slowest_ms} ms");
    assert!(slowest_ms <= 3_500, "{slowest_ms} ms");
    system.holds(&ids).await;
}
