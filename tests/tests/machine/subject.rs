//! The subject: the store itself, on a database that is emptied for each sequence.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use e2e::{Database, eventually};
use jobs_core::{
    Event, LogLevel, NewTask, Progress, ProjectId, TaskId, WorkerId,
    task::{Idempotency, SUSPECT_LOSSES, Start},
};
use jobs_store::{
    Report, Store, StoreError, Word,
    transition::{Finish, Submitted},
};
use serde_json::value::RawValue;

use crate::reference::{Answer, Call, Entry, Reference, Row};

/// Whoever lives has beaten far in the future, and whoever is silent long ago: how long a call takes decides nothing.
const LEASE: Duration = Duration::from_secs(1);
/// What is to happen later does not happen by itself.
const LATER: Duration = Duration::from_secs(3_600);
/// More than there is.
const ALL: u32 = 1_000;

/// A store on an empty database, and what the numbers of the reference stand for.
pub(crate) struct Subject<'a> {
    database: &'a Database,
    store: Store,
    tasks: Vec<TaskId>,
    lives: Vec<WorkerId>,
}

/// Waits until Postgres blames workers for their silence.
pub(crate) async fn prepare(database: &Database) {
    eventually("Postgres has been up for a lease", Duration::from_secs(30), async || {
        let up = "SELECT extract(epoch FROM now() - pg_postmaster_start_time())::bigint";
        (database.count(up).await > LEASE.as_secs().cast_signed()).then_some(())
    })
    .await;
}

impl<'a> Subject<'a> {
    /// Empties the database, and begins.
    pub(crate) async fn begin(database: &'a Database, store: &Store, reference: &Reference) -> Self {
        database.execute("TRUNCATE tasks, task_events, task_dependencies, workers, idempotency_keys").await;
        let mut subject = Self { database, store: store.clone(), tasks: Vec::new(), lives: Vec::new() };
        subject.live(reference.lives.len()).await;
        subject
    }

    /// Makes a call, which the reference has made already, and compares all that can be seen.
    pub(crate) async fn apply(&mut self, reference: &Reference, call: &Call) {
        let answer = self.call(reference, call).await;
        assert_eq!(Some(&answer), reference.answer.as_ref(), "{call:?}");
        for (number, row) in reference.rows.iter().enumerate() {
            self.compare(number, row).await;
        }
        let count = self.database.count("SELECT count(*) FROM tasks").await;
        assert_eq!(usize::try_from(count).ok(), Some(reference.rows.len()), "rows after {call:?}");
    }

    /// The numbers of tasks.
    fn numbers(&self, ids: impl IntoIterator<Item = TaskId>) -> BTreeSet<usize> {
        let number = |id| self.tasks.iter().position(|known| *known == id).expect("a task of this sequence");
        ids.into_iter().map(number).collect()
    }

    /// Begins lives until there are so many.
    async fn live(&mut self, count: usize) {
        while self.lives.len() < count {
            let life = WorkerId::new();
            self.store.register(life, "machine", 1, &BTreeMap::new(), "0").await.expect("register");
            let beat = sqlx::query("UPDATE workers SET beat_at = now() + interval '1 day' WHERE id = $1").bind(life.0);
            beat.execute(&self.database.pool).await.expect("a beat");
            self.lives.push(life);
        }
    }

    async fn on_task(&self, sql: &'static str, number: Option<usize>) -> Answer {
        if let Some(number) = number {
            let changed = sqlx::query(sql).bind(self.tasks[number].0).execute(&self.database.pool);
            changed.await.expect(sql);
        }
        Answer::Nothing
    }

    /// Makes a call. The reference has made it already.
    async fn call(&mut self, reference: &Reference, call: &Call) -> Answer {
        let store = &self.store.clone();
        match call {
            Call::Submit { key, later, deadline, waits } => self.submit(*key, *later, *deadline, waits).await,
            Call::Claim { worker, tasks } => {
                let ids: Vec<TaskId> = reference.picked(tasks).into_iter().map(|task| self.tasks[task]).collect();
                let life = self.lives[reference.workers[*worker]];
                let mut claims = store.claim(life, &ids).await.expect("claim");
                assert!(claims.iter().all(|claim| claim.lost < SUSPECT_LOSSES), "a suspect among others: {claims:?}");
                // What is left of them for a process of its own.
                for suspect in store.suspects(&ids).await.expect("suspects") {
                    claims.extend(store.claim_suspect(life, suspect).await.expect("claim"));
                }
                let number = |id| self.tasks.iter().position(|known| *known == id).expect("a task of this sequence");
                let mut claimed: Vec<_> = claims
                    .into_iter()
                    .map(|claim| (number(claim.task), claim.epoch, claim.attempt, claim.lost))
                    .collect();
                claimed.sort_unstable();
                Answer::Claimed(claimed)
            }
            Call::Finish { claims, event } => {
                let claims = reference.claims(claims);
                let Some((life, ..)) = claims.first() else { return Answer::Recorded(Vec::new()) };
                let ends: Vec<Finish> = claims.iter().map(|(_, task, epoch)| self.end(*task, *epoch, *event)).collect();
                let finished = store.finish(self.lives[*life], &ends).await.expect("finish");
                Answer::Recorded(finished.recorded)
            }
            Call::Report { claim, lines } => self.report(reference, *claim, *lines).await,
            Call::Cancel { task } => {
                let Some(number) = reference.task(*task) else { return Answer::Nothing };
                match store.cancel(ProjectId::DEFAULT, self.tasks[number]).await {
                    Ok(task) => Answer::Canceled(Some(task.state)),
                    Err(StoreError::Refused(_)) => Answer::Canceled(None),
                    Err(error) => panic!("cancel: {error:?}"),
                }
            }
            Call::Reopen { task } => {
                let Some(number) = reference.task(*task) else { return Answer::Nothing };
                match store.reopen(ProjectId::DEFAULT, self.tasks[number]).await {
                    Ok((task, opened)) => Answer::Reopened(Some((task.state, opened))),
                    Err(StoreError::Refused(_)) => Answer::Reopened(None),
                    Err(error) => panic!("reopen: {error:?}"),
                }
            }
            Call::Settle => {
                let (mut moved, mut skipped) = (BTreeSet::new(), BTreeSet::new());
                loop {
                    let (settled, is_more) = store.settle(ALL).await.expect("settle");
                    if settled.count() == 0 && !is_more {
                        return Answer::Moved(moved, skipped);
                    }
                    moved.append(
                        &mut self.numbers(settled.ready.iter().map(|ready| ready.task).chain(settled.deferred)),
                    );
                    skipped.append(&mut self.numbers(settled.skipped));
                }
            }
            Call::Silence { worker } => {
                let life = self.lives[reference.workers[*worker]];
                let silence = sqlx::query("UPDATE workers SET beat_at = now() - interval '1 day' WHERE id = $1");
                silence.bind(life.0).execute(&self.database.pool).await.expect("a silence");
                store.end_silent_workers(LEASE).await.expect("the end of silent workers");
                Answer::Nothing
            }
            Call::Deregister { worker } => {
                store.deregister(self.lives[reference.workers[*worker]]).await.expect("deregister");
                Answer::Nothing
            }
            Call::Register { .. } => {
                self.live(reference.lives.len()).await;
                Answer::Nothing
            }
            Call::Reap => {
                let reaped = store.reap(ALL).await.expect("reap");
                let ready = self.numbers(reaped.ready.into_iter().map(|ticket| ticket.task));
                Answer::Moved(ready, self.numbers(reaped.ended.into_iter().map(|(task, _)| task)))
            }
            Call::Ripen => {
                let ripe = "UPDATE tasks SET due_at = now() WHERE state IN ('scheduled', 'retrying')";
                self.database.execute(ripe).await;
                Answer::Nothing
            }
            Call::Due => {
                let due = store.due(ALL).await.expect("due");
                Answer::Moved(self.numbers(due.into_iter().map(|ticket| ticket.task)), BTreeSet::new())
            }
            Call::Pass { task } => {
                let pass = "UPDATE tasks SET deadline = now()
                    WHERE id = $1 AND deadline IS NOT NULL AND finished_at IS NULL";
                self.on_task(pass, reference.task(*task)).await
            }
            Call::Expire => {
                let expired = store.expire(ALL).await.expect("expire");
                Answer::Moved(BTreeSet::new(), self.numbers(expired))
            }
            Call::Wear { task } => {
                let wear = "UPDATE tasks SET lost = 7 WHERE id = $1 AND finished_at IS NULL";
                self.on_task(wear, reference.task(*task)).await
            }
        }
    }

    async fn submit(&mut self, key: Option<(u8, u8)>, later: bool, deadline: bool, waits: &[usize]) -> Answer {
        let count = self.tasks.len();
        let mut waits: Vec<usize> = waits.iter().filter(|_| count > 0).map(|pick| pick % count).collect();
        waits.sort_unstable();
        waits.dedup();
        let new = NewTask {
            start: later.then_some(Start::After(LATER)),
            deadline: deadline.then_some(time::macros::datetime!(2100-01-01 0:00 UTC)),
            depends_on: waits.into_iter().map(|other| self.tasks[other]).collect(),
            idempotency: key
                .map(|(key, fingerprint)| Idempotency { key: key.to_string(), fingerprint: vec![fingerprint] }),
            ..NewTask::plain("echo", RawValue::from_string("{}".into()).expect("JSON"))
        };
        let id = new.id;
        match self.store.submit(&[new]).await.expect("submit").remove(0) {
            Submitted::Accepted(task) => {
                assert_eq!(task.id, id);
                self.tasks.push(id);
                Answer::Accepted(self.tasks.len() - 1)
            }
            Submitted::Replayed(task) => Answer::Replayed(self.numbers([task.id]).pop_first().expect("one")),
            Submitted::KeyTaken => Answer::KeyTaken,
            other => panic!("nothing is shared, removed or forgotten: {other:?}"),
        }
    }

    async fn report(&self, reference: &Reference, claim: usize, lines: usize) -> Answer {
        let claims = reference.claims(&[claim]);
        let Some((life, task, epoch)) = claims.first() else { return Answer::Moved(BTreeSet::new(), BTreeSet::new()) };
        let line = || Word::Log { level: LogLevel::Info, message: "so far".into() };
        let progress = Word::Progress { progress: Progress { percent: Some(50.0), ..Progress::default() } };
        let words = (0..lines).map(|_| line()).chain([progress]);
        let reports: Vec<Report> = words.map(|word| Report { task: self.tasks[*task], epoch: *epoch, word }).collect();
        let changed = self.store.report(self.lives[*life], &reports).await.expect("report");
        Answer::Moved(self.numbers(changed), BTreeSet::new())
    }

    fn end(&self, task: usize, epoch: i32, event: Event) -> Finish {
        let output = (event == Event::Succeed).then(|| RawValue::from_string("1".into()).expect("JSON"));
        Finish { task: self.tasks[task], epoch, event, output, error: None, wait: LATER }
    }

    /// Whether a row and its history are as they should be.
    async fn compare(&self, number: usize, row: &Row) {
        let id = self.tasks[number];
        let task = self.store.get(ProjectId::DEFAULT, id).await.expect("the row");
        let epoch: i32 = sqlx::query_scalar("SELECT epoch FROM tasks WHERE id = $1")
            .bind(id.0)
            .fetch_one(&self.database.pool)
            .await
            .expect("the epoch");
        let seen = (task.state, epoch, task.attempt, task.lost, task.worker, task.output.is_some());
        let holder = row.holder.map(|life| self.lives[life]);
        let foretold = (row.state, row.epoch, row.attempt, row.lost, holder, row.has_output);
        assert_eq!(seen, foretold, "state, epoch, attempt, lost, worker, output of task {number}");
        assert_eq!(task.finished_at.is_some(), row.state.is_terminal(), "the end of task {number}");

        let events = self.store.events(ProjectId::DEFAULT, id, 0, ALL).await.expect("the history");
        let numbers: Vec<i64> = events.iter().map(|event| event.seq).collect();
        assert!(numbers.iter().copied().eq(1..=task.seq), "the numbers of the history of task {number}: {numbers:?}");
        let entry = |event: jobs_store::EventRow| -> Entry {
            (event.event.unwrap_or_else(|| event.event_type.name().to_owned()), event.state, event.attempt)
        };
        let history: Vec<Entry> = events.into_iter().map(entry).collect();
        assert_eq!(history, row.history, "the history of task {number}");
    }
}
