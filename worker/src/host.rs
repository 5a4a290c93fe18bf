//! What a worker does for one attempt that runs: its words, its scratch directory, its files.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};
use jobs_artifacts::{ArtifactError, Artifacts};
use jobs_core::{
    JobError, LogLevel, Progress, TaskId, WorkerId, context::AttemptHost, error::DISK_FULL_WAIT, port::price::PriceBook,
};
use jobs_store::{Artifact, Store};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::sync::{Mutex, Notify};
use tracing::warn;

use crate::{
    life::is_passing,
    reporter::Reporter,
    scratch::{Scratch, overfull},
};

/// Hosts one attempt.
pub(crate) struct Host {
    pub(crate) worker: WorkerId,
    pub(crate) task: TaskId,
    pub(crate) epoch: i32,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) store: Store,
    pub(crate) artifacts: Artifacts,
    pub(crate) scratch: Scratch,
    pub(crate) dir: Mutex<Option<TempDir>>,
    /// Told when `dir` is made.
    pub(crate) made_dir: Notify,
    /// How many uploads have begun.
    pub(crate) uploads: AtomicUsize,
    /// The runtime of the control side: connections live there.
    pub(crate) control: tokio::runtime::Handle,
}

impl Host {
    /// Removes what an attempt uploaded that did not succeed. What is left by an outage goes with the task.
    pub(crate) async fn discard_uploads(&self) {
        if self.uploads.load(Relaxed) == 0 {
            return;
        }
        if let Err(error) = self.artifacts.remove_attempt(self.task, self.epoch).await {
            warn!(error = &error as &dyn std::error::Error, "the files of a failed attempt are left");
        }
    }

    /// Completes when the scratch directory takes more than `limit_bytes`, with what it takes. Costs an attempt nothing that has none.
    pub(crate) async fn overfull(&self, limit_bytes: u64) -> u64 {
        self.made_dir.notified().await;
        let Some(path) = self.dir.lock().await.as_ref().map(|dir| dir.path().to_owned()) else {
            return std::future::pending().await;
        };
        overfull(path, limit_bytes).await
    }

    async fn upload(&self, name: String, content_type: String, path: PathBuf) -> Result<(), JobError> {
        let (store, artifacts) = (self.store.clone(), self.artifacts.clone());
        let (worker, task, epoch) = (self.worker, self.task, self.epoch);
        self.uploads.fetch_add(1, Relaxed);
        let upload = async move {
            let stored = artifacts.put(task, epoch, &name, &path).await;
            let stored = stored.map_err(not_stored)?;
            let artifact = Artifact {
                name,
                epoch,
                content_type,
                size_bytes: stored.size_bytes,
                sha256: stored.sha256,
                // The database sets it.
                created_at: OffsetDateTime::UNIX_EPOCH,
            };
            let mut wait = Duration::from_millis(50);
            loop {
                match store.add_artifact(worker, task, epoch, &artifact).await {
                    Ok(true) => return Ok(()),
                    Ok(false) => return Err(JobError::retry("fenced", "the attempt is not this worker's any more")),
                    Err(error) if is_passing(&error) => tokio::time::sleep(wait).await,
                    Err(error) => return Err(JobError::retry("artifact_not_noted", error)),
                }
                wait = (wait * 2).min(Duration::from_secs(1));
            }
        };
        let done = self.control.spawn(upload).await;
        done.map_err(|error| JobError::retry("artifact_not_stored", error))?
    }
}

impl AttemptHost for Host {
    fn progress(&self, progress: Progress) {
        self.reporter.progress((self.worker, self.task, self.epoch), progress);
    }

    fn log(&self, level: LogLevel, message: String) {
        self.reporter.log((self.worker, self.task, self.epoch), level, message);
    }

    fn scratch(&self) -> BoxFuture<'_, Result<PathBuf, JobError>> {
        let make = async {
            let mut dir = self.dir.lock().await;
            if let Some(dir) = &*dir {
                return Ok(dir.path().to_owned());
            }
            let made = self.scratch.create(&format!("{}-{}-", self.task, self.epoch));
            let made = made.map_err(no_directory)?;
            let path = made.path().to_owned();
            *dir = Some(made);
            self.made_dir.notify_one();
            Ok(path)
        };
        make.boxed()
    }

    fn artifact<'a>(
        &'a self,
        name: &'a str,
        content_type: &'a str,
        path: PathBuf,
    ) -> BoxFuture<'a, Result<(), JobError>> {
        self.upload(name.to_owned(), content_type.to_owned(), path).boxed()
    }

    fn prices(&self) -> &dyn PriceBook {
        self
    }
}

fn not_stored(error: ArtifactError) -> JobError {
    if matches!(error, ArtifactError::Full(_)) {
        return JobError::retry("artifact_store_full", error).after(DISK_FULL_WAIT);
    }
    JobError::retry("artifact_not_stored", error)
}

fn no_directory(error: io::Error) -> JobError {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return JobError::retry("disk_full", error).after(DISK_FULL_WAIT);
    }
    JobError::retry("no_scratch_directory", error)
}
