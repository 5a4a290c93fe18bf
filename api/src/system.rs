//! `GET /health`, `GET /ready` and `GET /ping`: whether this process lives, and whether it can serve.

use std::{fmt::Display, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::TryFutureExt;
use jobs_queue::{Queue, QueueError};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::app::{App, Shared};

/// A component that does not answer within this is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// How this process and what it needs are.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Health {
    /// `ok`; `degraded` while something is away or not as it has to be, and it goes on; `unavailable` while it cannot serve.
    #[schemars(extend("enum" = ["ok", "degraded", "unavailable"]))]
    status: &'static str,
    /// The version of the program.
    version: &'static str,
    /// How long this process has served.
    uptime_ms: u64,
    /// Whether it is stopping: it takes nothing new.
    stopping: bool,
    /// What it needs.
    components: Components,
}

/// What this process needs.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HealthComponents")]
struct Components {
    /// Postgres. Nothing goes without it.
    database: Component,
    /// Redis. Without it tasks are accepted, and start later.
    redis: Component,
    /// Where artifacts lie. Without it they cannot be downloaded.
    artifacts: Component,
}

/// One component.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HealthComponent")]
struct Component {
    /// `ok`; `degraded` when it answers and is not as it has to be; `unavailable`.
    #[schemars(extend("enum" = ["ok", "degraded", "unavailable"]))]
    status: &'static str,
    /// What is to be done about it, if it is degraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// How long it took to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
}

impl Component {
    fn is_ok(&self) -> bool {
        self.status == "ok"
    }
}

/// Looks at one component; an answer may say what is not as it has to be.
async fn look<E: Display>(name: &'static str, answer: impl Future<Output = Result<Option<String>, E>>) -> Component {
    let began = Instant::now();
    let away = Component { status: "unavailable", detail: None, latency_ms: None };
    match timeout(PATIENCE, answer).await {
        Ok(Ok(detail)) => {
            let took_us = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
            let status = if detail.is_some() { "degraded" } else { "ok" };
            Component { status, detail, latency_ms: Some(f64::from(took_us) / 1_000.0) }
        }
        Ok(Err(error)) => {
            tracing::warn!(component = name, %error, "a component does not answer");
            away
        }
        Err(_) => {
            tracing::warn!(component = name, "a component does not answer in time");
            away
        }
    }
}

/// Whether Redis answers, and keeps what it is told.
async fn redis(queue: &Queue) -> Result<Option<String>, QueueError> {
    let eviction = queue.eviction().await?;
    Ok(eviction.map(|eviction| {
        format!("maxmemory-policy is {}: what is queued may be evicted; set it to noeviction", eviction.policy)
    }))
}

async fn check(app: &App) -> Health {
    let (database, redis, artifacts) = tokio::join!(
        look("database", app.store.ping().map_ok(|()| None)),
        look("redis", redis(&app.queue)),
        look("artifacts", app.artifacts.ping().map_ok(|()| None)),
    );
    let stopping = app.stopping.is_cancelled();
    let status = if !database.is_ok() || stopping {
        "unavailable"
    } else if !redis.is_ok() || !artifacts.is_ok() {
        "degraded"
    } else {
        "ok"
    };
    Health {
        status,
        version: env!("CARGO_PKG_VERSION"),
        uptime_ms: u64::try_from(app.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        stopping,
        components: Components { database, redis, artifacts },
    }
}

/// Say how it is.
///
/// Always 200 while the process lives: whoever restarts processes by it must not do so because a database is away.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "getHealth",
    tag = "system",
    security(()),
    responses((status = 200, description = "The process lives.", body = ref("#/components/schemas/Health"))),
    extensions(("x-problems" = json!(["not_acceptable"])))
)]
pub(crate) async fn health(State(app): State<Shared>) -> Json<Health> {
    Json(check(&app).await)
}

/// Say whether it can serve.
///
/// 503 while the database is away and from the moment the process is asked to stop.
#[utoipa::path(
    get,
    path = "/ready",
    operation_id = "getReady",
    tag = "system",
    security(()),
    responses(
        (status = 200, description = "It can serve.", body = ref("#/components/schemas/Health")),
        (status = 503, description = "It cannot serve.", body = ref("#/components/schemas/Health"),
            headers(("Retry-After" = u32, description = "When to ask again, in seconds."))),
    ),
    extensions(("x-problems" = json!(["not_acceptable"])))
)]
pub(crate) async fn ready(State(app): State<Shared>) -> Response {
    let health = check(&app).await;
    if health.status != "unavailable" {
        return Json(health).into_response();
    }
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, Json(health)).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// The answer to a ping.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Pong {
    /// Always `pong`.
    #[schemars(extend("const" = "pong"))]
    message: &'static str,
}

/// Answer.
#[utoipa::path(
    get,
    path = "/ping",
    operation_id = "ping",
    tag = "system",
    security(()),
    responses((status = 200, description = "It is there.", body = ref("#/components/schemas/Pong"))),
    extensions(("x-problems" = json!(["not_acceptable"])))
)]
pub(crate) async fn ping() -> Json<Pong> {
    Json(Pong { message: "pong" })
}
