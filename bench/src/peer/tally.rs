//! Which tasks a peer's worker ran, and when: what its task function noted, in a file a process.
//!
//! A note is 16 bytes, little endian: the start in microseconds of the Unix epoch (8), the number of the task (4), and how
//! long it had waited since its API took it, in microseconds (4). To add one costs a worker next to nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, ensure};

use crate::samples::Samples;

const NOTE: usize = 16;

/// The notes of all worker processes of a peer.
#[derive(Debug)]
pub(super) struct Tally(PathBuf);

/// One note.
struct Note {
    started: SystemTime,
    number: u32,
    waited: Duration,
}

impl Tally {
    /// The notes in a folder.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Where the notes are.
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// How many starts are noted.
    pub(super) fn count(&self) -> anyhow::Result<u64> {
        let sizes: Result<Vec<u64>, _> = fs::read_dir(&self.0)?.map(|file| Ok(file?.metadata()?.len())).collect();
        Ok(sizes.map_err(|error: std::io::Error| error)?.iter().sum::<u64>() / NOTE as u64)
    }

    /// When the first task started.
    pub(super) fn first(&self) -> anyhow::Result<SystemTime> {
        self.notes()?.iter().map(|note| note.started).min().context("nothing has started")
    }

    /// How long the tasks numbered from `first` waited.
    pub(super) fn waits(&self, first: u64) -> anyhow::Result<Samples> {
        let mut waits = Samples::default();
        self.notes()?.iter().filter(|note| u64::from(note.number) >= first).for_each(|note| waits.add(note.waited));
        Ok(waits)
    }

    /// Fails unless each of the first `count` tasks ran exactly once.
    pub(super) fn check(&self, count: u64) -> anyhow::Result<()> {
        let mut runs = vec![0_u32; usize::try_from(count)?];
        for note in self.notes()? {
            let run = runs.get_mut(usize::try_from(note.number)?);
            *run.with_context(|| format!("task {} was never accepted", note.number))? += 1;
        }
        let lost = runs.iter().filter(|&&runs| runs == 0).count();
        let twice = runs.iter().filter(|&&runs| runs > 1).count();
        ensure!(lost == 0 && twice == 0, "of {count} tasks {lost} never ran and {twice} ran more than once");
        Ok(())
    }

    fn notes(&self) -> anyhow::Result<Vec<Note>> {
        let mut notes = Vec::new();
        for file in fs::read_dir(&self.0)? {
            let bytes = fs::read(file?.path())?;
            notes.extend(bytes.chunks_exact(NOTE).filter_map(read));
        }
        Ok(notes)
    }
}

fn read(bytes: &[u8]) -> Option<Note> {
    let started_us = u64::from_le_bytes(bytes.get(0..8)?.try_into().ok()?);
    let number = u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?);
    let waited_us = u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?);
    Some(Note {
        started: SystemTime::UNIX_EPOCH + Duration::from_micros(started_us),
        number,
        waited: Duration::from_micros(waited_us.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(numbers: &[u32]) -> (tempfile::TempDir, Tally) {
        let folder = tempfile::tempdir().expect("a folder");
        let note =
            |number: &u32| [&7_000_000_u64.to_le_bytes()[..], &number.to_le_bytes(), &1_500_u32.to_le_bytes()].concat();
        let (one, two) = numbers.split_at(numbers.len() / 2);
        for (name, numbers) in [("1", one), ("2", two)] {
            let notes: Vec<u8> = numbers.iter().flat_map(note).collect();
            fs::write(folder.path().join(name), notes).expect("a file");
        }
        let tally = Tally::new(folder.path().to_owned());
        (folder, tally)
    }

    #[test]
    fn what_never_ran_and_what_ran_twice_is_found() {
        let (_folder, whole) = tally(&[2, 0, 1, 3]);
        whole.check(4).expect("all ran once");
        assert_eq!(whole.count().expect("files"), 4);
        assert_eq!(whole.waits(1).expect("files").len(), 3);

        let (_folder, broken) = tally(&[2, 0, 2]);
        let error = broken.check(4).expect_err("two are missing").to_string();
        assert_eq!(error, "of 4 tasks 2 never ran and 1 ran more than once");
        assert!(broken.check(2).is_err());
    }
}
