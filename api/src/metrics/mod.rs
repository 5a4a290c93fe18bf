//! `GET /metrics`: what Prometheus reads of this process and of the installation.

mod http;
mod load;

use std::sync::Weak;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use jobs_metrics::{Exposition, Gauge, Page, Sort, TYPE, process};

pub(crate) use http::answered;
pub(crate) use load::Load;

use crate::app::{App, Shared};

/// Requests that are not answered yet.
pub(crate) static IN_FLIGHT: Gauge = Gauge::new();
/// Streams of server-sent events that are open.
pub(crate) static STREAMS: Gauge = Gauge::new();

/// What a listener of its own says, for as long as there is an API.
pub(crate) struct Listener(pub(crate) Weak<App>);

impl Exposition for Listener {
    async fn page(&self) -> Page {
        match self.0.upgrade() {
            Some(app) => page(&app).await,
            None => Page::default(),
        }
    }
}

/// Read metrics.
///
/// What this process counts, and how much waits and runs in the installation, as Prometheus reads it (text format 0.0.4). The same
/// is at `/metrics` of the listener that the setting `metrics.bind` asks for, without a key.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    tag = "system",
    security(("key" = ["operator"])),
    responses((status = 200, description = "The metrics.", content((String = "text/plain")))),
    extensions(("x-problems" = json!([])))
)]
pub(crate) async fn get(State(app): State<Shared>) -> Response {
    ([(header::CONTENT_TYPE, TYPE)], page(&app).await.into_text()).into_response()
}

async fn page(app: &App) -> Page {
    let mut page = Page::default();
    process(&mut page, env!("CARGO_PKG_VERSION"), "api");
    app.store.expose(&mut page);
    jobs_queue::expose(&mut page);
    page.gauge("longshore_http_requests_in_flight", "Requests that are not answered yet.", &IN_FLIGHT);
    http::expose(&mut page);
    let mut family = page.family("longshore_streams_open", Sort::Gauge, "Clients that follow tasks, by how.");
    family.value(&[("type", "sse")], STREAMS.get() as f64);
    family.value(&[("type", "websocket")], app.sockets.count() as f64);
    app.load.expose(app, &mut page).await;
    page
}
