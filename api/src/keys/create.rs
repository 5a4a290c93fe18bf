//! `POST /keys`: make an API key.

use std::{collections::BTreeMap, time::Duration};

use axum::{Json, extract::State, http::StatusCode};
use jobs_core::{
    Fault, ProjectId, ProjectUid, Rate, Scope, Scopes,
    instant::{NO_INSTANT, read_instant},
};
use jobs_store::{NewKey, Until};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NewKeyView, check_reach, find};
use crate::{
    access::Mint,
    app::{App, Shared},
    body::{JsonBody, checked},
    caller::Caller,
    clock::now,
    problem::Problem,
};

/// A key to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "name": "ci", "scopes": ["tasks:read", "tasks:write"], "expires_in_ms": 7_776_000_000_u64 }))]
pub(crate) struct CreateKey {
    /// What people call it.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    name: String,
    /// What it may do: nothing that the key of this request may not.
    #[schemars(length(min = 1, max = 6))]
    scopes: Vec<Scope>,
    /// It opens nothing from then on; without, it does not expire.
    #[serde(default)]
    #[schemars(with = "String", extend("format" = "date-time"))]
    expires_at: Option<String>,
    /// The same, from now. Not together with `expires_at`.
    #[serde(default)]
    #[schemars(with = "u64", range(min = 1_000, max = 315_360_000_000_u64))]
    expires_in_ms: Option<u64>,
    /// Limits of its own, in the place of the server's.
    #[serde(default)]
    limits: Limits,
    /// The project that it belongs to: that of the key of this request when left out. Another one takes the scope `operator`.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = "^proj_[0-9a-f]{32}$"))]
    project: Option<String>,
}

/// How often a key may be used, by class of operations.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeyLimits")]
pub(crate) struct Limits {
    /// For submitting tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate")]
    submit: Option<Rate>,
    /// For reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate")]
    read: Option<Rate>,
    /// For changing anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate")]
    act: Option<Rate>,
    /// For submitting videos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate")]
    videos: Option<Rate>,
}

impl Limits {
    /// Those that are said, by the name of their class.
    fn by_class(self) -> BTreeMap<String, Rate> {
        let all = [("submit", self.submit), ("read", self.read), ("act", self.act), ("videos", self.videos)];
        all.into_iter().filter_map(|(class, rate)| Some((class.to_owned(), rate?))).collect()
    }
}

/// Make an API key.
///
/// The answer has its secret, which is shown this once. A key cannot make one that may do more than itself.
#[utoipa::path(
    post,
    path = "/keys",
    operation_id = "createKey",
    tag = "keys",
    security(("key" = ["admin"])),
    request_body(content = ref("#/components/schemas/CreateKey"), content_type = "application/json"),
    responses((status = 201, description = "The key, with its secret.", body = ref("#/components/schemas/NewApiKey"))),
    extensions(("x-problems" = json!(["malformed", "not_acceptable", "unsupported_media_type", "invalid", "project_not_found"])))
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<NewKeyView>), Problem> {
    let asked: CreateKey = checked(body)?;
    let until = asked.until()?;
    let scopes: Scopes = asked.scopes.iter().copied().collect();
    check_reach(&caller, scopes)?;
    let project = project(&app, &caller, asked.project.as_deref()).await?;
    let minted = Mint::new(app.access.secret()).make();
    let new = NewKey {
        id: minted.id,
        project,
        name: asked.name,
        hash: minted.hash,
        scopes,
        limits: asked.limits.by_class(),
        until,
        created_by: caller.key,
    };
    app.store.create_key(&new).await?;
    let row = find(&app, &caller, minted.id).await?;
    Ok((StatusCode::CREATED, Json(NewKeyView::new(row, minted.text))))
}

impl CreateKey {
    fn until(&self) -> Result<Option<Until>, Problem> {
        let wrong = |pointer: &str, detail: &str| Problem::invalid(vec![Fault::new(pointer, detail)]);
        match (&self.expires_at, self.expires_in_ms) {
            (Some(_), Some(_)) => Err(wrong("/expires_in_ms", "cannot be given together with expires_at")),
            (Some(text), None) => {
                let at = read_instant(text).ok_or_else(|| wrong("/expires_at", NO_INSTANT))?;
                if at <= now() { Err(wrong("/expires_at", "is over")) } else { Ok(Some(Until::At(at))) }
            }
            (None, Some(ms)) => Ok(Some(Until::After(Duration::from_millis(ms)))),
            (None, None) => Ok(None),
        }
    }
}

/// The project that a caller means: its own unless it says another, which takes an operator.
pub(super) async fn project(app: &App, caller: &Caller, said: Option<&str>) -> Result<ProjectId, Problem> {
    let Some(said) = said else { return Ok(caller.project) };
    let uid = said.parse::<ProjectUid>().ok();
    let known = match uid {
        Some(uid) => app.store.project(uid).await?.map(|project| project.id),
        None => None,
    };
    match known {
        Some(project) if project == caller.project => Ok(project),
        // Whether there is such a project is an operator's business.
        found => {
            check_reach(caller, [Scope::Operator].into_iter().collect())?;
            found.ok_or_else(|| Problem::no_project(said))
        }
    }
}
