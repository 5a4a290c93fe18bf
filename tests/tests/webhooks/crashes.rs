//! What a crash costs: the same message again, under the same id, and nothing else.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use e2e::{Received, Receiver, Reply, System, eventually};
use serde_json::json;

use crate::{SOON, echo, endpoint};

#[tokio::test]
async fn a_deliverer_that_is_killed_between_the_request_and_its_record_repeats_the_same_id_and_nothing_else() {
    let builder = System::builder().worker("default=4").env("LONGSHORE_OUTBOUND_ALLOW", "127.0.0.0/8");
    let mut system = builder.env("LONGSHORE_WEBHOOKS_LEASE", "2s").start().await;
    let receiver = Receiver::start(|seen| match seen.json()["data"]["group"].as_str() {
        // The answer comes when nobody is left who would write it down.
        Some("held") => Reply::Late(204, Duration::from_secs(4)),
        _ => Reply::status(204),
    })
    .await;
    endpoint(&system.client, &receiver.url("/"), json!({ "events": ["task.succeeded"] })).await;
    let before = echo(&system.client, json!({})).await;
    receiver.wait(1, SOON).await;
    let written = "SELECT count(*) FROM webhook_deliveries WHERE status = 'succeeded'";
    eventually("it is written down", SOON, async || (system.database.count(written).await == 1).then_some(())).await;
    let held = echo(&system.client, json!({ "group": "held" })).await;
    receiver.wait(2, SOON).await;
    let mut scheduler = system.scheduler.take().expect("a scheduler");
    scheduler.kill9();
    let behind = echo(&system.client, json!({})).await;
    system.start_scheduler().await;
    eventually("all three are written down", SOON, async || (system.database.count(written).await == 3).then_some(()))
        .await;
    let seen = receiver.seen();
    let of = |task: &str| seen.iter().filter(|seen| seen.json()["data"]["id"] == task).collect::<Vec<&Received>>();
    assert_eq!((of(&before).len(), of(&held).len(), of(&behind).len()), (1, 2, 1));
    assert_eq!((of(&held)[0].id(), &of(&held)[0].body), (of(&held)[1].id(), &of(&held)[1].body));
    let attempts = system.database.count("SELECT count(*) FROM webhook_attempts").await;
    assert_eq!(attempts, 3, "the attempt of the dead is in nobody's log");
}

#[tokio::test]
async fn a_deliverer_that_was_asleep_for_longer_than_its_lease_changes_nothing() {
    let builder = System::builder().worker("default=4").env("LONGSHORE_OUTBOUND_ALLOW", "127.0.0.0/8");
    let mut system = builder.env("LONGSHORE_WEBHOOKS_LEASE", "2s").start().await;
    let receiver = Receiver::start({
        let count = AtomicUsize::new(0);
        // The first one learns of a failure when it wakes up; whoever comes after it, of a receipt.
        move |_| match count.fetch_add(1, SeqCst) {
            0 => Reply::Late(500, Duration::from_secs(1)),
            _ => Reply::status(204),
        }
    })
    .await;
    endpoint(&system.client, &receiver.url("/"), json!({ "events": ["task.succeeded"] })).await;
    let sleeper = system.scheduler.take().expect("a scheduler");
    echo(&system.client, json!({})).await;
    receiver.wait(1, SOON).await;
    sleeper.sigstop();
    // It does not lead as long as the other one's connection holds, but it delivers.
    let other = system.command(&["scheduler"]);
    let other = e2e::Process::spawn("scheduler-2", other, system.dir().join("scheduler-2.log"));
    receiver.wait(2, SOON).await;
    let written = "SELECT count(*) FROM webhook_attempts";
    eventually("the second one writes", SOON, async || (system.database.count(written).await == 1).then_some(())).await;
    let epoch = "SELECT max(epoch)::bigint FROM webhook_lanes";
    assert_eq!(system.database.count(epoch).await, 2);
    sleeper.sigcont();
    eventually("the first one meets its fence", SOON, async || sleeper.log().contains("came too late").then_some(()))
        .await;
    assert_eq!(system.database.count(written).await, 1);
    let succeeded = "SELECT count(*) FROM webhook_deliveries WHERE status = 'succeeded' AND attempts = 1";
    assert_eq!(system.database.count(succeeded).await, 1);
    drop((sleeper, other));
}

#[tokio::test]
async fn a_scheduler_that_is_stopped_ends_what_it_has_begun() {
    let builder = System::builder().worker("default=4").env("LONGSHORE_OUTBOUND_ALLOW", "127.0.0.0/8");
    let mut system = builder.start().await;
    let receiver = Receiver::start(|_| Reply::Late(204, Duration::from_secs(1))).await;
    endpoint(&system.client, &receiver.url("/"), json!({ "events": ["task.succeeded"] })).await;
    echo(&system.client, json!({})).await;
    receiver.wait(1, SOON).await;
    let mut scheduler = system.scheduler.take().expect("a scheduler");
    scheduler.sigterm();
    eventually("it stops", SOON, async || (!scheduler.is_alive()).then_some(())).await;
    assert_eq!(system.database.count("SELECT count(*) FROM webhook_deliveries WHERE status = 'succeeded'").await, 1);
    assert_eq!(system.database.count("SELECT count(*) FROM webhook_lanes WHERE holder IS NULL").await, 1);
}
