//! Prices next to each other: who is cheapest, what that saves, and what is too good to be true. All in decimals.

mod arbitrage;
mod best;
mod quote;
mod saving;
mod watch;

pub use self::{
    arbitrage::{Arbitrage, Opportunity, arbitrage},
    best::{Best, Constraints, best},
    quote::{Class, Market, ProviderQuote, Quote, market},
    saving::{HOURS_PER_MONTH, monthly_hours, monthly_saving},
    watch::{Change, Watch},
};
