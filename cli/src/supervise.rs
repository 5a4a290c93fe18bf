//! A process of ours that is looked after: started again when it ends, stopped when we stop.

use std::{
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use jobs_runtime::{Shutdown, config::SUPERVISED};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// The first wait before a new start; it doubles up to [`LONGEST_WAIT`].
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Whoever ran this long was well: the next wait is a short one again.
const WELL_AFTER: Duration = Duration::from_secs(10);

/// A command of this same program that must run as long as we do.
#[derive(Debug, Clone)]
pub(crate) struct Ward {
    /// What it is called in the log.
    pub(crate) name: String,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// What is different from our own environment.
    pub(crate) environment: Vec<(String, String)>,
}

impl Ward {
    /// Runs it until a soft stop is asked for, again and again. Then it may finish; a hard stop kills it.
    pub(crate) async fn look_after(self, shutdown: Shutdown) {
        let mut wait = SHORTEST_WAIT;
        while !shutdown.soft.is_cancelled() {
            let began = Instant::now();
            match self.start() {
                Ok(mut child) => {
                    let ended = self.run(&mut child, &shutdown).await;
                    if shutdown.soft.is_cancelled() {
                        return;
                    }
                    let status = ended.map_or_else(|err| err.to_string(), |status| status.to_string());
                    tracing::error!(process = self.name, status, "a process ended; starting it again");
                }
                Err(err) => tracing::error!(process = self.name, "{err:#}"),
            }
            wait = if began.elapsed() > WELL_AFTER { SHORTEST_WAIT } else { wait };
            let _ = tokio::time::timeout(wait, shutdown.soft.cancelled()).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn start(&self) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("find the path of this program")?;
        Command::new(program)
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .env(SUPERVISED, "1")
            // It ends when our end is closed, which the kernel does however we die.
            .stdin(Stdio::piped())
            // Ctrl-C on our terminal is for us: we stop it in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", self.name))
    }

    async fn run(&self, child: &mut Child, shutdown: &Shutdown) -> std::io::Result<ExitStatus> {
        // Out of the child, whose `wait` would close it.
        let _open = child.stdin.take();
        tokio::select! {
            ended = child.wait() => return ended,
            () = shutdown.soft.cancelled() => {}
        }
        if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
            // It may have ended meanwhile, which is all we want.
            let _ = kill_process(pid, Signal::TERM);
        }
        tokio::select! {
            ended = child.wait() => return ended,
            () = shutdown.hard.cancelled() => {}
        }
        tracing::warn!(process = self.name, "killed: it did not stop in time");
        child.kill().await?;
        child.wait().await
    }
}
