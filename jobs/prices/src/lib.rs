//! Prices, read truthfully: from text, pages and providers to offers that can be compared. No I/O: bytes in,
//! observations out.
//!
//! Money is a decimal from the figures as they were written, never a float. What is not certain is said to be so: a
//! sign that several currencies share has candidates, a page with two prices is ambiguous, and every price keeps where
//! it was found.

pub mod compare;
pub mod currency;
pub mod eval;
pub mod fx;
pub mod gpu;
pub mod json;
pub mod page;
pub mod path;
pub mod provider;
pub mod robots;
pub mod text;

pub use currency::Currency;
