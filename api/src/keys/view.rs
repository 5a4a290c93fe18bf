//! Keys as clients see them.

use std::collections::BTreeMap;

use jobs_core::{Rate, Scope};
use jobs_store::KeyRow;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{access::prefix, clock::Timestamp};

/// An API key. Its secret is in no answer but the one that made it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
pub(crate) struct KeyView {
    /// Its name, `key_…`.
    id: String,
    /// Always `key`.
    #[schemars(extend("const" = "key"))]
    object: &'static str,
    /// What people call it.
    name: String,
    /// The project that it belongs to.
    project: String,
    /// How the key begins, to recognise it by.
    prefix: String,
    /// `active`; `expired` or `revoked` when it opens nothing any more.
    #[schemars(extend("enum" = ["active", "expired", "revoked"]))]
    status: &'static str,
    /// What it may do.
    scopes: Vec<Scope>,
    /// Limits of its own, by class of operations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    limits: BTreeMap<String, Rate>,
    /// When it was made.
    created_at: Timestamp,
    /// The key that made it; none for one that was made on the server itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    /// The key in whose place it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_from: Option<String>,
    /// It opens nothing from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<Timestamp>,
}

/// An API key that was just made.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NewApiKey")]
pub(crate) struct NewKeyView {
    /// What is to be sent as `Authorization: Bearer`. It is shown now and never again.
    secret: String,
    /// Its record.
    key: KeyView,
}

impl KeyView {
    pub(crate) fn new(row: KeyRow) -> Self {
        let status = match () {
            () if row.revoked_at.is_some() => "revoked",
            () if row.has_expired() => "expired",
            () => "active",
        };
        Self {
            id: row.id.to_string(),
            object: "key",
            name: row.name,
            project: row.project_uid.to_string(),
            prefix: prefix(row.id),
            status,
            scopes: row.scopes.iter().collect(),
            limits: row.limits,
            created_at: Timestamp(row.created_at),
            created_by: row.created_by.map(|id| id.to_string()),
            rotated_from: row.rotated_from.map(|id| id.to_string()),
            expires_at: row.expires_at.map(Timestamp),
            last_used_at: row.last_used_at.map(Timestamp),
            revoked_at: row.revoked_at.map(Timestamp),
        }
    }
}

impl NewKeyView {
    pub(crate) fn new(row: KeyRow, secret: String) -> Self {
        Self { secret, key: KeyView::new(row) }
    }
}
