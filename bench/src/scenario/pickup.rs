//! From the queue to the start of a task, by the clock of whoever records both.

use std::time::{Duration, Instant};

use crate::{
    figure::Figure,
    load::{Gate, Shape, Until, paced, submit},
    options::Options,
    stage::Stage,
    subject::{Subject, drained},
    system::System,
};

/// So few tasks a second that each finds a system at rest.
const RARE: f64 = 50.0;
const TAIL: Duration = Duration::from_secs(60);

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let mut system = System::start_with_worker(stage).await?;
    let (mut figures, accepted) = idle_pickup(&mut system, &stage.options, 0).await?;
    let (more, accepted) = half_load(&mut system, &stage.options, accepted).await?;
    figures.extend(more);
    system.check(accepted).await?;
    system.stop().await?;
    Ok(figures)
}

/// How long a task waits when there is no other, after `accepted` earlier ones. Gives how many there are now.
pub(crate) async fn idle_pickup(
    subject: &mut impl Subject,
    options: &Options,
    accepted: u64,
) -> anyhow::Result<(Vec<Figure>, u64)> {
    // The first ones find caches that are cold and statements that are not prepared.
    let warm = 20;
    paced(&subject.target(), accepted, warm, RARE).await?;
    let first = accepted + warm;
    let count = options.size(400, 50);
    paced(&subject.target(), first, count, RARE).await?;
    drained(subject, first + count, TAIL).await?;
    let mut waits = subject.waits(first, first + count).await?;
    Ok((waits.figures(subject.name(), "pickup.idle.p50", "pickup.idle.p99"), first + count))
}

/// The same under half of what the system can bear.
async fn half_load(subject: &mut impl Subject, options: &Options, accepted: u64) -> anyhow::Result<(Vec<Figure>, u64)> {
    let target = subject.target();
    let began = Instant::now();
    let all = submit(&target, Shape::SINGLE, accepted, Until::Time(options.window() / 2), &Gate::open()).await?;
    let first = accepted + all.accepted;
    drained(subject, first, TAIL).await?;
    let rate = all.accepted as f64 / began.elapsed().as_secs_f64() / 2.0;
    let count = (rate * options.window().as_secs_f64()) as u64;
    paced(&target, first, count, rate).await?;
    drained(subject, first + count, TAIL).await?;
    let mut waits = subject.waits(first, first + count).await?;
    let figures = waits.figures(subject.name(), "pickup.half.p50", "pickup.half.p99");
    let figures = figures.into_iter().map(|figure| figure.with("tasks_per_second", rate.round())).collect();
    Ok((figures, first + count))
}
