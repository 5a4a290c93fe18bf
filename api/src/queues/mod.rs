//! The operations on queues and their groups, a file each.

pub(crate) mod get;
pub(crate) mod group;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod put;
mod view;

pub(crate) use view::{GroupView, QueueView};
