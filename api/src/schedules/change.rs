//! How a schedule changes: what a client says, and what follows for its next fire.

use jobs_core::ScheduleId;
use jobs_schedules::LeftOut;
use jobs_store::{ScheduleRow, StoreError};
use time::Duration;

use super::{
    definition::{Definition, times},
    find,
};
use crate::{
    app::App,
    caller::Caller,
    problem::{Code, Problem},
};

/// So often a change is tried again while the schedule fires or somebody else changes it.
const TRIES: u32 = 10;

/// What a schedule becomes.
pub(super) struct Changed {
    pub(super) row: ScheduleRow,
    /// What did not start meanwhile, and will not.
    pub(super) left_out: Option<LeftOut>,
}

impl Changed {
    /// Nothing of it, yet.
    pub(super) fn of(row: &ScheduleRow) -> Self {
        Self { row: row.clone(), left_out: None }
    }

    /// It is as a client says. If that moves its fires, what lies before now is over.
    pub(super) fn define(mut self, said: Definition) -> Result<Self, Problem> {
        let moves = self.row.spec != said.spec;
        let enabled = said.enabled;
        let never = said.never();
        let row = &mut self.row;
        row.name = said.name;
        row.spec = said.spec;
        row.task = said.task;
        row.overlap = said.overlap;
        row.catch_up = said.catch_up;
        row.catch_up_max = said.catch_up_max;
        row.managed_by = said.managed_by;
        if moves && !self.aim()? {
            return Err(never);
        }
        match (self.row.enabled, enabled) {
            (true, false) => Ok(self.pause(None)),
            (false, true) => self.resume(),
            _ => Ok(self),
        }
    }

    /// It fires no more until it is resumed. What waits is given up.
    pub(super) fn pause(mut self, note: Option<String>) -> Self {
        self.row.enabled = false;
        self.row.note = note;
        self.row.next_due_at = None;
        self.row.waiting_at = None;
        self
    }

    /// It fires again, from now on.
    pub(super) fn resume(mut self) -> Result<Self, Problem> {
        if let Some(next_at) = self.row.next_at {
            let times = times(&self.row.spec, self.row.id)?;
            self.left_out = times.paused(next_at - Duration::MICROSECOND, self.row.now).left_out;
        }
        self.row.enabled = true;
        self.row.note = None;
        self.aim()?;
        Ok(self)
    }

    /// Computes its next fire, after all that was decided. `false` when there is none.
    fn aim(&mut self) -> Result<bool, Problem> {
        let row = &mut self.row;
        let decided = row.last_at.map_or(row.now, |last| last.max(row.now));
        let next = times(&row.spec, row.id)?.after(decided);
        row.next_at = next.as_ref().map(|fire| fire.at);
        row.next_due_at = next.filter(|_| row.enabled).map(|fire| fire.due);
        Ok(row.next_at.is_some())
    }
}

/// Changes a schedule, however often it fires meanwhile, and gives it as it is then.
pub(super) async fn change(
    app: &App,
    caller: &Caller,
    id: ScheduleId,
    change: impl Fn(&ScheduleRow) -> Result<Changed, Problem>,
) -> Result<ScheduleRow, Problem> {
    for _ in 0..TRIES {
        let was = find(app, caller, id).await?;
        let Changed { row, left_out } = change(&was)?;
        match app.store.replace_schedule(&was, &row, left_out.as_ref()).await {
            Ok(true) => return find(app, caller, id).await,
            Ok(false) => {}
            Err(error) => return Err(name_taken(error, &row.name)),
        }
    }
    Err(Problem::new(Code::Unavailable, "the schedule is changed by others all the time").retry_after(1))
}

fn name_taken(error: StoreError, name: &str) -> Problem {
    if error.is_schedule_name_taken() { exists(name) } else { error.into() }
}

/// The project has another schedule of this name.
pub(super) fn exists(name: &str) -> Problem {
    Problem::new(Code::ScheduleExists, format!("there is a schedule `{name}` already"))
}
