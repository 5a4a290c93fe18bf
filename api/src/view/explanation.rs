//! Why a task stands where it stands, as clients read it.

use std::time::Duration;

use jobs_core::{Expected, TaskId};
use jobs_queue::Position;
use jobs_view::Status;
use schemars::JsonSchema;
use serde::Serialize;
use time::OffsetDateTime;

use crate::clock::Timestamp;

/// Why a task stands where it stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Explanation {
    /// Always `explanation`.
    #[schemars(extend("const" = "explanation"))]
    pub(crate) object: &'static str,
    /// The task.
    pub(crate) task: String,
    /// Where it stands.
    #[schemars(with = "Status")]
    pub(crate) status: &'static str,
    /// All of it in words, for people.
    pub(crate) summary: String,
    /// What keeps it from running, the first one first. All of them have to open.
    pub(crate) gates: Vec<Gate>,
    /// Where it stands in its queue, while it waits there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<PositionView>,
    /// When it is expected to start and to end.
    pub(crate) eta: Eta,
    /// The time of this answer.
    pub(crate) at: Timestamp,
}

/// What keeps a task from running.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Gate {
    /// A stable word for programs.
    pub(crate) code: GateCode,
    /// A sentence for people.
    pub(crate) detail: String,
    /// When it opens, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    /// So many may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u64>,
    /// So many run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) running: Option<u64>,
    /// Tasks of this project that it waits for; some of them, if they are many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tasks: Vec<String>,
}

/// What sort of gate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GateCode {
    /// Its time has not come.
    NotDue,
    /// The last attempt failed, and the next one waits.
    BackingOff,
    /// It waits for other tasks.
    WaitsForTasks,
    /// It lost workers, so it has to run alone.
    Quarantine,
    /// Its queue is paused.
    QueuePaused,
    /// Its group is paused.
    GroupPaused,
    /// No living worker serves its queue.
    NoWorker,
    /// The index of its queue is away.
    IndexAway,
    /// As many of its queue run as may.
    QueueConcurrency,
    /// As many of its group run as may.
    GroupConcurrency,
    /// The rate of its queue lets nothing start yet.
    QueueRate,
    /// The rate of its group lets nothing start yet.
    GroupRate,
    /// Others have their turn before it.
    Turn,
    /// All slots of the workers are busy.
    WorkersBusy,
    /// A worker has taken it and starts it next.
    Taken,
    /// It is on its way into the index of its queue.
    NotIndexed,
}

/// Where a task stands in its queue.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Position")]
pub(crate) struct PositionView {
    /// So many tasks of its own group are before it; left out when it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_group: Option<u64>,
    /// So many tasks are before it in all, by the turns that its group and others have.
    ahead: u64,
    /// So many groups share the turns.
    groups: u64,
    /// So many tasks of the queue wait.
    queued: u64,
    /// So many of the queue run.
    running: u64,
    /// So many can run at once.
    slots: u64,
}

/// When a task is expected to start and to end. What nobody can know is left out.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Eta {
    /// When it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<Range>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) finish: Option<Range>,
}

/// A time that is not known for certain.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(rename = "EtaRange")]
pub(crate) struct Range {
    /// Half of the time it is not later.
    p50: Timestamp,
    /// Nine times of ten it is not later.
    p90: Timestamp,
}

impl Gate {
    pub(crate) fn new(code: GateCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), until: None, limit: None, running: None, tasks: Vec::new() }
    }

    pub(crate) fn until(self, at: OffsetDateTime) -> Self {
        Self { until: Some(Timestamp(at)), ..self }
    }

    pub(crate) fn limited(self, limit: u64, running: u64) -> Self {
        Self { limit: Some(limit), running: Some(running), ..self }
    }

    pub(crate) fn held_by(self, tasks: &[TaskId]) -> Self {
        Self { tasks: tasks.iter().map(TaskId::to_string).collect(), ..self }
    }
}

impl GateCode {
    /// Whether nobody knows when it opens.
    pub(crate) fn is_open_ended(self) -> bool {
        matches!(self, Self::QueuePaused | Self::GroupPaused | Self::NoWorker | Self::Quarantine | Self::IndexAway)
    }
}

impl PositionView {
    pub(crate) fn new(position: &Position, slots: u64) -> Self {
        Self {
            in_group: position.in_group,
            ahead: position.in_group.unwrap_or_default() + position.others,
            groups: position.groups,
            queued: position.ready,
            running: position.running,
            slots,
        }
    }
}

impl Range {
    /// From now on.
    pub(crate) fn new(expected: Expected, now: OffsetDateTime) -> Self {
        let at = |wait: Duration| now.checked_add(wait.try_into().unwrap_or(time::Duration::MAX)).unwrap_or(now);
        Self { p50: Timestamp(at(expected.p50)), p90: Timestamp(at(expected.p90)) }
    }
}
