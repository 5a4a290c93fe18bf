//! The task object.

use jobs_core::{Progress, RetryPolicy, State, Task, TaskError, task::ErrorType};
use jobs_store::Artifact;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    ArtifactView, Links,
    clock::{Timestamp, millis_between},
};

/// The words that clients read for where a task stands.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not due yet.
    Scheduled,
    /// Waits for other tasks.
    Blocked,
    /// Ready: the next free worker takes it.
    Queued,
    /// An attempt runs.
    Running,
    /// Waits for its next attempt.
    Retrying,
    /// Ended: it did what was asked.
    Succeeded,
    /// Ended: it will not be tried again.
    Failed,
    /// Ended: somebody stopped it.
    Canceled,
    /// Ended: its deadline passed before it could start.
    Expired,
}

/// A task as it stands.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Task")]
pub struct TaskView {
    /// Its name, `task_…`; sorts by the time of submission.
    pub id: String,
    /// Always `task`.
    #[schemars(extend("const" = "task"))]
    pub object: &'static str,
    /// Which kind of job it is.
    pub kind: String,
    /// Which queue it waits in.
    pub queue: String,
    /// Where it stands.
    #[schemars(with = "Status")]
    pub status: &'static str,
    /// Why it stands there, when that is not plain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<StatusReason>,
    /// From 0 to 9; 9 goes first within its group.
    pub priority: u8,
    /// What it works on, in the order of its kind.
    #[schemars(with = "Value")]
    pub input: Box<RawValue>,
    /// What it gave, when it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub output: Option<Box<RawValue>>,
    /// Why the last attempt that failed did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ErrorView>")]
    pub error: Option<TaskError>,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressView>,
    /// How many attempts have started.
    pub attempt: u32,
    /// How many attempts may fail before the task does.
    pub max_attempts: u32,
    /// How long it waits between attempts.
    pub retry: RetryPolicy,
    /// How long an attempt may run.
    pub timeout_ms: u64,
    /// The key it was submitted under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The group that shares its turn.
    pub group: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Facts of the client's own.
    pub metadata: Map<String, Value>,
    /// The tasks that it waits for, or waited for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// The task that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed_from: Option<String>,
    /// The schedule that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_id: Option<String>,
    /// The request that brought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The files that it left, when it succeeded.
    pub artifacts: Vec<ArtifactView>,
    /// How long things took, as far as they are over.
    pub metrics: Metrics,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it is due, or was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Timestamp>,
    /// When it was last put in its queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_at: Option<Timestamp>,
    /// When its last attempt started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its attempt was last heard of, while it runs: its start, or the last thing that it said of its progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_at: Option<Timestamp>,
    /// When somebody asked to stop it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_requested_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// It expires if it has not started by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Counts every change; also its entity tag and the number of its last event.
    pub version: i64,
    /// Where to go from here.
    pub urls: Urls,
}

/// Why a task stands where it stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StatusReason {
    /// A stable word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: &'static str,
    /// Until when, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Which sort of end an attempt came to.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "TaskErrorType")]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes what jobs_core::task::ErrorType writes")]
pub(crate) enum ErrorTypeView {
    /// The kind said so.
    Error,
    /// It ran longer than it may.
    Timeout,
    /// It panicked or its process died.
    Crash,
    /// Its workers died again and again.
    Poison,
    /// A task that it waited for did not succeed.
    Dependency,
}

/// Why an attempt did not succeed.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "TaskError")]
#[expect(dead_code, reason = "describes what jobs_core::TaskError writes")]
pub struct ErrorView {
    /// Which sort of end it was.
    #[schemars(rename = "type")]
    error_type: ErrorTypeView,
    /// A stable word for programs.
    code: String,
    /// A sentence for people.
    message: String,
    /// Whether another attempt may succeed.
    retryable: bool,
    /// The attempt it happened to.
    attempt: u32,
    /// Facts for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Value>,
}

/// How far a task is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Progress")]
pub struct ProgressView {
    /// From 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f32>,
    /// A stable word for what is being done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many units are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<u64>,
    /// How many units there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// When that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
}

/// How long things took, in milliseconds.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Metrics {
    /// From the queue to the start of the last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<u64>,
    /// From the start of the last attempt to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_ms: Option<u64>,
    /// From the submission to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<u64>,
}

/// The addresses of a task.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Urls {
    /// The task itself.
    #[serde(rename = "self")]
    pub itself: String,
    /// POST here to stop it.
    pub cancel: String,
    /// POST here to try it again, when it ended without success.
    pub retry: String,
    /// POST here to submit it once more, as a new task.
    pub replay: String,
    /// What happens to it, as it happens.
    pub events: String,
    /// What its attempts wrote.
    pub logs: String,
    /// Why it stands where it stands, and when it should start and end.
    pub explain: String,
    /// How its attempts went.
    pub attempts: String,
    /// What it left.
    pub artifacts: String,
}

impl ProgressView {
    /// What was said at a time.
    #[must_use]
    pub fn new(progress: Progress, at: Option<time::OffsetDateTime>) -> Self {
        let Progress { percent, phase, message, current, total, unit } = progress;
        Self { percent, phase, message, current, total, unit, updated_at: at.map(Timestamp) }
    }
}

impl TaskView {
    /// The object of `task`. `artifacts` are those of the attempt that succeeded.
    #[must_use]
    pub fn new(task: Task, artifacts: Vec<Artifact>, links: &Links) -> Self {
        let (id, project) = (task.id, task.project);
        let metrics = metrics(&task);
        let status_reason = reason(&task);
        let heartbeat_at = task.state.is_held().then(|| task.progress_at.max(task.started_at)).flatten().map(Timestamp);
        let artifacts = artifacts.into_iter().map(|artifact| ArtifactView::new(project, id, artifact, links)).collect();
        Self {
            id: id.to_string(),
            object: "task",
            kind: task.kind,
            queue: task.queue,
            status: task.state.status(),
            status_reason,
            priority: task.priority,
            input: task.input,
            output: task.output,
            error: task.error,
            progress: task.progress.map(|progress| ProgressView::new(progress, task.progress_at)),
            attempt: task.attempt,
            max_attempts: task.max_attempts,
            retry: task.retry,
            timeout_ms: u64::try_from(task.timeout.as_millis()).unwrap_or(u64::MAX),
            idempotency_key: task.idempotency_key,
            group: task.group,
            tags: task.tags,
            metadata: task.metadata,
            depends_on: task.depends_on.iter().map(ToString::to_string).collect(),
            replayed_from: task.replayed_from.map(|id| id.to_string()),
            schedule_id: task.schedule.map(|id| id.to_string()),
            request_id: task.request_id,
            artifacts,
            metrics,
            created_at: Timestamp(task.created_at),
            scheduled_at: task.due_at.map(Timestamp),
            queued_at: task.queued_at.map(Timestamp),
            started_at: task.started_at.map(Timestamp),
            heartbeat_at,
            cancel_requested_at: task.cancel_requested_at.map(Timestamp),
            finished_at: task.finished_at.map(Timestamp),
            deadline: task.deadline.map(Timestamp),
            version: task.seq,
            urls: Urls {
                itself: links.task(id, ""),
                cancel: links.task(id, "cancel"),
                retry: links.task(id, "retry"),
                replay: links.task(id, "replay"),
                events: links.task(id, "events"),
                logs: links.task(id, "logs"),
                explain: links.task(id, "explain"),
                attempts: links.task(id, "attempts"),
                artifacts: links.task(id, "artifacts"),
            },
        }
    }
}

fn metrics(task: &Task) -> Metrics {
    let between = |start: Option<_>, end: Option<_>| start.zip(end).and_then(|(start, end)| millis_between(start, end));
    Metrics {
        queue_ms: between(task.queued_at, task.started_at),
        run_ms: between(task.started_at, task.finished_at),
        total_ms: between(Some(task.created_at), task.finished_at),
    }
}

fn reason(task: &Task) -> Option<StatusReason> {
    let (code, detail) = match task.state {
        State::Scheduled => ("not_due", "its time has not come"),
        State::Blocked => ("waits_for_tasks", "it waits until the tasks of `depends_on` have succeeded"),
        State::Retrying => ("backing_off", "the last attempt failed; the next one waits"),
        State::Expired => ("deadline_passed", "its deadline passed before it could start"),
        State::Canceling => ("cancel_requested", "somebody asked to stop it; the attempt ends"),
        State::Canceled if is_skipped(task) => {
            ("dependency", "a task that it waited for did not succeed; `error` says which one, and how it ended")
        }
        _ => return None,
    };
    let until = task.due_at.filter(|_| matches!(task.state, State::Scheduled | State::Retrying));
    Some(StatusReason { code, detail, until: until.map(Timestamp) })
}

/// Whether it ended because a task that it waited for did not succeed.
fn is_skipped(task: &Task) -> bool {
    task.error.as_ref().is_some_and(|error| error.error_type == ErrorType::Dependency)
}
