//! Every route, on one page.

use axum::{Router, extract::DefaultBodyLimit, middleware};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    accept::json_only, app::Shared, cors, docs, integrity, keys, kinds, metrics, openapi, prices, problems, projects,
    providers, queues, request, schedules, stats, system, tasks, videos, webhooks, ws,
};

/// Where everything lies.
const ROOT: &str = "/api/v1";

/// The routes and what the code says of them.
fn routes() -> (Router<Shared>, OpenApi) {
    let json = OpenApiRouter::new()
        .routes(routes!(tasks::create::create, tasks::list::list))
        .routes(routes!(tasks::batch::create))
        .routes(routes!(tasks::get::get, tasks::delete::delete))
        .routes(routes!(tasks::cancel::cancel))
        .routes(routes!(tasks::retry::retry))
        .routes(routes!(tasks::replay::replay))
        .routes(routes!(tasks::actions::act))
        .routes(routes!(tasks::logs::logs))
        .routes(routes!(tasks::attempts::attempts))
        .routes(routes!(tasks::explain::explain))
        .routes(routes!(tasks::artifacts::artifacts))
        .routes(routes!(kinds::list))
        .routes(routes!(kinds::get))
        .routes(routes!(queues::list::list))
        .routes(routes!(queues::get::get, queues::put::put))
        .routes(routes!(queues::pause::pause))
        .routes(routes!(queues::pause::resume))
        .routes(routes!(queues::group::get, queues::group::put, queues::group::reset))
        .routes(routes!(keys::create::create, keys::list::list))
        .routes(routes!(keys::get::get))
        .routes(routes!(keys::rotate::rotate))
        .routes(routes!(keys::revoke::revoke))
        .routes(routes!(projects::create::create, projects::list::list))
        .routes(routes!(projects::get::get))
        .routes(routes!(schedules::create::create, schedules::list::list))
        .routes(routes!(schedules::preview::preview))
        .routes(routes!(schedules::get::get, schedules::patch::patch, schedules::delete::delete))
        .routes(routes!(schedules::pause::pause))
        .routes(routes!(schedules::pause::resume))
        .routes(routes!(schedules::run::run))
        .routes(routes!(schedules::runs::runs))
        .routes(routes!(problems::list))
        .routes(routes!(problems::get))
        .routes(routes!(webhooks::create::create, webhooks::list::list))
        .routes(routes!(webhooks::get::get, webhooks::update::update, webhooks::delete::delete))
        .routes(routes!(webhooks::rotate::rotate))
        .routes(routes!(webhooks::test::test))
        .routes(routes!(webhooks::stats::stats))
        .routes(routes!(webhooks::recover::recover))
        .routes(routes!(webhooks::deliveries::list))
        .routes(routes!(webhooks::deliveries::get))
        .routes(routes!(webhooks::redeliver::redeliver))
        .routes(routes!(webhooks::deliveries::of_task))
        .routes(routes!(videos::generate::generate))
        .routes(routes!(videos::status::status))
        .routes(routes!(videos::list::list))
        .routes(routes!(videos::cancel::cancel))
        .routes(routes!(prices::best::best))
        .routes(routes!(prices::savings::savings))
        .routes(routes!(prices::gpus::list))
        .routes(routes!(providers::list::list))
        .routes(routes!(providers::get::get, providers::put::put, providers::delete::delete))
        .routes(routes!(providers::dry_run::dry_run))
        .routes(routes!(system::health))
        .routes(routes!(system::ready))
        .routes(routes!(system::ping))
        .routes(routes!(integrity::get))
        .routes(routes!(stats::get))
        .routes(routes!(openapi::serve))
        .route_layer(middleware::from_fn(json_only));
    let other = OpenApiRouter::new()
        .routes(routes!(tasks::events::events))
        .routes(routes!(tasks::artifact::artifact))
        .routes(routes!(prices::latest::latest))
        .routes(routes!(prices::history::history))
        .routes(routes!(prices::compare::compare))
        .routes(routes!(prices::arbitrage::arbitrage))
        .routes(routes!(metrics::get))
        .routes(routes!(ws::open))
        .routes(routes!(docs::page));
    let all = json.merge(other);
    let root = OpenApiRouter::with_openapi(openapi::frame()).routes(routes!(docs::root));
    root.nest(ROOT, all).split_for_parts()
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
        .layer(middleware::from_fn_with_state(Shared::clone(&app), cors::around))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::{HeaderMap, Request, StatusCode},
        routing::get,
    };
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::app::App;

    async fn send(request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
        let response = service(App::without_servers()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    fn request(method: &str, path: &str) -> axum::http::request::Builder {
        Request::builder().method(method).uri(path)
    }

    #[tokio::test]
    async fn what_the_framework_refuses_is_a_problem_too() {
        let json = "application/json";
        let cases = [
            (request("GET", "/nothing").body(Body::empty()), 404, "not_found"),
            (request("GET", "/api/v1/tasks/%ff").body(Body::empty()), 404, "not_found"),
            (request("GET", "/api/v1/tasks/task_7").body(Body::empty()), 404, "task_not_found"),
            (request("PUT", "/api/v1/tasks").body(Body::empty()), 405, "method_not_allowed"),
            (request("GET", "/api/v1/ping").header("accept", "text/html").body(Body::empty()), 406, "not_acceptable"),
            (request("POST", "/api/v1/tasks").body(Body::from(vec![b'x'; 2_000])), 413, "too_large"),
            (request("POST", "/nothing").body(Body::from(vec![b'x'; 2_000])), 413, "too_large"),
            (request("POST", "/api/v1/tasks").body(Body::from("{}")), 415, "unsupported_media_type"),
            (request("POST", "/api/v1/tasks").header("content-type", json).body(Body::from("{")), 400, "malformed"),
            (
                request("POST", "/api/v1/tasks").header("content-type", json).body(Body::from(b"\"\xff\"".to_vec())),
                400,
                "malformed",
            ),
            (request("POST", "/api/v1/tasks").header("content-type", json).body(Body::from("{}")), 422, "invalid"),
            (request("GET", "/api/v1/tasks?colour=red").body(Body::empty()), 422, "invalid"),
        ];
        for (request, status, code) in cases {
            let (sent, headers, body) = send(request.unwrap()).await;
            assert_eq!((sent.as_u16(), body["code"].as_str()), (status, Some(code)));
            assert_eq!(body["status"], status);
            assert_eq!(headers["content-type"], "application/problem+json");
            assert_eq!(body["type"], format!("https://jobs.example/api/v1/problems/{code}"));
            assert_eq!(body["request_id"], headers["x-request-id"].to_str().unwrap());
            assert_eq!(headers.contains_key("allow"), status == 405);
        }
    }

    #[tokio::test]
    async fn the_video_routes_have_their_own_errors() {
        let asked = request("GET", "/api/v1/videos/status/x").header("x-request-id", "mine").body(Body::empty());
        let (status, headers, body) = send(asked.unwrap()).await;
        assert_eq!((status, &headers["content-type"]), (StatusCode::NOT_FOUND, &"application/json".parse().unwrap()));
        assert_eq!((&body["error"], &body["request_id"]), (&"task_not_found".into(), &"mine".into()));
        assert!(body["message"].is_string() && body["details"].is_object() && body["timestamp"].is_string());
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_that_tells_nothing() {
        let app = App::without_servers();
        let router: Router = Router::new()
            .route(
                "/",
                get(|| async {
                    if true {
                        panic!("a secret")
                    }
                }),
            )
            .layer(middleware::from_fn_with_state(app, request::around));
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("\"internal\"") && !body.contains("secret"), "{body}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_database_nothing_is_accepted_and_the_process_lives() {
        let submit = request("POST", "/api/v1/tasks").header("content-type", "application/json");
        let submit = submit.body(Body::from(r#"{"kind":"echo","input":{}}"#)).unwrap();
        let (status, headers, body) = send(submit).await;
        assert_eq!((status.as_u16(), body["code"].as_str()), (503, Some("unavailable")));
        assert_eq!(headers["retry-after"], "1");

        let (status, _, health) = send(request("GET", "/api/v1/health").body(Body::empty()).unwrap()).await;
        assert_eq!((status.as_u16(), health["status"].as_str()), (200, Some("unavailable")));
        let (status, _, _) = send(request("GET", "/api/v1/ready").body(Body::empty()).unwrap()).await;
        assert_eq!(status.as_u16(), 503);
    }
}
