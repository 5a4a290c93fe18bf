//! A schedule from its making to its end.

use std::time::Duration;

use e2e::{System, eventually};
use reqwest::Method;
use serde_json::json;

use crate::{SOON, count, create, get, instant, patch, post, runs, schedule, text, until_runs};

#[tokio::test]
async fn a_schedule_makes_a_task_each_time_until_it_is_removed() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let body = schedule(
        "tick",
        json!({ "cron": "* * * * * *", "task": {
        "kind": "echo", "input": { "text": "tick" }, "queue": "default", "group": "ticks", "priority": 3, "tags": ["tock"], "metadata": { "a": "b" },
    } }),
    );
    let made = client.post("/schedules", &body).await.expect(201);
    let view = made.json();
    let id = text(&view["id"]);
    assert_eq!(made.header("location"), Some(text(&view["urls"]["self"]).as_str()));
    assert_eq!(made.header("etag"), Some("\"1\""));
    assert_eq!(
        (&view["status"], &view["timezone"], &view["overlap"]),
        (&json!("active"), &json!("UTC"), &json!("skip"))
    );
    assert_eq!(view["task"], body["task"]);

    let three = until_runs(client, &id, "three fires", |runs| count(runs, "fired") >= 3).await;
    for run in three.iter().filter(|run| run["outcome"] == "fired") {
        assert_eq!(run["trigger"], "schedule");
        let task = client.wait(&text(&run["task_id"]), "succeeded", SOON).await;
        assert_eq!((&task["schedule_id"], &task["group"], &task["priority"]), (&json!(id), &json!("ticks"), &json!(3)));
        assert_eq!(
            (&task["tags"], &task["metadata"], &task["input"]["text"]),
            (&json!(["tock"]), &json!({ "a": "b" }), &json!("tick"))
        );
        let fire_at = instant(&run["fire_at"]);
        assert_eq!(fire_at.nanosecond(), 0, "{run}");
        let late = instant(&task["created_at"]) - fire_at;
        assert!(!late.is_negative(), "{late} after its time");
        println!("{} late by {} ms", run["fire_at"], run["late_ms"]);
    }
    let times: Vec<_> = three.iter().map(|run| instant(&run["fire_at"])).collect();
    assert!(times.windows(2).all(|pair| pair[0] - pair[1] == Duration::from_secs(1)), "{times:?}");

    // Its tasks are listed, and no others.
    client.submit("echo", json!({}), json!({})).await;
    let listed = client.get(&text(&view["urls"]["tasks"])).await.expect(200).json();
    let listed = listed["data"].as_array().expect("tasks");
    assert!(listed.len() >= 3 && listed.iter().all(|task| task["schedule_id"] == json!(id)), "{listed:?}");
    let older = client.get(&format!("/tasks?schedule_id={id}&order=asc&limit=1")).await.expect(200).json();
    assert_eq!(older["data"][0]["id"], three.last().expect("a run")["task_id"]);
    assert_eq!(client.get("/tasks?schedule_id=7").await.expect(422).pointers(), ["?schedule_id"]);

    let gone = client.send(client.request(Method::DELETE, &format!("/schedules/{id}"))).await;
    assert_eq!(gone.status, 204);
    assert_eq!(client.get(&format!("/schedules/{id}")).await.expect(404).code(), "schedule_not_found");
    assert_eq!(client.get(&format!("/schedules/{id}/runs")).await.expect(404).code(), "schedule_not_found");
    let sql = "SELECT count(*) FROM tasks WHERE schedule_id IS NOT NULL";
    let before = system.database.count(sql).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(system.database.count(sql).await, before, "it fired after it was removed");
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_schedule_is_said_at_once() {
    let system = System::builder().without_scheduler().start().await;
    let client = &system.client;
    let wrong = json!({
        "name": "two words", "cron": "0 24 * * *", "timezone": "Europe/Pariss", "overlap": "wait", "catch_up_max": 5, "colour": "red",
        "starts_at": "tomorrow", "jitter_ms": -1,
        "task": { "kind": "echo", "input": { "colour": 1 }, "priority": 10, "run_at": "2026-01-01T00:00:00Z", "depends_on": ["x"] },
    });
    let refused = client.post("/schedules", &wrong).await.expect(422);
    let wanted = [
        "/catch_up_max",
        "/colour",
        "/cron",
        "/jitter_ms",
        "/name",
        "/overlap",
        "/starts_at",
        "/task/depends_on",
        "/task/input/colour",
        "/task/priority",
        "/task/run_at",
        "/timezone",
    ];
    let mut pointers = refused.pointers();
    pointers.dedup();
    assert_eq!(
        pointers.iter().filter(|at| wanted.contains(&at.as_str())).count(),
        wanted.len(),
        "{:#}",
        refused.json()
    );
    let said = refused.json().to_string();
    for words in ["hour, column 3: 24 is not within 0-23", "did you mean Europe/Paris?"] {
        assert!(said.contains(words), "{words} is not in {said}");
    }

    for (more, pointer) in [
        (json!({}), "/cron"),
        (json!({ "cron": "@daily", "every_ms": 5_000 }), "/every_ms"),
        (json!({ "every_ms": 10 }), "/every_ms"),
        (json!({ "cron": "@daily", "ends_at": "2020-01-01T00:00:00Z" }), "/ends_at"),
        (json!({ "cron": "@daily", "task": { "kind": "nothing", "input": {} } }), "/task/kind"),
        (json!({ "cron": "@daily", "task": null }), "/task"),
        (json!({ "cron": "@daily", "managed_by": "me" }), "/managed_by"),
    ] {
        let refused = client.post("/schedules", &schedule("x", more.clone())).await.expect(422);
        assert!(refused.pointers().iter().any(|at| at == pointer), "{more}: {:#}", refused.json());
    }

    // Numbers may be written as any client writes them.
    create(client, &schedule("x", json!({ "every_ms": 60000.0, "catch_up": "all", "catch_up_max": 5.0 }))).await;
    assert_eq!(
        client.post("/schedules", &schedule("x", json!({ "cron": "@daily" }))).await.expect(409).code(),
        "schedule_exists"
    );
}

#[tokio::test]
async fn a_schedule_is_changed_by_fields_and_versions_protect_against_each_other() {
    let system = System::builder().without_scheduler().start().await;
    let client = &system.client;
    let id = create(client, &schedule("nightly", json!({ "cron": "0 3 * * *", "timezone": "Europe/Paris" }))).await;
    let other = create(client, &schedule("other", json!({ "every_ms": 60_000 }))).await;

    let changed =
        patch(client, &id, json!({ "cron": "0 4 * * *", "jitter_ms": 60_000, "managed_by": "file:a.toml" })).await;
    assert_eq!(
        (&changed["cron"], &changed["timezone"], &changed["version"]),
        (&json!("0 4 * * *"), &json!("Europe/Paris"), &json!(2))
    );
    assert!(changed["next_start_at"].is_string() || changed["next_fire_at"].is_string());
    // The other way to say when takes its place, and null takes away.
    let changed = patch(client, &id, json!({ "every_ms": 5_000, "timezone": null, "managed_by": null })).await;
    assert_eq!((&changed["every_ms"], &changed["timezone"]), (&json!(5_000), &json!("UTC")));
    assert!(changed.get("cron").is_none() && changed.get("managed_by").is_none(), "{changed:#}");

    let send = |version: &str, body: serde_json::Value| {
        let request = client.request(Method::PATCH, &format!("/schedules/{id}")).json(&body);
        client.send(request.header("if-match", version.to_owned()))
    };
    assert_eq!(send("\"2\"", json!({ "jitter_ms": 0 })).await.expect(412).code(), "precondition_failed");
    assert_eq!(send("\"3\"", json!({ "jitter_ms": 0 })).await.expect(200).header("etag"), Some("\"4\""));
    assert_eq!(send("*", json!({ "cron": "bad" })).await.expect(422).pointers(), ["/cron"]);
    assert_eq!(send("*", json!({ "name": "other" })).await.expect(409).code(), "schedule_exists");
    assert_eq!(send("*", json!([])).await.expect(422).pointers(), [""]);

    // By name, page by page.
    let page = client.get("/schedules?limit=1").await.expect(200).json();
    assert_eq!((&page["data"][0]["name"], &page["has_more"]), (&json!("nightly"), &json!(true)));
    let next =
        client.get(&format!("/schedules?limit=1&cursor={}", text(&page["next_cursor"]))).await.expect(200).json();
    assert_eq!((&next["data"][0]["id"], &next["has_more"]), (&json!(other), &json!(false)));
    let named = client.get("/schedules?name=nightly").await.expect(200).json();
    assert_eq!(named["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(client.get("/schedules?cursor=s1zz&limit=0").await.expect(422).pointers(), ["?limit", "?cursor"]);
}

#[tokio::test]
async fn a_request_that_is_repeated_under_its_key_makes_one_schedule() {
    let system = System::builder().without_scheduler().start().await;
    let client = &system.client;
    let send = |body: serde_json::Value| {
        client.send(client.request(Method::POST, "/schedules").header("idempotency-key", "mine").json(&body))
    };
    let body = schedule("daily", json!({ "cron": "@daily" }));
    let first = send(body.clone()).await.expect(201);
    let again = send(body.clone()).await.expect(201);
    assert_eq!((&first.json()["id"], again.header("idempotency-replayed")), (&again.json()["id"], Some("true")));
    assert_eq!(
        send(schedule("weekly", json!({ "cron": "@weekly" }))).await.expect(422).code(),
        "idempotency_key_reused"
    );
    let id = text(&first.json()["id"]);
    client.send(client.request(Method::DELETE, &format!("/schedules/{id}"))).await.expect(204);
    assert_eq!(send(body).await.expect(410).code(), "gone");
}

#[tokio::test]
async fn a_paused_schedule_does_not_fire_and_says_what_it_left_out() {
    let mut system = System::with_worker("default=4").await;
    let client = system.client.clone();
    let id = create(&client, &schedule("tick", json!({ "every_ms": 1_000, "overlap": "allow" }))).await;
    until_runs(&client, &id, "a fire", |runs| count(runs, "fired") >= 1).await;
    let paused =
        client.post(&format!("/schedules/{id}/pause"), &json!({ "note": "a holiday" })).await.expect(200).json();
    assert_eq!(
        (&paused["status"], &paused["note"], paused.get("next_fire_at")),
        (&json!("paused"), &json!("a holiday"), None)
    );
    let before = runs(&client, &id).await;
    // A scheduler that begins now leaves it alone, too.
    system.scheduler.take().expect("a scheduler").kill9();
    system.start_scheduler().await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(runs(&client, &id).await, before);

    // It runs when somebody asks for it.
    let run = post(&client, &id, "run").await;
    assert_eq!((&run["outcome"], &run["trigger"]), (&json!("fired"), &json!("manual")));
    client.wait(&text(&run["task_id"]), "succeeded", SOON).await;

    let resumed = post(&client, &id, "resume").await;
    assert_eq!((&resumed["status"], resumed.get("note")), (&json!("active"), None));
    let after =
        until_runs(&client, &id, "fires after the pause", |after| count(after, "fired") >= count(&before, "fired") + 3)
            .await;
    let left_out: Vec<_> = after.iter().filter(|run| run["outcome"] == "skipped").collect();
    assert_eq!(left_out.len(), 1, "{after:#?}");
    assert_eq!(left_out[0]["reason"]["code"], "paused");
    let (from, until) = (instant(&left_out[0]["fire_at"]), instant(&left_out[0]["until"]));
    let in_pause = |run: &&serde_json::Value| {
        run["trigger"] == "schedule" && run["outcome"] == "fired" && (from..until).contains(&instant(&run["fire_at"]))
    };
    assert_eq!(after.iter().filter(in_pause).count(), 0, "{after:#?}");
}

#[tokio::test]
async fn a_schedule_whose_task_is_not_valid_any_more_says_so_and_goes_on() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = create(client, &schedule("tick", json!({ "every_ms": 1_000 }))).await;
    until_runs(client, &id, "a fire", |runs| count(runs, "fired") >= 1).await;
    // As after an upgrade without the kind.
    let uuid = id.trim_start_matches("sched_");
    let set = |task: &str| format!("UPDATE schedules SET task = '{task}', version = version + 1 WHERE id = '{uuid}'");
    system.database.execute(&set(r#"{ "kind": "gone", "input": {} }"#)).await;
    let failed = until_runs(client, &id, "a failed fire", |runs| count(runs, "failed") >= 2).await;
    let run = failed.iter().find(|run| run["outcome"] == "failed").expect("it");
    assert_eq!(run["reason"]["code"], "invalid_task");
    assert!(text(&run["reason"]["detail"]).starts_with("/task/kind: unknown kind"), "{run}");
    assert!(run.get("task_id").is_none());
    assert_eq!(post(client, &id, "run").await["outcome"], "failed");

    let fired = count(&failed, "fired");
    system.database.execute(&set(r#"{ "kind": "echo", "input": {} }"#)).await;
    until_runs(client, &id, "fires again", |runs| count(runs, "fired") > fired).await;
    let view = get(client, &id).await;
    assert!(view["counts"]["failed"].as_i64() >= Some(3), "{view:#}");
}

#[tokio::test]
async fn a_schedule_ends_with_its_last_fire_and_starts_with_its_first() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let now = system.database.count("SELECT extract(epoch FROM now())::bigint").await;
    let at = |seconds: i64| {
        let at = time::OffsetDateTime::from_unix_timestamp(now + seconds).expect("a time");
        at.format(&time::format_description::well_known::Rfc3339).expect("a time")
    };
    let (start, end) = (at(3), at(6));
    let more = json!({ "every_ms": 1_000, "starts_at": start, "ends_at": end, "overlap": "allow" });
    let id = create(client, &schedule("short", more)).await;
    let ended = eventually("it has ended", SOON, async || {
        Some(get(client, &id).await).filter(|view| view["status"] == "ended")
    })
    .await;
    assert_eq!(ended["counts"], json!({ "fired": 3, "skipped": 0, "failed": 0 }), "{ended:#}");
    let runs = runs(client, &id).await;
    assert_eq!(instant(&runs[2]["fire_at"]).unix_timestamp(), now + 3);
    assert_eq!(instant(&runs[0]["fire_at"]).unix_timestamp(), now + 5);
}

#[tokio::test]
async fn a_preview_tells_what_is_odd() {
    let system = System::builder().without_scheduler().start().await;
    let client = &system.client;
    let preview = async |body: serde_json::Value| client.post("/schedules/preview", &body).await.expect(200).json();
    let spring =
        json!({ "cron": "30 2 * * *", "timezone": "europe/paris", "from": "2026-03-28T12:00:00Z", "count": 2 });
    let seen = preview(spring).await;
    assert_eq!(seen["timezone"], "Europe/Paris");
    assert_eq!(seen["data"][0]["at"], "2026-03-29T01:00:00.000Z");
    assert_eq!(seen["data"][0]["local"], "2026-03-29T03:00:00+02:00");
    assert_eq!(seen["data"][0]["oddity"]["code"], "skipped_time");
    assert!(seen["data"][1].get("oddity").is_none(), "{seen:#}");
    let autumn = json!({ "cron": "30 1 * * *", "timezone": "America/New_York", "dst": "both", "from": "2026-10-31T12:00:00Z", "count": 2 });
    let seen = preview(autumn).await;
    assert_eq!(
        (&seen["data"][0]["oddity"]["code"], &seen["data"][1]["oddity"]["code"]),
        (&json!("first_of_two"), &json!("second_of_two"))
    );
    let wrong = client
        .post("/schedules/preview", &json!({ "cron": "@never", "timezone": "Mars", "count": 0, "from": "x" }))
        .await;
    assert_eq!(wrong.expect(422).pointers(), ["/count", "/from"]);
    let wrong = client.post("/schedules/preview", &json!({ "cron": "@never", "timezone": "Mars" })).await;
    assert_eq!(wrong.expect(422).pointers(), ["/cron", "/timezone"]);
}
