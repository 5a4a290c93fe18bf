//! Names in the path. What is no id names no task, and is answered as one that does not exist.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use jobs_core::{DeliveryId, KeyId, ProjectUid, ScheduleId, TaskId, WebhookId};

use crate::problem::{Code, Problem};

/// The task that the path names.
pub(crate) struct TaskPath(pub(crate) TaskId);

/// A word of the path, by no rule.
pub(crate) struct NamePath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for TaskPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = word(parts, state, &["id", "task_id"]).await?;
        text.parse().map(Self).map_err(|_| Problem::no_task(&text))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NamePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        word(parts, state, &["name", "kind", "code", "action"]).await.map(Self)
    }
}

/// The key that the path names.
pub(crate) struct KeyPath(pub(crate) KeyId);

impl<S: Send + Sync> FromRequestParts<S> for KeyPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = word(parts, state, &["id"]).await?;
        text.parse().map(Self).map_err(|_| Problem::no_key(&text))
    }
}

/// The schedule that the path names.
pub(crate) struct SchedulePath(pub(crate) ScheduleId);

impl<S: Send + Sync> FromRequestParts<S> for SchedulePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = word(parts, state, &["id"]).await?;
        text.parse().map(Self).map_err(|_| Problem::no_schedule(&text))
    }
}

/// The project that the path names.
pub(crate) struct ProjectPath(pub(crate) ProjectUid);

impl<S: Send + Sync> FromRequestParts<S> for ProjectPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = word(parts, state, &["id"]).await?;
        text.parse().map(Self).map_err(|_| Problem::no_project(&text))
    }
}

/// The webhook that the path names.
pub(crate) struct WebhookPath(pub(crate) WebhookId);

impl<S: Send + Sync> FromRequestParts<S> for WebhookPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = word(parts, state, &["id"]).await?;
        text.parse().map(Self).map_err(|_| Problem::no_webhook(&text))
    }
}

/// The delivery that the path names, with its webhook.
pub(crate) struct DeliveryPath {
    pub(crate) webhook: WebhookId,
    pub(crate) delivery: DeliveryId,
}

impl<S: Send + Sync> FromRequestParts<S> for DeliveryPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let WebhookPath(webhook) = WebhookPath::from_request_parts(parts, state).await?;
        let text = word(parts, state, &["delivery_id"]).await?;
        let delivery = text.parse().map_err(|_| Problem::no_delivery(&text))?;
        Ok(Self { webhook, delivery })
    }
}

/// The queue that the path names.
pub(crate) struct QueuePath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for QueuePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let queue = word(parts, state, &["queue"]).await?;
        if !is_name(&queue) {
            return Err(Problem::new(Code::QueueNotFound, "no queue can have this name"));
        }
        Ok(Self(queue))
    }
}

/// The group that the path names, with its queue.
pub(crate) struct GroupPath {
    pub(crate) queue: String,
    pub(crate) group: String,
}

impl<S: Send + Sync> FromRequestParts<S> for GroupPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let QueuePath(queue) = QueuePath::from_request_parts(parts, state).await?;
        let group = word(parts, state, &["group"]).await?;
        if !is_name(&group) {
            return Err(Problem::new(Code::GroupNotFound, "no group can have this name"));
        }
        Ok(Self { queue, group })
    }
}

/// As a submission may name queues and groups.
fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    (1..=100).contains(&text.len()) && text.bytes().all(allowed)
}

async fn word<S: Send + Sync>(parts: &mut Parts, state: &S, names: &[&str]) -> Result<String, Problem> {
    let nothing = || Problem::new(Code::NotFound, "there is nothing here");
    // Refused when it is not UTF-8 under its percent signs.
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| nothing())?;
    let found = params.iter().find(|param| names.contains(&param.0));
    found.map(|param| param.1.to_owned()).ok_or_else(nothing)
}
