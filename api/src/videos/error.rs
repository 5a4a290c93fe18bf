//! The body of an error on the video routes.

use jobs_core::Fault;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    clock::{Timestamp, now},
    problem::Problem,
    request::RequestId,
};

/// What went wrong, as the video API says it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "VideoError")]
pub(crate) struct ErrorBody {
    /// A stable word for programs.
    error: &'static str,
    /// A sentence for people.
    message: String,
    /// Facts: the wrong fields under `errors`, if there are any.
    details: Map<String, Value>,
    /// When it went wrong.
    timestamp: Timestamp,
    /// The id of the request, to find it in the logs.
    request_id: String,
}

impl ErrorBody {
    pub(crate) fn of(problem: &Problem, id: &RequestId) -> Self {
        let mut details = Map::new();
        details.insert("status".to_owned(), problem.code.status().as_u16().into());
        if !problem.errors.is_empty() {
            let errors: Vec<_> = problem.errors.iter().map(named).collect();
            details.insert("errors".to_owned(), errors.into());
        }
        Self {
            error: problem.code.name(),
            message: format!("{}: {}", problem.code.title(), problem.detail),
            details,
            timestamp: Timestamp(now()),
            request_id: id.0.clone(),
        }
    }
}

fn named(fault: &Fault) -> Value {
    let field = fault.pointer.trim_start_matches(['/', '?']);
    json!({ "field": field, "pointer": fault.pointer, "message": fault.detail })
}
