//! What is known ahead: the next fires of schedules, in the order of their time.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jobs_core::ScheduleId;
use time::OffsetDateTime;

use super::plan::Plan;

/// A fire that is waited for.
#[derive(Debug, Clone)]
pub(super) struct Armed {
    pub(super) plan: Arc<Plan>,
    /// The time that the schedule means.
    pub(super) at: OffsetDateTime,
    /// When it starts.
    pub(super) due: OffsetDateTime,
}

/// The next fire of each schedule that starts before a time; of those that start later nothing is known.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    armed: HashMap<ScheduleId, Armed>,
    order: BTreeSet<(OffsetDateTime, ScheduleId)>,
    /// All that start before this are here; without it all are.
    pub(super) until: Option<OffsetDateTime>,
}

impl Agenda {
    /// An empty one for what starts before a time, or ever.
    pub(super) fn up_to(until: Option<OffsetDateTime>) -> Self {
        Self { until, ..Self::default() }
    }

    /// Waits for a fire, in the place of another one of the same schedule.
    pub(super) fn arm(&mut self, armed: Armed) {
        let schedule = armed.plan.schedule;
        self.disarm(schedule);
        if self.until.is_none_or(|until| armed.due < until) {
            self.order.insert((armed.due, schedule));
            self.armed.insert(schedule, armed);
        }
    }

    /// Waits for no fire of a schedule any more.
    pub(super) fn disarm(&mut self, schedule: ScheduleId) {
        if let Some(armed) = self.armed.remove(&schedule) {
            self.order.remove(&(armed.due, schedule));
        }
    }

    /// What is ready of a schedule, if it is still this version.
    pub(super) fn plan(&self, schedule: ScheduleId, version: i64) -> Option<Arc<Plan>> {
        let armed = self.armed.get(&schedule)?;
        (armed.plan.version == version).then(|| Arc::clone(&armed.plan))
    }

    /// When the first one starts.
    pub(super) fn first(&self) -> Option<OffsetDateTime> {
        self.order.first().map(|(due, _)| *due)
    }

    /// Takes the fires whose time has come, the earliest first, `most` of them.
    pub(super) fn take_due(&mut self, now: OffsetDateTime, most: usize) -> Vec<Armed> {
        let mut due = Vec::new();
        while due.len() < most
            && let Some((_, schedule)) = self.order.first().filter(|(at, _)| *at <= now).copied()
        {
            due.extend(self.armed.get(&schedule).cloned());
            self.disarm(schedule);
        }
        due
    }
}
