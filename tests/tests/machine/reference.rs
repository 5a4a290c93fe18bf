//! The reference: what the store should know after a sequence of calls, and what it should have answered.

use std::collections::{BTreeMap, BTreeSet};

use jobs_core::{
    Event, State,
    task::{POISON_LOSSES, SUSPECT_LOSSES},
};
use jobs_store::transition::Recorded;
use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

/// How many worker processes there are. Each leads one life after the other.
pub(crate) const WORKERS: usize = 3;
/// How many idempotency keys there are.
const KEYS: u8 = 2;

/// A call, or a while that passes. Numbers that pick something are taken modulo how much of it there is.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    /// A task is submitted: under a key with a fingerprint, to start later, with a deadline, to wait for others.
    Submit { key: Option<(u8, u8)>, later: bool, deadline: bool, waits: Vec<usize> },
    /// A worker claims tasks.
    Claim { worker: usize, tasks: Vec<usize> },
    /// The worker that made a claim says how the attempts ended, and of others that it claimed in the same life.
    Finish { claims: Vec<usize>, event: Event },
    /// The worker that made a claim says so many lines of a log, and then how far it is.
    Report { claim: usize, lines: usize },
    /// A client cancels a task.
    Cancel { task: usize },
    /// A client wants a task tried again.
    Reopen { task: usize },
    /// Those that wait for tasks that have ended hear of it.
    Settle,
    /// A worker is silent for a lease.
    Silence { worker: usize },
    /// A worker stops in order.
    Deregister { worker: usize },
    /// A worker whose life is over begins a new one.
    Register { worker: usize },
    /// What dead workers held is taken back.
    Reap,
    /// The time of everything that waits for a time comes.
    Ripen,
    /// What is due is moved to its queue.
    Due,
    /// The deadline of a task passes, if it has one.
    Pass { task: usize },
    /// What is past its deadline is ended.
    Expire,
    /// All workers but one that a task may survive have died under it.
    Wear { task: usize },
}

/// A row as it should be.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) state: State,
    pub(crate) epoch: i32,
    pub(crate) attempt: u32,
    pub(crate) lost: u32,
    /// The life that claimed it last.
    pub(crate) holder: Option<usize>,
    pub(crate) is_due: bool,
    /// Whether it has a deadline, and whether that has passed.
    pub(crate) deadline: Option<bool>,
    pub(crate) has_output: bool,
    /// When its time comes by itself, it waits for that first.
    later: bool,
    /// The tasks that it still waits for.
    waits: BTreeSet<usize>,
    /// The attempts whose end was recorded, by life and epoch.
    recorded: BTreeSet<(usize, i32)>,
    pub(crate) history: Vec<Entry>,
}

/// A row of history as it should be: what happened, the state after it, the attempt.
pub(crate) type Entry = (String, Option<State>, u32);

/// What a call should answer. Tasks by their numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Nothing,
    Accepted(usize),
    Replayed(usize),
    KeyTaken,
    /// Task, epoch, attempt, and how often it was lost.
    Claimed(Vec<(usize, i32, u32, u32)>),
    Recorded(Vec<Recorded>),
    /// These tasks are ready, and these ended.
    Moved(BTreeSet<usize>, BTreeSet<usize>),
    /// The task is in this state now, or the law refused.
    Canceled(Option<State>),
    /// The same, and whether the call did it.
    Reopened(Option<(State, bool)>),
}

/// Everything that the store should know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reference {
    pub(crate) rows: Vec<Row>,
    /// The life that each worker leads, or led last.
    pub(crate) workers: Vec<usize>,
    /// Whether each life goes on by the rows.
    pub(crate) lives: Vec<bool>,
    /// Every claim that was granted: the life, the task, the epoch.
    pub(crate) claims: Vec<(usize, usize, i32)>,
    keys: BTreeMap<u8, (u8, usize)>,
    /// What the last call should have answered.
    pub(crate) answer: Option<Answer>,
}

impl Reference {
    /// The number of a task that a call picks.
    pub(crate) fn task(&self, pick: usize) -> Option<usize> {
        (!self.rows.is_empty()).then(|| pick % self.rows.len())
    }

    /// The claims that a call speaks of: of one life, and each task once.
    pub(crate) fn claims(&self, picks: &[usize]) -> Vec<(usize, usize, i32)> {
        let mut of_one: Vec<(usize, usize, i32)> = Vec::new();
        for pick in picks.iter().filter(|_| !self.claims.is_empty()) {
            let claim = self.claims[pick % self.claims.len()];
            if of_one.iter().all(|(life, task, _)| *life == claim.0 && *task != claim.1) {
                of_one.push(claim);
            }
        }
        of_one
    }

    /// The tasks that a call claims, each once.
    pub(crate) fn picked(&self, picks: &[usize]) -> BTreeSet<usize> {
        picks.iter().filter_map(|pick| self.task(*pick)).collect()
    }

    fn submit(&mut self, key: Option<(u8, u8)>, later: bool, deadline: bool, picks: &[usize]) -> Answer {
        if let Some((known, task)) = key.and_then(|(key, _)| self.keys.get(&key)) {
            let is_same = key.is_some_and(|(_, fingerprint)| fingerprint == *known);
            return if is_same { Answer::Replayed(*task) } else { Answer::KeyTaken };
        }
        let number = self.rows.len();
        if let Some((key, fingerprint)) = key {
            self.keys.insert(key, (fingerprint, number));
        }
        let mut waits = self.picked(picks);
        waits.retain(|other| self.rows[*other].state != State::Succeeded);
        let state = match (waits.is_empty(), later) {
            (false, _) => State::Blocked,
            (true, true) => State::Scheduled,
            (true, false) => State::Queued,
        };
        self.rows.push(Row {
            later,
            waits,
            state,
            epoch: 0,
            attempt: 0,
            lost: 0,
            holder: None,
            is_due: false,
            deadline: deadline.then_some(false),
            has_output: false,
            recorded: BTreeSet::new(),
            history: vec![("submit".to_owned(), Some(state), 0)],
        });
        Answer::Accepted(number)
    }

    fn claim(&mut self, worker: usize, picks: &[usize]) -> Answer {
        let life = self.workers[worker];
        let mut claimed = Vec::new();
        for task in self.picked(picks) {
            let row = &mut self.rows[task];
            let is_free = row.state == State::Queued && row.deadline != Some(true);
            if !is_free || !self.lives[life] {
                continue;
            }
            row.attempt += 1;
            row.epoch += 1;
            row.holder = Some(life);
            row.happen(Event::Start);
            claimed.push((task, row.epoch, row.attempt, row.lost));
            self.claims.push((life, task, row.epoch));
        }
        Answer::Claimed(claimed)
    }

    fn finish(&mut self, picks: &[usize], event: Event) -> Answer {
        let claims = self.claims(picks);
        let record = |(life, task, epoch): (usize, usize, i32)| {
            let row = &mut self.rows[task];
            let holds = row.state.is_held() && (row.holder, row.epoch) == (Some(life), epoch);
            if !holds || row.state.on(event).is_err() {
                return if row.recorded.contains(&(life, epoch)) { Recorded::Before } else { Recorded::Fenced };
            }
            row.attempt -= u32::from(event == Event::Release);
            row.has_output = event == Event::Succeed;
            row.recorded.insert((life, epoch));
            row.happen(event);
            row.is_due = false;
            Recorded::Yes(row.state)
        };
        Answer::Recorded(claims.into_iter().map(record).collect())
    }

    fn report(&mut self, pick: usize, lines: usize) -> Answer {
        let mut changed = BTreeSet::new();
        for (life, task, epoch) in self.claims(&[pick]) {
            let row = &mut self.rows[task];
            if row.state.is_held() && (row.holder, row.epoch) == (Some(life), epoch) {
                row.history.extend((0..lines).map(|_| ("log".to_owned(), None, row.attempt)));
                row.history.push(("progress".to_owned(), None, row.attempt));
                changed.insert(task);
            }
        }
        Answer::Moved(changed, BTreeSet::new())
    }

    fn cancel(&mut self, pick: usize) -> Answer {
        let Some(task) = self.task(pick) else { return Answer::Nothing };
        let row = &mut self.rows[task];
        let allowed = row.state.on(Event::Cancel).is_ok();
        if allowed && row.state.on(Event::Cancel) != Ok(row.state) {
            row.happen(Event::Cancel);
        }
        Answer::Canceled(allowed.then_some(row.state))
    }

    fn reopen(&mut self, pick: usize) -> Answer {
        let Some(task) = self.task(pick) else { return Answer::Nothing };
        let row = &mut self.rows[task];
        if row.state == State::Succeeded {
            return Answer::Reopened(None);
        }
        let opens = row.state.is_terminal();
        if opens {
            row.happen(Event::Reopen);
            row.lost = row.lost.min(SUSPECT_LOSSES);
            row.deadline = row.deadline.filter(|has_passed| !has_passed);
        }
        Answer::Reopened(Some((row.state, opens)))
    }

    /// Until nobody is left who has not heard.
    fn settle(&mut self) -> Answer {
        let (mut moved, mut skipped) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let states: Vec<State> = self.rows.iter().map(|row| row.state).collect();
            let before = (moved.len(), skipped.len());
            for (task, row) in self.rows.iter_mut().enumerate().filter(|(_, row)| row.state == State::Blocked) {
                if row.waits.iter().any(|other| states[*other].is_terminal() && states[*other] != State::Succeeded) {
                    row.happen(Event::Skip);
                    skipped.insert(task);
                    continue;
                }
                row.waits.retain(|other| states[*other] != State::Succeeded);
                if row.waits.is_empty() {
                    row.happen(if row.later { Event::Defer } else { Event::Unblock });
                    moved.insert(task);
                }
            }
            if (moved.len(), skipped.len()) == before {
                return Answer::Moved(moved, skipped);
            }
        }
    }

    /// What happens to every row that passes, and what became of them.
    fn each(&mut self, passes: impl Fn(&Row) -> bool, event: impl Fn(&mut Row) -> Event) -> Answer {
        let (mut ready, mut ended) = (BTreeSet::new(), BTreeSet::new());
        for (task, row) in self.rows.iter_mut().enumerate().filter(|(_, row)| passes(row)) {
            let event = event(row);
            row.happen(event);
            if row.state.is_terminal() {
                ended.insert(task)
            } else {
                ready.insert(task)
            };
        }
        Answer::Moved(ready, ended)
    }

    fn reap(&mut self) -> Answer {
        let lives = self.lives.clone();
        let is_orphan = move |row: &Row| row.state.is_held() && row.holder.is_some_and(|life| !lives[life]);
        self.each(is_orphan, |row| {
            row.lost += 1;
            if row.lost >= POISON_LOSSES { Event::Poison } else { Event::Lose }
        })
    }

    fn end(&mut self, worker: usize) -> Answer {
        let life = self.workers[worker];
        self.lives[life] = false;
        Answer::Nothing
    }

    fn begin(&mut self, worker: usize) -> Answer {
        if !self.lives[self.workers[worker]] {
            self.workers[worker] = self.lives.len();
            self.lives.push(true);
        }
        Answer::Nothing
    }

    fn each_one(&mut self, pick: Option<usize>, change: impl Fn(&mut Row)) -> Answer {
        let rows = self.rows.iter_mut().enumerate();
        rows.filter(|(task, row)| pick.is_none_or(|pick| pick == *task) && !row.state.is_terminal())
            .for_each(|(_, row)| change(row));
        Answer::Nothing
    }
}

impl Row {
    /// The event happens by the law; the row notes it.
    fn happen(&mut self, event: Event) {
        self.state = self.state.on(event).expect("an event that the law allows");
        self.history.push((event.name().to_owned(), Some(self.state), self.attempt));
    }

    /// Whether it waits for a time.
    pub(crate) fn is_timed(&self) -> bool {
        matches!(self.state, State::Scheduled | State::Retrying)
    }
}

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Call;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self { workers: (0..WORKERS).collect(), lives: vec![true; WORKERS], ..Self::default() }).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Call> {
        let (pick, worker) = (0..64_usize, 0..WORKERS);
        let key = proptest::option::weighted(0.3, (0..KEYS, 0..2_u8));
        let picks = proptest::collection::vec(pick.clone(), 1..4);
        let waits = proptest::collection::vec(pick.clone(), 0..3);
        let events = vec![Event::Succeed, Event::Fail, Event::Retry, Event::Stop, Event::Release];
        prop_oneof![
            5 => (key, proptest::bool::weighted(0.2), proptest::bool::weighted(0.3), waits)
                .prop_map(|(key, later, deadline, waits)| Call::Submit { key, later, deadline, waits }),
            8 => (worker.clone(), picks.clone()).prop_map(|(worker, tasks)| Call::Claim { worker, tasks }),
            8 => (picks, proptest::sample::select(events))
                .prop_map(|(claims, event)| Call::Finish { claims, event }),
            2 => (pick.clone(), 0..3_usize).prop_map(|(claim, lines)| Call::Report { claim, lines }),
            2 => pick.clone().prop_map(|task| Call::Cancel { task }),
            2 => pick.clone().prop_map(|task| Call::Reopen { task }),
            3 => Just(Call::Settle),
            2 => worker.clone().prop_map(|worker| Call::Silence { worker }),
            1 => worker.clone().prop_map(|worker| Call::Deregister { worker }),
            3 => worker.prop_map(|worker| Call::Register { worker }),
            3 => Just(Call::Reap),
            2 => Just(Call::Ripen),
            2 => Just(Call::Due),
            1 => pick.clone().prop_map(|task| Call::Pass { task }),
            1 => Just(Call::Expire),
            1 => pick.prop_map(|task| Call::Wear { task }),
        ]
        .boxed()
    }

    fn apply(mut state: Self, call: &Call) -> Self {
        let waits = |row: &Row| row.is_timed() || matches!(row.state, State::Queued | State::Blocked);
        let answer = match call {
            Call::Submit { key, later, deadline, waits } => state.submit(*key, *later, *deadline, waits),
            Call::Claim { worker, tasks } => state.claim(*worker, tasks),
            Call::Finish { claims, event } => state.finish(claims, *event),
            Call::Report { claim, lines } => state.report(*claim, *lines),
            Call::Cancel { task } => state.cancel(*task),
            Call::Reopen { task } => state.reopen(*task),
            Call::Settle => state.settle(),
            Call::Silence { worker } | Call::Deregister { worker } => state.end(*worker),
            Call::Register { worker } => state.begin(*worker),
            Call::Reap => state.reap(),
            Call::Ripen => state.each_one(None, |row| row.is_due |= row.is_timed()),
            Call::Due => {
                let is_due = |row: &Row| row.is_timed() && row.is_due && row.deadline != Some(true);
                state.each(is_due, |_| Event::Due)
            }
            Call::Pass { task } => match state.task(*task) {
                Some(task) => state.each_one(Some(task), |row| row.deadline = row.deadline.map(|_| true)),
                None => Answer::Nothing,
            },
            Call::Expire => state.each(|row| waits(row) && row.deadline == Some(true), |_| Event::Expire),
            Call::Wear { task } => match state.task(*task) {
                Some(task) => state.each_one(Some(task), |row| row.lost = POISON_LOSSES - 1),
                None => Answer::Nothing,
            },
        };
        state.answer = Some(answer);
        state
    }
}
