//! The operations on tasks, a file each.

pub(crate) mod actions;
pub(crate) mod artifact;
pub(crate) mod artifacts;
pub(crate) mod attempts;
pub(crate) mod batch;
pub(crate) mod cancel;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod replay;
pub(crate) mod retry;
pub(crate) mod submission;
pub(crate) mod wait;
