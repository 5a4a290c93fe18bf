//! The server commands: one role in one process.

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use jobs_core::{TaskId, WorkerId};
use jobs_runtime::{Config, Shutdown, config::parse_queues};

use crate::{place, settings};

/// How long the API may take to finish the requests that it has.
const API_GRACE: Duration = Duration::from_secs(15);
/// How long the scheduler may take to finish its round.
const SCHEDULER_GRACE: Duration = Duration::from_secs(10);

/// The options of `longshore api`.
#[derive(Debug, clap::Args)]
pub(crate) struct Api {
    /// Address to listen on [default: 127.0.0.1:8080, or LONGSHORE_API_BIND]
    #[arg(long, value_name = "HOST:PORT")]
    bind: Option<String>,

    /// Ask nobody for a key; on a loopback address only
    #[arg(long)]
    no_auth: bool,
}

impl Api {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = settings::start("api", |config| {
            if let Some(bind) = self.bind {
                config.api.bind = bind;
            }
            config.no_auth |= self.no_auth;
            place::find_servers(config)
        })?;
        let shutdown = Shutdown::on_signals(API_GRACE)?;
        api::serve(config, shutdown).await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The options of `longshore worker`.
#[derive(Debug, clap::Args)]
pub(crate) struct Worker {
    /// Queues to serve, each with its number of tasks at once: default=8,video=1
    #[arg(long, value_name = "QUEUE[=N],...")]
    queues: Option<String>,

    /// Tasks at once for queues that name no number; without --queues, for every queue
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    concurrency: Option<u16>,

    /// Name of this worker [default: the host's name]
    #[arg(long)]
    name: Option<String>,

    /// Run this task and nothing else, as workers ask for it where a task lost its workers again and again
    #[arg(long, value_name = "TASK", hide = true, requires = "life")]
    only: Option<TaskId>,

    /// Register under this id
    #[arg(long, value_name = "WORKER", hide = true, requires = "only")]
    life: Option<WorkerId>,
}

impl Worker {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let config = settings::start("worker", |config| {
            self.apply(config)?;
            place::find_servers(config)
        })?;
        let shutdown = Shutdown::on_signals(config.worker.drain)?;
        match self.only.zip(self.life) {
            Some((task, life)) => worker::run_alone(config, task, life, shutdown).await?,
            None => worker::run(config, shutdown).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn apply(&self, config: &mut Config) -> anyhow::Result<()> {
        let worker = &mut config.worker;
        if let Some(concurrency) = self.concurrency {
            worker.concurrency = concurrency.into();
            for (_, at_once) in &mut worker.queues {
                *at_once = worker.concurrency;
            }
        }
        if let Some(queues) = &self.queues {
            let parsed = parse_queues(queues, worker.concurrency);
            worker.queues = parsed.map_err(|problem| anyhow::anyhow!("--queues: {problem}"))?;
        }
        if self.name.is_some() {
            worker.name.clone_from(&self.name);
        }
        Ok(())
    }
}

pub(crate) async fn scheduler() -> anyhow::Result<ExitCode> {
    let config = settings::start("scheduler", place::find_servers)?;
    let shutdown = Shutdown::on_signals(SCHEDULER_GRACE)?;
    scheduler::run(config, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn migrate() -> anyhow::Result<ExitCode> {
    let mut url = String::new();
    settings::start("migrate", |config| {
        url = place::find_database(config)?;
        Ok(())
    })?;
    let applied = jobs_store::migrate(&url).await.context("bring the database up to date")?;
    match applied {
        0 => println!("The database is up to date."),
        1 => println!("Applied 1 migration."),
        n => println!("Applied {n} migrations."),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues_after(queues: Option<&str>, concurrency: Option<u16>) -> Vec<(String, usize)> {
        let mut config = Config::default();
        let worker = Worker { queues: queues.map(str::to_owned), concurrency, name: None, only: None, life: None };
        worker.apply(&mut config).expect("valid options");
        config.worker.queues
    }

    #[test]
    fn concurrency_is_for_queues_without_a_number_or_for_all_when_none_are_named() {
        let pair = |name: &str, at_once| (name.to_owned(), at_once);
        assert_eq!(queues_after(Some("a=4,b"), Some(2)), [pair("a", 4), pair("b", 2)]);
        assert_eq!(queues_after(Some("a=4,b"), None), [pair("a", 4), pair("b", 4)]);
        assert_eq!(queues_after(None, Some(2)), [pair("default", 2), pair("video", 2)]);
        assert_eq!(queues_after(None, None), [pair("default", 8), pair("video", 1)]);
    }
}
