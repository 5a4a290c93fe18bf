//! What the command line asks for.

use std::{fmt, path::PathBuf, time::Duration};

use clap::Parser;

/// As many tasks a second come in by default, so that faults hit tasks of every age.
const PER_SECOND: u64 = 75;

const AFTER: &str = "\
`bin/faults` builds the programs first and hands its options over; its own option --release
builds and uses release programs.";

/// Sends tasks through a storm of faults and counts what was lost, wrong or done twice
///
/// Starts private servers and the programs of the folder it lies in, submits tasks through the HTTP API under idempotency
/// keys (and repeats what was answered with 503), and meanwhile kills, stops and pauses things by a plan that the seed
/// decides. Then every row, and what the workers say they ran, is checked. Ends with 0 only if nothing was lost, wrong or
/// done twice.
#[derive(Debug, Parser)]
#[command(name = "faults", max_term_width = 100, after_help = AFTER)]
pub(crate) struct Options {
    /// How many tasks
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) tasks: u64,

    /// Decides which fault happens when, and to whom [default: a new one]
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,

    /// How many workers, each with eight tasks at once
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..))]
    pub(crate) workers: u16,

    /// How often a worker is killed (SIGKILL) and another process takes its place
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub(crate) worker_kills: u32,

    /// How often Redis is killed (SIGKILL) and started again, empty
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) redis_kills: u32,

    /// How often Postgres is stopped at once, as by a crash, and started again
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) postgres_stops: u32,

    /// How often Redis loses its data (FLUSHALL)
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) flushes: u32,

    /// How often a worker that runs tasks is paused (SIGSTOP) until somebody else runs one of them
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) zombies: u32,

    /// Submissions and faults are spread over so many seconds [default: 75 tasks a second, at least 10 s]
    #[arg(long, value_name = "SECONDS")]
    spread: Option<u64>,

    /// The end of everything, finished or not
    #[arg(long, value_name = "SECONDS", default_value_t = 240)]
    limit: u64,

    /// Folder for the logs of all processes [default: a new one, which stays only after a failure]
    #[arg(long, value_name = "DIR")]
    pub(crate) logs: Option<PathBuf>,

    /// Switch the fence of the workers off: the check must then fail (debug builds only)
    #[arg(long)]
    pub(crate) unfenced: bool,
}

impl Options {
    /// Submissions and faults are spread over this time.
    pub(crate) fn spread(&self) -> Duration {
        Duration::from_secs(self.spread.unwrap_or_else(|| (self.tasks / PER_SECOND).max(10)))
    }

    /// The whole may take this long.
    pub(crate) fn limit(&self) -> Duration {
        Duration::from_secs(self.limit)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tasks, workers, worker_kills, redis_kills, postgres_stops, flushes, zombies, .. } = self;
        let fence = if self.unfenced { ", WITHOUT the fence" } else { "" };
        writeln!(
            f,
            "seed {}: {tasks} tasks within {:?}, {workers} workers{fence}",
            self.seed.unwrap_or_default(),
            self.spread()
        )?;
        write!(
            f,
            "{worker_kills} worker kills, {redis_kills} Redis kills, {postgres_stops} Postgres stops, {flushes} FLUSHALL, {zombies} zombies"
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_faults_are_spread_by_the_number_of_tasks() {
        Options::command().debug_assert();
        assert_eq!(Options::parse_from(["faults"]).spread(), Duration::from_secs(133));
        assert_eq!(Options::parse_from(["faults", "--tasks", "100"]).spread(), Duration::from_secs(10));
    }
}
