//! Queues and groups as clients see them.

use std::collections::BTreeMap;

use jobs_core::{GroupKey, GroupSettings, ProjectId, QueueSettings};
use jobs_queue::Depth;
use jobs_store::WorkerRow;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{app::App, problem::Problem};

/// A queue.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Queue")]
pub(crate) struct QueueView {
    /// Its name, as `queue` of a task.
    name: String,
    /// What was said of it.
    settings: QueueSettings,
    /// What it holds now; left out while Redis, which counts, is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Counts>,
    /// So many living workers serve it.
    workers: usize,
    /// So many of its tasks can run at once on them.
    slots: u64,
}

/// What a queue holds.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "QueueCounts")]
struct Counts {
    /// So many tasks wait.
    queued: u64,
    /// So many are taken by workers.
    running: u64,
    /// So many groups have tasks that can start.
    groups_ready: u64,
    /// So many groups have tasks that their limits keep back.
    groups_limited: u64,
}

/// A group of a queue.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Group")]
pub(crate) struct GroupView {
    /// Its name, as `group` of a task.
    name: String,
    /// The queue it belongs to.
    queue: String,
    /// What was said of it alone.
    settings: GroupSettings,
    /// What holds for it, with the `group_defaults` of its queue.
    effective: GroupSettings,
    /// So many of its tasks wait; left out while Redis, which counts, is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    queued: Option<u64>,
    /// So many of them are taken by workers.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<u64>,
}

impl QueueView {
    /// The queue `name` as it stands.
    pub(crate) async fn of(app: &App, name: &str) -> Result<Self, Problem> {
        let settings = app.store.queues().await?.into_iter().find(|queue| queue.name == name);
        let settings = settings.map(|queue| queue.settings).unwrap_or_default();
        Ok(Self::new(app, name.to_owned(), settings, &app.store.workers().await?).await)
    }

    /// All queues of which anything is known: a kind uses it, a worker serves it, or somebody said something of it.
    pub(crate) async fn all(app: &App) -> Result<Vec<Self>, Problem> {
        let workers = app.store.workers().await?;
        let mut queues: BTreeMap<String, QueueSettings> = BTreeMap::new();
        let of_kinds = app.registry.iter().map(|kind| kind.spec().queue.to_owned());
        let of_workers = workers.iter().flat_map(|worker| worker.queues.keys().cloned());
        queues.extend(of_kinds.chain(of_workers).map(|name| (name, QueueSettings::default())));
        queues.extend(app.store.queues().await?.into_iter().map(|queue| (queue.name, queue.settings)));
        let mut views = Vec::with_capacity(queues.len());
        for (name, settings) in queues {
            views.push(Self::new(app, name, settings, &workers).await);
        }
        Ok(views)
    }

    async fn new(app: &App, name: String, settings: QueueSettings, workers: &[WorkerRow]) -> Self {
        let slots: Vec<u64> =
            workers.iter().filter_map(|worker| worker.queues.get(&name)).map(|slots| u64::from(*slots)).collect();
        let counts = app.queue.depth(&name).await.ok().map(Counts::from);
        Self { name, settings, counts, workers: slots.len(), slots: slots.iter().sum() }
    }
}

impl GroupView {
    /// A group of a project as it stands.
    pub(crate) async fn of(app: &App, project: ProjectId, queue: &str, name: &str) -> Result<Self, Problem> {
        let key = GroupKey::new(project, name);
        let queues = app.store.queues().await?;
        let defaults = queues.into_iter().find(|known| known.name == queue).map(|known| known.settings.group_defaults);
        let settings = app.store.groups(queue).await?.remove(&key).unwrap_or_default();
        let depths = app.queue.group_depths(queue, &[&key]).await.ok();
        let (queued, running) = depths.and_then(|depths| depths.first().copied()).unzip();
        let effective = settings.over(&defaults.unwrap_or_default());
        Ok(Self { name: name.to_owned(), queue: queue.to_owned(), settings, effective, queued, running })
    }
}

impl From<Depth> for Counts {
    fn from(depth: Depth) -> Self {
        Self {
            queued: depth.ready,
            running: depth.held,
            groups_ready: depth.groups,
            groups_limited: depth.groups_waiting,
        }
    }
}
