//! Fire: schedules make tasks, many in one transaction, each fire exactly one.
//!
//! The row of the schedule is locked, and says whether this fire is the next one: so of any number of schedulers one makes its task. The
//! row of the run is the second guard. What becomes of a fire is decided by [`Overlap::decide`], under that lock.

use std::collections::{HashMap, HashSet};

use jobs_core::{GroupKey, NewTask, ProjectId, ScheduleId, State, TaskId, Ticket};
use jobs_schedules::{Fire, LeftOut, Overlap, Start};
use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::submit::{Columns, Stored, insert_scheduled, webhooks};
use crate::{Channel, Outcome, ScheduleRun, Store, StoreError};

/// What a schedule is to do now.
#[derive(Debug, Clone)]
pub struct Firing {
    /// The schedule.
    pub schedule: ScheduleId,
    /// The version of it that this was planned by.
    pub version: i64,
    /// Why now.
    pub occasion: Occasion,
    /// The fires that are due, in their order; one for any other occasion.
    pub fires: Vec<Planned>,
}

/// A fire with the task that it makes if it may, or why there can be none.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The time that the schedule means.
    pub at: OffsetDateTime,
    /// When it was to start.
    pub due: OffsetDateTime,
    /// Its task.
    pub task: Result<NewTask, Unmade>,
}

/// Why there is no task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmade {
    /// A stable word.
    pub reason: &'static str,
    /// A sentence for people.
    pub detail: String,
}

/// Why a schedule makes a task.
#[derive(Debug, Clone)]
pub enum Occasion {
    /// Its time has come.
    Due {
        /// The fire that comes next as far as its planner knows.
        next_at: OffsetDateTime,
        /// Fires that do not start.
        left_out: Option<LeftOut>,
        /// The one after all of these.
        then: Option<Fire>,
    },
    /// What the task of an earlier fire waited for has ended.
    Released,
    /// Somebody asked for it.
    ByHand {
        /// What happens while earlier tasks have not ended, if that is said.
        overlap: Option<Overlap>,
    },
}

/// What became of a [`Firing`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// This was decided.
    Decided(Vec<ScheduleRun>),
    /// It is too early: its time has not come, or the earlier tasks have not ended.
    NotYet,
    /// The schedule is another one by now, or has fired, or is gone.
    Changed,
}

/// What became of several.
#[derive(Debug, Clone, Default)]
pub struct Fired {
    /// Of each firing, in their order.
    pub fates: Vec<Fate>,
    /// New tasks that are ready.
    pub ready: Vec<Ticket>,
    /// All new tasks.
    pub made: Vec<TaskId>,
    /// Tasks that were replaced: each with its state, and its place in the queue.
    pub replaced: Vec<(State, Ticket)>,
}

/// A schedule under its lock.
struct Locked {
    version: i64,
    next_at: Option<OffsetDateTime>,
    is_due: bool,
    overlap: Overlap,
    waiting_at: Option<OffsetDateTime>,
    unfinished: u64,
    now: OffsetDateTime,
}

/// What is decided about one schedule.
struct Decision {
    schedule: ScheduleId,
    runs: Vec<ScheduleRun>,
    tasks: Vec<NewTask>,
    /// Unfinished tasks are canceled first.
    replaces: bool,
    waiting_at: Option<OffsetDateTime>,
    /// The next fire, if it is another one now.
    next: Option<(Option<OffsetDateTime>, Option<OffsetDateTime>)>,
}

impl Store {
    /// Lets schedules make their tasks, all in one transaction.
    ///
    /// # Errors
    /// When Postgres is not available, or one of the tasks cannot be stored: then nothing has happened.
    pub async fn fire(&self, firings: &[Firing]) -> Result<Fired, StoreError> {
        if firings.is_empty() {
            return Ok(Fired::default());
        }
        let mut leased = self.acquire().await?;
        let work = tokio::time::timeout(self.limit, fire_on(leased.raw(), firings)).await;
        let (fates, made, stopped) = leased.settle(work)?;
        drop(leased);
        if made.iter().any(|(_, stored)| stored.state == State::Scheduled.name()) {
            self.tell(Channel::Due, "").await;
        }
        let holders: HashSet<Uuid> =
            stopped.iter().filter(|row| row.state == State::Canceling.name()).filter_map(|row| row.worker).collect();
        for worker in holders {
            self.tell(Channel::Cancel, &worker.to_string()).await;
        }
        let ready = made.iter().filter_map(|(task, stored)| ticket(task, stored)).collect();
        let made = made.into_iter().map(|(task, _)| task.id).collect();
        let mut fired = Fired { fates, ready, made, replaced: Vec::with_capacity(stopped.len()) };
        for row in stopped {
            fired.replaced.push((row.state.parse().map_err(StoreError::broken)?, row.ticket()?));
        }
        Ok(fired)
    }
}

type Done = (Vec<Fate>, Vec<(NewTask, Stored)>, Vec<Stopped>);

async fn fire_on(connection: &mut PgConnection, firings: &[Firing]) -> sqlx::Result<Done> {
    let mut transaction = connection.begin().await?;
    let locked = lock(&mut transaction, firings).await?;
    let mut decisions: Vec<Result<Decision, Fate>> = firings
        .iter()
        .map(|firing| locked.get(&firing.schedule).map_or(Err(Fate::Changed), |locked| firing.decide(locked)))
        .collect();
    let made: Vec<&Decision> = decisions.iter().filter_map(|decision| decision.as_ref().ok()).collect();
    let replacing: Vec<Uuid> =
        made.iter().filter(|decision| decision.replaces).map(|decision| decision.schedule.0).collect();
    let stopped = if replacing.is_empty() { Vec::new() } else { replace(&mut transaction, &replacing).await? };
    let written = write(&mut transaction, &made).await?;
    // A run that somebody has written before has its task already.
    let is_written = |schedule: ScheduleId, task: TaskId| written.contains(&(schedule, task));
    let mut tasks: Vec<&NewTask> = Vec::new();
    let mut schedules: Vec<Uuid> = Vec::new();
    for decision in &made {
        for task in decision.tasks.iter().filter(|task| is_written(decision.schedule, task.id)) {
            tasks.push(task);
            schedules.push(decision.schedule.0);
        }
    }
    let rows = if tasks.is_empty() {
        Vec::new()
    } else {
        let columns = Columns::of(&tasks).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let webhooks = webhooks(&tasks).map_err(|error| sqlx::Error::Encode(error.into()))?;
        insert_scheduled(&mut transaction, &columns, &schedules, &webhooks).await?
    };
    transaction.commit().await?;
    let mut rows: HashMap<Uuid, Stored> = rows.into_iter().map(|row| (row.id, row)).collect();
    let stored = tasks.into_iter().filter_map(|task| Some((task.clone(), rows.remove(&task.id.0)?))).collect();
    let fates = decisions.drain(..).map(|decision| decision.map_or_else(|fate| fate, |made| Fate::Decided(made.runs)));
    Ok((fates.collect(), stored, stopped))
}

/// Locks the schedules, in the order of their ids.
async fn lock(connection: &mut PgConnection, firings: &[Firing]) -> sqlx::Result<HashMap<ScheduleId, Locked>> {
    let ids: Vec<Uuid> = firings.iter().map(|firing| firing.schedule.0).collect();
    let rows = sqlx::query!(
        r#"SELECT id, version, next_at, COALESCE(next_due_at <= schedule_now(), false) AS "is_due!", overlap, waiting_at,
            -- Nobody asks how many there are where they may run beside each other.
            CASE WHEN overlap = 'allow' THEN 0 ELSE (SELECT count(*) FROM tasks t
                WHERE t.schedule_id = s.id AND t.finished_at IS NULL) END AS "unfinished!",
            schedule_now() AS "now!"
        FROM schedules s WHERE id = ANY($1) ORDER BY id FOR UPDATE"#,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    let read = rows.into_iter().map(|row| {
        let overlap = row.overlap.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let locked = Locked {
            version: row.version,
            next_at: row.next_at,
            is_due: row.is_due,
            overlap,
            waiting_at: row.waiting_at,
            unfinished: row.unfinished.unsigned_abs(),
            now: row.now,
        };
        Ok((ScheduleId(row.id), locked))
    });
    read.collect()
}

impl Firing {
    /// What becomes of it under the lock.
    fn decide(&self, locked: &Locked) -> Result<Decision, Fate> {
        if locked.version != self.version {
            return Err(Fate::Changed);
        }
        let mut decision = Decision {
            schedule: self.schedule,
            runs: Vec::new(),
            tasks: Vec::new(),
            replaces: false,
            waiting_at: locked.waiting_at,
            next: None,
        };
        match &self.occasion {
            Occasion::Due { next_at, .. } if locked.next_at != Some(*next_at) => return Err(Fate::Changed),
            Occasion::Due { .. } if !locked.is_due => return Err(Fate::NotYet),
            Occasion::Due { left_out, then, .. } => {
                decision.next = Some(then.as_ref().map(|fire| (fire.at, fire.due)).unzip());
                decision.runs.extend(left_out.as_ref().map(|left| locked.left_out(left)));
                decision.start(self, locked, locked.overlap);
            }
            Occasion::Released => {
                let Some(at) = locked.waiting_at else { return Err(Fate::Changed) };
                if locked.unfinished > 0 {
                    return Err(Fate::NotYet);
                }
                decision.waiting_at = None;
                let fires = self.fires.iter().filter(|fire| fire.at == at);
                fires.for_each(|fire| decision.make(fire, locked.now, false));
            }
            Occasion::ByHand { overlap } => {
                decision.start(self, locked, overlap.unwrap_or(locked.overlap));
            }
        }
        Ok(decision)
    }
}

impl Locked {
    fn left_out(&self, left: &LeftOut) -> ScheduleRun {
        let until = Some(left.until);
        ScheduleRun { until, ..run(left.first, left.first, Outcome::Skipped, Some(left.why.name()), self.now) }
    }
}

impl Decision {
    /// Decides about each fire, the earlier ones first.
    fn start(&mut self, firing: &Firing, locked: &Locked, overlap: Overlap) {
        let by_hand = matches!(firing.occasion, Occasion::ByHand { .. });
        let mut unfinished = locked.unfinished;
        for (n, fire) in firing.fires.iter().enumerate() {
            // Somebody's wish has the time at which it is fulfilled.
            let now = Planned { at: locked.now, due: locked.now, task: fire.task.clone() };
            let fire = if by_hand { &now } else { fire };
            let is_last = n + 1 == firing.fires.len();
            let start = match overlap {
                // The one behind it would replace it at once.
                Overlap::Replace if !is_last => Start::Not,
                _ if fire.task.is_err() => Start::Now,
                _ => overlap.decide(unfinished, self.waiting_at.is_some()),
            };
            match start {
                Start::Now => {
                    unfinished += u64::from(fire.task.is_ok());
                    self.make(fire, locked.now, by_hand);
                }
                Start::Behind => {
                    self.waiting_at = Some(fire.at);
                    self.runs
                        .push(ScheduleRun { by_hand, ..run(fire.at, fire.due, Outcome::Waiting, None, locked.now) });
                }
                Start::Instead => {
                    self.replaces = true;
                    if let Some(at) = self.waiting_at.take() {
                        self.runs.push(run(at, at, Outcome::Skipped, Some("overlap"), locked.now));
                    }
                    self.make(fire, locked.now, by_hand);
                }
                Start::Not => {
                    let skipped = run(fire.at, fire.due, Outcome::Skipped, Some("overlap"), locked.now);
                    self.runs.push(ScheduleRun { by_hand, ..skipped });
                }
            }
        }
    }

    fn make(&mut self, fire: &Planned, now: OffsetDateTime, by_hand: bool) {
        let made = match &fire.task {
            Ok(task) => {
                self.tasks.push(task.clone());
                ScheduleRun { task: Some(task.id), ..run(fire.at, fire.due, Outcome::Fired, None, now) }
            }
            Err(unmade) => ScheduleRun {
                detail: Some(unmade.detail.clone()),
                ..run(fire.at, fire.due, Outcome::Failed, Some(unmade.reason), now)
            },
        };
        self.runs.push(ScheduleRun { by_hand, ..made });
    }

    fn count(&self, outcome: Outcome) -> i64 {
        self.runs.iter().filter(|run| run.outcome == outcome).count() as i64
    }
}

fn run(
    at: OffsetDateTime,
    due: OffsetDateTime,
    outcome: Outcome,
    reason: Option<&str>,
    now: OffsetDateTime,
) -> ScheduleRun {
    ScheduleRun {
        fire_at: at,
        due_at: due,
        outcome,
        reason: reason.map(str::to_owned),
        detail: None,
        until: None,
        task: None,
        by_hand: false,
        decided_at: now,
    }
}

/// Writes the runs, and what comes next. Gives the tasks that are to be made.
async fn write(connection: &mut PgConnection, decisions: &[&Decision]) -> sqlx::Result<HashSet<(ScheduleId, TaskId)>> {
    let runs: Vec<(Uuid, &ScheduleRun)> =
        decisions.iter().flat_map(|decision| decision.runs.iter().map(|run| (decision.schedule.0, run))).collect();
    let each = |read: fn(&ScheduleRun) -> Option<String>| runs.iter().map(|(_, run)| read(run)).collect::<Vec<_>>();
    let last_task = |decision: &&Decision| decision.tasks.last().map(|task| task.id.0);
    let last_at = |decision: &&Decision| decision.next.and_then(|_| decision.runs.last()).map(|run| run.fire_at);
    let written = sqlx::query!(
        r#"WITH ran AS (
            INSERT INTO schedule_runs (schedule, fire_at, due_at, outcome, reason, detail, until_at, task, by_hand, decided_at)
            -- The moment, and not that at which the transaction began.
            SELECT schedule, fire_at, due_at, outcome, reason, detail, until_at, task, by_hand,
                schedule_now() + (clock_timestamp() - now())
            FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
                $7::timestamptz[], $8::uuid[], $9::bool[])
                AS run (schedule, fire_at, due_at, outcome, reason, detail, until_at, task, by_hand)
            ON CONFLICT (schedule, fire_at) DO UPDATE SET outcome = EXCLUDED.outcome, reason = EXCLUDED.reason,
                detail = EXCLUDED.detail, task = EXCLUDED.task, decided_at = EXCLUDED.decided_at
                WHERE schedule_runs.outcome = 'waiting'
            RETURNING schedule, task
        ), moved AS (
            UPDATE schedules s SET
                next_at = CASE WHEN moves THEN moved.next_at ELSE s.next_at END,
                next_due_at = CASE WHEN moves THEN moved.next_due_at ELSE s.next_due_at END,
                last_at = greatest(s.last_at, moved.last_at), last_task = COALESCE(moved.last_task, s.last_task),
                waiting_at = moved.waiting_at, fired = s.fired + moved.fired, skipped = s.skipped + moved.skipped,
                failed = s.failed + moved.failed
            FROM unnest($10::uuid[], $11::bool[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::uuid[],
                $16::timestamptz[], $17::bigint[], $18::bigint[], $19::bigint[])
                AS moved (id, moves, next_at, next_due_at, last_at, last_task, waiting_at, fired, skipped, failed)
            WHERE s.id = moved.id
        )
        SELECT schedule, task AS "task!" FROM ran WHERE task IS NOT NULL"#,
        &runs.iter().map(|(schedule, _)| *schedule).collect::<Vec<_>>(),
        &runs.iter().map(|(_, run)| run.fire_at).collect::<Vec<_>>(),
        &runs.iter().map(|(_, run)| run.due_at).collect::<Vec<_>>(),
        &runs.iter().map(|(_, run)| run.outcome.name().to_owned()).collect::<Vec<_>>(),
        &each(|run| run.reason.clone()) as &[Option<String>],
        &each(|run| run.detail.clone()) as &[Option<String>],
        &runs.iter().map(|(_, run)| run.until).collect::<Vec<_>>() as &[Option<OffsetDateTime>],
        &runs.iter().map(|(_, run)| run.task.map(|task| task.0)).collect::<Vec<_>>() as &[Option<Uuid>],
        &runs.iter().map(|(_, run)| run.by_hand).collect::<Vec<_>>(),
        &decisions.iter().map(|decision| decision.schedule.0).collect::<Vec<_>>(),
        &decisions.iter().map(|decision| decision.next.is_some()).collect::<Vec<_>>(),
        &decisions.iter().map(|decision| decision.next.and_then(|next| next.0)).collect::<Vec<_>>()
            as &[Option<OffsetDateTime>],
        &decisions.iter().map(|decision| decision.next.and_then(|next| next.1)).collect::<Vec<_>>()
            as &[Option<OffsetDateTime>],
        &decisions.iter().map(last_at).collect::<Vec<_>>() as &[Option<OffsetDateTime>],
        &decisions.iter().map(last_task).collect::<Vec<_>>() as &[Option<Uuid>],
        &decisions.iter().map(|decision| decision.waiting_at).collect::<Vec<_>>() as &[Option<OffsetDateTime>],
        &decisions.iter().map(|decision| decision.count(Outcome::Fired)).collect::<Vec<_>>(),
        &decisions.iter().map(|decision| decision.count(Outcome::Skipped)).collect::<Vec<_>>(),
        &decisions.iter().map(|decision| decision.count(Outcome::Failed)).collect::<Vec<_>>(),
    )
    .fetch_all(connection)
    .await?;
    Ok(written.into_iter().map(|row| (ScheduleId(row.schedule), TaskId(row.task))).collect())
}

/// A task that was told to make room.
struct Stopped {
    id: Uuid,
    project: i32,
    queue: String,
    group: String,
    priority: i16,
    state: String,
    worker: Option<Uuid>,
}

/// Cancels what schedules have made and what has not ended, as [`Store::cancel`] does.
async fn replace(connection: &mut PgConnection, schedules: &[Uuid]) -> sqlx::Result<Vec<Stopped>> {
    sqlx::query_as!(
        Stopped,
        r#"WITH met AS MATERIALIZED (
            SELECT id FROM tasks WHERE schedule_id = ANY($1) AND finished_at IS NULL ORDER BY id FOR UPDATE
        )
        UPDATE tasks t SET
            state = CASE t.state WHEN 'running' THEN 'canceling' ELSE 'canceled' END,
            finished_at = CASE t.state WHEN 'running' THEN NULL ELSE now() END,
            cancel_requested_at = now(), seq = t.seq + 1,
            history = t.history || moment(t.seq + 1, 'cancel',
                CASE t.state WHEN 'running' THEN 'canceling' ELSE 'canceled' END, t.attempt, t.epoch)
        FROM met WHERE t.id = met.id AND t.state || '' IN ('scheduled', 'blocked', 'queued', 'running', 'retrying')
        RETURNING t.id, t.project, t.queue, t."group", t.priority, t.state, t.worker"#,
        schedules,
    )
    .fetch_all(connection)
    .await
}

impl Stopped {
    fn ticket(self) -> Result<Ticket, StoreError> {
        Ok(Ticket {
            task: TaskId(self.id),
            queue: self.queue,
            group: GroupKey::new(ProjectId(self.project), &self.group),
            priority: u8::try_from(self.priority).map_err(StoreError::broken)?,
            ready_ms: 0,
        })
    }
}

/// The place of a new task in its queue, if it is ready.
fn ticket(task: &NewTask, stored: &Stored) -> Option<Ticket> {
    let ready = stored.queued_at.filter(|_| stored.state == State::Queued.name())?;
    Some(Ticket {
        task: task.id,
        queue: task.queue.clone(),
        group: task.group_key(),
        priority: task.priority,
        ready_ms: i64::try_from(ready.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
    })
}
