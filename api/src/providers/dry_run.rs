//! `POST /providers/{name}/dry-run`: what a definition reads in an answer. Nothing is asked and nothing is kept.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use jobs_core::Fault;
use jobs_prices::{eval, path::Document};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Known, compiled, find, no_provider,
    view::{definition_of, response_of},
};
use crate::{
    app::Shared,
    body::{JsonBody, checked},
    caller::Caller,
    path::NamePath,
    problem::{Code, Problem},
};

/// What to read, by what. What is left out is the provider's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({}))]
pub(crate) struct DryRun {
    /// Another definition than the one that is kept.
    #[serde(default)]
    definition: Option<Map<String, Value>>,
    /// Another answer than the sample.
    #[serde(default)]
    response: Option<Value>,
}

/// What a definition reads in an answer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DryRunResult")]
pub(crate) struct DryRunView {
    /// The offers.
    #[schemars(with = "Vec<Map<String, Value>>")]
    offers: Vec<Value>,
    /// The items that are no offers, each with the reason.
    skipped: Vec<Skipped>,
    /// How many items were skipped, by the reason.
    reasons: BTreeMap<String, usize>,
    /// Why a run with this answer would not be believed, if so.
    suspicious: Option<String>,
}

/// An item that is no offer.
#[derive(Debug, Serialize, JsonSchema)]
struct Skipped {
    /// Why.
    reason: String,
    /// What the provider calls it; its path, where it has no name.
    item: String,
}

/// Try a definition.
///
/// On the provider's sample, or on an answer that is sent along.
#[utoipa::path(
    post,
    path = "/providers/{name}/dry-run",
    operation_id = "dryRunProvider",
    tag = "prices",
    security(("key" = ["tasks:read"])),
    params(("name" = String, Path, description = "The provider; any name where a definition is sent along.")),
    request_body(content = ref("#/components/schemas/DryRun"), content_type = "application/json"),
    responses((status = 200, description = "What it reads.", body = ref("#/components/schemas/DryRunResult"))),
    extensions(("x-problems" = json!(["provider_not_found", "not_acceptable", "unsupported_media_type", "invalid"])))
)]
pub(crate) async fn dry_run(
    State(app): State<Shared>,
    caller: Caller,
    NamePath(name): NamePath,
    JsonBody(body): JsonBody,
) -> Result<Json<DryRunView>, Problem> {
    let DryRun { definition, response } = checked(body)?;
    let known = match find(&app, caller.project, &name).await {
        Ok(known) => Some(known),
        Err(problem) if problem.code == Code::ProviderNotFound => None,
        Err(problem) => return Err(problem),
    };
    let definition = match (definition, &known) {
        (Some(definition), _) => Value::Object(definition),
        (None, Some(Known::Own(row))) => row.definition.clone(),
        (None, Some(Known::Shipped(shipped))) => definition_of(shipped),
        (None, None) => return Err(no_provider(&name)),
    };
    let provider = compiled(&definition, "/definition")?;
    let response = match (response, &known) {
        (Some(Value::String(text)), _) => text,
        (Some(response), _) => response.to_string(),
        (None, Some(Known::Own(row))) if row.sample.is_some() => row.sample.clone().unwrap_or_default(),
        (None, Some(Known::Shipped(shipped))) => response_of(shipped).to_string(),
        (None, _) => {
            return Err(Problem::invalid(vec![Fault::new("/response", "must be given: the provider has no sample")]));
        }
    };
    let wrong = |detail: String| Problem::invalid(vec![Fault::new("/response", detail)]);
    let document = Document::parse(&response).map_err(|error| wrong(error.to_string()))?;
    let answer = provider.read_document(&document).map_err(|error| wrong(error.to_string()))?;
    let word = |value: Value| value.as_str().unwrap_or_default().to_owned();
    let skipped = answer.skipped.iter().map(|skip| Skipped {
        reason: word(serde_json::to_value(skip.reason).unwrap_or_default()),
        item: skip.item.clone(),
    });
    let skipped: Vec<Skipped> = skipped.collect();
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for skip in &skipped {
        *reasons.entry(skip.reason.clone()).or_default() += 1;
    }
    let suspicion = provider.suspicion(answer.offers.len(), None);
    let suspicious = suspicion.map(|suspicion| word(serde_json::to_value(suspicion).unwrap_or_default()));
    let offers = answer.offers.iter().map(eval::offer).collect();
    Ok(Json(DryRunView { offers, skipped, reasons, suspicious }))
}
