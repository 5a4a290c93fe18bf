//! Schedules: their tasks are made when their time has come, to the millisecond and without polling.
//!
//! What comes next is read a moment ahead and made ready, so that nothing is left to do at its time but to say so to Postgres, for many
//! schedules at once. What fires again soon is known without asking. Postgres tells the time, and refuses what is too early or done.

mod agenda;
mod clock;
mod plan;

use std::{collections::HashSet, convert::Infallible, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use jobs_core::ScheduleId;
use jobs_schedules::Fire;
use jobs_store::{
    Channel, Listener, Outcome, Pulse, ScheduleRow, StoreError,
    transition::{Fate, Fired, Firing, Planned, Unmade},
};
use time::OffsetDateTime;
use tokio::sync::watch;
use tracing::{debug, warn};
use uuid::Uuid;

use self::{
    agenda::{Agenda, Armed},
    clock::Clock,
    plan::Plan,
};
use crate::{leader::Leader, metrics};

pub(crate) use self::plan::Planner;

/// So long before their time schedules are made ready.
const AHEAD: Duration = Duration::from_secs(5);
/// About so many schedules are read at once.
const PAGE: u32 = 20_000;
/// So many schedules fire in one transaction: the first of many are not to wait for the last.
const BATCH: usize = 125;
/// So many transactions are under way at once.
const LANES: usize = 2;
/// So many schedules fire before somebody else has a turn.
const ROUND: usize = 1_000;
/// So many schedules are made ready before somebody else has a turn.
const TURN: usize = 50;
/// A word from Postgres is lost when it knows of a fire that is so much earlier.
const LOST: Duration = Duration::from_millis(100);

/// What fires.
struct Fires<'a> {
    leader: &'a Leader,
    agenda: Agenda,
    clock: Clock,
    /// When the last fires were through: what Postgres saw before is no news.
    settled: Option<OffsetDateTime>,
}

/// Runs until Postgres is not available.
pub(crate) async fn run(leader: &Leader, mut pulses: watch::Receiver<Pulse>) -> Result<Infallible, StoreError> {
    // Before the first look: what is said from now on is heard.
    let mut listener = leader.store.listen(Channel::Schedules).await?;
    let clock = Clock::of(leader.store.schedule_now().await?);
    let mut fires = Fires { leader, agenda: Agenda::default(), clock, settled: None };
    fires.look_ahead().await?;
    fires.release_all().await?;
    loop {
        fires.fire_due().await?;
        // What was seen before is not news.
        pulses.mark_unchanged();
        let wake = fires.wake().map(|left| tokio::time::Instant::now() + left);
        tokio::select! {
            () = sleep_until(wake) => fires.look_ahead_in_time().await?,
            heard = hear(&mut listener) => fires.hear(heard?).await?,
            changed = pulses.changed() => {
                if changed.is_err() {
                    // The pulse ended, and with it everything here.
                    std::future::pending::<()>().await;
                }
                let pulse = *pulses.borrow_and_update();
                fires.check(pulse).await?;
            }
        }
    }
}

async fn sleep_until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// The schedules of which something is said, all that have been named by now; none after a gap in which a word may have been missed.
async fn hear(listener: &mut Listener) -> Result<Option<HashSet<ScheduleId>>, StoreError> {
    let mut named = HashSet::new();
    let mut word = listener.hear().await?;
    loop {
        let Some(id) = word.as_deref().and_then(|word| word.parse::<Uuid>().ok()) else { return Ok(None) };
        named.insert(ScheduleId(id));
        match listener.hear().now_or_never() {
            Some(next) => word = next?,
            None => return Ok(Some(named)),
        }
    }
}

impl Fires<'_> {
    /// How long until there is something to do here, if nobody says a word.
    fn wake(&self) -> Option<Duration> {
        let first = self.agenda.first().map(|due| self.clock.until(due));
        let look = self.agenda.until.map(|until| self.clock.until(until - AHEAD / 2));
        first.into_iter().chain(look).min()
    }

    /// Looks ahead if what is known comes to its end.
    async fn look_ahead_in_time(&mut self) -> Result<(), StoreError> {
        let is_near = self.agenda.until.is_some_and(|until| self.clock.until(until) <= AHEAD / 2);
        if is_near { self.look_ahead().await } else { Ok(()) }
    }

    /// Makes ready what starts soon.
    async fn look_ahead(&mut self) -> Result<(), StoreError> {
        let ahead = self.leader.store.schedules_ahead(AHEAD, PAGE).await?;
        self.clock.hear(ahead.now);
        let before = std::mem::replace(&mut self.agenda, Agenda::up_to(ahead.beyond));
        self.arm_all(&ahead.schedules, &before).await;
        Ok(())
    }

    async fn arm_all(&mut self, rows: &[ScheduleRow], before: &Agenda) {
        for (n, row) in rows.iter().enumerate() {
            if n % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            self.arm(row, before);
        }
    }

    fn arm(&mut self, row: &ScheduleRow, before: &Agenda) {
        let Some((at, due)) = row.next_at.zip(row.next_due_at) else { return self.agenda.disarm(row.id) };
        let ready = before.plan(row.id, row.version).or_else(|| self.agenda.plan(row.id, row.version));
        let plan = ready.unwrap_or_else(|| Arc::new(self.leader.planner.plan(row)));
        self.agenda.arm(Armed { plan, at, due });
    }

    /// Somebody changed these schedules, or ended what their next task waits for.
    async fn hear(&mut self, named: Option<HashSet<ScheduleId>>) -> Result<(), StoreError> {
        let Some(named) = named else {
            self.look_ahead().await?;
            return self.release_all().await;
        };
        let ids: Vec<ScheduleId> = named.iter().copied().collect();
        let rows = self.leader.store.schedules_by_id(&ids).await?;
        let mut gone = named;
        for row in &rows {
            gone.remove(&row.id);
            self.clock.hear(row.now);
        }
        gone.into_iter().for_each(|id| self.agenda.disarm(id));
        self.arm_all(&rows, &Agenda::default()).await;
        self.release(&rows).await
    }

    /// Compares what is known with what the pulse has seen: the time, and words that were lost.
    async fn check(&mut self, pulse: Pulse) -> Result<(), StoreError> {
        if let Some(now) = pulse.now {
            self.clock.hear(now);
        }
        // What was later is not any more when the clock is set back.
        self.settled = self.settled.filter(|settled| *settled <= self.clock.now());
        let known = self.agenda.first().into_iter().chain(self.agenda.until).min();
        let is_news = |next: OffsetDateTime| known.is_none_or(|known| next + LOST < known);
        let is_fresh = pulse.now > self.settled;
        if is_fresh && pulse.next_fire.is_some_and(is_news) {
            self.look_ahead().await?;
        }
        if pulse.released { self.release_all().await } else { Ok(()) }
    }

    /// Lets everything fire whose time has come.
    async fn fire_due(&mut self) -> Result<(), StoreError> {
        loop {
            let due = self.agenda.take_due(self.clock.now(), ROUND);
            if due.is_empty() {
                return Ok(());
            }
            let fires = &*self;
            let batches = due.chunks(BATCH).map(|batch| fires.fire_batch(batch));
            let ended: Vec<_> = stream::iter(batches).buffer_unordered(LANES).try_collect().await?;
            let (mut again, mut changed) = (Vec::new(), HashSet::new());
            for (armed, next, fate) in ended.into_iter().flatten() {
                match (fate, next) {
                    (Fate::Decided(_), Some(next)) => {
                        self.agenda.arm(Armed { plan: armed.plan, at: next.at, due: next.due });
                    }
                    (Fate::Decided(_), None) => {}
                    (Fate::NotYet, _) => again.push(armed),
                    (Fate::Changed, _) => {
                        changed.insert(armed.plan.schedule);
                    }
                }
            }
            if !again.is_empty() {
                // Our clock is ahead of that of Postgres.
                debug!(schedules = again.len(), "too early");
                self.clock = Clock::of(self.leader.store.schedule_now().await?);
                again.into_iter().for_each(|armed| self.agenda.arm(armed));
            }
            if !changed.is_empty() {
                self.hear(Some(changed)).await?;
            }
            self.settled = Some(self.clock.now());
        }
    }

    /// Lets some fire in one transaction. Gives what comes next of each, and what became of it.
    async fn fire_batch(&self, batch: &[Armed]) -> Result<Vec<(Armed, Option<Fire>, Fate)>, StoreError> {
        let now = self.clock.now();
        let (firings, nexts): (Vec<Firing>, Vec<_>) =
            batch.iter().map(|armed| armed.plan.due(armed.at, armed.due, now)).unzip();
        let fates = self.fire(firings).await?;
        Ok(batch.iter().cloned().zip(nexts).zip(fates).map(|((armed, next), fate)| (armed, next, fate)).collect())
    }

    /// Starts tasks that wait for nothing any more.
    async fn release_all(&mut self) -> Result<(), StoreError> {
        loop {
            let rows = self.leader.store.schedules_released(BATCH as u32).await?;
            self.release(&rows).await?;
            if rows.len() < BATCH {
                return Ok(());
            }
        }
    }

    async fn release(&mut self, rows: &[ScheduleRow]) -> Result<(), StoreError> {
        let waiting = rows.iter().filter_map(|row| Some((row, row.waiting_at?)));
        let firings: Vec<Firing> = waiting
            .map(|(row, at)| {
                let ready = self.agenda.plan(row.id, row.version);
                ready.map_or_else(|| self.leader.planner.plan(row).released(at), |plan: Arc<Plan>| plan.released(at))
            })
            .collect();
        if firings.is_empty() {
            return Ok(());
        }
        self.fire(firings).await.map(drop)
    }

    /// Fires, and tells everybody. One that cannot be stored does not take its neighbours with it.
    async fn fire(&self, firings: Vec<Firing>) -> Result<Vec<Fate>, StoreError> {
        match self.leader.store.fire(&firings).await {
            Ok(fired) => Ok(self.tell(fired).await),
            Err(StoreError::Broken(_)) if firings.len() > 1 => {
                let mut fates = Vec::with_capacity(firings.len());
                for firing in firings {
                    fates.extend(Box::pin(self.fire(vec![firing])).await?);
                }
                Ok(fates)
            }
            Err(error @ StoreError::Broken(_)) => {
                let error = &error as &dyn std::error::Error;
                warn!(error, schedule.id = ?firings[0].schedule, "the task of a schedule cannot be stored");
                let unmade = Unmade {
                    reason: "not_stored",
                    detail: "its task could not be stored; the log says why".to_owned(),
                };
                let failed = firings.into_iter().map(|firing| Firing {
                    fires: firing.fires.into_iter().map(|fire| Planned { task: Err(unmade.clone()), ..fire }).collect(),
                    ..firing
                });
                let fired = self.leader.store.fire(&failed.collect::<Vec<_>>()).await?;
                Ok(self.tell(fired).await)
            }
            Err(error) => Err(error),
        }
    }

    /// Puts what is ready into its queue, tells those who watch, and counts.
    async fn tell(&self, fired: Fired) -> Vec<Fate> {
        let now = self.clock.now();
        if !fired.replaced.is_empty() {
            self.leader.withdraw(&fired.replaced).await;
        }
        if !fired.made.is_empty() {
            self.leader.push_new(&fired.ready, &fired.made).await;
        }
        for run in
            fired.fates.iter().flat_map(|fate| if let Fate::Decided(runs) = fate { runs.as_slice() } else { &[] })
        {
            match run.outcome {
                Outcome::Fired if !run.by_hand => {
                    metrics::FIRED.one();
                    metrics::LATENESS.observe(Duration::try_from(now - run.due_at).unwrap_or_default());
                }
                Outcome::Fired => metrics::FIRED.one(),
                Outcome::Waiting => metrics::FIRES_WAITING.one(),
                Outcome::Skipped => metrics::skipped(run.reason.as_deref().unwrap_or_default()),
                Outcome::Failed => {
                    metrics::FIRES_FAILED.one();
                    let detail = run.detail.as_deref().unwrap_or_default();
                    warn!(reason = run.reason.as_deref(), detail, "a schedule could make no task");
                }
            }
        }
        fired.fates
    }
}
