//! Which figures are held against which, and what they are to reach: the rows of the table.

/// What a row is to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Aim {
    /// No less than this.
    AtLeast(f64),
    /// No more than this.
    AtMost(f64),
    /// Only to be seen.
    None,
}

/// A row of the table: a figure of ours, and what it is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// What it says, for people.
    pub(crate) title: &'static str,
    /// The name of our figure.
    pub(crate) ours: &'static str,
    /// Whose figure it is held against, and its name; without one the figure speaks for itself.
    pub(crate) against: Option<(&'static str, &'static str)>,
    /// What the ratio is to reach; without a ratio, our figure.
    pub(crate) aim: Aim,
}

use Aim::{AtLeast, AtMost};

/// All rows, in their order.
pub(crate) const ROWS: &[Row] = &[
    ratio("submit, one a request", "submit.single", "celery", "submit.single", AtLeast(12.0)),
    ratio("submit, one a request", "submit.single", "bullmq", "submit.single", AtLeast(1.5)),
    ratio("submit, 1,000 a request", "submit.batch", "celery", "submit.batch", AtLeast(40.0)),
    ratio("submit, 1,000 a request", "submit.batch", "bullmq", "submit.batch", AtLeast(3.0)),
    ratio("submit, 1,000 a request", "submit.batch", "postgres", "postgres.insert", Aim::None),
    ratio("sustained, one a request", "sustained.single", "celery", "sustained.single", AtLeast(15.0)),
    ratio("sustained, one a request", "sustained.single", "bullmq", "sustained.single", AtLeast(2.0)),
    ratio("sustained, 1,000 a request", "sustained.batch", "celery", "sustained.batch", AtLeast(15.0)),
    ratio("sustained, 1,000 a request", "sustained.batch", "bullmq", "sustained.batch", AtLeast(2.0)),
    alone("sustained, 1,000 a request", "sustained.batch", AtLeast(8_000.0)),
    ratio("drain", "drain.rate", "celery", "drain.rate", Aim::None),
    ratio("drain", "drain.rate", "bullmq", "drain.rate", Aim::None),
    ratio("drain", "drain.rate", "graphile-worker", "drain.rate", AtLeast(1.0)),
    ratio("drain", "drain.rate", "pg-boss", "drain.rate", AtLeast(10.0)),
    ratio("drain", "drain.rate", "redis", "redis.consume", Aim::None),
    ratio("drain", "drain.rate", "redis", "redis.commands", Aim::None),
    ratio("drain, 10,000 groups with limits", "groups.rate", "longshore", "drain.rate", AtLeast(0.9)),
    alone("fairness among them (Jain)", "groups.fairness", AtLeast(0.99)),
    ratio("CPU a task, sustained, one a request", "sustained.single.cpu", "celery", "sustained.single.cpu", Aim::None),
    ratio("CPU a task, sustained, one a request", "sustained.single.cpu", "bullmq", "sustained.single.cpu", Aim::None),
    ratio("CPU a task, sustained, 1,000 a request", "sustained.batch.cpu", "celery", "sustained.batch.cpu", Aim::None),
    ratio("CPU a task, sustained, 1,000 a request", "sustained.batch.cpu", "bullmq", "sustained.batch.cpu", Aim::None),
    ratio("CPU a task, drain", "drain.cpu", "graphile-worker", "drain.cpu", Aim::None),
    alone("pickup at rest, p50", "pickup.idle.p50", AtMost(3.0)),
    alone("pickup at rest, p99", "pickup.idle.p99", AtMost(10.0)),
    ratio("pickup at rest, p50", "pickup.idle.p50", "redis", "redis.pingpong.p50", Aim::None),
    ratio("pickup at rest, p50", "pickup.idle.p50", "postgres", "postgres.commit.p50", Aim::None),
    ratio("pickup at rest, p50", "pickup.idle.p50", "celery", "pickup.idle.p50", Aim::None),
    ratio("pickup at rest, p50", "pickup.idle.p50", "bullmq", "pickup.idle.p50", Aim::None),
    alone("pickup at half load, p50", "pickup.half.p50", Aim::None),
    alone("pickup at half load, p99", "pickup.half.p99", Aim::None),
    alone("submit and wait for the end, p50", "wait.p50", AtMost(3.0)),
    ratio("submit and wait for the end, p50", "wait.p50", "postgres", "postgres.commit.p50", Aim::None),
    ratio("read a task", "status.get", "celery", "status.get", AtLeast(10.0)),
    ratio("read a task", "status.get", "bullmq", "status.get", Aim::None),
    ratio("read a task", "status.get", "longshore", "status.ping", Aim::None),
    ratio("read a task, unchanged", "status.unchanged", "longshore", "status.get", AtLeast(1.0)),
    ratio("read a task, unchanged", "status.unchanged", "longshore", "status.ping", Aim::None),
    ratio("claim one of 1,000,000, p50", "backlog.one.full", "longshore", "backlog.one.empty", AtMost(1.2)),
    ratio("claim 100 of 1,000,000, p50", "backlog.many.full", "longshore", "backlog.many.empty", AtMost(1.2)),
    alone("100,000 due in one second: queued late, p50", "due.queued.p50", Aim::None),
    alone("100,000 due in one second: queued late, p99", "due.queued.p99", Aim::None),
    ratio("100,000 due in one second: run", "due.rate", "longshore", "drain.rate", Aim::None),
    alone("events to 1,000 clients", "stream.events", Aim::None),
    alone("late at a client, p50", "stream.lag.p50", Aim::None),
    alone("late at a client, p99", "stream.lag.p99", Aim::None),
    alone("idle: API and worker, CPU", "idle.cpu", AtMost(0.5)),
    alone("idle: API and worker, resident memory", "idle.memory", AtMost(60.0)),
    alone("idle: statements", "idle.statements", Aim::None),
];

/// A row of our figure divided by another.
const fn ratio(title: &'static str, ours: &'static str, whose: &'static str, theirs: &'static str, aim: Aim) -> Row {
    Row { title, ours, against: Some((whose, theirs)), aim }
}

/// A row of our figure alone.
const fn alone(title: &'static str, ours: &'static str, aim: Aim) -> Row {
    Row { title, ours, against: None, aim }
}

impl Aim {
    /// Whether a value reaches it; `None` when there is nothing to reach.
    pub(crate) fn is_met(self, value: f64) -> Option<bool> {
        match self {
            AtLeast(aim) => Some(value >= aim),
            AtMost(aim) => Some(value <= aim),
            Self::None => None,
        }
    }
}
