//! Writes down what became of deliveries: whatever arrives together in one statement, again and again until it is written.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jobs_core::{DelivererId, DeliveryId, LaneId, WebhookId};
use jobs_store::{
    Store,
    webhook::{Attempted, DisabledReason, LaneNews, Outcome},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tracing::{info, warn};

use crate::{
    lane::Lane,
    law::Law,
    metrics::{CANCELED, DISABLED, FENCED, GIVEN_UP},
};

/// At most so many in one statement.
const BATCH: usize = 500;
/// How long it waits while Postgres is away.
const AGAIN: Duration = Duration::from_millis(500);

/// A delivery that left the hand.
pub(crate) struct Done {
    pub(crate) lane: Arc<Lane>,
    pub(crate) delivery: DeliveryId,
    /// What became of it; nothing when it was given back as it was.
    pub(crate) said: Option<Attempted>,
    /// The endpoint, if it said that it is gone.
    pub(crate) gone: Option<WebhookId>,
}

/// What was written of it.
pub(crate) struct Settled {
    /// What left the hands.
    pub(crate) deliveries: Vec<(LaneId, DeliveryId)>,
    /// Lanes that are not ours any more.
    pub(crate) lost: Vec<LaneId>,
}

/// Whoever writes.
pub(crate) struct Recorder {
    pub(crate) store: Store,
    pub(crate) me: DelivererId,
    pub(crate) law: Law,
}

impl Recorder {
    /// Writes until nobody is left who says anything.
    pub(crate) async fn run(self, mut done: UnboundedReceiver<Done>, settled: UnboundedSender<Settled>) {
        let mut batch = Vec::with_capacity(BATCH);
        while done.recv_many(&mut batch, BATCH).await > 0 {
            let lost = self.write(&mut batch).await;
            let deliveries = batch.drain(..).map(|done| (done.lane.id, done.delivery)).collect();
            // The desk may be gone: then nobody needs to know.
            let _ = settled.send(Settled { deliveries, lost });
        }
    }

    async fn write(&self, batch: &mut [Done]) -> Vec<LaneId> {
        let said: Vec<Attempted> = batch.iter_mut().filter_map(|done| done.said.take()).collect();
        if said.is_empty() {
            return Vec::new();
        }
        let of: HashSet<LaneId> = said.iter().map(|said| said.lane).collect();
        let lanes: BTreeMap<LaneId, Arc<Lane>> = batch
            .iter()
            .filter(|done| of.contains(&done.lane.id))
            .map(|done| (done.lane.id, Arc::clone(&done.lane)))
            .collect();
        let news: Vec<LaneNews> = lanes.values().map(|lane| lane.news()).collect();
        let recorded = loop {
            match self.store.record_deliveries(self.me, &said, &news).await {
                Ok(recorded) => break recorded,
                Err(error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        deliveries = said.len(),
                        "could not write deliveries down yet"
                    );
                    tokio::time::sleep(AGAIN).await;
                }
            }
        };
        for said in &said {
            match said.outcome {
                _ if !recorded.lanes.contains_key(&said.lane) => FENCED.one(),
                Outcome::Failed => GIVEN_UP.one(),
                Outcome::Canceled => CANCELED.one(),
                Outcome::Succeeded | Outcome::Retry(_) => {}
            }
        }
        let gone: Vec<WebhookId> = batch.iter().filter_map(|done| done.gone).collect();
        self.disable(&gone, DisabledReason::Gone).await;
        let failing = lanes.values().filter(|lane| {
            let failing = recorded.lanes.get(&lane.id).copied().flatten();
            failing.is_some_and(|failing| self.law.gives_up(failing, lane.failures()))
        });
        // The lane of a host bears no endpoint's name, so that nothing happens to it.
        let failing: Vec<WebhookId> = failing.map(|lane| WebhookId(lane.id.0)).collect();
        self.disable(&failing, DisabledReason::Failing).await;
        let lost: Vec<LaneId> = lanes.into_keys().filter(|lane| !recorded.lanes.contains_key(lane)).collect();
        if !lost.is_empty() {
            warn!(lanes = lost.len(), "what was said of deliveries came too late: others deliver there");
        }
        lost
    }

    async fn disable(&self, endpoints: &[WebhookId], reason: DisabledReason) {
        if endpoints.is_empty() {
            return;
        }
        match self.store.disable_endpoints(endpoints, reason).await {
            Ok(count) if count > 0 => {
                DISABLED.add(count);
                info!(endpoints = ?endpoints, reason = reason.name(), "disabled endpoints of webhooks");
            }
            Ok(_) => {}
            // The next failure says it again.
            Err(error) => warn!(error = &error as &dyn std::error::Error, "could not disable endpoints of webhooks"),
        }
    }
}
