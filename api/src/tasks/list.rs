//! `GET /tasks`: tasks by what they are, the newest first.

use axum::{
    Json,
    extract::{RawQuery, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use jobs_core::{ScheduleId, State as TaskState};
use jobs_store::{Filter, Order};

use crate::{
    app::Shared,
    caller::Caller,
    cursor,
    links::Links,
    problem::Problem,
    query::Query,
    view::{TaskPage, TaskView},
};

const LIMIT: i64 = 20;
const LIMIT_MAX: i64 = 100;
const TEXT_MAX: usize = 500;
const WORDS_MAX: usize = 10;
const PARAMETERS: &[&str] = &[
    "status",
    "kind",
    "queue",
    "group",
    "tag",
    "schedule_id",
    "created_after",
    "created_before",
    "q",
    "order",
    "limit",
    "cursor",
    "metadata.",
];

/// List tasks.
///
/// The newest come first, and tasks that come in while you read do not shift the pages. `metadata.NAME=TEXT` keeps those whose
/// metadata has this text; it can be given for several names. Where much has to be looked at to find little, a page is short, or empty, and
/// `next_cursor` says where to go on: the last page is the one without it.
#[utoipa::path(
    get,
    path = "/tasks",
    operation_id = "listTasks",
    tag = "tasks",
    security(("key" = ["tasks:read"])),
    params(
        ("status" = Option<String>, Query, pattern = "^(scheduled|blocked|queued|running|retrying|succeeded|failed|canceled|expired)(,(scheduled|blocked|queued|running|retrying|succeeded|failed|canceled|expired))*$", description = "Only tasks of this status; several with commas, or by giving it again."),
        ("kind" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only tasks of this kind."),
        ("queue" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only tasks of this queue."),
        ("group" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only tasks of this group."),
        ("tag" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only tasks with this tag."),
        ("schedule_id" = Option<String>, Query, pattern = "^sched_[0-9a-f]{32}$", description = "Only tasks that this schedule has made."),
        ("created_after" = Option<String>, Query, description = "Only tasks accepted at this time or later.", format = DateTime),
        ("created_before" = Option<String>, Query, description = "Only tasks accepted before this time.", format = DateTime),
        ("q" = Option<String>, Query, pattern = r"^[^\u0000]*$", description = "Only tasks with each of these words, ten at most, whatever their case, in the text of their error or their input. Inputs over 64 kB are not looked at."),
        ("order" = Option<String>, Query, pattern = "^(asc|desc)$", description = "`desc`, the newest first, when left out; or `asc`."),
        ("limit" = Option<u32>, Query, description = "So many at most; 20 when left out.", minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, pattern = "^c1[0-9a-f]{32}$", description = "`next_cursor` of the page before."),
    ),
    responses(
        (status = 200, description = "A page of tasks.", body = ref("#/components/schemas/TaskPage"),
            headers(("Link" = String, description = "The next page, `rel=\"next\"`; if there is one."))),
    ),
    extensions(("x-problems" = json!(["not_acceptable", "invalid"])))
)]
pub(crate) async fn list(
    State(app): State<Shared>,
    caller: Caller,
    RawQuery(query): RawQuery,
    links: Links,
) -> Result<Response, Problem> {
    let mut query = Query::read(query.as_deref(), PARAMETERS);
    let filter = Filter {
        states: states(&mut query),
        kind: query.one("kind"),
        queue: query.one("queue"),
        group: query.one("group"),
        tag: query.one("tag"),
        schedule: schedule(&mut query),
        metadata: query.under("metadata.").map(|(name, value)| (name.to_owned(), value.into())).collect(),
        created_after: query.instant("created_after"),
        created_before: query.instant("created_before"),
        words: words(&mut query),
    };
    let order = order(&mut query);
    let limit = query.number("limit", 1, LIMIT_MAX).unwrap_or(LIMIT);
    let before = query.one("cursor").and_then(|text| {
        let last = cursor::read(&text);
        if last.is_none() {
            query.fault("cursor", "is not a cursor of this server");
        }
        last
    });
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let query = query.finish()?;
    let page = app.store.list(caller.project, &filter, order, before, limit).await?;

    let next_cursor = page.next.map(cursor::write);
    let link = next_cursor
        .as_deref()
        .map(|cursor| format!("<{}?{}>; rel=\"next\"", links.api("tasks"), query.with("cursor", cursor)));
    let data = page.tasks.into_iter().map(|(task, artifacts)| TaskView::new(task, artifacts, &links));
    let body = TaskPage { data: data.collect(), has_more: next_cursor.is_some(), next_cursor };

    let mut response = Json(body).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// The words of `q`; a few of them say as much as many.
fn words(query: &mut Query) -> Vec<String> {
    let text = query.one("q").unwrap_or_default();
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if text.len() > TEXT_MAX || words.len() > WORDS_MAX {
        query.fault("q", format!("must be at most {WORDS_MAX} words of {TEXT_MAX} bytes in all"));
    }
    words
}

fn schedule(query: &mut Query) -> Option<ScheduleId> {
    let id = query.one("schedule_id")?.parse().ok();
    if id.is_none() {
        query.fault("schedule_id", "is not the id of a schedule");
    }
    id
}

fn order(query: &mut Query) -> Order {
    match query.one("order").as_deref() {
        None | Some("desc") => Order::Newest,
        Some("asc") => Order::Oldest,
        Some(_) => {
            query.fault("order", "must be asc or desc");
            Order::Newest
        }
    }
}

fn states(query: &mut Query) -> Vec<TaskState> {
    let words: Vec<_> =
        query.all("status").flat_map(|value| value.split(',')).map(|word| word.trim().to_owned()).collect();
    let mut states = Vec::new();
    for word in words {
        let meant: Vec<_> = TaskState::ALL.into_iter().filter(|state| state.status() == word).collect();
        if meant.is_empty() {
            let mut known: Vec<_> = TaskState::ALL.iter().map(|state| state.status()).collect();
            known.dedup();
            query.fault("status", format!("unknown status; known are {}", known.join(", ")));
        }
        states.extend(meant);
    }
    states
}
