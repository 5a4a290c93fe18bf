//! The operations on prices, a file each.

pub(crate) mod arbitrage;
pub(crate) mod best;
pub(crate) mod compare;
mod csv;
pub(crate) mod gpus;
pub(crate) mod history;
pub(crate) mod latest;
mod quotes;
pub(crate) mod savings;
mod view;

pub(crate) use arbitrage::ArbitrageView;
pub(crate) use best::BestView;
pub(crate) use compare::CompareView;
pub(crate) use gpus::GpuList;
pub(crate) use history::HistoryView;
pub(crate) use savings::SavingsView;
pub(crate) use view::{PricePage, PriceView};
