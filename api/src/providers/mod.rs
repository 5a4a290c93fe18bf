//! The operations on providers of prices, a file each.

pub(crate) mod delete;
pub(crate) mod dry_run;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod put;
mod view;

pub(crate) use dry_run::{DryRun, DryRunView};
pub(crate) use put::PutProvider;
pub(crate) use view::{ProviderSummary, ProviderView};

use jobs_core::{Fault, ProjectId};
use jobs_prices::provider::{Definition, Provider, Shipped};
use jobs_store::ProviderRow;
use serde_json::Value;

use crate::{
    app::App,
    problem::{Code, Problem},
};

/// A provider as it stands: the project's own, or the one that comes with the program.
enum Known {
    Own(Box<ProviderRow>),
    Shipped(&'static Shipped),
}

/// The provider of this name.
async fn find(app: &App, project: ProjectId, id: &str) -> Result<Known, Problem> {
    let own = app.store.price_providers(project, Some(id)).await?.pop();
    let known = own.map(|row| Known::Own(Box::new(row))).or_else(|| Shipped::named(id).map(Known::Shipped));
    known.ok_or_else(|| no_provider(id))
}

fn no_provider(id: &str) -> Problem {
    Problem::new(Code::ProviderNotFound, format!("there is no provider `{}`", id.escape_debug()))
}

/// A definition that a client wrote, ready to run; or everything that is wrong with it, at its place below `pointer`.
fn compiled(definition: &Value, pointer: &str) -> Result<Provider, Problem> {
    let read: Definition = serde_json::from_value(definition.clone())
        .map_err(|error| Problem::invalid(vec![Fault::new(pointer, error.to_string())]))?;
    read.compile().map_err(|faults| {
        let faults = faults.into_iter().map(|fault| Fault::new(format!("{pointer}{}", fault.pointer), fault.message));
        Problem::invalid(faults.collect())
    })
}
