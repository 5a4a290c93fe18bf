//! `GET /tasks/{id}/explain`: why a task stands where it stands, and what is expected of it.

use std::time::Duration;

use axum::{Json, extract::State};
use jobs_core::{Expected, GroupSettings, QueueSettings, State as TaskState, Task, task::SUSPECT_LOSSES};
use jobs_queue::{Position, Turns};
use jobs_store::Measured;
use time::OffsetDateTime;

use crate::{
    app::{App, Shared},
    caller::Caller,
    clock::{Timestamp, now},
    expect::{self, Ahead},
    foretell,
    path::TaskPath,
    problem::Problem,
    view::{
        Explanation,
        explanation::{Eta, Gate, GateCode, PositionView, Range},
    },
};

/// So many tasks are named at one gate at most.
const NAMED: u32 = 10;

/// Explain a task.
///
/// Every gate that keeps it from running, the first one first; where it stands in its queue; and when it is expected to start and to end:
/// half of the time by `p50`, nine times of ten by `p90`. What is expected comes from how long others took lately. A task that runs or has
/// ended has no gates.
#[utoipa::path(
    get,
    path = "/tasks/{id}/explain",
    operation_id = "explainTask",
    tag = "tasks",
    security(("key" = ["tasks:read"])),
    params(("id" = String, Path, description = "The task.")),
    responses((status = 200, description = "Why it stands where it stands.", body = ref("#/components/schemas/Explanation"))),
    extensions(("x-problems" = json!(["task_not_found", "not_acceptable"])))
)]
pub(crate) async fn explain(
    State(app): State<Shared>,
    caller: Caller,
    TaskPath(id): TaskPath,
) -> Result<Json<Explanation>, Problem> {
    let task = app.store.get(caller.project, id).await?;
    foretell::consider(&app, &task);
    Ok(Json(Told::of(&app, &task).await?.explain(&task, now())))
}

/// What is known of why a task waits.
#[derive(Default)]
pub(crate) struct Told {
    gates: Vec<Gate>,
    position: Option<PositionView>,
    /// How long until it starts.
    pub(crate) start: Option<Expected>,
    /// How long until it ends.
    pub(crate) finish: Option<Expected>,
}

/// What a task in a queue meets there.
struct Place {
    queue: QueueSettings,
    group: GroupSettings,
    workers: usize,
    slots: u64,
    /// What the index says; `None` while it is away.
    position: Option<Position>,
}

impl Place {
    async fn of(app: &App, task: &Task) -> Result<Self, Problem> {
        let settings = app.store.queues().await?.into_iter().find(|queue| queue.name == task.queue);
        let queue = settings.map(|queue| queue.settings).unwrap_or_default();
        let key = task.group_key();
        let own = app.store.groups(&task.queue).await?.remove(&key).unwrap_or_default();
        let workers = app.store.workers().await?;
        let slots: Vec<u64> =
            workers.iter().filter_map(|worker| worker.queues.get(&task.queue)).map(|slots| u64::from(*slots)).collect();
        Ok(Self {
            group: own.over(&queue.group_defaults),
            queue,
            workers: slots.len(),
            slots: slots.iter().sum(),
            position: app.queue.position(&task.queue, &key, task.id).await.ok(),
        })
    }

    /// So many of the queue run side by side.
    fn width(&self) -> u64 {
        self.queue.concurrency.map_or(self.slots, |most| self.slots.min(u64::from(most)))
    }
}

async fn queued(app: &App, task: &Task, of_kind: Option<&Measured>) -> Result<Told, Problem> {
    let place = Place::of(app, task).await?;
    let mut gates = Vec::new();
    if task.lost >= SUSPECT_LOSSES {
        let detail = format!("it lost {} workers, so it runs alone, in a process of its own", task.lost);
        gates.push(Gate::new(GateCode::Quarantine, detail));
    }
    if place.queue.paused {
        gates.push(Gate::new(GateCode::QueuePaused, format!("the queue {} is paused", task.queue)));
    }
    if place.group.paused {
        gates.push(Gate::new(GateCode::GroupPaused, format!("the group {} is paused", task.group)));
    }
    if place.workers == 0 {
        gates.push(Gate::new(GateCode::NoWorker, format!("no living worker serves the queue {}", task.queue)));
    }
    let Some(position) = place.position.clone() else {
        gates
            .push(Gate::new(GateCode::IndexAway, "the index of the queue is away; workers ask the database meanwhile"));
        return Ok(Told { gates, ..Told::default() });
    };
    gates.extend(limits(app, task, &place, &position).await?);
    gates.extend(turns(&place, &position));
    let start = if gates.iter().any(|gate| gate.code.is_open_ended()) {
        None
    } else {
        starts(app, task, &place, &position, of_kind)
    };
    let run = of_kind.and_then(|measured| measured.run.expected());
    let finish = start.zip(run).map(|(start, run)| expect::then(start, run));
    Ok(Told { gates, position: Some(PositionView::new(&position, place.slots)), start, finish })
}

/// The limits that keep a task back, of its queue and of its group.
async fn limits(app: &App, task: &Task, place: &Place, position: &Position) -> Result<Vec<Gate>, Problem> {
    let mut gates = Vec::new();
    if let Some(most) = place.queue.concurrency.filter(|most| position.running >= u64::from(*most)) {
        let detail = format!("{} tasks of the queue run, and no more may", position.running);
        gates.push(Gate::new(GateCode::QueueConcurrency, detail).limited(u64::from(most), position.running));
    }
    if let Some(most) = place.group.concurrency.filter(|most| position.group_running >= u64::from(*most)) {
        let holders = app.store.holders(task.project, &task.queue, &task.group, NAMED).await?;
        let detail = format!("{} tasks of the group {} run, and no more may", position.group_running, task.group);
        let gate = Gate::new(GateCode::GroupConcurrency, detail).limited(u64::from(most), position.group_running);
        gates.push(gate.held_by(&holders));
    }
    let rates =
        [(GateCode::QueueRate, position.queue_rate, "queue"), (GateCode::GroupRate, position.group_rate, "group")];
    for (code, delay, what) in rates {
        if let Some(delay) = delay.filter(|delay| !delay.is_zero()) {
            let gate = Gate::new(code, format!("the rate of the {what} lets the next task start then"));
            gates.push(gate.until(now() + delay));
        }
    }
    Ok(gates)
}

/// What else runs and starts before a task that no limit keeps back.
fn turns(place: &Place, position: &Position) -> Option<Gate> {
    let Some(in_group) = position.in_group else {
        let (code, detail) = match position.held {
            Some(_) => (GateCode::Taken, "a worker has taken it and starts it next"),
            None => (GateCode::NotIndexed, "it is on its way into the index of its queue"),
        };
        return Some(Gate::new(code, detail));
    };
    let before = in_group + position.others;
    let is_held_back = matches!(position.turns, Turns::Full | Turns::Rated);
    if before > 0 {
        let detail =
            format!("{in_group} tasks of its group and {} of others have their turn before it", position.others);
        return Some(Gate::new(GateCode::Turn, detail));
    }
    if !is_held_back && place.slots > 0 && position.running >= place.slots {
        let detail = format!("it is next; all {} slots of the workers are busy", place.slots);
        return Some(Gate::new(GateCode::WorkersBusy, detail).limited(place.slots, position.running));
    }
    None
}

/// How long a queued task waits, if that can be known.
fn starts(app: &App, task: &Task, place: &Place, position: &Position, of_kind: Option<&Measured>) -> Option<Expected> {
    let in_group = position.in_group.unwrap_or_default();
    let before = in_group + position.others;
    let of_queue = app.expectations.of_queue(&task.queue);
    let runs = of_queue.as_ref().or(of_kind).map(|measured| measured.run.clone()).unwrap_or_default();
    let mut start = expect::turn(Ahead { tasks: before, slots: place.width(), running: position.running }, &runs)?;
    if let Some(most) = place.group.concurrency {
        let slots = place.width().min(u64::from(most));
        let of_group = of_kind.map(|measured| measured.run.clone()).unwrap_or(runs);
        let ahead = Ahead { tasks: in_group, slots, running: position.group_running };
        start = expect::later(start, expect::turn(ahead, &of_group)?);
    }
    let rates = [(place.queue.rate, position.queue_rate, before), (place.group.rate, position.group_rate, in_group)];
    for (rate, delay, count) in rates {
        if let Some((rate, delay)) = rate.zip(delay) {
            let each = Duration::from_millis(rate.per_ms) / rate.limit.max(1);
            // A burst that is left lets the first ones start at once; that is soon forgotten.
            let at = delay.saturating_add(each.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)));
            start = expect::later(start, Expected { p50: at, p90: at });
        }
    }
    Some(start)
}

/// A task that waits for others.
async fn blocked(app: &App, task: &Task) -> Result<Told, Problem> {
    let awaited = app.store.awaited(task.id, NAMED).await?;
    let gate = Gate::new(GateCode::WaitsForTasks, "it waits for other tasks to succeed").held_by(&awaited);
    Ok(Told { gates: vec![gate], ..Told::default() })
}

/// A task that waits for its time.
fn timed(task: &Task, of_kind: Option<&Measured>) -> Told {
    let (code, detail) = match task.state {
        TaskState::Scheduled => (GateCode::NotDue, "its time has not come"),
        _ => (GateCode::BackingOff, "the last attempt failed; the next one waits"),
    };
    let Some(due) = task.due_at else { return Told::default() };
    let wait = Duration::try_from(due - now()).unwrap_or_default();
    let wait = Expected { p50: wait, p90: wait };
    let start = of_kind.and_then(|measured| measured.wait.expected()).map(|queued| expect::then(wait, queued));
    let run = of_kind.and_then(|measured| measured.run.expected());
    Told {
        gates: vec![Gate::new(code, detail).until(due)],
        position: None,
        finish: start.zip(run).map(|(start, run)| expect::then(start, run)),
        start,
    }
}

/// A task that runs.
fn running(task: &Task, of_kind: Option<&Measured>) -> Told {
    let (Some(since), now) = (task.started_at, now()) else { return Told::default() };
    let percent = task.progress.as_ref().and_then(|progress| progress.percent);
    let elapsed = Duration::try_from(now - since).unwrap_or_default();
    let finish = expect::running(elapsed, percent.zip(task.progress_at), since, now, of_kind);
    Told { finish, ..Told::default() }
}

impl Told {
    /// What is known of a task as it stands.
    pub(crate) async fn of(app: &App, task: &Task) -> Result<Self, Problem> {
        app.expectations.refresh().await?;
        let of_kind = app.expectations.of_kind(task.project, &task.kind);
        match task.state {
            TaskState::Queued => queued(app, task, of_kind.as_ref()).await,
            TaskState::Blocked => blocked(app, task).await,
            TaskState::Scheduled | TaskState::Retrying => Ok(timed(task, of_kind.as_ref())),
            TaskState::Running | TaskState::Canceling => Ok(running(task, of_kind.as_ref())),
            _ => Ok(Self::default()),
        }
    }

    fn explain(self, task: &Task, now: OffsetDateTime) -> Explanation {
        let range = |expected: Expected| Range::new(expected, now);
        let eta = Eta { start: self.start.map(range), finish: self.finish.map(range) };
        Explanation {
            object: "explanation",
            task: task.id.to_string(),
            status: task.state.status(),
            summary: self.summary(task),
            gates: self.gates,
            position: self.position,
            eta,
            at: Timestamp(now),
        }
    }

    /// A sentence or two for people.
    fn summary(&self, task: &Task) -> String {
        let mut text = match task.state {
            TaskState::Running => "It runs".to_owned(),
            TaskState::Canceling => "Somebody asked to stop it; the attempt ends".to_owned(),
            TaskState::Succeeded => "It did what was asked".to_owned(),
            TaskState::Canceled => "Somebody stopped it".to_owned(),
            TaskState::Expired => "Its deadline passed before it could start".to_owned(),
            TaskState::Failed => match &task.error {
                Some(error) => format!("It failed ({}): {}", error.code, error.message),
                None => "It failed".to_owned(),
            },
            _ => match &self.gates[..] {
                [] => "Nothing keeps it back: a worker takes it at once".to_owned(),
                gates => {
                    let details: Vec<&str> = gates.iter().map(|gate| gate.detail.as_str()).collect();
                    capitalized(&details.join("; "))
                }
            },
        };
        text.push('.');
        for (what, expected) in [("start", self.start), ("end", self.finish)] {
            if let Some(Expected { p50, p90 }) = expected {
                text.push_str(&format!(
                    " It should {what} in about {}, very likely within {}.",
                    spoken(p50),
                    spoken(p90)
                ));
            }
        }
        text
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A duration as people say it.
fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().ceil() as u64;
    match seconds {
        0..=1 => "a second".to_owned(),
        2..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3_600)),
    }
}
