//! Definitions of providers, as projects wrote them.

use jobs_core::ProjectId;
use serde_json::Value;
use time::OffsetDateTime;

use crate::{Store, StoreError};

/// A definition of a project.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderRow {
    /// Its name.
    pub id: String,
    /// The definition, as it was written.
    pub definition: Value,
    /// A recorded answer.
    pub sample: Option<String>,
    /// Whether it may be run.
    pub enabled: bool,
    /// When it was written first.
    pub created_at: OffsetDateTime,
    /// When it was written last.
    pub updated_at: OffsetDateTime,
}

impl Store {
    /// The definitions of a project, by name; one alone where it is named.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn price_providers(&self, project: ProjectId, id: Option<&str>) -> Result<Vec<ProviderRow>, StoreError> {
        run!(
            self,
            sqlx::query_as!(
                ProviderRow,
                "SELECT id, definition, sample, enabled, created_at, updated_at FROM price_providers
                WHERE project = $1 AND ($2::text IS NULL OR id = $2) ORDER BY id",
                project.0,
                id
            ),
            fetch_all
        )
    }

    /// Writes a definition in the place of what the project had under its name.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn put_price_provider(
        &self,
        project: ProjectId,
        id: &str,
        definition: &Value,
        sample: Option<&str>,
        enabled: bool,
    ) -> Result<ProviderRow, StoreError> {
        run!(
            self,
            sqlx::query_as!(
                ProviderRow,
                "INSERT INTO price_providers (project, id, definition, sample, enabled) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (project, id) DO UPDATE SET definition = excluded.definition, sample = excluded.sample,
                    enabled = excluded.enabled, updated_at = now()
                RETURNING id, definition, sample, enabled, created_at, updated_at",
                project.0,
                id,
                definition,
                sample,
                enabled
            ),
            fetch_one
        )
    }

    /// Removes a definition of a project; `false` where there is none. What it found stays.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn remove_price_provider(&self, project: ProjectId, id: &str) -> Result<bool, StoreError> {
        let gone = run!(
            self,
            sqlx::query!("DELETE FROM price_providers WHERE project = $1 AND id = $2", project.0, id),
            execute
        )?;
        Ok(gone.rows_affected() > 0)
    }
}
