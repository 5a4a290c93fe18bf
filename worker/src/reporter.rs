//! Writes down what attempts say while they run: progress and log lines of all of them in one statement, a few times a second.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jobs_core::{LogLevel, Progress, TaskId, WorkerId};
use jobs_store::{Report, Store, Word};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    courier::{Courier, Errand},
    life::is_passing,
    unfenced,
};

/// Words are gathered for so long.
const PACE: Duration = Duration::from_millis(200);
/// An attempt that says more than this between two writes loses the rest, and is told so.
const WORDS_MAX: usize = 1_000;
/// A longer log line is cut.
const LINE_MAX: usize = 8_192;

/// An attempt that speaks.
type Speaker = (WorkerId, TaskId, i32);

#[derive(Default)]
struct Said {
    progress: Option<Progress>,
    lines: Vec<(LogLevel, String)>,
    dropped: usize,
}

/// Takes the words of attempts.
pub(crate) struct Reporter {
    said: Mutex<HashMap<Speaker, Said>>,
    news: Notify,
    /// How many writes have begun and how many have ended.
    written: watch::Sender<(u64, u64)>,
    hurry: Notify,
}

impl Reporter {
    /// Starts to report, until `stop` is cancelled.
    pub(crate) fn start(store: Store, courier: Courier, stop: CancellationToken) -> Arc<Self> {
        let (written, _) = watch::channel((0, 0));
        let reporter = Arc::new(Self { said: Mutex::default(), news: Notify::new(), written, hurry: Notify::new() });
        tokio::spawn(reporter.clone().run(store, courier, stop));
        reporter
    }

    /// The latest progress of an attempt; it replaces one that was not written yet.
    pub(crate) fn progress(&self, speaker: Speaker, mut progress: Progress) {
        // Postgres cannot store it, and one attempt's word must not cost another's.
        for text in [&mut progress.phase, &mut progress.message, &mut progress.unit].into_iter().flatten() {
            text.retain(|char| char != '\0');
        }
        self.change(speaker, |said| said.progress = Some(progress));
    }

    /// A line of an attempt's log.
    pub(crate) fn log(&self, speaker: Speaker, level: LogLevel, mut line: String) {
        line.retain(|char| char != '\0');
        if line.len() > LINE_MAX {
            let end = (0..=LINE_MAX).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
            line.truncate(end);
            line.push('…');
        }
        self.change(speaker, |said| {
            if said.lines.len() < WORDS_MAX { said.lines.push((level, line)) } else { said.dropped += 1 }
        });
    }

    fn change(&self, speaker: Speaker, change: impl FnOnce(&mut Said)) {
        change(self.said.lock().unwrap_or_else(PoisonError::into_inner).entry(speaker).or_default());
        self.news.notify_one();
    }

    /// Completes when everything that the attempt said is written, or the attempt is over anyway.
    pub(crate) async fn flush(&self, speaker: Speaker, over: &CancellationToken) {
        let mut written = self.written.subscribe();
        let (until, ended) = {
            // Writes begin under this lock: one that has begun may hold words of ours, the next one holds the rest.
            let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            let (begun, ended) = *written.borrow_and_update();
            (if said.contains_key(&speaker) { begun + 1 } else { begun }, ended)
        };
        if ended >= until {
            return;
        }
        self.hurry.notify_one();
        tokio::select! {
            _ = written.wait_for(|(_, ended)| *ended >= until) => {}
            () = over.cancelled() => {}
        }
    }

    async fn run(self: Arc<Self>, store: Store, courier: Courier, stop: CancellationToken) {
        loop {
            tokio::select! { () = self.news.notified() => {}, () = stop.cancelled() => return }
            tokio::select! { () = tokio::time::sleep(PACE) => {}, () = self.hurry.notified() => {} }
            let said = {
                let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
                // In one step with the taking, so that a flush knows which write holds its words.
                self.written.send_modify(|(begun, _)| *begun += 1);
                std::mem::take(&mut *said)
            };
            write(&store, &courier, said, &stop).await;
            self.written.send_modify(|(begun, ended)| *ended = *begun);
        }
    }
}

async fn write(store: &Store, courier: &Courier, said: HashMap<Speaker, Said>, stop: &CancellationToken) {
    let mut reports: HashMap<WorkerId, Vec<Report>> = HashMap::with_capacity(1);
    for ((worker, task, epoch), said) in said {
        let (worker, epoch) = unfenced::signed(store, worker, task, epoch).await;
        let words = reports.entry(worker).or_default();
        let mut say = |word| words.push(Report { task, epoch, word });
        for (level, message) in said.lines {
            say(Word::Log { level, message });
        }
        if said.dropped > 0 {
            let message = format!("{} more lines were dropped: too many at once", said.dropped);
            say(Word::Log { level: LogLevel::Warn, message });
        }
        if let Some(progress) = said.progress {
            say(Word::Progress { progress });
        }
    }
    for (worker, reports) in reports {
        let mut wait = Duration::from_millis(50);
        loop {
            match store.report(worker, &reports).await {
                Ok(changed) => {
                    courier.send(Errand::Announce(changed));
                    break;
                }
                Err(error) if is_passing(&error) => {
                    warn!(
                        error = &error as &dyn std::error::Error,
                        words = reports.len(),
                        "progress waits for Postgres"
                    );
                }
                Err(error) => {
                    error!(
                        error = &error as &dyn std::error::Error,
                        words = reports.len(),
                        "progress cannot be recorded"
                    );
                    break;
                }
            }
            tokio::select! { () = tokio::time::sleep(wait) => {}, () = stop.cancelled() => return }
            wait = (wait * 2).min(Duration::from_secs(1));
        }
    }
}
