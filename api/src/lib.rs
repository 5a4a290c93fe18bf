//! The HTTP API: everything that clients of Longshore see.
//!
//! A request passes `request` (id, body, time, problems), then a route of `router`, one file per operation. What can go
//! wrong is one table, `problem`. The API writes tasks and reads them; it runs none, and links no engine.

mod accept;
pub mod access;
mod admission;
mod app;
mod body;
mod cache;
mod calibration;
mod caller;
mod cors;
mod courier;
mod crowd;
mod cursor;
mod docs;
mod etag;
mod expect;
mod follow;
mod foretell;
mod idempotency;
mod integrity;
mod keys;
mod kinds;
mod links;
mod listen;
mod metrics;
mod openapi;
mod path;
mod prefer;
mod prices;
mod problem;
mod problems;
mod projects;
mod providers;
mod query;
mod queues;
mod range;
mod rate;
mod request;
mod router;
mod schedules;
mod serve;
mod stats;
mod submitter;
mod system;
mod tasks;
mod videos;
mod view;
mod webhooks;
mod ws;

use jobs_view::{clock, sign};

pub use serve::{serve, serve_on};

/// The OpenAPI document of this API, as it is served at `/api/v1/openapi.json`.
#[must_use]
pub fn openapi() -> serde_json::Value {
    openapi::document(&jobs_kinds::registry())
}
