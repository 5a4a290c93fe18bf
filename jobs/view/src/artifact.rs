//! An artifact as clients read it.

use jobs_core::{ProjectId, TaskId};
use jobs_store::Artifact;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Links, clock::Timestamp};

/// A file that a task left.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Artifact")]
pub struct ArtifactView {
    /// Its name, unique within the task.
    pub name: String,
    /// Where to get it. Good for whoever has it, without a key, until `expires_at`: read the task again for another one.
    pub url: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, in hexadecimal; also its entity tag.
    pub sha256: String,
    /// Its media type.
    pub content_type: String,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When `url` ends. The file stays.
    pub expires_at: Timestamp,
}

impl ArtifactView {
    /// An artifact of a task.
    #[must_use]
    pub fn new(project: ProjectId, task: TaskId, artifact: Artifact, links: &Links) -> Self {
        let (url, ends) = links.artifact(project, task, &artifact.name);
        Self {
            url,
            name: artifact.name,
            size: artifact.size_bytes,
            sha256: artifact.sha256,
            content_type: artifact.content_type,
            created_at: Timestamp(artifact.created_at),
            expires_at: Timestamp(ends),
        }
    }
}
