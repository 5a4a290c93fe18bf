//! The rules of the model: what Longshore's processes do, and what may happen to them.

use jobs_core::{Event, State};

use crate::{
    search::Model,
    world::{Life, TASKS, WORKERS, World, set, take},
};

/// What is searched: how much there is, and which of the safeguards are in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// How many tasks are submitted, at most [`TASKS`].
    pub(crate) tasks: usize,
    /// How many faults may happen on one way.
    pub(crate) faults: u8,
    /// What a worker says is believed only if it names the epoch and the life that hold the task.
    pub(crate) fence: bool,
    /// The scheduler compares the index with the rows.
    pub(crate) dispatcher: bool,
    /// Workers compare what the rows say they hold with what they know of.
    pub(crate) audit: bool,
    /// The scheduler takes back what ended lives hold.
    pub(crate) reaper: bool,
}

/// One thing that happens. Tasks and workers go by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A client submits a task, which begins in this state.
    Submit(usize, State),
    /// A client cancels a task.
    Cancel(usize),
    /// Its deadline passes before it could start.
    Expire(usize),
    /// A client wants a task that ended without success tried again.
    Reopen(usize),
    /// Its time has come, or what it waited for has ended.
    Ready(usize, Event),
    /// A push arrives at Redis.
    Push(usize),
    /// A push is lost, with the process that was to make it.
    LosePush(usize),
    /// Redis hears that a task is not held any more.
    Forget(usize),
    /// Redis does not hear it.
    LoseForget(usize),
    /// A worker takes a task from Redis.
    Take { worker: usize, task: usize },
    /// Postgres carries out a worker's claim.
    Claim(usize),
    /// The answer to the claim arrives, and an attempt begins if it says so.
    Begin(usize),
    /// The worker does not wait for the answer any more, or it is lost.
    GiveUp(usize),
    /// Postgres carries out a claim that nobody waits for any more.
    LateClaim(usize),
    /// It never gets to Postgres.
    LoseClaim(usize),
    /// An attempt ends by itself.
    End(usize, Event),
    /// A beat tells the worker that its attempt is to stop.
    Stop(usize),
    /// Postgres hears how an attempt ended, and the worker hears that it did.
    Record(usize),
    /// Postgres hears it, and the answer is lost: it will be said again.
    RecordUnheard(usize),
    /// A worker gives back a task that it holds by the rows and does not know of.
    GiveBack { worker: usize, task: usize },
    /// A worker process dies, and is started again.
    Crash(usize),
    /// A life has been silent for a lease.
    Silence(Life),
    /// A beat tells a worker that its life is over.
    Notice(usize),
    /// The scheduler takes a task back from a life that is over.
    Reap(usize),
    /// Redis loses everything.
    Flush,
    /// The scheduler pushes everything that is queued.
    Rebuild,
    /// The scheduler finds that a queued task is not ready in Redis.
    Dispatch(usize),
    /// The scheduler finds that a task is held in Redis and not by the rows.
    Sweep(usize),
}

impl Rules {
    /// All safeguards in place.
    pub(crate) fn new(tasks: usize, faults: u8) -> Self {
        assert!(tasks <= TASKS);
        Self { tasks, faults, fence: true, dispatcher: true, audit: true, reaper: true }
    }

    /// All steps that there are, possible or not.
    fn all(&self, world: &World) -> Vec<Step> {
        let mut all = vec![Step::Flush, Step::Rebuild];
        for task in 0..self.tasks {
            all.extend([State::Queued, State::Scheduled, State::Blocked].map(|state| Step::Submit(task, state)));
            all.extend([Step::Cancel(task), Step::Expire(task), Step::Reopen(task)]);
            all.extend([Event::Due, Event::Unblock, Event::Defer, Event::Skip].map(|event| Step::Ready(task, event)));
            all.extend([Step::Push(task), Step::LosePush(task), Step::Forget(task), Step::LoseForget(task)]);
            all.extend([Step::Reap(task), Step::Dispatch(task), Step::Sweep(task)]);
        }
        for worker in 0..WORKERS {
            for task in 0..self.tasks {
                all.extend([Step::Take { worker, task }, Step::GiveBack { worker, task }]);
            }
            all.extend([Step::Claim(worker), Step::Begin(worker), Step::GiveUp(worker)]);
            all.extend([Step::LateClaim(worker), Step::LoseClaim(worker)]);
            let ends = [Event::Succeed, Event::Fail, Event::Retry, Event::Release];
            all.extend(ends.map(|event| Step::End(worker, event)));
            all.extend([Step::Stop(worker), Step::Record(worker), Step::RecordUnheard(worker)]);
            all.extend([Step::Crash(worker), Step::Notice(worker)]);
        }
        all.extend(world.living().map(Step::Silence));
        all
    }

    /// Whether a step is a fault: so many of them may happen. What does not end a task, or opens it again, is counted, too, or there
    /// would be no last one.
    fn is_fault(step: Step) -> bool {
        match step {
            Step::LosePush(_) | Step::LoseForget(_) | Step::GiveUp(_) | Step::RecordUnheard(_) => true,
            Step::Crash(_) | Step::Flush | Step::End(_, Event::Retry | Event::Release) | Step::Reopen(_) => true,
            // Of a process that is dead, a silence is no news.
            Step::Silence(life) => life < WORKERS,
            _ => false,
        }
    }

    /// Carries out a step; `None` when it cannot happen here.
    fn carry_out(&self, world: &World, step: Step) -> Option<World> {
        let mut world = *world;
        let possible = match step {
            Step::Submit(task, state) => world.submit(task, state),
            Step::Cancel(task) => world.happen(task, Event::Cancel),
            Step::Expire(task) => world.happen(task, Event::Expire),
            Step::Reopen(task) => world.happen(task, Event::Reopen) && set(&mut world.index[task].push),
            Step::Ready(task, event) => world.ready(task, event),
            Step::Push(task) => take(&mut world.index[task].push) && world.push(task),
            Step::LosePush(task) => take(&mut world.index[task].push),
            Step::Forget(task) => {
                let place = &mut world.index[task];
                place.held &= !place.forget;
                take(&mut place.forget)
            }
            Step::LoseForget(task) => take(&mut world.index[task].forget),
            Step::Take { worker, task } => world.take(worker, task),
            Step::Claim(worker) => world.claim(worker),
            Step::Begin(worker) => world.begin(worker),
            Step::GiveUp(worker) => world.give_up(worker),
            Step::LateClaim(worker) => world.late_claim(worker),
            Step::LoseClaim(worker) => world.workers[worker].late.take().is_some(),
            Step::End(worker, event) => world.end(worker, event),
            Step::Stop(worker) => world.stop(worker),
            Step::Record(worker) => world.record(worker, self.fence, true),
            Step::RecordUnheard(worker) => world.record(worker, self.fence, false),
            Step::GiveBack { worker, task } => self.audit && world.give_back(worker, task),
            Step::Crash(worker) => {
                world.renew(worker);
                world.workers[worker].retain(|_| false);
                true
            }
            Step::Silence(life) => {
                world.end_life(life);
                true
            }
            Step::Notice(worker) => world.notice(worker),
            Step::Reap(task) => self.reaper && world.reap(task),
            Step::Flush => world.flush(),
            Step::Rebuild => self.dispatcher && !world.whole && world.rebuild(),
            Step::Dispatch(task) => self.dispatcher && world.whole && world.dispatch(task),
            Step::Sweep(task) => self.dispatcher && world.sweep(task),
        };
        world.tidy();
        possible.then_some(world)
    }
}

impl Model for Rules {
    type State = World;
    type Step = Step;

    fn key(&self, world: &World) -> World {
        world.anonymous()
    }

    fn start(&self) -> World {
        World::new(self.faults)
    }

    fn steps(&self, world: &World) -> Vec<(Step, World)> {
        let carried_out = |step: Step| {
            let cost = u8::from(Self::is_fault(step));
            let budget = world.budget.checked_sub(cost)?;
            let mut after = self.carry_out(world, step)?;
            after.budget = budget;
            Some((step, after))
        };
        self.all(world).into_iter().filter_map(carried_out).collect()
    }

    fn fault(&self, before: &World, step: Step, after: &World) -> Option<&'static str> {
        for (old, new) in
            before.rows.iter().zip(&after.rows).filter_map(|(old, new)| Some((old.as_ref()?, new.as_ref()?)))
        {
            let opens = matches!(step, Step::Reopen(_)) && old.state != State::Succeeded && new.epoch == old.epoch;
            if old.state.is_terminal() && old != new && !opens {
                return Some("a task that had ended changed");
            }
            let started = (old.state, new.state, new.epoch) == (State::Queued, State::Running, old.epoch + 1);
            if new.epoch != old.epoch && !started {
                return Some("a task was claimed that was not queued");
            }
        }
        if let Step::Record(worker) | Step::RecordUnheard(worker) = step
            && let Some(said) = before.workers[worker].known().find(|attempt| attempt.ended.is_some())
            && before.rows != after.rows
            && !before.holds(said)
        {
            return Some("a word was believed of an attempt that does not hold the task");
        }
        after.fault()
    }

    /// Neither faults nor clients are to be waited for.
    fn is_calm(&self, step: Step) -> bool {
        !Self::is_fault(step) && !matches!(step, Step::Submit(..) | Step::Cancel(_) | Step::Expire(_))
    }

    fn is_good(&self, world: &World) -> bool {
        world.is_done()
    }
}
