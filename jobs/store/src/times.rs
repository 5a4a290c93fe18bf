//! How long tasks waited and ran, and what they came to, as workers measured it.
//!
//! Nothing here costs a task anything: a worker counts in its memory and adds what it counted every few seconds, in one statement. A worker
//! that dies takes at most that with it.

use std::{collections::HashMap, time::Duration};

use jobs_core::{ProjectId, Times};

use crate::{Store, StoreError, row::millis};

/// As many durations count as these, and newer ones take their place: few enough to follow a change within a day where tasks are rare,
/// enough for a p90.
const MEMORY: f32 = 256.0;

/// How long tasks wait and run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// From the queue to the start of an attempt.
    pub wait: Times,
    /// From the start of an attempt to its end.
    pub run: Times,
}

/// What something is measured of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Measure {
    /// A kind of task in one project.
    Kind(ProjectId, String),
    /// A kind of task in all projects.
    KindAnywhere(String),
    /// Everything that runs in a queue.
    Queue(String),
}

/// How the attempts of a kind in a queue ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// So many succeeded.
    pub succeeded: u64,
    /// So many failed, and their tasks with them.
    pub failed: u64,
    /// So many were stopped because somebody asked for it.
    pub canceled: u64,
    /// So many failed, and are tried again.
    pub retried: u64,
}

/// Where outcomes belong.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The project.
    pub project: ProjectId,
    /// The kind.
    pub kind: String,
    /// The queue.
    pub queue: String,
}

impl Outcomes {
    /// Adds others to these.
    pub fn merge(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.canceled += other.canceled;
        self.retried += other.retried;
    }
}

impl Measure {
    /// What it is, its name, and the number of its project, as a row has them.
    fn key(&self) -> (&'static str, &str, i32) {
        match self {
            Self::Kind(project, kind) => ("kind", kind, project.0),
            Self::KindAnywhere(kind) => ("kind", kind, 0),
            Self::Queue(queue) => ("queue", queue, 0),
        }
    }

    fn of(about: &str, name: String, project: i32) -> Self {
        match (about, project) {
            ("queue", _) => Self::Queue(name),
            (_, 0) => Self::KindAnywhere(name),
            (_, project) => Self::Kind(ProjectId(project), name),
        }
    }
}

impl Store {
    /// Adds what a worker measured since it did so last. What is old fades.
    ///
    /// # Errors
    /// When Postgres is not available. It may have been added all the same.
    pub async fn add_times(&self, measured: &HashMap<Measure, Measured>) -> Result<(), StoreError> {
        // In one order: statements that lock in one order do not lock each other out.
        let mut rows: Vec<_> = measured.iter().map(|(measure, measured)| (measure.key(), measured)).collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        let (mut abouts, mut names, mut projects) = (Vec::new(), Vec::new(), Vec::new());
        let (mut waits, mut runs) = (Vec::new(), Vec::new());
        for ((about, name, project), measured) in rows {
            abouts.push(about.to_owned());
            names.push(name.to_owned());
            projects.push(project);
            // An array of arrays would be flattened on its way, so the inner ones travel as text.
            waits.push(literal(&measured.wait));
            runs.push(literal(&measured.run));
        }
        let added = run!(
            self,
            sqlx::query!(
                "INSERT INTO measured_times AS known (about, name, project, wait, run)
                SELECT about, name, project, merge_times('{}', wait::real[], $6), merge_times('{}', run::real[], $6)
                FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[]) AS fresh (about, name, project, wait, run)
                ON CONFLICT (about, name, project) DO UPDATE SET wait = merge_times(known.wait, EXCLUDED.wait, $6),
                    run = merge_times(known.run, EXCLUDED.run, $6), updated_at = now()",
                &abouts,
                &names,
                &projects,
                &waits,
                &runs,
                MEMORY,
            ),
            execute
        );
        added.map(drop)
    }

    /// Everything that was measured.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn times(&self) -> Result<HashMap<Measure, Measured>, StoreError> {
        let rows = run!(self, sqlx::query!("SELECT about, name, project, wait, run FROM measured_times"), fetch_all)?;
        let rows = rows.into_iter().map(|row| {
            let measure = Measure::of(&row.about, row.name, row.project);
            (measure, Measured { wait: Times::of(row.wait), run: Times::of(row.run) })
        });
        Ok(rows.collect())
    }

    /// Adds how attempts ended, to the minute that it is now.
    ///
    /// # Errors
    /// When Postgres is not available. They may have been added all the same.
    pub async fn add_outcomes(&self, outcomes: &HashMap<Place, Outcomes>) -> Result<(), StoreError> {
        let mut rows: Vec<_> = outcomes.iter().collect();
        rows.sort_unstable_by_key(|(place, _)| (place.project, &place.kind, &place.queue));
        let number = |of: fn(&Outcomes) -> u64| rows.iter().map(|(_, row)| of(row).cast_signed()).collect::<Vec<_>>();
        let projects: Vec<i32> = rows.iter().map(|(place, _)| place.project.0).collect();
        let kinds: Vec<String> = rows.iter().map(|(place, _)| place.kind.clone()).collect();
        let queues: Vec<String> = rows.iter().map(|(place, _)| place.queue.clone()).collect();
        let added = run!(
            self,
            sqlx::query!(
                "INSERT INTO outcomes AS known (minute, project, kind, queue, succeeded, failed, canceled, retried)
                SELECT date_trunc('minute', now()), * FROM unnest($1::int[], $2::text[], $3::text[], $4::bigint[], $5::bigint[],
                    $6::bigint[], $7::bigint[])
                ON CONFLICT (minute, project, kind, queue) DO UPDATE SET succeeded = known.succeeded + EXCLUDED.succeeded,
                    failed = known.failed + EXCLUDED.failed, canceled = known.canceled + EXCLUDED.canceled,
                    retried = known.retried + EXCLUDED.retried",
                &projects,
                &kinds,
                &queues,
                &number(|row| row.succeeded),
                &number(|row| row.failed),
                &number(|row| row.canceled),
                &number(|row| row.retried),
            ),
            execute
        );
        added.map(drop)
    }

    /// Forgets outcomes that are older than `age`, and gives the number of rows that went.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn forget_outcomes(&self, age: Duration) -> Result<u64, StoreError> {
        let gone = run!(
            self,
            sqlx::query!(
                "DELETE FROM outcomes WHERE minute < now() - $1::bigint * interval '1 millisecond'",
                millis(age)
            ),
            execute
        )?;
        Ok(gone.rows_affected())
    }
}

/// A histogram as Postgres reads an array.
fn literal(times: &Times) -> String {
    let weights: Vec<String> = times.weights().iter().map(f32::to_string).collect();
    format!("{{{}}}", weights.join(","))
}
