//! Every route, on one page.

use axum::{Router, extract::DefaultBodyLimit, middleware, routing::get};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{accept::json_only, app::Shared, docs, kinds, openapi, problems, request, system, tasks, videos};

/// Where everything lies.
const ROOT: &str = "/api/v1";

/// The routes and what the code says of them.
fn routes() -> (Router<Shared>, OpenApi) {
    let json = OpenApiRouter::new()
        .routes(routes!(tasks::create::create, tasks::list::list))
        .routes(routes!(tasks::get::get))
        .routes(routes!(tasks::cancel::cancel))
        .routes(routes!(tasks::logs::logs))
        .routes(routes!(tasks::attempts::attempts))
        .routes(routes!(tasks::artifacts::artifacts))
        .routes(routes!(kinds::list))
        .routes(routes!(kinds::get))
        .routes(routes!(problems::list))
        .routes(routes!(problems::get))
        .routes(routes!(videos::generate::generate))
        .routes(routes!(videos::status::status))
        .routes(routes!(videos::list::list))
        .routes(routes!(videos::cancel::cancel))
        .routes(routes!(system::health))
        .routes(routes!(system::ready))
        .routes(routes!(system::ping))
        .route("/openapi.json", get(openapi::serve))
        .route_layer(middleware::from_fn(json_only));
    let other = OpenApiRouter::new()
        .routes(routes!(tasks::events::events))
        .routes(routes!(tasks::artifact::artifact))
        .route("/docs", get(docs::page));
    let all = json.merge(other);
    OpenApiRouter::with_openapi(openapi::frame()).nest(ROOT, all).split_for_parts()
}

/// What the code says of its routes.
pub(crate) fn described() -> OpenApi {
    routes().1
}

/// The whole server as a service.
pub(crate) fn service(app: Shared) -> Router {
    let (router, _) = routes();
    router
        // The bodies are limited where they are read.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Shared::clone(&app), request::around))
        .with_state(app)
}
