//! Submit, run, record, all at once: what a system bears without a backlog that grows.

use std::time::{Duration, Instant};

use crate::{
    figure::{Figure, Unit, short},
    load::{Gate, Shape, Until, submit},
    options::Options,
    subject::{Subject, drained},
    usage,
};

/// How often the load hears how far the system is.
const LOOK: Duration = Duration::from_millis(50);
/// How long the last tasks may take.
const TAIL: Duration = Duration::from_secs(60);

/// What to call the figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    /// Tasks a second, from the first request to the last record.
    pub(crate) rate: &'static str,
    /// CPU time for each task.
    pub(crate) cpu: &'static str,
}

/// Submits as fast as the system records, with at most `backlog` tasks between the two. The worker runs already; `accepted`
/// tasks were submitted before. Gives the figures, and how many tasks are accepted now.
pub(crate) async fn sustained(
    subject: &mut impl Subject,
    options: &Options,
    shape: Shape,
    backlog: u64,
    accepted: u64,
    names: Names,
) -> anyhow::Result<(Vec<Figure>, u64)> {
    let warm = bounded(subject, shape, backlog, accepted, options.warm_up()).await?;
    let accepted = accepted + warm;
    let processes = subject.processes().await?;
    let (before, began) = (usage::cpu(&processes), Instant::now());
    let ran = bounded(subject, shape, backlog, accepted, options.window()).await?;
    let elapsed = began.elapsed();
    let used = usage::between(&before, &usage::cpu(&processes));

    let mut rate = Figure::new(subject.name(), names.rate, ran as f64 / elapsed.as_secs_f64(), Unit::PerSecond)
        .with("tasks", ran)
        .with("backlog", backlog);
    let mut cpu = 0.0;
    for (name, time) in &used {
        let each = time.as_secs_f64() * 1e6 / ran as f64;
        rate = rate.with(&format!("{name}_cpu_us"), short(each));
        // The client is no part of any system.
        if *name != "client" {
            cpu += each;
        }
    }
    Ok((vec![rate, Figure::new(subject.name(), names.cpu, cpu, Unit::CpuPerTask)], accepted + ran))
}

/// Runs the load for `time` and waits for its last record. Gives how many tasks that were.
async fn bounded(
    subject: &mut impl Subject,
    shape: Shape,
    backlog: u64,
    earlier: u64,
    time: Duration,
) -> anyhow::Result<u64> {
    let gate = Gate::new(backlog);
    let target = subject.target();
    let load = submit(&target, shape, earlier, Until::Time(time), &gate);
    let follow = async {
        loop {
            tokio::time::sleep(LOOK).await;
            let accepted = gate.accepted();
            let recorded = accepted.saturating_sub(subject.unfinished(earlier + accepted).await?);
            gate.allow(recorded + backlog);
        }
    };
    let loaded = tokio::select! {
        loaded = load => loaded?,
        stopped = follow => return stopped,
    };
    drained(subject, earlier + loaded.accepted, TAIL).await?;
    Ok(loaded.accepted)
}
