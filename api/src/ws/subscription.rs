//! A subscription: which tasks somebody on a socket wants to hear of, and how far each was told.

use std::{collections::HashMap, sync::Arc};

use jobs_core::TaskId;
use jobs_queue::{Inbox, Watch};

use super::{inbound::Wanted, topics::Listening};
use crate::{app::App, follow::Feed};

/// One subscription of a socket.
pub(super) struct Subscription {
    /// The client's name for it.
    pub(super) id: Arc<str>,
    pub(super) wanted: Wanted,
    pub(super) cursors: HashMap<TaskId, Cursor>,
    /// The word of new tasks, for a tag or a group.
    pub(super) _listening: Option<Listening>,
}

/// How far a task was told.
pub(super) struct Cursor {
    pub(super) feed: Arc<Feed>,
    pub(super) watch: Watch,
    /// The number of the last event that was told.
    pub(super) after: i64,
    /// The client was at the end once: what it is behind now came since.
    pub(super) is_live: bool,
    /// Events before the next one were left out.
    pub(super) has_gap: bool,
    /// `done` was told.
    pub(super) is_over: bool,
}

impl Cursor {
    /// A cursor behind number `after`; `inbox` hears of changes from now on.
    pub(super) fn new(app: &App, task: TaskId, after: i64, inbox: &Arc<Inbox>) -> Self {
        let feed = app.feeds.follow(&app.hub, task);
        let watch = feed.watch();
        watch.tell(inbox);
        Self { feed, watch, after, is_live: false, has_gap: false, is_over: false }
    }
}

impl Subscription {
    /// Whether everything was told that there will ever be.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.wanted, Wanted::Tasks(_)) && self.cursors.values().all(|cursor| cursor.is_over)
    }

    /// Forgets tasks that have ended, to make room. Of a tag or a group alone: the others count what is left.
    pub(super) fn forget_ended(&mut self) {
        if !matches!(self.wanted, Wanted::Tasks(_)) {
            self.cursors.retain(|_, cursor| !cursor.is_over);
        }
    }
}
