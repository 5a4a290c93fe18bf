//! How fast Longshore is: one run with real servers and the built programs, next to bare servers and to others.
//!
//! Every figure of a table comes from the same run on the same machine, so that its ratios mean something anywhere.

mod conditions;
mod figure;
mod load;
mod options;
mod oracle;
mod peer;
mod process;
mod ratio;
mod report;
mod samples;
mod scenario;
mod stage;
mod subject;
mod sustained;
mod system;
mod table;
mod usage;
mod yardstick;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::{options::Options, report::Report, scenario::Scenario, stage::Stage};

fn main() -> ExitCode {
    let options = Options::parse();
    // One thread: the client must leave the cores to what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.context("start the runtime").and_then(|runtime| runtime.block_on(until_stopped(options)));
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs everything, or stops all that was started when a signal says so. Gives whether all went well.
async fn until_stopped(options: Options) -> anyhow::Result<bool> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = Box::pin(run(options)) => ended,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("asked to stop"),
    }
}

async fn run(options: Options) -> anyhow::Result<bool> {
    let stage = Stage::start(options).await?;
    let mut report = Report::new(stage.conditions().await?);
    eprint!("{}", report.header());
    for scenario in Scenario::of(&stage.options) {
        eprint!("{:<16} ", scenario.name());
        let began = std::time::Instant::now();
        match scenario.run_within_limit(&stage).await {
            Ok(figures) => {
                eprintln!("{:>3} figures in {:.1} s", figures.len(), began.elapsed().as_secs_f64());
                report.add(figures);
            }
            Err(error) => {
                eprintln!("FAILED: {error:#}");
                report.fail(scenario.name(), &error);
            }
        }
    }
    if stage.options.json {
        eprint!("{}", report.table());
        println!("{}", report.json()?);
    } else {
        print!("{}", report.table());
    }
    Ok(report.is_whole())
}
