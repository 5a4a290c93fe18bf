//! The queue: what is ready to run now, and who holds it. The only crate that talks to Redis.
//!
//! Everything here is derived from the rows in Postgres and may vanish at any time: it is rebuilt. An entry too many
//! costs a look at a row, an entry too few is found by the dispatcher. What deliberately is not here: states, attempts, due
//! times, results.

mod backend;
mod epoch;
mod eviction;
mod fetch;
mod fresh;
mod hub;
mod integrity;
mod limits;
mod load;
mod manners;
mod metrics;
#[cfg(test)]
mod numbers;
mod position;
mod queue;
mod rate;
mod script;
mod server;
mod taken;
mod wake;

pub use backend::{Feed, Source};
pub use epoch::Rebuild;
pub use eviction::Eviction;
pub use fresh::Mark;
pub use hub::{Hub, Inbox, News, Watch};
pub use integrity::{Recount, Walk};
pub use jobs_core::Ticket;
pub use limits::Depth;
pub use load::Load;
pub use manners::{Door, Manners, Visit};
pub use metrics::expose;
pub use position::{Position, Turns};
pub use queue::{Queue, QueueError};
pub use rate::Counted;
pub use taken::{Taken, Turn};
pub use wake::Wake;
