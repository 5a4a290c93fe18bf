//! One page of a list.

use schemars::JsonSchema;
use serde::Serialize;

use super::TaskView;

/// One page of a list that is read on from the last item.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) data: Vec<T>,
    /// Whether there are more behind them.
    pub(crate) has_more: bool,
}

/// One page of tasks, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TaskPage {
    /// The tasks.
    pub(crate) data: Vec<TaskView>,
    /// Whether there are more behind them.
    pub(crate) has_more: bool,
    /// The `cursor` of the next page, if there is one.
    pub(crate) next_cursor: Option<String>,
}
