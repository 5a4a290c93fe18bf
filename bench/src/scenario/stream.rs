//! A thousand clients that follow one task as it goes on.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use http_body_util::BodyExt as _;
use hyper::{Method, StatusCode, header};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    figure::{Figure, Unit},
    load::{Connection, Target},
    samples::Samples,
    stage::Stage,
    subject::Subject as _,
    system::{LONGSHORE, System},
};

/// The task waits until all clients are there.
const HEAD: Duration = Duration::from_secs(3);

/// What one client saw.
struct Seen {
    events: u64,
    /// From the time of an event, as it is recorded, to its arrival; of those that happened while all were there.
    lags: Samples,
}

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let clients = stage.options.size(1_000, 100);
    let runs_ms = stage.options.size(4_000, 1_000);
    let mut system = System::start_with_worker(stage).await?;
    let input = json!({ "text": "", "sleep_ms": runs_ms, "steps": runs_ms / 100 });
    let task =
        system.submit(json!({ "kind": "echo", "input": input, "delay_ms": u64::try_from(HEAD.as_millis())? })).await?;
    let path = format!("{}/{}/events", Target::SINGLE, task["id"].as_str().context("a task has an id")?);
    let began = Instant::now();
    let streams = (0..clients).map(|_| open(&system, &path));
    let streams = try_join_all(streams).await?;
    ensure!(began.elapsed() < HEAD, "to open {clients} streams took longer than {HEAD:?}");
    let all_there = OffsetDateTime::from(SystemTime::now());
    let started = Instant::now();
    let seen = try_join_all(streams.into_iter().map(|stream| follow(stream, all_there))).await?;
    let elapsed = started.elapsed().saturating_sub(HEAD - began.elapsed().min(HEAD));

    let events: u64 = seen.iter().map(|seen| seen.events).sum();
    ensure!(seen.iter().all(|one| one.events * clients == events), "clients have not all seen the same events");
    let mut lags = Samples::default();
    seen.into_iter().for_each(|seen| lags.append(seen.lags));
    let rate = lags.len() as f64 / elapsed.as_secs_f64();
    let mut figures = vec![Figure::new(LONGSHORE, "stream.events", rate, Unit::PerSecond).with("clients", clients)];
    figures.extend(lags.figures(LONGSHORE, "stream.lag.p50", "stream.lag.p99"));
    system.check(1).await?;
    system.stop().await?;
    Ok(figures)
}

type Stream = (Connection, hyper::body::Incoming);

async fn open(system: &System<'_>, path: &str) -> anyhow::Result<Stream> {
    let mut connection = system.connect().await?;
    let mut request = connection.request(Method::GET, path, Bytes::new())?;
    request.headers_mut().insert(header::ACCEPT, header::HeaderValue::from_static("text/event-stream"));
    let response = connection.open_answer(request).await?;
    ensure!(response.status() == StatusCode::OK, "a stream was answered {}", response.status());
    Ok((connection, response.into_body()))
}

/// Reads a stream to its end. Its events must be numbered without a gap.
async fn follow((_connection, mut body): Stream, all_there: OffsetDateTime) -> anyhow::Result<Seen> {
    let mut seen = Seen { events: 0, lags: Samples::default() };
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let now = OffsetDateTime::from(SystemTime::now());
        text.push_str(std::str::from_utf8(&data)?);
        while let Some(end) = text.find("\n\n") {
            let block: String = text.drain(..end + 2).collect();
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let (Some(id), Some(data)) = (field("id:"), field("data:")) else { continue };
            let event: Value = serde_json::from_str(data)?;
            let Some(at) = event["at"].as_str() else { continue };
            seen.events += 1;
            ensure!(id == seen.events.to_string(), "event {id} came as the {}. one", seen.events);
            let at = OffsetDateTime::parse(at, &Rfc3339)?;
            if at > all_there {
                seen.lags.add((now - at).try_into().unwrap_or_default());
            }
        }
    }
    Ok(seen)
}
