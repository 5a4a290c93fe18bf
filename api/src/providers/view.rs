//! Providers as clients see them.

use jobs_prices::provider::Shipped;
use jobs_store::{PriceRun, ProviderRow};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Known;
use crate::{clock::Timestamp, problem::Problem};

/// A provider of prices.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProviderSummary {
    /// Its name, as `provider` of a task `price.scrape`.
    id: String,
    /// Always `provider`.
    #[schemars(extend("const" = "provider"))]
    object: &'static str,
    /// What people call it.
    name: Option<String>,
    /// It comes with the program; a definition of the project under its name goes before it.
    shipped: bool,
    /// Whether it may be run.
    enabled: bool,
    /// The day on which somebody last compared the definition with its source.
    verified_at: Option<String>,
    /// The secrets that it needs, by name.
    secrets: Vec<String>,
    /// The last run of the project, if there was one.
    last_run: Option<LastRun>,
}

/// How a provider was asked last.
#[derive(Debug, Serialize, JsonSchema)]
struct LastRun {
    /// What came of it.
    outcome: String,
    /// Why.
    detail: Option<String>,
    /// How many prices it found.
    rows: i32,
    /// When.
    at: Timestamp,
    /// When a run was good last.
    good_at: Option<Timestamp>,
    /// So many runs since then were not: a provider that breaks in silence is seen here.
    bad_runs: i64,
}

/// A provider with its definition.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Provider")]
pub(crate) struct ProviderView {
    #[serde(flatten)]
    summary: ProviderSummary,
    /// The definition.
    definition: Map<String, Value>,
    /// The recorded answer that `dry-run` reads.
    sample: Option<Value>,
    /// When it was written last; none for one that comes with the program.
    updated_at: Option<Timestamp>,
}

impl ProviderSummary {
    pub(super) fn of_row(row: &ProviderRow, runs: &[PriceRun]) -> Self {
        Self { shipped: false, enabled: row.enabled, ..Self::of(&row.id, &row.definition, runs) }
    }

    pub(super) fn of_shipped(shipped: &Shipped, runs: &[PriceRun]) -> Self {
        Self::of(shipped.id, &definition_of(shipped), runs)
    }

    fn of(id: &str, definition: &Value, runs: &[PriceRun]) -> Self {
        let text = |name: &str| definition.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut secrets = Vec::new();
        collect_secrets(definition.pointer("/request/auth").unwrap_or(&Value::Null), &mut secrets);
        let source = format!("provider:{id}");
        let last_run = runs.iter().find(|run| run.source == source).map(|run| LastRun {
            outcome: run.outcome.clone(),
            detail: run.detail.clone(),
            rows: run.rows,
            at: Timestamp(run.asked_at),
            good_at: run.good_at.map(Timestamp),
            bad_runs: run.bad_runs,
        });
        Self {
            id: id.to_owned(),
            object: "provider",
            name: text("name"),
            shipped: true,
            enabled: true,
            verified_at: text("verified_at"),
            secrets,
            last_run,
        }
    }
}

impl ProviderView {
    pub(super) fn of(known: &Known, runs: &[PriceRun]) -> Result<Self, Problem> {
        let (summary, definition, sample, updated_at) = match known {
            Known::Own(row) => {
                let sample =
                    row.sample.as_deref().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into()));
                (ProviderSummary::of_row(row, runs), row.definition.clone(), sample, Some(Timestamp(row.updated_at)))
            }
            Known::Shipped(shipped) => {
                let summary = ProviderSummary::of_shipped(shipped, runs);
                (summary, definition_of(shipped), Some(response_of(shipped)), None)
            }
        };
        let Value::Object(definition) = definition else {
            return Err(Problem::internal(&std::io::Error::other("a definition that is no object")));
        };
        Ok(Self { summary, definition, sample, updated_at })
    }
}

/// The definition that comes with the program, as JSON.
pub(super) fn definition_of(shipped: &Shipped) -> Value {
    // A test reads all of them.
    shipped.read().ok().and_then(|definition| serde_json::to_value(definition).ok()).unwrap_or_default()
}

/// The recorded answer of one that comes with the program.
pub(super) fn response_of(shipped: &Shipped) -> Value {
    let mut sample: Value = serde_json::from_str(shipped.sample).unwrap_or_default();
    sample.get_mut("response").map(Value::take).unwrap_or_default()
}

fn collect_secrets(auth: &Value, secrets: &mut Vec<String>) {
    match auth {
        Value::String(text) => secrets.extend(text.strip_prefix("secret:").map(str::to_owned)),
        Value::Object(all) => all.values().for_each(|value| collect_secrets(value, secrets)),
        _ => {}
    }
}
