//! The only place that writes states: one guarded statement a transition, many tasks in one statement where they arrive
//! together, each with its row of history in the same commit.
//!
//! The guards spell [`jobs_core::State::on`] in SQL; a test drives every event through every state and compares.

mod bulk;
mod cancel;
mod claim;
mod depend;
mod due;
mod expire;
mod finish;
mod fire;
mod reap;
mod remove;
mod reopen;
mod submit;

pub use bulk::{Act, Hit, Selection};
pub use claim::Claim;
pub use depend::Settled;
pub use finish::{Finish, Finished, Recorded};
pub use fire::{Fate, Fired, Firing, Occasion, Planned, Unmade};
pub use reap::Reaped;
pub use remove::Removed;
pub use submit::Submitted;
