//! What a worker counts of itself.

use std::{sync::Arc, time::Duration};

use jobs_core::Event;
use jobs_metrics::{Counter, Gauge, Histogram, Names, Page, Sort, process};
use jobs_store::Store;

/// So many queues, and kinds of each, have numbers of their own.
const NAMES: usize = 50;

/// Attempts by queue and kind.
static ATTEMPTS: Names<Names<Meter>> = Names::new(NAMES, || Names::new(NAMES, Meter::new));
/// Lives that ended before the worker did.
pub(crate) static LEASES_LOST: Counter = Counter::new();
/// Words and results that came too late: the attempt was not ours any more.
pub(crate) static FENCED: Counter = Counter::new();
/// Ends that are on their way to the database.
pub(crate) static RECORDING: Gauge = Gauge::new();

/// Runs that asked for prices, by what came of them.
static PRICES: Names<Counter> = Names::new(NAMES, Counter::new);

/// A run that asked for prices was kept.
pub(crate) fn priced(outcome: &str) {
    PRICES.of(outcome).one();
}

/// What is counted of the attempts of one kind in one queue.
#[derive(Debug)]
pub(crate) struct Meter {
    wait: Histogram,
    run: Histogram,
    pub(crate) running: Gauge,
    /// By outcome, as [`OUTCOMES`] names them.
    ended: [Counter; OUTCOMES.len()],
}

/// How attempts end: by what moves the task, or because it was not ours any more.
const OUTCOMES: [&str; 6] = ["succeed", "fail", "retry", "stop", "release", "fenced"];

impl Meter {
    const fn new() -> Self {
        let (wait, run) = (Histogram::new(Histogram::WORK), Histogram::new(Histogram::WORK));
        Self { wait, run, running: Gauge::new(), ended: [const { Counter::new() }; OUTCOMES.len()] }
    }

    /// The numbers of a kind in a queue.
    pub(crate) fn of(queue: &str, kind: &str) -> Arc<Self> {
        ATTEMPTS.of(queue).of(kind)
    }

    /// An attempt began, after its task waited so long.
    pub(crate) fn begin(&self, waited: Option<Duration>) {
        if let Some(waited) = waited {
            self.wait.observe(waited);
        }
    }

    /// An attempt ended; without an event it was not ours any more.
    pub(crate) fn end(&self, event: Option<Event>, took: Duration) {
        self.run.observe(took);
        let outcome = event.map_or("fenced", Event::name);
        if let Some(place) = OUTCOMES.iter().position(|known| *known == outcome) {
            self.ended[place].one();
        }
    }
}

/// What there is to read of this worker.
pub(crate) fn page(store: &Store) -> Page {
    let mut page = Page::default();
    process(&mut page, env!("CARGO_PKG_VERSION"), "worker");
    store.expose(&mut page);
    jobs_queue::expose(&mut page);
    page.counter(
        "longshore_leases_lost_total",
        "Leases that ended while the worker lived: its attempts were stopped.",
        &LEASES_LOST,
    );
    page.counter("longshore_fenced_writes_total", "Results that came too late and were refused.", &FENCED);
    page.gauge("longshore_results_pending", "Ends of attempts that are on their way to the database.", &RECORDING);
    attempts(&mut page);
    let help = "Runs that asked for prices, by outcome: ok, no_price, suspicious, fetch, ...";
    let mut family = page.family("longshore_price_runs_total", Sort::Counter, help);
    for (outcome, counter) in PRICES.all() {
        family.count(&[("outcome", &outcome)], counter.get());
    }
    page
}

fn attempts(page: &mut Page) {
    let queues = ATTEMPTS.all();
    let all: Vec<_> = queues
        .iter()
        .flat_map(|(queue, kinds)| kinds.all().into_iter().map(move |(kind, meter)| (queue, kind, meter)))
        .collect();
    let rows = || all.iter().map(|(queue, kind, meter)| ([("queue", &***queue), ("kind", &**kind)], meter));
    let help = "Time from when a task was ready to when an attempt began.";
    let mut family = page.family("longshore_task_wait_seconds", Sort::Histogram, help);
    rows().for_each(|(labels, meter)| family.histogram(&labels, &meter.wait));
    let mut family = page.family("longshore_task_run_seconds", Sort::Histogram, "Time that an attempt ran.");
    rows().for_each(|(labels, meter)| family.histogram(&labels, &meter.run));
    let mut family = page.family("longshore_attempts_running", Sort::Gauge, "Attempts that run now.");
    rows().for_each(|(labels, meter)| family.value(&labels, meter.running.get() as f64));
    let help = "Attempts that ended, by how: succeed, fail, retry (it is tried again), stop (canceled), release (given back), fenced.";
    let mut family = page.family("longshore_attempts_total", Sort::Counter, help);
    for ([queue, kind], meter) in rows() {
        for (outcome, counter) in OUTCOMES.iter().zip(&meter.ended) {
            family.count(&[queue, kind, ("outcome", outcome)], counter.get());
        }
    }
}
