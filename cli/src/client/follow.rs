//! One task followed over its event stream until it is done.
//!
//! The stream starts with the task's history. After a lost connection it is asked for what came
//! behind the last event seen, so nothing is shown twice and nothing is left out.

use std::time::Duration;

use futures::StreamExt as _;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::time::Instant;

use super::failure::Failure;
use super::http::Http;
use super::sse::{Message, Reader};
use super::task::Task;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// A connection that held this long was a good one, also when nothing happened to the task.
const HELD: Duration = Duration::from_secs(5);

/// What the follower has to tell.
#[derive(Debug)]
pub(super) enum Update {
    /// Something happened to the task.
    Event { name: String, seq: Option<u64>, data: Value },
    /// The connection is gone; the next try is after `wait`.
    Lost { reason: String, wait: Duration, attempt: u32 },
    /// It is back.
    Back,
}

/// Why a connection ended.
enum End {
    Done(Task),
    /// The server closed it in good order, without saying that the task is done.
    Closed,
    Lost(String),
}

/// One watch over one task.
pub(super) struct Follower<'a> {
    http: &'a Http,
    task: &'a Task,
    /// How long an outage may last before it is given up.
    patience: Duration,
    last_id: Option<String>,
    last_seq: Option<u64>,
    outage: Option<Outage>,
}

struct Outage {
    since: Instant,
    attempts: u32,
}

impl<'a> Follower<'a> {
    pub(super) fn new(http: &'a Http, task: &'a Task, patience: Duration) -> Self {
        Self { http, task, patience, last_id: None, last_seq: None, outage: None }
    }

    /// Follows the task to its end and returns it as it ended.
    pub(super) async fn run(mut self, mut tell: impl FnMut(Update) -> Result<(), Failure>) -> Result<Task, Failure> {
        loop {
            let reason = match self.connection(&mut tell).await? {
                End::Done(task) => return Ok(task),
                End::Closed => match self.ended().await? {
                    Some(task) => return Ok(task),
                    None => "the server closed the stream".to_owned(),
                },
                End::Lost(reason) => reason,
            };
            let outage = self.outage.get_or_insert_with(|| Outage { since: Instant::now(), attempts: 0 });
            if outage.since.elapsed() >= self.patience {
                let tries = outage.attempts;
                let reason = format!("{reason}; gave up after {tries} tries");
                return Err(Failure::Unreachable { url: self.http.address(), reason });
            }
            let wait = FIRST_WAIT.saturating_mul(1 << outage.attempts.min(10)).min(LONGEST_WAIT);
            outage.attempts += 1;
            tell(Update::Lost { reason, wait, attempt: outage.attempts })?;
            tokio::time::sleep(wait).await;
        }
    }

    async fn connection(&mut self, tell: &mut impl FnMut(Update) -> Result<(), Failure>) -> Result<End, Failure> {
        let url = match self.task.link("events") {
            Some(link) => self.http.follow(link)?,
            None => self.http.url(&["tasks", self.task.id(), "events"]),
        };
        let response = match self.http.open(url, self.headers()).await {
            Ok(response) => response,
            Err(Failure::Unreachable { reason, .. }) => return Ok(End::Lost(reason)),
            Err(Failure::Refused(problem)) if may_pass(problem.status) => {
                return Ok(End::Lost(format!("{} {}", problem.status, problem.summary())));
            }
            Err(other) => return Err(other),
        };
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(End::Closed);
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(|value| value.starts_with("text/event-stream")) {
            let what = content_type.unwrap_or("nothing").to_owned();
            return Err(Failure::Broken(format!("expected an event stream, the server sent {what}")));
        }
        let opened = Instant::now();
        let mut reader = Reader::default();
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(err) => {
                    let Failure::Unreachable { reason, .. } = self.http.lost(&err) else {
                        continue;
                    };
                    return Ok(End::Lost(reason));
                }
            };
            let messages =
                reader.feed(&chunk).map_err(|_| Failure::Broken("an event of the server has no end".to_owned()))?;
            // Bytes are a sign of life. An outage ends with news, or when the line holds: a server
            // that greets and hangs up is still an outage.
            let is_well = !messages.is_empty() || opened.elapsed() >= HELD;
            if is_well && self.outage.take().is_some() {
                tell(Update::Back)?;
            }
            for message in messages {
                if let Some(task) = self.take(message, tell)? {
                    return Ok(End::Done(task));
                }
            }
        }
        Ok(End::Closed)
    }

    /// Passes a message on; the task when it was the last one.
    fn take(
        &mut self,
        message: Message,
        tell: &mut impl FnMut(Update) -> Result<(), Failure>,
    ) -> Result<Option<Task>, Failure> {
        let data: Value = serde_json::from_str(&message.data)
            .map_err(|err| Failure::Broken(format!("an event of the server is no JSON: {err}")))?;
        if message.event == "done" {
            let task = Task::new(data.clone());
            tell(Update::Event { name: message.event, seq: None, data })?;
            return Ok(Some(task));
        }
        let seq = message.id.as_deref().and_then(|id| id.parse().ok());
        let seq = seq.or_else(|| data.get("seq").and_then(Value::as_u64));
        if seq.is_some() && seq <= self.last_seq {
            return Ok(None);
        }
        self.last_seq = seq.or(self.last_seq);
        self.last_id = message.id.or(self.last_id.take());
        tell(Update::Event { name: message.event, seq, data })?;
        Ok(None)
    }

    /// The task, when it has ended without the stream saying so.
    async fn ended(&self) -> Result<Option<Task>, Failure> {
        let url = match self.task.link("self") {
            Some(link) => self.http.follow(link)?,
            None => self.http.url(&["tasks", self.task.id()]),
        };
        match self.http.get(url).await {
            Ok(value) => Ok(Some(Task::new(value)).filter(Task::has_ended)),
            Err(Failure::Unreachable { .. }) => Ok(None),
            Err(Failure::Refused(problem)) if may_pass(problem.status) => Ok(None),
            Err(other) => Err(other),
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let last_id = self.last_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok());
        if let Some(id) = last_id {
            headers.insert("last-event-id", id);
        }
        headers
    }
}

/// Whether the same request may be answered well a little later.
fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}
