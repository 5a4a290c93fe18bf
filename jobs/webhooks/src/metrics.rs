//! What a deliverer counts of itself.

use jobs_metrics::{Counter, Gauge, Histogram, Page, Sort};

/// Bounds of the time that a request takes, in seconds.
const REQUEST: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0];
pub(crate) static MESSAGES: Counter = Counter::new();
pub(crate) static MADE: Counter = Counter::new();
pub(crate) static RECEIVED: Counter = Counter::new();
pub(crate) static NOT_RECEIVED: Counter = Counter::new();
pub(crate) static GIVEN_UP: Counter = Counter::new();
pub(crate) static CANCELED: Counter = Counter::new();
pub(crate) static FENCED: Counter = Counter::new();
pub(crate) static DISABLED: Counter = Counter::new();
pub(crate) static SENDING: Gauge = Gauge::new();
pub(crate) static SURE_LANES: Gauge = Gauge::new();
pub(crate) static DOUBTFUL_LANES: Gauge = Gauge::new();
pub(crate) static TOOK: Histogram = Histogram::new(REQUEST);

/// Writes them on a page.
pub fn expose(page: &mut Page) {
    page.counter("longshore_webhook_messages_total", "Messages made of events.", &MESSAGES);
    page.counter("longshore_webhook_deliveries_total", "Deliveries made of messages, one for each receiver.", &MADE);
    let mut attempts =
        page.family("longshore_webhook_attempts_total", Sort::Counter, "Requests of webhooks, by how they ended.");
    attempts.count(&[("outcome", "received")], RECEIVED.get());
    attempts.count(&[("outcome", "failed")], NOT_RECEIVED.get());
    page.counter(
        "longshore_webhook_given_up_total",
        "Deliveries that were not received and are not tried again.",
        &GIVEN_UP,
    );
    page.counter("longshore_webhook_canceled_total", "Deliveries that nobody was left to receive.", &CANCELED);
    page.counter(
        "longshore_webhook_fenced_total",
        "Words of this deliverer that came too late and changed nothing.",
        &FENCED,
    );
    page.counter(
        "longshore_webhook_disabled_total",
        "Endpoints that were disabled: they are gone, or failed for too long.",
        &DISABLED,
    );
    page.gauge("longshore_webhook_requests", "Requests of webhooks that are being made.", &SENDING);
    let mut lanes = page.family(
        "longshore_webhook_lanes",
        Sort::Gauge,
        "Endpoints and hosts that are served at this moment, by whether they answered lately.",
    );
    lanes.value(&[("answered", "yes")], SURE_LANES.get() as f64);
    lanes.value(&[("answered", "no")], DOUBTFUL_LANES.get() as f64);
    page.family("longshore_webhook_request_seconds", Sort::Histogram, "How long requests of webhooks take.")
        .histogram(&[], &TOOK);
}
