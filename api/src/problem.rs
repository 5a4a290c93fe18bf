//! What can go wrong with a request: the one table of codes, and an answer made of an entry (RFC 9457).
//!
//! A [`Problem`] leaves its body empty: [`crate::request`] writes it, because only there the request's id and path are
//! known, and the routes of another API dress it differently.

use std::error::Error;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jobs_core::{Fault, TaskId};
use jobs_store::StoreError;

/// So many faults are named; a body of a megabyte can have a hundred thousand.
const FAULTS_MAX: usize = 100;
/// A detail quotes what was sent, and that can be long.
const DETAIL_MAX: usize = 500;

macro_rules! codes {
    ($($(#[doc = $explanation:literal])+ $name:ident: $status:ident, $code:literal, $title:literal;)+) => {
        /// What can go wrong. The documentation of each is the text of its page.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[doc = $explanation])+ $name,)+
        }

        impl Code {
            /// All codes.
            pub(crate) const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The HTTP status.
            pub(crate) fn status(self) -> StatusCode {
                match self { $(Code::$name => StatusCode::$status,)+ }
            }

            /// The stable word for programs.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Code::$name => $code,)+ }
            }

            /// The same for every problem of this code.
            pub(crate) fn title(self) -> &'static str {
                match self { $(Code::$name => $title,)+ }
            }

            /// What it means and what to do about it.
            pub(crate) fn explanation(self) -> &'static str {
                match self { $(Code::$name => concat!($($explanation),+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The body is not JSON in UTF-8, or the request breaks off. Nothing was looked at further.
    Malformed: BAD_REQUEST, "malformed", "The request cannot be read";
    /// A header has a value that makes no sense; `detail` names it.
    InvalidHeader: BAD_REQUEST, "invalid_header", "A header is not valid";
    /// The operation needs an API key, and none was sent, or one that opens nothing: it is not of this server, was revoked, or has
    /// expired. Send it as Authorization: Bearer, or as X-API-Key.
    Unauthorized: UNAUTHORIZED, "unauthorized", "An API key is needed";
    /// The key may not do this: it lacks the scope that `detail` names. Somebody whose key has it can make such a key.
    InsufficientScope: FORBIDDEN, "insufficient_scope", "The key may not do this";
    /// There is nothing at this address. The list of operations is at /api/v1/docs.
    NotFound: NOT_FOUND, "not_found", "There is nothing here";
    /// No task has this id.
    TaskNotFound: NOT_FOUND, "task_not_found", "There is no such task";
    /// No kind of job has this name. /api/v1/kinds lists those that there are.
    KindNotFound: NOT_FOUND, "kind_not_found", "There is no such kind of job";
    /// A queue is called by 1 to 100 letters, digits, dots, underscores, colons and hyphens.
    QueueNotFound: NOT_FOUND, "queue_not_found", "There is no such queue";
    /// A group is called by 1 to 100 letters, digits, dots, underscores, colons and hyphens.
    GroupNotFound: NOT_FOUND, "group_not_found", "There is no such group";
    /// The task has no artifact of this name; those of a task appear when it has succeeded.
    ArtifactNotFound: NOT_FOUND, "artifact_not_found", "There is no such artifact";
    /// The signed address is not one of this server, was changed, or has ended.
    SignatureInvalid: FORBIDDEN, "signature_invalid", "The signed address is not good";
    /// No key of the project has this id.
    KeyNotFound: NOT_FOUND, "key_not_found", "There is no such key";
    /// No offer of the project has this key. Prices have theirs in `offer`.
    OfferNotFound: NOT_FOUND, "offer_not_found", "There is no such offer";
    /// Neither the project nor the program has a provider of this name. /api/v1/providers lists those that there are.
    ProviderNotFound: NOT_FOUND, "provider_not_found", "There is no such provider";
    /// No project has this id.
    ProjectNotFound: NOT_FOUND, "project_not_found", "There is no such project";
    /// No schedule of the project has this id.
    ScheduleNotFound: NOT_FOUND, "schedule_not_found", "There is no such schedule";
    /// No webhook of the project has this id.
    WebhookNotFound: NOT_FOUND, "webhook_not_found", "There is no such webhook";
    /// The webhook has no delivery of this id; those that are old are kept no longer.
    DeliveryNotFound: NOT_FOUND, "delivery_not_found", "There is no such delivery";
    /// No problem has this code.
    ProblemNotFound: NOT_FOUND, "problem_not_found", "There is no such problem";
    /// The address exists, the method does not; the Allow header has those that do.
    MethodNotAllowed: METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here";
    /// The Accept header excludes everything that this operation can answer with.
    NotAcceptable: NOT_ACCEPTABLE, "not_acceptable", "No acceptable answer";
    /// The body did not arrive in time. Send it faster, or again.
    RequestTimeout: REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive";
    /// The task has ended in another way, so it cannot be canceled any more.
    NotCancelable: CONFLICT, "not_cancelable", "The task cannot be canceled";
    /// The key has expired, was revoked, or was rotated before. Make a new one.
    KeyEnded: CONFLICT, "key_ended", "The key has ended";
    /// Without this key nobody could operate the installation any more. Make another one with the scope operator first.
    LastOperatorKey: CONFLICT, "last_operator_key", "The last operator's key stays";
    /// Nothing is sent to a webhook that is disabled. Enable it first: PATCH it with `enabled`.
    WebhookDisabled: CONFLICT, "webhook_disabled", "The webhook is disabled";
    /// The project has as many webhooks as it may have. Remove one that nobody needs.
    TooManyWebhooks: CONFLICT, "too_many_webhooks", "There are too many webhooks";
    /// Another project has this name.
    ProjectExists: CONFLICT, "project_exists", "There is such a project";
    /// Another schedule of the project has this name.
    ScheduleExists: CONFLICT, "schedule_exists", "There is such a schedule";
    /// The task has succeeded, so there is nothing to try again; POST its `replay` address for a new task like it.
    NotRetryable: CONFLICT, "not_retryable", "The task cannot be tried again";
    /// The task has not ended. Only what has ended can be removed: cancel it first.
    NotEnded: CONFLICT, "not_ended", "The task has not ended";
    /// What was here has been removed for good: by its owner, or because tasks are kept no longer.
    Gone: GONE, "gone", "It has been removed";
    /// The If-Match header names another version than the one that is there. Read it again, and decide anew.
    PreconditionFailed: PRECONDITION_FAILED, "precondition_failed", "It has been changed since";
    /// The body is larger than the server takes. Large inputs belong into a file whose address is sent.
    TooLarge: PAYLOAD_TOO_LARGE, "too_large", "The body is too large";
    /// The body must be JSON, not compressed, with the header Content-Type: application/json.
    UnsupportedMediaType: UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is of a type that is not understood";
    /// This address speaks WebSocket and nothing else: open it with a client of that, over HTTP/1.1 or with an extended CONNECT.
    UpgradeRequired: UPGRADE_REQUIRED, "upgrade_required", "A WebSocket is needed";
    /// The range lies outside of the artifact; the Content-Range header has its size.
    RangeNotSatisfiable: RANGE_NOT_SATISFIABLE, "range_not_satisfiable", "The range cannot be served";
    /// What was sent is not what the operation needs. `errors` names every wrong field at once: a JSON pointer into the
    /// body, or `?name` for a parameter in the query.
    Invalid: UNPROCESSABLE_ENTITY, "invalid", "The request is not valid";
    /// Another request came before under the same Idempotency-Key. A key belongs to one request and its repetitions.
    KeyReused: UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The idempotency key belongs to another request";
    /// There were too many requests of this class with this key, or from this address. Retry-After says when the next one is welcome.
    RateLimited: TOO_MANY_REQUESTS, "rate_limited", "Too many requests";
    /// As many tasks wait in the queue as its operator allows. Nothing was accepted: send it again when some have started.
    QueueFull: TOO_MANY_REQUESTS, "queue_full", "The queue is full";
    /// As many tasks of the group wait as the operator of the queue allows. Nothing was accepted: send it again when some have
    /// started.
    GroupFull: TOO_MANY_REQUESTS, "group_full", "The group's share of the queue is full";
    /// The server made a mistake. It is logged under the request id.
    Internal: INTERNAL_SERVER_ERROR, "internal", "The server made a mistake";
    /// More comes in than can be served. Nothing was accepted: send it again after Retry-After.
    Overloaded: SERVICE_UNAVAILABLE, "overloaded", "The server is overloaded";
    /// Something that the server needs is away. A submission may or may not have been accepted: repeat it after Retry-After,
    /// under the same Idempotency-Key if it must not run twice.
    Unavailable: SERVICE_UNAVAILABLE, "unavailable", "The server cannot answer now";
    /// The answer took too long. A submission may or may not have been accepted.
    Timeout: SERVICE_UNAVAILABLE, "timeout", "The answer took too long";
    /// The process stops and takes nothing new; others may.
    Stopping: SERVICE_UNAVAILABLE, "stopping", "The server is stopping";
}

/// An answer that says what went wrong.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    /// Which entry of the table it is.
    pub(crate) code: Code,
    /// What is wrong this time.
    pub(crate) detail: String,
    /// All wrong fields.
    pub(crate) errors: Vec<Fault>,
    /// The task that does not exist, if that is the problem.
    pub(crate) task: Option<TaskId>,
    /// Headers that belong to it.
    pub(crate) headers: Box<HeaderMap>,
}

impl Problem {
    /// A problem, with what is wrong this time: a sentence without its full stop.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: cut(detail.into()), errors: Vec::new(), task: None, headers: Box::default() }
    }

    /// The request has these faults.
    pub(crate) fn invalid(mut faults: Vec<Fault>) -> Self {
        let count = faults.len();
        faults.truncate(FAULTS_MAX);
        let detail = match &mut faults[..] {
            [only] => format!("{}: {}", only.pointer, only.detail),
            _ => format!("{count} fields are not valid"),
        };
        let errors = faults.into_iter().map(|fault| Fault { detail: cut(fault.detail), ..fault });
        let errors = errors.collect();
        Self { errors, ..Self::new(Code::Invalid, detail) }
    }

    /// There is no task of this name.
    pub(crate) fn no_task(id: &str) -> Self {
        Self::new(Code::TaskNotFound, format!("there is no task `{}`", id.escape_debug()))
    }

    /// There is no key of this name.
    pub(crate) fn no_key(id: &str) -> Self {
        Self::new(Code::KeyNotFound, format!("there is no key `{}`", id.escape_debug()))
    }

    /// There is no schedule of this name.
    pub(crate) fn no_schedule(id: &str) -> Self {
        Self::new(Code::ScheduleNotFound, format!("there is no schedule `{}`", id.escape_debug()))
    }

    /// There is no project of this name.
    pub(crate) fn no_project(id: &str) -> Self {
        Self::new(Code::ProjectNotFound, format!("there is no project `{}`", id.escape_debug()))
    }

    /// There is no webhook of this name.
    pub(crate) fn no_webhook(id: &str) -> Self {
        Self::new(Code::WebhookNotFound, format!("there is no webhook `{}`", id.escape_debug()))
    }

    /// There is no delivery of this name.
    pub(crate) fn no_delivery(id: &str) -> Self {
        Self::new(Code::DeliveryNotFound, format!("there is no delivery `{}`", id.escape_debug()))
    }

    /// A mistake of ours. It is logged here, once, and the client learns nothing of it.
    pub(crate) fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error, "a request failed by a mistake of the server");
        Self::new(Code::Internal, "the log has the cause under the request id")
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: header::HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.insert(name, value);
        }
        self
    }

    /// Asks for a repetition after so many seconds.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.with(header::RETRY_AFTER, seconds)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable { .. } => {
                tracing::warn!(error = &error as &dyn Error, "a request found no Postgres");
                Self::new(Code::Unavailable, "the database is not available").retry_after(1)
            }
            StoreError::NotFound(id) => Self { task: Some(*id), ..Self::no_task(&id.to_string()) },
            StoreError::Refused(refused) => Self::new(Code::NotCancelable, refused.to_string()),
            StoreError::Broken(_) => Self::internal(&error),
        }
    }
}

impl From<jobs_core::id::BadId> for Problem {
    fn from(_: jobs_core::id::BadId) -> Self {
        Self::no_task(&format!("{}…", TaskId::PREFIX))
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let mut response = self.code.status().into_response();
        response.headers_mut().extend(std::mem::take(&mut *self.headers));
        response.extensions_mut().insert(self);
        response
    }
}

/// At most [`DETAIL_MAX`] bytes of a text, whole characters of it.
fn cut(mut text: String) -> String {
    if text.len() > DETAIL_MAX {
        let end = (0..=DETAIL_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_words_that_nothing_else_uses() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| code.status().as_u16() >= 400 && code.explanation().ends_with('.')));
    }

    #[test]
    fn long_quotes_are_cut_between_characters() {
        let faults = vec![Fault::new("/a", "é".repeat(400)); 300];
        let problem = Problem::invalid(faults);
        assert_eq!(problem.errors.len(), FAULTS_MAX);
        assert!(problem.errors[0].detail.len() <= DETAIL_MAX + 3);
        assert_eq!(problem.detail, "300 fields are not valid");
    }
}
