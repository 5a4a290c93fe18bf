//! Somebody cancels at any moment of a task's life.

use std::time::Duration;

use e2e::System;
use futures::{StreamExt as _, stream};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

use crate::{AT_ONCE, SOON, none};

#[tokio::test]
async fn a_task_that_is_canceled_at_any_moment_ends_once_and_never_starts_after_that() {
    const TASKS: usize = 300;
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let system = System::builder().worker("default=4").worker("default=4").start().await;
    let waits: Vec<u64> = (0..TASKS).map(|_| rng.random_range(0..500)).collect();
    let cancel = async |wait_ms: u64| {
        let id = system.client.submit("echo", json!({ "sleep_ms": 150 }), none()).await;
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let answer = system.client.cancel(&id).await;
        match answer.status.as_u16() {
            200 | 202 => {}
            // It ended before.
            409 => assert_eq!(system.client.task(&id).await["status"], "succeeded"),
            _ => panic!("{answer:?}"),
        }
        id
    };
    let ids: Vec<String> = stream::iter(waits).map(cancel).buffer_unordered(2 * AT_ONCE).collect().await;
    let (mut canceled, mut succeeded) = (0, 0);
    for id in &ids {
        let over = |task: &serde_json::Value| task["finished_at"].is_string();
        let task = system.client.until(id, "over", SOON, over).await;
        match task["status"].as_str() {
            Some("canceled") => canceled += 1,
            Some("succeeded") => succeeded += 1,
            _ => panic!("{task:#}"),
        }
    }
    println!("{canceled} were canceled, {succeeded} had succeeded");
    assert!(canceled > 0 && succeeded > 0, "{canceled} canceled, {succeeded} succeeded");
    system.holds(&ids).await;
}
