//! Reads of tasks that have ended: whole, and unchanged since the last time. The floor is a route that reads nothing.

use std::time::Duration;

use anyhow::Context as _;
use hyper::{Method, StatusCode};

use crate::{
    figure::{Figure, Unit, short},
    load::{Target, read},
    options::Options,
    samples::Samples,
    stage::Stage,
    subject::{Subject, drained},
    system::{LONGSHORE, System},
};

/// So many different tasks are read.
const TASKS: u64 = 1_000;

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let mut system = System::start_with_worker(stage).await?;
    let target = system.target();
    let (paths, accepted) = ended(&mut system, 0).await?;
    // One look at each, for its version.
    let mut connection = target.connect().await?;
    let mut unchanged = Vec::new();
    for path in &paths {
        let answer = connection.get(path).await?;
        unchanged.push((path.clone(), answer.headers.get("etag").cloned()));
    }
    let window = stage.options.window() / 2;
    let ping = [("/api/v1/ping".to_owned(), None)];
    let figures = vec![
        figure(LONGSHORE, "status.ping", read(&target, &ping, StatusCode::OK, window).await?),
        whole(&system, paths, window).await?,
        figure(LONGSHORE, "status.unchanged", read(&target, &unchanged, StatusCode::NOT_MODIFIED, window).await?),
    ];
    system.check(accepted).await?;
    system.stop().await?;
    Ok(figures)
}

/// Whole reads of tasks that have ended, `accepted` having been submitted before; and how many are submitted then.
pub(crate) async fn reads(
    subject: &mut impl Subject,
    options: &Options,
    accepted: u64,
) -> anyhow::Result<(Figure, u64)> {
    let (paths, accepted) = ended(subject, accepted).await?;
    Ok((whole(subject, paths, options.window() / 2).await?, accepted))
}

/// Submits tasks numbered from `first` and waits for their end. Gives their paths, and the number of the next one.
async fn ended(subject: &mut impl Subject, first: u64) -> anyhow::Result<(Vec<String>, u64)> {
    let target = subject.target();
    let mut connection = target.connect().await?;
    let (mut paths, next) = (Vec::new(), first + TASKS);
    for number in first..next {
        let answer = connection.send_json(Method::POST, Target::SINGLE, target.task(number)).await?;
        let answer = answer.expect(StatusCode::ACCEPTED)?.json()?;
        paths.push(format!("{}/{}", Target::SINGLE, answer["id"].as_str().context("a task without an id")?));
    }
    drained(subject, next, Duration::from_secs(60)).await?;
    Ok((paths, next))
}

async fn whole(subject: &impl Subject, paths: Vec<String>, window: Duration) -> anyhow::Result<Figure> {
    let resources: Vec<_> = paths.into_iter().map(|path| (path, None)).collect();
    Ok(figure(subject.name(), "status.get", read(&subject.target(), &resources, StatusCode::OK, window).await?))
}

fn figure(whose: &'static str, name: &'static str, (rate, mut times): (f64, Samples)) -> Figure {
    let figure = Figure::new(whose, name, rate, Unit::PerSecond);
    figure.with("p50_ms", short(times.quantile(0.5))).with("p99_ms", short(times.quantile(0.99)))
}
