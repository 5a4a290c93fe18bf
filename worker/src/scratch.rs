//! Scratch directories: one an attempt, gone with it; those of a worker that was killed go when the next one starts.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;

/// How often a directory is measured, at most.
const LOOK: Duration = Duration::from_millis(250);

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

/// Completes when a directory takes more than `limit_bytes` of disk, with what it takes.
pub(crate) async fn overfull(dir: PathBuf, limit_bytes: u64) -> u64 {
    loop {
        let began = Instant::now();
        let measured = dir.clone();
        let usage = tokio::task::spawn_blocking(move || usage_bytes(&measured)).await;
        if let Ok(usage) = usage
            && usage > limit_bytes
        {
            return usage;
        }
        // A large tree is looked at less often: looking stays a small part of the time.
        tokio::time::sleep(LOOK.max(began.elapsed() * 20)).await;
    }
}

/// The disk that a directory takes, in bytes, with all that is in it. What vanishes meanwhile is not counted.
fn usage_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let usage = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => usage_bytes(&entry.path()),
        // Blocks have 512 bytes here, whatever those of the file system have.
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    });
    usage.sum()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn many_small_files_fill_a_directory_as_one_large_one_does() {
        let dir = tempfile::tempdir().expect("a directory");
        let sub = dir.path().join("a/b");
        fs::create_dir_all(&sub).expect("directories");
        let limit_bytes = 256 << 10;
        let watch = tokio::spawn(overfull(dir.path().to_owned(), limit_bytes));
        for number in 0..8 {
            fs::write(sub.join(number.to_string()), vec![1; 16 << 10]).expect("a file");
        }
        assert!(tokio::time::timeout(LOOK * 3, overfull(dir.path().to_owned(), limit_bytes)).await.is_err());
        for number in 8..24 {
            fs::write(sub.join(number.to_string()), vec![1; 16 << 10]).expect("a file");
        }
        let usage = tokio::time::timeout(Duration::from_secs(10), watch).await.expect("soon").expect("no panic");
        assert!(usage > limit_bytes, "{usage}");
    }

    #[test]
    fn a_file_with_a_hole_takes_no_more_than_what_was_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = fs::File::create(dir.path().join("hole")).expect("a file");
        file.set_len(1 << 30).expect("a hole");
        assert!(usage_bytes(dir.path()) < 1 << 20);
    }
}
