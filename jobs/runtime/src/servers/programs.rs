//! Where the programs of the system are.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::ServerError;

/// Folders with one sub-folder for each version of Postgres, and what lies between it and the programs.
const VERSIONED: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", "bin"),
    ("/usr/local/lib/postgresql", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "bin"),
    ("/usr", "bin"), // /usr/pgsql-16/bin of the Postgres packages for Red Hat
];

/// The programs of one version of Postgres.
#[derive(Debug, Clone)]
pub(super) struct PostgresPrograms {
    pub(super) bin: PathBuf,
    pub(super) major: u32,
}

impl PostgresPrograms {
    /// The programs of version `wanted`, which wrote `data`; the newest without data.
    pub(super) fn find(wanted: Option<u32>, data: &Path) -> Result<Self, ServerError> {
        let mut all: Vec<Self> = Self::folders().into_iter().filter_map(Self::at).collect();
        all.sort_by_key(|programs| programs.major);
        let newest = all.last().cloned().ok_or(ServerError::Missing {
            program: "postgres and initdb",
            apt: "apt-get install postgresql",
            brew: "brew install postgresql@17",
            variable: "DATABASE_URL",
        })?;
        let Some(wanted) = wanted else {
            return Ok(newest);
        };
        let found = newest.major;
        let fitting = all.into_iter().find(|programs| programs.major == wanted);
        fitting.ok_or_else(|| ServerError::OtherVersion { data: data.to_owned(), wanted, found })
    }

    fn folders() -> Vec<PathBuf> {
        let mut folders = path_folders();
        for (parent, bin) in VERSIONED {
            let versions = std::fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path());
            let named = |dir: &PathBuf| {
                let name = dir.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
                name.parse::<u32>().is_ok() || name.starts_with("postgresql") || name.starts_with("pgsql-")
            };
            folders.extend(versions.filter(named).map(|dir| dir.join(bin)));
        }
        folders
    }

    fn at(folder: PathBuf) -> Option<Self> {
        // A link in PATH leads to the folder that has all programs.
        let program = folder.join("postgres").canonicalize().ok()?;
        let bin = program.parent()?.to_owned();
        if !bin.join("initdb").exists() || !bin.join("createdb").exists() {
            return None;
        }
        let output = Command::new(&program).arg("--version").output().ok()?;
        let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { bin, major })
    }
}

/// The major version in a line such as `postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)`.
fn major_of(line: &str) -> Option<u32> {
    let version = line.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits = version.find(|c: char| !c.is_ascii_digit()).map_or(version, |end| &version[..end]);
    digits.parse().ok()
}

/// The program of Redis, or of Valkey, which can stand in for it.
pub(super) fn find_redis() -> Result<PathBuf, ServerError> {
    let homes =
        ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin"].map(PathBuf::from);
    let folders: Vec<PathBuf> = path_folders().into_iter().chain(homes).collect();
    let candidates =
        ["redis-server", "valkey-server"].into_iter().flat_map(|name| folders.iter().map(move |dir| dir.join(name)));
    candidates.into_iter().find(|program| program.is_file()).ok_or(ServerError::Missing {
        program: "redis-server",
        apt: "apt-get install redis-server",
        brew: "brew install redis",
        variable: "REDIS_URL",
    })
}

#[expect(clippy::disallowed_methods, reason = "PATH is no setting of ours")]
fn path_folders() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_release_and_beta_lines() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_of("something else\n"), None);
    }
}
