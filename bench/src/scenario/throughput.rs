//! Submit, run and record at once, with one task and with a thousand tasks a request; and the memory that it took.

use crate::{
    figure::{Figure, Unit, short},
    load::Shape,
    options::Options,
    stage::Stage,
    subject::Subject,
    sustained::{Names, sustained},
    system::System,
    usage,
};

const SINGLE: Names = Names { rate: "sustained.single", cpu: "sustained.single.cpu" };
const BATCH: Names = Names { rate: "sustained.batch", cpu: "sustained.batch.cpu" };
/// So many tasks are submitted and not recorded at most.
const BACKLOG: u64 = 4_000;
const BACKLOG_OF_BATCHES: u64 = 12_000;

pub(super) async fn run(stage: &Stage) -> anyhow::Result<Vec<Figure>> {
    let mut system = System::start_with_worker(stage).await?;
    let (mut figures, accepted) = throughput(&mut system, &stage.options, 0).await?;
    figures.extend(memory(&system).await?);
    system.check(accepted).await?;
    system.stop().await?;
    Ok(figures)
}

/// What a system with a worker bears, after `accepted` tasks that have ended. Gives how many there are now.
pub(crate) async fn throughput(
    subject: &mut impl Subject,
    options: &Options,
    accepted: u64,
) -> anyhow::Result<(Vec<Figure>, u64)> {
    let (mut figures, accepted) = sustained(subject, options, Shape::SINGLE, BACKLOG, accepted, SINGLE).await?;
    let (more, accepted) = sustained(subject, options, Shape::BATCH, BACKLOG_OF_BATCHES, accepted, BATCH).await?;
    figures.extend(more);
    Ok((figures, accepted))
}

/// The most memory that each process had, and what it has now.
async fn memory(subject: &impl Subject) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (process, pid) in subject.processes().await? {
        let memory = usage::memory(pid);
        let name = match process {
            "api" => "memory.api",
            "worker" => "memory.worker",
            "scheduler" => "memory.scheduler",
            // Their pages are mostly the cache that they were given.
            _ => continue,
        };
        let mib = |kib: u64| kib as f64 / 1_024.0;
        let figure = Figure::new(subject.name(), name, mib(memory.peak), Unit::Mebibytes);
        figures.push(figure.with("resident_mib", short(mib(memory.resident))));
    }
    Ok(figures)
}
