//! What handlers share.

use std::{sync::Arc, time::Duration};

use jobs_artifacts::Artifacts;
use jobs_core::{Registry, schema::Schema};
use jobs_queue::{Hub, Queue};
use jobs_store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    access::Access,
    cache::TaskCache,
    cors::Origins,
    courier::Courier,
    crowd::Crowd,
    expect::Expectations,
    follow::Feeds,
    foretell,
    metrics::Load,
    rate::{Limiter, Policies, Proxies},
    sign::Signer,
    submitter::Submitter,
    webhooks::Receivers,
    ws::{Sockets, Topics},
};

/// What handlers share, as they hold it.
pub(crate) type Shared = Arc<App>;

/// What handlers share.
pub(crate) struct App {
    /// Who may come in.
    pub(crate) access: Access,
    /// The truth.
    pub(crate) store: Store,
    /// What is ready to run; only ever told, never asked.
    pub(crate) queue: Queue,
    /// Wakes those who wait for a task.
    pub(crate) hub: Hub,
    /// What those who follow tasks share.
    pub(crate) feeds: Feeds,
    /// Tags and groups that somebody listens to.
    pub(crate) topics: Topics,
    /// The sockets that are open.
    pub(crate) sockets: Sockets,
    /// Tasks as they were answered.
    pub(crate) cache: TaskCache,
    /// What is expected of tasks.
    pub(crate) expectations: Expectations,
    /// Whose turn it is to be foretold.
    pub(crate) forecasts: foretell::Turns,
    /// How much waits and runs, as it was read last.
    pub(crate) load: Load,
    /// The bytes of artifacts.
    pub(crate) artifacts: Artifacts,
    /// Signs their addresses.
    pub(crate) signer: Signer,
    /// The kinds that can be submitted.
    pub(crate) registry: Registry,
    /// Takes submissions.
    pub(crate) submitter: Submitter,
    /// Tells Redis of what happened.
    pub(crate) courier: Courier,
    /// What a submission looks like, its input aside.
    pub(crate) envelope: Schema,
    /// What is said of receivers of webhooks before they are stored.
    pub(crate) receivers: Receivers,
    /// Counts what is limited.
    pub(crate) limiter: Limiter,
    /// How often somebody may ask.
    pub(crate) policies: Policies,
    /// Whose word about addresses counts.
    pub(crate) proxies: Proxies,
    /// Whose pages may read answers.
    pub(crate) origins: Origins,
    /// The places for requests.
    pub(crate) crowd: Crowd,
    /// Cancelled when nothing new should be begun: waits and streams end.
    pub(crate) stopping: CancellationToken,
    /// The document that describes this API, as it is served.
    pub(crate) openapi: bytes::Bytes,
    /// Where clients reach this server, when it is not where they sent their request.
    pub(crate) public_url: Option<String>,
    /// The largest body.
    pub(crate) body_limit_bytes: usize,
    /// The longest that a request may take.
    pub(crate) request_timeout: Duration,
    /// What has ended is kept for so long at least; none is for ever.
    pub(crate) kept: Option<Duration>,
    /// When this process began to serve.
    pub(crate) began: Instant,
}

#[cfg(test)]
impl App {
    /// An app whose servers are away, and that asks for no key.
    pub(crate) fn without_servers() -> Shared {
        use jobs_runtime::ServerSecret;

        use crate::access::Gates;
        let store = jobs_store::StoreConfig::new("postgres://localhost:1/none");
        let store = Store::new(&store).expect("a URL");
        let queue = Queue::open("redis://localhost:1", "test").expect("a URL");
        let stopping = CancellationToken::new();
        let registry = jobs_kinds::registry();
        let hub = Hub::start(&queue, stopping.clone());
        let courier = Courier::start(queue.clone(), hub.clone()).0;
        Arc::new(Self {
            feeds: Feeds::default(),
            load: Load::default(),
            topics: Topics::default(),
            sockets: Sockets::default(),
            cache: TaskCache::new(hub.clone(), 0),
            expectations: Expectations::new(store.clone()),
            forecasts: foretell::Turns::default(),
            signer: Signer::of(&ServerSecret::random()),
            hub,
            submitter: Submitter::start(store.clone(), queue.clone(), courier.clone()),
            courier,
            access: Access::open(Gates::read(&crate::openapi::document(&registry)), ServerSecret::random()),
            store,
            artifacts: Artifacts::open("memory:///").expect("a URL"),
            openapi: serde_json::to_vec(&crate::openapi::document(&registry)).expect("JSON").into(),
            registry,
            envelope: Schema::of::<crate::tasks::submission::CreateTask>(),
            receivers: Receivers::of_the_internet(),
            limiter: Limiter::new(queue.clone()),
            policies: Policies::default(),
            proxies: Proxies::default(),
            origins: Origins::default(),
            crowd: Crowd::new(100, 100),
            queue,
            stopping,
            public_url: Some("https://jobs.example".to_owned()),
            body_limit_bytes: 1024,
            request_timeout: Duration::from_secs(10),
            kept: None,
            began: Instant::now(),
        })
    }
}
