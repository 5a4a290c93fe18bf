//! `GET /docs`: a page that lists the operations. It reads the OpenAPI document, and nothing from elsewhere.

use axum::{
    http::{HeaderName, header},
    response::{Html, IntoResponse, Redirect},
};

const PAGE: &str = include_str!("docs.html");
/// The page runs its own script and style and talks to this server alone.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const POLICY_HEADER: HeaderName = header::CONTENT_SECURITY_POLICY;

/// Read the documentation.
///
/// A page for people: every operation, with a form that sends real requests.
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "getDocumentation",
    tag = "system",
    security(()),
    responses((status = 200, description = "The page.", content((String = "text/html")))),
    extensions(("x-problems" = json!([])))
)]
pub(crate) async fn page() -> impl IntoResponse {
    ([(POLICY_HEADER, POLICY), (header::CACHE_CONTROL, "no-cache")], Html(PAGE))
}

/// Find the documentation.
///
/// Who opens the server in a browser wants to read.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "getRoot",
    tag = "system",
    security(()),
    responses((status = 303, description = "The documentation is elsewhere.",
        headers(("Location" = String, description = "The path of the documentation.")))),
    extensions(("x-problems" = json!([])))
)]
pub(crate) async fn root() -> Redirect {
    Redirect::to("/api/v1/docs")
}
