//! Where the `longshore-media` program is.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use jobs_core::port::video::VideoEngine;

use crate::limits::Limits;

/// The name of the program.
const PROGRAM: &str = "longshore-media";
/// Says where it is, when it does not lie beside this program.
const PROGRAM_VARIABLE: &str = "LONGSHORE_WORKER_MEDIA_BIN";
/// What it may see of this process' environment.
const PASSED_ON: [&str; 2] = ["LONGSHORE_FONTS_DIR", "LD_LIBRARY_PATH"];

/// Renders videos, each in a process of its own.
#[derive(Debug, Clone)]
pub struct MediaProcess {
    pub(super) program: PathBuf,
    pub(super) env: Vec<(&'static str, OsString)>,
    pub(super) limits: Limits,
    pub(super) patience: super::render::Patience,
}

/// The program is not there.
#[derive(Debug)]
pub struct NotFound {
    looked_at: PathBuf,
}

impl std::fmt::Display for NotFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.looked_at.display();
        write!(
            f,
            "there is no {path}: build it with `cargo build --release -p engine-media`, or set {PROGRAM_VARIABLE}"
        )
    }
}

impl std::error::Error for NotFound {}

impl MediaProcess {
    /// The program that was `named`, or the one beside the running program; each of its processes may use `limits`.
    ///
    /// # Errors
    /// When it is not there: the worker then has no video engine.
    #[expect(clippy::disallowed_methods, reason = "what the renderer's process inherits is decided here, name by name")]
    pub fn find(named: Option<&Path>, limits: Limits) -> Result<Self, NotFound> {
        let program = named.map_or_else(|| beside(env::current_exe().unwrap_or_default().as_path()), Path::to_path_buf);
        Self::at(program, super::child::passed_on(&PASSED_ON, |name| env::var_os(name)), limits)
    }

    /// The program at `program`, given `env` and nothing else.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn at(program: PathBuf, env: Vec<(&'static str, OsString)>, limits: Limits) -> Result<Self, NotFound> {
        if !program.is_file() {
            return Err(NotFound { looked_at: program });
        }
        Ok(Self { program, env, limits, patience: super::render::Patience::default() })
    }

    /// As the port that kinds know.
    #[must_use]
    pub fn engine(self) -> Arc<dyn VideoEngine> {
        Arc::new(self)
    }
}

/// Beside `exe`; test programs lie in a folder `deps` below it.
fn beside(exe: &Path) -> PathBuf {
    let folder = exe.parent().unwrap_or(Path::new("."));
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    folder.join(PROGRAM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_the_command_that_builds_it() {
        let limits = Limits { memory_bytes: 1, disk_bytes: 1 };
        let error = MediaProcess::at("/nowhere/longshore-media".into(), Vec::new(), limits);
        let error = error.expect_err("it is not there");
        assert!(error.to_string().contains("/nowhere/longshore-media"));
        assert!(error.to_string().contains("cargo build --release -p engine-media"));
    }

    #[test]
    fn it_lies_beside_the_running_program() {
        assert_eq!(beside(Path::new("/opt/bin/longshore")), Path::new("/opt/bin/longshore-media"));
        assert_eq!(beside(Path::new("/t/debug/deps/test-1")), Path::new("/t/debug/longshore-media"));
    }
}
