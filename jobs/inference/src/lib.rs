//! What can be asked of models, which models there are, and what an answer costs. No I/O, and no engine.
//!
//! A request is checked here as a client sent it, joined with the defaults of its model, and passed to an engine through
//! the port ([`jobs_core::port::model`]). Whether the form of an answer can be kept to is decided here, too: the API
//! refuses a schema before a task is made, by the same code that an engine runs.

pub mod grammar;
pub mod input;
pub mod narrow;
pub mod output;
pub mod parameters;
pub mod price;
pub mod registry;

pub use input::InferInput;
pub use output::{InferOutput, conform};
pub use parameters::Parameters;
pub use price::{Cost, Price};
pub use registry::Registry;
