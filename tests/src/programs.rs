//! The programs under test: those that were built last, and no older ones.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::servers::variable;

/// Where programs are that are not to be looked for: to test an installation or a release.
const VARIABLE: &str = "LONGSHORE_TEST_BIN_DIR";

/// The path of `longshore`.
///
/// # Panics
/// When it was not built, or its sources have changed since.
#[must_use]
pub fn longshore() -> PathBuf {
    find("longshore")
}

/// The path of `longshore-media`.
///
/// # Panics
/// As [`longshore`].
#[must_use]
pub fn media() -> PathBuf {
    find("longshore-media")
}

fn find(name: &str) -> PathBuf {
    if let Some(dir) = variable(VARIABLE) {
        let program = Path::new(&dir).join(name);
        assert!(program.exists(), "{VARIABLE}: there is no {}", program.display());
        return program;
    }
    // Ours is target/<profile>/deps/<test>-<hash>.
    let this = std::env::current_exe().expect("the path of this program");
    let profile =
        this.ancestors().find(|dir| dir.file_name().is_some_and(|name| name == "deps")).and_then(Path::parent);
    let profile = profile.or_else(|| this.parent()).expect("a test lies in a folder");
    let program = profile.join(name);
    let Some(built) = modified(&program) else {
        panic!("{} was not built: run `cargo build`, or the tests by `bin/test`", program.display());
    };
    if let Some(source) = newer_source(&profile.join(format!("{name}.d")), built) {
        panic!("{} is older than {source}: run `cargo build`, or the tests by `bin/test`", program.display());
    }
    program
}

/// A source of the program that changed after it was built. Cargo lists them all in a file beside the program.
fn newer_source(list: &Path, built: SystemTime) -> Option<String> {
    let text = fs::read_to_string(list).ok()?;
    // A space within a path is escaped.
    let text = text.replace("\\ ", "\0");
    let sources = text.split_once(':')?.1.split_whitespace().map(|source| source.replace('\0', " "));
    sources.into_iter().find(|source| modified(Path::new(source)).is_some_and(|changed| changed > built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}
