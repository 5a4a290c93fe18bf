//! Prices: definitions of providers, runs, and what they found.

mod keep;
mod latest;
mod provider;
mod series;

pub use latest::{OfferFilter, OfferRow, Unknown};
pub use provider::ProviderRow;
pub use series::{Point, PriceRun};
