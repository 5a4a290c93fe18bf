//! The client commands: everything they do goes over the public HTTP API.
//!
//! Nothing here knows the server's crates; a client of another version still reads what it can.

mod act;
mod bars;
mod body;
mod connect;
mod download;
mod exit;
mod explain;
mod failure;
mod follow;
mod get;
mod http;
mod interrupt;
mod keys;
mod kinds;
mod list;
mod prices;
mod problem;
mod projects;
mod queues;
mod replay;
mod report;
mod schedules;
mod schema;
mod screen;
mod span;
mod sse;
mod submit;
mod table;
mod task;
#[cfg(test)]
mod tests;
mod text;
mod watch;
mod webhooks;

use std::process::ExitCode;

use clap::Subcommand;

use act::Verb;
use exit::{EXIT_CODES, Exit};
use failure::Failure;
pub(crate) use prices::Prices;
use screen::Screen;

/// A command that talks to a running server.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Submit a task
    #[command(after_help = EXIT_CODES)]
    Submit(Box<submit::Submit>),
    /// Show a task: status, progress, timings, error, artifacts
    #[command(after_help = EXIT_CODES)]
    Get(get::Get),
    /// Say why a task does not run yet, and when it should start and end
    #[command(after_help = EXIT_CODES)]
    Explain(explain::Explain),
    /// Follow tasks live until they are done
    #[command(after_help = EXIT_CODES)]
    Watch(watch::Watch),
    /// Cancel tasks, also running ones: by id, or all that match
    #[command(after_help = EXIT_CODES)]
    Cancel(Box<act::Act>),
    /// Try tasks again that failed, were canceled or expired: by id, or all that match
    #[command(after_help = EXIT_CODES)]
    Retry(Box<act::Act>),
    /// Submit a task once more, as a new one that may differ
    #[command(after_help = EXIT_CODES)]
    Replay(Box<replay::Replay>),
    /// Delete tasks that have ended: by id, or all that match
    #[command(after_help = EXIT_CODES)]
    Delete(Box<act::Act>),
    /// List tasks
    #[command(after_help = EXIT_CODES)]
    List(list::List),
    /// List what the server can do, or show one kind with its fields and an example
    #[command(after_help = EXIT_CODES)]
    Kinds(kinds::Kinds),
    /// List queues with their limits, pause one, or let it go on
    #[command(after_help = EXIT_CODES)]
    Queues(queues::Queues),
    /// Make tasks by time: declare schedules in a file, list and preview them, pause, run
    #[command(after_help = EXIT_CODES)]
    Schedules(Box<schedules::Schedules>),
    /// Make, list, rotate and revoke API keys
    #[command(after_help = EXIT_CODES)]
    Keys(Box<keys::Keys>),
    /// Tell others of what happens: endpoints, what they were told, and a receiver on this machine
    #[command(after_help = EXIT_CODES)]
    Webhooks(Box<webhooks::Webhooks>),
    /// Make and list projects: tenants that see nothing of each other
    #[command(after_help = EXIT_CODES)]
    Projects(projects::Projects),
    /// Reached as `longshore prices`, which has more below it
    #[command(skip)]
    Prices(Box<Prices>),
}

impl From<Prices> for ClientCommand {
    fn from(prices: Prices) -> Self {
        Self::Prices(Box::new(prices))
    }
}

/// Runs a client command. A failure is told on standard error and is in the exit code.
pub(crate) async fn run(command: ClientCommand) -> anyhow::Result<ExitCode> {
    Ok(run_on(&command, &Screen::of_process()).await.into())
}

async fn run_on(command: &ClientCommand, screen: &Screen) -> Exit {
    let result = match command {
        ClientCommand::Submit(submit) => submit.run(screen).await,
        ClientCommand::Get(get) => get.run(screen).await,
        ClientCommand::Explain(explain) => explain.run(screen).await,
        ClientCommand::Watch(watch) => watch.run(screen).await,
        ClientCommand::Cancel(act) => act.run(Verb::Cancel, screen).await,
        ClientCommand::Retry(act) => act.run(Verb::Retry, screen).await,
        ClientCommand::Replay(replay) => replay.run(screen).await,
        ClientCommand::Delete(act) => act.run(Verb::Delete, screen).await,
        ClientCommand::List(list) => list.run(screen).await,
        ClientCommand::Kinds(kinds) => kinds.run(screen).await,
        ClientCommand::Queues(queues) => queues.run(screen).await,
        ClientCommand::Schedules(schedules) => schedules.run(screen).await,
        ClientCommand::Keys(keys) => keys.run(screen).await,
        ClientCommand::Webhooks(webhooks) => webhooks.run(screen).await,
        ClientCommand::Projects(projects) => projects.run(screen).await,
        ClientCommand::Prices(prices) => prices.run(screen).await,
    };
    result.unwrap_or_else(|failure| {
        if command.json() {
            failure.tell_json(screen);
        } else {
            failure.tell(screen);
        }
        Failure::exit(&failure)
    })
}

impl ClientCommand {
    fn json(&self) -> bool {
        match self {
            Self::Submit(submit) => submit.json(),
            Self::Get(get) => get.json(),
            Self::Explain(explain) => explain.json(),
            Self::Watch(watch) => watch.json(),
            Self::Cancel(act) | Self::Retry(act) | Self::Delete(act) => act.json(),
            Self::Replay(replay) => replay.json(),
            Self::List(list) => list.json(),
            Self::Kinds(kinds) => kinds.json(),
            Self::Queues(queues) => queues.json(),
            Self::Schedules(schedules) => schedules.json(),
            Self::Keys(keys) => keys.json(),
            Self::Webhooks(webhooks) => webhooks.json(),
            Self::Projects(projects) => projects.json(),
            Self::Prices(prices) => prices.json(),
        }
    }
}
