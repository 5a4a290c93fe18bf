//! A task from its submission to its end, as a client sees it.

use std::time::{Duration, Instant};

use e2e::{Answer, Client, Event, System};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);

fn none() -> Value {
    json!({})
}

/// A time of the API in milliseconds.
fn millis(time: &Value) -> i64 {
    use time::{OffsetDateTime, format_description::well_known::Rfc3339};
    let text = time.as_str().unwrap_or_else(|| panic!("no time: {time}"));
    let time = OffsetDateTime::parse(text, &Rfc3339).expect("RFC 3339");
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).expect("a time")
}

fn numbers(events: &[Event]) -> Vec<i64> {
    events.iter().map(|event| event.id).collect()
}

async fn submit_raw(client: &Client, content_type: &str, body: Vec<u8>) -> Answer {
    client.send(client.request(Method::POST, "/tasks").header("content-type", content_type).body(body)).await
}

#[tokio::test]
async fn a_task_is_accepted_followed_and_done() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let body = json!({ "kind": "echo", "input": { "text": "hello" }, "tags": ["a"], "metadata": { "k": "v" } });
    let accepted = client.post("/tasks", &body).await.expect(202);
    let task = accepted.json();
    let id = task["id"].as_str().expect("an id");
    assert_eq!((&task["object"], &task["kind"]), (&json!("task"), &json!("echo")));
    assert_eq!(accepted.header("location"), task["urls"]["self"].as_str());
    // The client never builds an address: it follows them.
    let followed = client.get(task["urls"]["self"].as_str().expect("an address")).await.expect(200).json();
    assert_eq!(followed["id"], task["id"]);

    let done = client.wait(id, "succeeded", SOON).await;
    assert_eq!((&done["output"]["text"], &done["output"]["attempt"]), (&json!("hello"), &json!(1)));
    assert_eq!((&done["attempt"], &done["tags"], &done["metadata"]), (&json!(1), &json!(["a"]), &json!({ "k": "v" })));
    for time in ["created_at", "queued_at", "started_at", "finished_at"] {
        assert!(done[time].is_string(), "{time} in {done:#}");
    }
    assert_eq!(client.moves(id).await, ["submit", "start", "succeed"]);
    system.holds(&[id.to_owned()]).await;
}

#[tokio::test]
async fn a_client_that_prefers_to_wait_gets_the_end_or_the_task_as_it_is() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let submit = async |sleep_ms: u64, wait: &str| {
        let body = json!({ "kind": "echo", "input": { "sleep_ms": sleep_ms } });
        client.send(client.request(Method::POST, "/tasks").header("prefer", wait).json(&body)).await
    };
    let ended = submit(50, "wait=20").await.expect(200);
    assert_eq!(ended.json()["status"], "succeeded");
    assert_eq!(ended.header("preference-applied"), Some("wait=20"));

    let began = Instant::now();
    let running = submit(30_000, "wait=1").await.expect(202);
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!(["queued", "running"].contains(&running.json()["status"].as_str().expect("a status")));
    assert_eq!(running.header("preference-applied"), Some("wait=1"));
}

#[tokio::test]
async fn the_same_request_under_one_key_is_one_task() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let submit = async |key: &str, text: &str| {
        let body = json!({ "kind": "echo", "input": { "text": text } });
        client.send(client.request(Method::POST, "/tasks").header("idempotency-key", key).json(&body)).await
    };
    let answers = join_all((0..50).map(|_| submit("order-1", "x"))).await;
    let mut first = 0;
    let mut ids = Vec::new();
    for answer in answers {
        let answer = answer.expect(202);
        first += usize::from(answer.header("idempotency-replayed").is_none());
        ids.push(answer.json()["id"].as_str().expect("an id").to_owned());
    }
    ids.dedup();
    assert_eq!((first, ids.len()), (1, 1));

    // In quotes it is the same key; another request under it is a mistake.
    let quoted = submit("\"order-1\"", "x").await.expect(202);
    assert_eq!(quoted.header("idempotency-replayed"), Some("true"));
    submit("order-1", "y").await.expect(422);
    assert!(submit("order-2", "y").await.expect(202).header("idempotency-replayed").is_none());
    client.wait(&ids[0], "succeeded", SOON).await;
    assert_eq!(system.database.count("SELECT count(*) FROM tasks").await, 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_by_name_and_never_by_a_500() {
    let system = System::builder().without_scheduler().start().await;
    let client = &system.client;
    let wrong = json!({
        "kind": "echo", "input": { "sleep_ms": -1, "colour": "red" }, "priority": 10, "max_attempts": 0, "run_at": "soon",
    });
    let answer = client.post("/tasks", &wrong).await.expect(422);
    assert_eq!(answer.pointers(), ["/input/colour", "/input/sleep_ms", "/max_attempts", "/priority", "/run_at"]);
    let problem = answer.json();
    for field in ["type", "title", "status", "detail", "instance", "code", "request_id", "timestamp"] {
        assert!(!problem[field].is_null(), "{field} in {problem:#}");
    }
    // The page that explains it is there.
    client.get(problem["type"].as_str().expect("an address")).await.expect(200).json();

    let unknown = client.post("/tasks", &json!({ "kind": "no.such", "input": {} })).await.expect(422);
    assert_eq!(unknown.pointers(), ["/kind"]);
    for garbage in ["\0\u{1}garbage", "{", "", "{\"kind\":\"echo\"", "nul"] {
        assert!(!submit_raw(client, "application/json", garbage.into()).await.expect(400).code().is_empty());
    }
    assert!(!submit_raw(client, "application/json", b"\xff\xfe{}".to_vec()).await.expect(400).code().is_empty());
    assert!(!submit_raw(client, "text/plain", b"{}".to_vec()).await.expect(415).code().is_empty());

    let id = jobs_core::TaskId::new();
    for path in [format!("/tasks/{id}"), "/tasks/task_1".into(), "/tasks/%00".into(), format!("/tasks/{id}/events")] {
        assert_eq!(client.get(&path).await.expect(404).code(), "task_not_found", "{path}");
    }
    assert_eq!(client.cancel(&id.to_string()).await.expect(404).code(), "task_not_found");
    client.get("/nowhere").await.expect(404);
    let method = client.send(client.request(Method::PATCH, "/tasks")).await.expect(405);
    assert!(method.header("allow").is_some_and(|allow| allow.contains("POST")), "{method:?}");
    assert_eq!(client.get("/tasks?limit=0&colour=red").await.expect(422).pointers().len(), 2);
    assert_eq!(system.database.count("SELECT count(*) FROM tasks").await, 0);
}

#[tokio::test]
async fn a_body_of_20_mb_is_refused_and_the_server_goes_on() {
    let system = System::builder().without_scheduler().start().await;
    let client = &system.client;
    let body = json!({ "kind": "echo", "input": { "text": "x".repeat(20 << 20) } });
    let request = client.request(Method::POST, "/tasks").json(&body);
    // The server may close before it was told everything: then the client hears of that instead.
    match client.try_send(request).await {
        Ok(answer) => assert!(!answer.expect(413).code().is_empty()),
        Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
    }
    // Without a length beforehand it is noticed on the way.
    let endless = futures::stream::iter((0..320).map(|_| Ok::<_, std::io::Error>(vec![b' '; 65_536])));
    let request = client.request(Method::POST, "/tasks").header("content-type", "application/json");
    match client.try_send(request.body(reqwest::Body::wrap_stream(endless))).await {
        Ok(answer) => assert!(!answer.expect(413).code().is_empty()),
        Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
    }
    client.get("/ping").await.expect(200);
}

#[tokio::test]
async fn a_version_is_tagged_and_a_wait_ends_with_the_next_one() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = client.submit("echo", json!({ "sleep_ms": 1_000 }), none()).await;
    let running = client.wait(&id, "running", SOON).await;
    let path = format!("/tasks/{id}");
    let answer = client.get(&path).await.expect(200);
    let tag = answer.header("etag").expect("a tag").to_owned();
    assert_eq!(tag, format!("\"{}\"", running["version"]));
    assert!(answer.header("retry-after").is_some());

    let same = client.send(client.request(Method::GET, &path).header("if-none-match", &tag)).await.expect(304);
    assert!(same.bytes.is_empty());
    assert_eq!(same.header("etag"), Some(&*tag));
    let changed =
        client.send(client.request(Method::GET, &format!("{path}?wait=20")).header("if-none-match", &tag)).await;
    let changed = changed.expect(200);
    assert_eq!(changed.json()["status"], "succeeded");
    assert!(changed.header("retry-after").is_none());
    // It changes no more, so nobody waits.
    let began = Instant::now();
    client.get(&format!("{path}?wait=20")).await.expect(200);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_not_shifted_by_newcomers() {
    let system = System::builder().without_scheduler().start().await;
    let client = &system.client;
    let submit = async |n: usize| {
        let options =
            json!({ "tags": [if n.is_multiple_of(2) { "even" } else { "odd" }], "metadata": { "n": n.to_string() } });
        client.submit("echo", none(), options).await
    };
    let mut ids = Vec::new();
    for n in 0..25 {
        ids.push(submit(n).await);
    }
    ids.reverse();
    let mut seen = Vec::new();
    let mut path = Some("/tasks?limit=10".to_owned());
    while let Some(next) = path {
        let page = client.get(&next).await.expect(200);
        let body = page.json();
        seen.extend(
            body["data"].as_array().expect("tasks").iter().map(|task| task["id"].as_str().expect("an id").to_owned()),
        );
        submit(100).await;
        let cursor = body["next_cursor"].as_str();
        assert_eq!(body["has_more"].as_bool(), Some(cursor.is_some()));
        assert_eq!(page.header("link").is_some_and(|link| link.contains("rel=\"next\"")), cursor.is_some());
        path = cursor.map(|cursor| format!("/tasks?limit=10&cursor={cursor}"));
    }
    assert_eq!(seen, ids);

    let count = async |query: &str| {
        client.get(&format!("/tasks?limit=100&{query}")).await.expect(200).json()["data"].as_array().map(Vec::len)
    };
    assert_eq!(count("tag=odd").await, Some(12));
    assert_eq!(count("metadata.n=7").await, Some(1));
    assert_eq!(count("status=queued&kind=echo").await, Some(28));
    assert_eq!(count("status=running").await, Some(0));
}

#[tokio::test]
async fn a_stream_tells_history_and_then_what_happens_without_a_gap_or_a_repetition() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = client.submit("echo", json!({ "sleep_ms": 3_000, "steps": 30, "log_lines": 5 }), none()).await;
    let mut stream = client.events(&id, None).await;
    let first = stream.next(SOON).await.expect("an event");
    assert_eq!((first.name.as_str(), first.id, &first.data["event"]), ("status", 1, &json!("submit")));
    // A connection that breaks in the middle of it.
    let mut seen = vec![first];
    while seen.iter().filter(|event| event.name == "progress").count() < 2 {
        seen.push(stream.next(SOON).await.expect("an event"));
    }
    drop(stream);
    let last = seen.last().expect("events").id;
    let mut stream = client.events(&id, Some(last)).await;
    seen.extend(stream.rest(SOON).await);

    assert_eq!(numbers(&seen), (1..=seen.len() as i64).collect::<Vec<_>>());
    let done = seen.last().expect("events");
    assert_eq!((done.name.as_str(), &done.data["status"]), ("done", &json!("succeeded")));
    let lines: Vec<&str> = seen.iter().filter_map(|event| event.data["message"].as_str()).collect();
    assert_eq!(lines, ["line 1 of 5", "line 2 of 5", "line 3 of 5", "line 4 of 5", "line 5 of 5"]);

    // At least once a second while it runs, and in order.
    let progress: Vec<&Event> = seen.iter().filter(|event| event.name == "progress").collect();
    let times: Vec<i64> = progress.iter().map(|event| millis(&event.data["at"])).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 1_000), "{times:?}");
    let percents: Vec<f64> =
        progress.iter().map(|event| event.data["progress"]["percent"].as_f64().expect("a percentage")).collect();
    assert!(percents.is_sorted() && percents.last() == Some(&100.0), "{percents:?}");

    // Afterwards the same is told from the rows, from anywhere.
    let all = client.events(&id, None).await.rest(SOON).await;
    assert_eq!(numbers(&all), numbers(&seen));
    let tail = client.events(&id, Some(last)).await.rest(SOON).await;
    assert_eq!(numbers(&tail), numbers(&seen)[usize::try_from(last).expect("a number")..]);
    // Whoever has seen the end has nothing to come back for.
    let request = client.request(Method::GET, &format!("/tasks/{id}/events")).header("accept", "text/event-stream");
    client.send(request.header("last-event-id", done.id)).await.expect(204);
    let history = client.history(&id).await;
    assert_eq!(history.len() + 1, seen.len());
    let logs = client.get(&format!("/tasks/{id}/logs")).await.expect(200).json();
    assert_eq!(logs["data"].as_array().map(Vec::len), Some(5), "{logs:#}");
}

#[tokio::test]
async fn many_may_follow_one_task() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = client.submit("echo", json!({ "sleep_ms": 1_500, "steps": 15 }), none()).await;
    let follow = async || client.events(&id, None).await.rest(SOON).await;
    let streams = join_all((0..20).map(|_| follow())).await;
    let length = streams[0].len() as i64;
    for stream in streams {
        assert_eq!(numbers(&stream), (1..=length).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_scheduled_task_starts_at_its_time() {
    let system = System::with_worker("default=8").await;
    let client = &system.client;
    let mut ids = Vec::new();
    for delay_ms in [1_500, 700, 1_100, 300] {
        let id = client.submit("echo", none(), json!({ "delay_ms": delay_ms })).await;
        assert_eq!(client.task(&id).await["status"], "scheduled");
        ids.push((id, delay_ms));
    }
    for (id, delay_ms) in &ids {
        let task = client.wait(id, "succeeded", SOON).await;
        let late = millis(&task["started_at"]) - millis(&task["scheduled_at"]);
        println!("due after {delay_ms} ms, started {late} ms late");
        assert!((0..=100).contains(&late), "{late} ms late: {task:#}");
        assert_eq!(client.moves(id).await, ["submit", "due", "start", "succeed"]);
    }
    // One that is due in the past starts at once.
    let past = client.submit("echo", none(), json!({ "run_at": "2020-01-01T00:00:00Z" })).await;
    client.wait(&past, "succeeded", SOON).await;
}

#[tokio::test]
async fn a_task_that_fails_for_now_is_tried_again_after_its_back_off() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let retry = json!({ "retry": { "initial_ms": 200, "factor": 2.0, "jitter": false }, "max_attempts": 3 });
    let input = json!({ "fault": "retry", "fault_attempts": 2 });
    let id = client.submit("echo", input, retry.clone()).await;
    let task = client.wait(&id, "succeeded", SOON).await;
    assert_eq!((&task["attempt"], &task["output"]["attempt"]), (&json!(3), &json!(3)));
    assert_eq!(
        client.moves(&id).await,
        ["submit", "start", "retry", "due", "start", "retry", "due", "start", "succeed"]
    );
    let history = client.history(&id).await;
    let at = |event: &str, nth: usize| {
        let found = history.iter().filter(|row| row["event"] == event).nth(nth).expect(event);
        millis(&found["at"])
    };
    for (nth, wait) in [(0, 200), (1, 400)] {
        let waited = at("start", nth + 1) - at("retry", nth);
        println!("retry {}: back-off {wait} ms, waited {waited} ms", nth + 1);
        assert!((wait..wait + 300).contains(&waited), "{waited} ms");
    }

    // One attempt more than there are: it fails, with the last error.
    let id = client.submit("echo", json!({ "fault": "retry" }), retry).await;
    let task = client.wait(&id, "failed", SOON).await;
    assert_eq!(
        (&task["attempt"], &task["error"]["code"], &task["error"]["type"]),
        (&json!(3), &json!("asked_to_retry"), &json!("error"))
    );
    // For good is at once.
    let id = client.submit("echo", json!({ "fault": "fail" }), none()).await;
    let task = client.wait(&id, "failed", SOON).await;
    assert_eq!((&task["attempt"], &task["error"]["retryable"]), (&json!(1), &json!(false)));
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_or_panics_says_so() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id =
        client.submit("echo", json!({ "sleep_ms": 60_000 }), json!({ "timeout_ms": 300, "max_attempts": 1 })).await;
    let task = client.wait(&id, "failed", SOON).await;
    assert_eq!((&task["error"]["type"], &task["error"]["code"]), (&json!("timeout"), &json!("timed_out")), "{task:#}");

    let id = client.submit("echo", json!({ "fault": "panic" }), json!({ "max_attempts": 1 })).await;
    let task = client.wait(&id, "failed", SOON).await;
    assert_eq!(task["error"]["type"], "crash");
    assert!(task["error"]["message"].as_str().is_some_and(|message| message.contains("asked to panic")), "{task:#}");
    // The worker lives on.
    let id = client.submit("echo", none(), none()).await;
    client.wait(&id, "succeeded", SOON).await;
}

#[tokio::test]
async fn a_task_is_canceled_wherever_it_is() {
    let system = System::with_worker("default=1").await;
    let client = &system.client;
    let running = client.submit("echo", json!({ "sleep_ms": 600_000 }), none()).await;
    let queued = client.submit("echo", none(), none()).await;
    let scheduled = client.submit("echo", none(), json!({ "delay_ms": 600_000 })).await;
    client.wait(&running, "running", SOON).await;

    for id in [&queued, &scheduled] {
        assert_eq!(client.cancel(id).await.expect(200).json()["status"], "canceled");
        assert_eq!(client.moves(id).await, ["submit", "cancel"]);
    }
    let asked = Instant::now();
    assert_eq!(client.cancel(&running).await.expect(202).json()["status"], "running");
    let task = client.wait(&running, "canceled", SOON).await;
    println!("a running task stopped {:?} after it was asked to", asked.elapsed());
    assert!(asked.elapsed() < Duration::from_secs(2));
    assert!(task["cancel_requested_at"].is_string());
    assert_eq!(client.moves(&running).await, ["submit", "start", "cancel", "stop"]);
    // Asking again is not an error; asking for what cannot be is.
    client.cancel(&running).await.expect(200);
    let done = client.submit("echo", none(), none()).await;
    client.wait(&done, "succeeded", SOON).await;
    assert_eq!(client.cancel(&done).await.expect(409).code(), "not_cancelable");
    system.holds(&[running, queued, scheduled, done]).await;
}

#[tokio::test]
async fn a_task_that_is_canceled_at_a_random_moment_has_one_end() {
    let system = System::with_worker("default=8").await;
    let client = &system.client;
    // Moments spread evenly over the life of a task: before, at, within and after its run.
    let run = async |n: u64| {
        let id = client.submit("echo", json!({ "sleep_ms": 20 }), none()).await;
        tokio::time::sleep(Duration::from_micros(n * 731 % 60_000)).await;
        let answer = client.cancel(&id).await;
        assert!([200, 202, 409].contains(&answer.status.as_u16()), "{answer:?}");
        let task = client.until(&id, "over", SOON, |task| task["finished_at"].is_string()).await;
        assert!(["canceled", "succeeded"].contains(&task["status"].as_str().expect("a status")), "{task:#}");
        (id, task["status"] == "canceled")
    };
    let mut ids = Vec::new();
    let mut canceled = 0;
    for batch in 0..10_u64 {
        for (id, is_canceled) in join_all((0..20).map(|n| run(batch * 20 + n))).await {
            ids.push(id);
            canceled += usize::from(is_canceled);
        }
    }
    println!("{canceled} of {} were canceled", ids.len());
    system.holds(&ids).await;
}

#[tokio::test]
async fn a_task_that_cannot_start_by_its_deadline_expires() {
    let system = System::builder().start().await;
    let client = &system.client;
    let soon = time::OffsetDateTime::from_unix_timestamp_nanos(
        system.database.count("SELECT (extract(epoch FROM now()) * 1000)::bigint").await as i128 * 1_000_000
            + 800_000_000,
    )
    .expect("a time");
    let deadline = soon.format(&time::format_description::well_known::Rfc3339).expect("a time");
    let id = client.submit("echo", none(), json!({ "deadline": deadline })).await;
    let task = client.wait(&id, "expired", SOON).await;
    let late = millis(&task["finished_at"]) - millis(&task["deadline"]);
    assert!((0..=300).contains(&late), "{late} ms late");
    system.holds(&[id]).await;
}
