//! The addresses in what clients read. They follow them and never build one.

use jobs_core::{ProjectId, ScheduleId, TaskId};
use time::OffsetDateTime;

use crate::{
    clock::now,
    sign::{Edition, Signer},
};

/// Makes addresses that a client can reach.
#[derive(Debug, Clone)]
pub struct Links {
    base: String,
    signer: Signer,
}

impl Links {
    /// Those of the server at `base`, without a slash at its end; relative to wherever they are read when it is empty.
    #[must_use]
    pub fn new(base: String, signer: Signer) -> Self {
        Self { base, signer }
    }

    /// What all of them begin with.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The address of an artifact, good without a key, and when it ends.
    #[must_use]
    pub fn artifact(&self, project: ProjectId, task: TaskId, name: &str) -> (String, OffsetDateTime) {
        // Now and not when the request came: a stream may be hours old.
        let edition = Edition::at(now());
        let ticket = self.signer.artifact(project, task, name, edition);
        (format!("{}?{ticket}", self.task(task, &format!("artifacts/{name}"))), edition.ends())
    }

    /// An address of the API.
    #[must_use]
    pub fn api(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base)
    }

    /// An address of a schedule: its own, or one under it.
    #[must_use]
    pub fn schedule(&self, id: ScheduleId, part: &str) -> String {
        let slash = if part.is_empty() { "" } else { "/" };
        format!("{}/api/v1/schedules/{id}{slash}{part}", self.base)
    }

    /// An address of a task: its own, or one under it.
    #[must_use]
    pub fn task(&self, id: TaskId, part: &str) -> String {
        let slash = if part.is_empty() { "" } else { "/" };
        format!("{}/api/v1/tasks/{id}{slash}{part}", self.base)
    }
}
