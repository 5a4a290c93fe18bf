//! The book of prices: what is known before a run, and what a run adds to it.

use std::time::Instant;

use futures::future::BoxFuture;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;

use crate::JobError;

/// Keeps prices for the project of the attempt that it was given to.
pub trait PriceBook: Send + Sync {
    /// What is known of a source. `provider` asks for the definition of this name as well.
    fn known<'a>(&'a self, source: &'a str, provider: Option<&'a str>) -> BoxFuture<'a, Result<KnownSource, JobError>>;

    /// Keeps a run, once for each task: a later attempt of the same task adds nothing.
    fn keep<'a>(&'a self, run: &'a PriceRun) -> BoxFuture<'a, Result<Kept, JobError>>;
}

/// What is known of a source before it is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownSource {
    /// The definition that was asked for, where the project has it.
    pub definition: Option<Value>,
    /// An earlier attempt of this task kept its run already: this is what it gave.
    pub before: Option<Value>,
    /// The last run that found prices.
    pub last: Option<LastRun>,
    /// The median of the prices that the last good runs found.
    pub usual: Option<usize>,
}

/// The last run that found prices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastRun {
    /// The entity tag that the host gave.
    pub etag: Option<String>,
    /// When the host said that it changed last.
    pub last_modified: Option<String>,
    /// What was read: the digest of the bodies and of the rules that they were read by.
    pub digest: String,
    /// How many prices it found.
    pub rows: usize,
}

/// What a run of a source found.
#[derive(Debug, Clone)]
pub struct PriceRun {
    /// What was asked: `provider:vast`, or the address of a page.
    pub source: String,
    /// What came of it: `ok`, `ambiguous`, `no_price`, …
    pub outcome: &'static str,
    /// Why, in a sentence.
    pub detail: Option<String>,
    /// When it was asked.
    pub at: Instant,
    /// The entity tag of the answer, where one request is all of a run.
    pub etag: Option<String>,
    /// When the host says that it changed last.
    pub last_modified: Option<String>,
    /// The digest of what was read, and by which rules.
    pub digest: Option<String>,
    /// Nothing changed since the last run: its prices hold.
    pub unchanged: bool,
    /// How many prices were found, also where they are not believed.
    pub rows: usize,
    /// How many items were no offers.
    pub skipped: usize,
    /// The prices; none unless the outcome is `ok`.
    pub offers: Vec<Observed>,
    /// What the task answers with.
    pub output: Value,
}

/// A price that was observed. What says which offer it is of comes first; together that is its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// The key of the offer in its project: 32 hexadecimal digits.
    pub key: String,
    /// Who asks it: the id of a provider, or the host of a shop.
    pub provider: String,
    /// Whose it is, where the provider sells what others have.
    pub seller: Option<String>,
    /// What the provider calls it.
    pub sku: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
    /// The GPU, as the provider calls it.
    pub gpu_raw: Option<String>,
    /// The GPU, by the name of the table; none for what the table does not know, and for parts of GPUs.
    pub gpu: Option<String>,
    /// The memory of one GPU, in GB.
    pub vram_gb: Option<Decimal>,
    /// How many GPUs are sold together.
    pub gpu_count: Option<u32>,
    /// Where it stands.
    pub region: Option<String>,
    /// `on_demand`, `spot`, `retail`, …
    pub market: String,
    /// `secure`, `community`, …
    pub tier: Option<String>,
    /// What part of the machine is paid, where that is not all of it.
    pub component: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// What the amount buys: `gpu_hour`, `item`.
    pub unit: &'static str,
    /// What it costs.
    pub amount: Decimal,
    /// What it costs when it is not on sale.
    pub list_price: Option<Decimal>,
    /// Whether it can be had; none when nobody says.
    pub available: Option<bool>,
    /// From 0 to 1, as the provider says.
    pub reliability: Option<Decimal>,
    /// How the price was found: method, path, the text as it stood there.
    pub evidence: Value,
}

/// What keeping a run changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// So many offers have another price than before, or can be had again, or not any more.
    pub changed: usize,
    /// So many were never seen before.
    pub new: usize,
}
