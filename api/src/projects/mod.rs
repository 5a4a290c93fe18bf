//! The operations on projects, a file each.

pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;

pub(crate) use create::CreateProject;

use jobs_store::ProjectRow;
use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::Timestamp;

/// A project: a tenant of this installation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Project")]
pub(crate) struct ProjectView {
    /// Its name for programs, `proj_…`.
    id: String,
    /// Always `project`.
    #[schemars(extend("const" = "project"))]
    object: &'static str,
    /// What people call it.
    name: String,
    /// When it was made.
    created_at: Timestamp,
}

impl ProjectView {
    fn new(row: ProjectRow) -> Self {
        Self { id: row.uid.to_string(), object: "project", name: row.name, created_at: Timestamp(row.created_at) }
    }
}
