//! `GET /problems` and `GET /problems/{code}`: what a problem means; the address in its `type`.

use axum::Json;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    links::Links,
    path::NamePath,
    problem::{Code, Problem},
    view::Page,
};

/// A sort of problem.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ProblemType")]
pub(crate) struct ProblemType {
    /// The stable word for programs.
    code: &'static str,
    /// The HTTP status that it comes with.
    status: u16,
    /// What every problem of this sort has as its title.
    title: &'static str,
    /// What it means, and what to do about it.
    explanation: &'static str,
    /// The address of this object: the `type` of the problem.
    #[serde(rename = "type")]
    url: String,
}

impl ProblemType {
    fn new(code: Code, links: &Links) -> Self {
        Self {
            code: code.name(),
            status: code.status().as_u16(),
            title: code.title(),
            explanation: code.explanation(),
            url: links.api(&format!("problems/{}", code.name())),
        }
    }
}

/// List the sorts of problems.
#[utoipa::path(
    get,
    path = "/problems",
    operation_id = "listProblems",
    tag = "problems",
    security(()),
    responses((status = 200, description = "All sorts.", body = ref("#/components/schemas/ProblemTypePage"))),
    extensions(("x-problems" = json!(["not_acceptable"])))
)]
pub(crate) async fn list(links: Links) -> Json<Page<ProblemType>> {
    let data = Code::ALL.iter().map(|code| ProblemType::new(*code, &links)).collect();
    Json(Page { data, has_more: false })
}

/// Read about a sort of problem.
#[utoipa::path(
    get,
    path = "/problems/{code}",
    operation_id = "getProblem",
    tag = "problems",
    security(()),
    params(("code" = String, Path, description = "Its code.")),
    responses((status = 200, description = "What it means.", body = ref("#/components/schemas/ProblemType"))),
    extensions(("x-problems" = json!(["problem_not_found", "not_acceptable"])))
)]
pub(crate) async fn get(NamePath(name): NamePath, links: Links) -> Result<Json<ProblemType>, Problem> {
    let code = Code::ALL.iter().find(|code| code.name() == name);
    let code = code
        .ok_or_else(|| Problem::new(Code::ProblemNotFound, format!("there is no problem `{}`", name.escape_debug())))?;
    Ok(Json(ProblemType::new(*code, &links)))
}
