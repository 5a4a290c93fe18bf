//! How much waits and runs in the installation: read when somebody asks, and not more often than every few seconds.

use std::{collections::BTreeMap, time::Duration};

use jobs_core::QueueSettings;
use jobs_metrics::{OTHER, Page, Sort};
use jobs_store::{StoreError, Waiting, WorkerRow};
use tokio::{sync::Mutex, time::Instant};

use crate::app::App;

/// What was read is good for so long.
const FRESH: Duration = Duration::from_secs(3);
/// So many of the tasks that have waited longest are looked at, to tell kinds apart.
const SAMPLE: u32 = 20_000;
/// So many queues, and so many pairs of queue and kind, are told apart.
const MOST: usize = 100;

/// What was read last.
#[derive(Default)]
pub(crate) struct Load {
    read: Mutex<Option<(Instant, Reading)>>,
}

/// What one look saw.
#[derive(Default)]
struct Reading {
    queues: BTreeMap<String, Queue>,
    waiting: Vec<Waiting>,
    held: Vec<Waiting>,
    is_whole: bool,
}

/// A queue.
#[derive(Default)]
struct Queue {
    settings: QueueSettings,
    waiting: u64,
    running: u64,
    workers: u64,
    slots: u64,
}

impl Load {
    /// Writes what there is to say about queues.
    pub(super) async fn expose(&self, app: &App, page: &mut Page) {
        let mut read = self.read.lock().await;
        if read.as_ref().is_none_or(|(at, _)| at.elapsed() > FRESH) {
            let reading = Box::pin(Reading::take(app)).await.unwrap_or_else(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "metrics without the load of queues");
                Reading::default()
            });
            *read = Some((Instant::now(), reading));
        }
        if let Some((_, reading)) = &*read {
            reading.expose(page);
        }
    }
}

impl Reading {
    async fn take(app: &App) -> Result<Self, StoreError> {
        let (workers, settings, waiting, held) = tokio::try_join!(
            app.store.workers(),
            app.store.queues(),
            app.store.waiting(SAMPLE),
            app.store.held_by_kind()
        )?;
        let mut queues: BTreeMap<String, Queue> = BTreeMap::new();
        for kind in app.registry.iter() {
            queues.entry(kind.spec().queue.to_owned()).or_default();
        }
        for (queue, slots) in workers.iter().flat_map(|WorkerRow { queues, .. }| queues) {
            let queue = queues.entry(queue.clone()).or_default();
            queue.workers += 1;
            queue.slots += u64::from(*slots);
        }
        for row in settings {
            queues.entry(row.name).or_default().settings = row.settings;
        }
        for row in &waiting {
            queues.entry(row.queue.clone()).or_default().waiting += row.tasks;
        }
        for row in &held {
            queues.entry(row.queue.clone()).or_default().running += row.tasks;
        }
        // The sample says how many wait unless there are more than it holds: Redis counts them all.
        if waiting.iter().map(|row| row.tasks).sum::<u64>() >= u64::from(SAMPLE) {
            for (name, queue) in &mut queues {
                if let Ok(depth) = app.queue.depth(name).await {
                    queue.waiting = queue.waiting.max(depth.ready);
                }
            }
        }
        Ok(Self { queues, waiting, held, is_whole: true })
    }

    fn expose(&self, page: &mut Page) {
        let known = "1 when the database could be asked about queues; without it they are left out.";
        page.family("longshore_load_known", Sort::Gauge, known).value(&[], f64::from(u8::from(self.is_whole)));
        type Number = fn(&Queue) -> u64;
        let of_queues: [(&str, &str, Number); 5] = [
            ("longshore_queue_depth", "Tasks that wait in a queue and could start.", |queue| queue.waiting),
            ("longshore_queue_running", "Tasks of a queue that workers hold.", |queue| queue.running),
            ("longshore_queue_workers", "Living workers that serve a queue.", |queue| queue.workers),
            ("longshore_queue_slots", "Tasks of a queue that its workers can run at once.", |queue| queue.slots),
            (
                "longshore_workers_needed",
                "Workers that a queue needs to run all that waits at once, as far as its concurrency allows: a signal to scale by.",
                Queue::workers_needed,
            ),
        ];
        for (name, help, number) in of_queues {
            let mut family = page.family(name, Sort::Gauge, help);
            for (queue, numbers) in self.queues.iter().take(MOST) {
                family.value(&[("queue", queue)], number(numbers) as f64);
            }
        }
        let help =
            "Tasks that wait, by queue and kind; exact up to 20000 of them, else of those that have waited longest.";
        by_kind(page, "longshore_tasks_waiting", help, &self.waiting, |row| row.tasks as f64, |sum, more| sum + more);
        let help = "How long the oldest task that waits has been ready, by queue and kind.";
        by_kind(page, "longshore_tasks_oldest_seconds", help, &self.waiting, |row| row.oldest.as_secs_f64(), f64::max);
        let help = "Tasks that workers hold, by queue and kind.";
        by_kind(page, "longshore_tasks_running", help, &self.held, |row| row.tasks as f64, |sum, more| sum + more);
    }
}

impl Queue {
    fn workers_needed(&self) -> u64 {
        if self.settings.paused {
            return 0;
        }
        let most = self.settings.concurrency.map_or(u64::MAX, u64::from);
        let slots = (self.waiting + self.running).min(most);
        // As those that there are; without any, one slot each.
        let each = self.slots.checked_div(self.workers).unwrap_or(1).max(1);
        slots.div_ceil(each)
    }
}

/// Writes a number by queue and kind. Those beyond the first many share one.
fn by_kind(
    page: &mut Page,
    name: &str,
    help: &str,
    rows: &[Waiting],
    of: fn(&Waiting) -> f64,
    join: fn(f64, f64) -> f64,
) {
    let mut family = page.family(name, Sort::Gauge, help);
    let (own, shared) = rows.split_at(rows.len().min(MOST));
    for row in own {
        family.value(&[("queue", &row.queue), ("kind", &row.kind)], of(row));
    }
    if !shared.is_empty() {
        family.value(&[("queue", OTHER), ("kind", OTHER)], shared.iter().map(of).fold(0.0, join));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_needed_for_what_may_run_and_for_no_more() {
        let needed = |waiting, running, workers, slots, concurrency| {
            let settings = QueueSettings { concurrency, ..QueueSettings::default() };
            Queue { settings, waiting, running, workers, slots }.workers_needed()
        };
        assert_eq!(needed(0, 0, 2, 8, None), 0);
        assert_eq!(needed(9, 4, 2, 8, None), 4);
        assert_eq!(needed(1_000, 0, 0, 0, None), 1_000);
        assert_eq!(needed(1_000, 8, 2, 8, Some(10)), 3);
        let paused = Queue {
            settings: QueueSettings { paused: true, ..QueueSettings::default() },
            waiting: 9,
            ..Queue::default()
        };
        assert_eq!(paused.workers_needed(), 0);
    }
}
