//! Submissions alone: nobody runs them yet.

use crate::{
    figure::{Figure, Unit, short},
    load::{Gate, Loaded, Shape, Until, submit},
    options::Options,
    stage::Stage,
    subject::Subject,
    system::System,
    usage,
};

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for shape in [Shape::SINGLE, Shape::BATCH] {
        let mut system = System::start(stage).await?;
        let (figure, accepted) = submits(&mut system, &stage.options, shape).await?;
        figures.push(figure);
        let waiting = system.waiting().await?;
        anyhow::ensure!(waiting == accepted, "accepted {accepted} tasks, and {waiting} wait");
        system.stop().await?;
    }
    Ok(figures)
}

/// How many submissions a second a system accepts, and how many those were.
pub(crate) async fn submits(
    subject: &mut impl Subject,
    options: &Options,
    shape: Shape,
) -> anyhow::Result<(Figure, u64)> {
    let target = subject.target();
    let warm = submit(&target, shape, 0, Until::Time(options.warm_up()), &Gate::open()).await?;
    let processes = subject.processes().await?;
    let before = usage::cpu(&processes);
    let loaded = submit(&target, shape, warm.accepted, Until::Time(options.window()), &Gate::open()).await?;
    let used = usage::between(&before, &usage::cpu(&processes));
    let accepted = warm.accepted + loaded.accepted;
    let client = used.get("client").copied().unwrap_or_default();
    let name = if shape.batch.is_some() { "submit.batch" } else { "submit.single" };
    let Loaded { refused, elapsed, mut times, .. } = loaded;
    let figure = Figure::new(subject.name(), name, loaded.accepted as f64 / elapsed.as_secs_f64(), Unit::PerSecond)
        .with("connections", shape.connections)
        .with("p50_ms", short(times.quantile(0.5)))
        .with("p99_ms", short(times.quantile(0.99)))
        .with("refused", refused)
        .with("client_cores", short(client.as_secs_f64() / elapsed.as_secs_f64()));
    Ok((figure, accepted))
}
