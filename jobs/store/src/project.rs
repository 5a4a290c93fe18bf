//! Projects: the tenants of the installation.

use jobs_core::{ProjectId, ProjectUid};
use time::OffsetDateTime;

use crate::{Store, StoreError};

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRow {
    /// Its number, in rows.
    pub id: ProjectId,
    /// What clients call it.
    pub uid: ProjectUid,
    /// What people call it.
    pub name: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl Store {
    /// Makes a project; `None` when another one has its name.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn create_project(&self, name: &str) -> Result<Option<ProjectRow>, StoreError> {
        let row = run!(
            self,
            sqlx::query!(
                "INSERT INTO projects (uid, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING
                RETURNING id, uid, name, created_at",
                ProjectUid::new().0,
                name,
            ),
            fetch_optional
        )?;
        Ok(row.map(|row| ProjectRow {
            id: ProjectId(row.id),
            uid: ProjectUid(row.uid),
            name: row.name,
            created_at: row.created_at,
        }))
    }

    /// All projects, the oldest first.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn projects(&self) -> Result<Vec<ProjectRow>, StoreError> {
        let rows = run!(self, sqlx::query!("SELECT id, uid, name, created_at FROM projects ORDER BY id"), fetch_all)?;
        let project =
            |id, uid, name, created_at| ProjectRow { id: ProjectId(id), uid: ProjectUid(uid), name, created_at };
        Ok(rows.into_iter().map(|row| project(row.id, row.uid, row.name, row.created_at)).collect())
    }

    /// A project by the id that clients know.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn project(&self, uid: ProjectUid) -> Result<Option<ProjectRow>, StoreError> {
        Ok(self.projects().await?.into_iter().find(|project| project.uid == uid))
    }
}
