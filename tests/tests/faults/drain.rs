//! Processes are asked to stop: what they have begun is finished or given back, and nobody is blamed.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use e2e::{System, eventually};
use futures::{StreamExt as _, stream};
use serde_json::json;

use crate::{AT_ONCE, SOON, none, until_ended};

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_finishes_what_it_can() {
    let mut system = System::with_worker("default=2").await;
    let short = system.client.submit("echo", json!({ "sleep_ms": 1_000 }), none()).await;
    system.client.wait(&short, "running", SOON).await;
    system.workers[0].sigterm();
    // It takes nothing new.
    eventually("it drains", SOON, async || system.workers[0].log().contains("draining").then_some(())).await;
    let later = system.client.submit("echo", none(), none()).await;
    assert_eq!(system.workers[0].exit_code(SOON).await, 0);
    assert_eq!(system.client.task(&short).await["status"], "succeeded");
    assert_eq!(system.client.task(&later).await["status"], "queued");
    system.start_worker("default=2").await;
    system.client.wait(&later, "succeeded", SOON).await;
    assert_eq!(system.client.moves(&later).await, ["submit", "start", "succeed"]);
    system.holds(&[short, later]).await;
}

#[tokio::test]
async fn a_worker_that_stops_gives_back_what_it_cannot_finish_without_blame() {
    let mut system = System::builder().env("LONGSHORE_WORKER_DRAIN", "500ms").worker("default=2").start().await;
    let id = system.client.submit("echo", json!({ "sleep_ms": 600_000 }), json!({ "max_attempts": 1 })).await;
    system.client.wait(&id, "running", SOON).await;
    system.workers[0].sigterm();
    let asked = Instant::now();
    assert_eq!(system.workers[0].exit_code(SOON).await, 0);
    println!("stopped after {:?}", asked.elapsed());
    let task = system.client.task(&id).await;
    assert_eq!((&task["status"], &task["attempt"]), (&json!("queued"), &json!(0)), "{task:#}");
    assert_eq!(system.client.moves(&id).await, ["submit", "start", "release"]);

    // A second signal does not wait for the end of the drain.
    let patient = system.start_worker_with("default=2", &[("LONGSHORE_WORKER_DRAIN", "25s")]).await;
    system.client.wait(&id, "running", SOON).await;
    system.workers[patient].sigterm();
    eventually("it drains", SOON, async || system.workers[patient].log().contains("draining").then_some(())).await;
    let asked = Instant::now();
    system.workers[patient].sigterm();
    assert_eq!(system.workers[patient].exit_code(SOON).await, 0);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    system.client.cancel(&id).await.expect(200);
    system.holds(&[id]).await;
}

#[tokio::test]
async fn a_rolling_restart_under_load_loses_and_blames_nothing() {
    const ROUNDS: usize = 5;
    let mut system = System::builder().worker("default=4").worker("default=4").start().await;
    let client = system.client.clone();
    let (stop, accepted) = (AtomicBool::new(false), AtomicUsize::new(0));
    let submit = async |_| {
        let mut ids = Vec::new();
        while !stop.load(Relaxed) {
            // Each is accepted, or this fails.
            ids.push(client.submit("echo", json!({ "sleep_ms": 50 }), json!({ "max_attempts": 1 })).await);
            accepted.fetch_add(1, Relaxed);
        }
        ids
    };
    let load = stream::iter(0..4).map(submit).buffer_unordered(4).concat();
    let restarts = async {
        for round in 0..ROUNDS {
            let before = accepted.load(Relaxed);
            eventually("the load goes on", SOON, async || (accepted.load(Relaxed) >= before + 20).then_some(())).await;
            let next = system.start_worker("default=4").await;
            system.workers[next - 2].sigterm();
            let asked = Instant::now();
            assert_eq!(system.workers[next - 2].exit_code(SOON).await, 0, "round {round}");
            assert!(asked.elapsed() < SOON, "round {round}: {:?}", asked.elapsed());
        }
        stop.store(true, Relaxed);
    };
    let (ids, ()) = futures::join!(load, restarts);
    for id in &ids {
        let task = system.client.wait(id, "succeeded", SOON).await;
        assert_eq!(task["attempt"], 1);
    }
    println!("{} tasks through {ROUNDS} restarts", ids.len());
    for blame in ["lose", "fail", "retry"] {
        assert_eq!(e2e::happened(&system.database.pool, blame).await, 0, "{blame}");
    }
    system.holds(&ids).await;
}

#[tokio::test]
async fn a_rolling_restart_of_the_api_under_load_cuts_nobody_off() {
    const ROUNDS: usize = 3;
    let mut system = System::with_worker("default=8").await;
    // As behind a balancer: who comes now goes to the newest server.
    let newest = Mutex::new(system.client.clone());
    let client = || newest.lock().expect("a client").clone();
    let (stop, accepted) = (AtomicBool::new(false), AtomicUsize::new(0));
    let submit = async |_| {
        let mut ids = Vec::new();
        while !stop.load(Relaxed) {
            // Each is accepted, or this fails.
            ids.push(client().submit("echo", none(), none()).await);
            accepted.fetch_add(1, Relaxed);
        }
        ids
    };
    let load = stream::iter(0..AT_ONCE).map(submit).buffer_unordered(AT_ONCE).concat();
    let restarts = async {
        for round in 0..ROUNDS {
            let before = accepted.load(Relaxed);
            eventually("the load goes on", SOON, async || (accepted.load(Relaxed) >= before + 100).then_some(())).await;
            let mut old = system.api.take().expect("an API");
            system.start_api().await;
            *newest.lock().expect("a client") = system.client.clone();
            old.sigterm();
            assert_eq!(old.exit_code(SOON).await, 0, "round {round}");
        }
        stop.store(true, Relaxed);
    };
    let (ids, ()) = futures::join!(load, restarts);
    println!("{} submissions were accepted through {ROUNDS} restarts", ids.len());
    until_ended(&system, ids.len()).await;
    system.holds(&ids).await;
}
