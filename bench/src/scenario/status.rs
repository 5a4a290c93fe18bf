//! Reads of tasks: whole, and unchanged since the last time. The floor is a route that reads nothing.

use hyper::StatusCode;

use crate::{
    figure::{Figure, Unit, short},
    load::{Gate, Shape, Target, Until, read, submit},
    samples::Samples,
    stage::Stage,
    subject::{Subject as _, drained},
    system::{LONGSHORE, System},
};

/// So many different tasks are read.
const TASKS: u64 = 1_000;

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let mut system = System::start_with_worker(stage).await?;
    let target = system.target();
    submit(&target, Shape::SINGLE, 0, Until::Count(TASKS), &Gate::open()).await?;
    drained(&mut system, TASKS, std::time::Duration::from_secs(60)).await?;
    let ids: Vec<sqlx::types::Uuid> = sqlx::query_scalar("SELECT id FROM tasks").fetch_all(&system.pool).await?;
    let paths = ids.into_iter().map(|id| format!("{}/{}", Target::SINGLE, jobs_core::TaskId(id)));
    // One look at each, for its version.
    let mut connection = system.connect().await?;
    let (mut whole, mut unchanged) = (Vec::new(), Vec::new());
    for path in paths {
        let answer = connection.get(&path).await?;
        unchanged.push((path.clone(), answer.headers.get("etag").cloned()));
        whole.push((path, None));
    }
    let window = stage.options.window() / 2;
    let ping = [("/api/v1/ping".to_owned(), None)];
    let figures = vec![
        figure("status.ping", read(&target, &ping, StatusCode::OK, window).await?),
        figure("status.get", read(&target, &whole, StatusCode::OK, window).await?),
        figure("status.unchanged", read(&target, &unchanged, StatusCode::NOT_MODIFIED, window).await?),
    ];
    system.check(TASKS).await?;
    system.stop().await?;
    Ok(figures)
}

fn figure(name: &'static str, (rate, mut times): (f64, Samples)) -> Figure {
    let figure = Figure::new(LONGSHORE, name, rate, Unit::PerSecond);
    figure.with("p50_ms", short(times.quantile(0.5))).with("p99_ms", short(times.quantile(0.99)))
}
