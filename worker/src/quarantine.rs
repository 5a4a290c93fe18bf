//! The quarantine: a task that lost its worker again and again runs alone, in a process of its own.
//!
//! Should it be the one that takes workers down, it takes nothing else along from then on; should it only have been beside that
//! one, it finishes here. The process is this same program, with a life of its own: it claims the task, runs it and records how it
//! ended by itself. Here it is only started, passed the signals, and, when it dies, said to be dead.

use std::{
    io,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use jobs_core::{TaskId, WorkerId};
use jobs_runtime::{Shutdown, config::SUPERVISED};
use jobs_store::Store;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

/// So many tasks of a worker are in quarantine at once: each costs a process.
const SLOTS: usize = 1;
/// A process that cannot be started is not tried again before this.
const PAUSE: Duration = Duration::from_secs(1);

/// The quarantine of one worker.
pub(crate) struct Quarantine {
    store: Store,
    /// What the operator calls the worker.
    name: String,
    slots: Arc<Semaphore>,
    running: TaskTracker,
    shutdown: Shutdown,
}

impl Quarantine {
    /// A quarantine with nothing in it.
    pub(crate) fn new(store: Store, name: String, shutdown: Shutdown) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(SLOTS));
        Arc::new(Self { store, name, slots, running: TaskTracker::new(), shutdown })
    }

    /// Whether there is room for a task.
    pub(crate) fn is_free(&self) -> bool {
        self.slots.available_permits() > 0 && !self.shutdown.soft.is_cancelled()
    }

    /// Takes a task and starts a process for it, which claims it; `false` when there is no room.
    pub(crate) fn take(self: &Arc<Self>, task: TaskId) -> bool {
        if self.shutdown.soft.is_cancelled() {
            return false;
        }
        let Ok(slot) = self.slots.clone().try_acquire_owned() else { return false };
        self.running.spawn(self.clone().run(task, slot));
        true
    }

    /// Completes when the worker stops and no task is left here.
    pub(crate) async fn drained(self: Arc<Self>) {
        self.shutdown.soft.cancelled().await;
        self.running.close();
        self.running.wait().await;
    }

    async fn run(self: Arc<Self>, task: TaskId, _slot: OwnedSemaphorePermit) {
        let life = WorkerId::new();
        let ended = match self.start(task, life) {
            Ok(child) => {
                info!(task.id = %task, worker = %life, "a task that lost its workers runs alone");
                self.look_after(child).await
            }
            Err(error) => Err(error),
        };
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) => {
                warn!(task.id = %task, worker = %life, %status, "a task took down the process that it had for itself");
                self.bury(life).await;
            }
            Err(error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    task.id = %task,
                    "a task that has to run alone cannot be started"
                );
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    fn start(&self, task: TaskId, life: WorkerId) -> io::Result<Child> {
        Command::new(std::env::current_exe()?)
            .args(["worker", "--name", &self.name, "--only", &task.to_string(), "--life", &life.to_string()])
            .env(SUPERVISED, "1")
            // Its memory is limited, and what the allocator takes ahead would count.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            // It ends when our end is closed, which the kernel does however we die.
            .stdin(Stdio::piped())
            // Ctrl-C on our terminal is for us: we stop it in order.
            .process_group(0)
            .spawn()
    }

    /// Waits for the end of a process, and passes on what it is to hear.
    async fn look_after(&self, mut child: Child) -> io::Result<ExitStatus> {
        // Out of the child, whose `wait` would close it.
        let _open = child.stdin.take();
        for asked in [&self.shutdown.soft, &self.shutdown.hard] {
            tokio::select! {
                ended = child.wait() => return ended,
                () = asked.cancelled() => {}
            }
            if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
                // It may have ended meanwhile, which is all we want.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        child.wait().await
    }

    /// Says that a life is over, so that its task is taken back now and not when its lease ends.
    async fn bury(&self, life: WorkerId) {
        let mut wait = Duration::from_millis(50);
        loop {
            match self.store.bury(life).await {
                Err(error) if error.is_unavailable() => {}
                // It may never have been born.
                Ok(_) => return,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, worker = %life, "could not say that a life is over; its lease will end");
                    return;
                }
            }
            tokio::select! { () = tokio::time::sleep(wait) => {}, () = self.shutdown.hard.cancelled() => return }
            wait = (wait * 2).min(Duration::from_secs(1));
        }
    }
}
