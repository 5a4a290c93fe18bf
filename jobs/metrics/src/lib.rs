//! What a process counts of itself, and how Prometheus reads it.
//!
//! Whoever counts has statics of its own and writes them on a [`Page`] when it is asked to. To count is an atomic addition, and a
//! look at a map that hardly ever changes where there is a name to it. Nothing in here knows what a task is.

mod count;
mod histogram;
mod listen;
mod names;
mod page;
mod process;

pub use count::{Counter, Gauge, Raised};
pub use histogram::Histogram;
pub use listen::{Exposition, listen};
pub use names::{Names, OTHER};
pub use page::{Family, Page, Sort, TYPE};
pub use process::process;
