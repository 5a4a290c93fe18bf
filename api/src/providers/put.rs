//! `PUT /providers/{name}`: write the definition of a provider.

use axum::{Json, extract::State};
use jobs_core::Fault;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Known, ProviderView, compiled};
use crate::{
    app::Shared,
    body::{JsonBody, checked},
    caller::Caller,
    path::NamePath,
    problem::Problem,
};

/// A definition, and an answer to hold it against.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = example())]
pub(crate) struct PutProvider {
    /// The definition; its `id` is the name of the provider.
    definition: Map<String, Value>,
    /// A recorded answer of the provider. The definition has to find prices in it.
    #[serde(default)]
    sample: Option<Value>,
    /// Whether it may be run; it needs a sample for that.
    #[serde(default)]
    enabled: Option<bool>,
}

/// Write the definition of a provider.
///
/// It is checked whole: paths compile, units are known, secrets are named and not written down. Without a sample it is kept, and cannot be run.
#[utoipa::path(
    put,
    path = "/providers/{name}",
    operation_id = "putProvider",
    tag = "prices",
    security(("key" = ["tasks:write"])),
    params(("name" = String, Path, description = "The provider.")),
    request_body(content = ref("#/components/schemas/PutProvider"), content_type = "application/json"),
    responses((status = 200, description = "The provider.", body = ref("#/components/schemas/Provider"))),
    extensions(("x-problems" = json!(["not_acceptable", "unsupported_media_type", "invalid"])))
)]
pub(crate) async fn put(
    State(app): State<Shared>,
    caller: Caller,
    NamePath(name): NamePath,
    JsonBody(body): JsonBody,
) -> Result<Json<ProviderView>, Problem> {
    let PutProvider { definition, sample, enabled } = checked(body)?;
    let definition = Value::Object(definition);
    let provider = compiled(&definition, "/definition")?;
    let refuse = |pointer: &str, detail: String| Err(Problem::invalid(vec![Fault::new(pointer, detail)]));
    if provider.definition().id != name {
        return refuse("/definition/id", format!("must be the name of the provider, `{}`", name.escape_debug()));
    }
    let sample = sample.map(|sample| sample.to_string());
    if let Some(sample) = &sample {
        match provider.read(sample) {
            Ok(answer) if answer.offers.is_empty() => {
                return refuse("/sample", "the definition finds no prices in it: see dry-run".to_owned());
            }
            Ok(_) => {}
            Err(error) => return refuse("/sample", error.to_string()),
        }
    }
    let enabled = enabled.unwrap_or(sample.is_some());
    if enabled && sample.is_none() {
        return refuse("/enabled", "a provider without a sample cannot be run".to_owned());
    }
    let row = app.store.put_price_provider(caller.project, &name, &definition, sample.as_deref(), enabled).await?;
    let runs = app.store.last_price_runs(caller.project).await?;
    Ok(Json(ProviderView::of(&Known::Own(Box::new(row)), &runs)?))
}

fn example() -> Value {
    serde_json::json!({
        "definition": {
            "id": "harbour",
            "currency": "USD",
            "items": ["$.types[*]"],
            "request": { "url": "https://api.example.com/types" },
            "fields": { "sku": "$.name", "gpu": "$.gpu", "count": "$.gpus" },
            "prices": [{ "value": "$.price", "unit": "hour", "per": "instance", "market": "on_demand" }],
        },
        "sample": { "types": [{ "name": "h100x8", "gpu": "H100 SXM5 80GB", "gpus": 8, "price": "16.00" }] },
    })
}
