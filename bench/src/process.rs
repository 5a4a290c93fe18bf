//! A program as a process, with its log in a file.

use std::{
    fs::File,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use jobs_runtime::config::SUPERVISED;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// How often a state is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(10);
/// How long a process may take to stop in order.
const STOP: Duration = Duration::from_secs(20);
/// So many bytes of a log are shown when its process ended.
const TAIL: usize = 2_000;

/// A process in a group of its own. The whole group is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    // A program of ours stops when this is closed, which the kernel does however we die.
    _stdin: Option<ChildStdin>,
}

impl Process {
    /// Runs `command` with its output in a file of the folder `logs`.
    pub(crate) fn spawn(name: &'static str, mut command: Command, logs: &Path) -> anyhow::Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).context("open a log")?;
        command.stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(out).process_group(0).env(SUPERVISED, "1");
        let mut child = command.spawn().with_context(|| format!("start {name} ({:?})", command.get_program()))?;
        let stdin = child.stdin.take();
        Ok(Self { name, child, log, _stdin: stdin })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its log is.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.log.clone()
    }

    /// Waits until `look` says that it is ready.
    pub(crate) async fn ready(&mut self, bound: Duration, mut look: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
        let began = Instant::now();
        while !look().await {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}): {}", self.name, self.tail());
            }
            if began.elapsed() > bound {
                bail!("{} was not ready within {bound:?}: {}", self.name, self.tail());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until it has ended by itself, which must be well.
    pub(crate) async fn succeeded(mut self, bound: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("{} ended ({status}): {}", self.name, self.tail()),
                None if began.elapsed() > bound => bail!("{} has not ended within {bound:?}", self.name),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Stops it in order, or else by force.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).with_context(|| format!("stop {}", self.name))?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() && began.elapsed() < STOP {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    fn tail(&self) -> String {
        let log = String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned();
        let start = log.ceil_char_boundary(log.len().saturating_sub(TAIL));
        log[start..].trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Also what it started itself. It may be gone, which is all that is wanted.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}
