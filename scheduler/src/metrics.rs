//! What a scheduler counts of itself.

use jobs_metrics::{Counter, Gauge, Histogram, Page, Sort, process};
use jobs_store::Store;

/// 1 while this one leads.
pub(crate) static LEADING: Gauge = Gauge::new();
/// Workers whose lease ended without a goodbye.
pub(crate) static WORKERS_LOST: Counter = Counter::new();
/// Tasks that such workers held.
pub(crate) static TAKEN_BACK: Counter = Counter::new();
/// Tasks that became due.
pub(crate) static DUE: Counter = Counter::new();
/// Tasks whose deadline passed before they could start.
pub(crate) static EXPIRED: Counter = Counter::new();
/// Queued tasks that Redis did not have.
pub(crate) static PUSHED_LATE: Counter = Counter::new();
/// Times that the index in Redis was built anew.
pub(crate) static REBUILDS: Counter = Counter::new();
/// Fires of schedules that made a task.
pub(crate) static FIRED: Counter = Counter::new();
/// Fires whose task waits for that of an earlier one.
pub(crate) static FIRES_WAITING: Counter = Counter::new();
/// Fires that could make none.
pub(crate) static FIRES_FAILED: Counter = Counter::new();
/// From the time of a fire to the commit of its task.
pub(crate) static LATENESS: Histogram = Histogram::new(Histogram::ANSWERS);

/// Why fires are left out, with how often they were: a row for a fire, or for many that were left out together.
static SKIPPED: [(&str, Counter); 4] =
    [("overlap", Counter::new()), ("missed", Counter::new()), ("too_many", Counter::new()), ("paused", Counter::new())];

/// Counts a fire that was left out.
pub(crate) fn skipped(reason: &str) {
    if let Some((_, counter)) = SKIPPED.iter().find(|(known, _)| *known == reason) {
        counter.one();
    }
}

/// What there is to read of this scheduler.
pub(crate) fn page(store: &Store) -> Page {
    let mut page = Page::default();
    process(&mut page, env!("CARGO_PKG_VERSION"), "scheduler");
    store.expose(&mut page);
    jobs_queue::expose(&mut page);
    jobs_webhooks::expose(&mut page);
    page.gauge("longshore_scheduler_leading", "1 while this scheduler leads; of all of them one does.", &LEADING);
    for (name, help, counter) in [
        ("longshore_workers_lost_total", "Workers whose lease ended without a goodbye.", &WORKERS_LOST),
        ("longshore_tasks_taken_back_total", "Tasks that were held by workers that are gone.", &TAKEN_BACK),
        ("longshore_tasks_due_total", "Tasks whose time came: of a schedule, a delay or a retry.", &DUE),
        ("longshore_tasks_expired_total", "Tasks whose deadline passed before they could start.", &EXPIRED),
        ("longshore_tasks_pushed_late_total", "Queued tasks that Redis did not have and got.", &PUSHED_LATE),
        ("longshore_index_rebuilds_total", "Times that the index in Redis was built anew.", &REBUILDS),
    ] {
        page.counter(name, help, counter);
    }
    schedules(&mut page);
    page
}

/// What became of the fires of schedules.
fn schedules(page: &mut Page) {
    let help = "Fires of schedules by what became of them; skipped ones with the reason.";
    let mut family = page.family("longshore_schedule_fires_total", Sort::Counter, help);
    family.count(&[("outcome", "fired"), ("reason", "")], FIRED.get());
    family.count(&[("outcome", "waiting"), ("reason", "")], FIRES_WAITING.get());
    family.count(&[("outcome", "failed"), ("reason", "")], FIRES_FAILED.get());
    for (reason, counter) in &SKIPPED {
        family.count(&[("outcome", "skipped"), ("reason", reason)], counter.get());
    }
    let help = "From the time of a fire to the commit of its task.";
    page.family("longshore_schedule_lateness_seconds", Sort::Histogram, help).histogram(&[], &LATENESS);
}
