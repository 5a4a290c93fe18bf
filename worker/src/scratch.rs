//! Scratch directories: one an attempt, gone with it; those of a worker that was killed go when the next one starts.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;

/// The place for scratch directories of this process.
#[derive(Debug, Clone)]
pub(crate) struct Scratch {
    root: PathBuf,
}

impl Scratch {
    /// A place under the data directory, after removing what dead processes left there.
    pub(crate) fn open(data_dir: &Path) -> io::Result<Self> {
        let parent = std::path::absolute(data_dir.join("scratch"))?;
        std::fs::create_dir_all(&parent)?;
        for entry in std::fs::read_dir(&parent)?.flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let dead = pid.is_some_and(|pid| test_kill_process(pid).err() == Some(rustix::io::Errno::SRCH));
            if dead {
                // Another worker may have been faster.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let root = parent.join(std::process::id().to_string());
        std::fs::create_dir_all(&root)?;
        Ok(Self { root })
    }

    /// A new directory.
    pub(crate) fn create(&self, name: &str) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix(name).tempdir_in(&self.root)
    }

    /// Removes the place. What an attempt that never ended still uses stays until the next start.
    pub(crate) fn close(&self) {
        let _ = std::fs::remove_dir(&self.root);
    }
}
