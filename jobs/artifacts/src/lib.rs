//! Files that attempts leave: their bytes, in a folder or in a bucket.
//!
//! A file lies at `<task>/<epoch>/<name>`, so attempts never write over each other. Which attempt's files clients see is
//! decided by the rows, not here.

mod error;
mod name;
mod open;
mod put;
mod remove;

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use jobs_core::TaskId;
use object_store::{GetOptions, GetRange, ObjectStore, path::Path};

pub use error::ArtifactError;
pub use name::is_name;
pub use put::Stored;

/// The place where artifacts lie. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Artifacts {
    store: Arc<dyn ObjectStore>,
    root: Path,
}

impl Artifacts {
    /// The bytes of a file, or those of `range` (the end is exclusive and may lie behind the file's).
    ///
    /// # Errors
    /// When there is no such file, or the store refuses. A file that breaks off half way ends the stream with an error.
    pub async fn get(
        &self,
        task: TaskId,
        epoch: i32,
        name: &str,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, ArtifactError>>, ArtifactError> {
        let at = self.at(task, epoch, name)?;
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let found = self.store.get_opts(&at, options).await?;
        Ok(found.into_stream().map_err(ArtifactError::from).boxed())
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), ArtifactError> {
        // A task that never was: nothing is listed, but the store has to look.
        let nowhere = self.under("ping");
        match self.store.list(Some(&nowhere)).next().await {
            Some(Err(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Where a file lies.
    fn at(&self, task: TaskId, epoch: i32, name: &str) -> Result<Path, ArtifactError> {
        if !is_name(name) {
            return Err(ArtifactError::BadName(name.to_owned()));
        }
        Ok(self.of_attempt(task, epoch).join(name))
    }

    fn of_attempt(&self, task: TaskId, epoch: i32) -> Path {
        self.under(&task.to_string()).join(epoch.to_string())
    }

    fn under(&self, part: &str) -> Path {
        self.root.clone().join(part)
    }
}
