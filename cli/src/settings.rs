//! `longshore config`, and how every server command reads its settings.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use jobs_runtime::{
    Config,
    config::{Listed, Loaded},
    telemetry,
};

/// The options of `longshore config`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// Print JSON: a list of {name, key, value, source, help}
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let loaded = Loaded::from_process()?;
        let mut out = io::stdout().lock();
        let written = if self.json {
            let text = serde_json::to_string_pretty(&loaded.listed)?;
            writeln!(out, "{text}")
        } else {
            write!(out, "{}", listing(&loaded.listed))
        };
        for warning in &loaded.warnings {
            eprintln!("warning: {warning}");
        }
        match written {
            // Whoever reads us has seen enough: `longshore config | head`.
            Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
            written => written.map(|()| ExitCode::SUCCESS).context("write the settings"),
        }
    }
}

/// One setting in two lines: what it is, then what it does.
fn listing(settings: &[Listed]) -> String {
    let width = settings.iter().map(|line| line.name.len()).max().unwrap_or_default();
    let mut text =
        String::from("# In the environment under these names, or in longshore.toml under [section] key.\n\n");
    for Listed { name, key, value, source, help } in settings {
        let value = if value.is_empty() { "(not set)" } else { value };
        text.push_str(&format!("{name:<width$} = {value}\n    {help}\n    {key}, from {source}\n"));
    }
    text
}

/// The settings of a server command, with its log started. Names that look like mistakes are in the log.
pub(crate) fn start(
    role: &'static str,
    change: impl FnOnce(&mut Config) -> anyhow::Result<()>,
) -> anyhow::Result<Config> {
    let mut loaded = Loaded::from_process()?;
    change(&mut loaded.config)?;
    telemetry::init(&loaded.config.log, role)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    tracing::debug!(version = env!("CARGO_PKG_VERSION"), config = ?loaded.config, "settings");
    Ok(loaded.config)
}
