//! Following tasks: their events as they happen, for however many clients.
//!
//! The rows are the only source: what wakes us says nothing itself, so a lost or a doubled word makes neither a gap nor a
//! repetition. Those who follow one task share a [`Feed`], so that one read serves them all.

mod feed;
mod patrol;
mod stream;
mod told;

pub(crate) use feed::{Feed, Feeds};
pub(crate) use patrol::patrol;
pub(crate) use stream::events;
pub(crate) use told::Told;
