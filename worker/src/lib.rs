//! The process that runs tasks.
//!
//! Two sides that never wait for each other: the control side fetches, beats, records; the attempts run on a runtime of their own,
//! so that a kind that blocks its thread is neither taken for a dead worker nor keeps results from being recorded.

mod alone;
mod attempt;
mod audit;
mod book;
mod control;
mod courier;
mod fetch;
mod held;
mod host;
mod lane;
mod life;
mod limits;
pub mod media;
mod metrics;
mod quarantine;
mod recorder;
mod reporter;
mod scratch;
mod source;
mod tally;
mod unfenced;
mod web;
mod worker;

pub use alone::run_alone;
pub use limits::Limits;
pub use worker::run;
