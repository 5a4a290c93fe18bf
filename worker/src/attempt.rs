//! One attempt: it runs, and however it ends, it ends as a verdict.

use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use jobs_artifacts::Artifacts;
use jobs_core::{Engines, Event, JobContext, JobError, Registry, TaskError, task::ErrorType};
use jobs_store::{
    Store,
    transition::{Claim, Finish},
};
use serde_json::value::RawValue;
use tokio::{
    runtime::Handle,
    sync::{Mutex, Notify},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, info_span, warn};

use crate::{
    held::Held,
    host::Host,
    limits::Limits,
    metrics::Meter,
    recorder::{End, Recorder},
    reporter::Reporter,
    scratch::Scratch,
    source::Claimed,
    tally::{Counted, Tally},
    unfenced,
};

/// An attempt that was asked to stop may tidy up for so long.
const GRACE: Duration = Duration::from_secs(5);
/// One that may be started by somebody else at any moment.
pub(crate) const FENCED_GRACE: Duration = Duration::from_millis(500);
/// One whose process has to end.
const RELEASED_GRACE: Duration = Duration::from_millis(1_200);
/// No wait for the next attempt is longer than this.
const WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
/// The files of an attempt that failed hold nobody up for longer than this.
const DISCARD_MAX: Duration = Duration::from_secs(2);

/// What attempts need; one for all of them.
pub(crate) struct Attempts {
    pub(crate) registry: Registry,
    pub(crate) engines: Engines,
    pub(crate) store: Store,
    pub(crate) artifacts: Artifacts,
    pub(crate) scratch: Scratch,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) recorder: Recorder,
    pub(crate) held: Arc<Held>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) limits: Limits,
    /// The runtime that kinds run on.
    pub(crate) runtime: Handle,
    /// Cancelled when what still runs is to be given back.
    pub(crate) release: CancellationToken,
}

type Running = JoinHandle<Result<Box<RawValue>, JobError>>;

/// How an attempt ended.
enum Ended {
    /// By itself.
    Returned(Result<Box<RawValue>, JobError>),
    /// By a panic, with its message.
    Panicked(String),
    /// It ran longer than it may.
    TimedOut,
    /// Its scratch directory takes more than it may: so many bytes.
    Overfull(u64),
    /// Somebody asked to stop the task.
    Stopped,
    /// The worker stops.
    Released,
    /// It is not ours any more.
    Fenced,
}

impl Ended {
    /// Whether it says how long such attempts take: nothing from outside ended it.
    fn is_natural(&self) -> bool {
        matches!(self, Self::Returned(_) | Self::TimedOut | Self::Panicked(_) | Self::Overfull(_))
    }
}

impl Attempts {
    /// Runs one attempt to its end and hands its verdict to the recorder.
    pub(crate) async fn run(&self, claimed: Claimed, queue: Arc<str>) {
        let claim = &claimed.claim;
        let span = info_span!(
            "attempt",
            task.id = %claim.task,
            task.kind = claim.kind,
            attempt = claim.attempt,
            epoch = claim.epoch,
            worker = %claimed.life.id,
            request_id = claim.request_id,
        );
        async {
            // The history of the task says it all; a line for each of thousands a second costs more than the attempt.
            debug!("started");
            let meter = Meter::of(&queue, &claim.kind);
            let (running, began) = (meter.running.raise(), Instant::now());
            meter.begin(claim.waited);
            let ended = self.attempt(&claimed).await;
            let took = began.elapsed();
            drop(running);
            let counted = Counted::new(claim, &queue);
            if ended.is_natural() {
                self.tally.ran(&counted, claim.waited, took);
            }
            let speaker = (claimed.life.id, claim.task, claim.epoch);
            self.reporter.flush(speaker, &claimed.life.over).await;
            let finish = verdict(claim, ended, self.limits);
            meter.end(finish.as_ref().map(|finish| finish.event), took);
            let Some(finish) = finish else {
                self.held.remove(claim.task, claim.epoch);
                warn!("abandoned: the lease has ended");
                return;
            };
            match &finish.error {
                Some(error) => info!(event = finish.event.name(), code = error.code, message = error.message, "ended"),
                None => debug!(event = finish.event.name(), "ended"),
            }
            // The recorder outlives every attempt.
            let group = claim.group.clone();
            let end = End { worker: claimed.life.id, queue, group, finish, counted: Some(counted) };
            let _ = self.recorder.send(end).await;
        }
        .instrument(span)
        .await;
    }

    async fn attempt(&self, claimed: &Claimed) -> Ended {
        let claim = &claimed.claim;
        // It may have waited for its turn in this process.
        if unfenced::end_of(&claimed.life).is_cancelled() {
            return Ended::Fenced;
        }
        if claimed.cancel.is_cancelled() {
            return Ended::Stopped;
        }
        if self.release.is_cancelled() {
            return Ended::Released;
        }
        let Some(kind) = self.registry.get(&claim.kind).cloned() else {
            let error = JobError::retry("kind_unknown", format!("this worker does not know the kind {}", claim.kind));
            return Ended::Returned(Err(error));
        };
        // The kind's own token: it hears of every reason to stop, the task's hears of one.
        let stop = CancellationToken::new();
        let host = Arc::new(Host {
            worker: claimed.life.id,
            task: claim.task,
            epoch: claim.epoch,
            reporter: self.reporter.clone(),
            store: self.store.clone(),
            artifacts: self.artifacts.clone(),
            scratch: self.scratch.clone(),
            dir: Mutex::new(None),
            made_dir: Notify::new(),
            uploads: AtomicUsize::new(0),
            control: Handle::current(),
        });
        let cx = JobContext::new(claim.task, claim.attempt, stop.clone(), self.engines.clone(), host.clone());
        let input = claim.input.clone();
        let work = async move { kind.run(&input, &cx).await }.in_current_span();
        let running = self.runtime.spawn(work);
        let ended = self.watch(running, claimed, &host, &stop).await;
        if !matches!(ended, Ended::Returned(Ok(_))) {
            // What is left after that goes with the task.
            let _ = tokio::time::timeout(DISCARD_MAX, host.discard_uploads()).await;
        }
        ended
    }

    /// Waits for the end of an attempt, whatever comes first.
    async fn watch(&self, mut running: Running, claimed: &Claimed, host: &Host, stop: &CancellationToken) -> Ended {
        let over = unfenced::end_of(&claimed.life);
        let ended = tokio::select! {
            done = &mut running => return returned(done),
            () = tokio::time::sleep(claimed.claim.timeout) => Ended::TimedOut,
            usage = host.overfull(self.limits.disk_bytes) => Ended::Overfull(usage),
            () = claimed.cancel.cancelled() => Ended::Stopped,
            () = self.release.cancelled() => Ended::Released,
            () = over.cancelled() => Ended::Fenced,
        };
        stop.cancel();
        self.wind_up(running, ended).await
    }

    /// Gives an attempt that was asked to stop the time to do so. If it did its work meanwhile, that counts.
    async fn wind_up(&self, mut running: Running, ended: Ended) -> Ended {
        let grace = match ended {
            Ended::Fenced => FENCED_GRACE,
            Ended::Released => RELEASED_GRACE,
            _ => GRACE,
        };
        match tokio::time::timeout(grace, &mut running).await {
            Ok(Ok(Ok(output))) if !matches!(ended, Ended::Fenced) => Ended::Returned(Ok(output)),
            Ok(_) => ended,
            Err(_) => {
                // Dropped at its next await. One that never awaits keeps its thread, and nothing else.
                running.abort();
                warn!("did not stop when asked; abandoned");
                ended
            }
        }
    }
}

fn returned(done: Result<Result<Box<RawValue>, JobError>, tokio::task::JoinError>) -> Ended {
    match done {
        Ok(result) => Ended::Returned(result),
        Err(error) => {
            let message = match error.try_into_panic() {
                Ok(payload) => panic_message(&*payload),
                Err(error) => error.to_string(),
            };
            Ended::Panicked(message)
        }
    }
}

fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// What the owner of the task is told; `None` when nobody would believe us.
fn verdict(claim: &Claim, ended: Ended, limits: Limits) -> Option<Finish> {
    let finish =
        |event, output, error, wait| Some(Finish { task: claim.task, epoch: claim.epoch, event, output, error, wait });
    let plain = |event| finish(event, None, None, Duration::ZERO);
    let error = match ended {
        Ended::Returned(Ok(output)) => return finish(Event::Succeed, Some(output), None, Duration::ZERO),
        Ended::Stopped => return plain(Event::Stop),
        Ended::Released => return plain(Event::Release),
        Ended::Fenced => return None,
        Ended::Returned(Err(error)) => error,
        Ended::Panicked(message) => JobError::retry("panicked", message).crashed(),
        Ended::Overfull(usage) => {
            let message = format!("its files take {usage} bytes of disk, and {} are allowed", limits.disk_bytes);
            // The same input takes as much the next time.
            JobError::fail("disk_limit", message)
        }
        Ended::TimedOut => {
            let message = format!("the attempt ran longer than {} ms", claim.timeout.as_millis());
            JobError { error_type: ErrorType::Timeout, ..JobError::retry("timed_out", message) }
        }
    };
    // An attempt that was lost with its worker is not the task's fault, so it does not count here. Nor does what was before somebody
    // opened the task again.
    let failures = claim.attempt.saturating_sub(claim.lost + claim.forgiven).max(1);
    let again = error.retryable && failures < claim.max_attempts;
    let wait = claim.retry.wait(failures, &mut rand::rng()).max(error.after.unwrap_or_default()).min(WAIT_MAX);
    let kept = TaskError {
        error_type: error.error_type,
        code: error.code.to_owned(),
        message: error.message,
        retryable: error.retryable,
        attempt: claim.attempt,
        details: error.details.map(|details| *details),
    };
    let event = if again { Event::Retry } else { Event::Fail };
    finish(event, None, Some(kept), wait)
}

#[cfg(test)]
mod tests {
    use jobs_core::{GroupKey, ProjectId, RetryPolicy, TaskId};

    use super::*;

    fn claim(attempt: u32, lost: u32) -> Claim {
        Claim {
            task: TaskId::new(),
            epoch: 1,
            project: ProjectId::DEFAULT,
            kind: "echo".into(),
            group: GroupKey::new(ProjectId::DEFAULT, "default"),
            input: RawValue::from_string("{}".into()).expect("JSON"),
            attempt,
            lost,
            forgiven: 0,
            max_attempts: 3,
            retry: RetryPolicy::default(),
            timeout: Duration::from_secs(1),
            request_id: None,
            queued_at: None,
            waited: None,
        }
    }

    const LIMITS: Limits = Limits { memory_bytes: 1 << 20, disk_bytes: 1 << 20 };

    fn event(claim: &Claim, ended: Ended) -> Option<Event> {
        verdict(claim, ended, LIMITS).map(|finish| finish.event)
    }

    #[test]
    fn a_task_is_tried_as_often_as_it_may_fail() {
        let busy = || Ended::Returned(Err(JobError::retry("busy", "busy")));
        assert_eq!(event(&claim(1, 0), busy()), Some(Event::Retry));
        assert_eq!(event(&claim(2, 0), busy()), Some(Event::Retry));
        assert_eq!(event(&claim(3, 0), busy()), Some(Event::Fail));
    }

    #[test]
    fn attempts_that_were_lost_with_their_worker_do_not_count() {
        let busy = || Ended::Returned(Err(JobError::retry("busy", "busy")));
        assert_eq!(event(&claim(4, 2), busy()), Some(Event::Retry));
        assert_eq!(event(&claim(5, 2), busy()), Some(Event::Fail));
    }

    #[test]
    fn attempts_of_before_a_new_opening_do_not_count() {
        let busy = || Ended::Returned(Err(JobError::retry("busy", "busy")));
        assert_eq!(event(&Claim { forgiven: 3, ..claim(5, 0) }, busy()), Some(Event::Retry));
        assert_eq!(event(&Claim { forgiven: 2, ..claim(6, 1) }, busy()), Some(Event::Fail));
    }

    #[test]
    fn a_fault_that_time_does_not_heal_fails_at_once() {
        let wrong = Ended::Returned(Err(JobError::fail("wrong", "wrong")));
        assert_eq!(event(&claim(1, 0), wrong), Some(Event::Fail));
    }

    #[test]
    fn an_attempt_that_fills_the_disk_is_not_tried_again() {
        let full = verdict(&claim(1, 0), Ended::Overfull(2 << 20), LIMITS).expect("a verdict");
        assert_eq!((full.event, full.error.map(|error| error.code)), (Event::Fail, Some("disk_limit".to_owned())));
    }

    #[test]
    fn a_timeout_and_a_panic_may_be_tried_again() {
        assert_eq!(event(&claim(1, 0), Ended::TimedOut), Some(Event::Retry));
        assert_eq!(event(&claim(1, 0), Ended::Panicked("oh".into())), Some(Event::Retry));
        let last = verdict(&claim(3, 0), Ended::TimedOut, LIMITS).and_then(|finish| finish.error);
        assert_eq!(last.map(|error| error.error_type), Some(ErrorType::Timeout));
    }

    #[test]
    fn a_stop_is_no_failure_and_a_fenced_attempt_says_nothing() {
        assert_eq!(event(&claim(1, 0), Ended::Stopped), Some(Event::Stop));
        assert_eq!(event(&claim(1, 0), Ended::Released), Some(Event::Release));
        assert_eq!(event(&claim(1, 0), Ended::Fenced), None);
    }
}
