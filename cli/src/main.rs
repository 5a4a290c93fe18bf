//! The `longshore` command: the servers, and a client for them.

mod client;
mod direct;
mod doctor;
mod place;
mod prices;
mod role;
mod settings;
mod supervise;
mod up;
mod video;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use client::ClientCommand;

// The servers make and drop many small things on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Self-hosted background jobs: an HTTP API that accepts slow work at once, workers that do it
#[derive(Debug, Parser)]
#[command(name = "longshore", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  longshore up                        everything on this machine, nothing to set up
  longshore submit echo --input '{\"sleep_ms\":2000}' --watch
                                      run a task and follow it
  longshore list --status running     what is going on
  longshore config                    every setting, and where its value comes from

Servers for production are the same program: `longshore migrate` once, then
`longshore api`, `longshore scheduler` and `longshore worker` as often as needed,
with DATABASE_URL and REDIS_URL.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything here: API, scheduler, workers, and private Postgres and Redis where no URL is set
    Up(up::Up),
    /// Run the HTTP API
    Api(role::Api),
    /// Run a worker
    Worker(role::Worker),
    /// Run a scheduler; any number may run, one leads
    Scheduler,
    /// Bring the database up to date
    Migrate,
    /// Check everything that Longshore needs, and whether every unfinished task has its place
    Doctor(doctor::Doctor),
    /// Show every setting: its value, where it comes from, what it does
    Config(settings::Show),
    /// Prices: the last ones, their history, who is cheapest, and how they are read
    #[command(subcommand)]
    Prices(prices::Prices),
    /// Check, preview and render videos here, without a server
    #[command(subcommand)]
    Video(video::Video),
    #[command(flatten)]
    Client(ClientCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    run(cli.command).unwrap_or_else(|err| {
        eprintln!("error: {err:#}");
        let settings = err.downcast_ref::<jobs_runtime::config::ConfigError>().is_some();
        ExitCode::from(if settings { 2 } else { 1 })
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    if let Command::Config(show) = command {
        return show.run();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            // On the heap: a future of every command in one would be large.
            Command::Up(up) => Box::pin(up.run()).await,
            Command::Api(api) => Box::pin(api.run()).await,
            Command::Worker(worker) => Box::pin(worker.run()).await,
            Command::Scheduler => Box::pin(role::scheduler()).await,
            Command::Migrate => Box::pin(role::migrate()).await,
            Command::Prices(prices) => Box::pin(prices.run()).await,
            Command::Video(video) => Box::pin(video.run()).await,
            Command::Doctor(doctor) => Box::pin(doctor.run()).await,
            Command::Client(command) => Box::pin(client::run(command)).await,
            Command::Config(show) => show.run(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
