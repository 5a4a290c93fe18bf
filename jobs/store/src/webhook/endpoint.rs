//! Endpoints: who is told of what.

use std::time::Duration;

use jobs_core::{LaneId, ProjectId, WebhookId};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Channel, Store, StoreError, row::millis};

/// An endpoint to be made.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Its name.
    pub id: WebhookId,
    /// The project whose events it hears.
    pub project: ProjectId,
    /// Where it is told.
    pub url: String,
    /// What people say of it.
    pub description: String,
    /// What it wants to hear.
    pub listening: Listening,
    /// Whether it is told anything for now.
    pub enabled: bool,
    /// Whether its requests carry a signature of ed25519, too.
    pub ed25519: bool,
    /// Its secret, encrypted.
    pub sealed: Vec<u8>,
}

/// What an endpoint wants to hear.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listening {
    /// Patterns of types of events.
    pub events: Vec<String>,
    /// Only of tasks of these kinds, if it says any.
    pub kinds: Vec<String>,
    /// Only of tasks with one of these tags, if it says any.
    pub tags: Vec<String>,
    /// Only of tasks of these groups, if it says any.
    pub groups: Vec<String>,
}

/// What is to be otherwise with an endpoint; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct EndpointChange {
    /// Where it is told.
    pub url: Option<String>,
    /// What people say of it.
    pub description: Option<String>,
    /// Patterns of types of events.
    pub events: Option<Vec<String>>,
    /// Kinds of tasks.
    pub kinds: Option<Vec<String>>,
    /// Tags of tasks.
    pub tags: Option<Vec<String>>,
    /// Groups of tasks.
    pub groups: Option<Vec<String>>,
    /// Whether it is told anything.
    pub enabled: Option<bool>,
    /// Whether its requests carry a signature of ed25519, too.
    pub ed25519: Option<bool>,
}

/// Why an endpoint is told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// Its owner asked for it.
    Asked,
    /// It said that it is gone: 410.
    Gone,
    /// It failed for too long.
    Failing,
}

impl DisabledReason {
    /// Its spelling in the database and on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    fn read(text: &str) -> Result<Self, StoreError> {
        let known = [Self::Asked, Self::Gone, Self::Failing].into_iter().find(|reason| reason.name() == text);
        known.ok_or_else(|| StoreError::broken(format!("`{text}` is no reason why an endpoint is disabled")))
    }
}

/// An endpoint as it stands.
#[derive(Debug, Clone)]
pub struct EndpointRow {
    /// Its name.
    pub id: WebhookId,
    /// The project whose events it hears.
    pub project: ProjectId,
    /// Where it is told.
    pub url: String,
    /// What people say of it.
    pub description: String,
    /// What it wants to hear.
    pub listening: Listening,
    /// Why it is told nothing, and since when; none while it is told.
    pub disabled: Option<(DisabledReason, OffsetDateTime)>,
    /// Whether its requests carry a signature of ed25519, too.
    pub ed25519: bool,
    /// Its secrets, encrypted.
    pub sealed: Sealed,
    /// Until when the secret before signs, too.
    pub before_until: Option<OffsetDateTime>,
    /// Since when every attempt failed; none when the last one did not.
    pub failing_since: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was changed last.
    pub updated_at: OffsetDateTime,
}

/// The secrets of a receiver, encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sealed {
    /// The one that signs.
    pub now: Option<Vec<u8>>,
    /// The one before, while it signs, too.
    pub before: Option<Vec<u8>>,
}

struct Row {
    id: Uuid,
    project: i32,
    url: String,
    description: String,
    events: Vec<String>,
    kinds: Vec<String>,
    tags: Vec<String>,
    groups: Vec<String>,
    disabled_reason: Option<String>,
    disabled_at: Option<OffsetDateTime>,
    ed25519: bool,
    sealed: Vec<u8>,
    sealed_before: Option<Vec<u8>>,
    before_until: Option<OffsetDateTime>,
    failing_since: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

/// A checked query that gives endpoints: `$tail` comes behind the `FROM`, where they are called `w`, and says which.
macro_rules! endpoint_query {
    ($tail:tt $(, $arg:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            "SELECT w.id, w.project, w.url, w.description, w.events, w.kinds, w.tags, w.groups, w.disabled_reason, w.disabled_at,
                w.ed25519, w.sealed, CASE WHEN w.before_until > now() THEN w.sealed_before END AS sealed_before,
                CASE WHEN w.before_until > now() THEN w.before_until END AS before_until,
                l.failing_since AS \"failing_since?\", w.created_at, w.updated_at
            FROM webhooks w LEFT JOIN webhook_lanes l ON l.id = w.id " + $tail
            $(, $arg)*
        )
    };
}

impl Store {
    /// Makes an endpoint, if its project has fewer than `most`; `false` when it has as many.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn create_endpoint(&self, new: &NewEndpoint, most: u32) -> Result<bool, StoreError> {
        let made = run!(
            self,
            sqlx::query!(
                "INSERT INTO webhooks (id, project, url, description, events, kinds, tags, groups, enabled, disabled_reason,
                    disabled_at, ed25519, sealed)
                SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN NOT $9 THEN 'asked' END, CASE WHEN NOT $9 THEN now() END,
                    $10, $11
                WHERE (SELECT count(*) FROM webhooks WHERE project = $2) < $12",
                new.id.0,
                new.project.0,
                new.url,
                new.description,
                &new.listening.events,
                &new.listening.kinds,
                &new.listening.tags,
                &new.listening.groups,
                new.enabled,
                new.ed25519,
                new.sealed,
                i64::from(most),
            ),
            execute
        )?;
        Ok(made.rows_affected() > 0)
    }

    /// An endpoint of a project.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn endpoint(&self, project: ProjectId, id: WebhookId) -> Result<Option<EndpointRow>, StoreError> {
        let query = endpoint_query!("WHERE w.id = $1 AND w.project = $2", id.0, project.0);
        run!(self, query, fetch_optional)?.map(EndpointRow::try_from).transpose()
    }

    /// The endpoints of a project, the newest first: at most `limit`, older than `before`.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn endpoints(
        &self,
        project: ProjectId,
        before: Option<WebhookId>,
        limit: u32,
    ) -> Result<Vec<EndpointRow>, StoreError> {
        let query = endpoint_query!(
            "WHERE w.project = $1 AND ($2::uuid IS NULL OR w.id < $2) ORDER BY w.id DESC LIMIT $3",
            project.0,
            before.map(|id| id.0) as Option<Uuid>,
            i64::from(limit),
        );
        run!(self, query, fetch_all)?.into_iter().map(EndpointRow::try_from).collect()
    }

    /// Changes an endpoint of a project; `false` when there is none.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn change_endpoint(
        &self,
        project: ProjectId,
        id: WebhookId,
        change: &EndpointChange,
    ) -> Result<bool, StoreError> {
        let changed = run!(
            self,
            sqlx::query!(
                "WITH changed AS (
                    UPDATE webhooks SET url = COALESCE($3, url), description = COALESCE($4, description),
                        events = COALESCE($5, events), kinds = COALESCE($6, kinds), tags = COALESCE($7, tags),
                        groups = COALESCE($8, groups), ed25519 = COALESCE($10, ed25519),
                        enabled = COALESCE($9, enabled),
                        disabled_reason = CASE COALESCE($9, enabled) WHEN false THEN COALESCE(disabled_reason, 'asked') END,
                        disabled_at = CASE COALESCE($9, enabled) WHEN false THEN COALESCE(disabled_at, now()) END,
                        updated_at = now()
                    WHERE id = $1 AND project = $2 RETURNING id
                ), stirred AS (
                    -- A new address, or a new beginning, owes nothing to what was before.
                    UPDATE webhook_lanes l SET failures = 0, failing_since = NULL, slow_until = NULL, due_at = now(),
                        stirred = l.stirred + 1
                    FROM changed WHERE l.id = changed.id AND ($3::text IS NOT NULL OR $9::bool IS NOT NULL)
                )
                SELECT id FROM changed",
                id.0,
                project.0,
                change.url.as_deref(),
                change.description.as_deref(),
                change.events.as_deref() as Option<&[String]>,
                change.kinds.as_deref() as Option<&[String]>,
                change.tags.as_deref() as Option<&[String]>,
                change.groups.as_deref() as Option<&[String]>,
                change.enabled,
                change.ed25519,
            ),
            fetch_optional
        )?;
        self.tell(Channel::Deliver, "").await;
        Ok(changed.is_some())
    }

    /// Puts another secret in the place of an endpoint's, which goes on signing for so long; `false` when there is none.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn rotate_endpoint(
        &self,
        project: ProjectId,
        id: WebhookId,
        sealed: &[u8],
        overlap: Duration,
    ) -> Result<bool, StoreError> {
        let rotated = run!(
            self,
            sqlx::query!(
                "UPDATE webhooks SET sealed_before = CASE WHEN $4::bigint > 0 THEN sealed END,
                    before_until = CASE WHEN $4::bigint > 0 THEN now() + $4::bigint * interval '1 millisecond' END,
                    sealed = $3, updated_at = now()
                WHERE id = $1 AND project = $2",
                id.0,
                project.0,
                sealed,
                millis(overlap),
            ),
            execute
        )?;
        Ok(rotated.rows_affected() > 0)
    }

    /// Removes an endpoint of a project; what it was still to be told is canceled. `false` when there is none.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn remove_endpoint(&self, project: ProjectId, id: WebhookId) -> Result<bool, StoreError> {
        let removed = run!(
            self,
            sqlx::query!(
                // Its lane is looked at once more, by whoever cancels what is left in it.
                "WITH gone AS (DELETE FROM webhooks WHERE id = $1 AND project = $2 RETURNING id), stirred AS (
                    UPDATE webhook_lanes l SET slow_until = NULL, due_at = now(), stirred = l.stirred + 1
                    FROM gone WHERE l.id = gone.id
                )
                SELECT id FROM gone",
                id.0,
                project.0,
            ),
            fetch_optional
        )?;
        self.tell(Channel::Deliver, "").await;
        Ok(removed.is_some())
    }

    /// Ends what is told to endpoints, and tells the others of their projects. Those that are disabled already are left alone.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn disable_endpoints(&self, ids: &[WebhookId], reason: DisabledReason) -> Result<u64, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let said = json!({ "reason": reason.name() }).to_string();
        let told = run!(
            self,
            sqlx::query!(
                "WITH disabled AS (
                    UPDATE webhooks SET enabled = false, disabled_reason = $2, disabled_at = now(), updated_at = now()
                    WHERE id = ANY($1) AND enabled RETURNING id, project, url
                ), stirred AS (
                    UPDATE webhook_lanes l SET slow_until = NULL, due_at = now(), stirred = l.stirred + 1
                    FROM disabled WHERE l.id = disabled.id
                ), told AS (
                    INSERT INTO webhook_outbox (project, type, data)
                    SELECT project, 'webhook.disabled', (jsonb_build_object('id', 'whk_' || replace(id::text, '-', ''),
                        'object', 'webhook', 'url', url) || $3::text::jsonb)::json
                    FROM disabled RETURNING 1
                )
                SELECT pg_notify('longshore_announced', '') FROM told",
                &ids,
                reason.name(),
                said,
            ),
            fetch_all
        )?;
        Ok(told.len() as u64)
    }

    /// What the enabled endpoints of projects want to hear, each with the lane that it has.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn listeners(
        &self,
        projects: &[ProjectId],
    ) -> Result<Vec<(ProjectId, WebhookId, LaneId, Listening)>, StoreError> {
        let projects: Vec<i32> = projects.iter().map(|project| project.0).collect();
        let rows = run!(
            self,
            sqlx::query!(
                "SELECT id, project, events, kinds, tags, groups FROM webhooks WHERE enabled AND project = ANY($1)",
                &projects
            ),
            fetch_all
        )?;
        let listeners = rows.into_iter().map(|row| {
            let listening = Listening { events: row.events, kinds: row.kinds, tags: row.tags, groups: row.groups };
            (ProjectId(row.project), WebhookId(row.id), LaneId(row.id), listening)
        });
        Ok(listeners.collect())
    }
}

impl TryFrom<Row> for EndpointRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let disabled = row.disabled_reason.zip(row.disabled_at);
        Ok(Self {
            id: WebhookId(row.id),
            project: ProjectId(row.project),
            url: row.url,
            description: row.description,
            listening: Listening { events: row.events, kinds: row.kinds, tags: row.tags, groups: row.groups },
            disabled: disabled
                .map(|(reason, at)| Ok::<_, StoreError>((DisabledReason::read(&reason)?, at)))
                .transpose()?,
            ed25519: row.ed25519,
            sealed: Sealed { now: Some(row.sealed), before: row.sealed_before },
            before_until: row.before_until,
            failing_since: row.failing_since,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
