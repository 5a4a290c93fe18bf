//! A schedule made ready: its times can be computed, and its task only wants a name.

use jobs_core::{Fault, NewTask, Registry, ScheduleId, TaskId, schema::Schema, submission::CreateTask};
use jobs_schedules::{CatchUp, Fire, Schedule};
use jobs_store::{
    ScheduleRow,
    transition::{Firing, Occasion, Planned, Unmade},
};
use time::{Duration, OffsetDateTime};

/// Reads what schedules make.
pub(crate) struct Planner {
    registry: Registry,
    envelope: Schema,
}

/// A schedule made ready.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) schedule: ScheduleId,
    pub(super) version: i64,
    times: Result<Schedule, Unmade>,
    catch_up: CatchUp,
    task: Result<NewTask, Unmade>,
}

impl Planner {
    /// One that knows these kinds.
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry, envelope: Schema::of::<CreateTask>() }
    }

    /// Makes a schedule ready. What is not valid any more is told with every fire.
    pub(super) fn plan(&self, row: &ScheduleRow) -> Plan {
        let times = row.spec.compile(row.id.0.as_u128()).map_err(|faults| Unmade {
            reason: "invalid_schedule",
            detail: faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        });
        Plan { schedule: row.id, version: row.version, times, catch_up: row.catch_up, task: self.task(row) }
    }

    fn task(&self, row: &ScheduleRow) -> Result<NewTask, Unmade> {
        let body =
            serde_json::from_str(row.task.get()).map_err(|error| unmade(&[Fault::new("", error.to_string())]))?;
        CreateTask::read(body, &self.envelope, &self.registry, row.project).map_err(|faults| unmade(&faults))
    }
}

fn unmade(faults: &[Fault]) -> Unmade {
    let said = faults.iter().map(|fault| format!("/task{}: {}", fault.pointer, fault.detail));
    Unmade { reason: "invalid_task", detail: said.collect::<Vec<_>>().join("; ") }
}

impl Plan {
    /// What is to be done at `now`, when `next_at` is the next fire; and which fire comes then.
    pub(super) fn due(
        &self,
        next_at: OffsetDateTime,
        next_due: OffsetDateTime,
        now: OffsetDateTime,
    ) -> (Firing, Option<Fire>) {
        let times = match &self.times {
            Ok(times) => times,
            // A zone that is gone, or an expression that an earlier version took: there is no next time.
            Err(wrong) => return (self.firing(next_at, vec![self.failed(next_at, next_due, wrong)], None, None), None),
        };
        let due = times.due(next_at - Duration::MICROSECOND, now.max(next_due), self.catch_up);
        let fires = due.fires.iter().map(|fire| self.planned(fire.at, fire.due)).collect();
        (self.firing(next_at, fires, due.left_out, due.next.clone()), due.next)
    }

    /// What is to be done when nothing keeps the waiting fire any more.
    pub(super) fn released(&self, waiting_at: OffsetDateTime) -> Firing {
        let fires = vec![self.planned(waiting_at, waiting_at)];
        Firing { schedule: self.schedule, version: self.version, occasion: Occasion::Released, fires }
    }

    fn firing(
        &self,
        next_at: OffsetDateTime,
        fires: Vec<Planned>,
        left_out: Option<jobs_schedules::LeftOut>,
        then: Option<Fire>,
    ) -> Firing {
        let occasion = Occasion::Due { next_at, left_out, then };
        Firing { schedule: self.schedule, version: self.version, occasion, fires }
    }

    fn planned(&self, at: OffsetDateTime, due: OffsetDateTime) -> Planned {
        // Each fire makes a task of its own.
        let task = self.task.clone().map(|task| NewTask { id: TaskId::new(), ..task });
        Planned { at, due, task }
    }

    fn failed(&self, at: OffsetDateTime, due: OffsetDateTime, wrong: &Unmade) -> Planned {
        Planned { at, due, task: Err(wrong.clone()) }
    }
}
