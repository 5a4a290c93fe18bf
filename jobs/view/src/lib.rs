//! The task as everybody outside reads it: in answers of the API, in its streams, and in what webhooks carry. One object, made in one
//! place, so that they never differ.

mod artifact;
pub mod clock;
mod links;
pub mod sign;
mod task;

pub use artifact::ArtifactView;
pub use links::Links;
pub use task::{ErrorView, Metrics, ProgressView, Status, StatusReason, TaskView, Urls};
