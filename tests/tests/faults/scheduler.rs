//! Schedulers die.

use e2e::System;
use serde_json::json;

use crate::{SOON, none};

#[tokio::test]
async fn another_scheduler_leads_when_the_leader_dies() {
    let mut system = System::with_worker("default=2").await;
    let mut ids = Vec::new();
    let mut spare = system.scheduler.take().expect("a scheduler");
    for _ in 0..2 {
        let id = system.client.submit("echo", none(), json!({ "delay_ms": 1_000 })).await;
        ids.push(id.clone());
        spare.kill9();
        // `start_scheduler` returns when it leads.
        system.start_scheduler().await;
        spare = system.scheduler.take().expect("a scheduler");
        system.client.wait(&id, "succeeded", SOON).await;
    }
    system.scheduler = Some(spare);
    system.holds(&ids).await;
}
