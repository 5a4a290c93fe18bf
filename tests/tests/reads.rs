//! Reading tasks: what a poll costs, lists of many, why a task waits, and what is expected of it.

use std::time::Duration;

use e2e::{Answer, Client, Database, Servers, System, eventually};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

/// How often Postgres was asked for tasks since its counters were set to zero.
async fn statements(database: &Database) -> i64 {
    let sql = "SELECT COALESCE(sum(calls), 0)::bigint FROM pg_stat_statements
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND query ~* '(FROM|JOIN) (tasks|artifacts)'";
    database.count(sql).await
}

async fn get(client: &Client, path: &str, tag: Option<&str>) -> Answer {
    let request = client.request(Method::GET, path);
    let request = tag.map_or_else(|| client.request(Method::GET, path), |tag| request.header("if-none-match", tag));
    client.send(request).await
}

fn ids(page: &Value) -> Vec<String> {
    let tasks = page["data"].as_array().expect("tasks");
    tasks.iter().map(|task| task["id"].as_str().expect("an id").to_owned()).collect()
}

fn codes(explanation: &Value) -> Vec<&str> {
    let gates = explanation["gates"].as_array().expect("gates");
    gates.iter().map(|gate| gate["code"].as_str().expect("a code")).collect()
}

async fn explain(client: &Client, id: &str) -> Value {
    client.get(&format!("/tasks/{id}/explain")).await.expect(200).json()
}

async fn put(client: &Client, path: &str, settings: &Value) {
    client.send(client.request(Method::PUT, path).json(settings)).await.expect(200);
}

#[tokio::test]
async fn a_poll_of_a_task_that_did_not_change_asks_postgres_nothing() {
    let servers = Servers::private();
    let mut system = System::builder().on(&servers).without_scheduler().worker("default=4").start().await;
    let id = system.client.submit("echo", json!({ "text": "hello" }), json!({})).await;
    system.client.wait(&id, "succeeded", SOON).await;
    // Nothing but the API is left that could ask.
    drop(system.workers.remove(0));
    system.database.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'").await;
    servers.own().restart_postgres(false).expect("Postgres");
    let database = &system.database;
    eventually("Postgres counts", SOON, async || {
        sqlx::query("CREATE EXTENSION pg_stat_statements").execute(&database.pool).await.ok().map(drop)
    })
    .await;

    let client = &system.client;
    let path = format!("/tasks/{id}");
    // The first ones may be read: until the answer is kept, and Redis is listened to.
    let tag = eventually("the answer is kept", SOON, async || {
        let answer = get(client, &path, None).await;
        let tag = answer.header("etag")?.to_owned();
        database.execute("SELECT pg_stat_statements_reset()").await;
        get(client, &path, None).await;
        (statements(database).await == 0).then_some(tag)
    })
    .await;

    database.execute("SELECT pg_stat_statements_reset()").await;
    for turn in 0..1_000 {
        let forms = [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()];
        let same = get(client, &path, Some(&forms[turn % forms.len()])).await.expect(304);
        assert!(same.bytes.is_empty() && same.header("etag") == Some(&*tag), "{same:?}");
    }
    let whole = get(client, &path, Some("\"other\"")).await.expect(200);
    let head = client.send(client.request(Method::HEAD, &path)).await.expect(200);
    assert_eq!(head.header("content-length"), Some(&*whole.bytes.len().to_string()));
    assert!(head.bytes.is_empty() && head.header("etag") == Some(&*tag));
    // It has ended, so a wait for it is over at once.
    get(client, &format!("{path}?wait=30"), Some(&tag)).await.expect(304);
    assert_eq!(statements(database).await, 0);
}

#[tokio::test]
async fn a_change_is_seen_by_the_next_read_whoever_made_it() {
    let system = System::with_worker("default=8").await;
    let client = &system.client;
    for turn in 0..40 {
        let id = client.submit("echo", json!({ "sleep_ms": 60_000 }), json!({})).await;
        let path = format!("/tasks/{id}");
        // Kept, as it is now.
        for _ in 0..=turn % 4 {
            client.get(&path).await.expect(200);
        }
        let canceled = client.cancel(&id).await;
        assert!(canceled.status.is_success(), "{canceled:?}");
        let version = canceled.json()["version"].as_i64();
        assert!(client.task(&id).await["version"].as_i64() >= version, "an answer from before the cancel");
        client.wait(&id, "canceled", SOON).await;
    }
}

#[tokio::test]
async fn lists_are_filtered_by_everything_and_pages_say_where_to_go_on() {
    let system = System::builder().without_scheduler().start().await;
    let (client, database) = (&system.client, &system.database);
    // Old tasks, many of them: no page may look at all of them to find what is rare.
    let fill = r#"INSERT INTO tasks (id, kind, queue, "group", priority, state, input, error, max_attempts, retry, timeout_ms, tags, metadata,
            created_at, queued_at, finished_at, history)
        SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '8'
                || lpad(to_hex(n), 15, '0'))::uuid,
            'echo', 'default', CASE WHEN n = 7 THEN 'rare' ELSE 'common' END, 5, CASE WHEN n = 9 THEN 'failed' ELSE 'succeeded' END,
            json_build_object('text', 'number ' || n), CASE WHEN n = 9 THEN '{"type":"error","code":"boom","message":"it burst","retryable":false,"attempt":1}'::json END,
            1, '{"initial_ms":1,"factor":1,"max_ms":1,"jitter":false}', 1000, CASE WHEN n = 3 THEN ARRAY['rare'] ELSE '{}' END,
            CASE WHEN n = 5 THEN '{"user":"rare"}' ELSE '{}' END::jsonb, at, at, at, ARRAY[moment(1, 'submit', 'queued', 0, 0)]
        FROM (SELECT n, now() - interval '1 day' + n * interval '1 second' AS at FROM generate_series(1, 30000) n) old"#;
    database.execute(fill).await;
    database.execute("VACUUM ANALYZE tasks").await;
    let young = client.submit("echo", json!({ "text": "young" }), json!({ "group": "mine", "tags": ["new"] })).await;

    let list = async |query: &str| client.get(&format!("/tasks?{query}")).await.expect(200).json();
    for (query, text) in [
        ("tag=rare", "number 3"),
        ("metadata.user=rare", "number 5"),
        ("group=rare", "number 7"),
        ("status=failed", "number 9"),
        ("status=failed&q=BURST%20number", "number 9"),
    ] {
        let page = list(query).await;
        assert_eq!(page["data"].as_array().map(Vec::len), Some(1), "{query}: {page}");
        assert_eq!(page["data"][0]["input"]["text"], text, "{query}");
        assert_eq!((&page["has_more"], &page["next_cursor"]), (&json!(false), &Value::Null), "{query}");
    }
    assert_eq!(ids(&list("status=queued").await), std::slice::from_ref(&young));
    assert_eq!(ids(&list("q=youn").await), std::slice::from_ref(&young));
    assert_eq!(ids(&list("limit=1").await), std::slice::from_ref(&young));
    assert_eq!(list("limit=1&order=asc").await["data"][0]["input"]["text"], "number 1");

    // What no index knows is looked for in steps, each of them short.
    let (mut cursor, mut found, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let page = list(&format!("q=29%20number&status=succeeded&limit=100{cursor}")).await;
        found.extend(ids(&page));
        pages += 1;
        let Some(next) = page["next_cursor"].as_str() else { break };
        assert_eq!(page["has_more"], true);
        cursor = format!("&cursor={next}");
    }
    let wanted =
        database.count("SELECT count(*) FROM tasks WHERE input ->> 'text' LIKE '%29%' AND state = 'succeeded'").await;
    assert_eq!((found.len() as i64, pages > 2), (wanted, true), "{pages} pages");
    assert!(found.is_sorted_by(|one, next| one > next), "the newest first");

    let middle = "(SELECT created_at FROM tasks ORDER BY id OFFSET 15000 LIMIT 1)";
    let from = format!("SELECT to_char({middle} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
    let at: String = sqlx::query_scalar(sqlx::AssertSqlSafe(from)).fetch_one(&database.pool).await.expect("a time");
    let page = list(&format!("order=asc&limit=2&created_after={at}")).await;
    assert_eq!(page["data"][0]["input"]["text"], "number 15001");
    let page = list(&format!("limit=2&created_before={at}")).await;
    assert_eq!(page["data"][0]["input"]["text"], "number 15000");

    let many_words = format!("q={}", ["word"; 11].join("%20"));
    for bad in ["cursor=c1zz", "cursor=", "order=up", "status=lost", "limit=101", &many_words] {
        client.get(&format!("/tasks?{bad}")).await.expect(422);
    }
}

#[tokio::test]
async fn every_gate_before_a_task_is_named() {
    let mut system = System::builder().start().await;
    let client = system.client.clone();
    let scheduled = client.submit("echo", json!({}), json!({ "delay_ms": 3_600_000 })).await;
    let told = explain(&client, &scheduled).await;
    assert_eq!((codes(&told), told["gates"][0]["until"].is_string()), (vec!["not_due"], true), "{told}");

    let waiting = client.submit("echo", json!({}), json!({})).await;
    assert_eq!(codes(&explain(&client, &waiting).await), ["no_worker"]);
    put(&client, "/queues/default", &json!({ "paused": true })).await;
    assert_eq!(codes(&explain(&client, &waiting).await), ["queue_paused", "no_worker"]);
    put(&client, "/queues/default", &json!({ "group_defaults": { "concurrency": 1 } })).await;

    system.start_worker("default=2").await;
    client.wait(&waiting, "succeeded", SOON).await;
    let holder = client.submit("echo", json!({ "sleep_ms": 60_000 }), json!({ "group": "busy" })).await;
    client.wait(&holder, "running", SOON).await;
    let first = client.submit("echo", json!({}), json!({ "group": "busy" })).await;
    let second = client.submit("echo", json!({}), json!({ "group": "busy" })).await;
    let told = eventually("the group waits", SOON, async || {
        let told = explain(&client, &second).await;
        (codes(&told) == ["group_concurrency", "turn"]).then_some(told)
    })
    .await;
    assert_eq!(told["gates"][0]["tasks"], json!([holder]), "{told}");
    assert_eq!((&told["gates"][0]["limit"], &told["gates"][0]["running"]), (&json!(1), &json!(1)));
    assert_eq!((&told["position"]["in_group"], &told["position"]["slots"]), (&json!(1), &json!(2)));
    assert_eq!(explain(&client, &first).await["position"]["in_group"], 0);
    let running = explain(&client, &holder).await;
    assert_eq!((&running["status"], codes(&running)), (&json!("running"), Vec::new()));

    // The same to a person.
    let shown = system.command(&["explain", &second]).output().expect("longshore explain");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("group_concurrency  1 of 1 run") && shown.contains(&holder), "{shown}");

    client.cancel(&holder).await;
    client.wait(&second, "succeeded", SOON).await;
    let ended = explain(&client, &second).await;
    assert_eq!((&ended["summary"], codes(&ended)), (&json!("It did what was asked."), Vec::new()));
    client.get(&format!("/tasks/{}/explain", jobs_core::TaskId::new())).await.expect(404);
}

#[tokio::test]
async fn what_is_expected_is_what_was_measured_and_is_compared_with_what_came() {
    let system = System::with_worker("default=2").await;
    let client = &system.client;
    let nap = json!({ "sleep_ms": 400 });
    for _ in 0..4 {
        let id = client.submit("echo", nap.clone(), json!({})).await;
        client.wait(&id, "succeeded", SOON).await;
    }
    let stats = eventually("workers have written down what they measured", SOON, async || {
        let stats = client.get("/stats").await.expect(200).json();
        (stats["times"][0]["kind"] == "echo").then_some(stats)
    })
    .await;
    let run = stats["times"][0]["run_ms"]["p50"].as_f64().expect("a median");
    assert!((330.0..700.0).contains(&run), "{run}");

    let mut queued = Vec::new();
    for _ in 0..20 {
        queued.push(client.submit("echo", nap.clone(), json!({})).await);
    }
    let last = queued.last().expect("one");
    let told = explain(client, last).await;
    let seconds = |range: &Value| {
        let at = |text: &Value| {
            let rfc3339 = &time::format_description::well_known::Rfc3339;
            time::OffsetDateTime::parse(text.as_str().expect("a time"), rfc3339).expect("a time")
        };
        ((at(&range["p50"]) - at(&told["at"])).as_seconds_f64(), (at(&range["p90"]) - at(&told["at"])).as_seconds_f64())
    };
    let (p50, p90) = seconds(&told["eta"]["start"]);
    // About nineteen before it, two at a time, 0.4 s each.
    assert!((1.5..8.0).contains(&p50) && p90 > p50, "{told:#}");
    assert!(seconds(&told["eta"]["finish"]).0 > p50, "{told:#}");
    let wait: u64 =
        client.get(&format!("/tasks/{last}")).await.header("retry-after").expect("a hint").parse().expect("s");
    assert!((1..=60).contains(&wait), "{wait}");
    for id in &queued {
        client.wait(id, "succeeded", SOON).await;
    }
    let calibration = eventually("a forecast was compared", SOON, async || {
        let stats = client.get("/stats").await.expect(200).json();
        stats["calibration"].as_array().filter(|kinds| !kinds.is_empty()).cloned()
    })
    .await;
    assert!(calibration[0]["finish"]["count"].as_u64() > Some(0), "{calibration:?}");
    println!("calibration: {}", json!(calibration));
}

#[tokio::test]
async fn the_stats_of_a_project_count_what_waits_and_what_was_done() {
    let system = System::with_worker("default=2").await;
    let client = &system.client;
    put(client, "/queues/default/groups/later", &json!({ "paused": true })).await;
    for _ in 0..3 {
        client.submit("echo", json!({}), json!({ "group": "later" })).await;
    }
    client.submit("echo", json!({}), json!({ "delay_ms": 3_600_000 })).await;
    let done = client.submit("echo", json!({}), json!({})).await;
    client.wait(&done, "succeeded", SOON).await;
    let bad = client.submit("echo", json!({ "fault": "fail" }), json!({})).await;
    client.wait(&bad, "failed", SOON).await;

    let stats = client.get("/stats").await.expect(200).json();
    assert_eq!(stats["tasks"]["by_status"], json!({ "queued": 3, "scheduled": 1 }), "{stats:#}");
    assert_eq!((&stats["tasks"]["by_kind"], &stats["tasks"]["is_exact"]), (&json!({ "echo": 4 }), &json!(true)));
    assert!(stats["tasks"]["oldest_queued_ms"].is_u64());
    // Counted by the worker, in the minute in which it wrote it down; told when that is over: here it is moved into the last one.
    let move_back = "WITH gone AS (DELETE FROM outcomes RETURNING *)
        INSERT INTO outcomes (minute, project, kind, queue, succeeded, failed)
        SELECT date_trunc('minute', now()) - interval '1 minute', project, kind, queue, sum(succeeded), sum(failed)
        FROM gone GROUP BY project, kind, queue";
    let stats = eventually("the worker has counted both", SOON, async || {
        system.database.execute(move_back).await;
        let stats = client.get("/stats").await.expect(200).json();
        let minute = &stats["last_minute"];
        (minute["succeeded"] == 1 && minute["failed"] == 1).then_some(stats)
    })
    .await;
    for time in ["last_minute", "last_hour", "last_day"] {
        assert_eq!((&stats[time]["succeeded"], &stats[time]["success_rate"]), (&json!(1), &json!(0.5)), "{stats:#}");
    }
    let all = client.get("/stats?scope=installation").await.expect(200).json();
    assert_eq!(all["tasks"]["by_status"], stats["tasks"]["by_status"]);
    client.get("/stats?scope=all").await.expect(422);
}
