//! The last good price of each offer.

use jobs_core::ProjectId;
use rust_decimal::Decimal;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Store, StoreError};

/// An offer with its last good price.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferRow {
    /// Its place in lists.
    pub id: i64,
    /// Its key.
    pub key: String,
    /// What was asked: `provider:<id>`, or the address of a page.
    pub source: String,
    /// Who asks it.
    pub provider: String,
    /// Whose it is.
    pub seller: Option<String>,
    /// What the provider calls it.
    pub sku: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// Where people see it.
    pub url: Option<String>,
    /// The GPU, as the provider calls it.
    pub gpu_raw: Option<String>,
    /// The GPU, by the name of the table.
    pub gpu: Option<String>,
    /// The memory of one GPU, in GB.
    pub vram_gb: Option<Decimal>,
    /// How many GPUs are sold together.
    pub gpu_count: Option<i32>,
    /// Where it stands.
    pub region: Option<String>,
    /// `on_demand`, `spot`, `retail`, …
    pub market: String,
    /// `secure`, `community`, …
    pub tier: Option<String>,
    /// What part of the machine is paid.
    pub component: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
    /// What the amount buys.
    pub unit: String,
    /// What it costs.
    pub amount: Decimal,
    /// What it costs when it is not on sale.
    pub list_price: Option<Decimal>,
    /// Whether it can be had.
    pub available: Option<bool>,
    /// From 0 to 1.
    pub reliability: Option<Decimal>,
    /// How the price was found.
    pub evidence: Value,
    /// The task that found it.
    pub task: Uuid,
    /// When it was seen first.
    pub first_seen_at: OffsetDateTime,
    /// When it was seen last.
    pub observed_at: OffsetDateTime,
    /// When its price was another last.
    pub changed_at: OffsetDateTime,
    /// How long ago it was seen last, in seconds.
    pub age_s: i64,
}

/// Which offers are wanted. What is not set does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfferFilter {
    /// Of this GPU.
    pub gpu: Option<String>,
    /// Of this provider.
    pub provider: Option<String>,
    /// Of this source.
    pub source: Option<String>,
    /// Of this market.
    pub market: Option<String>,
    /// In this region.
    pub region: Option<String>,
    /// That are said to be available, or not to be.
    pub available: Option<bool>,
    /// With this unit.
    pub unit: Option<String>,
    /// Seen since so many seconds.
    pub max_age_s: Option<i64>,
}

/// A name of a GPU that the table does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The name, as the provider has it.
    pub gpu_raw: String,
    /// Who calls it so.
    pub provider: String,
    /// In how many offers.
    pub offers: i64,
}

impl Store {
    /// Offers of a project, in the order in which they were first seen, behind `after`.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn price_offers(
        &self,
        project: ProjectId,
        filter: &OfferFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<OfferRow>, StoreError> {
        run!(
            self,
            sqlx::query_as!(
                OfferRow,
                r#"SELECT id, key, source, provider, seller, sku, name, url, gpu_raw, gpu, vram_gb, gpu_count, region, market, tier,
                    component, currency, unit, amount, list_price, available, reliability, evidence, task, first_seen_at,
                    observed_at, changed_at, extract(epoch FROM now() - observed_at)::bigint AS "age_s!"
                FROM price_offers
                WHERE project = $1 AND ($2::text IS NULL OR gpu = $2) AND ($3::text IS NULL OR provider = $3)
                    AND ($4::text IS NULL OR source = $4) AND ($5::text IS NULL OR market = $5)
                    AND ($6::text IS NULL OR region = $6) AND ($7::bool IS NULL OR available = $7)
                    AND ($8::text IS NULL OR unit = $8)
                    AND ($9::bigint IS NULL OR observed_at >= now() - $9 * interval '1 second')
                    AND ($10::bigint IS NULL OR id > $10)
                ORDER BY id LIMIT $11"#,
                project.0,
                filter.gpu,
                filter.provider,
                filter.source,
                filter.market,
                filter.region,
                filter.available,
                filter.unit,
                filter.max_age_s,
                after,
                i64::from(limit),
            ),
            fetch_all
        )
    }

    /// The offer of a project with this key.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn price_offer(&self, project: ProjectId, key: &str) -> Result<Option<OfferRow>, StoreError> {
        run!(
            self,
            sqlx::query_as!(
                OfferRow,
                r#"SELECT id, key, source, provider, seller, sku, name, url, gpu_raw, gpu, vram_gb, gpu_count, region, market, tier,
                    component, currency, unit, amount, list_price, available, reliability, evidence, task, first_seen_at,
                    observed_at, changed_at, extract(epoch FROM now() - observed_at)::bigint AS "age_s!"
                FROM price_offers WHERE project = $1 AND key = $2"#,
                project.0,
                key
            ),
            fetch_optional
        )
    }

    /// Names of GPUs in offers of a project that the table does not know, the most frequent first.
    ///
    /// # Errors
    /// When Postgres is not available.
    pub async fn unknown_gpus(&self, project: ProjectId) -> Result<Vec<Unknown>, StoreError> {
        run!(
            self,
            sqlx::query_as!(
                Unknown,
                r#"SELECT gpu_raw AS "gpu_raw!", provider, count(*) AS "offers!" FROM price_offers
                WHERE project = $1 AND gpu IS NULL AND gpu_raw IS NOT NULL
                GROUP BY gpu_raw, provider ORDER BY count(*) DESC, gpu_raw, provider LIMIT 200"#,
                project.0
            ),
            fetch_all
        )
    }
}
