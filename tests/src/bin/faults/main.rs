//! `faults`: many tasks through a storm of faults, and a count of what was lost, wrong or done twice.

mod drill;
mod load;
mod options;
mod plan;
mod slot;
mod verdict;

use std::{
    fs, io,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Parser as _;
use futures::FutureExt as _;
use tempfile::TempDir;

use crate::{drill::Drill, options::Options};

#[tokio::main]
async fn main() -> ExitCode {
    let mut options = Options::parse();
    let seed = *options.seed.get_or_insert_with(rand::random);
    if options.unfenced && cfg!(not(debug_assertions)) {
        eprintln!("error: only debug builds can switch the fence off");
        return ExitCode::from(2);
    }
    let logs = match Logs::make(options.logs.clone()) {
        Ok(logs) => logs,
        Err(error) => {
            eprintln!("error: make a folder for the logs: {error}");
            return ExitCode::from(2);
        }
    };
    println!("{options}");

    let began = Instant::now();
    // The harness says by a panic what it cannot do: the logs must stay then, too.
    let drill = async { Drill::start(&options, seed, logs.path(), began).await.run().await };
    let drill = tokio::time::timeout(options.limit(), AssertUnwindSafe(drill).catch_unwind()).await;
    let passed = match drill {
        Ok(Ok(verdict)) => {
            println!("{verdict}");
            verdict.passed()
        }
        Ok(Err(_)) => {
            println!("FAILED: the drill broke");
            false
        }
        Err(_) => {
            println!("FAILED: no end within {:?}", options.limit());
            false
        }
    };
    if passed {
        return ExitCode::SUCCESS;
    }
    println!("the same faults again: --seed {seed}; the logs are in {}", logs.keep().display());
    ExitCode::FAILURE
}

/// The folder of the logs.
enum Logs {
    /// One that was asked for: it stays.
    Named(PathBuf),
    /// A new one, which goes unless it is kept.
    New(TempDir),
}

impl Logs {
    fn make(named: Option<PathBuf>) -> io::Result<Self> {
        match named {
            Some(dir) => fs::create_dir_all(&dir).and_then(|()| dir.canonicalize()).map(Self::Named),
            None => tempfile::Builder::new().prefix("longshore-faults-").tempdir().map(Self::New),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Named(dir) => dir,
            Self::New(dir) => dir.path(),
        }
    }

    fn keep(self) -> PathBuf {
        match self {
            Self::Named(dir) => dir,
            Self::New(dir) => dir.keep(),
        }
    }
}
