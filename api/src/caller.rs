//! Who asks, and what it may do.

use std::collections::BTreeMap;

use axum::{extract::FromRequestParts, http::request::Parts};
use jobs_core::{KeyId, ProjectId, Rate, Scopes};

use crate::{access::unauthorized, problem::Problem};

/// Who a request comes from. Everything that a request reads or changes is inside its project.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The project: all of it that there is for this request.
    pub(crate) project: ProjectId,
    /// What it may do there.
    pub(crate) scopes: Scopes,
    /// Its key; none for one that no row knows.
    pub(crate) key: Option<KeyId>,
    /// The limits that its key has of its own, by class of operations.
    pub(crate) limits: BTreeMap<String, Rate>,
}

impl Caller {
    /// Who may do everything: whoever reaches a server that asks for no key, and who has the key that the settings declare.
    pub(crate) fn master() -> Self {
        Self { project: ProjectId::DEFAULT, scopes: Scopes::all(), key: None, limits: BTreeMap::new() }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The layer around all routes puts it there. Where an operation takes another proof as well, nobody may have sent a key.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| unauthorized(None))
    }
}
