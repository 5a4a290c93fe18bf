//! Why private servers cannot be had.

use std::{io, path::PathBuf};

/// Why private servers cannot be had, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A program is not installed.
    #[error(
        "cannot find {program}; install it with `bin/setup`, `{apt}` (Debian, Ubuntu) or `{brew}` (Homebrew), or name \
         a running server with {variable}"
    )]
    Missing {
        /// What was looked for.
        program: &'static str,
        /// How to install it on Debian.
        apt: &'static str,
        /// How to install it with Homebrew.
        brew: &'static str,
        /// What makes it unnecessary.
        variable: &'static str,
    },
    /// The data was written by a version of Postgres that is not installed.
    #[error(
        "the data in {} was written by Postgres {wanted}, but only {found} is installed; install Postgres {wanted}, or \
         move the folder away to start empty", data.display()
    )]
    OtherVersion {
        /// The data.
        data: PathBuf,
        /// The major version that wrote it.
        wanted: u32,
        /// The newest major version found.
        found: u32,
    },
    /// Another process has started servers in this folder.
    #[error("the servers in {} belong to a running process ({pid}); stop it first, or use another data folder", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The process.
        pid: String,
    },
    /// The folder belongs to another user.
    #[error("{} belongs to another user; run as that user or as root, or use another data folder", dir.display())]
    NotOurs {
        /// The folder.
        dir: PathBuf,
    },
    /// No account was found to run a server as.
    #[error("root must not run {server}, and there is no user {names} to run it as")]
    NoAccount {
        /// The server.
        server: &'static str,
        /// The names that were tried.
        names: String,
    },
    /// A server ended while it started.
    #[error("{server} did not start ({status}); the end of {}:\n{tail}", log.display())]
    Ended {
        /// The server.
        server: &'static str,
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of its log.
        tail: String,
    },
    /// A server takes no connections.
    #[error("{server} runs but took no connection within {seconds} s; the end of {}:\n{tail}", log.display())]
    NotReady {
        /// The server.
        server: &'static str,
        /// How long it was given.
        seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The last lines of its log.
        tail: String,
    },
    /// A helper program of Postgres failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// The program.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// Something was asked of a server that was not part of the options.
    #[error("there is no private {0}")]
    NotStarted(&'static str),
    /// A file or a process could not be handled.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

/// Adds what was tried to an error of the operating system.
pub(super) trait Trying<T> {
    fn trying(self, what: impl FnOnce() -> String) -> Result<T, ServerError>;
}

impl<T, E: Into<io::Error>> Trying<T> for Result<T, E> {
    fn trying(self, what: impl FnOnce() -> String) -> Result<T, ServerError> {
        self.map_err(|err| ServerError::Io { what: what(), source: err.into() })
    }
}
