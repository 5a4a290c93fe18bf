//! The world of the model: rows in Postgres, an index in Redis, workers, and what is on its way between them.

use std::fmt;

use jobs_core::{Event, State};

/// How many tasks there may be.
pub(crate) const TASKS: usize = 2;
/// How many worker processes there are.
pub(crate) const WORKERS: usize = 2;
/// So many attempts a worker knows of at most: one that runs, and one that is not recorded yet.
const KNOWN: usize = 2;

/// One life of a worker process. The numbers below [`WORKERS`] are the lives that the processes lead now, the others are behind
/// them; those that nothing names any more have no number.
pub(crate) type Life = usize;

/// Everything, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// How many faults may still happen.
    pub(crate) budget: u8,
    /// The rows, once they are submitted.
    pub(crate) rows: [Option<Row>; TASKS],
    /// The lives that go on by the rows, a bit each.
    living: u16,
    /// What Redis says of each task.
    pub(crate) index: [Place; TASKS],
    /// Whether Redis has an index at all.
    pub(crate) whole: bool,
    /// The worker processes.
    pub(crate) workers: [Worker; WORKERS],
}

/// A row of `tasks`, with what its history says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    /// Where the task stands.
    pub(crate) state: State,
    /// The fencing token.
    pub(crate) epoch: u8,
    /// The life that holds it, while one does.
    pub(crate) holder: Option<Life>,
    /// How often a life ended under it.
    pub(crate) lost: u8,
    /// It was to wait for the other task, not for something beyond this world.
    waits: bool,
    /// How many rows of its history say that it ended, beyond those after which it was opened again.
    ends: u8,
}

/// What Redis says of a task, and what it is about to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Place {
    /// It is among the ready ones.
    pub(crate) ready: bool,
    /// A worker took it.
    pub(crate) held: bool,
    /// A push of it is on its way.
    pub(crate) push: bool,
    /// A word that nobody holds it is on its way.
    pub(crate) forget: bool,
}

/// A worker process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    /// How far its claim is.
    pub(crate) claim: Claim,
    /// A claim that was sent and that nobody waits for any more: it may be carried out at any time.
    pub(crate) late: Option<(Life, usize)>,
    /// The attempts that it knows of, the oldest first.
    pub(crate) attempts: [Option<Attempt>; KNOWN],
}

/// How far a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// There is none.
    None,
    /// The task was taken from Redis, and Postgres is asked for it.
    Asked(usize),
    /// Postgres has answered, with the epoch if the task is this worker's; the answer is on its way.
    Answered(usize, Option<u8>),
}

/// An attempt as its worker knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    /// The task.
    pub(crate) task: usize,
    /// Its fencing token.
    pub(crate) epoch: u8,
    /// The life that began it.
    pub(crate) life: Life,
    /// How it ended, until that is recorded.
    pub(crate) ended: Option<Event>,
}

impl World {
    /// Nothing is submitted, every worker waits, and Redis is empty.
    pub(crate) fn new(budget: u8) -> Self {
        let worker = Worker { claim: Claim::None, late: None, attempts: [None; KNOWN] };
        let index = [Place::default(); TASKS];
        let living = (1 << WORKERS) - 1;
        Self { budget, rows: [None; TASKS], living, index, whole: false, workers: [worker; WORKERS] }
    }

    /// Whether a life goes on by the rows.
    pub(crate) fn lives(&self, life: Life) -> bool {
        self.living & (1 << life) != 0
    }

    /// The lives that go on by the rows.
    pub(crate) fn living(&self) -> impl Iterator<Item = Life> {
        (0..u16::BITS as usize).filter(|life| self.lives(*life))
    }

    /// Moves a row as the law says; `false` when the law refuses or nothing moves.
    pub(crate) fn happen(&mut self, task: usize, event: Event) -> bool {
        let Some(row) = &mut self.rows[task] else { return false };
        let Ok(next) = row.state.on(event) else { return false };
        if next == row.state {
            return false;
        }
        row.state = next;
        row.ends = row.ends + u8::from(next.is_terminal()) - u8::from(event == Event::Reopen);
        row.holder = row.holder.filter(|_| next.is_held());
        true
    }

    /// Submits a task, if it is not there yet.
    pub(crate) fn submit(&mut self, task: usize, state: State) -> bool {
        self.index[task].push = state == State::Queued;
        let waits = state == State::Blocked && self.rows[TASKS - 1 - task].is_some();
        self.rows[task].replace(Row { state, epoch: 0, holder: None, lost: 0, waits, ends: 0 }).is_none()
    }

    /// What a task waited for has come, or cannot come any more.
    pub(crate) fn ready(&mut self, task: usize, event: Event) -> bool {
        let waits = self.rows[task].is_some_and(|row| row.waits);
        let other = self.rows[TASKS - 1 - task].map(|row| row.state).filter(|_| waits);
        let is_so = match (event, other) {
            (Event::Unblock | Event::Defer, Some(other)) => other == State::Succeeded,
            (Event::Skip, Some(other)) => other.is_terminal() && other != State::Succeeded,
            _ => true,
        };
        if !is_so || !self.happen(task, event) {
            return false;
        }
        self.index[task].push |= self.is_queued(task);
        true
    }

    /// Ends a life by the rows.
    pub(crate) fn end_life(&mut self, life: Life) {
        self.living &= !(1 << life);
    }

    /// A process leaves its life behind and leads a new one. A claim that it had sent is still on its way.
    pub(crate) fn renew(&mut self, number: usize) {
        let worker = &mut self.workers[number];
        if let Claim::Asked(task) = worker.claim {
            worker.late = Some((number, task));
        }
        worker.claim = Claim::None;
        let free = u16::BITS as usize - 1;
        self.names().filter(|life| **life == number).for_each(|life| *life = free);
        self.living |= u16::from(self.lives(number)) << free | 1 << number;
    }

    /// Numbers the lives that are behind their processes in the order of their first mention, so that worlds that differ in
    /// nothing but these numbers are one.
    pub(crate) fn tidy(&mut self) {
        let mut order: Vec<Life> = (0..WORKERS).collect();
        for life in self.names() {
            let known = order.iter().position(|known| known == life);
            *life = known.unwrap_or_else(|| {
                order.push(*life);
                order.len() - 1
            });
        }
        let living = order.iter().enumerate().map(|(new, old)| u16::from(self.lives(*old)) << new);
        self.living = living.fold(0, |all, bit| all | bit);
    }

    /// The same for worlds that differ in nothing but the names of workers and of tasks, as far as that is cheap to tell.
    pub(crate) fn anonymous(mut self) -> Self {
        let place = |task: usize| (self.rows[task].map(|row| (row.state, row.epoch, row.lost)), self.index[task]);
        if place(0) > place(1) {
            self.rows.swap(0, 1);
            self.index.swap(0, 1);
            for worker in &mut self.workers {
                let claimed = match &mut worker.claim {
                    Claim::Asked(task) | Claim::Answered(task, _) => Some(task),
                    Claim::None => None,
                };
                let attempted = worker.attempts.iter_mut().flatten().map(|attempt| &mut attempt.task);
                let late = worker.late.iter_mut().map(|(_, task)| task);
                claimed.into_iter().chain(attempted).chain(late).for_each(|task| *task = 1 - *task);
            }
        }
        let order = |number: usize| {
            let Worker { claim, late, attempts } = &self.workers[number];
            let known = attempts.map(|attempt| attempt.map(|of| (of.task, of.epoch, of.ended.map(Event::name))));
            (self.lives(number), claim, late.map(|(_, task)| task), known)
        };
        if order(0) > order(1) {
            self.workers.swap(0, 1);
            let both = self.living & 0b11;
            self.living = self.living & !0b11 | both >> 1 | (both & 1) << 1;
            self.names().filter(|life| **life < WORKERS).for_each(|life| *life = 1 - *life);
        }
        self.tidy();
        self
    }

    /// Everything that names a life.
    fn names(&mut self) -> impl Iterator<Item = &mut Life> {
        let holders = self.rows.iter_mut().flatten().filter_map(|row| row.holder.as_mut());
        let of_workers = self.workers.iter_mut().flat_map(|worker| {
            let late = worker.late.iter_mut().map(|(life, _)| life);
            late.chain(worker.attempts.iter_mut().flatten().map(|attempt| &mut attempt.life))
        });
        holders.chain(of_workers)
    }

    /// Whether everything that was submitted has ended, and nothing of it is left anywhere.
    pub(crate) fn is_done(&self) -> bool {
        self.rows.iter().flatten().all(|row| row.state.is_terminal())
            && self.index.iter().all(|place| *place == Place::default())
            && self.workers.iter().all(|worker| worker.known().next().is_none() && worker.claim == Claim::None)
    }

    /// Whether an attempt is the one that the row knows of.
    pub(crate) fn holds(&self, attempt: &Attempt) -> bool {
        self.rows[attempt.task].is_some_and(|row| (row.epoch, row.holder) == (attempt.epoch, Some(attempt.life)))
    }

    /// What is wrong with it by itself.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        for task in 0..TASKS {
            let of_task = || self.workers.iter().flat_map(Worker::known).filter(|attempt| attempt.task == task);
            if of_task().filter(|attempt| attempt.ended.is_none() && self.lives(attempt.life)).count() > 1 {
                return Some("two attempts of a task run at once, both under a lease that lives");
            }
            let answered = self.workers.iter().filter_map(|worker| match worker.claim {
                Claim::Answered(of, epoch) if of == task => epoch,
                _ => None,
            });
            let mut epochs: Vec<u8> = of_task().map(|attempt| attempt.epoch).chain(answered).collect();
            epochs.sort_unstable();
            if epochs.windows(2).any(|pair| pair[0] == pair[1]) {
                return Some("two attempts have the same epoch");
            }
            if self.rows[task].is_some_and(|row| row.ends > 1) {
                return Some("a task ended twice");
            }
        }
        None
    }
}

impl Worker {
    /// The attempts that it knows of.
    pub(crate) fn known(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().flatten()
    }

    /// Keeps those attempts that pass, without a gap between them.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Attempt) -> bool) {
        let mut kept = self.attempts.into_iter().flatten().filter(keep);
        self.attempts = std::array::from_fn(|_| kept.next());
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (task, (row, place)) in self.rows.iter().zip(&self.index).enumerate() {
            let Some(row) = row else { continue };
            write!(f, "task {task} {} in epoch {}", row.state, row.epoch)?;
            match row.holder {
                Some(life) if life < WORKERS => write!(f, " held by worker {life}")?,
                Some(_) => write!(f, " held by a life that is behind its worker")?,
                None => {}
            }
            let said =
                [(place.ready, "ready"), (place.held, "taken"), (place.push, "to push"), (place.forget, "to forget")];
            for (_, word) in said.iter().filter(|(is, _)| *is) {
                write!(f, ", {word}")?;
            }
            write!(f, "; ")?;
        }
        for (number, worker) in self.workers.iter().enumerate() {
            write!(f, "worker {number}{}", if self.lives(number) { "" } else { " without a lease" })?;
            match worker.claim {
                Claim::None => {}
                Claim::Asked(task) => write!(f, " claims task {task}")?,
                Claim::Answered(task, epoch) => write!(f, " is answered {epoch:?} for task {task}")?,
            }
            for Attempt { task, epoch, ended, .. } in worker.known() {
                let word = ended.map_or("runs", Event::name);
                write!(f, ", {word} task {task} of epoch {epoch}")?;
            }
            write!(f, "; ")?;
        }
        Ok(())
    }
}

/// Sets a flag; `false` when it was set.
pub(crate) fn set(flag: &mut bool) -> bool {
    !std::mem::replace(flag, true)
}

/// Clears a flag; `false` when it was clear.
pub(crate) fn take(flag: &mut bool) -> bool {
    std::mem::take(flag)
}
