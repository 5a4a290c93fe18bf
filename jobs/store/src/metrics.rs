//! What the store counts of itself.

use jobs_metrics::{Counter, Page, Sort};

use crate::Store;

/// Connections that were opened.
pub(crate) static CONNECTS: Counter = Counter::new();
/// Statements that found no Postgres, or none in time.
pub(crate) static UNAVAILABLE: Counter = Counter::new();
/// Statements that Postgres did not accept.
pub(crate) static REFUSED: Counter = Counter::new();

impl Store {
    /// Writes what there is to say about Postgres.
    pub fn expose(&self, page: &mut Page) {
        let errors =
            "Statements that failed: Postgres was away or too slow (unavailable), or did not accept them (refused).";
        let mut family = page.family("longshore_postgres_errors_total", Sort::Counter, errors);
        family.count(&[("type", "unavailable")], UNAVAILABLE.get());
        family.count(&[("type", "refused")], REFUSED.get());
        let help = "Connections to Postgres that were opened; more than the pool holds are reconnects.";
        page.counter("longshore_postgres_connects_total", help, &CONNECTS);
        let (open, idle, most) = self.connections();
        let mut family =
            page.family("longshore_postgres_connections", Sort::Gauge, "Connections of the pool, by what they do.");
        family.value(&[("state", "busy")], f64::from(open.saturating_sub(idle)));
        family.value(&[("state", "idle")], f64::from(idle));
        page.family("longshore_postgres_connections_max", Sort::Gauge, "Connections that the pool may have.")
            .value(&[], f64::from(most));
    }
}
