//! What workers do, each step with whether it can be taken.

use jobs_core::{Event, State};

use crate::world::{Attempt, Claim, Life, World, set, take};

impl World {
    pub(super) fn take(&mut self, worker: usize, task: usize) -> bool {
        let Self { index, workers, .. } = self;
        let (place, worker) = (&mut index[task], &mut workers[worker]);
        let is_free = worker.claim == Claim::None && worker.late.is_none();
        let has_room = worker.attempts.contains(&None) && worker.known().all(|attempt| attempt.ended.is_some());
        if !(is_free && has_room && take(&mut place.ready)) {
            return false;
        }
        place.held = true;
        worker.claim = Claim::Asked(task);
        true
    }

    /// The guarded claim, as Postgres carries it out.
    fn start(&mut self, life: Life, task: usize) -> Option<u8> {
        if !self.lives(life) || !self.happen(task, Event::Start) {
            return None;
        }
        let row = self.rows[task].as_mut()?;
        row.epoch += 1;
        row.holder = Some(life);
        Some(row.epoch)
    }

    pub(super) fn claim(&mut self, worker: usize) -> bool {
        let Claim::Asked(task) = self.workers[worker].claim else { return false };
        let epoch = self.start(worker, task);
        self.workers[worker].claim = Claim::Answered(task, epoch);
        true
    }

    pub(super) fn begin(&mut self, worker: usize) -> bool {
        let Claim::Answered(task, epoch) = self.workers[worker].claim else { return false };
        self.workers[worker].claim = Claim::None;
        let Some(epoch) = epoch else { return set(&mut self.index[task].forget) };
        let room = self.workers[worker].attempts.iter_mut().find(|attempt| attempt.is_none());
        room.is_some_and(|room| room.replace(Attempt { task, epoch, life: worker, ended: None }).is_none())
    }

    pub(super) fn give_up(&mut self, number: usize) -> bool {
        let worker = &mut self.workers[number];
        match std::mem::replace(&mut worker.claim, Claim::None) {
            Claim::None => return false,
            Claim::Asked(task) => worker.late = Some((number, task)),
            Claim::Answered(..) => {}
        }
        true
    }

    pub(super) fn late_claim(&mut self, worker: usize) -> bool {
        let Some((life, task)) = self.workers[worker].late.take() else { return false };
        self.start(life, task);
        true
    }

    pub(super) fn end(&mut self, worker: usize, event: Event) -> bool {
        let mut known = self.workers[worker].attempts.iter_mut().flatten();
        let Some(attempt) = known.find(|attempt| attempt.ended.is_none()) else { return false };
        attempt.ended = Some(event);
        true
    }

    pub(super) fn stop(&mut self, worker: usize) -> bool {
        let is_canceling = |task: usize| self.rows[task].is_some_and(|row| row.state == State::Canceling);
        let running = self.workers[worker].known().find(|attempt| attempt.ended.is_none());
        let is_told = running.is_some_and(|attempt| is_canceling(attempt.task) && self.holds(attempt));
        is_told && self.lives(worker) && self.end(worker, Event::Stop)
    }

    /// Postgres hears of the first attempt that ended. Without the fence it believes whatever the law allows.
    pub(super) fn record(&mut self, worker: usize, fence: bool, heard: bool) -> bool {
        let Some(said) = self.workers[worker].known().find(|attempt| attempt.ended.is_some()).copied() else {
            return false;
        };
        if heard {
            self.workers[worker].retain(|attempt| *attempt != said);
            self.index[said.task].forget = true;
        }
        let is_held = self.rows[said.task].is_some_and(|row| row.state.is_held());
        if is_held && (self.holds(&said) || !fence) && said.ended.is_some_and(|event| self.happen(said.task, event)) {
            self.index[said.task].push |= heard && self.is_queued(said.task);
        }
        true
    }

    pub(super) fn give_back(&mut self, number: usize, task: usize) -> bool {
        let Some(row) = self.rows[task] else { return false };
        let worker = &self.workers[number];
        let knows = worker.known().any(|attempt| (attempt.task, attempt.epoch) == (task, row.epoch));
        // What is unknown at the second of two looks is not on its way any more.
        let may_know = worker.claim != Claim::None;
        row.holder == Some(number) && !knows && !may_know && self.happen(task, Event::Release)
    }

    pub(super) fn notice(&mut self, worker: usize) -> bool {
        if self.lives(worker) {
            return false;
        }
        self.renew(worker);
        // What runs is stopped without a word; what had ended is still said.
        self.workers[worker].retain(|attempt| attempt.ended.is_some());
        true
    }
}
