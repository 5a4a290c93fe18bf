//! Webhooks and deliveries as clients see them.

use jobs_runtime::secret::DerivedSecret;
use jobs_store::webhook::{AttemptRow, DeliveryRow, DeliveryStatus, EndpointRow};
use jobs_webhooks::Secret;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use crate::{clock::Timestamp, links::Links};

/// An endpoint that is told of events. Its secret is in no answer but those that made it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub(crate) struct WebhookView {
    /// Its name, `whk_…`.
    id: String,
    /// Always `webhook`.
    #[schemars(extend("const" = "webhook"))]
    object: &'static str,
    /// Where it is told.
    url: String,
    /// What people say of it.
    description: String,
    /// Of which events: types or patterns.
    events: Vec<String>,
    /// Only of tasks of these kinds; all when it is empty.
    kinds: Vec<String>,
    /// Only of tasks with one of these tags; all when it is empty.
    tags: Vec<String>,
    /// Only of tasks of these groups; all when it is empty.
    groups: Vec<String>,
    /// Whether it is told anything.
    enabled: bool,
    /// Why not: `asked`; `gone`, it answered 410; `failing`, every attempt of five days failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["asked", "gone", "failing"]))]
    disabled_reason: Option<&'static str>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<Timestamp>,
    /// Since when every attempt failed; nothing when the last one did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    /// Whether requests carry a signature `v1a`, too.
    ed25519: bool,
    /// The key of those signatures, `whpk_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// Until when the secret before the last rotation signs, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_until: Option<Timestamp>,
    /// When it was made.
    created_at: Timestamp,
    /// When it was changed last.
    updated_at: Timestamp,
    /// Where to go from here.
    urls: WebhookUrls,
}

/// The addresses of a webhook.
#[derive(Debug, Serialize, JsonSchema)]
struct WebhookUrls {
    /// The webhook itself.
    #[serde(rename = "self")]
    itself: String,
    /// What it was told.
    deliveries: String,
    /// How that went.
    stats: String,
    /// POST here for an event that says nothing.
    test: String,
    /// POST here for another secret.
    rotate: String,
}

/// A webhook with a secret that was just made.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NewWebhook")]
pub(crate) struct NewWebhookView {
    /// What its requests are signed with, `whsec_…`. It is shown now and never again.
    secret: String,
    /// Its record.
    webhook: WebhookView,
}

/// A message for one receiver, and what came of it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
pub(crate) struct DeliveryView {
    /// Its name, `dlv_…`.
    id: String,
    /// Always `delivery`.
    #[schemars(extend("const" = "delivery"))]
    object: &'static str,
    /// The `webhook-id` of its requests, `msg_…`.
    message_id: String,
    /// Which sort of event it tells.
    #[serde(rename = "type")]
    event_type: String,
    /// The task that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    /// `pending`; `succeeded`; `failed` when it is not tried again; `canceled` when nobody was left to receive it.
    #[schemars(extend("enum" = ["pending", "succeeded", "failed", "canceled"]))]
    status: &'static str,
    /// When it is tried next, at the earliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    /// When it was made.
    created_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    /// How it went so far, the first attempt first.
    attempts: Vec<DeliveryAttempt>,
    /// What is sent. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    body: Option<Box<RawValue>>,
}

/// An attempt to deliver.
#[derive(Debug, Serialize, JsonSchema)]
struct DeliveryAttempt {
    /// Its number, from 1.
    attempt: u32,
    /// When it began.
    at: Timestamp,
    /// Where it went.
    url: String,
    /// The status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Why it was not received, in a word: `status`, `redirected`, `gone`, `timeout`, `address_refused`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// How long it took.
    took_ms: u64,
    /// What was sent and answered, and how long its parts took: `request`, `response`, `timings`. Long answers are cut.
    #[schemars(with = "Value")]
    details: Box<RawValue>,
}

impl WebhookView {
    pub(crate) fn new(row: EndpointRow, under: &DerivedSecret, links: &Links) -> Self {
        let secret = row.sealed.now.as_deref().and_then(|sealed| Secret::open(sealed, under));
        let url = |part: &str| links.api(&format!("webhooks/{}{part}", row.id));
        Self {
            urls: WebhookUrls {
                itself: url(""),
                deliveries: url("/deliveries"),
                stats: url("/stats"),
                test: url("/test"),
                rotate: url("/rotate"),
            },
            id: row.id.to_string(),
            object: "webhook",
            url: row.url,
            description: row.description,
            events: row.listening.events,
            kinds: row.listening.kinds,
            tags: row.listening.tags,
            groups: row.listening.groups,
            enabled: row.disabled.is_none(),
            disabled_reason: row.disabled.map(|(reason, _)| reason.name()),
            disabled_at: row.disabled.map(|(_, at)| Timestamp(at)),
            failing_since: row.failing_since.map(Timestamp),
            ed25519: row.ed25519,
            public_key: secret.filter(|_| row.ed25519).and_then(|secret| secret.public_key()),
            previous_secret_until: row.before_until.map(Timestamp),
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
        }
    }
}

impl NewWebhookView {
    pub(crate) fn new(secret: String, webhook: WebhookView) -> Self {
        Self { secret, webhook }
    }
}

impl DeliveryView {
    pub(crate) fn new(row: DeliveryRow) -> Self {
        let is_pending = row.status == DeliveryStatus::Pending;
        Self {
            id: row.id.to_string(),
            object: "delivery",
            message_id: row.message.to_string(),
            event_type: row.event_type,
            task_id: row.task.map(|id| id.to_string()),
            status: row.status.name(),
            next_attempt_at: is_pending.then_some(Timestamp(row.due_at)),
            created_at: Timestamp(row.created_at),
            ended_at: row.ended_at.map(Timestamp),
            attempts: row.attempts.into_iter().map(DeliveryAttempt::new).collect(),
            body: row.body.and_then(|body| RawValue::from_string(body).ok()),
        }
    }
}

impl DeliveryAttempt {
    fn new(row: AttemptRow) -> Self {
        Self {
            attempt: row.attempt,
            at: Timestamp(row.at),
            url: row.url,
            status: row.status,
            error: row.error,
            took_ms: row.took_ms,
            details: row.details,
        }
    }
}
