//! What operators say of queues and of their groups.

use std::collections::BTreeMap;

use jobs_core::{GroupKey, GroupSettings, QueueSettings};
use sqlx::types::Json;

use crate::{Store, StoreError};

/// The settings of a queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueRow {
    /// Its name.
    pub name: String,
    /// What was said of it.
    pub settings: QueueSettings,
    /// Another number after every change of it or of one of its groups.
    pub version: i64,
}

impl Store {
    /// The queues of which something was said, by name.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn queues(&self) -> Result<Vec<QueueRow>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT name, settings as "settings: Json<QueueSettings>", version FROM queues ORDER BY name"#
            ),
            fetch_all
        )?;
        let queues = rows.into_iter();
        Ok(queues.map(|row| QueueRow { name: row.name, settings: row.settings.0, version: row.version }).collect())
    }

    /// What was said of groups of a queue, of all projects.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn groups(&self, queue: &str) -> Result<BTreeMap<GroupKey, GroupSettings>, StoreError> {
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT "group", settings as "settings: Json<GroupSettings>" FROM queue_groups WHERE queue = $1"#,
                queue
            ),
            fetch_all
        )?;
        Ok(rows.into_iter().map(|row| (GroupKey::read(row.group), row.settings.0)).collect())
    }

    /// Replaces the settings of a queue.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn set_queue(&self, queue: &str, settings: &QueueSettings) -> Result<(), StoreError> {
        let set = run!(
            self,
            sqlx::query!(
                "INSERT INTO queues (name, settings) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE
                SET settings = EXCLUDED.settings, version = EXCLUDED.version, updated_at = now()",
                queue,
                Json(settings) as _,
            ),
            execute
        );
        set.map(drop)
    }

    /// Pauses a queue or lets it go on, and leaves its other settings as they are.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn pause_queue(&self, queue: &str, paused: bool) -> Result<(), StoreError> {
        let set = run!(
            self,
            sqlx::query!(
                "INSERT INTO queues (name, settings) VALUES ($1, jsonb_build_object('paused', $2::bool))
                ON CONFLICT (name) DO UPDATE
                SET settings = queues.settings || EXCLUDED.settings, version = EXCLUDED.version, updated_at = now()",
                queue,
                paused,
            ),
            execute
        );
        set.map(drop)
    }

    /// Replaces the settings of a group; `None` forgets them.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn set_group(
        &self,
        queue: &str,
        group: &GroupKey,
        settings: Option<&GroupSettings>,
    ) -> Result<(), StoreError> {
        // The row of the queue first: it makes two changes of one queue take turns.
        let set = run!(
            self,
            sqlx::query!(
                r#"WITH touched AS (
                    INSERT INTO queues (name) VALUES ($1) ON CONFLICT (name) DO UPDATE
                    SET version = EXCLUDED.version, updated_at = now() RETURNING name
                ), forgotten AS (
                    DELETE FROM queue_groups WHERE queue = $1 AND "group" = $2 AND $3::jsonb IS NULL
                )
                INSERT INTO queue_groups (queue, "group", settings) SELECT name, $2, $3 FROM touched WHERE $3 IS NOT NULL
                ON CONFLICT (queue, "group") DO UPDATE SET settings = EXCLUDED.settings"#,
                queue,
                group.as_str(),
                settings.map(Json) as _,
            ),
            execute
        );
        set.map(drop)
    }
}
