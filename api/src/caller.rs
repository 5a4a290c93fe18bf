//! Who asks.

use axum::{extract::FromRequestParts, http::request::Parts};
use jobs_core::ProjectId;

use crate::problem::{Code, Problem};

/// Who a request comes from. Everything that a request reads or changes is inside its project.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The project: all of it that there is for this request.
    pub(crate) project: ProjectId,
}

impl Caller {
    /// Whoever reaches a server that asks for no key: the default project.
    pub(crate) fn anybody() -> Self {
        Self { project: ProjectId::DEFAULT }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The layer around all routes puts it there. A route without that layer serves nobody.
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(Code::Internal, "the log has the cause under the request id"))
    }
}
