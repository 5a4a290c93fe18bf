//! `POST /schedules/preview`: when a schedule would fire.

use axum::{Json, extract::State};
use jobs_core::{Fault, schema::find_nul};
use jobs_schedules::{Dst, Fire, Oddity, Spec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::definition::{DstWord, FromSpec as _, instant};
use crate::{
    app::Shared,
    body::{JsonBody, checked},
    clock::Timestamp,
    problem::Problem,
};

const COUNT: u32 = 10;

/// A schedule to be looked at.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "cron": "30 2 * * *", "timezone": "Europe/Paris", "from": "2026-03-27T00:00:00Z", "count": 4
}))]
pub(crate) struct PreviewSchedule {
    /// An expression, as of a schedule. This or `every_ms`.
    #[schemars(length(max = 512))]
    cron: Option<String>,
    /// A steady interval.
    #[schemars(range(min = 1_000, max = 315_360_000_000_u64))]
    every_ms: Option<u64>,
    /// A time zone; `UTC` when left out.
    #[schemars(length(max = 100))]
    timezone: Option<String>,
    /// What becomes of times that clocks skip or show twice; `cron` when left out.
    #[schemars(with = "Option<DstWord>")]
    dst: Option<Dst>,
    /// No fire before this.
    #[schemars(extend("format" = "date-time"))]
    #[expect(dead_code, reason = "read where its faults are found")]
    starts_at: Option<String>,
    /// No fire at this or after it.
    #[schemars(extend("format" = "date-time"))]
    #[expect(dead_code, reason = "read where its faults are found")]
    ends_at: Option<String>,
    /// Fires after this; after now when left out.
    #[schemars(extend("format" = "date-time"))]
    #[expect(dead_code, reason = "read where its faults are found")]
    from: Option<String>,
    /// So many fires; 10 when left out.
    #[schemars(range(min = 1, max = 100))]
    count: Option<u32>,
}

/// When a schedule would fire.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SchedulePreview")]
pub(crate) struct Preview {
    /// Its next fires; fewer than were asked for where it ends.
    data: Vec<FireView>,
    /// The time zone of `local`.
    timezone: String,
}

/// A time at which a schedule would start its task.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ScheduleFire")]
struct FireView {
    /// The time.
    at: Timestamp,
    /// The same by the wall clock of the time zone, with its offset then.
    #[schemars(extend("format" = "date-time"))]
    local: String,
    /// What is odd about it: clocks are changed. Most fires have nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    oddity: Option<OddityView>,
}

/// Why a fire is not simply where its expression says.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ScheduleOddity")]
struct OddityView {
    /// A stable word for programs.
    #[schemars(extend("enum" = ["skipped_time", "first_of_two", "second_of_two"]))]
    code: &'static str,
    /// A sentence for people.
    detail: String,
}

/// Look when a schedule would fire.
///
/// Nothing is made. Where clocks are changed, each fire says what is odd about it. Jitter would put fires off by less than `jitter_ms`, and is
/// not shown.
#[utoipa::path(
    post,
    path = "/schedules/preview",
    operation_id = "previewSchedule",
    tag = "schedules",
    security(("key" = ["schedules"])),
    request_body(content = ref("#/components/schemas/PreviewSchedule"), content_type = "application/json"),
    responses((status = 200, description = "The next fires.", body = ref("#/components/schemas/SchedulePreview"))),
    extensions(("x-problems" = json!(["malformed", "not_acceptable", "unsupported_media_type", "invalid"])))
)]
pub(crate) async fn preview(State(app): State<Shared>, JsonBody(body): JsonBody) -> Result<Json<Preview>, Problem> {
    let mut faults: Vec<Fault> =
        find_nul(&body).map(|at| Fault::new(at, "must not contain U+0000")).into_iter().collect();
    let mut at = |name: &str| instant(&body, name, &mut faults);
    let (starts_at, ends_at, from) = (at("starts_at"), at("ends_at"), at("from"));
    let asked: PreviewSchedule = match checked::<PreviewSchedule>(body) {
        Ok(asked) => asked,
        Err(mut problem) => {
            problem.errors.extend(faults);
            return Err(Problem::invalid(problem.errors));
        }
    };
    let spec = Spec {
        cron: asked.cron,
        every_ms: asked.every_ms,
        timezone: asked.timezone.unwrap_or_else(|| "UTC".to_owned()),
        dst: asked.dst.unwrap_or_default(),
        jitter_ms: 0,
        starts_at,
        ends_at,
    };
    let compiled = spec.compile(0).map_err(|wrong| faults.extend(wrong.into_iter().map(Fault::from_spec)));
    let (Ok(schedule), true) = (compiled, faults.is_empty()) else { return Err(Problem::invalid(faults)) };
    let from: OffsetDateTime = match from {
        Some(from) => from,
        None => app.store.schedule_now().await?,
    };
    let count = asked.count.unwrap_or(COUNT) as usize;
    let data = schedule.preview(from, count).into_iter().map(FireView::new).collect();
    Ok(Json(Preview { data, timezone: schedule.zone.to_string() }))
}

impl FireView {
    fn new(fire: Fire) -> Self {
        let oddity = fire.oddity.map(|oddity| OddityView {
            code: match oddity {
                Oddity::Skipped { .. } => "skipped_time",
                Oddity::FirstOfTwo => "first_of_two",
                Oddity::SecondOfTwo => "second_of_two",
            },
            detail: oddity.to_string(),
        });
        Self { at: Timestamp(fire.at), local: fire.local.format(&Rfc3339).unwrap_or_default(), oddity }
    }
}
