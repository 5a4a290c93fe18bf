//! Prices from outside: what goes in, and what comes out.

mod conformance;
mod pages;
mod providers;
mod strange;
mod text;
