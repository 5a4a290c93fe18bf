//! The task: what was asked for, and where it stands.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use time::OffsetDateTime;

use crate::{GroupKey, Progress, ProjectId, RetryPolicy, ScheduleId, State, TaskId, WorkerId};

/// A task as it is submitted. What a client left out is filled in already.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Its name, made by whoever accepts it.
    pub id: TaskId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// Which kind of job it is.
    pub kind: String,
    /// Which queue it waits in.
    pub queue: String,
    /// The group that shares its turn: tasks of different groups are served in turns.
    pub group: String,
    /// From 0 to 9; 9 goes first within its group.
    pub priority: u8,
    /// The kind's input, as JSON.
    pub input: Box<RawValue>,
    /// How many attempts may fail before the task does; at least 1.
    pub max_attempts: u32,
    /// How long to wait between attempts.
    pub retry: RetryPolicy,
    /// How long one attempt may run.
    pub timeout: Duration,
    /// When it may start; none is at once.
    pub start: Option<Start>,
    /// It must have started by then, or it expires.
    pub deadline: Option<OffsetDateTime>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Facts of the client's own.
    pub metadata: Map<String, Value>,
    /// The request that brought it.
    pub request_id: Option<String>,
    /// Makes a repeated submission answer with the first one's task.
    pub idempotency: Option<Idempotency>,
    /// The tasks that have to succeed before it may start, of the same project; each once. Those of the same submission come before
    /// it.
    pub depends_on: Vec<TaskId>,
    /// What makes it the same work as another submission, if callers may share it.
    pub coalesce: Option<Coalesce>,
    /// The task that it repeats.
    pub replayed_from: Option<TaskId>,
    /// The first task of its batch, if that has an idempotency key: it is stored together with that one, or not at all. Its id is
    /// one of [`TaskId::nth`] behind that one's.
    pub head: Option<TaskId>,
    /// Who else is to be told of what happens to it.
    pub webhook: Option<TaskWebhook>,
}

/// What the receiver of a task is told when it does not say: how the task ended.
pub const ENDED_EVENTS: [&str; 4] = ["task.succeeded", "task.failed", "task.canceled", "task.expired"];

/// A receiver of a single task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskWebhook {
    /// Where it is told.
    pub url: String,
    /// Of which events: patterns.
    pub events: Vec<String>,
    /// The secret that its requests are signed with, if they are, encrypted under a key of the installation, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// The secret as its client sent it: whoever accepts the task encrypts it. It is never stored.
    #[serde(skip)]
    pub secret: Option<String>,
}

/// When a task may start. The database's clock decides what is past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Not before this time.
    At(OffsetDateTime),
    /// Not before this long after the submission.
    After(Duration),
}

/// The key under which a client may repeat a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// What the client chose.
    pub key: String,
    /// A digest of the request: the same key with another request is a mistake.
    pub fingerprint: Vec<u8>,
}

/// Which other submissions are the same work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coalesce {
    /// The same for all that are the same work.
    pub key: String,
    /// A task that succeeded is taken instead of a new one when it ended no longer ago than this.
    pub max_age: Option<Duration>,
}

/// A task as it stands.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its name.
    pub id: TaskId,
    /// The project that it belongs to.
    pub project: ProjectId,
    /// Which kind of job it is.
    pub kind: String,
    /// Which queue it waits in.
    pub queue: String,
    /// The group that shares its turn.
    pub group: String,
    /// From 0 to 9; 9 goes first.
    pub priority: u8,
    /// Where it stands.
    pub state: State,
    /// The kind's input.
    pub input: Box<RawValue>,
    /// What the successful attempt gave.
    pub output: Option<Box<RawValue>>,
    /// Why the last attempt that failed did.
    pub error: Option<TaskError>,
    /// How far the attempt is.
    pub progress: Option<Progress>,
    /// When that was written.
    pub progress_at: Option<OffsetDateTime>,
    /// How many attempts have started; one that a draining worker gave back does not count.
    pub attempt: u32,
    /// How many of them ended because their worker stopped living.
    pub lost: u32,
    /// How many attempts may fail, since it was submitted or opened again.
    pub max_attempts: u32,
    /// How long to wait between attempts.
    pub retry: RetryPolicy,
    /// How long one attempt may run.
    pub timeout: Duration,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Facts of the client's own.
    pub metadata: Map<String, Value>,
    /// The tasks that had to succeed before it might start.
    pub depends_on: Vec<TaskId>,
    /// The task that it repeats.
    pub replayed_from: Option<TaskId>,
    /// The schedule that made it.
    pub schedule: Option<ScheduleId>,
    /// The request that brought it.
    pub request_id: Option<String>,
    /// The key it was submitted under.
    pub idempotency_key: Option<String>,
    /// The worker that holds it or held it last.
    pub worker: Option<WorkerId>,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// When it is due, while it is scheduled or retrying; for others, when it was to start.
    pub due_at: Option<OffsetDateTime>,
    /// When it was last put in its queue.
    pub queued_at: Option<OffsetDateTime>,
    /// When its last attempt started.
    pub started_at: Option<OffsetDateTime>,
    /// When somebody asked to stop it.
    pub cancel_requested_at: Option<OffsetDateTime>,
    /// When it ended.
    pub finished_at: Option<OffsetDateTime>,
    /// It must have started by then.
    pub deadline: Option<OffsetDateTime>,
    /// Counts every change that can be seen; also the number of its last history row.
    pub seq: i64,
}

impl NewTask {
    /// A task that asks for nothing but its kind and its input: ready at once, in the queue and the group called `default`, for three
    /// attempts of a minute.
    #[must_use]
    pub fn plain(kind: &str, input: Box<RawValue>) -> Self {
        Self {
            id: TaskId::new(),
            project: ProjectId::DEFAULT,
            kind: kind.to_owned(),
            queue: "default".to_owned(),
            group: "default".to_owned(),
            priority: 0,
            input,
            max_attempts: 3,
            retry: RetryPolicy::default(),
            timeout: Duration::from_secs(60),
            start: None,
            deadline: None,
            tags: Vec::new(),
            metadata: Map::new(),
            request_id: None,
            idempotency: None,
            depends_on: Vec::new(),
            coalesce: None,
            replayed_from: None,
            head: None,
            webhook: None,
        }
    }

    /// The group of this task as the index calls it.
    #[must_use]
    pub fn group_key(&self) -> GroupKey {
        GroupKey::new(self.project, &self.group)
    }
}

impl Task {
    /// The group of this task as the index calls it.
    #[must_use]
    pub fn group_key(&self) -> GroupKey {
        GroupKey::new(self.project, &self.group)
    }
}

/// Which sort of end an attempt came to when it did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
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

/// Why an attempt did not succeed, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskError {
    /// Which sort of end it was.
    #[serde(rename = "type")]
    pub error_type: ErrorType,
    /// A stable word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// Whether another attempt may succeed.
    pub retryable: bool,
    /// The attempt it happened to.
    pub attempt: u32,
    /// Facts for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

/// A task waits for so many others at most.
pub const DEPENDENCIES_MAX: usize = 100;

/// A task that lost so many workers runs alone from then on, in a process of its own: should it be the one that takes them down,
/// it takes nothing else along.
pub const SUSPECT_LOSSES: u32 = 2;

/// So many workers may die under a task before it is taken for their murderer. A smaller number fails innocent tasks when
/// workers are killed at random.
pub const POISON_LOSSES: u32 = 8;
