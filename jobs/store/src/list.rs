//! Lists of tasks: by what they are, page by page, and bounded however many there are.
//!
//! A page is read along the ids, which sort by the time of submission: so pages do not shift while tasks come in. No index holds every
//! combination of filters, because each index is paid for by every task, three times in its life. Instead a page looks at a bounded number
//! of rows; where it has not found enough by then, and an index knows that few tasks can be meant, these are looked at, and else the page is
//! short and says where to go on. `docs/lists.md` has the figures.

use jobs_core::{ProjectId, ScheduleId, State, Task, TaskId};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{Artifact, Store, StoreError, row::TaskRow};

/// So many rows are looked at before anything else is tried.
const FIRST: i64 = 2_000;
/// So many rows are looked at in one statement.
const LOOK: i64 = 20_000;
/// The same where the text of rows is looked at.
const LOOK_AT_TEXT: i64 = 5_000;
/// A page that is still empty after so many statements is given empty, with where to go on.
const ROUNDS: usize = 5;
/// Of fewer tasks than this each is looked at.
const FEW: i64 = 5_000;
/// An id has the time of the clock of the API that made it, `created_at` that of Postgres: they differ by less than this.
const SKEW: Duration = Duration::HOUR;

/// Which tasks are wanted. What is `None` or empty does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In one of these states.
    pub states: Vec<State>,
    /// Of this kind.
    pub kind: Option<String>,
    /// In this queue.
    pub queue: Option<String>,
    /// In this group.
    pub group: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// Made by this schedule.
    pub schedule: Option<ScheduleId>,
    /// With all of these facts.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Accepted at this time or later.
    pub created_after: Option<OffsetDateTime>,
    /// Accepted before this time.
    pub created_before: Option<OffsetDateTime>,
    /// With each of these words, whatever their case, in the text of its error or of its input.
    pub words: Vec<String>,
}

/// In which order tasks are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The tasks, each with its artifacts.
    pub tasks: Vec<(Task, Vec<Artifact>)>,
    /// Behind which task the next page starts, if there may be more.
    pub next: Option<TaskId>,
}

/// The part of all ids that is still to be looked at, without its ends.
#[derive(Debug, Clone, Copy)]
struct Span {
    above: Uuid,
    below: Uuid,
}

/// A task with its artifacts.
type Whole = (Task, Vec<Artifact>);

/// Which rows a walk goes along, each by an index of its own.
#[derive(Debug, Clone, Copy)]
enum Rows {
    /// Those of the default project: by all ids.
    Own,
    /// Those of another project.
    OfOther,
    /// Those of a project that ended without success.
    Unsuccessful,
    /// Those that a schedule has made.
    OfSchedule,
}

/// What a statement is asked.
struct Ask<'a> {
    project: ProjectId,
    filter: &'a Filter,
    terms: &'a Terms,
    span: Span,
    limit: i64,
}

/// A filter as the statements take it.
struct Terms {
    states: Option<Vec<String>>,
    metadata: Option<serde_json::Value>,
    patterns: Option<Vec<String>>,
}

/// A checked query for a page: of the rows `$rows` in the order `$direction`, bounded as `$bound` says, those that pass a filter.
macro_rules! page_query {
    ($rows:tt, $direction:tt, $bound:tt, $ask:expr, $thirteenth:expr) => {{
        let ask: &Ask = $ask;
        whole_query!(
            "SELECT",
            ["FROM (SELECT * FROM tasks WHERE "
                + $rows
                + " AND id > $2 AND id < $3 ORDER BY id "
                + $direction
                + $bound
                + r#") t
            WHERE ($4::text[] IS NULL OR state = ANY($4)) AND ($5::text IS NULL OR kind = $5)
                AND ($6::text IS NULL OR queue = $6) AND ($7::text IS NULL OR "group" = $7)
                AND ($8::text IS NULL OR $8 = ANY(tags)) AND ($9::jsonb IS NULL OR metadata @> $9)
                AND ($10::timestamptz IS NULL OR created_at >= $10) AND ($11::timestamptz IS NULL OR created_at < $11)
                AND ($12::text[] IS NULL OR concat(error, ' ',
                    CASE WHEN pg_column_size(input) <= 65536 THEN input::text END) ILIKE ALL ($12))
                AND ($15::uuid IS NULL OR schedule_id = $15)
            ORDER BY id "#
                + $direction
                + " LIMIT $14"],
            ask.project.0,
            ask.span.above,
            ask.span.below,
            ask.terms.states.as_deref() as Option<&[String]>,
            ask.filter.kind.as_deref() as Option<&str>,
            ask.filter.queue.as_deref() as Option<&str>,
            ask.filter.group.as_deref() as Option<&str>,
            ask.filter.tag.as_deref() as Option<&str>,
            ask.terms.metadata.as_ref() as Option<&serde_json::Value>,
            ask.filter.created_after as Option<OffsetDateTime>,
            ask.filter.created_before as Option<OffsetDateTime>,
            ask.terms.patterns.as_deref() as Option<&[String]>,
            $thirteenth,
            ask.limit,
            ask.schedule() as Option<Uuid>,
        )
    }};
}

/// A checked query for the last row that a walk over `$rows` looked at; none when there were fewer.
macro_rules! end_query {
    ($rows:tt, $direction:tt, $ask:expr, $look:expr $(, $more:expr)?) => {{
        let ask: &Ask = $ask;
        sqlx::query_scalar!(
            "SELECT id FROM tasks WHERE "
                + $rows
                + " AND id > $2 AND id < $3 ORDER BY id "
                + $direction
                + " OFFSET $4::bigint - 1 LIMIT 1",
            ask.project.0,
            ask.span.above,
            ask.span.below,
            $look,
            $($more,)?
        )
    }};
}

impl Store {
    /// The tasks of a project that pass `filter`, at most `limit` of them, behind `from`. Stable while tasks come in. A page may be short and
    /// not the last one: then it says where to go on.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn list(
        &self,
        project: ProjectId,
        filter: &Filter,
        order: Order,
        from: Option<TaskId>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let terms = Terms::of(filter);
        let span = Span::of(filter).behind(order, from);
        let mut ask = Ask { project, filter, terms: &terms, span, limit: i64::from(limit) + 1 };
        let rows = Rows::of(project, filter);
        let mut tasks = Vec::new();
        for round in 0..ROUNDS {
            let look = if round == 0 { FIRST } else { terms.look() };
            tasks.extend(self.walk(&ask, rows, order, look).await?);
            if tasks.len() > limit as usize {
                return page(tasks, limit);
            }
            let Some(end) = self.end(&ask, rows, order, look).await? else { return page(tasks, limit) };
            ask.span = ask.span.behind(order, Some(TaskId(end)));
            if round == 0
                && let Some(few) = self.few(project, filter).await?
            {
                tasks.extend(self.among(&ask, order, &few).await?);
                return page(tasks, limit);
            }
            if !tasks.is_empty() && round > 0 {
                let mut short = page(tasks, limit)?;
                short.next = Some(TaskId(end));
                return Ok(short);
            }
            ask.limit = i64::from(limit) + 1 - i64::try_from(tasks.len()).unwrap_or_default();
        }
        let end = if order == Order::Newest { ask.span.below } else { ask.span.above };
        Ok(Page { tasks: Vec::new(), next: Some(TaskId(end)) })
    }

    /// What passes the filter among the next `look` rows.
    async fn walk(&self, ask: &Ask<'_>, rows: Rows, order: Order, look: i64) -> Result<Vec<Whole>, StoreError> {
        let found = match (rows, order) {
            (Rows::Own, Order::Newest) => {
                run!(self, page_query!("project = $1", "DESC", " LIMIT $13", ask, look), fetch_all)
            }
            (Rows::Own, Order::Oldest) => {
                run!(self, page_query!("project = $1", "ASC", " LIMIT $13", ask, look), fetch_all)
            }
            (Rows::OfOther, Order::Newest) => {
                run!(self, page_query!("project = $1 AND project <> 1", "DESC", " LIMIT $13", ask, look), fetch_all)
            }
            (Rows::OfOther, Order::Oldest) => {
                run!(self, page_query!("project = $1 AND project <> 1", "ASC", " LIMIT $13", ask, look), fetch_all)
            }
            (Rows::Unsuccessful, Order::Newest) => run!(
                self,
                page_query!(
                    "project = $1 AND state IN ('failed', 'canceled', 'expired')",
                    "DESC",
                    " LIMIT $13",
                    ask,
                    look
                ),
                fetch_all
            ),
            (Rows::Unsuccessful, Order::Oldest) => run!(
                self,
                page_query!(
                    "project = $1 AND state IN ('failed', 'canceled', 'expired')",
                    "ASC",
                    " LIMIT $13",
                    ask,
                    look
                ),
                fetch_all
            ),
            (Rows::OfSchedule, Order::Newest) => {
                run!(
                    self,
                    page_query!("project = $1 AND schedule_id = $15", "DESC", " LIMIT $13", ask, look),
                    fetch_all
                )
            }
            (Rows::OfSchedule, Order::Oldest) => {
                run!(self, page_query!("project = $1 AND schedule_id = $15", "ASC", " LIMIT $13", ask, look), fetch_all)
            }
        };
        found?.into_iter().map(TaskRow::whole).collect()
    }

    /// Where a walk over `look` rows ended, if there are as many.
    async fn end(&self, ask: &Ask<'_>, rows: Rows, order: Order, look: i64) -> Result<Option<Uuid>, StoreError> {
        match (rows, order) {
            (Rows::Own, Order::Newest) => run!(self, end_query!("project = $1", "DESC", ask, look), fetch_optional),
            (Rows::Own, Order::Oldest) => run!(self, end_query!("project = $1", "ASC", ask, look), fetch_optional),
            (Rows::OfOther, Order::Newest) => {
                run!(self, end_query!("project = $1 AND project <> 1", "DESC", ask, look), fetch_optional)
            }
            (Rows::OfOther, Order::Oldest) => {
                run!(self, end_query!("project = $1 AND project <> 1", "ASC", ask, look), fetch_optional)
            }
            (Rows::Unsuccessful, Order::Newest) => run!(
                self,
                end_query!("project = $1 AND state IN ('failed', 'canceled', 'expired')", "DESC", ask, look),
                fetch_optional
            ),
            (Rows::Unsuccessful, Order::Oldest) => run!(
                self,
                end_query!("project = $1 AND state IN ('failed', 'canceled', 'expired')", "ASC", ask, look),
                fetch_optional
            ),
            (Rows::OfSchedule, Order::Newest) => {
                run!(
                    self,
                    end_query!("project = $1 AND schedule_id = $5", "DESC", ask, look, ask.schedule() as Option<Uuid>),
                    fetch_optional
                )
            }
            (Rows::OfSchedule, Order::Oldest) => {
                run!(
                    self,
                    end_query!("project = $1 AND schedule_id = $5", "ASC", ask, look, ask.schedule() as Option<Uuid>),
                    fetch_optional
                )
            }
        }
    }

    /// What passes the filter among tasks that are known by their ids.
    async fn among(&self, ask: &Ask<'_>, order: Order, ids: &[Uuid]) -> Result<Vec<Whole>, StoreError> {
        let found = match order {
            Order::Newest => run!(self, page_query!("project = $1 AND id = ANY($13)", "DESC", "", ask, ids), fetch_all),
            Order::Oldest => run!(self, page_query!("project = $1 AND id = ANY($13)", "ASC", "", ask, ids), fetch_all),
        };
        found?.into_iter().map(TaskRow::whole).collect()
    }

    /// All tasks that a filter can mean, if an index knows them and they are few; of the first of its terms that has such an index.
    async fn few(&self, project: ProjectId, filter: &Filter) -> Result<Option<Vec<Uuid>>, StoreError> {
        let most = FEW + 1;
        let found = if let Some(tag) = &filter.tag {
            let tags = std::slice::from_ref(tag);
            let query = sqlx::query_scalar!(
                "SELECT id FROM tasks WHERE tags <> '{}' AND tags @> $2 AND project = $1 LIMIT $3",
                project.0,
                tags,
                most
            );
            run!(self, query, fetch_all)?
        } else if !filter.metadata.is_empty() {
            let metadata = serde_json::Value::Object(filter.metadata.clone());
            let query = sqlx::query_scalar!(
                "SELECT id FROM tasks WHERE metadata <> '{}' AND metadata @> $2 AND project = $1 LIMIT $3",
                project.0,
                metadata,
                most
            );
            run!(self, query, fetch_all)?
        } else if filter.within(&[State::Running, State::Canceling]) {
            let query = sqlx::query_scalar!(
                "SELECT id FROM tasks WHERE state IN ('running', 'canceling') AND project = $1 LIMIT $2",
                project.0,
                most
            );
            run!(self, query, fetch_all)?
        } else if filter.within(&[State::Scheduled, State::Retrying]) {
            let query = sqlx::query_scalar!(
                "SELECT id FROM tasks WHERE state IN ('scheduled', 'retrying') AND project = $1 LIMIT $2",
                project.0,
                most
            );
            run!(self, query, fetch_all)?
        } else if filter.within(&[State::Queued]) {
            let query = sqlx::query_scalar!(
                "SELECT id FROM tasks WHERE state = 'queued' AND project = $1 LIMIT $2",
                project.0,
                most
            );
            run!(self, query, fetch_all)?
        } else if let Some(group) = &filter.group {
            let query = sqlx::query_scalar!(
                r#"SELECT id FROM tasks WHERE "group" = $2 AND project = $1 LIMIT $3"#,
                project.0,
                group,
                most
            );
            run!(self, query, fetch_all)?
        } else if let Some(kind) = &filter.kind {
            let query = sqlx::query_scalar!(
                "SELECT id FROM tasks WHERE kind = $2 AND project = $1 LIMIT $3",
                project.0,
                kind,
                most
            );
            run!(self, query, fetch_all)?
        } else {
            return Ok(None);
        };
        let is_few = i64::try_from(found.len()).is_ok_and(|count| count <= FEW);
        Ok(is_few.then_some(found))
    }
}

impl Filter {
    /// Whether every task passes it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { states, kind, queue, group, tag, schedule, metadata, created_after, created_before, words } = self;
        let names = [kind, queue, group, tag];
        states.is_empty()
            && names.into_iter().all(Option::is_none)
            && schedule.is_none()
            && metadata.is_empty()
            && created_after.is_none()
            && created_before.is_none()
            && words.is_empty()
    }

    /// Whether only these states are wanted, or some of them.
    fn within(&self, states: &[State]) -> bool {
        !self.states.is_empty() && self.states.iter().all(|state| states.contains(state))
    }
}

impl Rows {
    fn of(project: ProjectId, filter: &Filter) -> Self {
        if filter.schedule.is_some() {
            Self::OfSchedule
        } else if filter.within(&[State::Failed, State::Canceled, State::Expired]) {
            Self::Unsuccessful
        } else if project == ProjectId::DEFAULT {
            Self::Own
        } else {
            Self::OfOther
        }
    }
}

impl Ask<'_> {
    fn schedule(&self) -> Option<Uuid> {
        self.filter.schedule.map(|id| id.0)
    }
}

impl Terms {
    fn of(filter: &Filter) -> Self {
        let states = filter.states.iter().map(|state| state.name().to_owned()).collect();
        // What means something in a pattern is meant as it is.
        let escape = |word: &String| word.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
        let patterns = filter.words.iter().map(|word| format!("%{}%", escape(word))).collect();
        let metadata = serde_json::Value::Object(filter.metadata.clone());
        Self {
            states: (!filter.states.is_empty()).then_some(states),
            metadata: (!filter.metadata.is_empty()).then_some(metadata),
            patterns: (!filter.words.is_empty()).then_some(patterns),
        }
    }

    fn look(&self) -> i64 {
        if self.patterns.is_some() { LOOK_AT_TEXT } else { LOOK }
    }
}

impl Span {
    /// Where ids of tasks that were accepted at the wanted times can lie.
    fn of(filter: &Filter) -> Self {
        let above = filter.created_after.and_then(|at| at.checked_sub(SKEW)).map_or(Uuid::nil(), first_id);
        let below = filter.created_before.and_then(|at| at.checked_add(SKEW)).map_or(Uuid::max(), first_id);
        Self { above, below }
    }

    /// What is behind a task.
    fn behind(self, order: Order, task: Option<TaskId>) -> Self {
        match (order, task) {
            (_, None) => self,
            (Order::Newest, Some(task)) => Self { below: self.below.min(task.0), ..self },
            (Order::Oldest, Some(task)) => Self { above: self.above.max(task.0), ..self },
        }
    }
}

/// What sorts before every id that was made at `at` or later.
fn first_id(at: OffsetDateTime) -> Uuid {
    let ms = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    // Version 7 has the milliseconds in its first 48 bits.
    Uuid::from_u128(u128::from(ms.min((1 << 48) - 1)) << 80)
}

fn page(mut tasks: Vec<Whole>, limit: u32) -> Result<Page, StoreError> {
    let more = tasks.len() > limit as usize;
    tasks.truncate(limit as usize);
    let next = more.then(|| tasks.last().map(|(task, _)| task.id)).flatten();
    Ok(Page { tasks, next })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_ids_of_a_time_lie_within_its_span() {
        let at = datetime!(2026-01-02 03:04:05.678 UTC);
        let ms = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap();
        let id = Uuid::from_u128(u128::from(ms) << 80 | 0x7000_8000_0000_0000_0001);
        let span =
            |after, before| Span::of(&Filter { created_after: after, created_before: before, ..Filter::default() });
        let has = |span: Span| span.above < id && id < span.below;
        assert!(has(span(Some(at), Some(at))));
        assert!(!has(span(Some(at + SKEW + Duration::SECOND), None)));
        assert!(!has(span(None, Some(at - SKEW - Duration::SECOND))));
        assert!(has(span(None, None)) && has(span(Some(OffsetDateTime::UNIX_EPOCH - Duration::DAY), None)));
    }

    #[test]
    fn what_means_something_in_a_pattern_is_meant_as_it_is() {
        let filter = Filter { words: vec!["100%_\\".to_owned()], ..Filter::default() };
        assert_eq!(Terms::of(&filter).patterns.unwrap(), [r"%100\%\_\\%"]);
    }
}
