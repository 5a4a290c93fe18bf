//! Time itself: clocks that are changed, clocks that jump, and times at which nobody was there.

use e2e::System;
use serde_json::{Value, json};

use crate::{count, create, get, patch, put_clock, runs, schedule, text, until_runs};

/// The times of all fires that made a task, the earliest first.
fn fired(runs: &[Value]) -> Vec<String> {
    let mut times: Vec<String> =
        runs.iter().filter(|run| run["outcome"] == "fired").map(|run| text(&run["fire_at"])).collect();
    times.sort();
    times
}

#[tokio::test]
async fn a_changed_clock_of_a_zone_fires_once_for_a_skipped_and_once_for_a_doubled_time() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    put_clock(&system, "2026-03-07 12:00:00Z").await;
    let daily =
        |zone: &str, cron: &str| json!({ "cron": cron, "timezone": zone, "catch_up": "none", "overlap": "allow" });
    let paris = create(client, &schedule("paris", daily("Europe/Paris", "30 2 * * *"))).await;
    let new_york = create(client, &schedule("new-york", daily("America/New_York", "30 2 * * *"))).await;
    let doubled = create(client, &schedule("doubled", daily("America/New_York", "30 1 * * *"))).await;
    // One that goes by time that passes.
    let hourly = create(client, &schedule("hourly", daily("Europe/Paris", "0 * * * *"))).await;

    // The clocks of New York go from 02:00 to 03:00 at 07:00 UTC.
    put_clock(&system, "2026-03-08 06:59:58Z").await;
    let at = |runs: &[Value], time: &str| fired(runs).iter().any(|fired| fired == time);
    until_runs(client, &new_york, "03:00 in New York", |runs| at(runs, "2026-03-08T07:00:00.000Z")).await;
    // Those of Paris from 02:00 to 03:00 at 01:00 UTC.
    put_clock(&system, "2026-03-29 00:59:58Z").await;
    until_runs(client, &paris, "03:00 in Paris", |runs| at(runs, "2026-03-29T01:00:00.000Z")).await;
    until_runs(client, &hourly, "an hour has passed", |runs| at(runs, "2026-03-29T01:00:00.000Z")).await;
    // In October they go back from 03:00 to 02:00, at 01:00 UTC: 02:30 is at 00:30 and at 01:30.
    put_clock(&system, "2026-10-25 00:29:58Z").await;
    until_runs(client, &paris, "the first 02:30", |runs| at(runs, "2026-10-25T00:30:00.000Z")).await;
    put_clock(&system, "2026-10-25 00:59:58Z").await;
    until_runs(client, &hourly, "the second 02:00", |runs| at(runs, "2026-10-25T01:00:00.000Z")).await;
    put_clock(&system, "2026-10-25 01:29:58Z").await;
    // New York: 01:30 is at 05:30 and at 06:30.
    put_clock(&system, "2026-11-01 05:29:58Z").await;
    until_runs(client, &doubled, "the first 01:30", |runs| at(runs, "2026-11-01T05:30:00.000Z")).await;
    put_clock(&system, "2026-11-01 06:29:58Z").await;
    put_clock(&system, "2026-11-01 07:59:58Z").await;
    until_runs(client, &hourly, "hours go on", |runs| at(runs, "2026-11-01T08:00:00.000Z")).await;

    assert_eq!(fired(&runs(client, &paris).await), ["2026-03-29T01:00:00.000Z", "2026-10-25T00:30:00.000Z"]);
    assert_eq!(fired(&runs(client, &new_york).await), ["2026-03-08T07:00:00.000Z"]);
    assert_eq!(fired(&runs(client, &doubled).await), ["2026-11-01T05:30:00.000Z"]);
    let tasks = "SELECT count(*) FROM tasks";
    let made = system.database.count("SELECT count(*) FROM schedule_runs WHERE outcome = 'fired'").await;
    assert_eq!(system.database.count(tasks).await, made, "a task for each fire and none beside them");
}

#[tokio::test]
async fn every_second_of_a_night_of_changed_clocks_fires_once() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    put_clock(&system, "2026-10-25 00:59:55Z").await;
    let more = json!({ "cron": "* * * * * *", "timezone": "Europe/Paris", "overlap": "allow" });
    let id = create(client, &schedule("tick", more)).await;
    until_runs(client, &id, "ten fires", |runs| count(runs, "fired") >= 10).await;
    let times = fired(&runs(client, &id).await);
    assert!(times.contains(&"2026-10-25T01:00:00.000Z".to_owned()), "{times:?}");
    let seconds: Vec<i64> = times.iter().map(|at| crate::instant(&json!(at)).unix_timestamp()).collect();
    assert!(seconds.windows(2).all(|pair| pair[1] - pair[0] == 1), "{times:?}");
}

#[tokio::test]
async fn what_was_missed_is_caught_up_with_as_the_schedule_says() {
    let mut system = System::with_worker("default=4").await;
    let client = system.client.clone();
    put_clock(&system, "2026-01-01 00:00:10Z").await;
    let minutely = |more: Value| {
        let mut body = json!({ "cron": "* * * * *", "overlap": "allow" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let none = create(&client, &schedule("none", minutely(json!({ "catch_up": "none" })))).await;
    let latest = create(&client, &schedule("latest", minutely(json!({})))).await;
    let all = create(&client, &schedule("all", minutely(json!({ "catch_up": "all" })))).await;
    let some = create(&client, &schedule("some", minutely(json!({ "catch_up": "all", "catch_up_max": 3 })))).await;
    let alone = create(&client, &schedule("alone", minutely(json!({ "catch_up": "all", "overlap": "skip" })))).await;

    // Nobody is there for ten minutes.
    system.scheduler.take().expect("a scheduler").kill9();
    put_clock(&system, "2026-01-01 00:10:30Z").await;
    system.start_scheduler().await;
    let minute = |n: u32| format!("2026-01-01T00:{n:02}:00.000Z");

    let seen = until_runs(&client, &none, "they are left out", |runs| !runs.is_empty()).await;
    assert_eq!((fired(&seen).len(), &seen[0]["reason"]["code"]), (0, &json!("missed")), "{seen:#?}");
    assert_eq!((&seen[0]["fire_at"], &seen[0]["until"]).0, &json!(minute(1)));
    let seen = until_runs(&client, &latest, "the latest starts", |runs| count(runs, "fired") == 1).await;
    assert_eq!(fired(&seen), [minute(10)]);
    let seen = until_runs(&client, &all, "all start", |runs| count(runs, "fired") == 10).await;
    assert_eq!((fired(&seen), count(&seen, "skipped")), ((1..=10).map(minute).collect(), 0));
    let seen = until_runs(&client, &some, "three start", |runs| count(runs, "fired") == 3).await;
    assert_eq!(fired(&seen), [minute(8), minute(9), minute(10)]);
    let left = seen.iter().find(|run| run["outcome"] == "skipped").expect("the rest");
    assert_eq!(
        (&left["reason"]["code"], &left["fire_at"], &left["until"]),
        (&json!("too_many"), &json!(minute(1)), &json!(minute(8)))
    );
    let seen = until_runs(&client, &alone, "one starts", |runs| runs.len() == 10).await;
    assert_eq!((fired(&seen), count(&seen, "skipped")), (vec![minute(1)], 9), "{seen:#?}");
    assert_eq!(get(&client, &latest).await["next_fire_at"], json!(minute(11)));
}

#[tokio::test]
async fn a_clock_that_is_set_back_repeats_nothing() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    put_clock(&system, "2026-01-01 11:59:58Z").await;
    let id = create(client, &schedule("hourly", json!({ "cron": "0 * * * *", "overlap": "allow" }))).await;
    until_runs(client, &id, "noon", |runs| count(runs, "fired") == 1).await;
    put_clock(&system, "2026-01-01 11:59:58Z").await;
    // Also when it is changed meanwhile: its next fire is after all that was decided.
    let changed = patch(client, &id, json!({ "cron": "0 */1 * * *" })).await;
    assert_eq!(changed["next_fire_at"], "2026-01-01T13:00:00.000Z");
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_eq!(fired(&runs(client, &id).await), ["2026-01-01T12:00:00.000Z"]);
    put_clock(&system, "2026-01-01 12:59:58Z").await;
    let seen = until_runs(client, &id, "one o'clock", |runs| count(runs, "fired") == 2).await;
    assert_eq!(fired(&seen), ["2026-01-01T12:00:00.000Z", "2026-01-01T13:00:00.000Z"]);
}
