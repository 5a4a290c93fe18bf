//! What is measured: a file a scenario, and the list of all.

mod backlog;
mod drain;
mod due;
mod groups;
mod idle;
mod pickup;
mod status;
mod stream;
mod submit;
mod throughput;
mod wait;

use std::time::Duration;

use clap::ValueEnum;

use crate::{figure::Figure, options::Options, peer, stage::Stage, yardstick};

pub(crate) use {
    drain::{drain, drain_of},
    pickup::idle_pickup,
    status::reads,
    submit::submits,
    throughput::throughput,
};

/// Nothing takes longer, or it is given up.
const LIMIT: Duration = Duration::from_secs(300);

/// One part of a run, with servers that nobody else uses meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Bare Redis: a list that is pushed and moved
    RedisList,
    /// Our own commands to Redis, without Postgres
    RedisCommands,
    /// Bare Postgres: rows into a table like that of tasks
    Insert,
    /// Submissions, one and a thousand a request
    Submit,
    /// A backlog that a worker runs off
    Drain,
    /// The same in ten thousand groups with limits
    Groups,
    /// Submit, run and record at once
    Sustained,
    /// From the queue to the start, at rest and under half the load
    Pickup,
    /// Submit and wait for the end in one request
    Wait,
    /// Reads of tasks, whole and unchanged
    Status,
    /// Claims with a million tasks queued
    Backlog,
    /// A hundred thousand tasks due in one second
    Due,
    /// A thousand clients that follow one task
    Stream,
    /// What a system costs that has nothing to do
    Idle,
    /// FastAPI and Celery
    Celery,
    /// Fastify and BullMQ
    Bullmq,
    /// graphile-worker
    GraphileWorker,
    /// pg-boss
    PgBoss,
}

impl Scenario {
    /// Those that were asked for, in their order.
    pub(crate) fn of(options: &Options) -> Vec<Self> {
        let wanted = |scenario: &Self| {
            let is_usual = options.only.is_empty() && !scenario.is_peer();
            is_usual || options.only.contains(scenario) || (options.peers && scenario.is_peer())
        };
        Self::value_variants().iter().copied().filter(wanted).collect()
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn is_peer(self) -> bool {
        matches!(self, Self::Celery | Self::Bullmq | Self::GraphileWorker | Self::PgBoss)
    }

    /// Measures. What it started is stopped when this returns, however it does.
    pub(crate) async fn run_within_limit(self, stage: &Stage) -> anyhow::Result<Vec<Figure>> {
        // On the heap: one future for all of them would be large.
        match tokio::time::timeout(LIMIT, Box::pin(self.run(stage))).await {
            Ok(ended) => ended,
            Err(_) => anyhow::bail!("given up after {LIMIT:?}"),
        }
    }

    async fn run(self, stage: &Stage) -> anyhow::Result<Vec<Figure>> {
        match self {
            Self::RedisList => yardstick::redis_list(stage).await,
            Self::RedisCommands => yardstick::redis_commands(stage).await,
            Self::Insert => yardstick::insert(stage).await,
            Self::Submit => submit::run(stage).await,
            Self::Drain => drain::run(stage).await,
            Self::Groups => groups::run(stage).await,
            Self::Sustained => throughput::run(stage).await,
            Self::Pickup => pickup::run(stage).await,
            Self::Wait => wait::run(stage).await,
            Self::Status => status::run(stage).await,
            Self::Backlog => backlog::run(stage).await,
            Self::Due => due::run(stage).await,
            Self::Stream => stream::run(stage).await,
            Self::Idle => idle::run(stage).await,
            Self::Celery => peer::over_http(stage, &peer::CELERY).await,
            Self::Bullmq => peer::over_http(stage, &peer::BULLMQ).await,
            Self::GraphileWorker => peer::drained(stage, &peer::GRAPHILE_WORKER).await,
            Self::PgBoss => peer::drained(stage, &peer::PG_BOSS).await,
        }
    }
}
