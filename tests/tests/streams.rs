//! Server-sent events: each once and in order, whatever happens to the connection; and for many at little cost.

use std::time::{Duration, Instant};

use e2e::{Client, System, eventually};
use futures::{StreamExt, future::join_all, stream};
use reqwest::{Method, Response, StatusCode};
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

/// A number that the environment sets, to run a test at its full size.
#[expect(clippy::disallowed_methods, reason = "how large a test is, is no setting of the programs")]
fn size(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

async fn open(client: &Client, id: &str, after: i64) -> Option<Response> {
    let request = client.request(Method::GET, &format!("/tasks/{id}/events")).header("accept", "text/event-stream");
    let response = request.header("last-event-id", after.to_string()).send().await.ok()?;
    (response.status() == StatusCode::OK).then_some(response)
}

/// The whole events that arrive until `until`, by number and type. A part of one at the end is dropped, as clients do.
async fn read(mut response: Response, until: Instant) -> Vec<(i64, String)> {
    let mut text = String::new();
    let deadline = tokio::time::Instant::from_std(until);
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout_at(deadline, response.chunk()).await {
        text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
    }
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let event = |block: &str| Some((field(block, "id:")?.parse().expect("a number"), field(block, "event:")?));
    whole.split("\n\n").filter_map(event).collect()
}

/// `LONGSHORE_TEST_CUT_SECONDS=60` cuts for a minute.
#[tokio::test]
async fn a_client_that_is_cut_again_and_again_sees_each_event_once_also_when_the_api_restarts() {
    let mut system = System::with_worker("default=4").await;
    let client = system.client.clone();
    let seconds = size("LONGSHORE_TEST_CUT_SECONDS", 6);
    let input = json!({ "sleep_ms": seconds * 1_000, "steps": seconds * 20, "log_lines": 50 });
    let id = client.submit("echo", input, json!({})).await;
    let began = Instant::now();
    let (mut seen, mut cuts, mut restarted) = (Vec::<(i64, String)>::new(), 0, false);
    while seen.last().is_none_or(|(_, name)| name != "done") {
        assert!(began.elapsed() < Duration::from_secs(seconds) + SOON, "not done: {seen:?}");
        if !restarted && began.elapsed() > Duration::from_secs(seconds) / 2 {
            restarted = true;
            // As it dies by itself: in the middle of whatever it does.
            system.api.take().expect("the API").kill9();
            system.restart_api().await;
        }
        let after = seen.last().map_or(0, |(number, _)| *number);
        let cut = Instant::now() + Duration::from_millis(200);
        let Some(response) = open(&client, &id, after).await else { continue };
        cuts += 1;
        seen.extend(read(response, cut).await);
    }
    let numbers: Vec<i64> = seen.iter().map(|(number, _)| *number).collect();
    let last = *numbers.last().expect("events");
    assert_eq!(numbers, (1..=last).collect::<Vec<i64>>(), "cut {cuts} times");
    assert_eq!(last, client.history(&id).await.len() as i64 + 1);
    assert!(restarted && cuts as u64 > seconds * 2, "cut {cuts} times");
    // Whoever has seen the end has nothing to come back for.
    let request = client.request(Method::GET, &format!("/tasks/{id}/events")).header("last-event-id", last);
    client.send(request).await.expect(204);
}

/// How many statements the database has run, as it says some time later.
async fn statements(system: &System) -> i64 {
    let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    sqlx::query_scalar(sql).fetch_one(&system.database.pool).await.expect("a count")
}

#[tokio::test]
async fn those_who_follow_one_task_share_what_is_read() {
    let system = System::with_worker("default=4").await;
    let client = &system.client;
    let id = client.submit("echo", json!({ "sleep_ms": 4_000, "steps": 400 }), json!({})).await;
    let mut streams = join_all((0..100).map(|_| client.events(&id, None))).await;
    let before = statements(&system).await;
    let all = join_all(streams.iter_mut().map(|stream| stream.rest(SOON))).await;
    let after = statements(&system).await;

    let numbers = |events: &[e2e::Event]| events.iter().map(|event| event.id).collect::<Vec<_>>();
    let expected: Vec<i64> = (1..=all[0].len() as i64).collect();
    assert!(expected.len() > 10, "{expected:?}");
    assert!(all.iter().all(|events| numbers(events) == expected));
    // One for each would be a thousand and more.
    assert!(after - before < 500, "{} statements for {} events", after - before, expected.len());
}

#[tokio::test]
async fn a_silent_stream_says_that_it_lives() {
    let system = System::builder().start().await;
    let id = system.client.submit("echo", json!({}), json!({})).await;
    let mut response = open(&system.client, &id, 0).await.expect("a stream");
    let heard = eventually("a comment", Duration::from_secs(18), async || {
        let chunk = response.chunk().await.expect("a stream that goes on").expect("something");
        chunk.starts_with(b":").then_some(chunk)
    })
    .await;
    assert!(heard.ends_with(b"\n\n"));
}

/// What a process keeps in memory, in bytes.
#[cfg(target_os = "linux")]
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the status of a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// `LONGSHORE_TEST_STREAMS=5000` opens as many as are promised.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn open_streams_take_little_memory() {
    let count = size("LONGSHORE_TEST_STREAMS", 500);
    // All come from one address.
    let system = System::builder().env("LONGSHORE_API_MAX_CONNECTIONS_PER_ADDRESS", "20000").start().await;
    let client = &system.client;
    let mut ids = Vec::new();
    while ids.len() < count as usize {
        let batch: Vec<_> = (0..500).map(|_| json!({ "kind": "echo", "input": { "text": "x" } })).collect();
        let answer = client.post("/tasks/batch", &json!(batch)).await.expect(202).json();
        ids.extend(
            answer["data"].as_array().expect("tasks").iter().map(|task| task["id"].as_str().expect("an id").to_owned()),
        );
    }
    let pid = system.api.as_ref().expect("the API").pid();
    let before = resident(pid);
    let streams: Vec<e2e::Stream> = stream::iter(ids.iter().take(count as usize))
        .map(async |id| {
            let mut stream = client.events(id, None).await;
            assert_eq!(stream.next(SOON).await.expect("an event").id, 1);
            stream
        })
        .buffer_unordered(50)
        .collect()
        .await;
    let (each, all) = ((resident(pid) - before) / count, resident(pid));
    println!("{} streams: {} KiB each, {} MiB in all", streams.len(), each / 1024, all >> 20);
    assert!(each < 25 << 10, "{each} bytes each");
    assert!(all < 150 << 20, "{all} bytes in all");
}
