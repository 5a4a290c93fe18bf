//! API keys. Their secrets are nowhere: a row holds a keyed hash.

use std::{collections::BTreeMap, time::Duration};

use jobs_core::{KeyId, ProjectId, ProjectUid, Rate, Scope, Scopes};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Channel, Store, StoreError, row::millis};

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// What it is called in rows and by clients.
    pub id: KeyId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// What people call it.
    pub name: String,
    /// The keyed hash of its secret.
    pub hash: [u8; 32],
    /// What it may do.
    pub scopes: Scopes,
    /// Its own limits, by class of operations.
    pub limits: BTreeMap<String, Rate>,
    /// When it ends; it does not when that is left out.
    pub until: Option<Until>,
    /// The key that makes it.
    pub created_by: Option<KeyId>,
}

/// When a key ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// At this time.
    At(OffsetDateTime),
    /// So long after it was made.
    After(Duration),
}

/// A key, as it lies in the database.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyRow {
    /// What it is called.
    pub id: KeyId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// That project, as clients call it.
    pub project_uid: ProjectUid,
    /// What people call it.
    pub name: String,
    /// The keyed hash of its secret.
    pub hash: Vec<u8>,
    /// What it may do.
    pub scopes: Scopes,
    /// Its own limits, by class of operations.
    pub limits: BTreeMap<String, Rate>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// The key that made it.
    pub created_by: Option<KeyId>,
    /// The key in whose place it came.
    pub rotated_from: Option<KeyId>,
    /// It ends then, or ended.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was used last, give or take a minute.
    pub last_used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
    /// How much of its time was left when it was read, by the clock of Postgres.
    pub left: Option<Duration>,
}

/// What became of an attempt to end a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// It has ended, now or before; this is its row.
    Yes(Box<KeyRow>),
    /// There is no such key.
    Unknown,
    /// It is the last one that may operate the installation.
    LastOperator,
}

/// A row of `api_keys` with its project. Its columns are listed once, in `key_query!`.
struct Row {
    id: Uuid,
    project: i32,
    project_uid: Uuid,
    name: String,
    hash: Vec<u8>,
    scopes: Vec<String>,
    limits: Json<BTreeMap<String, Rate>>,
    created_at: OffsetDateTime,
    created_by: Option<Uuid>,
    rotated_from: Option<Uuid>,
    expires_at: Option<OffsetDateTime>,
    last_used_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    left_s: Option<f64>,
}

/// A checked query for keys: `$tail` comes behind the `FROM` and says which.
macro_rules! key_query {
    ($tail:tt $(, $arg:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT k.id, k.project, p.uid AS project_uid, k.name, k.hash, k.scopes,
                k.limits AS "limits: Json<BTreeMap<String, Rate>>", k.created_at, k.created_by, k.rotated_from, k.expires_at, k.last_used_at,
                k.revoked_at, extract(epoch FROM k.expires_at - now())::float8 AS left_s
            FROM api_keys k JOIN projects p ON p.id = k.project "# + $tail
            $(, $arg)*
        )
    };
}

impl Store {
    /// Makes a key.
    ///
    /// # Errors
    /// When Postgres is not available, or there is no such project.
    pub async fn create_key(&self, new: &NewKey) -> Result<(), StoreError> {
        let scopes: Vec<String> = new.scopes.iter().map(|scope| scope.name().to_owned()).collect();
        let at = if let Some(Until::At(at)) = new.until { Some(at) } else { None };
        let after = if let Some(Until::After(after)) = new.until { Some(millis(after)) } else { None };
        let made = run!(
            self,
            sqlx::query!(
                "INSERT INTO api_keys (id, project, name, hash, scopes, expires_at, created_by, limits)
                VALUES ($1, $2, $3, $4, $5, COALESCE($6, now() + $7::bigint * interval '1 millisecond'), $8, $9)",
                new.id.0,
                new.project.0,
                new.name,
                &new.hash[..],
                &scopes,
                at as Option<OffsetDateTime>,
                after as Option<i64>,
                new.created_by.map(|id| id.0) as Option<Uuid>,
                Json(&new.limits) as _,
            ),
            execute
        );
        made.map(drop)
    }

    /// Makes another key in the place of `old`, which ends after `grace`, or sooner where that was said before. The new one may do the
    /// same, and lives as long as the old one was made to. `false` when there is no such key, or it has ended or was rotated before.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn rotate_key(
        &self,
        old: KeyId,
        (new, hash): (KeyId, [u8; 32]),
        created_by: Option<KeyId>,
        grace: Duration,
    ) -> Result<bool, StoreError> {
        let made = run!(
            self,
            sqlx::query!(
                "WITH old AS (
                    SELECT * FROM api_keys
                    WHERE id = $1 AND revoked_at IS NULL AND rotated_to IS NULL
                        AND (expires_at IS NULL OR expires_at > now()) FOR UPDATE
                ), ending AS (
                    UPDATE api_keys k SET rotated_to = $3,
                        expires_at = least(k.expires_at, now() + $2::bigint * interval '1 millisecond')
                    FROM old WHERE k.id = old.id
                )
                INSERT INTO api_keys (id, project, name, hash, scopes, limits, expires_at, created_by, rotated_from)
                SELECT $3, project, name, $4, scopes, limits, now() + (expires_at - created_at), $5, id FROM old",
                old.0,
                millis(grace),
                new.0,
                &hash[..],
                created_by.map(|id| id.0) as Option<Uuid>,
            ),
            execute
        )?;
        self.tell(Channel::Keys, &old.0.to_string()).await;
        Ok(made.rows_affected() > 0)
    }

    /// The key of this name, whosever it is.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn key(&self, id: KeyId) -> Result<Option<KeyRow>, StoreError> {
        run!(self, key_query!("WHERE k.id = $1", id.0), fetch_optional)?.map(Row::read).transpose()
    }

    /// Those of `ids` that there are, whosever they are.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn keys_by_id(&self, ids: &[KeyId]) -> Result<Vec<KeyRow>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        run!(self, key_query!("WHERE k.id = ANY($1)", &ids), fetch_all)?.into_iter().map(Row::read).collect()
    }

    /// The keys of a project, the newest first: at most `limit`, older than `before`.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn keys(&self, project: ProjectId, before: Option<KeyId>, limit: u32) -> Result<Vec<KeyRow>, StoreError> {
        let rows = run!(
            self,
            key_query!(
                "WHERE k.project = $1 AND ($2::uuid IS NULL OR k.id < $2) ORDER BY k.id DESC LIMIT $3",
                project.0,
                before.map(|id| id.0) as Option<Uuid>,
                i64::from(limit),
            ),
            fetch_all
        )?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Ends a key at once. Asking again changes nothing. The last key that may operate the installation stays.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn revoke_key(&self, id: KeyId) -> Result<Ended, StoreError> {
        let revoked = run!(
            self,
            sqlx::query!(
                // Two that revoke the last two at once take turns, and the second one sees what the first one did.
                "WITH operators AS MATERIALIZED (
                    SELECT id FROM api_keys
                    WHERE 'operator' = ANY(scopes) AND revoked_at IS NULL AND rotated_to IS NULL
                        AND (expires_at IS NULL OR expires_at > now())
                    ORDER BY id FOR UPDATE
                )
                UPDATE api_keys SET revoked_at = now()
                WHERE id = $1 AND revoked_at IS NULL
                    AND (id NOT IN (SELECT id FROM operators) OR (SELECT count(*) FROM operators) > 1)",
                id.0,
            ),
            execute
        )?;
        let Some(row) = self.key(id).await? else { return Ok(Ended::Unknown) };
        if revoked.rows_affected() > 0 {
            self.tell(Channel::Keys, &id.0.to_string()).await;
        }
        Ok(if row.revoked_at.is_some() { Ended::Yes(Box::new(row)) } else { Ended::LastOperator })
    }

    /// Whether any key may operate the installation.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn has_operator_key(&self) -> Result<bool, StoreError> {
        run!(
            self,
            sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM api_keys WHERE 'operator' = ANY(scopes) AND revoked_at IS NULL
                    AND (expires_at IS NULL OR expires_at > now())) AS "exists!""#
            ),
            fetch_one
        )
    }

    /// Notes that keys were used so long ago.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn note_use(&self, used: &[(KeyId, Duration)]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = used.iter().map(|(id, _)| id.0).collect();
        let ages: Vec<i64> = used.iter().map(|(_, age)| millis(*age)).collect();
        let noted = run!(
            self,
            sqlx::query!(
                "UPDATE api_keys k SET last_used_at = greatest(k.last_used_at, now() - used.age_ms * interval '1 millisecond')
                FROM (SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS used (id, age_ms) ORDER BY id) AS used
                WHERE k.id = used.id",
                &ids,
                &ages,
            ),
            execute
        );
        noted.map(drop)
    }
}

impl KeyRow {
    /// Whether its time was over when it was read.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        self.left.is_some_and(|left| left.is_zero())
    }
}

impl Row {
    fn read(self) -> Result<KeyRow, StoreError> {
        // A scope that is not known is a newer program's: it opens nothing here.
        let scopes = self.scopes.iter().filter_map(|name| name.parse::<Scope>().ok()).collect();
        Ok(KeyRow {
            id: KeyId(self.id),
            project: ProjectId(self.project),
            project_uid: ProjectUid(self.project_uid),
            name: self.name,
            hash: self.hash,
            scopes,
            limits: self.limits.0,
            created_at: self.created_at,
            created_by: self.created_by.map(KeyId),
            rotated_from: self.rotated_from.map(KeyId),
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            revoked_at: self.revoked_at,
            left: self.left_s.map(|left| Duration::try_from_secs_f64(left.max(0.0)).unwrap_or(Duration::MAX)),
        })
    }
}
