//! A client of the HTTP API, as somebody would write one who read its documentation.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use crate::stream::Stream;

/// The key that every system of the tests declares: it may do everything.
pub const ADMIN_KEY: &str = "the-key-of-every-system-of-the-tests";
/// What keys of these systems are hashed under.
pub const SECRET_KEY: &str = "the-secret-of-every-system-of-the-tests";
/// One request waits so long at most.
const POLL: Duration = Duration::from_secs(10);

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as it came.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| {
            panic!("{}: not JSON: {error}: {}", self.status, String::from_utf8_lossy(&self.bytes))
        })
    }

    /// A header, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The answer, if it has this status.
    ///
    /// # Panics
    /// When it has another one.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    /// The word that says what is wrong, for programs.
    #[must_use]
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        self.json()["code"].as_str().expect("a problem has a code").to_owned()
    }

    /// The pointers to all fields that are wrong.
    ///
    /// # Panics
    /// When the answer is no such problem.
    #[must_use]
    pub fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no list of errors in {body}"));
        errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect()
    }
}

/// A client of one server.
#[derive(Debug, Clone)]
pub struct Client {
    /// The address of the server, without a path.
    pub url: String,
    /// Its API key; empty for none.
    pub key: String,
    http: reqwest::Client,
}

impl Client {
    /// A client of the server at `url`, with the key that every system of the tests declares.
    ///
    /// # Panics
    /// Never: nothing of it depends on its surroundings.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(5)).build();
        Self { url: url.into(), key: ADMIN_KEY.to_owned(), http: http.expect("an HTTP client") }
    }

    /// The same client with another key; with none when it is empty.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// A request; a path begins behind `/api/v1`, unless it is a whole address.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}/api/v1{path}", self.url) };
        let request = self.http.request(method, url).timeout(Duration::from_secs(70));
        if self.key.is_empty() { request } else { request.bearer_auth(&self.key) }
    }

    /// The answer to a request, or why there is none.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, bytes: response.bytes().await?.to_vec() })
    }

    /// The answer to a request.
    ///
    /// # Panics
    /// When there is none.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// GET.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST with a JSON body.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Submits a task and gives its id. `options` are more fields of the request.
    ///
    /// # Panics
    /// When it is not accepted.
    pub async fn submit(&self, kind: &str, input: Value, options: Value) -> String {
        let answer = self.post("/tasks", &submission(kind, input, options)).await.expect(202);
        answer.json()["id"].as_str().expect("a task has an id").to_owned()
    }

    /// A task as it stands.
    ///
    /// # Panics
    /// When there is none.
    pub async fn task(&self, id: &str) -> Value {
        self.get(&format!("/tasks/{id}")).await.expect(200).json()
    }

    /// Waits by long poll until `done` says so of the task, and gives the task. Outages are waited for.
    ///
    /// # Panics
    /// When that takes longer than `bound`.
    pub async fn until(&self, id: &str, what: &str, bound: Duration, done: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        let mut tag = None::<String>;
        let mut last = Value::Null;
        loop {
            let left = bound.saturating_sub(began.elapsed());
            assert!(left > Duration::ZERO, "{id}: not {what} within {bound:?}: {last:#}");
            // Waiting is for changes of what we have seen: the first look is at what is.
            let request = match &tag {
                None => self.request(Method::GET, &format!("/tasks/{id}")),
                Some(tag) => {
                    let wait = left.min(POLL).as_secs().max(1);
                    self.request(Method::GET, &format!("/tasks/{id}?wait={wait}")).header("if-none-match", tag)
                }
            };
            match self.try_send(request).await {
                Ok(answer) if answer.status == StatusCode::OK => {
                    tag = answer.header("etag").map(str::to_owned);
                    last = answer.json();
                    if done(&last) {
                        return last;
                    }
                }
                Ok(answer) if answer.status == StatusCode::NOT_MODIFIED => {}
                Ok(answer) if answer.status.is_client_error() => panic!("{}", String::from_utf8_lossy(&answer.bytes)),
                // The server or its database is away for a moment.
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Waits until the task has this status.
    ///
    /// # Panics
    /// When that takes longer than `bound`, or the task ends otherwise.
    pub async fn wait(&self, id: &str, status: &str, bound: Duration) -> Value {
        let task = self.until(id, status, bound, |task| task["status"] == status || is_over(task)).await;
        assert_eq!(task["status"], status, "{task:#}");
        task
    }

    /// Asks to stop a task.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn cancel(&self, id: &str) -> Answer {
        self.send(self.request(Method::POST, &format!("/tasks/{id}/cancel"))).await
    }

    /// The history of a task so far.
    ///
    /// # Panics
    /// When there is none.
    pub async fn history(&self, id: &str) -> Vec<Value> {
        let request = self.request(Method::GET, &format!("/tasks/{id}/events?limit=1000"));
        let answer = self.send(request.header("accept", "application/json")).await.expect(200);
        answer.json()["data"].as_array().expect("a page of events").clone()
    }

    /// What moved a task, in order: `submit`, `start`, …
    ///
    /// # Panics
    /// When there is no such task.
    pub async fn moves(&self, id: &str) -> Vec<String> {
        let history = self.history(id).await;
        let moves = history.iter().filter(|event| event["type"] == "status");
        moves.map(|event| event["event"].as_str().expect("a status has an event").to_owned()).collect()
    }

    /// The live events of a task behind number `after`.
    ///
    /// # Panics
    /// When the server does not stream.
    pub async fn events(&self, id: &str, after: Option<i64>) -> Stream {
        let mut request =
            self.request(Method::GET, &format!("/tasks/{id}/events")).header("accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after.to_string());
        }
        let response = request.send().await.expect("a stream");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Stream::new(response)
    }
}

/// The body of a submission.
#[must_use]
fn submission(kind: &str, input: Value, options: Value) -> Value {
    let mut body = json!({ "kind": kind, "input": input });
    if let (Some(body), Value::Object(options)) = (body.as_object_mut(), options) {
        body.extend(options);
    }
    body
}

fn is_over(task: &Value) -> bool {
    matches!(task["status"].as_str(), Some("succeeded" | "failed" | "canceled" | "expired"))
}
