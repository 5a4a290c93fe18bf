//! Redis is away, empty, or slow.

use std::time::{Duration, Instant};

use e2e::{Mode, Proxy, Servers, System, eventually};
use serde_json::json;

use crate::{SOON, all_live, new_task, none, submit_many, until_ended};

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_tasks_are_accepted_and_run() {
    let servers = Servers::private();
    let mut system = System::builder().on(&servers).worker("default=2").start().await;
    let pid = system.workers[0].pid();
    servers.own().stop_redis().expect("stop Redis");
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(system.client.submit("echo", none(), none()).await);
    }
    let delayed = system.client.submit("echo", none(), json!({ "delay_ms": 500 })).await;
    ids.push(delayed);
    for id in &ids {
        system.client.wait(id, "succeeded", SOON).await;
    }
    let ready = system.client.get("/ready").await.expect(200).json();
    assert_eq!(ready["status"], "degraded", "{ready:#}");

    servers.own().start_redis().expect("start Redis");
    eventually("Redis is used again", SOON, async || {
        let ready = system.client.get("/ready").await.json();
        (ready["status"] == "ok").then_some(())
    })
    .await;
    for _ in 0..10 {
        let id = system.client.submit("echo", none(), none()).await;
        system.client.wait(&id, "succeeded", SOON).await;
        ids.push(id);
    }
    assert!(system.workers[0].is_alive() && system.workers[0].pid() == pid);
    system.holds(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_loses_everything_again_and_again_costs_nobody_more_than_seconds() {
    const ROUNDS: usize = 6;
    let servers = Servers::private();
    let mut system = System::builder().on(&servers).worker("default=8").worker("default=8").start().await;
    let mut ids = Vec::new();
    for round in 0..ROUNDS {
        // More than can run at once: some are in Redis alone when it goes.
        ids.extend(submit_many(&system.client, 60, &json!({ "sleep_ms": 50 })).await);
        if round % 2 == 0 {
            tokio::task::block_in_place(|| servers.kill_redis());
        } else {
            let () = redis::cmd("FLUSHALL").query_async(&mut system.redis().await).await.expect("FLUSHALL");
        }
        ids.extend(submit_many(&system.client, 20, &none()).await);
        until_ended(&system, ids.len()).await;
    }
    all_live(&mut system);
    let sql = "SELECT (extract(epoch FROM max(started_at - queued_at)) * 1000)::bigint FROM tasks";
    let slowest_ms = system.database.count(sql).await;
    println!("{ROUNDS} losses; the slowest of {} tasks started after {slowest_ms} ms", ids.len());
    assert!(slowest_ms <= 3_500, "{slowest_ms} ms");
    system.holds(&ids).await;
}

#[tokio::test]
async fn while_redis_is_stalled_tasks_are_accepted_and_afterwards_all_run_once() {
    let mut system = System::builder().without_api().without_scheduler().start().await;
    let proxy = Proxy::before(system.servers().redis_url()).await;
    let env = [("REDIS_URL", proxy.url.as_str())];
    system.start_api_with(&env).await;
    system.start_scheduler_with(&env).await;
    system.start_worker_with("default=4", &env).await;
    let mut ids = submit_many(&system.client, 40, &json!({ "sleep_ms": 50 })).await;
    proxy.set(Mode::Stall);
    let stalled = Instant::now();
    ids.extend(submit_many(&system.client, 40, &none()).await);
    println!("accepted within {:?} while Redis was stalled", stalled.elapsed());
    tokio::time::sleep(Duration::from_secs(2).saturating_sub(stalled.elapsed())).await;
    proxy.set(Mode::Pass);
    until_ended(&system, ids.len()).await;
    all_live(&mut system);
    system.holds(&ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_work_goes_on_at_half_its_rate_at_least() {
    const TASKS: usize = 240;
    let servers = Servers::private();
    let mut system = System::builder().on(&servers).worker("default=8").start().await;
    let mut ids = Vec::new();
    let mut took = Vec::new();
    for with_redis in [true, false] {
        if !with_redis {
            servers.own().stop_redis().expect("stop Redis");
        }
        // The time that they take is their own, not that of the machine.
        let began = Instant::now();
        ids.extend(submit_many(&system.client, TASKS, &json!({ "sleep_ms": 100 })).await);
        until_ended(&system, ids.len()).await;
        took.push(began.elapsed());
    }
    println!("{TASKS} tasks: {:?} with Redis, {:?} without", took[0], took[1]);
    assert!(took[1] <= took[0] * 2, "{took:?}");
    let ready = system.client.get("/ready").await.expect(200).json();
    assert_eq!(ready["status"], "degraded", "{ready:#}");
    servers.own().start_redis().expect("start Redis");
    eventually("Redis is used again", SOON, async || {
        (system.client.get("/ready").await.json()["status"] == "ok").then_some(())
    })
    .await;
    all_live(&mut system);
    system.holds(&ids).await;
}

#[tokio::test]
async fn an_index_that_was_flushed_is_whole_again_within_seconds_and_exact() {
    const TASKS: usize = 20_000;
    let servers = Servers::private();
    let system = System::builder().on(&servers).start().await;
    let store = system.database.store();
    for _ in 0..TASKS / 500 {
        let tasks: Vec<_> = (0..500).map(|_| new_task(None)).collect();
        store.submit(&tasks).await.expect("submit");
    }
    let base = format!("{{{}:q:default}}", system.prefix);
    let mut redis = system.redis().await;
    let mut is_whole = async || {
        let mut both = redis::pipe();
        both.cmd("ZCARD").arg(format!("{base}:ready:default")).cmd("GET").arg(format!("{base}:depth"));
        let (ready, depth): (usize, Option<usize>) = both.query_async(&mut redis).await.expect("Redis");
        assert!(ready <= TASKS, "{ready} tasks");
        (ready == TASKS && depth == Some(TASKS)).then_some(())
    };
    eventually("the dispatcher has found them all", SOON, &mut is_whole).await;
    let () = redis::cmd("FLUSHALL").query_async(&mut system.redis().await).await.expect("FLUSHALL");
    let flushed = Instant::now();
    eventually("the index is whole again", SOON, &mut is_whole).await;
    println!("the index of {TASKS} tasks was whole again after {:?}", flushed.elapsed());
    assert!(flushed.elapsed() <= Duration::from_secs(5), "{:?}", flushed.elapsed());
}
