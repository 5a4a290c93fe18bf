//! Removing files: those of an attempt that lost, or all of a task.

use futures::{StreamExt, TryStreamExt};
use jobs_core::TaskId;
use object_store::path::Path;

use crate::{ArtifactError, Artifacts};

impl Artifacts {
    /// Removes the files of one attempt. Repeating it changes nothing.
    ///
    /// # Errors
    /// When the store refuses; some may be gone already.
    pub async fn remove_attempt(&self, task: TaskId, epoch: i32) -> Result<(), ArtifactError> {
        self.remove(self.of_attempt(task, epoch)).await
    }

    /// Removes all files of a task. Repeating it changes nothing.
    ///
    /// # Errors
    /// When the store refuses; some may be gone already.
    pub async fn remove_task(&self, task: TaskId) -> Result<(), ArtifactError> {
        self.remove(self.under(&task.to_string())).await
    }

    async fn remove(&self, prefix: Path) -> Result<(), ArtifactError> {
        let files = self.store.list(Some(&prefix)).map_ok(|file| file.location).boxed();
        let mut removed = self.store.delete_stream(files);
        while let Some(gone) = removed.next().await {
            match gone.map_err(ArtifactError::from) {
                // Somebody else was faster.
                Ok(_) | Err(ArtifactError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
