//! The engine that fetches from foreign hosts, as a worker has it: guarded, polite, and honest about who asks.
//!
//! The guard is `jobs-outbound`; how often a host is asked is counted in Redis, for all workers together. What a host says for
//! crawlers counts for pages. Nothing waits here for long: a host that wants to be left alone is the next attempt's.

mod charset;
mod client;
mod door;
mod robots;
mod secrets;

pub(crate) use client::WebClient;
