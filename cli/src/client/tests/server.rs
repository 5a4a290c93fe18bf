//! A small server that answers what a test tells it to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// One answer.
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// Whether the connection breaks behind the body.
    breaks: bool,
}

/// One request as it came.
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

#[derive(Clone, Default)]
pub(super) struct Server {
    /// The answers to each `METHOD /path`, in order; the last one stays.
    answers: Arc<Mutex<HashMap<String, Vec<Arc<Answer>>>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    pub(super) url: String,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { url, ..Self::default() };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    /// Adds an answer to `line`, as in `GET /api/v1/tasks`.
    pub(super) fn on(&self, line: &str, answer: Answer) -> &Self {
        let mut answers = self.answers.lock().unwrap();
        answers.entry(line.to_owned()).or_default().push(Arc::new(answer));
        self
    }

    /// The requests to `line` so far.
    pub(super) fn asked<T>(&self, line: &str, read: impl Fn(&Asked) -> T) -> Vec<T> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.line == line).map(read).collect()
    }
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let answer = Self::bytes(status, body.to_string().into_bytes());
        answer.with("content-type", "application/json")
    }

    pub(super) fn problem(status: u16, body: &Value) -> Self {
        Self::json(status, body).with("content-type", "application/problem+json")
    }

    pub(super) fn bytes(status: u16, body: impl Into<Bytes>) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, headers: HeaderMap::new(), body: body.into(), breaks: false }
    }

    pub(super) fn events(text: impl Into<Bytes>) -> Self {
        Self::bytes(200, text).with("content-type", "text/event-stream")
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    /// Breaks the connection behind the body instead of ending the answer.
    pub(super) fn and_breaks(mut self) -> Self {
        self.breaks = true;
        self
    }
}

/// An event on the wire.
pub(super) fn event(name: &str, id: u64, data: &Value) -> String {
    format!("event: {name}\nid: {id}\ndata: {data}\n\n")
}

/// A task with the links that a server gives.
pub(super) fn task(id: &str, status: &str) -> Value {
    json!({
        "id": id, "object": "task", "kind": "echo", "queue": "default", "status": status,
        "priority": 5, "attempt": 1, "max_attempts": 3, "created_at": "2026-01-02T03:04:05.678Z",
        "artifacts": [], "metrics": { "queue_ms": 3, "run_ms": 4200 },
        "urls": { "self": format!("/api/v1/tasks/{id}"), "events": format!("/api/v1/tasks/{id}/events") },
    })
}

async fn answer(State(server): State<Server>, request: Request) -> Response<Body> {
    let target = request.uri().path_and_query().map(|target| target.as_str().to_owned());
    let line = format!("{} {}", request.method(), target.unwrap_or_default());
    let headers = request.headers().clone();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    server.asked.lock().unwrap().push(Asked { line: line.clone(), headers, body });
    let mut answers = server.answers.lock().unwrap();
    let Some(list) = answers.get_mut(&line) else {
        let body = json!({ "title": "not found", "status": 404, "code": "not_found", "detail": line });
        let response = Response::builder().status(404).header(header::CONTENT_TYPE, "application/problem+json");
        return response.body(body.to_string().into()).unwrap();
    };
    let answer = if list.len() > 1 { list.remove(0) } else { list[0].clone() };
    let body = if answer.breaks {
        let broken = Err(std::io::Error::other("cut"));
        Body::from_stream(stream::iter([Ok(answer.body.clone()), broken]).then(|part| async {
            // The part before the cut must have left this process when the connection breaks.
            if part.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            part
        }))
    } else {
        Body::from(answer.body.clone())
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers.clone();
    response
}
