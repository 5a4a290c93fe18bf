//! `price.scrape`: a provider or a page in; its prices, as they are kept in the history, out.

mod found;
mod input;
mod output;
mod provider;
mod shop;

use std::time::Duration;

use jobs_core::{
    Engines, Fault, JobContext, JobError, JobKind, LogLevel,
    port::{
        price::KnownSource,
        web::{FetchError, FetchFault, WebEngine},
    },
};
use jobs_prices::provider::{Definition, Provider, Shipped};
use serde_json::Value;

use found::Found;
pub use input::{Extract, Input, Places, ProviderInput};
pub use output::{Output, Price};

/// Asks for prices, and keeps them.
pub struct PriceScrape;

impl JobKind for PriceScrape {
    const NAME: &'static str = "price.scrape";
    const SUMMARY: &'static str = "Asks a provider or a page for prices and adds them to the history of the project";
    const TIMEOUT: Duration = Duration::from_secs(300);
    const MAX_ATTEMPTS: u32 = 5;

    type Input = Input;
    type Output = Output;

    fn example() -> Input {
        Input {
            provider: Some(ProviderInput::Name("verda".to_owned())),
            market: "retail".to_owned(),
            ..Input::default()
        }
    }

    fn check(input: &Input) -> Vec<Fault> {
        input.faults()
    }

    fn runs_on(engines: &Engines) -> bool {
        engines.web.is_some()
    }

    async fn run(input: Input, cx: &JobContext) -> Result<Output, JobError> {
        let Some(web) = cx.engines.web.clone() else {
            return Err(JobError::retry("engine_unavailable", "this worker fetches nothing"));
        };
        let (source, name) = match (&input.url, &input.provider) {
            (Some(url), _) => (url.clone(), None),
            (None, Some(ProviderInput::Name(name))) => (format!("provider:{name}"), Some(name.as_str())),
            (None, Some(ProviderInput::Definition(definition))) => {
                let id = definition.get("id").and_then(Value::as_str).unwrap_or_default();
                (format!("provider:{id}"), None)
            }
            (None, None) => return Err(JobError::fail("input_invalid", "there is neither a provider nor a url")),
        };
        let known = cx.prices().known(&source, name).await?;
        if let Some(before) = known.before {
            // What an earlier attempt kept is not asked for again.
            return serde_json::from_value(before).map_err(|error| JobError::fail("output_invalid", error));
        }
        let found = match find(&input, &source, &known, &*web, cx).await? {
            Ok(found) => found,
            Err(error) => return failed(error, &source, &known, cx).await,
        };
        keep(found, &source, &known, cx).await
    }
}

/// Asks and reads; what went wrong on the way is the inner error.
async fn find(
    input: &Input,
    source: &str,
    known: &KnownSource,
    web: &dyn WebEngine,
    cx: &JobContext,
) -> Result<Result<Found, FetchError>, JobError> {
    let Some(provider) = &input.provider else {
        return Ok(shop::scrape(input, source, known, web, cx).await);
    };
    let provider = compiled(provider, known)?;
    if provider.definition().request.url.is_none() {
        let detail = "the definition takes its answer from a command, and this installation runs none";
        return Ok(Ok(Found::nothing("blocked_by_policy", detail, shop::now())));
    }
    Ok(provider::scrape(&provider, known, web, cx).await)
}

/// The definition that is meant, ready to run.
fn compiled(provider: &ProviderInput, known: &KnownSource) -> Result<Provider, JobError> {
    let invalid = |error: String| JobError::fail("definition_invalid", error);
    let read = |value: Value| serde_json::from_value::<Definition>(value).map_err(|error| invalid(error.to_string()));
    let definition = match (provider, &known.definition) {
        (ProviderInput::Definition(definition), _) => read(Value::Object(definition.clone()))?,
        (ProviderInput::Name(_), Some(definition)) => read(definition.clone())?,
        (ProviderInput::Name(name), None) => {
            let shipped = Shipped::named(name).ok_or_else(|| {
                JobError::fail("provider_not_found", format!("there is no provider {name} that may be run"))
            })?;
            shipped.read().map_err(|error| invalid(error.to_string()))?
        }
    };
    definition
        .compile()
        .map_err(|faults| invalid(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
}

/// An outcome without an answer. One that another attempt may have is tried again, and is in the book until then.
async fn failed(error: FetchError, source: &str, known: &KnownSource, cx: &JobContext) -> Result<Output, JobError> {
    let outcome = match error.fault {
        FetchFault::Failed => "fetch",
        FetchFault::Robots => "blocked_by_robots",
        FetchFault::Policy => "blocked_by_policy",
        FetchFault::TooSoon | FetchFault::Cancelled => return Err(error.into()),
    };
    let detail = format!("{}: {error}", error.code);
    let found = Found { requests: 1, ..Found::nothing(outcome, detail, shop::now()) };
    match error.again {
        None => keep(found, source, known, cx).await,
        Some(_) => {
            let provisional = Found { outcome: "fetch", ..found };
            keep(provisional, source, known, cx).await?;
            Err(error.into())
        }
    }
}

async fn keep(found: Found, source: &str, known: &KnownSource, cx: &JobContext) -> Result<Output, JobError> {
    let (run, output) = found.into_run(source, known);
    let kept = cx.prices().keep(&run).await?;
    let said = match &run.detail {
        None => format!("{}: {} prices, {} changed, {} new", run.outcome, run.rows, kept.changed, kept.new),
        Some(detail) => format!("{}: {detail}", run.outcome),
    };
    cx.log(if run.outcome == "ok" { LogLevel::Info } else { LogLevel::Warn }, said);
    Ok(output)
}
