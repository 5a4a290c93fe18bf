//! What a running `longshore up` tells others in the same folder: where everything is.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

const FILE: &str = "servers.json";

/// The addresses of a running `longshore up`, in `servers.json` of its data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its process.
    pub pid: u32,
    /// Its Postgres.
    pub database_url: String,
    /// Its Redis.
    pub redis_url: String,
    /// Its API.
    pub api_url: String,
}

impl Record {
    /// Writes the record. Only our user can read it: an address may have a password in it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        // Whole or not at all, for readers at any moment.
        let mut file = tempfile::NamedTempFile::new_in(data_dir)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.persist(path(data_dir))?;
        Ok(())
    }

    /// The record of the `longshore up` that runs in this folder, if one does.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Self> {
        let record: Self = serde_json::from_slice(&fs::read(path(data_dir)).ok()?).ok()?;
        let pid = Pid::from_raw(i32::try_from(record.pid).ok()?)?;
        // Somebody else's process is alive, too.
        let alive = !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH));
        alive.then_some(record)
    }

    /// Removes the record.
    pub fn remove(data_dir: &Path) {
        // One that stays names a process that is gone, which readers notice.
        let _ = fs::remove_file(path(data_dir));
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_only_while_its_process_lives() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(Record::read(dir.path()), None);

        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let (database_url, redis_url, api_url) = ("a".into(), "b".into(), "c".into());
        let record = Record { pid: child.id(), database_url, redis_url, api_url };
        record.write(dir.path()).expect("written");
        assert_eq!(Record::read(dir.path()), Some(record));

        child.kill().and_then(|()| child.wait()).expect("ended");
        assert_eq!(Record::read(dir.path()), None);
    }
}
