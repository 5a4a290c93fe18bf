//! The patrol: it looks for changes that nobody was told of, of all tasks that are followed, in few statements.

use std::{collections::HashMap, convert::Infallible, time::Duration};

use jobs_core::TaskId;

use crate::app::App;

/// A word that was lost costs a follower so long at most.
const ROUND: Duration = Duration::from_secs(15);
/// So many tasks are asked for at once.
const BATCH: usize = 1_000;

/// Walks for as long as it is polled.
pub(crate) async fn patrol(app: &App) -> Infallible {
    loop {
        tokio::time::sleep(ROUND).await;
        let known = app.feeds.positions();
        for batch in known.chunks(BATCH) {
            look(app, batch).await;
        }
    }
}

async fn look(app: &App, known: &[(TaskId, i64)]) {
    let ids: Vec<TaskId> = known.iter().map(|(task, _)| *task).collect();
    // While Postgres is away the next round will do.
    let Ok(positions) = app.store.positions(&ids).await else { return };
    let positions: HashMap<TaskId, i64> = positions.into_iter().collect();
    // Also those that are gone: who follows them has to find out.
    let changed = known.iter().filter(|(task, known)| positions.get(task).is_none_or(|seq| seq > known));
    changed.for_each(|(task, _)| app.hub.wake(*task));
}
