//! `POST /tasks/actions/{action}`: cancel, retry or delete all tasks of a sort.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use axum::{Json, extract::State};
use jobs_core::{
    Fault, State as TaskState, TaskId,
    instant::{NO_INSTANT, read_instant},
    schema::{Schema, plain_numbers},
};
use jobs_store::{
    Filter,
    transition::{Act, Hit, Selection},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::{
    app::{App, Shared},
    body::JsonBody,
    caller::Caller,
    cursor,
    path::NamePath,
    problem::{Code, Problem},
};

/// So many tasks at most are met by one statement: it holds their rows for some milliseconds.
const PAGE: u32 = 500;
/// So many tasks are met by one request, unless it says otherwise.
const LIMIT: u32 = 1_000;
/// A request that took this long leaves the rest to the next one.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is done to tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Cancel,
    Retry,
    Delete,
}

/// Which tasks are meant, as the parameters of the list have it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "status": ["failed"], "tag": "nightly", "dry_run": true }))]
pub(crate) struct BulkAction {
    /// Only tasks of one of these statuses.
    #[serde(default)]
    #[schemars(
        length(max = 9),
        inner(regex(pattern = r"^(scheduled|blocked|queued|running|retrying|succeeded|failed|canceled|expired)$"))
    )]
    status: Option<Vec<String>>,
    /// Only tasks of this kind.
    kind: Option<String>,
    /// Only tasks of this queue.
    queue: Option<String>,
    /// Only tasks of this group.
    group: Option<String>,
    /// Only tasks with this tag.
    tag: Option<String>,
    /// Only tasks whose metadata has all of this.
    metadata: Option<Map<String, Value>>,
    /// Only tasks accepted at this time or later.
    #[schemars(extend("format" = "date-time"))]
    created_after: Option<String>,
    /// Only tasks accepted before this time.
    #[schemars(extend("format" = "date-time"))]
    created_before: Option<String>,
    /// Only tasks with one of these ids.
    #[schemars(length(min = 1, max = 1000), inner(regex(pattern = r"^task_[0-9a-f]{32}$")))]
    ids: Option<Vec<String>>,
    /// Has to be `true` when nothing else says which tasks are meant: all of them are.
    all: Option<bool>,
    /// Only says what would be done.
    dry_run: Option<bool>,
    /// So many tasks at most are looked at; 1,000 when left out.
    #[schemars(range(min = 1, max = 10_000))]
    limit: Option<u32>,
    /// `next_cursor` of the request before: goes on behind the tasks of that one.
    #[schemars(regex(pattern = "^c1[0-9a-f]{32}$"))]
    cursor: Option<String>,
}

/// What was done to tasks.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BulkResult")]
pub(crate) struct BulkResult {
    /// Nothing was done: the numbers say what would have been.
    dry_run: bool,
    /// So many tasks were looked at: those that are meant.
    matched: u64,
    /// So many of them were changed.
    changed: u64,
    /// So many of them were left as they are.
    skipped: u64,
    /// Why, and how many for each reason: `not_cancelable`, `not_retryable` or `not_ended`, as the action on a single task would say;
    /// `already_canceled`; `changed_meanwhile` for those that moved at the same moment.
    reasons: BTreeMap<&'static str, u64>,
    /// Whether there may be more: send the same request with `next_cursor` as its `cursor`.
    has_more: bool,
    /// The `cursor` of the next request, if there may be more.
    next_cursor: Option<String>,
}

/// Cancel, retry or delete many tasks.
///
/// The body says which, by the names of the list's parameters. A request looks at a bounded number of tasks, in the order of their ids, and says where the
/// next one goes on: repeat it with `cursor` until `has_more` is false. With `dry_run` nothing is done.
#[utoipa::path(
    post,
    path = "/tasks/actions/{action}",
    operation_id = "actOnTasks",
    tag = "tasks",
    security(("key" = ["tasks:write"])),
    params(("action" = String, Path, description = "`cancel`, `retry` or `delete`.", pattern = "^(cancel|retry|delete)$")),
    request_body(content = ref("#/components/schemas/BulkAction"), content_type = "application/json"),
    responses((status = 200, description = "What was done.", body = ref("#/components/schemas/BulkResult"))),
    extensions(("x-problems" = json!(["malformed", "not_found", "not_acceptable", "unsupported_media_type", "invalid"])))
)]
pub(crate) async fn act(
    State(app): State<Shared>,
    caller: Caller,
    NamePath(name): NamePath,
    JsonBody(body): JsonBody,
) -> Result<Json<BulkResult>, Problem> {
    let action = Action::read(&name).ok_or_else(|| Problem::new(Code::NotFound, "there is no such action"))?;
    let asked = BulkAction::read(body)?;
    let is_dry = asked.dry_run.unwrap_or(false);
    let limit = asked.limit.unwrap_or(LIMIT);
    let (selection, mut after) = asked.selection()?;
    let mut result = BulkResult::new(is_dry);
    let began = Instant::now();
    let mut left = limit;
    while left > 0 && began.elapsed() < PATIENCE {
        let page = left.min(PAGE);
        let act = if is_dry { Act::Look } else { action.act() };
        let hits = app.store.act(caller.project, act, &selection, after, page).await?;
        let is_last = hits.len() < page as usize;
        after = hits.last().map_or(after, |last| Some(last.task));
        left -= page;
        for hit in hits {
            result.count(action, &hit);
            tell(&app, action, &hit);
        }
        if is_last {
            return Ok(Json(result));
        }
    }
    result.has_more = true;
    result.next_cursor = after.map(cursor::write);
    Ok(Json(result))
}

/// Tells the queue and those who watch of a task that was changed.
fn tell(app: &App, action: Action, hit: &Hit) {
    let Some((state, ticket)) = &hit.now else { return };
    match action {
        Action::Cancel => app.courier.canceled(hit.task, &ticket.queue, ticket.group.clone(), *state),
        Action::Retry => app.courier.ready(ticket.clone()),
        Action::Delete => app.courier.changed(hit.task),
    }
}

impl Action {
    fn read(name: &str) -> Option<Self> {
        match name {
            "cancel" => Some(Self::Cancel),
            "retry" => Some(Self::Retry),
            "delete" => Some(Self::Delete),
            _ => None,
        }
    }

    fn act(self) -> Act {
        match self {
            Self::Cancel => Act::Cancel,
            Self::Retry => Act::Reopen,
            Self::Delete => Act::Remove,
        }
    }

    /// Why a task in this state is left as it is; nothing if it is not.
    fn refuses(self, state: TaskState) -> Option<&'static str> {
        match (self, state) {
            (Self::Cancel, TaskState::Canceling | TaskState::Canceled) => Some("already_canceled"),
            (Self::Cancel, state) if state.is_terminal() => Some(Code::NotCancelable.name()),
            (Self::Retry, TaskState::Succeeded) => Some(Code::NotRetryable.name()),
            (Self::Retry | Self::Delete, state) if !state.is_terminal() => Some(Code::NotEnded.name()),
            _ => None,
        }
    }
}

impl BulkResult {
    fn new(dry_run: bool) -> Self {
        Self {
            dry_run,
            matched: 0,
            changed: 0,
            skipped: 0,
            reasons: BTreeMap::new(),
            has_more: false,
            next_cursor: None,
        }
    }

    fn count(&mut self, action: Action, hit: &Hit) {
        self.matched += 1;
        let reason = match (action.refuses(hit.was), self.dry_run || hit.now.is_some()) {
            (None, true) => {
                self.changed += 1;
                return;
            }
            (Some(reason), _) => reason,
            (None, false) => "changed_meanwhile",
        };
        self.skipped += 1;
        *self.reasons.entry(reason).or_default() += 1;
    }
}

impl BulkAction {
    fn read(mut body: Value) -> Result<Self, Problem> {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::of::<BulkAction>);
        plain_numbers(&mut body);
        let mut faults = SCHEMA.check(&body);
        faults.extend(jobs_core::schema::find_nul(&body).map(|at| Fault::new(at, "must not contain U+0000")));
        for name in ["created_after", "created_before"] {
            let text = body.get(name).and_then(Value::as_str);
            if text.is_some_and(|text| read_instant(text).is_none()) {
                faults.push(Fault::new(format!("/{name}"), NO_INSTANT));
            }
        }
        if !faults.is_empty() {
            faults.sort();
            faults.dedup();
            return Err(Problem::invalid(faults));
        }
        serde_json::from_value(body).map_err(|error| Problem::invalid(vec![Fault::new("", error.to_string())]))
    }

    /// The tasks that are meant, and behind which one the request goes on.
    fn selection(self) -> Result<(Selection, Option<TaskId>), Problem> {
        let instant = |text: Option<String>| text.and_then(|text| read_instant(&text));
        let words = self.status.unwrap_or_default();
        let filter = Filter {
            states: TaskState::ALL
                .into_iter()
                .filter(|state| words.iter().any(|word| word == state.status()))
                .collect(),
            kind: self.kind,
            queue: self.queue,
            group: self.group,
            tag: self.tag,
            schedule: None,
            metadata: self.metadata.unwrap_or_default(),
            created_after: instant(self.created_after),
            created_before: instant(self.created_before),
            words: Vec::new(),
        };
        let says_which = !filter.is_empty() || self.ids.is_some();
        if !says_which && self.all != Some(true) {
            let detail = "say which tasks are meant, or that all are by \"all\": true";
            return Err(Problem::invalid(vec![Fault::new("", detail)]));
        }
        let after = match self.cursor.as_deref().map(cursor::read) {
            Some(None) => return Err(Problem::invalid(vec![Fault::new("/cursor", "is not a cursor of this server")])),
            Some(after) => after,
            None => None,
        };
        // The schema knows what an id looks like; what is none names no task.
        let ids = self.ids.map(|ids| ids.iter().filter_map(|id| id.parse().ok()).collect());
        Ok((Selection { filter, ids }, after))
    }
}
