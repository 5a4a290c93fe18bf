//! What the server says on a socket.

use axum::extract::ws::{CloseFrame, Message};
use jobs_core::{Fault, TaskId};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{follow::Told, problem::Problem};

/// One message of the server.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Outbound<'a> {
    /// The key is good.
    Authenticated,
    /// The subscription stands.
    Subscribed { id: &'a str },
    /// It does not any more, because the client said so.
    Unsubscribed { id: &'a str },
    /// All tasks of the subscription have ended, and with them the subscription.
    Completed { id: &'a str },
    /// The answer to a ping.
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
    /// Something happened to a task.
    Event(Event<'a>),
    /// A message of the client could not be followed, or a subscription cannot go on.
    Error(Failed<'a>),
}

/// One event of a task.
#[derive(Debug, Serialize)]
pub(super) struct Event<'a> {
    /// The subscription.
    pub(super) id: &'a str,
    /// The task.
    pub(super) task: TaskId,
    /// The type of the event, or `snapshot`.
    event: &'a str,
    /// Its number within the task.
    seq: i64,
    /// Events before this one were left out: `data` is the task as it stands.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    snapshot: bool,
    data: &'a RawValue,
}

/// What went wrong, in the words of problems.
#[derive(Debug, Serialize)]
pub(super) struct Failed<'a> {
    /// The subscription that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    /// The task that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<TaskId>,
    code: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
}

/// Why the server closes a socket. Those from 4000 on are ours: 4000 and a status of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The process stops: connect again, to another one.
    GoingAway,
    /// Messages are texts.
    Binary,
    /// A message is too long.
    TooLong,
    /// No key came in time, or it opens nothing any more.
    Unauthorized,
    /// The key may not read tasks.
    Forbidden,
    /// The client was silent for too long.
    Idle,
    /// The key has too many sockets.
    TooMany,
}

impl Close {
    /// Its code, and what it says.
    fn words(self) -> (u16, &'static str) {
        match self {
            Self::GoingAway => (1001, "the server is stopping"),
            Self::Binary => (1003, "messages are texts"),
            Self::TooLong => (1009, "a message is longer than 64 KiB"),
            Self::Unauthorized => (4401, "no valid key"),
            Self::Forbidden => (4403, "the key may not read tasks"),
            Self::Idle => (4408, "nothing was heard of the client"),
            Self::TooMany => (4429, "too many sockets for this key"),
        }
    }

    pub(super) fn message(self) -> Message {
        let (code, reason) = self.words();
        Message::Close(Some(CloseFrame { code, reason: reason.into() }))
    }
}

impl Outbound<'_> {
    pub(super) fn message(&self) -> Message {
        Message::Text(serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned()).into())
    }
}

/// An event of a task as a message of a subscription.
pub(super) fn event(id: &str, task: TaskId, told: &Told, snapshot: bool) -> Message {
    let data: &RawValue = serde_json::from_str(told.json()).unwrap_or(RawValue::NULL);
    Outbound::Event(Event { id, task, event: told.name, seq: told.seq, snapshot, data }).message()
}

/// A problem as a message, of a subscription or of a task if it is about one.
pub(super) fn error(id: Option<&str>, task: Option<TaskId>, problem: &Problem) -> Message {
    let code = problem.code;
    let failed = Failed {
        id,
        task,
        code: code.name(),
        title: code.title(),
        status: code.status().as_u16(),
        detail: &problem.detail,
        errors: &problem.errors,
    };
    Outbound::Error(failed).message()
}
