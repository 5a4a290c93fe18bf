//! What clients read, as types: written for them, while what is behind is ours to change.

pub(crate) mod event;
pub(crate) mod explanation;
pub(crate) mod page;

pub(crate) use event::EventView;
pub(crate) use explanation::Explanation;
pub(crate) use jobs_view::{ArtifactView, ErrorView, TaskView};
pub(crate) use page::{Page, TaskPage};
