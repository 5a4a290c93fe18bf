//! What the scheduler does, and Redis, each step with whether it can be taken.

use jobs_core::{Event, State};

use crate::world::{Place, TASKS, World, set};

/// So many lives may end under a task: few, so that the search comes to the last one.
const POISON_LOSSES: u8 = 2;

impl World {
    pub(super) fn push(&mut self, task: usize) -> bool {
        let place = &mut self.index[task];
        place.held = false;
        place.ready = true;
        true
    }

    pub(super) fn flush(&mut self) -> bool {
        for place in &mut self.index {
            *place = Place { ready: false, held: false, ..*place };
        }
        std::mem::replace(&mut self.whole, false)
    }

    pub(super) fn rebuild(&mut self) -> bool {
        for task in 0..TASKS {
            if self.is_queued(task) {
                self.push(task);
            }
        }
        self.whole = true;
        true
    }

    pub(super) fn dispatch(&mut self, task: usize) -> bool {
        self.is_queued(task) && !self.index[task].ready && set(&mut self.index[task].push)
    }

    pub(super) fn sweep(&mut self, task: usize) -> bool {
        let holds = self.rows[task].is_some_and(|row| row.state.is_held());
        self.index[task].held && !holds && !self.is_queued(task) && set(&mut self.index[task].forget)
    }

    pub(super) fn reap(&mut self, task: usize) -> bool {
        let Some(row) = self.rows[task] else { return false };
        if row.holder.is_none_or(|holder| self.lives(holder)) {
            return false;
        }
        let event = if row.lost + 1 >= POISON_LOSSES { Event::Poison } else { Event::Lose };
        if let Some(row) = &mut self.rows[task] {
            row.lost += 1;
        }
        self.index[task].push |= self.happen(task, event) && self.is_queued(task);
        true
    }

    pub(super) fn is_queued(&self, task: usize) -> bool {
        self.rows[task].is_some_and(|row| row.state == State::Queued)
    }
}
