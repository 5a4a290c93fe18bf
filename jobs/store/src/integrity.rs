//! Where tasks belong by the rows, and what the audit of their places found.

use std::{collections::HashMap, time::Duration};

use jobs_core::{Defect, State, TaskId, Ticket, integrity::Standing, task::SUSPECT_LOSSES};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    Store, StoreError,
    row::{group_key, millis},
};

/// What the rows say of a task.
#[derive(Debug, Clone)]
pub struct Stand {
    /// Where it belongs.
    pub standing: Standing,
    /// Its version: the same at two looks means that nothing happened in between.
    pub seq: i64,
    /// Its place in the queue, should it belong there.
    pub ticket: Ticket,
    /// It has to run alone: while there is no room for that, the queue forgets it, and it is pushed again and again.
    pub is_alone: bool,
}

/// A round of the audit through everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// How long it took.
    pub took: Duration,
    /// So many unfinished tasks were looked at.
    pub tasks: u64,
    /// So many entries of the index were looked at.
    pub entries: u64,
    /// So many defects were found.
    pub defects: u64,
}

/// What is known of the integrity of places.
#[derive(Debug, Clone, Default)]
pub struct Integrity {
    /// The last round, and when it ended; none before the first.
    pub round: Option<(Round, OffsetDateTime)>,
    /// How often each defect was found, and when last. Those that never were are left out.
    pub defects: Vec<(Defect, u64, OffsetDateTime)>,
}

impl Store {
    /// Where those of `ids` that exist belong.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn stands(&self, ids: &[TaskId]) -> Result<HashMap<TaskId, Stand>, StoreError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = run!(
            self,
            sqlx::query!(
                r#"SELECT id, project, queue, "group", priority, state, seq, lost,
                    (extract(epoch FROM COALESCE(queued_at, created_at)) * 1000000)::bigint AS "ready_us!",
                    EXISTS (SELECT FROM workers w WHERE w.id = t.worker AND w.ended_at IS NULL) AS "lives!"
                FROM tasks t WHERE id = ANY($1)"#,
                &ids
            ),
            fetch_all
        )?;
        let stands = rows.into_iter().map(|row| {
            let state: State = row.state.parse().map_err(StoreError::broken)?;
            let standing = match state {
                State::Queued => Standing::Queued,
                _ if state.is_held() && row.lives => Standing::Held,
                _ if state.is_held() => Standing::Orphaned,
                _ => Standing::Elsewhere,
            };
            let task = TaskId(row.id);
            let priority = u8::try_from(row.priority).map_err(StoreError::broken)?;
            // Cut off as in `Store::queued`, not rounded: the two are compared.
            let ready_ms = row.ready_us / 1_000;
            let ticket =
                Ticket { task, queue: row.queue, group: group_key(row.project, &row.group), priority, ready_ms };
            let is_alone = row.lost.unsigned_abs() >= SUSPECT_LOSSES;
            Ok((task, Stand { standing, seq: row.seq, ticket, is_alone }))
        });
        stands.collect()
    }

    /// Counts defects that were found.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn count_defects(&self, found: &[(Defect, u64)]) -> Result<(), StoreError> {
        let names: Vec<String> = found.iter().map(|(defect, _)| defect.name().to_owned()).collect();
        let counts: Vec<i64> = found.iter().map(|(_, count)| i64::try_from(*count).unwrap_or(i64::MAX)).collect();
        let counted = run!(
            self,
            sqlx::query!(
                "INSERT INTO integrity_defects AS known (defect, found)
                SELECT * FROM unnest($1::text[], $2::bigint[])
                ON CONFLICT (defect) DO UPDATE SET found = known.found + EXCLUDED.found, last_at = now()",
                &names,
                &counts,
            ),
            execute
        );
        counted.map(drop)
    }

    /// Notes a round of the audit in the place of the one before.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn note_round(&self, round: &Round) -> Result<(), StoreError> {
        let noted = run!(
            self,
            sqlx::query!(
                "INSERT INTO integrity_round (took_ms, tasks, entries, defects) VALUES ($1, $2, $3, $4)
                ON CONFLICT (is_last) DO UPDATE SET took_ms = EXCLUDED.took_ms, tasks = EXCLUDED.tasks,
                    entries = EXCLUDED.entries, defects = EXCLUDED.defects, finished_at = now()",
                millis(round.took),
                round.tasks.cast_signed(),
                round.entries.cast_signed(),
                round.defects.cast_signed(),
            ),
            execute
        );
        noted.map(drop)
    }

    /// What the audit has found.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn integrity(&self) -> Result<Integrity, StoreError> {
        let round = run!(
            self,
            sqlx::query!("SELECT took_ms, finished_at, tasks, entries, defects FROM integrity_round"),
            fetch_optional
        )?;
        let defects = run!(self, sqlx::query!("SELECT defect, found, last_at FROM integrity_defects"), fetch_all)?;
        let round = round.map(|row| {
            let round = Round {
                took: Duration::from_millis(row.took_ms.unsigned_abs()),
                tasks: row.tasks.unsigned_abs(),
                entries: row.entries.unsigned_abs(),
                defects: row.defects.unsigned_abs(),
            };
            (round, row.finished_at)
        });
        // A name that is not known is a newer program's.
        let known = |name: &str| Defect::ALL.into_iter().find(|defect| defect.name() == name);
        let defects =
            defects.into_iter().filter_map(|row| Some((known(&row.defect)?, row.found.unsigned_abs(), row.last_at)));
        Ok(Integrity { round, defects: defects.collect() })
    }
}
