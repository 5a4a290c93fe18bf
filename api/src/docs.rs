//! `GET /docs`: a page that lists the operations. It reads the OpenAPI document, and nothing from elsewhere.

use axum::{
    http::{HeaderName, header},
    response::{Html, IntoResponse},
};

const PAGE: &str = include_str!("docs.html");
/// The page runs its own script and style and talks to this server alone.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
const POLICY_HEADER: HeaderName = header::CONTENT_SECURITY_POLICY;

pub(crate) async fn page() -> impl IntoResponse {
    ([(POLICY_HEADER, POLICY), (header::CACHE_CONTROL, "no-cache")], Html(PAGE))
}
