//! A delivery on its way: it waits for its turn, is sent, and says what became of it.

use std::{sync::Arc, time::Duration};

use jobs_outbound::Outbound;
use jobs_runtime::secret::DerivedSecret;
use jobs_store::webhook::{Attempted, Claimed, Outcome, Receiver};
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    lane::Lane,
    law::{Law, Verdict},
    metrics::{NOT_RECEIVED, RECEIVED, SENDING, TOOK},
    recorder::Done,
    send::send,
    slots::Slots,
};

/// What all deliveries share on their way.
pub(crate) struct Sender {
    outbound: Outbound,
    under: DerivedSecret,
    law: Law,
    timeout: Duration,
    slots: Slots,
    done: UnboundedSender<Done>,
}

impl Sender {
    pub(crate) fn new(
        outbound: Outbound,
        under: DerivedSecret,
        law: Law,
        timeout: Duration,
        slots: Slots,
        done: UnboundedSender<Done>,
    ) -> Self {
        Self { outbound, under, law, timeout, slots, done }
    }

    /// Brings a delivery of a lane to its receiver, and says what became of it.
    pub(crate) async fn deliver(self: Arc<Self>, lane: Arc<Lane>, claimed: Claimed) {
        let delivery = claimed.id;
        let (said, gone) = match &claimed.receiver {
            // Nobody is asked, so it waits for nobody.
            None => (Some(said(&lane, &claimed, Outcome::Canceled)), None),
            Some(receiver) => match self.attempt(&lane, &claimed, receiver).await {
                Some((said, is_gone)) => (Some(said), receiver.webhook.filter(|_| is_gone)),
                None => (None, None),
            },
        };
        // Nobody listens any more when the process ends.
        let _ = self.done.send(Done { lane, delivery, said, gone });
    }

    /// Sends it when it is its turn; nothing when it is given back instead.
    async fn attempt(&self, lane: &Lane, claimed: &Claimed, receiver: &Receiver) -> Option<(Attempted, bool)> {
        let _turn = lane.requests.acquire().await.ok()?;
        if !lane.may_begin() {
            return None;
        }
        let sending = async {
            // It may have waited for a slot.
            if !lane.may_begin() {
                return None;
            }
            let _sending = SENDING.raise();
            Some(send(&self.outbound, &self.under, self.timeout, claimed, receiver).await)
        };
        let sent = self.slots.attempt(lane.is_doubtful(), sending).await?;
        TOOK.observe(sent.report.took);
        lane.note(sent.verdict, sent.retry_after, self.law);
        let tried = claimed.tried + 1;
        let outcome = match sent.verdict {
            Verdict::Received => {
                RECEIVED.one();
                Outcome::Succeeded
            }
            Verdict::Gone => {
                NOT_RECEIVED.one();
                Outcome::Failed
            }
            Verdict::NotReceived { .. } => {
                NOT_RECEIVED.one();
                let wait = self.law.wait(tried, sent.retry_after, rand::random());
                wait.map_or(Outcome::Failed, Outcome::Retry)
            }
        };
        let said = Attempted { attempt: Some(sent.report), ..said(lane, claimed, outcome) };
        Some((said, sent.verdict == Verdict::Gone))
    }
}

fn said(lane: &Lane, claimed: &Claimed, outcome: Outcome) -> Attempted {
    Attempted { delivery: claimed.id, lane: lane.id, epoch: lane.epoch, outcome, attempt: None }
}
