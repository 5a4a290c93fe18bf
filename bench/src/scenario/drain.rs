//! A backlog that a worker runs off: nothing is submitted meanwhile.

use std::time::{Duration, SystemTime};

use crate::{
    figure::{Figure, Unit, short},
    load::{Gate, Shape, Until, submit},
    options::Options,
    stage::Stage,
    subject::{Subject, drained},
    system::System,
    usage,
};

/// How long a backlog may take.
const BOUND: Duration = Duration::from_secs(120);

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let mut system = System::start(stage).await?;
    let figures = drain(&mut system, size(&stage.options)).await?;
    system.stop().await?;
    Ok(figures)
}

/// How many tasks are queued.
pub(super) fn size(options: &Options) -> u64 {
    options.size(40_000, 4_000)
}

/// Submits `count` tasks and starts the worker. The rate is that between the first start and the last record.
pub(crate) async fn drain(subject: &mut impl Subject, count: u64) -> anyhow::Result<Vec<Figure>> {
    let target = subject.target();
    let filled = submit(&target, Shape::BATCH, 0, Until::Count(count), &Gate::open()).await?;
    drain_of(subject, filled.accepted).await
}

/// The same for `count` tasks that wait already, and no others.
pub(crate) async fn drain_of(subject: &mut impl Subject, count: u64) -> anyhow::Result<Vec<Figure>> {
    run_off(subject, count, "drain.rate", "drain.cpu").await
}

/// The same, with names for the figures.
pub(super) async fn run_off(
    subject: &mut impl Subject,
    count: u64,
    rate: &'static str,
    cpu: &'static str,
) -> anyhow::Result<Vec<Figure>> {
    let before = usage::cpu(&subject.processes().await?);
    subject.start_worker().await?;
    drained(subject, count, BOUND).await?;
    let last = SystemTime::now();
    let used = usage::between(&before, &usage::cpu(&subject.processes().await?));
    subject.check(count).await?;
    let span = subject.span(last).await?;
    let mut figure =
        Figure::new(subject.name(), rate, count as f64 / span.as_secs_f64(), Unit::PerSecond).with("tasks", count);
    let mut sum = Duration::ZERO;
    for (name, time) in used.into_iter().filter(|(name, _)| *name != "client") {
        figure = figure.with(&format!("{name}_cpu_us"), short(time.as_secs_f64() * 1e6 / count as f64));
        sum += time;
    }
    let each = sum.as_secs_f64() * 1e6 / count as f64;
    Ok(vec![figure, Figure::new(subject.name(), cpu, each, Unit::CpuPerTask)])
}
