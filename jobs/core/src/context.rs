//! What a kind sees of the world while it runs.

use std::{path::PathBuf, sync::Arc};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::{
    JobError, LogLevel, Progress, TaskId,
    port::{fetch::Fetch, price::PriceBook, video::VideoEngine, web::WebEngine},
};

/// The engines that a worker has. A kind whose engine is missing fails with a code that says so.
#[derive(Clone, Default)]
pub struct Engines {
    /// Renders films.
    pub video: Option<Arc<dyn VideoEngine>>,
    /// Fetches from foreign hosts.
    pub web: Option<Arc<dyn WebEngine>>,
    /// Fetches files that clients name by their URL.
    pub fetch: Option<Arc<dyn Fetch>>,
    /// Whether a client may ask the test kind to take the whole worker process down. Off unless the operator says so.
    pub may_crash: bool,
}

/// What the worker does for the attempt it hosts.
pub trait AttemptHost: Send + Sync {
    /// Takes the latest progress; earlier progress that was not sent yet is dropped.
    fn progress(&self, progress: Progress);
    /// Takes a log line of the task.
    fn log(&self, level: LogLevel, message: String);
    /// A directory of this attempt, made on first use and removed with the attempt.
    fn scratch(&self) -> BoxFuture<'_, Result<PathBuf, JobError>>;
    /// Uploads a file; clients see it when this attempt is the one that succeeds.
    fn artifact<'a>(
        &'a self,
        name: &'a str,
        content_type: &'a str,
        path: PathBuf,
    ) -> BoxFuture<'a, Result<(), JobError>>;
    /// The book of prices of the task's project.
    fn prices(&self) -> &dyn PriceBook;
}

/// What a kind sees while it runs.
pub struct JobContext {
    /// The task. Side effects carry it as their idempotency key.
    pub task_id: TaskId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Cancelled when the attempt should stop: somebody asked, or the worker goes away.
    pub cancel: CancellationToken,
    /// The engines of this worker.
    pub engines: Engines,
    host: Arc<dyn AttemptHost>,
}

impl JobContext {
    /// A context that reports to `host`.
    #[must_use]
    pub fn new(
        task_id: TaskId,
        attempt: u32,
        cancel: CancellationToken,
        engines: Engines,
        host: Arc<dyn AttemptHost>,
    ) -> Self {
        Self { task_id, attempt, cancel, engines, host }
    }

    /// Says how far the attempt is. Cheap: call it as often as there is something to say.
    pub fn progress(&self, progress: Progress) {
        self.host.progress(progress);
    }

    /// Writes a line to the task's log.
    pub fn log(&self, level: LogLevel, message: impl Into<String>) {
        self.host.log(level, message.into());
    }

    /// A directory of this attempt, made on first use and removed with the attempt.
    ///
    /// # Errors
    /// When the disk refuses; another attempt may succeed.
    pub async fn scratch(&self) -> Result<PathBuf, JobError> {
        self.host.scratch().await
    }

    /// Uploads the file at `path` as the artifact `name`. Clients see it when this attempt is the one that succeeds.
    ///
    /// # Errors
    /// When the store refuses; another attempt may succeed.
    pub async fn artifact(&self, name: &str, content_type: &str, path: impl Into<PathBuf>) -> Result<(), JobError> {
        self.host.artifact(name, content_type, path.into()).await
    }

    /// The book of prices of the task's project.
    #[must_use]
    pub fn prices(&self) -> &dyn PriceBook {
        self.host.prices()
    }
}
