//! The command line.

use std::{path::PathBuf, time::Duration};

use crate::scenario::Scenario;

/// Measures Longshore with the programs beside this one, on private servers, and prints a table of ratios
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "bin/bench", version, max_term_width = 100)]
pub(crate) struct Options {
    /// Also run the peers, at their documented best settings: Celery, BullMQ, graphile-worker, pg-boss
    #[arg(long)]
    pub(crate) peers: bool,

    /// Print one JSON document with everything; the table goes to standard error
    #[arg(long)]
    pub(crate) json: bool,

    /// Smaller numbers and shorter times: to see that all works, not to compare
    #[arg(long)]
    pub(crate) quick: bool,

    /// Run these only
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) only: Vec<Scenario>,

    /// How long each rate is measured [default: 8, with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: Option<u64>,

    /// Where data and logs are kept while it runs; its disk is part of what is measured [default: beside the programs]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
}

impl Options {
    /// How long each rate is measured.
    pub(crate) fn window(&self) -> Duration {
        let usual = if self.quick { 1 } else { 8 };
        Duration::from_secs(self.seconds.unwrap_or(usual))
    }

    /// How long a system runs under load before it is measured.
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_millis(if self.quick { 200 } else { 2_000 })
    }

    /// `usual`, or `small` for a quick run.
    pub(crate) fn size(&self, usual: u64, small: u64) -> u64 {
        if self.quick { small } else { usual }
    }
}
