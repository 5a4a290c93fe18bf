//! The truth: everything that Longshore must not forget, in Postgres. The only crate that holds SQL.
//!
//! States are written by [`transition`] alone, one guarded statement a transition, as [`jobs_core::state`] decides.
//! Every statement is its own transaction: none is open while work runs. Only the clock of Postgres tells the time.

#[macro_use]
mod connection;
#[macro_use]
mod row;
mod artifact;
mod audit;
mod depth;
mod error;
mod event;
mod follow;
mod forecast;
mod holders;
mod integrity;
mod key;
mod leader;
mod lease;
mod list;
mod listen;
mod metrics;
mod migrate;
mod price;
mod project;
mod queues;
mod read;
mod report;
mod retain;
mod schedule;
mod server;
mod stats;
mod times;
pub mod transition;
pub mod webhook;

pub use artifact::Artifact;
pub use audit::Position;
pub use connection::{Store, StoreConfig};
pub use depth::Waiting;
pub use error::StoreError;
pub use event::{EventRow, EventType};
pub use follow::{Label, News};
pub use forecast::{Forecast, Foretold, ForetoldOutcome};
pub use integrity::{Integrity, Round, Stand};
pub use key::{Ended, KeyRow, NewKey, Until};
pub use leader::{Leadership, Pulse};
pub use lease::{Beat, Heart, WorkerRow};
pub use list::{Filter, Order, Page};
pub use listen::{Channel, Listener};
pub use migrate::{MIGRATOR, migrate};
pub use price::{OfferFilter, OfferRow, Point, PriceRun, ProviderRow, Unknown};
pub use project::ProjectRow;
pub use queues::QueueRow;
pub use report::{Report, Word};
pub use schedule::{Ahead, Created, NewSchedule, Outcome, ScheduleRow, ScheduleRun};
pub use server::Server;
pub use stats::{COUNTED, Count, Done};
pub use times::{Measure, Measured, Outcomes, Place};
